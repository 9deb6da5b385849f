//! The names that Spark gives to columns without an alias: `count(1)`, `(a + b)`, `avg(temperature)`.

use super::window;
use sqlparser::ast::{self, BinaryOperator, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value};

/// Longest name made from an expression, in characters; Spark has no limit.
const NAME_CHARS_MAX: usize = 200;

/// The name of an output column.
pub fn output_name(expr: &ast::Expr) -> String {
    let name = match expr {
        ast::Expr::Identifier(ident) => ident.value.clone(),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        ast::Expr::Function(function) if window::called(function).is_some() => window::called(function).unwrap_or_default().to_string(),
        ast::Expr::CompoundFieldAccess { root, access_chain } if matches!(&**root, ast::Expr::Function(_)) => {
            let access: String = access_chain.iter().map(ToString::to_string).collect();
            format!("{}{access}", output_name(root))
        }
        ast::Expr::Nested(inner) => return output_name(inner),
        // A cast alone keeps the column's name.
        ast::Expr::Cast { expr: column, .. } if is_column(column) => return output_name(column),
        ast::Expr::Function(function) if cast_of_column(function).is_some() => {
            return cast_of_column(function).map(output_name).unwrap_or_default();
        }
        other => show(other),
    };
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

fn is_column(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
}

/// The column in `int(column)` and its like.
fn cast_of_column(function: &ast::Function) -> Option<&ast::Expr> {
    const CASTS: [&str; 8] = ["string", "int", "bigint", "float", "double", "boolean", "date", "timestamp"];
    let FunctionArguments::List(arguments) = &function.args else { return None };
    match &arguments.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(column))] if is_column(column) => {
            CASTS.contains(&function.name.to_string().to_lowercase().as_str()).then_some(column)
        }
        _ => None,
    }
}

fn list(exprs: &[ast::Expr]) -> String {
    exprs.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn show(expr: &ast::Expr) -> String {
    use ast::Expr as E;
    match expr {
        E::Identifier(ident) => ident.value.clone(),
        E::CompoundIdentifier(parts) => parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."),
        E::CompoundFieldAccess { root, access_chain } => {
            let access: String = access_chain.iter().map(ToString::to_string).collect();
            format!("{}{access}", show(root))
        }
        E::Nested(inner) => show(inner),
        E::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            Value::Number(text, _) => text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).to_string(),
            Value::Null => "NULL".to_string(),
            other => other.to_string(),
        },
        E::TypedString(typed) => format!("{} '{}'", typed.data_type, typed.value.value.clone().into_string().unwrap_or_default()),
        E::Interval(interval) => format!("INTERVAL {}", interval.value),
        E::UnaryOp { op, expr } => match op {
            UnaryOperator::Minus if matches!(&**expr, E::Value(ast::ValueWithSpan { value: Value::Number(..), .. })) => {
                format!("-{}", show(expr))
            }
            UnaryOperator::Minus => format!("(- {})", show(expr)),
            UnaryOperator::Plus => format!("(+ {})", show(expr)),
            UnaryOperator::BitwiseNot => format!("~{}", show(expr)),
            _ => format!("(NOT {})", show(expr)),
        },
        E::BinaryOp { .. } => binary(expr),
        E::InList { .. }
        | E::Between { .. }
        | E::Like { .. }
        | E::ILike { .. }
        | E::RLike { .. }
        | E::IsNull(_)
        | E::IsNotNull(_)
        | E::IsTrue(_)
        | E::IsFalse(_)
        | E::IsNotTrue(_)
        | E::IsNotFalse(_)
        | E::IsDistinctFrom(..)
        | E::IsNotDistinctFrom(..) => predicate(expr),
        E::Cast { kind, expr, data_type, .. } => {
            let name = if matches!(kind, ast::CastKind::TryCast) { "TRY_CAST" } else { "CAST" };
            format!("{name}({} AS {})", show(expr), data_type.to_string().to_uppercase())
        }
        E::Case { operand, conditions, else_result, .. } => {
            let whens = conditions.iter().map(|when| {
                let condition = match operand {
                    Some(operand) => format!("({} = {})", show(operand), show(&when.condition)),
                    None => show(&when.condition),
                };
                format!(" WHEN {condition} THEN {}", show(&when.result))
            });
            let otherwise = else_result.as_ref().map(|result| format!(" ELSE {}", show(result))).unwrap_or_default();
            format!("CASE{}{otherwise} END", whens.collect::<String>())
        }
        E::Function(function) => call(function),
        other => with_own_syntax(other),
    }
}

/// Functions that the parser knows by name.
fn with_own_syntax(expr: &ast::Expr) -> String {
    use ast::Expr as E;
    match expr {
        E::Extract { field, expr, .. } => format!("extract({field} FROM {})", show(expr)),
        E::Ceil { expr, .. } => format!("CEIL({})", show(expr)),
        E::Floor { expr, .. } => format!("FLOOR({})", show(expr)),
        E::Position { expr, r#in } => format!("locate({}, {}, 1)", show(expr), show(r#in)),
        E::Substring { expr, substring_from, substring_for, shorthand, .. } => {
            let args = std::iter::once(&**expr).chain(substring_from.as_deref()).chain(substring_for.as_deref());
            let name = if *shorthand { "substr" } else { "substring" };
            let whole = if substring_for.is_none() { ", 2147483647" } else { "" };
            format!("{name}({}{whole})", args.map(show).collect::<Vec<_>>().join(", "))
        }
        E::Trim { expr, trim_where, trim_what, .. } => match (trim_what, trim_where) {
            (Some(what), side) => {
                let side = side.map_or("BOTH".to_string(), |side| side.to_string());
                format!("TRIM({side} {} FROM {})", show(what), show(expr))
            }
            (None, Some(ast::TrimWhereField::Leading)) => format!("ltrim({})", show(expr)),
            (None, Some(ast::TrimWhereField::Trailing)) => format!("rtrim({})", show(expr)),
            (None, _) => format!("trim({})", show(expr)),
        },
        other => other.to_string(),
    }
}

fn predicate(expr: &ast::Expr) -> String {
    use ast::Expr as E;
    match expr {
        E::IsNull(operand) => format!("({} IS NULL)", show(operand)),
        E::IsNotNull(operand) => format!("({} IS NOT NULL)", show(operand)),
        E::IsTrue(operand) => format!("({} <=> true)", show(operand)),
        E::IsFalse(operand) => format!("({} <=> false)", show(operand)),
        E::IsNotTrue(operand) => format!("(NOT ({} <=> true))", show(operand)),
        E::IsNotFalse(operand) => format!("(NOT ({} <=> false))", show(operand)),
        E::IsDistinctFrom(left, right) => format!("(NOT ({} <=> {}))", show(left), show(right)),
        E::IsNotDistinctFrom(left, right) => format!("({} <=> {})", show(left), show(right)),
        E::InList { expr, list: values, negated } => negate(*negated, format!("({} IN ({}))", show(expr), list(values))),
        E::Between { expr, negated, low, high } => negate(*negated, format!("between({}, {}, {})", show(expr), show(low), show(high))),
        E::Like { expr, pattern, negated, escape_char, .. } => {
            let escape = escape_char.as_ref().map(|escape| format!(" ESCAPE '{}'", show(escape))).unwrap_or_default();
            negate(*negated, format!("{} LIKE {}{escape}", show(expr), show(pattern)))
        }
        E::ILike { expr, pattern, negated, .. } => negate(*negated, format!("ilike({}, {})", show(expr), show(pattern))),
        E::RLike { expr, pattern, negated, .. } => negate(*negated, format!("RLIKE({}, {})", show(expr), show(pattern))),
        other => other.to_string(),
    }
}

fn negate(negated: bool, text: String) -> String {
    if negated { format!("(NOT {text})") } else { text }
}

/// A chain's left spine is walked, not recursed into.
fn binary(expr: &ast::Expr) -> String {
    let mut spine = Vec::new();
    let mut current = expr;
    while let ast::Expr::BinaryOp { left, op, right } = current {
        spine.push((op, right));
        current = left;
    }
    let mut shown = show(current);
    for (op, right) in spine.into_iter().rev() {
        shown = match op {
            BinaryOperator::StringConcat => format!("concat({shown}, {})", show(right)),
            BinaryOperator::MyIntegerDivide => format!("({shown} div {})", show(right)),
            BinaryOperator::NotEq => format!("(NOT ({shown} = {}))", show(right)),
            op => format!("({shown} {op} {})", show(right)),
        };
        // Names of endless chains are cut anyway.
        if shown.len() > 8 * NAME_CHARS_MAX {
            break;
        }
    }
    shown
}

fn call(function: &ast::Function) -> String {
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(arguments) = &function.args else { return format!("{name}()") };
    let args: Vec<String> = arguments
        .args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => show(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => "1".to_string(),
            other => other.to_string(),
        })
        .collect();
    if let Some(shown) = aggregate(&name, &args, function) {
        return shown;
    }
    if let Some(shown) = as_operator(&name, &args) {
        return shown;
    }
    let distinct = if matches!(arguments.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct)) { "DISTINCT " } else { "" };
    let filter = function.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", show(filter))).unwrap_or_default();
    let missing = default_argument(&name, args.len()).map(|default| format!(", {default}")).unwrap_or_default();
    let name = if UPPER_CASE.contains(&name.as_str()) { name.to_uppercase() } else { name };
    format!("{name}({distinct}{}{missing}){filter}", args.join(", "))
}

/// Aggregates that Spark shows otherwise than they are written.
fn aggregate(name: &str, args: &[String], function: &ast::Function) -> Option<String> {
    let FunctionArguments::List(arguments) = &function.args else { return None };
    let distinct = if matches!(arguments.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct)) { "DISTINCT " } else { "" };
    let filter = function.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", show(filter))).unwrap_or_default();
    let first = args.first().map(String::as_str).unwrap_or_default();
    let respects = function.null_treatment == Some(ast::NullTreatment::RespectNulls);
    let shown = match (name, &function.within_group[..]) {
        ("listagg" | "string_agg", keys) => {
            let delimiter = args.get(1).map_or("NULL", String::as_str);
            let keys: Vec<String> = keys.iter().map(|key| sort_key(key, true)).collect();
            match &keys[..] {
                [] => format!("{name}({distinct}{first}, {delimiter})"),
                keys => format!("listagg({distinct}{first}, {delimiter}) WITHIN GROUP (ORDER BY {})", keys.join(", ")),
            }
        }
        ("percentile_cont" | "percentile_disc", [key]) => format!("{name}({first}) WITHIN GROUP (ORDER BY {})", sort_key(key, false)),
        // The other way round, as Spark has it.
        ("mode", [key]) if matches!(key.options.sort, Some(ast::OrderBySort::Desc)) => {
            format!("mode() WITHIN GROUP (ORDER BY {})", show(&key.expr))
        }
        ("mode", [key]) => format!("mode() WITHIN GROUP (ORDER BY {} DESC)", show(&key.expr)),
        ("mode", []) if args.get(1).is_some_and(|flag| flag == "true") => format!("mode() WITHIN GROUP (ORDER BY {first} DESC)"),
        ("array_agg" | "collect_list" | "collect_set", []) => {
            let name = if name == "collect_set" { name } else { "collect_list" };
            format!("{name}({distinct}{first}){}", if respects { " RESPECT NULLS" } else { "" })
        }
        ("first" | "last" | "any_value" | "first_value" | "last_value" | "approx_count_distinct" | "mode", []) => {
            format!("{name}({distinct}{first})")
        }
        _ => return None,
    };
    Some(format!("{shown}{filter}"))
}

fn sort_key(key: &ast::OrderByExpr, whole: bool) -> String {
    let descending = matches!(key.options.sort, Some(ast::OrderBySort::Desc));
    if !whole {
        return format!("{}{}", show(&key.expr), if descending { " DESC" } else { "" });
    }
    let nulls_first = key.options.nulls_first.unwrap_or(!descending);
    let (direction, nulls) = (if descending { "DESC" } else { "ASC" }, if nulls_first { "FIRST" } else { "LAST" });
    format!("{} {direction} NULLS {nulls}", show(&key.expr))
}

/// Functions whose names Spark shows in upper case.
const UPPER_CASE: &[&str] = &[
    "power",
    "log",
    "log10",
    "log2",
    "log1p",
    "expm1",
    "sqrt",
    "cbrt",
    "exp",
    "rlike",
    "regexp_like",
    "hypot",
    "pi",
    "e",
    "atan2",
    "degrees",
    "radians",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
];

/// Functions that Spark shows as operators.
fn as_operator(name: &str, args: &[String]) -> Option<String> {
    Some(match (name, args) {
        ("if", args) => format!("(IF({}))", args.join(", ")),
        ("isnull", [arg]) => format!("({arg} IS NULL)"),
        ("isnotnull", [arg]) => format!("({arg} IS NOT NULL)"),
        ("like", [text, pattern]) => format!("{text} LIKE {pattern}"),
        ("positive", [arg]) => format!("(+ {arg})"),
        ("log", [arg]) => format!("LOG(E(), {arg})"),
        ("ltrim", [what, text]) => format!("TRIM(LEADING {what} FROM {text})"),
        ("rtrim", [what, text]) => format!("TRIM(TRAILING {what} FROM {text})"),
        _ => return None,
    })
}

/// The last argument that Spark fills in.
fn default_argument(name: &str, given: usize) -> Option<&'static str> {
    match (name, given) {
        ("round" | "bround", 1) => Some("0"),
        ("replace", 2) => Some(""),
        ("lpad" | "rpad", 2) => Some(" "),
        ("locate" | "position" | "regexp_extract", 2) | ("regexp_replace", 3) => Some("1"),
        ("percentile", 2) => Some("1"),
        ("percentile_approx" | "approx_percentile", 2) => Some("10000"),
        ("unix_timestamp" | "to_unix_timestamp" | "from_unixtime", 1) => Some("yyyy-MM-dd HH:mm:ss"),
        _ => None,
    }
}

//! The names that Spark gives to columns without an alias: `count(1)`, `(a + b)`, `avg(temperature)`.

use sqlparser::ast::{self, BinaryOperator, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value};

/// Longest name made from an expression, in characters; Spark has no limit.
const NAME_CHARS_MAX: usize = 200;

/// The name of an output column.
pub fn output_name(expr: &ast::Expr) -> String {
    let name = match expr {
        ast::Expr::Identifier(ident) => ident.value.clone(),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("window") => "window".to_string(),
        ast::Expr::Nested(inner) => return output_name(inner),
        other => show(other),
    };
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
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
            match &**root {
                // A member of window(...) is named by the member alone.
                E::Function(_) => access.trim_start_matches('.').to_string(),
                root => format!("{}{access}", show(root)),
            }
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
            UnaryOperator::Minus => format!("(- {})", show(expr)).replace("(- (- ", "(- (- "),
            UnaryOperator::Plus => format!("(+ {})", show(expr)),
            UnaryOperator::BitwiseNot => format!("~{}", show(expr)),
            _ => format!("(NOT {})", show(expr)),
        },
        E::BinaryOp { .. } => binary(expr),
        E::IsNull(operand) => format!("({} IS NULL)", show(operand)),
        E::IsNotNull(operand) => format!("({} IS NOT NULL)", show(operand)),
        E::IsTrue(operand) => format!("({} IS TRUE)", show(operand)),
        E::IsFalse(operand) => format!("({} IS FALSE)", show(operand)),
        E::InList { expr, list: values, negated } => negate(*negated, format!("({} IN ({}))", show(expr), list(values))),
        E::Between { expr, negated, low, high } => negate(*negated, format!("between({}, {}, {})", show(expr), show(low), show(high))),
        E::Like { expr, pattern, negated, .. } => negate(*negated, format!("{} LIKE {}", show(expr), show(pattern))),
        E::ILike { expr, pattern, negated, .. } => negate(*negated, format!("ilike({}, {})", show(expr), show(pattern))),
        E::RLike { expr, pattern, negated, .. } => negate(*negated, format!("RLIKE({}, {})", show(expr), show(pattern))),
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
        E::Extract { field, expr, .. } => format!("extract({field} FROM {})", show(expr)),
        E::Ceil { expr, .. } => format!("CEIL({})", show(expr)),
        E::Floor { expr, .. } => format!("FLOOR({})", show(expr)),
        E::Position { expr, r#in } => format!("locate({}, {}, 1)", show(expr), show(r#in)),
        E::Substring { expr, substring_from, substring_for, .. } => {
            let args = std::iter::once(&**expr).chain(substring_from.as_deref()).chain(substring_for.as_deref());
            format!("substring({})", args.map(show).collect::<Vec<_>>().join(", "))
        }
        E::Trim { expr, .. } => format!("trim({})", show(expr)),
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
    let args = arguments.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => show(expr),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => "1".to_string(),
        other => other.to_string(),
    });
    let args = args.collect::<Vec<_>>().join(", ");
    let name = match name.as_str() {
        "if" => return format!("(IF({args}))"),
        "power" | "log10" | "log2" | "log1p" | "expm1" | "sqrt" | "exp" | "rlike" => name.to_uppercase(),
        _ => name,
    };
    let distinct = if matches!(arguments.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct)) { "DISTINCT " } else { "" };
    let filter = function.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", show(filter))).unwrap_or_default();
    format!("{name}({distinct}{args}){filter}")
}

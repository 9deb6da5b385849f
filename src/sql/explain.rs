//! A plan for people: what is read, filtered, grouped, kept and given out.

use std::fmt::Write;

use crate::plan::{
    AggregateCall, AggregateFunction, DEPTH_MAX, Expr, ExprNode, Function, GroupKey, NamedExpr, OutputMode, Query, Relation, TableSchema,
    WindowSpec,
};
use crate::types::duration::show_duration;
use crate::types::{DataType, Field, Value};

/// Longest expression shown, in characters.
const EXPR_CHARS_MAX: usize = 300;

/// The query's plan, one step a line, from the source to the result. `sources` are those it was planned with.
pub fn explain(query: &Query, sources: &[TableSchema]) -> String {
    let mode = match query.mode {
        OutputMode::Append => "append",
        OutputMode::Update => "update",
        OutputMode::Complete => "complete",
        OutputMode::Batch => "batch",
    };
    let mut out = format!("query {} ({mode})\n", query.name);
    let mut steps: Vec<&Relation> = std::iter::successors(Some(&query.root), |relation| relation.input()).take(DEPTH_MAX).collect();
    steps.reverse();
    let marked = query.root.has_watermark();
    for step in &steps {
        describe(step, query.mode, marked, sources, &mut out);
    }
    let columns: Vec<String> = query.output.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
    line(&mut out, "output", &columns.join(", "));
    out
}

fn line(out: &mut String, label: &str, text: &str) {
    let _ = writeln!(out, "  {label:<10} {text}");
}

fn describe(relation: &Relation, mode: OutputMode, marked: bool, sources: &[TableSchema], out: &mut String) {
    let names = relation.input().map(Relation::schema).unwrap_or_default();
    match relation {
        Relation::Scan { source, schema, .. } => {
            let table = sources.get(*source).map_or("?", |table| table.name.as_str());
            let total = sources.get(*source).map_or(schema.len(), |table| table.columns.len());
            let columns: Vec<&str> = schema.iter().map(|field| field.name.as_str()).collect();
            let columns = if columns.is_empty() { "no columns".to_string() } else { columns.join(", ") };
            line(out, "read", &format!("{table}: {columns} ({} of {total} columns)", schema.len()));
        }
        Relation::Values { rows, .. } => line(out, "values", &format!("{} row{}", rows.len(), if rows.len() == 1 { "" } else { "s" })),
        Relation::Filter { input, predicate } => {
            let place = match (marked, input.has_watermark(), super::optimize::has_aggregate(input)) {
                (_, _, true) => " (on each group that is given out)",
                (false, ..) => "",
                (true, true, _) => " (above the watermark: rows that it removes advance it)",
                (true, false, _) => " (below the watermark: rows that it removes do not advance it)",
            };
            line(out, "filter", &format!("{}{place}", show(predicate, &names)));
        }
        Relation::Project { columns, .. } => {
            let columns: Vec<String> = columns.iter().map(|column| named(column, &names)).collect();
            line(out, "project", &columns.join(", "));
        }
        Relation::Watermark { column, delay_us, .. } => {
            let name = names.get(*column).map_or("?", |field| field.name.as_str());
            line(out, "watermark", &format!("greatest {name} seen, less {}", show_duration(*delay_us)));
        }
        Relation::Aggregate { keys, aggregates, .. } => aggregate(relation, keys, aggregates, &names, mode, out),
        Relation::Sort { by, .. } => {
            let keys = by.iter().map(|key| format!("{}{}", show(&key.expr, &names), if key.descending { " descending" } else { "" }));
            line(out, "sort", &keys.collect::<Vec<_>>().join(", "));
        }
        Relation::Limit { rows, .. } => line(out, "limit", &format!("{rows} rows")),
        other => line(out, "operator", &format!("{} columns", other.schema().len())),
    }
}

fn aggregate(relation: &Relation, keys: &[GroupKey], aggregates: &[AggregateCall], names: &[Field], mode: OutputMode, out: &mut String) {
    let mut plain = Vec::new();
    for key in keys {
        match key {
            GroupKey::Window(spec) => line(out, "window", &window(spec, names)),
            GroupKey::Expr(key) => plain.push(named(key, names)),
            other => line(out, "window", &other.field().name),
        }
    }
    if !plain.is_empty() {
        line(out, "keys", &plain.join(", "));
    }
    if !aggregates.is_empty() {
        let calls: Vec<String> = aggregates.iter().map(|aggregate| call(aggregate, names)).collect();
        line(out, "aggregates", &calls.join(", "));
    }
    if mode != OutputMode::Batch {
        line(out, "state", state(relation, keys, mode));
    }
}

fn state(relation: &Relation, keys: &[GroupKey], mode: OutputMode) -> &'static str {
    let closes = relation.event_time_columns().contains(&true);
    match mode {
        OutputMode::Complete => "one entry a group, kept for ever",
        _ if keys.is_empty() => "one entry",
        _ if closes && keys.iter().any(|key| matches!(key, GroupKey::Window(_))) => {
            "one entry a group and window, dropped once the watermark has reached the window's end"
        }
        _ if closes => "one entry a group, dropped once the watermark has reached its time",
        _ => "one entry a group, kept for ever",
    }
}

fn window(spec: &WindowSpec, names: &[Field]) -> String {
    let mut text = format!("{} of {}", show_duration(spec.size_us), show(&spec.time, names));
    if spec.slide_us != spec.size_us {
        let _ = write!(text, ", sliding by {}", show_duration(spec.slide_us));
    }
    if spec.offset_us != 0 {
        let _ = write!(text, ", starting at {}", show_duration(spec.offset_us));
    }
    text
}

fn named(column: &NamedExpr, names: &[Field]) -> String {
    let shown = show(&column.expr, names);
    if shown == column.name { shown } else { format!("{shown} AS {}", column.name) }
}

fn call(call: &AggregateCall, names: &[Field]) -> String {
    let name = match call.function {
        AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Avg => "avg",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
        AggregateFunction::StddevSamp => "stddev",
        AggregateFunction::StddevPop => "stddev_pop",
        AggregateFunction::VarSamp => "variance",
        AggregateFunction::VarPop => "var_pop",
        other => &snake_case(&format!("{other:?}")),
    };
    let args: Vec<String> = call.args.iter().map(|arg| show(arg, names)).collect();
    let args = if args.is_empty() { "*".to_string() } else { args.join(", ") };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let filter = call.filter.as_ref().map(|filter| format!(" where {}", show(filter, names))).unwrap_or_default();
    format!("{name}({distinct}{args}){filter}")
}

/// An expression over columns called `names`, cut where it is long.
fn show(expr: &Expr, names: &[Field]) -> String {
    let mut out = String::new();
    write_expr(expr, names, &mut out);
    match out.char_indices().nth(EXPR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out,
    }
}

fn write_expr(expr: &Expr, names: &[Field], out: &mut String) {
    if out.len() > 4 * EXPR_CHARS_MAX {
        return;
    }
    match &expr.node {
        ExprNode::Column(index) => out.push_str(names.get(*index).map_or("?", |field| &field.name)),
        ExprNode::Literal(value) => out.push_str(&literal(value)),
        ExprNode::Cast { input, fallible } => {
            out.push_str(if *fallible { "try_cast(" } else { "CAST(" });
            write_expr(input, names, out);
            let _ = write!(out, " AS {})", expr.data_type);
        }
        ExprNode::And(left, right) => infix(left, "AND", right, names, out),
        ExprNode::Or(left, right) => infix(left, "OR", right, names, out),
        ExprNode::Not(input) => match &input.node {
            ExprNode::IsNull(input) => suffixed(input, "IS NOT NULL", names, out),
            _ => {
                out.push_str("NOT ");
                write_expr(input, names, out);
            }
        },
        ExprNode::IsNull(input) => suffixed(input, "IS NULL", names, out),
        ExprNode::Case { branches, otherwise } => {
            out.push_str("CASE");
            for (condition, result) in branches {
                out.push_str(" WHEN ");
                write_expr(condition, names, out);
                out.push_str(" THEN ");
                write_expr(result, names, out);
            }
            if let Some(otherwise) = otherwise {
                out.push_str(" ELSE ");
                write_expr(otherwise, names, out);
            }
            out.push_str(" END");
        }
        ExprNode::Parameter { index, .. } => {
            let _ = write!(out, "parameter{index}");
        }
        ExprNode::Lambda { body, .. } => {
            out.push_str("-> ");
            write_expr(body, names, out);
        }
        ExprNode::Coalesce(args) => list("coalesce", args, names, out),
        ExprNode::InList { input, list: values } => {
            write_expr(input, names, out);
            list(" IN ", values, names, out);
        }
        ExprNode::Member { input, index } => {
            write_expr(input, names, out);
            let name = match &input.data_type {
                DataType::Struct(fields) => fields.get(*index).map_or("?", |field| &field.name),
                _ => "?",
            };
            let _ = write!(out, ".{name}");
        }
        ExprNode::Call { function, args } => write_call(*function, args, names, out),
    }
}

fn write_call(function: Function, args: &[Expr], names: &[Field], out: &mut String) {
    let operator = match function {
        Function::Add => "+",
        Function::Subtract => "-",
        Function::Multiply => "*",
        Function::Divide => "/",
        Function::IntegerDivide => "div",
        Function::Remainder => "%",
        Function::Equal => "=",
        Function::NotEqual => "<>",
        Function::Less => "<",
        Function::LessEqual => "<=",
        Function::Greater => ">",
        Function::GreaterEqual => ">=",
        Function::EqualNullSafe => "<=>",
        Function::Like => "LIKE",
        Function::Rlike => "RLIKE",
        _ => "",
    };
    match args {
        [left, right] if !operator.is_empty() => infix(left, operator, right, names, out),
        [time, Expr { node: ExprNode::Literal(Value::BigInt(micros)), .. }] if function == Function::AddMicros => {
            write_expr(time, names, out);
            let _ = write!(out, " + {}", show_duration(*micros));
        }
        [time, Expr { node: ExprNode::Literal(Value::BigInt(size)), .. }, ..] if function == Function::WindowOf => {
            out.push_str("window(");
            write_expr(time, names, out);
            let _ = write!(out, ", '{}')", show_duration(*size));
        }
        _ => list(&snake_case(&format!("{function:?}")), args, names, out),
    }
}

fn infix(left: &Expr, operator: &str, right: &Expr, names: &[Field], out: &mut String) {
    out.push('(');
    write_expr(left, names, out);
    let _ = write!(out, " {operator} ");
    write_expr(right, names, out);
    out.push(')');
}

fn suffixed(input: &Expr, suffix: &str, names: &[Field], out: &mut String) {
    write_expr(input, names, out);
    let _ = write!(out, " {suffix}");
}

fn list(name: &str, args: &[Expr], names: &[Field], out: &mut String) {
    out.push_str(name);
    out.push('(');
    for (i, arg) in args.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { ", " });
        write_expr(arg, names, out);
    }
    out.push(')');
}

/// `DateTrunc` → `date_trunc`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.char_indices() {
        if i > 0 && c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_string(),
        Value::Boolean(value) => value.to_string().to_uppercase(),
        Value::Int(value) => value.to_string(),
        Value::BigInt(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Timestamp(micros) => match jiff::Timestamp::from_microsecond(*micros) {
            Ok(time) => format!("TIMESTAMP '{time}'"),
            Err(_) => format!("timestamp_micros({micros})"),
        },
        Value::Date(days) => format!("date_from_unix_date({days})"),
        Value::Binary(_) | Value::Interval(_) | Value::Array(_) | Value::Map(_) => {
            format!("{value:?}")
        }
        Value::Struct(values) => format!("struct({})", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
    }
}

//! A plan for people: what is read, filtered, grouped, kept and given out.

use std::fmt::Write;

use super::explain_relation;
use crate::plan::{
    AggregateCall, AggregateFunction, Expr, ExprNode, Function, GroupKey, NamedExpr, OutputMode, Query, Relation, TableSchema,
};
use crate::types::duration::show_duration;
use crate::types::{DataType, Field, Value};

/// Longest expression shown, in characters.
const EXPR_CHARS_MAX: usize = 300;

/// The query's plan, one step a line, from the source to the result. What a join or union reads beside its first input stands before it,
/// behind a bar. `sources` and `tables` are those it was planned with.
pub fn explain(query: &Query, sources: &[TableSchema], tables: &[TableSchema]) -> String {
    let mode = match query.mode {
        OutputMode::Append => "append",
        OutputMode::Update => "update",
        OutputMode::Complete => "complete",
        OutputMode::Batch => "batch",
    };
    let mut explained =
        Explained { out: format!("query {} ({mode})\n", query.name), bars: String::new(), mode: query.mode, sources, tables };
    explained.tree(&query.root, query.root.has_watermark());
    let columns: Vec<String> = query.output.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
    explained.line("output", &columns.join(", "));
    explained.out
}

struct Explained<'a> {
    out: String,
    /// What stands before each line of a side branch.
    bars: String,
    mode: OutputMode,
    sources: &'a [TableSchema],
    tables: &'a [TableSchema],
}

impl Explained<'_> {
    fn line(&mut self, label: &str, text: &str) {
        let _ = writeln!(self.out, "  {}{label:<10} {text}", self.bars);
    }

    /// The inputs, then the operator. `marked`: a watermark stands in this branch.
    fn tree(&mut self, relation: &Relation, marked: bool) {
        for (index, input) in relation.inputs().into_iter().enumerate() {
            let marked = marked && (input.has_watermark() || relation.inputs().len() == 1);
            if index == 0 {
                self.tree(input, marked);
                continue;
            }
            self.bars.push_str("| ");
            self.tree(input, marked);
            self.bars.truncate(self.bars.len() - 2);
        }
        self.describe(relation, marked);
    }

    fn describe(&mut self, relation: &Relation, marked: bool) {
        let names = relation.input().map(Relation::schema).unwrap_or_default();
        match relation {
            Relation::Scan { source: table, schema, .. } => self.read("read", self.sources.get(*table), schema),
            Relation::ReferenceScan { table, schema, .. } => self.read("table", self.tables.get(*table), schema),
            Relation::Values { rows, .. } => {
                self.line("values", &format!("{} row{}", rows.len(), if rows.len() == 1 { "" } else { "s" }));
            }
            Relation::Filter { input, predicate } => {
                let place = match (marked, input.has_watermark(), super::optimize::has_aggregate(input)) {
                    (_, _, true) => " (on each group that is given out)",
                    (false, ..) => "",
                    (true, true, _) => " (above the watermark: rows that it removes advance it)",
                    (true, false, _) => " (below the watermark: rows that it removes do not advance it)",
                };
                self.line("filter", &format!("{}{place}", show(predicate, &names)));
            }
            Relation::Project { columns, .. } => {
                let columns: Vec<String> = columns.iter().map(|column| named(column, &names)).collect();
                self.line("project", &columns.join(", "));
            }
            Relation::Watermark { column, delay_us, .. } => {
                let name = names.get(*column).map_or("?", |field| field.name.as_str());
                self.line("watermark", &format!("greatest {name} seen, less {}", show_duration(*delay_us)));
            }
            Relation::Aggregate { keys, aggregates, .. } => self.aggregate(relation, keys, aggregates, &names),
            Relation::Sort { by, .. } => self.line("sort", &explain_relation::sort_keys(by, &names)),
            Relation::Limit { rows, skip, .. } => {
                let skipped = if *skip > 0 { format!(" after the first {skip}") } else { String::new() };
                let rows = if *rows == u64::MAX { "all".to_string() } else { rows.to_string() };
                self.line("limit", &format!("{rows} rows{skipped}"));
            }
            Relation::Union { inputs } => self.line("union", &format!("all rows of {} inputs", inputs.len())),
            Relation::Join(join) => self.line("join", &explain_relation::join(join)),
            Relation::Generate { generator, outer, columns, .. } => {
                self.line("generate", &explain_relation::generate(generator, *outer, columns, &names));
            }
            Relation::Expand { projections, columns, .. } => self.line("expand", &explain_relation::expand(projections, columns)),
            Relation::Over { .. } => self.line("over", &explain_relation::over(relation, &names)),
            Relation::Deduplicate { keys, delay_us, .. } => {
                let keys: Vec<&str> = keys.iter().filter_map(|key| names.get(*key)).map(|field| field.name.as_str()).collect();
                self.line("dedup", &format!("first row of each {} within {}", keys.join(", "), show_duration(*delay_us)));
            }
            Relation::StateFunction(function) => self.line("state", &explain_relation::state_function(function, &names)),
        }
    }

    fn read(&mut self, label: &str, table: Option<&TableSchema>, schema: &[Field]) {
        let name = table.map_or("?", |table| table.name.as_str());
        let total = table.map_or(schema.len(), |table| table.columns.len());
        let columns: Vec<&str> = schema.iter().map(|field| field.name.as_str()).collect();
        let columns = if columns.is_empty() { "no columns".to_string() } else { columns.join(", ") };
        self.line(label, &format!("{name}: {columns} ({} of {total} columns)", schema.len()));
    }

    fn aggregate(&mut self, relation: &Relation, keys: &[GroupKey], aggregates: &[AggregateCall], names: &[Field]) {
        let mut plain = Vec::new();
        for key in keys {
            match key {
                GroupKey::Window(spec) => self.line("window", &explain_relation::window(spec, names)),
                GroupKey::Expr(key) => plain.push(named(key, names)),
                other => self.line("window", &other.field().name),
            }
        }
        if !plain.is_empty() {
            self.line("keys", &plain.join(", "));
        }
        if !aggregates.is_empty() {
            let calls: Vec<String> = aggregates.iter().map(|aggregate| call(aggregate, names)).collect();
            self.line("aggregates", &calls.join(", "));
        }
        if self.mode != OutputMode::Batch {
            self.line("state", state(relation, keys, self.mode));
        }
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

fn named(column: &NamedExpr, names: &[Field]) -> String {
    let shown = show(&column.expr, names);
    if shown == column.name { shown } else { format!("{shown} AS {}", column.name) }
}

pub fn call(call: &AggregateCall, names: &[Field]) -> String {
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
pub fn show(expr: &Expr, names: &[Field]) -> String {
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
pub fn snake_case(name: &str) -> String {
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

//! Analytic functions: `f(…) OVER (PARTITION BY … ORDER BY … ROWS|RANGE BETWEEN …)`, with Spark's defaults.

use sqlparser::ast::{self, NamedWindowExpr, WindowFrameBound, WindowFrameUnits, WindowType};

use super::aggregates;
use super::coerce::{cast, coerce, is_integral, is_numeric};

use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::places::Stand;
use super::planner::{Planner, direction};
use super::select::Computed;
use super::signatures::check_count;
use super::tree;
use crate::plan::{Expr, ExprNode, Frame, FrameBound, OutputMode, OverCall, OverFunction, Relation, SortKey, Span};
use crate::types::duration::parse_interval;
use crate::types::{DataType, Value};

/// The analytic functions beside the aggregates.
pub const NAMES: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "nth_value",
    "first_value",
    "last_value",
    "changed",
    "ewma",
    "rate",
    "deadband",
];

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How many named windows may refer to each other.
const WINDOW_CHAIN_MAX: usize = 16;

/// A call as it stands in the SELECT list.
pub struct WrittenOver {
    pub partition: Vec<Expr>,
    pub order: Vec<SortKey>,
    pub call: OverCall,
}

impl WrittenOver {
    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let order = self.order.iter_mut().map(|key| &mut key.expr);
        self.partition.iter_mut().chain(order).chain(self.call.exprs_mut())
    }

    /// Whether both calls go over the same rows in the same order.
    fn shares_window(&self, other: &WrittenOver) -> bool {
        self.partition.len() == other.partition.len()
            && self.order.len() == other.order.len()
            && self.partition.iter().zip(&other.partition).all(|(a, b)| tree::same(a, b))
            && self
                .order
                .iter()
                .zip(&other.order)
                .all(|(a, b)| a.descending == b.descending && a.nulls_first == b.nulls_first && tree::same(&a.expr, &b.expr))
    }
}

/// PARTITION BY, ORDER BY and the frame, named windows looked up.
struct Window<'e> {
    partition: &'e [ast::Expr],
    order: &'e [ast::OrderByExpr],
    frame: Option<&'e ast::WindowFrame>,
}

impl<'a> ExprPlanner<'a> {
    /// A call with OVER: noted, and a column that stands for it.
    pub fn over_call(&mut self, function: &ast::Function, over: &WindowType, name: &str, span: Span) -> Result<Expr, SqlError> {
        if !matches!(self.clause, Clause::Select | Clause::OrderBy | Clause::Qualify) {
            let error = SqlError::new(span, "OVER can stand in the SELECT list, in QUALIFY and in ORDER BY only");
            return Err(error.help("compute it in a subquery, or filter with QUALIFY"));
        }
        if self.in_aggregate || self.in_over {
            return Err(SqlError::new(span, "OVER cannot be nested in an aggregate or another OVER").help("compute it in a subquery"));
        }
        self.in_over = true;
        let written = self.plan_over(function, over, name, span);
        self.in_over = false;
        let written = written?;
        let data_type = written.call.data_type.clone();
        self.overs.push(written);
        Ok(tree::column(Stand::Over(self.overs.len() - 1).column(), data_type, span))
    }

    fn plan_over(&mut self, function: &ast::Function, over: &WindowType, name: &str, span: Span) -> Result<WrittenOver, SqlError> {
        let window = self.window_of(over, span)?;
        let partition = window.partition.iter().map(|key| self.plan(key)).collect::<Result<Vec<_>, _>>()?;
        let mut order = Vec::new();
        for key in window.order {
            let (descending, nulls_first) = direction(key)?;
            order.push(SortKey { expr: self.plan(&key.expr)?, descending, nulls_first });
        }
        let mut call = self.plan_function(function, name, span)?;
        let ranks = matches!(
            call.function,
            OverFunction::RowNumber
                | OverFunction::Rank
                | OverFunction::DenseRank
                | OverFunction::PercentRank
                | OverFunction::CumeDist
                | OverFunction::Ntile
                | OverFunction::Lag
                | OverFunction::Lead
        );
        if (ranks || matches!(call.function, OverFunction::NthValue)) && order.is_empty() {
            return Err(SqlError::new(span, format!("`{name}` needs an order")).help("write OVER (… ORDER BY ts)"));
        }
        call.frame = match window.frame {
            Some(frame) if ranks => {
                let unbounded = matches!(frame.start_bound, WindowFrameBound::Preceding(None))
                    && matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow));
                if !(unbounded && frame.units == WindowFrameUnits::Rows) {
                    return Err(SqlError::new(span, format!("`{name}` has no frame")).help("leave ROWS or RANGE out"));
                }
                running(true)
            }
            Some(frame) => self.frame(frame, &order, span)?,
            None if ranks => running(true),
            // Rows of the same time may still come: a stream goes row by row.
            None if self.mode != OutputMode::Batch => running(true),
            None if order.is_empty() => Frame { rows: true, start: FrameBound::UnboundedPreceding, end: FrameBound::UnboundedFollowing },
            None => running(false),
        };
        Ok(WrittenOver { partition, order, call })
    }

    /// Looks up named windows; a window over a named one adds to it what that has not.
    fn window_of<'e>(&self, over: &'e WindowType, span: Span) -> Result<Window<'e>, SqlError>
    where
        'a: 'e,
    {
        let mut window = Window { partition: &[], order: &[], frame: None };
        let mut name = match over {
            WindowType::NamedWindow(name) => Some(name),
            WindowType::WindowSpec(spec) => add(&mut window, spec),
        };
        for _ in 0..WINDOW_CHAIN_MAX {
            let Some(wanted) = name else { return Ok(window) };
            let found = self.named_windows.iter().find(|known| known.0.value.eq_ignore_ascii_case(&wanted.value));
            let Some(found) = found else {
                let error = SqlError::new(span, format!("there is no window `{}`", wanted.value));
                return Err(error.help("define it after FROM, WHERE and GROUP BY: WINDOW w AS (PARTITION BY … ORDER BY …)"));
            };
            name = match &found.1 {
                NamedWindowExpr::NamedWindow(next) => Some(next),
                NamedWindowExpr::WindowSpec(spec) => add(&mut window, spec),
            };
        }
        Err(SqlError::new(span, "the named windows refer to each other"))
    }

    fn plan_function(&mut self, function: &ast::Function, name: &str, span: Span) -> Result<OverCall, SqlError> {
        let call = |function, args, data_type, ignore_nulls| OverCall {
            name: name.to_string(),
            function,
            args,
            ignore_nulls,
            frame: running(true),
            data_type,
            span,
        };
        let own = NAMES.contains(&name) || matches!(name, "first" | "last" | "any_value");
        let kind = match aggregates::find(name) {
            Some(kind) => kind,
            None if own => aggregates::Kind::Count,
            None => {
                let error = SqlError::new(span, format!("`{name}` cannot be used with OVER"));
                return Err(error.help(format!("there are the aggregates, and {}", NAMES.join(", "))));
            }
        };
        let written = self.written(kind, name.to_string(), function, span)?;
        if written.distinct {
            return Err(SqlError::new(span, "DISTINCT does not work with OVER, as in Spark"));
        }
        if (own || self.mode != OutputMode::Batch) && (written.filter.is_some() || !written.order.is_empty()) {
            let error = SqlError::new(span, format!("FILTER and WITHIN GROUP do not work with `{name}` and OVER"));
            return Err(error.help("sum(CASE WHEN … THEN x END) OVER (…) sums some rows only"));
        }
        if own {
            let args = written.args.ok_or_else(|| SqlError::new(span, format!("`{name}` does not take `*`")))?;
            let (function, args, data_type, ignore_nulls) = self.analytic(name, args, written.ignore_nulls == Some(true), span)?;
            return Ok(call(function, args, data_type, ignore_nulls));
        }
        let built = aggregates::build(kind, written, self.mode)?;
        let data_type = built.data_type.clone();
        Ok(call(OverFunction::Aggregate(Box::new(built)), vec![], data_type, false))
    }

    /// Function, arguments, type, and whether NULLs are skipped.
    fn analytic(
        &self,
        name: &str,
        mut args: Vec<Expr>,
        mut ignore_nulls: bool,
        span: Span,
    ) -> Result<(OverFunction, Vec<Expr>, DataType, bool), SqlError> {
        let count = |least, most| check_count(name, args.len(), least, Some(most), span);
        let (function, data_type) = match name {
            "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" => {
                count(0, 0)?;
                match name {
                    "row_number" => (OverFunction::RowNumber, DataType::Int),
                    "rank" => (OverFunction::Rank, DataType::Int),
                    "dense_rank" => (OverFunction::DenseRank, DataType::Int),
                    "percent_rank" => (OverFunction::PercentRank, DataType::Double),
                    _ => (OverFunction::CumeDist, DataType::Double),
                }
            }
            "ntile" => {
                count(0, 1)?;
                if args.is_empty() {
                    args.push(tree::int(1, span));
                }
                literal_number(&args[0], "the number of buckets of ntile", 1)?;
                (OverFunction::Ntile, DataType::Int)
            }
            "lag" | "lead" => {
                count(1, 3)?;
                let data_type = args[0].data_type.clone();
                if args.len() == 1 {
                    args.push(tree::int(1, span));
                }
                literal_number(&args[1], "the offset", i32::MIN)?;
                let default = if args.len() == 3 { args.remove(2) } else { tree::literal(Value::Null, DataType::Null, span) };
                args.push(if default.data_type == DataType::Null { cast(default, &data_type) } else { coerce(default, &data_type)? });
                (if name == "lag" { OverFunction::Lag } else { OverFunction::Lead }, data_type)
            }
            "nth_value" => {
                count(2, 3)?;
                ignore_nulls |= flag(&mut args, 2)?;
                literal_number(&args[1], "the number of the row", 1)?;
                (OverFunction::NthValue, args[0].data_type.clone())
            }
            "first_value" | "first" | "any_value" | "last_value" | "last" => {
                count(1, 2)?;
                ignore_nulls |= flag(&mut args, 1)?;
                let function = if name.starts_with("last") { OverFunction::LastValue } else { OverFunction::FirstValue };
                (function, args[0].data_type.clone())
            }
            "changed" => {
                count(1, 1)?;
                (OverFunction::Changed, DataType::Boolean)
            }
            "ewma" | "deadband" => {
                count(2, 2)?;
                let half_life = name == "ewma" && args[1].data_type == DataType::Interval;
                let to_double = |(index, arg)| if index == 1 && half_life { Ok(arg) } else { coerce(arg, &DataType::Double) };
                args = args.into_iter().enumerate().map(to_double).collect::<Result<_, _>>()?;
                (if name == "ewma" { OverFunction::Ewma } else { OverFunction::Deadband }, DataType::Double)
            }
            _ => {
                count(1, 1)?;
                args = args.into_iter().map(|arg| coerce(arg, &DataType::Double)).collect::<Result<_, _>>()?;
                (OverFunction::Rate, DataType::Double)
            }
        };
        Ok((function, args, data_type, ignore_nulls))
    }

    fn frame(&mut self, frame: &ast::WindowFrame, order: &[SortKey], span: Span) -> Result<Frame, SqlError> {
        let rows = match frame.units {
            WindowFrameUnits::Rows => true,
            WindowFrameUnits::Range => false,
            WindowFrameUnits::Groups => return Err(SqlError::unsupported(span, "GROUPS").help("use ROWS or RANGE")),
        };
        let key = match order {
            _ if rows => None,
            [key] => Some(key.expr.data_type.clone()),
            _ => None,
        };
        let mut bound = |bound: &WindowFrameBound| -> Result<FrameBound, SqlError> {
            Ok(match bound {
                WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
                WindowFrameBound::Preceding(None) => FrameBound::UnboundedPreceding,
                WindowFrameBound::Following(None) => FrameBound::UnboundedFollowing,
                WindowFrameBound::Preceding(Some(distance)) => FrameBound::Preceding(self.distance(distance, rows, key.as_ref(), span)?),
                WindowFrameBound::Following(Some(distance)) => FrameBound::Following(self.distance(distance, rows, key.as_ref(), span)?),
            })
        };
        let start = bound(&frame.start_bound)?;
        let end = frame.end_bound.as_ref().map_or(Ok(FrameBound::CurrentRow), bound)?;
        if !rows && order.is_empty() && !(unbounded(&start) && unbounded(&end)) {
            return Err(SqlError::new(span, "RANGE needs an order").help("write ORDER BY, or use ROWS"));
        }
        if matches!(start, FrameBound::UnboundedFollowing) || matches!(end, FrameBound::UnboundedPreceding) || backwards(&start, &end) {
            return Err(SqlError::new(span, "the frame ends before it begins"));
        }
        Ok(Frame { rows, start, end })
    }

    /// How far a bound is from the current row: a whole number of rows, or a difference of the one ORDER BY value.
    fn distance(&mut self, written: &ast::Expr, rows: bool, key: Option<&DataType>, span: Span) -> Result<Expr, SqlError> {
        if let ast::Expr::Interval(interval) = written {
            let text = match &*interval.value {
                ast::Expr::Value(value) => value.value.clone().into_string().unwrap_or_default(),
                _ => String::new(),
            };
            let found = parse_interval(&text).map_err(|message| SqlError::new(place(written), message))?;
            if rows || !matches!(key, Some(DataType::Timestamp | DataType::Date)) || found.months != 0 {
                return Err(SqlError::new(place(written), "an interval of days or less bounds a RANGE over a TIMESTAMP or DATE"));
            }
            if matches!(key, Some(DataType::Date)) && found.micros % MICROS_PER_DAY != 0 {
                return Err(SqlError::new(place(written), "a RANGE over a DATE is bounded by whole days"));
            }
            return Ok(tree::literal(Value::Interval(found.micros), DataType::Interval, place(written)));
        }
        let planned = self.plan(written)?;
        let constant = matches!(planned.node, ExprNode::Literal(_) | ExprNode::Call { .. } | ExprNode::Cast { .. })
            && !tree::any(&planned, &mut |node| matches!(node.node, ExprNode::Column(_)));
        if !constant {
            return Err(SqlError::new(planned.span, "a bound of a frame is a constant"));
        }
        match key {
            _ if rows && planned.data_type == DataType::Int => Ok(cast(planned, &DataType::BigInt)),
            _ if rows => Err(SqlError::new(planned.span, "a bound of ROWS is a whole number of rows, of type INT")),
            Some(DataType::Date) if is_integral(&planned.data_type) => Ok(cast(planned, &DataType::BigInt)),
            Some(key) if is_numeric(key) && is_numeric(&planned.data_type) => {
                let exact = is_integral(key) && is_integral(&planned.data_type);
                let real = if *key == DataType::Float { &DataType::Float } else { &DataType::Double };
                Ok(cast(planned, if exact { &DataType::BigInt } else { real }))
            }
            Some(_) => Err(SqlError::new(planned.span, "this is no distance between ORDER BY values").help("INTERVAL 1 HOUR, for times")),
            None => Err(SqlError::new(span, "RANGE with a distance needs exactly one ORDER BY value").help("use ROWS")),
        }
    }
}

/// Adds a definition below what is known; the window that it builds upon.
fn add<'e>(window: &mut Window<'e>, spec: &'e ast::WindowSpec) -> Option<&'e ast::Ident> {
    if window.partition.is_empty() {
        window.partition = &spec.partition_by;
    }
    if window.order.is_empty() {
        window.order = &spec.order_by;
    }
    window.frame = window.frame.or(spec.window_frame.as_ref());
    spec.window_name.as_ref()
}

/// From the first row to this one, or to the last equal to it.
fn running(rows: bool) -> Frame {
    Frame { rows, start: FrameBound::UnboundedPreceding, end: FrameBound::CurrentRow }
}

fn unbounded(bound: &FrameBound) -> bool {
    matches!(bound, FrameBound::UnboundedPreceding | FrameBound::UnboundedFollowing)
}

/// Whether both bounds are known and the end lies before the start.
fn backwards(start: &FrameBound, end: &FrameBound) -> bool {
    let place = |bound: &FrameBound| {
        let distance = |expr: &Expr| match expr.node {
            ExprNode::Literal(Value::BigInt(n) | Value::Interval(n)) => Some(n as f64),
            ExprNode::Literal(Value::Double(x)) => Some(x),
            _ => None,
        };
        match bound {
            FrameBound::CurrentRow => Some(0.0),
            FrameBound::Preceding(expr) => distance(expr).map(|x| -x),
            FrameBound::Following(expr) => distance(expr),
            _ => None,
        }
    };
    place(start).zip(place(end)).is_some_and(|(start, end)| end < start)
}

fn literal_number(arg: &Expr, what: &str, least: i32) -> Result<(), SqlError> {
    match &arg.node {
        ExprNode::Literal(Value::Int(number)) if *number >= least => Ok(()),
        _ => Err(SqlError::new(arg.span, format!("{what} is a literal whole number{}", if least > 0 { " above 0" } else { "" }))),
    }
}

/// Takes the argument that says whether NULLs are skipped.
fn flag(args: &mut Vec<Expr>, index: usize) -> Result<bool, SqlError> {
    if args.len() <= index {
        return Ok(false);
    }
    match args.remove(index) {
        Expr { node: ExprNode::Literal(Value::Boolean(flag)), .. } => Ok(flag),
        other => Err(SqlError::new(other.span, "whether NULLs are ignored is said by TRUE or FALSE")),
    }
}

impl Planner<'_> {
    /// The relations that compute the analytic functions; `computed` is rewritten to their columns.
    pub fn plan_overs(&self, mut relation: Relation, computed: &mut Computed) -> Result<Relation, SqlError> {
        let mut waiting: Vec<(usize, WrittenOver)> = std::mem::take(&mut computed.overs).into_iter().enumerate().collect();
        let mut places = vec![0; waiting.len()];
        while let Some((_, first)) = waiting.first() {
            let first = WrittenOver { partition: first.partition.clone(), order: first.order.clone(), call: first.call.clone() };
            let (together, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, over)| over.shares_window(&first));
            waiting = rest;
            let width = relation.schema().len();
            let mut calls = Vec::new();
            for (place, (index, over)) in together.into_iter().enumerate() {
                over.call.exprs().into_iter().try_for_each(tree::check_expr_depth)?;
                places[index] = width + place;
                calls.push(over.call);
            }
            let span = calls[0].span;
            relation = Relation::Over { input: Box::new(relation), partition: first.partition, order: first.order, calls };
            self.check_over(&relation, span)?;
            self.check_depth(&relation, span)?;
        }
        for expr in computed.exprs_mut() {
            tree::renumber_columns(expr, &|index| match Stand::of(index) {
                Stand::Over(index) => Some(places[index]),
                _ => None,
            });
        }
        Ok(relation)
    }
}

//! The relational operators, and what they are made of.

use crate::plan::{AggregateCall, Expr, NamedExpr, ScriptText, SortKey, Span};
use crate::types::{DataType, Field, Value, window_type};

/// A relational operator over its inputs. A query that reads a query holds that query's tree.
#[derive(Clone, Debug)]
pub enum Relation {
    /// The rows of a source; `columns[i]` is the table's column that becomes column i.
    Scan {
        source: usize,
        columns: Vec<usize>,
        schema: Vec<Field>,
    },
    /// A literal table without FROM: one row, no columns; or VALUES.
    Values {
        rows: Vec<Vec<Expr>>,
        schema: Vec<Field>,
    },
    /// Rows for which the predicate is TRUE (not NULL).
    Filter {
        input: Box<Relation>,
        predicate: Expr,
    },
    Project {
        input: Box<Relation>,
        columns: Vec<NamedExpr>,
    },
    /// Event time is column `column`; the watermark is its greatest value seen in earlier steps, less `delay_us`.
    Watermark {
        input: Box<Relation>,
        column: usize,
        delay_us: i64,
    },
    /// Output: the keys in order (a window as a struct), then the aggregates. Without keys: one group.
    Aggregate {
        input: Box<Relation>,
        keys: Vec<GroupKey>,
        aggregates: Vec<AggregateCall>,
    },
    /// Batch and complete mode only.
    Sort {
        input: Box<Relation>,
        by: Vec<SortKey>,
    },
    /// At most `rows` rows after the first `skip`; those are left out. A stream has no `skip`.
    Limit {
        input: Box<Relation>,
        rows: u64,
        skip: u64,
    },
    /// The rows of a reference table as of this batch; `columns` as in [`Relation::Scan`].
    ReferenceScan {
        table: usize,
        columns: Vec<usize>,
        schema: Vec<Field>,
    },
    /// All rows of all inputs, which have the same column types; names are the first's.
    Union {
        inputs: Vec<Relation>,
    },
    Join(Join),
    /// Each row once for each row that the generator makes of it. Output: the input's columns, then `columns`.
    Generate {
        input: Box<Relation>,
        generator: Generator,
        /// A row for which nothing is made comes once, with NULLs.
        outer: bool,
        columns: Vec<Field>,
    },
    /// Each row once for each of `projections`, which all yield `columns`: GROUPING SETS, UNPIVOT.
    Expand {
        input: Box<Relation>,
        projections: Vec<Vec<Expr>>,
        columns: Vec<Field>,
    },
    /// Analytic functions. Output: the input's columns, then one for each call.
    Over {
        input: Box<Relation>,
        partition: Vec<Expr>,
        order: Vec<SortKey>,
        calls: Vec<OverCall>,
    },
    /// The first row for each value of the key columns; a key is forgotten `delay_us` of event time after its first row.
    /// Spark's `dropDuplicatesWithinWatermark`.
    Deduplicate {
        input: Box<Relation>,
        keys: Vec<usize>,
        delay_us: i64,
    },
    StateFunction(StateFunction),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    LeftSemi,
    LeftAnti,
    /// Inner, without keys.
    Cross,
}

/// Output: the left columns, then the right ones; only the left ones for semi and anti joins.
#[derive(Clone, Debug)]
pub struct Join {
    pub left: Box<Relation>,
    pub right: Box<Relation>,
    pub kind: JoinKind,
    pub keys: Vec<JoinKey>,
    /// What else must be TRUE, over the left columns followed by the right ones. Holds the time range too.
    pub condition: Option<Expr>,
    /// What the condition says of the two event times, where it does; bounds a stream-stream join's state.
    pub time: Option<JoinTime>,
    pub span: Span,
}

/// `left = right` or `left <=> right`, each over its own side, of one type.
#[derive(Clone, Debug)]
pub struct JoinKey {
    pub left: Expr,
    pub right: Expr,
    /// `<=>`: NULL matches NULL.
    pub null_safe: bool,
}

/// `right time - left time` lies in `min_us..=max_us` wherever rows match; `None`: no bound on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinTime {
    /// Event-time columns of the two sides.
    pub left: usize,
    pub right: usize,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
}

#[derive(Clone, Debug)]
pub enum Generator {
    /// Array: the element. Map: key and value.
    Explode(Expr),
    /// As [`Generator::Explode`], the position from 0 first.
    PosExplode(Expr),
    /// Array of structs: the members.
    Inline(Expr),
    /// Rows as given.
    Stack(Vec<Vec<Expr>>),
    /// All windows that hold the time: `window(...)` without GROUP BY.
    Windows(WindowSpec),
}

/// One analytic function of an [`Relation::Over`].
#[derive(Clone, Debug)]
pub struct OverCall {
    pub name: String,
    pub function: OverFunction,
    pub args: Vec<Expr>,
    pub ignore_nulls: bool,
    pub frame: Frame,
    pub data_type: DataType,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum OverFunction {
    Aggregate(Box<AggregateCall>),
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile,
    /// (x, offset, default).
    Lag,
    Lead,
    /// (x, n).
    NthValue,
    FirstValue,
    LastValue,
    /// Whether x differs from the key's last one. Tidemill's own, as all that follow.
    Changed,
    /// (x, alpha).
    Ewma,
    /// (counter): increase a second of event time; a counter that falls has been reset.
    Rate,
    /// (x, band): x where it left the band around the last value given, else NULL.
    Deadband,
}

/// `ROWS`, or `RANGE` over the ORDER BY values.
#[derive(Clone, Debug)]
pub struct Frame {
    pub rows: bool,
    pub start: FrameBound,
    pub end: FrameBound,
}

/// Where a frame begins or ends, from the current row.
#[derive(Clone, Debug)]
pub enum FrameBound {
    UnboundedPreceding,
    /// Rows, or a difference of the ORDER BY value.
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// A script's function over the rows of each key; `flatMapGroupsWithState` in Spark.
#[derive(Clone, Debug)]
pub struct StateFunction {
    pub input: Box<Relation>,
    /// Key columns of the input.
    pub keys: Vec<usize>,
    pub script: ScriptText,
    pub function: String,
    pub timeout: Timeout,
    /// Names and types of the rows that it gives.
    pub output: Vec<Field>,
    /// The states with which the query begins, where it has none yet.
    pub initial: Vec<InitialState>,
}

/// A key's state at the beginning.
#[derive(Clone, Debug)]
pub struct InitialState {
    /// By the key columns.
    pub key: Vec<Value>,
    /// As [`crate::script`] keeps it.
    pub state: Vec<u8>,
}

/// What a state function's timeouts are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    None,
    EventTime,
    ProcessingTime,
}

#[derive(Clone, Debug)]
pub enum GroupKey {
    Expr(NamedExpr),
    /// At most one a relation.
    Window(WindowSpec),
    Session(Session),
    LocalWindow(LocalWindow),
    CountWindow(CountWindow),
    StateWindow(StateWindow),
}

/// `session_window(time, gap)`: as long as rows of the key are at most `gap` apart.
#[derive(Clone, Debug)]
pub struct Session {
    pub name: String,
    pub time: Expr,
    /// STRING, a length of time such as '5 minutes', months too; not positive, NULL or no such text: the row vanishes.
    pub gap: Expr,
}

/// Days, weeks or months of a time zone's calendar. Tidemill's own.
#[derive(Clone, Debug)]
pub struct LocalWindow {
    pub name: String,
    pub time: Expr,
    pub days: u32,
    pub months: u32,
    /// From local midnight, µs.
    pub offset_us: i64,
    /// IANA name.
    pub zone: String,
}

/// `count_window(size, every)`: by arrival, for each key. Tidemill's own.
#[derive(Clone, Debug)]
pub struct CountWindow {
    pub name: String,
    /// TIMESTAMP: what start and end are taken from. `None`: both are NULL.
    pub time: Option<Expr>,
    /// Rows of one window.
    pub size: u64,
    /// Rows from the end of one window to the end of the next, at most `size`.
    pub every: u64,
}

/// `state_window(begin, end)`: from a row for which `begin` is TRUE up to one for which `end` is. Tidemill's own.
#[derive(Clone, Debug)]
pub struct StateWindow {
    pub name: String,
    /// As in [`CountWindow::time`].
    pub time: Option<Expr>,
    pub begin: Expr,
    pub end: Expr,
    /// Closes a window this long after its first row's time, at the latest.
    pub timeout_us: Option<i64>,
}

/// `window(time, size, slide, offset)`: all `[start, start + size)` with `start ≡ offset (mod slide)` that hold `time`. Rows with NULL time vanish.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    pub name: String,
    pub time: Expr,
    pub size_us: i64,
    pub slide_us: i64,
    pub offset_us: i64,
}

impl GroupKey {
    /// The column that the key yields.
    pub fn field(&self) -> Field {
        match self {
            GroupKey::Expr(named) => named.field(),
            GroupKey::Window(WindowSpec { name, .. })
            | GroupKey::Session(Session { name, .. })
            | GroupKey::LocalWindow(LocalWindow { name, .. })
            | GroupKey::CountWindow(CountWindow { name, .. })
            | GroupKey::StateWindow(StateWindow { name, .. }) => Field::new(name.clone(), window_type()),
        }
    }

    /// The expressions over the input that the key is made of.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            GroupKey::Expr(named) => vec![&named.expr],
            GroupKey::Window(WindowSpec { time, .. }) | GroupKey::LocalWindow(LocalWindow { time, .. }) => vec![time],
            GroupKey::Session(Session { time, gap, .. }) => vec![time, gap],
            GroupKey::CountWindow(CountWindow { time, .. }) => time.iter().collect(),
            GroupKey::StateWindow(StateWindow { time, begin, end, .. }) => time.iter().chain([begin, end]).collect(),
        }
    }

    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            GroupKey::Expr(named) => vec![&mut named.expr],
            GroupKey::Window(WindowSpec { time, .. }) | GroupKey::LocalWindow(LocalWindow { time, .. }) => vec![time],
            GroupKey::Session(Session { time, gap, .. }) => vec![time, gap],
            GroupKey::CountWindow(CountWindow { time, .. }) => time.iter_mut().collect(),
            GroupKey::StateWindow(StateWindow { time, begin, end, .. }) => time.iter_mut().chain([begin, end]).collect(),
        }
    }

    /// Whether the key is event time, given which input columns are.
    fn is_event_time(&self, input: &[bool]) -> bool {
        match self {
            GroupKey::Expr(named) => named.expr.is_event_time(input),
            GroupKey::Window(WindowSpec { time, .. })
            | GroupKey::LocalWindow(LocalWindow { time, .. })
            | GroupKey::Session(Session { time, .. }) => time.is_event_time(input),
            GroupKey::CountWindow(_) | GroupKey::StateWindow(_) => false,
        }
    }
}

impl Relation {
    /// Names and types of the columns this relation yields.
    pub fn schema(&self) -> Vec<Field> {
        match self {
            Relation::Scan { schema, .. } | Relation::Values { schema, .. } | Relation::ReferenceScan { schema, .. } => schema.clone(),
            Relation::Filter { input, .. }
            | Relation::Watermark { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Deduplicate { input, .. } => input.schema(),
            Relation::Project { columns, .. } => columns.iter().map(NamedExpr::field).collect(),
            Relation::Aggregate { keys, aggregates, .. } => {
                let keys = keys.iter().map(GroupKey::field);
                let aggregates = aggregates.iter().enumerate().map(|(i, call)| Field::new(format!("aggregate{i}"), call.data_type.clone()));
                keys.chain(aggregates).collect()
            }
            Relation::Union { inputs } => inputs.first().map(Relation::schema).unwrap_or_default(),
            Relation::Join(join) => {
                let mut schema = join.left.schema();
                if !matches!(join.kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
                    schema.extend(join.right.schema());
                }
                schema
            }
            Relation::Generate { input, columns, .. } => input.schema().into_iter().chain(columns.iter().cloned()).collect(),
            Relation::Expand { columns, .. } => columns.clone(),
            Relation::Over { input, calls, .. } => {
                let calls = calls.iter().map(|call| Field::new(call.name.clone(), call.data_type.clone()));
                input.schema().into_iter().chain(calls).collect()
            }
            Relation::StateFunction(function) => function.output.clone(),
        }
    }

    /// Which output columns carry the event time that a watermark follows: the watermarked column itself, windows over it, and
    /// [`Function::WindowTime`] of those, under whatever name. A group with such a key closes when the watermark reaches it.
    pub fn event_time_columns(&self) -> Vec<bool> {
        match self {
            Relation::Scan { schema, .. } | Relation::Values { schema, .. } | Relation::ReferenceScan { schema, .. } => {
                vec![false; schema.len()]
            }
            Relation::Filter { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Deduplicate { input, .. } => input.event_time_columns(),
            Relation::Watermark { input, column, .. } => (0..input.schema().len()).map(|index| index == *column).collect(),
            Relation::Project { input, columns } => {
                let input = input.event_time_columns();
                columns.iter().map(|column| column.expr.is_event_time(&input)).collect()
            }
            Relation::Aggregate { input, keys, aggregates } => {
                let input = input.event_time_columns();
                keys.iter().map(|key| key.is_event_time(&input)).chain(aggregates.iter().map(|_| false)).collect()
            }
            Relation::Union { inputs } => {
                let all: Vec<Vec<bool>> = inputs.iter().map(Relation::event_time_columns).collect();
                (0..self.schema().len()).map(|index| all.iter().all(|columns| columns[index])).collect()
            }
            Relation::Join(join) => {
                let mut columns = join.left.event_time_columns();
                if !matches!(join.kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
                    columns.extend(join.right.event_time_columns());
                }
                columns
            }
            Relation::Generate { input, columns, .. } => {
                input.event_time_columns().into_iter().chain(columns.iter().map(|_| false)).collect()
            }
            Relation::Expand { input, projections, columns } => {
                let input = input.event_time_columns();
                let is = |index: usize| projections.iter().all(|projection| projection[index].is_event_time(&input));
                (0..columns.len()).map(is).collect()
            }
            Relation::Over { input, calls, .. } => input.event_time_columns().into_iter().chain(calls.iter().map(|_| false)).collect(),
            Relation::StateFunction(function) => vec![false; function.output.len()],
        }
    }

    /// Whether a watermark stands somewhere below.
    pub fn has_watermark(&self) -> bool {
        matches!(self, Relation::Watermark { .. }) || self.inputs().into_iter().any(Relation::has_watermark)
    }

    /// The relations this one reads, in order; none at a leaf.
    pub fn inputs(&self) -> Vec<&Relation> {
        match self {
            Relation::Scan { .. } | Relation::Values { .. } | Relation::ReferenceScan { .. } => Vec::new(),
            Relation::Filter { input, .. }
            | Relation::Project { input, .. }
            | Relation::Watermark { input, .. }
            | Relation::Aggregate { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Generate { input, .. }
            | Relation::Expand { input, .. }
            | Relation::Over { input, .. }
            | Relation::Deduplicate { input, .. }
            | Relation::StateFunction(StateFunction { input, .. }) => vec![input],
            Relation::Union { inputs } => inputs.iter().collect(),
            Relation::Join(join) => vec![&join.left, &join.right],
        }
    }

    pub fn inputs_mut(&mut self) -> Vec<&mut Relation> {
        match self {
            Relation::Scan { .. } | Relation::Values { .. } | Relation::ReferenceScan { .. } => Vec::new(),
            Relation::Filter { input, .. }
            | Relation::Project { input, .. }
            | Relation::Watermark { input, .. }
            | Relation::Aggregate { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Generate { input, .. }
            | Relation::Expand { input, .. }
            | Relation::Over { input, .. }
            | Relation::Deduplicate { input, .. }
            | Relation::StateFunction(StateFunction { input, .. }) => vec![input],
            Relation::Union { inputs } => inputs.iter_mut().collect(),
            Relation::Join(join) => vec![&mut join.left, &mut join.right],
        }
    }

    /// The relation this one reads, where it reads one.
    pub fn input(&self) -> Option<&Relation> {
        match self.inputs()[..] {
            [input] => Some(input),
            _ => None,
        }
    }

    /// Calls `f` for this relation and all below it.
    pub fn visit<'r>(&'r self, f: &mut impl FnMut(&'r Relation)) {
        f(self);
        self.inputs().into_iter().for_each(|input| input.visit(f));
    }
}

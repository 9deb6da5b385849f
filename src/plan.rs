//! The typed plan: `sql` writes it, `engine` reads it. Plain data, no behaviour beyond looking itself up.
//!
//! Invariants: every [`Expr`] carries its type, implicit casts are explicit [`ExprNode::Cast`] nodes, and column indices refer to the
//! output of the relation's input. A relation tree is at most [`DEPTH_MAX`] deep, an expression too.

use crate::types::{DataType, Field, Value, window_type};

/// Depth of a relation or expression tree that the planner accepts.
pub const DEPTH_MAX: usize = 256;

/// Where in the query's text something stands: byte offsets, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// Everything the engine runs, in the order in which it runs it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub sources: Vec<TableSchema>,
    pub queries: Vec<Query>,
}

/// A table as SQL sees it.
#[derive(Clone, Debug)]
pub struct TableSchema {
    pub name: String,
    /// Payload columns, then topic columns, then the hidden `_…` columns.
    pub columns: Vec<TableColumn>,
    /// The event time; `_arrived` (stream time) where the source names none. `None` only for static and batch tables.
    pub event_time: Option<EventTime>,
}

#[derive(Clone, Debug)]
pub struct TableColumn {
    pub field: Field,
    /// Left out of `SELECT *`.
    pub hidden: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct EventTime {
    /// Index into the table's columns; of type TIMESTAMP.
    pub column: usize,
    /// How far the watermark stays behind the greatest event time, µs. `None`: no watermark (allowed in update and complete mode).
    pub delay_us: Option<i64>,
}

/// As in Spark's `outputMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    Append,
    Update,
    Complete,
    /// Not a stream: everything at the end of the input (`tidemill query`). Watermarks are ignored, as Spark ignores them on a batch table.
    Batch,
}

#[derive(Clone, Debug)]
pub struct Query {
    pub name: String,
    pub text: String,
    pub mode: OutputMode,
    pub root: Relation,
    /// Names and types of the result's columns.
    pub output: Vec<Field>,
}

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
    Limit {
        input: Box<Relation>,
        rows: u64,
    },
}

#[derive(Clone, Debug)]
pub struct NamedExpr {
    pub name: String,
    pub expr: Expr,
}

#[derive(Clone, Debug)]
pub enum GroupKey {
    Expr(NamedExpr),
    /// At most one a relation.
    Window(WindowSpec),
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

#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub function: AggregateFunction,
    /// Empty for `count(*)`.
    pub args: Vec<Expr>,
    pub filter: Option<Expr>,
    pub distinct: bool,
    pub data_type: DataType,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum AggregateFunction {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    StddevSamp,
    StddevPop,
    VarSamp,
    VarPop,
}

#[derive(Clone, Debug)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub node: ExprNode,
    pub data_type: DataType,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprNode {
    /// Column of the input relation.
    Column(usize),
    Literal(Value),
    /// To the expression's type; `fallible` is `try_cast`: NULL instead of an error.
    Cast {
        input: Box<Expr>,
        fallible: bool,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    /// Branches in order; a branch not taken is not evaluated. Without `otherwise`: NULL.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// Lazily: the first argument that is not NULL.
    Coalesce(Vec<Expr>),
    /// `input IN (list)`, three-valued.
    InList {
        input: Box<Expr>,
        list: Vec<Expr>,
    },
    /// Member of a struct.
    Member {
        input: Box<Expr>,
        index: usize,
    },
    /// All arguments evaluated first. Argument types are those the function's signature in `sql` yields.
    Call {
        function: Function,
        args: Vec<Expr>,
    },
}

/// Scalar functions and operators. Which argument types each takes is `sql`'s business; the engine dispatches on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    // Arithmetic: both sides of one numeric type. ANSI: overflow and zero divisors are errors.
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Remainder,
    Pmod,
    Negate,
    Abs,
    TryDivide,
    TryAdd,
    TrySubtract,
    TryMultiply,
    // Comparison: both sides of one type. NaN = NaN, NaN greatest.
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    EqualNullSafe,
    // Conditional.
    NullIf,
    Greatest,
    Least,
    IsNan,
    Nanvl,
    // Mathematics.
    Round,
    Bround,
    Floor,
    Ceil,
    Sqrt,
    Cbrt,
    Exp,
    Ln,
    Log,
    Log10,
    Log2,
    Log1p,
    Expm1,
    Power,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Degrees,
    Radians,
    Sign,
    Hypot,
    Pi,
    E,
    BitAnd,
    BitOr,
    BitXor,
    BitNot,
    ShiftLeft,
    ShiftRight,
    // Strings. Positions count characters from 1.
    Upper,
    Lower,
    Initcap,
    Length,
    OctetLength,
    Substring,
    Concat,
    ConcatWs,
    Trim,
    Ltrim,
    Rtrim,
    Replace,
    Translate,
    SplitPart,
    Lpad,
    Rpad,
    Repeat,
    Reverse,
    Instr,
    Locate,
    StartsWith,
    EndsWith,
    Contains,
    Left,
    Right,
    Ascii,
    Chr,
    Like,
    Ilike,
    Rlike,
    RegexpExtract,
    RegexpReplace,
    Hex,
    // Time. TIMESTAMP in µs, UTC session.
    TimestampMillis,
    TimestampMicros,
    TimestampSeconds,
    UnixMillis,
    UnixMicros,
    UnixSeconds,
    DateTrunc,
    Year,
    Quarter,
    Month,
    Day,
    DayOfWeek,
    DayOfYear,
    WeekOfYear,
    Weekday,
    Hour,
    Minute,
    Second,
    DateFormat,
    ToTimestamp,
    ToDate,
    DateAdd,
    DateSub,
    DateDiff,
    FromUnixtime,
    UnixTimestamp,
    /// (TIMESTAMP, BIGINT µs): adding a literal interval.
    AddMicros,
    /// (TIMESTAMP or DATE, INT months).
    AddMonths,
    /// `window(t, …)` outside GROUP BY: (TIMESTAMP, size µs, slide µs, offset µs); tumbling only.
    WindowOf,
    /// (window struct): its end less 1 µs.
    WindowTime,
    /// `named_struct`/`struct` of its arguments.
    MakeStruct,
}

impl Relation {
    /// Names and types of the columns this relation yields.
    pub fn schema(&self) -> Vec<Field> {
        match self {
            Relation::Scan { schema, .. } | Relation::Values { schema, .. } => schema.clone(),
            Relation::Filter { input, .. }
            | Relation::Watermark { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. } => input.schema(),
            Relation::Project { columns, .. } => columns.iter().map(NamedExpr::field).collect(),
            Relation::Aggregate { keys, aggregates, .. } => {
                let keys = keys.iter().map(|key| match key {
                    GroupKey::Expr(named) => named.field(),
                    GroupKey::Window(window) => Field::new(window.name.clone(), window_type()),
                });
                let aggregates = aggregates.iter().enumerate().map(|(i, call)| Field::new(format!("aggregate{i}"), call.data_type.clone()));
                keys.chain(aggregates).collect()
            }
        }
    }

    /// Which output columns carry the event time that a watermark follows: the watermarked column itself, windows over it, and
    /// [`Function::WindowTime`] of those, under whatever name. A group with such a key closes when the watermark reaches it.
    pub fn event_time_columns(&self) -> Vec<bool> {
        match self {
            Relation::Scan { schema, .. } | Relation::Values { schema, .. } => vec![false; schema.len()],
            Relation::Filter { input, .. } | Relation::Sort { input, .. } | Relation::Limit { input, .. } => input.event_time_columns(),
            Relation::Watermark { input, column, .. } => (0..input.event_time_columns().len()).map(|index| index == *column).collect(),
            Relation::Project { input, columns } => {
                let input = input.event_time_columns();
                columns.iter().map(|column| column.expr.is_event_time(&input)).collect()
            }
            Relation::Aggregate { input, keys, aggregates } => {
                let input = input.event_time_columns();
                let keys = keys.iter().map(|key| match key {
                    GroupKey::Expr(named) => named.expr.is_event_time(&input),
                    GroupKey::Window(window) => window.time.is_event_time(&input),
                });
                keys.chain(aggregates.iter().map(|_| false)).collect()
            }
        }
    }

    /// Whether a watermark stands somewhere below.
    pub fn has_watermark(&self) -> bool {
        matches!(self, Relation::Watermark { .. }) || self.input().is_some_and(Relation::has_watermark)
    }

    /// The relation this one reads; `None` at a leaf.
    pub fn input(&self) -> Option<&Relation> {
        match self {
            Relation::Scan { .. } | Relation::Values { .. } => None,
            Relation::Filter { input, .. }
            | Relation::Project { input, .. }
            | Relation::Watermark { input, .. }
            | Relation::Aggregate { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. } => Some(input),
        }
    }
}

impl Expr {
    /// Whether this is event time, given which input columns are.
    fn is_event_time(&self, input: &[bool]) -> bool {
        match &self.node {
            ExprNode::Column(index) => input[*index],
            ExprNode::Call { function: Function::WindowOf | Function::WindowTime, args } => args[0].is_event_time(input),
            _ => false,
        }
    }
}

impl NamedExpr {
    fn field(&self) -> Field {
        Field::new(self.name.clone(), self.expr.data_type.clone())
    }
}

impl Program {
    /// Which columns of source `source` some query reads, by index into its schema. Event time is always read.
    pub fn needed_columns(&self, source: usize) -> Vec<bool> {
        let schema = &self.sources[source];
        let mut needed = vec![false; schema.columns.len()];
        if let Some(event_time) = schema.event_time {
            needed[event_time.column] = true;
        }
        for query in &self.queries {
            let mut relation = Some(&query.root);
            while let Some(current) = relation {
                if let Relation::Scan { source: scanned, columns, .. } = current
                    && *scanned == source
                {
                    columns.iter().for_each(|column| needed[*column] = true);
                }
                relation = current.input();
            }
        }
        needed
    }
}

//! The typed plan: `sql` writes it, `engine` reads it. Plain data, no behaviour beyond looking itself up.
//!
//! Invariants: every [`Expr`] carries its type, implicit casts are explicit [`ExprNode::Cast`] nodes, and column indices refer to the
//! output of the relation's input. A relation tree is at most [`DEPTH_MAX`] deep, an expression too.

mod aggregate;
mod collection;
mod function;
mod join;
mod relation;
mod scalars;
mod script;
mod walk;

pub use aggregate::{AggregateCall, AggregateFunction};
pub use collection::Collection;
pub use function::Function;
pub use relation::{
    CountWindow, Frame, FrameBound, Generator, GroupKey, InitialState, Join, JoinKey, JoinKind, JoinTime, LocalWindow, OverCall,
    OverFunction, Relation, Session, StateFunction, StateWindow, Timeout, WindowSpec,
};
pub use scalars::{BytesFunction, MathFunction, TextFunction, TimeFunction};
pub use script::ScriptText;

use crate::types::{DataType, Field, Value};

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
    /// Reference tables: [`Relation::ReferenceScan`] refers to them by index.
    pub tables: Vec<TableSchema>,
    pub queries: Vec<Query>,
    /// What [`Function::Scripted`] refers to.
    pub functions: Vec<ScriptFunction>,
}

/// The user's own scalar function, in a script.
#[derive(Clone, Debug)]
pub struct ScriptFunction {
    /// As SQL calls it, in lower case.
    pub name: String,
    /// Its name in the script.
    pub function: String,
    pub script: ScriptText,
    pub parameters: Vec<Field>,
    pub returns: DataType,
}

impl ScriptFunction {
    /// A number made of the name, so that a plan's text does not depend on what other functions there are.
    pub fn id(&self) -> u32 {
        crc32fast::hash(self.name.as_bytes())
    }
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

#[derive(Clone, Debug)]
pub struct NamedExpr {
    pub name: String,
    pub expr: Expr,
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
    /// Parameter `index` of the innermost lambda but `level`; only in a [`ExprNode::Lambda`]'s body.
    Parameter {
        level: usize,
        index: usize,
    },
    /// `(a, b) -> body`: an argument of a higher-order function. Its type is the body's.
    Lambda {
        parameters: Vec<Field>,
        body: Box<Expr>,
    },
    /// All arguments evaluated first. Argument types are those the function's signature in `sql` yields.
    Call {
        function: Function,
        args: Vec<Expr>,
    },
}

impl Expr {
    /// What the expression is made of, in order.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.node {
            ExprNode::Column(_) | ExprNode::Literal(_) | ExprNode::Parameter { .. } => vec![],
            ExprNode::Cast { input, .. }
            | ExprNode::Not(input)
            | ExprNode::IsNull(input)
            | ExprNode::Member { input, .. }
            | ExprNode::Lambda { body: input, .. } => vec![input],
            ExprNode::And(left, right) | ExprNode::Or(left, right) => vec![left, right],
            ExprNode::Case { branches, otherwise } => {
                let branches = branches.iter().flat_map(|(condition, result)| [condition, result]);
                branches.chain(otherwise.as_deref()).collect()
            }
            ExprNode::Coalesce(args) | ExprNode::Call { args, .. } => args.iter().collect(),
            ExprNode::InList { input, list } => std::iter::once(&**input).chain(list).collect(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.node {
            ExprNode::Column(_) | ExprNode::Literal(_) | ExprNode::Parameter { .. } => vec![],
            ExprNode::Cast { input, .. }
            | ExprNode::Not(input)
            | ExprNode::IsNull(input)
            | ExprNode::Member { input, .. }
            | ExprNode::Lambda { body: input, .. } => vec![input],
            ExprNode::And(left, right) | ExprNode::Or(left, right) => vec![left, right],
            ExprNode::Case { branches, otherwise } => {
                let branches = branches.iter_mut().flat_map(|(condition, result)| [condition, result]);
                branches.chain(otherwise.as_deref_mut()).collect()
            }
            ExprNode::Coalesce(args) | ExprNode::Call { args, .. } => args.iter_mut().collect(),
            ExprNode::InList { input, list } => std::iter::once(&mut **input).chain(list).collect(),
        }
    }

    /// Whether this is event time, given which input columns are.
    pub(crate) fn is_event_time(&self, input: &[bool]) -> bool {
        match &self.node {
            ExprNode::Column(index) => input[*index],
            ExprNode::Call { function: Function::WindowOf | Function::WindowTime, args } => args[0].is_event_time(input),
            _ => false,
        }
    }
}

impl NamedExpr {
    pub fn field(&self) -> Field {
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
            query.root.visit(&mut |relation| {
                if let Relation::Scan { source: scanned, columns, .. } = relation
                    && *scanned == source
                {
                    columns.iter().for_each(|column| needed[*column] = true);
                }
            });
        }
        needed
    }
}

//! Walks over typed expressions: building, comparing, counting, rewriting.

use super::error::{SqlError, join};
use crate::plan::{DEPTH_MAX, Expr, ExprNode, Function, Span};
use crate::types::{DataType, Value};

pub fn column(index: usize, data_type: DataType, span: Span) -> Expr {
    Expr { node: ExprNode::Column(index), data_type, span }
}

pub fn literal(value: Value, data_type: DataType, span: Span) -> Expr {
    Expr { node: ExprNode::Literal(value), data_type, span }
}

pub fn int(value: i32, span: Span) -> Expr {
    literal(Value::Int(value), DataType::Int, span)
}

pub fn bigint(value: i64, span: Span) -> Expr {
    literal(Value::BigInt(value), DataType::BigInt, span)
}

pub fn text(value: &str, span: Span) -> Expr {
    literal(Value::String(value.to_string()), DataType::String, span)
}

/// A call that spans its arguments.
pub fn call(function: Function, args: Vec<Expr>, data_type: DataType) -> Expr {
    let span = args.iter().fold(Span::default(), |span, arg| join(span, arg.span));
    Expr { node: ExprNode::Call { function, args }, data_type, span }
}

pub fn boolean(node: ExprNode, span: Span) -> Expr {
    Expr { node, data_type: DataType::Boolean, span }
}

pub fn not(expr: Expr) -> Expr {
    let span = expr.span;
    boolean(ExprNode::Not(Box::new(expr)), span)
}

pub fn is_null(expr: Expr) -> Expr {
    let span = expr.span;
    boolean(ExprNode::IsNull(Box::new(expr)), span)
}

/// Joins boolean expressions by AND or OR into a tree of logarithmic depth; order of evaluation is kept. TRUE for none.
pub fn chain(mut terms: Vec<Expr>, any: bool) -> Expr {
    match terms.len() {
        0 => literal(Value::Boolean(true), DataType::Boolean, Span::default()),
        1 => terms.remove(0),
        count => {
            let right = Box::new(chain(terms.split_off(count / 2), any));
            let left = Box::new(chain(terms, any));
            let span = join(left.span, right.span);
            boolean(if any { ExprNode::Or(left, right) } else { ExprNode::And(left, right) }, span)
        }
    }
}

/// The conjuncts of a predicate.
pub fn conjuncts(predicate: Expr, out: &mut Vec<Expr>) {
    match predicate.node {
        ExprNode::And(left, right) => {
            conjuncts(*left, out);
            conjuncts(*right, out);
        }
        node => out.push(Expr { node, ..predicate }),
    }
}

/// The value of a constant of whole numbers, as `2 * 3`.
pub fn whole_number(expr: &Expr) -> Option<i64> {
    match &expr.node {
        ExprNode::Literal(Value::Int(number)) => Some(i64::from(*number)),
        ExprNode::Literal(Value::BigInt(number)) => Some(*number),
        ExprNode::Cast { input, .. } if matches!(expr.data_type, DataType::Int | DataType::BigInt) => whole_number(input),
        ExprNode::Call { function, args } => match (function, &args[..]) {
            (Function::Negate, [a]) => whole_number(a)?.checked_neg(),
            (Function::Add, [a, b]) => whole_number(a)?.checked_add(whole_number(b)?),
            (Function::Subtract, [a, b]) => whole_number(a)?.checked_sub(whole_number(b)?),
            (Function::Multiply, [a, b]) => whole_number(a)?.checked_mul(whole_number(b)?),
            _ => None,
        },
        _ => None,
    }
}

/// Calls `visit` for each node, parents first.
pub fn visit<'e>(expr: &'e Expr, visitor: &mut impl FnMut(&'e Expr)) {
    visitor(expr);
    expr.children().into_iter().for_each(|child| visit(child, visitor));
}

/// Nodes of the tree.
pub fn size(expr: &Expr) -> usize {
    let mut nodes = 0;
    visit(expr, &mut |_| nodes += 1);
    nodes
}

pub fn depth(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}

/// Whether some node holds.
pub fn any(expr: &Expr, test: &mut impl FnMut(&Expr) -> bool) -> bool {
    test(expr) || expr.children().into_iter().any(|child| any(child, test))
}

/// Renumbers the columns that `place` knows, in place; their types stay.
pub fn renumber_columns(expr: &mut Expr, place: &impl Fn(usize) -> Option<usize>) {
    if let ExprNode::Column(index) = &mut expr.node {
        *index = place(*index).unwrap_or(*index);
    }
    expr.children_mut().into_iter().for_each(|child| renumber_columns(child, place));
}

pub fn uses_column(expr: &Expr, column: usize) -> bool {
    any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if index == column))
}

/// Rewrites columns in place: `replace` gives the expression that stands for a column, or `None` to leave it.
pub fn replace_columns(expr: &mut Expr, replace: &impl Fn(usize) -> Option<Expr>) {
    if let ExprNode::Column(index) = expr.node {
        if let Some(replacement) = replace(index) {
            let span = expr.span;
            *expr = replacement;
            expr.span = span;
        }
        return;
    }
    expr.children_mut().into_iter().for_each(|child| replace_columns(child, replace));
}

/// Renumbers columns in place.
pub fn move_columns(expr: &mut Expr, moved: &[usize]) {
    if let ExprNode::Column(index) = &mut expr.node {
        *index = moved[*index];
    }
    expr.children_mut().into_iter().for_each(|child| move_columns(child, moved));
}

/// Renumbers the columns of an expression that stood over `by` further columns on its left.
pub fn shift_columns(expr: &mut Expr, by: usize) {
    if let ExprNode::Column(index) = &mut expr.node {
        *index -= by;
    }
    expr.children_mut().into_iter().for_each(|child| shift_columns(child, by));
}

/// Rewrites nodes in place, parents first; children of a replaced node are left alone. An error stops the walk.
pub fn rewrite(expr: &mut Expr, change: &mut impl FnMut(&Expr) -> Result<Option<Expr>, SqlError>) -> Result<(), SqlError> {
    if let Some(changed) = change(expr)? {
        *expr = changed;
        return Ok(());
    }
    expr.children_mut().into_iter().try_for_each(|child| rewrite(child, change))
}

/// Equal apart from where they stand in the text.
pub fn same(a: &Expr, b: &Expr) -> bool {
    let node = match (&a.node, &b.node) {
        (ExprNode::Column(a), ExprNode::Column(b)) => a == b,
        (ExprNode::Literal(a), ExprNode::Literal(b)) => a == b,
        (ExprNode::Cast { fallible: a, .. }, ExprNode::Cast { fallible: b, .. }) => a == b,
        (ExprNode::Member { index: a, .. }, ExprNode::Member { index: b, .. }) => a == b,
        (ExprNode::Parameter { level: a, index: x }, ExprNode::Parameter { level: b, index: y }) => (a, x) == (b, y),
        (ExprNode::Lambda { parameters: a, .. }, ExprNode::Lambda { parameters: b, .. }) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.data_type == b.data_type)
        }
        (ExprNode::Call { function: a, .. }, ExprNode::Call { function: b, .. }) => a == b,
        (ExprNode::Case { branches: a, otherwise: x }, ExprNode::Case { branches: b, otherwise: y }) => {
            a.len() == b.len() && x.is_some() == y.is_some()
        }
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    let (left, right) = (a.children(), b.children());
    node && a.data_type == b.data_type && left.len() == right.len() && left.into_iter().zip(right).all(|(a, b)| same(a, b))
}

/// Refuses what is deeper than the engine walks.
pub fn check_expr_depth(expr: &Expr) -> Result<(), SqlError> {
    if depth(expr) <= DEPTH_MAX {
        return Ok(());
    }
    Err(SqlError::new(expr.span, format!("the expression nests too deep: at most {DEPTH_MAX} levels")))
}

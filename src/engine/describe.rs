//! Expressions in one canonical line: equal texts mean equal computations. For finding repeated arguments and changed plans.
//!
//! Columns appear by name and type, so that a plan is recognised when other columns come or go.

use std::fmt::Write;

use crate::plan::{Expr, ExprNode};
use crate::types::Field;

/// The expression over columns `fields`; spans do not show.
pub(super) fn describe(expr: &Expr, fields: &[Field]) -> String {
    let mut out = String::new();
    put(&mut out, expr, fields);
    out
}

fn put(out: &mut String, expr: &Expr, fields: &[Field]) {
    let _ = match &expr.node {
        ExprNode::Column(index) => match fields.get(*index) {
            // Both sides of a join may have a column of this name.
            Some(field) if fields.iter().filter(|other| other.name == field.name).count() > 1 => write!(out, "`{}`#{index}", field.name),
            Some(field) => write!(out, "`{}`", field.name),
            None => write!(out, "#{index}"),
        },
        ExprNode::Literal(value) => write!(out, "{value:?}"),
        ExprNode::Cast { input, fallible } => {
            let name = if *fallible { "try_cast" } else { "cast" };
            return put_call(out, &format!("{name} to {} of", expr.data_type), [&**input], fields);
        }
        ExprNode::And(a, b) => return put_call(out, "and", [&**a, &**b], fields),
        ExprNode::Or(a, b) => return put_call(out, "or", [&**a, &**b], fields),
        ExprNode::Not(a) => return put_call(out, "not", [&**a], fields),
        ExprNode::IsNull(a) => return put_call(out, "is null", [&**a], fields),
        ExprNode::Case { branches, otherwise } => {
            let parts = branches.iter().flat_map(|(condition, value)| [condition, value]);
            return put_call(out, "case", parts.chain(otherwise.as_deref()), fields);
        }
        ExprNode::Coalesce(args) => return put_call(out, "coalesce", args, fields),
        ExprNode::InList { input, list } => return put_call(out, "in", std::iter::once(&**input).chain(list), fields),
        ExprNode::Member { input, index } => return put_call(out, &format!("member {index} of"), [&**input], fields),
        ExprNode::Parameter { level, index } => write!(out, "parameter {level}.{index}"),
        ExprNode::Lambda { body, .. } => return put_call(out, "lambda", [&**body], fields),
        ExprNode::Call { function, args } => return put_call(out, &format!("{function:?}"), args, fields),
    };
}

fn put_call<'a>(out: &mut String, name: &str, args: impl IntoIterator<Item = &'a Expr>, fields: &[Field]) {
    out.push_str(name);
    out.push('(');
    for (i, arg) in args.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        put(out, arg, fields);
    }
    out.push(')');
}

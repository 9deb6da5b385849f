//! Calls of the user's own functions.

use super::coerce::coerce;
use super::error::SqlError;
use super::signatures::check_count;
use super::tree;
use crate::plan::{Expr, Function, ScriptFunction, Span};

/// The call of a function with planned arguments.
pub fn call(function: &ScriptFunction, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let count = function.parameters.len();
    let usage = || {
        let parameters: Vec<String> = function.parameters.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
        format!("{}({})", function.name, parameters.join(", "))
    };
    check_count(&function.name, args.len(), count, Some(count), span).map_err(|error| error.help(usage()))?;
    let args = args.into_iter().zip(&function.parameters).map(|(arg, field)| coerce(arg, &field.data_type));
    let args = args.collect::<Result<Vec<_>, _>>()?;
    Ok(Expr { span, ..tree::call(Function::Scripted(function.id()), args, function.returns.clone()) })
}

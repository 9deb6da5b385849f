//! The user's own functions, in scripts: called row by row, a failing call being an error of its row.
//!
//! Limits: those of a call are the script's. After [`LIMIT_HITS_MAX`] calls of one evaluation that ran into one, or [`OPERATIONS_MAX`]
//! operations, or the time that [`ScriptWatch`] gives, no further call is made in it, and its rows fail too.

use std::sync::Arc;

use crate::batch::ColumnBuilder;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::{ScriptFunction, ScriptText};
use crate::script::{Script, ScriptWatch};
use crate::types::{DataType, Value};

/// Calls of one evaluation that may run into a limit.
const LIMIT_HITS_MAX: u32 = 4;

/// Operations that the calls of one evaluation may take together.
const OPERATIONS_MAX: u64 = 50_000_000;

/// The functions of a program.
#[derive(Debug, Default)]
pub struct Scripts {
    functions: Vec<Scripted>,
}

#[derive(Debug)]
struct Scripted {
    id: u32,
    name: String,
    function: String,
    script: Arc<Script>,
    text: ScriptText,
    parameters: Vec<DataType>,
}

impl Scripts {
    /// Compiles them, each script once; what is wrong otherwise.
    pub fn new(functions: &[ScriptFunction], watch: &ScriptWatch) -> Result<Scripts, String> {
        let mut scripts: Vec<(&str, Arc<Script>)> = Vec::new();
        let mut compiled = Vec::with_capacity(functions.len());
        for plan in functions {
            let failure = |message: String| format!("the function `{}`: {message}", plan.name);
            let script = match scripts.iter().find(|(text, _)| *text == &*plan.script.text) {
                Some((_, script)) => script.clone(),
                None => {
                    let compiled = Script::watched(&plan.script.text, watch);
                    let script = Arc::new(compiled.map_err(|error| failure(format!("{}: {error}", plan.script.place(error.place))))?);
                    scripts.push((&plan.script.text, script.clone()));
                    script
                }
            };
            let names: Vec<&str> = plan.parameters.iter().map(|field| field.name.as_str()).collect();
            script.check_function(&plan.function, &names).map_err(failure)?;
            let parameters = plan.parameters.iter().map(|field| field.data_type.clone()).collect();
            let (function, text) = (plan.function.clone(), plan.script.clone());
            compiled.push(Scripted { id: plan.id(), name: plan.name.clone(), function, script, text, parameters });
        }
        Ok(Scripts { functions: compiled })
    }
}

/// Function `id`'s value for `frame.rows`.
pub(super) fn apply(id: u32, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Operand<'static> {
    let context = frame.context;
    let Some(scripted) = context.scripts.functions.iter().find(|function| function.id == id) else {
        return frame.fail_all(&Problem::Plan("no such function").into());
    };
    let mut builder = ColumnBuilder::new(frame.data_type, frame.count);
    let (mut limit_hits, mut operations) = (0, 0);
    for row in frame.rows.iter() {
        while builder.len() < row as usize {
            builder.push_null();
        }
        if limit_hits >= LIMIT_HITS_MAX || operations >= OPERATIONS_MAX || scripted.script.is_stopped() {
            let message = format!("{}: not called, since other calls in this batch have used up what a batch may use", scripted.name);
            frame.fail(row as usize, Problem::Script(message.into()).into());
            continue;
        }
        let args: Vec<(Value, &DataType)> =
            operands.iter().zip(&scripted.parameters).map(|(operand, data_type)| (operand.value(row as usize), data_type)).collect();
        let result = scripted.script.call_scalar(&scripted.function, &args, frame.data_type);
        operations += scripted.script.operations(0);
        match result {
            Ok(value) => builder.push(&value),
            Err(error) => {
                limit_hits += u32::from(error.limit);
                frame.fail(row as usize, Failure::new(Problem::Script(error.explain(&scripted.text, &scripted.function).into())));
            }
        }
    }
    while builder.len() < frame.count {
        builder.push_null();
    }
    Operand::owned(builder.finish())
}

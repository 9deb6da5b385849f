//! Scripts in Rhai: the state functions of queries and the user's own SQL functions. No IO, no clock, no random numbers: equal arguments
//! give equal results.
//!
//! `limits` (what a call may use), `library` (what scripts can call besides Rhai's own), `charged` (Rhai's own that do much at once), `convert` (SQL values and a script's), `kept` (a
//! key's state as bytes), `watch` (the time that they may take, seen from outside), `error`.
//!
//! Limits: see the constants of `limits` and `kept`. Running out of one ends the call with an error, and nothing has happened.

mod charged;
mod convert;
mod error;
mod kept;
mod library;
mod limits;
#[cfg(test)]
mod tests;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rhai::{AST, Array, CallFnOptions, Dynamic, Engine, Map, Scope};

pub use error::{CallError, ScriptError};
pub use kept::{BYTES_MAX as STATE_BYTES_MAX, NotAState, encode_json};
pub use limits::{OPERATIONS_MAX, OPERATIONS_PER_ROW, STACK_BYTES_MIN, TEXT_BYTES_MAX};

use crate::batch::Column;
use crate::types::{DataType, Field, Value};
use convert::{from_script, kind, row_from_script, to_script};
use library::Timeouts;
pub use watch::{SAMPLES_MAX, ScriptSampler, ScriptWatch};

use limits::Budget;

/// Rows that one call of a state function is given.
const ROWS_PER_CALL_MAX: usize = 250;

/// Bytes of text in the rows of one call, unless a single row has more.
const TEXT_PER_CALL_MAX: usize = limits::STRING_BYTES_MAX / 2;

/// A compiled script. Calls are independent of each other: it keeps nothing between them.
pub struct Script {
    engine: Engine,
    ast: AST,
    budget: Budget,
    timeouts: Timeouts,
}

/// One call of a state function.
pub struct UpdateCall<'a> {
    pub key: &'a [Value],
    pub key_fields: &'a [Field],
    /// As an earlier call gave it; empty at first.
    pub state: &'a [u8],
    /// The rows' columns and which entries of them are meant; no rows where the key's timeout has passed.
    pub columns: &'a [&'a Column],
    pub fields: &'a [Field],
    pub rows: &'a [u32],
    pub now_us: i64,
    /// Whether the query has timeouts at all.
    pub timeouts: bool,
    pub output: &'a [Field],
}

/// What a state function did.
#[derive(Clone, Debug, PartialEq)]
pub struct Updated {
    /// Empty: there is none any more.
    pub state: Vec<u8>,
    pub timeout_us: Option<i64>,
    /// By the output's columns.
    pub rows: Vec<Vec<Value>>,
}

/// The rows that a state function is given at once: of a key's `rows` the first ones that leave it room to work with them.
pub fn rows_at_once<'r>(columns: &[&Column], rows: &'r [u32]) -> &'r [u32] {
    let count_max = (limits::MAP_MAX / 2 / columns.len().max(1)).clamp(1, ROWS_PER_CALL_MAX);
    let text_bytes = |row: &u32| columns.iter().filter_map(|column| column.text(*row as usize)).map(str::len).sum::<usize>();
    let mut bytes = 0;
    let fitting = rows.iter().take(count_max).take_while(|row| {
        bytes += text_bytes(row);
        bytes <= TEXT_PER_CALL_MAX
    });
    &rows[..fitting.count().max(1).min(rows.len())]
}

impl Script {
    /// Reads a script's text. Only its functions count.
    pub fn compile(text: &str) -> Result<Script, ScriptError> {
        Script::watched(text, &ScriptWatch::default())
    }

    /// Likewise, its calls being seen and stopped there.
    pub fn watched(text: &str, watch: &ScriptWatch) -> Result<Script, ScriptError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the script is {} bytes long, at most {TEXT_BYTES_MAX} are read", text.len());
            return Err(ScriptError { place: None, message });
        }
        watch.take_up();
        let budget = Budget::watched(watch);
        let timeouts = Timeouts::default();
        let mut engine = limits::interpreter(&budget);
        charged::register(&mut engine, &budget);
        library::register(&mut engine, &timeouts, &budget);
        let ast = engine.compile(text)?;
        Ok(Script { engine, ast, budget, timeouts })
    }

    /// Names of the script's functions with their numbers of parameters.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let functions = self.ast.iter_functions().filter(|function| !function.name.starts_with("anon$"));
        functions.map(|function| (function.name.to_owned(), function.params.len())).collect()
    }

    /// Whether there is a function of that name with so many parameters; else what is wrong.
    pub fn check_function(&self, name: &str, parameters: &[&str]) -> Result<(), String> {
        let functions = self.functions();
        if functions.iter().any(|(known, count)| known == name && *count == parameters.len()) {
            return Ok(());
        }
        let wanted = format!("fn {name}({})", parameters.join(", "));
        match functions.iter().find(|(known, _)| known == name) {
            Some((_, count)) => Err(format!("`{name}` has {count} parameters in the script, but {wanted} is needed")),
            None => Err(format!("the script has no function {wanted}")),
        }
    }

    /// Calls a state function. After an error nothing has happened.
    pub fn update(&self, function: &str, call: &UpdateCall<'_>) -> Result<Updated, CallError> {
        let state = kept::decode(call.state).map_err(|error| CallError::of_result(error.to_string()))?.into_shared();
        let held = state.clone();
        self.budget.begin(limits::OPERATIONS_MAX + limits::OPERATIONS_PER_ROW * call.rows.len() as u64);
        self.timeouts.begin(call.now_us, call.timeouts);
        let args = vec![key_argument(call), state, rows_argument(call).into(), call.now_us.into()];
        let result = self.call(function, args)?;
        let rows = output_rows(result, call.output).map_err(CallError::of_result)?;
        let state = kept::encode(&held.flatten()).map_err(CallError::of_result)?;
        Ok(Updated { state, timeout_us: self.timeouts.take(), rows })
    }

    /// Calls a function over single values.
    pub fn call_scalar(&self, function: &str, args: &[(Value, &DataType)], returns: &DataType) -> Result<Value, CallError> {
        self.budget.begin(limits::OPERATIONS_MAX);
        self.timeouts.begin(0, false);
        let args = args.iter().map(|(value, data_type)| to_script(value.clone(), data_type)).collect();
        let result = self.call(function, args)?;
        from_script(result, returns, "the result").map_err(CallError::of_result)
    }

    /// Whether the scripts of this step have had their time.
    pub fn is_stopped(&self) -> bool {
        self.budget.watch().is_stopped()
    }

    /// Operations of the last call.
    pub fn operations(&self, rows: usize) -> u64 {
        (limits::OPERATIONS_MAX + limits::OPERATIONS_PER_ROW * rows as u64).saturating_sub(self.budget.left())
    }

    fn call(&self, function: &str, args: Vec<Dynamic>) -> Result<Dynamic, CallError> {
        let options = CallFnOptions::new().eval_ast(false);
        let call = || self.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.ast, function, args);
        // Nothing is kept between calls, so nothing is left in pieces.
        let result = self.budget.watch().during(|| catch_unwind(AssertUnwindSafe(call))).map_err(|_| CallError::of_panic())??;
        // Some functions, `sort` for one, pass over what fails in a function that they call.
        if self.budget.left() == 0 {
            return Err(CallError::of_limit());
        }
        if self.is_stopped() { Err(CallError::of_time()) } else { Ok(result) }
    }
}

/// A key of one column is its value; of several, a map.
fn key_argument(call: &UpdateCall<'_>) -> Dynamic {
    match (call.key, call.key_fields) {
        ([value], [field]) => to_script(value.clone(), &field.data_type),
        (values, fields) => convert::row_to_script(values.iter().cloned().zip(fields)).into(),
    }
}

fn rows_argument(call: &UpdateCall<'_>) -> Array {
    let row = |row: &u32| {
        let mut members = Map::new();
        for (field, column) in call.fields.iter().zip(call.columns) {
            let value = match column.text(*row as usize) {
                Some(text) => text.into(),
                None => to_script(column.value(*row as usize), &field.data_type),
            };
            members.insert(field.name.as_str().into(), value);
        }
        Dynamic::from_map(members)
    };
    call.rows.iter().map(row).collect()
}

/// Nothing, a row, or an array of rows.
fn output_rows(result: Dynamic, output: &[Field]) -> Result<Vec<Vec<Value>>, String> {
    let result = result.flatten();
    if result.is_unit() {
        return Ok(Vec::new());
    }
    let row = |value: Dynamic| match value.try_cast_result::<Map>() {
        Ok(members) => row_from_script(members, output, "the output"),
        Err(other) => Err(format!("a row is a map, but the function gave {}", kind(&other))),
    };
    match result.try_cast_result::<Array>() {
        Ok(items) => items.into_iter().map(|item| row(item.flatten())).collect(),
        Err(single) if single.is_map() => Ok(vec![row(single)?]),
        Err(other) => Err(format!("a state function gives nothing, a map or an array of maps, but this one gave {}", kind(&other))),
    }
}

/// Whether the bytes are a state.
pub fn check_state(bytes: &[u8]) -> Result<(), NotAState> {
    kept::decode(bytes).map(drop)
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("functions", &self.functions()).finish()
    }
}

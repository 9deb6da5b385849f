//! `[query.<name>.state]`: a script's function over the rows of each key of a query's result.

use super::diagnostic::nearest;
use super::reader::{Context, Reader, shown};
use super::script::{self, CheckedScript};
use super::text::Text;
use crate::plan::{InitialState, OutputMode, Query, Relation, StateFunction, Timeout};
use crate::script::encode_json;
use crate::sql;
use crate::types::{DataType, Field, Value};

/// Columns of a key.
const KEY_COLUMNS_MAX: usize = 16;

/// Bytes of a file with initial states.
const INITIAL_BYTES_MAX: usize = 16 << 20;

const TIMEOUTS: [(&str, Timeout); 2] = [("event", Timeout::EventTime), ("processing", Timeout::ProcessingTime)];

/// The section as it was read.
pub struct StateText {
    script: Option<CheckedScript>,
    function: String,
    key: Vec<Text>,
    output: Option<Vec<Field>>,
    timeout: Timeout,
    timeout_place: super::diagnostic::Place,
    initial: Option<Text>,
    place: super::diagnostic::Place,
}

pub fn read(context: &mut Context, mut reader: Reader) -> StateText {
    let place = reader.place;
    let script = script::read(context, &mut reader);
    let function = reader.text(context, "function");
    reader.require(context, "key", "[\"device\"]");
    let key = reader.texts(context, "key", KEY_COLUMNS_MAX).unwrap_or_default();
    reader.require(context, "output", "\"device STRING, alarm STRING\"");
    let output = reader.text(context, "output").and_then(|text| output(context, &text));
    let timeout = reader.choice(context, "timeout", &TIMEOUTS).unwrap_or(Timeout::None);
    let timeout_place = reader.value_place("timeout");
    let initial = reader.text(context, "initial").and_then(|path| context.read_file(&path, INITIAL_BYTES_MAX));
    if let Some(script) = &script {
        let name = function.as_ref().map_or("update", |text| text.value.as_str());
        if let Err(message) = script.compiled.check_function(name, &["key", "state", "rows", "now"]) {
            let known = script.compiled.functions();
            let help = nearest(name, known.iter().map(|(known, _)| known.as_str())).filter(|near| *near != name);
            let help = help.map_or("a state function is `fn update(key, state, rows, now) { … }`".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            context.error(function.as_ref().map_or(place, |text| text.place), message, help);
        }
    }
    reader.finish(context, &[("sql", "the query"), ("mode", "the query"), ("from", "the query's SQL")]);
    let function = function.map_or("update".to_owned(), |text| text.value);
    StateText { script, function, key, output, timeout, timeout_place, initial, place }
}

fn output(context: &mut Context, text: &Text) -> Option<Vec<Field>> {
    match sql::parse_schema(&text.value) {
        Ok(columns) => Some(columns.into_iter().map(|column| Field::new(column.name, column.data_type)).collect()),
        Err(error) => {
            context.report_sql(text, error);
            None
        }
    }
}

impl StateText {
    /// The planned query with the function over its result; `None` if it does not fit, which has then been reported.
    pub fn over(&self, context: &mut Context, query: Query) -> Option<Query> {
        if query.mode == OutputMode::Complete {
            context.error(self.place, "a state function works in append and update mode only", "leave `mode` out");
            return None;
        }
        if self.timeout == Timeout::EventTime && !has_event_time(&query) {
            let help = if query.mode == OutputMode::Batch {
                "select the event time: the first TIMESTAMP among the query's columns"
            } else {
                "give the source a `watermark` and select its event time, or use timeout = \"processing\""
            };
            context.error(self.timeout_place, "timeouts in event time need the query's event time", help);
            return None;
        }
        let keys: Vec<Option<usize>> = self.key.iter().map(|key| key_column(context, key, &query.output)).collect();
        let keys: Vec<usize> = keys.into_iter().collect::<Option<_>>()?;
        let (script, output) = (self.script.as_ref()?, self.output.clone()?);
        let key_fields: Vec<&Field> = keys.iter().map(|key| &query.output[*key]).collect();
        let initial = match &self.initial {
            Some(text) => initial_states(context, text, &key_fields)?,
            None => Vec::new(),
        };
        let root = Relation::StateFunction(StateFunction {
            input: Box::new(query.root),
            keys,
            script: script.text.clone(),
            function: self.function.clone(),
            timeout: self.timeout,
            output: output.clone(),
            initial,
        });
        Some(Query { root, output, ..query })
    }
}

/// Without a watermark, in a batch, each TIMESTAMP may be it.
fn has_event_time(query: &Query) -> bool {
    let event = query.root.event_time_columns();
    let is_event = |event: bool| event || query.mode == OutputMode::Batch;
    query.output.iter().zip(event).any(|(field, event)| is_event(event) && field.data_type == DataType::Timestamp)
}

fn key_column(context: &mut Context, key: &Text, columns: &[Field]) -> Option<usize> {
    let found = columns.iter().position(|field| field.name.eq_ignore_ascii_case(&key.value));
    if found.is_none() {
        let names = || columns.iter().map(|field| field.name.as_str());
        let help = match nearest(&key.value, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its columns are {}", names().collect::<Vec<_>>().join(", ")),
        };
        context.error(key.place, format!("the query's result has no column `{}`", shown(&key.value)), help);
    }
    found
}

/// JSON lines, each with the key columns and `state`.
fn initial_states(context: &mut Context, text: &Text, keys: &[&Field]) -> Option<Vec<InitialState>> {
    let mut states: Vec<InitialState> = Vec::new();
    let mut start = 0;
    for line in text.value.split_inclusive('\n') {
        let range = start..start + line.trim_end().len();
        start += line.len();
        if line.trim().is_empty() {
            continue;
        }
        match initial_state(line, keys) {
            Ok(state) => states.push(state),
            Err(message) => {
                let names: Vec<&str> = keys.iter().map(|field| field.name.as_str()).collect();
                let help = format!("each line is an object with {} and state", names.join(", "));
                context.error(text.place_of(range), message, help);
                return None;
            }
        }
    }
    Some(states)
}

fn initial_state(line: &str, keys: &[&Field]) -> Result<InitialState, String> {
    let json: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("this is no JSON: {error}"))?;
    let object = json.as_object().ok_or("this is no JSON object")?;
    let state = object.get("state").ok_or("this line has no `state`")?;
    let mut key = Vec::with_capacity(keys.len());
    for field in keys {
        let value = object.get(&field.name).ok_or_else(|| format!("this line has no `{}`", field.name))?;
        key.push(key_value(value, &field.data_type).ok_or_else(|| format!("`{}` is no {}", field.name, field.data_type))?);
    }
    if let Some(other) = object.keys().find(|name| *name != "state" && keys.iter().all(|field| field.name != **name)) {
        return Err(format!("`{other}` is neither a key column nor the state"));
    }
    Ok(InitialState { key, state: encode_json(state)? })
}

fn key_value(json: &serde_json::Value, data_type: &DataType) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Null);
    }
    Some(match data_type {
        DataType::String => Value::String(json.as_str()?.to_owned()),
        DataType::Boolean => Value::Boolean(json.as_bool()?),
        DataType::Int => Value::Int(i32::try_from(json.as_i64()?).ok()?),
        DataType::BigInt => Value::BigInt(json.as_i64()?),
        DataType::Double => Value::Double(json.as_f64()?),
        DataType::Float => Value::Float(json.as_f64()? as f32),
        _ => return None,
    })
}

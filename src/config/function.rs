//! `[function.<name>]`: the user's own SQL functions, in scripts.

use super::diagnostic::{Place, nearest};
use super::reader::{Context, Reader, shown};
use super::script;
use super::text::Text;
use crate::plan::ScriptFunction;
use crate::script::Script;
use crate::sql;
use crate::types::{DataType, Field};

/// Bytes of a function's name.
const NAME_BYTES_MAX: usize = 64;

/// Parameters of a function.
const PARAMETERS_MAX: usize = 16;

pub fn read(context: &mut Context, name: &str, mut reader: Reader) -> Option<ScriptFunction> {
    let place = reader.place;
    check_name(context, name, place);
    let script = script::read(context, &mut reader);
    reader.require(context, "signature", "\"(t DOUBLE, h DOUBLE) -> DOUBLE\"");
    let signature = reader.text(context, "signature").and_then(|text| signature(context, &text));
    let function = reader.text(context, "function");
    let in_script = function.as_ref().map_or(name, |text| text.value.as_str());
    if let (Some(script), Some((parameters, _))) = (&script, &signature) {
        let at = function.as_ref().map_or(place, |text| text.place);
        check_in_script(context, &script.compiled, (in_script, parameters, at), "`function` names it where it has another name there");
    }
    let in_script = in_script.to_owned();
    reader.finish(context, &[]);
    let (script, (parameters, returns)) = (script?, signature?);
    Some(ScriptFunction { name: name.to_lowercase(), function: in_script, script: script.text, parameters, returns })
}

/// Reports a name that a function cannot have.
pub(super) fn check_name(context: &mut Context, name: &str, place: Place) {
    let name_is_good = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !name_is_good {
        let message = format!("a function cannot be called `{}`", shown(name));
        context.error(place, message, "letters, digits and `_`, beginning with a letter, at most 64");
    } else if sql::is_function(name) {
        context.error(place, format!("there is a function `{}` already", shown(name)), "give it another name");
    }
}

/// Reports that the script has no function of that name with these parameters, unless it has; `help` where no other name is near.
pub(super) fn check_in_script(context: &mut Context, script: &Script, (in_script, parameters, place): (&str, &[Field], Place), help: &str) {
    let names: Vec<&str> = parameters.iter().map(|field| field.name.as_str()).collect();
    if let Err(message) = script.check_function(in_script, &names) {
        let known = script.functions();
        let near = nearest(in_script, known.iter().map(|(known, _)| known.as_str())).filter(|near| *near != in_script);
        let help = near.map_or(help.to_owned(), |near| format!("did you mean `{near}`?"));
        context.error(place, message, help);
    }
}

/// `(a DOUBLE, b STRING) -> BOOLEAN`
pub(super) fn signature(context: &mut Context, text: &Text) -> Option<(Vec<Field>, DataType)> {
    let value = &text.value;
    let parts = value.rsplit_once("->").and_then(|(parameters, returns)| {
        let inner = parameters.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some((inner, returns))
    });
    let Some((inner, returns)) = parts else {
        context.error(text.place, "this is no signature", "write it as \"(t DOUBLE, h DOUBLE) -> DOUBLE\"");
        return None;
    };
    let mut fields = |piece: &str, prefix: &str| {
        let start = piece.as_ptr() as usize - value.as_ptr() as usize;
        sql::parse_schema(&format!("{prefix}{piece}")).map_err(|error| {
            let place = |offset: u32| start + (offset as usize).saturating_sub(prefix.len()).min(piece.len());
            let place = text.place_of(place(error.span.start)..place(error.span.end));
            context.error(place, error.message, error.help.unwrap_or_else(|| "types are written as in a schema".to_owned()));
        })
    };
    let parameters = if inner.trim().is_empty() { Vec::new() } else { fields(inner, "").ok()? };
    let returns = fields(returns, "r ").ok()?;
    let [result] = &returns[..] else {
        context.error(text.place, "a function gives one value", "a STRUCT<…> holds several");
        return None;
    };
    if parameters.len() > PARAMETERS_MAX {
        context.error(text.place, format!("a function has at most {PARAMETERS_MAX} parameters"), "leave some out");
        return None;
    }
    let parameters = parameters.into_iter().map(|column| Field::new(column.name, column.data_type)).collect();
    Some((parameters, result.data_type.clone()))
}

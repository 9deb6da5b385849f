//! Sources of type "custom", and format "custom": the names of what the program has added, and its parameters.

use super::super::diagnostic::nearest;
use super::super::reader::{Context, Reader, shown};
use super::super::settings::SourceKind;
use super::super::text::Text;
use crate::extend::Parameters;
use crate::format::Format;

pub fn read(context: &mut Context, reader: &mut Reader) -> Option<SourceKind> {
    reader.require(context, "receiver", "\"my_receiver\"");
    let name = reader.text(context, "receiver");
    let parameters = reader.parameters(context, "options")?;
    let name = name?;
    let found = context.environment.extensions.find_receiver(&name.value, parameters);
    match found {
        Some(Ok(receiver)) => Some(SourceKind::Custom(Box::new(receiver))),
        Some(Err(problem)) => {
            context.error(name.place, format!("the receiver `{}`: {problem}", shown(&name.value)), "see its parameters in `options`");
            None
        }
        None => {
            let known: Vec<String> = context.environment.extensions.receivers().iter().map(ToString::to_string).collect();
            unknown(context, "receiver", &name, &known);
            None
        }
    }
}

/// `decoder` of format "custom".
pub fn format(context: &mut Context, reader: &mut Reader) -> Option<Format> {
    reader.require(context, "decoder", "\"my_format\"");
    let name = reader.text(context, "decoder");
    let parameters: Parameters = reader.parameters(context, "decoder_options")?;
    let name = name?;
    match context.environment.extensions.find_format(&name.value, parameters) {
        Some(Ok(format)) => Some(Format::Custom(Box::new(format))),
        Some(Err(problem)) => {
            context.error(name.place, format!("the format `{}`: {problem}", shown(&name.value)), "see its parameters in `decoder_options`");
            None
        }
        None => {
            let known: Vec<String> = context.environment.extensions.formats().iter().map(ToString::to_string).collect();
            unknown(context, "format", &name, &known);
            None
        }
    }
}

fn unknown(context: &mut Context, what: &str, name: &Text, known: &[String]) {
    let message = format!("there is no {what} `{}` in this program", shown(&name.value));
    let help = match nearest(&name.value, known.iter().map(String::as_str)) {
        _ if known.is_empty() => {
            format!("`tidemill` itself has none: a Rust program adds them, see docs/extending.md (no {what} was added here)")
        }
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", known.join(", ")),
    };
    context.error(name.place, message, help);
}

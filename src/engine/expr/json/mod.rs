//! JSON in columns of text: values by path, parsing by a schema, writing, and what a text holds.
//!
//! Limits: nesting as in the reader of payloads; a text that is no JSON is NULL, never an error, except in schema_of_json.

mod path;
mod schema;

use crate::batch::Values;
use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::collections::{Arg, build};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::format::json_text::{Converter, Fault, TokenKind, Typed, compact, scan};
use crate::format::write_value;
use crate::plan::Collection;
use crate::types::{DataType, Value};
use path::Path;

pub(super) fn apply(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use Collection as C;
    let texts = operands.first()?.texts()?;
    match (collection, operands) {
        (C::GetJsonObject, [_, paths]) => {
            let paths = paths.texts()?;
            let fixed = paths.constant().map(Path::parse);
            Some(frame.text_map(operands, |row, out| {
                let found = match &fixed {
                    Some(path) => path.as_ref().and_then(|path| path.find(texts.get(row))),
                    None => Path::parse(paths.get(row)).and_then(|path| path.find(texts.get(row))),
                };
                Ok(found.is_some_and(|found| {
                    out.push_str(&found);
                    true
                }))
            }))
        }
        (C::JsonMember, [_, names]) => {
            let names = names.texts()?;
            Some(frame.text_map(operands, |row, out| {
                Ok(member(texts.get(row), names.get(row)).is_some_and(|found| {
                    out.push_str(&found);
                    true
                }))
            }))
        }
        (C::FromJson, [_]) => {
            let converter = Converter::spark();
            let data_type = frame.data_type.clone();
            Some(build(operands, frame, |row, builder, room| {
                let value = parse(texts.get(row), &data_type, &converter);
                room.take(0, texts.get(row).len())?;
                if value != Value::Null {
                    builder.push(&value);
                }
                Ok(())
            }))
        }
        (C::JsonArrayLength, [_]) => Some(frame.try_map(operands, Values::Int, |row| Ok(elements(texts.get(row)).ok().flatten()))),
        (C::JsonObjectKeys, [_]) => Some(build(operands, frame, |row, builder, room| {
            let Some(keys) = keys(texts.get(row)) else { return Ok(()) };
            builder.push_list(|out| {
                keys.iter().try_for_each(|key| {
                    room.take(1, key.len())?;
                    out.push_text(key);
                    Ok(())
                })
            })
        })),
        (C::SchemaOfJson, [_]) => Some(frame.text_map(operands, |row, out| {
            let schema = schema::infer(texts.get(row));
            let data_type = schema.ok_or_else(|| Failure::with_text(Problem::Argument("the text is no JSON"), texts.get(row)))?;
            out.push_str(&data_type.to_string());
            Ok(true)
        })),
        _ => None,
    }
    .filter(|_| !args.is_empty())
}

/// `to_json` of values of type `data_type`.
pub(super) fn to_json(data_type: &DataType, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Operand<'static> {
    let Some(input) = operands.first().map(Arg::new) else { return Operand::NULL };
    let mut bytes = Vec::new();
    frame.text_map(operands, |row, out| {
        bytes.clear();
        write_value(data_type, &input.column, input.at(row), &mut bytes);
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
        }
        out.push_str(&String::from_utf8_lossy(&bytes));
        Ok(true)
    })
}

/// A text by its schema, as Spark's PERMISSIVE mode does: what is no object is a struct of NULLs, what is no array or map is NULL.
fn parse(text: &str, data_type: &DataType, converter: &Converter) -> Value {
    let payload = text.as_bytes();
    let start = scan::blank(payload, 0);
    let Some(first) = payload.get(start) else { return Value::Null };
    let mut typed = Typed::new(payload, converter, true);
    let read = match (data_type, first) {
        // One object stands for an array of it.
        (DataType::Array(element), b'{') if matches!(**element, DataType::Struct(_)) => {
            typed.value(start, 0, element).map(|(value, end)| (value.map(|value| Value::Array(vec![value])), end))
        }
        _ => typed.value(start, 0, data_type),
    };
    match (read, data_type) {
        (Ok((Ok(value), _)), _) if value != Value::Null => value,
        (_, DataType::Struct(fields)) => Value::Struct(vec![Value::Null; fields.len()]),
        _ => Value::Null,
    }
}

/// The outermost object's member as `json_tuple` gives it: strings without quotes, all else written anew. The last of one name counts.
fn member(text: &str, wanted: &str) -> Option<String> {
    let mut found = None;
    each_member(text, |payload, name, at| {
        if name == wanted {
            found = as_text(payload, at).ok()?;
        }
        Some(())
    })?;
    found
}

/// A value as text; `None` for `null`.
fn as_text(payload: &[u8], at: usize) -> Result<Option<String>, Fault> {
    let token = scan::value(payload, at, 1)?;
    let mut out = String::new();
    match token.kind {
        TokenKind::Null => return Ok(None),
        TokenKind::Text { .. } => scan::unescape(&String::from_utf8_lossy(&payload[token.start + 1..token.end - 1]), &mut out),
        _ => {
            let mut bytes = Vec::new();
            compact(payload, at, 1, &mut bytes)?;
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    Ok(Some(out))
}

fn keys(text: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    each_member(text, |_, name, _| {
        keys.push(name.to_owned());
        Some(())
    })?;
    Some(keys)
}

/// Calls `each` with the name and place of each member of the outermost object; `None` where there is none or it is malformed.
fn each_member(text: &str, mut each: impl FnMut(&[u8], &str, usize) -> Option<()>) -> Option<()> {
    let payload = text.as_bytes();
    let start = scan::blank(payload, 0);
    if payload.get(start) != Some(&b'{') {
        return None;
    }
    let converter = Converter::spark();
    let members = Typed::new(payload, &converter, true).members(start, 0, |typed, name, at, depth| {
        let end = scan::value(typed.payload, at, depth)?.end;
        each(typed.payload, name, at).ok_or(Fault { at, what: "it is not wanted" })?;
        Ok(end)
    });
    members.ok().map(drop)
}

/// How many elements the outermost array has; `None` where it is no array.
fn elements(text: &str) -> Result<Option<i32>, Fault> {
    let payload = text.as_bytes();
    let start = scan::blank(payload, 0);
    if payload.get(start) != Some(&b'[') {
        return Ok(None);
    }
    let mut at = scan::blank(payload, start + 1);
    if payload.get(at) == Some(&b']') {
        return Ok(Some(0));
    }
    let mut count = 0;
    loop {
        at = scan::blank(payload, scan::value(payload, at, 1)?.end);
        count += 1;
        match payload.get(at) {
            Some(b',') => at = scan::blank(payload, at + 1),
            Some(b']') => return Ok(Some(count)),
            _ => return Err(Fault { at, what: "expected , or ] after an element" }),
        }
    }
}

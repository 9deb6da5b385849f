//! The type that a JSON text has: `schema_of_json`. Whole numbers are BIGINT, NULL alone is STRING, types that do not meet are STRING.
//!
//! Limits: a whole number beyond 64 bits is DOUBLE (in Spark a DECIMAL).

use crate::format::json_text::{Converter, Fault, TokenKind, Typed, scan};
use crate::types::{DataType, Field};

/// `None` where the text is no JSON.
pub(super) fn infer(text: &str) -> Option<DataType> {
    let payload = text.as_bytes();
    let converter = Converter::spark();
    let mut typed = Typed::new(payload, &converter, true);
    let (data_type, _) = value(&mut typed, scan::blank(payload, 0), 0).ok()?;
    Some(settled(data_type))
}

fn value(typed: &mut Typed<'_>, at: usize, depth: usize) -> Result<(DataType, usize), Fault> {
    match typed.payload.get(at) {
        Some(b'{') => {
            let mut fields: Vec<Field> = Vec::new();
            let end = typed.members(at, depth, |typed, name, at, depth| {
                let (data_type, end) = value(typed, at, depth)?;
                fields.push(Field::new(name, data_type));
                Ok(end)
            })?;
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            fields.dedup_by(|later, first| first.name == later.name);
            Ok((DataType::Struct(fields), end))
        }
        Some(b'[') => {
            if depth >= scan::DEPTH_MAX {
                return Err(Fault { at, what: "objects and arrays nest too deep" });
            }
            let mut element = DataType::Null;
            let mut at = scan::blank(typed.payload, at + 1);
            if typed.payload.get(at) == Some(&b']') {
                return Ok((DataType::Array(Box::new(element)), at + 1));
            }
            loop {
                let (found, end) = value(typed, at, depth + 1)?;
                element = meet(element, found);
                at = scan::blank(typed.payload, end);
                match typed.payload.get(at) {
                    Some(b',') => at = scan::blank(typed.payload, at + 1),
                    Some(b']') => return Ok((DataType::Array(Box::new(element)), at + 1)),
                    _ => return Err(Fault { at, what: "expected , or ] after an element" }),
                }
            }
        }
        _ => {
            let token = scan::value(typed.payload, at, depth)?;
            let data_type = match token.kind {
                TokenKind::Null => DataType::Null,
                TokenKind::Boolean(_) => DataType::Boolean,
                TokenKind::Number(number) if number.integer && number.to_i64().is_some() => DataType::BigInt,
                TokenKind::Number(_) | TokenKind::Special(_) => DataType::Double,
                _ => DataType::String,
            };
            Ok((data_type, token.end))
        }
    }
}

fn meet(a: DataType, b: DataType) -> DataType {
    match (a, b) {
        (a, b) if a == b => a,
        (DataType::Null, other) | (other, DataType::Null) => other,
        (DataType::BigInt, DataType::Double) | (DataType::Double, DataType::BigInt) => DataType::Double,
        (DataType::Array(a), DataType::Array(b)) => DataType::Array(Box::new(meet(*a, *b))),
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut fields = a;
            for field in b {
                match fields.binary_search_by(|known| known.name.cmp(&field.name)) {
                    Ok(index) => {
                        let known = std::mem::replace(&mut fields[index].data_type, DataType::Null);
                        fields[index].data_type = meet(known, field.data_type);
                    }
                    Err(index) => fields.insert(index, field),
                }
            }
            DataType::Struct(fields)
        }
        _ => DataType::String,
    }
}

/// STRING for what was nothing but NULL.
fn settled(data_type: DataType) -> DataType {
    match data_type {
        DataType::Null => DataType::String,
        DataType::Array(element) => DataType::Array(Box::new(settled(*element))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.into_iter().map(|field| Field::new(field.name, settled(field.data_type))).collect())
        }
        other => other,
    }
}

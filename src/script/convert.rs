//! SQL values to a script's and back.
//!
//! | SQL | script |
//! |---|---|
//! | NULL | `()` |
//! | BOOLEAN | `bool` |
//! | INT, BIGINT | integer |
//! | FLOAT, DOUBLE | float; an integer is taken too |
//! | STRING | string; a character is taken too |
//! | TIMESTAMP, INTERVAL | integer, µs (since 1970) |
//! | DATE | integer, days since 1970 |
//! | BINARY | blob |
//! | ARRAY | array |
//! | STRUCT, MAP with text keys | map |

use rhai::{Array, Blob, Dynamic, Map};

use crate::types::ordered::map_of;
use crate::types::{DataType, Field, Value};

/// A value for a script. Map keys that are no text become text.
pub fn to_script(value: Value, data_type: &DataType) -> Dynamic {
    match (value, data_type) {
        (Value::Null, _) => Dynamic::UNIT,
        (Value::Boolean(x), _) => x.into(),
        (Value::Int(x) | Value::Date(x), _) => i64::from(x).into(),
        (Value::BigInt(x) | Value::Timestamp(x) | Value::Interval(x), _) => x.into(),
        (Value::Float(x), _) => f64::from(x).into(),
        (Value::Double(x), _) => x.into(),
        (Value::String(x), _) => x.into(),
        (Value::Binary(x), _) => Dynamic::from_blob(x),
        (Value::Array(items), DataType::Array(element)) => {
            Dynamic::from_array(items.into_iter().map(|item| to_script(item, element)).collect())
        }
        (Value::Struct(members), DataType::Struct(fields)) => row_to_script(members.into_iter().zip(fields)).into(),
        (Value::Map(pairs), DataType::Map(_, value)) => {
            let pair = |(key, item): (Value, Value)| {
                let name = match key {
                    Value::String(name) => name,
                    other => to_script(other, &DataType::Null).to_string(),
                };
                (name.into(), to_script(item, value))
            };
            Dynamic::from_map(map_of(pairs.into_iter().map(pair)))
        }
        // Lists whose type is not known have no members to name.
        (Value::Array(_) | Value::Struct(_) | Value::Map(_), _) => Dynamic::UNIT,
    }
}

/// Columns by name.
pub fn row_to_script<'f>(values: impl Iterator<Item = (Value, &'f Field)>) -> Map {
    map_of(values.map(|(value, field)| (field.name.as_str().into(), to_script(value, &field.data_type))))
}

/// A script's value as one of `data_type`; what is wrong otherwise. `what` names it.
pub fn from_script(value: Dynamic, data_type: &DataType, what: &str) -> Result<Value, String> {
    let value = value.flatten();
    if value.is_unit() {
        return Ok(Value::Null);
    }
    let mismatch = |value: &Dynamic| format!("{what} is {data_type}, but the script gave {}", kind(value));
    let int = || value.as_int().map_err(|_| mismatch(&value));
    match data_type {
        DataType::Null => Err(mismatch(&value)),
        DataType::Boolean => value.as_bool().map(Value::Boolean).map_err(|_| mismatch(&value)),
        DataType::Int => i32::try_from(int()?).map(Value::Int).map_err(|_| format!("{what} is INT, and {value} does not fit")),
        DataType::Date => i32::try_from(int()?).map(Value::Date).map_err(|_| format!("{what} is DATE, and {value} days do not fit")),
        DataType::BigInt => int().map(Value::BigInt),
        DataType::Timestamp => int().map(Value::Timestamp),
        DataType::Interval => int().map(Value::Interval),
        DataType::Float => float(&value).map(|x| Value::Float(x as f32)).ok_or_else(|| mismatch(&value)),
        DataType::Double => float(&value).map(Value::Double).ok_or_else(|| mismatch(&value)),
        DataType::String => match value.as_char() {
            Ok(c) => Ok(Value::String(c.to_string())),
            Err(_) => value.as_immutable_string_ref().map(|text| Value::String(text.as_str().to_owned())).map_err(|_| mismatch(&value)),
        },
        DataType::Binary => value.try_cast_result::<Blob>().map(Value::Binary).map_err(|value| mismatch(&value)),
        DataType::Array(element) => {
            let items = value.try_cast_result::<Array>().map_err(|value| mismatch(&value))?;
            items.into_iter().map(|item| from_script(item, element, what)).collect::<Result<_, _>>().map(Value::Array)
        }
        DataType::Struct(fields) => {
            let members = value.try_cast_result::<Map>().map_err(|value| mismatch(&value))?;
            row_from_script(members, fields, what).map(Value::Struct)
        }
        DataType::Map(key, _) if **key != DataType::String => {
            Err(format!("{what} is {data_type}; a script makes maps with text keys only"))
        }
        DataType::Map(_, item) => {
            let members = value.try_cast_result::<Map>().map_err(|value| mismatch(&value))?;
            let mut pairs = Vec::with_capacity(members.len());
            for (name, value) in members {
                pairs.push((Value::String(name.to_string()), from_script(value, item, what)?));
            }
            Ok(Value::Map(pairs))
        }
    }
}

/// A row by the names of its columns; those that are missing are NULL, others are a mistake.
pub fn row_from_script(mut members: Map, fields: &[Field], what: &str) -> Result<Vec<Value>, String> {
    let mut row = Vec::with_capacity(fields.len());
    for field in fields {
        match members.remove(field.name.as_str()) {
            Some(value) => row.push(from_script(value, &field.data_type, &format!("`{}`", field.name))?),
            None => row.push(Value::Null),
        }
    }
    match members.keys().next() {
        Some(unknown) => Err(format!("{what} has no column `{unknown}`")),
        None => Ok(row),
    }
}

fn float(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|int| int as f64))
}

/// The kind of a script's value, with its article.
pub fn kind(value: &Dynamic) -> &'static str {
    match value.type_name() {
        "()" => "nothing",
        "bool" => "a bool",
        "i64" => "an integer",
        "f64" => "a float",
        "string" => "a string",
        "char" => "a character",
        "array" => "an array",
        "map" => "a map",
        "blob" => "a blob",
        "Fn" => "a function",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type)
    }

    #[test]
    fn every_type_goes_there_and_back() {
        let list = DataType::Array(Box::new(DataType::Double));
        let pairs = DataType::Map(Box::new(DataType::String), Box::new(DataType::BigInt));
        let nested = DataType::Struct(vec![field("a", DataType::Int), field("b", list.clone())]);
        let cases = [
            (DataType::Boolean, Value::Boolean(true)),
            (DataType::Int, Value::Int(-3)),
            (DataType::BigInt, Value::BigInt(i64::MIN)),
            (DataType::Float, Value::Float(1.5)),
            (DataType::Double, Value::Double(f64::NEG_INFINITY)),
            (DataType::String, Value::String("größe".into())),
            (DataType::Timestamp, Value::Timestamp(7)),
            (DataType::Date, Value::Date(-2)),
            (DataType::Interval, Value::Interval(9)),
            (DataType::Binary, Value::Binary(vec![0, 255])),
            (list.clone(), Value::Array(vec![Value::Double(1.0), Value::Null])),
            (pairs, Value::Map(vec![(Value::String("x".into()), Value::BigInt(1))])),
            (nested, Value::Struct(vec![Value::Int(1), Value::Array(vec![Value::Double(2.0)])])),
            (DataType::String, Value::Null),
        ];
        for (data_type, value) in cases {
            assert_eq!(from_script(to_script(value.clone(), &data_type), &data_type, "x"), Ok(value), "{data_type}");
        }
    }

    #[test]
    fn a_wrong_type_says_what_was_wanted() {
        let wrong = |value: Dynamic, data_type| from_script(value, &data_type, "`n`").unwrap_err();
        assert_eq!(wrong("a".into(), DataType::Double), "`n` is DOUBLE, but the script gave a string");
        assert_eq!(wrong(Dynamic::from(1.5), DataType::BigInt), "`n` is BIGINT, but the script gave a float");
        assert_eq!(wrong((1i64 << 40).into(), DataType::Int), "`n` is INT, and 1099511627776 does not fit");
        let mut row = Map::new();
        row.insert("alrm".into(), 1i64.into());
        assert_eq!(row_from_script(row, &[field("alarm", DataType::Int)], "the output").unwrap_err(), "the output has no column `alrm`");
    }
}

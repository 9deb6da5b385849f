//! A key's state as bytes: what is stored, and what is held in memory between calls.
//!
//! One tag byte, then the value: integers and floats 8 bytes little-endian; text, blobs, arrays and maps with a `u32` count first; a map's
//! members by name, each name as text without a tag.
//!
//! Limits: [`DEPTH_MAX`] levels, [`BYTES_MAX`] in all; stored bytes are checked.

use rhai::{Array, Dynamic, Map};

use crate::types::ordered::map_of;

use super::convert::kind;

/// Levels of arrays and maps within each other that a state may have.
pub const DEPTH_MAX: usize = 16;

/// Bytes of one key's state.
pub const BYTES_MAX: usize = 64 * 1024;

/// Why stored bytes are no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAState(pub &'static str);

/// The bytes of a state; `()` has none. What cannot be kept otherwise.
pub fn encode(value: &Dynamic) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    if !value.is_unit() {
        put(&mut out, value, 0)?;
    }
    if out.len() > BYTES_MAX {
        return Err(format!("the state takes {} bytes, at most {BYTES_MAX} are kept for a key", out.len()));
    }
    Ok(out)
}

fn put(out: &mut Vec<u8>, value: &Dynamic, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("the state nests deeper than {DEPTH_MAX} levels"));
    }
    if value.is_unit() {
        out.push(b'0');
    } else if let Ok(x) = value.as_bool() {
        out.push(if x { b't' } else { b'f' });
    } else if let Ok(x) = value.as_int() {
        out.push(b'i');
        out.extend_from_slice(&x.to_le_bytes());
    } else if let Ok(x) = value.as_float() {
        out.push(b'd');
        out.extend_from_slice(&x.to_le_bytes());
    } else if let Ok(x) = value.as_char() {
        out.push(b'c');
        put_bytes(out, x.to_string().as_bytes());
    } else if let Ok(text) = value.as_immutable_string_ref() {
        out.push(b's');
        put_bytes(out, text.as_bytes());
    } else if let Ok(blob) = value.as_blob_ref() {
        out.push(b'b');
        put_bytes(out, &blob);
    } else if let Ok(items) = value.as_array_ref() {
        out.push(b'a');
        out.extend_from_slice(&(items.len() as u32).to_le_bytes());
        items.iter().try_for_each(|item| put(out, item, depth + 1))?;
    } else if let Ok(members) = value.as_map_ref() {
        out.push(b'm');
        out.extend_from_slice(&(members.len() as u32).to_le_bytes());
        for (name, member) in members.iter() {
            put_bytes(out, name.as_bytes());
            put(out, member, depth + 1)?;
        }
    } else {
        return Err(format!("the state holds {}, which cannot be kept", kind(value)));
    }
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The state that [`encode`] made these bytes of.
pub fn decode(bytes: &[u8]) -> Result<Dynamic, NotAState> {
    if bytes.is_empty() {
        return Ok(Dynamic::UNIT);
    }
    let mut rest = bytes;
    let value = read(&mut rest, 0)?;
    if rest.is_empty() { Ok(value) } else { Err(NotAState("there are bytes after a state's end")) }
}

fn read(rest: &mut &[u8], depth: usize) -> Result<Dynamic, NotAState> {
    if depth > DEPTH_MAX {
        return Err(NotAState("a state nests too deep"));
    }
    Ok(match take(rest, 1)?[0] {
        b'0' => Dynamic::UNIT,
        b't' => true.into(),
        b'f' => false.into(),
        b'i' => i64::from_le_bytes(fixed(rest)?).into(),
        b'd' => f64::from_le_bytes(fixed(rest)?).into(),
        b'c' => text(rest)?.chars().next().ok_or(NotAState("a character is empty"))?.into(),
        b's' => text(rest)?.into(),
        b'b' => Dynamic::from_blob(bytes(rest)?.to_vec()),
        b'a' => {
            let count = count(rest)?;
            let mut items = Array::new();
            for _ in 0..count {
                items.push(read(rest, depth + 1)?);
            }
            Dynamic::from_array(items)
        }
        b'm' => {
            let count = count(rest)?;
            let mut members = Map::new();
            for _ in 0..count {
                let name = text(rest)?.into();
                members.insert(name, read(rest, depth + 1)?);
            }
            Dynamic::from_map(members)
        }
        _ => return Err(NotAState("a state has an unknown tag")),
    })
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], NotAState> {
    let (taken, left) = rest.split_at_checked(len).ok_or(NotAState("a state ends too early"))?;
    *rest = left;
    Ok(taken)
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotAState> {
    let (taken, left) = rest.split_first_chunk().ok_or(NotAState("a state ends too early"))?;
    *rest = left;
    Ok(*taken)
}

/// A count of things that take a byte or more each.
fn count(rest: &mut &[u8]) -> Result<usize, NotAState> {
    let count = u32::from_le_bytes(fixed(rest)?) as usize;
    if count > rest.len() { Err(NotAState("a count is greater than what follows")) } else { Ok(count) }
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], NotAState> {
    let len = count(rest)?;
    take(rest, len)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, NotAState> {
    std::str::from_utf8(bytes(rest)?).map_err(|_| NotAState("a text is not UTF-8"))
}

/// The bytes of the state that a JSON value stands for.
pub fn encode_json(json: &serde_json::Value) -> Result<Vec<u8>, String> {
    encode(&from_json(json))
}

/// As deep as the JSON reader lets it be.
fn from_json(json: &serde_json::Value) -> Dynamic {
    match json {
        serde_json::Value::Null => Dynamic::UNIT,
        serde_json::Value::Bool(x) => (*x).into(),
        serde_json::Value::Number(x) => match x.as_i64() {
            Some(int) => int.into(),
            None => x.as_f64().unwrap_or(f64::NAN).into(),
        },
        serde_json::Value::String(x) => x.as_str().into(),
        serde_json::Value::Array(items) => Dynamic::from_array(items.iter().map(from_json).collect()),
        serde_json::Value::Object(members) => {
            Dynamic::from_map(map_of(members.iter().map(|(name, member)| (name.as_str().into(), from_json(member)))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn states_come_back() {
        let json = serde_json::json!({ "n": 3, "last": 21.5, "on": true, "names": ["a", "", null], "deep": { "x": { "y": -1 } } });
        let bytes = encode_json(&json).unwrap();
        assert_eq!(encode(&decode(&bytes).unwrap()).unwrap(), bytes);
        assert!(encode(&Dynamic::UNIT).unwrap().is_empty());
        assert!(decode(&[]).unwrap().is_unit());
        for value in [Dynamic::from('ä'), Dynamic::from(f64::NAN), Dynamic::from_blob(vec![1, 2])] {
            let bytes = encode(&value).unwrap();
            assert_eq!(encode(&decode(&bytes).unwrap()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let mut deep = Dynamic::from(1i64);
        for _ in 0..DEPTH_MAX + 1 {
            deep = Dynamic::from_array(vec![deep]);
        }
        assert!(encode(&deep).unwrap_err().contains("deeper than 16"));
        assert!(encode(&Dynamic::from("x".repeat(BYTES_MAX))).unwrap_err().contains("at most 65536"));
        let function = rhai::FnPtr::new("update").unwrap();
        assert_eq!(encode(&Dynamic::from(function)).unwrap_err(), "the state holds a function, which cannot be kept");
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_errors(bytes: Vec<u8>) {
            if let Ok(value) = decode(&bytes) {
                prop_assert!(encode(&value).is_ok());
            }
        }
    }
}

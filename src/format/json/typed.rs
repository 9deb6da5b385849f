//! JSON values of any SQL type, as Spark's PERMISSIVE reader takes them: arrays, maps, structs, binary and dates among them.
//!
//! A member of a struct that does not fit is NULL, and counted. An element of an array or map that does not fit spoils the whole of it,
//! which then does not fit the struct around. Members are found by their exact name; of two by one name the last counts.
//!
//! Limits: nesting as in [`scan`]; [`ELEMENTS_MAX`] elements in one array or map and [`VALUES_MAX`] values, members of structs that are not
//! there included, in all: what is beyond does not fit.

use super::super::base64;
use super::super::convert::{Converter, Unfit, utf8};
use super::super::row::{Slot, Target, Texts};
use super::copy;
use super::scan::{self, Fault, TokenKind};
use crate::types::{DataType, Field, Value};

/// Elements of one array, or entries of one map, in a payload.
pub const ELEMENTS_MAX: usize = 1 << 16;

/// Values within one.
pub const VALUES_MAX: usize = 1 << 20;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Reads values of one payload.
pub struct Typed<'a> {
    pub payload: &'a [u8],
    pub converter: &'a Converter,
    /// Members that did not fit and became NULL.
    pub nulled: usize,
    /// Whether containers that are read as text are written anew, without blanks; else as they stand.
    pub compact: bool,
    values_left: usize,
}

/// A value, or that it does not fit its type; and where it ends.
type Read = Result<(Result<Value, Unfit>, usize), Fault>;

impl<'a> Typed<'a> {
    pub fn new(payload: &'a [u8], converter: &'a Converter, compact: bool) -> Typed<'a> {
        Typed { payload, converter, nulled: 0, compact, values_left: VALUES_MAX }
    }

    fn take(&mut self, values: usize) -> Result<(), Unfit> {
        self.values_left = self.values_left.checked_sub(values).ok_or(Unfit)?;
        Ok(())
    }

    /// The value at `at`, which stands within `depth` containers.
    pub fn value(&mut self, at: usize, depth: usize, data_type: &DataType) -> Read {
        let first = self.payload.get(at).copied();
        let members = if let DataType::Struct(fields) = data_type { fields.len() } else { 0 };
        if self.take(1 + members).is_err() {
            return Ok((Err(Unfit), scan::value(self.payload, at, depth)?.end));
        }
        match (data_type, first) {
            (_, Some(b'n')) => Ok((Ok(Value::Null), scan::value(self.payload, at, depth)?.end)),
            (DataType::Struct(fields), Some(b'{')) => self.structure(at, depth, fields).map(|(value, end)| (Ok(value), end)),
            (DataType::Map(_, value), Some(b'{')) => self.map(at, depth, value),
            (DataType::Array(element), Some(b'[')) => self.array(at, depth, element),
            (DataType::Struct(_) | DataType::Map(..) | DataType::Array(_) | DataType::Null | DataType::Interval, _) => {
                Ok((Err(Unfit), scan::value(self.payload, at, depth)?.end))
            }
            _ => self.scalar(at, depth, data_type),
        }
    }

    fn structure(&mut self, start: usize, depth: usize, fields: &[Field]) -> Result<(Value, usize), Fault> {
        let mut values = vec![Value::Null; fields.len()];
        let end = self.members(start, depth, |typed, name, at, depth| {
            let Some(index) = fields.iter().position(|field| field.name == name) else {
                return scan::value(typed.payload, at, depth).map(|token| token.end);
            };
            let (value, end) = typed.value(at, depth, &fields[index].data_type)?;
            match value {
                Ok(value) => values[index] = value,
                Err(Unfit) => typed.nulled += 1,
            }
            Ok(end)
        })?;
        Ok((Value::Struct(values), end))
    }

    fn map(&mut self, start: usize, depth: usize, data_type: &DataType) -> Read {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        let mut places = std::collections::BTreeMap::new();
        let mut fits = true;
        let end = self.members(start, depth, |typed, name, at, depth| {
            let (value, end) = typed.value(at, depth, data_type)?;
            match value {
                Ok(value) if fits => match places.get(name) {
                    Some(place) => {
                        let entry: &mut (Value, Value) = &mut entries[*place];
                        entry.1 = value;
                    }
                    None => {
                        places.insert(name.to_owned(), entries.len());
                        entries.push((Value::String(name.to_owned()), value));
                        fits = entries.len() <= ELEMENTS_MAX;
                    }
                },
                Ok(_) => {}
                Err(Unfit) => fits = false,
            }
            Ok(end)
        })?;
        Ok((if fits { Ok(Value::Map(entries)) } else { Err(Unfit) }, end))
    }

    fn array(&mut self, start: usize, depth: usize, data_type: &DataType) -> Read {
        check_depth(start, depth)?;
        let mut elements = Vec::new();
        let mut fits = true;
        let mut at = scan::blank(self.payload, start + 1);
        if self.payload.get(at) == Some(&b']') {
            return Ok((Ok(Value::Array(elements)), at + 1));
        }
        loop {
            let (element, end) = self.value(at, depth + 1, data_type)?;
            match element {
                Ok(element) if fits && elements.len() < ELEMENTS_MAX => elements.push(element),
                _ => fits = false,
            }
            at = scan::blank(self.payload, end);
            match self.payload.get(at) {
                Some(b',') => at = scan::blank(self.payload, at + 1),
                Some(b']') => return Ok((if fits { Ok(Value::Array(elements)) } else { Err(Unfit) }, at + 1)),
                _ => return Err(Fault { at, what: "expected , or ] after an element" }),
            }
        }
    }

    /// Calls `each` with name, place and depth of each member's value; it returns where the value ends.
    pub fn members(
        &mut self,
        start: usize,
        depth: usize,
        mut each: impl FnMut(&mut Self, &str, usize, usize) -> Result<usize, Fault>,
    ) -> Result<usize, Fault> {
        check_depth(start, depth)?;
        let text = self.payload;
        let mut unescaped = String::new();
        let mut at = scan::blank(text, start + 1);
        if text.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        loop {
            let name = scan::member_name(text, at)?;
            let raw = utf8(&text[name.start..name.end]);
            unescaped.clear();
            if name.escaped {
                scan::unescape(raw, &mut unescaped);
            }
            at = scan::blank(text, each(self, if name.escaped { &unescaped } else { raw }, name.after, depth + 1)?);
            match text.get(at) {
                Some(b',') => at = scan::blank(text, at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return Err(Fault { at, what: "expected , or } after a member" }),
            }
        }
    }

    fn scalar(&mut self, at: usize, depth: usize, data_type: &DataType) -> Read {
        let token = scan::value(self.payload, at, depth)?;
        let end = token.end;
        let mut unescaped = String::new();
        if let DataType::Binary | DataType::Date = data_type {
            let TokenKind::Text { .. } = token.kind else { return Ok((Err(Unfit), end)) };
            let Ok(Slot::Text(text)) = self.converter.token(Target::Text, &token, self.payload, &mut unescaped) else {
                return Ok((Err(Unfit), end));
            };
            let text = utf8(text.get(Texts { payload: self.payload, unescaped: &unescaped }));
            let value = match data_type {
                DataType::Binary => base64::decode(text).map(Value::Binary),
                _ => self.converter.timestamp(text).map(|micros| Value::Date(micros.div_euclid(MICROS_PER_DAY) as i32)),
            };
            return Ok((value.ok_or(Unfit), end));
        }
        if self.compact && *data_type == DataType::String && token.kind == TokenKind::Container {
            let mut out = Vec::new();
            copy::compact(self.payload, at, depth, &mut out)?;
            return Ok((Ok(Value::String(utf8(&out).to_owned())), end));
        }
        let Some(target) = Target::of(data_type) else { return Ok((Err(Unfit), end)) };
        let slot = self.converter.token(target, &token, self.payload, &mut unescaped);
        let value = slot.map(|slot| match slot {
            Slot::Null | Slot::Nested { .. } => Value::Null,
            Slot::Boolean(x) => Value::Boolean(x),
            Slot::Int(x) => Value::Int(x),
            Slot::BigInt(x) => Value::BigInt(x),
            Slot::Float(x) => Value::Float(x),
            Slot::Double(x) => Value::Double(x),
            Slot::Timestamp(x) => Value::Timestamp(x),
            Slot::Text(text) => Value::String(utf8(text.get(Texts { payload: self.payload, unescaped: &unescaped })).to_owned()),
        });
        Ok((value, end))
    }
}

pub(super) fn check_depth(at: usize, depth: usize) -> Result<(), Fault> {
    if depth < scan::DEPTH_MAX { Ok(()) } else { Err(Fault { at, what: "objects and arrays nest too deep" }) }
}

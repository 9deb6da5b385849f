//! Binary frames to rows: a frame is one row.

use super::super::json::scan::Fault;
use super::super::records::Records;
use super::layout::{BinaryField, BitField, Count, ELEMENTS_MAX, Endian, Group, Item, Kind, Layout};

const TOO_SHORT: &str = "the frame is too short";

pub(super) fn read(layout: &Layout, payload: &[u8], records: &mut Records) -> Result<(), Fault> {
    records.begin_row(0)?;
    members(layout, payload, records)?;
    records.end_row(payload.len());
    Ok(())
}

/// The frame's fields, into the object that is open.
pub(super) fn members(layout: &Layout, frame: &[u8], records: &mut Records) -> Result<(), Fault> {
    let mut reader = Frame { payload: frame, base: 0, at: 0, counts: Vec::new() };
    reader.items(&layout.items, records)?;
    if !layout.rest_ignored && reader.at < frame.len() {
        return Err(Fault { at: reader.at, what: "the frame goes on behind its last field" });
    }
    Ok(())
}

struct Frame<'p> {
    payload: &'p [u8],
    /// Where offsets count from.
    base: usize,
    /// Behind the furthest field so far.
    at: usize,
    /// Integers read so far, for the groups that they count.
    counts: Vec<(&'p str, i128)>,
}

impl<'p> Frame<'p> {
    fn items(&mut self, items: &'p [Item], records: &mut Records) -> Result<(), Fault> {
        for item in items {
            match item {
                Item::Field(field) => self.field(field, records)?,
                Item::Group(group) => self.group(group, records)?,
                Item::Skip(bytes) => {
                    self.take(self.at, *bytes)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes from `start` on; what follows begins behind them, unless something further on was read before.
    fn take(&mut self, start: usize, width: usize) -> Result<&'p [u8], Fault> {
        let bytes = start.checked_add(width).and_then(|end| self.payload.get(start..end));
        let bytes = bytes.ok_or(Fault { at: self.payload.len(), what: TOO_SHORT })?;
        self.at = self.at.max(start + width);
        Ok(bytes)
    }

    fn field(&mut self, field: &'p BinaryField, records: &mut Records) -> Result<(), Fault> {
        let start = field.offset.map_or(self.at, |offset| self.base.saturating_add(offset));
        let width = field.kind.width().unwrap_or(self.payload.len().saturating_sub(start));
        let bytes = self.take(start, width)?;
        match field.kind {
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Bcd(_) => {
                let value = integer(field, bytes).ok_or(Fault { at: start, what: "not a decimal digit" })?;
                if field.bits.is_empty() {
                    self.counts.push((&field.name, value));
                    records.name(&field.name);
                    number(records, value, field.scaling.map(|scaling| scaling.apply(value as f64)));
                }
                field.bits.iter().for_each(|bits| bit_field(records, bits, value));
            }
            Kind::Float | Kind::Double => {
                records.name(&field.name);
                real(field, bytes, records);
            }
            Kind::Text(_) => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                let text = std::str::from_utf8(&bytes[..end]);
                let text = text.map_err(|error| Fault { at: start + error.valid_up_to(), what: "not UTF-8" })?;
                records.name(&field.name);
                records.string(text);
            }
            Kind::Bytes(_) => {
                records.name(&field.name);
                records.bytes(bytes);
            }
        }
        Ok(())
    }

    fn group(&mut self, group: &'p Group, records: &mut Records) -> Result<(), Fault> {
        let start = self.at;
        let count = match &group.count {
            Count::Fixed(count) => Some(*count),
            Count::Rest => None,
            Count::Field(name) => {
                let value = self.counts.iter().rev().find(|(other, _)| other == name).map(|(_, value)| *value);
                let count = value.and_then(|value| usize::try_from(value).ok()).filter(|count| *count <= ELEMENTS_MAX);
                Some(count.ok_or(Fault { at: start, what: "a group's count is out of range" })?)
            }
        };
        let (base, counted) = (self.base, self.counts.len());
        records.name(&group.name);
        records.begin_array();
        let mut done = 0;
        while count.map_or(self.at < self.payload.len(), |count| done < count) {
            if done == ELEMENTS_MAX || records.is_full() {
                return Err(Fault { at: self.at, what: "a group has too many elements" });
            }
            self.base = self.at;
            records.begin_object();
            self.items(&group.items, records)?;
            records.end_object();
            self.counts.truncate(counted);
            if count.is_none() && self.at == self.base {
                return Err(Fault { at: self.at, what: "a group's element is empty" });
            }
            done += 1;
        }
        records.end_array();
        self.base = base;
        Ok(())
    }
}

/// The integer in these bytes; `None` where a BCD digit is none.
fn integer(field: &BinaryField, bytes: &[u8]) -> Option<i128> {
    let mut word = 0u64;
    let digit = |word: u64, byte: &u8| match field.kind {
        Kind::Bcd(_) if byte >> 4 > 9 || byte & 15 > 9 => None,
        Kind::Bcd(_) => Some(word * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15)),
        _ => Some(word << 8 | u64::from(*byte)),
    };
    match field.endian {
        Endian::Big => bytes.iter().try_for_each(|byte| digit(word, byte).map(|next| word = next)),
        Endian::Little => bytes.iter().rev().try_for_each(|byte| digit(word, byte).map(|next| word = next)),
    }?;
    let unused = 64 - 8 * bytes.len() as u32;
    match field.kind {
        Kind::Signed(_) => Some(i128::from((word << unused) as i64 >> unused)),
        _ => Some(i128::from(word)),
    }
}

fn number(records: &mut Records, value: i128, scaled: Option<f64>) {
    match (scaled, i64::try_from(value)) {
        (Some(scaled), _) => records.double(scaled),
        (None, Ok(value)) => records.integer(value),
        (None, Err(_)) => records.unsigned(value as u64),
    }
}

fn bit_field(records: &mut Records, bits: &BitField, value: i128) {
    let mask = (1u128 << bits.width) - 1;
    let part = (value as u128 >> bits.lowest & mask) as i128;
    records.name(&bits.name);
    match bits.scaling {
        None if bits.width == 1 => records.boolean(part == 1),
        scaling => number(records, part, scaling.map(|scaling| scaling.apply(part as f64))),
    }
}

fn real(field: &BinaryField, bytes: &[u8], records: &mut Records) {
    let mut big = [0u8; 8];
    let width = bytes.len();
    big[..width].copy_from_slice(bytes);
    if field.endian == Endian::Little {
        big[..width].reverse();
    }
    let single = f32::from_be_bytes([big[0], big[1], big[2], big[3]]);
    match (field.kind, field.scaling) {
        (Kind::Float, None) => records.float(single),
        (Kind::Float, Some(scaling)) => records.double(scaling.apply(f64::from(single))),
        (_, scaling) => {
            let value = f64::from_be_bytes(big);
            records.double(scaling.map_or(value, |scaling| scaling.apply(value)));
        }
    }
}

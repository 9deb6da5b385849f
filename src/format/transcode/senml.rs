//! SenML (RFC 8428): each record with its base values resolved is a row, under the labels of the RFC: `n`, `u`, `t`, `v`, `vs`, `vb`, `vd`, `s`, `ut`.
//!
//! `t` is a TIMESTAMP: times below 2^28 seconds count from the arrival (section 4.5.3), and a record without one has the arrival's. `vd` is BINARY.
//! A record with an unknown label that ends with `_` is refused (section 4.4); other unknown labels are passed over. Limits: [`RECORDS_MAX`].

use serde_cbor::Value as Cbor;
use serde_json::Value as Json;

use super::super::base64;
use super::super::json::scan::Fault;
use super::super::records::Records;
use super::cbor;

/// Records of one pack.
const RECORDS_MAX: usize = 65_536;
/// The version that RFC 8428 defines.
const VERSION: f64 = 10.0;
/// Times below this are relative to now.
const RELATIVE_BELOW_S: f64 = 268_435_456.0;

/// A label's value in either encoding.
enum Entry {
    Text(String),
    Number(f64),
    Boolean(bool),
    Bytes(Vec<u8>),
}

/// The labels of RFC 8428, table 4: name in JSON, number in CBOR.
const LABELS: [(&str, i128); 16] = [
    ("bn", -2),
    ("bt", -3),
    ("bu", -4),
    ("bv", -5),
    ("bs", -6),
    ("bver", -1),
    ("n", 0),
    ("u", 1),
    ("v", 2),
    ("vs", 3),
    ("vb", 4),
    ("vd", 8),
    ("s", 5),
    ("t", 6),
    ("ut", 7),
    ("l", 9),
];

pub(super) fn read_json(payload: &[u8], arrived_us: i64, records: &mut Records) -> Result<(), Fault> {
    let pack: Vec<serde_json::Map<String, Json>> = serde_json::from_slice(payload).map_err(|error| {
        let what = if error.is_data() { "a SenML pack is an array of objects" } else { "not JSON" };
        Fault { at: byte_of(payload, error.line(), error.column()), what }
    })?;
    let mut resolver = Resolver::new(arrived_us, payload.len());
    for record in pack {
        let entries = record.into_iter().map(|(label, value)| {
            let entry = match value {
                Json::String(text) if label == "vd" => Entry::Bytes(base64::decode_url(&text).ok_or("`vd` is not base64")?),
                Json::String(text) => Entry::Text(text),
                Json::Number(number) => Entry::Number(number.as_f64().ok_or("a number is out of range")?),
                Json::Bool(boolean) => Entry::Boolean(boolean),
                _ => return Err("a value of a wrong type"),
            };
            Ok((label, entry))
        });
        resolver.record(entries, records)?;
    }
    Ok(())
}

pub(super) fn read_cbor(payload: &[u8], arrived_us: i64, records: &mut Records) -> Result<(), Fault> {
    let pack: Vec<std::collections::BTreeMap<Cbor, Cbor>> = serde_cbor::from_slice(payload)
        .map_err(|error| Fault { what: "a SenML pack is an array of maps", ..cbor::fault(&error, payload.len()) })?;
    let mut resolver = Resolver::new(arrived_us, payload.len());
    for record in pack {
        let entries = record.into_iter().map(|(label, value)| {
            let label = match label {
                Cbor::Integer(number) => match LABELS.iter().find(|(_, other)| *other == number) {
                    Some((name, _)) => (*name).to_owned(),
                    None => number.to_string(),
                },
                Cbor::Text(text) => text,
                _ => return Err("a label is neither text nor a number"),
            };
            let entry = match value {
                Cbor::Text(text) => Entry::Text(text),
                Cbor::Integer(number) => Entry::Number(number as f64),
                Cbor::Float(number) => Entry::Number(number),
                Cbor::Bool(boolean) => Entry::Boolean(boolean),
                Cbor::Bytes(bytes) => Entry::Bytes(bytes),
                _ => return Err("a value of a wrong type"),
            };
            Ok((label, entry))
        });
        resolver.record(entries, records)?;
    }
    Ok(())
}

/// The byte at line and column, both from 1.
fn byte_of(payload: &[u8], line: usize, column: usize) -> usize {
    let before: usize = payload.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (before + column.saturating_sub(1)).min(payload.len())
}

/// Base values so far.
struct Resolver {
    arrived_us: i64,
    length: usize,
    count: usize,
    name: String,
    unit: Option<String>,
    time: f64,
    value: Option<f64>,
    sum: Option<f64>,
}

/// One record's own entries.
#[derive(Default)]
struct Own {
    name: String,
    unit: Option<String>,
    time: f64,
    value: Option<f64>,
    sum: Option<f64>,
    update: Option<f64>,
    other: Option<(&'static str, Entry)>,
}

impl Resolver {
    fn new(arrived_us: i64, length: usize) -> Resolver {
        Resolver { arrived_us, length, count: 0, name: String::new(), unit: None, time: 0.0, value: None, sum: None }
    }

    fn record(&mut self, entries: impl Iterator<Item = Result<(String, Entry), &'static str>>, records: &mut Records) -> Result<(), Fault> {
        self.count += 1;
        if self.count > RECORDS_MAX {
            return Err(Fault { at: 0, what: "the pack has too many records" });
        }
        let own = self.entries(entries).map_err(|what| Fault { at: 0, what })?;
        self.write(own, records)
    }

    fn entries(&mut self, entries: impl Iterator<Item = Result<(String, Entry), &'static str>>) -> Result<Own, &'static str> {
        let mut own = Own::default();
        for entry in entries {
            let (label, entry) = entry?;
            match (label.as_str(), entry) {
                ("bn", Entry::Text(text)) => self.name = text,
                ("bu", Entry::Text(text)) => self.unit = Some(text),
                ("bt", Entry::Number(time)) => self.time = time,
                ("bv", Entry::Number(value)) => self.value = Some(value),
                ("bs", Entry::Number(sum)) => self.sum = Some(sum),
                ("bver", Entry::Number(version)) if version <= VERSION => {}
                ("bver", Entry::Number(_)) => return Err("a later version of SenML"),
                ("n", Entry::Text(text)) => own.name = text,
                ("u", Entry::Text(text)) => own.unit = Some(text),
                ("t", Entry::Number(time)) => own.time = time,
                ("v", Entry::Number(value)) => own.value = Some(value),
                ("s", Entry::Number(sum)) => own.sum = Some(sum),
                ("ut", Entry::Number(time)) => own.update = Some(time),
                ("vs", entry @ Entry::Text(_)) => own.other = Some(("vs", entry)),
                ("vb", entry @ Entry::Boolean(_)) => own.other = Some(("vb", entry)),
                ("vd", entry @ Entry::Bytes(_)) => own.other = Some(("vd", entry)),
                (label, _) if LABELS.iter().any(|(known, _)| *known == label && label != "l") => return Err("a value of a wrong type"),
                (label, _) if label.ends_with('_') => return Err("a label that must be understood is not known"),
                _ => {}
            }
        }
        Ok(own)
    }

    /// A record of base values alone is no row.
    fn write(&self, own: Own, records: &mut Records) -> Result<(), Fault> {
        let valued = own.value.is_some() || own.other.is_some() || own.sum.is_some() || self.sum.is_some();
        let by_base = self.value.is_some() && !own.name.is_empty();
        if !valued && !by_base {
            return Ok(());
        }
        let fault = |what| Fault { at: 0, what };
        let name = format!("{}{}", self.name, own.name);
        if name.is_empty() {
            return Err(fault("a record has no name"));
        }
        records.begin_row(0)?;
        records.name("n");
        records.string(&name);
        if let Some(unit) = own.unit.as_ref().or(self.unit.as_ref()) {
            records.name("u");
            records.string(unit);
        }
        records.name("t");
        records.timestamp(self.moment(self.time + own.time).ok_or(fault("a time is out of range"))?);
        match own.other {
            Some((label, entry)) => {
                records.name(label);
                match entry {
                    Entry::Text(text) => records.string(&text),
                    Entry::Boolean(boolean) => records.boolean(boolean),
                    Entry::Bytes(bytes) => records.bytes(&bytes),
                    Entry::Number(number) => records.double(number),
                }
            }
            None if own.value.is_some() || self.value.is_some() => {
                records.name("v");
                records.double(own.value.unwrap_or(0.0) + self.value.unwrap_or(0.0));
            }
            None => {}
        }
        if own.sum.is_some() || self.sum.is_some() {
            records.name("s");
            records.double(own.sum.unwrap_or(0.0) + self.sum.unwrap_or(0.0));
        }
        if let Some(update) = own.update {
            records.name("ut");
            records.double(update);
        }
        records.end_row(self.length);
        Ok(())
    }

    /// Microseconds since the epoch.
    fn moment(&self, seconds: f64) -> Option<i64> {
        let micros = (seconds * 1e6).round();
        let fits = micros.abs() < 9e15 * 16.0;
        let micros = fits.then_some(micros as i64)?;
        if seconds < RELATIVE_BELOW_S { self.arrived_us.checked_add(micros) } else { Some(micros) }
    }
}

//! CBOR (RFC 8949): a map is a row, an array of maps is several rows. Names are text or whole numbers; tags are passed over; `undefined` is NULL.
//!
//! Limits: nesting as in serde_cbor (128), [`super::super::records::TEXT_BYTES_MAX`] as JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::super::json::scan::Fault;
use super::super::records::Records;

pub(super) fn read(payload: &[u8], records: &mut Records) -> Result<(), Fault> {
    let mut deserializer = serde_cbor::Deserializer::from_slice(payload);
    let rows = Rows { records, length: payload.len(), is_element: false };
    rows.deserialize(&mut deserializer).map_err(|error| fault(&error, payload.len()))?;
    deserializer.end().map_err(|error| fault(&error, payload.len()))
}

pub(super) fn fault(error: &serde_cbor::Error, length: usize) -> Fault {
    let at = usize::try_from(error.offset()).unwrap_or(length).min(length);
    let what = match error.classify() {
        serde_cbor::error::Category::Eof => "the CBOR ends in the middle",
        serde_cbor::error::Category::Syntax => "not CBOR",
        _ => "expected a map, or an array of maps, of at most 128 levels",
    };
    Fault { at, what }
}

/// The payload's outermost value, or an element of its outermost array.
struct Rows<'r> {
    records: &'r mut Records,
    length: usize,
    /// Within the array already.
    is_element: bool,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map or an array of maps")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        row(self.records, self.length, map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.is_element {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        while items.next_element_seed(Rows { records: self.records, length: self.length, is_element: true })?.is_some() {}
        Ok(())
    }
}

/// The bytes of a row are not known: it is shown with the whole payload.
fn row<'de, A: MapAccess<'de>>(records: &mut Records, length: usize, map: A) -> Result<(), A::Error> {
    records.begin_row(0).map_err(|fault| A::Error::custom(fault.what))?;
    members(records, map)?;
    records.end_row(length);
    Ok(())
}

fn members<'de, A: MapAccess<'de>>(records: &mut Records, mut map: A) -> Result<(), A::Error> {
    while map.next_key_seed(Name { records })?.is_some() {
        map.next_value_seed(Item { records })?;
    }
    Ok(())
}

struct Name<'r> {
    records: &'r mut Records,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name: text or a whole number")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.records.name(name);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.records.name(&number.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.records.name(&number.to_string());
        Ok(())
    }
}

/// Any value, written as it is met.
struct Item<'r> {
    records: &'r mut Records,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.records.boolean(value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.records.integer(value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.records.unsigned(value);
        Ok(())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<(), E> {
        self.records.double(value as f64);
        Ok(())
    }

    fn visit_f32<E: Error>(self, value: f32) -> Result<(), E> {
        self.records.float(value);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.records.double(value);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.records.string(value);
        Ok(())
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<(), E> {
        self.records.bytes(value);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.records.null();
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.records.begin_array();
        while items.next_element_seed(Item { records: self.records })?.is_some() {}
        self.records.end_array();
        check(self.records)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.records.begin_object();
        members(self.records, map)?;
        self.records.end_object();
        check(self.records)
    }
}

fn check<E: Error>(records: &Records) -> Result<(), E> {
    if records.is_full() { Err(E::custom("too large")) } else { Ok(()) }
}

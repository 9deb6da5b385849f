//! Payloads that are one scalar, as ESPHome and Tasmota publish: `21.5`, `ON`, `nan`.
//!
//! STRING takes the payload as it is. For other types white space around it is ignored, `null` is NULL, numbers, switch positions and
//! timestamps are read as `coerce = "lenient"` reads text; what does not fit is a bad record.

use super::convert::{Converter, utf8};
use super::json::scan::Fault;
use super::row::{PayloadColumn, Slot, Target, TextRef};

/// Fills the slots of all payload columns from the one value.
pub(super) fn read(payload: &[u8], columns: &[PayloadColumn], converter: &Converter, slots: &mut [Slot]) -> Result<(), Fault> {
    for column in columns {
        slots[column.slot] = slot(payload, column.target, converter)?;
    }
    Ok(())
}

fn slot(payload: &[u8], target: Target, converter: &Converter) -> Result<Slot, Fault> {
    if target == Target::Text {
        return Ok(Slot::Text(TextRef::in_payload(0, payload.len())));
    }
    let payload = utf8(payload);
    let text = payload.trim();
    if text == "null" {
        return Ok(Slot::Null);
    }
    converter.scalar(target, text).map_err(|_| Fault { at: payload.len() - payload.trim_start().len(), what: misfit(target) })
}

fn misfit(target: Target) -> &'static str {
    match target {
        Target::Boolean => "the payload is not a BOOLEAN",
        Target::Int => "the payload is not an INT",
        Target::BigInt => "the payload is not a BIGINT",
        Target::Float => "the payload is not a FLOAT",
        Target::Double => "the payload is not a DOUBLE",
        Target::Timestamp => "the payload is not a TIMESTAMP",
        Target::Text => "the payload is not text",
        Target::Nested => "the payload is not one scalar",
    }
}

//! Stored state of stream-stream joins and of deduplication, which is a side without values; and taking it up again.
//!
//! | key | value, after a version byte |
//! |---|---|
//! | `s/<query>/<n>/meta` | text: the operator's fingerprint |
//! | `s/<query>/<n>/l<part>`, `…/r<part>` (hex) | varint: the first row that the part got; each row: varint: its number less that, a byte of flags, its time (signed varint) and key where the flags say so, its values |
//!
//! Rows that the stored watermark has expired are left-overs and skipped; when it goes back they are deleted. All stored bytes are checked.

use super::parts::Part;
use super::side::{Arrival, Side};
use super::stream::StreamJoin;
use crate::engine::checkpoint::{Entry, Unfit, VERSION, open, open_meta};
use crate::engine::key_codec::check_key;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::types::DataType;

const MATCHED: u8 = 1;
const TIMED: u8 = 2;
const KEYED: u8 = 4;

/// Greatest number of a part that is believed.
const PARTS_MAX: u32 = 1 << 24;

/// Names of the sides.
const SIDES: [char; 2] = ['l', 'r'];

/// The buffers of one operator and what identifies them.
pub(in crate::engine) struct Sides<'s> {
    /// One or two.
    pub sides: &'s mut [Side],
    pub key_types: &'s [DataType],
    pub fingerprint: &'s str,
    /// Whether the store has the operator's `meta`.
    pub stored: &'s mut bool,
}

/// Appends what changed since the last call. `prefix`: `s/<query>/<n>/`.
pub(in crate::engine) fn put_sides(operator: Sides<'_>, prefix: &str, out: &mut Vec<Entry>) {
    for (side, name) in operator.sides.iter_mut().zip(SIDES) {
        let (dirty, gone) = side.end_step();
        if !dirty.is_empty() && !std::mem::replace(operator.stored, true) {
            let mut value = vec![VERSION];
            put_bytes(&mut value, operator.fingerprint.as_bytes());
            out.push((format!("{prefix}meta").into_bytes(), Some(value)));
        }
        let key = |part: u32| format!("{prefix}{name}{part:x}").into_bytes();
        for part in dirty {
            if let Some(found) = side.parts.get(part) {
                out.push((key(part), Some(encode(side, found))));
            }
        }
        out.extend(gone.into_iter().map(|part| (key(part), None)));
    }
}

/// Takes up an operator's entries, by what follows the prefix. `expired_by`: by side, up to which time rows are left-overs.
pub(in crate::engine) fn restore_sides<'e>(
    operator: Sides<'_>,
    entries: &[(&'e str, &'e [u8])],
    expired_by: &[i64],
) -> Result<(), (&'e str, Unfit)> {
    if entries.is_empty() {
        return Ok(());
    }
    open_meta(entries, operator.fingerprint)?;
    *operator.stored = true;
    let mut rows: Vec<Vec<Stored<'e>>> = operator.sides.iter().map(|_| Vec::new()).collect();
    for (name, value) in entries.iter().filter(|(name, _)| *name != "meta") {
        let found = SIDES.iter().take(rows.len()).position(|side| name.starts_with(*side));
        let part = name.get(1..).and_then(|part| u32::from_str_radix(part, 16).ok()).filter(|part| *part < PARTS_MAX);
        let (Some(side), Some(part)) = (found, part) else {
            return Err((*name, Unfit::Malformed(Malformed("its name is not that of an entry"))));
        };
        operator.sides[side].parts.note_written(part);
        let types = &operator.sides[side].types;
        read(value, part, operator.key_types, types, expired_by[side], &mut rows[side]).map_err(|unfit| (*name, unfit))?;
    }
    for (side, rows) in operator.sides.iter_mut().zip(rows) {
        take_up(side, rows).map_err(|malformed| ("meta", Unfit::Malformed(malformed)))?;
    }
    Ok(())
}

impl StreamJoin {
    /// Appends what changed since the last call. `prefix`: `s/<query>/<n>/`.
    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        put_sides(self.stored_form(), prefix, out);
    }

    /// Takes up the operator's entries, by what follows the prefix. `watermark_us`: as stored, as this operator sees it.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])], watermark_us: i64) -> Result<(), (&'e str, Unfit)> {
        let expired_by = [self.expires_by(0, watermark_us), self.expires_by(1, watermark_us)];
        restore_sides(self.stored_form(), entries, &expired_by)
    }

    /// The watermark has gone back: rows that have expired are not to be read again.
    pub fn void_leftovers(&mut self) {
        self.sides.iter_mut().for_each(|side| side.parts.void_leftovers());
    }

    fn stored_form(&mut self) -> Sides<'_> {
        Sides { sides: &mut self.sides, key_types: &self.key_types, fingerprint: &self.fingerprint, stored: &mut self.stored }
    }
}

/// A row as it was stored.
struct Stored<'e> {
    number: u64,
    part: u32,
    opened: u64,
    key: Option<&'e [u8]>,
    time: Option<i64>,
    matched: bool,
    bytes: &'e [u8],
}

fn encode(side: &Side, part: &Part) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(&mut out, part.opened);
    for number in &part.rows {
        let Some(row) = side.rows.get(number) else { continue };
        put_varint(&mut out, number - part.opened);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(flag(row.matched, MATCHED) | flag(row.time.is_some(), TIMED) | flag(row.key.is_some(), KEYED));
        row.time.iter().for_each(|time| put_signed(&mut out, *time));
        row.key.iter().for_each(|key| put_bytes(&mut out, side.keys.bytes_of(*key)));
        put_bytes(&mut out, &row.bytes);
    }
    out
}

/// The live rows of an entry.
fn read<'e>(
    value: &'e [u8],
    part: u32,
    key_types: &[DataType],
    types: &[DataType],
    expired_by: i64,
    out: &mut Vec<Stored<'e>>,
) -> Result<(), Unfit> {
    let mut reader: Reader<'e> = open(value)?;
    let opened = reader.varint()?;
    while reader.remaining() > 0 {
        let number =
            opened.checked_add(reader.varint()?).filter(|number| *number < u64::MAX).ok_or(Malformed("a row's number is out of range"))?;
        let flags = reader.byte()?;
        let time = if flags & TIMED != 0 { Some(reader.signed()?) } else { None };
        let key = if flags & KEYED != 0 { Some(reader.bytes()?) } else { None };
        let bytes = reader.bytes()?;
        if time.is_some_and(|time| time <= expired_by) {
            continue;
        }
        key.map_or(Ok(()), |key| check_key(key, key_types))?;
        check_key(bytes, types)?;
        out.push(Stored { number, part, opened, key, time, matched: flags & MATCHED != 0, bytes });
    }
    Ok(())
}

/// Rows in the order in which they came.
fn take_up(side: &mut Side, mut rows: Vec<Stored<'_>>) -> Result<(), Malformed> {
    rows.sort_by_key(|row| row.number);
    if rows.windows(2).any(|two| two[0].number == two[1].number) {
        return Err(Malformed("two rows have one number"));
    }
    for row in rows {
        side.parts.put(row.part, row.opened, row.number, row.time, row.bytes.len());
        side.put(row.number, &Arrival { key: row.key, time: row.time, matched: row.matched, bytes: row.bytes }, row.part);
        side.next = row.number + 1;
    }
    Ok(())
}

//! How the rows of a batch find their keys: by a cached dictionary code, or by the key's bytes.
//!
//! Limits: a key of [`KEY_BYTES_MAX`], which the caller holds rows to.

use std::borrow::Cow;

use crate::batch::{Column, Values};
use crate::engine::key_codec::put_key;
use crate::engine::keys::{KeyId, Keys, NO_KEY};
use crate::engine::pane::{NO_SLOT, Pane};
use crate::engine::spec::PlainKey;

/// Bytes of one encoded key; rows with a longer one are rejected.
pub(super) const KEY_BYTES_MAX: usize = 16 << 10;

/// The key columns of one chunk.
pub(super) enum Keyer<'a> {
    /// No key: one group.
    One,
    /// One dictionary-coded key whose codes are cached.
    Codes {
        codes: &'a [u32],
        column: &'a Column,
    },
    Encoded(&'a [Cow<'a, Column>]),
}

impl<'a> Keyer<'a> {
    pub fn new(keys: &mut Keys, plain: &[PlainKey], columns: &'a [Cow<'a, Column>]) -> Keyer<'a> {
        match columns {
            [] => Keyer::One,
            [column] => match &column.values {
                Values::Dict(dict) if plain[0].from_source => {
                    keys.prepare_codes(dict.dictionary.generation, dict.dictionary.entries.len());
                    Keyer::Codes { codes: &dict.codes, column }
                }
                _ => Keyer::Encoded(columns),
            },
            _ => Keyer::Encoded(columns),
        }
    }

    /// The row's key where its code is known, else `NO_KEY`.
    pub fn cached(&self, keys: &Keys, row: u32) -> KeyId {
        match self {
            Keyer::Codes { codes, column } if !column.is_null(row as usize) => keys.of_code(codes[row as usize]),
            _ => NO_KEY,
        }
    }

    /// Appends the rows' cells in `pane`, `NO_SLOT` where the row's code or its key's cell is not known.
    pub fn put_slots(&self, keys: &Keys, pane: &Pane, rows: &[u32], out: &mut Vec<u32>) {
        match (self, pane.by_key()) {
            // Nearly all rows of most streams: nothing is decided within the loop.
            (Keyer::Codes { codes, column }, Some(slots)) if column.valid.is_none() => {
                let keys = keys.of_codes();
                let slot = |row: &u32| slots.get(keys[codes[*row as usize] as usize] as usize).copied().unwrap_or(NO_SLOT);
                out.extend(rows.iter().map(slot));
            }
            _ => out.extend(rows.iter().map(|row| pane.slot(self.cached(keys, *row)))),
        }
    }

    /// Writes the row's key over `out`.
    pub fn encode(&self, row: u32, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Keyer::One => {}
            Keyer::Codes { column, .. } => put_key(out, column, row as usize),
            Keyer::Encoded(columns) => columns.iter().for_each(|column| put_key(out, column, row as usize)),
        }
    }

    /// The row's code means `key`.
    pub fn remember(&self, keys: &mut Keys, row: u32, key: KeyId) {
        if let Keyer::Codes { codes, column } = self
            && !column.is_null(row as usize)
        {
            keys.remember_code(codes[row as usize], key);
        }
    }
}

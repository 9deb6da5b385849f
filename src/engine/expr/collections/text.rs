//! Between text and collections: array_join, split, str_to_map.

use std::collections::BTreeSet;

use regex::Regex;

use super::{Arg, Room, build};
use crate::batch::ColumnBuilder;
use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand, Texts};
use crate::engine::expr::pattern::Patterns;
use crate::plan::Collection;

pub(super) fn apply(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let patterns = &frame.context.patterns;
    match (collection, operands) {
        (Collection::Join, _) => join(operands, args, frame),
        (Collection::Split, [text, pattern, rest @ ..]) => {
            let (texts, patterns_by_row) = (text.texts()?, pattern.texts()?);
            let limits = rest.first().map_or(Some(Integers::Narrow(Lane::One(-1))), Operand::integers)?;
            Some(build(operands, frame, |row, builder, room| {
                let pieces = split(texts.get(row), &Separator::new(patterns, patterns_by_row, row)?, limits.get(row));
                builder.push_list(|out| pieces.into_iter().try_for_each(|piece| push(out, piece, room)))
            }))
        }
        (Collection::StrToMap, [text, between, within]) => {
            let (texts, between, within) = (text.texts()?, between.texts()?, within.texts()?);
            Some(build(operands, frame, |row, builder, room| {
                let (between, within) = (Separator::new(patterns, between, row)?, Separator::new(patterns, within, row)?);
                let mut seen = BTreeSet::new();
                builder.push_map(|keys, values| {
                    for entry in split(texts.get(row), &between, -1) {
                        let parts = split(entry, &within, 2);
                        if !seen.insert(parts[0]) {
                            return Err(Failure::with_text(Problem::DuplicateMapKey, parts[0]));
                        }
                        room.take(2, entry.len())?;
                        keys.push_text(parts[0]);
                        match parts.get(1) {
                            Some(value) => values.push_text(value),
                            None => values.push_null(),
                        }
                    }
                    Ok(())
                })
            }))
        }
        _ => None,
    }
}

fn push(out: &mut ColumnBuilder, piece: &str, room: &mut Room) -> Result<(), Failure> {
    room.take(1, piece.len())?;
    out.push_text(piece);
    Ok(())
}

/// NULL elements are left out, or written as the third argument says.
fn join(operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let array = args.first()?;
    let list = array.list()?;
    let separators = operands.get(1)?.texts()?;
    let replacements = match operands.get(2) {
        Some(replacement) => Some(replacement.texts()?),
        None => None,
    };
    Some(frame.text_map(operands, |row, out| {
        let mut first = true;
        for element in list.range(array.at(row)) {
            let Some(text) = list.items.text(element).or_else(|| replacements.as_ref().map(|replacement| replacement.get(row))) else {
                continue;
            };
            if !std::mem::replace(&mut first, false) {
                out.push_str(separators.get(row));
            }
            out.push_str(text);
            if out.len() > TEXT_BYTES_MAX {
                return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
            }
        }
        Ok(true)
    }))
}

/// What parts a text.
enum Separator {
    /// An empty pattern: each character for itself.
    Nothing,
    /// A character that means itself, the usual case.
    Plain(char),
    Pattern(Regex),
}

impl Separator {
    fn new(patterns: &Patterns, texts: Texts<'_>, row: usize) -> Result<Separator, Failure> {
        let text = texts.get(row);
        let mut characters = text.chars();
        Ok(match (characters.next(), characters.next()) {
            (None, _) => Separator::Nothing,
            (Some(c), None) if !"\\[](){}.*+?^$|".contains(c) => Separator::Plain(c),
            _ => Separator::Pattern(patterns.get(text)?),
        })
    }
}

/// As Java's `String.split` with Spark's limits: at most `limit` pieces where it is above zero. A match of no width at the beginning
/// parts nothing.
fn split<'t>(text: &'t str, separator: &Separator, limit: i64) -> Vec<&'t str> {
    let pieces_max = if limit > 0 { usize::try_from(limit).unwrap_or(usize::MAX) } else { usize::MAX };
    match separator {
        _ if text.is_empty() => vec![text],
        Separator::Plain(c) => text.splitn(pieces_max, *c).collect(),
        Separator::Nothing => {
            let mut ends = text.char_indices().skip(1).map(|(at, _)| at);
            let mut pieces = Vec::new();
            let mut start = 0;
            while pieces.len() + 1 < pieces_max
                && let Some(end) = ends.next()
            {
                pieces.push(&text[start..end]);
                start = end;
            }
            pieces.push(&text[start..]);
            pieces
        }
        Separator::Pattern(regex) => {
            let mut pieces = Vec::new();
            let (mut start, mut from) = (0, 0);
            // Unlike the crate's iterator, Java's finds nothing right after a match, too.
            while pieces.len() + 1 < pieces_max
                && from <= text.len()
                && let Some(found) = regex.find_at(text, from)
            {
                from = found.end();
                if found.is_empty() {
                    from += text[from..].chars().next().map_or(1, char::len_utf8);
                }
                if found.end() > 0 {
                    pieces.push(&text[start..found.start()]);
                    start = found.end();
                }
            }
            pieces.push(&text[start..]);
            pieces
        }
    }
}

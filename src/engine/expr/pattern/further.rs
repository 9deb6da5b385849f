//! regexp_count, regexp_substr, regexp_instr, regexp_extract_all.

use regex::Regex;

use crate::batch::{Bitmap, Column, ListColumn, Strings, Values};
use crate::engine::expr::TEXT_COLUMN_BYTES_MAX;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand, valid_in_all};
use crate::engine::expr::pattern::regex_source;
use crate::plan::TextFunction as T;

pub(in crate::engine::expr) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, pattern, rest @ ..] = operands else { return None };
    let text = input.texts()?;
    let regex = regex_source(pattern, frame)?;
    match function {
        T::RegexpCount => {
            Some(frame.try_map(operands, Values::Int, |row| Ok(Some(matches(&regex.get(row)?, text.get(row)).count() as i32))))
        }
        T::RegexpInstr => Some(frame.try_map(operands, Values::Int, |row| {
            let text = text.get(row);
            let found = regex.get(row)?.find(text).map(|found| found.start());
            Ok(Some(found.map_or(0, |start| text[..start].chars().count() as i32 + 1)))
        })),
        T::RegexpSubstr => Some(frame.text_map(operands, |row, out| {
            let regex = regex.get(row)?;
            let found = regex.find(text.get(row)).map_or("", |found| found.as_str());
            out.push_str(found);
            Ok(!found.is_empty())
        })),
        T::RegexpExtractAll => {
            let group = rest.first().map_or(Some(Integers::Narrow(Lane::One(1))), Operand::integers)?;
            Some(lists(operands, frame, |row, items| extract_all(&regex.get(row)?, text.get(row), group.get(row), items)))
        }
        _ => None,
    }
}

/// Matches as Java finds them: an empty one may follow another directly. Yields where each begins.
fn matches<'t>(regex: &'t Regex, text: &'t str) -> impl Iterator<Item = regex::Captures<'t>> {
    let mut search = 0;
    std::iter::from_fn(move || {
        let captures = (search <= text.len()).then(|| regex.captures_at(text, search)).flatten()?;
        let whole = captures.get_match();
        let next = text[whole.end()..].chars().next().map_or(1, char::len_utf8);
        search = if whole.is_empty() { whole.end() + next } else { whole.end() };
        Some(captures)
    })
}

fn extract_all(regex: &Regex, text: &str, group: i64, items: &mut Strings) -> Result<(), Failure> {
    let index = usize::try_from(group).ok().filter(|index| *index < regex.captures_len());
    let missing = || Failure::with(Problem::Argument("the regular expression has no group of this number"), group);
    for captures in matches(regex, text) {
        let index = index.ok_or_else(missing)?;
        items.push(captures.get(index).map_or("", |group| group.as_str()));
        if items.bytes() > TEXT_COLUMN_BYTES_MAX {
            return Err(Problem::TextTooLong(TEXT_COLUMN_BYTES_MAX).into());
        }
    }
    Ok(())
}

/// An ARRAY<STRING> column; `f` appends the row's elements.
fn lists(operands: &[Operand<'_>], frame: &mut Frame<'_>, f: impl Fn(usize, &mut Strings) -> Result<(), Failure>) -> Operand<'static> {
    let mut valid = valid_in_all(operands);
    let (mut ends, mut items) = (Vec::with_capacity(frame.count), Strings::new());
    let rows = frame.rows;
    for row in rows.iter().map(|row| row as usize) {
        ends.resize(row, items.len() as u32);
        let before = items.len();
        if valid.as_ref().is_none_or(|valid| valid.get(row))
            && let Err(failure) = f(row, &mut items)
        {
            items.truncate(before);
            valid.get_or_insert_with(|| Bitmap::filled(frame.count, true)).set(row, false);
            frame.fail(row, failure);
        }
        ends.push(items.len() as u32);
    }
    ends.resize(frame.count, items.len() as u32);
    Operand::owned(Column { values: Values::List(ListColumn { ends, items: Box::new(Column::new(Values::String(items))) }), valid })
}

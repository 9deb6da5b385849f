//! Size, and single elements of arrays and maps.

use std::borrow::Cow;

use super::Arg;
use crate::batch::{Column, ListColumn, MapColumn, Values};
use crate::engine::expr::TEXT_COLUMN_BYTES_MAX;
use crate::engine::expr::compare::order_between;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, bytes_at};
use crate::plan::Collection;

pub(super) fn apply(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use Collection as C;
    match (collection, args) {
        (C::Size, [input]) => size(input, operands, frame),
        (C::Members, [input, _]) => members(input, operands[1].integers()?.get(0)),
        (C::MapContainsKey, [map, key]) => {
            let entries = map.map()?;
            Some(frame.map(operands, Values::Boolean, |row| find(entries, map.at(row), &key.column, key.at(row)).is_some()))
        }
        (C::MapValue, [map, key]) => {
            let entries = map.map()?;
            let element = |row: usize| Ok(find(entries, map.at(row), &key.column, key.at(row)));
            Some(pick(operands, &entries.values, element, frame))
        }
        (C::Index | C::Get | C::ElementAt | C::TryElementAt, [array, _]) => {
            let list = array.list()?;
            let index = operands[1].integers()?;
            let element = |row: usize| element_of(collection, list, array.at(row), index.get(row));
            Some(pick(operands, &list.items, element, frame))
        }
        _ => None,
    }
}

fn size(input: &Arg<'_>, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match (input.list(), input.map()) {
        (Some(list), _) => Some(frame.map(operands, Values::Int, |row| list.range(input.at(row)).len() as i32)),
        (_, Some(map)) => Some(frame.map(operands, Values::Int, |row| map.range(input.at(row)).len() as i32)),
        _ => None,
    }
}

/// The place in `items` of the element that an index means; `None` is NULL.
fn element_of(collection: Collection, list: &ListColumn, entry: usize, index: i64) -> Result<Option<usize>, Failure> {
    let range = list.range(entry);
    let length = range.len() as i64;
    let position = match collection {
        Collection::Index | Collection::Get => Some(index).filter(|index| (0..length).contains(index)),
        _ if index == 0 => return Err(Problem::Argument("element_at counts from 1, or from -1 at the end; there is no element 0").into()),
        _ if index > 0 => Some(index - 1).filter(|index| *index < length),
        _ => length.checked_add(index).filter(|index| *index >= 0),
    };
    match (position, collection) {
        (Some(position), _) => Ok(Some(range.start + position as usize)),
        (None, Collection::Get | Collection::TryElementAt) => Ok(None),
        (None, Collection::Index) => {
            Err(outside("the array has no such element, they count from 0; get(array, i) gives NULL instead", index))
        }
        (None, _) => Err(outside("the array has no such element; try_element_at gives NULL instead", index)),
    }
}

fn outside(rule: &'static str, index: i64) -> Failure {
    Failure::with(Problem::Argument(rule), index)
}

/// Where in an entry's values the value of a key is.
fn find(entries: &MapColumn, entry: usize, keys: &Column, key: usize) -> Option<usize> {
    entries.range(entry).find(|element| order_between(&entries.keys, *element, keys, key).is_eq())
}

/// Entry `element(row)` of `items` for each row.
fn pick(
    operands: &[Operand<'_>],
    items: &Column,
    element: impl Fn(usize) -> Result<Option<usize>, Failure>,
    frame: &mut Frame<'_>,
) -> Operand<'static> {
    let chosen = frame.try_map(operands, Values::BigInt, |row| {
        Ok(element(row)?.filter(|element| !items.is_null(*element)).map(|element| element as i64))
    });
    let Operand::Column(Cow::Owned(Column { values: Values::BigInt(chosen), valid })) = chosen else { return Operand::NULL };
    if items.is_empty() {
        return Operand::owned(Column::new(Values::Null(chosen.len())));
    }
    let bytes: usize = match items.values.is_wide() {
        true => frame
            .rows
            .iter()
            .filter(|row| valid.as_ref().is_none_or(|valid| valid.get(*row as usize)))
            .map(|row| bytes_at(items, chosen[row as usize] as usize))
            .sum(),
        false => 0,
    };
    if bytes > TEXT_COLUMN_BYTES_MAX {
        return frame.fail_all(&Problem::CollectionTooLarge(TEXT_COLUMN_BYTES_MAX).into());
    }
    let chosen: Vec<u32> = chosen.into_iter().map(|element| element as u32).collect();
    Operand::owned(Column { values: items.gather(&chosen).values, valid })
}

/// Member `member` of each element; NULL for an element that is.
fn members(input: &Arg<'_>, member: i64) -> Option<Operand<'static>> {
    let list = input.list()?;
    let items = match &list.items.values {
        Values::Null(count) => Column::new(Values::Null(*count)),
        Values::Struct(columns) => {
            let mut items = columns.get(usize::try_from(member).ok()?)?.clone();
            if let Some(outer) = &list.items.valid {
                match &mut items.valid {
                    Some(valid) => valid.intersect(outer),
                    None => items.valid = Some(outer.clone()),
                }
            }
            items
        }
        _ => return None,
    };
    let column =
        Column { values: Values::List(ListColumn { ends: list.ends.clone(), items: Box::new(items) }), valid: input.column.valid.clone() };
    Some(Operand::owned(column))
}

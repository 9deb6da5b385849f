//! Making, joining, cutting and ordering arrays.

use std::ops::Range;

use super::{Arg, Room, build};
use crate::batch::ColumnBuilder;
use crate::engine::expr::compare::order_for_sort;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Operand};
use crate::plan::Collection;

pub(super) fn apply(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use Collection as C;
    match collection {
        C::Array => Some(build(&[], frame, |row, builder, room| {
            builder.push_list(|out| args.iter().try_for_each(|arg| room.copy(out, &arg.column, arg.at(row))))
        })),
        C::ArrayRepeat => repeat(operands, args, frame),
        C::Append | C::Prepend | C::Insert => add(collection, operands, args, frame),
        C::Compact | C::ReverseArray | C::SortArray | C::ArraySort => rearrange(collection, operands, args, frame),
        C::Slice => slice(operands, args, frame),
        C::Flatten => flatten(operands, args, frame),
        C::Zip => zip(operands, args, frame),
        C::ConcatArrays => {
            let lists = args.iter().map(Arg::list).collect::<Option<Vec<_>>>()?;
            Some(build(operands, frame, |row, builder, room| {
                builder.push_list(|out| {
                    let mut parts = lists.iter().zip(args);
                    parts.try_for_each(|(list, arg)| list.range(arg.at(row)).try_for_each(|element| room.copy(out, &list.items, element)))
                })
            }))
        }
        _ => None,
    }
}

/// A NULL element is repeated like any other; a NULL count gives NULL.
fn repeat(operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let element = args.first()?;
    if operands[1].is_null_constant() {
        return Some(Operand::NULL);
    }
    let counts = operands[1].integers()?;
    Some(build(&operands[1..], frame, |row, builder, room| {
        builder.push_list(|out| (0..counts.get(row)).try_for_each(|_| room.copy(out, &element.column, element.at(row))))
    }))
}

/// One element more, which may be NULL.
fn add(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let array = args.first()?;
    let element = args.last()?;
    let insert = collection == Collection::Insert;
    let strict = if insert { &operands[..2] } else { &operands[..1] };
    if strict.iter().any(Operand::is_null_constant) {
        return Some(Operand::NULL);
    }
    let list = array.list()?;
    let position: Option<Integers<'_>> = if insert { Some(operands.get(1)?.integers()?) } else { None };
    Some(build(strict, frame, |row, builder, room| {
        let range = list.range(array.at(row));
        let place = match (&position, collection) {
            (Some(position), _) => Place::of(position.get(row), range.len())?,
            (None, Collection::Prepend) => Place { before: 0, nulls: 0, nulls_first: false },
            (None, _) => Place { before: range.len(), nulls: 0, nulls_first: false },
        };
        let (head, tail) = (range.start..range.start + place.before, range.start + place.before..range.end);
        builder.push_list(|out| {
            head.into_iter().try_for_each(|item| room.copy(out, &list.items, item))?;
            if place.nulls_first {
                (0..place.nulls).try_for_each(|_| room.null(out))?;
            }
            room.copy(out, &element.column, element.at(row))?;
            if !place.nulls_first {
                (0..place.nulls).try_for_each(|_| room.null(out))?;
            }
            tail.into_iter().try_for_each(|item| room.copy(out, &list.items, item))
        })
    }))
}

/// Where an element is put: after how many others, and with how many NULLs between.
struct Place {
    before: usize,
    nulls: i64,
    /// Whether the NULLs stand before the element.
    nulls_first: bool,
}

impl Place {
    /// Position 1 is the first, -1 behind the last.
    fn of(position: i64, length: usize) -> Result<Place, Failure> {
        let end = length as i64 + 1;
        match position {
            0 => Err(Problem::Argument("array_insert counts from 1, or from -1 at the end; there is no position 0").into()),
            1.. if position <= end => Ok(Place { before: position as usize - 1, nulls: 0, nulls_first: false }),
            1.. => Ok(Place { before: length, nulls: position - end, nulls_first: true }),
            _ if position >= -end => Ok(Place { before: (end + position) as usize, nulls: 0, nulls_first: false }),
            _ => Ok(Place { before: 0, nulls: -(position + end), nulls_first: false }),
        }
    }
}

/// The same elements, or those that are not NULL, in another order.
fn rearrange(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let array = args.first()?;
    let list = array.list()?;
    let items = &list.items;
    let ascending = match operands.get(1) {
        Some(ascending) => Some(ascending.booleans()?),
        None => None,
    };
    let mut order: Vec<usize> = Vec::new();
    Some(build(operands, frame, |row, builder, room| {
        order.clear();
        order.extend(list.range(array.at(row)));
        match collection {
            Collection::Compact => order.retain(|element| !items.is_null(*element)),
            Collection::ReverseArray => order.reverse(),
            Collection::SortArray => {
                let descending = ascending.as_ref().is_some_and(|ascending| !ascending.get(row));
                order.sort_by(|a, b| order_for_sort(items, *a, *b, descending, !descending));
            }
            _ => order.sort_by(|a, b| order_for_sort(items, *a, *b, false, false)),
        }
        builder.push_list(|out| order.iter().try_for_each(|element| room.copy(out, items, *element)))
    }))
}

fn slice(operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [array, _, _] = args else { return None };
    let list = array.list()?;
    let (starts, lengths) = (operands[1].integers()?, operands[2].integers()?);
    Some(build(operands, frame, |row, builder, room| {
        let range = cut(list.range(array.at(row)), starts.get(row), lengths.get(row))?;
        builder.push_list(|out| range.into_iter().try_for_each(|element| room.copy(out, &list.items, element)))
    }))
}

fn cut(range: Range<usize>, start: i64, length: i64) -> Result<Range<usize>, Failure> {
    if start == 0 {
        return Err(Problem::Argument("slice counts from 1, or from -1 at the end; there is no start 0").into());
    }
    let Ok(length) = usize::try_from(length) else {
        return Err(Failure::with(Problem::Argument("the length of a slice is not negative"), length));
    };
    let skipped = if start > 0 { Some(start - 1) } else { Some(range.len() as i64 + start).filter(|skipped| *skipped >= 0) };
    match skipped.map(|skipped| skipped as usize).filter(|skipped| *skipped < range.len()) {
        Some(skipped) => {
            let begin = range.start + skipped;
            Ok(begin..range.end.min(begin.saturating_add(length)))
        }
        None => Ok(range.end..range.end),
    }
}

/// NULL where one of the arrays is.
fn flatten(operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [array] = args else { return None };
    let list = array.list()?;
    let crate::batch::Values::List(inner) = &list.items.values else {
        // No array has an element that is not NULL.
        return Some(build(
            operands,
            frame,
            |row, builder, _| {
                if list.range(array.at(row)).is_empty() { builder.push_list(|_| Ok(())) } else { Ok(()) }
            },
        ));
    };
    Some(build(operands, frame, |row, builder, room| {
        let range = list.range(array.at(row));
        if range.clone().any(|entry| list.items.is_null(entry)) {
            return Ok(());
        }
        builder.push_list(|out| {
            range.into_iter().try_for_each(|entry| inner.range(entry).try_for_each(|element| room.copy(out, &inner.items, element)))
        })
    }))
}

/// Structs of the elements at each place; NULL where an array is shorter.
fn zip(operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let lists = args.iter().map(Arg::list).collect::<Option<Vec<_>>>()?;
    Some(build(operands, frame, |row, builder, room| {
        let ranges: Vec<Range<usize>> = lists.iter().zip(args).map(|(list, arg)| list.range(arg.at(row))).collect();
        let length = ranges.iter().map(Range::len).max().unwrap_or(0);
        builder.push_list(|out| {
            (0..length).try_for_each(|place| {
                let part = |(number, member): (usize, &mut ColumnBuilder), room: &mut Room| {
                    let element = ranges[number].start + place;
                    if element < ranges[number].end { room.copy(member, &lists[number].items, element) } else { room.null(member) }
                };
                out.push_struct(|members| members.iter_mut().enumerate().try_for_each(|member| part(member, room)))
            })
        })
    }))
}

//! Making maps, and taking them apart. A key that comes twice, or is NULL, is an error.

use std::collections::BTreeSet;

use super::search::key;
use super::{Arg, Room, build};
use crate::batch::{Column, ColumnBuilder, ListColumn, Values};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::Collection;

pub(super) fn apply(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use Collection as C;
    match (collection, args) {
        (C::Map, args) => Some(build(&[], frame, |row, builder, room| {
            builder.push_map(|keys, values| {
                let mut entries = Entries::new(keys, values, room);
                args.chunks_exact(2).try_for_each(|pair| entries.add(&pair[0].column, pair[0].at(row), &pair[1].column, pair[1].at(row)))
            })
        })),
        (C::MapFromArrays, [names, contents]) => {
            let (left, right) = (names.list()?, contents.list()?);
            Some(build(operands, frame, |row, builder, room| {
                let (a, b) = (left.range(names.at(row)), right.range(contents.at(row)));
                if a.len() != b.len() {
                    return Err(Problem::Argument("the array of keys and that of values differ in length").into());
                }
                builder.push_map(|keys, values| {
                    let mut entries = Entries::new(keys, values, room);
                    a.zip(b).try_for_each(|(a, b)| entries.add(&left.items, a, &right.items, b))
                })
            }))
        }
        (C::MapFromEntries, [input]) => from_entries(input, operands, frame),
        (C::MapConcat, args) => {
            let maps = args.iter().map(Arg::map).collect::<Option<Vec<_>>>()?;
            Some(build(operands, frame, |row, builder, room| {
                builder.push_map(|keys, values| {
                    let mut entries = Entries::new(keys, values, room);
                    let mut parts = maps.iter().zip(args);
                    parts.try_for_each(|(map, arg)| {
                        map.range(arg.at(row)).try_for_each(|element| entries.add(&map.keys, element, &map.values, element))
                    })
                })
            }))
        }
        (C::MapKeys | C::MapValues | C::MapEntries, [input]) => parts(collection, input),
        _ => None,
    }
}

/// NULL where an entry is.
fn from_entries(input: &Arg<'_>, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let list = input.list()?;
    let items = &list.items;
    let pair = if let Values::Struct(members) = &items.values { <&[Column; 2]>::try_from(&members[..]).ok() } else { None };
    Some(build(operands, frame, |row, builder, room| {
        let range = list.range(input.at(row));
        if range.clone().any(|element| items.is_null(element)) {
            return Ok(());
        }
        builder.push_map(|keys, values| {
            let mut entries = Entries::new(keys, values, room);
            let Some([left, right]) = pair else { return Ok(()) };
            range.into_iter().try_for_each(|element| entries.add(left, element, right, element))
        })
    }))
}

/// The keys, the values, or both as structs: the columns as they are.
fn parts(collection: Collection, input: &Arg<'_>) -> Option<Operand<'static>> {
    let map = input.map()?;
    let items = match collection {
        Collection::MapKeys => (*map.keys).clone(),
        Collection::MapValues => (*map.values).clone(),
        _ => Column::new(Values::Struct(vec![(*map.keys).clone(), (*map.values).clone()])),
    };
    let values = Values::List(ListColumn { ends: map.ends.clone(), items: Box::new(items) });
    let column = Column { values, valid: input.column.valid.clone() };
    Some(Operand::owned(column))
}

/// A map being filled.
pub(in crate::engine::expr) struct Entries<'b, 'r> {
    keys: &'b mut ColumnBuilder,
    values: &'b mut ColumnBuilder,
    room: &'r mut Room,
    seen: BTreeSet<Vec<u8>>,
}

impl<'b, 'r> Entries<'b, 'r> {
    pub fn new(keys: &'b mut ColumnBuilder, values: &'b mut ColumnBuilder, room: &'r mut Room) -> Entries<'b, 'r> {
        Entries { keys, values, room, seen: BTreeSet::new() }
    }

    /// Copies an entry; -0.0 becomes 0.0 as a key.
    pub fn add(&mut self, keys: &Column, at: usize, values: &Column, value_at: usize) -> Result<(), Failure> {
        if keys.is_null(at) {
            return Err(Problem::NullMapKey.into());
        }
        if !self.seen.insert(key(keys, at)) {
            return Err(Failure::with(Problem::DuplicateMapKey, shown(keys, at)));
        }
        // Both or none: keys and values stay beside each other.
        self.room.reserve(values, value_at)?;
        self.room.copy_key(self.keys, keys, at)?;
        self.values.push_from(values, value_at);
        Ok(())
    }
}

fn shown(keys: &Column, at: usize) -> String {
    let mut text = String::new();
    crate::engine::expr::show::value(&keys.value(at), &mut text);
    text
}

//! Looking for elements, the least and greatest, and arrays as sets: equality is that of groups (NULL with NULL, NaN with NaN).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

use super::{Arg, build};
use crate::batch::{Column, Values};
use crate::engine::expr::compare::order_between;
use crate::engine::expr::error::Failure;
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::engine::key_codec::put_key;
use crate::plan::Collection;

/// Functions whose result is no array.
pub(super) fn test(collection: Collection, operands: &[Operand<'_>], args: &[Arg<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use Collection as C;
    let (array, other) = (args.first()?, args.get(1));
    let list = array.list()?;
    let items = &list.items;
    match (collection, other) {
        (C::Contains, Some(wanted)) => Some(frame.try_map(operands, Values::Boolean, |row| {
            let range = list.range(array.at(row));
            let found = find(items, range.clone(), &wanted.column, wanted.at(row)).is_some();
            Ok(if found { Some(true) } else { Some(false).filter(|_| !has_null(items, range)) })
        })),
        (C::Position, Some(wanted)) => Some(frame.map(operands, Values::BigInt, |row| {
            let range = list.range(array.at(row));
            find(items, range.clone(), &wanted.column, wanted.at(row)).map_or(0, |element| (element - range.start + 1) as i64)
        })),
        (C::Overlap, Some(other)) => {
            let others = other.list()?;
            Some(frame.try_map(operands, Values::Boolean, |row| {
                let (left, right) = (list.range(array.at(row)), others.range(other.at(row)));
                let known = keys(&others.items, right.clone());
                let shared = left.clone().any(|element| !items.is_null(element) && known.contains(&key(items, element)));
                let unknown = !left.is_empty() && !right.is_empty() && (has_null(items, left) || has_null(&others.items, right));
                Ok(if shared { Some(true) } else { Some(false).filter(|_| !unknown) })
            }))
        }
        (C::Max | C::Min, None) => {
            let wanted = if collection == C::Max { Ordering::Greater } else { Ordering::Less };
            Some(build(operands, frame, |row, builder, room| {
                let present = list.range(array.at(row)).filter(|element| !items.is_null(*element));
                let best =
                    present.reduce(|best, element| if order_between(items, element, items, best) == wanted { element } else { best });
                best.map_or(Ok(()), |best| room.copy(builder, items, best))
            }))
        }
        _ => None,
    }
}

fn find(items: &Column, range: Range<usize>, wanted: &Column, at: usize) -> Option<usize> {
    range.into_iter().find(|element| !items.is_null(*element) && order_between(items, *element, wanted, at).is_eq())
}

fn has_null(items: &Column, mut range: Range<usize>) -> bool {
    range.any(|element| items.is_null(element))
}

/// The bytes by which an element is told from others.
pub(in crate::engine::expr) fn key(items: &Column, element: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_key(&mut bytes, items, element);
    bytes
}

fn keys(items: &Column, range: Range<usize>) -> BTreeSet<Vec<u8>> {
    range.map(|element| key(items, element)).collect()
}

/// Functions that leave elements out.
pub(super) fn choose(
    collection: Collection,
    operands: &[Operand<'_>],
    args: &[Arg<'_>],
    frame: &mut Frame<'_>,
) -> Option<Operand<'static>> {
    use Collection as C;
    let array = args.first()?;
    let list = array.list()?;
    let items = &list.items;
    match (collection, &args[1..]) {
        (C::Remove, [unwanted]) => Some(build(operands, frame, |row, builder, room| {
            let goes =
                |element: usize| !items.is_null(element) && order_between(items, element, &unwanted.column, unwanted.at(row)).is_eq();
            builder.push_list(|out| {
                list.range(array.at(row)).filter(|element| !goes(*element)).try_for_each(|element| room.copy(out, items, element))
            })
        })),
        (C::Distinct, []) => Some(build(operands, frame, |row, builder, room| {
            let mut seen = BTreeSet::new();
            builder.push_list(|out| {
                let mut fresh = list.range(array.at(row)).filter(|element| seen.insert(key(items, *element)));
                fresh.try_for_each(|element| room.copy_key(out, items, element))
            })
        })),
        (C::Union | C::Intersect | C::Except, [other]) => {
            let others = other.list()?;
            Some(build(operands, frame, |row, builder, room| {
                let (left, right) = (list.range(array.at(row)), others.range(other.at(row)));
                let known = if collection == C::Union { BTreeSet::new() } else { keys(&others.items, right.clone()) };
                let mut seen = BTreeSet::new();
                let mut stays = |items: &Column, element: usize| {
                    let key = key(items, element);
                    (collection == C::Union || known.contains(&key) == (collection == C::Intersect)) && seen.insert(key)
                };
                builder.push_list(|out| -> Result<(), Failure> {
                    for element in left {
                        if stays(items, element) {
                            room.copy_key(out, items, element)?;
                        }
                    }
                    for element in right.filter(|_| collection == C::Union) {
                        if stays(&others.items, element) {
                            room.copy_key(out, &others.items, element)?;
                        }
                    }
                    Ok(())
                })
            }))
        }
        _ => None,
    }
}

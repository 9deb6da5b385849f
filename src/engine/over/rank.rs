//! Row numbers, ranks and values of other rows of the partition.

use crate::batch::{Column, ColumnBuilder, Values};
use crate::plan::{OverCall, OverFunction};
use crate::types::Value;

use super::frame::Frames;

/// Appends the function's value for each row of the partition. `args`: its arguments over the held table.
pub(super) fn put(function: &OverFunction, call: &OverCall, args: &[Column], frames: &Frames<'_>, out: &mut ColumnBuilder) {
    let count = frames.rows.len();
    let mut dense = 0;
    for place in 0..count {
        let peers = frames.peers(place);
        dense += i32::from(peers.start == place);
        match function {
            OverFunction::RowNumber => out.push(&Value::Int(place as i32 + 1)),
            OverFunction::Rank => out.push(&Value::Int(peers.start as i32 + 1)),
            OverFunction::DenseRank => out.push(&Value::Int(dense)),
            OverFunction::PercentRank => {
                out.push(&Value::Double(if count > 1 { peers.start as f64 / (count - 1) as f64 } else { 0.0 }));
            }
            OverFunction::CumeDist => out.push(&Value::Double(peers.end as f64 / count as f64)),
            OverFunction::Ntile => out.push(&Value::Int(bucket(place, count, number(&args[0], frames.rows[place]).max(1) as usize))),
            OverFunction::Lag | OverFunction::Lead => other_row(function, call, args, frames, place, out),
            OverFunction::NthValue | OverFunction::FirstValue | OverFunction::LastValue => {
                in_frame(function, call, args, frames, place, out)
            }
            // The others are refused or aggregates.
            _ => out.push_null(),
        }
    }
}

/// The number of the bucket, from 1: the first ones take one row more where they do not come out even.
fn bucket(place: usize, count: usize, buckets: usize) -> i32 {
    let (size, larger) = (count / buckets, count % buckets);
    let in_larger = larger * (size + 1);
    let bucket = if place < in_larger { place / (size + 1) } else { larger + (place - in_larger) / size.max(1) };
    bucket as i32 + 1
}

/// A literal number among the arguments.
fn number(column: &Column, row: u32) -> i32 {
    match &column.values {
        Values::Int(v) if !column.is_null(row as usize) => v[row as usize],
        _ => 0,
    }
}

fn other_row(function: &OverFunction, call: &OverCall, args: &[Column], frames: &Frames<'_>, place: usize, out: &mut ColumnBuilder) {
    let row = frames.rows[place];
    let offset = i64::from(number(&args[1], row));
    let offset = if matches!(function, OverFunction::Lag) { -offset } else { offset };
    let found = match call.ignore_nulls {
        false => usize::try_from(place as i64 + offset).ok().and_then(|place| frames.rows.get(place)).copied(),
        true => nth_present(&args[0], frames.rows, place, offset),
    };
    match found {
        Some(found) => out.push_from(&args[0], found as usize),
        None => out.push_from(&args[2], row as usize),
    }
}

/// The row that is `offset` rows away where only those with a value count.
fn nth_present(column: &Column, rows: &[u32], place: usize, offset: i64) -> Option<u32> {
    let present = |row: &&u32| !column.is_null(**row as usize);
    let steps = (offset.unsigned_abs() as usize).checked_sub(1);
    match (offset, steps) {
        (1.., Some(steps)) => rows[place + 1..].iter().filter(present).nth(steps).copied(),
        (..=-1, Some(steps)) => rows[..place].iter().rev().filter(present).nth(steps).copied(),
        _ => Some(rows[place]),
    }
}

fn in_frame(function: &OverFunction, call: &OverCall, args: &[Column], frames: &Frames<'_>, place: usize, out: &mut ColumnBuilder) {
    let seen = &frames.rows[frames.of(place)];
    let present = |row: &&u32| !call.ignore_nulls || !args[0].is_null(**row as usize);
    let found = match function {
        OverFunction::FirstValue => seen.iter().find(present),
        OverFunction::LastValue => seen.iter().rev().find(present),
        _ => {
            let number = number(&args[1], frames.rows[place]).max(1) as usize;
            seen.iter().filter(present).nth(number - 1)
        }
    };
    match found {
        Some(row) => out.push_from(&args[0], *row as usize),
        None => out.push_null(),
    }
}

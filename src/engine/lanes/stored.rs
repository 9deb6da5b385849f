//! Cells as bytes: what is written when a cell has changed, and taken up again at a start.

use crate::engine::key_codec::check_key;
use crate::engine::lanes::{Comoments, Lane, Moments, Shape};
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint, put_wide};
use crate::engine::value_codec::check_value;
use crate::types::DataType;

const CELL: &str = "a lane has the cell that is read";

impl Lane {
    /// Appends a cell. `rows`: the count of the cell's rows, from which other counts differ little.
    pub fn put_cell(&self, slot: u32, rows: u64, out: &mut Vec<u8>) {
        let slot = slot as usize;
        let put_doubles = |numbers: &[f64], out: &mut Vec<u8>| numbers.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
        match self {
            Lane::Count(v) => put_varint(out, rows - v[slot]),
            // Within 64 bits in panes; sessions that were joined may be beyond.
            Lane::SumLong(v) => put_wide(out, v[slot]),
            Lane::SumTry(v) => match i64::try_from(v[slot]) {
                Ok(sum) => {
                    out.push(1);
                    put_signed(out, sum);
                }
                Err(_) => out.push(0),
            },
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => out.extend_from_slice(&v[slot].to_le_bytes()),
            Lane::MinLong(v) | Lane::MaxLong(v) | Lane::BitAnd(v) | Lane::BitOr(v) | Lane::BitXor(v) => put_signed(out, v[slot]),
            Lane::MinText(v) | Lane::MaxText(v) => match &v.values[slot] {
                None => out.push(0),
                Some(text) => {
                    out.push(1);
                    put_bytes(out, text.as_bytes());
                }
            },
            Lane::Moments(v) => put_doubles(&[v[slot].count, v[slot].mean, v[slot].m2], out),
            Lane::Shape(v) => put_doubles(&v[slot].numbers(), out),
            Lane::Comoments(v) => put_doubles(&v[slot].numbers(), out),
            Lane::Kept(_, v) => v.put(slot, out),
            Lane::List { cells: v, .. } => v.put(slot, out),
            Lane::Set(v) => v.put(slot, out),
            Lane::Tally(v) => v.put(slot, out),
            Lane::Numbers(v) => v.put(slot, out),
            Lane::Quantiles(_, v) => v.put(slot, out),
            Lane::Registers(_, v) => v.put(slot, out),
            Lane::Histogram(_, v) => v.put(slot, out),
        }
    }

    /// Reads what [`Lane::put_cell`] wrote into the last cell.
    pub fn read_last_cell(&mut self, reader: &mut Reader<'_>, rows: u64) -> Result<(), Malformed> {
        match self {
            Lane::Count(v) => {
                *v.last_mut().expect(CELL) = rows.checked_sub(reader.varint()?).ok_or(Malformed("a count is negative"))?;
            }
            Lane::SumLong(v) => *v.last_mut().expect(CELL) = reader.wide()?,
            Lane::SumTry(v) => {
                *v.last_mut().expect(CELL) = if reader.byte()? == 0 { super::SUM_LOST } else { i128::from(reader.signed()?) };
            }
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => {
                *v.last_mut().expect(CELL) = f64::from_le_bytes(reader.fixed()?);
            }
            Lane::MinLong(v) | Lane::MaxLong(v) | Lane::BitAnd(v) | Lane::BitOr(v) | Lane::BitXor(v) => {
                *v.last_mut().expect(CELL) = reader.signed()?;
            }
            Lane::MinText(v) | Lane::MaxText(v) => {
                if reader.byte()? != 0 {
                    let text = reader.text()?;
                    v.bytes += text.len();
                    *v.values.last_mut().expect(CELL) = Some(text.into());
                }
            }
            Lane::Moments(v) => {
                let [count, mean, m2] = read_doubles(reader)?;
                *v.last_mut().expect(CELL) = Moments { count, mean, m2 };
            }
            Lane::Shape(v) => *v.last_mut().expect(CELL) = Shape::of_numbers(read_doubles(reader)?),
            Lane::Comoments(v) => *v.last_mut().expect(CELL) = Comoments::of_numbers(read_doubles(reader)?),
            Lane::Kept(_, v) => v.read_last(reader)?,
            Lane::List { cells: v, .. } => v.read_last(reader)?,
            Lane::Set(v) => v.read_last(reader)?,
            Lane::Tally(v) => v.read_last(reader)?,
            Lane::Numbers(v) => v.read_last(reader)?,
            Lane::Quantiles(_, v) => v.read_last(reader)?,
            Lane::Registers(_, v) => v.read_last(reader)?,
            Lane::Histogram(_, v) => v.read_last(reader)?,
        }
        Ok(())
    }

    /// Whether the last cell holds values of these types (of the input's columns), and numbers of arrival below `arrivals` only.
    pub fn check_last_cell(&self, types: &[DataType], arrivals: u64) -> Result<(), Malformed> {
        let first = types.first().unwrap_or(&DataType::Null);
        let arrived = |arrival: u64| if arrival <= arrivals { Ok(()) } else { Err(Malformed("a row's number is out of range")) };
        match self {
            Lane::Kept(_, v) => {
                let Some(kept) = v.last() else { return Ok(()) };
                arrived(kept.arrival())?;
                kept.value().map_or(Ok(()), |value| check_value(value, types.get(1).unwrap_or(first)))
            }
            Lane::List { ordered, cells } => {
                let Some(list) = cells.last() else { return Ok(()) };
                arrived(list.last_arrival())?;
                list.bodies().try_for_each(|body| check_value(split_body(*ordered, body)?.1, first))
            }
            Lane::Set(v) => {
                let Some(set) = v.last() else { return Ok(()) };
                arrived(set.last_arrival())?;
                set.by_arrival().into_iter().try_for_each(|key| check_key(key, types))
            }
            Lane::Tally(v) => v.last().map_or(Ok(()), |tally| tally.values().try_for_each(|value| check_value(value, first))),
            Lane::Registers(precision, v) if v.last().is_some_and(|registers| !registers.fits(*precision)) => {
                Err(Malformed("a sketch is of another precision"))
            }
            _ => Ok(()),
        }
    }
}

/// Sort key and value of a list's element.
pub(in crate::engine) fn split_body(ordered: bool, body: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    if !ordered {
        return Ok((&[], body));
    }
    let mut reader = Reader::new(body);
    let key = reader.bytes()?;
    let value = reader.take(reader.remaining())?;
    Ok((key, value))
}

fn read_doubles<const N: usize>(reader: &mut Reader<'_>) -> Result<[f64; N], Malformed> {
    let mut numbers = [0.0; N];
    for number in &mut numbers {
        *number = f64::from_le_bytes(reader.fixed()?);
    }
    Ok(numbers)
}

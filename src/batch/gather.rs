//! Picking rows out of columns.

use std::ops::Range;

use crate::batch::{Binaries, Bitmap, Column, DictColumn, ListColumn, MapColumn, Strings, Values};

impl Column {
    /// Entries `rows` of this column, in that order; a dictionary-coded column stays so. Panics where a row is out of range.
    pub fn gather(&self, rows: &[u32]) -> Column {
        let values = match &self.values {
            Values::Boolean(v) => Values::Boolean(pick(v, rows)),
            Values::Int(v) => Values::Int(pick(v, rows)),
            Values::BigInt(v) => Values::BigInt(pick(v, rows)),
            Values::Float(v) => Values::Float(pick(v, rows)),
            Values::Double(v) => Values::Double(pick(v, rows)),
            Values::Timestamp(v) => Values::Timestamp(pick(v, rows)),
            Values::Date(v) => Values::Date(pick(v, rows)),
            Values::String(v) => {
                let mut strings = Strings::new();
                rows.iter().for_each(|row| strings.push(v.get(*row as usize)));
                Values::String(strings)
            }
            Values::Dict(v) => Values::Dict(DictColumn { codes: pick(&v.codes, rows), dictionary: v.dictionary.clone() }),
            Values::Binary(v) => {
                let mut picked = Binaries::new();
                rows.iter().for_each(|row| picked.push(v.get(*row as usize)));
                Values::Binary(picked)
            }
            Values::Interval(v) => Values::Interval(pick(v, rows)),
            Values::List(v) => {
                let (ends, below) = elements(rows, |row| v.range(row));
                Values::List(ListColumn { ends, items: Box::new(v.items.gather(&below)) })
            }
            Values::Map(v) => {
                let (ends, below) = elements(rows, |row| v.range(row));
                Values::Map(MapColumn { ends, keys: Box::new(v.keys.gather(&below)), values: Box::new(v.values.gather(&below)) })
            }
            Values::Struct(members) => Values::Struct(members.iter().map(|member| member.gather(rows)).collect()),
            Values::Null(_) => Values::Null(rows.len()),
        };
        let valid = self.valid.as_ref().map(|valid| {
            let mut picked = Bitmap::new();
            rows.iter().for_each(|row| picked.push(valid.get(*row as usize)));
            picked
        });
        Column { values, valid }
    }
}

/// The ends of the picked entries, and the elements that they hold.
fn elements(rows: &[u32], range: impl Fn(usize) -> Range<usize>) -> (Vec<u32>, Vec<u32>) {
    let (mut ends, mut below) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        below.extend(range(*row as usize).map(|element| element as u32));
        ends.push(below.len() as u32);
    }
    (ends, below)
}

fn pick<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|row| values[*row as usize]).collect()
}

#[cfg(test)]
mod tests {
    use crate::batch::{Bitmap, ColumnBuilder};
    use crate::types::{DataType, Value};

    #[test]
    fn gathers_values_and_nulls() {
        let mut builder = ColumnBuilder::new(&DataType::String, 4);
        ["a", "", "c"].iter().for_each(|text| builder.push_text(text));
        builder.push_null();
        let picked = builder.finish().gather(&[3, 2, 2, 0]);
        let values: Vec<Value> = (0..4).map(|row| picked.value(row)).collect();
        assert_eq!(values, [Value::Null, Value::String("c".into()), Value::String("c".into()), Value::String("a".into())]);
    }

    #[test]
    fn unset_bits_are_listed_once_and_within_the_length() {
        let mut bits = Bitmap::filled(130, true);
        [0, 63, 64, 129].iter().for_each(|index| bits.set(*index, false));
        assert_eq!(bits.unset().collect::<Vec<_>>(), [0, 63, 64, 129]);
        assert_eq!(Bitmap::filled(3, false).unset().collect::<Vec<_>>(), [0, 1, 2]);
    }
}

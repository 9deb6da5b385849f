//! map_filter, transform_keys, transform_values, map_zip_with.

use std::collections::BTreeMap;

use crate::batch::{Column, ColumnBuilder, MapColumn, Values};
use crate::engine::expr::Selection;
use crate::engine::expr::collections::maps::Entries;
use crate::engine::expr::collections::search::key;
use crate::engine::expr::collections::{Arg, build};
use crate::engine::expr::error::Failure;
use crate::engine::expr::lambda::{Elements, Results, gather, gather_some};
use crate::engine::expr::operand::Operand;
use crate::engine::expr::walk::Walk;
use crate::plan::{Collection, Expr};
use crate::types::DataType;

impl<'a> Walk<'a, '_> {
    pub(super) fn over_map(
        &mut self,
        expr: &Expr,
        collection: Collection,
        operands: &[Operand<'a>],
        body: &Expr,
        active: &Selection,
    ) -> Option<Operand<'a>> {
        let input = Arg::new(operands.first()?);
        let map = input.map()?;
        let elements = Elements::new(active, |row| map.range(input.at(row)).len());
        let from: Vec<u32> = active.iter().flat_map(|row| map.range(input.at(row as usize))).map(|element| element as u32).collect();
        let called = gather(&map.keys, &from).and_then(|keys| {
            let bound = [keys, gather(&map.values, &from)?];
            let results = self.call_body(body, &elements.parents, &bound)?;
            Ok((bound, results))
        });
        let ([keys, values], results) = match called {
            Ok(called) => called,
            Err(failure) => return Some(self.frame(expr, active).fail_all(&failure)),
        };
        let before = self.errors.len();
        self.fail_rows(&elements, &results);
        Some(match collection {
            Collection::MapFilter => {
                let (ends, kept, valid) = elements.kept(self.input.count, &results);
                let (keys, values) = (Box::new(keys.gather(&kept)), Box::new(values.gather(&kept)));
                Operand::owned(Column { values: Values::Map(MapColumn { ends, keys, values }), valid: Some(valid) })
            }
            Collection::TransformValues => self.map_of(&elements, keys, results),
            _ => {
                let good = self.without_failed(before, active);
                let mut rows = elements.rows.iter();
                build(&[], &mut self.frame(expr, &good), |row, builder, room| {
                    let Some((_, range)) = rows.find(|(other, _)| *other as usize == row) else { return Ok(()) };
                    builder.push_map(|into_keys, into_values| {
                        let mut entries = Entries::new(into_keys, into_values, room);
                        range.clone().try_for_each(|element| entries.add(&results.column, element, &values, element))
                    })
                })
            }
        })
    }

    /// Keys with the results as values.
    fn map_of(&self, elements: &Elements, keys: Column, results: Results) -> Operand<'a> {
        let (ends, valid) = elements.ends(self.input.count);
        let map = MapColumn { ends, keys: Box::new(keys), values: Box::new(results.column) };
        Operand::owned(Column { values: Values::Map(map), valid: Some(valid) })
    }

    /// The rows that have not failed since there were `before` errors.
    fn without_failed(&self, before: usize, active: &Selection) -> Selection {
        let mut failed: Vec<u32> = self.errors[before..].iter().map(|error| error.row).collect();
        failed.sort_unstable();
        active.retain(|row| failed.binary_search(&row).is_err())
    }

    /// The keys of both maps in order of appearance; a value is NULL where its map has no such key.
    pub(super) fn map_zip_with(&mut self, expr: &Expr, operands: &[Operand<'a>], body: &Expr, active: &Selection) -> Option<Operand<'a>> {
        let [left, right] = operands else { return None };
        let (left, right) = (Arg::new(left), Arg::new(right));
        let (a, b) = (left.map()?, right.map()?);
        let DataType::Map(key_type, _) = &expr.data_type else { return None };
        let pairs: Vec<Vec<Pair>> = active.iter().map(|row| matched(a, left.at(row as usize), b, right.at(row as usize))).collect();
        let mut lengths = pairs.iter().map(Vec::len);
        let elements = Elements::new(active, |_| lengths.next().unwrap_or(0));
        let called = self.zipped(&elements, (a, b), key_type, &pairs.concat(), body);
        match called {
            Ok((keys, results)) => {
                self.fail_rows(&elements, &results);
                Some(self.map_of(&elements, keys, results))
            }
            Err(failure) => Some(self.frame(expr, active).fail_all(&failure)),
        }
    }

    fn zipped(
        &mut self,
        elements: &Elements,
        (a, b): (&MapColumn, &MapColumn),
        key_type: &DataType,
        pairs: &[Pair],
        body: &Expr,
    ) -> Result<(Column, Results), Failure> {
        let (lefts, rights): (Vec<Option<usize>>, Vec<Option<usize>>) = pairs.iter().copied().unzip();
        let mut keys = ColumnBuilder::new(key_type, pairs.len());
        for pair in pairs {
            match pair {
                (Some(at), _) => keys.push_from(&a.keys, *at),
                (None, Some(at)) => keys.push_from(&b.keys, *at),
                (None, None) => keys.push_null(),
            }
        }
        let keys = keys.finish();
        let bound = [keys, gather_some(&a.values, &lefts)?, gather_some(&b.values, &rights)?];
        let results = self.call_body(body, &elements.parents, &bound)?;
        let [keys, ..] = bound;
        Ok((keys, results))
    }
}

/// Where a key's values stand in the two maps.
type Pair = (Option<usize>, Option<usize>);

fn matched(a: &MapColumn, row: usize, b: &MapColumn, other: usize) -> Vec<Pair> {
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut pairs: Vec<Pair> = Vec::new();
    for element in a.range(row) {
        places.insert(key(&a.keys, element), pairs.len());
        pairs.push((Some(element), None));
    }
    for element in b.range(other) {
        match places.get(&key(&b.keys, element)) {
            Some(place) => pairs[*place].1 = Some(element),
            None => pairs.push((None, Some(element))),
        }
    }
    pairs
}

//! Lanes: Spark's order, merging, cells as bytes.

use super::*;
use proptest::prelude::*;

use crate::batch::{ColumnBuilder, Values};
use crate::engine::lanes::cells::Loose;
use crate::engine::state_codec::Reader;
use crate::types::DataType;

fn filled(kind: LaneKind, groups: &[&[f64]]) -> Lane {
    let mut lane = Lane::new(kind);
    lane.grow(groups.len());
    for (slot, group) in groups.iter().enumerate() {
        let input = Input::of_doubles(group);
        let rows: Vec<u32> = (0..group.len() as u32).collect();
        lane.update(Pairs { rows: &rows, slots: &vec![slot as u32; rows.len()], first_arrival: 0 }, &input);
    }
    lane
}

#[test]
fn extremes_follow_sparks_order() {
    let nan = f64::NAN;
    let groups: [&[f64]; 4] = [&[nan, 1.0], &[nan], &[f64::NEG_INFINITY, f64::INFINITY], &[0.0, -0.0]];
    let (Lane::MinDouble(min), Lane::MaxDouble(max)) = (filled(LaneKind::MinDouble, &groups), filled(LaneKind::MaxDouble, &groups)) else {
        panic!()
    };
    assert_eq!((min[0], max[0].is_nan(), min[1].is_nan(), max[1].is_nan()), (1.0, true, true, true));
    assert_eq!((min[2], max[2]), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(min[3].is_sign_positive() && max[3].is_sign_positive());
}

#[test]
fn moments_merge_as_if_the_rows_came_together() {
    let mut left = filled(LaneKind::Moments, &[&[1.0, 2.0, 4.0]]);
    left.merge(&[0], &filled(LaneKind::Moments, &[&[8.0, 16.0]]), &[0]);
    let Lane::Moments(cells) = left else { panic!() };
    assert!((cells[0].m2 - 148.8).abs() < 1e-9 && (cells[0].mean - 6.2).abs() < 1e-12);
}

#[test]
fn cells_come_back_from_bytes() {
    for kind in [LaneKind::Count, LaneKind::SumDouble, LaneKind::MinDouble, LaneKind::MaxDouble, LaneKind::Moments] {
        let lane = filled(kind, &[&[1.5, f64::NAN], &[-0.0]]);
        for slot in 0..2 {
            let (mut out, mut again) = (Vec::new(), Vec::new());
            lane.put_cell(slot, 3, &mut out);
            let mut copy = Lane::new(kind);
            copy.grow(1);
            let mut reader = Reader::new(&out);
            copy.read_last_cell(&mut reader, 3).unwrap();
            reader.end().unwrap();
            copy.put_cell(0, 3, &mut again);
            assert_eq!(out, again);
        }
    }
}

/// Every kind, with what may be merged only approximately.
const KINDS: [LaneKind; 31] = {
    use Keep as P;
    use LaneKind as K;
    const FINE: Precision = Precision { accuracy: 100, buffer: 64 };
    [
        K::Count,
        K::SumLong,
        K::SumTry,
        K::SumDouble,
        K::MinLong,
        K::MaxLong,
        K::MinDouble,
        K::MaxDouble,
        K::MinText,
        K::MaxText,
        K::Moments,
        K::Shape,
        K::Comoments,
        K::BitAnd,
        K::BitOr,
        K::BitXor,
        K::Kept { keep: P::First, nulls: true },
        K::Kept { keep: P::Last, nulls: true },
        K::Kept { keep: P::Least, nulls: false },
        K::Kept { keep: P::Greatest, nulls: false },
        K::Kept { keep: P::FirstLeast, nulls: false },
        K::Kept { keep: P::FirstGreatest, nulls: false },
        K::List { nulls: true, ordered: false },
        K::List { nulls: false, ordered: true },
        K::Set { nulls: true },
        K::Tally,
        K::Numbers,
        K::Quantiles(FINE),
        K::Registers(4),
        K::Registers(9),
        K::Histogram(8),
    ]
};

/// Columns that the kind reads, of numbers.
fn input_for(kind: LaneKind, numbers: &[i64]) -> Input<'static> {
    let longs = Column::new(Values::BigInt(numbers.to_vec()));
    let doubles = || Column::new(Values::Double(numbers.iter().map(|n| *n as f64 / 4.0).collect()));
    let texts = || {
        let mut builder = ColumnBuilder::new(&DataType::String, numbers.len());
        numbers.iter().for_each(|n| builder.push_text(&format!("t{}", n % 7)));
        builder.finish()
    };
    Input::of_columns(match kind {
        LaneKind::MinText | LaneKind::MaxText => vec![texts()],
        LaneKind::Comoments => vec![doubles(), Column::new(Values::Double(numbers.iter().map(|n| (n * n % 11) as f64).collect()))],
        LaneKind::Kept { keep: Keep::First | Keep::Last, .. } | LaneKind::Set { .. } | LaneKind::Tally => vec![texts()],
        // Few keys: ties.
        LaneKind::Kept { .. } => vec![Column::new(Values::BigInt(numbers.iter().map(|n| n % 3).collect())), texts()],
        LaneKind::List { .. } => vec![texts(), doubles()],
        LaneKind::Numbers | LaneKind::Quantiles(_) | LaneKind::Histogram(_) => vec![doubles()],
        kind if kind.reads_doubles() => vec![doubles()],
        _ => vec![longs],
    })
}

fn types_for(kind: LaneKind) -> Vec<DataType> {
    match kind {
        LaneKind::Kept { keep: Keep::First | Keep::Last, .. } | LaneKind::Set { .. } | LaneKind::Tally => vec![DataType::String],
        LaneKind::Kept { .. } => vec![DataType::BigInt, DataType::String],
        LaneKind::List { .. } => vec![DataType::String, DataType::Double],
        _ => Vec::new(),
    }
}

/// A lane of one cell with the rows at these positions.
fn lane_of(kind: LaneKind, input: &Input<'_>, rows: &[u32]) -> Lane {
    let mut lane = Lane::new(kind);
    lane.grow(1);
    lane.update(Pairs { rows, slots: &vec![0; rows.len()], first_arrival: 100 }, input);
    lane
}

fn stored(lane: &Lane) -> Vec<u8> {
    let mut out = Vec::new();
    lane.put_cell(0, 1_000, &mut out);
    out
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0))
}

/// Whether the merged cell is that of all rows: the same, or for what depends on the order of summation nearly so.
fn is_same(merged: &Lane, whole: &Lane) -> bool {
    match (merged, whole) {
        (Lane::Moments(a), Lane::Moments(b)) => close(&[a[0].count, a[0].mean, a[0].m2], &[b[0].count, b[0].mean, b[0].m2]),
        (Lane::Shape(a), Lane::Shape(b)) => close(&a[0].numbers(), &b[0].numbers()),
        (Lane::Comoments(a), Lane::Comoments(b)) => close(&a[0].numbers(), &b[0].numbers()),
        (Lane::Quantiles(precision, a), Lane::Quantiles(_, b)) => {
            let query = |sketch: &Quantiles| sketch.query(&[0.0, 0.3, 0.5, 1.0], *precision);
            // Below the buffer's size all is exact.
            a.get(0).bytes() >= 64 * 8 || query(a.get(0)) == query(b.get(0))
        }
        (Lane::Histogram(bins, a), Lane::Histogram(_, b)) => {
            let height = |histogram: &Histogram| histogram.bins().iter().map(|(_, height)| height).sum::<f64>();
            height(a.get(0)) == height(b.get(0)) && a.get(0).bins().len() <= *bins as usize
        }
        _ => stored(merged) == stored(whole),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merged_panes_are_one_state_of_all_rows(rows in prop::collection::vec((-50i64..50, 0usize..4), 1..80)) {
        let numbers: Vec<i64> = rows.iter().map(|(number, _)| *number).collect();
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        for kind in KINDS {
            let input = input_for(kind, &numbers);
            let whole = lane_of(kind, &input, &all);
            let mut merged = Lane::new(kind);
            merged.grow(1);
            for pane in 0..4 {
                let of_pane: Vec<u32> = all.iter().copied().filter(|row| rows[*row as usize].1 == pane).collect();
                merged.merge(&[0], &lane_of(kind, &input, &of_pane), &[0]);
            }
            prop_assert!(is_same(&merged, &whole), "{kind:?}");
            let bytes = merged.loose_bytes();
            merged.swap_remove(0);
            prop_assert!(bytes == 0 || kind.is_loose(), "{kind:?}");
            prop_assert_eq!(merged.loose_bytes(), 0, "{:?}", kind);
        }
    }

    #[test]
    fn every_kind_comes_back_from_bytes_and_goes_on(numbers in prop::collection::vec(-50i64..50, 1..80), cut in 0usize..80) {
        let (cut, all) = (cut.min(numbers.len()), (0..numbers.len() as u32).collect::<Vec<u32>>());
        for kind in KINDS {
            let input = input_for(kind, &numbers);
            let mut before = lane_of(kind, &input, &all[..cut]);
            let mut again = Lane::new(kind);
            again.grow(1);
            let bytes = stored(&before);
            let mut reader = Reader::new(&bytes);
            again.read_last_cell(&mut reader, 1_000).unwrap();
            reader.end().unwrap();
            again.check_last_cell(&types_for(kind), 100 + cut as u64).unwrap();
            prop_assert_eq!(again.loose_bytes(), before.loose_bytes());
            for lane in [&mut before, &mut again] {
                let rest = &all[cut..];
                lane.update(Pairs { rows: rest, slots: &vec![0; rest.len()], first_arrival: 100 }, &input);
            }
            prop_assert_eq!(stored(&again), stored(&before), "{:?}", kind);
        }
    }

    #[test]
    fn hostile_cells_are_errors(bytes: Vec<u8>) {
        for kind in KINDS {
            let mut lane = Lane::new(kind);
            lane.grow(1);
            let read = lane.read_last_cell(&mut Reader::new(&bytes), 1_000);
            if read.is_ok() && lane.check_last_cell(&types_for(kind), 5).is_ok() {
                // What was taken up can be used.
                let mut other = Lane::new(kind);
                other.grow(1);
                other.merge(&[0], &lane, &[0]);
                stored(&other);
            }
        }
    }
}

#[test]
fn a_number_beyond_those_given_out_is_refused() {
    let lane = lane_of(LaneKind::Kept { keep: Keep::First, nulls: true }, &Input::of_doubles(&[1.0]), &[0]);
    assert!(lane.check_last_cell(&[DataType::Double], 101).is_ok());
    assert!(lane.check_last_cell(&[DataType::Double], 100).is_err());
    assert!(lane.check_last_cell(&[DataType::String], 101).is_err());
}

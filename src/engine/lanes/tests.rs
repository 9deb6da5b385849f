//! Lanes: Spark's order, merging, cells as bytes.

use super::*;
use crate::engine::state_codec::Reader;

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

//! Joins and set operations: what they plan to, and what streams refuse.

use super::*;
use crate::plan::{Join, JoinKind, JoinTime};

fn join(mode: OutputMode, text: &str) -> Join {
    let mut found = None;
    plan(mode, text).root.visit(&mut |relation| {
        if let (Relation::Join(join), None) = (relation, &found) {
            found = Some(join.clone());
        }
    });
    found.expect("a join")
}

#[test]
fn equalities_become_keys_and_conditions_go_to_their_sides() {
    let shown = steps(
        Batch,
        "SELECT r.device, m.room FROM readings r JOIN meta m ON r.device = m.device AND m.lim > 1 AND r.n > 2 AND r.temperature > m.lim WHERE r.big = 3",
    );
    assert_eq!(
        shown,
        [
            "read readings: device, temperature, n, big (4 of 11 columns)",
            "filter ((big = 3) AND (n > 2))",
            "| table meta: device, room, lim (3 of 3 columns)",
            "| filter (lim > 1)",
            "join inner: device = device, (temperature > lim)",
            "project device, room",
            "output device STRING, room STRING",
        ]
    );
    let comma = join(Batch, "SELECT 1 AS x FROM readings r, meta m WHERE m.device = r.device AND r.device <=> m.room");
    assert_eq!((comma.kind, comma.keys.len(), comma.keys[1].null_safe), (JoinKind::Inner, 2, true));
    let cross = join(Batch, "SELECT 1 AS x FROM readings CROSS JOIN meta");
    assert_eq!((cross.kind, cross.keys.len(), cross.condition.is_none()), (JoinKind::Cross, 0, true));
    let cast = join(Batch, "SELECT 1 AS x FROM readings r JOIN other o ON r.n = o.big");
    assert!(cast.keys[0].left.data_type == DataType::BigInt && cast.keys[0].right.data_type == DataType::BigInt);
}

#[test]
fn conditions_stay_where_an_outer_join_needs_them() {
    let on = join(Batch, "SELECT r.n, m.room FROM readings r LEFT JOIN meta m ON r.device = m.device AND r.n > 1 AND m.lim > 2");
    assert!(on.condition.is_some() && matches!(*on.right, Relation::Filter { .. }) && matches!(*on.left, Relation::Scan { .. }));
    let above = plan(Batch, "SELECT r.n, m.room FROM readings r LEFT JOIN meta m ON r.device = m.device WHERE m.room IS NULL");
    let Relation::Project { input, .. } = above.root else { panic!() };
    assert!(matches!(*input, Relation::Filter { .. }));
    let kind = |condition: &str, written: &str| {
        join(Batch, &format!("SELECT 1 AS x FROM readings r {written} JOIN meta m ON r.device = m.device WHERE {condition}")).kind
    };
    assert_eq!(kind("m.lim > 1", "LEFT"), JoinKind::Inner);
    assert_eq!(kind("r.n > 1 OR m.lim > 1", "LEFT"), JoinKind::Left);
    assert_eq!(kind("coalesce(m.lim, 1) > 1", "LEFT"), JoinKind::Left);
    assert_eq!(kind("m.lim IS NOT NULL", "FULL"), JoinKind::Right);
    assert_eq!(kind("r.n = 1", "FULL"), JoinKind::Left);
    assert_eq!(kind("r.n = m.lim", "FULL"), JoinKind::Inner);
    assert_eq!(kind("r.n = 1", "RIGHT"), JoinKind::Inner);
}

#[test]
fn names_of_several_tables() {
    let names = |text: &str| plan(Batch, text).output.into_iter().map(|field| field.name).collect::<Vec<_>>().join(" ");
    let two = "(SELECT device, n FROM readings) a";
    assert_eq!(names(&format!("SELECT * FROM {two} JOIN meta USING (device)")), "device n room lim");
    assert_eq!(names(&format!("SELECT * FROM {two} NATURAL JOIN meta")), "device n room lim");
    assert_eq!(names(&format!("SELECT meta.* FROM {two} LEFT JOIN meta USING (device)")), "device room lim");
    assert_eq!(names(&format!("SELECT a.device AS x, meta.device AS y, device FROM {two} FULL JOIN meta USING (device)")), "x y device");
    assert_eq!(names(&format!("SELECT * FROM {two} LEFT SEMI JOIN meta ON a.device = meta.device")), "device n");
    assert_eq!(names("SELECT j.room FROM (readings JOIN meta USING (device)) AS j"), "room");
    for (text, words) in [
        (
            "SELECT device FROM readings r JOIN meta m ON r.device = m.device",
            "[device] `device` is ambiguous: there are r.device and m.device",
        ),
        ("SELECT 1 FROM readings JOIN meta USING (n)", "USING needs `n` on both sides, but there is none on the right"),
        ("SELECT m.room FROM readings r LEFT SEMI JOIN meta m ON r.device = m.device", "there is no column `m.room`"),
        ("SELECT 1 FROM readings r JOIN meta m ON r.device = count(*)", "cannot stand in the condition of a join"),
        ("SELECT 1 FROM readings r JOIN meta m ON r.device = m.devise", "[m.devise] there is no column `m.devise`"),
    ] {
        let error = refused(Batch, text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

const STREAMS: &str = "FROM readings a JOIN other b ON a.device = b.device";

#[test]
fn time_bounds_are_found() {
    let time = |condition: &str| {
        join(Append, &format!("SELECT a.device, a.ts, b.n {STREAMS} AND {condition}")).time.map(|time| (time.min_us, time.max_us))
    };
    assert_eq!(time("b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 HOUR"), Some((Some(0), Some(3_600_000_000))));
    assert_eq!(time("a.ts - INTERVAL 5 SECONDS < b.ts"), Some((Some(-4_999_999), None)));
    assert_eq!(time("a.ts + INTERVAL 2 SECONDS = b.ts"), Some((Some(2_000_000), Some(2_000_000))));
    assert_eq!(time("a.n = 1"), None);
    let from_where = join(Append, &format!("SELECT a.device {STREAMS} WHERE a.ts >= b.ts - INTERVAL 1 SECOND AND b.ts >= a.ts")).time;
    assert_eq!(from_where.map(|time| (time.min_us, time.max_us)), Some((Some(0), Some(1_000_000))));
    let equal = join(Append, &format!("SELECT a.device {STREAMS} AND a.ts = b.ts")).time;
    assert!(matches!(equal, Some(JoinTime { min_us: Some(0), max_us: Some(0), .. })));
}

#[test]
fn rows_without_a_key_do_not_advance_the_watermark() {
    let lines = steps(Append, "SELECT a.n, m.room FROM readings a JOIN meta m ON a.device = m.device WHERE a.ts > TIMESTAMP '2026-01-01'");
    assert_eq!(
        lines[..4],
        [
            "read readings: device, ts, n (3 of 11 columns)",
            "filter device IS NOT NULL (below the watermark)",
            "watermark greatest ts seen, less 10 seconds",
            "filter (ts > TIMESTAMP '2026-01-01T00:00:00Z') (above the watermark)",
        ]
    );
    let left = steps(Append, "SELECT a.n, m.room FROM readings a LEFT JOIN meta m ON a.device = m.device");
    assert!(!left.iter().any(|line| line.starts_with("filter")), "{left:?}");
}

#[test]
fn streams_join_as_in_spark() {
    for (mode, text, words) in [
        (Append, "SELECT 1 AS x FROM readings a RIGHT JOIN meta m ON a.device = m.device", "nullable side"),
        (Append, "SELECT 1 AS x FROM readings a FULL JOIN meta m ON a.device = m.device", "nullable side"),
        (Append, "SELECT 1 AS x FROM meta m LEFT JOIN readings a ON a.device = m.device", "put the stream on the left"),
        (Append, "SELECT 1 AS x FROM meta m LEFT SEMI JOIN readings a ON a.device = m.device", "put the stream on the left"),
        (Append, "SELECT 1 AS x FROM readings a LEFT ANTI JOIN other b ON a.device = b.device", "LEFT ANTI JOIN does not work"),
        (Append, "SELECT 1 AS x FROM readings a JOIN other b ON a.n > b.n", "needs an equality"),
        (Append, "SELECT 1 AS x FROM readings a, other b", "needs an equality"),
        (Append, "SELECT 1 AS x FROM readings a LEFT JOIN other b ON a.device = b.device", "needs a bound between their event times"),
        (Append, "SELECT 1 AS x FROM readings a LEFT JOIN bare b ON a.device = b.device", "needs a watermark on the side"),
        (Append, "SELECT 1 AS x FROM readings a LEFT JOIN other b ON a.device = b.device AND b.ts >= a.ts", "needs a bound"),
        (Update, "SELECT 1 AS x FROM readings a LEFT JOIN other b ON a.device = b.device AND a.ts = b.ts", "append mode only"),
        (Append, "SELECT device FROM meta", "reads no source"),
        (Append, "SELECT device FROM readings EXCEPT SELECT device FROM other", "EXCEPT does not work over streams"),
    ] {
        let error = refused(mode, text);
        assert!(error.contains(words), "{text}: {error}");
    }
    join(Append, "SELECT 1 AS x FROM readings a LEFT JOIN other b ON a.device = b.device AND b.ts <= a.ts + INTERVAL 1 MINUTE");
    join(Append, "SELECT 1 AS x FROM readings a FULL JOIN other b ON a.device = b.device AND a.ts = b.ts");
    join(Append, "SELECT 1 AS x FROM readings a JOIN bare b ON a.device = b.device");
    join(Update, "SELECT 1 AS x FROM readings a JOIN bare b ON a.device = b.device");
    let swapped = join(Append, "SELECT room, n FROM meta m RIGHT JOIN readings a ON a.device = m.device");
    assert!(swapped.kind == JoinKind::Left && matches!(*swapped.right, Relation::ReferenceScan { .. }));
}

#[test]
fn sets_meet_by_position() {
    let output = |text: &str| {
        plan(Batch, text).output.into_iter().map(|field| format!("{} {}", field.name, field.data_type)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(output("SELECT n AS a, device FROM readings UNION ALL SELECT big, ts FROM other"), "a BIGINT, device TIMESTAMP");
    assert_eq!(output("SELECT NULL AS a UNION SELECT 1.5 INTERSECT SELECT 2"), "a DOUBLE");
    assert_eq!(output("VALUES (1, 'a'), (2.5, NULL)"), "col1 DOUBLE, col2 STRING");
    assert_eq!(output("SELECT y FROM VALUES (1, 'a') AS t(x, y)"), "y STRING");
    let Relation::Union { inputs } = plan(Batch, "SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3").root else { panic!() };
    assert_eq!(inputs.len(), 3);
    for (text, words) in [
        ("SELECT 1 AS a UNION ALL SELECT 1, 2", "equally many columns on both sides, but there are 1 and 2"),
        ("SELECT true AS a UNION ALL SELECT 1", "column 1 is a BOOLEAN on one side and an INT on the other"),
        ("VALUES (1, 2), (3)", "this row of VALUES has 1 columns, the first has 2"),
        ("VALUES (count(*))", "cannot stand in VALUES"),
    ] {
        let error = refused(Batch, text);
        assert!(error.contains(words), "{text}: {error}");
    }
    let lines =
        steps(Append, "SELECT device FROM (SELECT device, ts FROM readings UNION ALL SELECT device, ts FROM other) WHERE device = 'a'");
    assert_eq!(
        lines,
        [
            "read readings: device, ts (2 of 11 columns)",
            "filter (device = 'a') (below the watermark)",
            "watermark greatest ts seen, less 10 seconds",
            "project device",
            "| read other: device, ts (2 of 11 columns)",
            "| filter (device = 'a') (below the watermark)",
            "| watermark greatest ts seen, less 20 seconds",
            "| project device",
            "union all rows of 2 inputs",
            "project device",
            "output device STRING",
        ]
    );
}

//! Dictionary-coded columns across tables: sharing, bounds, and falling back to plain strings.

use super::super::dictionary::{ENTRIES_MAX, ENTRY_BYTES_MAX, PROBE_ENTRIES, REST_ROWS};
use super::*;
use crate::batch::{DictColumn, Dictionary};

fn rig() -> Rig {
    Rig::new(&settings("device STRING"))
}

impl Rig {
    fn device(&mut self, name: &str) {
        self.decode(format!("{{\"device\":\"{name}\"}}")).unwrap();
    }

    /// The one column of the table that is taken now.
    fn column(&mut self) -> Column {
        self.table.take().columns.remove(0).unwrap()
    }
}

fn dictionary(column: &Column) -> &Dictionary {
    &codes(column).dictionary
}

fn codes(column: &Column) -> &DictColumn {
    match &column.values {
        Values::Dict(dict) => dict,
        other => panic!("not coded: {other:?}"),
    }
}

#[test]
fn codes_live_across_tables() {
    let mut rig = rig();
    for name in ["a", "b", "a"] {
        rig.device(name);
    }
    let first = rig.column();
    for name in ["b", "c"] {
        rig.device(name);
    }
    let second = rig.column();
    rig.device("a");
    let third = rig.column();
    assert_eq!((&codes(&first).codes[..], &codes(&second).codes[..], &codes(&third).codes[..]), (&[0, 1, 0][..], &[1, 2][..], &[0][..]));
    assert_eq!(dictionary(&first).entries.len(), 2, "a table in flight keeps its snapshot");
    assert_eq!(dictionary(&third).entries.len(), 3);
    assert!([&first, &second, &third].iter().all(|column| dictionary(column).generation == 0));
}

#[test]
fn a_message_that_fails_leaves_the_codes_usable() {
    let mut rig = rig();
    rig.decode(r#"[{"device":"a"},{"device":"b"},5]"#).unwrap_err();
    rig.device("c");
    let column = rig.column();
    assert_eq!((column.len(), column.text(0)), (1, Some("c")));
}

#[test]
fn nulls_are_no_entries() {
    let mut rig = rig();
    rig.decode(r#"[{},{"device":"a"},{"device":null}]"#).unwrap();
    let column = rig.column();
    assert_eq!((column.text(0), column.text(1), column.text(2)), (None, Some("a"), None));
    assert_eq!(dictionary(&column).entries.len(), 1);
}

#[test]
fn a_long_string_makes_one_table_plain() {
    let mut rig = rig();
    let long = "x".repeat(ENTRY_BYTES_MAX + 1);
    rig.decode(r#"[{"device":"a"},{}]"#).unwrap();
    rig.device(&long);
    rig.device("a");
    let column = rig.column();
    assert!(matches!(column.values, Values::String(_)));
    assert_eq!((0..4).map(|row| column.text(row)).collect::<Vec<_>>(), [Some("a"), None, Some(&*long), Some("a")]);
    rig.device("a");
    let next = rig.column();
    assert_eq!((dictionary(&next).generation, codes(&next).codes[0]), (0, 0));
}

#[test]
fn a_full_dictionary_begins_a_new_generation() {
    let mut rig = rig();
    for round in 0..2 {
        for number in 0..PROBE_ENTRIES {
            rig.device(&format!("d{number}"));
        }
        assert_eq!(dictionary(&rig.column()).entries.len(), PROBE_ENTRIES, "{round}");
    }
    for number in 0..=ENTRIES_MAX {
        rig.device(&format!("d{number}"));
    }
    let column = rig.column();
    assert!(matches!(column.values, Values::String(_)));
    assert_eq!(column.text(ENTRIES_MAX), Some(&*format!("d{ENTRIES_MAX}")));
    rig.device("d7");
    let next = rig.column();
    assert_eq!((dictionary(&next).generation, dictionary(&next).entries.len()), (1, 1));
}

#[test]
fn mostly_distinct_values_rest_from_the_dictionary() {
    let mut rig = rig();
    for number in 0..=PROBE_ENTRIES {
        rig.device(&format!("{number}"));
    }
    let column = rig.column();
    assert!(matches!(column.values, Values::String(_)));
    assert!((0..=PROBE_ENTRIES).all(|row| column.text(row) == Some(&*row.to_string())));
    for _ in 0..REST_ROWS / 4096 {
        (0..4096).for_each(|_| rig.device("x"));
        assert!(matches!(rig.column().values, Values::String(_)));
    }
    rig.device("x");
    let column = rig.column();
    assert_eq!((column.text(0), dictionary(&column).entries.len()), (Some("x"), 1));
    assert!(dictionary(&column).generation > 0);
}

#[test]
fn captures_are_coded_and_outlive_the_generation() {
    let capture = TopicPattern { levels: vec![PatternLevel::Text("s".into()), PatternLevel::Capture(0)] };
    let mut settings = with_column(settings("t DOUBLE"), "device", DataType::String, Origin::Topic(0));
    settings = with_column(settings, "_topic", DataType::String, Origin::WholeTopic);
    settings.patterns = vec![capture];
    let mut rig = Rig::new(&settings);
    rig.decode_from("s/a", r#"{"t":1}"#).unwrap();
    rig.decode_from("s/b", r#"[{"t":2},{"t":3}]"#).unwrap();
    assert_eq!(rig.decode_from("x/b", r#"{"t":2}"#), Err(BadRecord::Topic));
    let row = |t: f64, device: &str| vec![Value::Double(t), string(device), string(&format!("s/{device}"))];
    assert_eq!(rig.rows(), [row(1.0, "a"), row(2.0, "b"), row(3.0, "b")]);
    for number in 0..ENTRIES_MAX + 10 {
        // Twice each, so that they do not look like distinct values.
        rig.decode_from(&format!("s/{number}"), r#"[{"t":2},{"t":2}]"#).unwrap();
    }
    assert_eq!(rig.rows().last(), Some(&row(2.0, &format!("{}", ENTRIES_MAX + 9))));
    rig.decode_from("s/b", r#"{"t":4}"#).unwrap();
    rig.decode_from("s/a", r#"{"t":5}"#).unwrap();
    rig.decode_from("s/b", r#"{"t":6}"#).unwrap();
    let table = rig.table.take();
    assert_eq!(codes(table.columns[1].as_ref().unwrap()).codes, [0, 1, 0]);
    assert_eq!(dump(&table), [row(4.0, "b"), row(5.0, "a"), row(6.0, "b")]);
}

//! Joins with reference tables, and of whole sides in batch queries.

use std::sync::Arc;

use super::*;
use crate::batch::TableVersion;

/// `meta`: device, room, lim.
pub(super) fn meta_columns() -> Vec<TableColumn> {
    let column = |(name, data_type): (&str, DataType)| TableColumn { field: Field::new(name, data_type), hidden: false };
    [("device", DataType::String), ("room", DataType::String), ("lim", DataType::Double)].into_iter().map(column).collect()
}

fn joined(mode: OutputMode, text: &str) -> Program {
    let tables = vec![TableSchema { name: "meta".into(), columns: meta_columns(), event_time: None }];
    let sources = sources();
    let catalog = Catalog { sources: &sources, tables: &tables, ..Catalog::default() };
    let query = plan_query("q", text, mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
    Program { sources, tables, queries: vec![query], ..Program::default() }
}

fn engine_of(mode: OutputMode, text: &str) -> Engine {
    Engine::new(&joined(mode, text), settings()).unwrap()
}

pub(super) fn meta(rows: &[(Option<&str>, &str, f64)]) -> Vec<TableVersion> {
    let mut builders: Vec<ColumnBuilder> =
        meta_columns().iter().map(|column| ColumnBuilder::new(&column.field.data_type, rows.len())).collect();
    for (device, room, lim) in rows {
        let values =
            [device.map_or(Value::Null, |device| Value::String(device.into())), Value::String((*room).into()), Value::Double(*lim)];
        builders.iter_mut().zip(values).for_each(|(builder, value)| builder.push(&value));
    }
    let columns = builders.into_iter().map(|builder| Some(builder.finish())).collect();
    vec![TableVersion { table: 0, rows: Arc::new(Table { rows: rows.len(), columns }) }]
}

pub(super) const META: [(Option<&str>, &str, f64); 4] =
    [(Some("a"), "kitchen", 20.0), (Some("b"), "attic", 30.0), (Some("b"), "cellar", 5.0), (None, "nowhere", 1.0)];

fn step_with(engine: &mut Engine, tables: Vec<TableVersion>, rows: &[Reading]) -> StepOutput {
    let mut batch = batch(rows, 0);
    batch.inputs.iter_mut().for_each(|input| input.idle = false);
    engine.step(&Batch { tables, ..batch })
}

fn readings() -> Vec<Reading> {
    let nobody = Reading { device: None, ..reading(4.0, "", 40.0) };
    vec![reading(1.0, "a", 10.0), reading(2.0, "b", 25.0), reading(3.0, "c", 30.0), nobody]
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// What comes out of a stream, and of the same query in batch.
fn both_ways(text: &str) -> Vec<String> {
    let mut stream = engine_of(OutputMode::Append, text);
    let streamed = sorted(shown(&step_with(&mut stream, meta(&META), &readings())));
    let mut whole = engine_of(OutputMode::Batch, text);
    let mut rows = shown(&step_with(&mut whole, meta(&META), &readings()));
    rows.extend(shown(&whole.finish()));
    assert_eq!(sorted(rows), streamed, "{text}");
    streamed
}

#[test]
fn each_kind_with_a_reference_table() {
    let text = |kind: &str, on: &str| format!("SELECT r.device, number, room FROM readings r {kind} JOIN meta m {on}");
    let equal = "ON r.device = m.device";
    assert_eq!(both_ways(&text("", equal)), ["a 10 kitchen", "b 25 attic", "b 25 cellar"]);
    assert_eq!(both_ways(&text("LEFT", equal)), ["NULL 40 NULL", "a 10 kitchen", "b 25 attic", "b 25 cellar", "c 30 NULL"]);
    assert_eq!(both_ways(&text("", "ON r.device <=> m.device")), ["NULL 40 nowhere", "a 10 kitchen", "b 25 attic", "b 25 cellar"]);
    assert_eq!(both_ways(&text("CROSS", "")).len(), 16);
    assert_eq!(both_ways(&text("", "ON r.temperature < m.lim")), ["a 10 attic", "a 10 kitchen", "b 25 attic"]);
    assert_eq!(both_ways(&text("", "ON r.device = m.device AND r.temperature > m.lim")), ["b 25 cellar"]);
    assert_eq!(
        both_ways(&text("LEFT", "ON r.device = m.device AND r.temperature > m.lim")),
        ["NULL 40 NULL", "a 10 NULL", "b 25 cellar", "c 30 NULL"]
    );
    let only_left = |kind: &str, on: &str| both_ways(&format!("SELECT device, number FROM readings r LEFT {kind} JOIN meta m {on}"));
    assert_eq!(only_left("SEMI", equal), ["a 10", "b 25"]);
    assert_eq!(only_left("ANTI", equal), ["NULL 40", "c 30"]);
    assert_eq!(only_left("SEMI", "ON r.device = m.device AND r.temperature > m.lim"), ["b 25"]);
    assert_eq!(only_left("ANTI", "ON r.device = m.device AND r.temperature > m.lim"), ["NULL 40", "a 10", "c 30"]);
    assert_eq!(both_ways("SELECT room, number FROM meta m RIGHT JOIN readings r ON m.device = r.device AND lim < 10").len(), 4);
}

#[test]
fn the_other_side_is_a_query_of_its_own() {
    let grouped = "(SELECT device, count(*) AS n FROM meta GROUP BY device) m";
    assert_eq!(both_ways(&format!("SELECT r.device, n FROM readings r JOIN {grouped} ON r.device = m.device")), ["a 1", "b 2"]);
    let literal = "SELECT r.device, y FROM readings r JOIN (SELECT * FROM VALUES ('a', 1), ('c', 2) AS v(x, y)) v ON r.device = v.x";
    assert_eq!(both_ways(literal), ["a 1", "c 2"]);
}

#[test]
fn right_and_full_in_batch() {
    let run = |kind: &str, on: &str| {
        let mut engine =
            engine_of(OutputMode::Batch, &format!("SELECT r.device, number, m.device AS d, room FROM readings r {kind} JOIN meta m {on}"));
        let mut rows = shown(&step_with(&mut engine, meta(&META), &readings()));
        assert!(rows.is_empty());
        rows.extend(shown(&engine.finish()));
        sorted(rows)
    };
    let equal = "ON r.device = m.device";
    assert_eq!(run("RIGHT", equal), ["NULL NULL NULL nowhere", "a 10 a kitchen", "b 25 b attic", "b 25 b cellar"]);
    assert_eq!(
        run("FULL", equal),
        ["NULL 40 NULL NULL", "NULL NULL NULL nowhere", "a 10 a kitchen", "b 25 b attic", "b 25 b cellar", "c 30 NULL NULL"]
    );
    assert_eq!(run("FULL", "ON r.device = m.device AND r.temperature > m.lim").len(), 7);
}

#[test]
fn two_streamed_sides_in_batch() {
    let text =
        "SELECT r.device, r.number, a.number AS other FROM readings r JOIN arrivals a ON r.device = a.device AND r.number < a.number";
    let mut engine = engine_of(OutputMode::Batch, text);
    assert!(shown(&step_with(&mut engine, Vec::new(), &readings())).is_empty());
    assert!(shown(&step_with(&mut engine, Vec::new(), &[reading(1.0, "a", 11.0), reading(1.0, "c", 29.0)])).is_empty());
    assert_eq!(sorted(shown(&engine.finish())), ["a 10 11", "c 29 30"]);
}

#[test]
fn a_new_version_counts_from_its_batch_on() {
    let mut engine = engine_of(OutputMode::Append, "SELECT number, room FROM readings r LEFT JOIN meta m ON r.device = m.device");
    let row = [reading(1.0, "a", 1.0)];
    assert_eq!(shown(&step(&mut engine, &row)), ["1 NULL"]);
    assert_eq!(shown(&step_with(&mut engine, meta(&META), &row)), ["1 kitchen"]);
    assert_eq!(shown(&step(&mut engine, &row)), ["1 kitchen"]);
    assert_eq!(shown(&step_with(&mut engine, meta(&[(Some("a"), "hall", 1.0)]), &row)), ["1 hall"]);
    // A version that comes in a batch without rows of the source.
    engine.step(&Batch { tables: meta(&[]), ..Batch::default() });
    assert_eq!(shown(&step(&mut engine, &row)), ["1 NULL"]);
}

#[test]
fn rows_that_fail_are_rejected_once() {
    let text = "SELECT number, room FROM readings r LEFT JOIN meta m ON CAST(r.device AS INT) = m.lim";
    let output = step_with(&mut engine_of(OutputMode::Append, text), meta(&META), &[reading(1.0, "20", 1.0), reading(2.0, "x", 2.0)]);
    assert_eq!(shown(&output), ["1 kitchen"]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].row.contains("\"x\""), "{:?}", output.rejects);
    let text = "SELECT number, room FROM readings r LEFT JOIN meta m ON r.number > 1 / (m.lim - r.temperature)";
    let output = step_with(&mut engine_of(OutputMode::Append, text), meta(&META), &[reading(1.0, "a", 20.0), reading(2.0, "x", 2.0)]);
    assert_eq!((shown(&output).len(), output.rejects.len()), (4, 1));
}

#[test]
fn a_stream_join_feeds_windows() {
    let text = "SELECT window.start AS s, room, count(*) AS n FROM readings r JOIN meta m ON r.device = m.device \
                GROUP BY room, window(ts, '10 seconds')";
    let mut engine = engine_of(OutputMode::Append, text);
    step_with(&mut engine, meta(&META), &readings());
    let later = [reading(30.0, "a", 1.0)];
    assert_eq!(sorted(shown(&step(&mut engine, &later))), ["0s attic 1", "0s cellar 1", "0s kitchen 1"]);
    // Rows without a key do not advance the watermark.
    let nobody = Reading { device: None, ..reading(900.0, "", 1.0) };
    assert!(shown(&step(&mut engine, &[nobody])).is_empty());
}

//! Sources of type "simulate": made-up sensors.

use std::time::Duration;

use super::super::reader::{Context, Reader};
use super::super::settings::{Shape, SimulateSettings, SimulatedField, SourceKind};
use super::super::units::DURATION_MAX;

const DEVICES_MAX: i64 = 100_000;
/// Shapes of one source.
const FIELDS_MAX: usize = 64;
const SHAPES: [(&str, Shape); 5] = [
    ("sine", Shape::Sine),
    ("random_walk", Shape::RandomWalk),
    ("steps", Shape::Steps),
    ("sawtooth", Shape::Sawtooth),
    ("counter", Shape::Counter),
];

pub fn read(context: &mut Context, reader: &mut Reader) -> Option<SourceKind> {
    let devices = reader.integer(context, "devices", 1..=DEVICES_MAX).unwrap_or(10);
    let interval = reader.duration(context, "interval", Duration::from_millis(1)..=DURATION_MAX).unwrap_or(Duration::from_secs(1));
    let seed = reader.integer(context, "seed", 0..=i64::MAX).unwrap_or(1);
    let rows_max = reader.integer(context, "rows", 1..=i64::MAX);
    let gaps = share(context, reader, "gaps");
    let late = share(context, reader, "late");
    let late_by = reader.duration(context, "late_by", Duration::from_millis(1)..=DURATION_MAX).unwrap_or(Duration::from_secs(30));
    let duplicates = share(context, reader, "duplicates");
    let fields = fields(context, reader);
    Some(SourceKind::Simulate(SimulateSettings {
        devices: devices as u32,
        interval,
        seed: seed as u64,
        rows_max: rows_max.map(|rows| rows as u64),
        gaps,
        late,
        late_by,
        duplicates,
        fields,
    }))
}

/// How many of all rows something happens to, by default none.
fn share(context: &mut Context, reader: &mut Reader, key: &'static str) -> f64 {
    let share = reader.number(context, key).unwrap_or(0.0);
    if !(0.0..=1.0).contains(&share) {
        context.error(reader.value_place(key), format!("`{key}` is a share of all rows"), "give a number from 0 to 1, such as 0.01");
    }
    share
}

fn fields(context: &mut Context, reader: &mut Reader) -> Vec<SimulatedField> {
    let tables = reader.named_tables(context, "fields");
    if tables.len() > FIELDS_MAX {
        context.error(tables[FIELDS_MAX].1.place, format!("more than {FIELDS_MAX} fields"), "leave some out");
    }
    let mut fields = Vec::new();
    for (name, mut table) in tables {
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            context.error(table.place, "a simulated field's name has letters, digits and `_`", "rename it");
        }
        let shape = table.choice(context, "shape", &SHAPES).unwrap_or(Shape::Sine);
        let min = table.number(context, "min").unwrap_or(0.0);
        let max = table.number(context, "max").unwrap_or(100.0);
        if !(min <= max && min.is_finite() && max.is_finite()) {
            context.error(table.place, "`min` is above `max`", "for example: min = 15, max = 25");
        }
        let period = table.duration(context, "period", Duration::from_millis(1)..=DURATION_MAX).unwrap_or(Duration::from_secs(60));
        table.finish(context, &[]);
        fields.push(SimulatedField { name: name.to_owned(), shape, min, max, period });
    }
    fields
}

//! InfluxDB line protocol: `measurement,tag=x field=1.5,other=2i 1700000000000000000`.
//!
//! A row has `measurement`, `time` (NULL where the line has none), and each tag and field under its own name. Lines that begin with `#` are comments.

use influxdb_line_protocol::{FieldValue, parse_lines, split_lines};

use super::super::json::scan::Fault;
use super::super::records::Records;

pub(in crate::format) struct LineProtocol {
    /// Nanoseconds in a unit of the lines' times.
    pub unit_ns: i64,
}

impl LineProtocol {
    pub fn read(&self, payload: &str, records: &mut Records) -> Result<(), Fault> {
        for line in split_lines(payload) {
            let line = line.trim_end_matches('\r');
            let at = line.as_ptr() as usize - payload.as_ptr() as usize;
            for parsed in parse_lines(line) {
                let parsed = parsed.map_err(|_| Fault { at, what: "not a line of line protocol" })?;
                records.begin_row(at)?;
                records.name("measurement");
                records.string(&parsed.series.measurement);
                records.name("time");
                match parsed.timestamp {
                    Some(time) => {
                        let micros = (i128::from(time) * i128::from(self.unit_ns)).div_euclid(1_000);
                        let micros = i64::try_from(micros).map_err(|_| Fault { at, what: "the time is out of range" })?;
                        records.timestamp(micros);
                    }
                    None => records.null(),
                }
                for (name, value) in parsed.series.tag_set.iter().flatten() {
                    records.name(name);
                    records.string(value);
                }
                for (name, value) in &parsed.field_set {
                    records.name(name);
                    field(value, records);
                }
                records.end_row(at + line.len());
            }
        }
        Ok(())
    }
}

fn field(value: &FieldValue, records: &mut Records) {
    match value {
        FieldValue::I64(value) => records.integer(*value),
        FieldValue::U64(value) => records.unsigned(*value),
        FieldValue::F64(value) => records.double(*value),
        FieldValue::String(value) => records.string(value),
        FieldValue::Boolean(value) => records.boolean(*value),
    }
}

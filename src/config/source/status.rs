//! The table `_status`, which the gateway itself writes: what becomes of the sources.

use super::super::settings::{SourceKind, SourceSettings};
use super::columns::table_column;
use super::{IDLE_TIMEOUT_DEFAULT, PAYLOAD_BYTES_DEFAULT};
use crate::format::{ColumnLayout, DecodeSettings, Origin};
use crate::plan::{EventTime, TableSchema};
use crate::types::DataType;

/// The table's name in SQL.
pub const NAME: &str = "_status";

/// The source behind the table, and the table. Its rows are JSON, as if they had come from outside.
pub fn source() -> (SourceSettings, TableSchema) {
    let payload = |name: &str| Origin::Payload(vec![name.to_owned()]);
    let columns = [
        ("ts", DataType::Timestamp, Origin::Arrived),
        ("source", DataType::String, payload("source")),
        ("status", DataType::String, payload("status")),
        ("detail", DataType::String, payload("detail")),
    ];
    let columns = columns.map(|(name, data_type, origin)| ColumnLayout { name: name.to_owned(), data_type, origin }).to_vec();
    let schema = TableSchema {
        name: NAME.to_owned(),
        columns: columns.iter().map(table_column).collect(),
        event_time: Some(EventTime { column: 0, delay_us: Some(0) }),
    };
    let decode = DecodeSettings::json(columns);
    let settings = SourceSettings {
        name: NAME.to_owned(),
        kind: SourceKind::Status,
        decode,
        payload_bytes_max: PAYLOAD_BYTES_DEFAULT as usize,
        idle_timeout: IDLE_TIMEOUT_DEFAULT,
        max_future: None,
        silence_timeout: None,
        rate_max: None,
    };
    (settings, schema)
}

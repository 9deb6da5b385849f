//! Payloads, CSV files, configurations and query cases, damaged.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tidemill::batch_query::{FileTable, NamedFile, OutputFormat, TableFiles, run};
use tidemill::config::Environment;
use tidemill::format::csv::{CsvBadRecords, CsvHeader, CsvSettings, read_csv};
use tidemill::format::{
    BadRecords, Coerce, ColumnLayout, Compression, CompressionMethod, DecodeSettings, Decoder, EventTimeMissing, Format, Message,
    OpenTable, Origin, TimestampUnit,
};
use tidemill::plan::OutputMode;
use tidemill::query_test::{QueryCase, RunOptions, check};
use tidemill::sql::{Catalog, parse_schema, plan_query};
use tidemill::types::Field;

use crate::formats;
use crate::mutate;
use crate::random::Random;
use crate::watch::Watch;

const PAYLOADS: &[&str] = &[
    r#"{"device":"a","ts":1767225600123,"temperature":21.5,"on":true,"deep":{"x":{"y":-3}}}"#,
    r#"[{"device":"a\u00e9\n","ts":"2026-01-01T00:00:00.5+02:00"},{"device":null,"temperature":"NaN"}]"#,
    r#" {"temperature":1e3, "temperature" : -Infinity , "device" : {"a":[1,2,{"b":null}]}, "ts":-0.5} trailing"#,
    "21.5",
    "",
];
const CSVS: &[&str] =
    &["device,ts,temperature\na,2026-01-01 00:00:00,1.5\n\"b \"\"c\"\"\",,NaN\r\n\n,,\n", "a;\"b\nc\";1\n\"", "\u{feff}device\tts\n1\t2\n"];
const SCHEMAS: &[&str] = &[
    "device STRING, ts TIMESTAMP, temperature DOUBLE, on BOOLEAN, deep.x.y INT",
    "device INT, ts BIGINT, temperature FLOAT",
    "device STRING, ts DATE, temperature STRING",
    "device ARRAY<INT>, ts MAP<STRING, DOUBLE>, deep STRUCT<x: STRUCT<y: INT>>",
];

fn decode_settings(random: &mut Random) -> Option<DecodeSettings> {
    let columns = parse_schema(mutate::pick(SCHEMAS, random)).ok()?;
    let json = random.below(4) > 0;
    let layout = |column: tidemill::sql::SchemaColumn| ColumnLayout {
        name: column.name,
        data_type: column.data_type,
        origin: Origin::Payload(if json { column.path } else { Vec::new() }),
    };
    let compressed = random.below(4) == 0;
    Some(DecodeSettings {
        compression: compressed.then_some(Compression { method: CompressionMethod::Auto, expanded_bytes_max: 1 << 16 }),
        format: if json { Format::Json } else { Format::Value },
        columns: columns.into_iter().take(if json { usize::MAX } else { 1 }).map(layout).collect(),
        patterns: Vec::new(),
        timestamp_unit: [TimestampUnit::Seconds, TimestampUnit::Millis, TimestampUnit::Micros][random.below(3) as usize],
        timestamp_zone: None,
        bad_records: [BadRecords::NullRow, BadRecords::DeadLetter][random.below(2) as usize],
        coerce: [Coerce::Strict, Coerce::Lenient][random.below(2) as usize],
        event_time: None,
        event_time_missing: EventTimeMissing::Null,
    })
}

pub fn payloads(random: &mut Random, watch: &Watch) {
    if random.below(3) == 0 {
        return csv(random, watch);
    }
    let Some(mut settings) = decode_settings(random) else { return };
    let mut sample = None;
    if random.below(2) == 0 && settings.format == Format::Json {
        let (format, payload) = formats::pick(random);
        (settings.format, sample) = (format, Some(payload));
    }
    let needed = vec![true; settings.columns.len()];
    let Ok(mut decoder) = Decoder::new(&settings, &needed, 7) else { return };
    let mut open = OpenTable::new(&settings, &needed);
    for _ in 0..8 {
        let payload = sample.unwrap_or(mutate::pick(PAYLOADS, random).as_bytes());
        let payload = match settings.compression {
            Some(_) => mutate::bytes(&packed(payload, random), random),
            None => mutate::bytes(payload, random),
        };
        watch.works_on(&String::from_utf8_lossy(&payload));
        let before = open.rows();
        let decoded = decoder.decode(&Message { topic: "", place: None, payload: &payload, arrived_us: 0, retained: false }, &mut open);
        let rows = decoded.map_or(0, |decoded| decoded.rows);
        assert_eq!(open.rows(), before + rows, "rows are taken whole or not at all");
    }
    let table = open.take();
    assert!(table.columns.iter().flatten().all(|column| column.len() == table.rows));
}

fn csv(random: &mut Random, watch: &Watch) {
    let bytes = mutate::bytes(mutate::pick(CSVS, random).as_bytes(), random);
    watch.works_on(&String::from_utf8_lossy(&bytes));
    let Ok(columns) = parse_schema(mutate::pick(SCHEMAS, random)) else { return };
    let fields: Vec<Field> = columns.into_iter().map(|column| Field::new(column.name, column.data_type)).collect();
    let settings = CsvSettings {
        separator: b",;\t\""[random.below(4) as usize],
        escape: b"\"\\"[random.below(2) as usize],
        header: [CsvHeader::Names, CsvHeader::Skip, CsvHeader::None][random.below(3) as usize],
        null_text: mutate::pick(&["", "NA", "\""], random).to_owned(),
        multi_line: random.below(2) == 0,
        bad_records: [CsvBadRecords::Null, CsvBadRecords::Fail][random.below(2) as usize],
        ..CsvSettings::default()
    };
    if let Ok(table) = read_csv(&bytes, &settings, &fields) {
        assert!(table.columns.iter().all(|column| column.len() == table.rows));
    }
}

/// The files of query cases, and shipped configurations.
pub struct CaseFiles {
    cases: Vec<PathBuf>,
    /// Whole configurations.
    configurations: Vec<PathBuf>,
    directory: tempfile::TempDir,
}

impl CaseFiles {
    pub fn read() -> CaseFiles {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut cases = Vec::new();
        for group in ["tests/golden", "examples/queries", "examples/devices"] {
            cases.extend(fs::read_dir(root.join(group)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
        }
        cases.sort();
        let mut configurations = Vec::new();
        for group in ["tests/config", "configs", "configs/examples"] {
            configurations.extend(fs::read_dir(root.join(group)).unwrap().map(|entry| entry.unwrap().path()));
        }
        configurations.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        configurations.sort();
        CaseFiles { cases, configurations, directory: tempfile::tempdir().unwrap() }
    }

    /// A configuration, damaged.
    pub fn configuration(&self, random: &mut Random, watch: &Watch) {
        let original = &self.configurations[random.below(self.configurations.len() as u64) as usize];
        let bytes = mutate::bytes(&fs::read(original).unwrap(), random);
        watch.works_on(&String::from_utf8_lossy(&bytes));
        let path = self.directory.path().join("gateway.toml");
        fs::write(&path, bytes).unwrap();
        let _ = tidemill::config::load(&[path], &Environment::of_process());
    }

    /// A case with some of its files damaged: read, and run as far as it goes.
    pub fn mutated(&self, random: &mut Random, watch: &Watch) {
        let case = &self.cases[random.below(self.cases.len() as u64) as usize];
        let target = self.directory.path().join("case");
        let _ = fs::remove_dir_all(&target);
        let mut files = Vec::new();
        copy(case, &target, &mut files);
        for _ in 0..=random.below(2) {
            let file = &files[random.below(files.len() as u64) as usize];
            let bytes = mutate::bytes(&fs::read(file).unwrap(), random);
            watch.works_on(&format!("{}\n{}", file.display(), String::from_utf8_lossy(&bytes)));
            fs::write(file, bytes).unwrap();
        }
        if let Ok(case) = QueryCase::read(&target, &[]) {
            check(&case, &RunOptions { restart: random.below(2) == 0, split_rows: (random.below(2) == 0).then_some(3) });
        }
        let _ = tidemill::config::load(&[target.join("case.toml")], &Environment::of_process());
    }
}

fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, files);
        } else {
            fs::copy(&path, &target).unwrap();
            files.push(target);
        }
    }
}

/// Compressed files through a whole query, damaged.
fn packed(plain: &[u8], random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => plain.to_vec(),
        1 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        _ => ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest),
    }
}

pub fn compressed(random: &mut Random, watch: &Watch) {
    let csv = random.below(2) == 0;
    let mut plain = mutate::pick(if csv { CSVS } else { PAYLOADS }, random).as_bytes().repeat(1 + random.below(40) as usize);
    if random.below(2) == 0 {
        plain = mutate::bytes(&plain, random);
    }
    let bytes = mutate::bytes(&packed(&plain, random), random);
    watch.works_on(&format!("{bytes:?}"));
    let Ok(columns) = parse_schema(mutate::pick(SCHEMAS, random)) else { return };
    let table = match csv {
        true => FileTable::csv("t", &columns, CsvSettings { header: CsvHeader::None, ..CsvSettings::default() }),
        false => FileTable::json("t", columns, TimestampUnit::Millis),
    };
    let catalog = Catalog { sources: std::slice::from_ref(&table.schema), ..Catalog::default() };
    let query = plan_query("q", "SELECT *, count(*) OVER (PARTITION BY device) AS n FROM t", OutputMode::Batch, &catalog);
    let files = [NamedFile { name: "t".to_owned(), input: Ok(&bytes[..]) }].into_iter();
    let format = [OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv][random.below(3) as usize];
    if let Ok(query) = query {
        let _ = run(vec![TableFiles { table, files }], query, Vec::new(), format, 7, &mut std::io::sink());
    }
}

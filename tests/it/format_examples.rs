//! Every example of docs/formats.md gives the rows, or the error, that stands beside it.
//!
//! A toml block is the source's configuration for the tables that follow it; `\n` in a payload is a line end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidemill::config::{Environment, Files};
use tidemill::format::{Decoder, Message, OpenTable, encode_row};
use tidemill::types::Field;

const DOCUMENT: &str = include_str!("../../docs/formats.md");

struct Example {
    line: usize,
    settings: String,
    payload: Vec<u8>,
    expected: String,
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

fn payload(cell: &str) -> Option<Vec<u8>> {
    if let Some(hex) = cell.strip_prefix("hex ") {
        let digits: String = code(hex)?.split_whitespace().collect();
        return (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect();
    }
    Some(code(cell)?.replace("\\n", "\n").into_bytes())
}

fn examples() -> Vec<Example> {
    let (mut found, mut settings, mut in_block, mut in_table) = (Vec::new(), String::new(), false, false);
    for (index, line) in DOCUMENT.lines().enumerate() {
        match line {
            "```toml" => (settings, in_block) = (String::new(), true),
            "```" => in_block = false,
            _ if in_block => settings.extend([line, "\n"]),
            "| payload | rows |" => in_table = true,
            _ if !line.starts_with('|') => in_table = false,
            _ if in_table && !line.starts_with("|---") => {
                let cells = line.trim_matches('|').trim().rsplit_once(" | ");
                let (left, right) = cells.unwrap_or_else(|| panic!("docs/formats.md:{}: two cells", index + 1));
                let payload = payload(left.trim()).unwrap_or_else(|| panic!("docs/formats.md:{}: a payload in backticks", index + 1));
                let expected = code(right.trim()).unwrap_or(right.trim()).to_owned();
                found.push(Example { line: index + 1, settings: settings.clone(), payload, expected });
            }
            _ => {}
        }
    }
    found
}

/// The rows as JSON, or what is wrong.
fn outcome(example: &Example) -> Result<String, String> {
    let text = format!(
        "[source.s]\ntype = \"mqtt\"\nbroker = \"mqtt://localhost\"\ntopics = [\"t\"]\n{}[query.q]\nsql = \"SELECT * FROM s\"\n\
         [sink.o]\ntype = \"stdout\"\nfrom = [\"q\"]\n[gateway]\nid = \"pi\"\n",
        example.settings
    );
    let files = Files::Memory(BTreeMap::from([(PathBuf::from("a"), text.into_bytes())]));
    let environment =
        Environment { host_name: "pi".to_owned(), machine_id: None, variables: BTreeMap::new(), files, extensions: Default::default() };
    let config =
        tidemill::config::load(&[Path::new("a").to_path_buf()], &environment).map_err(|error| format!("configuration: {error}"))?;
    let settings = &config.sources[0].decode;
    let visible: Vec<bool> = settings.columns.iter().map(|column| !column.name.starts_with('_')).collect();
    let mut decoder = Decoder::new(settings, &visible, 7).map_err(|error| error.to_string())?;
    let mut open = OpenTable::new(settings, &visible);
    let message = Message { topic: "t", place: None, payload: &example.payload, arrived_us: 0, retained: false };
    decoder.decode(&message, &mut open).map_err(|bad| bad.to_string())?;
    let table = open.take();
    let shown = settings.columns.iter().zip(&visible).filter(|(_, visible)| **visible);
    let fields: Vec<Field> = shown.map(|(column, _)| Field::new(column.name.clone(), column.data_type.clone())).collect();
    let rows = (0..table.rows).map(|row| {
        let mut out = Vec::new();
        encode_row(&fields, &table, row, &mut out);
        String::from_utf8(out).unwrap()
    });
    Ok(rows.collect::<Vec<_>>().join(" "))
}

#[test]
fn formats_read_what_the_document_says() {
    let examples = examples();
    let mut wrong = Vec::new();
    for example in &examples {
        let line = example.line;
        match (outcome(example), example.expected.strip_prefix("error: ")) {
            (Ok(rows), None) if rows == example.expected => {}
            (Err(reason), Some(expected)) if reason.starts_with(expected) => {}
            (Ok(rows), _) => wrong.push(format!("docs/formats.md:{line}: gives {rows}")),
            (Err(reason), _) => wrong.push(format!("docs/formats.md:{line}: fails: {reason}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} examples:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
    assert!(examples.len() > 50, "only {} examples were found", examples.len());
}

//! The test that holds `docs/configuration.md` to the keys that are read, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::assemble;
use super::document::read_files;
use super::environment::{Environment, Files};
use super::reader::Context;

const DOCUMENT: &str = include_str!("../../docs/configuration.md");

/// One table of each kind there is.
const EVERY_KIND: &str = r#"
[gateway]
[source.a]
type = "mqtt"
[source.csv]
type = "mqtt"
format = "csv"
[source.text]
type = "mqtt"
format = "text"
[source.key_value]
type = "mqtt"
format = "key_value"
[source.binary]
type = "mqtt"
format = "binary"
layout = [{ type = "u8", bits = [{ name = "a", bit = 0 }] }, { name = "b", count = 1, fields = [{ name = "c", type = "u8" }] }, { skip = 1 }]
[source.enclosed]
type = "mqtt"
layout_in = "frame"
layout = [{ name = "a", type = "u8" }]
[source.line_protocol]
type = "mqtt"
format = "line_protocol"
[source.files]
type = "file"
[source.delimiter]
type = "stdin"
framing = { type = "delimiter" }
checksum = {}
[source.serial]
type = "serial"
usb = {}
[source.custom]
type = "custom"
receiver = "a"
options = {}
format = "custom"
decoder = "a"
decoder_options = {}
[source.tcp]
type = "tcp"
[source.udp]
type = "udp"
[source.line]
type = "stdin"
framing = { type = "line" }
[source.fixed]
type = "stdin"
framing = { type = "fixed" }
[source.length]
type = "stdin"
framing = { type = "length", width = 1 }
[table.a]
[query.a]
emit_every = "1s"
state = {}
[function.a]
[sink.mqtt]
type = "mqtt"
outbox = {}
[sink.file]
type = "file"
rotate = {}
[sink.stdout]
type = "stdout"
"#;

/// Every key that is read, as `source.*.topics`.
fn known_keys() -> BTreeSet<String> {
    let files = Files::Memory(BTreeMap::from([(PathBuf::from("a"), EVERY_KIND.as_bytes().to_vec())]));
    let environment =
        Environment { host_name: "pi".to_owned(), machine_id: None, variables: BTreeMap::new(), files, extensions: Default::default() };
    let mut context = Context::new(&environment);
    let merged = read_files(&mut context, &[PathBuf::from("a")]);
    assert!(!context.has_errors());
    assemble(&mut context, &merged);
    context.known_keys
}

/// Every key in the first column of a table, by the heading above it.
fn documented_keys() -> BTreeSet<String> {
    let kinds = [
        ("## `[gateway]`", "gateway"),
        ("## `[source.<name>]`", "source.*"),
        ("### Files", "source.*"),
        ("### `framing`", "source.*.framing"),
        ("### Serial ports", "source.*"),
        ("### Sockets", "source.*"),
        ("#### `usb`", "source.*.usb"),
        ("### `checksum`", "source.*.checksum"),
        ("### `layout`", "source.*.layout"),
        ("### `bits`", "source.*.layout.bits"),
        ("## `[table.<name>]`", "table.*"),
        ("## `[query.<name>]`", "query.*"),
        ("## `[function.<name>]`", "function.*"),
        ("### `state`", "query.*.state"),
        ("## `[sink.<name>]`", "sink.*"),
        ("### `outbox`", "sink.*.outbox"),
        ("### `rotate`", "sink.*.rotate"),
    ];
    let mut kind = None;
    let mut keys = BTreeSet::new();
    for line in DOCUMENT.lines() {
        if line.starts_with('#') && line.contains("# ") {
            kind = kinds.iter().find(|(heading, _)| *heading == line).map(|(_, kind)| *kind);
        }
        if let (Some(kind), Some(row)) = (kind, line.strip_prefix("| `")) {
            let (key, cells) = row.split_once("` |").unwrap();
            assert_eq!(cells.matches(" |").count(), 3, "`{key}` has type, default and meaning");
            keys.insert(format!("{kind}.{key}"));
        }
    }
    keys
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_read() {
    let known = known_keys();
    let sections = ["gateway", "source", "table", "query", "function", "sink"].map(str::to_owned);
    let known: BTreeSet<String> = known.difference(&BTreeSet::from(sections)).cloned().collect();
    assert!(known.len() > 40);
    let documented = documented_keys();
    assert_eq!(known.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "not documented");
    assert_eq!(documented.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "documented, but not read");
}

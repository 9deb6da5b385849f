//! Configurations and what is said about them: wrong ones with the exact text, merged ones, secrets, the files that ship, the documentation.
//!
//! `tests/config/<case>.toml` is a wrong configuration, `<case>.txt` what is shown for it; `<case>.2.toml`, where present, is merged over it.
//! `TIDEMILL_BLESS=1` writes the `.txt` files anew: look at the difference before it is committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidemill::config::{ConfigErrors, Environment, Files, Settings, load};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A machine with a few variables and files, the same everywhere.
fn environment(configs: &[(&str, &str)]) -> Environment {
    let variables = [("BROKER", "mqtt://10.1.2.3"), ("SITE", "north"), ("CREDENTIALS_DIRECTORY", "/run/credentials/tidemill")];
    let files = [
        ("/run/credentials/tidemill/password", "geheim\n"),
        ("devices.csv", "device,room,high\nkitchen,ground floor,24.5\n"),
        ("/etc/short.csv", "device;room\nkitchen\n"),
        ("/etc/header.csv", "sensor,room\n"),
        ("/etc/values.jsonl", "{\"device\":\"a\",\"high\":1}\n{\"device\":\"b\",\"high\":\"hot\"}\n"),
        ("/etc/nothing.json", ""),
        ("/etc/long.csv", "device\na\nb\nc\n"),
        ("/etc/broken-ca.pem", "no certificate here\n"),
        ("/etc/query.sql", "SELECT *\nFROM nowhere\n"),
        ("/etc/broken.rhai", "fn update(key, state, rows, now) {\n    state = rows[0\n}\n"),
        ("/etc/states.jsonl", "{\"device\":\"a\",\"state\":{\"n\":1}}\n\n{\"device\":7,\"state\":1}\n"),
    ];
    let files = files.iter().chain(configs).map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect();
    Environment {
        host_name: "raspberrypi".to_owned(),
        machine_id: Some("0a1b2c3d4e5f60718293a4b5c6d7e8f9".to_owned()),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        files: Files::Memory(files),
        extensions: Default::default(),
    }
}

fn load_texts(texts: &[&str]) -> Result<Settings, ConfigErrors> {
    let names: Vec<String> =
        (1..=texts.len()).map(|number| if number == 1 { "gateway.toml".to_owned() } else { format!("gateway.{number}.toml") }).collect();
    let configs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().copied()).collect();
    let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    load(&paths, &environment(&configs))
}

/// A configuration with nothing but what is needed, to be completed.
fn minimal(gateway: &str, source: &str, query: &str, sink: &str) -> String {
    format!(
        r#"
[gateway]
{gateway}
[source.readings]
type = "mqtt"
broker = "mqtt://localhost"
topics = ["sensors/{{device}}/climate"]
schema = "ts TIMESTAMP, temperature DOUBLE"
{source}
[query.climate]
sql = "SELECT * FROM readings"
{query}
[sink.central]
type = "stdout"
from = ["climate"]
{sink}
"#
    )
}

pub fn good(texts: &[&str]) -> Settings {
    load_texts(texts).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn wrong_configurations_say_what_where_and_what_to_do() {
    let directory = root().join("tests/config");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending == "toml") && !path.to_str().unwrap().ends_with(".2.toml"));
    cases.sort();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let mut different = Vec::new();
    for case in &cases {
        let mut texts = vec![std::fs::read_to_string(case).unwrap()];
        texts.extend(std::fs::read_to_string(case.with_extension("2.toml")));
        let errors = load_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>()).err();
        let shown = format!("{}\n", errors.unwrap_or_else(|| panic!("{} was accepted", case.display())));
        let expected_file = case.with_extension("txt");
        if std::env::var_os("TIDEMILL_BLESS").is_some() {
            std::fs::write(&expected_file, &shown).unwrap();
        }
        if std::fs::read_to_string(&expected_file).unwrap_or_default() != shown {
            different.push(format!("{}:\n{shown}", case.file_name().unwrap().display()));
        }
    }
    assert!(different.is_empty(), "shown otherwise than in the .txt file:\n{}", different.join("\n"));
}

#[test]
fn defaults_are_filled_in() {
    use tidemill::config::settings::{SinkKind, SourceKind, WhenFull};
    use tidemill::mqtt::Protocol;
    let text = minimal("", "", "", "").replace("\"stdout\"", "\"mqtt\"\nbroker = \"mqtts://c\"\ntopic = \"g/{gateway}/{sink}/{device}\"");
    let settings = good(&[&text]);
    assert_eq!(settings.gateway.id, "raspberrypi-0a1b2c");
    assert_eq!(settings.gateway.data_dir, Path::new("/var/lib/tidemill"));
    assert_eq!(settings.gateway.store_bytes_max, 256_000_000 + 64_000_000 + 256_000_000);
    let SourceKind::Mqtt(source) = &settings.sources[0].kind else { panic!("not MQTT") };
    assert_eq!((source.broker.host.as_str(), source.broker.port, source.broker.protocol), ("localhost", 1883, Protocol::V5));
    assert_eq!(
        (source.broker.client_id.as_str(), source.qos, settings.sources[0].payload_bytes_max),
        ("raspberrypi-0a1b2c-readings", 1, 256 << 10)
    );
    assert_eq!(source.filters, ["sensors/+/climate"]);
    let SinkKind::Mqtt(sink) = &settings.sinks[0].kind else { panic!("not MQTT") };
    assert_eq!((sink.broker.port, sink.broker.tls.is_some(), sink.broker.session_expiry.as_secs()), (8883, true, 0));
    assert_eq!(sink.broker.client_id, "raspberrypi-0a1b2c-central");
    assert_eq!(settings.sinks[0].queries, [0]);
    assert_eq!(settings.sinks[0].outbox.when_full, WhenFull::DropOldest);
    let columns: Vec<(&str, bool)> =
        settings.program.sources[0].columns.iter().map(|column| (column.field.name.as_str(), column.hidden)).collect();
    assert_eq!(
        columns,
        [
            ("ts", false),
            ("temperature", false),
            ("device", false),
            ("_topic", true),
            ("_source", true),
            ("_arrived", true),
            ("_retained", true)
        ]
    );
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn event_time_is_a_column_or_the_arrival() {
    let times = |source: &str| {
        let settings = good(&[&minimal("", source, "", "")]);
        let time = settings.program.sources[0].event_time.unwrap();
        (time.column, time.delay_us, settings.sources[0].decode.event_time)
    };
    assert_eq!(times(""), (5, Some(0), None));
    assert_eq!(times("watermark = \"2s\""), (5, Some(2_000_000), None));
    assert_eq!(times("event_time = \"_arrived\"\nwatermark = \"2s\""), (5, Some(2_000_000), None));
    assert_eq!(times("event_time = \"ts\"\nwatermark = \"10 seconds\""), (0, Some(10_000_000), Some(0)));
    assert_eq!(times("event_time = \"ts\""), (0, None, Some(0)));
}

#[test]
fn later_files_win_and_tables_merge() {
    let base = minimal("id = \"a\"\nbatch_interval = \"1s\"", "qos = 0", "", "outbox = { max_age = \"1 day\", max_bytes = \"1 MB\" }");
    let over = "gateway.id = \"b\"\nsource.readings.topics = [\"x/{device}\"]\nsink.central.outbox.max_age = \"2 days\"\n[source.more]\ntype = \"mqtt\"\nbroker = \"h\"\ntopics = [\"y\"]\nschema = \"v DOUBLE\"";
    let settings = good(&[&base, over]);
    assert_eq!(settings.gateway.id, "b");
    assert_eq!(settings.gateway.batch_interval.as_millis(), 1000);
    let names: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["readings", "more"]);
    let tidemill::config::settings::SourceKind::Mqtt(source) = &settings.sources[0].kind else { panic!("not MQTT") };
    assert_eq!((source.qos, source.filters.as_slice()), (0, ["x/+".to_owned()].as_slice()));
    let outbox = &settings.sinks[0].outbox;
    assert_eq!((outbox.age_max.as_secs(), outbox.bytes_max), (172_800, 1_000_000));
}

#[test]
fn variables_and_secrets_come_from_outside() {
    let source = "client_id = \"${SITE}-${NOPE:-x}\"\nusername = \"u\"\npassword = \"file:${CREDENTIALS_DIRECTORY}/password\"";
    let settings = good(&[&minimal("", source, "", "").replace("mqtt://localhost", "${BROKER}:1884")]);
    let tidemill::config::settings::SourceKind::Mqtt(source) = &settings.sources[0].kind else { panic!("not MQTT") };
    assert_eq!((source.broker.host.as_str(), source.broker.port, source.broker.client_id.as_str()), ("10.1.2.3", 1884, "north-x"));
    assert_eq!(source.broker.password.as_ref().unwrap().0, "geheim");
    assert!(!format!("{settings:?}").contains("geheim"));
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].starts_with("warning: the password goes to 10.1.2.3 unencrypted\n"), "{}", settings.warnings[0]);
}

#[test]
fn relative_paths_begin_at_their_file() {
    let text = minimal("data_dir = \"data\"", "", "", "").replace("\"stdout\"", "\"file\"\npath = \"out/x.jsonl\"");
    let file = PathBuf::from("/etc/tidemill/gateway.toml");
    let settings = load(std::slice::from_ref(&file), &environment(&[("/etc/tidemill/gateway.toml", &text)])).unwrap();
    assert_eq!(settings.gateway.data_dir, Path::new("/etc/tidemill/data"));
    let tidemill::config::settings::SinkKind::File { path, .. } = &settings.sinks[0].kind else { panic!("not a file") };
    assert_eq!(path, Path::new("/etc/tidemill/out/x.jsonl"));
}

#[test]
fn queries_stand_after_those_they_read() {
    let text =
        minimal("", "", "", "").replace("[sink", "[query.a]\nsql = \"SELECT * FROM b\"\n[query.b]\nsql = \"SELECT * FROM climate\"\n[sink");
    let settings = good(&[&text.replace("[\"climate\"]", "[\"a\"]")]);
    let names: Vec<&str> = settings.queries.iter().map(|query| query.name.as_str()).collect();
    assert_eq!(names, ["climate", "b", "a"]);
    assert_eq!(settings.sinks[0].queries, [2]);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn what_nobody_takes_is_warned_about() {
    let more = "[query.idle]\nsql = \"SELECT * FROM readings\"\n[source.unread]\ntype = \"mqtt\"\nbroker = \"h\"\ntopics = [\"y\"]\nschema = \"v DOUBLE\"";
    let warnings = good(&[&minimal("", "", "", ""), more]).warnings;
    let first_lines: Vec<&str> = warnings.iter().filter_map(|warning| warning.lines().next()).collect();
    assert_eq!(first_lines, ["warning: no sink and no query takes the results of `idle`", "warning: no query reads the source `unread`"]);
}

#[test]
fn hostile_files_are_refused_in_bounded_time() {
    let deep = format!("x = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let dotted = format!("{} = 1", vec!["a"; 100_000].join("."));
    let many_errors = "x\n".repeat(200_000);
    let errors_in_a_line = "= ".repeat(300_000);
    let many_keys: String = (0..50_000).map(|number| format!("k{number} = 1\n")).collect();
    let large = "#".repeat(2 << 20);
    for text in [&deep, &dotted, &many_errors, &errors_in_a_line, &many_keys, &large, "\u{0}", "\u{feff}[gateway", "[[source]]\n[source.x]"]
    {
        let errors = load_texts(&[text]).unwrap_err();
        assert!(errors.count() > 0);
        assert!(errors.to_string().len() < 100_000);
    }
    let not_text = Files::Memory(BTreeMap::from([(PathBuf::from("a"), vec![0xff, 0xfe])]));
    let errors = load(&[PathBuf::from("a")], &Environment { files: not_text, ..environment(&[]) }).unwrap_err();
    assert!(errors.to_string().starts_with("error: cannot read a: byte 0 is not UTF-8\n"), "{errors}");
}

/// Pieces of configurations, put together at random, are more likely to reach the checks than random text is.
fn fragments() -> Vec<&'static str> {
    vec![
        "[gateway]\n",
        "[source.readings]\n",
        "[source.b]\n",
        "[query.climate]\n",
        "[sink.central]\n",
        "type = \"mqtt\"\n",
        "type = 5\n",
        "broker = \"mqtt://[::1\"\n",
        "broker = \"h:1\"\n",
        "topics = [\"a/{b}\"]\n",
        "topics = [\"a/#\", \"a/{b}\"]\n",
        "topics = []\n",
        "topics = [1]\n",
        "schema = \"ts TIMESTAMP\"\n",
        "schema = \"ts TIMESTAMP, , \"\n",
        "schema = '''\nä ${X} DOUBLE'''\n",
        "sql = \"SELECT * FROM readings\"\n",
        "sql = \"SELECT \\u00e4 FROM climate\"\n",
        "sql_file = \"/etc/query.sql\"\n",
        "from = [\"climate\"]\n",
        "topic = \"{device}/{\"\n",
        "topic = \"x/{ts}\"\n",
        "event_time = \"ts\"\n",
        "watermark = \"10 s\"\n",
        "watermark = \"-1\"\n",
        "qos = 2\n",
        "qos = 99999999999999999999\n",
        "outbox = { max_bytes = \"1 MB\" }\n",
        "password = \"file:/x\"\n",
        "id = \"${SITE}\"\n",
        "id = \"${\"\n",
        "data_dir = \"\"\n",
        "x = 1979-05-27\n",
        "y = [[[{}]]]\n",
        "mode = \"update\"\n",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", lines in proptest::collection::vec("[a-z.\\[\\]=\"'{} #\\\\$0-9\n]{0,40}", 0..8)) {
        if let Err(errors) = load_texts(&[&text, &lines.join("\n")]) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }

    #[test]
    fn no_mixture_of_sections_makes_it_panic(
        parts in proptest::collection::vec(proptest::sample::select(fragments()), 0..30),
        cut in 0usize..2000,
    ) {
        let text: String = parts.concat();
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        for text in [&text[..], &text[..cut]] {
            if let Err(errors) = load_texts(&[&minimal("", "", "", ""), text]) {
                prop_assert!(errors.count() > 0);
                prop_assert!(!errors.to_string().is_empty());
            }
        }
    }
}

//! Every operator that holds something, driven over its limits: it holds no more, goes on with what it holds, and the status says what was refused.
//!
//! One row per operator below. A new operator that keeps state belongs into the table.

use std::sync::Arc;

use super::*;
use crate::batch::{ROWS_MAX, TableVersion};
use crate::engine::OperatorStatus;
use crate::plan::{Relation, StateFunction, Timeout};

/// An operator, a query in which it is the only one of its kind, and what its limits count.
struct Bounded {
    operator: &'static str,
    mode: OutputMode,
    text: &'static str,
    keys: Keys,
}

/// What a key is, in the sense of `keys_max`.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    /// A key is a group.
    Groups,
    /// A key is a row of one of two sides, each of which has the limit.
    RowsOfSides,
    /// A key is a row; their number has a limit of its own.
    Rows,
}

const OPERATORS: &[Bounded] = &[
    Bounded {
        operator: "GROUP BY",
        mode: OutputMode::Update,
        text: "SELECT device, count(*) AS n FROM readings GROUP BY device",
        keys: Keys::Groups,
    },
    Bounded {
        operator: "GROUP BY",
        mode: OutputMode::Append,
        text: "SELECT device, max(device) AS n FROM readings GROUP BY device, window(ts, '20 seconds', '3 seconds')",
        keys: Keys::Groups,
    },
    Bounded {
        operator: "GROUP BY",
        mode: OutputMode::Complete,
        text: "SELECT device, collect_list(device) AS l FROM readings GROUP BY device",
        keys: Keys::Groups,
    },
    Bounded { operator: "GROUP BY", mode: OutputMode::Batch, text: "SELECT DISTINCT device FROM readings", keys: Keys::Groups },
    Bounded {
        operator: "GROUP BY",
        mode: OutputMode::Append,
        text: "SELECT device, count(*) AS n FROM readings GROUP BY device, session_window(ts, '5 seconds')",
        keys: Keys::Groups,
    },
    Bounded {
        operator: "GROUP BY",
        mode: OutputMode::Append,
        text: "SELECT device, count(*) AS n FROM readings GROUP BY device, count_window(1000)",
        keys: Keys::Groups,
    },
    Bounded {
        operator: "GROUP BY",
        mode: OutputMode::Append,
        text: "SELECT device, count(*) AS n FROM readings GROUP BY device, state_window(number >= 0, number < 0)",
        keys: Keys::Groups,
    },
    Bounded {
        operator: "OVER",
        mode: OutputMode::Append,
        text: "SELECT device, lag(device) OVER (PARTITION BY device ORDER BY ts) AS l FROM readings",
        keys: Keys::Groups,
    },
    Bounded {
        operator: "OVER",
        mode: OutputMode::Batch,
        text: "SELECT device, row_number() OVER (PARTITION BY device ORDER BY ts) AS l FROM readings",
        keys: Keys::Rows,
    },
    Bounded {
        operator: "ORDER BY",
        mode: OutputMode::Batch,
        text: "SELECT device, array(device) AS d FROM readings ORDER BY device",
        keys: Keys::Rows,
    },
    Bounded {
        operator: "JOIN",
        mode: OutputMode::Append,
        text: "SELECT r.device, a.device AS other FROM readings r JOIN arrivals a ON r.device = a.device AND r.ts BETWEEN a._arrived - INTERVAL 1 MINUTE AND a._arrived + INTERVAL 1 MINUTE",
        keys: Keys::RowsOfSides,
    },
    Bounded {
        operator: "JOIN",
        mode: OutputMode::Batch,
        text: "SELECT r.device, a.device AS other FROM readings r JOIN arrivals a ON r.device = a.device",
        keys: Keys::Rows,
    },
    Bounded {
        operator: "JOIN",
        mode: OutputMode::Append,
        text: "SELECT r.device, room FROM readings r JOIN rooms ON r.device = rooms.device",
        keys: Keys::Rows,
    },
    Bounded { operator: "DEDUP", mode: OutputMode::Append, text: "SELECT device, ts FROM readings", keys: Keys::Groups },
    Bounded { operator: "state function", mode: OutputMode::Append, text: "SELECT device, ts FROM readings", keys: Keys::Groups },
];

const DEVICES: usize = 200;

const NOTES: &str = "fn update(key, state, rows, now) { state = key; }";

fn device(number: usize) -> &'static str {
    Box::leak(format!("device-{number:0>80}").into_boxed_str())
}

fn rooms() -> TableSchema {
    let column = |name: &str| TableColumn { field: Field::new(name, DataType::String), hidden: false };
    TableSchema { name: "rooms".into(), columns: vec![column("device"), column("room")], event_time: None }
}

fn rooms_version() -> TableVersion {
    let mut builders: Vec<ColumnBuilder> = (0..2).map(|_| ColumnBuilder::new(&DataType::String, 0)).collect();
    for number in 0..DEVICES {
        builders.iter_mut().for_each(|builder| builder.push_text(device(number)));
    }
    let columns = builders.into_iter().map(|builder| Some(builder.finish())).collect();
    TableVersion { table: 0, rows: Arc::new(Table { rows: DEVICES, columns }) }
}

fn program_of(bounded: &Bounded) -> Program {
    let (sources, tables) = (sources(), vec![rooms()]);
    let dedup = if bounded.operator == "DEDUP" { vec![vec![1]] } else { Vec::new() };
    let catalog = Catalog { sources: &sources, tables: &tables, dedup: &dedup, ..Catalog::default() };
    let mut query = plan_query("q", bounded.text, bounded.mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(bounded.text)));
    if bounded.operator == "state function" {
        query.output = vec![Field::new("x", DataType::String)];
        query.root = Relation::StateFunction(StateFunction {
            input: Box::new(query.root.clone()),
            keys: vec![0],
            script: NOTES.into(),
            function: "update".to_owned(),
            timeout: Timeout::None,
            output: query.output.clone(),
            initial: Vec::new(),
        });
    }
    Program { sources, tables, queries: vec![query], ..Program::default() }
}

/// Runs the query over two rows of each device, in several batches; returns the engine and what was rejected.
fn driven(bounded: &Bounded, settings: EngineSettings) -> (Engine, Vec<String>) {
    let mut engine = Engine::new(&program_of(bounded), settings).unwrap_or_else(|error| panic!("{}: {error}", bounded.text));
    let mut reasons = Vec::new();
    for half in 0..2i32 {
        for ten in 0..DEVICES / 10 {
            let rows: Vec<Reading> = (0..10).map(|one| reading(100.0 + f64::from(half), device(10 * ten + one), 1.0)).collect();
            let tables = if half == 0 && ten == 0 { vec![rooms_version()] } else { Vec::new() };
            let mut batch = Batch { tables, ..batch(&rows, 0) };
            batch.inputs.iter_mut().for_each(|input| input.idle = false);
            reasons.extend(engine.step(&batch).rejects.into_iter().map(|reject| reject.reason));
        }
    }
    (engine, reasons)
}

/// The status of the one operator that is meant, after checking what holds for all.
fn checked(bounded: &Bounded, engine: &Engine, reasons: &[String], limit: &str) -> OperatorStatus {
    let status = engine.status().remove(0);
    let operator = status.operators.iter().find(|operator| operator.operator == bounded.operator).cloned();
    let operator = operator.unwrap_or_else(|| panic!("{}: no {} among {:?}", bounded.text, bounded.operator, status.operators));
    let OperatorStatus { keys, keys_max, bytes, bytes_max, rejected, evicted, .. } = operator;
    assert!(keys <= keys_max && bytes <= bytes_max, "{}: {operator:?}", bounded.text);
    assert!(keys > 0 && bytes > 0, "{}: {operator:?}", bounded.text);
    assert_eq!(evicted, 0, "{}: nothing is let go", bounded.text);
    let told = reasons.iter().filter(|reason| reason.contains(limit)).count() as u64;
    assert_eq!(rejected, told, "{}: what is refused is counted and told: {:?}", bounded.text, reasons.first());
    operator
}

#[test]
fn no_operator_holds_more_keys_than_it_may() {
    for bounded in OPERATORS.iter().filter(|bounded| bounded.keys != Keys::Rows) {
        let (engine, reasons) = driven(bounded, EngineSettings { keys_max: 7, ..settings() });
        let operator = checked(bounded, &engine, &reasons, "7");
        let expected = if bounded.keys == Keys::RowsOfSides { 14 } else { 7 };
        assert_eq!((operator.keys, operator.keys_max), (expected, expected), "{}", bounded.text);
        assert!(operator.rejected >= 2 * (DEVICES as u64 - 7), "{}: {operator:?}", bounded.text);
    }
}

#[test]
fn no_operator_holds_more_bytes_than_it_may() {
    for bounded in OPERATORS {
        let (engine, reasons) = driven(bounded, EngineSettings { state_bytes_max: 9_000, ..settings() });
        // Each side of a join of streams has half of it.
        let limit = if bounded.keys == Keys::RowsOfSides { "4500" } else { "9000" };
        let operator = checked(bounded, &engine, &reasons, limit);
        assert!(operator.rejected > 0, "{}: {operator:?}", bounded.text);
        assert!([9_000, 18_000].contains(&operator.bytes_max), "{}: {operator:?}", bounded.text);
        if bounded.keys == Keys::Rows {
            assert_eq!(operator.keys_max, ROWS_MAX, "{}", bounded.text);
        }
    }
}

#[test]
fn nothing_is_refused_where_there_is_room() {
    for bounded in OPERATORS {
        let (engine, reasons) = driven(bounded, settings());
        assert_eq!((checked(bounded, &engine, &reasons, "").rejected, reasons.len()), (0, 0), "{}", bounded.text);
    }
}

//! Reloads: a query that stays the same keeps its state in memory, and gives the rows and stores the bytes that it would after a restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::batching::{COUNTING, DEVICES, Fed, QUERIES, UPDATES, WITHOUT_REPEATS, rows, run_script};
use super::joins::{META, meta, meta_columns};
use super::restart::{SILENCE, Store, apply, entries};
use super::*;
use crate::batch::{Column, DictColumn, Dictionary, TableVersion, Values};
use crate::engine::{RestoreError, StateLimits};
use crate::plan::Timeout;

/// A query, and what is around it.
#[derive(Clone, Copy)]
enum Around {
    Nothing,
    /// Its source drops repeats.
    Dedup,
    Script(&'static str, Timeout),
}

fn pool() -> Vec<(OutputMode, &'static str, Around)> {
    let plain = QUERIES.iter().map(|(_, text)| (OutputMode::Append, *text, Around::Nothing));
    let updates = UPDATES.iter().map(|(mode, text)| (*mode, *text, Around::Nothing));
    let dedup = WITHOUT_REPEATS.iter().map(|text| (OutputMode::Append, *text, Around::Dedup));
    let scripts = [(COUNTING, Timeout::None), (SILENCE, Timeout::EventTime)];
    let scripts = scripts.map(|(script, timeout)| (OutputMode::Append, "SELECT device, ts FROM l", Around::Script(script, timeout)));
    plain.chain(updates).chain(dedup).chain(scripts).collect()
}

/// What a configuration makes of the pool.
#[derive(Clone, Debug, Default)]
struct Arrangement {
    /// Which query stands first.
    first: usize,
    /// One in so many is missing, has another's text, other limits, another `emit_every`; 0: none.
    missing: usize,
    swapped: usize,
    limited: usize,
    paced: usize,
    /// The order of the sources: `l` first, `r` first, or a third before both.
    sources: usize,
    /// A table stands before the one that is read.
    other_table: bool,
}

impl Arrangement {
    fn hits(&self, number: usize, one_in: usize) -> bool {
        one_in > 0 && (number + self.first).is_multiple_of(one_in)
    }
}

fn arrangement() -> impl Strategy<Value = Arrangement> {
    let one_in = || prop_oneof![Just(0usize), 3usize..12];
    (0usize..60, one_in(), one_in(), one_in(), one_in(), 0usize..3, any::<bool>()).prop_map(
        |(first, missing, swapped, limited, paced, sources, other_table)| Arrangement {
            first,
            missing,
            swapped,
            limited,
            paced,
            sources,
            other_table,
        },
    )
}

/// A configuration, with the numbers of `l`, `r` and `meta`.
struct Configured {
    program: Program,
    settings: EngineSettings,
    sides: [usize; 2],
    table: usize,
}

fn configured(arrangement: &Arrangement) -> Configured {
    let order: &[&str] = [&["l", "r"][..], &["r", "l"], &["x", "l", "r"]][arrangement.sources];
    let at = |name: &str| order.iter().position(|other| *other == name).unwrap();
    let event_time = Some(EventTime { column: 0, delay_us: Some(10 * SECOND) });
    let source = |name: &&str| TableSchema { name: (*name).into(), columns: columns(), event_time };
    let sources: Vec<TableSchema> = order.iter().map(source).collect();
    let table = |name: &str| TableSchema { name: name.into(), columns: meta_columns(), event_time: None };
    let tables = if arrangement.other_table { vec![table("other"), table("meta")] } else { vec![table("meta")] };
    let mut dedup = vec![Vec::new(); sources.len()];
    dedup[at("l")] = vec![1, 0];
    let mut settings = EngineSettings { idle_timeout_us: vec![5 * SECOND; sources.len()], ..settings() };
    let (pool, mut queries) = (pool(), Vec::new());
    for number in (0..pool.len()).map(|number| (number + arrangement.first) % pool.len()) {
        if arrangement.hits(number, arrangement.missing) {
            continue;
        }
        let other = usize::from(arrangement.hits(number, arrangement.swapped));
        let (mode, text, around) = pool[(number + other) % pool.len()];
        let dedup = if matches!(around, Around::Dedup) { &dedup[..] } else { &[] };
        let catalog = Catalog { sources: &sources, tables: &tables, dedup, ..Catalog::default() };
        let name = format!("q{number}");
        let mut query = plan_query(&name, text, mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
        if let Around::Script(script, timeout) = around {
            run_script(&mut query, script, timeout);
        }
        queries.push(query);
        if arrangement.hits(number, arrangement.limited) {
            settings.query_limits.insert(name.clone(), StateLimits { keys_max: 2, ..StateLimits::default() });
        }
        if arrangement.hits(number, arrangement.paced) {
            settings.emit_every_us.insert(name, 7 * SECOND);
        }
    }
    let (sides, table) = ([at("l"), at("r")], tables.len() - 1);
    Configured { program: Program { sources, tables, queries, ..Program::default() }, settings, sides, table }
}

/// An engine with what the store holds, less the state of `left_out`, and the keys of the state that fits no more.
fn started(configured: &Configured, store: &Store, left_out: &BTreeSet<String>) -> (Engine, BTreeSet<Vec<u8>>) {
    let entries = entries(store);
    let mut gone: BTreeSet<Vec<u8>> = BTreeSet::new();
    let moved: BTreeSet<Vec<u8>> = left_out.iter().flat_map(|query| Engine::discard(query, &entries)).collect();
    loop {
        let kept: Vec<_> = entries.iter().filter(|(key, _)| !gone.contains(key) && !moved.contains(key)).cloned().collect();
        let mut engine = Engine::new(&configured.program, configured.settings.clone()).unwrap();
        match engine.restore(&kept) {
            Ok(_) => return (engine, gone),
            Err(RestoreError::PlanChanged { query, .. }) => gone.extend(Engine::discard(&query, &entries)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The queries that are the same in `old`.
fn unchanged(configured: &Configured, old: &Engine) -> BTreeSet<String> {
    let old = old.own_identities();
    let now = Engine::identities(&configured.program, &configured.settings);
    now.into_iter().filter(|(name, identity)| old.get(name) == Some(identity)).map(|(name, _)| name).collect()
}

/// Rows as a decoder gives them that has met the devices in another order than the one before.
fn decoded(rows: &[Reading], life: usize) -> Table {
    let mut table = table(rows);
    let mut names: Vec<Arc<str>> = DEVICES.into_iter().flatten().chain(["end"]).map(Arc::from).collect();
    let count = names.len();
    names.rotate_left(life % count);
    let code = |row: &Reading| row.device.map_or(0, |device| names.iter().position(|name| **name == *device).unwrap() as u32);
    let codes = rows.iter().map(code).collect();
    let valid = table.columns[1].take().unwrap().valid;
    let values = Values::Dict(DictColumn { codes, dictionary: Dictionary { generation: 0, entries: Arc::new(names.clone()) } });
    table.columns[1] = Some(Column { values, valid });
    table
}

/// A batch of the `life`-th configuration, after so many of all.
fn fed(configured: &Configured, rows: &[Fed], life: usize, before: usize, tables: Vec<TableVersion>) -> Batch {
    let side = |side: usize| {
        let own: Vec<Reading> = rows.iter().filter(|(of, _)| *of == side).map(|(_, row)| row.clone()).collect();
        SourceInput { source: configured.sides[side], table: decoded(&own, life), idle: false }
    };
    let stamp = Stamp { wall_us: before as i64 * 3 * SECOND, mono_us: 0, synchronised: true };
    Batch { number: 1, stamp, inputs: vec![side(0), side(1)], tables, ..Batch::default() }
}

/// Goes from each configuration to the next by a reload, and beside it by a restart; how many queries kept their state in memory.
fn live_through(lives: &[Arrangement], rows: &[Fed]) -> Result<usize, TestCaseError> {
    let (mut store, mut running, mut moved, mut batches) = (Store::new(), None::<Engine>, 0, 0);
    let in_life = rows.len().div_ceil(lives.len());
    let last: Vec<Vec<Fed>> = [1000.0, 400_000.0].map(|seconds| (0..2).map(|side| (side, reading(seconds, "end", 0.0))).collect()).to_vec();
    for (life, arrangement) in lives.iter().enumerate() {
        let configured = configured(arrangement);
        let names = running.as_ref().map_or_else(BTreeSet::new, |old| unchanged(&configured, old));
        let (mut restarted, gone) = started(&configured, &store, &BTreeSet::new());
        let (mut reloaded, gone_too) = started(&configured, &store, &names);
        prop_assert_eq!(&gone, &gone_too);
        if let Some(old) = running.take() {
            reloaded.take_over(old, &names);
        }
        moved += names.len();
        gone.iter().for_each(|key| _ = store.remove(key));
        let own = rows.iter().skip(life * in_life).take(in_life).cloned().collect::<Vec<Fed>>();
        let mut tables = meta(&META);
        tables[0].table = configured.table;
        let ends = if life + 1 == lives.len() { &last[..] } else { &[] };
        for batch in own.chunks(6).chain(ends.iter().map(Vec::as_slice)) {
            let batch = fed(&configured, batch, life, batches, std::mem::take(&mut tables));
            batches += 1;
            let (expected, output) = (restarted.step(&batch), reloaded.step(&batch));
            for (index, query) in configured.program.queries.iter().enumerate() {
                prop_assert_eq!(shown_of(&output, index), shown_of(&expected, index), "{}: {}", query.name, query.text);
            }
            prop_assert_eq!(&output.state, &expected.state);
            prop_assert_eq!(format!("{:?}", output.rejects), format!("{:?}", expected.rejects));
            apply(&mut store, &output);
        }
        running = Some(reloaded);
    }
    Ok(moved)
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_reload_changes_nothing_that_a_restart_does_not(lives in prop::collection::vec(arrangement(), 2..5), rows in rows(39)) {
        live_through(&lives, &rows)?;
    }
}

fn plain_rows() -> Vec<Fed> {
    let row = |n: usize| (n % 2, Reading { device: DEVICES[n / 2 % 4], ..reading(10.0 + n as f64 / 2.0, "", (n % 9) as f64 - 1.0) });
    (0..60).map(row).collect()
}

#[test]
fn all_queries_move_however_sources_and_tables_are_numbered() {
    let lives: Vec<Arrangement> =
        (0..3).map(|sources| Arrangement { first: sources * 5, sources, other_table: sources > 0, ..Arrangement::default() }).collect();
    assert_eq!(live_through(&lives, &plain_rows()).unwrap(), 2 * pool().len());
}

#[test]
fn what_differs_is_another_query() {
    let before = configured(&Arrangement::default());
    let old = Engine::new(&before.program, before.settings.clone()).unwrap();
    let same = |change: &dyn Fn(&mut Configured)| {
        let mut after = configured(&Arrangement::default());
        change(&mut after);
        unchanged(&after, &old).contains("q14")
    };
    assert!(same(&|_| {}));
    assert!(same(&|after| after.settings.hash_seed += 1), "nothing that comes out depends on it");
    assert!(same(&|after| after.settings.idle_timeout_us = vec![SECOND; 2]), "watermarks read it anew");
    assert!(same(&|after| after.program.queries.retain(|query| query.name == "q14")));
    let query = |after: &mut Configured| after.program.queries.iter_mut().position(|query| query.name == "q14").unwrap();
    assert!(!same(&|after| after.program.queries.retain(|query| query.name != "q14")));
    assert!(!same(&|after| {
        let index = query(after);
        after.program.queries[index].text.push(' ');
    }));
    assert!(!same(&|after| {
        let index = query(after);
        after.program.queries[index].mode = OutputMode::Update;
    }));
    assert!(!same(&|after| after.settings.keys_max -= 1));
    assert!(!same(&|after| after.settings.state_bytes_max -= 1));
    assert!(
        !same(&|after| _ = after.settings.query_limits.insert("q14".to_owned(), StateLimits { keys_max: 1, ..StateLimits::default() }))
    );
    assert!(!same(&|after| _ = after.settings.emit_every_us.insert("q14".to_owned(), SECOND)));
    assert!(!same(&|after| after.program.sources[0].columns.truncate(4)));
    assert!(!same(&|after| after.program.sources[0].event_time = None));
    assert!(!same(&|after| after.program.sources[0].name.push('2')));
}

#[test]
fn batch_queries_do_not_move() {
    let program = program(&[("q", OutputMode::Batch, "SELECT count(*) AS n FROM readings")]);
    assert!(Engine::identities(&program, &settings()).is_empty());
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn state_that_moves_to_another_query_is_found() {
        is_found(Fault::BlindMove, a_reload_changes_nothing_that_a_restart_does_not);
    }

    #[test]
    fn codes_of_another_dictionary_are_found() {
        is_found(Fault::KeptCodes, a_reload_changes_nothing_that_a_restart_does_not);
    }
}

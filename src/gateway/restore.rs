//! From what the store holds to a running core.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Gateway;
use super::dead_letters::DeadLetters;
use super::handover::Hold;
use super::intake::Intake;
use super::outbox::{Cursor, Outbox};
use super::positions::Positions;
use super::redelivery::{Redelivery, StoredRedelivery};
use super::sinks::{SinkBooks, StoredSink};
use super::stream_time::StreamTime;
use super::tables::Tables;
use crate::batch::Stamp;
use crate::config::settings::{OnChange, OutboxSettings, QueryLimits, QuerySettings, Settings, SourceKind, WhenFull};
use crate::engine::{Engine, EngineSettings, RestoreError, StateLimits};
use crate::format::{Decoder, FormatError, OpenTable};
use crate::status::{DeadLetterStatus, QueryStatus};
use crate::store::{Loaded, LogName, SegmentMeta, codec, keys};
use crate::types::ordered::{map_of, set_of};

/// Schema version of the core's own records.
pub(super) const SCHEMA: u8 = 1;

/// Random numbers, drawn outside.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// Makes the epoch unlike that of another start with the same count: a restored card, two gateways by one name.
    pub epoch: u32,
    /// Of hash tables, against made collisions; a store keeps the one that it began with.
    pub hash: u64,
}

/// What is thrown away at a start, because somebody said so.
#[derive(Clone, Debug, Default)]
pub struct Discard {
    /// Queries that start with empty state.
    pub state: Vec<String>,
    /// Sinks that the configuration does not name any more, whose waiting results go.
    pub outboxes: Vec<String>,
}

/// Why the core can't start from this store and configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    #[error(
        "the results that wait for the sink `{0}` can't be discarded: the configuration names it, so they are delivered; remove the sink first"
    )]
    SinkInUse(String),
    #[error("the store's record {key} can't be read: {error}")]
    Record { key: String, error: codec::CodecError },
}

/// The count of starts, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredStart {
    pub count: u32,
    pub epoch: u64,
    pub hash_seed: u64,
}

/// The core's own records, sorted.
struct Records<'a> {
    loaded: &'a Loaded,
}

impl Records<'_> {
    fn get<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StartError> {
        let Ok(index) = self.loaded.entries.binary_search_by(|(entry, _)| entry.as_slice().cmp(key)) else { return Ok(None) };
        let decoded = codec::decode(SCHEMA, &self.loaded.entries[index].1);
        decoded.map(Some).map_err(|error| StartError::Record { key: String::from_utf8_lossy(key).into_owned(), error })
    }

    /// How far a source has read, by name.
    fn positions(&self, source: &str) -> BTreeMap<String, Vec<u8>> {
        let prefix = keys::position(source, "");
        let begin = self.loaded.entries.partition_point(|(key, _)| *key < prefix);
        let own = self.loaded.entries[begin..].iter().take_while(|(key, _)| key.starts_with(&prefix));
        own.filter_map(|(key, value)| match keys::parse(key)? {
            keys::Key::Position(_, name) => Some((name.to_owned(), value.clone())),
            _ => None,
        })
        .collect()
    }

    fn segments(&self, log: &LogName) -> Vec<SegmentMeta> {
        self.loaded.segments.iter().find(|(name, _)| name == log).map(|(_, segments)| segments.clone()).unwrap_or_default()
    }
}

impl Gateway {
    /// A core that goes on where `loaded` ends, less what `discard` names. Where `loaded` leaves out the state of queries, a held core must hand it on
    /// before the first event: [`Gateway::take_over`].
    pub fn start(settings: &Settings, loaded: &Loaded, seeds: Seeds, discard: &Discard, stamp: Stamp) -> Result<Gateway, StartError> {
        let records = Records { loaded };
        let last: Option<StoredStart> = records.get(&keys::meta("start"))?;
        let last = last.unwrap_or(StoredStart { count: 0, epoch: 0, hash_seed: seeds.hash });
        let hash_seed = last.hash_seed;
        let start_count = last.count.wrapping_add(1);
        let epoch = u64::from(start_count) << 32 | u64::from(seeds.epoch);
        let (engine, mut discarded) = engine(settings, loaded, hash_seed, &discard.state)?;
        let discarded_segments = discard_outboxes(settings, loaded, &discard.outboxes, &mut discarded)?;
        let intakes = (0..settings.sources.len()).map(|index| intake(settings, &records, index, hash_seed, stamp));
        let intakes = intakes.collect::<Result<Vec<_>, _>>()?;
        let sinks = settings.sinks.iter().map(|sink| {
            let outbox = outbox(&records, LogName::outbox(&sink.name), sink.outbox.clone(), keys::cursor(&sink.name), epoch)?;
            let stored: StoredSink = records.get(&keys::log(outbox.log()))?.unwrap_or_default();
            let queries = sink.queries.iter().map(|query| {
                let plan = &settings.program.queries[*query];
                (*query, plan.name.clone(), plan.output.clone())
            });
            Ok(SinkBooks::new(&settings.gateway.id, sink, queries.collect(), outbox, stored))
        });
        let sinks = sinks.collect::<Result<Vec<_>, StartError>>()?;
        let letters = OutboxSettings {
            bytes_max: settings.gateway.dead_letter_bytes_max,
            age_max: std::time::Duration::MAX,
            when_full: WhenFull::DropOldest,
            key: Vec::new(),
        };
        let stream_us: Option<i64> = records.get(&keys::meta("stream_time"))?;
        let queries = settings.program.queries.iter().map(|query| QueryStatus { name: query.name.clone(), ..QueryStatus::default() });
        Ok(Gateway {
            id: settings.gateway.id.clone(),
            batch_interval_us: u64::try_from(settings.gateway.batch_interval.as_micros()).unwrap_or(u64::MAX),
            batch_rows_max: settings.gateway.batch_rows_max,
            start_count,
            hash_seed,
            epoch,
            intakes,
            status_table: settings.sources.iter().position(|source| matches!(source.kind, SourceKind::Status)),
            engine,
            tables: Tables::start(&settings.tables),
            sinks,
            dead_letters: DeadLetters::default(),
            dead_letter_log: outbox(&records, LogName::dead_letters(), letters, keys::cursor("/dead_letters"), epoch)?,
            queries: queries.collect(),
            dead_letter_status: DeadLetterStatus::default(),
            number: loaded.number,
            committing: None,
            store_down: None,
            stream_time: StreamTime::new(stream_us),
            clock_set_back: 0,
            opened_us: None,
            last_commit_us: stamp.mono_us,
            last_step_us: stamp.mono_us,
            last_trim_us: stamp.mono_us,
            discarded,
            discarded_segments,
            started: false,
            stopping: false,
            stopped: false,
            hold: Hold::No,
            moving: loaded.left_out.clone(),
            blocked_told: false,
            commits: 0,
            committed: loaded.number,
        })
    }
}

/// What the engine is told besides the program.
pub fn engine_settings(settings: &Settings, hash_seed: u64) -> EngineSettings {
    let idle_timeout_us = settings.sources.iter().map(|source| i64::try_from(source.idle_timeout.as_micros()).unwrap_or(i64::MAX));
    let limits = |query: &QuerySettings| {
        let default = StateLimits::default();
        let QueryLimits { keys_max, bytes_max } = query.limits;
        let limits = StateLimits { keys_max: keys_max.unwrap_or(default.keys_max), bytes_max: bytes_max.unwrap_or(default.bytes_max) };
        (limits != default).then(|| (query.name.clone(), limits))
    };
    let emit_every = |query: &QuerySettings| {
        let every = query.emit_every?;
        Some((query.name.clone(), i64::try_from(every.as_micros()).unwrap_or(i64::MAX)))
    };
    EngineSettings {
        hash_seed,
        idle_timeout_us: idle_timeout_us.collect(),
        emit_every_us: map_of(settings.queries.iter().filter_map(emit_every)),
        query_limits: map_of(settings.queries.iter().filter_map(limits)),
        ..EngineSettings::default()
    }
}

/// The engine with its stored state, and the keys of state that is thrown away: of the queries in `discard`, and of changed ones that say so.
fn engine(settings: &Settings, loaded: &Loaded, hash_seed: u64, discard: &[String]) -> Result<(Engine, Vec<Vec<u8>>), StartError> {
    let engine_settings = engine_settings(settings, hash_seed);
    let mut gone: BTreeSet<String> = set_of(discard.iter().cloned());
    loop {
        let discarded: BTreeSet<Vec<u8>> = set_of(gone.iter().flat_map(|query| Engine::discard(query, &loaded.entries)));
        let mut engine = Engine::new(&settings.program, engine_settings.clone())?;
        let restored = if discarded.is_empty() {
            engine.restore(&loaded.entries)
        } else {
            let kept: Vec<_> = loaded.entries.iter().filter(|(key, _)| !discarded.contains(key)).cloned().collect();
            engine.restore(&kept)
        };
        match restored {
            Ok(forgotten) => {
                for query in forgotten {
                    tracing::warn!(
                        query,
                        "the store holds state of a query that the configuration does not name; it is kept, --discard-state {query} removes it"
                    );
                }
                return Ok((engine, discarded.into_iter().collect()));
            }
            Err(RestoreError::PlanChanged { query, what }) if discards_on_change(settings, &query) && gone.insert(query.clone()) => {
                tracing::warn!(query, what, "the query has changed: its stored state is discarded, as its on_change says");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn discards_on_change(settings: &Settings, query: &str) -> bool {
    settings.queries.iter().any(|known| known.name == query && known.on_change == OnChange::Discard)
}

/// The segments of the outboxes named, and the keys that go with them.
fn discard_outboxes(
    settings: &Settings,
    loaded: &Loaded,
    outboxes: &[String],
    keys: &mut Vec<Vec<u8>>,
) -> Result<Vec<(LogName, u64)>, StartError> {
    let mut segments = Vec::new();
    for sink in outboxes {
        if settings.sinks.iter().any(|known| known.name == *sink) {
            return Err(StartError::SinkInUse(sink.clone()));
        }
        let log = LogName::outbox(sink);
        let stored: Vec<&SegmentMeta> = loaded.segments.iter().filter(|(name, _)| *name == log).flat_map(|(_, metas)| metas).collect();
        let records: u64 = stored.iter().map(|segment| segment.records).sum();
        tracing::warn!(sink, records, "what waits for this sink is discarded");
        segments.extend(stored.iter().map(|segment| (log.clone(), segment.base)));
        let own = [keys::cursor(sink), keys::log(&log)];
        keys.extend(own.into_iter().filter(|key| loaded.entries.iter().any(|(entry, _)| entry == key)));
    }
    Ok(segments)
}

fn outbox(records: &Records<'_>, log: LogName, settings: OutboxSettings, cursor_key: Vec<u8>, epoch: u64) -> Result<Outbox, StartError> {
    let cursor: Cursor = records.get(&cursor_key)?.unwrap_or_default();
    let segments = records.segments(&log);
    Ok(Outbox::restore(log, settings, segments, cursor, epoch))
}

fn intake(settings: &Settings, records: &Records<'_>, index: usize, hash_seed: u64, stamp: Stamp) -> Result<Intake, StartError> {
    let source = &settings.sources[index];
    let needed = settings.program.needed_columns(index);
    let decoder = Decoder::new(&source.decode, &needed, hash_seed)?.with_source_name(&source.name);
    let open = OpenTable::new(&source.decode, &needed);
    let mut intake = Intake::new(index, source, decoder, open, hash_seed, stamp);
    let stored: StoredRedelivery = records.get(&keys::redelivery(&source.name))?.unwrap_or_default();
    intake.redelivery = Redelivery::restore(&stored);
    intake.filters = records.get(&keys::filters(&source.name))?.unwrap_or_default();
    intake.open_bytes_due = settings.gateway.intake_bytes_max / 2;
    intake.positions = Positions::restore(records.positions(&source.name));
    Ok(intake)
}

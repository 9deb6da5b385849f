//! Opening a store: which damage is mended, which is moved away, what is refused.
//!
//! Order: the data directory's lock, the version in plain text, free space; up to there nothing is touched. Then the state: as it is, else
//! without sled's snapshots, else moved to `state.corrupt-<seconds>` and begun anew. Then the logs: cut to their records, or, where the
//! records are lost, taken in chunk by chunk. A store that is opened only to be looked at ([`StoreSettings::mends`]) is refused instead.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::device::Device;
use super::disk::OPEN_SPACE_BYTES;
use super::lock::Lock;
use super::migrate::FORMAT;
use super::segment::{FileError, Logs};
use super::state::{self, ApplyError, Contents, OpenFailure, State};
use super::witness::Witness;
use super::{Loaded, StoreError, StoreSettings};

const FORMAT_FILE: &str = "format";
const FORMAT_WORDS: &str = "tidemill-store ";
const STATE_DIR: &str = "state";
const LOGS_DIR: &str = "logs";

/// An open store's parts.
pub(super) struct Opened {
    pub lock: Lock,
    pub witness: Witness,
    pub state: State,
    pub logs: Logs,
    pub loaded: Loaded,
}

/// Opens the store of a data directory, or creates it. Everything that is read is durable on return.
pub(super) fn open(settings: &StoreSettings, device: &Device) -> Result<Opened, StoreError> {
    let data_dir = &settings.data_dir;
    create_data_dir(data_dir, device)?;
    let mut lock = Lock::take(data_dir)?;
    check_format_file(data_dir)?;
    // Of a process that died: it keeps removed segments on the disk.
    if let Err(error) = super::snapshot::remove(data_dir) {
        tracing::warn!(%error, "the snapshot in {} can't be removed; the next start tries again", data_dir.display());
    }
    let free = device.free_bytes(data_dir).map_err(|error| StoreError::from_io("measure", data_dir, error))?;
    if free < OPEN_SPACE_BYTES {
        return Err(StoreError::NoSpace { path: data_dir.clone(), needed: OPEN_SPACE_BYTES, free });
    }
    let dir = state_dir(data_dir);
    if lock.after_failure {
        let path = state::db_path(&dir);
        state::rewrite(&path, device).map_err(|error| StoreError::from_io("rewrite", &path, error))?;
    }
    let mut loaded = Loaded::default();
    let (mut state, contents) = open_state(settings, device, &mut loaded)?;
    let logs_dir = data_dir.join(LOGS_DIR);
    fs::create_dir_all(&logs_dir).map_err(|error| StoreError::from_io("create", &logs_dir, error))?;
    let mut logs = Logs::new(logs_dir, device.clone(), contents.segments);
    let witnessed = Witness::read(data_dir);
    if !settings.mends
        && let Some(reason) = damage((!contents.new).then_some(contents.number), witnessed, &logs)?
    {
        return Err(StoreError::Damaged { dir: data_dir.clone(), reason });
    }
    if contents.new {
        begin(settings, &mut state, &mut logs, &mut loaded)?;
    } else if contents.number < witnessed {
        go_back(settings, &mut state, (contents.number, witnessed), &mut logs, &mut loaded)?;
    } else {
        mend_logs(&mut state, contents.number, &mut logs, &mut loaded)?;
    }
    let witness = Witness::open(data_dir, contents.number).map_err(|error| StoreError::from_io("write the witness in", data_dir, error))?;
    settle(data_dir, &state, device)?;
    lock.note(false).map_err(|error| StoreError::from_io("write", &data_dir.join("lock"), error))?;
    loaded.number = contents.number;
    loaded.entries = contents.entries;
    loaded.segments = logs.segments();
    Ok(Opened { lock, witness, state, logs, loaded })
}

/// Opens the state and logs again after the disk was full, with what is on the disk; the entries are not read back.
pub(super) fn reopen(settings: &StoreSettings, device: &Device) -> Result<(State, Logs, u64), OpenFailure> {
    let dir = state_dir(&settings.data_dir);
    let path = state::db_path(&dir);
    let io = |error| OpenFailure::Refused(StoreError::from_io("rewrite", &path, error));
    state::rewrite(&path, device).map_err(io)?;
    let (state, contents) = State::open(&dir, settings.cache_bytes, device.clone(), false)?;
    if contents.new {
        return Err(OpenFailure::Damaged("the state is empty".to_owned()));
    }
    let mut logs = Logs::new(settings.data_dir.join(LOGS_DIR), device.clone(), contents.segments);
    let changes = logs.reconcile().map_err(|error| OpenFailure::Refused(from_file(error)))?;
    if !changes.is_empty() {
        return Err(OpenFailure::Damaged("segment files are shorter than their records".to_owned()));
    }
    Ok((state, logs, contents.number))
}

pub(super) fn state_dir(data_dir: &Path) -> PathBuf {
    data_dir.join(STATE_DIR)
}

fn create_data_dir(data_dir: &Path, device: &Device) -> Result<(), StoreError> {
    if data_dir.is_dir() {
        return Ok(());
    }
    if data_dir.exists() {
        return Err(StoreError::NotADirectory { path: data_dir.to_owned() });
    }
    fs::create_dir_all(data_dir).map_err(|error| StoreError::from_io("create", data_dir, error))?;
    let above = data_dir.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    device.sync_dir(above).map_err(|error| StoreError::from_io("sync", above, error))
}

/// Opens the state, going round damage as far as it goes.
fn open_state(settings: &StoreSettings, device: &Device, loaded: &mut Loaded) -> Result<(State, Contents), StoreError> {
    let dir = state_dir(&settings.data_dir);
    let attempt = || State::open(&dir, settings.cache_bytes, device.clone(), true);
    // A state without any record beside a witness of commits: sled did not recognise its own file.
    let witnessed = Witness::read(&settings.data_dir);
    let attempt_known = || match attempt() {
        Ok((_, contents)) if contents.new && witnessed > 0 => Err(OpenFailure::Damaged(format!("nothing is left of {witnessed} commits"))),
        other => other,
    };
    let refused = |reason| StoreError::Damaged { dir: settings.data_dir.clone(), reason };
    if !dir.is_dir() {
        if !settings.mends {
            return Err(refused("its state is missing".to_owned()));
        }
        return attempt().map_err(|failure| beyond(settings, failure));
    }
    let reason = match attempt_known() {
        Ok(opened) => return Ok(opened),
        Err(OpenFailure::Refused(error)) => return Err(error),
        Err(OpenFailure::Damaged(reason)) if !settings.mends => return Err(refused(reason)),
        Err(OpenFailure::Damaged(reason)) => reason,
    };
    tracing::error!("the state in {} is damaged ({reason}); trying without its snapshot", dir.display());
    let io = |error| StoreError::from_io("rename files of", &dir, error);
    let reason = if state::set_snapshots_aside(&dir).map_err(io)? {
        match attempt_known() {
            Ok(opened) => {
                state::remove_snapshots_aside(&dir).map_err(io)?;
                loaded.warnings.push(format!("the state's snapshot was damaged ({reason}) and was built again"));
                return Ok(opened);
            }
            Err(OpenFailure::Refused(error)) => return Err(error),
            Err(OpenFailure::Damaged(reason)) => reason,
        }
    } else {
        reason
    };
    let quarantine = free_quarantine(settings);
    tracing::error!("the state in {} cannot be read ({reason}); moved to {}, beginning anew", dir.display(), quarantine.display());
    fs::rename(&dir, &quarantine).map_err(|error| StoreError::from_io("rename", &dir, error))?;
    device.sync_dir(&settings.data_dir).map_err(|error| StoreError::from_io("sync", &settings.data_dir, error))?;
    loaded.quarantined = Some(quarantine.display().to_string());
    loaded.warnings.push(format!("the state was damaged ({reason}) and was moved to {}; it is lost", quarantine.display()));
    attempt().map_err(|failure| beyond(settings, failure))
}

/// What of a store would have to be mended, though its state can be read. `number`: of its last commit; `None` where it has none.
fn damage(number: Option<u64>, witnessed: u64, logs: &Logs) -> Result<Option<String>, StoreError> {
    let Some(number) = number else { return Ok(Some("its state is empty".to_owned())) };
    if number < witnessed {
        return Ok(Some(format!("it is as of commit {number}, but commit {witnessed} had been made durable")));
    }
    let shortened = logs.shortened().map_err(from_file)?;
    Ok(shortened.map(|(log, base)| format!("segment {base:016x} of the log {} is shorter than it was", log.as_str())))
}

/// There is nothing more to try.
fn beyond(settings: &StoreSettings, failure: OpenFailure) -> StoreError {
    match failure {
        OpenFailure::Refused(error) => error,
        OpenFailure::Damaged(reason) => StoreError::Beyond { dir: settings.data_dir.clone(), reason },
    }
}

/// A path for what is moved away, not yet taken.
fn free_quarantine(settings: &StoreSettings) -> PathBuf {
    let name = format!("state.corrupt-{}", settings.opened_at_s);
    let mut path = settings.data_dir.join(&name);
    let mut count = 2u32;
    while path.exists() {
        path = settings.data_dir.join(format!("{name}-{count}"));
        count += 1;
    }
    path
}

/// Writes the first records of a new state, with the logs' readable chunks where an older state left any.
fn begin(settings: &StoreSettings, state: &mut State, logs: &mut Logs, loaded: &mut Loaded) -> Result<(), StoreError> {
    if logs.has_files().map_err(from_file)? {
        let quarantine = loaded.quarantined.as_ref().map_or_else(|| free_quarantine(settings), PathBuf::from);
        let damaged = logs.rescue(&quarantine).map_err(from_file)?;
        let segments: usize = logs.segments().iter().map(|(_, metas)| metas.len()).sum();
        loaded.warnings.push(format!("results in {segments} segment files were kept although the state is new"));
        for path in damaged {
            loaded.warnings.push(format!("{} was damaged; a copy is in {}", path.display(), quarantine.display()));
        }
    }
    state.begin(&logs.segments()).map_err(|error| from_apply(error, &settings.data_dir))
}

/// Takes a state that came back whole but as it was some commits ago (damage at the end of sled's log, or a disk that had lied about its
/// syncs): what is lost is said, results of the lost commits are kept as far as their chunks are readable.
fn go_back(
    settings: &StoreSettings,
    state: &mut State,
    (number, witnessed): (u64, u64),
    logs: &mut Logs,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let text = format!(
        "the state came back as of commit {number}, but commit {witnessed} had been made durable: the disk is damaged or does not keep \
         what it confirms; what came in between is lost, results in readable chunks are kept"
    );
    tracing::error!("{text}");
    loaded.warnings.push(text);
    let mut changes: Vec<_> =
        logs.segments().into_iter().flat_map(|(log, metas)| metas.into_iter().map(move |meta| (log.clone(), meta.base, None))).collect();
    logs.forget();
    let quarantine = free_quarantine(settings);
    for path in logs.rescue(&quarantine).map_err(from_file)? {
        loaded.warnings.push(format!("{} was damaged; a copy is in {}", path.display(), quarantine.display()));
    }
    let found = logs.segments();
    changes.extend(found.into_iter().flat_map(|(log, metas)| metas.into_iter().map(move |meta| (log.clone(), meta.base, Some(meta)))));
    state.correct(number, &changes).map_err(|error| from_apply(error, &settings.data_dir))
}

/// Makes files and records of the logs agree; a file that lost bytes is reported.
fn mend_logs(state: &mut State, number: u64, logs: &mut Logs, loaded: &mut Loaded) -> Result<(), StoreError> {
    let changes = logs.reconcile().map_err(from_file)?;
    if changes.is_empty() {
        return Ok(());
    }
    for (log, base, left) in &changes {
        let records = left.as_ref().map_or(0, |meta| meta.records);
        let text = format!("segment {base:016x} of the log {} is shorter than it was; {records} of its records are left", log.as_str());
        tracing::error!("{text}");
        loaded.warnings.push(text);
    }
    state.correct(number, &changes).map_err(|error| from_apply(error, Path::new(LOGS_DIR)))
}

/// Makes files, directories and the version's file durable.
fn settle(data_dir: &Path, state: &State, device: &Device) -> Result<(), StoreError> {
    let dir = state_dir(data_dir);
    state.sync_all(&dir).map_err(|error| StoreError::from_io("sync", &dir, error))?;
    let text = format!("{FORMAT_WORDS}{FORMAT}\n");
    let path = data_dir.join(FORMAT_FILE);
    let written = match fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        _ => write_whole(&path, &text, device),
    };
    written.map_err(|error| StoreError::from_io("write", &path, error))?;
    device.sync_dir(data_dir).map_err(|error| StoreError::from_io("sync", data_dir, error))
}

/// Replaces a small file at once.
fn write_whole(path: &Path, text: &str, device: &Device) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    device.sync_data(&file)?;
    fs::rename(&beside, path)
}

/// Refuses a newer store before anything of it is opened. What is no version is left to the state's own record.
fn check_format_file(data_dir: &Path) -> Result<(), StoreError> {
    let path = data_dir.join(FORMAT_FILE);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::from_io("read", &path, error)),
    };
    let found = text.lines().next().and_then(|line| line.strip_prefix(FORMAT_WORDS)).and_then(|number| number.trim().parse().ok());
    match found {
        Some(found) if found > FORMAT => Err(StoreError::Newer { dir: data_dir.to_owned(), found, known: FORMAT }),
        _ => Ok(()),
    }
}

fn from_file(error: FileError) -> StoreError {
    StoreError::from_io(error.what, &error.path, error.source)
}

fn from_apply(error: ApplyError, path: &Path) -> StoreError {
    let kind = if error.full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
    StoreError::from_io(error.what, path, io::Error::new(kind, error.reason))
}

//! Versions of the store's layout: the known one, and the steps that bring an older store to it.
//!
//! A step changes one version into the next in one atomic batch that also moves the version, so a crash between two steps is harmless.
//! A newer version is refused.

use std::path::Path;

use super::keys::stored;
use super::state::{OpenFailure, State, from_sled};
use super::{StoreError, codec};

/// The layout that this version writes.
pub const FORMAT: u32 = 1;

/// From version `from` to the one after it.
pub(super) struct Step {
    pub from: u32,
    /// What changes, for the log.
    pub what: &'static str,
    /// Adds the changes to a batch, or says why the store does not fit the version that it claims.
    pub apply: fn(&sled::Db, &mut sled::Batch) -> Result<(), String>,
}

/// Every step that there is, ascending. None yet: 1 is the first version.
pub(super) const STEPS: &[Step] = &[];

/// Brings an older store to version `known`. A new, empty one is left alone.
pub(super) fn run(state: &State, dir: &Path, steps: &[Step], known: u32) -> Result<(), OpenFailure> {
    let Some(value) = state.db().get(stored::FORMAT).map_err(|error| from_sled(dir, error))? else { return Ok(()) };
    let body = codec::unseal(stored::FORMAT, &value).map_err(|error| OpenFailure::Damaged(error.to_string()))?;
    let found = body.try_into().map(u32::from_le_bytes).map_err(|_| OpenFailure::Damaged("a version of a wrong size".to_owned()))?;
    if found > known {
        return Err(OpenFailure::Refused(StoreError::Newer { dir: dir.to_owned(), found, known }));
    }
    for version in found..known {
        let Some(step) = steps.iter().find(|step| step.from == version) else {
            let reason = format!("it has format {found}, and no way leads from there to {known}");
            return Err(OpenFailure::Refused(StoreError::Unsupported { dir: dir.to_owned(), reason }));
        };
        tracing::info!("bringing the store in {} from format {version} to {}: {}", dir.display(), version + 1, step.what);
        let mut batch = sled::Batch::default();
        (step.apply)(state.db(), &mut batch).map_err(OpenFailure::Damaged)?;
        put_format(&mut batch, version + 1).map_err(|error| OpenFailure::Damaged(error.to_string()))?;
        state.commit(batch).map_err(|error| refuse(dir, error))?;
    }
    Ok(())
}

/// Puts the version into a batch.
pub(super) fn put_format(batch: &mut sled::Batch, version: u32) -> Result<(), codec::CodecError> {
    batch.insert(stored::FORMAT, codec::seal(stored::FORMAT, &version.to_le_bytes())?);
    Ok(())
}

fn refuse(dir: &Path, error: super::state::ApplyError) -> OpenFailure {
    let kind = if error.full { std::io::ErrorKind::StorageFull } else { std::io::ErrorKind::Other };
    OpenFailure::Refused(StoreError::from_io(error.what, dir, std::io::Error::new(kind, error.reason)))
}

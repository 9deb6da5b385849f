//! `tidemill backup` and `tidemill restore`.
//!
//! Of a running gateway the store gives a snapshot beside itself, and this process, with its own rights, copies that to where it was told; the gateway
//! removes the snapshot when this process is gone. Where no gateway runs, this process opens the store and does both.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::arguments::{BackupArguments, RestoreArguments};
use super::running::{ask, data_dir, failed};
use super::{CliError, print};
use tidemill::control::Request;
use tidemill::control::client::{Client, ClientError};
use tidemill::store::backup::{self, BackupList};
use tidemill::store::snapshot::{self, Snapshot};
use tidemill::store::{DiskStore, StoreSettings};

pub fn backup(arguments: &BackupArguments) -> Result<(), CliError> {
    let data_dir = data_dir(&arguments.gateway)?;
    let list = match Client::connect(&data_dir) {
        Ok(mut client) => {
            let taken = ask(&mut client, &Request::Snapshot)?.snapshot.unwrap_or_default();
            let taken: Snapshot = serde_json::from_value(taken)
                .map_err(|error| failed(format!("the gateway's answer can't be read ({error}): is it of another version?")))?;
            // The connection holds the snapshot.
            let list = copy(&taken, &arguments.to)?;
            drop(client);
            list
        }
        Err(ClientError::NotRunning(_) | ClientError::Path(_)) => backup_at_rest(&data_dir, &arguments.to)?,
        Err(error) => return Err(failed(error)),
    };
    print(&format!("{}: {}\n", arguments.to.display(), describe(&list)));
    Ok(())
}

/// The store opens as at a start, which mends what a crash left.
fn backup_at_rest(data_dir: &Path, to: &Path) -> Result<BackupList, CliError> {
    if !data_dir.join("format").exists() {
        return Err(failed(format!("there is no store in {}", data_dir.display())));
    }
    let (store, loaded) = DiskStore::open(StoreSettings::new(data_dir, u64::MAX, 0, now_s())).map_err(failed)?;
    if let Some(place) = &loaded.quarantined {
        return Err(failed(format!("the store was corrupt and has been moved to {place}; there is nothing left to save")));
    }
    let taken = store.snapshot().map_err(failed)?;
    let list = copy(&taken, to);
    // The next opening removes it if this does not.
    let _ = snapshot::remove(data_dir);
    store.close();
    list
}

fn copy(taken: &Snapshot, to: &Path) -> Result<BackupList, CliError> {
    backup::write(taken, to, env!("CARGO_PKG_VERSION"), now_s()).map_err(failed)
}

pub fn restore(arguments: &RestoreArguments) -> Result<(), CliError> {
    let data_dir = data_dir(&arguments.gateway)?;
    let list = backup::restore(&arguments.from, &data_dir).map_err(failed)?;
    print(&format!("{}: {}, whole and ready to start with\n", data_dir.display(), describe(&list)));
    Ok(())
}

fn describe(list: &BackupList) -> String {
    let bytes: u64 = list.files.iter().map(|file| file.bytes).sum();
    format!("{} files with {bytes} bytes, as of commit {}", list.files.len(), list.commit)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

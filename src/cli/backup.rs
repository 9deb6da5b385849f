//! `tidemill backup` and `tidemill restore`.
//!
//! Of a running gateway the store gives a snapshot beside itself, and this process, with its own rights, copies that to where it was told; the gateway
//! removes the snapshot when this process is gone. Where no gateway runs, a thread of this process, with the rights of the data directory's owner, opens the store in its place.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Gid, Uid};

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
            let list = copy(&data_dir, &taken, &arguments.to)?;
            drop(client);
            list
        }
        Err(ClientError::NotRunning(_) | ClientError::Path(_)) => backup_at_rest(&data_dir, &arguments.to)?,
        Err(error) => return Err(failed(error)),
    };
    print(&format!("{}: {}\n", arguments.to.display(), describe(&list)));
    Ok(())
}

/// Saves the store of a gateway that does not run.
fn backup_at_rest(data_dir: &Path, to: &Path) -> Result<BackupList, CliError> {
    if !data_dir.join("format").exists() {
        return Err(failed(format!("there is no store in {}", data_dir.display())));
    }
    let (taken, when_taken) = mpsc::channel();
    let (copied, until_copied) = mpsc::channel();
    std::thread::scope(|scope| {
        let holder = scope.spawn(move || hold_snapshot(data_dir, &taken, &until_copied));
        // None comes from a holder that has failed.
        let list = when_taken.recv().ok().map(|taken| copy(data_dir, &taken, to));
        drop(copied);
        let held = holder.join().unwrap_or_else(|_| Err(failed(format!("the store in {} could not be read", data_dir.display()))));
        match list {
            Some(list) => list,
            None => Err(held.err().unwrap_or_else(|| failed("there is no snapshot"))),
        }
    })
}

/// Opens the store as a start does, which mends what a crash left; real damage is refused. Holds a snapshot until `copied` is closed.
fn hold_snapshot(data_dir: &Path, taken: &mpsc::Sender<Snapshot>, copied: &mpsc::Receiver<()>) -> Result<(), CliError> {
    take_rights_of_owner(data_dir)?;
    let settings = StoreSettings { mends: false, ..StoreSettings::new(data_dir, u64::MAX, 0, now_s()) };
    let (store, _) = DiskStore::open(settings).map_err(failed)?;
    let held = store.snapshot().map(|snapshot| {
        // Both fail only when nobody waits for it any more.
        let _ = taken.send(snapshot);
        let _ = copied.recv();
    });
    // The next opening removes it if this does not.
    let _ = snapshot::remove(data_dir);
    store.close();
    held.map_err(failed)
}

/// Where this thread has root's rights, it and those that it will start get those of the data directory's owner for good: what they make is
/// the gateway's to use and to remove, also after they were interrupted, and links lead them no further than the gateway. On Linux
/// rights are a thread's own; the others keep theirs.
fn take_rights_of_owner(data_dir: &Path) -> Result<(), CliError> {
    let owner = std::fs::metadata(data_dir).map_err(|error| failed(format!("cannot read {}: {error}", data_dir.display())))?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    rustix::thread::set_thread_groups(&[])
        .and_then(|()| rustix::thread::set_thread_res_gid(group, group, group))
        .and_then(|()| rustix::thread::set_thread_res_uid(user, user, user))
        .map_err(|error| {
            failed(format!("cannot use {} as its owner, the user {} ({error}): run this as that user", data_dir.display(), owner.uid()))
        })
}

fn copy(data_dir: &Path, taken: &Snapshot, to: &Path) -> Result<BackupList, CliError> {
    backup::write(data_dir, taken, to, env!("CARGO_PKG_VERSION"), now_s()).map_err(failed)
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

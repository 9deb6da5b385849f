//! A copy of the store as of its last commit, beside the store and cheap: what a backup is made from while the gateway runs.
//!
//! Invariant: what lies in the snapshot is what a power cut right after that commit would have left: sled's own file, which then is whole, and of every segment
//! its committed bytes. So a snapshot opens like any store, and holds all that the commit made durable.
//!
//! Segments are only ever appended to and removed, so they are linked, not copied, and outlive their removal; only sled's file is copied, and commits wait for that.
//! Where the file system has no links, segments are copied too.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::segment::{At, FileError};
use super::{LogName, SegmentMeta};

const DIR: &str = "snapshot";
/// Files that are copied: the version, and what is needed of sled's. Its snapshots are only an index, and the witness is written anew.
const COPIED: [&str; 3] = ["format", "state/conf", "state/db"];
/// The last good files of reference tables.
const TABLES_DIR: &str = "tables";

/// A snapshot, and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the last commit in it.
    pub number: u64,
    pub files: Vec<SnapshotFile>,
}

/// One file: its path in the data directory, and how many of its bytes count. A segment may have more by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    pub path: String,
    pub bytes: u64,
}

/// Where the snapshot of a data directory lies.
pub fn dir(data_dir: &Path) -> PathBuf {
    data_dir.join(DIR)
}

/// Removes a snapshot that is not needed any more, or was left by a process that died.
pub fn remove(data_dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir(data_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes that the copies of a snapshot take.
pub(super) fn copied_bytes(data_dir: &Path) -> u64 {
    COPIED.iter().filter_map(|name| Some(fs::metadata(data_dir.join(name)).ok()?.len())).sum()
}

/// Makes the snapshot, in place of an older one. No commit may be under way.
pub(super) fn take(data_dir: &Path, number: u64, segments: &[(LogName, Vec<SegmentMeta>)]) -> Result<Snapshot, FileError> {
    let to = dir(data_dir);
    remove(data_dir).at("remove", &to)?;
    let mut files = Vec::new();
    for name in COPIED {
        let target = prepared(&to, name)?;
        let bytes = fs::copy(data_dir.join(name), &target).at("copy", &data_dir.join(name))?;
        files.push(SnapshotFile { path: name.to_owned(), bytes });
    }
    for (log, metas) in segments {
        for meta in metas {
            let path = format!("logs/{}/{}", log.as_str(), super::segment::file_name(meta.base));
            let (source, target) = (data_dir.join(&path), prepared(&to, &path)?);
            let bytes = meta.end - meta.base;
            if fs::hard_link(&source, &target).is_err() {
                copy_beginning(&source, &target, bytes).at("copy", &source)?;
            }
            files.push(SnapshotFile { path, bytes });
        }
    }
    for entry in fs::read_dir(data_dir.join(TABLES_DIR)).into_iter().flatten().flatten() {
        let Some(name) = entry.file_name().to_str().map(|name| format!("{TABLES_DIR}/{name}")) else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && !name.ends_with(".new") {
            let target = prepared(&to, &name)?;
            let bytes = fs::copy(entry.path(), &target).at("copy", &entry.path())?;
            files.push(SnapshotFile { path: name, bytes });
        }
    }
    Ok(Snapshot { number, files })
}

/// The path of a file in the snapshot, its directory made.
fn prepared(to: &Path, name: &str) -> Result<PathBuf, FileError> {
    let target = to.join(name);
    let parent = target.parent().unwrap_or(to);
    fs::create_dir_all(parent).at("create", parent)?;
    Ok(target)
}

fn copy_beginning(source: &Path, target: &Path, bytes: u64) -> io::Result<()> {
    io::copy(&mut File::open(source)?.take(bytes), &mut File::create(target)?).map(|_| ())
}

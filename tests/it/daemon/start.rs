//! A store that can't be used: refused with a clear message and exit code 1, and left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::support::disk::Mount;
use crate::support::ports::free_port;
use crate::support::skip::skip;

/// Every file with its bytes; not the lock, which names whoever tried last.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path != dir.join("lock") {
            // The control socket has none.
            let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path, bytes);
        }
    }
    found
}

/// A gateway whose brokers are both away.
fn gateway(data_dir: &Path) -> Gateway {
    Gateway::new(|_| config(data_dir, free_port(), free_port(), &Keys::default()))
}

/// A store that has been used.
fn make_store(data_dir: &Path) {
    let mut world = World::prepare(&Keys::default(), Script::new(VERSION));
    let config = config(data_dir, world.local_proxy.port(), world.central_proxy.port(), &Keys::default());
    fs::write(world.gateway.config_file(), config).unwrap();
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    world.publish_numbers(0..20, 100);
    world.wait_for_numbers(0..20);
    world.stop();
}

fn assert_refused(data_dir: &Path, says: &[&str]) {
    let before = contents(data_dir);
    let mut refused = gateway(data_dir);
    refused.start();
    let status = refused.wait_exit();
    let log = refused.log();
    assert_eq!(status.code(), Some(1), "{log}");
    for text in says {
        assert!(log.contains(text), "{text:?} is not in\n{log}");
    }
    assert_eq!(log.matches("\"ERROR\"").count(), 1, "{log}");
    assert!(contents(data_dir) == before, "something in {} has changed", data_dir.display());
}

#[test]
fn a_store_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    make_store(&data_dir);
    let mut first = gateway(&data_dir);
    first.start();
    first.wait_ready();
    assert_refused(&data_dir, &["is in use by process", "stop that gateway"]);
    assert!(!first.has_exited() && first.stop().success(), "{}", first.log());
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    fs::write(&data_dir, "mine").unwrap();
    assert_refused(&data_dir, &["is a file", &data_dir.display().to_string()]);
}

#[test]
fn a_newer_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    make_store(&data_dir);
    fs::write(data_dir.join("format"), "tidemill-store 99\n").unwrap();
    assert_refused(&data_dir, &["has format 99", "run the newer version again"]);
}

#[test]
fn a_read_only_file_system_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mount = match Mount::memory(dir.path().join("disk"), 16 << 20) {
        Ok(mount) => mount,
        Err(reason) => return skip("a_read_only_file_system_is_refused", &reason),
    };
    let data_dir = mount.dir.join("data");
    make_store(&data_dir);
    mount.make_read_only().unwrap();
    assert_refused(&data_dir, &["Read-only file system", &data_dir.display().to_string()]);
}

#[test]
fn a_full_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mount = match Mount::memory(dir.path().join("disk"), 16 << 20) {
        Ok(mount) => mount,
        Err(reason) => return skip("a_full_disk_is_refused", &reason),
    };
    let data_dir = mount.dir.join("data");
    make_store(&data_dir);
    crate::support::disk::fill(&mount.dir.join("ballast"));
    assert_refused(&data_dir, &["no room to open the store", "free some space"]);
}

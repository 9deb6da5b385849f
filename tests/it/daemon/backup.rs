//! `tidemill backup` of a running gateway and of one at rest, and `tidemill restore`: what the backup holds is there again, and what is no good is refused.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::support::ports::free_port;

/// Messages that are published and not acknowledged.
const AHEAD_MAX: u64 = 200;

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill")).args(arguments).output().unwrap()
}

fn backup(data_dir: &Path, to: &Path) -> Output {
    command(&["backup", "--data", data_dir.to_str().unwrap(), to.to_str().unwrap()])
}

fn restore(from: &Path, data_dir: &Path) -> Output {
    command(&["restore", "--data", data_dir.to_str().unwrap(), from.to_str().unwrap()])
}

fn done(output: Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn epoch(gateway: &Gateway) -> String {
    let log = gateway.log_since_start();
    log.split_once("\"epoch\":\"").unwrap().1.chars().take(16).collect()
}

/// A world whose central broker is away, so that all results wait.
fn waiting_world() -> World {
    let world = World::prepare(&Keys::default(), Script::new(VERSION));
    let text = config(&world.data_dir, world.local_proxy.port(), free_port(), &Keys::default());
    std::fs::write(world.gateway.config_file(), text).unwrap();
    world
}

/// A gateway on a restored store whose results arrive at a central broker of its own.
fn restored(world: &World, data_dir: &Path) -> (Gateway, ScriptedBroker) {
    let central = ScriptedBroker::start(Script::new(VERSION));
    let mut gateway = Gateway::new(|_| config(data_dir, world.local_proxy.port(), central.port(), &Keys::default()));
    gateway.start();
    gateway.wait_ready();
    (gateway, central)
}

#[test]
fn backups_under_load_hold_all_that_was_acknowledged() {
    let mut world = waiting_world();
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    let place = tempfile::tempdir().unwrap();
    let (data_dir, finished) = (world.data_dir.clone(), AtomicBool::new(false));
    // None from a gateway that does not answer yet.
    let acknowledged = || {
        let output = command(&["status", "--json", "--data", data_dir.to_str().unwrap()]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        status["sources"][0]["acknowledged"].as_u64()
    };
    let mut sent = 0;
    let saved: Vec<(PathBuf, u64)> = std::thread::scope(|scope| {
        let backups = scope.spawn(|| {
            let mut saved = Vec::new();
            for number in 0..5 {
                let to = place.path().join(format!("backup-{number}"));
                let mut held = None;
                let enough = wait_until(PATIENCE, || {
                    held = acknowledged().filter(|count| *count > 50 * number);
                    held.is_some()
                });
                assert!(enough, "not more than {} are acknowledged", 50 * number);
                done(backup(&data_dir, &to));
                saved.extend(held.map(|held| (to, held)));
            }
            finished.store(true, Ordering::SeqCst);
            saved
        });
        while !finished.load(Ordering::SeqCst) && !backups.is_finished() {
            // Not further ahead than a slow gateway takes in a moment: what waits is to be restored in a moment too.
            if sent < world.acknowledged() as u64 + AHEAD_MAX {
                world.publish_numbers(sent..sent + 5, 2_000);
                sent += 5;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        backups.join().unwrap()
    });
    assert!(wait_until(PATIENCE, || !data_dir.join("snapshot").exists()), "the snapshot is removed");
    let mut epochs = vec![epoch(&world.gateway)];
    world.gateway.kill();
    for (from, held) in saved {
        let to = place.path().join("restored");
        done(restore(&from, &to));
        let (mut gateway, central) = restored(&world, &to);
        epochs.push(epoch(&gateway));
        let came = wait_until(PATIENCE, || {
            let numbers: BTreeSet<u64> = central.accepted().iter().map(|result| result["number"].as_u64().unwrap()).collect();
            (0..held).all(|number| numbers.contains(&number))
        });
        assert!(came, "not all of {held} come back from {}:\n{}", from.display(), gateway.log());
        assert!(gateway.stop().success());
        std::fs::remove_dir_all(&to).unwrap();
    }
    // The original goes on too: nobody has the epoch of another.
    world.gateway.start();
    world.gateway.wait_ready();
    epochs.push(epoch(&world.gateway));
    let different: BTreeSet<_> = epochs.iter().collect();
    assert_eq!(different.len(), epochs.len(), "{epochs:?}");
    world.stop();
}

#[test]
fn a_store_at_rest_is_saved_and_restored_and_nothing_is_written_over() {
    let mut world = waiting_world();
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    world.publish_numbers(0..30, 10);
    world.wait_acknowledged(30);
    world.stop();
    let place = tempfile::tempdir().unwrap();
    let saved = place.path().join("saved");
    done(backup(&world.data_dir, &saved));
    assert!(refused(backup(&world.data_dir, &saved)).contains("is there already"));
    assert!(refused(backup(&place.path().join("none"), &place.path().join("x"))).contains("error: no gateway runs on"));
    assert!(refused(restore(&saved, &world.data_dir)).contains("is not empty"));
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(refused(restore(&empty, &place.path().join("y"))).contains("is no backup"));
    done(restore(&saved, &empty));
    assert_eq!(names(place.path()), ["empty", "saved"]);
    let (mut gateway, central) = restored(&world, &empty);
    assert!(wait_until(PATIENCE, || central.accepted().len() >= 30), "{}", gateway.log());
    assert!(gateway.stop().success());
}

#[test]
fn a_damaged_backup_is_refused_and_leaves_nothing() {
    let mut world = waiting_world();
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    world.publish_numbers(0..5, 10);
    world.wait_acknowledged(5);
    let place = tempfile::tempdir().unwrap();
    let saved = place.path().join("saved");
    done(backup(&world.data_dir, &saved));
    world.stop();
    let (to, list) = (place.path().join("to"), saved.join("backup.json"));
    let good = std::fs::read_to_string(&list).unwrap();
    for (bad, told) in [
        (good.replace("state/db", "../state/db"), "it names the file"),
        (good.replace("state/db", "/etc/hostname"), "it names the file"),
        (good.replace("\"backup_version\": 1", "\"backup_version\": 2"), "it has version 2"),
        ("[".repeat(100_000), "is not right"),
        (good.replacen("\"bytes\": ", "\"bytes\": 9", 1), "of its 9"),
    ] {
        assert_ne!(bad, good);
        std::fs::write(&list, bad).unwrap();
        let reason = refused(restore(&saved, &to));
        assert!(reason.contains(told), "{told}: {reason}");
    }
    std::fs::write(&list, &good).unwrap();
    for file in ["state/db", "logs/outbox.central/0000000000000000.seg"] {
        let bytes = std::fs::read(saved.join(file)).unwrap();
        let mut damaged = bytes.clone();
        damaged[20] ^= 1;
        std::fs::write(saved.join(file), damaged).unwrap();
        assert!(refused(restore(&saved, &to)).contains("has not the bytes that were saved"));
        std::fs::write(saved.join(file), bytes).unwrap();
    }
    assert_eq!(names(place.path()), ["saved"]);
    done(restore(&saved, &to));
}

#[test]
fn the_snapshot_goes_with_who_asked_for_it_or_with_the_next_start() {
    let mut world = waiting_world();
    world.gateway.start();
    world.gateway.wait_ready();
    let snapshot = world.data_dir.join("snapshot");
    let asked = || {
        let mut client = UnixStream::connect(world.data_dir.join("control.sock")).unwrap();
        client.write_all(b"{\"command\":\"snapshot\"}\n").unwrap();
        let mut client = BufReader::new(client);
        let mut answer = String::new();
        client.read_line(&mut answer).unwrap();
        (client, answer)
    };
    let (client, answer) = asked();
    assert!(answer.contains("\"ok\":true") && snapshot.is_dir(), "{answer}");
    let (_, second) = asked();
    assert!(second.contains("a backup is under way already"), "{second}");
    drop(client);
    assert!(wait_until(PATIENCE, || !snapshot.exists()));
    let (_client, _) = asked();
    world.gateway.kill();
    assert!(snapshot.is_dir());
    world.gateway.start();
    world.gateway.wait_ready();
    assert!(!snapshot.exists());
    world.stop();
}

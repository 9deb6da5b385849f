//! Reloads of a running gateway under load: no row lost or doubled, state kept, and a configuration that is no good changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::support::pty::Pty;

/// Queries and sinks that stand beside the usual ones in some configurations.
const ASIDE: &str = "[query.counts]\nsql = \"SELECT device, count(*) AS n FROM readings GROUP BY device\"\nmode = \"update\"\n\
    [sink.aside]\ntype = \"file\"\npath = \"aside.jsonl\"\nfrom = [\"counts\"]\n";

fn reload(data_dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill")).args(["reload", "--data", data_dir.to_str().unwrap()]).output().unwrap()
}

/// What was told.
fn reloaded(data_dir: &Path) -> String {
    let output = reload(data_dir);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("reloaded: "), "{told}");
    told
}

/// Why a reload is refused.
fn refused(data_dir: &Path) -> String {
    let output = reload(data_dir);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

impl World {
    /// The same configuration with some other things in it, by turns.
    fn variants(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.gateway.config_file()).unwrap();
        vec![
            format!("{text}{ASIDE}"),
            // Another filter, and one column more.
            text.replace("SELECT device, number, text", "SELECT device, number, text, number + 1 AS next")
                .replace("FROM readings", "FROM readings WHERE number >= 0"),
            // The source's task is another.
            text.replace("[query.each]", "max_payload = \"8 KiB\"\n[query.each]"),
            // The sink's task is another.
            text.replace("topic = \"out/{device}\"", "topic = \"out/{device}/new\""),
            text,
        ]
    }

    /// Each number came, by one result; one result may have come more than once, as is promised.
    fn wait_for_each_once(&self, numbers: Range<u64>) {
        self.wait_for_numbers(numbers.clone());
        let mut ids: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for result in self.central.accepted() {
            let ids = ids.entry(result["number"].as_u64().unwrap()).or_default();
            let id = result["_id"].as_str().unwrap().to_owned();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let doubled: Vec<_> = ids.iter().filter(|(_, ids)| ids.len() != 1).collect();
        assert!(doubled.is_empty(), "counted more than once: {doubled:?}\n{}", self.gateway.log());
    }
}

#[test]
fn many_reloads_under_load_lose_and_double_nothing() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    let (variants, config, data_dir) = (world.variants(), world.gateway.config_file(), world.data_dir.clone());
    let done = AtomicBool::new(false);
    let mut sent = 0;
    std::thread::scope(|scope| {
        let reloads = scope.spawn(|| {
            for variant in variants.iter().cycle().take(20) {
                std::fs::write(&config, variant).unwrap();
                reloaded(&data_dir);
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) && !reloads.is_finished() {
            world.publish_numbers(sent..sent + 5, 100);
            sent += 5;
            // Packet ids are not to run out.
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    world.wait_for_each_once(0..sent);
    assert!(sent >= 100, "{sent} are no load");
    assert!(!world.gateway.log().contains("messages may be lost"), "{}", world.gateway.log());
    world.stop();
}

#[test]
fn a_kill_amid_a_reload_loses_and_doubles_nothing() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    let (variants, config, data_dir) = (world.variants(), world.gateway.config_file(), world.data_dir.clone());
    let mut sent = 0;
    for round in 0..10 {
        std::fs::write(&config, &variants[round % variants.len()]).unwrap();
        world.publish_numbers(sent..sent + 20, 10);
        sent += 20;
        let directory = data_dir.clone();
        let asking = std::thread::spawn(move || reload(&directory));
        std::thread::sleep(Duration::from_millis(3 * round as u64));
        world.gateway.kill();
        asking.join().unwrap();
        world.gateway.start();
        world.gateway.wait_ready();
    }
    world.wait_for_each_once(0..sent);
    world.stop();
}

#[test]
fn a_configuration_that_is_no_good_changes_nothing_and_is_told_with_its_place() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    let config = world.gateway.config_file();
    let good = std::fs::read_to_string(&config).unwrap();
    let bad = [
        (good.replace("FROM readings", "FORM readings"), "^"),
        (good.replace("batch_interval", "batch_intervall"), "did you mean"),
        (good.replace("id = \"small\"", "id = \"large\""), "the gateway's id is small, and large"),
        (good.replace("/data\"", "/other\""), "the data directory is "),
    ];
    for (number, (text, told)) in bad.iter().enumerate() {
        assert_ne!(*text, good);
        std::fs::write(&config, text).unwrap();
        let reason = refused(&world.data_dir);
        assert!(reason.contains(told), "{told}: {reason}");
        let begin = number as u64 * 10;
        world.publish_numbers(begin..begin + 10, 10);
    }
    // By the signal, the log says why.
    std::fs::write(&config, &bad[0].0).unwrap();
    let log_before = world.gateway.log().len();
    rustix::process::kill_process(rustix::process::Pid::from_raw(world.gateway.pid() as i32).unwrap(), rustix::process::Signal::HUP)
        .unwrap();
    let told = wait_until(PATIENCE, || world.gateway.log()[log_before..].contains("is not reloaded"));
    let log = world.gateway.log()[log_before..].to_owned();
    assert!(told && log.contains("gateway.toml:") && log.contains("^"), "{log}");
    world.wait_for_each_once(0..40);
    world.stop();
}

#[test]
fn state_is_kept_refused_or_discarded_as_at_a_start() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    let config = world.gateway.config_file();
    let good = std::fs::read_to_string(&config).unwrap();
    let query = |sql: &str, more: &str| {
        let (before, after) = good.split_once("[query.each]").unwrap();
        let (_, after) = after.split_once("[sink.").unwrap();
        std::fs::write(&config, format!("{before}[query.each]\nsql = \"{sql}\"\nmode = \"update\"\n{more}\n[sink.{after}")).unwrap();
    };
    let wait = |world: &World, number: u64| {
        let came = wait_until(PATIENCE, || world.accepted_numbers().last() == Some(&number));
        assert!(came, "{number} is not the last of {:?}\n{}", world.accepted_numbers(), world.gateway.log());
    };
    query("SELECT device, count(*) + 100 AS number FROM readings GROUP BY device", "");
    reloaded(&world.data_dir);
    world.publish_numbers(0..3, 1);
    wait(&world, 103);
    // Something else beside it: the count goes on.
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}{ASIDE}")).unwrap();
    let told = reloaded(&world.data_dir);
    assert!(told.contains("queries: 1 of 2 went on as they were"), "{told}");
    world.publish_numbers(3..5, 1);
    wait(&world, 105);
    // What went on unread is in the store all the same.
    world.gateway.kill();
    world.gateway.start();
    world.gateway.wait_ready();
    query("SELECT device, max(number) AS number FROM readings GROUP BY device", "");
    let reason = refused(&world.data_dir);
    assert!(reason.contains("query 'each' has changed"), "{reason}");
    world.publish_numbers(5..6, 1);
    wait(&world, 106);
    query("SELECT device, max(number) AS number FROM readings GROUP BY device", "on_change = \"discard\"");
    reloaded(&world.data_dir);
    world.publish_numbers(7..8, 1);
    wait(&world, 7);
    world.stop();
}

#[test]
fn a_wire_that_is_not_concerned_loses_nothing() {
    let pty = Pty::open();
    let source = (pty.path().to_owned(), String::new());
    let with =
        |data: &Path, more: &str| format!("{}{more}", crate::sources::serial::config(data, std::slice::from_ref(&source), "50ms", "4 MiB"));
    let more = "[query.sums]\nsql = \"SELECT sum(n) AS s FROM s0\"\nmode = \"update\"\n[sink.sums]\ntype = \"file\"\npath = \"sums.jsonl\"\nfrom = [\"sums\"]\n";
    let mut data_dir = PathBuf::new();
    let mut gateway = Gateway::new(|data| {
        data_dir = data.to_owned();
        with(data, "")
    });
    gateway.start();
    gateway.wait_ready();
    gateway.wait_for_log("reading ");
    let config = gateway.config_file();
    let variants = [with(&data_dir, more), with(&data_dir, "")];
    let done = AtomicBool::new(false);
    let mut sent = 0;
    std::thread::scope(|scope| {
        let reloads = scope.spawn(|| {
            for variant in variants.iter().cycle().take(10) {
                std::fs::write(&config, variant).unwrap();
                reloaded(&data_dir);
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) && !reloads.is_finished() {
            pty.write(format!("{sent}\n").as_bytes());
            sent += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let expected: Vec<i64> = (0..sent).collect();
    let come = wait_until(PATIENCE, || crate::sources::serial::numbers(&gateway).len() >= expected.len());
    assert!(
        come && crate::sources::serial::numbers(&gateway) == expected,
        "{} came of {sent}\n{}",
        crate::sources::serial::numbers(&gateway).len(),
        gateway.log()
    );
    assert_eq!(gateway.log().matches("reading /").count(), 1, "the port was opened once");
    assert!(gateway.stop().success());
}

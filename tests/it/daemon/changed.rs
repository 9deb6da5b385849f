//! The daemon started with a changed configuration, killed in between: state is kept, refused or discarded, never half of it.

use std::fs;

use super::*;

const COUNTS: &str = "SELECT device, count(*) AS number FROM readings GROUP BY device";
const GREATEST: &str = "SELECT device, max(number) AS number FROM readings GROUP BY device";

/// A world whose one query is `sql`, in update mode.
fn world(sql: &str) -> World {
    let mut world = World::prepare(&Keys::default(), Script::new(VERSION));
    world.set_query(sql, "");
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    world
}

impl World {
    fn set_query(&self, sql: &str, more: &str) {
        let path = self.gateway.config_file();
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("[query.each]").unwrap();
        let (_, after) = rest.split_once("[sink.").unwrap();
        fs::write(&path, format!("{before}[query.each]\nsql = \"{sql}\"\nmode = \"update\"\n{more}\n[sink.{after}")).unwrap();
    }

    /// Publishes one reading; waits until its result says `expected`.
    fn read(&mut self, number: u64, expected: u64) {
        let before = self.central.accepted().len();
        self.publish_numbers(number..number + 1, 1);
        let came = wait_until(PATIENCE, || self.central.accepted().iter().skip(before).any(|result| result["number"] == expected));
        assert!(came, "no result says {expected}: {:?}\n{}", self.central.accepted(), self.gateway.log());
    }

    /// Starts, and waits for its refusal.
    fn refused(&mut self) -> String {
        self.gateway.start();
        assert!(!self.gateway.wait_exit().success());
        self.gateway.log_since_start()
    }
}

#[test]
fn state_survives_a_kill_and_a_query_written_otherwise() {
    let mut world = world(COUNTS);
    world.read(7, 1);
    world.read(7, 2);
    world.gateway.kill();
    world.set_query("SELECT count(*) AS number, device FROM readings WHERE number > 0 GROUP BY device HAVING count(*) > 0", "");
    world.gateway.start();
    world.read(7, 3);
    world.stop();
}

#[test]
fn a_changed_query_is_refused_until_its_state_is_discarded() {
    let mut world = world(COUNTS);
    world.read(7, 1);
    world.gateway.kill();
    world.set_query(GREATEST, "");
    for _ in 0..2 {
        let log = world.refused();
        assert!(log.contains("query 'each' has changed") && log.contains("--discard-state each"), "{log}");
    }
    // Killed as early as may be: what was said is done, or has to be said again.
    for _ in 0..3 {
        world.gateway.start_with(&["--discard-state", "each"]);
        std::thread::sleep(Duration::from_millis(30));
        world.gateway.kill();
    }
    world.gateway.start_with(&["--discard-state", "each"]);
    world.read(9, 9);
    world.gateway.kill();
    world.gateway.start();
    world.read(8, 9);
    world.stop();
}

#[test]
fn on_change_discards_once_and_keeps_from_then_on() {
    let mut world = world(COUNTS);
    world.read(7, 1);
    world.gateway.kill();
    world.set_query(GREATEST, "on_change = \"discard\"");
    world.gateway.start();
    world.read(9, 9);
    assert!(world.gateway.log_since_start().contains("each"), "{}", world.gateway.log());
    world.gateway.kill();
    world.gateway.start();
    world.read(8, 9);
    world.stop();
}

#[test]
fn results_of_a_retired_sink_are_delivered_and_those_of_a_discarded_one_are_not() {
    for retired in [true, false] {
        let mut world = World::prepare(&Keys::default(), Script::new(VERSION));
        world.central_proxy.refuse(true);
        world.gateway.start();
        world.local.wait_for_subscription("sensors/+/climate");
        world.publish_numbers(0..5, 1);
        world.wait_acknowledged(5);
        world.gateway.kill();
        let path = world.gateway.config_file();
        let text = fs::read_to_string(&path).unwrap();
        let file = world.data_dir.with_file_name("results.jsonl");
        let other = format!("[sink.file]\ntype = \"file\"\npath = {file:?}\nfrom = [\"each\"]\n");
        let changed = match retired {
            true => format!("{}\n{other}", text.replace("from = [\"each\"]", "retired = true")),
            false => format!("{}{other}", text.split_once("[sink.").unwrap().0),
        };
        fs::write(&path, changed).unwrap();
        world.central_proxy.refuse(false);
        if retired {
            world.gateway.start();
            world.wait_for_numbers(0..5);
        } else {
            // Nobody chose: what waits is kept, and the log says how to choose.
            world.gateway.start();
            world.gateway.wait_for_log("--discard-outbox");
            world.gateway.kill();
            world.gateway.start_with(&["--discard-outbox", "central"]);
        }
        world.local.wait_for_subscription("sensors/+/climate");
        world.publish_numbers(5..6, 1);
        let lines = || fs::read_to_string(&file).unwrap_or_default();
        assert!(wait_until(PATIENCE, || lines().contains("\"number\":5")), "{}", world.gateway.log());
        world.gateway.kill();
        // The old sink comes back: it has nothing left to say.
        fs::write(&path, text).unwrap();
        world.gateway.start();
        world.local.wait_for_subscription("sensors/+/climate");
        world.publish_numbers(6..7, 1);
        world.wait_for_numbers(6..7);
        let numbers = world.accepted_numbers();
        let expected: Vec<u64> = if retired { vec![0, 1, 2, 3, 4, 6] } else { vec![6] };
        assert_eq!(numbers.iter().copied().collect::<std::collections::BTreeSet<u64>>().into_iter().collect::<Vec<_>>(), expected);
        world.stop();
    }
}

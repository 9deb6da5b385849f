//! Mode "follow": files as they appear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const FOLLOW: &str = "mode = \"follow\"\ncheck_interval = \"20ms\"";

#[test]
fn killed_at_random_moments_every_file_is_read_once() {
    let mut rig = Rig::new("in", FOLLOW);
    std::fs::create_dir(rig.path("in")).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (directory, writing) = (rig.path("in"), done.clone());
    let mut random = Random::new(rig.random.next());
    let writer = std::thread::spawn(move || {
        let mut rows = 0;
        for number in 0..150 {
            let count = random.below(200) as usize;
            let text = json(rows..rows + count);
            let (text, ending) = if number % 5 == 0 { (gzip(&text), ".gz") } else { (text, "") };
            let begun = directory.join(format!("_{number}"));
            std::fs::write(&begun, text).unwrap();
            std::fs::rename(&begun, directory.join(format!("{number:05}.jsonl{ending}"))).unwrap();
            rows += count;
            std::thread::sleep(Duration::from_millis(random.below(60)));
        }
        writing.store(true, Ordering::SeqCst);
        rows
    });
    let mut more = 4;
    let kills = rig.kill_while(900, || {
        more -= usize::from(done.load(Ordering::SeqCst));
        more > 0
    });
    let rows = writer.join().unwrap();
    assert!(kills >= 4, "{kills} kills do not prove much");
    rig.gateway.start();
    rig.wait_for(rows);
    rig.stop();
    rig.assert_exact(rows);
}

#[test]
fn ten_thousand_small_files() {
    let mut rig = Rig::new("in/*.jsonl", FOLLOW);
    std::fs::create_dir(rig.path("in")).unwrap();
    for number in 0..10_000 {
        std::fs::write(rig.path(&format!("in/{number}.jsonl")), json(2 * number..2 * number + 2)).unwrap();
    }
    rig.gateway.start();
    rig.wait_for(2_000);
    rig.gateway.kill();
    rig.gateway.start();
    rig.wait_for(20_000);
    rig.stop();
    rig.assert_exact(20_000);
}

#[test]
fn another_file_of_the_same_name_is_read_and_a_renamed_one_is_not() {
    let mut rig = Rig::new("in", FOLLOW);
    std::fs::create_dir(rig.path("in")).unwrap();
    let place = |rig: &Rig, ids: std::ops::Range<usize>| {
        std::fs::write(rig.path("new"), json(ids)).unwrap();
        std::fs::rename(rig.path("new"), rig.path("in/now.jsonl")).unwrap();
    };
    place(&rig, 0..10);
    rig.gateway.start();
    rig.wait_for(10);
    // Named anew and added to, while the name goes to another.
    std::fs::rename(rig.path("in/now.jsonl"), rig.path("in/earlier.jsonl")).unwrap();
    place(&rig, 10..20);
    rig.wait_for(20);
    rig.stop();
    rig.gateway.start();
    place(&rig, 20..25);
    rig.wait_for(25);
    let mut file = std::fs::OpenOptions::new().append(true).open(rig.path("in/earlier.jsonl")).unwrap();
    std::io::Write::write_all(&mut file, &json(25..30)).unwrap();
    // Looked at again when the directory changes.
    std::fs::write(rig.path("in/other.jsonl"), json(30..31)).unwrap();
    rig.wait_for(31);
    rig.stop();
    rig.assert_exact(31);
}

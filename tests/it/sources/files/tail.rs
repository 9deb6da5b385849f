//! Mode "tail": growing files, rotated by a program that does not wait.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

const TAIL: &str = "mode = \"tail\"\ncheck_interval = \"20ms\"";
const ROWS: usize = 12_000;

/// The program that writes the log, and what it knows of the gateway.
struct Writer {
    directory: PathBuf,
    file: File,
    random: Random,
    rotations: usize,
    /// Rows that have come out of the gateway.
    delivered: Arc<AtomicUsize>,
}

fn log(directory: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(directory.join("app.log")).unwrap()
}

impl Writer {
    /// Writes all rows, in pieces that end anywhere; `between` is called where a line has ended, with the number of rows written.
    fn write(mut self, mut between: impl FnMut(&mut Writer, usize)) {
        let text = json(0..ROWS);
        let (mut rest, mut rows) = (text.as_slice(), 0);
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(1 + self.random.below(3_000) as usize)];
            self.file.write_all(piece).unwrap();
            rows += piece.iter().filter(|byte| **byte == b'\n').count();
            rest = &rest[piece.len()..];
            if piece.ends_with(b"\n") || self.random.below(8) == 0 {
                let end = if piece.ends_with(b"\n") { 0 } else { rest.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
                self.file.write_all(&rest[..end]).unwrap();
                rows += usize::from(end > 0);
                rest = &rest[end..];
                between(&mut self, rows);
            }
            std::thread::sleep(Duration::from_millis(self.random.below(20)));
        }
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        std::fs::rename(self.directory.join("app.log"), self.directory.join(format!("app.log.{}", self.rotations))).unwrap();
        self.file = log(&self.directory);
    }
}

/// Kills the gateway again and again while the writer writes; every row has to come once.
fn assert_exact_through(path: &str, between: impl FnMut(&mut Writer, usize) + Send + 'static) -> Rig {
    let mut rig = Rig::new(path, TAIL);
    let (delivered, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = Writer {
        directory: rig.directory.path().to_owned(),
        file: log(rig.directory.path()),
        random: Random::new(rig.random.next()),
        rotations: 0,
        delivered: delivered.clone(),
    };
    let writing = done.clone();
    let thread = std::thread::spawn(move || {
        writer.write(between);
        writing.store(true, Ordering::SeqCst);
    });
    let mut kills = 0;
    while !done.load(Ordering::SeqCst) {
        rig.gateway.start();
        let deadline = std::time::Instant::now() + Duration::from_millis(200 + rig.random.below(1_200));
        while std::time::Instant::now() < deadline {
            delivered.store(rig.count(), Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
        }
        rig.gateway.kill();
        kills += 1;
    }
    thread.join().unwrap();
    assert!(kills >= 2, "{kills} kills do not prove much");
    rig.gateway.start();
    rig.wait_for(ROWS);
    rig.stop();
    rig.assert_exact(ROWS);
    rig
}

#[test]
fn killed_while_the_file_is_renamed_and_created_anew() {
    let mut first = 0;
    assert_exact_through("app.log", move |writer, rows| {
        // The gateway has seen the file; it may be dead when the file is rotated.
        if writer.delivered.load(Ordering::SeqCst) > first && writer.random.below(6) == 0 {
            writer.rotate();
            first = rows;
        }
    });
}

#[test]
fn killed_while_files_are_rotated_that_the_pattern_names() {
    assert_exact_through("app.log*", |writer, _| {
        if writer.random.below(20) == 0 {
            writer.rotate();
        }
    });
}

#[test]
fn killed_while_the_file_is_copied_and_truncated() {
    assert_exact_through("app.log", |writer, rows| {
        // What was not read is lost with the truncation: it comes when all was.
        if writer.random.below(60) == 0 {
            let patience = std::time::Instant::now() + PATIENCE;
            while writer.delivered.load(Ordering::SeqCst) < rows {
                assert!(std::time::Instant::now() < patience, "row {rows} does not come");
                std::thread::sleep(Duration::from_millis(5));
            }
            writer.file.set_len(0).unwrap();
        }
    });
}

#[test]
fn a_half_line_waits_for_its_end_over_a_restart() {
    let mut rig = Rig::new("app.log", TAIL);
    let mut file = log(rig.directory.path());
    file.write_all(b"{\"id\":0}\n{\"id\"").unwrap();
    rig.gateway.start();
    rig.wait_for(1);
    rig.gateway.kill();
    rig.gateway.start();
    rig.gateway.wait_ready();
    file.write_all(b":1}\n").unwrap();
    rig.wait_for(2);
    rig.stop();
    rig.assert_exact(2);
    assert!(rig.dead_letters().is_empty());
}

#[test]
fn a_file_that_is_not_there_is_waited_for_and_that_is_said_once() {
    let mut rig = Rig::new("app.log", &format!("{TAIL}\nstart_at = \"end\""));
    rig.gateway.start();
    rig.gateway.wait_for_log("app.log: no such file");
    std::thread::sleep(Duration::from_millis(200));
    let mut file = log(rig.directory.path());
    file.write_all(&json(0..3)).unwrap();
    rig.wait_for(3);
    rig.stop();
    rig.assert_exact(3);
    // Once as the configuration is read, once by the source.
    let said = rig.gateway.log().matches("trying again until it works").count();
    assert_eq!(said, 1, "{}", rig.gateway.log());
}

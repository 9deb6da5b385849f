//! The tailer against a model: random writing, rotation, truncation and restarts, on real files; every line exactly once, in order.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::input::Shape;
use super::outlet::{Outlet, Word};
use super::shelf::Shelf;
use super::tail::{ROTATE_WAIT, Tail};
use crate::config::settings::{FileMode, FileSourceSettings};
use crate::format::csv::{CsvHeader, CsvSettings};
use crate::gateway::FrameContent;

/// A tailer, what it has said, and what of that is durable.
struct Reader {
    files: FileSourceSettings,
    shape: Arc<Shape>,
    tail: Tail,
    outlet: Outlet,
    words: mpsc::Receiver<Word>,
    _leave: std::sync::mpsc::Sender<()>,
    /// Said and not durable.
    said: Vec<Word>,
    positions: BTreeMap<String, Vec<u8>>,
    lines: Vec<String>,
    now: Instant,
    from_end: bool,
}

impl Reader {
    fn new(path: PathBuf, csv: Option<CsvSettings>, from_end: bool) -> Reader {
        let files =
            FileSourceSettings { path, mode: FileMode::Tail { from_end }, check_interval: Duration::from_secs(1), csv: csv.clone() };
        let shape = Arc::new(Shape { csv, record_bytes_max: 64 });
        let (say, words) = mpsc::channel(100_000);
        let (leave, left) = std::sync::mpsc::channel();
        Reader {
            tail: Tail::new("t", &files, shape.clone(), Shelf::restore(&[]).unwrap(), from_end),
            outlet: Outlet::new(say, left),
            files,
            shape,
            words,
            _leave: leave,
            said: Vec::new(),
            positions: BTreeMap::new(),
            lines: Vec::new(),
            now: Instant::now(),
            from_end,
        }
    }

    /// `true` if there is more to read.
    fn round(&mut self, passed: Duration) -> bool {
        self.now += passed;
        let more = self.tail.round(&self.outlet, self.now).unwrap();
        while let Ok(word) = self.words.try_recv() {
            self.said.push(word);
        }
        more
    }

    /// The first `count` words become durable.
    fn commit(&mut self, count: usize) {
        let count = count.min(self.said.len());
        for word in self.said.drain(..count) {
            let Word::Records(records) = word else { continue };
            for frame in records.frames {
                match frame {
                    FrameContent::Whole(bytes) => self.lines.push(String::from_utf8(bytes.to_vec()).unwrap()),
                    FrameContent::Bad { reason, .. } => self.lines.push(format!("! {reason}")),
                }
            }
            for (name, value) in records.positions {
                match value {
                    Some(value) => _ = self.positions.insert(name, value),
                    None => _ = self.positions.remove(&name),
                }
            }
        }
    }

    fn commit_all(&mut self) {
        self.commit(usize::MAX);
    }

    /// The process dies, and is started again.
    fn restart(&mut self) {
        self.said.clear();
        let stored: Vec<(String, Vec<u8>)> = self.positions.clone().into_iter().collect();
        self.tail = Tail::new("t", &self.files, self.shape.clone(), Shelf::restore(&stored).unwrap(), self.from_end);
    }

    /// Everything is read, and what is rotated away is given up.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.round(ROTATE_WAIT);
        }
        self.commit_all();
    }
}

/// The program that writes the log.
struct Writer {
    directory: tempfile::TempDir,
    file: File,
    rotations: usize,
    written: Vec<String>,
    half: bool,
}

impl Writer {
    fn new() -> Writer {
        let directory = tempfile::tempdir().unwrap();
        let file = Writer::create(&directory);
        Writer { directory, file, rotations: 0, written: Vec::new(), half: false }
    }

    fn create(directory: &tempfile::TempDir) -> File {
        OpenOptions::new().create(true).append(true).open(directory.path().join("app.log")).unwrap()
    }

    fn half_line(&mut self) {
        if !std::mem::replace(&mut self.half, true) {
            write!(self.file, "line {}", self.written.len()).unwrap();
        }
    }

    fn line(&mut self) {
        self.half_line();
        self.half = false;
        self.file.write_all(b" is whole\n").unwrap();
        self.written.push(format!("line {} is whole", self.written.len()));
    }

    fn rotate(&mut self) {
        if self.half {
            self.line();
        }
        self.rotations += 1;
        let at = |name: &str| self.directory.path().join(name);
        std::fs::rename(at("app.log"), at(&format!("app.log.{}", self.rotations))).unwrap();
        self.file = Writer::create(&self.directory);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Lines(usize),
    HalfLine,
    Rotate,
    Truncate,
    Round { seconds: u64 },
    Commit(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..40usize).prop_map(Step::Lines),
        2 => Just(Step::HalfLine),
        1 => Just(Step::Rotate),
        1 => Just(Step::Truncate),
        4 => (0..4u64).prop_map(|seconds| Step::Round { seconds }),
        2 => (1..6usize).prop_map(Step::Commit),
        2 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Runs the steps. `sees_all`: the path names rotated files too.
fn run(steps: &[Step], sees_all: bool) -> (Vec<String>, Vec<String>) {
    let mut writer = Writer::new();
    let path = writer.directory.path().join(if sees_all { "app.log*" } else { "app.log" });
    let mut reader = Reader::new(path, None, false);
    for step in steps {
        match *step {
            Step::Lines(count) => (0..count).for_each(|_| writer.line()),
            Step::HalfLine => writer.half_line(),
            Step::Rotate => {
                if !sees_all {
                    // What comes and is rotated away unseen cannot be known to belong to the path.
                    reader.round(Duration::ZERO);
                    reader.commit_all();
                }
                writer.rotate();
            }
            Step::Truncate => {
                // A copying rotation loses what was not read.
                if writer.half {
                    writer.line();
                }
                reader.round(Duration::ZERO);
                reader.commit_all();
                writer.file.set_len(0).unwrap();
            }
            Step::Round { seconds } => _ = reader.round(Duration::from_secs(seconds)),
            Step::Commit(count) => reader.commit(count),
            Step::Restart => reader.restart(),
        }
    }
    if writer.half {
        writer.line();
    }
    reader.settle();
    (writer.written, reader.lines)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_line_comes_once_and_in_order(steps in steps()) {
        let (written, lines) = run(&steps, false);
        prop_assert_eq!(lines, written);
    }

    #[test]
    fn with_all_names_in_the_pattern_nothing_is_missed_while_away(steps in steps()) {
        let (mut written, mut lines) = run(&steps, true);
        written.sort();
        lines.sort();
        prop_assert_eq!(lines, written);
    }
}

#[test]
fn a_half_line_waits_and_is_the_last_one_of_a_rotated_file() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(writer.directory.path().join("app.log"), None, false);
    writer.line();
    writer.half_line();
    reader.round(Duration::ZERO);
    reader.commit_all();
    assert_eq!(reader.lines, ["line 0 is whole"]);
    reader.restart();
    writer.half = false;
    writer.rotate();
    writer.line();
    reader.settle();
    assert_eq!(reader.lines, ["line 0 is whole", "line 1 is whole", "line 1"]);
}

#[test]
fn another_file_with_the_inode_of_the_old_one_is_read_from_its_beginning() {
    let mut writer = Writer::new();
    let path = writer.directory.path().join("app.log");
    let mut reader = Reader::new(path.clone(), None, false);
    (0..20).for_each(|_| writer.line());
    reader.round(Duration::ZERO);
    reader.commit_all();
    reader.restart();
    // Written over in its place: the same inode, and longer than before.
    std::fs::write(&path, "new 1\nnew 2\n".repeat(100)).unwrap();
    reader.settle();
    assert_eq!(reader.lines.len(), 20 + 200);
    assert_eq!(reader.lines[20], "new 1");
    // The same while it runs.
    std::fs::write(&path, "newer 1\nnewer 2\n".repeat(200)).unwrap();
    reader.settle();
    assert_eq!(reader.lines.len(), 20 + 200 + 400);
    assert_eq!(reader.positions.len(), 2, "the file's, and that there was a start");
}

#[test]
fn a_rotation_between_the_list_and_the_opening_does_not_mix_files_up() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(writer.directory.path().join("app.log*"), None, false);
    writer.line();
    reader.round(Duration::ZERO);
    reader.commit_all();
    writer.line();
    reader.restart();
    let listing = reader.tail.list().unwrap();
    writer.rotate();
    writer.line();
    reader.tail.meet(&listing, &reader.outlet, reader.now).unwrap();
    reader.settle();
    assert_eq!(reader.lines, writer.written);
}

#[test]
fn a_writer_that_goes_on_at_its_old_place_after_a_truncation_leaves_nothing_behind() {
    use std::io::Seek;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut file = File::create(&path).unwrap();
    let mut reader = Reader::new(path, None, false);
    (0..100).for_each(|number| writeln!(file, "{number}").unwrap());
    reader.round(Duration::ZERO);
    file.set_len(0).unwrap();
    assert!(file.stream_position().unwrap() > 64);
    writeln!(file, "after").unwrap();
    reader.settle();
    assert_eq!(reader.lines.len(), 101);
    assert_eq!(reader.lines[100], "after", "the hole before it is passed over");
}

#[test]
fn what_a_truncation_cuts_off_is_told() {
    let mut writer = Writer::new();
    let mut reader = Reader::new(writer.directory.path().join("app.log"), None, false);
    writer.half_line();
    reader.round(Duration::ZERO);
    writer.file.set_len(0).unwrap();
    writer.file.write_all(b"another line\n").unwrap();
    reader.settle();
    assert_eq!(reader.lines, ["! the file was truncated before this line had ended", "another line"]);
}

#[test]
fn at_the_first_start_reading_may_begin_at_the_end_and_later_files_are_read_whole() {
    let mut writer = Writer::new();
    writer.line();
    writer.half_line();
    let mut reader = Reader::new(writer.directory.path().join("app.log"), None, true);
    reader.round(Duration::ZERO);
    reader.commit_all();
    assert_eq!(reader.lines, [""; 0]);
    reader.restart();
    writer.line();
    reader.settle();
    assert_eq!(reader.lines, ["line 1 is whole"]);
    writer.rotate();
    writer.line();
    reader.restart();
    reader.settle();
    assert_eq!(reader.lines, ["line 1 is whole", "line 2 is whole"]);
}

#[test]
fn the_names_of_a_csv_file_are_kept_over_restarts_rotation_and_truncation() {
    let csv = CsvSettings { header: CsvHeader::Names, ..CsvSettings::default() };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.csv");
    let append = |text: &str| OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    for from_end in [false, true] {
        append("a,b\n1,1\n");
        let mut reader = Reader::new(path.clone(), Some(csv.clone()), from_end);
        reader.settle();
        reader.restart();
        append("2,2\n");
        reader.settle();
        // A copying rotation, whose writer does not know of it, and one whose does.
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        append("3,3\n");
        reader.settle();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        reader.settle();
        append("a,b\n4,4\n");
        reader.settle();
        reader.restart();
        std::fs::rename(&path, directory.path().join("app.csv.1")).unwrap();
        append("b,a\n5,5\n");
        reader.settle();
        let expected = ["a,b\n1,1", "a,b\n2,2", "a,b\n3,3", "a,b\n4,4", "b,a\n5,5"];
        assert_eq!(reader.lines, expected[usize::from(from_end)..]);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn more_files_than_may_be_open_are_left_alone_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..super::tail::TAILED_MAX + 1 {
        std::fs::write(directory.path().join(format!("{number:03}.log")), format!("{number}\n")).unwrap();
    }
    let mut reader = Reader::new(directory.path().join("*.log"), None, false);
    reader.settle();
    assert_eq!(reader.lines.len(), super::tail::TAILED_MAX);
    std::fs::remove_file(directory.path().join("000.log")).unwrap();
    reader.settle();
    assert_eq!(reader.lines.len(), super::tail::TAILED_MAX + 1);
}

#[test]
fn a_file_that_is_far_behind_is_read_in_rounds_and_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let lines = |from: usize| -> String { (from..from + 100_000).map(|number| format!("line {number:050}\n")).collect() };
    std::fs::write(&path, lines(0)).unwrap();
    let mut reader = Reader::new(path.clone(), None, false);
    assert!(reader.round(Duration::ZERO), "5.6 MB are more than a round reads");
    std::fs::write(&path, lines(0) + lines(100_000).as_str()).unwrap();
    std::fs::rename(&path, directory.path().join("app.log.1")).unwrap();
    std::fs::write(&path, lines(200_000)).unwrap();
    assert!(reader.round(ROTATE_WAIT) && reader.round(ROTATE_WAIT), "what is rotated away comes first");
    while reader.round(Duration::ZERO) {}
    reader.settle();
    assert!(reader.lines.iter().enumerate().all(|(number, line)| *line == format!("line {number:050}")));
    assert_eq!(reader.lines.len(), 300_000);
}

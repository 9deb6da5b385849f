//! Watches the files of reference tables, and brings what is in them to the core.
//!
//! A file is taken when it has stopped changing: two looks [`SETTLE`] apart and one after reading see the same file of the same length and times.
//! So a file that is written in place is not taken half, as long as its writer does not pause; one that is renamed into its place is always whole.
//! Links are followed: a link that points elsewhere is another file. The last good text is kept in the data directory.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::Files;
use crate::config::settings::{Settings, TableSettings};
use crate::format::reference::ReferenceContents;
use crate::gateway::Event;

/// How long a file must not have changed.
const SETTLE: Duration = Duration::from_secs(1);

/// Looks at a file that keeps changing after which that is said.
const UNSETTLED_MAX: u32 = 60;

/// Starts a task for each table; their events have the numbers from `from` on.
pub(super) fn watch(settings: &Arc<Settings>, from: usize, events: &mpsc::Sender<Event>, tasks: &mut JoinSet<()>) {
    for table in 0..settings.tables.len() {
        let (settings, events) = (settings.clone(), events.clone());
        tasks.spawn(async move { run(from + table, Watcher::new(&settings.tables[table]), events).await });
    }
}

/// Ends when the core is gone.
async fn run(table: usize, mut watcher: Watcher, events: mpsc::Sender<Event>) {
    loop {
        let looking = tokio::task::spawn_blocking(move || {
            let look = watcher.look();
            (watcher, look)
        });
        let Ok((back, look)) = looking.await else { return };
        watcher = back;
        let pause =
            if matches!(look, Look::Unsettled) { SETTLE.min(watcher.settings.check_interval) } else { watcher.settings.check_interval };
        let event = match look {
            Look::Same | Look::Unsettled => None,
            Look::New(contents) => Some(Event::TableRead { table, contents }),
            Look::Bad(reason) => Some(Event::TableRefused { table, reason }),
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// What tells one file from another, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look found.
#[derive(Debug)]
enum Look {
    Same,
    /// It changes: look again soon.
    Unsettled,
    New(ReferenceContents),
    Bad(String),
}

struct Watcher {
    settings: TableSettings,
    /// The file, or why there is none, as it was dealt with.
    seen: Option<Result<Stamp, String>>,
    /// As the last look found it.
    last: Option<Result<Stamp, String>>,
    unsettled: u32,
    /// Length and checksum of the version that is in use.
    current: (usize, u32),
    in_trouble: bool,
    /// The checksum of the copy.
    kept: Option<u32>,
}

impl Watcher {
    fn new(settings: &TableSettings) -> Watcher {
        let kept = Files::Disk.read_regular(&settings.kept, settings.read.bytes_max).ok();
        Watcher {
            current: (settings.contents.bytes, settings.contents.checksum),
            in_trouble: settings.trouble.is_some(),
            seen: None,
            last: None,
            unsettled: 0,
            kept: kept.map(|text| crc32fast::hash(&text)),
            settings: settings.clone(),
        }
    }

    fn look(&mut self) -> Look {
        let now = stamp(&self.settings.path);
        if self.seen.as_ref() == Some(&now) {
            self.unsettled = 0;
            return Look::Same;
        }
        if self.last.as_ref() != Some(&now) {
            self.last = Some(now);
            return self.unsettled();
        }
        let text = now.clone().and_then(|_| Files::Disk.read_regular(&self.settings.path, self.settings.read.bytes_max));
        if stamp(&self.settings.path) != now {
            self.last = None;
            return self.unsettled();
        }
        (self.seen, self.unsettled) = (Some(now), 0);
        match text.and_then(|text| self.take(&text)) {
            Ok(look) => look,
            Err(reason) => self.refuse(reason),
        }
    }

    fn unsettled(&mut self) -> Look {
        self.unsettled += 1;
        if self.unsettled.is_multiple_of(UNSETTLED_MAX) {
            return self.refuse("it changes all the time; write a new file and rename it into place".to_owned());
        }
        Look::Unsettled
    }

    fn refuse(&mut self, reason: String) -> Look {
        self.in_trouble = true;
        let (table, path) = (&self.settings.name, self.settings.path.display());
        tracing::warn!(table, %path, reason, "the table's file cannot be taken: the version before stays in use");
        Look::Bad(reason)
    }

    fn take(&mut self, text: &[u8]) -> Result<Look, String> {
        let contents = ReferenceContents::read(&self.settings.read, text).map_err(|error| error.to_string())?;
        if self.kept != Some(contents.checksum) {
            match keep(&self.settings.kept, text) {
                Ok(()) => self.kept = Some(contents.checksum),
                Err(error) => {
                    let (table, copy) = (&self.settings.name, self.settings.kept.display());
                    tracing::warn!(table, %copy, %error, "no copy of the table could be kept: a start with a bad file would fail");
                }
            }
        }
        let is_current = self.current == (contents.bytes, contents.checksum);
        if is_current && !self.in_trouble {
            return Ok(Look::Same);
        }
        (self.current, self.in_trouble) = ((contents.bytes, contents.checksum), false);
        tracing::info!(table = self.settings.name, rows = contents.rows.rows, bytes = contents.bytes, "the table's file has been taken");
        Ok(Look::New(contents))
    }
}

fn stamp(path: &Path) -> Result<Stamp, String> {
    let meta = fs::metadata(path).map_err(crate::config::file_problem)?;
    Ok(Stamp {
        device: meta.dev(),
        inode: meta.ino(),
        bytes: meta.size(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    })
}

/// Writes the copy so that there is always a whole one.
fn keep(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let begun = path.with_extension("new");
    let mut file = File::create(&begun)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&begun, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::csv::CsvSettings;
    use crate::format::reference::{ReferenceFormat, ReferenceSettings};
    use crate::types::{DataType, Field};

    fn watcher(directory: &Path, text: &str) -> Watcher {
        let read = ReferenceSettings {
            format: ReferenceFormat::Csv(CsvSettings::default()),
            fields: vec![Field::new("a", DataType::String)],
            rows_max: 100,
            bytes_max: 1_000,
        };
        fs::write(directory.join("t.csv"), text).unwrap();
        Watcher::new(&TableSettings {
            name: "t".to_owned(),
            path: directory.join("t.csv"),
            check_interval: Duration::from_secs(1),
            contents: ReferenceContents::read(&read, text.as_bytes()).unwrap(),
            kept: directory.join("tables/t"),
            trouble: None,
            read,
        })
    }

    /// Looks until the file has settled.
    fn settled(watcher: &mut Watcher) -> Look {
        (0..5).map(|_| watcher.look()).find(|look| !matches!(look, Look::Unsettled)).expect("it settles")
    }

    #[test]
    fn a_file_is_taken_when_it_has_settled_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mut watcher = watcher(directory.path(), "a\n1\n");
        assert!(matches!(watcher.look(), Look::Unsettled));
        assert!(matches!(watcher.look(), Look::Same));
        assert_eq!(fs::read_to_string(directory.path().join("tables/t")).unwrap(), "a\n1\n");
        fs::write(directory.path().join("t.csv"), "a\n1\n2\n").unwrap();
        assert!(matches!(watcher.look(), Look::Unsettled));
        fs::write(directory.path().join("t.csv"), "a\n1\n2\n3\n").unwrap();
        assert!(matches!(watcher.look(), Look::Unsettled));
        assert!(matches!(watcher.look(), Look::New(contents) if contents.rows.rows == 3));
        assert!(matches!(watcher.look(), Look::Same));
        assert_eq!(fs::read_to_string(directory.path().join("tables/t")).unwrap(), "a\n1\n2\n3\n");
    }

    #[test]
    fn a_bad_file_is_told_once_and_its_repair_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut watcher = watcher(directory.path(), "a\n1\n");
        settled(&mut watcher);
        fs::remove_file(directory.path().join("t.csv")).unwrap();
        assert!(matches!(settled(&mut watcher), Look::Bad(reason) if reason == "no such file"));
        assert!(matches!(watcher.look(), Look::Same));
        fs::write(directory.path().join("t.csv"), "b\n").unwrap();
        assert!(matches!(settled(&mut watcher), Look::Bad(reason) if reason.contains("no column `a`")));
        fs::create_dir(directory.path().join("d")).unwrap();
        fs::remove_file(directory.path().join("t.csv")).unwrap();
        std::os::unix::fs::symlink(directory.path().join("d"), directory.path().join("t.csv")).unwrap();
        assert!(matches!(settled(&mut watcher), Look::Bad(reason) if reason == "it is a directory"));
        // The same text as before the trouble is news.
        fs::remove_file(directory.path().join("t.csv")).unwrap();
        fs::write(directory.path().join("t.csv"), "a\n1\n").unwrap();
        assert!(matches!(settled(&mut watcher), Look::New(_)));
    }

    #[test]
    fn a_compressed_file_is_read_and_its_size_bounded() {
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let directory = tempfile::tempdir().unwrap();
        let mut watcher = watcher(directory.path(), "a\n1\n");
        settled(&mut watcher);
        fs::write(directory.path().join("t.csv"), gzip(b"a\n1\n2\n")).unwrap();
        assert!(matches!(settled(&mut watcher), Look::New(contents) if contents.rows.rows == 2));
        assert_eq!(fs::read_to_string(directory.path().join("tables/t")).unwrap(), "a\n1\n2\n");
        let whole = gzip(b"a\n1\n2\n3\n");
        fs::write(directory.path().join("t.csv"), &whole[..whole.len() - 6]).unwrap();
        assert!(matches!(settled(&mut watcher), Look::Bad(_)));
        fs::write(directory.path().join("t.csv"), gzip(&[b'1'; 1 << 20])).unwrap();
        assert!(matches!(settled(&mut watcher), Look::Bad(reason) if reason == "it is longer than 1000 bytes"));
    }

    #[test]
    fn a_file_that_never_settles_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut watcher = watcher(directory.path(), "a\n");
        settled(&mut watcher);
        let mut bad = 0;
        for length in 0..2 * UNSETTLED_MAX as usize {
            fs::write(directory.path().join("t.csv"), format!("a\n{}", "1".repeat(1 + length))).unwrap();
            bad += usize::from(matches!(watcher.look(), Look::Bad(_)));
        }
        assert_eq!(bad, 2);
    }
}

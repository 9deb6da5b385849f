//! Files: rows with ids are written, and the ledger holds each exactly once, however often the gateway is killed.

mod follow;
mod permission;
mod read;
mod tail;
mod waiting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::random::{Random, seed};
use crate::support::stored::Stored;

const PATIENCE: Duration = Duration::from_secs(120);

/// A directory for the files, a gateway that reads them, and what has come out.
struct Rig {
    gateway: Gateway,
    directory: tempfile::TempDir,
    random: Random,
}

impl Rig {
    /// `path` is relative to the directory; `keys` are further ones of the source.
    fn new(path: &str, keys: &str) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(path);
        let schema = if keys.contains("schema") { "" } else { "schema = \"id BIGINT, text STRING\"" };
        let columns = if keys.contains("text") || schema.is_empty() { "*" } else { "id" };
        let config = |data_dir: &Path| {
            format!(
                r#"[gateway]
id = "files"
data_dir = {data_dir:?}
shutdown_timeout = "5m"
batch_interval = "20ms"
batch_rows_max = 2000
intake_bytes_max = "256 KiB"
free_space_min = 0

[source.rows]
type = "file"
path = {path:?}
{schema}
{keys}

[query.all]
sql = "SELECT {columns}, _file AS file FROM rows"

[sink.out]
type = "file"
path = "results.jsonl"
from = ["all"]
rotate = {{ max_bytes = "1 GB" }}
"#
            )
        };
        let gateway = Gateway::new(config);
        let seed = seed();
        println!("TIDEMILL_TEST_SEED={seed}");
        Rig { gateway, directory, random: Random::new(seed) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A whole file, by way of another name.
    fn place(&self, name: &str, contents: &[u8]) {
        let begun = self.path(&format!(".{name}"));
        std::fs::write(&begun, contents).unwrap();
        std::fs::rename(begun, self.path(name)).unwrap();
    }

    /// All results, those that the sink repeated left out, in their order.
    fn results(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.gateway.config_file().with_file_name("results.jsonl")).unwrap_or_default();
        let mut ids = std::collections::BTreeSet::new();
        let rows = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        rows.filter(|row| ids.insert(row["_id"].to_string())).collect()
    }

    fn count(&self) -> usize {
        self.results().len()
    }

    fn wait_for(&self, rows: usize) {
        let came = wait_until(PATIENCE, || {
            std::thread::sleep(Duration::from_millis(50));
            self.count() >= rows
        });
        assert!(came, "{} of {rows} rows come:\n{}", self.count(), self.gateway.log());
    }

    /// Whether rows 0 to `rows` have come, each once.
    fn assert_exact(&self, rows: usize) {
        let mut counts: BTreeMap<i64, usize> = (0..rows as i64).map(|id| (id, 0)).collect();
        for row in self.results() {
            *counts.entry(row["id"].as_i64().unwrap_or(-1)).or_default() += 1;
        }
        let wrong: Vec<_> = counts.iter().filter(|(id, count)| **count != 1 || !(0..rows as i64).contains(*id)).take(10).collect();
        assert!(wrong.is_empty(), "ids and how often they came: {wrong:?}\n{}", self.gateway.log());
    }

    /// Starts the gateway and kills it at a random moment, again and again while `go_on` says so; how many times it was killed as it was running.
    fn kill_while(&mut self, life_ms: u64, mut go_on: impl FnMut() -> bool) -> usize {
        let mut kills = 0;
        while go_on() {
            self.gateway.start();
            std::thread::sleep(Duration::from_millis(self.random.below(life_ms)));
            if self.gateway.has_exited() {
                assert!(self.gateway.wait_exit().success(), "{}", self.gateway.log());
                return kills;
            }
            self.gateway.kill();
            kills += 1;
        }
        kills
    }

    fn stop(&mut self) {
        assert!(self.gateway.stop().success(), "{}", self.gateway.log());
    }

    fn dead_letters(&self) -> Vec<String> {
        let data = self.gateway.config_file().with_file_name("data");
        Stored::open(&data).dead_letters().iter().map(|letter| letter.to_string()).collect()
    }
}

/// Rows of these ids as JSON lines.
fn json(ids: std::ops::Range<usize>) -> Vec<u8> {
    ids.map(|id| format!("{{\"id\":{id},\"text\":\"{}\"}}\n", "x".repeat(id % 60))).collect::<String>().into_bytes()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

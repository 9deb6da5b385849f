//! What `tidemill backup` leaves in a data directory, and what it believes of one: root saves what belongs to another user.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::skip::skip;

const NOBODY: u32 = 65534;
const AS_NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
/// Of `SIGXFSZ`: a file has become too large.
const FILE_TOO_LARGE: i32 = 25;

/// A directory that everyone may use, with the program and the store of a gateway that has stopped.
struct Place {
    directory: tempfile::TempDir,
    /// What stands before the gateway's command.
    user: &'static [&'static str],
}

impl Place {
    fn new(user: &'static [&'static str]) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap(), user };
        std::fs::set_permissions(place.at(""), std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_tidemill"), place.at("tidemill")).unwrap();
        let config = "[gateway]\nid = \"pipe\"\ndata_dir = \"data\"\nfree_space_min = 0\n[source.s]\ntype = \"stdin\"\nschema = \"n BIGINT\"\n\
                      [query.q]\nsql = \"SELECT n FROM s\"\n[sink.o]\ntype = \"stdout\"\nfrom = [\"q\"]\n";
        std::fs::write(place.at("gateway.toml"), config).unwrap();
        place.run_gateway();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the gateway on one row and a dead letter; its log.
    fn run_gateway(&self) -> String {
        let program = self.at("tidemill").display().to_string();
        let words: Vec<&str> = self.user.iter().copied().chain([program.as_str(), "run", "-c", "gateway.toml"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.at("")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut gateway = command.spawn().unwrap();
        gateway.stdin.take().unwrap().write_all(b"{\"n\":1}\nrubbish\n").unwrap();
        let output = gateway.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        log
    }

    fn backup(&self, to: &str) -> Output {
        backup(&self.at("data"), &self.at(to))
    }
}

fn backup(data_dir: &Path, to: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill")).arg("backup").arg("--data").args([data_dir, to]).output().unwrap()
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn refused(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stdout));
    said
}

/// All that lies below a directory: who has it, and the content of what is a file.
fn content(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            all.extend(content(&path));
        }
        let bytes = if about.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        all.insert(path, (about.uid(), bytes));
    }
    all
}

fn owners(dir: &Path) -> BTreeMap<PathBuf, u32> {
    content(dir).into_iter().map(|(path, (uid, _))| (path, uid)).collect()
}

#[test]
fn a_backup_by_root_leaves_the_data_directory_to_its_owner() {
    if !rustix::process::geteuid().is_root() {
        return skip("a_backup_by_root_leaves_the_data_directory_to_its_owner", "only root can run the gateway as somebody else");
    }
    let place = Place::new(&AS_NOBODY);
    let data = place.at("data");
    // A table larger than any file may become: that ends the backup amid its snapshot.
    let table = data.join("tables/large.csv");
    std::fs::create_dir(data.join("tables")).unwrap();
    std::fs::write(&table, vec![b'\n'; 16 << 20]).unwrap();
    for path in [&data.join("tables"), &table] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let interrupted = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 8192; exec \"$0\" backup --data \"$1\" \"$2\"", env!("CARGO_BIN_EXE_tidemill")])
        .args([&data, &place.at("never")])
        .output()
        .unwrap();
    assert_eq!(interrupted.status.signal(), Some(FILE_TOO_LARGE), "{}", String::from_utf8_lossy(&interrupted.stderr));
    assert!(data.join("snapshot").is_dir());
    let others = |dir: &Path| owners(dir).into_iter().filter(|(_, uid)| *uid != NOBODY).collect::<Vec<_>>();
    assert_eq!(others(&data), []);
    place.run_gateway();
    assert!(!data.join("snapshot").exists());
    done(&place.backup("saved"));
    assert!(!data.join("snapshot").exists());
    assert_eq!(others(&data), []);
    assert!(owners(&place.at("saved")).values().all(|uid| *uid == 0), "{:?}", owners(&place.at("saved")));
    place.run_gateway();
}

#[test]
fn a_snapshot_that_cannot_be_removed_holds_up_no_start() {
    let place = Place::new(&["env"]);
    // No directory: not to be removed as one.
    std::fs::write(place.at("data/snapshot"), "").unwrap();
    let log = place.run_gateway();
    assert!(log.contains("can't be removed; the next start tries again"), "{log}");
    if rustix::process::geteuid().is_root() {
        let place = Place::new(&AS_NOBODY);
        std::fs::create_dir_all(place.at("data/snapshot/state")).unwrap();
        let log = place.run_gateway();
        assert!(log.contains("can't be removed; the next start tries again"), "{log}");
    }
}

#[test]
fn a_damaged_store_at_rest_is_refused_and_neither_mended_nor_moved() {
    let shorten = |data: &Path| {
        let segment = std::fs::OpenOptions::new().write(true).open(data.join("logs/dead_letters/0000000000000000.seg")).unwrap();
        segment.set_len(segment.metadata().unwrap().len() - 1).unwrap();
    };
    let go_ahead = |data: &Path| {
        let number = (1u64 << 40).to_le_bytes();
        std::fs::write(data.join("witness"), [&number[..], &crc32fast::hash(&number).to_le_bytes()].concat()).unwrap();
    };
    let overwrite = |data: &Path| {
        let length = std::fs::metadata(data.join("state/db")).unwrap().len();
        std::fs::write(data.join("state/db"), vec![0x5a; length as usize]).unwrap();
    };
    let remove = |data: &Path| std::fs::remove_dir_all(data.join("state")).unwrap();
    type Damage = fn(&Path);
    let kinds: [(Damage, &str); 4] = [
        (shorten, "segment 0000000000000000 of the log dead_letters is shorter"),
        (go_ahead, "but commit 1099511627776 had been made durable"),
        (overwrite, "corrupted"),
        (remove, "its state is missing"),
    ];
    for (damage, told) in kinds {
        let place = Place::new(&["env"]);
        let data = place.at("data");
        // As the opening leaves it that is no damage.
        done(&place.backup("before"));
        damage(&data);
        let held = |skipped: &Path| content(&data).into_iter().filter(|(path, _)| !path.starts_with(skipped)).collect::<BTreeMap<_, _>>();
        let before = held(&data.join("lock"));
        let said = refused(&place.backup("saved"));
        assert!(said.contains("is damaged") && said.contains(told) && said.contains("start the gateway"), "{said}");
        let after = held(&data.join("lock"));
        let names = |held: &BTreeMap<PathBuf, _>| held.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after));
        assert!(before == after, "{told}: {:?}", before.iter().filter(|(path, held)| after[*path] != **held).collect::<Vec<_>>());
        assert!(!place.at("saved").exists());
        // What it advises helps.
        place.run_gateway();
        done(&place.backup("saved"));
    }
}

#[test]
fn a_lock_that_is_a_link_is_not_written_through() {
    let place = Place::new(&["env"]);
    std::fs::write(place.at("victim"), "precious").unwrap();
    std::fs::remove_file(place.at("data/lock")).unwrap();
    symlink(place.at("victim"), place.at("data/lock")).unwrap();
    let said = refused(&place.backup("saved"));
    assert!(said.contains("data/lock"), "{said}");
    assert_eq!(std::fs::read_to_string(place.at("victim")).unwrap(), "precious");
}

/// Answers one backup of `data_dir` in the place of a gateway.
fn backup_told(data_dir: &Path, answer: &serde_json::Value, to: &Path) -> Output {
    let socket = data_dir.join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let line = format!("{}\n", serde_json::json!({"ok": true, "text": "", "snapshot": answer}));
    let server = std::thread::spawn(move || {
        let mut client = BufReader::new(listener.accept().unwrap().0);
        client.read_line(&mut String::new()).unwrap();
        client.get_mut().write_all(line.as_bytes()).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
    });
    let output = backup(data_dir, to);
    server.join().unwrap();
    std::fs::remove_file(socket).unwrap();
    output
}

#[test]
fn only_files_in_the_snapshot_of_the_directory_are_saved() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (data, to) = (at("data"), at("to/saved"));
    let snapshot = data.join("snapshot");
    for dir in [&snapshot.join("state"), &at("elsewhere"), &at("to")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    for file in [&snapshot.join("state/db"), &at("elsewhere/secret"), &data.join("planted"), &at("absolute")] {
        std::fs::write(file, "secret").unwrap();
    }
    symlink(at("elsewhere/secret"), snapshot.join("link")).unwrap();
    symlink(at("elsewhere"), snapshot.join("links")).unwrap();
    assert!(Command::new("mkfifo").arg(snapshot.join("pipe")).status().unwrap().success());
    let answer = |dir: &Path, path: &str| serde_json::json!({"number": 1, "dir": dir, "files": [{"path": path, "bytes": 6}]});
    let absolute = at("absolute").display().to_string();
    for (dir, path, told) in [
        (&snapshot, "../planted", "can't be in it"),
        (&snapshot, absolute.as_str(), "can't be in it"),
        (&snapshot, "", "can't be in it"),
        (&snapshot, "link", "it is a link"),
        (&snapshot, "links/secret", "it is a link"),
        (&snapshot, "state", "it is no file"),
        (&at("elsewhere"), "secret", "cannot open"),
        (&snapshot, "pipe", "it is no file"),
    ] {
        let said = refused(&backup_told(&data, &answer(dir, path), &to));
        assert!(said.contains(told), "{path}: {said}");
        assert_eq!(content(&at("to")), BTreeMap::new(), "{path}");
    }
    done(&backup_told(&data, &answer(&snapshot, "state/db"), &to));
    assert_eq!(std::fs::read_to_string(to.join("state/db")).unwrap(), "secret");
    std::fs::rename(&snapshot, data.join("moved")).unwrap();
    symlink(data.join("moved"), &snapshot).unwrap();
    let said = refused(&backup_told(&data, &answer(&snapshot, "state/db"), &at("to/again")));
    assert!(said.contains("cannot open"), "{said}");
}

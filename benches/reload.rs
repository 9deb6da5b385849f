//! A reload of a running gateway that keeps the state of many keys, while rows flow: how long input waits, and that no row is lost or counted twice.
//!
//! `cargo bench --bench reload [-- --keys 100000] [--quick]`. Lines over TCP at 1,000 a second; one query with count, average, minimum and maximum of each
//! key in update mode, one that counts all rows. Five reloads of the same configuration, five of one that differs in a filter of a third query.

#[expect(dead_code, reason = "other benchmarks use more of it")]
#[path = "measure/mod.rs"]
mod measure;
/// The tests' own gateway.
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use measure::{Call, Process, figure};
use support::child::wait_until;
use support::gateway::Gateway;
use support::ports::free_port;

const TIMEOUT: Duration = Duration::from_secs(600);
const RELOADS: usize = 5;
/// Written at once, first all keys, then a pause after each.
const LINES_AT_ONCE: u64 = 1_000;
const ROWS_PER_PAUSE: u64 = 10;
const PAUSE: Duration = Duration::from_millis(10);
/// By then the gateway has given back what is free.
const SETTLES_AFTER: Duration = Duration::from_secs(15);

fn main() {
    let call = Call::of_process();
    if call.is_for_others("reload") {
        return;
    }
    let keys = call.number("--keys").unwrap_or(if call.is_quick() { 2_000 } else { 100_000 });
    let port = free_port();
    let mut gateway = Gateway::new(|data| config(data, port, keys, 0));
    gateway.start();
    gateway.wait_for_log("\"message\":\"listening on ");
    let process = Process::numbered(gateway.pid());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write(&mut stream, 0..keys);
    assert!(wait_until(TIMEOUT, || counted(&gateway) == Some((keys, keys * keys.saturating_sub(1) / 2))), "{}", gateway.log());
    figure("reload.resident_before_mb", process.resident_mb());
    if !call.is_quick() {
        std::thread::sleep(SETTLES_AFTER);
        figure("reload.resident_settled_mb", process.resident_mb());
    }

    let done = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut next = keys;
            while !done.load(Ordering::SeqCst) {
                write(&mut stream, next..next + ROWS_PER_PAUSE);
                next += ROWS_PER_PAUSE;
                std::thread::sleep(PAUSE);
            }
            next
        });
        reloads(&gateway, "same", || config(&gateway.config_file().with_file_name("data"), port, keys, 0));
        let mut limit = 0;
        reloads(&gateway, "changed", || {
            limit += 1;
            config(&gateway.config_file().with_file_name("data"), port, keys, limit)
        });
        done.store(true, Ordering::SeqCst);
        sender.join().expect("the sender lives")
    });
    let wanted = Some((sent, sent * (sent - 1) / 2));
    assert!(wait_until(TIMEOUT, || counted(&gateway) == wanted), "{:?}, not {wanted:?}: rows lost or doubled", counted(&gateway));
    figure("reload.rows", sent as f64);
    figure("reload.peak_mb", process.peak_mb());
    assert!(gateway.stop().success());
}

fn config(data: &std::path::Path, port: u16, keys: u64, limit: u64) -> String {
    format!(
        "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\n\
         [source.lines]\ntype = \"tcp\"\nlisten = {port}\nformat = \"value\"\nschema = \"n BIGINT\"\n\
         [query.each]\nmode = \"update\"\nlimits = {{ keys = {} }}\n\
         sql = \"SELECT n % {keys} AS key, count(*) AS n, avg(n) AS mean, min(n) AS low, max(n) AS high FROM lines GROUP BY n % {keys}\"\n\
         [query.all]\nmode = \"update\"\nsql = \"SELECT count(*) AS n, sum(n) AS total FROM lines GROUP BY _source\"\n\
         [query.few]\nsql = \"SELECT n FROM lines WHERE n < {limit}\"\n\
         [sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [\"all\"]\n\
         [sink.keys]\ntype = \"file\"\npath = \"/dev/null\"\nfrom = [\"each\", \"few\"]\n",
        data.display(),
        keys * 2,
    )
}

fn write(stream: &mut TcpStream, numbers: std::ops::Range<u64>) {
    for first in numbers.clone().step_by(LINES_AT_ONCE as usize) {
        let lines: String = (first..(first + LINES_AT_ONCE).min(numbers.end)).map(|n| format!("{n}\n")).collect();
        stream.write_all(lines.as_bytes()).expect("it reads");
    }
}

/// Rows, and their sum, by the newest result.
fn counted(gateway: &Gateway) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(gateway.config_file().with_file_name("out.jsonl")).ok()?;
    let row: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    Some((row["n"].as_u64()?, row["total"].as_u64()?))
}

/// Reloads, and how long input waited as the gateway says, and the command took.
fn reloads(gateway: &Gateway, name: &str, mut config: impl FnMut() -> String) {
    let (mut waited_ms, mut took_ms): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for _ in 0..RELOADS {
        std::fs::write(gateway.config_file(), config()).expect("written");
        let data = gateway.config_file().with_file_name("data");
        let began = Instant::now();
        let output = Command::new(support::program::path()).args(["reload", "--data"]).arg(data).output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let told = String::from_utf8(output.stdout).expect("UTF-8");
        let waited = told.split("input waited for ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        waited_ms.push(waited.unwrap_or_else(|| panic!("{told}")));
        std::thread::sleep(Duration::from_millis(500));
    }
    for (name, mut values) in [(format!("reload.{name}.input_waited_ms"), waited_ms), (format!("reload.{name}.command_ms"), took_ms)] {
        values.sort_by(f64::total_cmp);
        figure(&format!("{name}.median"), values[values.len() / 2]);
        figure(&format!("{name}.most"), *values.last().expect("there were reloads"));
    }
}

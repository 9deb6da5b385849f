//! What a load of many keys needed for a while is given back.

use std::io::Write;
use std::net::TcpStream;

use super::*;
use crate::support::ports::free_port;

const KEYS: u64 = 200_000;

/// The gateway's own memory, bytes: not what it maps of files.
fn own_memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

#[test]
fn memory_of_large_commits_is_given_back() {
    let port = free_port();
    let mut gateway = Gateway::new(|data| {
        format!(
            "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\n\
             [source.lines]\ntype = \"tcp\"\nlisten = {port}\nformat = \"value\"\nschema = \"n BIGINT\"\n\
             [query.each]\nmode = \"update\"\nlimits = {{ keys = {KEYS} }}\n\
             sql = \"SELECT n, count(*) AS times, avg(n) AS mean, min(n) AS low, max(n) AS high FROM lines GROUP BY n\"\n\
             [query.all]\nmode = \"update\"\nsql = \"SELECT count(*) AS n FROM lines GROUP BY _source\"\n\
             [sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [\"all\"]\n\
             [sink.keys]\ntype = \"file\"\npath = \"/dev/null\"\nfrom = [\"each\"]\n",
            data.display()
        )
    });
    gateway.start();
    gateway.wait_for_log("\"message\":\"listening on ");
    // What the start needed is given back by then: it is not what is looked for.
    std::thread::sleep(Duration::from_secs(11));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    for first in (0..KEYS).step_by(1_000) {
        let lines: String = (first..first + 1_000).map(|n| format!("{n}\n")).collect();
        stream.write_all(lines.as_bytes()).expect("it reads");
    }
    let out = gateway.config_file().with_file_name("out.jsonl");
    let all = format!("\"n\":{KEYS}");
    let is_through = || std::fs::read_to_string(&out).is_ok_and(|text| text.lines().last().is_some_and(|line| line.contains(&all)));
    assert!(wait_until(PATIENCE, is_through), "{}", gateway.log());
    let loaded = own_memory(&gateway);
    assert!(wait_until(PATIENCE, || own_memory(&gateway) < loaded / 10 * 7), "{loaded} bytes, still {}", own_memory(&gateway));
    assert!(gateway.stop().success());
}

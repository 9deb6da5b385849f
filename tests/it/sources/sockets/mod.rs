//! TCP and UDP: real sockets into the running gateway.

mod hostile;
mod passed;
mod tcp;
mod tls;
mod udp;

use std::path::Path;

use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::stored::Stored;

/// A configuration with one source of one number a frame for each of `sources`, their own keys; the results lie in a file.
pub fn config(data: &Path, sources: &[String], batch_interval: &str, intake_bytes_max: &str) -> String {
    let mut text = format!(
        "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\nbatch_interval = \"{batch_interval}\"\nintake_bytes_max = \"{intake_bytes_max}\"\n",
        data.display()
    );
    let mut queries = Vec::new();
    for (number, keys) in sources.iter().enumerate() {
        text.push_str(&format!(
            "[source.s{number}]\nformat = \"value\"\nschema = \"n BIGINT\"\n{keys}\n\
             [query.q{number}]\nsql = \"SELECT n, _peer AS peer, _source AS source FROM s{number}\"\n"
        ));
        queries.push(format!("\"q{number}\""));
    }
    text.push_str(&format!("[sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [{}]\n", queries.join(", ")));
    text
}

/// A started gateway with one such source, once it says that it has its socket.
pub fn start(keys: &str) -> Gateway {
    let mut gateway = Gateway::new(|data| config(data, &[keys.to_owned()], "50ms", "4 MiB"));
    gateway.start();
    gateway.wait_for_log("\"message\":\"listening on ");
    gateway
}

/// What the stopped gateway has in its dead letters.
pub fn dead_letters(gateway: &Gateway) -> Vec<Value> {
    Stored::open(&gateway.config_file().with_file_name("data")).dead_letters()
}

/// The most memory that the process has had, bytes.
pub fn peak_memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

/// By how many bytes the most has risen. It may fall by some pages where memory is given back, since the kernel sums its counts up by estimate.
pub fn memory_since(gateway: &Gateway, before: u64) -> u64 {
    peak_memory(gateway).saturating_sub(before)
}

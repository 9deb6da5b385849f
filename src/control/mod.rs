//! The control socket: `control.sock` in the data directory, by which `tidemill status`, `reload` and `backup` talk to the running gateway.
//!
//! One JSON object a line each way: a [`Request`], then its [`Response`]; any number of pairs a connection. The socket has mode 0600: who may use
//! it is who may read the store.
//!
//! Limits: [`REQUEST_BYTES_MAX`] a request, [`CONNECTIONS_MAX`] clients at a time, and in [`server`] the times in which a client must ask and take its
//! answer. A client that keeps to none of them loses its connection and holds up nobody: the core is asked only for whole requests, and
//! answers with a copy.
//!
//! | file | job |
//! |---|---|
//! | [`server`] | the gateway's end |
//! | [`client`] | the commands' end |
//! | [`overview`] | how the gateway is, as data and as text |

pub mod client;
pub mod overview;
pub mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Longest request, with the end of its line.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Longest answer that a client takes: 256 sources, queries and sinks with all their operators have about 1 MB.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;
/// Clients at a time; a further one is told so.
pub const CONNECTIONS_MAX: usize = 16;
/// Bytes of a path that the address of a Unix socket holds: 108 with the zero at its end.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

const SOCKET_NAME: &str = "control.sock";

/// What the gateway can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Status,
    /// To read the configuration again. Queries whose stored state is thrown away, and sinks that are no more whose results are.
    Reload {
        #[serde(default)]
        discard_state: Vec<String>,
        #[serde(default)]
        discard_outbox: Vec<String>,
    },
    /// For a copy of the store as of its last commit. It stays until the connection ends or asks for something else.
    Snapshot,
}

/// What it answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub ok: bool,
    /// For people.
    #[serde(default)]
    pub text: String,
    /// To [`Request::Status`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
    /// To [`Request::Snapshot`]: the store's `Snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<serde_json::Value>,
}

impl Response {
    pub fn done(text: impl Into<String>) -> Response {
        Response { ok: true, text: text.into(), ..Response::default() }
    }

    pub fn failed(text: impl Into<String>) -> Response {
        Response { ok: false, text: text.into(), ..Response::default() }
    }
}

/// Where the socket of a data directory lies.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET_NAME)
}

/// Why a path cannot be a socket's, if so.
fn path_problem(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().len();
    (bytes > SOCKET_PATH_BYTES_MAX).then(|| {
        format!(
            "the path {} has {bytes} bytes, and a socket's has at most {SOCKET_PATH_BYTES_MAX}: give the gateway a data_dir with a shorter path",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written_and_unknown_ones_are_not() {
        let reload = Request::Reload { discard_state: vec!["q".to_owned()], discard_outbox: Vec::new() };
        for request in [Request::Status, reload, Request::Snapshot] {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request, "{text}");
        }
        for text in ["{}", "{\"command\":\"shutdown\"}", "[]", "\"status\"", "{\"command\":\"reload\",\"force\":1}"] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_told_with_both_lengths() {
        assert_eq!(path_problem(&socket_path(Path::new("/var/lib/tidemill"))), None);
        let long = socket_path(Path::new(&format!("/{}", "d".repeat(100))));
        let problem = path_problem(&long).unwrap();
        assert!(problem.contains("has 114 bytes") && problem.contains("at most 107"), "{problem}");
    }
}

//! What a service manager hears: a real notification socket, read by the test.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

/// A manager's end of the socket, and the gateway told of it. Two sources: a simulated one, and a broker that is away.
struct Manager {
    _directory: tempfile::TempDir,
    /// Read all the while, as a manager does: whoever tells it waits where its queue is full.
    messages: mpsc::Receiver<String>,
    gateway: Gateway,
}

impl Manager {
    fn start() -> Manager {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let port = free_port();
        let mut gateway = Gateway::new(|data_dir| {
            format!(
                "[gateway]\nid = \"managed\"\ndata_dir = \"{}\"\n\
                 [source.made]\ntype = \"simulate\"\ndevices = 5\nschema = \"device STRING, v DOUBLE\"\nfields.v = {{ shape = \"sine\", min = 1, max = 2, period = \"10s\" }}\n\
                 [query.all]\nsql = \"SELECT device, v FROM made\"\n\
                 [sink.central]\ntype = \"mqtt\"\nbroker = \"mqtt://127.0.0.1:{port}\"\ntopic = \"t\"\nfrom = [\"all\"]\n",
                data_dir.display()
            )
        });
        gateway.set("NOTIFY_SOCKET", path.to_str().unwrap());
        gateway.start();
        let (heard, messages) = mpsc::channel();
        // It ends with the test's process, or when nobody wants its messages.
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if heard.send(message).is_err() {
                    return;
                }
            }
        });
        Manager { _directory: directory, messages, gateway }
    }

    /// The next message, if one comes in time.
    fn next(&self, timeout: Duration) -> Option<String> {
        self.messages.recv_timeout(timeout).ok()
    }

    /// Messages until one satisfies `wanted`, that one last.
    fn until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while Instant::now() < deadline {
            let Some(message) = self.next(Duration::from_secs(5)) else { continue };
            let found = wanted(&message);
            heard.push(message);
            if found {
                return heard;
            }
        }
        panic!("not heard among {heard:?}:\n{}", self.gateway.log());
    }
}

#[test]
fn a_manager_hears_ready_status_life_and_the_end() {
    let mut manager = Manager::start();
    let first = manager.until(|message| message == "READY=1");
    assert!(first[..first.len() - 1].iter().all(|message| !message.starts_with("WATCHDOG")), "no life before the start: {first:?}");
    let status = manager.until(|message| message.starts_with("STATUS=1 source, ") && message.contains("central down since "));
    let line = status.last().unwrap();
    assert!(line.contains(" msg/s, outbox ") && !line.contains('\n'), "{line}");
    manager.until(|message| message == "WATCHDOG=1");
    manager.until(|message| message == "WATCHDOG=1");
    let ended = manager.gateway.stop();
    assert!(ended.success(), "{}", manager.gateway.log());
    let end = manager.until(|message| message.starts_with("STOPPING=1\n"));
    // Two waits for the store of 45 s, two of the default shutdown_timeout of 10 s, 10 s to spare.
    assert!(end.last().unwrap().contains("STATUS=") && end.last().unwrap().contains("EXTEND_TIMEOUT_USEC=120000000"), "{end:?}");
}

#[test]
fn a_gateway_that_hangs_gives_no_sign_of_life() {
    let manager = Manager::start();
    manager.until(|message| message == "WATCHDOG=1");
    let pid = i32::try_from(manager.gateway.pid()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // What was under way.
    while manager.next(Duration::from_millis(200)).is_some() {}
    assert_eq!(manager.next(Duration::from_secs(4)), None);
    kill_process(pid, Signal::CONT).unwrap();
    manager.until(|message| message == "WATCHDOG=1");
}

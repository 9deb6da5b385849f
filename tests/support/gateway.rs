//! The gateway as its own process: own directory, started, killed, terminated and started again on the same data.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::child::{ChildGuard, wait_until};

const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Above the gateway's own bound for a shutdown.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Gateway {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
    child: Option<ChildGuard>,
    /// How long the log was when the running process was started.
    log_before_bytes: usize,
}

impl Gateway {
    /// Prepared, not started; `config` makes the configuration's text from the data directory's path.
    pub fn new(config: impl FnOnce(&Path) -> String) -> Gateway {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let text = config(&directory.path().join("data"));
        std::fs::write(directory.path().join("gateway.toml"), text).expect("written");
        Gateway { directory, environment: Vec::new(), child: None, log_before_bytes: 0 }
    }

    /// Sets an environment variable for every later start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("gateway.toml")
    }

    /// Starts it, without waiting for anything. On the thread that outlives it: the kernel ends it with that thread.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with further arguments.
    pub fn start_with(&mut self, more: &[&str]) {
        assert!(self.child.is_none(), "the gateway runs already");
        let config = self.config_file().display().to_string();
        let arguments: Vec<String> = ["run", "-c", &config, "--log-format", "json"].iter().chain(more).map(ToString::to_string).collect();
        self.log_before_bytes = self.log().len();
        self.child = Some(ChildGuard::spawn(super::program::path(), &arguments, &self.environment, &self.log_file()));
    }

    /// Starts it with sockets passed as by a service manager, and their names.
    pub fn start_passing(&mut self, sockets: &[(&str, &OwnedFd)]) {
        assert!(self.child.is_none(), "the gateway runs already");
        let config = self.config_file().display().to_string();
        let arguments = ["run", "-c", &config, "--log-format", "json"].map(ToOwned::to_owned);
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        let mut environment = self.environment.clone();
        environment.push(("LISTEN_FDNAMES".to_owned(), names.join(":")));
        let descriptors: Vec<&OwnedFd> = sockets.iter().map(|(_, socket)| *socket).collect();
        self.log_before_bytes = self.log().len();
        self.child = Some(ChildGuard::spawn_passing(&descriptors, super::program::path(), &arguments, &environment, &self.log_file()));
    }

    /// Waits until the running process says that it is ready.
    pub fn wait_ready(&mut self) {
        let mut exited = false;
        let ready = wait_until(READY_TIMEOUT, || {
            exited = self.has_exited();
            exited || self.log_since_start().contains("\"ready\"")
        });
        assert!(ready && !exited, "the gateway does not get ready:\n{}", self.log());
    }

    pub fn has_exited(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.exited().is_some())
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the gateway runs").pid()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.take().expect("the gateway runs").kill();
    }

    /// SIGTERM; waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the gateway runs");
        child.terminate();
        child.wait(STOP_TIMEOUT).unwrap_or_else(|| panic!("the gateway does not stop:\n{}", self.log()))
    }

    /// All that it wrote to its outputs, over all starts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What it wrote since it was last started.
    pub fn log_since_start(&self) -> String {
        self.log().split_off(self.log_before_bytes)
    }

    /// Waits until it has written `text` since it was last started.
    pub fn wait_for_log(&self, text: &str) {
        self.wait_for_log_times(text, 1);
    }

    /// The same, `times` times.
    pub fn wait_for_log_times(&self, text: &str, times: usize) {
        let written = wait_until(READY_TIMEOUT, || self.log_since_start().matches(text).count() >= times);
        assert!(written, "the gateway does not say {text:?}:\n{}", self.log());
    }

    /// Waits until the running process ends by itself.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the gateway runs");
        child.wait(STOP_TIMEOUT).unwrap_or_else(|| panic!("the gateway does not end:\n{}", self.log()))
    }

    /// Whether any start counted a row as late.
    pub fn has_late_rows(&self) -> bool {
        let (log, key) = (self.log(), "\"late\":");
        log.match_indices(key).any(|(at, _)| log[at + key.len()..].starts_with(|c: char| c.is_ascii_digit() && c != '0'))
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("gateway.log")
    }
}

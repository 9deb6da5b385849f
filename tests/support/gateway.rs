//! The gateway as its own process: own directory, started, killed, terminated and started again on the same data.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::child::{ChildGuard, wait_until};

const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Above the gateway's own bound for a shutdown.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// What is run as the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The daemon of this package.
    Tidemill,
    /// This test binary itself, as a much simpler gateway with faults on demand: shows that the tests catch them.
    StandIn,
}

impl Program {
    /// What the tests run: `TIDEMILL_TEST_GATEWAY=tidemill` or `stand-in`.
    pub fn chosen() -> Program {
        match std::env::var("TIDEMILL_TEST_GATEWAY").as_deref() {
            Ok("tidemill") | Err(_) => Program::Tidemill,
            Ok("stand-in") => Program::StandIn,
            Ok(other) => panic!("TIDEMILL_TEST_GATEWAY={other} is neither tidemill nor stand-in"),
        }
    }
}

pub struct Gateway {
    directory: tempfile::TempDir,
    program: Program,
    environment: Vec<(String, String)>,
    child: Option<ChildGuard>,
    /// How long the log was when the running process was started.
    log_before_bytes: usize,
}

impl Gateway {
    /// Prepared, not started; `config` makes the configuration's text from the data directory's path.
    pub fn new(program: Program, config: impl FnOnce(&Path) -> String) -> Gateway {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let text = config(&directory.path().join("data"));
        std::fs::write(directory.path().join("gateway.toml"), text).expect("written");
        Gateway { directory, program, environment: Vec::new(), child: None, log_before_bytes: 0 }
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
        assert!(self.child.is_none(), "the gateway runs already");
        let config = self.config_file().display().to_string();
        let (program, arguments) = match self.program {
            Program::Tidemill => {
                let arguments = ["run", "-c", &config, "--log-format", "json"].map(str::to_owned).to_vec();
                (env!("CARGO_BIN_EXE_tidemill").to_owned(), arguments)
            }
            Program::StandIn => {
                let own = std::env::current_exe().expect("a process knows its program");
                let arguments = ["standin::run_as_process", "--exact", "--nocapture"].map(str::to_owned).to_vec();
                (own.display().to_string(), arguments)
            }
        };
        self.log_before_bytes = self.log().len();
        let mut environment = self.environment.clone();
        environment.push(("TIDEMILL_STANDIN_CONFIG".to_owned(), config));
        self.child = Some(ChildGuard::spawn(&program, &arguments, &environment, &self.log_file()));
    }

    /// Waits until the running process says that it is ready.
    pub fn wait_ready(&mut self) {
        let mut exited = false;
        let ready = wait_until(READY_TIMEOUT, || {
            exited = self.has_exited();
            exited || self.log()[self.log_before_bytes..].lines().any(|line| line == "ready" || line.contains("\"ready\""))
        });
        assert!(ready && !exited, "the gateway does not get ready:\n{}", self.log());
    }

    pub fn has_exited(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.exited().is_some())
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

    /// Whether any start counted a row as late.
    pub fn has_late_rows(&self) -> bool {
        let log = self.log();
        ["late=", "\"late\":"]
            .iter()
            .any(|key| log.match_indices(key).any(|(at, _)| log[at + key.len()..].starts_with(|c: char| c.is_ascii_digit() && c != '0')))
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("gateway.log")
    }
}

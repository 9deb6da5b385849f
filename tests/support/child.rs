//! A child process that never outlives its test: killed on drop, and by the kernel if the test process itself is killed.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at a condition of another process.
pub const POLL: Duration = Duration::from_millis(5);

/// Looks until `condition` holds or `timeout` has passed; says which.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL);
    }
}

pub struct ChildGuard {
    child: Child,
    name: String,
}

impl ChildGuard {
    /// Starts `program` with both outputs appended to `log`. The kernel kills it when the thread that called this ends.
    pub fn spawn(program: &str, arguments: &[String], environment: &[(String, String)], log: &Path) -> ChildGuard {
        ChildGuard::spawn_passing(&[], program, arguments, environment, log)
    }

    /// The same, with up to three descriptors passed to it from number 3 on, as a service manager does; `LISTEN_PID` is its own.
    pub fn spawn_passing(
        passed: &[&OwnedFd],
        program: &str,
        arguments: &[String],
        environment: &[(String, String)],
        log: &Path,
    ) -> ChildGuard {
        assert!(passed.len() <= 3, "they travel as standard input, output and error");
        let output = || std::fs::OpenOptions::new().create(true).append(true).open(log).expect("the log file opens");
        let stdio = |number: usize| passed.get(number).map(|descriptor| Stdio::from(descriptor.try_clone().expect("a descriptor is left")));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if !passed.is_empty() {
            const SCRIPT: &str = "exec 3<&0 4>&1 5>&2 </dev/null >>\"$LOG\" 2>&1; LISTEN_PID=$$ exec \"$@\"";
            command.env("LOG", log).env("LISTEN_FDS", passed.len().to_string()).args(["sh", "-c", SCRIPT, "sh"]);
        }
        let child = command
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(stdio(0).unwrap_or_else(Stdio::null))
            .stdout(stdio(1).unwrap_or_else(|| output().into()))
            .stderr(stdio(2).unwrap_or_else(|| output().into()))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program} by setpriv (util-linux): {error}"));
        ChildGuard { child, name: program.to_owned() }
    }

    /// The exit status if it has ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be waited for")
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a child has a pid");
        rustix::process::kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Waits for the end; `None` if it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let mut status = None;
        wait_until(timeout, || {
            status = self.exited();
            status.is_some()
        });
        status
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap_or_else(|error| panic!("cannot kill {}: {error}", self.name));
        self.child.wait().expect("the child can be waited for");
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

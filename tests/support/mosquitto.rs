//! A real Mosquitto for one test: own directory, own port, persistence on; stopped, killed and started again on the same port.
//!
//! Limits: needs Debian's `mosquitto` (and `mosquitto_passwd` for passwords). Mosquitto loses messages when killed: where nothing may be lost
//! it is stopped by SIGTERM.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::certificates::Certificates;
use super::child::{ChildGuard, wait_until};
use super::ports::free_port;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// What a broker is to be. Defaults: anyone may connect, plain TCP, and limits that keep every message.
#[derive(Default)]
pub struct MosquittoOptions {
    lines: Vec<String>,
    users: Vec<(String, String)>,
    tls: bool,
    tls_user: Option<(String, String)>,
}

impl MosquittoOptions {
    pub fn new() -> MosquittoOptions {
        MosquittoOptions::default()
    }

    /// Adds lines of mosquitto.conf; they come last.
    pub fn config(mut self, lines: &str) -> MosquittoOptions {
        self.lines.push(lines.to_owned());
        self
    }

    /// Only named users may connect.
    pub fn user(mut self, name: &str, password: &str) -> MosquittoOptions {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Only this user may connect over TLS; plain connections stay as they are.
    pub fn tls_user(mut self, name: &str, password: &str) -> MosquittoOptions {
        self.tls_user = Some((name.to_owned(), password.to_owned()));
        self.tls()
    }

    /// Adds a TLS listener on [`Mosquitto::tls_port`], trusted by [`Mosquitto::ca_file`].
    pub fn tls(mut self) -> MosquittoOptions {
        self.tls = true;
        self
    }

    /// Starts it and waits until it accepts connections.
    pub fn start(self) -> Mosquitto {
        let mut broker = self.stopped();
        broker.start();
        broker
    }

    /// Everything prepared, port chosen, not yet running.
    pub fn stopped(self) -> Mosquitto {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificates = self.tls.then(Certificates::generate);
        let mut broker = Mosquitto { directory, certificates, options: self, port: 0, tls_port: None, child: None, started_before: false };
        broker.choose_ports();
        broker
    }
}

pub struct Mosquitto {
    directory: tempfile::TempDir,
    certificates: Option<Certificates>,
    options: MosquittoOptions,
    port: u16,
    tls_port: Option<u16>,
    child: Option<ChildGuard>,
    started_before: bool,
}

impl Mosquitto {
    /// A broker with the default options, running.
    pub fn running() -> Mosquitto {
        MosquittoOptions::new().start()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Panics unless made with [`MosquittoOptions::tls`].
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("the broker was made with tls()")
    }

    /// Panics unless made with [`MosquittoOptions::tls`].
    pub fn ca_file(&self) -> PathBuf {
        self.certificates.as_ref().expect("the broker was made with tls()").ca_file()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.exited().is_none())
    }

    /// Starts it, again on the same port, and waits until it accepts connections.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "this mosquitto runs already");
        // Only a broker that nobody knows yet may move to another port.
        let attempts = if self.started_before { 1 } else { 5 };
        for _ in 0..attempts {
            if self.try_start() {
                self.started_before = true;
                return;
            }
            if !self.started_before {
                self.choose_ports();
            }
        }
        panic!("mosquitto does not start:\n{}", self.log());
    }

    /// SIGTERM: it writes its persistence file. Waits for the end.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("this mosquitto runs");
        child.terminate();
        assert!(child.wait(STOP_TIMEOUT).is_some(), "mosquitto does not stop:\n{}", self.log());
    }

    /// SIGKILL: what it had not saved is lost.
    pub fn kill(&mut self) {
        self.child.take().expect("this mosquitto runs").kill();
    }

    /// SIGTERM and start on the same port, sessions and queued messages kept.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("mosquitto.log")).unwrap_or_default()
    }

    /// Waits until some client has subscribed to `filter` since the broker was first started.
    pub fn wait_for_subscription(&self, filter: &str) {
        let ending = format!(" {filter}");
        let subscribed = wait_until(START_TIMEOUT, || self.log().lines().any(|line| line.ends_with(&ending)));
        assert!(subscribed, "nobody subscribes to {filter}:\n{}", self.log());
    }

    fn choose_ports(&mut self) {
        self.port = free_port();
        self.tls_port = self.options.tls.then(free_port);
    }

    fn try_start(&mut self) -> bool {
        let config = self.directory.path().join("mosquitto.conf");
        std::fs::write(&config, self.config_text()).expect("written");
        let arguments = ["-c".to_owned(), config.display().to_string()];
        let log = self.directory.path().join("mosquitto.log");
        let mut child = ChildGuard::spawn(&program("mosquitto"), &arguments, &[], &log);
        let last_port = self.tls_port.unwrap_or(self.port);
        let mut accepts = false;
        wait_until(START_TIMEOUT, || {
            accepts = TcpStream::connect((Ipv4Addr::LOCALHOST, last_port)).is_ok();
            accepts || child.exited().is_some()
        });
        // Someone else may listen there, and ours have ended: it says so within moments.
        let ours = accepts && wait_until(START_TIMEOUT, || self.log_says_running() || child.exited().is_some()) && child.exited().is_none();
        if ours {
            self.child = Some(child);
        }
        ours
    }

    fn log_says_running(&self) -> bool {
        let log = self.log();
        let latest_start = log.rfind(" starting").unwrap_or(0);
        log[latest_start..].contains(" running")
    }

    fn config_text(&self) -> String {
        let directory = self.directory.path();
        // As root, mosquitto would otherwise become the user "mosquitto", who may not read the directory.
        let mut text = format!(
            "user root\npersistence true\npersistence_location {}/\nautosave_interval 0\nmax_queued_messages 0\nlog_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\nlog_type subscribe\n\
             connection_messages true\nset_tcp_nodelay true\n",
            directory.display()
        );
        let access = |users: &[(String, String)], name: &str| match users {
            [] => "allow_anonymous true\n".to_owned(),
            users => format!("allow_anonymous false\npassword_file {}\n", self.password_file(users, name).display()),
        };
        let tls_users = self.options.tls_user.as_slice();
        let plain = access(&self.options.users, "passwords");
        text += &if tls_users.is_empty() {
            format!("{plain}listener {} 127.0.0.1\n", self.port)
        } else {
            format!("per_listener_settings true\nlistener {} 127.0.0.1\n{plain}", self.port)
        };
        if let (Some(port), Some(certificates)) = (self.tls_port, &self.certificates) {
            text += &format!(
                "listener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
                certificates.server_certificate_file().display(),
                certificates.server_key_file().display()
            );
            if !tls_users.is_empty() {
                text += &access(tls_users, "tls_passwords");
            }
        }
        for lines in &self.options.lines {
            text += lines;
            text += "\n";
        }
        text
    }

    fn password_file(&self, users: &[(String, String)], name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        if !path.exists() {
            std::fs::write(&path, "").expect("written");
            for (name, password) in users {
                let status = Command::new("mosquitto_passwd").arg("-b").arg(&path).args([name, password]).status();
                assert!(status.is_ok_and(|status| status.success()), "mosquitto_passwd fails");
            }
        }
        path
    }
}

/// Debian puts it into /usr/sbin, which is not on everyone's PATH.
fn program(name: &str) -> String {
    let in_sbin = format!("/usr/sbin/{name}");
    if std::path::Path::new(&in_sbin).exists() { in_sbin } else { name.to_owned() }
}

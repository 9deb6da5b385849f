//! A pseudo terminal: what a serial port is to the gateway, with the test at the other end of the wire.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::Termios;

use super::child::wait_until;

/// Dropped, it is unplugged.
pub struct Pty {
    wire: OwnedFd,
    path: PathBuf,
}

impl Pty {
    pub fn open() -> Pty {
        let wire = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        rustix::pty::grantpt(&wire).expect("granted");
        rustix::pty::unlockpt(&wire).expect("unlocked");
        let name = rustix::pty::ptsname(&wire, Vec::new()).expect("a name");
        let flags = rustix::fs::fcntl_getfl(&wire).expect("flags");
        rustix::fs::fcntl_setfl(&wire, flags | OFlags::NONBLOCK).expect("does not block");
        Pty { wire, path: PathBuf::from(name.into_string().expect("UTF-8")) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Plugs it in under another name.
    pub fn link_as(&self, name: &Path) {
        let _ = std::fs::remove_file(name);
        std::os::unix::fs::symlink(&self.path, name).expect("linked");
    }

    /// Writes what the wire takes now; how much.
    pub fn offer(&self, bytes: &[u8]) -> usize {
        match rustix::io::write(&self.wire, bytes) {
            Ok(count) => count,
            Err(Errno::AGAIN) => 0,
            Err(error) => panic!("the wire takes nothing: {error}"),
        }
    }

    /// Writes all, waiting as long as the other end does not read.
    pub fn write(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut waiting = [rustix::event::PollFd::new(&self.wire, rustix::event::PollFlags::OUT)];
            rustix::event::poll(&mut waiting, None).expect("waited");
            rest = &rest[self.offer(rest)..];
        }
    }

    /// What the other end has written, once there is anything.
    pub fn read(&self, timeout: Duration) -> Vec<u8> {
        let (mut buffer, mut count) = ([0; 4_096], 0);
        wait_until(timeout, || {
            count = rustix::io::read(&self.wire, &mut buffer).unwrap_or(0);
            count > 0
        });
        buffer[..count].to_vec()
    }

    /// As the other end has set it: both ends share their settings.
    pub fn settings(&self) -> Termios {
        rustix::termios::tcgetattr(&self.wire).expect("the settings")
    }
}

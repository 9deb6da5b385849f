//! Whether the wall clock can be believed. A Pi without a clock of its own comes up in 1970, or at the time when it was last shut down, until a
//! time server answers; a machine whose clock goes on while it is off, or that was given the time by its host, is right from the start, though
//! its kernel never hears of a time server.
//!
//! Invariant: once believed, a clock is believed until the process ends: one that has lost its server drifts by seconds a day.

use crate::config::settings::ClockTrust;

/// systemd-timesyncd makes this file at the first answer after the start of the system.
const TIMESYNCD_FILE: &str = "/run/systemd/timesync/synchronized";
/// How far the machine's own clock may be off the wall clock: a day, since some keep local time.
const OWN_CLOCK_OFF_MAX_S: u64 = 86_400;

/// What the system says of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// A time server has set it; `None` where the kernel may not be asked.
    pub by_kernel: Option<bool>,
    /// A time server has answered since the start of the system.
    pub by_timesyncd: bool,
    /// The machine has a clock that goes on while it is off, and it agrees with the wall clock.
    pub own_clock: bool,
    /// A board of the kind that is sold without one.
    pub is_board: bool,
}

impl Signs {
    /// Asks the system. `wall_s`: what the wall clock says.
    pub fn of_system(wall_s: u64) -> Signs {
        if let Some(signs) = planted() {
            return signs;
        }
        Signs {
            by_kernel: asked_of_kernel(),
            by_timesyncd: std::path::Path::new(TIMESYNCD_FILE).exists(),
            own_clock: own_clocks_s().any(|own_s| own_s.abs_diff(wall_s) <= OWN_CLOCK_OFF_MAX_S),
            // On other machines a clock that is not seen is the host's.
            is_board: cfg!(any(target_arch = "arm", target_arch = "aarch64")),
        }
    }

    /// Whether a clock with a date that can be is right.
    pub fn believed(self, trust: ClockTrust) -> bool {
        let by_server = self.by_kernel == Some(true) || self.by_timesyncd;
        match trust {
            ClockTrust::Trusted => true,
            ClockTrust::Ntp => by_server,
            // Where nobody can be asked, as in some containers, the date is all there is.
            ClockTrust::Auto => by_server || self.own_clock || !self.is_board || self.by_kernel.is_none(),
        }
    }
}

/// The kernel's own word, which time servers' clients of every make keep.
#[cfg(target_os = "linux")]
fn asked_of_kernel() -> Option<bool> {
    // SAFETY: all its fields are numbers, for which 0 is a value.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: it fills in the structure; with `modes` 0 it changes nothing.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    (answer >= 0).then_some(answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0)
}

#[cfg(not(target_os = "linux"))]
fn asked_of_kernel() -> Option<bool> {
    None
}

/// What the machine's own clocks say, s since 1970.
fn own_clocks_s() -> impl Iterator<Item = u64> {
    let clocks = std::fs::read_dir("/sys/class/rtc").into_iter().flatten().flatten();
    clocks.filter_map(|clock| std::fs::read_to_string(clock.path().join("since_epoch")).ok()?.trim().parse().ok())
}

/// For tests of a debug build: a board that is synchronised once the named file is there.
fn planted() -> Option<Signs> {
    let file = std::env::var_os("TIDEMILL_TEST_SYNCHRONISED").filter(|_| cfg!(debug_assertions))?;
    Some(Signs { by_kernel: Some(std::path::Path::new(&file).exists()), by_timesyncd: false, own_clock: false, is_board: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: Signs = Signs { by_kernel: Some(false), by_timesyncd: false, own_clock: false, is_board: true };

    #[test]
    fn a_board_waits_for_a_time_server_or_its_own_clock() {
        let auto = |signs: Signs| signs.believed(ClockTrust::Auto);
        assert!(!auto(BOARD));
        assert!(auto(Signs { by_kernel: Some(true), ..BOARD }));
        assert!(auto(Signs { by_timesyncd: true, ..BOARD }), "timesyncd sets the clock before the kernel calls it synchronised");
        assert!(auto(Signs { own_clock: true, ..BOARD }), "a Pi 5 with a battery");
        assert!(auto(Signs { by_kernel: None, ..BOARD }), "nobody can be asked");
        assert!(auto(Signs { is_board: false, ..BOARD }), "a virtual machine without a time server");
    }

    #[test]
    fn users_can_say_otherwise() {
        assert!(BOARD.believed(ClockTrust::Trusted));
        assert!(!Signs { own_clock: true, is_board: false, ..BOARD }.believed(ClockTrust::Ntp));
        assert!(!Signs { by_kernel: None, ..BOARD }.believed(ClockTrust::Ntp));
        assert!(Signs { by_kernel: Some(true), ..BOARD }.believed(ClockTrust::Ntp));
    }
}

//! Says once that something is wrong, and once that it is well again, however often it is tried in between.

use std::time::Duration;

use super::backoff::LASTING;

/// What was said last. Answers whether to say it, the caller says it.
#[derive(Debug, Default)]
pub struct Notices {
    problem: Option<String>,
    connected_said: bool,
    /// Connections in a row that were accepted and lost at once.
    short_lived: u32,
}

impl Notices {
    /// An attempt failed or a connection ended; `true` if that is news.
    pub fn problem(&mut self, text: &str) -> bool {
        if self.problem.as_deref() == Some(text) {
            return false;
        }
        self.problem = Some(text.to_owned());
        self.connected_said = false;
        true
    }

    /// The broker accepted us; `true` if that is news.
    pub fn connected(&mut self) -> bool {
        !std::mem::replace(&mut self.connected_said, true)
    }

    /// The connection has lasted: what comes next is news again.
    pub fn lasted(&mut self) {
        self.problem = None;
        self.connected_said = false;
    }

    /// A connection that the broker had accepted ended after this time, `lost` without a word.
    pub fn ended(&mut self, lasted: Duration, lost: bool) {
        let short_lived = lasted < LASTING;
        self.short_lived = if short_lived && lost { self.short_lived + 1 } else { 0 };
        if !short_lived {
            self.lasted();
        }
    }

    /// What may be behind losing one connection after the other, to be put after the reason. Mosquitto 2.0, and any broker on 3.1.1, closes without a
    /// word when another client takes the session over.
    pub fn suspicion(&self, client_id: &str) -> String {
        match self.short_lived {
            0 | 1 => String::new(),
            _ => format!("; again soon after connecting: does another gateway use the client id {client_id:?}?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_quiet_and_changes_are_not() {
        let mut notices = Notices::default();
        assert!(notices.problem("refused"));
        assert!(!notices.problem("refused"));
        assert!(notices.problem("unreachable"));
        assert!(notices.connected());
        assert!(!notices.connected());
        assert!(!notices.problem("unreachable"), "it came and went for the same reason: said already");
        notices.ended(LASTING / 2, true);
        assert!(!notices.problem("unreachable") && !notices.connected(), "it did not last");
        notices.ended(LASTING, true);
        assert!(notices.problem("unreachable"));
        assert!(notices.connected());
    }

    #[test]
    fn connections_that_are_lost_at_once_raise_a_suspicion() {
        let mut notices = Notices::default();
        notices.ended(Duration::ZERO, true);
        assert_eq!(notices.suspicion("barn"), "");
        notices.ended(Duration::ZERO, true);
        assert!(notices.suspicion("barn").contains("client id \"barn\""));
        notices.ended(Duration::ZERO, false);
        assert_eq!(notices.suspicion("barn"), "", "the broker gave a reason");
    }
}

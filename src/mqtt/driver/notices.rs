//! Says once that something is wrong, and once that it is well again, however often it is tried in between.

/// What was said last. Answers whether to say it, the caller says it.
#[derive(Debug, Default)]
pub struct Notices {
    problem: Option<String>,
    connected_said: bool,
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
        notices.lasted();
        assert!(notices.problem("unreachable"));
        assert!(notices.connected());
    }
}

//! How a benchmark was called, by `cargo bench` or by `cargo test`.

/// How a benchmark was called. `cargo bench` runs it in full; `cargo test` runs it small, so that it cannot rot.
pub struct Call {
    arguments: Vec<String>,
}

impl Call {
    pub fn of_process() -> Call {
        Call::of(std::env::args().skip(1))
    }

    pub fn of(arguments: impl IntoIterator<Item = String>) -> Call {
        Call { arguments: arguments.into_iter().collect() }
    }

    pub fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|argument| argument == name)
    }

    /// What follows `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.arguments.iter().position(|argument| argument == name)?;
        self.arguments.get(at + 1).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.value(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}")))
    }

    pub fn is_quick(&self) -> bool {
        self.has("--quick") || !self.has("--bench")
    }

    /// Whether `cargo test` asks for tests of other names, or only for a list. What follows `cargo bench --bench NAME --` are the benchmark's own words.
    pub fn is_for_others(&self, own_name: &str) -> bool {
        let filter = self.arguments.first().filter(|first| !self.has("--bench") && !first.starts_with('-'));
        self.has("--list") || filter.is_some_and(|filter| !own_name.contains(filter.as_str()))
    }
}

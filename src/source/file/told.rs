//! What was said about files, so that it is said once.
//!
//! Limit: [`PATHS_MAX`] files; beyond, all is forgotten, and may be said once more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

const PATHS_MAX: usize = 1_000;

pub struct Told {
    source: String,
    said: HashMap<PathBuf, String>,
}

impl Told {
    pub fn new(source: &str) -> Told {
        Told { source: source.to_owned(), said: HashMap::new() }
    }

    /// Something is wrong with a file: a warning, unless it was the last one.
    pub fn warn(&mut self, path: &Path, what: &str) {
        if self.said.get(path).is_some_and(|said| said == what) {
            return;
        }
        tracing::warn!(source = self.source, "{}: {what}", path.display());
        if self.said.len() >= PATHS_MAX {
            self.said.clear();
        }
        self.said.insert(path.to_owned(), what.to_owned());
    }

    /// The file is well.
    pub fn clear(&mut self, path: &Path) {
        self.said.remove(path);
    }
}

//! A script's text in the plan.

use std::sync::Arc;

/// A script's text, and where it stands, for messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ScriptText {
    /// Never a path.
    pub text: Arc<str>,
    /// The file in which the text stands, as people know it.
    pub file: Arc<str>,
    /// Lines of that file before the text's first.
    pub lines_before: usize,
}

impl ScriptText {
    /// `alarms.rhai:6:9`, of a line and column of the text, both from 1.
    pub fn place(&self, at: Option<(usize, usize)>) -> String {
        match at {
            Some((line, column)) => format!("{}:{}:{column}", self.file, self.lines_before + line),
            None => self.file.to_string(),
        }
    }
}

/// A text that stands in no file.
impl From<&str> for ScriptText {
    fn from(text: &str) -> ScriptText {
        ScriptText { text: text.into(), file: "script".into(), lines_before: 0 }
    }
}

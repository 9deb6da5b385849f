//! What went wrong in a query's text, where, and what to do about it.

use std::fmt;

use crate::plan::Span;

/// An error in SQL text. The span counts bytes of the text that was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())]
pub struct SqlError {
    pub message: String,
    pub span: Span,
    /// What to write instead.
    pub help: Option<String>,
}

impl SqlError {
    pub fn new(span: Span, message: impl Into<String>) -> SqlError {
        SqlError { message: message.into(), span, help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> SqlError {
        self.help = Some(help.into());
        self
    }

    /// Something of Spark's that is not there.
    pub fn unsupported(span: Span, what: impl fmt::Display) -> SqlError {
        SqlError::new(span, format!("{what} is not supported yet"))
    }

    /// The message with the line of `text` it is about and a caret under the place.
    pub fn in_text<'a>(&'a self, text: &'a str) -> InText<'a> {
        InText { error: self, text }
    }
}

/// Shows an error below the line it is about.
pub struct InText<'a> {
    error: &'a SqlError,
    text: &'a str,
}

impl fmt::Display for InText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = Position::of(self.text, self.error.span);
        writeln!(f, "error: {}", self.error.message)?;
        writeln!(f, "  --> line {}, column {}", position.line, position.column)?;
        writeln!(f, "   | {}", position.text)?;
        write!(f, "   | {}{}", " ".repeat(position.column - 1), "^".repeat(position.width))?;
        if let Some(help) = &self.error.help {
            write!(f, "\n   = help: {help}")?;
        }
        Ok(())
    }
}

/// A span's place for people. Line and column count from 1, columns in characters.
struct Position<'a> {
    line: usize,
    column: usize,
    /// Characters to underline on this line, at least 1.
    width: usize,
    text: &'a str,
}

impl Position<'_> {
    fn of(text: &str, span: Span) -> Position<'_> {
        let start = floor_boundary(text, span.start as usize);
        let end = floor_boundary(text, (span.end as usize).max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        Position {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end.clamp(start, line_end)].chars().count().max(1),
            text: text[line_start..line_end].trim_end_matches('\r'),
        }
    }
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// The candidate that `name` was probably meant to be.
pub fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILARITY_MIN: f64 = 0.8;
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The smallest span that holds both; an empty span at 0 counts as none.
pub fn join(a: Span, b: Span) -> Span {
    if a == Span::default() {
        return b;
    }
    if b == Span::default() {
        return a;
    }
    Span { start: a.start.min(b.start), end: a.end.max(b.end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_place() {
        let text = "SELECT a,\n       ü + bb\nFROM t";
        let start = text.find("bb").unwrap() as u32;
        let error = SqlError::new(Span { start, end: start + 2 }, "no column `bb`").help("did you mean `b`?");
        assert_eq!(
            error.in_text(text).to_string(),
            "error: no column `bb`\n  --> line 2, column 12\n   |        ü + bb\n   |            ^^\n   = help: did you mean `b`?"
        );
    }

    #[test]
    fn a_span_outside_the_text_is_shown_at_its_end() {
        let error = SqlError::new(Span { start: 900, end: 901 }, "end");
        assert!(error.in_text("ab").to_string().ends_with("|   ^"));
    }

    #[test]
    fn the_near_name_is_found() {
        assert_eq!(near("temprature", ["device", "temperature"]), Some("temperature"));
        assert_eq!(near("zzz", ["device", "temperature"]), None);
    }
}

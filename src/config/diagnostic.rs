//! Errors and warnings with their place in a file: line, column, the line itself and a caret under the place.
//!
//! Limits: at most [`SHOWN_MAX`] diagnostics are rendered, a shown line is cut to [`LINE_CHARS_MAX`] characters around the place.
//! Columns count characters from 1. Secrets are covered by `*`, control characters by `�`.

use std::fmt;
use std::ops::Range;

/// Diagnostics rendered in one go; the rest is only counted.
pub const SHOWN_MAX: usize = 40;

/// Characters shown of a source line.
pub const LINE_CHARS_MAX: usize = 160;

/// The texts that diagnostics point into.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

#[derive(Clone, Debug)]
struct SourceFile {
    name: String,
    text: String,
    /// Byte ranges that are never shown.
    secrets: Vec<Range<usize>>,
}

/// Where something stands: byte offsets into one of the [`Sources`], end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: usize,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// What is wrong, where, and what to do.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub message: String,
    /// `None` for what has no place, such as a file that cannot be read.
    pub place: Option<Place>,
    /// Another place that matters: "first defined here".
    pub related: Option<(Place, String)>,
    pub help: Option<String>,
}

impl Sources {
    /// Adds a text under the name that messages show; returns its number.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        self.files.push(SourceFile { name: name.into(), text: text.into(), secrets: Vec::new() });
        self.files.len() - 1
    }

    pub fn text(&self, file: usize) -> &str {
        &self.files[file].text
    }

    pub fn name(&self, file: usize) -> &str {
        &self.files[file].name
    }

    /// From now on the text at `place` is shown as `***`.
    pub fn hide(&mut self, place: Place) {
        self.files[place.file].secrets.push(place.start..place.end);
    }

    /// Line and column of a byte offset, both from 1.
    pub fn position(&self, file: usize, offset: usize) -> (usize, usize) {
        let line = self.line_at(file, offset);
        let text = self.text(file);
        let offset = floor_char_boundary(text, offset);
        (text[..line.start].matches('\n').count() + 1, text[line.start..offset.clamp(line.start, line.end)].chars().count() + 1)
    }

    /// Byte range of the line that holds `offset`, without its end. Offsets inside a character count as its beginning.
    pub fn line_at(&self, file: usize, offset: usize) -> Range<usize> {
        let text = self.text(file);
        let offset = floor_char_boundary(text, offset);
        let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
        let end = if end > start && text[..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }

    /// The line with its secrets covered, one character for each of the text's.
    fn shown_line(&self, file: usize, line: Range<usize>) -> Vec<char> {
        let source = &self.files[file];
        let show = |(index, c): (usize, char)| {
            let offset = line.start + index;
            match c {
                _ if source.secrets.iter().any(|secret| secret.contains(&offset)) => '*',
                '\t' => ' ',
                c if c.is_control() => '\u{fffd}',
                c => c,
            }
        };
        source.text[line.clone()].char_indices().map(show).collect()
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl Diagnostic {
    pub fn error(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, message: message.into(), place: Some(place), related: None, help: None }
    }

    pub fn error_without_place(message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, message: message.into(), place: None, related: None, help: None }
    }

    pub fn warning(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(place, message) }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    pub fn related(mut self, place: Place, note: impl Into<String>) -> Diagnostic {
        self.related = Some((place, note.into()));
        self
    }

    /// The diagnostic as people read it, several lines, each ended.
    pub fn render(&self, sources: &Sources) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{severity}: {}\n", self.message);
        let related = self.related.as_ref().map(|(place, _)| *place);
        let width = |place: &Place| sources.position(place.file, place.start).0.to_string().len();
        let gutter = self.place.iter().chain(related.iter()).map(width).max().unwrap_or(1);
        if let Some(place) = self.place {
            render_place(&mut out, sources, place, gutter);
        }
        if let Some((place, note)) = &self.related {
            out.push_str(&format!("note: {note}\n"));
            render_place(&mut out, sources, *place, gutter);
        }
        if let Some(help) = &self.help {
            out.push_str(&format!("{:gutter$} = help: {help}\n", ""));
        }
        out
    }
}

/// Writes `--> file:line:column`, the line and the caret; line numbers are `gutter` wide.
fn render_place(out: &mut String, sources: &Sources, place: Place, gutter: usize) {
    let (line_number, column) = sources.position(place.file, place.start);
    let line = sources.line_at(place.file, place.start);
    let shown = sources.shown_line(place.file, line.clone());
    let text = sources.text(place.file);
    let (start, end) = (floor_char_boundary(text, place.start), floor_char_boundary(text, place.end));
    let marked = text[start.min(line.end)..end.clamp(start.min(line.end), line.end)].chars().count().max(1);

    // A long line is shown from some characters before the place.
    let from = if shown.len() > LINE_CHARS_MAX { (column - 1).saturating_sub(LINE_CHARS_MAX / 4) } else { 0 };
    let to = shown.len().min(from + LINE_CHARS_MAX);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < shown.len() { "…" } else { "" });
    let window: String = shown.get(from..to).unwrap_or_default().iter().collect();
    let pad = before.chars().count() + column - 1 - from;
    let carets = marked.min((to.max(column) - (column - 1)).max(1));

    out.push_str(&format!("{:gutter$}--> {}:{line_number}:{column}\n", "", sources.name(place.file)));
    out.push_str(&format!("{:gutter$} |\n", ""));
    out.push_str(format!("{line_number:gutter$} | {before}{window}{after}").trim_end());
    out.push_str(&format!("\n{:gutter$} | {:pad$}{}\n", "", "", "^".repeat(carets)));
}

/// Why a configuration was refused: everything that is wrong with it, in the order of the text.
#[derive(Debug)]
pub struct ConfigErrors {
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl ConfigErrors {
    pub fn count(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in self.diagnostics.iter().take(SHOWN_MAX) {
            writeln!(f, "{}", diagnostic.render(&self.sources))?;
        }
        if self.diagnostics.len() > SHOWN_MAX {
            writeln!(f, "… and {} more\n", self.diagnostics.len() - SHOWN_MAX)?;
        }
        let count = self.count();
        write!(f, "{count} {} in the configuration", if count == 1 { "error" } else { "errors" })
    }
}

impl std::error::Error for ConfigErrors {}

/// The one of `known` that `given` was probably meant to be.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const GIVEN_CHARS_MAX: usize = 64;
    if given.chars().count() > GIVEN_CHARS_MAX {
        return None;
    }
    let given = given.to_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&given, &candidate.to_lowercase());
    let best = known.into_iter().min_by_key(distance)?;
    let allowed = (given.chars().count().max(best.chars().count()) / 3).max(usize::from(given.len() > 2));
    (distance(&best) <= allowed).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add("a.toml", text);
        sources
    }

    #[test]
    fn points_at_the_place_in_characters() {
        let sources = sources("x = 1\nürün = \"ä\" # y\n");
        let start = sources.text(0).find("\"ä\"").unwrap();
        let rendered = Diagnostic::error(Place { file: 0, start, end: start + 4 }, "no").help("do").render(&sources);
        assert_eq!(rendered, "error: no\n --> a.toml:2:8\n  |\n2 | ürün = \"ä\" # y\n  |        ^^^\n  = help: do\n");
    }

    #[test]
    fn covers_secrets_and_control_characters() {
        let mut sources = sources("password = \"geheim\" \u{1b}[2J");
        sources.hide(Place { file: 0, start: 11, end: 19 });
        let rendered = Diagnostic::error(Place { file: 0, start: 0, end: 8 }, "no").render(&sources);
        assert!(rendered.contains("1 | password = ******** \u{fffd}[2J\n"), "{rendered}");
    }

    #[test]
    fn cuts_long_lines_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(1000), "b".repeat(1000));
        let rendered = Diagnostic::error(Place { file: 0, start: 1000, end: 1004 }, "no").render(&sources(&text));
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[1], " --> a.toml:1:1001");
        let at = lines[4].find('^').unwrap();
        let shown: String = lines[3].chars().skip(at).take(4).collect();
        assert_eq!(shown, "HERE");
        assert!(lines[3].chars().count() <= LINE_CHARS_MAX + 10);
    }

    #[test]
    fn every_offset_renders() {
        let text = "a\r\nöß\n\n\"\"\"x";
        let sources = sources(text);
        for start in 0..=text.len() + 2 {
            for end in 0..=text.len() + 2 {
                assert!(Diagnostic::error(Place { file: 0, start, end }, "no").render(&sources).contains('^'));
            }
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("tpoics", ["topics", "type", "qos"]), Some("topics"));
        assert_eq!(nearest("QOS", ["topics", "qos"]), Some("qos"));
        assert_eq!(nearest("zebra", ["topics", "qos"]), None);
    }
}

//! A string of a TOML file that knows where each of its bytes stands in the file, through quotes, escapes and expansions.
//!
//! So that an error at offset 40 of a query's text points at the config file's own line and column.

use std::ops::Range;

use super::diagnostic::Place;

/// A string value and its origin.
#[derive(Clone, Debug)]
pub struct Text {
    pub value: String,
    /// The whole literal in the file, quotes included.
    pub place: Place,
    /// Ascending by `at`; together they cover the value.
    pieces: Vec<Piece>,
}

/// A run of the value.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it begins in the value.
    at: usize,
    /// Where it stands in the file.
    file: (usize, usize),
    /// Byte for byte as in the file; otherwise the whole run stands for the whole range, as `\n` does.
    verbatim: bool,
}

impl Text {
    /// The literal `raw` that stands at `place`, whose decoded value is `value`.
    pub fn from_literal(value: &str, raw: &str, place: Place) -> Text {
        let mut text = Text { value: String::with_capacity(value.len()), place, pieces: Vec::new() };
        text.decode(raw);
        if text.value != value {
            // The TOML reader has the last word on the value; its place is then the whole literal.
            text.value.clear();
            text.pieces.clear();
            text.push(value, (place.start, place.end), false);
        }
        text
    }

    /// A whole file as one text.
    pub fn from_file(file: usize, contents: &str) -> Text {
        let place = Place { file, start: 0, end: contents.len() };
        let mut text = Text { value: String::new(), place, pieces: Vec::new() };
        text.push(contents, (0, contents.len()), true);
        text
    }

    /// An empty text at this one's place, to be filled by [`Text::push_part`] and [`Text::push_replaced`].
    pub fn emptied(&self) -> Text {
        Text { value: String::new(), place: self.place, pieces: Vec::new() }
    }

    /// Appends `range` of `other`.
    pub fn push_part(&mut self, other: &Text, range: Range<usize>) {
        let first = other.pieces.partition_point(|piece| piece.at <= range.start).saturating_sub(1);
        for (index, piece) in other.pieces.iter().enumerate().skip(first) {
            let end = other.pieces.get(index + 1).map_or(other.value.len(), |next| next.at);
            let (from, to) = (range.start.max(piece.at), range.end.min(end));
            if from >= range.end {
                break;
            }
            if from < to {
                let file = if piece.verbatim { (piece.file.0 + from - piece.at, piece.file.0 + to - piece.at) } else { piece.file };
                self.push(&other.value[from..to], file, piece.verbatim);
            }
        }
    }

    /// Appends `value`, which stands for `range` of `other`.
    pub fn push_replaced(&mut self, value: &str, other: &Text, range: Range<usize>) {
        let place = other.place_of(range);
        self.push(value, (place.start, place.end), false);
    }

    /// Where a byte range of the value stands in the file.
    pub fn place_of(&self, range: Range<usize>) -> Place {
        if range.start >= self.value.len() {
            // At the end of the value: just before the closing quotes.
            let end = self.pieces.last().map_or(self.place.start, |piece| piece.file.1);
            return Place { file: self.place.file, start: end, end };
        }
        let start = self.file_range(range.start).0;
        let end = if range.end > range.start { self.file_range(range.end.min(self.value.len()) - 1).1 } else { start };
        Place { file: self.place.file, start, end: end.max(start) }
    }

    /// Where the byte at `offset` of the value stands in the file.
    fn file_range(&self, offset: usize) -> (usize, usize) {
        let index = self.pieces.partition_point(|piece| piece.at <= offset).saturating_sub(1);
        match self.pieces.get(index) {
            Some(piece) if piece.verbatim => (piece.file.0 + offset - piece.at, piece.file.0 + offset - piece.at + 1),
            Some(piece) => piece.file,
            None => (self.place.start, self.place.end),
        }
    }

    fn push(&mut self, value: &str, file: (usize, usize), verbatim: bool) {
        if value.is_empty() {
            return;
        }
        self.pieces.push(Piece { at: self.value.len(), file, verbatim });
        self.value.push_str(value);
    }

    /// Decodes a TOML string literal of any of the four kinds.
    fn decode(&mut self, raw: &str) {
        let multi_line = raw.starts_with("\"\"\"") || raw.starts_with("'''");
        let quotes = if multi_line { 3 } else { 1 };
        let escapes = raw.starts_with('"');
        if raw.len() < 2 * quotes {
            return;
        }
        let mut from = quotes;
        if multi_line {
            from += if raw[from..].starts_with("\r\n") { 2 } else { usize::from(raw[from..].starts_with('\n')) };
        }
        let body_end = raw.len() - quotes;
        let start = self.place.start;
        while from < body_end {
            let Some(body) = raw.get(from..body_end) else { return };
            let plain = if escapes { body.find('\\').unwrap_or(body.len()) } else { body.len() };
            self.push(&body[..plain], (start + from, start + from + plain), true);
            from += plain;
            if from < body_end {
                let Some((decoded, length)) = decode_escape(&raw[from + 1..body_end]) else { return };
                let mut buffer = [0; 4];
                let decoded = decoded.map_or("", |c| c.encode_utf8(&mut buffer));
                self.push(decoded, (start + from, start + from + 1 + length), false);
                from += 1 + length;
            }
        }
    }
}

/// What follows a backslash: the character it stands for (none for a line's end) and its length.
fn decode_escape(rest: &str) -> Option<(Option<char>, usize)> {
    let id = rest.chars().next()?;
    let digits = match id {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'b' => return Some((Some('\u{8}'), 1)),
        'e' => return Some((Some('\u{1b}'), 1)),
        'f' => return Some((Some('\u{c}'), 1)),
        'n' => return Some((Some('\n'), 1)),
        'r' => return Some((Some('\r'), 1)),
        't' => return Some((Some('\t'), 1)),
        '"' | '\\' => return Some((Some(id), 1)),
        ' ' | '\t' | '\r' | '\n' => return Some((None, rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())),
        _ => return None,
    };
    let code = u32::from_str_radix(rest.get(1..1 + digits)?, 16).ok()?;
    Some((Some(char::from_u32(code)?), 1 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes the literal by the TOML reader, and checks that ours agrees byte for byte.
    fn text(raw: &str) -> Text {
        let value = toml::de::DeValue::parse(raw).unwrap();
        let text = Text::from_literal(value.get_ref().as_str().unwrap(), raw, Place { file: 0, start: 0, end: raw.len() });
        assert!(raw.len() < 3 || text.value.is_empty() || text.pieces.iter().any(|p| p.file != (0, raw.len())), "fallback for {raw}");
        text
    }

    fn pointed<'r>(raw: &'r str, needle: &str) -> &'r str {
        let text = text(raw);
        let at = text.value.find(needle).unwrap();
        let place = text.place_of(at..at + needle.len());
        &raw[place.start..place.end]
    }

    #[test]
    fn points_through_every_kind_of_literal() {
        assert_eq!(pointed("\"SELECT x\"", "x"), "x");
        assert_eq!(pointed("'SELECT x'", "x"), "x");
        assert_eq!(pointed("\"\"\"\nSELECT x\n\"\"\"", "SELECT"), "SELECT");
        assert_eq!(pointed("'''\r\nSELECT x\r\n'''", "x"), "x");
        assert_eq!(pointed("\"\"\"SELECT \"a\" \\\n   x\"\"\"", "x"), "x");
        assert_eq!(pointed(r#""a\tb\u00e4c\\d\x41e\U0001F600f""#, "c"), "c");
        assert_eq!(pointed(r#""a\tb\u00e4c""#, "ä"), r"\u00e4");
        assert_eq!(pointed(r#""a\tb\u00e4c""#, "bäc"), r"b\u00e4c");
        assert_eq!(pointed("\"\"\"x\"\"\"\"\"", "x\"\""), "x\"\"");
    }

    #[test]
    fn the_end_of_the_value_is_before_the_closing_quotes() {
        let text = text("\"\"\"\nab\"\"\"");
        assert_eq!(text.place_of(2..2), Place { file: 0, start: 6, end: 6 });
    }

    #[test]
    fn parts_and_replacements_keep_their_places() {
        let raw = r#""a${X}\tz""#;
        let original = text(raw);
        let mut expanded = original.emptied();
        expanded.push_part(&original, 0..1);
        expanded.push_replaced("long value", &original, 1..5);
        expanded.push_part(&original, 5..7);
        assert_eq!(expanded.value, "along value\tz");
        let at = |range: Range<usize>| {
            let place = expanded.place_of(range);
            &raw[place.start..place.end]
        };
        assert_eq!(at(12..13), "z");
        assert_eq!(at(3..4), "${X}");
        assert_eq!(at(11..12), "\\t");
        assert_eq!(at(0..13), r"a${X}\tz");
    }
}

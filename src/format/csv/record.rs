//! A record taken apart into fields, as the reader does that Spark uses: a field that begins with a quote ends with one before a separator; text
//! behind the closing quote makes the quotes part of the field.

use super::{CsvSettings, FIELDS_MAX};

/// The fields of one record, back to back; their memory is used again.
#[derive(Default)]
pub(in crate::format) struct Fields {
    text: String,
    /// End in `text`; whether the field is NULL for want of any text, quotes included.
    ends: Vec<(usize, bool)>,
}

impl Fields {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of field `index`; `None` where it is empty without quotes, or not there.
    pub fn get(&self, index: usize) -> Option<&str> {
        let (end, null) = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1].0 };
        (!null).then(|| &self.text[start..end])
    }

    fn end_field(&mut self, quoted: bool) {
        let start = self.ends.last().map_or(0, |(end, _)| *end);
        self.ends.push((self.text.len(), !quoted && self.text.len() == start));
    }
}

pub(in crate::format) struct Splitter {
    separator: u8,
    quote: u8,
    escape: u8,
}

impl Splitter {
    pub fn new(settings: &CsvSettings) -> Splitter {
        Splitter { separator: settings.separator, quote: settings.quote, escape: settings.escape }
    }

    /// Fills `fields`. False if the last field's quote is not closed. Fields beyond the limit are not kept, but make the record too long.
    pub fn split(&self, record: &str, fields: &mut Fields) -> bool {
        fields.text.clear();
        fields.ends.clear();
        self.split_rest(record, false, fields)
    }

    /// Whether a record whose last field was open is still open after this further line. `fields` is used as scratch.
    pub fn stays_open(&self, line: &str, fields: &mut Fields) -> bool {
        fields.text.clear();
        fields.ends.clear();
        !self.split_rest(line, true, fields)
    }

    /// `within`: the text begins within quotes.
    fn split_rest(&self, record: &str, mut within: bool, fields: &mut Fields) -> bool {
        let mut rest = record;
        loop {
            let starts_within = std::mem::take(&mut within);
            let quoted = starts_within || rest.as_bytes().first() == Some(&self.quote);
            let taken = if quoted {
                self.quoted(rest, usize::from(!starts_within), &mut fields.text)
            } else {
                Some(self.plain(rest, &mut fields.text))
            };
            fields.end_field(quoted);
            let Some(length) = taken else { return false };
            if length >= rest.len() || fields.ends.len() > FIELDS_MAX {
                return true;
            }
            rest = &rest[length + 1..];
        }
    }

    /// Text up to the next separator.
    fn plain(&self, rest: &str, text: &mut String) -> usize {
        let end = memchr::memchr(self.separator, rest.as_bytes()).unwrap_or(rest.len());
        text.push_str(&rest[..end]);
        end
    }

    /// A field in quotes, from behind the quote at `at`: bytes up to the separator behind it; `None` if it is not closed.
    fn quoted(&self, rest: &str, mut at: usize, text: &mut String) -> Option<usize> {
        let bytes = rest.as_bytes();
        let before = text.len();
        loop {
            let Some(found) = memchr::memchr2(self.quote, self.escape, &bytes[at..]).map(|found| at + found) else {
                text.push_str(&rest[at..]);
                return None;
            };
            text.push_str(&rest[at..found]);
            let next = bytes.get(found + 1).copied();
            let escapes = bytes[found] == self.escape && (next == Some(self.quote) || (next == Some(self.escape)));
            if escapes {
                text.push_str(&rest[found + 1..found + 2]);
                at = found + 2;
            } else if bytes[found] != self.quote {
                text.push_str(&rest[found..found + 1]);
                at = found + 1;
            } else if next.is_none() || next == Some(self.separator) {
                return Some(found + 1);
            } else {
                // Text behind the quote: everything up to the separator is as it stands.
                text.truncate(before);
                return Some(self.plain_from(rest, found + 1, text));
            }
        }
    }

    fn plain_from(&self, rest: &str, from: usize, text: &mut String) -> usize {
        let end = memchr::memchr(self.separator, &rest.as_bytes()[from..]).map_or(rest.len(), |end| from + end);
        text.push_str(&rest[..end]);
        end
    }
}

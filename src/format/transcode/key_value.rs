//! `name=value` pairs in lines, each line a row. Values may stand in double quotes, with `\"` and `\\` within. Of a name that comes twice the last counts.

use super::super::KeyValueSettings;
use super::super::json::scan::Fault;
use super::super::records::Records;
use super::lines;

pub(in crate::format) struct KeyValue {
    settings: KeyValueSettings,
}

impl KeyValue {
    pub fn new(settings: KeyValueSettings) -> KeyValue {
        KeyValue { settings }
    }

    pub fn read(&self, payload: &str, records: &mut Records) -> Result<(), Fault> {
        for (at, line) in lines(payload) {
            records.begin_row(at)?;
            let mut rest = line;
            loop {
                rest = rest.trim_start_matches(|c| self.is_separator(c));
                if rest.is_empty() {
                    break;
                }
                rest = self.pair(rest, records).map_err(|what| Fault { at: at + line.len() - rest.len(), what })?;
            }
            records.end_row(at + line.len());
        }
        Ok(())
    }

    /// White space separates pairs unless another character is set; that may still have white space around it.
    fn is_separator(&self, c: char) -> bool {
        c == self.settings.pair_separator || c.is_whitespace()
    }

    /// Reads the pair at the beginning of `text`; returns what follows it.
    fn pair<'a>(&self, text: &'a str, records: &mut Records) -> Result<&'a str, &'static str> {
        let (name, rest) = text.split_once(self.settings.value_separator).ok_or("a name without a value")?;
        let name = name.trim();
        if name.is_empty() {
            return Err("a value without a name");
        }
        if name.contains(['"', self.settings.pair_separator]) {
            return Err("a name without a value");
        }
        records.name(name);
        let rest = if self.settings.pair_separator == ' ' { rest } else { rest.trim_start() };
        if let Some(quoted) = rest.strip_prefix('"') {
            return self.quoted(quoted, records);
        }
        let end = rest.find(|c| if self.settings.pair_separator == ' ' { self.is_separator(c) } else { c == self.settings.pair_separator });
        let (value, rest) = rest.split_at(end.unwrap_or(rest.len()));
        match value.trim_end() {
            "" => records.null(),
            value => records.untyped(value),
        }
        Ok(rest)
    }

    fn quoted<'a>(&self, text: &'a str, records: &mut Records) -> Result<&'a str, &'static str> {
        let mut value = String::new();
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    records.string(&value);
                    let rest = &text[at + 1..];
                    let ends = rest.chars().next().is_none_or(|c| self.is_separator(c));
                    return if ends { Ok(rest) } else { Err("text behind a closing quote") };
                }
                c => {
                    if escaped && c != '"' && c != '\\' {
                        value.push('\\');
                    }
                    value.push(c);
                    escaped = false;
                }
            }
        }
        Err("a quote is not closed")
    }
}

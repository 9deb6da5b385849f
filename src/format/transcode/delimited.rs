//! CSV lines in a payload: fields by place or by a header, typed by their columns.
//!
//! An empty field without quotes is NULL, and so is one of the text `null`. A field goes on in a further line only with `multi_line`.

use super::super::FormatError;
use super::super::csv::{CsvHeader, CsvSettings, record};
use super::super::json::scan::Fault;
use super::super::records::Records;
use super::lines;

pub(in crate::format) struct Delimited {
    splitter: record::Splitter,
    fields: record::Fields,
    null_text: String,
    header: CsvHeader,
    multi_line: bool,
    /// The fields' names, of the schema until a header says otherwise.
    names: Vec<String>,
    /// The header that `names` are of: one that comes with each row need not be taken apart each time.
    header_line: Option<String>,
}

impl Delimited {
    pub fn new(settings: &CsvSettings, columns: &[String]) -> Result<Delimited, FormatError> {
        settings.check().map_err(|_| FormatError::CsvCharacters)?;
        Ok(Delimited {
            splitter: record::Splitter::new(settings),
            fields: record::Fields::default(),
            null_text: settings.null_text.clone(),
            header: settings.header,
            multi_line: settings.multi_line,
            names: columns.to_vec(),
            header_line: None,
        })
    }

    pub fn read(&mut self, payload: &str, records: &mut Records) -> Result<(), Fault> {
        let mut at_header = self.header != CsvHeader::None;
        let payload = payload.strip_prefix('\u{feff}').unwrap_or(payload);
        let mut lines = lines(payload);
        while let Some((at, mut line)) = lines.next() {
            if at_header && self.header_line.as_deref() == Some(line) {
                at_header = false;
                continue;
            }
            let mut closed = self.splitter.split(line, &mut self.fields);
            if !closed && self.multi_line {
                for (next, further) in lines.by_ref() {
                    line = &payload[at..next + further.len()];
                    if !self.splitter.stays_open(further, &mut self.fields) {
                        break;
                    }
                }
                closed = self.splitter.split(line, &mut self.fields);
            }
            if !closed {
                return Err(Fault { at, what: "a quote is not closed" });
            }
            if std::mem::take(&mut at_header) {
                if self.header == CsvHeader::Names {
                    self.names = (0..self.fields.len()).map(|index| self.fields.get(index).unwrap_or_default().trim().to_owned()).collect();
                    self.header_line = Some(line.to_owned());
                }
                continue;
            }
            if self.fields.len() != self.names.len() {
                let what =
                    if self.fields.len() < self.names.len() { "the line has too few fields" } else { "the line has too many fields" };
                return Err(Fault { at, what });
            }
            records.begin_row(at)?;
            for (index, name) in self.names.iter().enumerate() {
                records.name(name);
                match self.fields.get(index) {
                    Some(text) if text != self.null_text || text.is_empty() => records.untyped(text),
                    _ => records.null(),
                }
            }
            records.end_row(at + line.len());
        }
        Ok(())
    }
}

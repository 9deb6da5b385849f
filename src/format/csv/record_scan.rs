//! Where the records of a stream of lines end when quoted fields may go on in the next line.

use super::CsvSettings;
use super::record::{Fields, Splitter};

/// Looks at lines one after the other.
pub struct RecordScan {
    splitter: Splitter,
    fields: Fields,
}

impl RecordScan {
    pub fn new(settings: &CsvSettings) -> RecordScan {
        RecordScan { splitter: Splitter::new(settings), fields: Fields::default() }
    }

    /// Whether a quote is open at the end of this line; `within`: one was at its beginning.
    pub fn is_open(&mut self, line: &[u8], within: bool) -> bool {
        let line = String::from_utf8_lossy(line);
        if within { self.splitter.stays_open(&line, &mut self.fields) } else { !self.splitter.split(&line, &mut self.fields) }
    }

    /// The names in a header.
    pub fn names(&mut self, header: &[u8]) -> Vec<String> {
        self.splitter.split(&String::from_utf8_lossy(header), &mut self.fields);
        (0..self.fields.len()).map(|index| self.fields.get(index).unwrap_or_default().trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_stays_open_over_lines_until_it_is_closed() {
        let mut scan = RecordScan::new(&CsvSettings::default());
        assert!(!scan.is_open(b"a,\"b\"", false));
        assert!(scan.is_open(b"a,\"b", false));
        assert!(scan.is_open(b"c \"\" d,", true));
        assert!(!scan.is_open(b"c\",e", true));
        assert_eq!(scan.names(b"a, \"b,c\" ,d"), ["a", "\"b", "c\"", "d"]);
        assert_eq!(scan.names(b"a,\"b,c\", d "), ["a", "b,c", "d"]);
    }
}

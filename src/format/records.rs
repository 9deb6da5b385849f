//! Rows of a format that is not JSON, written as JSON text: one reader of rows then does paths, types, coercion and nesting for all formats.
//!
//! Limits: [`TEXT_BYTES_MAX`] of text and [`ROWS_MAX`] rows from one payload.

use std::ops::Range;

use super::base64;
use super::encode::write_string;
use super::json::scan::Fault;
use super::number;
use super::timestamp::civil_from_days;
use crate::batch::ROWS_MAX;

/// Bytes of JSON that the rows of one payload may take.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// The rows of one payload. Each is an object: [`Records::begin_row`], then names and values in turn, then [`Records::end_row`].
#[derive(Default)]
pub struct Records {
    text: Vec<u8>,
    /// Where each row begins in `text`, and its bytes in the payload.
    rows: Vec<(usize, Range<usize>)>,
}

impl Records {
    pub(super) fn begin(&mut self) {
        self.text.clear();
        self.rows.clear();
        self.text.push(b'[');
    }

    pub(super) fn end(&mut self) {
        self.text.push(b']');
    }

    /// The rows as a JSON array, once ended; UTF-8.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the row that begins at, or holds, byte `at` of the text stands in the payload.
    pub(super) fn place(&self, at: usize) -> Range<usize> {
        let after = self.rows.partition_point(|(start, _)| *start <= at);
        after.checked_sub(1).map_or(0..0, |index| self.rows[index].1.clone())
    }

    /// A row begins, at byte `at` of the payload.
    pub fn begin_row(&mut self, at: usize) -> Result<(), Fault> {
        if self.rows.len() >= ROWS_MAX || self.text.len() > TEXT_BYTES_MAX {
            return Err(Fault { at, what: "the payload has too many rows" });
        }
        self.separate();
        self.rows.push((self.text.len(), at..at));
        self.text.push(b'{');
        Ok(())
    }

    /// The row ends before byte `at` of the payload.
    pub fn end_row(&mut self, at: usize) {
        self.text.push(b'}');
        if let Some((_, place)) = self.rows.last_mut() {
            place.end = at.max(place.start);
        }
    }

    /// The name of the value that is written next.
    pub fn name(&mut self, name: &str) {
        self.separate();
        write_string(name, &mut self.text);
        self.text.push(b':');
    }

    pub fn null(&mut self) {
        self.value(b"null");
    }

    pub fn boolean(&mut self, value: bool) {
        self.value(if value { b"true" } else { b"false" });
    }

    pub fn integer(&mut self, value: i64) {
        self.value(value.to_string().as_bytes());
    }

    pub fn unsigned(&mut self, value: u64) {
        self.value(value.to_string().as_bytes());
    }

    /// In the shortest form that gives the same value back.
    pub fn double(&mut self, value: f64) {
        match value {
            value if value.is_nan() => self.value(b"\"NaN\""),
            value if value.is_infinite() => self.value(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" }),
            value => self.value(format!("{value:?}").as_bytes()),
        }
    }

    /// As [`Records::double`], so that 0.1 does not become 0.10000000149.
    pub fn float(&mut self, value: f32) {
        if value.is_finite() { self.value(format!("{value:?}").as_bytes()) } else { self.double(f64::from(value)) }
    }

    pub fn string(&mut self, value: &str) {
        self.separate();
        write_string(value, &mut self.text);
    }

    /// A text that may be meant as a number: the column's type decides.
    pub fn untyped(&mut self, value: &str) {
        match number::scan(value.as_bytes(), 0) {
            Some(number) if number.end == value.len() => self.value(value.as_bytes()),
            _ => self.string(value),
        }
    }

    /// Microseconds since the epoch, as text, which TIMESTAMP columns read whatever their unit of numbers is.
    pub fn timestamp(&mut self, micros: i64) {
        let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let sign = if year > 9_999 { "+" } else { "" };
        self.string(&format!("{sign}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"));
    }

    /// Bytes: base64, as JSON carries them to BINARY columns.
    pub fn bytes(&mut self, value: &[u8]) {
        self.separate();
        self.text.push(b'"');
        base64::encode(value, &mut self.text);
        self.text.push(b'"');
    }

    pub fn begin_array(&mut self) {
        self.value(b"[");
    }

    pub fn end_array(&mut self) {
        self.text.push(b']');
    }

    pub fn begin_object(&mut self) {
        self.value(b"{");
    }

    pub fn end_object(&mut self) {
        self.text.push(b'}');
    }

    /// JSON as it stands, which is whole values, or part of an object up to where a value is expected.
    pub(super) fn copied(&mut self, json: &[u8]) {
        let json = json.trim_ascii();
        if !matches!(json.first(), None | Some(b',' | b'}' | b']')) {
            self.separate();
        }
        self.text.extend_from_slice(json);
    }

    /// Whether a payload that has grown to this is to be refused.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() > TEXT_BYTES_MAX
    }

    fn value(&mut self, text: &[u8]) {
        self.separate();
        self.text.extend_from_slice(text);
    }

    /// A comma, unless something has just begun. Strings end with a quote, so the last byte tells.
    fn separate(&mut self) {
        if !matches!(self.text.last(), None | Some(b'[' | b'{' | b':')) {
            self.text.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_json() {
        let mut records = Records::default();
        records.begin();
        records.begin_row(3).unwrap();
        records.name("a\"b");
        records.untyped("007");
        records.name("n");
        records.untyped("-1.50");
        records.name("list");
        records.begin_array();
        records.double(0.1);
        records.double(f64::NAN);
        records.float(0.1);
        records.begin_object();
        records.name("x");
        records.bytes(&[1, 2]);
        records.end_object();
        records.null();
        records.end_array();
        records.end_row(9);
        records.begin_row(10).unwrap();
        records.end_row(12);
        records.end();
        let text = String::from_utf8(records.text().to_vec()).unwrap();
        assert_eq!(text, r#"[{"a\"b":"007","n":-1.50,"list":[0.1,"NaN",0.1,{"x":"AQI="},null]},{}]"#);
        assert_eq!((records.place(1), records.place(20), records.place(text.len() - 2)), (3..9, 3..9, 10..12));
    }
}

//! `to_char` and `to_number`: numbers by a format of `9 0 . D , G $ S MI PR`.
//!
//! Limits: at most [`DIGITS_MAX`] digits, as Spark's DECIMAL has; numbers are read as DOUBLE.

use crate::batch::Values;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, Texts};
use crate::engine::expr::strings::digits::Digits;
use crate::plan::TextFunction as T;

/// Digits of one format.
const DIGITS_MAX: usize = 38;

/// Where the sign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// Negative numbers are not shown.
    None,
    /// `S`: `+` or `-`.
    Before,
    After,
    /// `MI`: `-` or a space.
    MinusBefore,
    MinusAfter,
    /// `PR`: in angle brackets.
    Brackets,
}

/// A compiled format: the characters of the number itself, and what stands around it.
#[derive(Clone, Debug)]
struct Format {
    /// `9`, `0` and `,`.
    whole: Vec<u8>,
    /// Digits after the point; `None` without one.
    places: Option<usize>,
    dollar: bool,
    sign: Sign,
}

impl Format {
    fn new(text: &str) -> Result<Format, Failure> {
        let wrong = || Failure::with_text(Problem::Argument("the number format is not understood"), text);
        let upper = text.to_ascii_uppercase();
        let mut rest = upper.as_str();
        let mut sign = Sign::None;
        for (mark, before, after) in [("MI", Sign::MinusBefore, Sign::MinusAfter), ("S", Sign::Before, Sign::After)] {
            if let Some(inner) = rest.strip_prefix(mark) {
                (sign, rest) = (before, inner);
                break;
            }
            if let Some(inner) = rest.strip_suffix(mark) {
                (sign, rest) = (after, inner);
                break;
            }
        }
        if sign == Sign::None
            && let Some(inner) = rest.strip_suffix("PR")
        {
            (sign, rest) = (Sign::Brackets, inner);
        }
        let dollar = rest.starts_with('$');
        rest = rest.strip_prefix('$').unwrap_or(rest);
        let (whole, fraction) = rest.split_once(['.', 'D']).map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
        let whole: Vec<u8> = whole.bytes().map(|byte| if byte == b'G' { b',' } else { byte }).collect();
        let digits = |byte: &u8| matches!(byte, b'9' | b'0');
        let grouped = whole.first() != Some(&b',') && whole.last() != Some(&b',') && whole.windows(2).all(|pair| pair != b",,");
        let known = whole.iter().all(|byte| digits(byte) || *byte == b',')
            && fraction.is_none_or(|fraction| fraction.bytes().all(|byte| digits(&byte)));
        let count = whole.iter().filter(|byte| digits(byte)).count() + fraction.map_or(0, str::len);
        if !known || !grouped || count == 0 || count > DIGITS_MAX {
            return Err(wrong());
        }
        Ok(Format { whole, places: fraction.map(str::len), dollar, sign })
    }

    /// Digits before the point.
    fn width(&self) -> usize {
        self.whole.iter().filter(|byte| **byte != b',').count()
    }

    fn write(&self, negative: bool, digits: &Digits, out: &mut String) {
        let places = self.places.unwrap_or(0);
        let exact = digits.fixed_exactly(places);
        let (whole, fraction) = exact.as_deref().map_or(("", ""), |text| text.split_once('.').unwrap_or((text, "")));
        let whole = whole.trim_start_matches('0');
        // A zero stands before the point, where the format has one.
        let whole = if whole.is_empty() && self.places.is_some() && self.width() > 0 { "0" } else { whole };
        let fits = exact.is_some() && whole.len() <= self.width();
        let mut body = String::new();
        let mut skipped = self.width() - whole.len().min(self.width());
        let mut given = whole.chars();
        let leading_zero = self.whole.first() == Some(&b'0');
        for byte in &self.whole {
            match byte {
                _ if !fits => body.push(if *byte == b',' { ',' } else { '#' }),
                b',' => body.push(if skipped > 0 && !leading_zero { ' ' } else { ',' }),
                _ if skipped > 0 => {
                    skipped -= 1;
                    body.push(if leading_zero { '0' } else { ' ' });
                }
                _ => body.extend(given.next()),
            }
        }
        if self.places.is_some() {
            body.push('.');
            body.push_str(&if fits { fraction.to_owned() } else { "#".repeat(places) });
        }
        let blank = body.len() - body.trim_start_matches(' ').len();
        let (blank, body) = body.split_at(blank);
        let dollar = if self.dollar { "$" } else { "" };
        let (before, after) = match (self.sign, negative) {
            (Sign::Before, true) | (Sign::MinusBefore, true) => ("-", ""),
            (Sign::Before, false) => ("+", ""),
            (Sign::MinusBefore, false) => (" ", ""),
            (Sign::After, true) | (Sign::MinusAfter, true) => ("", "-"),
            (Sign::After, false) => ("", "+"),
            (Sign::MinusAfter, false) => ("", " "),
            (Sign::Brackets, true) => ("<", ">"),
            (Sign::Brackets, false) => ("", "  "),
            (Sign::None, _) => ("", ""),
        };
        out.extend([blank, before, dollar, body, after]);
    }

    /// The number that a text in this format stands for.
    fn read(&self, text: &str) -> Option<f64> {
        let mut rest = text.trim_matches(' ');
        let mut negative = false;
        if self.sign == Sign::Brackets
            && let Some(inner) = rest.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'))
        {
            (negative, rest) = (true, inner);
        }
        if matches!(self.sign, Sign::Before | Sign::MinusBefore) {
            negative = rest.starts_with('-');
            rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        }
        if matches!(self.sign, Sign::After | Sign::MinusAfter) {
            negative = rest.ends_with('-');
            rest = rest.strip_suffix(['-', '+']).unwrap_or(rest);
        }
        if self.dollar {
            rest = rest.strip_prefix('$')?;
        }
        let (whole, fraction) = rest.split_once('.').map_or((rest, ""), |(whole, fraction)| (whole, fraction));
        let mut digits = String::new();
        let mut given = whole.bytes().rev().peekable();
        for byte in self.whole.iter().rev() {
            match (byte, given.peek()) {
                (b',', Some(b',')) => {
                    given.next();
                }
                (b',', None) | (b'9', None) => {}
                (b'9' | b'0', Some(digit)) if digit.is_ascii_digit() => digits.insert(0, char::from(given.next()?)),
                _ => return None,
            }
        }
        let fits =
            given.next().is_none() && fraction.len() <= self.places.unwrap_or(0) && fraction.bytes().all(|byte| byte.is_ascii_digit());
        if !fits || digits.is_empty() && fraction.is_empty() {
            return None;
        }
        let number: f64 = format!("{digits}.{fraction}").parse().ok()?;
        Some(if negative { -number } else { number })
    }
}

/// The format argument: compiled once where it is the same for all rows.
enum Formats<'o> {
    Once(Result<Format, Failure>),
    Each(Texts<'o>),
}

impl Formats<'_> {
    fn get(&self, row: usize) -> Result<Format, Failure> {
        match self {
            Formats::Once(format) => format.clone(),
            Formats::Each(texts) => Format::new(texts.get(row)),
        }
    }
}

pub(super) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, format] = operands else { return None };
    let forms = format.texts()?;
    let formats = forms.constant().map_or(Formats::Each(forms), |text| Formats::Once(Format::new(text)));
    if function == T::ToChar {
        let (real, whole) = (input.doubles(), input.integers());
        return Some(frame.text_map(operands, |row, out| {
            let format = formats.get(row)?;
            let (negative, digits) = match (&real, &whole) {
                (Some(x), _) => (x.get(row) < 0.0, Digits::of(x.get(row))),
                (None, Some(x)) => (x.get(row) < 0, Some(Digits::of_integer(x.get(row)))),
                (None, None) => (false, None),
            };
            // NaN and infinity are no DECIMAL, and so NULL.
            let Some(digits) = digits else { return Ok(false) };
            format.write(negative, &digits, out);
            Ok(true)
        }));
    }
    let text = input.texts()?;
    Some(frame.try_map(operands, Values::Double, |row| match formats.get(row)?.read(text.get(row)) {
        Some(number) => Ok(Some(number)),
        None if function == T::TryToNumber => Ok(None),
        None => Err(Failure::with_text(Problem::Argument("the text does not have the number format"), text.get(row))),
    }))
}

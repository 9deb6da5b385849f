//! `format_number`: numbers with grouped digits, by a number of places or by a pattern of Java's `DecimalFormat`.
//!
//! Rounds the exact binary value half to even, as Java does. Limits: patterns hold digits, grouping, `%`, `‰` and literal text; no exponent
//! and no part for negative numbers.

use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::strings::printf::grouped;

/// Digits after the decimal point that may be asked for.
const PLACES_MAX: usize = 340;

/// A number to be written.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Whole(i64),
    Real(f64),
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    prefix: String,
    suffix: String,
    whole_min: usize,
    places_min: usize,
    places_max: usize,
    /// Digits between commas; 0 for none.
    group: usize,
    /// 100 for `%`, 1000 for `‰`.
    factor: f64,
}

impl Pattern {
    /// `#,##0.00` with this many places.
    pub fn places(places: usize) -> Pattern {
        let places = places.min(PLACES_MAX);
        Pattern {
            prefix: String::new(),
            suffix: String::new(),
            whole_min: 1,
            places_min: places,
            places_max: places,
            group: 3,
            factor: 1.0,
        }
    }

    pub fn new(text: &str) -> Result<Pattern, Failure> {
        let wrong = || Failure::with_text(Problem::Argument("the number pattern is not understood"), text);
        let is_digit = |c: char| matches!(c, '#' | '0' | ',' | '.');
        let mut pattern = Pattern { whole_min: 0, ..Pattern::places(0) };
        pattern.group = 0;
        let mut digits = String::new();
        let mut after = false;
        let mut quoted = false;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let literal = if after { &mut pattern.suffix } else { &mut pattern.prefix };
            match c {
                '\'' if characters.peek() == Some(&'\'') => {
                    characters.next();
                    literal.push('\'');
                }
                '\'' => quoted = !quoted,
                c if quoted => literal.push(c),
                c if is_digit(c) && !after => {
                    digits.push(c);
                    after = !characters.peek().is_some_and(|next| is_digit(*next));
                }
                c if is_digit(c) => return Err(wrong()),
                'E' | ';' | '\u{A4}' => return Err(wrong()),
                '%' | '‰' => {
                    pattern.factor = if c == '%' { 100.0 } else { 1000.0 };
                    literal.push(c);
                }
                c => literal.push(c),
            }
        }
        if quoted || digits.is_empty() {
            return Err(wrong());
        }
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let required: String = whole.chars().filter(|c| *c != ',').collect();
        let ordered = !required.trim_start_matches('#').contains('#') && !fraction.trim_start_matches('0').contains('0');
        if fraction.contains([',', '.']) || !ordered || whole.ends_with(',') {
            return Err(wrong());
        }
        pattern.whole_min = required.matches('0').count();
        if pattern.whole_min == 0 && !fraction.contains('0') && !whole.is_empty() {
            // Java wants a digit somewhere: the last before the point.
            pattern.whole_min = 1;
        }
        pattern.places_min = fraction.matches('0').count().min(PLACES_MAX);
        pattern.places_max = fraction.len().min(PLACES_MAX);
        pattern.group = whole.rfind(',').map_or(0, |at| whole.len() - at - 1);
        Ok(pattern)
    }

    /// Rounded to the greatest number of places. Whole numbers beyond 2⁵³ have as many digits as tell them apart, and then zeros.
    fn digits(&self, x: f64) -> String {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if x < EXACT_MAX { format!("{x:.*}", self.places_max) } else { format!("{x}.{}", "0".repeat(self.places_max)) }
    }

    pub fn write(&self, number: Number, out: &mut String) {
        let (negative, digits) = match number {
            Number::Real(x) if x.is_nan() => return out.push_str("NaN"),
            Number::Real(x) if x.is_infinite() => {
                let sign = if x < 0.0 { "-" } else { "" };
                return out.extend([sign, &self.prefix, "∞", &self.suffix]);
            }
            Number::Real(x) => (x.is_sign_negative(), self.digits((x * self.factor).abs())),
            Number::Whole(x) => {
                let scaled = i128::from(x) * self.factor as i128;
                (x < 0, format!("{}.{}", scaled.unsigned_abs(), "0".repeat(self.places_max)))
            }
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let mut kept = fraction.len();
        while kept > self.places_min && fraction.as_bytes()[kept - 1] == b'0' {
            kept -= 1;
        }
        let whole = format!("{:0>width$}", whole.trim_start_matches('0'), width = self.whole_min);
        let whole = if whole.is_empty() && kept == 0 { "0".to_owned() } else { whole };
        let whole = if self.group > 0 { grouped(&whole, self.group) } else { whole };
        let point = if kept > 0 { "." } else { "" };
        out.extend([if negative { "-" } else { "" }, &self.prefix, &whole, point, &fraction[..kept], &self.suffix]);
    }
}

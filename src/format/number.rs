//! JSON numbers: found, and turned into the SQL types exactly.
//!
//! Doubles are correctly rounded. The common short decimals need one division: a mantissa of at most 2^53 and a power of ten of at most
//! 10^22 are both exact doubles, so their quotient is rounded once. Everything else goes to the standard library.
//!
//! Limits: a number is at most [`NUMBER_BYTES_MAX`] long, as in Spark.

use super::words;

/// Bytes in one number; Jackson's limit.
pub const NUMBER_BYTES_MAX: usize = 1000;

/// Digits that always fit `u64`.
const MANTISSA_DIGITS_MAX: usize = 19;
const EXACT_MANTISSA_MAX: u64 = 1 << 53;
/// Exponents beyond this are all alike: zero or out of range for every type.
const EXPONENT_CLAMP: i32 = 1_000_000;

pub(super) const POWERS_OF_TEN: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// A number as it stands in the text: `mantissa · 10^exponent`, negated if `negative`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    pub negative: bool,
    /// No fraction and no exponent part.
    pub integer: bool,
    /// Whether `mantissa` holds all digits; if not, only the text does.
    pub exact: bool,
    pub mantissa: u64,
    pub exponent: i32,
    /// Where the text goes on.
    pub end: usize,
}

/// The number that starts at `start` by JSON's grammar; `None` if none does. What follows it is not looked at.
pub fn scan(text: &[u8], start: usize) -> Option<Number> {
    let negative = text.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let mut mantissa = 0u64;
    let mut at = digits(text, first, &mut mantissa);
    let mut count = at - first;
    if count == 0 || (count > 1 && text[first] == b'0') {
        return None;
    }
    let mut exponent = 0i32;
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(text, fraction, &mut mantissa);
        if at == fraction {
            return None;
        }
        count += at - fraction;
        exponent = -i32::try_from(at - fraction).ok()?;
        integer = false;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let (power, end) = exponent_part(text, at + 1)?;
        exponent = exponent.saturating_add(power);
        at = end;
        integer = false;
    }
    if at - start > NUMBER_BYTES_MAX {
        return None;
    }
    Some(Number { negative, integer, exact: count <= MANTISSA_DIGITS_MAX, mantissa, exponent, end: at })
}

/// A number without exponent and of few digits, as sensors send: the double and where it ends. `None`: ask [`scan`].
#[inline(always)]
pub fn short_decimal(text: &[u8], start: usize) -> Option<(f64, usize)> {
    let text = text.get(start..)?;
    let negative = text.first() == Some(&b'-');
    let first = usize::from(negative);
    let mut mantissa = 0u64;
    let mut point = None;
    let mut at = first;
    let stop = loop {
        let byte = *text.get(at)?;
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            break byte;
        }
        at += 1;
    };
    // With a point among them, 16 bytes hold 15 digits: less than 2^53, and places within the powers of ten.
    let (whole, places) = point.map_or((at - first, 0), |point| (point - first, at - point - 1));
    let well_formed = whole > 0 && (point.is_none() || places > 0) && (whole == 1 || text[first] != b'0');
    if !well_formed || at - first > 15 || matches!(stop, b'e' | b'E' | b'.') || (negative && mantissa == 0) {
        return None;
    }
    let magnitude = mantissa as f64 / POWERS_OF_TEN[places];
    Some((if negative { -magnitude } else { magnitude }, start + at))
}

/// A whole number of few digits: the integer and where it ends. `None`: ask [`scan`].
#[inline(always)]
pub fn short_integer(text: &[u8], start: usize) -> Option<(i64, usize)> {
    let text = text.get(start..)?;
    if !matches!(text.first()?, b'1'..=b'9') {
        return None;
    }
    let mut value = 0u64;
    let mut at = 0;
    if let Some(word) = words::word(text, 0).filter(|word| eight_digits(*word)) {
        value = eight_digits_value(word);
        at = 8;
    }
    let stop = loop {
        let byte = *text.get(at)?;
        let digit = byte.wrapping_sub(b'0');
        if digit >= 10 {
            break byte;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    };
    (at <= 18 && !matches!(stop, b'.' | b'e' | b'E')).then_some((value as i64, start + at))
}

/// Reads digits from `at` into `mantissa` (wrapping where there are too many) and returns where they end.
///
/// Branches rather than arithmetic on the position: they are predicted where messages are alike, so the next field need not wait.
fn digits(text: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while text.get(at + 7).is_some_and(u8::is_ascii_digit) {
        match words::word(text, at).filter(|word| eight_digits(*word)) {
            Some(word) => *mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight_digits_value(word)),
            None => break,
        }
        at += 8;
    }
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// Whether all eight bytes are ASCII digits.
#[inline(always)]
fn eight_digits(word: u64) -> bool {
    let above = word.wrapping_add(0x4646_4646_4646_4646);
    let below = word.wrapping_sub(0x3030_3030_3030_3030);
    (above | below) & 0x8080_8080_8080_8080 == 0
}

/// The value of eight ASCII digits, the first in the lowest byte: pairs, then fours, then all eight.
#[inline(always)]
pub(super) fn eight_digits_value(word: u64) -> u64 {
    let word = (word & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(2561) >> 8;
    let word = (word & 0x00FF_00FF_00FF_00FF).wrapping_mul(6_553_601) >> 16;
    (word & 0x0000_FFFF_0000_FFFF).wrapping_mul(42_949_672_960_001) >> 32
}

fn exponent_part(text: &[u8], start: usize) -> Option<(i32, usize)> {
    let negative = text.get(start) == Some(&b'-');
    let first = start + usize::from(matches!(text.get(start), Some(b'-' | b'+')));
    let mut at = first;
    let mut power = 0i32;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        power = (power * 10 + i32::from(digit)).min(EXPONENT_CLAMP);
        at += 1;
    }
    (at > first).then_some((if negative { -power } else { power }, at))
}

#[cold]
fn parse<T: std::str::FromStr>(text: &[u8]) -> T {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.expect("JSON's number grammar is within Rust's")
}

impl Number {
    /// The nearest double; infinite where it is out of range. `text` is the number's own text.
    #[inline(always)]
    pub fn to_f64(self, text: &[u8]) -> f64 {
        if self.exact && self.mantissa <= EXACT_MANTISSA_MAX && (-22..=22).contains(&self.exponent) {
            let mantissa = self.mantissa as f64;
            let power = POWERS_OF_TEN[self.exponent.unsigned_abs() as usize];
            let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
            return if self.negative && !(self.integer && self.mantissa == 0) { -value } else { value };
        }
        parse(text)
    }

    /// The nearest float; infinite where it is out of range.
    pub fn to_f32(self, text: &[u8]) -> f32 {
        if self.integer && self.exact && self.mantissa == 0 {
            return 0.0;
        }
        parse(text)
    }

    /// An integer as BIGINT; `None` if it is not one or does not fit.
    #[inline(always)]
    pub fn to_i64(self) -> Option<i64> {
        if !self.integer || !self.exact {
            return None;
        }
        if self.negative { 0i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() }
    }

    /// `value · 10^unit_power` as an integer, digits beyond it cut off; `None` if that does not fit.
    ///
    /// With `unit_power` 6, seconds become microseconds.
    pub fn to_scaled_i64(self, text: &[u8], unit_power: u32) -> Option<i64> {
        if self.integer && self.exact {
            return self.to_i64()?.checked_mul(10i64.checked_pow(unit_power)?);
        }
        self.scaled_by_digits(text, unit_power)
    }

    /// Moves the decimal point within the digits of the text, so that no size of number loses a digit.
    fn scaled_by_digits(self, text: &[u8], unit_power: u32) -> Option<i64> {
        let mantissa = text.iter().copied().take_while(|byte| !matches!(byte, b'e' | b'E'));
        let digits: Vec<u8> = mantissa.filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').collect();
        if digits.is_empty() {
            return Some(0);
        }
        let shift = i64::from(self.exponent) + i64::from(unit_power);
        let kept = if shift < 0 { digits.len().saturating_sub(shift.unsigned_abs() as usize) } else { digits.len() };
        let zeros = shift.max(0) as usize;
        if kept + zeros > MANTISSA_DIGITS_MAX {
            return None;
        }
        let magnitude =
            digits[..kept].iter().chain(std::iter::repeat_n(&b'0', zeros)).fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        if self.negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn double(text: &str) -> Option<f64> {
        let number = scan(text.as_bytes(), 0)?;
        (number.end == text.len()).then(|| number.to_f64(text.as_bytes()))
    }

    #[test]
    fn grammar_is_json() {
        for text in ["", "-", "+1", ".5", "5.", "01", "-01", "1e", "1e+", "00", "x", "1.e3", "--1"] {
            assert_eq!(double(text), None, "{text}");
        }
        for text in ["0", "1", "10", "0.5", "1e2", "1E-2", "1e+2", "12345678", "123456789.123456789"] {
            assert_eq!(double(text), Some(text.parse::<f64>().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_negative_zero_integer_is_plain_zero() {
        assert!(double("-0").unwrap().is_sign_positive());
        assert!(double("-0.0").unwrap().is_sign_negative());
    }

    #[test]
    fn integers_at_the_edges() {
        let integer = |text: &str| scan(text.as_bytes(), 0).unwrap().to_i64();
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer("9223372036854775808"), None);
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("-9223372036854775809"), None);
        assert_eq!(integer("99999999999999999999"), None);
        assert_eq!(integer("1.0"), None);
    }

    #[test]
    fn scaling_is_exact_and_cuts_off() {
        let micros = |text: &str| scan(text.as_bytes(), 0).unwrap().to_scaled_i64(text.as_bytes(), 6);
        assert_eq!(micros("1767225600.123456789"), Some(1_767_225_600_123_456));
        assert_eq!(micros("-0.0000019"), Some(-1));
        assert_eq!(micros("1.5e3"), Some(1_500_000_000));
        assert_eq!(micros("9223372036854.775807"), Some(i64::MAX));
        assert_eq!(micros("9223372036854.775808"), None);
        assert_eq!(micros("-9223372036854.775808"), Some(i64::MIN));
        assert_eq!(micros("1e999999999999"), None);
        assert_eq!(micros("1e-999999999999"), Some(0));
        assert_eq!(micros("0e999999999999"), Some(0));
        assert_eq!(micros("0.00000000000000000000000000000000000001e38"), Some(1_000_000));
    }

    #[test]
    fn a_number_has_a_longest_length() {
        let long = "1".repeat(NUMBER_BYTES_MAX);
        assert!(scan(long.as_bytes(), 0).is_some());
        assert!(scan(format!("{long}1").as_bytes(), 0).is_none());
    }

    /// The short ways, and the general way where they decline.
    fn short(text: &str) -> (Option<f64>, Option<i64>) {
        let padded = format!("{text},");
        let whole = |end: usize| end == text.len();
        let decimal = short_decimal(padded.as_bytes(), 0).filter(|(_, end)| whole(*end)).map(|(value, _)| value);
        let integer = short_integer(padded.as_bytes(), 0).filter(|(_, end)| whole(*end)).map(|(value, _)| value);
        (decimal, integer)
    }

    #[test]
    fn the_short_ways_keep_to_the_grammar() {
        for text in ["", "-", "+1", ".5", "-.5", "5.", "01", "-01", "01.5", "1e5", "1.5e5", "1.2.3", "1..2", "00", "-0", "x"] {
            assert_eq!(short(text), (None, None), "{text}");
        }
        assert_eq!(short("0.5"), (Some(0.5), None));
        assert_eq!(short("-20.25"), (Some(-20.25), None));
        assert_eq!(short("1767225600000"), (Some(1_767_225_600_000.0), Some(1_767_225_600_000)));
        assert_eq!(short("123456789012345678"), (None, Some(123_456_789_012_345_678)));
        assert_eq!(short("1234567890123456789"), (None, None));
    }

    proptest! {
        #[test]
        fn the_short_ways_equal_the_general_one(text in "-?[0-9]{1,19}(\\.[0-9]{1,16})?") {
            let (decimal, integer) = short(&text);
            if let Some(value) = decimal {
                prop_assert_eq!(double(&text).map(f64::to_bits), Some(value.to_bits()));
            }
            if let Some(value) = integer {
                prop_assert_eq!(scan(text.as_bytes(), 0).and_then(Number::to_i64), Some(value));
            }
        }

        #[test]
        fn doubles_equal_the_standard_library(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            let ours = double(&text).unwrap();
            prop_assert!(ours == expected, "{text}: {ours} and {expected}");
        }

        #[test]
        fn short_decimals_equal_the_standard_library(mantissa in -(1i64 << 54)..(1i64 << 54), places in 0usize..24) {
            let digits = format!("{:0width$}", mantissa.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let sign = if mantissa < 0 { "-" } else { "" };
            let text = if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
            prop_assert_eq!(double(&text).unwrap(), text.parse::<f64>().unwrap());
        }

        #[test]
        fn scaled_equals_wide_arithmetic(whole in -9_000_000_000_000i64..9_000_000_000_000, fraction in "[0-9]{1,12}") {
            let text = format!("{whole}.{fraction}");
            let micros: i128 = format!("{fraction:0<6}")[..6].parse().unwrap();
            let expected = i128::from(whole) * 1_000_000 + if whole < 0 { -micros } else { micros };
            prop_assert_eq!(scan(text.as_bytes(), 0).unwrap().to_scaled_i64(text.as_bytes(), 6).map(i128::from), Some(expected));
        }
    }
}

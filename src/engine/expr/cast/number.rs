//! Text to numbers and booleans, as Spark's CAST takes it.

/// Without white space and control characters at both ends.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ' || c == '\u{7F}')
}

/// `t true y yes 1`, `f false n no 0`, in any case.
pub fn boolean(text: &str) -> Option<bool> {
    let text = trimmed(text);
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["t", "true", "y", "yes", "1"]) {
        return Some(true);
    }
    is_one_of(["f", "false", "n", "no", "0"]).then_some(false)
}

/// Decimal digits with an optional sign.
pub fn integer(text: &str) -> Option<i64> {
    trimmed(text).parse().ok()
}

pub fn double(text: &str) -> Option<f64> {
    let text = trimmed(text);
    special(text).or_else(|| decimal(text)?.parse().ok()).or_else(|| hexadecimal(text))
}

pub fn float(text: &str) -> Option<f32> {
    let text = trimmed(text);
    special(text).map(|x| x as f32).or_else(|| decimal(text)?.parse().ok()).or_else(|| hexadecimal(text).map(|x| x as f32))
}

fn special(text: &str) -> Option<f64> {
    let (sign, word) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if ["inf", "infinity"].iter().any(|name| word.eq_ignore_ascii_case(name)) {
        return Some(sign * f64::INFINITY);
    }
    // Java knows `NaN` with a sign; Spark adds every case without one.
    (word == "NaN" || text.eq_ignore_ascii_case("nan")).then_some(f64::NAN)
}

/// A decimal number without Java's type letter at its end; `None` where it holds other characters than Java's numbers do.
fn decimal(text: &str) -> Option<&str> {
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let known = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    (number.bytes().all(known) && number.ends_with(|c: char| c.is_ascii_digit() || c == '.')).then_some(number)
}

/// Java's `0x1.8p3`.
fn hexadecimal(text: &str) -> Option<f64> {
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).filter(|_| text.contains(['p', 'P'])).unwrap_or(text);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut exponent: i64 = exponent.parse::<i32>().ok()?.into();
    let mut mantissa = 0u64;
    for (index, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = digit.to_digit(16)?;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= if index < whole.len() { 0 } else { 4 };
        } else {
            // Beyond 60 bits digits matter only as "not zero".
            mantissa |= u64::from(digit != 0);
            exponent += if index < whole.len() { 4 } else { 0 };
        }
    }
    if mantissa == 0 {
        return Some(sign * 0.0);
    }
    // In two steps, for 2^exponent alone can be out of range where the product is not.
    let half = (exponent / 2).clamp(-2000, 2000) as i32;
    let rest = (exponent - exponent / 2).clamp(-2000, 2000) as i32;
    Some(sign * (mantissa as f64 * 2f64.powi(half)) * 2f64.powi(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_javas_numbers() {
        let cases = [
            (" 21.5 ", Some(21.5)),
            ("1e3", Some(1000.0)),
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("3d", Some(3.0)),
            ("3.5F", Some(3.5)),
            ("0x1p3", Some(8.0)),
            ("-0x1.8P1d", Some(-3.0)),
            ("0x.8p0", Some(0.5)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            ("", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1_000", None),
            ("1,5", None),
            ("d", None),
            ("0x10", None),
            ("0xp1", None),
            ("infd", None),
            ("1 2", None),
            ("٣", None),
        ];
        for (text, expected) in cases {
            assert_eq!(double(text), expected, "{text}");
        }
        assert!(double("nAn").is_some_and(f64::is_nan));
        assert!(double("0x1p2147483647").is_some_and(f64::is_infinite));
        assert_eq!(double("0x0p2147483647"), Some(0.0));
        assert_eq!(double("0x1p-1074"), Some(5e-324));
        assert_eq!(float("0.1"), Some(0.1));
        assert_eq!(integer("+5"), Some(5));
        assert_eq!(integer("5.0"), None);
        assert_eq!(integer("9223372036854775808"), None);
    }
}

//! Values as text, as Spark (that is, Java) writes them.

use std::fmt::Write;

use crate::engine::expr::calendar::{Day, split};
use crate::engine::expr::time::write_year;

/// The shortest digits that read back as `x`: plain from 0.001 up to 10,000,000, else with an exponent; always with a decimal point.
pub fn double_text(x: f64) -> String {
    match special(x) {
        Some(text) => text.to_owned(),
        None => {
            let shortest = format!("{x:e}");
            // Java writes at least two digits, those nearest to the number: 4.9E-324 where one digit would do.
            let scientific = if shortest.contains('.') { shortest } else { format!("{x:.1e}") };
            java(&scientific, (1e-3..1e7).contains(&x.abs()))
        }
    }
}

/// As [`double_text`] for single precision.
pub fn float_text(x: f32) -> String {
    match special(f64::from(x)) {
        Some(text) => text.to_owned(),
        None => {
            let shortest = format!("{x:e}");
            let scientific = if shortest.contains('.') { shortest } else { format!("{x:.1e}") };
            java(&scientific, (1e-3..1e7).contains(&x.abs()))
        }
    }
}

fn special(x: f64) -> Option<&'static str> {
    match x {
        x if x.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        x if x == 0.0 => Some(if x.is_sign_negative() { "-0.0" } else { "0.0" }),
        _ => None,
    }
}

/// From Rust's `-1.25e-7`.
fn java(scientific: &str, plain: bool) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    if !plain {
        return format!("{mantissa}E{exponent}");
    }
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let digits: String = mantissa.strip_suffix(".0").unwrap_or(mantissa).chars().filter(char::is_ascii_digit).collect();
    match usize::try_from(exponent) {
        Ok(exponent) if digits.len() > exponent + 1 => format!("{sign}{}.{}", &digits[..=exponent], &digits[exponent + 1..]),
        Ok(exponent) => format!("{sign}{digits:0<width$}.0", width = exponent + 1),
        Err(_) => format!("{sign}0.{:0>width$}", digits, width = digits.len() + exponent.unsigned_abs() as usize - 1),
    }
}

/// `2026-01-01`
pub fn date(days: i32, out: &mut String) {
    write_day(Day::from_days(i64::from(days)), out);
}

/// `2026-01-01 00:00:00.12`: zeros at the end of the fraction are cut.
pub fn timestamp(time_us: i64, out: &mut String) {
    let (day, time) = split(time_us);
    write_day(day, out);
    // Writing to a string does not fail.
    let _ = write!(out, " {:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    if time.micros > 0 {
        let fraction = format!("{:06}", time.micros);
        out.push('.');
        out.push_str(fraction.trim_end_matches('0'));
    }
}

fn write_day(day: Day, out: &mut String) {
    // Writing to a string does not fail.
    let _ = write_year(day.year, 4, out);
    let _ = write!(out, "-{:02}-{:02}", day.month, day.day);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_does() {
        let cases = [
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (1e-4, "1.0E-4"),
            (1e-3, "0.001"),
            (0.00123, "0.00123"),
            (100.0, "100.0"),
            (123.456, "123.456"),
            (-1.5, "-1.5"),
            (-0.0, "-0.0"),
            (1.25e-7, "1.25E-7"),
            (1.7976931348623157e308, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (x, expected) in cases {
            assert_eq!(double_text(x), expected);
        }
        assert_eq!(float_text(3.4e38), "3.4E38");
        assert_eq!(float_text(0.1), "0.1");
        assert_eq!(float_text(16_777_216.0), "1.6777216E7");
    }

    #[test]
    fn times_end_without_zeros() {
        let text = |time| {
            let mut out = String::new();
            timestamp(time, &mut out);
            out
        };
        assert_eq!(text(0), "1970-01-01 00:00:00");
        assert_eq!(text(120_000), "1970-01-01 00:00:00.12");
        assert_eq!(text(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(text(i64::MAX), "+294247-01-10 04:00:54.775807");
        assert_eq!(text(i64::MIN), "-290308-12-21 19:59:05.224192");
    }
}

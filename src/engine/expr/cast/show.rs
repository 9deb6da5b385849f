//! Values as text, as Spark (that is, Java) writes them.

use std::fmt::Write;

use crate::engine::expr::calendar::{Day, split};
use crate::engine::expr::time::write_year;

pub use super::value_text as value;

/// The shortest digits that read back as `x`: plain from 0.001 up to 10,000,000, else with an exponent; always with a decimal point.
pub fn double(x: f64, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match special(x) {
        Some(text) => write!(out, "{text}"),
        // In this range Rust writes the same.
        None if (1e-3..1e7).contains(&x.abs()) => write!(out, "{x:?}"),
        None => scientific(&format!("{x:e}"), &format!("{x:.1e}"), out),
    };
}

/// As [`double`] for single precision.
pub fn float(x: f32, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match special(f64::from(x)) {
        Some(text) => write!(out, "{text}"),
        None if (1e-3..1e7).contains(&x.abs()) => write!(out, "{x:?}"),
        None => scientific(&format!("{x:e}"), &format!("{x:.1e}"), out),
    };
}

/// Java writes at least two digits, and of all numbers with two the nearest: 4.9E-324 where one digit would do.
fn scientific(shortest: &str, two_digits: &str, out: &mut String) -> std::fmt::Result {
    let (mantissa, exponent) = if shortest.contains('.') { shortest } else { two_digits }.split_once('e').unwrap_or((shortest, "0"));
    write!(out, "{mantissa}E{exponent}")
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
            let mut out = String::new();
            double(x, &mut out);
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        [3.4e38, 0.1, 16_777_216.0, 1e-45].iter().for_each(|x| float(*x, &mut out));
        assert_eq!(out, "3.4E380.11.6777216E71.4E-45");
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

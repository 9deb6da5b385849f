//! A floating-point number as the decimal digits that it prints as, and those rounded half up.

/// `0.d₁d₂… · 10^point`, the shortest digits that read back as the number. Zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    digits: Vec<u8>,
    point: i64,
}

impl Digits {
    /// The magnitude of `x`; `None` where it is not finite.
    pub fn of(x: f64) -> Option<Digits> {
        x.is_finite().then(|| Digits::read(&format!("{:e}", x.abs())))
    }

    /// As [`Digits::of`], of single precision.
    pub fn of_float(x: f32) -> Option<Digits> {
        x.is_finite().then(|| Digits::read(&format!("{:e}", x.abs())))
    }

    fn read(scientific: &str) -> Digits {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        if digits == [b'0'] {
            return Digits { digits: Vec::new(), point: 1 };
        }
        Digits { digits, point: exponent.parse::<i64>().unwrap_or(0) + 1 }
    }

    /// The magnitude of a whole number.
    pub fn of_integer(x: i64) -> Digits {
        let text = x.unsigned_abs().to_string();
        let point = text.len() as i64;
        let digits = text.trim_end_matches('0').as_bytes().to_vec();
        if digits.is_empty() { Digits { digits, point: 1 } } else { Digits { digits, point } }
    }

    /// As [`Digits::fixed`]; `None` where digits would be lost.
    pub fn fixed_exactly(&self, places: usize) -> Option<String> {
        (self.digits.len() as i64 - self.point <= places as i64).then(|| self.fixed(places))
    }

    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The first `kept` digits, rounded half up.
    fn rounded(&self, kept: i64) -> Digits {
        let Ok(kept) = usize::try_from(kept) else { return Digits { digits: Vec::new(), point: 1 } };
        if kept >= self.digits.len() {
            return self.clone();
        }
        let up = self.digits[kept] >= b'5';
        let mut digits = self.digits[..kept].to_vec();
        let mut point = self.point;
        if up {
            match digits.iter().rposition(|digit| *digit != b'9') {
                Some(at) => {
                    digits[at] += 1;
                    digits[at + 1..].fill(b'0');
                }
                None => {
                    digits.fill(b'0');
                    digits.insert(0, b'1');
                    point += 1;
                }
            }
        }
        if digits.iter().all(|digit| *digit == b'0') { Digits { digits: Vec::new(), point: 1 } } else { Digits { digits, point } }
    }

    /// The power of ten of the first digit after rounding to `kept` digits.
    pub fn rounded_exponent(&self, kept: usize) -> i64 {
        self.rounded(kept as i64).point - 1
    }

    /// With `places` digits after the decimal point.
    pub fn fixed(&self, places: usize) -> String {
        let rounded = self.rounded(self.point + places as i64);
        let digit = |power: i64| {
            let at = usize::try_from(rounded.point - 1 - power).ok();
            char::from(at.and_then(|at| rounded.digits.get(at)).copied().unwrap_or(b'0'))
        };
        let mut text: String = (0..rounded.point.max(1)).rev().map(digit).collect();
        if places > 0 {
            text.push('.');
            text.extend((1..=places as i64).map(|place| digit(-place)));
        }
        text
    }

    /// `1.234e+01` with `places` digits after the decimal point.
    pub fn scientific(&self, places: usize) -> String {
        let rounded = self.rounded(places as i64 + 1);
        let exponent = if rounded.is_zero() { 0 } else { rounded.point - 1 };
        let digit = |at: usize| char::from(rounded.digits.get(at).copied().unwrap_or(b'0'));
        let mut text = String::from(digit(0));
        if places > 0 {
            text.push('.');
            text.extend((1..=places).map(digit));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{text}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_the_printed_digits() {
        let fixed = |x: f64, places| Digits::of(x).expect("a number").fixed(places);
        assert_eq!(fixed(2.675, 2), "2.68");
        assert_eq!(fixed(9.995, 2), "10.00");
        assert_eq!(fixed(0.05, 0), "0");
        assert_eq!(fixed(0.5, 0), "1");
        assert_eq!(fixed(0.0, 1), "0.0");
        assert_eq!(fixed(1e20, 1), "100000000000000000000.0");
        assert_eq!(fixed(1e-10, 3), "0.000");
        let scientific = |x: f64, places| Digits::of(x).expect("a number").scientific(places);
        assert_eq!(scientific(12345.678, 3), "1.235e+04");
        assert_eq!(scientific(9.99, 1), "1.0e+01");
        assert_eq!(scientific(0.0, 2), "0.00e+00");
        assert_eq!(scientific(1e-5, 0), "1e-05");
        assert_eq!(Digits::of(f64::NAN), None);
    }
}

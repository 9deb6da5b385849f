//! `format_string`: the conversions of Java's `Formatter` for numbers, text and booleans.
//!
//! Limits: no dates (`%t…`), no hexadecimal floating point (`%a`); widths and precisions up to [`WIDTH_MAX`].

use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::cast::show;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::strings::digits::Digits;
use crate::types::Value;

/// Characters that a width or precision may ask for.
const WIDTH_MAX: usize = 10_000;

/// One `%…` of a format.
#[derive(Clone, Debug, Default)]
struct Spec {
    left: bool,
    alternate: bool,
    plus: bool,
    space: bool,
    zero: bool,
    group: bool,
    parentheses: bool,
    width: Option<usize>,
    precision: Option<usize>,
    conversion: char,
}

/// Which argument a conversion takes.
enum Place {
    Next,
    /// `%<s`: the same as before.
    Last,
    /// `%2$s`, from 0.
    At(usize),
}

fn wrong(format: &str) -> Failure {
    Failure::with_text(Problem::Argument("the format does not fit its arguments"), format)
}

/// Appends `args` written by `format`.
pub(super) fn write(format: &str, args: &[Value], out: &mut String) -> Result<(), Failure> {
    let mut rest = format;
    let (mut next, mut last) = (0, None);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (place, spec, after) = parse(&rest[at + 1..]).ok_or_else(|| wrong(format))?;
        rest = after;
        match spec.conversion {
            'n' if spec.width.is_none() && spec.precision.is_none() => out.push('\n'),
            '%' if spec.precision.is_none() => pad("%", &spec, out),
            'n' | '%' => return Err(wrong(format)),
            _ => {
                let index = match place {
                    Place::Next => {
                        next += 1;
                        next - 1
                    }
                    Place::Last => last.ok_or_else(|| wrong(format))?,
                    Place::At(index) => index,
                };
                last = Some(index);
                let arg = args.get(index).ok_or_else(|| wrong(format))?;
                convert(&spec, arg, out).ok_or_else(|| wrong(format))?;
            }
        }
        if out.len() > TEXT_BYTES_MAX {
            return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
        }
    }
    out.push_str(rest);
    Ok(())
}

/// What stands after a `%`, and the text after it.
fn parse(text: &str) -> Option<(Place, Spec, &str)> {
    let mut rest = text;
    let mut place = Place::Next;
    if let Some(after) = rest.strip_prefix('<') {
        (place, rest) = (Place::Last, after);
    } else if let Some((number, after)) = number(rest)
        && let Some(after) = after.strip_prefix('$')
    {
        (place, rest) = (Place::At(number.checked_sub(1)?), after);
    }
    let mut spec = Spec::default();
    loop {
        let flag = match rest.chars().next()? {
            '-' => &mut spec.left,
            '#' => &mut spec.alternate,
            '+' => &mut spec.plus,
            ' ' => &mut spec.space,
            '0' => &mut spec.zero,
            ',' => &mut spec.group,
            '(' => &mut spec.parentheses,
            _ => break,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
        rest = &rest[1..];
    }
    if let Some((width, after)) = number(rest) {
        (spec.width, rest) = (Some(width), after);
    }
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after)?;
        (spec.precision, rest) = (Some(precision), after);
    }
    spec.conversion = rest.chars().next()?;
    let within = spec.width.unwrap_or(0) <= WIDTH_MAX && spec.precision.unwrap_or(0) <= WIDTH_MAX;
    let placed = spec.width.is_some() || !(spec.left || spec.zero && spec.conversion != '%');
    let exclusive = !(spec.left && spec.zero || spec.plus && spec.space);
    (within && placed && exclusive).then(|| (place, spec.clone(), &rest[spec.conversion.len_utf8()..]))
}

/// Digits at the beginning of a text; `None` where there are none or too many.
fn number(text: &str) -> Option<(usize, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().ok()?, rest))
}

/// `None`: the conversion does not take this argument, or not with these flags.
fn convert(spec: &Spec, arg: &Value, out: &mut String) -> Option<()> {
    let upper = spec.conversion.is_ascii_uppercase();
    let mut text = String::new();
    let conversion = spec.conversion.to_ascii_lowercase();
    let numeric = matches!(conversion, 'd' | 'o' | 'x' | 'e' | 'f' | 'g');
    if !numeric && (spec.plus || spec.space || spec.zero || spec.group || spec.parentheses || spec.alternate) {
        return None;
    }
    if upper && !matches!(conversion, 'b' | 'h' | 's' | 'c' | 'x' | 'e' | 'g') {
        return None;
    }
    match (conversion, arg) {
        ('b', Value::Boolean(x)) => text = cut(if *x { "true" } else { "false" }, spec),
        ('b', value) => text = cut(if *value == Value::Null { "false" } else { "true" }, spec),
        ('h', Value::Null) | ('s', Value::Null) | ('c' | 'd' | 'o' | 'x' | 'e' | 'f' | 'g', Value::Null) => text = cut("null", spec),
        ('h', value) => text = cut(&format!("{:x}", java_hash(value)?), spec),
        ('s', value) => text = cut(&plain(value), spec),
        ('c', Value::Int(code)) if spec.precision.is_none() => text.push(char::from_u32(u32::try_from(*code).ok()?)?),
        ('d' | 'o' | 'x', value) => return integer(spec, conversion, value, out),
        ('e' | 'f' | 'g', value) => return real(spec, conversion, value, out),
        _ => return None,
    }
    pad(&if upper { text.to_uppercase() } else { text }, spec, out);
    Some(())
}

fn cut(text: &str, spec: &Spec) -> String {
    text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect()
}

/// As Java prints the values that Spark hands over: times and dates as their numbers.
fn plain(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Timestamp(micros) => text = micros.to_string(),
        Value::Date(days) => text = days.to_string(),
        Value::Float(x) => show::float(*x, &mut text),
        Value::Double(x) => show::double(*x, &mut text),
        Value::Boolean(x) => text = x.to_string(),
        Value::Int(x) => text = x.to_string(),
        Value::BigInt(x) => text = x.to_string(),
        Value::String(x) => text.push_str(x),
        _ => text.push_str("null"),
    }
    text
}

/// Java's `hashCode` of what has one that does not depend on the machine.
fn java_hash(value: &Value) -> Option<i32> {
    let wide = |bits: u64| (bits ^ bits >> 32) as i32;
    Some(match value {
        Value::Int(x) | Value::Date(x) => *x,
        Value::BigInt(x) | Value::Timestamp(x) => wide(*x as u64),
        Value::Boolean(x) => {
            if *x {
                1231
            } else {
                1237
            }
        }
        Value::Double(x) => wide(x.to_bits()),
        Value::Float(x) => x.to_bits() as i32,
        _ => return None,
    })
}

fn integer(spec: &Spec, conversion: char, value: &Value, out: &mut String) -> Option<()> {
    let (number, narrow) = match value {
        Value::Int(x) | Value::Date(x) => (i64::from(*x), true),
        Value::BigInt(x) | Value::Timestamp(x) => (*x, false),
        _ => return None,
    };
    if spec.precision.is_some() {
        return None;
    }
    if conversion == 'd' {
        if spec.alternate {
            return None;
        }
        signed(spec, number < 0, &number.unsigned_abs().to_string(), out);
        return Some(());
    }
    if spec.plus || spec.space || spec.group || spec.parentheses {
        return None;
    }
    let bits = if narrow { u64::from(number as i32 as u32) } else { number as u64 };
    let (mut text, prefix) = if conversion == 'x' { (format!("{bits:x}"), "0x") } else { (format!("{bits:o}"), "0") };
    let prefix = if spec.alternate { prefix } else { "" };
    if spec.zero {
        text = format!("{text:0>width$}", width = spec.width.unwrap_or(0).saturating_sub(prefix.len()));
    }
    let text = format!("{prefix}{text}");
    pad(&if spec.conversion == 'X' { text.to_uppercase() } else { text }, spec, out);
    Some(())
}

fn real(spec: &Spec, conversion: char, value: &Value, out: &mut String) -> Option<()> {
    let (x, digits) = match value {
        Value::Double(x) => (*x, Digits::of(*x)),
        Value::Float(x) => (f64::from(*x), Digits::of_float(*x)),
        _ => return None,
    };
    if (spec.alternate && conversion == 'g') || (spec.group && conversion == 'e') {
        return None;
    }
    let Some(digits) = digits else {
        let text = match (x.is_nan(), x < 0.0, spec.plus, spec.parentheses) {
            (true, ..) => "NaN",
            (_, true, _, true) => "(Infinity)",
            (_, true, ..) => "-Infinity",
            (_, _, true, _) => "+Infinity",
            _ if spec.space => " Infinity",
            _ => "Infinity",
        };
        pad(&if spec.conversion.is_ascii_uppercase() { text.to_uppercase() } else { text.to_owned() }, spec, out);
        return Some(());
    };
    let precision = spec.precision.unwrap_or(6);
    let text = match conversion {
        'f' => digits.fixed(precision),
        'e' => digits.scientific(precision),
        _ => {
            let precision = precision.max(1);
            let exponent = digits.rounded_exponent(precision);
            if digits.is_zero() || (-4..precision as i64).contains(&exponent) {
                let places = if digits.is_zero() { precision as i64 - 1 } else { precision as i64 - 1 - exponent };
                digits.fixed(usize::try_from(places).unwrap_or(0))
            } else {
                digits.scientific(precision - 1)
            }
        }
    };
    let text = if spec.alternate && precision == 0 { format!("{text}.") } else { text };
    let text = if spec.conversion.is_ascii_uppercase() { text.to_uppercase() } else { text };
    signed(spec, x.is_sign_negative(), &text, out);
    Some(())
}

/// A number's digits with grouping, sign and width.
fn signed(spec: &Spec, negative: bool, digits: &str, out: &mut String) {
    let digits = if spec.group { grouped(digits, 3) } else { digits.to_owned() };
    let (before, after) = match (negative, spec.parentheses) {
        (true, true) => ("(", ")"),
        (true, false) => ("-", ""),
        (false, _) if spec.plus => ("+", ""),
        (false, _) if spec.space => (" ", ""),
        _ => ("", ""),
    };
    let zeros = if spec.zero { spec.width.unwrap_or(0).saturating_sub(before.len() + digits.len() + after.len()) } else { 0 };
    pad(&format!("{before}{}{digits}{after}", "0".repeat(zeros)), spec, out);
}

/// Commas between each `size` digits before the decimal point.
pub(super) fn grouped(number: &str, size: usize) -> String {
    let (whole, fraction) = number.find('.').map_or((number, ""), |at| number.split_at(at));
    let mut text = String::with_capacity(number.len() + whole.len() / size);
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at).is_multiple_of(size) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

fn pad(text: &str, spec: &Spec, out: &mut String) {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    let spaces = " ".repeat(missing);
    let (before, after) = if spec.left { ("", spaces.as_str()) } else { (spaces.as_str(), "") };
    out.extend([before, text, after]);
}

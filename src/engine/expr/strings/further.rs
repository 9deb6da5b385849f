//! From the functions of [`TextFunction`] to their kernels.

use crate::batch::Values;
use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, Texts};
use crate::engine::expr::strings::decimal_format::{self, Number};
use crate::engine::expr::strings::{append, distance, fields, number_format, printf, url};
use crate::engine::expr::{cast, pattern};
use crate::plan::TextFunction as T;
use crate::types::Value;

pub(in crate::engine::expr) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match function {
        T::FormatString => format_string(operands, frame),
        T::FormatNumber => format_number(operands, frame),
        T::Elt => elt(operands, frame),
        T::Mask => mask(operands, frame),
        T::ToChar | T::ToNumber | T::TryToNumber => number_format::apply(function, operands, frame),
        T::RegexpCount | T::RegexpSubstr | T::RegexpInstr | T::RegexpExtractAll => pattern::apply_further(function, operands, frame),
        T::Space => {
            let count = operands.first()?.integers()?;
            Some(frame.text_map(operands, |row, out| {
                let count = usize::try_from(count.get(row)).unwrap_or(0);
                if count > TEXT_BYTES_MAX {
                    return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
                }
                out.extend(std::iter::repeat_n(' ', count));
                Ok(true)
            }))
        }
        _ => of_texts(function, operands, frame),
    }
}

/// Functions whose first arguments are texts.
fn of_texts(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (first, rest) = operands.split_first()?;
    let text = first.texts()?;
    let other = rest.first().and_then(Operand::texts);
    Some(match (function, rest) {
        (T::SubstringIndex, [_, count]) => {
            let (delimiter, count) = (other?, count.integers()?);
            frame.text_map(operands, |row, out| append(out, fields::substring_index(text.get(row), delimiter.get(row), count.get(row))))
        }
        (T::Overlay, [_, start, rest @ ..]) => {
            let (replacement, start) = (other?, start.integers()?);
            let length = rest.first().map(|length| length.integers().ok_or(())).transpose().ok()?;
            frame.text_map(operands, |row, out| {
                let length = length.map_or(-1, |length| length.get(row));
                fields::overlay(text.get(row), replacement.get(row), start.get(row), length, out)
            })
        }
        (T::FindInSet, [_]) => {
            let list = other?;
            frame.map(operands, Values::Int, |row| fields::find_in_set(text.get(row), list.get(row)))
        }
        (T::Quote, []) => frame.text_map(operands, |row, out| fields::quote(text.get(row), out)),
        (T::Soundex, []) => frame.text_map(operands, |row, out| append(out, &distance::soundex(text.get(row)))),
        (T::LuhnCheck, []) => frame.map(operands, Values::Boolean, |row| distance::luhn(text.get(row))),
        (T::JaroWinkler, [_]) => {
            let other = other?;
            frame.try_map(operands, Values::Double, |row| distance::jaro_winkler(text.get(row), other.get(row)).map(Some))
        }
        (T::Levenshtein, [_]) => {
            let other = other?;
            frame.try_map(operands, Values::Int, |row| distance::levenshtein(text.get(row), other.get(row)).map(Some))
        }
        (T::Levenshtein, [_, threshold]) => {
            let (other, threshold) = (other?, threshold.integers()?);
            frame.try_map(operands, Values::Int, |row| {
                distance::levenshtein_within(text.get(row), other.get(row), threshold.get(row)).map(Some)
            })
        }
        (T::UrlEncode, []) => frame.text_map(operands, |row, out| url::encode(text.get(row), out)),
        (T::UrlDecode | T::TryUrlDecode, []) => frame.text_map(operands, |row, out| match url::decode(text.get(row)) {
            Some(decoded) => append(out, &decoded),
            None if function == T::TryUrlDecode => Ok(false),
            None => Err(url::malformed(text.get(row))),
        }),
        (T::ParseUrl | T::TryParseUrl, [_, keys @ ..]) if keys.len() <= 1 => {
            let part = other?;
            let keys = keys.first().map(|key| key.texts().ok_or(())).transpose().ok()?;
            frame.text_map(operands, |row, out| match url::part(text.get(row), part.get(row), keys.map(|key| key.get(row))) {
                Some(Some(part)) => append(out, &part),
                Some(None) => Ok(false),
                None if function == T::TryParseUrl => Ok(false),
                None => Err(url::malformed(text.get(row))),
            })
        }
        _ => return None,
    })
}

/// The operand's entry; NULL where it is.
fn entry(operand: &Operand<'_>, row: usize) -> Value {
    match operand {
        Operand::Constant(value) => value.clone(),
        Operand::Column(column) => column.value(row),
    }
}

fn format_string(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (format, args) = operands.split_first()?;
    if format.is_null_constant() {
        return Some(Operand::NULL);
    }
    let formats = format.texts()?;
    Some(frame.text_rows(format.valid().cloned(), |row, out| {
        let args: Vec<Value> = args.iter().map(|arg| entry(arg, row)).collect();
        printf::write(formats.get(row), &args, out).map(|()| true)
    }))
}

fn format_number(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, form] = operands else { return None };
    let (whole, real, single) = (input.integers(), input.doubles(), input.floats());
    let number = |row: usize| match (&whole, &real, &single) {
        (Some(x), ..) => Number::Whole(x.get(row)),
        (_, Some(x), _) => Number::Real(x.get(row)),
        (_, _, Some(x)) => Number::Real(f64::from(x.get(row))),
        _ => Number::Real(f64::NAN),
    };
    if whole.is_none() && real.is_none() && single.is_none() {
        return None;
    }
    if let Some(places) = form.integers() {
        return Some(frame.text_map(operands, |row, out| {
            let Ok(places) = usize::try_from(places.get(row)) else { return Ok(false) };
            decimal_format::Pattern::places(places).write(number(row), out);
            Ok(true)
        }));
    }
    let forms: Texts<'_> = form.texts()?;
    let compile = |text: &str| if text.is_empty() { Ok(decimal_format::Pattern::places(0)) } else { decimal_format::Pattern::new(text) };
    let once = forms.constant().map(compile);
    Some(frame.text_map(operands, |row, out| {
        match &once {
            Some(pattern) => pattern.as_ref().map_err(Failure::clone)?.write(number(row), out),
            None => compile(forms.get(row))?.write(number(row), out),
        }
        Ok(true)
    }))
}

/// The `n`th text; NULL where the number or that text is.
fn elt(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (number, texts) = operands.split_first()?;
    if number.is_null_constant() {
        return Some(Operand::NULL);
    }
    let numbers = number.integers()?;
    Some(frame.text_rows(number.valid().cloned(), |row, out| {
        let index = numbers.get(row).checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let Some(chosen) = index.and_then(|index| texts.get(index)) else {
            return Err(Failure::with(Problem::Argument("there is no argument of this number"), numbers.get(row)));
        };
        if chosen.is_null(row) {
            return Ok(false);
        }
        match chosen.texts() {
            Some(texts) => append(out, texts.get(row)),
            None => {
                cast::value_text(&entry(chosen, row), out);
                Ok(true)
            }
        }
    }))
}

/// `mask(text, upper, lower, digit, other)`.
fn mask(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (input, characters) = operands.split_first()?;
    if input.is_null_constant() {
        return Some(Operand::NULL);
    }
    let texts = input.texts()?;
    Some(frame.text_rows(input.valid().cloned(), |row, out| {
        let character = |index: usize| {
            characters.get(index).and_then(|operand| if let Value::String(text) = entry(operand, row) { text.chars().next() } else { None })
        };
        let mask = fields::Mask { upper: character(0), lower: character(1), digit: character(2), other: character(3) };
        mask.apply(texts.get(row), out)
    }))
}

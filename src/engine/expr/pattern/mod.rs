//! LIKE, RLIKE, regexp_extract, regexp_replace.
//!
//! Limits: those of [`java_regex`](crate::java_regex).

mod further;
mod like;

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex::{Captures, Regex};

use crate::batch::Values;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand, Texts};
use crate::engine::expr::{PATTERNS_MAX, TEXT_BYTES_MAX};
use crate::java_regex::compile;
use crate::plan::Function;
pub(super) use further::apply as apply_further;
use like::Like;

/// Compiled regular expressions by their text. When [`PATTERNS_MAX`] are held, all are dropped.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    compiled: RefCell<BTreeMap<Box<str>, Compiled>>,
}

/// Or why it cannot be used.
type Compiled = Result<Regex, Box<str>>;

impl Patterns {
    pub(in crate::engine::expr) fn get(&self, pattern: &str) -> Result<Regex, Failure> {
        let mut compiled = self.compiled.borrow_mut();
        if !compiled.contains_key(pattern) && compiled.len() >= PATTERNS_MAX {
            compiled.clear();
        }
        let result = compiled.entry(pattern.into()).or_insert_with(|| compile(pattern));
        result.clone().map_err(|reason| Failure::with_text(Problem::Regex(reason), pattern))
    }
}

/// The pattern argument: compiled once where it is the same for all rows.
enum Source<'c, 'o, T> {
    Once(Result<T, Failure>),
    Each(&'c Patterns, Texts<'o>),
}

impl Source<'_, '_, Regex> {
    fn get(&self, row: usize) -> Result<Regex, Failure> {
        match self {
            Source::Once(regex) => regex.clone(),
            Source::Each(patterns, texts) => patterns.get(texts.get(row)),
        }
    }
}

fn regex_source<'c, 'o>(operand: &'o Operand<'_>, frame: &Frame<'c>) -> Option<Source<'c, 'o, Regex>> {
    let texts = operand.texts()?;
    let patterns = &frame.context.patterns;
    Some(match texts.constant() {
        Some(pattern) => Source::Once(patterns.get(pattern)),
        None => Source::Each(patterns, texts),
    })
}

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, pattern, rest @ ..] = operands else { return None };
    let text = input.texts()?;
    if matches!(function, Function::Like | Function::Ilike) {
        return like(function == Function::Ilike, operands, frame);
    }
    let regex = regex_source(pattern, frame)?;
    match (function, rest) {
        (Function::Rlike, []) => Some(frame.try_map(operands, Values::Boolean, |row| Ok(Some(regex.get(row)?.is_match(text.get(row)))))),
        (Function::RegexpExtract, [] | [_]) => {
            let group = rest.first().map_or(Some(Integers::Narrow(Lane::One(1))), Operand::integers)?;
            Some(frame.text_map(operands, |row, out| extract(&regex.get(row)?, text.get(row), group.get(row), out)))
        }
        (Function::RegexpReplace, [replacement] | [replacement, _]) => {
            let replacement = replacement.texts()?;
            let from = rest.get(1).map_or(Some(Integers::Narrow(Lane::One(1))), Operand::integers)?;
            Some(frame.text_map(operands, |row, out| {
                replace(&regex.get(row)?, text.get(row), replacement.get(row), from.get(row), out).map(|()| true)
            }))
        }
        _ => None,
    }
}

/// `text LIKE pattern [ESCAPE escape]`.
fn like(fold_case: bool, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, pattern, rest @ ..] = operands else { return None };
    let (text, pattern) = (input.texts()?, pattern.texts()?);
    let escape = match rest {
        [] => None,
        [escape] => Some(escape.texts()?),
        _ => return None,
    };
    let build = |row: usize| -> Result<Like, Failure> {
        let escape = escape.map_or("\\", |escape| escape.get(row));
        let mut escapes = escape.chars();
        let (Some(escape), None) = (escapes.next(), escapes.next()) else {
            return Err(Problem::Argument("the escape must be one character").into());
        };
        let pattern = pattern.get(row);
        if fold_case { Like::new(&pattern.to_lowercase(), escape) } else { Like::new(pattern, escape) }
    };
    let once = pattern.constant().is_some() && escape.is_none_or(|escape| escape.constant().is_some());
    let compiled = once.then(|| build(0));
    Some(frame.try_map(operands, Values::Boolean, |row| {
        let each;
        let like = match &compiled {
            Some(compiled) => compiled.as_ref().map_err(Failure::clone)?,
            None => {
                each = build(row)?;
                &each
            }
        };
        let text = text.get(row);
        Ok(Some(if fold_case { like.matches(&text.to_lowercase()) } else { like.matches(text) }))
    }))
}

/// Group `group` of the first match; '' where there is no match or the group took no part.
fn extract(regex: &Regex, text: &str, group: i64, out: &mut String) -> Result<bool, Failure> {
    let Some(captures) = regex.captures(text) else { return Ok(true) };
    let index = usize::try_from(group).ok().filter(|index| *index < captures.len());
    let Some(index) = index else {
        return Err(Failure::with(Problem::Argument("the regular expression has no group of this number"), group));
    };
    out.push_str(captures.get(index).map_or("", |group| group.as_str()));
    Ok(true)
}

/// Replaces each match from character `from` (1 is the first) on. As in Java, an empty match may follow a match directly.
fn replace(regex: &Regex, text: &str, replacement: &str, from: i64, out: &mut String) -> Result<(), Failure> {
    let Some(skipped) = from.checked_sub(1).and_then(|skipped| usize::try_from(skipped).ok()) else {
        return Err(Failure::with(Problem::Argument("the position counts characters from 1"), from));
    };
    let Some(begin) = text.char_indices().map(|(at, _)| at).chain([0].into_iter().filter(|_| text.is_empty())).nth(skipped) else {
        out.push_str(text);
        return Ok(());
    };
    out.push_str(&text[..begin]);
    let text = &text[begin..];
    let (mut copied, mut search) = (0, 0);
    while let Some(captures) = (search <= text.len()).then(|| regex.captures_at(text, search)).flatten() {
        let whole = captures.get_match();
        out.push_str(&text[copied..whole.start()]);
        expand(&captures, replacement, out)?;
        copied = whole.end();
        search = if whole.is_empty() { whole.end() + text[whole.end()..].chars().next().map_or(1, char::len_utf8) } else { whole.end() };
        if out.len() > TEXT_BYTES_MAX {
            return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
        }
    }
    out.push_str(&text[copied..]);
    Ok(())
}

/// A replacement in Java's syntax: `$1`, `${name}`, and `\` before a character that stands for itself.
fn expand(captures: &Captures<'_>, replacement: &str, out: &mut String) -> Result<(), Failure> {
    const RULE: &str = "in a replacement $ must be followed by a group's number or {name}, and \\ by a character";
    let wrong = || Failure::with_text(Problem::Argument(RULE), replacement);
    let mut rest = replacement;
    while let Some(at) = rest.find(['\\', '$']) {
        out.push_str(&rest[..at]);
        let marker = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        let next = rest.chars().next().ok_or_else(wrong)?;
        if marker == b'\\' {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        } else if next == '{' {
            let (name, after) = rest[1..].split_once('}').ok_or_else(wrong)?;
            out.push_str(captures.name(name).map_or("", |group| group.as_str()));
            rest = after;
        } else {
            let mut group = next.to_digit(10).ok_or_else(wrong)? as usize;
            rest = &rest[1..];
            if group >= captures.len() {
                return Err(wrong());
            }
            while let Some(digit) = rest.chars().next().and_then(|c| c.to_digit(10)) {
                if group * 10 + digit as usize >= captures.len() {
                    break;
                }
                group = group * 10 + digit as usize;
                rest = &rest[1..];
            }
            out.push_str(captures.get(group).map_or("", |group| group.as_str()));
        }
        if out.len() > TEXT_BYTES_MAX {
            return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
        }
    }
    out.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str, pattern: &str, replacement: &str) -> Result<String, Failure> {
        let mut out = String::new();
        replace(&Patterns::default().get(pattern)?, text, replacement, 1, &mut out).map(|()| out)
    }

    #[test]
    fn replaces_as_java_does() {
        assert_eq!(replaced("baaac", "a*", "-"), Ok("-b--c-".into()));
        assert_eq!(replaced("größe", "", "."), Ok(".g.r.ö.ß.e.".into()));
        assert_eq!(replaced("ab", "(a)(b)", "$2$1$11\\$\\\\"), Ok("baa1$\\".into()));
        assert_eq!(replaced("ab", "(?<x>a)", "<${x}>"), Ok("<a>b".into()));
        assert!(replaced("ab", "a", "$1").is_err());
        assert!(replaced("ab", "a", "$").is_err());
        assert!(replaced("ab", "a", "\\").is_err());
        assert!(replaced(&"a".repeat(100_000), "a", &"b".repeat(100)).is_err());
    }

    #[test]
    fn patterns_are_bounded() {
        let patterns = Patterns::default();
        (0..PATTERNS_MAX * 2 + 1).for_each(|i| assert!(patterns.get(&format!("a{{{i}}}")).is_ok()));
        assert!(patterns.compiled.borrow().len() <= PATTERNS_MAX);
        assert!(crate::java_regex::check("(((a{500}){500}){500}){500}").is_err());
        assert!(crate::java_regex::check(&"(".repeat(100_000)).is_err());
    }
}

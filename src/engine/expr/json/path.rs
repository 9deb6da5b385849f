//! `get_json_object`: Spark's paths (`$`, `.name`, `['name']`, `[3]`, `[*]`) and its rules for what they find.
//!
//! The rules are those of Spark's `GetJsonObject`: the first match of a name counts; one match of `[*]` stands without brackets, several
//! are an array; `[*][*]` flattens; a string alone has no quotes.

use crate::format::json_text::{Fault, TokenKind, compact, scan};

/// Steps in one path.
const STEPS_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(u64),
    Every,
    /// `.*`: read, and never found.
    AnyName,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Strings stand without quotes.
    Raw,
    Quoted,
    /// Arrays within arrays are written as one.
    Flat,
}

/// What has been found: values, in an array or alone.
struct Written {
    out: Vec<u8>,
    in_array: bool,
    empty: bool,
}

impl Written {
    fn alone() -> Written {
        Written { out: Vec::new(), in_array: false, empty: true }
    }

    fn begin_value(&mut self) {
        if self.in_array && !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    /// Writes an array of what `fill` writes.
    fn array(&mut self, fill: impl FnOnce(&mut Written) -> Found) -> Found {
        self.begin_value();
        self.out.push(b'[');
        let (in_array, empty) = (std::mem::replace(&mut self.in_array, true), std::mem::replace(&mut self.empty, true));
        let found = fill(self);
        (self.in_array, self.empty) = (in_array, empty);
        self.out.push(b']');
        found
    }
}

/// Whether something was written, and where the value ends.
type Found = Result<(bool, usize), Fault>;

impl Path {
    /// `None` for what is no path.
    pub fn parse(text: &str) -> Option<Path> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(after) = rest.strip_prefix(".*").or_else(|| rest.strip_prefix("['*']")) {
                (Step::AnyName, after)
            } else if let Some(quoted) = rest.strip_prefix("['") {
                let (name, after) = quoted.split_once('\'')?;
                (Step::Name(name.to_owned()), after.strip_prefix(']')?)
            } else if let Some(named) = rest.strip_prefix('.') {
                let end = named.find(['.', '[']).unwrap_or(named.len());
                (Step::Name(named[..end].to_owned()), &named[end..])
            } else {
                let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
                let digits = inside.bytes().all(|byte| byte.is_ascii_digit());
                let step = if inside == "*" { Step::Every } else { Step::Index(inside.parse().ok().filter(|_| digits)?) };
                (step, after)
            };
            if steps.len() == STEPS_MAX || step == Step::Name(String::new()) {
                return None;
            }
            steps.push(step);
            rest = after;
        }
        Some(Path { steps })
    }

    /// What the path finds in a text; `None` for nothing, and where the text is malformed before the search ends.
    pub fn find(&self, text: &str) -> Option<String> {
        let payload = text.as_bytes();
        let start = scan::blank(payload, 0);
        payload.get(start)?;
        let mut written = Written::alone();
        match evaluate(payload, start, 0, Style::Raw, &self.steps, &mut written) {
            Ok((true, _)) => Some(String::from_utf8_lossy(&written.out).into_owned()),
            _ => None,
        }
    }
}

fn evaluate(text: &[u8], at: usize, depth: usize, style: Style, path: &[Step], written: &mut Written) -> Found {
    match (text.get(at), path) {
        (Some(b'"' | b'\''), []) if style == Style::Raw => {
            let token = scan::value(text, at, depth)?;
            let mut unescaped = String::new();
            scan::unescape(&String::from_utf8_lossy(&text[token.start + 1..token.end - 1]), &mut unescaped);
            written.begin_value();
            written.out.extend_from_slice(unescaped.as_bytes());
            Ok((true, token.end))
        }
        (Some(b'['), []) if style == Style::Flat => elements(text, at, depth, |at| evaluate(text, at, depth + 1, style, &[], written)),
        (_, []) => {
            written.begin_value();
            Ok((true, compact(text, at, depth, &mut written.out)?))
        }
        (Some(b'{'), [Step::Name(name), rest @ ..]) => object(text, at, depth, style, name, rest, written),
        (Some(b'['), [Step::Every, Step::Every, rest @ ..]) => {
            written.array(|written| elements(text, at, depth, |at| evaluate(text, at, depth + 1, Style::Flat, rest, written)))
        }
        (Some(b'['), [Step::Every, rest @ ..]) if style != Style::Quoted => every(text, at, depth, style, rest, written),
        (Some(b'['), [Step::Every, rest @ ..]) => {
            written.array(|written| elements(text, at, depth, |at| evaluate(text, at, depth + 1, Style::Quoted, rest, written)))
        }
        (Some(b'['), [Step::Index(wanted), rest @ ..]) => {
            let style = if rest.first() == Some(&Step::Every) { Style::Quoted } else { style };
            let mut number = 0;
            elements(text, at, depth, |at| {
                number += 1;
                match number == *wanted + 1 {
                    true => evaluate(text, at, depth + 1, style, rest, written),
                    false => skip(text, at, depth + 1),
                }
            })
        }
        _ => skip(text, at, depth),
    }
}

fn skip(text: &[u8], at: usize, depth: usize) -> Found {
    let token = scan::value(text, at, depth)?;
    if let TokenKind::Special(_) = token.kind {
        return Err(Fault { at, what: "not a JSON value" });
    }
    Ok((false, token.end))
}

/// `[*]`: one value found stands alone, several are an array.
fn every(text: &[u8], at: usize, depth: usize, style: Style, rest: &[Step], written: &mut Written) -> Found {
    let inner = if style == Style::Raw { Style::Quoted } else { style };
    let mut buffer = Written { out: Vec::new(), in_array: true, empty: true };
    let mut count = 0;
    let (_, end) = elements(text, at, depth, |at| {
        let found = evaluate(text, at, depth + 1, inner, rest, &mut buffer)?;
        count += usize::from(found.0);
        Ok(found)
    })?;
    if count > 0 {
        written.begin_value();
        let brackets: [&[u8]; 2] = if count > 1 { [b"[", b"]"] } else { [b"", b""] };
        [brackets[0], &buffer.out, brackets[1]].iter().for_each(|part| written.out.extend_from_slice(part));
    }
    Ok((count > 0, end))
}

/// Calls `each` with the place of each element.
fn elements(text: &[u8], start: usize, depth: usize, mut each: impl FnMut(usize) -> Found) -> Found {
    check(start, depth)?;
    let mut found = false;
    let mut at = scan::blank(text, start + 1);
    if text.get(at) == Some(&b']') {
        return Ok((false, at + 1));
    }
    loop {
        let (one, end) = each(at)?;
        found |= one;
        at = scan::blank(text, end);
        match text.get(at) {
            Some(b',') => at = scan::blank(text, at + 1),
            Some(b']') => return Ok((found, at + 1)),
            _ => return Err(Fault { at, what: "expected , or ] after an element" }),
        }
    }
}

/// The first member of that name that gives something; NULL gives nothing.
fn object(text: &[u8], start: usize, depth: usize, style: Style, wanted: &str, rest: &[Step], written: &mut Written) -> Found {
    check(start, depth)?;
    let mut found = false;
    let mut unescaped = String::new();
    let mut at = scan::blank(text, start + 1);
    if text.get(at) == Some(&b'}') {
        return Ok((false, at + 1));
    }
    loop {
        let name = scan::member_name(text, at)?;
        let raw = &text[name.start..name.end];
        unescaped.clear();
        if name.escaped {
            scan::unescape(&String::from_utf8_lossy(raw), &mut unescaped);
        }
        let same = if name.escaped { unescaped == wanted } else { raw == wanted.as_bytes() };
        let null = text.get(name.after) == Some(&b'n');
        let (one, end) = if same && !found && !null {
            evaluate(text, name.after, depth + 1, style, rest, written)?
        } else {
            skip(text, name.after, depth + 1)?
        };
        found |= one;
        at = scan::blank(text, end);
        match text.get(at) {
            Some(b',') => at = scan::blank(text, at + 1),
            Some(b'}') => return Ok((found, at + 1)),
            _ => return Err(Fault { at, what: "expected , or } after a member" }),
        }
    }
}

fn check(at: usize, depth: usize) -> Result<(), Fault> {
    if depth < scan::DEPTH_MAX { Ok(()) } else { Err(Fault { at, what: "objects and arrays nest too deep" }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused() {
        let steps = |text: &str| Path::parse(text).map(|path| path.steps.len());
        assert_eq!(steps("$"), Some(0));
        assert_eq!(steps("$.a['b c'][0][*].*"), Some(5));
        for text in ["", "a", "$a", "$.", "$..a", "$[", "$[a]", "$[-1]", "$['a", "$[]"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
        assert_eq!(Path::parse(&format!("${}", "[0]".repeat(STEPS_MAX + 1))), None);
    }

    #[test]
    fn deep_texts_give_nothing() {
        let deep = "[".repeat(100_000);
        assert_eq!(Path::parse("$[0]").unwrap().find(&deep), None);
        assert_eq!(Path::parse("$[*][*]").unwrap().find(&deep), None);
    }
}

//! Java's regular expressions in the syntax of the `regex` crate.
//!
//! As in Java: `\d \w \s \b` know ASCII only, `.` does not match line ends, `\Q…\E` quotes, `\p{Alpha}` and its like are ASCII.
//! Refused with an error: look-around, back-references, atomic groups, possessive quantifiers.
//! Different: `$` matches at the very end only, not also before a last line end; `(?i)` folds all of Unicode.

/// POSIX classes as Java names them.
const POSIX: [(&str, &str); 13] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", "\\x00-\\x7F"),
    ("Alpha", "A-Za-z"),
    ("Digit", "0-9"),
    ("Alnum", "0-9A-Za-z"),
    ("Punct", "!-/:-@\\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", " -~"),
    ("Blank", " \\t"),
    ("Cntrl", "\\x00-\\x1F\\x7F"),
    ("XDigit", "0-9A-Fa-f"),
    ("Space", SPACE),
];

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\x0B\\x0C\\r ";
const BLANK: &str = " \\t\\u{A0}\\u{1680}\\u{180E}\\u{2000}-\\u{200A}\\u{202F}\\u{205F}\\u{3000}";
const LINE_END: &str = "(?:\\r\\n|[\\n\\x0B\\x0C\\r\\u{85}\\u{2028}\\u{2029}])";

/// The pattern rewritten; the `regex` crate refuses what is wrong with it otherwise.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class_depth = 0usize;
    // The last thing was a quantifier: a `+` after it would make it possessive.
    let mut quantified = false;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let was_quantified = std::mem::take(&mut quantified);
        match c {
            '\\' => rest = escape(rest, class_depth > 0, &mut out)?,
            '[' => {
                class_depth += 1;
                out.push(c);
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                out.push(c);
            }
            '(' if class_depth == 0 && rest.starts_with('?') => {
                out.push_str("(?");
                rest = &rest[1..];
            }
            '+' if class_depth == 0 && was_quantified => return Err("possessive quantifiers are not supported".to_owned()),
            '*' | '+' | '?' | '}' => {
                quantified = class_depth == 0 && !was_quantified;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// What follows a backslash; gives the rest of the pattern.
fn escape<'p>(rest: &'p str, in_class: bool, out: &mut String) -> Result<&'p str, String> {
    let Some(c) = rest.chars().next() else { return Err("it ends with a backslash".to_owned()) };
    let after = &rest[c.len_utf8()..];
    let mut class = |members: &str, negated: bool| match (in_class, negated) {
        (true, false) => out.push_str(members),
        (_, true) => out.extend(["[^", members, "]"]),
        (false, false) => out.extend(["[", members, "]"]),
    };
    match c {
        'd' | 'D' => class(DIGIT, c == 'D'),
        'w' | 'W' => class(WORD, c == 'W'),
        's' | 'S' => class(SPACE, c == 'S'),
        'h' | 'H' => class(BLANK, c == 'H'),
        'p' | 'P' => {
            let named = after.strip_prefix('{').and_then(|name| name.split_once('}'));
            if let Some((name, after)) = named
                && let Some((_, members)) = POSIX.iter().find(|(posix, _)| *posix == name)
            {
                class(members, c == 'P');
                return Ok(after);
            }
            return Ok(braced(c, after, out));
        }
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        'B' if !in_class => out.push_str("(?-u:\\B)"),
        'R' if !in_class => out.push_str(LINE_END),
        'Z' if !in_class => out.push_str("(?:\\r\\n|[\\n\\r\\u{85}\\u{2028}\\u{2029}])?\\z"),
        'e' => out.push_str("\\x1B"),
        'Q' => {
            let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(after);
        }
        'x' | 'u' | 'k' | 'N' if after.starts_with('{') => return Ok(braced(c, after, out)),
        '1'..='9' if !in_class => return Err("back-references are not supported".to_owned()),
        c => out.extend(['\\', c]),
    }
    Ok(after)
}

/// The escape `c` with what stands in braces after it, unchanged: those braces repeat nothing.
fn braced<'p>(c: char, after: &'p str, out: &mut String) -> &'p str {
    let end = if after.starts_with('{') { after.find('}').map_or(after.len(), |at| at + 1) } else { 0 };
    out.extend(['\\', c]);
    out.push_str(&after[..end]);
    &after[end..]
}

#[cfg(test)]
mod tests {
    use crate::java_regex::{check, compile};

    #[test]
    fn means_what_java_means() {
        let cases = [
            ("\\d+", "٣", false),
            ("\\d+", "a1", true),
            ("^\\w+$", "größe", false),
            ("^[\\w-]+$", "a-b", true),
            ("^[^\\s]+$", "a\u{A0}b", true),
            ("\\bb\\b", "a b c", true),
            ("a\\Bb", "ab", true),
            ("^\\p{Alpha}+$", "abc", true),
            ("^\\p{Alpha}+$", "ä", false),
            ("^\\p{L}+$", "ä", true),
            ("^[\\p{Upper}\\d]+$", "A1", true),
            ("^\\Qa.b\\E$", "a.b", true),
            ("^\\Qa.b\\E$", "axb", false),
            ("a.b", "a\nb", false),
            ("a.b", "a\rb", false),
            ("(?s)a.b", "a\nb", true),
            ("a+?b", "aab", true),
            ("a{2}", "aa", true),
            ("[a-z&&[^b]]", "b", false),
            ("(?i)ABC", "abc", true),
            ("(?<year>\\d{4})", "2026", true),
            ("[+]+", "++", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(compile(pattern).map(|regex| regex.is_match(text)), Ok(expected), "{pattern} on {text}");
        }
        for pattern in ["a++", "a*+", "a?+", "a{2}+", "(?=a)", "(?<!a)", "(a)\\1", "(?>a)", "a\\", "[a", "(", "*a"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }
}

//! LIKE: `%` is any run of characters, `_` any one character.

use crate::engine::expr::error::{Failure, Problem};

/// A compiled LIKE pattern: the parts between its `%`, in order. Matching takes time linear in the text where no part holds a `_`.
#[derive(Clone, Debug)]
pub(super) struct Like {
    parts: Vec<Part>,
}

/// Characters in a row; `None` is `_`.
#[derive(Clone, Debug, Default)]
struct Part {
    characters: Vec<Option<char>>,
    /// The same where there is no `_`.
    literal: Option<String>,
}

impl Like {
    /// `escape` may stand before `%`, `_` and itself only.
    pub fn new(pattern: &str, escape: char) -> Result<Like, Failure> {
        let mut parts = vec![Part::default()];
        let mut characters = pattern.chars();
        while let Some(c) = characters.next() {
            let unit = match c {
                c if c == escape => match characters.next() {
                    Some(c) if c == '%' || c == '_' || c == escape => Some(c),
                    _ => return Err(Failure::with_text(Problem::LikeEscape, pattern)),
                },
                '%' => {
                    parts.push(Part::default());
                    continue;
                }
                '_' => None,
                c => Some(c),
            };
            if let Some(part) = parts.last_mut() {
                part.characters.push(unit);
            }
        }
        parts.iter_mut().for_each(|part| part.literal = part.characters.iter().copied().collect());
        Ok(Like { parts })
    }

    pub fn matches(&self, text: &str) -> bool {
        match self.parts.as_slice() {
            [only] => only.after(text) == Some(""),
            [first, middle @ .., last] => {
                let found = first.after(text).and_then(|rest| middle.iter().try_fold(rest, |rest, part| part.after_first(rest)));
                found.is_some_and(|rest| last.ends(rest))
            }
            [] => text.is_empty(),
        }
    }
}

impl Part {
    /// What follows this part at the beginning of `text`.
    fn after<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let Some(literal) = &self.literal {
            return text.strip_prefix(literal.as_str());
        }
        let mut rest = text.chars();
        let all = self.characters.iter().all(|unit| rest.next().is_some_and(|c| unit.is_none_or(|wanted| wanted == c)));
        all.then_some(rest.as_str())
    }

    /// What follows the first place of this part in `text`.
    fn after_first<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let Some(literal) = &self.literal {
            return text.split_once(literal.as_str()).map(|(_, rest)| rest);
        }
        text.char_indices().find_map(|(at, _)| self.after(&text[at..]))
    }

    /// Whether `text` ends with this part.
    fn ends(&self, text: &str) -> bool {
        if let Some(literal) = &self.literal {
            return text.ends_with(literal.as_str());
        }
        let mut rest = text.chars().rev();
        self.characters.iter().rev().all(|unit| rest.next().is_some_and(|c| unit.is_none_or(|wanted| wanted == c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_its_definition() {
        let cases = [
            ("", "", true),
            ("", "%", true),
            ("", "_", false),
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "_b_", true),
            ("abc", "__", false),
            ("aab", "%ab", true),
            ("abba", "%a_a%", false),
            ("größe", "gr__e", true),
            ("a\nb", "a_b", true),
            ("abcabd", "%ab_", true),
            ("abab", "ab%ab%ab", false),
            ("50%", "50\\%", true),
            ("500", "50\\%", false),
            ("a_b", "a\\_b", true),
            ("a\\b", "a\\\\b", true),
            ("ab", "a%%b", true),
        ];
        for (text, pattern, expected) in cases {
            assert_eq!(Like::new(pattern, '\\').map(|like| like.matches(text)), Ok(expected), "{text} LIKE {pattern}");
        }
        assert!(Like::new("a\\", '\\').is_err());
        assert!(Like::new("a\\b", '\\').is_err());
        assert!(Like::new("a#%b##", '#').is_ok_and(|like| like.matches("a%b#")));
    }
}

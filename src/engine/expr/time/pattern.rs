//! Date-time patterns in the letters of Java's DateTimeFormatter, as far as Spark takes them.
//!
//! Formatting: `G y M L d D Q q E F a h H k K m s S V z O X x Z`, `'text'`, `[optional]`. Parsing: the same without `Q q E F`.

use crate::engine::expr::error::{Failure, Problem};

/// `[` within `[`.
const OPTIONAL_DEPTH_MAX: usize = 8;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    pub items: Vec<Item>,
    /// An era is shown: years count from 1 in it.
    pub has_era: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Text(String),
    Number(NumberField, usize),
    /// Digits of the second's fraction.
    Fraction(usize),
    /// The year's last two digits, of 2000 to 2099.
    ShortYear,
    /// At least this many digits.
    Year(usize),
    /// `MMM` or `MMMM` (full).
    MonthName {
        full: bool,
    },
    DayName {
        full: bool,
    },
    /// `Q1` or `1st quarter` (full).
    QuarterName {
        full: bool,
    },
    HalfDay,
    Era {
        full: bool,
    },
    Zone(ZoneStyle),
    Optional(Vec<Item>),
}

/// Numbers that are shown with at least as many digits as letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberField {
    Month,
    Day,
    DayOfYear,
    Quarter,
    /// 1 to 7, where weeks begin with the month.
    DayOfMonthWeek,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    HourFromOne,
    /// 0 to 11.
    HalfHour,
    /// 1 to 12.
    HalfHourFromOne,
    Minute,
    Second,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZoneStyle {
    /// `UTC`
    Id,
    /// `Coordinated Universal Time`
    Name,
    /// `GMT`
    Gmt,
    /// `Z` for UTC; else hours, minutes, perhaps with a colon.
    Offset { z_for_utc: bool, minutes: bool, colon: bool },
}

impl Pattern {
    pub fn new(text: &str, parsing: bool) -> Result<Pattern, Failure> {
        let wrong = || Failure::with_text(Problem::TimePattern, text);
        let characters: Vec<char> = text.chars().collect();
        let mut open: Vec<Vec<Item>> = vec![Vec::new()];
        let mut at = 0;
        while at < characters.len() {
            let c = characters[at];
            let length = characters[at..].iter().take_while(|other| **other == c).count();
            let mut next = at + 1;
            let item = match c {
                '[' if open.len() <= OPTIONAL_DEPTH_MAX => {
                    open.push(Vec::new());
                    None
                }
                ']' if open.len() > 1 => open.pop().map(Item::Optional),
                '\'' => {
                    let (literal, end) = quoted(&characters, at).ok_or_else(wrong)?;
                    next = end;
                    Some(Item::Text(literal))
                }
                c if c.is_ascii_alphabetic() => {
                    next = at + length;
                    Some(field(c, length, parsing).ok_or_else(wrong)?)
                }
                '[' | ']' | '{' | '}' | '#' => return Err(wrong()),
                c => Some(Item::Text(c.to_string())),
            };
            if let (Some(item), Some(items)) = (item, open.last_mut()) {
                items.push(item);
            }
            at = next;
        }
        // An open bracket at the end closes itself.
        while open.len() > 1 {
            if let (Some(inner), Some(outer)) = (open.pop(), open.last_mut()) {
                outer.push(Item::Optional(inner));
            }
        }
        let items = open.pop().unwrap_or_default();
        let has_era = items.iter().any(|item| matches!(item, Item::Era { .. }));
        Ok(Pattern { items, has_era })
    }
}

/// The literal that begins at the quote `at`, and where it ends; `''` is a quote.
fn quoted(characters: &[char], at: usize) -> Option<(String, usize)> {
    if characters.get(at + 1) == Some(&'\'') {
        return Some(("'".to_owned(), at + 2));
    }
    let mut literal = String::new();
    let mut at = at + 1;
    loop {
        match (characters.get(at)?, characters.get(at + 1)) {
            ('\'', Some('\'')) => {
                literal.push('\'');
                at += 2;
            }
            ('\'', _) => return Some((literal, at + 1)),
            (c, _) => {
                literal.push(*c);
                at += 1;
            }
        }
    }
}

fn field(letter: char, length: usize, parsing: bool) -> Option<Item> {
    let number = |field, longest| (length <= longest).then_some(Item::Number(field, length));
    let offset = |z_for_utc| match length {
        1 => Some(Item::Zone(ZoneStyle::Offset { z_for_utc, minutes: false, colon: false })),
        2 | 4 => Some(Item::Zone(ZoneStyle::Offset { z_for_utc, minutes: true, colon: false })),
        3 | 5 => Some(Item::Zone(ZoneStyle::Offset { z_for_utc, minutes: true, colon: true })),
        _ => None,
    };
    match (letter, length) {
        ('Q' | 'q' | 'E' | 'F', _) if parsing => None,
        ('y', 2) => Some(Item::ShortYear),
        ('y', 1..=6) => Some(Item::Year(length)),
        ('M' | 'L', 3 | 4) => Some(Item::MonthName { full: length == 4 }),
        ('M' | 'L', _) => number(NumberField::Month, 2),
        ('Q' | 'q', 3 | 4) => Some(Item::QuarterName { full: length == 4 }),
        ('Q' | 'q', _) => number(NumberField::Quarter, 2),
        ('d', _) => number(NumberField::Day, 2),
        ('D', _) => number(NumberField::DayOfYear, 3),
        ('F', _) => number(NumberField::DayOfMonthWeek, 1),
        ('E', 1..=4) => Some(Item::DayName { full: length == 4 }),
        ('G', 1..=4) => Some(Item::Era { full: length == 4 }),
        ('a', 1) => Some(Item::HalfDay),
        ('H', _) => number(NumberField::Hour, 2),
        ('k', _) => number(NumberField::HourFromOne, 2),
        ('K', _) => number(NumberField::HalfHour, 2),
        ('h', _) => number(NumberField::HalfHourFromOne, 2),
        ('m', _) => number(NumberField::Minute, 2),
        ('s', _) => number(NumberField::Second, 2),
        ('S', 1..=9) => Some(Item::Fraction(length)),
        ('V', 2) => Some(Item::Zone(ZoneStyle::Id)),
        ('z', 1..=3) => Some(Item::Zone(ZoneStyle::Id)),
        ('z', 4) => Some(Item::Zone(ZoneStyle::Name)),
        ('O', 1 | 4) => Some(Item::Zone(ZoneStyle::Gmt)),
        ('X', _) => offset(true),
        ('x', _) => offset(false),
        ('Z', 1..=3) => Some(Item::Zone(ZoneStyle::Offset { z_for_utc: false, minutes: true, colon: false })),
        ('Z', 4) => Some(Item::Zone(ZoneStyle::Gmt)),
        ('Z', 5) => Some(Item::Zone(ZoneStyle::Offset { z_for_utc: true, minutes: true, colon: true })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_unknown() {
        for text in ["YYYY", "w", "u", "e", "c", "n", "A", "MMMMM", "ddd", "aa", "SSSSSSSSSS", "#", "{", "]", "'open", "yyyyyyyyyyy", "b"] {
            assert_eq!(Pattern::new(text, false), Err(Failure::with_text(Problem::TimePattern, text)));
        }
        assert!(Pattern::new("E", true).is_err());
        assert!(Pattern::new(&"[".repeat(1000), false).is_err());
        assert!(Pattern::new("yyyy[-MM[-dd", true).is_ok());
    }
}

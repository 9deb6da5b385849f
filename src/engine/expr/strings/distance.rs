//! Likeness of texts: Levenshtein, Jaro-Winkler, Soundex; and Luhn's check digit.
//!
//! Limits: the distances compare texts of at most [`CHARACTERS_MAX`] characters, for they take time in the product of the lengths.

use crate::engine::expr::error::{Failure, Problem};

/// Characters of each text that is compared.
const CHARACTERS_MAX: usize = 10_000;

fn characters(text: &str) -> Result<Vec<char>, Failure> {
    let characters: Vec<char> = text.chars().take(CHARACTERS_MAX + 1).collect();
    if characters.len() > CHARACTERS_MAX {
        return Err(Problem::Argument("texts that are compared may have 10,000 characters").into());
    }
    Ok(characters)
}

/// Characters to insert, delete or replace to make `a` into `b`.
pub(super) fn levenshtein(a: &str, b: &str) -> Result<i32, Failure> {
    let (a, b) = (characters(a)?, characters(b)?);
    let mut row: Vec<i32> = (0..=b.len() as i32).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i as i32 + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + i32::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    Ok(row[b.len()])
}

/// The distance, or -1 where it is more than `threshold`.
pub(super) fn levenshtein_within(a: &str, b: &str, threshold: i64) -> Result<i32, Failure> {
    let distance = levenshtein(a, b)?;
    Ok(if i64::from(distance) <= threshold { distance } else { -1 })
}

/// 0 (nothing in common) to 1 (equal); a common beginning of up to four characters counts more.
pub(super) fn jaro_winkler(a: &str, b: &str) -> Result<f64, Failure> {
    const PREFIX_MAX: usize = 4;
    const PREFIX_WEIGHT: f64 = 0.1;
    // Spark compares UTF-16 units, as Java does: some characters are two.
    let units = |text: &str| characters(text).map(|_| text.encode_utf16().collect::<Vec<u16>>());
    let (a, b) = (units(a)?, units(b)?);
    let jaro = jaro(&a, &b);
    let prefix = a.iter().zip(&b).take(PREFIX_MAX).take_while(|(x, y)| x == y).count();
    Ok(jaro + PREFIX_WEIGHT * prefix as f64 * (1.0 - jaro))
}

fn jaro(a: &[u16], b: &[u16]) -> f64 {
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let reach = (a.len().max(b.len()) / 2).saturating_sub(1);
    let mut taken = vec![false; b.len()];
    let mut matched = Vec::new();
    for (i, x) in a.iter().enumerate() {
        let range = i.saturating_sub(reach)..(i + reach + 1).min(b.len());
        if let Some(j) = range.into_iter().find(|j| !taken[*j] && b[*j] == *x) {
            taken[j] = true;
            matched.push(*x);
        }
    }
    if matched.is_empty() {
        return 0.0;
    }
    let others = b.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(y, _)| y);
    let swapped = matched.iter().zip(others).filter(|(x, y)| x != y).count();
    let count = matched.len() as f64;
    (count / a.len() as f64 + count / b.len() as f64 + (count - (swapped / 2) as f64) / count) / 3.0
}

/// A letter and three digits for how an English name sounds; a text that does not begin with an ASCII letter as it is.
pub(super) fn soundex(text: &str) -> String {
    // By letter: vowels and Y part equal codes, H and W (7) do not.
    const CODES: &[u8; 26] = b"01230127022455012623017202";
    let Some(first) = text.chars().next().filter(char::is_ascii_alphabetic) else { return text.to_owned() };
    let first = first.to_ascii_uppercase();
    let code = |c: char| c.is_ascii_alphabetic().then(|| CODES[(c.to_ascii_uppercase() as u8 - b'A') as usize]);
    let mut sound = String::from(first);
    let mut last = code(first).unwrap_or(b'0');
    for code in text.chars().skip(1).map(|c| code(c).unwrap_or(b'0')) {
        if code == b'7' {
            continue;
        }
        if code != b'0' && code != last {
            sound.push(char::from(code));
            if sound.len() == 4 {
                break;
            }
        }
        last = code;
    }
    format!("{sound:0<4}")
}

/// Whether a text of digits ends with the right check digit; FALSE for other characters and no text.
pub(super) fn luhn(text: &str) -> bool {
    let mut sum = 0u64;
    for (place, byte) in text.bytes().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u64::from(byte - b'0') * if place % 2 == 1 { 2 } else { 1 };
        sum += if digit > 9 { digit - 9 } else { digit };
    }
    !text.is_empty() && sum.is_multiple_of(10)
}

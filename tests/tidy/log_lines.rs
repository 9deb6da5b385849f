//! Each line that the gateway logs at info and above is explained in the guide for operators.
//!
//! A message is looked for by its longest clause: what stands between the values that are filled in and the marks `: ; . (`. Messages that are wholly
//! filled in (reasons of sources, of the store) are explained where they are made, and pass.

use crate::scan::Source;

const CALLS: [&str; 3] = ["tracing::info!(", "tracing::warn!(", "tracing::error!("];
/// Between clauses, beside values.
const MARKS: [&str; 5] = [": ", "; ", ". ", " (", ")"];

/// Messages of a file whose longest clause does not stand in `guide`.
pub fn unexplained(source: &Source, guide: &str) -> Vec<String> {
    let guide: Vec<&str> = guide.split_whitespace().collect();
    let guide = guide.join(" ");
    let missing = messages(source).into_iter().filter_map(|(line, message)| {
        let clause = longest_clause(&message).filter(|clause| !guide.contains(clause.as_str()))?;
        Some(format!("{}:{line}: the guide does not explain the log line \"{clause}\"", source.path))
    });
    missing.collect()
}

/// The messages with their lines.
fn messages(source: &Source) -> Vec<(usize, String)> {
    let product = &source.product;
    let calls = CALLS.iter().flat_map(|call| product.match_indices(call).map(|(at, _)| (at, at + call.len())));
    let mut found = Vec::new();
    for (at, begin) in calls {
        let mut depth = 1;
        let length = product[begin..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let quotes: Vec<usize> = product[begin..begin + length.unwrap_or(0)].match_indices('"').map(|(quote, _)| begin + quote).collect();
        // Values come before the message, and what is filled in after it.
        let texts = quotes.chunks_exact(2).map(|quotes| &source.text[quotes[0] + 1..quotes[1]]);
        if let Some(message) = texts.max_by_key(|text| text.len()) {
            found.push((source.line(at), message.replace("\\\"", "\"")));
        }
    }
    found
}

fn longest_clause(message: &str) -> Option<String> {
    // A text that goes on in the next line of the source.
    let mut rest: String = message.split("\\\n").map(str::trim_start).collect();
    while let Some((begin, length)) = rest.find('{').and_then(|begin| Some((begin, rest[begin..].find('}')?))) {
        rest.replace_range(begin..=begin + length, "\n");
    }
    for mark in MARKS {
        rest = rest.replace(mark, "\n");
    }
    let clauses = rest.split('\n').map(|clause| clause.trim_matches(|c: char| !c.is_alphanumeric() && !"\"`-".contains(c)));
    let longest = clauses.max_by_key(|clause| clause.len())?;
    longest.contains(char::is_alphabetic).then(|| longest.to_owned())
}

//! Names of sources, queries and sinks, and the gateway's id.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, Place};
use super::reader::{Context, shown};

/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 64;

/// The tables of SQL by name: sources, reference tables and queries share one space.
#[derive(Default)]
pub struct TableNames {
    places: BTreeMap<String, (&'static str, Place)>,
}

impl TableNames {
    /// Checks the name of a source, table or query (`what`). False, and reported, if the name is taken.
    pub fn add(&mut self, context: &mut Context, what: &'static str, name: &str, place: Place) -> bool {
        check(context, what, name, place, false);
        match self.places.get(name) {
            Some((other, first)) => {
                let message = format!("the {what} `{name}` has the name of a {other}");
                let diagnostic = Diagnostic::error(place, message).related(*first, format!("the {other}"));
                context.report(diagnostic.help("sources, tables and queries are tables of the same SQL: rename one"));
                false
            }
            None => {
                self.places.insert(name.to_owned(), (what, place));
                true
            }
        }
    }

    pub fn contains(&self, what: &str, name: &str) -> bool {
        self.places.get(name).is_some_and(|(known, _)| *known == what)
    }

    /// Name, "source", "table" or "query", place.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, Place)> {
        self.places.iter().map(|(name, (what, place))| (name.as_str(), *what, *place))
    }
}

/// Checks a name: a lower-case letter, then lower-case letters, digits, `_` and, where SQL never says it, `-`.
pub fn check(context: &mut Context, what: &str, name: &str, place: Place, dashes: bool) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || (dashes && c == '-');
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) && name.len() <= NAME_BYTES_MAX {
        return;
    }
    let fitted: String = name.to_lowercase().chars().map(|c| if plain(c) { c } else { '_' }).take(NAME_BYTES_MAX).collect();
    let fitted = fitted.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let characters = if dashes { "lower-case letters, digits, `_` and `-`" } else { "lower-case letters, digits and `_`" };
    let rule = format!("a letter, then {characters}, at most {NAME_BYTES_MAX}");
    let help = if fitted.is_empty() { rule } else { format!("{rule}: `{fitted}`") };
    context.error(place, format!("`{}` is not a name for a {what}", shown(name)), help);
}

/// Whether a gateway id fits into topics, client ids and file names.
pub fn is_gateway_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.chars().all(plain) && id.len() <= NAME_BYTES_MAX
}

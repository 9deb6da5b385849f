//! Which rows of a table are meant.

use std::borrow::Cow;

/// A set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Rows 0 to this, exclusive.
    All(usize),
    /// These rows, ascending, each once.
    Rows(Vec<u32>),
}

impl Selection {
    pub fn len(&self) -> usize {
        match self {
            Selection::All(rows) => *rows,
            Selection::Rows(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The selected rows, ascending. For tight loops match on the variants instead.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (all, rows) = match self {
            Selection::All(rows) => (*rows as u32, &[][..]),
            Selection::Rows(rows) => (0, &rows[..]),
        };
        (0..all).chain(rows.iter().copied())
    }

    /// The selected row at `index`, which is below [`Selection::len`].
    pub fn row(&self, index: usize) -> u32 {
        match self {
            Selection::All(_) => index as u32,
            Selection::Rows(rows) => rows[index],
        }
    }

    /// The selected rows as numbers.
    pub fn to_rows(&self) -> Cow<'_, [u32]> {
        match self {
            Selection::All(rows) => (0..*rows as u32).collect(),
            Selection::Rows(rows) => Cow::Borrowed(rows),
        }
    }

    /// The selected rows that satisfy `keep`.
    pub fn retain(&self, mut keep: impl FnMut(u32) -> bool) -> Selection {
        match self {
            Selection::All(count) => {
                let mut rows = Vec::with_capacity(*count);
                rows.extend((0..*count as u32).filter(|row| keep(*row)));
                if rows.len() == *count { Selection::All(*count) } else { Selection::Rows(rows) }
            }
            Selection::Rows(rows) => Selection::Rows(rows.iter().copied().filter(|row| keep(*row)).collect()),
        }
    }
}

//! Columns that stand for what a SELECT computes later: their numbers lie beyond all real columns until the relation that yields them takes
//! their place.

/// What a column's number means while a SELECT is being planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Column of the input.
    Input(usize),
    /// Aggregate number i.
    Aggregate(usize),
    /// Column i of what the generators make.
    Generated(usize),
    /// Analytic function number i.
    Over(usize),
    /// Value of subquery number i.
    Subquery(usize),
    /// Call number i of `grouping` or `grouping_id`.
    Grouping(usize),
    /// Column i of the query around this subquery.
    Outer(usize),
}

/// No relation has as many columns.
const BLOCK: usize = 1 << 28;

impl Stand {
    pub fn of(column: usize) -> Stand {
        let index = column % BLOCK;
        match column / BLOCK {
            0 => Stand::Input(index),
            1 => Stand::Aggregate(index),
            2 => Stand::Generated(index),
            3 => Stand::Over(index),
            4 => Stand::Subquery(index),
            5 => Stand::Grouping(index),
            _ => Stand::Outer(index),
        }
    }

    /// The column's number.
    pub fn column(self) -> usize {
        match self {
            Stand::Input(index) => index,
            Stand::Aggregate(index) => BLOCK + index,
            Stand::Generated(index) => 2 * BLOCK + index,
            Stand::Over(index) => 3 * BLOCK + index,
            Stand::Subquery(index) => 4 * BLOCK + index,
            Stand::Grouping(index) => 5 * BLOCK + index,
            Stand::Outer(index) => 6 * BLOCK + index,
        }
    }
}

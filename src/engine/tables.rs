//! The reference tables as they are in a step.

use std::sync::Arc;

use crate::batch::{Table, TableVersion};

/// The tables of a program, each empty until its first version.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    rows: Vec<Arc<Table>>,
    /// Those that are new in this step.
    changed: Vec<bool>,
}

impl Tables {
    pub fn new(count: usize) -> Tables {
        Tables { rows: vec![Arc::default(); count], changed: vec![false; count] }
    }

    /// Takes up new versions; what changed before is no longer new. Those of unknown tables are passed over.
    pub fn take_up(&mut self, versions: &[TableVersion]) {
        self.changed.fill(false);
        for version in versions {
            if let (Some(rows), Some(changed)) = (self.rows.get_mut(version.table), self.changed.get_mut(version.table)) {
                *rows = version.rows.clone();
                *changed = true;
            }
        }
    }

    pub fn has_changed(&self, table: usize) -> bool {
        self.changed.get(table).copied().unwrap_or(false)
    }

    /// The table's rows; `None` where it has none.
    pub fn rows(&self, table: usize) -> Option<&Table> {
        self.rows.get(table).map(|rows| &**rows).filter(|rows| rows.rows > 0)
    }
}

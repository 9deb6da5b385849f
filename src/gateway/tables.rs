//! The reference tables on their way from their files to the engine.
//!
//! Invariants:
//! - A version takes effect with a batch and never within one: all rows of a batch meet the same version of each table.
//! - Nothing of a table is stored. What rows got from it is in the state and results of their batch's change set. If the process dies before
//!   that is durable, the messages are not acknowledged, come again, and meet the file as it is then; if it dies afterwards, they are not joined
//!   again. A change set that is applied again is the same set, not computed anew. So each result comes from exactly one version of each table.
//! - A file that cannot be taken leaves the version before in place.

use std::sync::Arc;

use crate::batch::{Table, TableVersion};
use crate::config::settings::TableSettings;
use crate::format::reference::ReferenceContents;
use crate::status::TableStatus;

/// The tables, by index into the program.
pub(super) struct Tables {
    /// Versions that the engine has not seen.
    waiting: Vec<Option<Arc<Table>>>,
    status: Vec<TableStatus>,
}

impl Tables {
    /// As they were read with the configuration; the first batch takes them along.
    pub fn start(settings: &[TableSettings]) -> Tables {
        let mut tables = Tables { waiting: vec![None; settings.len()], status: Vec::new() };
        for (index, table) in settings.iter().enumerate() {
            let refused = u64::from(table.trouble.is_some());
            let status = TableStatus { name: table.name.clone(), refused, ..TableStatus::default() };
            tables.status.push(status);
            tables.read(index, &table.contents);
            tables.status[index].trouble.clone_from(&table.trouble);
        }
        tables
    }

    /// The file has these rows now.
    pub fn read(&mut self, table: usize, contents: &ReferenceContents) {
        let (Some(waiting), Some(status)) = (self.waiting.get_mut(table), self.status.get_mut(table)) else { return };
        *waiting = Some(contents.rows.clone());
        let name = std::mem::take(&mut status.name);
        let (rows, bytes) = (contents.rows.rows as u64, contents.bytes as u64);
        *status = TableStatus { name, rows, bytes, versions: status.versions + 1, refused: status.refused, trouble: None };
    }

    /// The file cannot be taken.
    pub fn refused(&mut self, table: usize, reason: String) {
        if let Some(status) = self.status.get_mut(table) {
            status.refused += 1;
            status.trouble = Some(reason);
        }
    }

    /// The versions that the next batch brings.
    pub fn take(&mut self) -> Vec<TableVersion> {
        let waiting = self.waiting.iter_mut().enumerate();
        waiting.filter_map(|(table, rows)| Some(TableVersion { table, rows: rows.take()? })).collect()
    }

    pub fn status(&self) -> Vec<TableStatus> {
        self.status.clone()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::csv::CsvSettings;
    use crate::format::reference::{ReferenceFormat, ReferenceSettings};

    fn settings() -> TableSettings {
        let read = ReferenceSettings {
            format: ReferenceFormat::Csv(CsvSettings::default()),
            fields: vec![crate::types::Field::new("a", crate::types::DataType::Int)],
            rows_max: 10,
            bytes_max: 100,
        };
        let contents = contents(&read, "a\n1\n");
        let (name, path, kept) = ("t".to_owned(), "t.csv".into(), "tables/t".into());
        TableSettings { name, path, check_interval: std::time::Duration::from_secs(1), contents, kept, trouble: None, read }
    }

    fn contents(read: &ReferenceSettings, text: &str) -> ReferenceContents {
        ReferenceContents::read(read, text.as_bytes()).unwrap()
    }

    #[test]
    fn a_version_goes_with_one_batch_and_a_bad_file_leaves_it() {
        let settings = settings();
        let mut tables = Tables::start(std::slice::from_ref(&settings));
        assert_eq!(tables.take().iter().map(|version| version.rows.rows).collect::<Vec<_>>(), [1]);
        assert!(tables.take().is_empty());
        tables.refused(0, "line 2: no".to_owned());
        assert!(tables.take().is_empty());
        let status = &tables.status()[0];
        assert_eq!((status.versions, status.rows, status.refused, status.trouble.as_deref()), (1, 1, 1, Some("line 2: no")));
        // Of two versions between batches the later one is taken.
        tables.read(0, &contents(&settings.read, "a\n1\n2\n"));
        tables.read(0, &contents(&settings.read, "a\n1\n2\n3\n"));
        assert_eq!(tables.take().iter().map(|version| version.rows.rows).collect::<Vec<_>>(), [3]);
        let status = &tables.status()[0];
        assert_eq!((status.versions, status.rows, status.refused, status.trouble.as_deref()), (3, 3, 1, None));
        // Events of tables that are not there do nothing.
        tables.read(7, &settings.contents);
        tables.refused(7, String::new());
    }

    #[test]
    fn a_start_with_the_kept_copy_is_told() {
        let tables = Tables::start(&[TableSettings { trouble: Some("no such file".to_owned()), ..settings() }]);
        assert_eq!((tables.status()[0].refused, tables.status()[0].trouble.as_deref()), (1, Some("no such file")));
    }
}

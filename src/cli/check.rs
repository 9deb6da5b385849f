//! `tidemill check`: everything that can be found out without connecting.

use std::path::Path;

use rustix::fs::{Access, access};

use super::arguments::ConfigFiles;
use super::{CliError, load, print, say};

/// Loads the configuration, looks at the data directory, prints one line.
pub fn run(files: &ConfigFiles) -> Result<(), CliError> {
    let settings = load(files)?;
    settings.warnings.iter().for_each(|warning| say(&format!("{warning}\n")));
    if let Some(warning) = look_at_data_dir(&settings.gateway.data_dir).map_err(|error| CliError::Failed(format!("error: {error}")))? {
        say(&format!("warning: {warning}\n"));
    }
    let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    if let Some(table) = settings.tables.iter().find(|table| table.trouble.is_some()) {
        let what = format!(
            "error: the file of the table `{}` is bad; a gateway that has taken it before would start with the last good one",
            table.name
        );
        return Err(CliError::Failed(what));
    }
    let tables = match settings.tables.len() {
        0 => String::new(),
        number => format!("{}, ", count(number, "table", "tables")),
    };
    let sources = count(settings.sources_from_outside(), "source", "sources");
    let queries = count(settings.queries.len(), "query", "queries");
    let sinks = count(settings.sinks.len(), "sink", "sinks");
    print(&format!("{}: {sources}, {tables}{queries}, {sinks}: ok\n", settings.gateway.id));
    Ok(())
}

/// An error where the directory can never be used, a warning where this user cannot: the gateway may run as another.
fn look_at_data_dir(directory: &Path) -> Result<Option<String>, String> {
    let shown = directory.display();
    let existing = directory.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()).find(|ancestor| ancestor.exists());
    let existing = existing.unwrap_or(Path::new("."));
    if !existing.is_dir() {
        return Err(format!("the data directory cannot be {shown}: {} is not a directory", existing.display()));
    }
    if access(existing, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let what = if existing == directory { "write into" } else { "create" };
        return Ok(Some(format!("this user cannot {what} the data directory {shown}; the gateway's has to")));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_may_be_new_but_not_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(look_at_data_dir(directory.path()), Ok(None));
        assert_eq!(look_at_data_dir(&directory.path().join("new/deeper")), Ok(None));
        assert!(look_at_data_dir(&file).unwrap_err().ends_with("file is not a directory"));
        assert!(look_at_data_dir(&file.join("below")).unwrap_err().ends_with("file is not a directory"));
    }
}

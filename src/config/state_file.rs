//! A state function for a query without a configuration: `tidemill query --state silence.toml`.
//!
//! The file holds the keys of `[query.<name>.state]` at its top. Paths in it begin at its directory.

use std::path::Path;

use super::document;
use super::reader::{Context, Reader};
use super::state;
use super::{ConfigErrors, Environment};
use crate::plan::Query;

/// The planned query with the file's function over its result.
pub fn with_state(path: &Path, query: Query, environment: &Environment) -> Result<Query, ConfigErrors> {
    let mut context = Context::new(environment);
    let tree = document::read_files(&mut context, &[path.to_owned()]);
    let planned = if context.has_errors() { None } else { state::read(&mut context, Reader::top(&tree)).over(&mut context, query) };
    match planned {
        Some(query) if !context.has_errors() => Ok(query),
        _ => {
            context.diagnostics.sort_by_key(|diagnostic| diagnostic.place);
            Err(ConfigErrors { diagnostics: context.diagnostics, sources: context.sources })
        }
    }
}

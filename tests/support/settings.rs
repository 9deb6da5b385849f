//! Settings from a configuration's text, without a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidemill::config::{self, Environment, Files, Settings};

/// Panics with the configuration's errors.
pub fn from_text(text: &str) -> Settings {
    let path = PathBuf::from("gateway.toml");
    let environment = Environment {
        host_name: "test".to_owned(),
        machine_id: None,
        variables: BTreeMap::new(),
        files: Files::Memory(BTreeMap::from([(path.clone(), text.as_bytes().to_vec())])),
        extensions: Default::default(),
    };
    config::load(&[path], &environment).unwrap_or_else(|errors| panic!("{errors}"))
}

//! TOML files to validated [`settings`].

pub mod settings;

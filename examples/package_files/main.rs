//! Writes what a package has besides the program and comes from its command line: manual pages and completions for bash, zsh and fish.
//! `cargo run --example package_files -- DIRECTORY`

#[path = "../../src/cli/arguments.rs"]
mod arguments;

use std::path::Path;

use clap::CommandFactory;
use clap_complete::aot::{Shell, generate_to};

fn main() -> anyhow::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else { anyhow::bail!("usage: package_files DIRECTORY") };
    let (manual, completions) = (Path::new(&directory).join("man"), Path::new(&directory).join("completions"));
    std::fs::create_dir_all(&manual)?;
    std::fs::create_dir_all(&completions)?;
    let mut command = arguments::Arguments::command().name("tidemill").bin_name("tidemill").disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "tidemill", &completions)?;
    }
    clap_mangen::generate_to(command, &manual)?;
    Ok(())
}

//! The commands that talk to a running gateway, by its control socket.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::{ReloadArguments, RunningGateway, StatusArguments};
use super::{CliError, print};
use tidemill::config::{self, Environment};
use tidemill::control::client::{Client, ClientError};
use tidemill::control::{Request, Response};

/// Moves to the top left and clears what is below.
const CLEAR_SCREEN: &str = "\x1b[H\x1b[J";

/// `tidemill status`
pub fn status(arguments: &StatusArguments) -> Result<(), CliError> {
    let mut client = connect(&data_dir(&arguments.gateway)?)?;
    loop {
        let response = ask(&mut client, &Request::Status)?;
        let text = match (&response.status, arguments.json) {
            (Some(status), true) => format!("{status}\n"),
            _ => response.text,
        };
        let Some(seconds) = arguments.watch else {
            print(&text);
            return Ok(());
        };
        let (before, after) = match (arguments.json, std::io::stdout().is_terminal()) {
            (true, _) => ("", ""),
            (false, true) => (CLEAR_SCREEN, ""),
            (false, false) => ("", "\n"),
        };
        if write!(std::io::stdout(), "{before}{text}{after}").is_err() {
            return Ok(()); // Nobody watches any more.
        }
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

/// `tidemill reload`: the gateway reads the files that it was started with.
pub fn reload(arguments: &ReloadArguments) -> Result<(), CliError> {
    let mut client = connect(&data_dir(&arguments.gateway)?)?;
    let (discard_state, discard_outbox) = (arguments.discard_state.clone(), arguments.discard_outbox.clone());
    let response = ask(&mut client, &Request::Reload { discard_state, discard_outbox })?;
    print(&response.text);
    Ok(())
}

/// The data directory that is meant.
pub fn data_dir(gateway: &RunningGateway) -> Result<PathBuf, CliError> {
    match (&gateway.data, gateway.config.as_slice()) {
        (Some(data), _) => Ok(data.clone()),
        (None, []) => Ok(PathBuf::from(config::DATA_DIR_DEFAULT)),
        (None, files) => Ok(config::data_dir(files, &Environment::of_process())?),
    }
}

fn connect(data_dir: &Path) -> Result<Client, CliError> {
    Client::connect(data_dir).map_err(|error| match error {
        ClientError::NotRunning(_) | ClientError::NoDirectory(_) => {
            failed(format!("{error}; is it started, and is this its data directory? Name it with --data, or its configuration with -c"))
        }
        error => failed(error),
    })
}

/// The gateway's answer, if it could do what it was asked.
pub fn ask(client: &mut Client, request: &Request) -> Result<Response, CliError> {
    match client.ask(request) {
        Ok(response) if response.ok => Ok(response),
        Ok(response) => Err(failed(response.text)),
        Err(error) => Err(failed(error)),
    }
}

pub fn failed(error: impl std::fmt::Display) -> CliError {
    let text = error.to_string();
    CliError::Failed(if text.starts_with("error:") { text } else { format!("error: {text}") })
}

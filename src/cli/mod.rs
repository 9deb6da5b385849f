//! The commands. Exit codes: 0 done, 1 something is wrong with the configuration or went wrong, 2 the command line is wrong.
//!
//! Results go to standard output, everything else to standard error; that nobody reads either is no error.

mod arguments;
mod backup;
mod check;
mod progress;
mod query;
mod running;
mod test;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Command, ConfigFiles, ExplainArguments, RunArguments};
use tidemill::config::{self, ConfigErrors, Environment, Settings};
use tidemill::daemon::{self, Options};
use tidemill::gateway::Discard;
use tidemill::logging::{self, LogFormat, LogSettings};
use tidemill::script::STACK_BYTES_MIN;
use tidemill::source::passed::Passed;

/// What ended a command early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The text as people read it.
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    /// The log has it already.
    #[error("see the log")]
    Logged,
}

impl CliError {
    fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Config(_) | CliError::Failed(_) | CliError::Logged => ExitCode::from(1),
            CliError::Usage(_) => ExitCode::from(2),
        }
    }
}

/// Runs the command that this process was called with, on a stack that scripts can do with.
pub fn run() -> ExitCode {
    let command = Arguments::parse().command;
    let thread = std::thread::Builder::new().name("command".to_owned()).stack_size(STACK_BYTES_MIN).spawn(|| run_command(command));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // A panic has been told already.
        Ok(Err(_)) => ExitCode::from(1),
        Err(error) => {
            say(&format!("error: no thread can be started: {error}\n"));
            ExitCode::from(1)
        }
    }
}

fn run_command(command: Command) -> ExitCode {
    let result = match command {
        Command::Run(arguments) => run_gateway(&arguments),
        Command::Status(arguments) => running::status(&arguments),
        Command::Reload(arguments) => running::reload(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Check(files) => check::run(&files),
        Command::Explain(arguments) => explain(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ CliError::Logged) => error.exit_code(),
        Err(error) => {
            say(&format!("{error}\n"));
            error.exit_code()
        }
    }
}

fn run_gateway(arguments: &RunArguments) -> Result<(), CliError> {
    let filter = arguments.log_level.clone().or_else(|| std::env::var("TIDEMILL_LOG").ok());
    let format = arguments.log_format;
    logging::start(&LogSettings { format, filter }).map_err(|error| CliError::Usage(error.to_string()))?;
    match load(&arguments.config) {
        Ok(settings) => {
            settings.warnings.iter().for_each(|warning| tracing::warn!("{}", warning.trim_end()));
            let discard = Discard { state: arguments.discard_state.clone(), outboxes: arguments.discard_outbox.clone() };
            run_daemon(settings, discard, &arguments.config)
        }
        Err(errors) if format == LogFormat::Json => {
            tracing::error!("{errors}");
            Err(CliError::Logged)
        }
        Err(errors) => Err(errors.into()),
    }
}

/// Runs the daemon until it is told to stop by SIGTERM or SIGINT, or can't go on. SIGHUP has it read `files` again.
fn run_daemon(settings: Settings, discard: Discard, files: &ConfigFiles) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!("{error}");
        CliError::Logged
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (tell, reload_signals) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            // One that waits is as good as several.
            while hangup.recv().await.is_some() {
                let _ = tell.try_send(());
            }
        });
        let files = files.config.clone();
        let reload: daemon::Load = Arc::new(move || config::load(&files, &Environment::of_process()).map_err(|errors| errors.to_string()));
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let (reload, reload_signals) = (Some(reload), Some(reload_signals));
        let options = Options { discard, reload, reload_signals, passed: Passed::of_process(), ..Options::default() };
        daemon::run(settings, options, shutdown).await
    });
    // A file or stdout that a sink's thread waits for must not keep the process.
    runtime.shutdown_background();
    result.map_err(|error| failed(&error))
}

fn explain(arguments: &ExplainArguments) -> Result<(), CliError> {
    let settings = load(&arguments.config)?;
    let program = &settings.program;
    let chosen: Vec<_> = program.queries.iter().filter(|query| arguments.query.as_ref().is_none_or(|name| *name == query.name)).collect();
    if let (Some(name), true) = (&arguments.query, chosen.is_empty()) {
        let names: Vec<&str> = program.queries.iter().map(|query| query.name.as_str()).collect();
        return Err(CliError::Failed(format!("error: there is no query `{name}`; the queries are {}", names.join(", "))));
    }
    for query in chosen {
        let mut text = tidemill::sql::explain(query, &program.sources, &program.tables);
        for function in &program.functions {
            // A plan knows them by number.
            text = text.replace(&format!("scripted({})", function.id()), &function.name);
        }
        print(&format!("{}\n", text.trim_end()));
    }
    Ok(())
}

fn load(files: &ConfigFiles) -> Result<Settings, ConfigErrors> {
    config::load(&files.config, &Environment::of_process())
}

/// To standard output. A reader that went away, as `| head` does, is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// To standard error.
fn say(text: &str) {
    _ = std::io::stderr().lock().write_all(text.as_bytes());
}

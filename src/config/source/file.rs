//! Sources of type "file": which files, how they are read, and what of CSV belongs to files alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::environment::{Files, file_problem};
use super::super::glob::{expand, has_wildcard};
use super::super::reader::{Context, Reader};
use super::super::settings::{FileMode, FileSourceSettings};
use super::super::text::Text;
use crate::format::Format;
use crate::format::csv::CsvHeader;

const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(86_400);
const SPEED_MAX: f64 = 1e9;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Follow,
    Tail,
}

/// Reads the keys that only this type has. `format` becomes that of what is handed on, a line or a record each.
pub fn read(context: &mut Context, reader: &mut Reader, format: &mut Format) -> Option<FileSourceSettings> {
    reader.require(context, "path", "\"readings/*.csv\"");
    reader.require(context, "mode", "\"read\", or \"follow\" for new files, \"tail\" for growing ones");
    let path = reader.text(context, "path");
    let mode = reader.choice(context, "mode", &[("read", Mode::Read), ("follow", Mode::Follow), ("tail", Mode::Tail)]);
    let recorded = reader.choice(context, "pace", &[("full", false), ("recorded", true)]).unwrap_or(false);
    let speed = speed(context, reader);
    let from_end = reader.choice(context, "start_at", &[("beginning", false), ("end", true)]).unwrap_or(false);
    let interval = reader.duration(context, "check_interval", INTERVALS);
    let multi_line = reader.boolean(context, "multi_line").unwrap_or(false);
    if multi_line && !matches!(format, Format::Csv(_)) {
        context.error(reader.key_place("multi_line"), "`multi_line` is for format \"csv\"", "remove the key");
    }
    let file_mode = match mode? {
        Mode::Read => FileMode::Read { speed: recorded.then_some(speed) },
        Mode::Follow => FileMode::Follow,
        Mode::Tail => FileMode::Tail { from_end },
    };
    let owners = [("pace", Mode::Read, "read"), ("speed", Mode::Read, "read"), ("start_at", Mode::Tail, "tail")];
    for (key, _, owner) in owners.into_iter().filter(|(key, owner, _)| reader.has(key) && Some(*owner) != mode) {
        context.error(reader.key_place(key), format!("`{key}` is for mode = \"{owner}\""), "remove the key");
    }
    if reader.has("speed") && !recorded {
        context.error(
            reader.key_place("speed"),
            "`speed` without pace = \"recorded\"",
            "add it, or remove `speed`: files are read at full speed",
        );
    }
    check_format(context, reader, format);
    if reader.has("compression") && !reader.is_text("compression", "none") {
        let help = "remove the key: `compression` is for single payloads, and here a payload is a line";
        context.error(reader.key_place("compression"), "compressed files are told by their names, .gz and .zst", help);
    }
    let path = path?;
    let csv = match format {
        Format::Csv(settings) => {
            settings.multi_line = multi_line;
            let whole = settings.clone();
            // The source passes the header over, and hands on one record at a time.
            if settings.header == CsvHeader::Skip {
                settings.header = CsvHeader::None;
            }
            Some(whole)
        }
        _ => None,
    };
    let resolved = context.resolve_path(&path)?;
    look(context, reader, &path, &resolved, mode?);
    Some(FileSourceSettings { path: resolved, mode: file_mode, check_interval: interval.unwrap_or(INTERVAL_DEFAULT), csv })
}

/// `speed`, by default 1.
fn speed(context: &mut Context, reader: &mut Reader) -> f64 {
    match reader.number(context, "speed") {
        Some(speed) if speed > 0.0 && speed <= SPEED_MAX => speed,
        Some(_) => {
            let help = "for example: speed = 10.0, ten times as fast as recorded";
            context.error(reader.value_place("speed"), "`speed` is a factor above 0", help);
            1.0
        }
        None => 1.0,
    }
}

/// The formats whose payloads are lines.
fn check_format(context: &mut Context, reader: &mut Reader, format: &Format) {
    let name = match format {
        Format::Cbor => "cbor",
        Format::SenmlCbor => "senml_cbor",
        Format::Binary(_) => "binary",
        _ => return,
    };
    let help = "files are read line by line: their format is one of lines, such as \"json\" or \"csv\"";
    context.error(reader.value_place("format"), format!("format \"{name}\" has no lines"), help);
}

/// What can be said of the path before anything is read. Where a file may still come, it is a warning.
fn look(context: &mut Context, reader: &Reader, text: &Text, path: &Path, mode: Mode) {
    let has_ending = |path: &Path, ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let is_compressed = has_ending(path, "gz") || has_ending(path, "zst");
    if mode == Mode::Tail && is_compressed {
        context.error(text.place, "a compressed file cannot be tailed", "for whole files there is mode = \"read\" or \"follow\"");
        return;
    }
    let plain = if is_compressed { path.with_extension("") } else { path.to_owned() };
    if has_ending(&plain, "csv") && !reader.has("format") {
        let help = "add format = \"csv\", or format = \"json\" if it is right";
        context.report(Diagnostic::warning(text.place, "the files are read as JSON lines, and are named .csv").help(help));
    }
    if !matches!(context.environment.files, Files::Disk) {
        return;
    }
    let wildcard = has_wildcard(&path.to_string_lossy());
    let directory = first_directory(path);
    let problem = match (mode, wildcard) {
        (Mode::Read, true) => expand(path).err(),
        (Mode::Read, false) | (Mode::Follow, false) => readable(path).err().map(|why| format!("cannot read {}: {why}", path.display())),
        (_, true) => readable(&directory).err().map(|why| format!("cannot read {}: {why}", directory.display())),
        (Mode::Tail, false) if path.is_dir() => {
            let help = format!("to tail the files in it give a pattern such as \"{}/*.log\"", text.value);
            context.error(text.place, format!("{} is a directory", path.display()), help);
            None
        }
        (Mode::Tail, false) => readable(path).err().map(|why| format!("cannot read {}: {why}", path.display())),
    };
    let Some(problem) = problem else { return };
    if mode == Mode::Read {
        context.error(text.place, problem, "a relative path begins at this file's directory");
    } else {
        context.report(Diagnostic::warning(text.place, problem).help("the gateway waits until it can be read"));
    }
}

/// The part of a pattern before its first wildcard.
fn first_directory(pattern: &Path) -> PathBuf {
    let plain: PathBuf = pattern.components().take_while(|part| !has_wildcard(&part.as_os_str().to_string_lossy())).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// Whether this user can read a file or list a directory; a pipe is not opened, as that could wait for ever.
fn readable(path: &Path) -> Result<(), String> {
    let meta = std::fs::metadata(path).map_err(file_problem)?;
    if !meta.is_dir() && !meta.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    rustix::fs::access(path, rustix::fs::Access::READ_OK).map_err(|error| file_problem(error.into()))
}

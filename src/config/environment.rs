//! What the configuration takes from the machine: host name, machine id, environment variables, files. Given from outside, so that
//! reading a configuration is a function of its arguments.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::extend::Extensions;
use crate::format::compressed::Decompressed;
use crate::types::ordered::map_of;

/// Surroundings in which a configuration is read.
#[derive(Clone, Debug)]
pub struct Environment {
    pub host_name: String,
    /// 32 hex digits, as in `/etc/machine-id`.
    pub machine_id: Option<String>,
    pub variables: BTreeMap<String, String>,
    pub files: Files,
    /// Receivers and formats that the program has added.
    pub extensions: Extensions,
}

/// Where files come from.
#[derive(Clone, Debug)]
pub enum Files {
    Disk,
    /// Named contents, for tests.
    Memory(BTreeMap<PathBuf, Vec<u8>>),
}

impl Environment {
    /// That of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Environment {
        let files = Files::Disk;
        let machine_id = files.read(Path::new("/etc/machine-id"), 256).ok();
        Environment {
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            machine_id: machine_id.and_then(|id| String::from_utf8(id).ok()).map(|id| id.trim().to_owned()),
            variables: map_of(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))),
            files,
            extensions: Extensions::default(),
        }
    }

    /// Host name and the first six hex digits of the machine id; `None` where one of them is unknown.
    pub fn default_gateway_id(&self) -> Option<String> {
        let host = self.host_name.split('.').next().unwrap_or_default();
        let host: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).take(50).collect();
        let machine = self.machine_id.as_deref()?.get(..6)?;
        let known = !host.is_empty() && machine.chars().all(|c| c.is_ascii_hexdigit());
        known.then(|| format!("{host}-{}", machine.to_ascii_lowercase()))
    }
}

impl Files {
    /// The whole file; the reason for people where it cannot be had or is longer than `bytes_max`.
    pub fn read(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
        let contents = match self {
            Files::Disk => {
                let file = std::fs::File::open(path).map_err(file_problem)?;
                let mut contents = Vec::new();
                file.take(bytes_max as u64 + 1).read_to_end(&mut contents).map_err(file_problem)?;
                contents
            }
            Files::Memory(files) => files.get(path).cloned().ok_or_else(|| "no such file".to_owned())?,
        };
        if contents.len() > bytes_max { Err(format!("it is longer than {bytes_max} bytes")) } else { Ok(contents) }
    }

    /// The whole of what a file holds, decompressed where it is compressed by gzip or zstd; at most `bytes_max`. Only for what is a file: a pipe
    /// could keep its reader waiting for ever.
    pub fn read_regular(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
        if !matches!(self, Files::Disk) {
            return self.read(path, bytes_max);
        }
        let meta = std::fs::metadata(path).map_err(file_problem)?;
        if meta.is_dir() {
            return Err("it is a directory".to_owned());
        }
        if !meta.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        let file = std::fs::File::open(path).map_err(file_problem)?;
        let mut contents = Vec::new();
        Decompressed::new(file).take(bytes_max as u64 + 1).read_to_end(&mut contents).map_err(file_problem)?;
        if contents.len() > bytes_max { Err(format!("it is longer than {bytes_max} bytes")) } else { Ok(contents) }
    }

    /// As [`Files::read`], for text.
    pub fn read_text(&self, path: &Path, bytes_max: usize) -> Result<String, String> {
        let contents = self.read(path, bytes_max)?;
        String::from_utf8(contents).map_err(|error| format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()))
    }
}

/// Why a file cannot be had, for people.
pub fn file_problem(error: std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_id_is_host_name_and_machine() {
        let environment = |host: &str, machine: Option<&str>| Environment {
            host_name: host.to_owned(),
            machine_id: machine.map(str::to_owned),
            variables: BTreeMap::new(),
            files: Files::Memory(BTreeMap::new()),
            extensions: Extensions::default(),
        };
        let id = |host, machine| environment(host, machine).default_gateway_id();
        assert_eq!(id("raspberrypi", Some("AB12ef00112233445566778899aabbcc")).as_deref(), Some("raspberrypi-ab12ef"));
        assert_eq!(id("pi.example.org", Some("ab12ef00")).as_deref(), Some("pi-ab12ef"));
        assert_eq!(id("pi/#", Some("ab12ef00")).as_deref(), Some("pi---ab12ef"));
        assert_eq!(id("pi", Some("uninitialized")), None);
        assert_eq!(id("pi", Some("ab1")), None);
        assert_eq!(id("pi", None), None);
        assert_eq!(id("", Some("ab12ef00")), None);
    }

    #[test]
    fn reading_is_bounded() {
        assert_eq!(Files::Disk.read(Path::new("/dev/zero"), 10), Err("it is longer than 10 bytes".to_owned()));
        assert_eq!(Files::Disk.read(Path::new("/nowhere/at/all"), 10), Err("no such file".to_owned()));
        assert_eq!(Files::Disk.read(Path::new("/"), 10), Err("it is a directory".to_owned()));
    }
}

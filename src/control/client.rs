//! The commands' end of the control socket. Blocking: a command has nothing else to do.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{RESPONSE_BYTES_MAX, Request, Response, path_problem, socket_path};

/// In which the gateway must take a request. Its answer may take longer: it waits for the disk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0}")]
    Path(String),
    #[error("no gateway runs on {}: there is no such directory", .0.display())]
    NoDirectory(PathBuf),
    #[error("no gateway runs on {}", .0.display())]
    NotRunning(PathBuf),
    #[error("no permission to talk to the gateway by {}: run this as {owner}, or with sudo", path.display())]
    NoPermission { path: PathBuf, owner: String },
    #[error("the gateway can't be asked by {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the gateway's answer by {} can't be read ({reason}): is it of another version?", path.display())]
    Answer { path: PathBuf, reason: String },
}

/// A connection to a running gateway.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the gateway that runs on a data directory.
    pub fn connect(data_dir: &Path) -> Result<Client, ClientError> {
        let path = socket_path(data_dir);
        if let Some(problem) = path_problem(&path) {
            return Err(ClientError::Path(problem));
        }
        match UnixStream::connect(&path).and_then(|stream| stream.set_write_timeout(Some(WRITE_TIMEOUT)).map(|()| stream)) {
            Ok(stream) => Ok(Client { path, reader: BufReader::new(stream) }),
            Err(error) => Err(refused(data_dir, path, error)),
        }
    }

    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        let mut line = serde_json::to_vec(request).expect("a request has only strings");
        line.push(b'\n');
        self.reader.get_mut().write_all(&line).map_err(|error| self.io(error))?;
        let mut answer = Vec::new();
        let read = (&mut self.reader).take(RESPONSE_BYTES_MAX as u64).read_until(b'\n', &mut answer);
        match read.map_err(|error| self.io(error))? {
            0 => Err(self.io(io::Error::new(io::ErrorKind::UnexpectedEof, "it has closed the connection"))),
            _ => {
                serde_json::from_slice(&answer).map_err(|error| ClientError::Answer { path: self.path.clone(), reason: error.to_string() })
            }
        }
    }

    fn io(&self, source: io::Error) -> ClientError {
        ClientError::Io { path: self.path.clone(), source }
    }
}

fn refused(data_dir: &Path, path: PathBuf, error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound if !data_dir.exists() => ClientError::NoDirectory(data_dir.to_owned()),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning(data_dir.to_owned()),
        io::ErrorKind::PermissionDenied => {
            ClientError::NoPermission { owner: owner(&path).or(owner(data_dir)).unwrap_or("its user".into()), path }
        }
        _ => ClientError::Io { path, source: error },
    }
}

/// The user that a path belongs to: its name, else its number.
fn owner(path: &Path) -> Option<String> {
    let uid = std::fs::metadata(path).ok()?.uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then(|| format!("the user {name}"))
    });
    Some(name.unwrap_or_else(|| format!("the user with the number {uid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gateway_is_told_apart_from_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Client::connect(dir.path()), Err(ClientError::NotRunning(_))));
        assert!(matches!(Client::connect(&dir.path().join("none")), Err(ClientError::NoDirectory(_))));
        drop(std::os::unix::net::UnixListener::bind(socket_path(dir.path())).unwrap());
        assert!(matches!(Client::connect(dir.path()), Err(ClientError::NotRunning(_))));
        let long = dir.path().join("d".repeat(100));
        assert!(matches!(Client::connect(&long), Err(ClientError::Path(_))));
    }

    #[test]
    fn the_owner_has_a_name_or_a_number() {
        let dir = tempfile::tempdir().unwrap();
        assert!(owner(dir.path()).unwrap().starts_with("the user "));
        assert_eq!(owner(&dir.path().join("none")), None);
    }
}

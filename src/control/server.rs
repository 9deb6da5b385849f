//! The gateway's end of the control socket: takes whole requests from clients, each on a task of its own, and hands them on with a way to answer.
//!
//! Invariant: the socket is never open to others, not for a moment: its mode is set before it gets its name. A socket that lies there already is
//! replaced only by the holder of the store's lock, so its owner is dead.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{CONNECTIONS_MAX, REQUEST_BYTES_MAX, Request, Response, path_problem, socket_path};

/// In which a client must have sent its next request whole.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// In which a client must have taken its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts to accept after one failed, as where there are no more descriptors.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
const BACKLOG: u32 = 16;

/// A request and where its answer goes. Dropped without an answer: the client is told that the gateway is ending.
#[derive(Debug)]
pub struct Asked {
    pub request: Request,
    pub answer: oneshot::Sender<Answer>,
}

/// An answer, and what lives as long as the client's connection.
#[derive(Default)]
pub struct Answer {
    pub response: Response,
    pub held: Option<Box<dyn Send>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.response)
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer { response, held: None }
    }
}

/// The socket; its name goes when it is dropped.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Opens the socket of a data directory, whose lock this process must hold. The reason for people where that fails.
    pub fn open(data_dir: &Path) -> Result<Listener, String> {
        let path = socket_path(data_dir);
        if let Some(problem) = path_problem(&path) {
            return Err(problem);
        }
        let failed = |error: io::Error| format!("can't open {}: {error}", path.display());
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => std::fs::remove_file(&path).map_err(failed)?,
            Ok(_) => return Err(format!("{} is not a socket: move it away", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let socket = UnixSocket::new_stream().map_err(failed)?;
        // Linux gives the name the socket's mode, less the umask.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(|errno| failed(errno.into()))?;
        socket.bind(&path).map_err(failed)?;
        let listener = socket.listen(BACKLOG).map_err(failed)?;
        Ok(Listener { listener, path })
    }

    /// Serves clients until dropped.
    pub async fn serve(self, requests: mpsc::Sender<Asked>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut clients = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = clients.join_next() => continue,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a client of the control socket can't be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let requests = requests.clone();
                    clients.spawn(async move {
                        Client { stream, unread: Vec::new() }.serve(&requests).await;
                        drop(place);
                    });
                }
                // Into the socket's buffer, or not at all: nobody waits for a client too many.
                Err(_) => _ = stream.try_write(&encoded(&Response::failed("too many clients are connected: try again later"))),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A name that stays is taken over by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

struct Client {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Client {
    /// To the end of the connection.
    async fn serve(mut self, requests: &mpsc::Sender<Asked>) {
        let mut held: Vec<Box<dyn Send>> = Vec::new();
        loop {
            let timeout = if held.is_empty() { REQUEST_TIMEOUT } else { Duration::MAX };
            let Ok(Some(line)) = tokio::time::timeout(timeout, self.line()).await else { return };
            let answer = match line.and_then(|line| parse(&line)) {
                Ok(request) => ask(request, requests).await,
                Err(reason) => {
                    self.write(&Response::failed(reason)).await;
                    return;
                }
            };
            // One thing is held at a time: what a client asked for before is done with.
            held.clear();
            held.extend(answer.held);
            if !self.write(&answer.response).await {
                return;
            }
        }
    }

    /// The next line; the reason for people where it is too long; `None` at the connection's end.
    async fn line(&mut self) -> Option<Result<Vec<u8>, String>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                return Some(Ok(std::mem::replace(&mut self.unread, rest)));
            }
            if self.unread.len() >= REQUEST_BYTES_MAX {
                return Some(Err(format!("the request is longer than {REQUEST_BYTES_MAX} bytes")));
            }
            let mut room = (&mut self.stream).take((REQUEST_BYTES_MAX - self.unread.len()) as u64);
            if !room.read_buf(&mut self.unread).await.is_ok_and(|read| read > 0) {
                return None;
            }
        }
    }

    async fn write(&mut self, response: &Response) -> bool {
        let bytes = encoded(response);
        matches!(tokio::time::timeout(ANSWER_TIMEOUT, self.stream.write_all(&bytes)).await, Ok(Ok(())))
    }
}

fn parse(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|error| format!("this gateway does not know the request ({error}): is it of another version?"))
}

async fn ask(request: Request, requests: &mpsc::Sender<Asked>) -> Answer {
    let (answer, answered) = oneshot::channel();
    let ending = || Response::failed("the gateway is ending").into();
    if requests.send(Asked { request, answer }).await.is_err() {
        return ending();
    }
    answered.await.unwrap_or_else(|_| ending())
}

fn encoded(response: &Response) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(response).expect("a response has only strings and JSON");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::io::AsyncBufReadExt;

    use super::*;

    /// A socket whose owner answers each request with "yes".
    fn served(dir: &Path) -> tokio::task::JoinHandle<()> {
        let listener = Listener::open(dir).unwrap();
        let (requests, mut asked) = mpsc::channel::<Asked>(1);
        tokio::spawn(async move {
            while let Some(Asked { answer, .. }) = asked.recv().await {
                answer.send(Response::done("yes").into()).unwrap();
            }
        });
        tokio::spawn(listener.serve(requests))
    }

    async fn connected(dir: &Path) -> tokio::io::BufReader<UnixStream> {
        tokio::io::BufReader::new(UnixStream::connect(socket_path(dir)).await.unwrap())
    }

    async fn said(client: &mut tokio::io::BufReader<UnixStream>) -> Option<Response> {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    #[tokio::test]
    async fn only_the_owner_may_connect_and_a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = socket_path(dir.path());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::open(dir.path()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        assert!(Listener::open(dir.path()).is_err_and(|reason| reason.contains("is not a socket")));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn several_requests_and_broken_ones() {
        let dir = tempfile::tempdir().unwrap();
        let _server = served(dir.path());
        let mut client = connected(dir.path()).await;
        client.write_all(b"{\"command\":\"status\"}\n{\"command\":\"status\"}\n{\"comm").await.unwrap();
        assert_eq!(said(&mut client).await.unwrap().text, "yes");
        assert_eq!(said(&mut client).await.unwrap().text, "yes");
        client.write_all(b"and\":1}\n").await.unwrap();
        let refusal = said(&mut client).await.unwrap();
        assert!(!refusal.ok && refusal.text.contains("does not know the request"), "{refusal:?}");
        assert_eq!(said(&mut client).await, None);
    }

    #[tokio::test]
    async fn an_endless_request_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let _server = served(dir.path());
        let mut client = connected(dir.path()).await;
        client.write_all(&vec![b'x'; REQUEST_BYTES_MAX]).await.unwrap();
        assert!(said(&mut client).await.unwrap().text.contains("longer than 65536 bytes"));
    }

    #[tokio::test]
    async fn stalled_clients_hold_up_nobody_and_one_too_many_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let _server = served(dir.path());
        let mut stalled = Vec::new();
        for _ in 0..CONNECTIONS_MAX - 1 {
            let mut client = connected(dir.path()).await;
            client.write_all(b"{\"comm").await.unwrap();
            stalled.push(client);
        }
        let mut last = connected(dir.path()).await;
        last.write_all(b"{\"command\":\"status\"}\n").await.unwrap();
        assert_eq!(said(&mut last).await.unwrap().text, "yes");
        let mut refused = connected(dir.path()).await;
        assert!(said(&mut refused).await.unwrap().text.contains("too many clients"));
    }
}

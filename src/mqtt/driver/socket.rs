//! A TCP stream that can rest: out of the runtime's sight until it is used again.
//!
//! The runtime is woken by each packet that arrives, whether or not anyone wants to read. While small reads are gathered, a thousand messages a
//! second would be a thousand wake-ups for nothing; a resting socket costs one deregistration and one registration instead.

use std::io;
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[derive(Debug)]
enum State {
    Watched(TcpStream),
    Resting(net::TcpStream),
    /// It could not be registered or deregistered; said so once.
    Broken,
}

#[derive(Debug)]
pub struct Socket {
    state: State,
}

impl Socket {
    pub fn new(stream: TcpStream) -> Socket {
        Socket { state: State::Watched(stream) }
    }

    /// Nobody is woken by what arrives until the next read or write.
    pub fn rest(&mut self) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Broken) {
            State::Watched(stream) => State::Resting(stream.into_std()?),
            resting_or_broken => resting_or_broken,
        };
        Ok(())
    }

    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let State::Resting(_) = self.state
            && let State::Resting(stream) = std::mem::replace(&mut self.state, State::Broken)
        {
            self.state = State::Watched(TcpStream::from_std(stream)?);
        }
        match &mut self.state {
            State::Watched(stream) => Ok(Pin::new(stream)),
            State::Resting(_) | State::Broken => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().watched()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn what_arrives_while_resting_is_read_after() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = Socket::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut peer, _) = listener.accept().unwrap();
        for text in ["first", "again"] {
            socket.rest().unwrap();
            socket.rest().unwrap();
            peer.write_all(text.as_bytes()).unwrap();
            let mut read = [0; 5];
            socket.read_exact(&mut read).await.unwrap();
            assert_eq!(read, text.as_bytes());
        }
        socket.rest().unwrap();
        socket.write_all(b"answer").await.unwrap();
        drop(peer);
        socket.rest().unwrap();
        let mut byte = [0];
        let ended = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut byte)).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)), "the end is seen");
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_resting_socket_wakes_nobody() {
        for (rests, times) in [(false, 1), (true, 0)] {
            let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut socket = Socket::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (mut peer, _) = listener.accept().unwrap();
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let mut byte = [0];
            let asked = Pin::new(&mut socket).poll_read(&mut Context::from_waker(&waker), &mut ReadBuf::new(&mut byte));
            assert!(asked.is_pending());
            if rests {
                socket.rest().unwrap();
            }
            let before = woken.0.load(Ordering::SeqCst);
            peer.write_all(b"x").unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(woken.0.load(Ordering::SeqCst) - before, times, "rests: {rests}");
        }
    }
}

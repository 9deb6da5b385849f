//! Connects to a host by whichever of its addresses answers.
//!
//! A name may have an address that nobody answers at, mostly of IPv6 where its route is dead: each but the last gets its share of the time, so that the
//! others have theirs. The caller limits the whole.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A stream to `host`, and its address there. `timeout`: what the caller gives it; `receive_buffer`: bytes, else the system's default.
pub async fn connect(host: &str, port: u16, timeout: Duration, receive_buffer: Option<u32>) -> io::Result<(TcpStream, SocketAddr)> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.take(ADDRESSES_MAX).collect();
    first_that_answers(&addresses, timeout, receive_buffer).await
}

async fn first_that_answers(
    addresses: &[SocketAddr],
    timeout: Duration,
    receive_buffer: Option<u32>,
) -> io::Result<(TcpStream, SocketAddr)> {
    let (last, others) = addresses.split_last().ok_or_else(|| io::Error::other("the name has no address"))?;
    let share = timeout / (others.len() as u32 + 1);
    for address in others {
        if let Ok(Ok(stream)) = tokio::time::timeout(share, open(*address, receive_buffer)).await {
            return Ok((stream, *address));
        }
    }
    Ok((open(*last, receive_buffer).await?, *last))
}

async fn open(address: SocketAddr, receive_buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener that answers nobody, since nobody takes what waits for it; and what waits.
    async fn silent() -> (TcpSocket, SocketAddr, Vec<tokio::task::JoinHandle<io::Result<TcpStream>>>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let waiting = (0..4).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
        while tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await.is_ok() {}
        (socket, address, waiting)
    }

    #[tokio::test]
    async fn an_address_that_nobody_answers_at_leaves_time_for_the_next() {
        let (_socket, dead, _waiting) = silent().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let living = listener.local_addr().unwrap();
        let timeout = Duration::from_secs(2);
        let connected = tokio::time::timeout(timeout, first_that_answers(&[dead, dead, living], timeout, Some(8_192))).await;
        assert_eq!(connected.expect("each has its share").unwrap().1, living);
        let alone = [dead];
        let unanswered = first_that_answers(&alone, Duration::from_millis(10), None);
        assert!(tokio::time::timeout(Duration::from_millis(300), unanswered).await.is_err(), "the last is the caller's to end");
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let living = listener.local_addr().unwrap();
        let gone = {
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            other.local_addr().unwrap()
        };
        let timeout = Duration::from_secs(10);
        assert_eq!(first_that_answers(&[gone, living], timeout, None).await.unwrap().1, living);
        assert_eq!(first_that_answers(&[living, gone], timeout, None).await.unwrap().1, living);
        let refused = first_that_answers(&[gone], timeout, None).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_that_answers(&[], timeout, None).await.is_err());
    }
}

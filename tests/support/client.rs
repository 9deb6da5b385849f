//! A blocking MQTT client for tests: sends exactly what it is told, once, and hands out exactly what arrives. It never repeats a publish and
//! never acknowledges by itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::packet::{self, Incoming, Publish, Version};

/// A keep-alive that no test outlives: the client sends no pings by itself.
const KEEP_ALIVE_S: u16 = 3_600;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

pub struct Client {
    stream: TcpStream,
    version: Version,
    buffer: Vec<u8>,
    session_present: bool,
}

impl Client {
    /// Connects and waits for the CONNACK. `clean` false: the broker keeps the session, and its messages, under `client_id`.
    pub fn connect(address: SocketAddr, version: Version, client_id: &str, clean: bool) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, HANDSHAKE_TIMEOUT)?;
        stream.set_nodelay(true)?;
        let mut client = Client { stream, version, buffer: Vec::new(), session_present: false };
        client.send(&packet::connect(version, client_id, clean, KEEP_ALIVE_S))?;
        match client.receive(HANDSHAKE_TIMEOUT)? {
            Some(Incoming::ConnAck { session_present, code: 0 }) => {
                client.session_present = session_present;
                Ok(client)
            }
            other => Err(io::Error::other(format!("the broker refuses the connection: {other:?}"))),
        }
    }

    /// Whether the broker had kept a session for this client id.
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// Subscribes and waits until the broker has granted it. Messages that arrive meanwhile are an error: subscribe first.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        self.send(&packet::subscribe(self.version, 1, filter, qos))?;
        match self.receive(HANDSHAKE_TIMEOUT)? {
            Some(Incoming::SubAck { codes, .. }) if codes == [qos] => Ok(()),
            other => Err(io::Error::other(format!("the broker does not grant {filter}: {other:?}"))),
        }
    }

    pub fn publish(&mut self, message: &Publish) -> io::Result<()> {
        self.send(&packet::publish(self.version, message))
    }

    pub fn acknowledge(&mut self, packet_id: u16) -> io::Result<()> {
        self.send(&packet::puback(packet_id))
    }

    /// Says goodbye: the broker closes.
    pub fn disconnect(mut self) -> io::Result<()> {
        self.send(&packet::disconnect())
    }

    /// The next packet, or `None` if none came within `timeout`. A closed connection is an error.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Option<Incoming>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(packet) = packet::take(self.version, &mut self.buffer).map_err(io::Error::other)? {
                return Ok(Some(packet));
            }
            // A timeout of zero would mean none at all.
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.buffer.extend(&chunk[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }
}

//! A scripted MQTT broker over real sockets: offers exactly what it is told, keeps what it is sent, answers as it is told.
//!
//! Limits: one client at a time, whose session it has if it wants one; it grants every subscription and looks at no topic.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::child::wait_until;
use super::packet::{self, Incoming, Publish, Version, frame};

const TICK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// The reason code for a publish; `attempt` is 1 when it comes for the first time.
pub type Answer = dyn Fn(&Publish, usize) -> u8 + Send + Sync;

/// What a broker is to do. The defaults offer nothing and accept everything.
pub struct Script {
    pub version: Version,
    /// Sent in this order, at most `window` unacknowledged.
    pub offered: Vec<Publish>,
    pub window: usize,
    /// Properties of its CONNACK, MQTT 5.
    pub properties: Vec<u8>,
    /// How many connections see these properties; all if `None`.
    pub restricted: Option<usize>,
    /// How many connections it closes right after its CONNACK.
    pub cut: usize,
    pub answer: Box<Answer>,
}

impl Script {
    pub fn new(version: Version) -> Script {
        Script { version, offered: Vec::new(), window: 20, properties: Vec::new(), restricted: None, cut: 0, answer: Box::new(|_, _| 0) }
    }
}

#[derive(Default)]
struct Shared {
    closing: AtomicBool,
    /// Connections that came so far.
    connections: AtomicUsize,
    /// Every publish that came, refused ones too, with the code that it was answered with.
    received: Mutex<Vec<(Publish, u8)>>,
    /// How many of those offered are acknowledged.
    acknowledged: Mutex<usize>,
}

pub struct ScriptedBroker {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedBroker {
    pub fn start(script: Script) -> ScriptedBroker {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = std::thread::spawn(move || {
            while !own.closing.load(Ordering::SeqCst) {
                match listener.accept() {
                    // An end of the connection is the client's business: it comes again.
                    Ok((stream, _)) => drop(Connection::new(stream, &script, &own).and_then(Connection::serve)),
                    Err(_) => std::thread::sleep(TICK),
                }
            }
        });
        ScriptedBroker { port, shared, thread: Some(thread) }
    }

    /// How many connections it has had.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every publish that came, in order, repeats and refused ones too, with its answer.
    pub fn received(&self) -> Vec<(Publish, u8)> {
        self.shared.received.lock().expect("no holder panics").clone()
    }

    /// The payloads that it accepted, in order.
    pub fn accepted(&self) -> Vec<serde_json::Value> {
        let json = |message: &Publish| serde_json::from_slice(&message.payload).expect("results are JSON");
        self.received().iter().filter(|(_, code)| *code < 0x80).map(|(message, _)| json(message)).collect()
    }

    /// Waits until everything that it offers is acknowledged.
    pub fn wait_acknowledged(&self, count: usize) {
        let acknowledged = || *self.shared.acknowledged.lock().expect("no holder panics");
        assert!(wait_until(PATIENCE, || acknowledged() >= count), "{} of {count} are acknowledged", acknowledged());
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the scripted broker panicked");
        }
    }
}

struct Connection<'a> {
    stream: TcpStream,
    script: &'a Script,
    shared: &'a Shared,
    buffer: Vec<u8>,
    subscribed: bool,
    /// Connections before this one.
    number: usize,
    /// Of those offered, how many are sent on this connection.
    sent: usize,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, script: &'a Script, shared: &'a Shared) -> io::Result<Connection<'a>> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        let sent = *shared.acknowledged.lock().expect("no holder panics");
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        Ok(Connection { stream, script, shared, buffer: Vec::new(), subscribed: false, number, sent })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        while !self.shared.closing.load(Ordering::SeqCst) {
            while let Some(packet) = packet::take(self.script.version, &mut self.buffer).map_err(io::Error::other)? {
                self.answer(packet)?;
            }
            if self.subscribed {
                self.offer()?;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => self.buffer.extend(&chunk[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn answer(&mut self, packet: Incoming) -> io::Result<()> {
        let v5 = self.script.version == Version::V5;
        let bytes = match packet {
            Incoming::Connect { clean } => {
                let mut body = vec![u8::from(!clean), 0];
                if v5 {
                    let restricted = self.script.restricted.is_none_or(|count| self.number < count);
                    let properties = if restricted { &self.script.properties[..] } else { &[] };
                    body.push(u8::try_from(properties.len()).expect("a few properties"));
                    body.extend(properties);
                }
                if self.number < self.script.cut {
                    self.stream.write_all(&frame(0x20, &body))?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                // With a session that stands, a client need not subscribe again.
                self.subscribed = true;
                frame(0x20, &body)
            }
            Incoming::Subscribe { packet_id } => {
                let mut body = packet_id.to_be_bytes().to_vec();
                body.extend(if v5 { &[0, 1][..] } else { &[1][..] });
                frame(0x90, &body)
            }
            Incoming::Publish(message) => self.receive(message),
            Incoming::PubAck { .. } => {
                *self.shared.acknowledged.lock().expect("no holder panics") += 1;
                return Ok(());
            }
            Incoming::PingReq => frame(0xd0, &[]),
            Incoming::Disconnect { .. } => return Err(io::ErrorKind::ConnectionAborted.into()),
            other => panic!("a client sends {other:?}"),
        };
        self.stream.write_all(&bytes)
    }

    fn receive(&mut self, message: Publish) -> Vec<u8> {
        let mut received = self.shared.received.lock().expect("no holder panics");
        let attempt = 1 + received.iter().filter(|(earlier, _)| earlier.payload == message.payload).count();
        let code = (self.script.answer)(&message, attempt);
        let mut body = message.packet_id.to_be_bytes().to_vec();
        if code != 0 {
            body.push(code);
        }
        let qos = message.qos;
        received.push((message, code));
        if qos == 0 { Vec::new() } else { frame(0x40, &body) }
    }

    /// Sends on as far as the window allows.
    fn offer(&mut self) -> io::Result<()> {
        let acknowledged = *self.shared.acknowledged.lock().expect("no holder panics");
        while self.sent < self.script.offered.len() && self.sent - acknowledged < self.script.window {
            self.stream.write_all(&packet::publish(self.script.version, &self.script.offered[self.sent]))?;
            self.sent += 1;
        }
        Ok(())
    }
}

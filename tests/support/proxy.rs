//! A TCP proxy on a fixed port that disturbs what goes through it: cuts, delays, stalls, refuses. It knows nothing of MQTT.
//!
//! Limits: bytes held back by a delay are bounded; beyond that the sender is slowed down.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const HELD_BYTES_MAX: usize = 1 << 20;
/// How soon a changed setting is noticed.
const TICK: Duration = Duration::from_millis(5);
const NO_CUT: i64 = i64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client that connected to the server behind.
    Up,
    /// From the server to the client.
    Down,
}

#[derive(Default)]
struct Controls {
    closing: AtomicBool,
    refusing: AtomicBool,
    stalled: AtomicBool,
    delay_us: [AtomicU64; 2],
    /// Bytes that may still pass before the connection is cut.
    budget_bytes: [AtomicI64; 2],
    cuts: AtomicU64,
    recording: AtomicBool,
    recorded: [Mutex<Vec<u8>>; 2],
    connections: Mutex<Vec<(TcpStream, TcpStream)>>,
}

pub struct Proxy {
    port: u16,
    controls: Arc<Controls>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port and passes every connection on to 127.0.0.1:`target_port`.
    pub fn start(target_port: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let controls = Arc::new(Controls::default());
        for budget in &controls.budget_bytes {
            budget.store(NO_CUT, Ordering::SeqCst);
        }
        let shared = controls.clone();
        let acceptor = std::thread::spawn(move || accept(&listener, target_port, &shared));
        Proxy { port, controls, acceptor: Some(acceptor) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections now; what was held back is lost.
    pub fn cut(&self) {
        for (client, server) in self.controls.connections.lock().expect("no holder panics").drain(..) {
            close(&client, &server);
        }
        self.controls.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Cuts the connection that carries the `bytes`-th byte from now in that direction, in the middle of whatever it belongs to.
    pub fn cut_after(&self, direction: Direction, bytes: u32) {
        self.controls.budget_bytes[direction as usize].store(i64::from(bytes), Ordering::SeqCst);
    }

    /// How often connections were cut.
    pub fn cuts(&self) -> u64 {
        self.controls.cuts.load(Ordering::SeqCst)
    }

    /// Each byte in that direction arrives so much later.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        let delay_us = u64::try_from(delay.as_micros()).expect("a delay below 500,000 years");
        self.controls.delay_us[direction as usize].store(delay_us, Ordering::SeqCst);
    }

    /// Keeps from now on all that goes through, for [`Proxy::recorded`].
    pub fn record(&self) {
        self.controls.recording.store(true, Ordering::SeqCst);
    }

    /// What went through in that direction, all connections one after the other.
    pub fn recorded(&self, direction: Direction) -> Vec<u8> {
        self.controls.recorded[direction as usize].lock().expect("no holder panics").clone()
    }

    /// While on, connections stay open and nothing passes.
    pub fn stall(&self, on: bool) {
        self.controls.stalled.store(on, Ordering::SeqCst);
    }

    /// While on, new connections are closed at once.
    pub fn refuse(&self, on: bool) {
        self.controls.refusing.store(on, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.controls.closing.store(true, Ordering::SeqCst);
        self.cut();
        if let Some(acceptor) = self.acceptor.take() {
            // A panic in there has already shown itself as a dead connection.
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, target_port: u16, controls: &Arc<Controls>) {
    while !controls.closing.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((client, _)) if !controls.refusing.load(Ordering::SeqCst) => {
                // The server behind is down: the client sees its connection closed.
                let _ = pass(client, target_port, controls);
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(TICK),
        }
    }
}

fn pass(client: TcpStream, target_port: u16, controls: &Arc<Controls>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target_port))?;
    client.set_nonblocking(false)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
    }
    controls.connections.lock().expect("no holder panics").push((client.try_clone()?, server.try_clone()?));
    for (from, to, direction) in [(client.try_clone()?, server.try_clone()?, Direction::Up), (server, client, Direction::Down)] {
        let controls = controls.clone();
        std::thread::spawn(move || {
            // An end of either side ends both; the reason does not matter to a proxy.
            let _ = carry(&from, &to, direction, &controls);
            close(&from, &to);
        });
    }
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, direction: Direction, controls: &Controls) -> io::Result<()> {
    let mut held: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut held_bytes = 0;
    let mut chunk = [0; 16 * 1024];
    loop {
        if controls.stalled.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
            continue;
        }
        while held.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            let (_, bytes) = held.pop_front().expect("just seen");
            held_bytes -= bytes.len();
            let allowed = take_budget(&controls.budget_bytes[direction as usize], bytes.len());
            if controls.recording.load(Ordering::SeqCst) {
                controls.recorded[direction as usize].lock().expect("no holder panics").extend(&bytes[..allowed]);
            }
            to.write_all(&bytes[..allowed])?;
            if allowed < bytes.len() {
                controls.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
        }
        if held_bytes > HELD_BYTES_MAX {
            std::thread::sleep(TICK);
            continue;
        }
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let delay = Duration::from_micros(controls.delay_us[direction as usize].load(Ordering::SeqCst));
                held_bytes += count;
                held.push_back((Instant::now() + delay, chunk[..count].to_vec()));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// How many of `wanted` bytes may pass. The budget ends with the cut that it caused.
fn take_budget(budget: &AtomicI64, wanted: usize) -> usize {
    let current = budget.load(Ordering::SeqCst);
    let wanted_bytes = i64::try_from(wanted).expect("a chunk is small");
    if current == NO_CUT {
        return wanted;
    }
    if current >= wanted_bytes {
        budget.store(current - wanted_bytes, Ordering::SeqCst);
        return wanted;
    }
    budget.store(NO_CUT, Ordering::SeqCst);
    usize::try_from(current).expect("a budget is not negative")
}

fn close(client: &TcpStream, server: &TcpStream) {
    // Already closed by the other side: as wanted.
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

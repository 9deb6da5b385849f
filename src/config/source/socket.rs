//! Sources of type "tcp" and "udp": where they listen or to whom they connect, whom they let in, what is sent.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::address;
use super::super::broker::is_local;
use super::super::diagnostic::Diagnostic;
use super::super::framing::{self, FramingSettings, Medium};
use super::super::reader::{Context, Reader};
use super::super::settings::SourceKind;
use super::super::text::Text;
use super::super::units::show_size;
use super::Source;
use super::asked::{self, Asked};
use super::network::{self, Network};
use super::socket_tls::{self, TcpTls};

const CONNECTIONS_DEFAULT: i64 = 64;
/// The system gives a process 1,024 files unless it is told otherwise.
const CONNECTIONS_MAX: i64 = 65_536;
/// Frames that are begun may take so much before `check` says so.
const MEMORY_BYTES_UNSAID: u64 = 64 << 20;
const READ_TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
const FRAME_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(7 * 86_400);
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);
const RECEIVE_BUFFERS: std::ops::RangeInclusive<u64> = 4_096..=1 << 30;

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Listen(SocketAddr),
    Connect { host: String, port: u16 },
}

#[derive(Clone, Debug, PartialEq)]
pub struct TcpSettings {
    pub endpoint: Endpoint,
    /// Who may connect; none: everyone.
    pub allow: Vec<Network>,
    /// Open at a time; further ones are refused.
    pub connections_max: usize,
    /// After this without a byte a connection is closed.
    pub read_timeout: Option<Duration>,
    /// A frame that has begun is complete within this, or its connection is closed.
    pub frame_timeout: Duration,
    /// For reaching the other side.
    pub connect_timeout: Duration,
    /// Bytes that the kernel holds of each connection; none: as it likes.
    pub receive_buffer: Option<usize>,
    pub tls: Option<TcpTls>,
    pub asked: Asked,
    pub framing: FramingSettings,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UdpSettings {
    pub endpoint: Endpoint,
    /// Whose datagrams are read; none: everyone's.
    pub allow: Vec<Network>,
    /// By whose name a multicast group is joined; none: the system's choice.
    pub interface: Option<String>,
    /// Bytes that the kernel holds; none: as it likes.
    pub receive_buffer: Option<usize>,
    pub asked: Asked,
    pub framing: FramingSettings,
}

pub fn tcp(context: &mut Context, reader: &mut Reader, frame_bytes_max: usize) -> Option<SourceKind> {
    let endpoint = endpoint(context, reader, "TCP");
    let allow = network::read(context, reader);
    let connections_max = reader.integer(context, "max_connections", 1..=CONNECTIONS_MAX);
    let read_timeout = read_timeout(context, reader, matches!(endpoint, Some(Endpoint::Listen(_))));
    let frame_timeout = reader.duration(context, "frame_timeout", TIMEOUTS).unwrap_or(FRAME_TIMEOUT_DEFAULT);
    let connect_timeout = reader.duration(context, "connect_timeout", CONNECT_TIMEOUTS).unwrap_or(CONNECT_TIMEOUT_DEFAULT);
    let receive_buffer = receive_buffer(context, reader);
    let tls = socket_tls::read(context, reader, !reader.has("connect"));
    let asked = asked::read(context, reader);
    let framing = framing::read(context, reader, Medium::Stream, frame_bytes_max);
    let endpoint = endpoint?;
    let connections_max = connections_max.unwrap_or(CONNECTIONS_DEFAULT) as usize;
    match &endpoint {
        Endpoint::Listen(address) => {
            only_with(context, reader, "connect", &["connect_timeout"]);
            let checks_clients = tls.as_ref().is_some_and(|tls| tls.ca_file.is_some());
            warn_open(context, reader, *address, allow.is_empty() && !checks_clients);
            warn_memory(context, reader, connections_max, frame_bytes_max);
        }
        Endpoint::Connect { .. } => only_with(context, reader, "listen", &["allow", "max_connections"]),
    }
    let settings =
        TcpSettings { endpoint, allow, connections_max, read_timeout, frame_timeout, connect_timeout, receive_buffer, tls, asked, framing };
    Some(SourceKind::Tcp(Box::new(settings)))
}

pub fn udp(context: &mut Context, reader: &mut Reader, frame_bytes_max: usize) -> Option<SourceKind> {
    let endpoint = endpoint(context, reader, "UDP");
    let allow = network::read(context, reader);
    let interface = reader.text(context, "interface");
    let receive_buffer = receive_buffer(context, reader);
    let asked = asked::read(context, reader);
    let framing = framing::read(context, reader, Medium::Datagrams, frame_bytes_max);
    let endpoint = endpoint?;
    match &endpoint {
        Endpoint::Listen(address) => {
            only_with(context, reader, "connect", &["init", "poll"]);
            warn_open(context, reader, *address, allow.is_empty());
        }
        Endpoint::Connect { .. } => only_with(context, reader, "listen", &["allow", "interface"]),
    }
    if let (Some(text), Endpoint::Listen(address)) = (&interface, &endpoint)
        && !address.ip().is_multicast()
    {
        let help = format!("remove it: {} says by itself on which interface", address.ip());
        context.error(text.place, "`interface` is for joining a multicast group", help);
    }
    let interface = interface.map(|text| text.value);
    Some(SourceKind::Udp(Box::new(UdpSettings { endpoint, allow, interface, receive_buffer, asked, framing })))
}

/// `listen` or `connect`.
fn endpoint(context: &mut Context, reader: &mut Reader, protocol: &str) -> Option<Endpoint> {
    let report = |context: &mut Context, text: &Text, (message, help): address::Wrong| context.error(text.place, message, help);
    let listen = match reader.integer_or_text(context, "listen", 1..=65_535) {
        Some(Ok(port)) => address::local(&port.to_string(), protocol).ok(),
        Some(Err(text)) => address::local(&text.value, protocol).map_err(|wrong| report(context, &text, wrong)).ok(),
        None => None,
    };
    let connect = reader.text(context, "connect");
    let connect = connect.and_then(|text| address::remote(&text.value, protocol).map_err(|wrong| report(context, &text, wrong)).ok());
    match (reader.has("listen"), reader.has("connect")) {
        (true, true) => {
            context.error(reader.key_place("connect"), "there is both `listen` and `connect`", "give one of them");
            None
        }
        (false, false) => {
            let help = "for example: listen = \"127.0.0.1:4001\" waits for senders, connect = \"192.168.1.7:4001\" goes to one";
            context.error(reader.place, format!("`listen` is missing in [{}]", reader.path), help);
            None
        }
        _ => listen.map(Endpoint::Listen).or(connect.map(|(host, port)| Endpoint::Connect { host, port })),
    }
}

fn read_timeout(context: &mut Context, reader: &mut Reader, listens: bool) -> Option<Duration> {
    if reader.is_text("read_timeout", "off") {
        reader.text(context, "read_timeout");
        return None;
    }
    reader.duration(context, "read_timeout", TIMEOUTS).or(listens.then_some(READ_TIMEOUT_DEFAULT))
}

fn receive_buffer(context: &mut Context, reader: &mut Reader) -> Option<usize> {
    reader.size(context, "receive_buffer", RECEIVE_BUFFERS).map(|bytes| bytes as usize)
}

/// Reports those of `keys` that are there: they mean something only with `owner`.
pub fn only_with(context: &mut Context, reader: &Reader, owner: &str, keys: &[&str]) {
    for key in keys.iter().filter(|key| reader.has(key)) {
        context.error(reader.key_place(key), format!("`{key}` needs `{owner}`"), "remove the key");
    }
}

/// Whoever can reach the socket can send rows.
fn warn_open(context: &mut Context, reader: &Reader, address: SocketAddr, is_open: bool) {
    if is_open && !is_local(&address.ip().to_string()) {
        let message = format!("everyone who can reach port {} of this machine can send rows", address.port());
        let help = "say who may: allow = [\"192.168.1.0/24\"]; or, with TCP, let those in who have a certificate: tls and client_ca_file";
        context.report(Diagnostic::warning(reader.value_place("listen"), message).help(help));
    }
}

fn warn_memory(context: &mut Context, reader: &Reader, connections_max: usize, frame_bytes_max: usize) {
    let bytes = connections_max as u64 * frame_bytes_max as u64;
    if bytes > MEMORY_BYTES_UNSAID {
        let key = if reader.has("max_connections") { "max_connections" } else { "max_payload" };
        let message = format!("{connections_max} connections with a begun frame each can take {} of memory", show_size(bytes));
        context.report(Diagnostic::warning(reader.key_place(key), message).help("lower `max_connections` or `max_payload`"));
    }
}

/// Two sources cannot listen at one place: reports that.
pub fn check_ports(context: &mut Context, sources: &[Source]) {
    let listening = |source: &Source| match &source.settings.kind {
        SourceKind::Tcp(tcp) => address_of(&tcp.endpoint).map(|address| (false, address)),
        SourceKind::Udp(udp) => address_of(&udp.endpoint).map(|address| (true, address)),
        _ => None,
    };
    for (index, source) in sources.iter().enumerate() {
        let Some((is_udp, address)) = listening(source) else { continue };
        let clashes = |other: &&Source| {
            listening(other).is_some_and(|(other_is_udp, other)| {
                let same_ip = address.ip() == other.ip() || address.ip().is_unspecified() || other.ip().is_unspecified();
                let is_group = address.ip().is_multicast() || other.ip().is_multicast();
                is_udp == other_is_udp && address.port() == other.port() && same_ip && !is_group
            })
        };
        if let Some(first) = sources[..index].iter().find(clashes) {
            let (name, other) = (&source.settings.name, &first.settings.name);
            let message = format!("the sources `{name}` and `{other}` listen on the same port, {}", address.port());
            let diagnostic = Diagnostic::error(source.place, message).related(first.place, format!("the source `{other}`"));
            context.report(diagnostic.help("give each its own, or make them one source"));
        }
    }
}

fn address_of(endpoint: &Endpoint) -> Option<SocketAddr> {
    match endpoint {
        Endpoint::Listen(address) => Some(*address),
        Endpoint::Connect { .. } => None,
    }
}

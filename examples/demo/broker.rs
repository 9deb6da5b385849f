//! A broker inside this process, so that the demo needs no installation. Real gateways use Mosquitto or another that keeps sessions on disk.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Starts it and waits until it accepts connections.
pub fn start(host: &str, port: u16) -> Result<()> {
    let ip: IpAddr = host.parse().with_context(|| format!("the demo's broker needs an IP address to listen at, not {host}"))?;
    let listen = SocketAddr::new(ip, port);
    drop(TcpListener::bind(listen).with_context(|| format!("{listen} is in use: choose another port in configs/demo.toml"))?);
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: 1 << 20,
        max_inflight_count: 200,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings { name: "demo".to_owned(), listen, tls: None, next_connection_delay_ms: 1, connections };
    let router = RouterConfig {
        max_connections: 500,
        max_outgoing_packet_count: 200,
        max_segment_size: 4 << 20,
        max_segment_count: 4,
        ..RouterConfig::default()
    };
    let config = Config { router, v4: Some(HashMap::from([("demo".to_owned(), server)])), ..Config::default() };
    std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
        if let Err(error) = Broker::new(config).start() {
            eprintln!("the broker has stopped: {error}");
        }
    })?;
    for _ in 0..100 {
        if TcpStream::connect(listen).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the broker does not accept connections at {listen}")
}

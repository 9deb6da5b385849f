//! The TLS of TCP sources: the handshakes of both sides.
//!
//! Limits: [`HANDSHAKE_TIMEOUT`] for a client's; the other side's falls under `connect_timeout`. What rustls holds of a connection is bounded by its
//! record (16 KiB) and its limit on handshake messages (64 KiB).

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::connection::{Connection, End};
use crate::config::settings::TcpTls;
use crate::tls::{self, Other, TlsError};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long files count as read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The server's side: who we are, and which clients are let in.
pub struct Acceptor {
    settings: TcpTls,
    config: Arc<ServerConfig>,
    read_at: Instant,
    is_told: bool,
}

impl Acceptor {
    pub fn new(settings: &TcpTls) -> Result<Acceptor, TlsError> {
        Ok(Acceptor { settings: settings.clone(), config: read(settings)?, read_at: Instant::now(), is_told: false })
    }

    /// For a new connection. Files that have become unreadable are left alone: what was read last counts.
    pub fn config(&mut self, source: &str) -> Arc<ServerConfig> {
        if self.read_at.elapsed() >= READ_AGAIN_AFTER {
            self.read_at = Instant::now();
            match read(&self.settings) {
                Ok(config) => (self.config, self.is_told) = (config, false),
                Err(error) if !std::mem::replace(&mut self.is_told, true) => {
                    tracing::warn!(source, "{error}; what was read before is used");
                }
                Err(_) => {}
            }
        }
        self.config.clone()
    }
}

fn read(settings: &TcpTls) -> Result<Arc<ServerConfig>, TlsError> {
    let identity = settings.identity.as_ref().expect("the configuration has one wherever it listens");
    tls::server_config(identity, settings.ca_file.as_deref()).map(Arc::new)
}

/// A client's connection from its handshake on.
pub async fn accept(config: Arc<ServerConfig>, connection: Connection, stream: TcpStream, peer: Arc<str>) -> End {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => connection.run(Box::new(stream)).await,
        Ok(Err(error)) => End::Handshake(format!("{peer} failed: {error}")),
        Err(_) => {
            End::Handshake(format!("{peer} failed: it began no handshake, or did not end it, within {} s", HANDSHAKE_TIMEOUT.as_secs()))
        }
    }
}

/// The client's side; or what is wrong.
pub async fn connect(settings: &TcpTls, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
    let ca_file = settings.ca_file.as_deref();
    let config = tls::client_config(ca_file, settings.identity.as_ref()).map_err(|error| error.to_string())?;
    let host = settings.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no name that a certificate could be for"))?;
    let other = Other { who: "the server", host, is_plain: "is `tls` right, and the port?" };
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| tls::handshake_problem(&error, ca_file, other))
}

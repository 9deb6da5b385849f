//! A byte stream to a broker, TCP or TLS.
//!
//! The CA file is read anew for each connection, so that a replaced one counts without a restart. Limits: no client certificates yet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dial;
use crate::mqtt::BrokerSettings;
use crate::tls::{self, Other, TlsError};

use super::socket::Socket;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot reach {address}: {source}")]
    Tcp { address: String, source: io::Error },
    #[error("cannot reach {address}: no answer within {seconds:.0} s")]
    Timeout { address: String, seconds: f64 },
    #[error(transparent)]
    Settings(#[from] TlsError),
    #[error("{0:?} is no host name that a certificate could be for")]
    ServerName(String),
    #[error("TLS with {address} failed: {problem}")]
    Tls { address: String, problem: String },
}

/// The stream of one connection.
#[derive(Debug)]
pub enum Transport {
    Tcp(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    /// Connects, TLS handshake included, within the settings' `connect_timeout`.
    pub async fn connect(broker: &BrokerSettings) -> Result<Transport, ConnectError> {
        let address = format!("{}:{}", broker.host, broker.port);
        match tokio::time::timeout(broker.connect_timeout, open(broker, &address)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Timeout { address, seconds: broker.connect_timeout.as_secs_f64() }),
        }
    }

    /// Wakes nobody until it is read or written again.
    pub fn rest(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(socket) => socket.rest(),
            Transport::Tls(stream) => stream.get_mut().0.rest(),
        }
    }
}

async fn open(broker: &BrokerSettings, address: &str) -> Result<Transport, ConnectError> {
    let tls = broker.tls.as_ref().map(|tls| tls::client_config(tls.ca_file.as_deref(), None).map(|config| (tls, config))).transpose()?;
    let tcp_error = |source| ConnectError::Tcp { address: address.to_owned(), source };
    let (stream, _) = dial::connect(&broker.host, broker.port, broker.connect_timeout, None).await.map_err(tcp_error)?;
    stream.set_nodelay(true).map_err(tcp_error)?;
    let stream = Socket::new(stream);
    let Some((settings, config)) = tls else { return Ok(Transport::Tcp(stream)) };
    let name = ServerName::try_from(broker.host.clone()).map_err(|_| ConnectError::ServerName(broker.host.clone()))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
        Err(error) => {
            let other = Other { who: "the broker", host: &broker.host, is_plain: "is it the port for mqtt:// ?" };
            let problem = tls::handshake_problem(&error, settings.ca_file.as_deref(), other);
            Err(ConnectError::Tls { address: address.to_owned(), problem })
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! A byte stream to a broker, TCP or TLS.
//!
//! The CA file is read anew for each connection, so that a replaced one counts without a restart. Limits: no client certificates yet.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

use crate::mqtt::{BrokerSettings, TlsSettings};

use super::socket::Socket;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot reach {address}: {source}")]
    Tcp { address: String, source: io::Error },
    #[error("cannot reach {address}: no answer within {seconds:.0} s")]
    Timeout { address: String, seconds: f64 },
    #[error("cannot read ca_file {path}: {problem}")]
    CaFile { path: PathBuf, problem: String },
    #[error("the system has no root certificates: name the broker's in ca_file ({0})")]
    NoRoots(String),
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
    let tls = broker.tls.as_ref().map(|tls| client_config(tls).map(|config| (tls, config))).transpose()?;
    let tcp_error = |source| ConnectError::Tcp { address: address.to_owned(), source };
    let stream = TcpStream::connect((broker.host.as_str(), broker.port)).await.map_err(tcp_error)?;
    stream.set_nodelay(true).map_err(tcp_error)?;
    let stream = Socket::new(stream);
    let Some((settings, config)) = tls else { return Ok(Transport::Tcp(stream)) };
    let name = ServerName::try_from(broker.host.clone()).map_err(|_| ConnectError::ServerName(broker.host.clone()))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
        Err(error) => Err(ConnectError::Tls { address: address.to_owned(), problem: tls_problem(&error, settings, &broker.host) }),
    }
}

fn client_config(tls: &TlsSettings) -> Result<ClientConfig, ConnectError> {
    let roots = match &tls.ca_file {
        Some(path) => roots_of_file(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS");
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots_of_file(path: &PathBuf) -> Result<RootCertStore, ConnectError> {
    let failed = |problem: String| ConnectError::CaFile { path: path.clone(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no PEM certificate".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problem = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(ConnectError::NoRoots(problem));
    }
    Ok(roots)
}

/// What went wrong in the handshake, and what to look at.
fn tls_problem(error: &io::Error, tls: &TlsSettings, host: &str) -> String {
    let signer = match &tls.ca_file {
        Some(path) => format!("ca_file {}", path.display()),
        None => "an authority that this system trusts; name the broker's own in ca_file".to_owned(),
    };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("the broker's certificate is not signed by {signer}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the broker's certificate is not for the host name {host}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the broker's certificate has expired, or this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the broker's certificate is not valid yet, or this machine's clock is wrong".to_owned()
            }
            other => format!("the broker's certificate is not accepted: {other}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => "what answers there does not speak TLS: is it the port for mqtt:// ?".to_owned(),
        Some(rustls::Error::AlertReceived(alert)) => format!("the broker broke it off ({alert:?}): it may ask for a client certificate"),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::ConnectionReset => {
            "the broker closed the connection during the handshake: is it the port for mqtt:// ?".to_owned()
        }
        None => error.to_string(),
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

//! TLS: certificates and keys from PEM files, the settings of both sides made of them, and what a failed handshake means. For brokers and sockets.
//!
//! Files are read by whoever asks for settings, so that a replaced one counts without a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore, ServerConfig};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {key} {path}: {problem}")]
    File { key: &'static str, path: PathBuf, problem: String },
    #[error("the system has no root certificates: name the other side's authority in ca_file ({0})")]
    NoRoots(String),
    #[error("cert_file {cert_file} and key_file {key_file} do not do together: {problem}")]
    Identity { cert_file: PathBuf, key_file: PathBuf, problem: String },
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// PEM; our certificate first, then those between it and the authority.
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// Of the side that connects. `ca_file`: who vouches for the other side; the system's authorities if absent.
pub fn client_config(ca_file: Option<&Path>, identity: Option<&Identity>) -> Result<ClientConfig, TlsError> {
    let roots = match ca_file {
        Some(path) => roots_of_file("ca_file", path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = identity.read()?;
    builder.with_client_auth_cert(chain, key).map_err(|error| identity.wrong(&error))
}

/// Of the side that is connected to. `client_ca_file`: clients without a certificate that it vouches for are turned away; absent: all are let in.
pub fn server_config(identity: &Identity, client_ca_file: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS");
    let builder = match client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            const KEY: &str = "client_ca_file";
            let roots = Arc::new(roots_of_file(KEY, path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let verifier = verifier.map_err(|error| TlsError::File { key: KEY, path: path.to_owned(), problem: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = identity.read()?;
    builder.with_single_cert(chain, key).map_err(|error| identity.wrong(&error))
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates("cert_file", &self.cert_file)?;
        let key = PrivateKeyDer::from_pem_file(&self.key_file);
        let failed = |error: rustls_pki_types::pem::Error| TlsError::File {
            key: "key_file",
            path: self.key_file.clone(),
            problem: error.to_string(),
        };
        Ok((chain, key.map_err(failed)?))
    }

    fn wrong(&self, error: &rustls::Error) -> TlsError {
        TlsError::Identity { cert_file: self.cert_file.clone(), key_file: self.key_file.clone(), problem: error.to_string() }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// At least one.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |problem: String| TlsError::File { key, path: path.to_owned(), problem };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("it holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

fn roots_of_file(key: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| TlsError::File { key, path: path.to_owned(), problem: error.to_string() })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problem = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots(problem));
    }
    Ok(roots)
}

/// To whom the handshake was to be, for messages.
#[derive(Clone, Copy, Debug)]
pub struct Other<'a> {
    /// `the broker`.
    pub who: &'a str,
    /// The name that its certificate is to be for.
    pub host: &'a str,
    /// What to ask where it speaks no TLS.
    pub is_plain: &'a str,
}

/// What went wrong in a handshake that we began, and what to look at.
pub fn handshake_problem(error: &io::Error, ca_file: Option<&Path>, other: Other<'_>) -> String {
    let Other { who, host, is_plain } = other;
    let signer = match ca_file {
        Some(path) => format!("ca_file {}", path.display()),
        None => format!("an authority that this system trusts; name {who}'s own in ca_file"),
    };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{who}'s certificate is not signed by {signer}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("{who}'s certificate is not for the host name {host}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("{who}'s certificate has expired, or this machine's clock is wrong")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("{who}'s certificate is not valid yet, or this machine's clock is wrong")
            }
            other => format!("{who}'s certificate is not accepted: {other}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => format!("what answers there does not speak TLS: {is_plain}"),
        Some(rustls::Error::AlertReceived(alert)) => format!("{who} broke it off ({alert:?}): it may ask for a client certificate"),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::ConnectionReset => {
            format!("{who} closed the connection during the handshake: {is_plain}")
        }
        None => error.to_string(),
    }
}

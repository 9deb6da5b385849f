//! `tls` of a TCP source and what belongs to it: whose certificates count, and our own.

use std::path::PathBuf;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, ServerName};

use super::super::broker::certificates;
use super::super::diagnostic::Diagnostic;
use super::super::document::FILE_BYTES_MAX;
use super::super::reader::{Context, Reader, shown};
use super::super::text::Text;
use super::socket::only_with;
use crate::tls::Identity;

const KEYS: [&str; 5] = ["ca_file", "client_ca_file", "cert_file", "key_file", "server_name"];

/// TLS of one side of a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpTls {
    /// Ours; with `listen` there always is one.
    pub identity: Option<Identity>,
    /// Who vouches for the other side. None: with `connect` the system's authorities, with `listen` clients need no certificate.
    pub ca_file: Option<PathBuf>,
    /// The name that the server's certificate is to be for; the host's if absent.
    pub server_name: Option<String>,
}

/// `listens`: it is the server's side.
pub fn read(context: &mut Context, reader: &mut Reader, listens: bool) -> Option<TcpTls> {
    let is_on = reader.boolean(context, "tls").unwrap_or(false);
    let ca_file = reader.text(context, "ca_file").and_then(|text| certificates(context, &text));
    let client_ca_file = reader.text(context, "client_ca_file").and_then(|text| certificates(context, &text));
    let cert_file = reader.text(context, "cert_file").and_then(|text| certificates(context, &text));
    let key_file = reader.text(context, "key_file").and_then(|text| key(context, &text));
    let server_name = reader.text(context, "server_name");
    if let Some(text) = &server_name
        && ServerName::try_from(text.value.as_str()).is_err()
    {
        let message = format!("`{}` is no name that a certificate could be for", shown(&text.value));
        context.error(text.place, message, "give a host name or an IP address");
    }
    if !is_on {
        for key in KEYS.iter().filter(|key| reader.has(key)) {
            context.error(reader.key_place(key), format!("`{key}` needs an encrypted connection"), "add tls = true");
        }
        return None;
    }
    if listens {
        only_with(context, reader, "connect", &["ca_file", "server_name"]);
    } else {
        only_with(context, reader, "listen", &["client_ca_file"]);
    }
    let has = (reader.has("cert_file"), reader.has("key_file"));
    if listens && has == (false, false) {
        let help = "for example: cert_file = \"server.pem\", key_file = \"server.key\"";
        context.error(reader.key_place("tls"), "clients ask for our certificate: `cert_file` and `key_file` are missing", help);
    } else if has.0 != has.1 {
        let (there, missing) = if has.0 { ("cert_file", "key_file") } else { ("key_file", "cert_file") };
        context.error(reader.key_place(there), format!("`{there}` without `{missing}`"), "give both, or none");
    }
    let identity = cert_file.zip(key_file).map(|(cert_file, key_file)| Identity { cert_file, key_file });
    let ca_file = if listens { client_ca_file } else { ca_file };
    Some(TcpTls { identity, ca_file, server_name: server_name.map(|text| text.value) })
}

/// The path; reported if it holds no key. Who checks the configuration need not be allowed to read the key.
fn key(context: &mut Context, text: &Text) -> Option<PathBuf> {
    let path = context.resolve_path(text)?;
    match context.environment.files.read(&path, FILE_BYTES_MAX) {
        Ok(pem) if PrivateKeyDer::from_pem_slice(&pem).is_err() => {
            let message = format!("{} holds no private key in PEM form", path.display());
            context.error(text.place, message, "it begins with -----BEGIN PRIVATE KEY-----, and is not encrypted");
        }
        Ok(_) => {}
        Err(reason) => {
            let message = format!("cannot read {}: {reason}", path.display());
            context.report(Diagnostic::warning(text.place, message).help("the gateway's user has to be able to"));
        }
    }
    Some(path)
}

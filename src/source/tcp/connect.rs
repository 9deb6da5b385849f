//! A sender that we connect to, again and again.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::connection::{Connection, End};
use super::{Hub, News, tls};
use crate::config::settings::TcpSettings;
use crate::config::units::show_duration;
use crate::dial;
use crate::mqtt::driver::Backoff;
use crate::source::link::Leave;
use crate::source::socket;

pub async fn run(settings: &Arc<TcpSettings>, host: &str, port: u16, mut hub: Hub) -> Result<(), Leave> {
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut backoff = Backoff::default();
    loop {
        let opened = tokio::select! {
            biased;
            leave = hub.link.left() => return Err(leave),
            opened = tokio::time::timeout(settings.connect_timeout, open(settings, host, port, &address)) => opened,
        };
        let reason = match opened {
            Ok(Ok((opened, peer))) => {
                hub.link.opened(&format!("connected to {address}")).await?;
                let began = Instant::now();
                let connection = Connection::new(settings, socket::shown(peer), hub.sender.clone());
                match opened {
                    Opened::Plain(stream) => hub.connections.spawn(connection.run(stream)),
                    Opened::Tls(stream) => hub.connections.spawn(connection.run(stream)),
                };
                let end = to_its_end(&mut hub).await?;
                backoff.lasted(began.elapsed());
                if began.elapsed() >= socket::LASTING {
                    hub.link.lasted();
                }
                said(settings, &address, end)
            }
            Ok(Err(reason)) => reason,
            Err(_) => format!("cannot reach {address}: no answer within {}", show_duration(settings.connect_timeout)),
        };
        hub.link.closed(&reason).await?;
        hub.link.sleep(socket::retry_after(&mut backoff)).await?;
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The stream and whose it is; or why there is none, for people.
async fn open(settings: &TcpSettings, host: &str, port: u16, address: &str) -> Result<(Opened, SocketAddr), String> {
    let receive_buffer = settings.receive_buffer.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    let reached = dial::connect(host, port, settings.connect_timeout, receive_buffer).await;
    let (stream, peer) = reached.map_err(|error| format!("cannot reach {address}: {error}"))?;
    super::prepare(&stream);
    let opened = match &settings.tls {
        None => Opened::Plain(stream),
        Some(tls) => {
            let secured = tls::connect(tls, host, stream).await;
            Opened::Tls(Box::new(secured.map_err(|problem| format!("TLS with {address} failed: {problem}"))?))
        }
    };
    Ok((opened, peer))
}

/// Hands over what comes, all of it.
async fn to_its_end(hub: &mut Hub) -> Result<End, Leave> {
    loop {
        match hub.news().await? {
            News::Read(chunk) => hub.hand_over(chunk).await?,
            News::Ended(end) => {
                while let Ok(chunk) = hub.chunks.try_recv() {
                    hub.hand_over(chunk).await?;
                }
                return Ok(end);
            }
        }
    }
}

fn said(settings: &TcpSettings, address: &str, end: End) -> String {
    match end {
        End::Closed => format!("{address} has closed the connection"),
        End::Broken(error) => format!("the connection to {address} broke off: {error}"),
        End::Silent => {
            let timeout = settings.read_timeout.map(show_duration).unwrap_or_default();
            format!("nothing came from {address} within read_timeout, {timeout}")
        }
        End::Handshake(problem) => format!("TLS with {address} failed: {problem}"),
        End::Stalled => format!("a frame from {address} was not complete within frame_timeout, {}", show_duration(settings.frame_timeout)),
    }
}

//! Moves bytes between a transport and a session's buffers, writing and reading at once and each without the other.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::mqtt::BrokerSettings;

use super::transport::{ConnectError, Transport};

/// A new block of the read buffer; a read takes what is left of one, at least [`READ_BYTES_MIN`].
const READ_BYTES: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 8 * 1024;

/// What [`Wire::progress`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes came into `input`.
    Read,
    /// Bytes were written, none came.
    Wrote,
}

/// An open connection and its read buffer.
#[derive(Debug)]
pub struct Wire {
    transport: Transport,
    /// What was read and not yet taken by the session.
    pub input: BytesMut,
    unflushed: bool,
}

impl Wire {
    pub async fn connect(broker: &BrokerSettings) -> Result<Wire, ConnectError> {
        Ok(Wire { transport: Transport::connect(broker).await?, input: BytesMut::new(), unflushed: false })
    }

    /// Nothing is to be read for a while: what arrives wakes nobody until the next [`Wire::progress`] that reads or writes.
    pub fn rest(&mut self) -> io::Result<()> {
        self.transport.rest()
    }

    /// Writes all it can of `output` and, if `reading`, reads once. Returns as soon as anything was done; may be dropped at any time without loss.
    /// Errors: the connection is of no more use; its end is `UnexpectedEof`.
    pub async fn progress(&mut self, output: &mut BytesMut, reading: bool) -> io::Result<Progress> {
        poll_fn(|cx| self.poll_progress(cx, output, reading)).await
    }

    fn poll_progress(&mut self, cx: &mut Context<'_>, output: &mut BytesMut, reading: bool) -> Poll<io::Result<Progress>> {
        let wrote = self.write(cx, output)?;
        if reading {
            if self.input.capacity() - self.input.len() < READ_BYTES_MIN {
                self.input.reserve(READ_BYTES);
            }
            let read = pin!(self.transport.read_buf(&mut self.input)).poll(cx);
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the broker"))),
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(Progress::Read)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        if wrote { Poll::Ready(Ok(Progress::Wrote)) } else { Poll::Pending }
    }

    fn write(&mut self, cx: &mut Context<'_>, output: &mut BytesMut) -> io::Result<bool> {
        let mut wrote = false;
        while !output.is_empty() {
            match Pin::new(&mut self.transport).poll_write(cx, output) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => output.advance(count),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(wrote),
            }
            wrote = true;
            self.unflushed = true;
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.transport).poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(wrote)
    }

    /// Writes what is left, then waits for the broker to close: an end with input unread would be a reset, which can cost the broker our last bytes.
    pub async fn close(mut self, output: &mut BytesMut, limit: Duration) {
        let goodbye = async {
            poll_fn(|cx| {
                self.write(cx, output)?;
                if !output.is_empty() || self.unflushed {
                    return Poll::Pending;
                }
                Poll::Ready(io::Result::Ok(()))
            })
            .await?;
            self.transport.shutdown().await?;
            loop {
                self.input.clear();
                self.input.reserve(READ_BYTES_MIN);
                if self.transport.read_buf(&mut self.input).await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        // Whether it worked out does not matter: what the broker did not get, it sends again.
        let _ = tokio::time::timeout(limit, goodbye).await;
    }
}

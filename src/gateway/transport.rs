//! One peer's socket with what stands between it and MQTT: TLS, WebSocket, bytes not yet taken.
//!
//! Reads go into the thread's scratch, so a transport that is idle owns no buffer. What it keeps is bounded: a partial
//! TLS record, and the bytes that the peer has not taken, which stop the other side's reading.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::scratch::{self, IoScratch};
use super::websocket::{WebSocket, WebSocketError};
use crate::tls::session::{Session, SessionError, WireBuffer};

/// Reads of 1 KiB that are thrown away while a peer that was told goodbye has not closed.
const LINGER_READS: usize = 256;

/// Where a read left its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// In `IoScratch::wire`, from its start, so many.
    Wire(usize),
    /// In `IoScratch::plain`, all of it; it may be empty when the read brought nothing for MQTT.
    Plain,
    /// The peer has closed its side.
    End,
}

/// Why a transport can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    /// The socket failed.
    #[error("connection lost")]
    Io(#[from] io::Error),
    /// The peer broke TLS.
    #[error("TLS failed")]
    Tls(#[from] SessionError),
    /// The peer broke WebSocket.
    #[error("WebSocket failed")]
    WebSocket(#[from] WebSocketError),
}

impl TransportError {
    /// A short stable name, for records and metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Tls(error) => error.failure().label(),
            Self::WebSocket(error) => error.label(),
        }
    }
}

/// A peer's socket and the layers on it.
pub(super) struct Transport {
    socket: TcpStream,
    tls: Option<Box<Session>>,
    websocket: Option<Box<WebSocket>>,
    peer_closed: bool,
    /// The start of a TLS record whose rest has not come.
    partial_record: Vec<u8>,
    unsent: Vec<u8>,
    unsent_from: usize,
    blocked_since: Option<Instant>,
}

impl Transport {
    pub(super) fn new(socket: TcpStream, tls: Option<Session>, websocket: Option<WebSocket>) -> Self {
        Self {
            socket,
            peer_closed: false,
            tls: tls.map(Box::new),
            websocket: websocket.map(Box::new),
            partial_record: Vec::new(),
            unsent: Vec::new(),
            unsent_from: 0,
            blocked_since: None,
        }
    }

    /// The TLS session, if there is one.
    pub(super) fn tls(&self) -> Option<&Session> {
        self.tls.as_deref()
    }

    /// Whether a TLS handshake is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether the WebSocket upgrade, if there is to be one, is through.
    pub(super) fn is_upgraded(&self) -> bool {
        self.websocket.as_ref().is_none_or(|websocket| websocket.is_open())
    }

    /// Wire bytes that wait for the peer to take them.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len() - self.unsent_from
    }

    /// Bytes this transport holds in memory of its own.
    pub(super) fn held_bytes(&self) -> usize {
        self.unsent.capacity() + self.partial_record.capacity()
    }

    /// Since when the peer has taken nothing of what waits for it.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Reads once. TLS answers that the read calls for (handshake, alerts) are sent, or wait as unsent.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut IoScratch,
        now: Instant,
    ) -> Poll<Result<Input, TransportError>> {
        io.plain.clear();
        if self.peer_closed {
            return Poll::Ready(Ok(Input::End));
        }
        let held = self.partial_record.len();
        let Some(room) = io.wire.get_mut(held..) else {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::OutOfMemory).into()));
        };
        let mut buf = ReadBuf::new(room);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
        let received = buf.filled().len();
        if received == 0 {
            return Poll::Ready(Ok(Input::End));
        }
        let input = match self.tls {
            None => Input::Wire(received),
            Some(_) => self.open_records(cx, held, received, io, now)?,
        };
        Poll::Ready(self.unframe(cx, input, io, now))
    }

    /// TLS records in `io.wire` to plaintext in `io.plain`.
    fn open_records(
        &mut self,
        cx: &mut Context<'_>,
        held: usize,
        received: usize,
        io: &mut IoScratch,
        now: Instant,
    ) -> Result<Input, TransportError> {
        let Some(tls) = &mut self.tls else { return Ok(Input::Plain) };
        let Some(wire) = io.wire.get_mut(..held + received) else { return Ok(Input::Plain) };
        if let Some(front) = wire.get_mut(..held) {
            front.copy_from_slice(&self.partial_record);
        }
        io.sealed.clear();
        let progress = tls.process(wire, &mut io.plain, &mut io.sealed);
        if !io.sealed.is_empty() {
            self.put(cx, io.sealed.filled(), now)?;
        }
        let progress = progress?;
        self.peer_closed |= progress.peer_closed;
        let rest = wire.get(progress.consumed..).unwrap_or_default();
        if rest.is_empty() {
            self.partial_record = Vec::new();
        } else {
            self.partial_record.clear();
            self.partial_record.extend_from_slice(rest);
        }
        Ok(if self.peer_closed && io.plain.is_empty() { Input::End } else { Input::Plain })
    }

    /// WebSocket frames to the bytes of their binary messages.
    fn unframe(
        &mut self,
        cx: &mut Context<'_>,
        input: Input,
        io: &mut IoScratch,
        now: Instant,
    ) -> Result<Input, TransportError> {
        let Some(websocket) = &mut self.websocket else { return Ok(input) };
        let outcome = match input {
            Input::End => return Ok(Input::End),
            Input::Wire(received) => websocket.receive(io.wire.get(..received).unwrap_or_default(), &mut io.plain),
            Input::Plain => {
                let framed = std::mem::take(&mut io.plain);
                websocket.receive(&framed, &mut io.plain)
            }
        };
        let answers = websocket.take_outgoing();
        if !answers.is_empty() {
            self.seal_and_put(cx, &answers, &mut io.sealed, now)?;
        }
        self.peer_closed |= outcome?;
        Ok(if self.peer_closed && io.plain.is_empty() { Input::End } else { Input::Plain })
    }

    /// Sends MQTT bytes; what the peer does not take now waits as unsent.
    ///
    /// # Errors
    /// The socket or the TLS session has failed; nothing more can be sent.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sealed: &mut WireBuffer,
        now: Instant,
    ) -> Result<(), TransportError> {
        match &mut self.websocket {
            None => self.seal_and_put(cx, bytes, sealed, now),
            Some(websocket) => {
                websocket.send(bytes)?;
                let framed = websocket.take_outgoing();
                self.seal_and_put(cx, &framed, sealed, now)
            }
        }
    }

    fn seal_and_put(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sealed: &mut WireBuffer,
        now: Instant,
    ) -> Result<(), TransportError> {
        let Some(tls) = &mut self.tls else { return Ok(self.put(cx, bytes, now)?) };
        sealed.clear();
        tls.encrypt(bytes, sealed)?;
        Ok(self.put(cx, sealed.filled(), now)?)
    }

    /// Writes wire bytes, or keeps them behind those that wait already.
    fn put(&mut self, cx: &mut Context<'_>, bytes: &[u8], now: Instant) -> io::Result<()> {
        let mut rest = bytes;
        if self.unsent_bytes() == 0 {
            rest = write_some(&mut self.socket, cx, rest)?;
        }
        if !rest.is_empty() {
            self.blocked_since.get_or_insert(now);
            self.unsent.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Writes what waits. Ready once nothing does.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        let waiting = self.unsent.get(self.unsent_from..).unwrap_or_default();
        if waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let rest = write_some(&mut self.socket, cx, waiting)?.len();
        if rest < waiting.len() {
            self.blocked_since = Some(now);
        }
        self.unsent_from = self.unsent.len() - rest;
        if rest > 0 {
            return Poll::Pending;
        }
        self.unsent = Vec::new();
        self.unsent_from = 0;
        self.blocked_since = None;
        Poll::Ready(Ok(()))
    }

    /// Starts a TLS handshake as its client: the first flight.
    ///
    /// # Errors
    /// The socket has failed.
    pub(super) async fn start_handshake(&mut self) -> Result<(), TransportError> {
        poll_fn(|cx| {
            scratch::lend(|scratch| {
                let Some(tls) = &mut self.tls else { return Poll::Ready(Ok(())) };
                let io = &mut scratch.io;
                tls.process(&mut [], &mut io.plain, &mut io.sealed)?;
                Poll::Ready(Ok(self.put(cx, io.sealed.filled(), Instant::now())?))
            })
        })
        .await
    }

    /// Reads once and appends what it brought for MQTT to `bytes`; what waits to be written is written meanwhile.
    ///
    /// # Errors
    /// The transport can't go on.
    pub(super) async fn read_into(&mut self, bytes: &mut Vec<u8>) -> Result<Input, TransportError> {
        poll_fn(|cx| {
            scratch::lend(|scratch| {
                let now = Instant::now();
                if let Poll::Ready(Err(error)) = self.poll_flush(cx, now) {
                    return Poll::Ready(Err(error.into()));
                }
                let input = ready!(self.poll_read(cx, &mut scratch.io, now))?;
                bytes.extend_from_slice(scratch.io.received(input));
                Poll::Ready(Ok(input))
            })
        })
        .await
    }

    /// Sends `bytes` and a goodbye, and waits until the peer has taken and closed, as far as it does so before the
    /// caller gives up: a socket closed with bytes unread would take back what was sent last.
    pub(super) async fn finish(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        poll_fn(|cx| {
            scratch::lend(|scratch| {
                let (sealed, now) = (&mut scratch.io.sealed, Instant::now());
                if !bytes.is_empty() {
                    self.send(cx, bytes, sealed, now)?;
                }
                Poll::Ready(self.say_goodbye(cx, sealed, now))
            })
        })
        .await?;
        poll_fn(|cx| self.poll_flush(cx, Instant::now())).await?;
        self.socket.shutdown().await?;
        let mut discarded = [0; 1024];
        for _ in 0..LINGER_READS {
            if self.socket.read(&mut discarded).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Says goodbye in each layer: a WebSocket close, a TLS close_notify.
    fn say_goodbye(
        &mut self,
        cx: &mut Context<'_>,
        sealed: &mut WireBuffer,
        now: Instant,
    ) -> Result<(), TransportError> {
        if let Some(websocket) = &mut self.websocket {
            websocket.close();
            let framed = websocket.take_outgoing();
            self.seal_and_put(cx, &framed, sealed, now)?;
        }
        let Some(tls) = &mut self.tls else { return Ok(()) };
        sealed.clear();
        tls.close(sealed);
        Ok(self.put(cx, sealed.filled(), now)?)
    }
}

/// Writes until the socket takes no more; what is left.
fn write_some<'b>(socket: &mut TcpStream, cx: &mut Context<'_>, bytes: &'b [u8]) -> io::Result<&'b [u8]> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match Pin::new(&mut *socket).poll_write(cx, rest) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(written)) => rest = rest.get(written..).unwrap_or_default(),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(rest)
}

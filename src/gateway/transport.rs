//! One peer's socket with what stands between it and MQTT: TLS, WebSocket, bytes not yet taken.
//!
//! Reads go into the thread's scratch, so a transport that is idle owns no buffer. What it keeps is bounded: a partial
//! TLS record, and the bytes that the peer has not taken, which stop the other side's reading.
//!
//! A socket that fails while it is written to is read to its end all the same: a peer that says its last words and is gone
//! at once has said them. So writing never fails for the socket's sake; reading tells.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use zeroize::Zeroize as _;

use super::scratch::{self, IoScratch, OutScratch};
use super::websocket::{Unframed, WebSocket, WebSocketError};
use crate::enforce::end::Cause;
use crate::tls::session::{Session, SessionError, WireBuffer};

/// How long a peer that has taken the last bytes has to close.
const LINGER: Duration = Duration::from_secs(2);

/// Reads of 1 KiB that are thrown away while a peer that was told goodbye has not closed.
const LINGER_READS: usize = 256;

/// Read at once of a handshake, whose packets are small: what waits for its turn is kept.
const GATHER_BYTES: usize = 4096;

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

    /// What it means for a connection: more than a lost peer.
    pub(super) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Io(_) => None,
            Self::Tls(_) => Some(Cause::Tls),
            Self::WebSocket(_) => Some(Cause::WebSocket),
        }
    }
}

/// A peer's socket and the layers on it.
pub(super) struct Transport {
    socket: TcpStream,
    tls: Option<Box<Session>>,
    websocket: Option<Box<WebSocket>>,
    /// Nothing that still comes is looked at.
    read_over: bool,
    /// Found behind bytes that came before it; the next read tells.
    fault: Option<Box<TransportError>>,
    /// The socket takes nothing any more, and what is written is lost.
    write_over: bool,
    /// The start of a TLS record whose rest has not come.
    partial_record: Vec<u8>,
    unsent: WireBuffer,
    blocked_since: Option<Instant>,
}

impl Transport {
    pub(super) fn new(socket: TcpStream, tls: Option<Session>, websocket: Option<WebSocket>) -> Self {
        Self {
            socket,
            tls: tls.map(Box::new),
            websocket: websocket.map(Box::new),
            read_over: false,
            fault: None,
            write_over: false,
            partial_record: Vec::new(),
            unsent: WireBuffer::new(),
            blocked_since: None,
        }
    }

    /// The TLS session, if there is one.
    pub(super) fn tls(&self) -> Option<&Session> {
        self.tls.as_deref()
    }

    /// The address that the peer dialled.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
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
        self.unsent.len()
    }

    /// Bytes this transport holds in memory of its own.
    pub(super) fn held_bytes(&self) -> usize {
        self.unsent.room() + self.partial_record.capacity()
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
        if self.read_over {
            return Poll::Ready(self.end());
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
        let sealed = &mut io.out.sealed;
        sealed.clear();
        let progress = tls.process(wire, &mut io.plain, sealed);
        if !sealed.is_empty() {
            self.put(cx, sealed.filled(), now);
        }
        let consumed = match progress {
            Ok(progress) => {
                self.read_over |= progress.peer_closed;
                progress.consumed
            }
            // What came whole before the fault still counts.
            Err(error) if !io.plain.is_empty() => {
                self.fail_next(error.into());
                wire.len()
            }
            Err(error) => return Err(error.into()),
        };
        let rest = wire.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            self.partial_record = Vec::new();
        } else {
            self.partial_record.clear();
            self.partial_record.extend_from_slice(rest);
        }
        Ok(if self.read_over && io.plain.is_empty() { Input::End } else { Input::Plain })
    }

    /// What a read says when nothing comes any more.
    fn end(&mut self) -> Result<Input, TransportError> {
        self.fault.take().map_or(Ok(Input::End), |fault| Err(*fault))
    }

    fn fail_next(&mut self, fault: TransportError) {
        self.read_over = true;
        self.fault = Some(Box::new(fault));
    }

    /// WebSocket frames to the bytes of their binary messages, in place.
    fn unframe(
        &mut self,
        cx: &mut Context<'_>,
        input: Input,
        io: &mut IoScratch,
        now: Instant,
    ) -> Result<Input, TransportError> {
        let Some(websocket) = &mut self.websocket else { return Ok(input) };
        let bytes = match input {
            Input::End => return Ok(Input::End),
            Input::Wire(received) => io.wire.get_mut(..received).unwrap_or_default(),
            Input::Plain => io.plain.as_mut_slice(),
        };
        let OutScratch { framed, sealed } = &mut io.out;
        framed.clear();
        let unframed = websocket.receive(bytes, framed);
        if !framed.is_empty() {
            self.seal_and_put(cx, framed, sealed, now)?;
        }
        let Unframed { len, closed, fault } = unframed;
        match fault {
            None => self.read_over |= closed,
            Some(fault) if len > 0 => self.fail_next(fault.into()),
            Some(fault) => return Err(fault.into()),
        }
        match input {
            _ if self.read_over && len == 0 => self.end(),
            Input::Wire(_) | Input::End => Ok(Input::Wire(len)),
            Input::Plain => {
                io.plain.truncate(len);
                Ok(Input::Plain)
            }
        }
    }

    /// Sends MQTT bytes; what the peer does not take now waits as unsent.
    ///
    /// # Errors
    /// The TLS session or the WebSocket is over; nothing more can be sent.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        out: &mut OutScratch,
        now: Instant,
    ) -> Result<(), TransportError> {
        let OutScratch { framed, sealed } = out;
        let Some(websocket) = &mut self.websocket else { return self.seal_and_put(cx, bytes, sealed, now) };
        framed.clear();
        websocket.send(bytes, framed);
        self.seal_and_put(cx, framed, sealed, now)
    }

    fn seal_and_put(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sealed: &mut WireBuffer,
        now: Instant,
    ) -> Result<(), TransportError> {
        match &mut self.tls {
            None => self.put(cx, bytes, now),
            Some(tls) => {
                sealed.clear();
                tls.encrypt(bytes, sealed)?;
                self.put(cx, sealed.filled(), now);
            }
        }
        Ok(())
    }

    /// Writes wire bytes, or keeps them behind those that wait already.
    fn put(&mut self, cx: &mut Context<'_>, bytes: &[u8], now: Instant) {
        let written = if self.unsent.is_empty() { self.write_some(cx, bytes) } else { 0 };
        let rest = bytes.get(written..).unwrap_or_default();
        if !rest.is_empty() && !self.write_over {
            self.blocked_since.get_or_insert(now);
            self.unsent.extend_from_slice(rest);
        }
    }

    /// Writes what waits. Ready once nothing does.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        if self.unsent.is_empty() {
            return Poll::Ready(());
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        let written = self.write_some(cx, unsent.filled());
        unsent.consume(written);
        if unsent.is_empty() || self.write_over {
            self.blocked_since = None;
            return Poll::Ready(());
        }
        if written > 0 {
            self.blocked_since = Some(now);
        }
        self.unsent = unsent;
        Poll::Pending
    }

    /// Writes until the socket takes no more; how much it took.
    fn write_some(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty() && !self.write_over) {
            match Pin::new(&mut self.socket).poll_write(cx, rest) {
                Poll::Ready(Ok(0) | Err(_)) => self.write_over = true,
                Poll::Ready(Ok(more)) => written += more,
                Poll::Pending => break,
            }
        }
        written
    }

    /// Starts a TLS handshake as its client: the first flight.
    ///
    /// # Errors
    /// There can be no handshake.
    pub(super) async fn start_handshake(&mut self) -> Result<(), TransportError> {
        poll_fn(|cx| {
            scratch::lend(|scratch| {
                let Some(tls) = &mut self.tls else { return Poll::Ready(Ok(())) };
                let io = &mut scratch.io;
                tls.process(&mut [], &mut io.plain, &mut io.out.sealed)?;
                self.put(cx, io.out.sealed.filled(), Instant::now());
                Poll::Ready(Ok(()))
            })
        })
        .await
    }

    /// Reads once and appends what it brought for MQTT to `bytes`; what waits to be written is written meanwhile. It may
    /// be a CONNECT with a password: no copy of it is left behind.
    ///
    /// # Errors
    /// The transport can't go on.
    pub(super) async fn read_into(&mut self, bytes: &mut Vec<u8>) -> Result<Input, TransportError> {
        poll_fn(|cx| self.poll_read_into(cx, bytes)).await
    }

    /// Reads until a TLS handshake has something to work at, which is not begun: that is [`Transport::work`]. What waits to
    /// be written is written meanwhile. False where the peer has closed.
    ///
    /// # Errors
    /// The peer is lost.
    pub(super) async fn gather(&mut self) -> Result<bool, TransportError> {
        poll_fn(|cx| scratch::lend(|scratch| self.poll_gather(cx, &mut scratch.io.wire))).await
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, wire: &mut [u8]) -> Poll<Result<bool, TransportError>> {
        let _flushed = self.poll_flush(cx, Instant::now());
        while !self.tls.as_ref().is_some_and(|tls| tls.has_work(&self.partial_record)) {
            let mut buf = ReadBuf::new(wire.get_mut(..GATHER_BYTES).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.partial_record.extend_from_slice(buf.filled());
        }
        Poll::Ready(Ok(true))
    }

    /// Whether the peer has closed meanwhile, as far as is known.
    pub(super) async fn has_left(&mut self) -> bool {
        let mut byte = [0];
        poll_fn(|cx| {
            let peeked = self.socket.poll_peek(cx, &mut ReadBuf::new(&mut byte));
            Poll::Ready(matches!(peeked, Poll::Ready(Ok(0) | Err(_))))
        })
        .await
    }

    /// Does what has been gathered, at once, and appends what it brought for MQTT to `bytes`.
    ///
    /// # Errors
    /// The transport can't go on.
    pub(super) async fn work(&mut self, bytes: &mut Vec<u8>) -> Result<Input, TransportError> {
        poll_fn(|cx| Poll::Ready(self.work_now(cx, bytes))).await
    }

    fn work_now(&mut self, cx: &mut Context<'_>, bytes: &mut Vec<u8>) -> Result<Input, TransportError> {
        scratch::lend(|scratch| {
            let (io, now) = (&mut scratch.io, Instant::now());
            io.plain.clear();
            let worked = self.open_records(cx, self.partial_record.len(), 0, io, now);
            let worked = worked.and_then(|input| self.unframe(cx, input, io, now));
            if let Ok(input) = &worked {
                take(bytes, io.received(*input));
            }
            io.wipe();
            worked
        })
    }

    /// The same, of which one can see whether there is something to read.
    pub(super) fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Vec<u8>,
    ) -> Poll<Result<Input, TransportError>> {
        scratch::lend(|scratch| {
            let now = Instant::now();
            let _flushed = self.poll_flush(cx, now);
            let read = ready!(self.poll_read(cx, &mut scratch.io, now));
            if let Ok(input) = &read {
                take(bytes, scratch.io.received(*input));
            }
            scratch.io.wipe();
            Poll::Ready(read)
        })
    }

    /// Sends what nobody waits for: what the peer does not take now waits as unsent.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub(super) async fn send_now(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        poll_fn(|cx| scratch::lend(|scratch| Poll::Ready(self.send(cx, bytes, &mut scratch.io.out, Instant::now()))))
            .await
    }

    /// Sends `bytes` and a goodbye, and waits until the peer has taken them, at most `write_deadline` from when it took
    /// something last, and closed: a socket closed with bytes unread would take back what was sent last.
    pub(super) async fn finish(&mut self, bytes: &[u8], write_deadline: Duration) {
        poll_fn(|cx| {
            scratch::lend(|scratch| {
                // A peer that can be told nothing any more is told nothing.
                let _told = self.say_goodbye(cx, bytes, &mut scratch.io.out, Instant::now());
                Poll::Ready(())
            })
        })
        .await;
        let deadline = self.blocked_since.unwrap_or_else(Instant::now) + write_deadline;
        let flushed = timeout_at(deadline.into(), poll_fn(|cx| self.poll_flush(cx, Instant::now()))).await;
        if flushed.is_ok() {
            // A peer that does not close in time is closed.
            let _closed = timeout(LINGER, self.linger()).await;
        }
    }

    /// The last bytes, and goodbye in each layer: a WebSocket close, a TLS close_notify.
    fn say_goodbye(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        out: &mut OutScratch,
        now: Instant,
    ) -> Result<(), TransportError> {
        if !bytes.is_empty() {
            self.send(cx, bytes, out, now)?;
        }
        let OutScratch { framed, sealed } = out;
        framed.clear();
        if let Some(websocket) = &mut self.websocket {
            websocket.close(framed);
        }
        if !framed.is_empty() {
            self.seal_and_put(cx, framed, sealed, now)?;
        }
        let Some(tls) = &mut self.tls else { return Ok(()) };
        sealed.clear();
        tls.close(sealed);
        self.put(cx, sealed.filled(), now);
        Ok(())
    }

    async fn linger(&mut self) -> io::Result<()> {
        self.socket.shutdown().await?;
        let mut discarded = [0; 1024];
        for _ in 0..LINGER_READS {
            if self.socket.read(&mut discarded).await? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Appends what may hold a password.
fn take(bytes: &mut Vec<u8>, received: &[u8]) {
    drop(grown(bytes, received.len()));
    bytes.extend_from_slice(received);
}

/// Makes room for so many more bytes; what was outgrown comes back wiped.
fn grown(bytes: &mut Vec<u8>, more: usize) -> Vec<u8> {
    if bytes.capacity() - bytes.len() >= more {
        return Vec::new();
    }
    let mut larger = Vec::with_capacity((bytes.len() + more).max(2 * bytes.capacity()));
    larger.extend_from_slice(bytes);
    bytes.zeroize();
    std::mem::replace(bytes, larger)
}

#[cfg(test)]
mod tests;

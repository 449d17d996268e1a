//! MQTT over WebSocket ([MQTT-6.0.0-1] to [MQTT-6.0.0-4]): bytes of the upgraded connection in, bytes of binary messages out.
//!
//! tungstenite reads and writes an in-memory [`Pipe`] here, never a socket, so that WebSocket stands on TLS or TCP alike.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::{self, StatusCode};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Bytes, Message};

/// Bytes tungstenite reads at a time; its default of 128 KiB would be held by every connection.
const BUFFER_BYTES: usize = 4 * 1024;

/// How a client broke WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebSocketError {
    /// The upgrade was not one that this listener takes.
    #[error("WebSocket upgrade refused")]
    Upgrade(#[source] Box<tungstenite::Error>),
    /// A frame was malformed, too large or out of turn.
    #[error("WebSocket frame refused")]
    Frame(#[source] Box<tungstenite::Error>),
    /// A text message ([MQTT-6.0.0-1]).
    #[error("WebSocket text message")]
    Text,
}

impl WebSocketError {
    /// A short stable name, for records and metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Upgrade(_) => "websocket_upgrade",
            Self::Frame(_) => "websocket_frame",
            Self::Text => "websocket_text",
        }
    }
}

/// What a listener asks of an upgrade, and the sizes it allows.
#[derive(Clone, Debug)]
pub(super) struct Upgrade {
    /// The path of the request.
    pub(super) path: Arc<str>,
    /// Bytes of one message, however many frames it comes in.
    pub(super) max_message_bytes: usize,
}

/// The server's end of a WebSocket.
pub(super) struct WebSocket {
    pipe: Pipe,
    state: State,
}

enum State {
    Upgrading(Box<MidHandshake<ServerHandshake<Pipe, Upgrade>>>),
    Open(Box<tungstenite::WebSocket<Pipe>>),
    Closed,
}

impl WebSocket {
    pub(super) fn new(upgrade: Upgrade) -> Self {
        let pipe = Pipe::default();
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(upgrade.max_message_bytes))
            .max_frame_size(Some(upgrade.max_message_bytes));
        let handshake = ServerHandshake::start(pipe.clone(), upgrade, Some(config));
        Self { pipe, state: State::Upgrading(Box::new(handshake)) }
    }

    /// Whether the upgrade is through.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes bytes of the connection and appends those of whole binary messages to `plain`. True once the client has
    /// closed.
    ///
    /// # Errors
    /// The upgrade is refused, or a frame breaks RFC 6455 or a size; what must be answered is outgoing.
    pub(super) fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Result<bool, WebSocketError> {
        self.pipe.feed(bytes);
        if let State::Upgrading(_) = self.state {
            self.upgrade()?;
        }
        let State::Open(socket) = &mut self.state else { return Ok(matches!(self.state, State::Closed)) };
        loop {
            match socket.read() {
                Ok(Message::Binary(payload)) => plain.extend_from_slice(&payload),
                Ok(Message::Text(_)) => return Err(WebSocketError::Text),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => return Ok(true),
                Err(error) => return Err(WebSocketError::Frame(Box::new(error))),
            }
        }
    }

    fn upgrade(&mut self) -> Result<(), WebSocketError> {
        let State::Upgrading(handshake) = std::mem::replace(&mut self.state, State::Closed) else { return Ok(()) };
        match handshake.handshake() {
            Ok(socket) => self.state = State::Open(Box::new(socket)),
            Err(HandshakeError::Interrupted(handshake)) => self.state = State::Upgrading(Box::new(handshake)),
            Err(HandshakeError::Failure(error)) => return Err(WebSocketError::Upgrade(Box::new(error))),
        }
        Ok(())
    }

    /// Frames `bytes` as one binary message.
    ///
    /// # Errors
    /// The client has closed.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), WebSocketError> {
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        socket
            .send(Message::Binary(Bytes::copy_from_slice(bytes)))
            .map_err(|error| WebSocketError::Frame(Box::new(error)))
    }

    /// Frames a close.
    pub(super) fn close(&mut self) {
        if let State::Open(socket) = &mut self.state {
            // A socket that has closed already needs no second close.
            let _closed = socket.close(None);
            let _flushed = socket.flush();
        }
    }

    /// Bytes to be sent to the client.
    pub(super) fn take_outgoing(&mut self) -> Vec<u8> {
        self.pipe.take_outgoing()
    }
}

impl Callback for Upgrade {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().path() != &*self.path {
            return Err(refusal(StatusCode::NOT_FOUND, "no such path"));
        }
        let Some(protocol) = offered_protocol(request) else {
            return Err(refusal(StatusCode::BAD_REQUEST, "the subprotocol must be mqtt"));
        };
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        Ok(response)
    }
}

/// The MQTT subprotocol among those offered ([MQTT-6.0.0-3]); 3.1 clients offer `mqttv3.1`.
fn offered_protocol(request: &Request) -> Option<&'static str> {
    let offered = || {
        let values = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
    };
    ["mqtt", "mqttv3.1"].into_iter().find(|name| offered().any(|protocol| protocol == *name))
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = http::Response::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}

/// An in-memory stream: what was fed can be read, what is written can be taken.
#[derive(Clone, Debug, Default)]
struct Pipe(Arc<Mutex<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
}

impl Pipe {
    fn feed(&self, bytes: &[u8]) {
        self.ends(|ends| ends.incoming.extend(bytes));
    }

    fn take_outgoing(&self) -> Vec<u8> {
        self.ends(|ends| std::mem::take(&mut ends.outgoing))
    }

    fn ends<T>(&self, work: impl FnOnce(&mut Ends) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.ends(|ends| {
            if ends.incoming.is_empty() {
                ends.incoming = VecDeque::new();
                return Err(io::ErrorKind::WouldBlock.into());
            }
            ends.incoming.read(buf)
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.ends(|ends| ends.outgoing.extend_from_slice(buf));
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;

//! MQTT over WebSocket ([MQTT-6.0.0-1] to [MQTT-6.0.0-4]): bytes of the upgraded connection in, bytes of binary messages out.
//!
//! Messages are not put together: MQTT reads a stream ([MQTT-6.0.0-2]), so what a frame brings goes on as it comes, and
//! a message of which the rest does not come holds no memory. tungstenite makes the upgrade, over an in-memory [`Pipe`];
//! the frames are read in `frames`.

mod frames;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::{self, StatusCode};
use tungstenite::protocol::WebSocketConfig;

use frames::{Frames, write_close, write_message};

/// Bytes of the upgrade that tungstenite reads at a time.
const BUFFER_BYTES: usize = 4 * 1024;

/// How a client broke WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebSocketError {
    /// The upgrade was not one that this listener takes.
    #[error("WebSocket upgrade refused")]
    Upgrade(#[source] Box<tungstenite::Error>),
    /// A frame was malformed or out of turn.
    #[error("WebSocket frame refused")]
    Frame,
    /// A message over the bound.
    #[error("WebSocket message too large")]
    TooLarge,
    /// A text message ([MQTT-6.0.0-1]).
    #[error("WebSocket text message")]
    Text,
}

impl WebSocketError {
    /// A short stable name, for records and metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Upgrade(_) => "websocket_upgrade",
            Self::Frame | Self::TooLarge => "websocket_frame",
            Self::Text => "websocket_text",
        }
    }

    /// The status code of the close frame [RFC 6455 7.4.1].
    fn close_code(&self) -> Option<u16> {
        match self {
            Self::Upgrade(_) => None,
            Self::Frame => Some(1002),
            Self::Text => Some(1003),
            Self::TooLarge => Some(1009),
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
    max_message_bytes: usize,
    state: State,
}

enum State {
    Upgrading(Box<(Pipe, MidHandshake<ServerHandshake<Pipe, Upgrade>>)>),
    Open(Frames),
    Closed,
}

/// What came of received bytes.
#[derive(Debug)]
pub(super) struct Unframed {
    /// Bytes for MQTT, at the front of those that were given.
    pub(super) len: usize,
    /// The client has closed.
    pub(super) closed: bool,
    /// It broke WebSocket behind those bytes.
    pub(super) fault: Option<WebSocketError>,
}

impl WebSocket {
    pub(super) fn new(upgrade: Upgrade) -> Self {
        let pipe = Pipe::default();
        let max_message_bytes = upgrade.max_message_bytes;
        let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES);
        let handshake = ServerHandshake::start(pipe.clone(), upgrade, Some(config));
        Self { max_message_bytes, state: State::Upgrading(Box::new((pipe, handshake))) }
    }

    /// Whether the upgrade is through.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes bytes of the connection, leaves those of binary messages at their front, and appends to `out` what must be
    /// answered.
    pub(super) fn receive(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Unframed {
        let unframed = match &mut self.state {
            State::Upgrading(_) => {
                let fault = self.upgrade(bytes, out).err();
                return Unframed { len: 0, closed: false, fault };
            }
            State::Open(frames) => frames.receive(bytes, out),
            State::Closed => return Unframed { len: 0, closed: true, fault: None },
        };
        if let Some(fault) = &unframed.fault {
            write_close(fault.close_code(), out);
        }
        if unframed.closed || unframed.fault.is_some() {
            self.state = State::Closed;
        }
        unframed
    }

    fn upgrade(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WebSocketError> {
        let State::Upgrading(upgrading) = std::mem::replace(&mut self.state, State::Closed) else { return Ok(()) };
        let (pipe, handshake) = *upgrading;
        pipe.feed(bytes);
        let outcome = handshake.handshake();
        out.extend_from_slice(&pipe.take_outgoing());
        self.state = match outcome {
            Ok(_) => State::Open(Frames::new(self.max_message_bytes)),
            Err(HandshakeError::Interrupted(handshake)) => State::Upgrading(Box::new((pipe, handshake))),
            Err(HandshakeError::Failure(error)) => return Err(WebSocketError::Upgrade(Box::new(error))),
        };
        Ok(())
    }

    /// Frames `bytes` as one binary message. After a close there is nobody to read it, and nothing is written.
    pub(super) fn send(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.is_open() {
            write_message(bytes, out);
        }
    }

    /// Frames a close, if there was none.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        if self.is_open() {
            write_close(Some(NORMAL_CLOSURE), out);
            self.state = State::Closed;
        }
    }
}

/// The status code of a goodbye in good order.
const NORMAL_CLOSURE: u16 = 1000;

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

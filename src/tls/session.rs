//! One TLS connection, either end, as a state machine over the caller's buffers.
//!
//! It reads no socket and keeps no buffer: received bytes come in as a slice that it decrypts in place, what must be
//! sent goes into a [`WireBuffer`]. An idle connection owns its keys, the peer's certificates, and nothing else.

mod drive;

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::{CipherSuite, ClientConfig, CommonState, HandshakeKind, ProtocolVersion, ServerConfig};

use self::drive::{Connection as _, is_work, receive, say_goodbye, seal, send, whole_records};
use super::failure::HandshakeFailure;
use super::server::take_offered;
pub use super::wire::WireBuffer;
use crate::credentials::admission::{Denial, Pass};

/// Most bytes that may wait for the rest of a record or of a handshake message: one whole record, and a certificate
/// chain of some 14 KiB cut into records before it.
pub const MAX_WAITING_BYTES: usize = 32 * 1024;

/// What one call of [`Session::process`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes at the front of `wire` that are done with. The rest must be presented again *as it is now* (records of an
    /// unfinished handshake message are decrypted in place), with more behind it.
    pub consumed: usize,
    /// The handshake is not over: nothing can be encrypted yet.
    pub handshaking: bool,
    /// The peer has said that it sends no more. Whatever it still sends is consumed unread.
    pub peer_closed: bool,
}

/// Why a session is over, or why a call was out of turn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// The handshake or a record failed; the alert, if one is due, has been written.
    #[error("TLS failed: {0}")]
    Tls(rustls::Error),
    /// The client may not come as far as a handshake.
    #[error("{0}")]
    NotAdmitted(Denial),
    /// A handshake message spread over more than [`MAX_WAITING_BYTES`].
    #[error("handshake message larger than {MAX_WAITING_BYTES} bytes")]
    Oversized,
    /// Data to encrypt before the handshake was over.
    #[error("the handshake is not over")]
    Handshaking,
    /// The session has failed, or was closed, before.
    #[error("the session is over")]
    Over,
    /// The keys have protected as many records as they may (TLS 1.2 has no way to renew them).
    #[error("the keys are used up")]
    Exhausted,
}

impl SessionError {
    /// The reason as a member of a closed set.
    pub fn failure(&self) -> HandshakeFailure {
        match self {
            Self::Tls(error) => HandshakeFailure::from(error),
            Self::NotAdmitted(Denial::Missing) => HandshakeFailure::AdmissionMissing,
            Self::NotAdmitted(Denial::Expired) => HandshakeFailure::AdmissionExpired,
            Self::NotAdmitted(Denial::Invalid | Denial::Name) => HandshakeFailure::AdmissionInvalid,
            Self::Oversized => HandshakeFailure::Malformed,
            Self::Handshaking | Self::Over | Self::Exhausted => HandshakeFailure::Internal,
        }
    }
}

impl From<rustls::Error> for SessionError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

/// One TLS connection, server or client end.
pub struct Session {
    end: End,
    server_name: Option<Box<str>>,
    admission: Option<Box<Pass>>,
    /// Bytes at the front of the next `wire` that rustls has decrypted but not given back, because they begin a
    /// handshake message whose end is still to come.
    held: usize,
    peer_closed: bool,
    closed: bool,
    over: bool,
}

enum End {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

impl Session {
    /// The end that clients dial.
    ///
    /// # Errors
    /// When `config` asks for a record size out of range.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self::new(End::Server(Box::new(UnbufferedServerConnection::new(config)?))))
    }

    /// The end that dials `name`. [`Session::process`] with an empty `wire` then gives the first bytes to send.
    ///
    /// # Errors
    /// When randomness is not to be had, or `config` asks for a record size out of range.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, rustls::Error> {
        Ok(Self::new(End::Client(Box::new(UnbufferedClientConnection::new(config, name)?))))
    }

    const fn new(end: End) -> Self {
        Self { end, server_name: None, admission: None, held: 0, peer_closed: false, closed: false, over: false }
    }

    /// Take all whole records of `wire`; append decrypted application data to `plain`, at most `wire.len()` bytes, and
    /// whatever the handshake has to say to `out`.
    ///
    /// # Errors
    /// The session is over; `out` then holds the alert for the peer. `plain` may hold data that came before the fault.
    pub fn process(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut WireBuffer,
    ) -> Result<Progress, SessionError> {
        if self.over {
            return Err(SessionError::Over);
        }
        if self.peer_closed {
            return Ok(self.progress(wire.len()));
        }
        let Some(fresh) = wire.get(self.held..) else {
            // Without what rustls holds, as [`Progress::consumed`] has it, nothing can be done.
            return Ok(self.progress(0));
        };
        let whole = self.held + whole_records(fresh);
        let step = match &mut self.end {
            End::Server(connection) => {
                let opening = connection.common().is_handshaking();
                let step = receive(&mut **connection, wire, plain, out);
                match take_offered().filter(|_| opening) {
                    None => step,
                    Some(offered) => {
                        self.server_name = offered.name;
                        self.admission = offered.admission.ok().flatten().map(Box::new);
                        step.map_err(|error| offered.admission.err().map_or(error, SessionError::NotAdmitted))
                    }
                }
            }
            End::Client(connection) => receive(&mut **connection, wire, plain, out),
        };
        let step = step.inspect_err(|_| self.over = true)?;
        if step.peer_closed {
            self.peer_closed = true;
            self.held = 0;
            return Ok(self.progress(wire.len()));
        }
        // INVARIANT: rustls has seen every whole record, so what it did not give back it holds.
        self.held = whole.saturating_sub(step.consumed);
        if wire.len().saturating_sub(step.consumed) > MAX_WAITING_BYTES {
            self.over = true;
            return Err(SessionError::Oversized);
        }
        Ok(self.progress(step.consumed))
    }

    /// Whether [`Session::process`] would do more with `wire` than wait for its rest: what may cost a computation.
    #[must_use]
    pub fn has_work(&self, wire: &[u8]) -> bool {
        self.peer_closed || wire.get(self.held..).is_some_and(is_work)
    }

    /// Append `plain` to `out` as TLS records of at most 16 KiB of plaintext, behind anything that rustls has waiting.
    ///
    /// # Errors
    /// Out of turn (handshake not over, session over), or keys used up.
    pub fn encrypt(&mut self, plain: &[u8], out: &mut WireBuffer) -> Result<(), SessionError> {
        if self.over || self.closed {
            return Err(SessionError::Over);
        }
        let held = self.held;
        match &mut self.end {
            End::Server(connection) => send(&mut **connection, held, out, |traffic, out| seal(traffic, plain, out)),
            End::Client(connection) => send(&mut **connection, held, out, |traffic, out| seal(traffic, plain, out)),
        }
    }

    /// Append close_notify to `out`: this end sends no more, but may go on receiving. Nothing is appended before the
    /// handshake is over, when closing the socket is all there is to do, or a second time.
    pub fn close(&mut self, out: &mut WireBuffer) {
        if self.over || self.closed {
            return;
        }
        self.closed = true;
        let held = self.held;
        // An error means that there is no one left to tell.
        let _ = match &mut self.end {
            End::Server(connection) => send(&mut **connection, held, out, say_goodbye),
            End::Client(connection) => send(&mut **connection, held, out, say_goodbye),
        };
    }

    /// The handshake is not over.
    pub fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// The peer's certificate and what it sent with it, in the peer's order; from the ticket when resumed. `None` when
    /// it showed none.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.common().peer_certificates()
    }

    /// The application protocol agreed on.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// The name that the client asked for (SNI), in lower case; always `None` on the client's end.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The admission token that the client has shown in its ClientHello.
    pub fn admission(&self) -> Option<Pass> {
        self.admission.as_deref().copied()
    }

    /// `TLSv1.2` or `TLSv1.3`, once agreed.
    pub fn protocol_version(&self) -> Option<&'static str> {
        let version = self.common().protocol_version()?;
        if version == ProtocolVersion::TLSv1_3 { Some("TLSv1.3") } else { Some("TLSv1.2") }
    }

    /// The standard's name of the cipher suite, once agreed.
    pub fn cipher_suite(&self) -> Option<&'static str> {
        let suite = self.common().negotiated_cipher_suite()?.suite();
        // rustls marks the suites of TLS 1.3 in their names.
        if suite == CipherSuite::TLS13_AES_128_GCM_SHA256 {
            Some("TLS_AES_128_GCM_SHA256")
        } else if suite == CipherSuite::TLS13_AES_256_GCM_SHA384 {
            Some("TLS_AES_256_GCM_SHA384")
        } else if suite == CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 {
            Some("TLS_CHACHA20_POLY1305_SHA256")
        } else {
            suite.as_str()
        }
    }

    /// The standard's name of the key exchange group; `None` for a TLS 1.2 resumption, which has none.
    pub fn key_exchange(&self) -> Option<&'static str> {
        self.common().negotiated_key_exchange_group()?.name().as_str()
    }

    /// Which kind of handshake it was.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.common().handshake_kind()
    }

    /// The peer's certificate was not verified now but in the handshake that this one resumes.
    pub fn is_resumed(&self) -> bool {
        self.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn common(&self) -> &CommonState {
        match &self.end {
            End::Server(connection) => connection.common(),
            End::Client(connection) => connection.common(),
        }
    }

    fn progress(&self, consumed: usize) -> Progress {
        Progress { consumed, handshaking: self.is_handshaking(), peer_closed: self.peer_closed }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = match self.end {
            End::Server(_) => "server",
            End::Client(_) => "client",
        };
        f.debug_struct("Session")
            .field("end", &end)
            .field("handshaking", &self.is_handshaking())
            .finish_non_exhaustive()
    }
}

//! An MQTT client for the commands: one thing after the other, each awaited. Read [`Client`] first.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::{timeout, timeout_at};

pub use super::session::{Delivery, SessionError};
use super::session::{Heard, Hello, Session};
use super::socket::TcpOptions;
use super::upstream::connect;
use crate::config::{FixedCredentials, Server};
use crate::envelope::{Envelope, MAX_BYTES};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::packet::{RetainHandling, Subscription};
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Limits, Version, encode, topic};
use crate::tls::client::Client as Tls;

/// How dead peers are found out.
const TCP: TcpOptions = TcpOptions { keepalive: Duration::from_secs(60), user_timeout: Duration::from_secs(60) };

/// How long the broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who connects.
#[derive(Clone, Debug)]
pub struct Account {
    /// The version that is spoken.
    pub version: Version,
    /// The Client Identifier.
    pub client_id: String,
    /// User name and password.
    pub credentials: FixedCredentials,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The system.
    #[error("can't begin")]
    System(#[from] std::io::Error),
    /// No name that a certificate can carry.
    #[error("{0}")]
    Name(#[from] crate::tls::error::TlsError),
    /// The session is over, or never was.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No Topic Filter.
    #[error("no Topic Filter: {0}")]
    Filter(DecodeError),
    /// The broker said no.
    #[error("the broker refuses it: {} (0x{:02X})", .0.name(), .0.value())]
    Refused(ReasonCode),
    /// The broker takes no packet of that size, or nothing of that QoS.
    #[error("the broker takes none that is so large, or of that QoS")]
    NotTaken,
}

impl ClientError {
    /// Whether the broker said no to this one thing, and goes on.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NotTaken)
    }
}

/// A connected client.
pub struct Client {
    runtime: Runtime,
    session: Session,
    last_id: u16,
    /// What came before it was asked for.
    early: VecDeque<Delivery>,
}

impl Client {
    /// Connects, all within `within`.
    ///
    /// # Errors
    /// The broker is not reached, or says no.
    pub fn connect(
        server: &Server,
        tls: Option<&Tls>,
        account: &Account,
        within: Duration,
    ) -> Result<Self, ClientError> {
        let name = tls.map(|tls| tls.server_name(&server.host)).transpose()?;
        let config = tls.map(|tls| Arc::clone(&tls.config));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let deadline = Instant::now() + within;
        let session = runtime.block_on(async {
            let address = server.to_string();
            let dialled = connect(&address, config.as_ref().zip(name.as_ref()), &TCP, &[], deadline);
            let dialled = timeout_at(deadline.into(), dialled).await;
            let transport = dialled.map_err(|_| SessionError::Silent)?.map_err(SessionError::from)?;
            let hello = Hello {
                version: account.version,
                client_id: &account.client_id,
                credentials: &account.credentials,
                keep_alive: Duration::ZERO,
                max_packet_bytes: MAX_BYTES,
            };
            Session::open(transport, &hello, deadline).await
        })?;
        Ok(Self { runtime, session, last_id: 0, early: VecDeque::new() })
    }

    fn fresh_id(&mut self) -> Option<NonZeroU16> {
        // One thing after the other: the one before is over.
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        NonZeroU16::new(self.last_id)
    }

    /// Subscribes at QoS 1.
    ///
    /// # Errors
    /// The broker says no.
    pub fn subscribe(&mut self, filter: &str) -> Result<(), ClientError> {
        let limits = Limits { refuse_control_characters: false, ..Limits::default() };
        let filter = topic::Filter::parse(filter.as_bytes(), &limits).map_err(ClientError::Filter)?;
        let Some(id) = self.fresh_id() else { return Ok(()) };
        let mut bytes = Vec::new();
        let wanted = Subscription {
            filter,
            qos: QoS::One,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::default(),
        };
        encode::subscribe(self.session.version(), id, None, [wanted], &mut bytes);
        let (session, early) = (&mut self.session, &mut self.early);
        self.runtime.block_on(async {
            session.send(&bytes).await?;
            loop {
                match answer(session).await? {
                    Heard::Subscribed(codes) => {
                        let refused = codes.into_iter().find(|code| code.is_error());
                        return refused.map_or(Ok(()), |code| Err(ClientError::Refused(code)));
                    }
                    Heard::Message(delivery) => early.push_back(delivery),
                    Heard::Flushed | Heard::Alive | Heard::Acknowledged(..) => {}
                }
            }
        })
    }

    /// The next message, which is acknowledged; none when `within` is over.
    ///
    /// # Errors
    /// The session is over.
    pub fn next(&mut self, within: Duration) -> Result<Option<Delivery>, ClientError> {
        let (session, early) = (&mut self.session, &mut self.early);
        self.runtime.block_on(async {
            let deadline = tokio::time::Instant::now() + within;
            loop {
                let delivery = match early.pop_front() {
                    Some(delivery) => delivery,
                    None => match timeout_at(deadline, session.next()).await {
                        Err(_) => return Ok(None),
                        Ok(heard) => match heard? {
                            Heard::Message(delivery) => delivery,
                            Heard::Flushed | Heard::Alive | Heard::Acknowledged(..) | Heard::Subscribed(_) => continue,
                        },
                    },
                };
                if let Some((_, id)) = delivery.acknowledge {
                    let mut bytes = Vec::new();
                    encode::ack(session.version(), PacketType::PubAck, id, ReasonCode::Success, None, &mut bytes);
                    session.send(&bytes).await?;
                }
                return Ok(Some(delivery));
            }
        })
    }

    /// Publishes the message of an envelope as it was, and waits until the broker has taken it.
    ///
    /// # Errors
    /// The broker says no, or the session is over.
    pub fn publish(&mut self, envelope: &Envelope) -> Result<(), ClientError> {
        let id = if envelope.qos == QoS::Zero { None } else { self.fresh_id() };
        let mut bytes = Vec::new();
        envelope.publish(self.session.version(), id, &mut bytes);
        if bytes.len() > self.session.taken.max_packet_bytes || envelope.qos > self.session.taken.max_qos {
            return Err(ClientError::NotTaken);
        }
        let session = &mut self.session;
        self.runtime.block_on(async {
            session.send(&bytes).await?;
            match id {
                None => flush(session).await,
                Some(_) => acknowledged(session).await,
            }
        })
    }

    /// Says goodbye.
    pub fn close(self) {
        self.runtime.block_on(self.session.close(PATIENCE));
    }
}

async fn answer(session: &mut Session) -> Result<Heard, ClientError> {
    Ok(timeout(PATIENCE, session.next()).await.map_err(|_| SessionError::Silent)??)
}

async fn flush(session: &mut Session) -> Result<(), ClientError> {
    while !session.is_flushed() {
        answer(session).await?;
    }
    Ok(())
}

/// Waits for the end of the exchange.
async fn acknowledged(session: &mut Session) -> Result<(), ClientError> {
    loop {
        let Heard::Acknowledged(packet_type, id, reason) = answer(session).await? else { continue };
        if reason.is_error() {
            return Err(ClientError::Refused(reason));
        }
        if packet_type != PacketType::PubRec {
            return Ok(());
        }
        let mut bytes = Vec::new();
        encode::ack(session.version(), PacketType::PubRel, id, ReasonCode::Success, None, &mut bytes);
        session.send(&bytes).await?;
    }
}

//! The gateway as an MQTT client: what publishes quarantined messages, and `tidegate quarantine`.
//!
//! One Network Connection with a clean session, over whatever [`super::upstream`] dials. Not here: when to connect and
//! what to send. Read [`Session::open`] first.

use std::future::poll_fn;
use std::num::NonZeroU16;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::transport::{Input, Transport, TransportError};
use super::upstream::DialError;
use crate::config::FixedCredentials;
use crate::metrics::Open;
use crate::mqtt::connect::Connect;
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::packet::{ConnAck, Packet};
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Context, Direction, Limits, Version, encode};

/// Why there is no session, or no more.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The broker could not be reached.
    #[error("can't reach the broker")]
    Dial(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke.
    #[error("the connection broke")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The broker closed.
    #[error("the broker closed the connection")]
    Closed,
    /// The broker was silent for too long.
    #[error("the broker does not answer")]
    Silent,
    /// The broker refused the CONNECT.
    #[error("the broker refused the connection: {} (0x{:02X})", .0.name(), .0.value())]
    Refused(ReasonCode),
    /// The broker said goodbye.
    #[error("the broker ended the connection: {} (0x{:02X})", .0.name(), .0.value())]
    Goodbye(ReasonCode),
    /// The broker does not keep to MQTT.
    #[error("the broker sent what is no MQTT: {0}")]
    Malformed(#[from] DecodeError),
    /// The broker sent what was not to be expected.
    #[error("the broker sent a {} out of turn", .0.name())]
    Unexpected(PacketType),
}

impl From<TransportError> for SessionError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error.into())
    }
}

impl From<DialError> for SessionError {
    fn from(error: DialError) -> Self {
        Self::Dial(error.into())
    }
}

/// Who connects, and how.
pub(super) struct Hello<'h> {
    pub(super) version: Version,
    pub(super) client_id: &'h str,
    pub(super) credentials: &'h FixedCredentials,
    pub(super) keep_alive: Duration,
    /// Bytes of a packet that is taken.
    pub(super) max_packet_bytes: usize,
}

/// What the broker said in CONNACK of what it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) receive_maximum: u16,
    pub(super) max_packet_bytes: usize,
    pub(super) max_qos: QoS,
    pub(super) keep_alive: Duration,
}

/// What became of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// All that waited to be written is.
    Flushed,
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledged(PacketType, NonZeroU16, ReasonCode),
    /// SUBACK: the codes.
    Subscribed(Vec<ReasonCode>),
    /// A message.
    Message(Delivery),
    /// PINGRESP.
    Alive,
}

/// A message that the broker delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its Topic Name.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// At QoS 1, what acknowledges it.
    pub(super) acknowledge: Option<(QoS, NonZeroU16)>,
}

/// A connected client.
pub(super) struct Session {
    transport: Transport,
    version: Version,
    limits: Limits,
    input: Vec<u8>,
    pub(super) taken: Taken,
    pub(super) last_sent: Instant,
    /// Counted as open at the server until the end.
    pub(super) open: Option<Open>,
}

impl Session {
    /// Sends CONNECT and waits for CONNACK, until `deadline`.
    ///
    /// # Errors
    /// The broker says no, or nothing.
    pub(super) async fn open(
        mut transport: Transport,
        hello: &Hello<'_>,
        deadline: Instant,
    ) -> Result<Self, SessionError> {
        let keep_alive = u16::try_from(hello.keep_alive.as_secs()).unwrap_or(u16::MAX);
        let FixedCredentials { username, password } = hello.credentials;
        let connect = Connect {
            client_id: hello.client_id,
            username: username.as_deref(),
            password: password.as_ref().map(|password| password.bytes()),
            ..Connect::bare(hello.version, true, keep_alive)
        };
        let secrets = connect.username.map_or(0, str::len) + connect.password.map_or(0, <[u8]>::len);
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024 + hello.client_id.len() + secrets));
        let max = u32::try_from(hello.max_packet_bytes).ok().and_then(std::num::NonZeroU32::new);
        let max = max.map(Property::MaximumPacketSize);
        encode::connect(&connect, max.as_slice(), &mut bytes);
        transport.send_now(&bytes).await?;
        let limits = Limits {
            max_packet_bytes: hello.max_packet_bytes,
            max_topic_bytes: usize::MAX,
            max_topic_levels: usize::MAX,
            refuse_control_characters: false,
            ..Limits::default()
        };
        let taken = Taken {
            receive_maximum: u16::MAX,
            max_packet_bytes: usize::MAX,
            max_qos: QoS::Two,
            keep_alive: hello.keep_alive,
        };
        let now = Instant::now();
        let mut session =
            Self { transport, version: hello.version, limits, input: Vec::new(), taken, last_sent: now, open: None };
        let connack = timeout_at(deadline.into(), session.connack());
        connack.await.unwrap_or(Err(SessionError::Silent))?;
        Ok(session)
    }

    async fn connack(&mut self) -> Result<(), SessionError> {
        loop {
            let context = Context { version: self.version, direction: Direction::FromBroker, limits: &self.limits };
            if let Some(frame) = context.frame(&self.input)? {
                let len = frame.bytes.len();
                let packet = context.packet(frame)?;
                let Packet::ConnAck(connack) = packet else {
                    return Err(SessionError::Unexpected(packet.packet_type()));
                };
                if connack.reason.is_error() {
                    return Err(SessionError::Refused(connack.reason));
                }
                self.taken = taken(&connack, self.taken);
                self.input.drain(..len);
                return Ok(());
            }
            if self.transport.read_into(&mut self.input).await? == Input::End {
                return Err(SessionError::Closed);
            }
        }
    }

    /// The version that is spoken.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Whether the broker has taken all that was sent.
    pub(super) fn is_flushed(&self) -> bool {
        self.transport.unsent_bytes() == 0
    }

    /// Since when the broker has taken nothing of what waits for it.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.transport.blocked_since()
    }

    /// Sends packets; what the broker does not take at once is written while something is awaited.
    ///
    /// # Errors
    /// The connection can carry nothing any more.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.last_sent = Instant::now();
        Ok(self.transport.send_now(bytes).await?)
    }

    /// Waits for the next that the broker says, or until it has taken what was unsent. Dropped, it has lost nothing.
    ///
    /// # Errors
    /// The session is over.
    pub(super) async fn next(&mut self) -> Result<Heard, SessionError> {
        loop {
            if let Some(heard) = self.take()? {
                return Ok(heard);
            }
            let waits = !self.is_flushed();
            let (transport, input) = (&mut self.transport, &mut self.input);
            let read = poll_fn(|cx| {
                if waits && transport.poll_flush(cx, Instant::now()).is_ready() {
                    return Poll::Ready(Ok(None));
                }
                transport.poll_read_into(cx, input).map_ok(Some)
            });
            match read.await? {
                None => return Ok(Heard::Flushed),
                Some(Input::End) => return Err(SessionError::Closed),
                Some(Input::Wire(_) | Input::Plain) => {}
            }
        }
    }

    /// The next packet, if it has come whole.
    fn take(&mut self) -> Result<Option<Heard>, SessionError> {
        let context = Context { version: self.version, direction: Direction::FromBroker, limits: &self.limits };
        let Some(frame) = context.frame(&self.input)? else { return Ok(None) };
        let len = frame.bytes.len();
        let packet = context.packet(frame)?;
        let packet_type = packet.packet_type();
        let heard = match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                Heard::Acknowledged(packet_type, ack.packet_id, ack.reason)
            }
            Packet::SubAck(suback) => Heard::Subscribed(suback.codes().collect()),
            Packet::Publish(publish) => Heard::Message(Delivery {
                topic: publish.topic.to_owned(),
                payload: publish.payload.to_vec(),
                acknowledge: publish.packet_id.map(|id| (publish.qos, id)),
            }),
            Packet::PingResp => Heard::Alive,
            Packet::Disconnect(disconnect) => return Err(SessionError::Goodbye(disconnect.reason)),
            Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::Auth(_) => return Err(SessionError::Unexpected(packet_type)),
        };
        self.input.drain(..len);
        Ok(Some(heard))
    }

    /// Says goodbye and closes.
    pub(super) async fn close(mut self, within: Duration) {
        let mut bytes = Vec::new();
        // As short as it can be in 5.0, it is that of every version.
        encode::disconnect(ReasonCode::Success, None, &mut bytes);
        self.transport.finish(&bytes, within).await;
    }
}

fn taken(connack: &ConnAck<'_>, before: Taken) -> Taken {
    let max_qos = connack.properties.iter().find_map(|property| {
        let Property::MaximumQoS(one) = property else { return None };
        Some(if one { QoS::One } else { QoS::Zero })
    });
    let keep_alive = connack.server_keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
    Taken {
        receive_maximum: connack.receive_maximum,
        max_packet_bytes: connack
            .maximum_packet_size
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(before.max_packet_bytes),
        max_qos: max_qos.unwrap_or(before.max_qos),
        keep_alive: keep_alive.unwrap_or(before.keep_alive),
    }
}

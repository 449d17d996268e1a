//! What can be asked.

use std::fmt;

use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Properties;

/// One thing that carries authority, as an identity asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// To be connected at all. Client Identifier and user name are in the [`crate::identity::Identity`].
    Connect(Connect),
    /// To have this message published when the connection is lost.
    Will(Message<'a>),
    /// To publish a message.
    Publish(Message<'a>),
    /// To subscribe with one Topic Filter.
    Subscribe(Subscription<'a>),
    /// To be delivered a message.
    Receive(Message<'a>),
    /// To have answers published to this Response Topic (5.0): it must be one that the requester may receive.
    Respond(&'a str),
}

/// What a CONNECT asks for beside its Will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Protocol version.
    pub version: Version,
    /// Clean Session (3.x) or Clean Start (5.0).
    pub clean_start: bool,
    /// Seconds that its session is to outlive it by; [`u32::MAX`] is for ever, as without Clean Session before 5.0.
    pub session_expiry: u32,
    /// Whether it opens an enhanced authentication (5.0).
    pub enhanced_authentication: bool,
    /// Bytes of the Client Identifier that it gives.
    pub client_id_bytes: usize,
}

impl Connect {
    /// One with a session that ends with it, and nothing else.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self { version, clean_start: true, session_expiry: 0, enhanced_authentication: false, client_id_bytes: 0 }
    }
}

/// An application message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Topic Name; a Topic Alias is resolved.
    pub topic: &'a str,
    /// Quality of Service.
    pub qos: QoS,
    /// RETAIN flag.
    pub retain: bool,
    /// Bytes of the payload.
    pub payload_bytes: usize,
    /// The payload; `None` where the message is passed through in pieces because no rule asked for it
    /// ([`super::Authority::needs_payload`]).
    pub payload: Option<&'a [u8]>,
    /// DUP flag: it may have been sent before.
    pub dup: bool,
    /// Its properties (5.0); none before.
    pub properties: Option<Properties<'a>>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("payload_bytes", &self.payload_bytes)
            .finish_non_exhaustive()
    }
}

/// One Topic Filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Topic Filter as sent, `$share/GROUP/` included.
    pub filter: &'a str,
    /// The QoS asked for.
    pub qos: QoS,
    /// Whether the SUBSCRIBE has a Subscription Identifier (5.0).
    pub has_identifier: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_stays_out_of_debug_output() {
        let message = Message {
            topic: "t",
            qos: QoS::Zero,
            retain: false,
            payload_bytes: 6,
            payload: Some(b"secret"),
            dup: false,
            properties: None,
        };
        assert!(!format!("{message:?}").contains("115"), "no byte of it");
    }
}

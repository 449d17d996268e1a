//! Where a signature is carried: one file for each carrier, with how it is read, taken off and made.

pub(super) mod cose;
pub(super) mod json_field;
pub(super) mod jws;
pub(super) mod property;
pub(super) mod trailer;

use crate::payload::Field;

/// Where in a message its signature is, with all that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// User Properties of MQTT 5.0.
    UserProperty(Names),
    /// The payload is a JWS in the compact form (RFC 7515), and what it holds is the message.
    Jws,
    /// A detached JWS (RFC 7797) in the User Property of this name.
    JwsDetached(Box<str>),
    /// The payload is a COSE_Sign1 or COSE_Mac0 (RFC 9052), and what it holds is the message.
    Cose,
    /// A member of the JSON object that the payload is.
    JsonField(Field),
    /// Bytes of a fixed layout behind the message.
    Trailer,
}

/// What the User Properties of a signature are called. All differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of the key id.
    pub kid: Box<str>,
    /// Of the time of signing.
    pub time: Box<str>,
    /// Of the nonce.
    pub nonce: Box<str>,
    /// Of the counter.
    pub counter: Box<str>,
    /// Of the signature.
    pub signature: Box<str>,
}

impl Names {
    /// All five.
    #[must_use]
    pub fn all(&self) -> [&str; 5] {
        [&self.kid, &self.time, &self.nonce, &self.counter, &self.signature]
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            kid: "tg-kid".into(),
            time: "tg-time".into(),
            nonce: "tg-nonce".into(),
            counter: "tg-counter".into(),
            signature: "tg-sig".into(),
        }
    }
}

impl Carrier {
    /// What the User Property of a detached JWS is called where nothing else is said.
    pub const JWS_PROPERTY: &str = "tg-jws";

    /// The word for it in settings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UserProperty(_) => "user-property",
            Self::Jws => "jws",
            Self::JwsDetached(_) => "jws-detached",
            Self::Cose => "cose",
            Self::JsonField(_) => "json-field",
            Self::Trailer => "trailer",
        }
    }

    /// Whether it needs MQTT 5.0: the signature stands beside the payload.
    #[must_use]
    pub const fn needs_properties(&self) -> bool {
        matches!(self, Self::UserProperty(_) | Self::JwsDetached(_))
    }

    /// The User Properties that it makes use of.
    #[must_use]
    pub fn properties(&self) -> Vec<&str> {
        match self {
            Self::UserProperty(names) => names.all().to_vec(),
            Self::JwsDetached(name) => vec![name],
            Self::Jws | Self::Cose | Self::JsonField(_) | Self::Trailer => Vec::new(),
        }
    }
}

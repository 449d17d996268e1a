//! How the gateway shows itself and its clients to a broker.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::KeyPair;
use crate::config::kinds::Words;
use crate::identity::Template;
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;

/// What nobody but its owner may see. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The secret itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// User name and password of the CONNECT that goes to the broker.
#[derive(Clone, Debug)]
pub enum BrokerCredentials {
    /// As the client sent them.
    Pass,
    /// Neither.
    Remove,
    /// The same for every client.
    Fixed(FixedCredentials),
    /// The client's own, from a table.
    Table(Arc<HashMap<Box<str>, FixedCredentials>>),
    /// Made from what is known of the client.
    Identity {
        /// The user name; a client for which it has no value is refused.
        username: Template,
        /// The password, the same for every client.
        password: Option<Secret>,
    },
    /// Shared access signatures, as Azure takes them.
    Sas(Sas),
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedCredentials {
    /// The user name.
    pub username: Option<Box<str>>,
    /// The password.
    pub password: Option<Secret>,
}

/// Shared access signatures.
#[derive(Clone, Debug)]
pub struct Sas {
    /// The user name beside them.
    pub username: Template,
    /// What is signed for: the resource, not yet escaped.
    pub resource: Template,
    /// The keys, decoded.
    pub keys: SasKeys,
    /// The name of the key (`skn`); none where the resource says it.
    pub key_name: Option<String>,
    /// How long one is valid. The connection ends with it.
    pub lifetime: Duration,
}

/// The keys that sign.
#[derive(Clone, Debug)]
pub enum SasKeys {
    /// One for every client.
    One(Secret),
    /// The client's own, by identity; a client without is refused.
    Table(Arc<HashMap<Box<str>, Secret>>),
}

/// Client certificates towards a broker, one per identity.
#[derive(Clone, Debug)]
pub struct BrokerIdentities {
    /// Where they are.
    pub certificates: IdentityCertificates,
    /// What becomes of a client that has none.
    pub missing: Missing,
}

/// Where the certificates of identities are.
#[derive(Clone, Debug)]
pub enum IdentityCertificates {
    /// `NAME.pem` with `NAME.key` in a folder, NAME being the identity.
    Folder(PathBuf),
    /// By identity.
    Table(Arc<HashMap<Box<str>, KeyPair>>),
}

/// What becomes of a client that has no certificate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is refused.
    Refuse,
    /// The gateway's own certificate is shown for it.
    Own,
}

impl Words for Missing {
    const WORDS: &'static [(&'static str, Self)] = &[("refuse", Self::Refuse), ("own", Self::Own)];
}

/// PROXY protocol in front of what goes to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerProxyProtocol {
    /// Its version.
    pub version: ProxyVersion,
    /// Whether it tells of the client's TLS and certificate; version 2 alone.
    pub tls: bool,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// Text; addresses alone.
    V1,
    /// Binary.
    V2,
}

impl Words for ProxyVersion {
    const WORDS: &'static [(&'static str, Self)] = &[("v1", Self::V1), ("v2", Self::V2)];
}

/// The gateway's own connection to a broker, which publishes quarantined messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerQuarantine {
    /// Its Client Identifier; none makes one of the broker's name that no other process has.
    pub client_id: Option<Box<str>>,
    /// What it shows the broker.
    pub credentials: FixedCredentials,
    /// The version that it speaks: 3.1.1 or 5.0.
    pub version: Version,
    /// How surely envelopes are delivered: 0 or 1.
    pub qos: QoS,
    /// Messages that may wait.
    pub max_queued: usize,
    /// Their bytes.
    pub max_queued_bytes: usize,
    /// The longest silence.
    pub keep_alive: Duration,
}

//! TLS on both sides: settings to rustls configurations, one handshake and record layer without buffers of its own, and
//! a verified certificate to its [`Certificate`](crate::identity::Certificate).
//!
//! Not here: sockets and deadlines (`gateway`), and what an identity may do (`policy`).
//! Read [`session::Session`] first; [`server`] and [`client`] make what it runs on, [`verify`] looks again at a
//! certificate after every handshake, because a resumed one is not verified by rustls.

pub mod client;
pub mod error;
pub mod expiry;
pub mod failure;
mod files;
mod name;
mod names;
pub mod server;
pub mod session;
mod trust;
pub mod verify;
pub mod wire;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{SupportedProtocolVersion, version};

use crate::config::TlsVersion;

/// The oldest TLS version spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 [RFC 5246] and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 [RFC 8446] alone.
    Tls13,
}

impl From<TlsVersion> for MinVersion {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::V12 => Self::Tls12,
            TlsVersion::V13 => Self::Tls13,
        }
    }
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        static NEWEST: [&SupportedProtocolVersion; 1] = [&version::TLS13];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => &NEWEST,
        }
    }
}

/// The one crypto core, X25519MLKEM768 first among its key exchange groups.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

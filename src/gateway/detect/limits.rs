//! What one listener's settings let its clients do.

use std::net::IpAddr;

use crate::config::{self, Protection};
use crate::identity::Prefix;

/// How much is too much.
pub(in crate::gateway) struct Limits {
    pub(super) protection: Protection,
    pub(super) exempt: Box<[Prefix]>,
}

impl Limits {
    pub(in crate::gateway) fn of_listener(listener: &config::Listener) -> Self {
        Self { protection: listener.protection.clone(), exempt: listener.addresses.exempt.as_slice().into() }
    }

    /// Whether nothing is held against the address, nor whoever is known by it alone.
    pub(super) fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|prefix| prefix.contains(address))
    }
}

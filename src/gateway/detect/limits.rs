//! What one listener's settings let its clients do.

use std::net::IpAddr;

use super::tarpit::Places;
use crate::config::{self, Protection};
use crate::identity::Prefix;

/// Of the places for clients that are half open, one in so many may wait in the tarpit.
const TARPIT_SHARE: usize = 4;

/// How much is too much.
pub(in crate::gateway) struct Limits {
    pub(super) protection: Protection,
    pub(super) exempt: Box<[Prefix]>,
    pub(super) tarpit: Places,
}

impl Limits {
    pub(in crate::gateway) fn of_listener(listener: &config::Listener) -> Self {
        let config::Limits { max_half_open, max_half_open_per_address, .. } = listener.limits;
        let tarpit = Places {
            all: max_half_open / TARPIT_SHARE,
            of_network: max_half_open.min(max_half_open_per_address) / TARPIT_SHARE,
        };
        Self { protection: listener.protection.clone(), exempt: listener.addresses.exempt.as_slice().into(), tarpit }
    }

    /// Whether nothing is held against the address, nor against whoever is known by it alone.
    pub(super) fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|prefix| prefix.contains(address))
    }
}

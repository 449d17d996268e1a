//! Where clients dial from: who may, who is shut out, and how often, before anything else is done for them.
//!
//! Not here: how many connections there may be at a time (`admission`), and what somebody is banned for. Read
//! [`Sources::judge`] first.

mod flood;
mod lists;
mod shut_out;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admission::Bounds;
use crate::config::{self, Protection};
use crate::identity::{Identity, Network, Prefix, Who};
use crate::policy::{Key, Memory as _};
use crate::rate::{Rate, Tick};
use crate::store::{Ban, Lengths, Store};
pub(super) use flood::{Flood, Happened, write_sums};
pub(super) use lists::{Lists, Reader};
pub(super) use shut_out::{Grounds, NewBans, spread_bans};

/// What one listener asks of where its clients dial from.
pub(super) struct Sources {
    store: Arc<Store>,
    lists: Lists,
    exempt: Box<[Prefix]>,
    of_address: Limit,
    of_prefix: Limit,
    bounds: Bounds,
    lengths: Lengths,
}

/// How often something may happen, and the name of that in the table of buckets.
struct Limit {
    rate: Rate,
    rule: Key,
}

/// Why a connection is closed before anything of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barred {
    /// On a list of those that may not.
    Denied,
    /// On no list of those that may.
    NotAllowed,
    /// Shut out for a time.
    Banned,
    /// Too many connections of its address in a time.
    AddressRate,
    /// Too many of addresses that begin alike.
    PrefixRate,
}

impl Barred {
    /// A short stable name, for records and metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Denied => "addresses.deny",
            Self::NotAllowed => "addresses.allow",
            Self::Banned => "banned",
            Self::AddressRate => "connections_per_address",
            Self::PrefixRate => "connections_per_prefix",
        }
    }
}

impl Limit {
    /// One more of `whose`.
    fn take(&self, store: &Store, whose: Whose, now: Tick) -> bool {
        let Key(rule) = self.rule;
        let [kind, bits, more] = whose.map(u64::to_be_bytes);
        let whose = Key::quick(store.keys(), &[&rule.to_be_bytes(), &kind, &bits, &more]);
        store.bucket(self.rule, whose, now).take(&self.rate, 1, now).is_ok()
    }
}

/// An address, or some leading bits of one.
type Whose = [u64; 3];

impl Sources {
    pub(super) fn new(listener: &config::Listener, lists: Lists, bounds: Bounds, store: Arc<Store>) -> Self {
        let Protection { connections_per_address, connections_per_prefix, ban, max_ban, .. } = listener.protection;
        let rule = |barred: Barred| Key::quick(store.keys(), &[barred.label().as_bytes(), listener.name.as_bytes()]);
        let limit = |rate, barred| Limit { rate, rule: rule(barred) };
        let of_address = limit(connections_per_address, Barred::AddressRate);
        let of_prefix = limit(connections_per_prefix, Barred::PrefixRate);
        Self {
            store,
            lists,
            exempt: listener.addresses.exempt.clone().into(),
            of_address,
            of_prefix,
            bounds,
            lengths: Lengths { first: ban, max: max_ban },
        }
    }

    /// Whether a new connection from `address` may be: counts it, if so.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn judge(&self, address: IpAddr, now: Instant) -> Result<(), Barred> {
        self.lists.permit(address)?;
        if self.is_exempt(address) {
            return Ok(());
        }
        let (network, now) = (Network::of(address), self.store.epoch().tick(now));
        if self.store.bans().look(Who::Address(network), now).is_some() {
            return Err(Barred::Banned);
        }
        let [kind, bits] = network.numbers();
        if !self.of_address.take(&self.store, [kind, bits, 0], now) {
            return Err(Barred::AddressRate);
        }
        if !self.of_prefix.take(&self.store, leading(self.bounds.prefix(address)), now) {
            return Err(Barred::PrefixRate);
        }
        Ok(())
    }

    /// Whether a connection from `address` that is there already may stay.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn permit(&self, address: IpAddr) -> Result<(), Barred> {
        self.lists.permit(address)
    }

    /// Whether nothing is counted against `address`, and no ban of it holds.
    pub(super) fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|prefix| prefix.contains(address))
    }

    /// The ban that a client is under: by its name, or by where it dials from.
    pub(super) fn banned(&self, identity: &Identity, now: Instant) -> Option<Ban> {
        let (bans, now) = (self.store.bans(), self.store.epoch().tick(now));
        let by_name = match identity.who() {
            who @ Who::Client(_) => bans.look(who, now),
            Who::Address(_) => None,
        };
        let address = identity.source.ip();
        by_name.or_else(|| {
            let ban = bans.look(Who::Address(Network::of(address)), now)?;
            (!self.is_exempt(address)).then_some(ban)
        })
    }

    /// How long bans last, where the first is said to last as long as that.
    fn lengths(&self, first: Option<Duration>) -> Lengths {
        Lengths { first: first.unwrap_or(self.lengths.first), ..self.lengths }
    }
}

fn leading(prefix: IpAddr) -> Whose {
    match prefix {
        IpAddr::V4(address) => [0, address.to_bits().into(), 0],
        IpAddr::V6(address) => {
            let low = address.to_bits() & u128::from(u64::MAX);
            let [kind, high] = Network::of(address.into()).numbers();
            [kind, high, u64::try_from(low).unwrap_or_default()]
        }
    }
}

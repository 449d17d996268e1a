//! Who is shut out, and for how long: addresses and clients, each longer with each repeat.
//!
//! Not here: why somebody is banned, and who is told (`gateway`). Read [`Bans::ban`] first.

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::shards::{Map, Place, Room, SHARDS, Shards};
use crate::identity::{Network, Who};
use crate::policy::Key;
use crate::rate::Tick;

/// Addresses that are banned, or remembered to have been.
const MAX_ADDRESSES: usize = 1_000_000;

/// Clients, whose names take more room. Only who has proven a name is one.
const MAX_CLIENTS: usize = 65_536;

/// Of a client's name so many bytes are shown.
const MAX_NAME_BYTES: usize = 64;

/// For how long after its end a ban makes the next one longer.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Of a part of a table that has no room, one in so many gives way at once: looking at all of them is done for many.
const GIVES_WAY: usize = 64;

/// What somebody is banned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offence {
    /// Too many failed TLS handshakes.
    FailedHandshakes,
    /// Too many failed authentications.
    FailedAuthentications,
    /// Too many connections that ended with a malformed or illegal packet.
    Malformed,
    /// A rate of the policy.
    Rate,
}

impl Offence {
    /// Every offence, for references and metric families.
    pub const ALL: [Self; 4] = [Self::FailedHandshakes, Self::FailedAuthentications, Self::Malformed, Self::Rate];

    /// The word that settings, records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::FailedHandshakes => "failed_handshakes",
            Self::FailedAuthentications => "failed_authentications",
            Self::Malformed => "malformed",
            Self::Rate => "rate",
        }
    }
}

/// How long bans last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The first of somebody; each that follows lasts twice as long.
    pub first: Duration,
    /// None lasts longer, unless the first does.
    pub max: Duration,
}

impl Lengths {
    fn of(self, strike: u16) -> Duration {
        let doublings = u32::from(strike.saturating_sub(1)).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max.max(self.first))
    }
}

/// That somebody is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Until then.
    pub until: Tick,
    /// Which one of its bans it is; the first is 1.
    pub strike: u16,
    /// What for.
    pub offence: Offence,
}

/// A ban of somebody, for whoever asks for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banned {
    /// A client's name, of a long one the beginning, or a network.
    pub who: String,
    /// Whether it is a client.
    pub is_client: bool,
    /// The ban.
    pub ban: Ban,
}

/// A bounded table of bans.
///
/// Where there is no room, those that end soonest give way: who is banned for long stays so, however many others come.
pub struct Bans {
    addresses: Table<()>,
    clients: Table<Box<str>>,
    keys: [RandomState; 2],
}

impl Bans {
    pub(super) fn new() -> Self {
        Self::with(MAX_ADDRESSES, MAX_CLIENTS)
    }

    fn with(max_addresses: usize, max_clients: usize) -> Self {
        Self {
            addresses: Table::new(max_addresses),
            clients: Table::new(max_clients),
            keys: [RandomState::new(), RandomState::new()],
        }
    }

    /// Shuts somebody out: for twice as long as the last time, if that ended less than a day ago. Times are whole seconds,
    /// rounded up.
    ///
    /// None where that one is shut out already: what happens meanwhile makes it no longer.
    pub fn ban(&self, who: Who<'_>, lengths: Lengths, offence: Offence, now: Tick) -> Option<Ban> {
        match who {
            Who::Address(network) => self.addresses.ban(of_network(network), || (), lengths, offence, now),
            Who::Client(name) => self.clients.ban(self.of_client(name), || shown(name), lengths, offence, now),
        }
    }

    /// The ban that somebody is under.
    #[must_use]
    pub fn look(&self, who: Who<'_>, now: Tick) -> Option<Ban> {
        match who {
            Who::Address(network) => self.addresses.look(|| of_network(network), now),
            Who::Client(name) => self.clients.look(|| self.of_client(name), now),
        }
    }

    /// Bans in force, `most` of them: of clients first.
    #[must_use]
    pub fn list(&self, most: usize, now: Tick) -> Vec<Banned> {
        let mut listed = Vec::new();
        self.clients.list(most, now, &mut listed, true, |_, name| name.to_string());
        self.addresses.list(most, now, &mut listed, false, |place, ()| network_of(place).to_string());
        listed
    }

    /// How many addresses and how many clients are banned now.
    #[must_use]
    pub fn in_force(&self, now: Tick) -> (u64, u64) {
        (self.addresses.in_force(now), self.clients.in_force(now))
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.room.taken() + self.clients.room.taken()
    }

    /// Bans that ended early for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.addresses.evicted.load(Ordering::Relaxed) + self.clients.evicted.load(Ordering::Relaxed)
    }

    fn of_client(&self, name: &str) -> Place {
        Key::quick(&self.keys, &[name.as_bytes()]).into()
    }
}

impl fmt::Debug for Bans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bans").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn of_network(network: Network) -> Place {
    let [kind, bits] = network.numbers();
    (u128::from(kind) << 64 | u128::from(bits)).into()
}

fn network_of(place: Place) -> Network {
    let number = u128::from(place);
    let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    match u32::try_from(low) {
        Ok(address) if number >> 64 == 0 => Network::V4(address),
        Ok(_) | Err(_) => Network::V6(low),
    }
}

fn shown(name: &str) -> Box<str> {
    name.get(..name.floor_char_boundary(MAX_NAME_BYTES)).unwrap_or_default().into()
}

/// Bans of one kind; `N` is what is shown of who is banned beyond the key.
struct Table<N> {
    shards: Shards<Map<Row<N>>>,
    room: Room,
    evicted: AtomicU64,
}

/// Eight bytes, and a name: a million of them are to take little.
struct Row<N> {
    /// When it ends, in seconds of ticks.
    until: u32,
    strike: u16,
    offence: Offence,
    name: N,
}

impl<N> Row<N> {
    fn is_in_force(&self, now: Tick) -> bool {
        Tick(0).after(seconds(self.until)) > now
    }

    fn is_forgotten(&self, now: Tick) -> bool {
        Tick(0).after(seconds(self.until)).after(REMEMBERED) <= now
    }

    fn ban(&self) -> Ban {
        Ban { until: Tick(0).after(seconds(self.until)), strike: self.strike, offence: self.offence }
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

impl<N> Table<N> {
    fn new(max: usize) -> Self {
        Self { shards: Shards::new(Map::with_hasher), room: Room::new(max), evicted: AtomicU64::new(0) }
    }

    fn ban(
        &self,
        place: Place,
        name: impl FnOnce() -> N,
        lengths: Lengths,
        offence: Offence,
        now: Tick,
    ) -> Option<Ban> {
        let part = self.shards.part_of(place);
        let until = |strike| {
            let end = now.after(lengths.of(strike)).0.div_ceil(1_000_000_000);
            u32::try_from(end).unwrap_or(u32::MAX)
        };
        {
            let mut shard = self.shards.lock(part)?;
            if let Some(known) = shard.get_mut(&place) {
                if known.is_in_force(now) {
                    return None;
                }
                known.strike = if known.is_forgotten(now) { 1 } else { known.strike.saturating_add(1) };
                (known.until, known.offence) = (until(known.strike), offence);
                return Some(known.ban());
            }
            self.forget(&mut shard, now);
        }
        self.make_room(part, now);
        let mut shard = self.shards.lock(part)?;
        let row = Row { until: until(1), strike: 1, offence, name: name() };
        let ban = row.ban();
        if shard.insert(place, row).is_some() {
            // Another was quicker.
            self.room.give_back(1);
        }
        Some(ban)
    }

    /// Where a part would grow, what counts for nothing goes first.
    fn forget(&self, shard: &mut Map<Row<N>>, now: Tick) {
        if shard.len() < shard.capacity() {
            return;
        }
        let before = shard.len();
        shard.retain(|_, row| !row.is_forgotten(now));
        self.room.give_back(before - shard.len());
        // Or this would be done again for each that comes.
        if shard.len() > shard.capacity() / 4 * 3 {
            shard.reserve(shard.capacity() - shard.len() + 1);
        }
    }

    fn make_room(&self, part: usize, now: Tick) {
        while !self.room.take() {
            let gives_way = |part| self.shards.lock(part).is_some_and(|mut shard| self.give_way(&mut shard, now));
            if !Shards::<Map<Row<N>>>::from(part).any(gives_way) {
                // A table without any room holds one.
                self.room.force();
                return;
            }
        }
    }

    /// Takes away those that end soonest, and says whether there were any.
    fn give_way(&self, shard: &mut Map<Row<N>>, now: Tick) -> bool {
        let mut ends: Vec<(u32, Place)> = shard.iter().map(|(place, row)| (row.until, *place)).collect();
        let count = ends.len().div_ceil(GIVES_WAY);
        if let Some(last) = count.checked_sub(1) {
            ends.select_nth_unstable(last);
        }
        for (_, place) in ends.iter().take(count) {
            if shard.remove(place).is_some_and(|row| row.is_in_force(now)) {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.room.give_back(count);
        count > 0
    }

    fn look(&self, place: impl FnOnce() -> Place, now: Tick) -> Option<Ban> {
        if self.room.taken() == 0 {
            return None;
        }
        let place = place();
        let shard = self.shards.lock(self.shards.part_of(place))?;
        shard.get(&place).filter(|row| row.is_in_force(now)).map(Row::ban)
    }

    fn list(
        &self,
        most: usize,
        now: Tick,
        listed: &mut Vec<Banned>,
        is_client: bool,
        show: impl Fn(Place, &N) -> String,
    ) {
        for part in 0..SHARDS {
            let Some(shard) = self.shards.lock(part) else { continue };
            let in_force = shard.iter().filter(|(_, row)| row.is_in_force(now));
            let left = most.saturating_sub(listed.len());
            let banned =
                |(place, row): (&Place, &Row<N>)| Banned { who: show(*place, &row.name), is_client, ban: row.ban() };
            listed.extend(in_force.take(left).map(banned));
        }
    }

    fn in_force(&self, now: Tick) -> u64 {
        let count = |part| self.shards.lock(part).map_or(0, |shard| count_in_force(&shard, now));
        (0..SHARDS).map(count).sum()
    }
}

fn count_in_force<N>(shard: &Map<Row<N>>, now: Tick) -> u64 {
    shard.values().filter(|row| row.is_in_force(now)).count() as u64
}

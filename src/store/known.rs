//! Addresses that are known good: a client has come from there lately, proven who it is, and been let in.

use std::net::IpAddr;
use std::time::Duration;

use super::recent::Recent;
use crate::policy::Key;
use crate::rate::Tick;

/// How long an address is known after a client from there was let in, or after it left.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// Most addresses that are known at once: 64 bytes each.
pub(super) const MAX_KNOWN: usize = 200_000;

/// Known addresses.
///
/// INVARIANT: nothing enters but by [`KnownGood::note`], for clients that have proven who they are and were let in. Strangers, however many, drive
/// nobody out.
#[derive(Debug)]
pub(super) struct KnownGood(Recent<Tick>);

impl KnownGood {
    pub(super) fn new(max: usize) -> Self {
        Self(Recent::new(max))
    }

    pub(super) fn note(&self, key: Key, now: Tick) {
        self.0.put(key.into(), now, |known| known.0 < now.0, |known| is_over(*known, now));
    }

    pub(super) fn is_known(&self, key: Key, now: Tick) -> bool {
        self.0.get(key.into()).is_some_and(|known| !is_over(known, now))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

fn is_over(known: Tick, now: Tick) -> bool {
    known.until(now) >= KNOWN_FOR
}

/// The bytes that stand for one source: an IPv4 address, or the /64 of an IPv6 one, of which one host has all.
pub(super) fn source(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().iter().copied().take(8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_address_is_known_for_a_day_after_a_client_was_let_in() {
        let known = KnownGood::new(10);
        assert!(!known.is_known(Key(1), Tick(0)));
        known.note(Key(1), Tick(SECOND));
        let day = 24 * 3600 * SECOND;
        assert!(known.is_known(Key(1), Tick(day)));
        assert!(!known.is_known(Key(1), Tick(day + SECOND)));
        assert!(!known.is_known(Key(2), Tick(SECOND)));
        known.note(Key(1), Tick(day));
        assert!(known.is_known(Key(1), Tick(day + SECOND)), "each time anew");
    }

    #[test]
    fn questions_about_strangers_leave_no_trace() {
        let known = KnownGood::new(10);
        known.note(Key(0), Tick(0));
        for stranger in 1..10_000 {
            assert!(!known.is_known(Key(stranger), Tick(0)));
        }
        assert_eq!(known.len(), 1);
        assert!(known.is_known(Key(0), Tick(0)));
    }

    #[test]
    fn there_are_never_more_than_it_may_hold() {
        let known = KnownGood::new(100);
        for address in 0..10_000 {
            known.note(Key(address), Tick(0));
        }
        assert_eq!(known.len(), 100);
        assert_eq!(known.evicted(), 9_900);
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_the_network_of_a_host() {
        let same = [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ];
        for (one, other, expected) in same {
            assert_eq!(source(one.parse().unwrap()) == source(other.parse().unwrap()), expected, "{one} {other}");
        }
    }
}

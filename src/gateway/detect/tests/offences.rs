//! What addresses and clients are banned for, and which are spared.

use std::net::IpAddr;

use super::super::offences::{Consequence, of_end, of_handshake};
use super::*;
use crate::enforce::end::Violation;
use crate::identity::{Network, Who};
use crate::mqtt::error::DecodeError;
use crate::policy::Reason;
use crate::store::Offence;
use crate::tls::failure::HandshakeFailure;

const ADDRESS: &str = "192.0.2.7";

fn stranger() -> Identity {
    anonymous(ADDRESS, "")
}

impl World {
    fn strict() -> Self {
        let mut world = Self::new();
        let rate = Rate::new(5, 10 * SECOND);
        let protection = &mut world.limits.protection;
        (protection.malformed, protection.failed_handshakes, protection.failed_authentications) = (rate, rate, rate);
        world
    }

    fn offends<'i>(&self, offence: Offence, identity: &'i Identity, was_let_in: bool) -> Option<Consequence<'i>> {
        self.detectors.offended(&self.limits, offence, identity, was_let_in, self.now)
    }

    /// How often it goes unpunished, and what follows then.
    fn until_punished<'i>(
        &self,
        offence: Offence,
        identity: &'i Identity,
        was_let_in: bool,
    ) -> (usize, Option<Consequence<'i>>) {
        let mut consequence = None;
        let times = (0..10_000).take_while(|_| {
            consequence = self.offends(offence, identity, was_let_in);
            consequence.is_none()
        });
        (times.count(), consequence)
    }
}

const EACH: [(Offence, Detector); 3] = [
    (Offence::FailedHandshakes, Detector::FailedHandshakes),
    (Offence::FailedAuthentications, Detector::FailedAuthentications),
    (Offence::Malformed, Detector::Malformed),
];

#[test]
fn an_address_is_banned_at_one_more_than_it_may_and_others_are_not() {
    for (offence, detector) in EACH {
        let world = World::strict();
        let one = stranger();
        assert_eq!(world.until_punished(offence, &one, false), (5, Some(Consequence::Ban(one.who()))), "{offence:?}");
        assert_eq!(world.detections(detector), "1");
        assert_eq!(world.offends(offence, &anonymous("192.0.2.8", ""), false), None);
        for (other, _) in EACH.into_iter().filter(|(other, _)| *other != offence) {
            assert_eq!(world.offends(other, &one, false), None, "each has a count of its own");
        }
    }
}

#[test]
fn what_comes_slowly_is_never_punished() {
    for (offence, _) in EACH {
        let mut world = World::strict();
        for _ in 0..100 {
            assert_eq!(world.offends(offence, &stranger(), false), None);
            world.pass(2 * SECOND);
        }
    }
}

#[test]
fn one_host_can_not_go_by_many_addresses_of_its_network() {
    let world = World::strict();
    let of_host = |host: usize| anonymous(&format!("2001:db8::{host:x}"), "");
    let punished = (1..100).filter(|host| world.offends(Offence::Malformed, &of_host(*host), false).is_some());
    assert_eq!(punished.count(), 94);
}

#[test]
fn an_address_that_good_clients_come_from_is_spared_and_that_is_told_once_a_minute() {
    for (offence, detector) in EACH {
        let mut world = World::strict();
        world.detectors.store.let_in(ADDRESS.parse().unwrap(), world.now);
        let one = stranger();
        assert_eq!(world.until_punished(offence, &one, false), (5, Some(Consequence::Spare { is_told: true })));
        assert_eq!(world.offends(offence, &one, false), Some(Consequence::Spare { is_told: false }));
        assert_eq!(world.detections(detector), "2");
        world.pass(60 * SECOND);
        assert_eq!(world.until_punished(offence, &one, false), (5, Some(Consequence::Spare { is_told: true })));
        world.pass(24 * 3600 * SECOND);
        assert_eq!(world.until_punished(offence, &one, false), (5, Some(Consequence::Ban(one.who()))));
    }
}

#[test]
fn an_address_from_which_somebody_is_connected_is_spared_as_long_as_that_is_so() {
    let mut world = World::strict();
    let one = stranger();
    let guest = world.come(&anonymous(ADDRESS, "pump"), false).expect("it is let in");
    assert_eq!(world.until_punished(Offence::Malformed, &one, false).1, Some(Consequence::Spare { is_told: true }));
    world.leave(guest, &one, &goodbye());
    world.pass(10 * SECOND);
    assert_eq!(world.until_punished(Offence::Malformed, &one, false), (5, Some(Consequence::Ban(one.who()))));
    assert_eq!(world.detectors.present.len(), 0);
}

#[test]
fn nothing_is_held_against_an_exempt_address_but_against_clients_that_have_proven_a_name() {
    let mut world = World::strict();
    world.limits.exempt = [Prefix::parse("192.0.2.0/24").unwrap()].into();
    for (offence, _) in EACH {
        assert_eq!(world.until_punished(offence, &stranger(), false), (10_000, None));
        assert_eq!(world.until_punished(offence, &anonymous(ADDRESS, "pump"), true), (10_000, None));
    }
    let pump = client("pump", "pump");
    assert_eq!(world.until_punished(Offence::Malformed, &pump, true), (5, Some(Consequence::Ban(pump.who()))));
}

#[test]
fn a_client_that_has_proven_its_name_is_banned_by_that_and_no_one_else_of_its_address() {
    let world = World::strict();
    world.detectors.store.let_in(ADDRESS.parse().unwrap(), world.now);
    let pump = client("pump", "any");
    let (times, consequence) = world.until_punished(Offence::Malformed, &pump, true);
    assert_eq!((times, consequence), (5, Some(Consequence::Ban(Who::Client("pump")))), "wherever it dials from");
    assert_eq!(world.offends(Offence::Malformed, &client("valve", "any"), true), None);
    assert_eq!(world.offends(Offence::Malformed, &stranger(), false), None);
}

#[test]
fn one_of_many_without_a_name_behind_one_address_is_refused_before_the_address_is_banned() {
    let world = World::strict();
    let [bad, good] = ["bad", "good"].map(|client_id| anonymous(ADDRESS, client_id));
    for _ in 0..6 {
        assert_eq!(world.offends(Offence::Malformed, &bad, true), None);
    }
    assert_eq!(world.come(&bad, false).err(), Some(Detector::Malformed));
    assert!(world.come(&good, false).is_ok());
    world.until_punished(Offence::Malformed, &stranger(), false);
    assert!(world.come(&good, false).is_ok(), "what never was let in is not held against those that are");
    // Under another Client Identifier each time.
    let others = (0..1_000).map(|number| anonymous(ADDRESS, &format!("id-{number}")));
    let punished = others.filter(|other| world.offends(Offence::Malformed, other, true).is_some());
    assert_eq!(punished.count(), 506);
}

#[test]
fn what_counts_is_the_clients_own_doing() {
    let malformed = Cause::Malformed(DecodeError::ReservedFlags);
    for (cause, blame, expected) in [
        (malformed, Blame::Client, Some(Offence::Malformed)),
        (malformed, Blame::Broker, None),
        (Cause::Illegal(Violation::AliasMaximum), Blame::Client, Some(Offence::Malformed)),
        (Cause::WebSocket, Blame::Client, Some(Offence::Malformed)),
        (Cause::ConnectDeadline, Blame::Client, Some(Offence::FailedHandshakes)),
        (Cause::Refused(Reason::BadCredentials), Blame::Client, Some(Offence::FailedAuthentications)),
        (Cause::Refused(Reason::Unidentified), Blame::Client, Some(Offence::FailedAuthentications)),
        (Cause::Refused(Reason::Unavailable), Blame::Client, None),
        (Cause::Refused(Reason::NotAuthorized), Blame::Client, None),
        (Cause::Refused(Reason::ClientIdentifier), Blame::Client, None),
        (Cause::ClientLost, Blame::Client, None),
        (Cause::KeepAlive, Blame::Client, None),
        (Cause::PacketDeadline, Blame::Client, None),
    ] {
        assert_eq!(of_end(&End::new(cause, blame)), expected, "{cause:?} {blame:?}");
    }
    let not_counted = [
        HandshakeFailure::RevocationUnknown,
        HandshakeFailure::RevocationListExpired,
        HandshakeFailure::PeerRefusedCertificate,
        HandshakeFailure::Internal,
    ];
    for failure in HandshakeFailure::ALL {
        let expected = (!not_counted.contains(&failure)).then_some(Offence::FailedHandshakes);
        assert_eq!(of_handshake(failure.label()), expected, "{failure:?}");
    }
    for (reason, expected) in [("closed", false), ("io", false), ("aborted", true), ("timeout", true)] {
        assert_eq!(of_handshake(reason).is_some(), expected, "{reason}");
    }
}

#[test]
fn failures_are_answered_ever_later_up_to_a_limit_and_that_is_forgotten() {
    let mut world = World::new();
    let [one, other]: [IpAddr; 2] = [ADDRESS, "192.0.2.8"].map(|address| address.parse().unwrap());
    let millis = |world: &World, source| world.detectors.delay(&world.limits, source, world.now).as_millis();
    let answered: Vec<u128> = (0..8).map(|_| millis(&world, one)).collect();
    assert_eq!(answered, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(millis(&world, other), 250, "another is not slowed");
    // Eight are remembered; seven of them are forgotten.
    world.pass(7 * 30 * SECOND);
    assert_eq!(millis(&world, one), 500);
    for _ in 0..1_000 {
        assert!(millis(&world, one) <= 8000);
    }
    world.pass(16 * 30 * SECOND);
    assert_eq!(millis(&world, one), 250);
    world.limits.protection.tarpit = Duration::ZERO;
    assert_eq!(millis(&world, one), 0);
    world.limits = Limits { exempt: [Prefix::parse(ADDRESS).unwrap()].into(), ..Limits::for_tests() };
    assert_eq!(millis(&world, one), 0);
}

#[test]
fn the_network_of_a_ban_is_that_of_the_client() {
    let world = World::strict();
    let one = anonymous("2001:db8:1:2::3", "");
    let (_, consequence) = world.until_punished(Offence::FailedHandshakes, &one, false);
    let network = Network::of("2001:db8:1:2::".parse().unwrap());
    assert_eq!(consequence, Some(Consequence::Ban(Who::Address(network))));
}

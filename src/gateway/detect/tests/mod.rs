//! What clients may do how often, at times that the tests make up.

mod guesses;
mod offences;

use std::time::Duration;

use super::tarpit::Places;
use super::*;
use crate::config::Protection;
use crate::enforce::end::Violation;
use crate::identity::{Method, Prefix};
use crate::rate::Rate;
use crate::store::Bounds;

const SECOND: Duration = Duration::from_secs(1);

impl Detectors {
    /// With a store of its own.
    pub(in crate::gateway) fn for_tests() -> Arc<Self> {
        let bounds = Bounds { max_histories: 1, max_facts: 1, max_nonces: 1, max_counters: 1, max_buckets: 100_000 };
        let metrics = Arc::new(Metrics::new(["field"], []).unwrap());
        Arc::new(Self::new(Arc::new(Store::new(&bounds)), metrics))
    }
}

impl Limits {
    /// The defaults.
    pub(in crate::gateway) fn for_tests() -> Self {
        let tarpit = Places { all: 100, of_network: 10 };
        Self { protection: Protection::default(), exempt: Box::default(), tarpit }
    }
}

/// A gateway whose clients may do everything five times in ten seconds.
struct World {
    detectors: Arc<Detectors>,
    limits: Limits,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let rate = Rate::new(5, 10 * SECOND);
        let protection = Protection { flapping: rate, takeovers: rate, wills: rate, ..Protection::default() };
        Self {
            detectors: Detectors::for_tests(),
            limits: Limits { protection, ..Limits::for_tests() },
            now: Instant::now() + SECOND,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// A client that comes, or what keeps it from it.
    fn come(&self, identity: &Identity, has_will: bool) -> Result<Guest, Detector> {
        self.detectors.judge(&self.limits, identity, has_will, self.now)?;
        self.detectors.enter(&self.limits, identity, "plant", has_will, self.now).map(|guest| *guest)
    }

    fn leave(&self, guest: Guest, identity: &Identity, end: &End) {
        guest.leave(&self.limits, identity, end, self.now);
    }

    /// How often a client gets in that comes so often and stays so long each time.
    fn visits(&mut self, identity: &Identity, has_will: bool, end: &End, times: usize, stay: Duration) -> usize {
        let mut let_in = 0;
        for _ in 0..times {
            let guest = self.come(identity, has_will);
            self.pass(stay);
            if let Ok(guest) = guest {
                self.leave(guest, identity, end);
                let_in += 1;
            }
        }
        let_in
    }

    fn detections(&self, detector: Detector) -> String {
        let page = self.detectors.metrics.render().unwrap();
        let label = format!("tidegate_detections_total{{detector=\"{}\"}} ", detector.label());
        page.lines().find_map(|line| line.strip_prefix(&label)).unwrap().to_owned()
    }
}

fn client(name: &str, client_id: &str) -> Identity {
    let mut identity = anonymous("192.0.2.7", client_id);
    (identity.name, identity.method) = (Some(name.into()), Method::Password);
    identity
}

fn anonymous(address: &str, client_id: &str) -> Identity {
    let mut identity = Identity::new("field".into(), (address.parse::<std::net::IpAddr>().unwrap(), 5000).into(), None);
    identity.client_id = client_id.into();
    identity
}

fn lost() -> End {
    End::new(Cause::ClientLost, Blame::Client)
}

fn goodbye() -> End {
    End::new(Cause::ClientDisconnect, Blame::Client)
}

#[test]
fn a_client_that_is_gone_at_once_each_time_is_refused_until_it_has_calmed_down() {
    let mut world = World::new();
    let (pump, other) = (client("pump", "pump"), client("valve", "valve"));
    assert_eq!(world.visits(&pump, false, &goodbye(), 20, Duration::from_millis(1)), 5);
    assert_eq!(world.detections(Detector::Flapping), "15");
    assert!(world.come(&other, false).is_ok(), "another is not slowed");
    world.pass(2 * SECOND);
    assert_eq!(world.visits(&pump, false, &goodbye(), 5, Duration::from_millis(1)), 1, "one more every two seconds");
    world.pass(10 * SECOND);
    assert_eq!(world.visits(&pump, false, &goodbye(), 20, Duration::from_millis(1)), 5);
}

#[test]
fn staying_is_no_flapping_nor_is_an_end_that_is_not_the_clients_doing() {
    let mut world = World::new();
    let pump = client("pump", "pump");
    let within = world.limits.protection.flapping_within;
    assert_eq!(world.visits(&pump, false, &lost(), 20, within), 20);
    for blame in [Blame::Broker, Blame::Gateway] {
        let end = End::new(Cause::BrokerLost, blame);
        assert_eq!(world.visits(&pump, true, &end, 20, Duration::ZERO), 20, "{blame:?}");
    }
}

#[test]
fn a_reconnect_by_another_address_or_a_reload_resets_nothing() {
    let mut world = World::new();
    assert_eq!(world.visits(&client("pump", "pump"), false, &lost(), 5, Duration::ZERO), 5);
    let mut elsewhere = client("pump", "pump");
    elsewhere.source = "198.51.100.1:1".parse().unwrap();
    assert!(world.come(&elsewhere, false).is_err());
    world.limits = Limits { protection: world.limits.protection.clone(), ..Limits::for_tests() };
    assert!(world.come(&elsewhere, false).is_err());
}

#[test]
fn clients_that_share_a_name_or_an_address_do_not_stand_for_one_another_but_together_they_have_a_limit_too() {
    for whose in [|id: &str| client("plant", id), |id: &str| anonymous("192.0.2.7", id)] {
        let mut world = World::new();
        assert_eq!(world.visits(&whose("a"), false, &lost(), 10, Duration::ZERO), 5);
        assert!(world.come(&whose("b"), false).is_ok());
        let short = |world: &mut World, number: usize| {
            world.visits(&whose(&format!("id-{number}")), false, &lost(), 1, Duration::ZERO)
        };
        let let_in: usize = (0..2_000).map(|number| short(&mut world, number)).sum();
        assert_eq!(let_in, 495, "a hundred times as often, however many Client Identifiers");
        // Who leaves the choice of its Client Identifier to the broker is held to that alone.
        assert!(world.come(&whose(""), false).is_err());
        assert!(world.come(&client("elsewhere", "a"), false).is_ok());
    }
}

#[test]
fn a_plant_that_is_switched_on_at_once_behind_one_address_and_off_and_on_again_passes_with_defaults() {
    let mut world = World::new();
    world.limits.protection = Protection::default();
    let all: Vec<Identity> = (0..5_000).map(|number| anonymous("192.0.2.7", &format!("device-{number}"))).collect();
    for _ in 0..2 {
        let guests: Vec<_> = all.iter().map(|one| world.come(one, true).expect("it is let in")).collect();
        world.pass(SECOND);
        guests.into_iter().zip(&all).for_each(|(guest, one)| world.leave(guest, one, &lost()));
    }
    assert!(all.iter().all(|one| world.come(one, true).is_ok()));
}

#[test]
fn exempt_addresses_are_not_held_to_what_all_behind_them_do_together() {
    let mut world = World::new();
    world.limits.exempt = [Prefix::parse("192.0.2.0/24").unwrap()].into();
    let let_in = (0..2_000).filter(|number| {
        let one = anonymous("192.0.2.7", &format!("id-{number}"));
        let guest = world.come(&one, false);
        guest.map(|guest| world.leave(guest, &one, &lost())).is_ok()
    });
    assert_eq!(let_in.count(), 2_000);
}

#[test]
fn whoever_leaves_its_will_behind_too_often_is_refused_with_one_and_may_come_without() {
    let mut world = World::new();
    let (pump, within) = (client("pump", "pump"), world.limits.protection.flapping_within);
    // Long enough for all else; so tokens come back as well.
    world.limits.protection.wills = Rate::new(5, Duration::from_secs(3600));
    assert_eq!(world.visits(&pump, true, &lost(), 20, within), 5);
    assert_eq!(world.detections(Detector::Wills), "15");
    assert_eq!(world.visits(&pump, false, &lost(), 20, within), 20);
    world.pass(Duration::from_secs(720));
    assert!(world.come(&pump, true).is_ok());
}

#[test]
fn a_goodbye_leaves_no_will_unless_it_says_so() {
    let mut world = World::new();
    let (pump, within) = (client("pump", "pump"), world.limits.protection.flapping_within);
    world.limits.protection.wills = Rate::new(5, Duration::from_secs(3600));
    assert_eq!(world.visits(&pump, true, &goodbye(), 20, within), 20);
    let with_will = End { leaves_will: true, ..goodbye() };
    assert_eq!(world.visits(&pump, true, &with_will, 20, within), 5);
    let illegal = End::new(Cause::Illegal(Violation::AliasMaximum), Blame::Client);
    assert_eq!(world.visits(&client("valve", "valve"), true, &illegal, 20, within), 5);
}

#[test]
fn of_two_that_drive_one_another_out_the_one_that_is_there_stays() {
    let world = World::new();
    let pump = client("pump", "pump");
    let mut there = world.come(&pump, false).ok();
    for _ in 0..5 {
        there = Some(world.come(&pump, false).expect("it may take over"));
    }
    assert_eq!(world.come(&pump, false).err(), Some(Detector::Takeovers));
    assert_eq!(world.detections(Detector::Takeovers), "1");
    drop(there);
    assert!(world.come(&pump, false).is_ok(), "nobody is there, so nobody is driven out");
    assert_eq!(world.detectors.present.len(), 0);
}

#[test]
fn the_one_that_takes_over_more_often_is_the_one_that_is_refused() {
    let mut world = World::new();
    let (owner, other) = (client("owner", "pump"), client("other", "pump"));
    let mut there = world.come(&owner, false).expect("nobody is there");
    for newcomer in [&other, &owner].into_iter().cycle().take(10) {
        let came = world.come(newcomer, false).expect("it may take over");
        drop(std::mem::replace(&mut there, came));
    }
    assert!(world.come(&other, false).is_err());
    drop(there);
    // A stranger's takeovers are its own, and the owner may have its place back once more.
    world.pass(2 * SECOND);
    let stranger = world.come(&client("stranger", "pump"), false).expect("it may take over");
    assert!(world.come(&owner, false).is_ok());
    drop(stranger);
}

#[test]
fn many_that_take_over_one_client_identifier_have_a_limit_together() {
    let world = World::new();
    let _there = world.come(&client("owner", "pump"), false).expect("nobody is there");
    let takes_over = |number: &usize| world.come(&client(&format!("name-{number}"), "pump"), false).is_ok();
    assert_eq!((0..100).filter(takes_over).count(), 20);
    let elsewhere = world.detectors.enter(&world.limits, &client("x", "pump"), "other broker", false, world.now);
    assert!(elsewhere.is_ok(), "at another broker it is another client");
}

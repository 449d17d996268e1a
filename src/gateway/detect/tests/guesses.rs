//! How often passwords may be guessed, and by whom it is never noticed that others do.

use std::net::IpAddr;

use super::*;
use crate::store::Offence;

/// Where the plant is, and where others are.
const PLANT: &str = "192.0.2.7";

fn elsewhere(number: u8) -> IpAddr {
    [198, 51, 100, number].into()
}

fn plant() -> IpAddr {
    PLANT.parse().unwrap()
}

impl World {
    /// Five wrong ones in ten seconds for an address, and for a name.
    fn wary() -> Self {
        let mut world = Self::new();
        let rate = Rate::new(5, 10 * SECOND);
        let protection = &mut world.limits.protection;
        (protection.failed_authentications, protection.failed_authentications_per_name) = (rate, rate);
        world
    }

    /// Shows a password; none is looked at for a client that is refused before.
    fn shows(&self, source: IpAddr, name: &str, is_right: bool) -> Result<bool, Detector> {
        self.detectors.may_guess(&self.limits, source, name, self.now)?;
        if is_right {
            self.detectors.guessed_right(source, name, self.now);
            self.detectors.store.let_in(source, self.now);
        } else {
            self.detectors.guessed_wrong(&self.limits, source, name, self.now);
            let mut identity = anonymous(&source.to_string(), "");
            identity.username = Some(name.into());
            let _ = self.detectors.offended(&self.limits, Offence::FailedAuthentications, &identity, false, self.now);
        }
        Ok(is_right)
    }

    fn checked(&self, attempts: impl IntoIterator<Item = (IpAddr, String)>) -> usize {
        attempts.into_iter().filter(|(source, name)| self.shows(*source, name, false).is_ok()).count()
    }
}

#[test]
fn an_address_that_guesses_names_is_refused_before_anything_is_checked_where_it_can_not_be_banned() {
    let world = World::wary();
    let (_, strangers) = (world.shows(elsewhere(1), "good", true), elsewhere(3));
    assert_eq!(world.checked((0..100).map(|number| (strangers, format!("name-{number}")))), 100);
    assert_eq!(world.detections(Detector::FailedAuthentications), "95", "a ban each, of which the first ends all");
    assert_eq!(world.checked((0..100).map(|number| (elsewhere(1), format!("name-{number}")))), 5);
    assert_eq!(world.shows(elsewhere(1), "pump", true), Err(Detector::FailedAuthentications));
    assert_eq!(world.shows(elsewhere(2), "pump", true), Ok(true), "another address is not concerned");
    assert_eq!(world.detections(Detector::FailedAuthentications), (95 + 96).to_string());
}

#[test]
fn guesses_from_many_addresses_at_one_name_are_few_together_and_its_owner_gets_in_all_the_same() {
    let mut world = World::wary();
    assert_eq!(world.shows(plant(), "pump", true), Ok(true));
    assert_eq!(world.checked((0..100).map(|number| (elsewhere(number), "pump".to_owned()))), 5);
    assert_eq!(world.detections(Detector::FailedAuthenticationsPerName), "95");
    assert_eq!(world.shows(plant(), "pump", true), Ok(true), "known from there");
    assert_eq!(world.shows(elsewhere(200), "pump", true), Err(Detector::FailedAuthenticationsPerName));
    assert_eq!(world.shows(elsewhere(200), "valve", true), Ok(true), "another name is not concerned");
    world.pass(2 * SECOND);
    assert_eq!(world.checked((0..100).map(|number| (elsewhere(number), "pump".to_owned()))), 1);
}

#[test]
fn who_is_known_to_have_been_right_gets_in_from_an_address_where_somebody_guesses() {
    let world = World::wary();
    for number in 0..20 {
        assert_eq!(world.shows(plant(), &format!("device-{number}"), true), Ok(true));
    }
    assert_eq!(world.checked((0..100).map(|number| (plant(), format!("name-{number}")))), 5);
    for number in 0..20 {
        assert_eq!(world.shows(plant(), &format!("device-{number}"), true), Ok(true));
    }
    assert!(world.shows(plant(), "new", true).is_err(), "who is new there waits until that is over");
}

#[test]
fn a_plant_whose_passwords_were_changed_does_not_shut_itself_out() {
    let world = World::wary();
    let devices = || (0..50).map(|number| format!("device-{number}"));
    devices().for_each(|name| assert_eq!(world.shows(plant(), &name, true), Ok(true)));
    // Each tries with the old one a few times.
    for _ in 0..5 {
        assert_eq!(world.checked(devices().map(|name| (plant(), name))), 50);
    }
    assert_eq!(
        world.shows(plant(), "new", true),
        Ok(true),
        "whose failures are known to be their own are not the address's"
    );
    assert_eq!(world.checked(devices().map(|name| (plant(), name))), 0, "but they are bounded");
}

#[test]
fn an_acquaintance_ends_a_day_after_it_was_seen_last() {
    let mut world = World::wary();
    assert_eq!(world.shows(plant(), "pump", true), Ok(true));
    for _ in 0..2 {
        world.pass(23 * 3600 * SECOND);
        world.checked((0..10).map(|number| (elsewhere(number), "pump".to_owned())));
        assert_eq!(world.shows(plant(), "pump", true), Ok(true));
    }
    world.pass(24 * 3600 * SECOND);
    world.checked((0..10).map(|number| (elsewhere(number), "pump".to_owned())));
    assert!(world.shows(plant(), "pump", true).is_err());
}

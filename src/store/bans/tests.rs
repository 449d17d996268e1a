use std::time::Instant;

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LENGTHS: Lengths = Lengths { first: MINUTE, max: Duration::from_secs(600) };

fn at(time: Duration) -> Tick {
    Tick(0).after(time)
}

fn address(text: &str) -> Who<'static> {
    Who::Address(Network::of(text.parse().unwrap()))
}

fn numbered(number: u32) -> Who<'static> {
    Who::Address(Network::V4(number))
}

#[test]
fn a_ban_ends_by_itself_and_shuts_out_nobody_else() {
    let bans = Bans::new();
    let press = Who::Client("press-4");
    for (who, other) in [
        (address("192.0.2.7"), address("192.0.2.8")),
        (address("2001:db8:1:2::7"), address("2001:db8:1:3::7")),
        (press, Who::Client("press-5")),
    ] {
        let ban = bans.ban(who, LENGTHS, Offence::Malformed, at(MINUTE)).unwrap();
        assert_eq!(ban, Ban { until: at(2 * MINUTE), strike: 1, offence: Offence::Malformed });
        assert_eq!(bans.look(who, at(2 * MINUTE - Duration::from_nanos(1))), Some(ban));
        assert_eq!(bans.look(who, at(2 * MINUTE)), None);
        assert_eq!(bans.look(other, at(MINUTE)), None);
    }
    assert!(bans.look(address("::ffff:192.0.2.7"), at(MINUTE)).is_some(), "the same address, written otherwise");
    assert!(bans.look(address("2001:db8:1:2:ffff::1"), at(MINUTE)).is_some(), "the same /64");
}

#[test]
fn each_repeat_within_a_day_lasts_twice_as_long_up_to_the_longest() {
    let bans = Bans::new();
    let who = address("192.0.2.7");
    let mut now = Duration::ZERO;
    for (strike, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10)] {
        let ban = bans.ban(who, LENGTHS, Offence::FailedHandshakes, at(now)).unwrap();
        assert_eq!((ban.strike, ban.until), (strike, at(now + minutes * MINUTE)));
        assert_eq!(bans.ban(who, LENGTHS, Offence::Malformed, at(now)), None, "is banned already");
        assert_eq!(bans.look(who, at(now)), Some(ban));
        now += minutes * MINUTE;
    }
    let almost = now + DAY - Duration::from_secs(1);
    assert_eq!(bans.ban(who, LENGTHS, Offence::Rate, at(almost)).unwrap().strike, 7);
    let forgotten = almost + 10 * MINUTE + DAY;
    assert_eq!(bans.ban(who, LENGTHS, Offence::Rate, at(forgotten)).unwrap().strike, 1);
}

#[test]
fn a_first_ban_above_the_longest_lasts_as_long_as_it_says() {
    let bans = Bans::new();
    let lengths = Lengths { first: DAY, max: MINUTE };
    let who = Who::Client("press-4");
    assert_eq!(bans.ban(who, lengths, Offence::Rate, at(MINUTE)).unwrap().until, at(MINUTE + DAY));
    let again = bans.ban(who, lengths, Offence::Rate, at(MINUTE + DAY)).unwrap();
    assert_eq!(again.until, at(MINUTE + 2 * DAY));
}

#[test]
fn without_room_those_that_end_soonest_give_way() {
    let bans = Bans::with(1_000, 10);
    let long = Lengths { first: DAY, max: DAY };
    for number in 0..100 {
        bans.ban(numbered(number), long, Offence::Rate, at(MINUTE)).unwrap();
    }
    for number in 100..1_000_000 {
        bans.ban(numbered(number), LENGTHS, Offence::Rate, at(MINUTE)).unwrap();
        assert!(bans.len() <= 1_000);
    }
    for number in 0..100 {
        assert!(bans.look(numbered(number), at(MINUTE)).is_some(), "{number}");
    }
    assert!(bans.look(numbered(999_999), at(MINUTE)).is_some() || bans.evicted() > 0);
    assert_eq!(bans.evicted() + bans.in_force(at(MINUTE)).0, 1_000_000);
}

#[test]
fn what_is_over_gives_way_first_and_is_not_counted() {
    let bans = Bans::with(1_000, 10);
    for number in 0..1_000 {
        bans.ban(numbered(number), LENGTHS, Offence::Rate, at(MINUTE)).unwrap();
    }
    for number in 1_000..1_400 {
        bans.ban(numbered(number), LENGTHS, Offence::Rate, at(2 * MINUTE)).unwrap();
    }
    assert_eq!((bans.evicted(), bans.in_force(at(2 * MINUTE)).0), (0, 400));
    assert!(bans.len() <= 1_000);
}

#[test]
fn clients_take_no_room_from_addresses() {
    let bans = Bans::with(10, 10);
    for number in 0..10 {
        bans.ban(numbered(number), LENGTHS, Offence::Rate, at(MINUTE)).unwrap();
    }
    for number in 0..1_000 {
        bans.ban(Who::Client(&format!("press-{number}")), LENGTHS, Offence::Rate, at(MINUTE)).unwrap();
    }
    assert_eq!(bans.in_force(at(MINUTE)), (10, 10));
}

#[test]
fn what_is_listed_is_in_force_and_no_more_than_was_asked_for() {
    let bans = Bans::new();
    let long = "ä".repeat(100);
    bans.ban(Who::Client(&long), LENGTHS, Offence::Rate, at(MINUTE)).unwrap();
    bans.ban(address("2001:db8::7"), LENGTHS, Offence::Malformed, at(MINUTE)).unwrap();
    bans.ban(address("192.0.2.7"), LENGTHS, Offence::Malformed, at(MINUTE)).unwrap();
    bans.ban(address("192.0.2.8"), LENGTHS, Offence::Malformed, at(Duration::ZERO)).unwrap();
    let mut listed: Vec<String> = bans.list(10, at(MINUTE)).into_iter().map(|banned| banned.who).collect();
    listed.sort();
    assert_eq!(listed, ["192.0.2.7", "2001:db8::/64", &"ä".repeat(MAX_NAME_BYTES / 2)]);
    assert_eq!(bans.list(2, at(MINUTE)).len(), 2);
    assert!(bans.list(1, at(MINUTE))[0].is_client);
}

proptest! {
    #[test]
    fn a_network_is_listed_as_what_it_is(v4: u32, v6: u64, low: u32) {
        for network in [Network::V4(v4), Network::V6(v6), Network::V6(low.into())] {
            prop_assert_eq!(network_of(of_network(network)), network);
        }
    }
}

#[test]
fn a_million_bans_are_found_and_a_look_at_them_takes_no_time() {
    let bans = Bans::new();
    let spread = |number: u32| Who::Address(Network::V6(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let most = u32::try_from(MAX_ADDRESSES).unwrap();
    for number in 0..most {
        bans.ban(spread(number), LENGTHS, Offence::Rate, at(MINUTE)).unwrap();
    }
    assert_eq!((bans.len(), bans.evicted()), (usize::try_from(most).unwrap(), 0));
    let began = Instant::now();
    let found = (0..2 * most).filter(|number| bans.look(spread(*number), at(MINUTE)).is_some()).count();
    assert_eq!(found, usize::try_from(most).unwrap());
    // Unoptimised and on a busy machine: far above what `benches/sources.rs` measures.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

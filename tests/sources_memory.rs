//! What a million networks and a million bans take: resident memory. In a program of its own, so that nothing else moves the
//! number.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use tidegate::identity::{Network, Prefix, Prefixes, Who};
use tidegate::policy::Memory as _;
use tidegate::store::{Bounds, Lengths, Offence, Store};

const MILLION: u32 = 1_000_000;
const MAX_BYTES: usize = 64 << 20;

fn resident_bytes() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn address(number: u32) -> IpAddr {
    Ipv6Addr::from_bits(1 << 125 | u128::from(number.wrapping_mul(0x9e37_79b1)) << 80).into()
}

fn taken<T>(what: &str, make: impl FnOnce() -> T) -> T {
    let before = resident_bytes();
    let made = make();
    let bytes = resident_bytes().saturating_sub(before);
    println!("{what}: {} MiB", bytes >> 20);
    assert!(bytes <= MAX_BYTES, "{what}: {bytes} bytes");
    made
}

#[test]
fn a_million_networks_and_a_million_bans_take_less_than_64_mib_each() {
    let bounds = Bounds { max_histories: 1, max_facts: 1, max_nonces: 1, max_counters: 1, max_buckets: 1 };
    let store = Store::new(&bounds);
    let now = store.epoch().tick(Instant::now());
    let lengths = Lengths { first: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    taken("1,000,000 bans", || {
        for number in 0..MILLION {
            store.bans().ban(Who::Address(Network::of(address(number))), lengths, Offence::Malformed, now).unwrap();
        }
    });
    assert_eq!(store.bans().in_force(now), (MILLION.into(), 0));
    // What is found is what was put in.
    let found = |number| store.bans().look(Who::Address(Network::of(address(number))), now).is_some();
    assert!((0..MILLION).step_by(997).all(found) && !(MILLION..2 * MILLION).step_by(997).any(found));

    let set = taken("a list of 1,000,000 networks", || {
        let mut prefixes = Prefixes::default();
        (0..MILLION).for_each(|number| prefixes.add(Prefix { address: address(number), bits: 64 }));
        prefixes.finish()
    });
    assert!((0..MILLION).step_by(997).all(|number| set.contains(address(number))));
}

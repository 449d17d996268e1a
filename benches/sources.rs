//! What it costs to look up where a client dials from: in lists of a million networks, and among a million bans.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::identity::{Network, Prefix, PrefixSet, Prefixes, Who};
use tidegate::policy::Memory as _;
use tidegate::store::{Bounds, Lengths, Offence, Store};

const MILLION: u32 = 1_000_000;
const BOUNDS: Bounds = Bounds { max_histories: 1, max_facts: 1, max_nonces: 1, max_counters: 1, max_buckets: 1 };

/// Numbers all over, each once.
fn spread(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1)
}

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(spread(number)).into()
}

/// Below 2000::/3, where addresses are.
fn v6(number: u32) -> IpAddr {
    Ipv6Addr::from_bits(1 << 125 | u128::from(spread(number)) << 80 | 1).into()
}

fn list(address: fn(u32) -> IpAddr, bits: u8) -> PrefixSet {
    let mut prefixes = Prefixes::default();
    (0..MILLION).for_each(|number| prefixes.add(Prefix { address: address(number), bits }));
    prefixes.finish()
}

/// Looks up another one each time: every second is there.
fn each(bench: &mut criterion::Bencher<'_>, mut look: impl FnMut(u32) -> bool) {
    let mut number = 0_u32;
    bench.iter(|| {
        number = number.wrapping_add(7919) % (2 * MILLION);
        black_box(look(black_box(number)))
    });
}

fn sources(criterion: &mut Criterion) {
    let four = list(v4, 32);
    criterion.bench_function("a list of 1,000,000 addresses of IPv4", |bench| {
        each(bench, |number| four.contains(v4(number)));
    });
    drop(four);
    let six = list(v6, 64);
    criterion.bench_function("a list of 1,000,000 networks of IPv6", |bench| {
        each(bench, |number| six.contains(v6(number)));
    });
    drop(six);
    let store = Store::new(&BOUNDS);
    let now = store.epoch().tick(Instant::now());
    let lengths = Lengths { first: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    criterion.bench_function("no bans", |bench| {
        each(bench, |number| store.bans().look(Who::Address(Network::of(v4(number))), now).is_some());
    });
    for number in 0..MILLION {
        store.bans().ban(Who::Address(Network::of(v4(number))), lengths, Offence::Malformed, now).unwrap();
    }
    criterion.bench_function("1,000,000 bans", |bench| {
        each(bench, |number| store.bans().look(Who::Address(Network::of(v4(number))), now).is_some());
    });
    criterion.bench_function("1,000,000 bans, by name", |bench| {
        each(bench, |number| {
            let name = if number % 2 == 0 { "press-4.line-1.plant" } else { "press-5.line-1.plant" };
            store.bans().look(Who::Client(name), now).is_some()
        });
    });
}

criterion_group!(benches, sources);
criterion_main!(benches);

//! Shares: what is kept for a role, and what others may borrow.

use proptest::prelude::*;

use super::*;

fn shared(tokens: u64, burst: u64, shares: &[(&str, u16)], on_excess: Option<Excess>) -> Arc<Policy> {
    let shares = shares.iter().map(|&(role, thousandths)| Share { role: role.to_owned(), thousandths }).collect();
    let limits = vec![(Unit::Messages, rate(tokens).with_burst(burst))];
    compiled(vec![RateRule { limits, shares, on_excess, ..messages("all", Per::Gateway, tokens) }])
}

/// What goes on in so many milliseconds of messages that each client sends, so many in each of them.
fn run(clients: &mut [(Client, usize)], from: u64, millis: u64) -> Vec<usize> {
    let mut passed = vec![0; clients.len()];
    for at in from..from + millis {
        for ((client, count), passed) in clients.iter_mut().zip(&mut passed) {
            *passed += client.passes(at, "a", *count);
        }
    }
    passed
}

fn clients(policy: &Arc<Policy>, of: &[(&str, usize)]) -> Vec<(Client, usize)> {
    let (memory, start) = (store(), Instant::now() + SECOND);
    of.iter().map(|(name, count)| (Client::new(policy, named(name), Some(&memory)).since(start), *count)).collect()
}

#[test]
fn telemetry_flat_out_never_starves_commands_whoever_comes_first() {
    for on_excess in [None, Some(Excess::Reject)] {
        let policy = shared(100, 100, &[("hmi", 500), ("sensor", 200)], on_excess);
        for order in [["sensor", "hmi", "other"], ["other", "sensor", "hmi"]] {
            let mut all = clients(&policy, &order.map(|name| (name, if name == "hmi" { 0 } else { 20 })));
            run(&mut all, 0, 3000);
            // Commands begin when nothing is left: 50 a second are theirs, and a burst of 50.
            all.iter_mut().filter(|(client, _)| &*client.identity.client_id == "hmi").for_each(|(_, count)| *count = 1);
            let passed = run(&mut all, 3000, 10_000);
            let of = |name| passed[order.iter().position(|other| *other == name).unwrap()];
            assert!(of("hmi") >= 500, "{passed:?}");
            assert!(of("sensor") >= 199, "{passed:?}");
            assert!(passed.iter().sum::<usize>() <= 1000 + 170, "{passed:?}");
        }
    }
}

#[test]
fn a_share_that_nobody_uses_is_borrowed_by_all_others() {
    let policy = shared(100, 10, &[("hmi", 500), ("sensor", 200)], None);
    for name in ["sensor", "other"] {
        let passed = run(&mut clients(&policy, &[(name, 5)]), 0, 10_000);
        assert!((1000..=1012).contains(&passed[0]), "{name} {passed:?}");
    }
}

#[test]
fn who_has_no_share_lives_of_what_is_left() {
    let policy = shared(100, 10, &[("hmi", 500), ("sensor", 500)], None);
    let passed = run(&mut clients(&policy, &[("hmi", 5), ("sensor", 5), ("other", 5)]), 0, 10_000);
    assert!(passed[0] >= 500 && passed[1] >= 500 && passed[2] <= 20, "{passed:?}");
    assert!(passed.iter().sum::<usize>() <= 1000 + 20, "{passed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Rate × time + burst × (1 + all shares), whoever comes when; a token more for each share that is less than one.
    #[test]
    fn shares_together_never_grant_more_than_the_rate_and_their_bursts(
        tokens in 1_u64..60,
        burst in 1_u64..60,
        (hmi, sensor) in (1_u16..500, 1_u16..500),
        asked in prop::collection::vec((0_u64..120, 0_usize..3, 1_usize..8), 1..150),
    ) {
        let policy = shared(tokens, burst, &[("hmi", hmi), ("sensor", sensor)], None);
        let mut all = clients(&policy, &[("hmi", 0), ("sensor", 0), ("other", 0)]);
        let (mut now, mut granted) = (0, Vec::new());
        for (pause, who, count) in asked {
            now += pause;
            granted.push((now, all[who].0.passes(now, "a", count) as u64));
        }
        let bursts = burst * 1000 + (burst * u64::from(hmi)).max(1000) + (burst * u64::from(sensor)).max(1000);
        for (from, (began, _)) in granted.iter().enumerate() {
            let mut sum = 0;
            for (ends, count) in &granted[from..] {
                sum += count;
                prop_assert!(sum * 1000 <= tokens * (ends - began) + bursts, "{sum} in {} ms", ends - began);
            }
        }
    }
}

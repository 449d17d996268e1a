//! Never more than rate × time + burst, whoever comes when, by which connection.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Something that a client does: how long after what came before, over which of its connections, what, and how often.
type Step = (u64, usize, usize, usize, usize);

/// One of three clients, by one of two addresses.
fn identity(client: usize, connection: usize) -> Identity {
    let name = ["sensor", "hmi", "both"][client % 3];
    let source = ([192, 0, 2, u8::try_from(connection % 2).unwrap()], 1883).into();
    Identity { source, client_id: format!("{client}-{connection}").into(), ..named(name) }
}

/// Whose a message is under a rule, told otherwise than by the code that is tested.
fn whose(per: Per, identity: &Identity, topic: &str) -> String {
    match per {
        Per::Identity => identity.name.as_deref().unwrap().to_owned(),
        Per::Client => identity.client_id.to_string(),
        Per::Address => identity.source.ip().to_string(),
        Per::Topic => topic.to_owned(),
        Per::Role => identity.name.as_deref().unwrap().to_owned(),
        Per::Prefix { .. } | Per::Listener | Per::Gateway => String::new(),
    }
}

const PER: [Per; 8] = [
    Per::Identity,
    Per::Client,
    Per::Address,
    Per::Prefix { ipv4: 24, ipv6: 56 },
    Per::Role,
    Per::Topic,
    Per::Listener,
    Per::Gateway,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0_u64..400, 0_usize..3, 0_usize..4, 0_usize..12, 1_usize..6), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_of_connections_gets_more_than_rate_and_burst_of_any_rule(
        rules in prop::collection::vec((0_usize..8, 1_u64..20, 1_u64..20, any::<bool>()), 1..4),
        steps in steps(),
    ) {
        let rates = rules.iter().enumerate().map(|(at, &(per, tokens, burst, is_filtered))| RateRule {
            limits: vec![(Unit::Messages, rate(tokens).with_burst(burst))],
            publish: if is_filtered { texts(&["t/#"]) } else { Vec::new() },
            ..messages(&format!("rule-{at}"), PER[per], tokens)
        });
        let (policy, memory, start) = (compiled(rates.collect()), store(), Instant::now() + SECOND);
        let mut connections: HashMap<(usize, usize), Client> = HashMap::new();
        let mut granted: HashMap<(usize, String), Vec<(u64, u64)>> = HashMap::new();
        let mut now = 0;
        for (pause, client, connection, topic, count) in steps {
            now += pause;
            if topic == 0 {
                // It dials again.
                connections.remove(&(client, connection));
            }
            let topic = format!("{}/{topic}", if topic % 4 == 0 { "u" } else { "t" });
            let one = connections.entry((client, connection)).or_insert_with(|| {
                Client::new(&policy, identity(client, connection), Some(&memory)).since(start)
            });
            let passed = one.passes(now, &topic, count) as u64;
            for (at, &(per, .., is_filtered)) in rules.iter().enumerate() {
                if !is_filtered || topic.starts_with("t/") {
                    granted.entry((at, whose(PER[per], &one.identity, &topic))).or_default().push((now, passed));
                }
            }
        }
        for ((rule, whose), granted) in granted {
            let (_, tokens, burst, _) = rules[rule];
            for (from, (began, _)) in granted.iter().enumerate() {
                let mut sum = 0;
                for (ends, passed) in &granted[from..] {
                    sum += passed;
                    prop_assert!(
                        sum * 1000 <= tokens * (ends - began) + burst * 1000,
                        "{:?} {whose}: {sum} in {} ms", PER[rules[rule].0], ends - began
                    );
                }
            }
        }
    }

    /// Whoever is told to wait, and asks again then, is let through if nobody came between; a moment earlier it is not.
    #[test]
    fn waiting_as_told_is_long_enough_and_not_too_long(
        rates in prop::collection::vec((1_u64..50, 1_u64..20, 1_u64..4), 1..4),
        asked in 1_usize..40,
    ) {
        let rules = rates.iter().enumerate().map(|(at, &(tokens, burst, seconds))| RateRule {
            limits: vec![(Unit::Messages, Rate::new(tokens, SECOND * u32::try_from(seconds).unwrap()).with_burst(burst))],
            ..messages(&format!("rule-{at}"), Per::Identity, tokens)
        });
        let policy = compiled(rules.collect());
        let mut client = Client::new(&policy, named("sensor"), Some(&store()));
        let mut now = client.start;
        let message = || Metered::Message { from: Direction::FromClient, topic: "a", payload_bytes: 1 };
        for _ in 0..asked {
            if let Allowance::Wait { until, .. } = client.authority.meter(&client.identity, message(), now) {
                let wait = client.authority.meter.as_ref().unwrap().known_epoch().unwrap().tick(now).until(until);
                prop_assert!(!wait.is_zero());
                let early = client.authority.meter(&client.identity, message(), now + wait - Duration::from_nanos(1));
                let is_early = matches!(early, Allowance::Wait { .. });
                prop_assert!(is_early);
                now += wait;
                prop_assert_eq!(client.authority.meter(&client.identity, message(), now), Allowance::Pass);
            }
        }
    }
}

#[test]
fn threads_that_draw_from_one_bucket_get_no_more_together() {
    let (policy, memory, start) =
        (compiled(vec![messages("rule", Per::Gateway, 500)]), store(), Instant::now() + SECOND);
    let passed: usize = std::thread::scope(|scope| {
        let one = |name: &str| {
            let mut client = Client::new(&policy, named(name), Some(&memory)).since(start);
            scope.spawn(move || (0..1000).map(|at| client.passes(at, "a", 3)).sum::<usize>())
        };
        let all = ["a", "b", "c", "d"].map(one);
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert!((500..=1000).contains(&passed), "{passed}");
}

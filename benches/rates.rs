//! What counting a message costs, beside a policy that counts nothing: rules of an identity, a topic, the whole.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::identity::{Identity, Method};
use tidegate::mqtt::Direction;
use tidegate::mqtt::frame::QoS;
use tidegate::policy::{
    Allowance, Authority, Decision, Draft, Memory, Message, Metered, Per, Policy, RateRule, Request, Share, Unit,
};
use tidegate::rate::Rate;
use tidegate::store::{Bounds, Store};

/// Enough for what is measured here.
const BOUNDS: Bounds =
    Bounds { max_histories: 1000, max_facts: 1000, max_nonces: 1000, max_counters: 1000, max_buckets: 1000 };
const TOPIC: &str = "plant/line1/temperature/t07";

fn rule(id: &str, per: Per) -> RateRule {
    // Never used up.
    let limits = vec![(Unit::Messages, Rate::new(1 << 40, Duration::from_secs(1)))];
    RateRule { per, limits, ..RateRule::new(id) }
}

fn filtered(id: &str, per: Per) -> RateRule {
    RateRule { publish: vec!["plant/+/temperature/+".to_owned()], ..rule(id, per) }
}

/// A message as the relay has it judged: counted, if anything is, then decided upon.
fn rates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rates");
    let identity = Identity::new("bench".into(), ([127, 0, 0, 1], 1883).into(), None);
    let identity = Identity { name: Some("temp-07".into()), method: Method::Certificate, ..identity };
    let shares = vec![Share { role: "everyone".to_owned(), thousandths: 500 }];
    let three =
        || vec![rule("identity", Per::Identity), filtered("topic", Per::Identity), rule("gateway", Per::Gateway)];
    for (name, rates) in [
        ("permit all", vec![]),
        ("identity", vec![rule("identity", Per::Identity)]),
        ("identity, topic filter, gateway", three()),
        (
            "identity, each topic, gateway",
            vec![rule("identity", Per::Identity), filtered("topic", Per::Topic), rule("gateway", Per::Gateway)],
        ),
        (
            "identity, topic filter, gateway with shares",
            vec![
                rule("identity", Per::Identity),
                filtered("topic", Per::Identity),
                RateRule { shares, ..rule("gateway", Per::Gateway) },
            ],
        ),
    ] {
        let policy = Policy::new(Draft { permit_all: true, rates, ..Draft::new("1") }).unwrap();
        let memory: Arc<dyn Memory> = Arc::new(Store::new(&BOUNDS));
        let mut authority = Authority::new(&Arc::new(policy), &identity, 0).with_memory(Some(memory));
        let (qos, payload_bytes) = (QoS::One, 256);
        let (retain, payload, dup, properties) = (false, None, false, None);
        let request = Request::Publish(Message { topic: TOPIC, qos, retain, payload_bytes, payload, dup, properties });
        let what = Metered::Message { from: Direction::FromClient, topic: TOPIC, payload_bytes };
        // The relay asks the clock once for a batch of packets.
        let now = Instant::now();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                if authority.is_metered() {
                    let allowance = authority.meter(black_box(&identity), black_box(what), black_box(now));
                    assert!(black_box(allowance) == Allowance::Pass);
                }
                assert!(black_box(authority.decide(black_box(&identity), black_box(&request))) == Decision::Allow);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rates);
criterion_main!(benches);

//! What a decision costs: policies of 10, 1,000 and 10,000 rules, asked for what they have been asked before and for what
//! they have not; and what it costs to settle an identity, and to compile a policy.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tidegate::identity::{Attribute, Identity, Pattern};
use tidegate::mqtt::frame::QoS;
use tidegate::policy::{
    Authority, Condition, Decision, Deny, Draft, Grant, Message, Policy, Request, Role, Subscription,
};

const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// Nine grants and one denial in ten rules, for everyone: every topic is held against all of them.
fn plant(rules: usize) -> Draft {
    let mut draft = Draft::new("1");
    for number in 0..rules {
        let id = format!("rule-{number}");
        if number % 10 == 9 {
            draft.denies.push(Deny {
                publish: vec![format!("plant/line-{number}/+/recipe/#")],
                subscribe: vec![format!("plant/line-{number}/+/recipe/#")],
                ..Deny::new(&id)
            });
        } else {
            draft.grants.push(Grant {
                publish: vec![format!("plant/line-{number}/temperature/${{identity}}")],
                subscribe: vec![format!("plant/line-{number}/command/${{identity}}/#")],
                ..Grant::new(&id, &["everyone"])
            });
        }
    }
    draft
}

/// A role for each user with a grant of its own, as an import makes them, and a role for 100,000 identities.
fn fleet(rules: usize) -> Draft {
    let mut draft = Draft::new("1");
    for number in 0..rules {
        let user = format!("user-{number}");
        let any = vec![Pattern::new(&user)];
        let conditions = vec![Condition::Text { attribute: Attribute::Username, any }];
        draft.roles.push(Role { conditions, ..Role::new(&user) });
        draft.grants.push(Grant {
            publish: vec![format!("plant/{user}/#"), "plant/+/status".to_owned()],
            ..Grant::new(&format!("grant-{number}"), &[&user])
        });
    }
    let members = (0..100_000).map(|number| format!("temp-{number}").into()).collect();
    draft.roles.push(Role { members: Some(members), ..Role::new("all") });
    draft
}

fn identity() -> Identity {
    let mut identity = Identity::new("field".into(), ([192, 0, 2, 1], 1883).into(), None);
    identity.name = Some("temp-7".into());
    identity.username = Some("user-7".into());
    identity
}

/// What is asked for, and whether it is allowed.
struct Row(Verb, String, bool);

#[derive(Clone, Copy)]
enum Verb {
    Publish,
    Receive,
    Subscribe,
}

impl Row {
    fn ask(&self, authority: &mut Authority, identity: &Identity) {
        let Self(verb, text, is_allowed) = self;
        let topic = text.as_str();
        let message = Message {
            topic,
            qos: QoS::One,
            retain: false,
            payload_bytes: 64,
            payload: None,
            dup: false,
            properties: None,
        };
        let request = match verb {
            Verb::Publish => Request::Publish(message),
            Verb::Receive => Request::Receive(message),
            Verb::Subscribe => Request::Subscribe(Subscription { filter: topic, qos: QoS::One, has_identifier: false }),
        };
        let decision = authority.decide(black_box(identity), black_box(&request));
        assert!(*is_allowed == (black_box(decision) == Decision::Allow));
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    let identity = identity();
    let publish = |count: usize| -> Vec<Row> {
        (0..count).map(|line| Row(Verb::Publish, format!("plant/line-{line}/temperature/temp-7"), true)).collect()
    };
    let receive = |count: usize| -> Vec<Row> {
        (0..count).map(|number| Row(Verb::Receive, format!("plant/line-3/command/temp-7/{number}"), true)).collect()
    };
    let one = |verb, text: &str, is_allowed| vec![Row(verb, text.to_owned(), is_allowed)];
    let asked = [
        ("publish, the same topic again", publish(1), false),
        ("publish, one of 9 topics in turn", publish(9), false),
        ("publish, nothing remembered", publish(9), true),
        ("publish, denied, nothing remembered", one(Verb::Publish, "plant/line-9/x/recipe/7", false), true),
        ("publish, no rule speaks, nothing remembered", one(Verb::Publish, "office/x", false), true),
        ("receive, the same topic again", receive(1), false),
        ("receive, one of 60 topics in turn", receive(60), false),
        ("receive, one of 5,000 topics in turn", receive(5_000), false),
        ("subscribe, covered", one(Verb::Subscribe, "plant/line-3/command/temp-7/#", true), false),
        ("subscribe, not covered", one(Verb::Subscribe, "plant/+/command/+/start", false), false),
        ("subscribe, over a denial", one(Verb::Subscribe, "plant/#", false), false),
        ("subscribe, beside all denials", one(Verb::Subscribe, "+/+/+/x", false), false),
    ];
    for rules in SIZES {
        let policy = Arc::new(Policy::new(plant(rules)).unwrap());
        for (name, rows, forgets) in &asked {
            let mut authority = Authority::new(&policy, &identity, 0);
            let mut turn = rows.iter().cycle();
            group.bench_function(format!("{rules} rules: {name}"), |bencher| {
                bencher.iter(|| {
                    turn.next().unwrap().ask(&mut authority, &identity);
                    if *forgets {
                        authority.forget();
                    }
                });
            });
        }
    }
    group.finish();
}

fn settling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("settle");
    let identity = identity();
    for rules in SIZES {
        let policy = Arc::new(Policy::new(fleet(rules)).unwrap());
        group.bench_function(format!("an identity of 100,000 in one of {rules} roles"), |bencher| {
            bencher.iter(|| Authority::new(black_box(&policy), black_box(&identity), 0));
        });
    }
    group.finish();
}

fn compiling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for rules in SIZES {
        group.bench_function(format!("{rules} rules for everyone"), |bencher| {
            bencher.iter_batched(|| plant(rules), |draft| Policy::new(draft).unwrap(), BatchSize::PerIteration);
        });
        group.bench_function(format!("{rules} rules, each for a role of its own, and 100,000 identities"), |bencher| {
            bencher.iter_batched(|| fleet(rules), |draft| Policy::new(draft).unwrap(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, settling, compiling);
criterion_main!(benches);

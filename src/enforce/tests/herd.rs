//! Many connections that wait for one rate.

use std::time::{Duration, Instant};

use super::super::Terms;
use super::buckets::memory;
use super::world::{World, policy, publish};
use crate::mqtt::frame::QoS;
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{Draft, Per, RateRule, Unit};
use crate::rate::Rate;

const SECOND: Duration = Duration::from_secs(1);

/// How many messages of how many clients go on in ten seconds, and how often one is judged for it.
fn run(clients: u32, rate: u64, burst: u64) -> (usize, usize) {
    let limits = vec![(Unit::Messages, Rate::new(rate, SECOND).with_burst(burst))];
    let rates = vec![RateRule { per: Per::Gateway, limits, ..RateRule::new("whole") }];
    let policy = policy(Draft { permit_all: true, rates, ..Draft::new("7") });
    let terms = Terms { memory: Some(memory()), ..Terms::new(Limits::default(), policy) };
    let message = publish(Version::V311, "a", QoS::Zero, 0, b"x");
    let start = Instant::now() + SECOND;
    let mut worlds: Vec<World> = (0..clients)
        .map(|number| {
            let mut world = World::connected_with(Version::V311, terms.clone(), &[], &[]);
            world.now = start + Duration::from_nanos(number.into());
            world.client(&message.repeat(1100));
            world
        })
        .collect();
    let (mut passed, mut judged) = (0, 0);
    for step in 0..10_000 {
        let then = start + Duration::from_millis(step);
        for world in &mut worlds {
            if world.connection.resumes(Direction::FromClient).is_some_and(|at| at <= then) {
                judged += 1;
                world.wait(then.saturating_duration_since(world.now));
                passed += world.broker_got().len() / message.len();
            }
        }
    }
    (passed, judged)
}

#[test]
fn many_who_wait_for_one_rate_do_not_all_come_back_for_each_token() {
    for (clients, rate, burst) in [(1, 100, 1), (2, 100, 10), (300, 100, 20)] {
        let (passed, judged) = run(clients, rate, burst);
        assert!((900..=1020).contains(&passed), "{clients}: {passed}");
        // Each in a tenth of a second or so, not in each of ten milliseconds; and those that go on.
        let most = usize::try_from(clients).unwrap() * 100 + 3000;
        assert!(judged <= most, "{clients}: {judged}");
    }
}

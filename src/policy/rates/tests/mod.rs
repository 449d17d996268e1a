//! Rules about rates, with simulated time.

mod properties;
mod rules;
mod shares;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::identity::Method;
use crate::policy::inspect::tests::Remembered;
use crate::policy::{Draft, Memory, Mode, Policy, Role};
use crate::rate::Rate;

const SECOND: Duration = Duration::from_secs(1);

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&text| text.to_owned()).collect()
}

fn rate(tokens: u64) -> Rate {
    Rate::new(tokens, SECOND)
}

/// So many messages a second.
fn messages(id: &str, per: Per, tokens: u64) -> RateRule {
    RateRule { per, limits: vec![(Unit::Messages, rate(tokens))], ..RateRule::new(id) }
}

/// A role of the clients of this name.
fn role(name: &str) -> Role {
    Role { members: Some(std::iter::once(name.into()).collect()), ..Role::new(name) }
}

fn draft(rates: Vec<RateRule>) -> Draft {
    Draft { permit_all: true, roles: ["sensor", "hmi", "both"].map(role).into(), rates, ..Draft::new("1") }
}

fn compiled(rates: Vec<RateRule>) -> Arc<Policy> {
    Arc::new(Policy::new(draft(rates)).unwrap())
}

fn store() -> Arc<dyn Memory> {
    Remembered::new()
}

fn named(name: &str) -> Identity {
    let identity = Identity::new("field".into(), ([192, 0, 2, 7], 1883).into(), None);
    Identity { name: Some(name.into()), method: Method::Password, client_id: name.into(), ..identity }
}

/// One connection, and what it shares with others.
struct Client {
    identity: Identity,
    authority: Authority,
    start: Instant,
}

impl Client {
    fn new(policy: &Arc<Policy>, identity: Identity, memory: Option<&Arc<dyn Memory>>) -> Self {
        // Where ticks begin, once the clock is asked: no later.
        let start = Instant::now() + SECOND;
        Self { authority: Authority::new(policy, &identity, 0).with_memory(memory.cloned()), identity, start }
    }

    /// The same clock as another's.
    fn since(self, start: Instant) -> Self {
        Self { start, ..self }
    }

    fn meter(&mut self, at_millis: u64, what: Metered<'_>) -> Allowance {
        self.authority.meter(&self.identity, what, self.start + Duration::from_millis(at_millis))
    }

    /// Publishes so many bytes; what is said to it, in few words.
    fn publish(&mut self, at_millis: u64, topic: &str, payload_bytes: usize) -> String {
        let from = Direction::FromClient;
        words(&self.meter(at_millis, Metered::Message { from, topic, payload_bytes }))
    }

    fn receive(&mut self, at_millis: u64, topic: &str) -> String {
        let from = Direction::FromBroker;
        words(&self.meter(at_millis, Metered::Message { from, topic, payload_bytes: 1 }))
    }

    /// How many of so many messages go on at once.
    fn passes(&mut self, at_millis: u64, topic: &str, count: usize) -> usize {
        (0..count).filter(|_| self.publish(at_millis, topic, 1) == "pass").count()
    }
}

fn words(allowance: &Allowance) -> String {
    match allowance {
        Allowance::Pass => "pass".to_owned(),
        Allowance::Observe(denial) => format!("observe {}", denial.rule.as_str()),
        Allowance::Wait { denial, .. } => format!("wait {}", denial.rule.as_str()),
        Allowance::Excess { denial, ban } => {
            assert_eq!(denial.reason, Reason::Rate);
            let ban = ban.map(|ban| format!(" ban {}s", ban.as_secs())).unwrap_or_default();
            format!("{} {}{ban}", denial.on_deny.label(), denial.rule.as_str())
        }
    }
}

//! Tests of rules about messages.

mod histories;
mod plant;
mod rules;
mod signatures;
mod sparkplug;
mod values;

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::identity::Identity;
use crate::mqtt::frame::QoS;
use crate::payload::{Field, Format};
use crate::policy::{
    Authority, Check, CheckedField, Count, Decision, Draft, Fact, History, Key, Known, Memory, Message, MessageRule,
    NonceUse, PayloadFormat, PayloadRule, Policy, Request, Used,
};
use crate::rate::{Bucket, Epoch, Tick};

/// By group and nonce: what of the message, by whom, until when.
type UsedUp = HashMap<(Key, Key), (u64, Key, i64)>;

/// What rules remember, without bounds.
#[derive(Debug)]
pub(in crate::policy) struct Remembered {
    histories: Mutex<HashMap<Key, (History, i64)>>,
    facts: Mutex<HashMap<Key, Fact>>,
    nonces: Mutex<UsedUp>,
    counters: Mutex<HashMap<Key, (u64, u64, Key)>>,
    unsigned: Mutex<Vec<(String, Key)>>,
    buckets: Mutex<HashMap<Key, Arc<Bucket>>>,
    epoch: Epoch,
    keys: [RandomState; 2],
}

impl Remembered {
    pub(in crate::policy) fn new() -> Arc<Self> {
        Arc::new(Self {
            histories: Mutex::default(),
            facts: Mutex::default(),
            nonces: Mutex::default(),
            counters: Mutex::default(),
            unsigned: Mutex::default(),
            buckets: Mutex::default(),
            epoch: Epoch::new(Instant::now()),
            keys: [RandomState::new(), RandomState::new()],
        })
    }
}

impl Memory for Remembered {
    fn history(&self, key: Key) -> Option<History> {
        self.histories.lock().unwrap().get(&key).map(|(history, _)| *history)
    }

    fn remember(&self, key: Key, history: History, expires_millis: i64) {
        self.histories.lock().unwrap().insert(key, (history, expires_millis));
    }

    fn fact(&self, key: Key) -> Option<Fact> {
        self.facts.lock().unwrap().get(&key).cloned()
    }

    fn learn(&self, key: Key, fact: Fact) {
        self.facts.lock().unwrap().insert(key, fact);
    }

    fn use_nonce(&self, nonce: &NonceUse) -> Used {
        let mut nonces = self.nonces.lock().unwrap();
        if let Some(known) = nonces.get(&(nonce.group, nonce.nonce)) {
            return if (known.0, known.1) == (nonce.digest, nonce.sender) { Used::Redelivered } else { Used::Replayed };
        }
        if nonces.keys().filter(|(group, _)| *group == nonce.group).count() >= nonce.max_in_group {
            return Used::Full;
        }
        nonces.insert((nonce.group, nonce.nonce), (nonce.digest, nonce.sender, nonce.expires_millis));
        Used::First
    }

    fn advance(&self, count: &Count) -> Used {
        let mut counters = self.counters.lock().unwrap();
        let now = (count.value, count.digest, count.sender);
        match counters.get(&count.group) {
            Some(known) if *known == now => Used::Redelivered,
            Some((value, ..)) if count.value <= *value => Used::Replayed,
            _ => {
                counters.insert(count.group, now);
                Used::First
            }
        }
    }

    fn unsigned(&self, rule: &str, who: Key, _: i64) {
        self.unsigned.lock().unwrap().push((rule.to_owned(), who));
    }

    fn keys(&self) -> &[RandomState; 2] {
        &self.keys
    }

    fn bucket(&self, _: Key, whose: Key, _: Tick) -> Arc<Bucket> {
        Arc::clone(self.buckets.lock().unwrap().entry(whose).or_default())
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&text| text.to_owned()).collect()
}

fn named(name: &str) -> Identity {
    let mut identity = Identity::new("field".into(), ([192, 0, 2, 7], 1883).into(), None);
    identity.name = Some(name.into());
    identity
}

fn message<'m>(topic: &'m str, payload: &'m [u8]) -> Message<'m> {
    let (qos, payload_bytes) = (QoS::One, payload.len());
    Message { topic, qos, retain: false, payload_bytes, payload: Some(payload), dup: false, properties: None }
}

fn field(pointer: &str) -> CheckedField {
    CheckedField::Field(Field::parse(pointer).unwrap())
}

fn check(pointer: &str) -> Check {
    Check::new(field(pointer))
}

/// A rule about JSON that is published to these topics.
fn json(id: &str, publish: &[&str], values: Vec<Check>) -> PayloadRule {
    PayloadRule {
        rule: MessageRule { publish: texts(publish), ..MessageRule::new(id) },
        format: Some(PayloadFormat::Fields(Format::Json)),
        values,
        ..PayloadRule::new(id)
    }
}

/// Everything is permitted but what these refuse.
fn open(payloads: Vec<PayloadRule>) -> Draft {
    Draft { permit_all: true, payloads, ..Draft::new("1") }
}

fn compiled(draft: Draft) -> Arc<Policy> {
    Arc::new(Policy::new(draft).unwrap())
}

/// What is decided, in few words: `RULE REASON FIELD PROBLEM`.
fn words(decision: &Decision) -> String {
    let (says, denial) = match decision {
        Decision::Allow | Decision::AllowUpTo(_) => return "allow".to_owned(),
        Decision::Observe(denial, _) => ("observe", denial),
        Decision::Deny(denial) => (denial.on_deny.label(), denial),
    };
    let detail = denial.detail.as_ref().map(|detail| format!(" {} {}", detail.field, detail.problem));
    format!("{says} {} {}{}", denial.rule.as_str(), denial.reason.label(), detail.unwrap_or_default())
}

/// A client under a policy, with what all clients share.
struct Client {
    identity: Identity,
    authority: Authority,
}

impl Client {
    fn new(policy: &Arc<Policy>, name: &str, memory: &Arc<Remembered>) -> Self {
        let identity = named(name);
        let memory: Arc<dyn Memory> = Arc::<Remembered>::clone(memory);
        Self { authority: Authority::new(policy, &identity, 0).with_memory(Some(memory)), identity }
    }

    fn decide(&mut self, request: &Request<'_>) -> Decision {
        let explained = self.authority.explain(&self.identity, request).decision;
        let decision = self.authority.decide(&self.identity, request);
        let is_denied = |decision: &Decision| matches!(decision, Decision::Deny(_));
        // Told about it, nothing is used up: a message that is refused only for that is not refused there.
        assert!(is_denied(&decision) || !is_denied(&explained), "{explained:?} {decision:?}");
        decision
    }

    /// Publishes at this time; what is accepted is remembered.
    fn publish(&mut self, at_millis: i64, topic: &str, payload: &str) -> String {
        self.authority.set_time(at_millis);
        let decision = self.decide(&Request::Publish(message(topic, payload.as_bytes())));
        if !matches!(decision, Decision::Deny(_)) {
            self.authority.accept();
        }
        words(&decision)
    }
}

//! Messages that a rule quarantines: rejected, and kept whole for whoever is to look at them.
//!
//! Here it is decided which can be, and what of them is kept. Not here: how they get to the quarantine topic, which is
//! `QUARANTINE/REASON/RULE/TOPIC`. No byte of them is written to the client's connection or to the broker's. Read
//! [`Quarantined`] first.

use std::sync::Arc;

use super::Connection;
use super::event::Quarantine;
use super::publish::Judged;
use super::relay::Call;
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Properties, Property};
use crate::mqtt::{Direction, encode, topic};
use crate::policy::{Denial, Detail, Reason};

/// A message that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it is to be published: within the limits on topics.
    pub held_at: Box<str>,
    /// Who sent it.
    pub direction: Direction,
    /// Why it was refused.
    pub reason: Reason,
    /// Id of the rule or limit that decided.
    pub rule: Box<str>,
    /// What of its payload is wrong.
    pub detail: Option<Box<Detail>>,
    /// Version of the policy in force.
    pub policy_version: Arc<str>,
    /// Its own Topic Name.
    pub topic: Box<str>,
    /// How surely it was to be delivered.
    pub qos: QoS,
    /// It was to be kept, or had been.
    pub retain: bool,
    /// It was said to have been sent before.
    pub dup: bool,
    /// Those of its properties that are the message's and not the connection's, as they stand in a PUBLISH of 5.0.
    pub properties: Box<[u8]>,
    /// The Application Message.
    pub payload: Box<[u8]>,
}

impl Connection {
    /// Keeps a message for the quarantine topic, where it can be.
    pub(super) fn exhibit(&self, call: &mut Call<'_>, judged: &Judged<'_>, topic: &str, denial: &Denial) -> Quarantine {
        let policy = self.standing.authority.policy();
        if was_held(topic, policy.quarantine_topic()) {
            return Quarantine::Again;
        }
        let Some(payload) = judged.payload else { return Quarantine::TooLarge };
        let rule = denial.rule.as_str();
        let held_at = format!("{}/{}/{}/{topic}", policy.quarantine_topic(), denial.reason.label(), as_level(rule));
        if topic::check_name(&held_at, call.limits).is_err() {
            return Quarantine::Topic;
        }
        let head = &judged.head;
        call.out.quarantined.push(Quarantined {
            held_at: held_at.into(),
            direction: call.from,
            reason: denial.reason,
            rule: rule.into(),
            detail: denial.detail.clone(),
            policy_version: Arc::clone(policy.version()),
            topic: topic.into(),
            qos: head.qos,
            retain: head.retain,
            dup: head.dup,
            properties: kept(&head.properties.all),
            payload: payload.into(),
        });
        Quarantine::Queued
    }
}

/// The properties without a Topic Alias and Subscription Identifiers, which are between two peers.
fn kept(properties: &Properties<'_>) -> Box<[u8]> {
    let mut block = Vec::new();
    let is_the_messages =
        |property: &Property<'_>| !matches!(property, Property::TopicAlias(_) | Property::SubscriptionIdentifier(_));
    encode::properties(properties.iter().filter(is_the_messages), &mut block);
    block.into()
}

/// Whether a message has been to the quarantine topic: it lies there, or where a bridge or another quarantine has put it.
/// Else what two policies hold up of each other's would never end.
fn was_held(topic: &str, quarantine: &str) -> bool {
    let is_shown = |at: usize| {
        let reason =
            topic.get(at + 1..).and_then(|rest| below(rest, quarantine)).and_then(|rest| rest.strip_prefix('/'));
        let reason = reason.and_then(|rest| rest.split('/').next());
        reason.is_some_and(|reason| Reason::ALL.iter().any(|known| known.label() == reason))
    };
    is_under(topic, quarantine) || memchr::memchr_iter(b'/', topic.as_bytes()).any(is_shown)
}

/// Whether a Topic Name is the quarantine topic, or lies below it.
fn is_under(topic: &str, quarantine: &str) -> bool {
    below(topic, quarantine).is_some()
}

/// What follows the quarantine topic in a Topic Name.
fn below<'t>(topic: &'t str, quarantine: &str) -> Option<&'t str> {
    topic.strip_prefix(quarantine).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The id of a rule as one level of a Topic Name.
fn as_level(rule: &str) -> String {
    rule.chars().map(|c| if matches!(c, '/' | '+' | '#') || c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarantine_topic_and_what_lies_below_it() {
        for (topic, expected) in
            [("q/a", true), ("q/a/", true), ("q/a/b/c", true), ("q", false), ("q/ab", false), ("x/q/a", false)]
        {
            assert_eq!(is_under(topic, "q/a"), expected, "{topic}");
        }
    }

    #[test]
    fn what_has_been_held_is_known_again_wherever_it_is_put() {
        for (topic, expected) in [
            ("q/a", true),
            ("q/a/b", true),
            ("x/q/a/qos/rule/b", true),
            ("x/y/q/a/not_authorized", true),
            ("/q/a/qos", true),
            ("x/q/a", false),
            ("x/q/a/b", false),
            ("x/q/ab/qos", false),
            ("xq/a/qos", false),
            ("ä/ö", false),
        ] {
            assert_eq!(was_held(topic, "q/a"), expected, "{topic}");
        }
    }

    #[test]
    fn a_rule_is_one_level_whatever_its_id() {
        assert_eq!(as_level("a/b+c#d\n\0é"), "a_b_c_d__é");
    }
}

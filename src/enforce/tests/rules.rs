//! Rules for tests, that tell by its first level what becomes of a topic.

use std::sync::Arc;

use super::super::{Guards, Terms};
use crate::identity::Identity;
use crate::mqtt::Limits;
use crate::policy::{Draft, Message, OnDeny, Policy, Reason, Request, Rule, Verdict};

/// What refuses by which first level of a topic.
pub(super) const WORDS: [(&str, OnDeny); 5] = [
    ("deny", OnDeny::Reject),
    ("claim", OnDeny::Acknowledge),
    ("cut", OnDeny::Disconnect),
    ("hold", OnDeny::Quarantine),
    ("watch", OnDeny::Monitor),
];

/// Refuses topics and filters by their first level: its word, or its word, a hyphen and the label of a reason.
#[derive(Debug)]
struct ByTopic {
    word: &'static str,
    on_deny: OnDeny,
}

impl Rule for ByTopic {
    fn id(&self) -> &str {
        "by-topic"
    }

    fn judge(&self, identity: &Identity, request: &Request<'_>) -> Verdict {
        let text = match request {
            Request::Connect(_) => &*identity.client_id,
            Request::Will(message) | Request::Publish(message) | Request::Receive(message) => message.topic,
            Request::Subscribe(subscription) => subscription.filter,
            Request::Respond(topic) => topic,
        };
        let first = text.split('/').next().unwrap_or_default();
        match first.strip_prefix(self.word).map(|rest| rest.split_once('-').unwrap_or((rest, ""))) {
            Some(("", "")) => Verdict::Deny(Reason::NotAuthorized),
            Some(("", label)) => {
                Verdict::Deny(*Reason::ALL.iter().find(|reason| reason.label() == label).expect("a known label"))
            }
            Some(_) | None => Verdict::Silent,
        }
    }

    fn on_deny(&self) -> OnDeny {
        self.on_deny
    }

    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        message.topic.starts_with("whole/")
    }
}

/// Must see the payload of what is under `sealed`, and denies it where it can't.
#[derive(Debug)]
struct Sealed;

impl Rule for Sealed {
    fn id(&self) -> &str {
        "sealed"
    }

    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        let (Request::Will(message) | Request::Publish(message) | Request::Receive(message)) = request else {
            return Verdict::Silent;
        };
        let is_unseen = message.topic.starts_with("sealed/") && message.payload.is_none();
        if is_unseen { Verdict::Deny(Reason::Payload) } else { Verdict::Silent }
    }

    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        message.topic.starts_with("sealed/")
    }
}

/// A policy that permits what no first level refuses.
pub(super) fn policy(draft: Draft) -> Arc<Policy> {
    let mut rules: Vec<Box<dyn Rule>> = vec![Box::new(Sealed)];
    rules.extend(WORDS.map(|(word, on_deny)| Box::new(ByTopic { word, on_deny }) as Box<dyn Rule>));
    Arc::new(Policy::new(draft).expect("a policy").with_rules(rules))
}

/// Without a least speed: that is `guards`'s to try.
pub(super) fn terms() -> Terms {
    let guards = Guards { min_bytes_per_second: 0, ..Guards::default() };
    Terms { guards, ..Terms::new(Limits::default(), policy(Draft { permit_all: true, ..Draft::new("7") })) }
}

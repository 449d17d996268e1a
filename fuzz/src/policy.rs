//! Policies out of lines of text, against one filter after the other.

use std::sync::Arc;

use tidegate::identity::{Attribute, Identity};
use tidegate::mqtt::frame::QoS;
use tidegate::mqtt::{Limits, topic};
use tidegate::policy::{
    Authority, Broad, Decision, Deny, Draft, Grant, Message, PayloadRule, Policy, Request, Role, Says, Subscription,
};

/// Lines are `name VALUE`, `grant FILTER`, `deny FILTER`, `except FILTER` (of the last denial), `empty FILTER` (a payload
/// must be), `broad`, and what is asked: `pub TOPIC`, `say TOPIC` (with a payload), `recv TOPIC`, `sub FILTER`.
pub(crate) fn decide(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut identity = Identity::new("field".into(), ([192, 0, 2, 1], 1883).into(), None);
    let (mut draft, mut asked) = (Draft::new("1"), Vec::new());
    for line in text.lines().take(48) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (id, filters) = (draft.grants.len() + draft.denies.len(), vec![rest.to_owned()]);
        match (word, draft.denies.last_mut()) {
            ("name", _) => identity.name = Some(rest.into()),
            ("broad", _) => {
                let role = Role { on_broad_subscription: Broad::Filter, ..Role::new("dashboard") };
                draft.roles = vec![role];
            }
            ("grant", _) => draft.grants.push(Grant {
                publish: filters.clone(),
                subscribe: filters,
                ..Grant::new(&format!("rule-{id}"), &["everyone"])
            }),
            ("deny", _) => draft.denies.push(Deny {
                publish: filters.clone(),
                subscribe: filters,
                ..Deny::new(&format!("rule-{id}"))
            }),
            ("empty", _) => {
                let mut rule = PayloadRule::new(&format!("empty-{}", draft.payloads.len()));
                (rule.max_bytes, rule.rule.publish) = (0, filters);
                draft.payloads.push(rule);
            }
            ("except", Some(deny)) => deny.except.extend(filters),
            ("pub" | "say" | "recv" | "sub", _) => asked.push((word, rest)),
            _ => {}
        }
    }
    let Ok(policy) = Policy::new(draft.clone()) else { return };
    let policy = Arc::new(policy);
    let mut authority = Authority::new(&policy, &identity, 0);
    for (word, text) in asked.iter().chain(&asked) {
        let message = Message {
            topic: text,
            qos: QoS::Zero,
            retain: false,
            payload_bytes: usize::from(*word == "say"),
            payload: None,
            dup: false,
            properties: None,
        };
        let request = match *word {
            "pub" | "say" => Request::Publish(message),
            "recv" => Request::Receive(message),
            _ => Request::Subscribe(Subscription { filter: text, qos: QoS::Zero, has_identifier: false }),
        };
        let decision = authority.decide(&identity, &request);
        assert_eq!(
            decision,
            Authority::new(&policy, &identity, 0).decide(&identity, &request),
            "remembered {request:?}"
        );
        let is_refused = matches!(decision, Decision::Deny(_));
        let explained = authority.explain(&identity, &request);
        assert_eq!(explained.weighed.iter().any(|one| one.says == Says::Deny), is_refused, "{explained:?}");
        let well_formed =
            if *word == "sub" { topic::check_filter(text, &lenient()) } else { topic::check_name(text, &lenient()) };
        if well_formed.is_ok() {
            let modelled = match *word {
                "sub" => subscribes(&draft, &identity, text),
                "say" => uses(&draft, &identity, text) && !must_be_empty(&draft, &identity, text),
                _ => uses(&draft, &identity, text),
            };
            assert_eq!(!is_refused, modelled, "{identity:?} {request:?} {draft:?}");
        }
    }
}

fn lenient() -> Limits {
    Limits { refuse_control_characters: false, ..Limits::default() }
}

fn uses(draft: &Draft, identity: &Identity, name: &str) -> bool {
    let any = |filters: &[String], void| bound(filters, identity, void).iter().any(|one| topic::matches(one, name));
    draft.grants.iter().any(|grant| any(&grant.publish, None))
        && !draft.denies.iter().any(|deny| any(&deny.publish, Some("+")) && !any(&deny.except, None))
}

fn must_be_empty(draft: &Draft, identity: &Identity, name: &str) -> bool {
    let any = |filters: &[String]| bound(filters, identity, Some("+")).iter().any(|one| topic::matches(one, name));
    draft.payloads.iter().any(|payload| any(&payload.rule.publish))
}

fn subscribes(draft: &Draft, identity: &Identity, text: &str) -> bool {
    let filter = topic::Filter::parse(text.as_bytes(), &lenient()).unwrap().topic();
    let is_broad = !draft.roles.is_empty() && !text.starts_with('$');
    type Relation = fn(&str, &str) -> bool;
    let any = |filters: &[String], void, relation: Relation| {
        bound(filters, identity, void).iter().any(|one| relation(one, filter))
    };
    let (denies, leaves): (Relation, Relation) =
        if is_broad { (topic::covers, topic::overlaps) } else { (topic::overlaps, topic::covers) };
    let is_denied = |deny: &Deny| any(&deny.subscribe, Some("+"), denies) && !any(&deny.except, None, leaves);
    (is_broad || draft.grants.iter().any(|grant| any(&grant.subscribe, None, topic::covers)))
        && !draft.denies.iter().any(is_denied)
}

/// The filters with what the client has for their variables; `void` stands for what it has not.
fn bound(filters: &[String], identity: &Identity, void: Option<&str>) -> Vec<String> {
    let mut all = Vec::new();
    'filters: for filter in filters {
        let (mut out, mut rest) = (String::new(), filter.as_str());
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').unwrap();
            out.push_str(before);
            let value = Attribute::parse(name).unwrap().one(identity);
            let is_first = out.is_empty();
            let value =
                value.filter(|value| !(value.contains(['+', '#', '/', '\0']) || is_first && value.starts_with('$')));
            match value.as_deref().or(void) {
                Some(value) => out.push_str(value),
                None => continue 'filters,
            }
            rest = after;
        }
        out.push_str(rest);
        all.push(out);
    }
    all
}

//! The engine against the model, and what must hold of any policy.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::World;
use super::worlds::{Ask, ask, deny, draft, identity, unix};
use crate::policy::{Authority, Decision, Draft, Grant, Policy, Says};

fn compiled(draft: &Draft) -> Arc<Policy> {
    Arc::new(Policy::new(draft.clone()).unwrap())
}

/// How far a decision lets a request go.
fn reach(decision: &Decision) -> u8 {
    match decision {
        Decision::Deny(_) => 0,
        Decision::AllowUpTo(qos) | Decision::Observe(_, Some(qos)) => 1 + qos.value(),
        Decision::Allow | Decision::Observe(_, None) => 4,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1024)))]

    #[test]
    fn every_decision_is_the_models_cached_or_not_as_time_goes_by(
        draft in draft(),
        identity in identity(),
        asks in vec(ask(), 1..24),
        times in vec(unix(), 1..4),
    ) {
        let policy = compiled(&draft);
        let mut authority = Authority::new(&policy, &identity, times[0] * 1000);
        for unix in times {
            authority.set_time(unix * 1000);
            let model = World { draft: &draft, identity: &identity, unix };
            for ask in asks.iter().chain(&asks) {
                let request = ask.request();
                let expected = model.decide(&request);
                prop_assert_eq!(authority.decide(&identity, &request), expected, "{:?} at {}", request, unix);
            }
        }
    }

    #[test]
    fn one_more_denial_never_lets_more_through(
        draft in draft(),
        more in deny("deny-3"),
        identity in identity(),
        asks in vec(ask(), 1..24),
        unix in unix(),
    ) {
        let mut harder = draft.clone();
        harder.denies.push(more);
        let mut before = Authority::new(&compiled(&draft), &identity, unix * 1000);
        let mut after = Authority::new(&compiled(&harder), &identity, unix * 1000);
        for ask in &asks {
            let (before, after) = (before.decide(&identity, &ask.request()), after.decide(&identity, &ask.request()));
            prop_assert!(reach(&after) <= reach(&before), "{:?}: {:?}, then {:?}", ask, before, after);
        }
    }

    #[test]
    fn the_order_of_rules_and_roles_never_matters(
        draft in draft(),
        identity in identity(),
        asks in vec(ask(), 1..24),
        unix in unix(),
        turn in 0_usize..4,
    ) {
        let mut turned = draft.clone();
        turned.grants.reverse();
        let by = turn % turned.grants.len();
        turned.grants.rotate_left(by);
        turned.denies.reverse();
        turned.payloads.reverse();
        turned.roles.rotate_left(turn % 3);
        let mut one = Authority::new(&compiled(&draft), &identity, unix * 1000);
        let mut other = Authority::new(&compiled(&turned), &identity, unix * 1000);
        for ask in &asks {
            prop_assert_eq!(one.decide(&identity, &ask.request()), other.decide(&identity, &ask.request()));
        }
        prop_assert_eq!(one.powers(), other.powers());
    }

    #[test]
    fn an_explanation_says_what_is_decided_and_names_who_says_so(
        draft in draft(),
        identity in identity(),
        asks in vec(ask(), 1..8),
        unix in unix(),
    ) {
        let policy = compiled(&draft);
        let mut authority = Authority::new(&policy, &identity, unix * 1000);
        for ask in &asks {
            let request = ask.request();
            let decision = authority.decide(&identity, &request);
            let explanation = authority.explain(&identity, &request);
            prop_assert_eq!(&explanation.decision, &decision);
            let say = |says| explanation.weighed.iter().filter(move |one| one.says == says);
            prop_assert_eq!(say(Says::Deny).count() > 0, matches!(decision, Decision::Deny(_)), "{:#?}", explanation);
            match &decision {
                Decision::Deny(denial) => prop_assert!(say(Says::Deny).any(|one| one.rule == denial.rule)),
                Decision::Observe(denial, _) => prop_assert!(say(Says::Observe).any(|one| one.rule == denial.rule), "{:#?}", explanation),
                Decision::Allow | Decision::AllowUpTo(_) => {
                    prop_assert_eq!(say(Says::Observe).count(), 0);
                    prop_assert!(say(Says::Allow).count() > 0, "{:#?}", explanation);
                }
            }
            for one in &explanation.weighed {
                prop_assert!(!one.why.is_empty() && (one.applies || one.says == Says::Silent));
            }
        }
    }

    #[test]
    fn the_value_of_a_variable_never_widens_a_grant(
        name in prop_oneof![any::<String>(), "[a-c$+#/*{}]{0,4}"],
        topics in vec(prop_oneof!["[ab$]{0,2}(/[a-c$]{0,2}){0,3}", any::<String>()], 1..8),
    ) {
        let mut grant = Grant::new("own", &["everyone"]);
        grant.publish = vec!["${identity}/x".into(), "x/${identity}".into(), "x/${identity}/#".into()];
        grant.subscribe = grant.publish.clone();
        let draft = Draft { grants: vec![grant], ..Draft::new("1") };
        let mut identity = super::nobody();
        identity.name = Some(name.as_str().into());
        let mut authority = Authority::new(&compiled(&draft), &identity, 0);
        let own = [format!("{name}/x"), format!("x/{name}"), format!("x/{name}/y")];
        for topic in topics.iter().chain(&own) {
            let mut levels = topic.split('/');
            let is_own = match (levels.next(), levels.next(), levels.next()) {
                (Some("x"), Some(level), _) if level == name => true,
                (Some(first), Some("x"), None) => first == name && !name.starts_with('$'),
                _ => false,
            };
            for ask in [
                Ask::Publish(topic.clone(), crate::mqtt::frame::QoS::Zero, false, 0),
                Ask::Subscribe(topic.clone(), crate::mqtt::frame::QoS::Zero, false),
            ] {
                let is_allowed = authority.decide(&identity, &ask.request()) == Decision::Allow;
                prop_assert!(!is_allowed || is_own, "{:?} may {:?}", name, ask);
            }
        }
    }
}

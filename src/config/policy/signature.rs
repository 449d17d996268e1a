//! Rules about signatures: how messages are signed, with which keys, and what is done about it.

pub(super) mod tables;

use std::sync::Arc;

use jiff::Timestamp;

use self::tables::{ActionName, CarrierName, MAX_AGE, SignatureTable};
use super::attached::Attached;
use super::rules::{Said, means_nothing, written};
use crate::config::problem;
use crate::config::read::{Located, Reading, listed, nearest};
use crate::jwk::{Algorithm, Keys, SigningKeys};
use crate::payload::Field;
use crate::policy::{Act, Required, SignatureRule};
use crate::signature::{Carrier, Freshness, Names, Scheme};

/// A rule, where it has an id and what it can't go without.
pub(super) fn signature(
    located: &Located<SignatureTable>,
    attached: &mut Attached,
    reading: &mut Reading,
) -> Option<SignatureRule> {
    let table = &located.value;
    let id = table.id.as_ref()?;
    let is_faulty = reading.is_faulty(located);
    let said = Said {
        id,
        roles: &table.roles,
        publish: &table.publish,
        receive: &table.receive,
        when: table.when.as_ref(),
        mode: table.mode.as_ref(),
        on_deny: table.on_deny,
    };
    let rule = said.rule(is_faulty, reading);
    let action = action(table, reading);
    not_of_the_action(table, action, reading);
    let required = required(table, action, reading);
    let scheme = scheme(table, reading);
    let act = act(located, action, attached, reading);
    Some(SignatureRule {
        rule,
        scheme: scheme?,
        act: act?,
        required,
        key_id: table.key_id.iter().map(|template| template.value.clone()).collect(),
        max_nonces: table.max_nonces.as_ref().map_or(SignatureRule::MAX_NONCES, |max| max.value),
        retained_any_age: table.retained_any_age.as_ref().is_some_and(|any| any.value),
    })
}

/// What is done: said by `action`, or by `strip`.
fn action(table: &SignatureTable, reading: &mut Reading) -> ActionName {
    if let (Some(strip), Some(_)) = (&table.strip, written(&table.action)) {
        means_nothing(
            "strip",
            &strip.span,
            "`action` says what is done; `strip = true` is short for `action = \"strip\"`",
            reading,
        );
    }
    match (&table.strip, &table.action) {
        (Some(Located { value: true, .. }), action) if action.as_ref().is_none_or(|action| action.span.is_empty()) => {
            ActionName::Strip
        }
        (_, Some(action)) => action.value,
        (_, None) => ActionName::Verify,
    }
}

/// Keys that go with another action, or with another direction.
fn not_of_the_action(table: &SignatureTable, action: ActionName, reading: &mut Reading) {
    if action == ActionName::Sign {
        let why = "it is about signatures that are verified, and this rule makes them";
        let of_verifying = [
            ("required", written(&table.required).map(|required| &required.span)),
            ("required_from", table.required_from.as_ref().map(|from| &from.span)),
            ("key_id", table.key_id.first().map(|key_id| &key_id.span)),
            ("max_nonces", written(&table.max_nonces).map(|max| &max.span)),
            ("retained_any_age", written(&table.retained_any_age).map(|any| &any.span)),
        ];
        for (key, span) in of_verifying {
            if let Some(span) = span {
                means_nothing(key, span, why, reading);
            }
        }
        if let Some(Located { value: Freshness::Counter, span }) = &table.freshness {
            let problem = reading
                .at(problem::Kind::Contradiction, span, "the gateway signs with nonces alone")
                .label("several gateways share a key, and no counter")
                .help("remove it; who verifies takes `freshness = \"nonce\"` or `\"either\"`");
            reading.report(problem);
        }
        return;
    }
    if let Some(sign_with) = &table.sign_with {
        means_nothing("sign_with", &sign_with.span, "it goes with `action = \"sign\"`", reading);
    }
    if let Some(any) = written(&table.retained_any_age).filter(|_| table.receive.is_empty()) {
        means_nothing("retained_any_age", &any.span, "it is about deliveries, and the rule has no `receive`", reading);
    }
    let is_counter = table.freshness.as_ref().is_some_and(|freshness| freshness.value == Freshness::Counter);
    if let Some(max) = written(&table.max_nonces).filter(|_| is_counter) {
        means_nothing("max_nonces", &max.span, "`freshness = \"counter\"` takes no nonces", reading);
    }
}

/// Whether there must be a signature.
fn required(table: &SignatureTable, action: ActionName, reading: &mut Reading) -> Required {
    let required = written(&table.required);
    let Some(from) = &table.required_from else {
        return match required {
            Some(Located { value: false, span }) if action != ActionName::Sign => {
                let problem = reading
                    .at(problem::Kind::Unsafe, span, "messages without a signature go on")
                    .label("who wants to pass for another leaves it out")
                    .help("set `required_from` once it is known when every sender signs")
                    .warning();
                reading.report(problem);
                Required::IfPresent
            }
            Some(_) | None => Required::Always,
        };
    };
    if let Some(required) = required {
        means_nothing("required", &required.span, "`required_from` says from when on", reading);
    }
    if from.value <= Timestamp::now().as_second() {
        let problem = reading
            .at(problem::Kind::Unused, &from.span, "this time has come: every message must be signed")
            .label("remove it, and `required` is true")
            .warning();
        reading.report(problem);
    }
    Required::From(from.value.saturating_mul(1000))
}

/// How messages are signed.
fn scheme(table: &SignatureTable, reading: &mut Reading) -> Option<Scheme> {
    let carrier = carrier(table, reading);
    let freshness = table.freshness.as_ref().map_or(Freshness::Nonce, |freshness| freshness.value);
    let max_age = match (&table.max_age, freshness) {
        (Some(age), _) => Some(age.value),
        (None, Freshness::Counter) => None,
        (None, Freshness::Nonce | Freshness::Either) => Some(MAX_AGE),
    };
    Some(Scheme { carrier: carrier?, algorithms: algorithms(table), max_age, clock_skew: table.clock_skew, freshness })
}

fn algorithms(table: &SignatureTable) -> Vec<Algorithm> {
    table.algorithms.iter().map(|algorithm| algorithm.value.0).collect()
}

fn carrier(table: &SignatureTable, reading: &mut Reading) -> Option<Carrier> {
    let name = table.carrier.as_ref()?.value;
    let own = [
        ("field", written(&table.field).map(|field| &field.span), CarrierName::JsonField, "json-field"),
        ("property", written(&table.property).map(|name| &name.span), CarrierName::JwsDetached, "jws-detached"),
        ("properties", table.properties.as_ref().map(|names| &names.span), CarrierName::UserProperty, "user-property"),
    ];
    for (key, span, of, word) in own {
        if let Some(span) = span.filter(|_| name != of) {
            means_nothing(key, span, format!("it goes with `carrier = \"{word}\"`"), reading);
        }
    }
    Some(match name {
        CarrierName::UserProperty => Carrier::UserProperty(names(table, reading)),
        CarrierName::Jws => Carrier::Jws,
        CarrierName::JwsDetached => {
            let name = table.property.as_ref().map_or(Carrier::JWS_PROPERTY, |name| name.value.as_str());
            Carrier::JwsDetached(name.into())
        }
        CarrierName::Cose => Carrier::Cose,
        CarrierName::JsonField => Carrier::JsonField(member(table, reading)?),
        CarrierName::Trailer => Carrier::Trailer,
    })
}

/// A member of an object; the payload as a whole is none.
fn member(table: &SignatureTable, reading: &mut Reading) -> Option<Field> {
    let field = table.field.as_ref()?;
    if field.value.steps().is_empty() {
        let problem = reading
            .at(problem::Kind::Invalid, &field.span, "the signature can't be the whole payload")
            .label("expected the place of a member, such as `/signature`");
        reading.report(problem);
        return None;
    }
    Some(field.value.clone())
}

/// What the User Properties are called, each otherwise.
fn names(table: &SignatureTable, reading: &mut Reading) -> Names {
    let Some(said) = table.properties.as_ref().map(|table| &table.value) else { return Names::default() };
    let all = [&said.kid, &said.time, &said.nonce, &said.counter, &said.signature];
    for (at, name) in all.iter().enumerate().filter_map(|(at, name)| Some((at, name.as_ref()?))) {
        let is_same = |other: &&&Option<Located<String>>| other.as_ref().is_some_and(|other| other.value == name.value);
        if !name.span.is_empty() && all.iter().enumerate().any(|(other, known)| other != at && is_same(&known)) {
            let problem = reading
                .at(problem::Kind::Duplicate, &name.span, format!("two User Properties are called `{}`", name.value))
                .label("nobody could say which is which");
            reading.report(problem);
        }
    }
    let name =
        |name: &Option<Located<String>>| name.as_ref().map(|name| name.value.as_str().into()).unwrap_or_default();
    Names {
        kid: name(&said.kid),
        time: name(&said.time),
        nonce: name(&said.nonce),
        counter: name(&said.counter),
        signature: name(&said.signature),
    }
}

/// What is done, with the keys that it takes.
fn act(
    located: &Located<SignatureTable>,
    action: ActionName,
    attached: &mut Attached,
    reading: &mut Reading,
) -> Option<Act> {
    let table = &located.value;
    let file = table.keys.as_ref()?;
    let verifying = |attached: &mut Attached, reading: &mut Reading| {
        let keys = attached.keys(file, reading)?;
        fit(&keys, table, reading).then_some(keys)
    };
    match action {
        ActionName::Verify => verifying(attached, reading).map(Act::Verify),
        ActionName::Strip => verifying(attached, reading).map(Act::Strip),
        ActionName::Sign => {
            let keys = attached.signing_keys(file, reading);
            let Some(sign_with) = &table.sign_with else {
                if !reading.is_faulty(located) {
                    let at = written(&table.action).map_or(&located.span, |action| &action.span);
                    let problem = reading
                        .at(problem::Kind::MissingKey, at, "nothing says which key signs")
                        .label("expected `sign_with` beside it: the `kid` of a private key of the set");
                    reading.report(problem);
                }
                return None;
            };
            signs(&keys?, sign_with, table, reading)
                .map(|keys| Act::Sign { keys, kid: sign_with.value.as_str().into() })
        }
    }
}

/// Whether some key is for an algorithm that is taken.
fn fit(keys: &Keys, table: &SignatureTable, reading: &mut Reading) -> bool {
    let algorithms = algorithms(table);
    if algorithms.is_empty() || algorithms.iter().any(|algorithm| keys.supports(*algorithm)) {
        return true;
    }
    let named = table.algorithms.iter().find(|algorithm| !algorithm.span.is_empty()).map(|first| &first.span);
    let Some(at) = named.or(table.keys.as_ref().map(|file| &file.span)) else { return false };
    let has_secret = keys.supports(Algorithm::Hs256);
    let problem = reading
        .at(problem::Kind::Contradiction, at, "no key of the set is for an algorithm that is taken")
        .label(format!("taken are {}", listed(algorithms.iter().map(|algorithm| algorithm.name()))))
        .help(if has_secret { "the set has a secret: `algorithms = [\"HS256\"]` takes it" } else { "" });
    reading.report(problem);
    false
}

/// The key that signs, if it can.
fn signs(
    keys: &Arc<SigningKeys>,
    kid: &Located<String>,
    table: &SignatureTable,
    reading: &mut Reading,
) -> Option<Arc<SigningKeys>> {
    let Some(key) = keys.get(&kid.value) else {
        let known = || keys.keys().iter().map(|key| key.kid());
        let help = match nearest(&kid.value, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("private keys: {}", listed(known().take(20))),
        };
        let problem = reading
            .at(
                problem::Kind::UnknownName,
                &kid.span,
                format!("no private key of the set has the `kid` `{}`", kid.value),
            )
            .help(help);
        reading.report(problem);
        return None;
    };
    if !algorithms(table).contains(&key.algorithm()) {
        let name = key.algorithm().name();
        let problem = reading
            .at(problem::Kind::Contradiction, &kid.span, format!("this key signs by `{name}`"))
            .label("the algorithm is not among `algorithms`")
            .help(format!("set `algorithms = [\"{name}\"]`"));
        reading.report(problem);
        return None;
    }
    if !key.is_valid_at(Timestamp::now().as_millisecond()) {
        let problem = reading
            .at(problem::Kind::Unsafe, &kid.span, "this key is not valid now")
            .label("its `nbf` is to come or its `exp` is over: what it should sign is refused")
            .warning();
        reading.report(problem);
    }
    Some(Arc::clone(keys))
}

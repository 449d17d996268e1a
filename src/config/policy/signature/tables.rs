//! The tables of rules about signatures as they are written.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::kinds::{
    File, Flag, Words, count, duration, label, list, moment, name, one_or_many, optional, pointer, required, seconds,
    table, template, topic_filter, word,
};
use crate::config::policy::tables::{MANY, WhenTable};
use crate::config::read::{Located, settings};
use crate::identity::Template;
use crate::jwk::Algorithm;
use crate::payload::Field;
use crate::policy::{Mode, OnDeny, SignatureRule};
use crate::signature::{Carrier, Freshness, Names};

/// The longest age of a signature.
const LONGEST: Duration = seconds(30 * 86_400);
/// How old a signature may be where nothing is said.
pub(super) const MAX_AGE: Duration = seconds(30);

/// Where a signature is, as the word in `carrier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum CarrierName {
    UserProperty,
    Jws,
    JwsDetached,
    Cose,
    JsonField,
    Trailer,
}

impl Words for CarrierName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("user-property", Self::UserProperty),
        ("jws", Self::Jws),
        ("jws-detached", Self::JwsDetached),
        ("cose", Self::Cose),
        ("json-field", Self::JsonField),
        ("trailer", Self::Trailer),
    ];
}

/// What is done about a signature, as the word in `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum ActionName {
    Verify,
    Strip,
    Sign,
}

impl Words for ActionName {
    const WORDS: &'static [(&'static str, Self)] =
        &[("verify", Self::Verify), ("strip", Self::Strip), ("sign", Self::Sign)];
}

impl Words for Freshness {
    const WORDS: &'static [(&'static str, Self)] =
        &[("nonce", Self::Nonce), ("counter", Self::Counter), ("either", Self::Either)];
}

/// An algorithm that signs messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Signs(pub(super) Algorithm);

impl Words for Signs {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("EdDSA", Self(Algorithm::EdDsa)),
        ("ES256", Self(Algorithm::Es256)),
        ("ES384", Self(Algorithm::Es384)),
        ("PS256", Self(Algorithm::Ps256)),
        ("PS384", Self(Algorithm::Ps384)),
        ("PS512", Self(Algorithm::Ps512)),
        ("HS256", Self(Algorithm::Hs256)),
    ];
}

/// Those by which whoever verifies can't sign.
const ALGORITHMS: [Signs; 6] = [
    Signs(Algorithm::EdDsa),
    Signs(Algorithm::Es256),
    Signs(Algorithm::Es384),
    Signs(Algorithm::Ps256),
    Signs(Algorithm::Ps384),
    Signs(Algorithm::Ps512),
];

settings! {
    /// What signatures messages must have, or are given. What grants permit is refused all the same where one of these rules speaks of it and does not hold.
    pub(in crate::config) struct SignatureTable {
        /// Its id, which records and Reason Strings show; unique among all rules.
        id: Option<Located<String>> = None, required(name());
        /// Of whose messages: names of roles; everyone's when not given.
        roles: Vec<Located<String>> = Vec::new(), list(name(), 0..=MANY);
        /// Topic Filters of what clients publish, Wills among them.
        publish: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters of what is delivered to clients.
        receive: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Where the signature is: in User Properties (`user-property`, `jws-detached`; these exist in MQTT 5.0 alone, so nobody signs so by an older version), around the payload (`jws`, `cose`), in a member of the JSON object that it is (`json-field`), or behind it (`trailer`). docs/signatures.md has each byte for byte.
        carrier: Option<Located<CarrierName>> = None, required(word());
        /// JWK set of the keys: public ones and secrets to verify, private ones and secrets to sign. A key's record says what it is for: `kid`, `alg`, `nbf` and `exp`, and in `identity` whose it is.
        keys: Option<Located<PathBuf>> = None, required(File);
        /// Signature algorithms that are taken. `HS256` signs with a secret that whoever verifies must know too, so it has to be named.
        algorithms: Vec<Located<Signs>> = ALGORITHMS.map(|value| Located { value, span: 0..0 }).to_vec(), list(word(), 1..=ALGORITHMS.len() + 1);
        /// What is done: `verify` lets the message go on as it came, `strip` takes the signature off for those behind who know nothing of it, `sign` makes one.
        action: Option<Located<ActionName>> = Some(Located { value: ActionName::Verify, span: 0..0 }), optional(word());
        /// Whether the signature is taken off; short for `action = "strip"`.
        strip: Option<Located<bool>> = None, optional(Flag);
        /// The `kid` of the key that signs, for `action = "sign"`.
        sign_with: Option<Located<String>> = None, optional(label());
        /// How old a signature may be. With `freshness = "counter"` it may be left out, for devices that have no clock; else it is `30s` when not given.
        max_age: Option<Located<Duration>> = None, optional(duration(seconds(1)..=LONGEST));
        /// By how much the clocks of signer and gateway may differ.
        clock_skew: Duration = seconds(5), duration(seconds(0)..=seconds(3600));
        /// What keeps a message from being played again: a `nonce`, which no message of the same key had within `max_age`, or a `counter`, which is above that of the message before. Rules that share a key share what it has signed; deliveries with a counter need a receiver who is proven to be somebody.
        freshness: Option<Located<Freshness>> = Some(Located { value: Freshness::Nonce, span: 0..0 }), optional(word());
        /// Whether a message must be signed. Where it need not be, a signature that is there must hold all the same.
        required: Option<Located<bool>> = Some(Located { value: true, span: 0..0 }), optional(Flag);
        /// From when on a message must be signed, as in `2027-01-01T00:00:00Z`; before, it may be without a signature, and who sends such messages is counted. Until then whoever takes the signature off is let through; once it has come, remove this: a clock that is wrong could put it off.
        required_from: Option<Located<i64>> = None, optional(moment());
        /// What the key's id must be, as in `${identity}`; one of these. Any of the set when not given.
        key_id: Vec<Located<Template>> = Vec::new(), one_or_many(template());
        /// Where the signature is, for `carrier = "json-field"`.
        field: Option<Located<Field>> = Field::parse("/signature").map(|value| Located { value, span: 0..0 }), optional(pointer());
        /// The name of the User Property, for `carrier = "jws-detached"`.
        property: Option<Located<String>> = Some(Located { value: Carrier::JWS_PROPERTY.to_owned(), span: 0..0 }), optional(label());
        /// The names of the User Properties, for `carrier = "user-property"`.
        properties: Option<Located<PropertiesTable>> = None, optional(table());
        /// How many nonces of one key are kept. Where there is no room, messages are refused until one has grown too old.
        max_nonces: Option<Located<usize>> = Some(Located { value: SignatureRule::MAX_NONCES, span: 0..0 }), optional(count(1..=10_000_000));
        /// Whether a retained message may be delivered however old its signature is.
        retained_any_age: Option<Located<bool>> = Some(Located { value: false, span: 0..0 }), optional(Flag);
        /// When it holds; always when not given.
        when: Option<Located<WhenTable>> = None, optional(table());
        /// With `monitor` it refuses nothing and is recorded.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
        /// What becomes of what it refuses.
        on_deny: OnDeny = OnDeny::Reject, word();
    }
}

settings! {
    /// What the User Properties of a signature are called. All differ.
    pub(in crate::config) struct PropertiesTable {
        /// Of the key's id.
        kid: Option<Located<String>> = Some(Located { value: Names::default().kid.into(), span: 0..0 }), optional(label());
        /// Of the time of signing.
        time: Option<Located<String>> = Some(Located { value: Names::default().time.into(), span: 0..0 }), optional(label());
        /// Of the nonce.
        nonce: Option<Located<String>> = Some(Located { value: Names::default().nonce.into(), span: 0..0 }), optional(label());
        /// Of the counter.
        counter: Option<Located<String>> = Some(Located { value: Names::default().counter.into(), span: 0..0 }), optional(label());
        /// Of the signature.
        signature: Option<Located<String>> = Some(Located { value: Names::default().signature.into(), span: 0..0 }), optional(label());
    }
}

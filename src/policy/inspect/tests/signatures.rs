//! Rules about signatures: what is verified, taken off and made.

use std::time::Duration;

use super::*;
use crate::identity::Template;
use crate::jwk::{Keys, SigningKeys};
use crate::mqtt::frame::PacketType;
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, Limits, encode};
use crate::policy::{Act, Bound, Mode, OnDeny, Required, Rewrite, Rewritten, SignatureRule};
use crate::signature::{self, Carrier, Freshness, Names, Nonce, Once, Scheme};

const PRIVATE: &str = include_str!("../../../../tests/vectors/signatures/private.json");
const PUBLIC: &str = include_str!("../../../../tests/vectors/signatures/public.json");
const NOW: i64 = 1_800_000_000_123;
const TOPIC: &str = "plant/command";
const OPEN: &str = r#"{"valve":1}"#;
const SHUT: &str = r#"{"valve":0}"#;

fn public() -> Arc<Keys> {
    Arc::new(Keys::parse(PUBLIC.as_bytes()).unwrap())
}

fn private() -> Arc<SigningKeys> {
    Arc::new(SigningKeys::parse(PRIVATE.as_bytes()).unwrap())
}

fn scheme(carrier: Carrier) -> Scheme {
    Scheme {
        carrier,
        algorithms: Scheme::ALGORITHMS.to_vec(),
        max_age: Some(Duration::from_secs(30)),
        clock_skew: Duration::from_secs(5),
        freshness: Freshness::Either,
    }
}

fn properties() -> Scheme {
    scheme(Carrier::UserProperty(Names::default()))
}

/// A rule about what is published.
fn rule(scheme: Scheme, act: Act) -> SignatureRule {
    let mut rule = SignatureRule::new("signed", scheme, act);
    rule.rule.publish = texts(&["plant/#"]);
    rule
}

fn sealed(signatures: Vec<SignatureRule>, payloads: Vec<PayloadRule>) -> Arc<Policy> {
    compiled(Draft { signatures, ..open(payloads) })
}

/// A message as it is sent.
#[derive(Clone)]
struct Sent {
    topic: &'static str,
    payload: Vec<u8>,
    block: Vec<u8>,
    is_new: bool,
}

impl Sent {
    fn plain(payload: &str) -> Self {
        Self { topic: TOPIC, payload: payload.into(), block: Vec::new(), is_new: true }
    }

    fn signed(scheme: &Scheme, kid: &str, payload: &str, once: Once, at: i64) -> Self {
        let message = signature::Message { topic: TOPIC, payload: payload.as_bytes() };
        let sealed = scheme.sign(private().get(kid).unwrap(), message, &once, Some(at)).unwrap();
        let mut block = Vec::new();
        let own = sealed.add_properties.iter().map(|(name, value)| Property::UserProperty(name, value));
        encode::properties(own, &mut block);
        let payload = sealed.payload.unwrap_or_else(|| payload.into());
        Self { block, payload, ..Self::plain("") }
    }

    fn message(&self) -> Message<'_> {
        let place = Place::Packet(PacketType::Publish);
        let block = Properties::new(&self.block, place, Direction::FromClient, &Limits::default()).unwrap();
        Message { properties: self.is_new.then_some(block), ..message(self.topic, &self.payload) }
    }
}

fn nonce(number: u64) -> Once {
    Once::Nonce(Nonce::new(&u128::from(number).to_be_bytes()).unwrap())
}

impl Client {
    fn send(&mut self, at: i64, sent: &Sent) -> String {
        self.ask(at, &Request::Publish(sent.message()))
    }

    fn ask(&mut self, at: i64, request: &Request<'_>) -> String {
        self.authority.set_time(at);
        words(&self.decide(request))
    }

    fn rewrite(&mut self) -> Option<Rewrite> {
        self.authority.take_rewrite().map(|rewrite| *rewrite)
    }
}

#[test]
fn every_attack_on_a_signed_command_is_refused() {
    let policy = sealed(vec![rule(properties(), Act::Verify(public()))], Vec::new());
    let memory = Remembered::new();
    let mut client = Client::new(&policy, "sensor-7", &memory);
    let sign = |kid, number| Sent::signed(&properties(), kid, OPEN, nonce(number), NOW);
    let good = sign("hmac-1", 1);
    for (what, sent, at, expected) in [
        ("good", good.clone(), NOW, "allow"),
        ("replayed", good.clone(), NOW + 1, "reject signed replayed  replayed"),
        ("stripped", Sent { block: Vec::new(), ..good.clone() }, NOW, "reject signed unsigned  missing"),
        ("before 5.0", Sent { is_new: false, ..good.clone() }, NOW, "reject signed unsigned  missing"),
        ("altered", Sent { payload: SHUT.into(), ..good.clone() }, NOW, "reject signed signature  signature"),
        ("moved", Sent { topic: "plant/other", ..good.clone() }, NOW, "reject signed signature  signature"),
        ("late", sign("hmac-1", 2), NOW + 35_001, "reject signed stale  stale"),
        ("early", sign("hmac-1", 2), NOW - 5_001, "reject signed stale  early"),
        ("in time", sign("hmac-1", 2), NOW + 35_000, "allow"),
        ("twice", Sent { block: good.block.repeat(2), ..good.clone() }, NOW, "reject signed signature  duplicate"),
        ("key of another", sign("ed-1", 3), NOW, "reject signed signature  identity"),
        ("key of nobody", sign("p256-1", 4), NOW, "allow"),
        ("elsewhere", Sent { topic: "office/x", ..Sent::plain(OPEN) }, NOW, "allow"),
    ] {
        assert_eq!(client.send(at, &sent), expected, "{what}");
    }
    let mut nobody = Client::new(&policy, "", &memory);
    nobody.identity.name = None;
    assert_eq!(nobody.send(NOW, &sign("hmac-1", 9)), "reject signed signature  identity");
    let (identity, sent) = (named("sensor-7"), sign("hmac-1", 10));
    let decision = Authority::new(&policy, &identity, NOW).decide(&identity, &Request::Publish(sent.message()));
    assert_eq!(words(&decision), "reject signed replayed  no_memory");
    let unseen = Message { payload: None, ..sent.message() };
    assert_eq!(client.ask(NOW, &Request::Publish(unseen)), "reject signed signature  not_seen");
    assert!(client.authority.needs_payload(&client.identity, &Request::Publish(unseen)));
}

#[test]
fn a_redelivery_is_no_replay() {
    let policy = sealed(vec![rule(properties(), Act::Verify(public()))], Vec::new());
    let memory = Remembered::new();
    let (mut client, mut other) = (Client::new(&policy, "a", &memory), Client::new(&policy, "b", &memory));
    let counted = Scheme { freshness: Freshness::Counter, ..properties() };
    for (once, same) in [(nonce(1), properties()), (Once::Counter(1), counted)] {
        let sent = Sent::signed(&same, "p256-1", OPEN, once, NOW);
        let again = Request::Publish(Message { dup: true, ..sent.message() });
        assert_eq!(client.send(NOW, &sent), "allow");
        assert_eq!(client.ask(NOW, &again), "allow", "by the same client, with DUP");
        assert_eq!(client.send(NOW, &sent), "reject signed replayed  replayed", "without");
        assert_eq!(other.ask(NOW, &again), "reject signed replayed  replayed", "by another");
        // The client on another connection.
        assert_eq!(Client::new(&policy, "a", &memory).ask(NOW, &again), "allow");
        // Not in another session of the same name, and not as what it leaves behind.
        let mut session = Client::new(&policy, "a", &memory);
        session.identity.client_id = "another".into();
        assert_eq!(session.ask(NOW, &again), "reject signed replayed  replayed");
        assert_eq!(client.ask(NOW, &Request::Will(sent.message())), "reject signed replayed  replayed");
    }
}

#[test]
fn who_takes_the_client_identifier_of_another_delivers_nothing_again() {
    let policy = sealed(vec![rule(properties(), Act::Verify(public()))], Vec::new());
    let memory = Remembered::new();
    let unproven = |client_id: &str, address: [u8; 4]| {
        let mut client = Client::new(&policy, "", &memory);
        client.identity.name = None;
        (client.identity.client_id, client.identity.source) = (client_id.into(), (address, 50_000).into());
        client
    };
    let sent = Sent::signed(&properties(), "p256-1", OPEN, nonce(1), NOW);
    let again = Request::Publish(Message { dup: true, ..sent.message() });
    assert_eq!(unproven("a", [192, 0, 2, 7]).send(NOW, &sent), "allow");
    assert_eq!(unproven("a", [192, 0, 2, 7]).ask(NOW, &again), "allow");
    for (client_id, address) in [("a", [192, 0, 2, 8]), ("b", [192, 0, 2, 7])] {
        assert_eq!(unproven(client_id, address).ask(NOW, &again), "reject signed replayed  replayed", "{client_id}");
    }
}

#[test]
fn what_one_rule_has_taken_is_a_replay_to_every_other() {
    let verify = |id: &str, publish: &str, max_age| {
        let scheme = Scheme { max_age: Some(Duration::from_secs(max_age)), ..properties() };
        let mut rule = SignatureRule::new(id, scheme, Act::Verify(public()));
        rule.rule.publish = texts(&[publish]);
        rule
    };
    let policy = |rules| sealed(rules, Vec::new());
    let memory = Remembered::new();
    let sent = |number| Sent::signed(&properties(), "p256-1", OPEN, nonce(number), NOW);
    // Two rules about one message use it up once.
    let both = policy(vec![verify("a", "plant/#", 30), verify("b", "plant/#", 30)]);
    assert_eq!(Client::new(&both, "x", &memory).send(NOW, &sent(1)), "allow");
    assert_eq!(Client::new(&both, "x", &memory).send(NOW, &sent(1)), "reject a replayed  replayed");
    // The rule has another name after a reload.
    let renamed = policy(vec![verify("c", "plant/#", 30)]);
    assert_eq!(Client::new(&renamed, "x", &memory).send(NOW, &sent(1)), "reject c replayed  replayed");
    // It is remembered for as long as any rule with that key takes what is so old.
    let longer = policy(vec![verify("c", "plant/#", 30), verify("d", "office/#", 3_600)]);
    assert_eq!(Client::new(&longer, "x", &memory).send(NOW, &sent(2)), "allow");
    let last = memory.nonces.lock().unwrap().values().map(|(.., expires)| *expires).max();
    assert_eq!(last, Some(NOW + 3_605_001));
}

#[test]
fn receivers_that_are_proven_to_be_nobody_take_no_more_room_by_calling_themselves_otherwise() {
    let receiving = |scheme: Scheme, max_nonces| {
        let mut rule = SignatureRule { max_nonces, ..rule(scheme, Act::Verify(public())) };
        (rule.rule.publish, rule.rule.receive) = (Vec::new(), texts(&["plant/#"]));
        sealed(vec![rule], Vec::new())
    };
    let counted = Scheme { freshness: Freshness::Counter, max_age: None, ..properties() };
    let memory = Remembered::new();
    let receive = |policy: &Arc<Policy>, name: Option<&str>, client_id: &str, sent: &Sent| {
        let mut client = Client::new(policy, "", &memory);
        (client.identity.name, client.identity.client_id) = (name.map(Into::into), client_id.into());
        client.ask(NOW, &Request::Receive(sent.message()))
    };
    let policy = receiving(counted.clone(), 2);
    let sent = Sent::signed(&counted, "p256-1", OPEN, Once::Counter(1), NOW);
    assert_eq!(receive(&policy, None, "a", &sent), "reject signed replayed  unproven");
    assert_eq!(receive(&policy, Some("a"), "a", &sent), "allow");
    assert_eq!(memory.counters.lock().unwrap().len(), 1);
    let policy = receiving(properties(), 2);
    let sent = Sent::signed(&properties(), "p256-1", OPEN, nonce(1), NOW);
    let full = "reject signed replayed  full";
    for (name, client_id, expected) in [
        (None, "a", "allow"),
        (None, "a", "reject signed replayed  replayed"),
        (None, "b", "allow"),
        (None, "c", full),
        (Some("c"), "c", "allow"),
        (Some("d"), "d", "allow"),
    ] {
        assert_eq!(receive(&policy, name, client_id, &sent), expected, "{name:?} {client_id}");
    }
}

#[test]
fn what_goes_on_is_what_is_judged_where_another_rule_has_verified_all_of_it() {
    let field = scheme(Carrier::JsonField(Field::parse("/signature").unwrap()));
    let mut verify = SignatureRule::new("a", properties(), Act::Verify(public()));
    verify.rule.publish = texts(&["plant/#"]);
    let short = Check { max_length: Some(OPEN.len()), ..check("") };
    let short =
        PayloadRule { format: Some(PayloadFormat::Fields(Format::Text)), ..json("short", &["plant/#"], vec![short]) };
    let policy = sealed(vec![verify, rule(field.clone(), Act::Strip(public()))], vec![short]);
    let inner = Sent::signed(&field, "p256-1", OPEN, nonce(1), NOW);
    let sent = Sent::signed(&properties(), "p256-1", str::from_utf8(&inner.payload).unwrap(), nonce(2), NOW);
    let mut client = Client::new(&policy, "x", &Remembered::new());
    assert_eq!(client.send(NOW, &sent), "allow");
    assert_eq!(client.rewrite().unwrap().payload.as_deref(), Some(OPEN.as_bytes()));
}

#[test]
fn counters_go_up() {
    let counted = Scheme { freshness: Freshness::Counter, max_age: None, ..properties() };
    let policy = sealed(vec![rule(counted.clone(), Act::Verify(public()))], Vec::new());
    let memory = Remembered::new();
    let mut client = Client::new(&policy, "a", &memory);
    for (count, is_taken) in [(5, true), (5, false), (4, false), (6, true), (1_000, true), (999, false)] {
        let sent = Sent::signed(&counted, "p256-1", OPEN, Once::Counter(count), NOW);
        assert_eq!(client.send(NOW, &sent) == "allow", is_taken, "{count}");
    }
    // Of another key, another.
    let sent = Sent::signed(&counted, "p384-1", OPEN, Once::Counter(7), NOW);
    assert_eq!(client.send(NOW, &sent), "allow");
}

#[test]
fn no_more_nonces_are_taken_than_are_kept() {
    let few = SignatureRule { max_nonces: 2, ..rule(properties(), Act::Verify(public())) };
    let (policy, memory) = (sealed(vec![few], Vec::new()), Remembered::new());
    let mut client = Client::new(&policy, "a", &memory);
    for (number, expected) in [(1, "allow"), (2, "allow"), (3, "reject signed replayed  full")] {
        let sent = Sent::signed(&properties(), "p256-1", OPEN, nonce(number), NOW);
        assert_eq!(client.send(NOW, &sent), expected);
    }
    let sent = Sent::signed(&properties(), "p384-1", OPEN, nonce(4), NOW);
    assert_eq!(client.send(NOW, &sent), "allow", "of another key");
}

#[test]
fn a_key_can_be_bound_to_who_the_client_is() {
    let template = Template::parse("${identity}-*").unwrap();
    let bound = SignatureRule { key_id: vec![template], ..rule(properties(), Act::Verify(public())) };
    let (policy, memory) = (sealed(vec![bound], Vec::new()), Remembered::new());
    for (name, number, expected) in [("p256", 1, "allow"), ("p384", 2, "reject signed signature  key_id")] {
        let sent = Sent::signed(&properties(), "p256-1", OPEN, nonce(number), NOW);
        assert_eq!(Client::new(&policy, name, &memory).send(NOW, &sent), expected);
    }
}

#[test]
fn who_does_not_sign_yet_is_told_once_for_a_connection_and_noted_each_time() {
    let later = SignatureRule { required: Required::From(NOW), ..rule(properties(), Act::Verify(public())) };
    let (policy, memory) = (sealed(vec![later], Vec::new()), Remembered::new());
    let mut client = Client::new(&policy, "a", &memory);
    let plain = Sent::plain(OPEN);
    assert_eq!(client.send(NOW - 3, &plain), "observe signed unsigned");
    assert_eq!(client.send(NOW - 2, &plain), "allow");
    assert_eq!(memory.unsigned.lock().unwrap().len(), 2);
    assert_eq!(
        client.send(NOW - 1, &Sent::signed(&properties(), "ed-1", OPEN, nonce(1), NOW)),
        "reject signed signature  identity"
    );
    assert_eq!(client.send(NOW, &plain), "reject signed unsigned  missing");
    let never = SignatureRule { required: Required::IfPresent, ..rule(properties(), Act::Verify(public())) };
    let policy = sealed(vec![never], Vec::new());
    assert_eq!(Client::new(&policy, "a", &memory).send(NOW, &plain), "observe signed unsigned");
    let who = memory.unsigned.lock().unwrap().clone();
    assert!(who.len() == 3 && who.iter().all(|one| *one == who[0]), "{who:?}");
}

#[test]
fn what_is_verified_goes_on_plain_where_that_is_asked_and_is_judged_plain_in_any_case() {
    let range = |max| json("range", &["plant/#"], vec![Check { max: Some(Bound::Integer(max)), ..check("/valve") }]);
    let (mut number, memory) = (0, Remembered::new());
    for carrier in [
        Carrier::UserProperty(Names::default()),
        Carrier::Jws,
        Carrier::Cose,
        Carrier::JsonField(Field::parse("/signature").unwrap()),
        Carrier::Trailer,
    ] {
        let scheme = scheme(carrier);
        for (act, max, expected) in [
            (Act::Strip(public()), 1, "allow"),
            (Act::Strip(public()), 0, "reject range payload /valve above_max"),
            (Act::Verify(public()), 1, "allow"),
            (Act::Verify(public()), 0, "reject range payload /valve above_max"),
        ] {
            number += 1;
            let strips = matches!(act, Act::Strip(_));
            let policy = sealed(vec![rule(scheme.clone(), act)], vec![range(max)]);
            let mut client = Client::new(&policy, "a", &memory);
            let sent = Sent::signed(&scheme, "p256-1", OPEN, nonce(number), NOW);
            assert_eq!(client.send(NOW, &sent), expected, "{}", scheme.carrier.name());
            let rewrite = client.rewrite();
            assert_eq!(rewrite.is_some(), strips && max == 1, "{}", scheme.carrier.name());
            let Some(rewrite) = rewrite else { continue };
            assert_eq!(rewrite.what, Rewritten::Stripped);
            let payload = rewrite.payload.unwrap_or_else(|| sent.payload.clone());
            let plain: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(plain, serde_json::json!({"valve": 1}));
            assert_eq!(rewrite.drop_properties.len(), scheme.carrier.properties().len());
            assert_eq!(client.rewrite(), None, "it is taken once");
        }
    }
}

#[test]
fn what_a_legacy_device_says_is_signed_for_it() {
    let act = || Act::Sign { keys: private(), kid: "ed-1".into() };
    let range = || json("range", &["plant/#"], vec![Check { max: Some(Bound::Integer(1)), ..check("/valve") }]);
    let memory = Remembered::new();
    let policy = sealed(vec![rule(properties(), act())], vec![range()]);
    let mut client = Client::new(&policy, "old", &memory);
    assert_eq!(client.send(NOW, &Sent::plain(r#"{"valve":2}"#)), "reject range payload /valve above_max");
    assert_eq!(client.rewrite(), None);
    let mut nonces = Vec::new();
    for _ in 0..2 {
        assert_eq!(client.send(NOW, &Sent::plain(OPEN)), "allow");
        let rewrite = client.rewrite().unwrap();
        assert_eq!((rewrite.what, &rewrite.payload), (Rewritten::Signed, &None));
        assert_eq!(rewrite.drop_properties.len(), 5, "what the client said of a signature does not go on");
        let message = signature::Message { topic: TOPIC, payload: OPEN.as_bytes() };
        let told = rewrite.add_properties.iter().map(|(name, value)| (&**name, &**value));
        let keys = public();
        let verified = properties().verify(&keys, message, told, NOW).unwrap();
        nonces.push(verified.once);
    }
    assert_ne!(nonces[0], nonces[1]);
    let old = Sent { is_new: false, ..Sent::plain(OPEN) };
    assert_eq!(client.send(NOW, &old), "reject signed signature  no_properties");
    // In the payload it needs no 5.0.
    let policy = sealed(vec![rule(scheme(Carrier::Trailer), act())], vec![range()]);
    let mut client = Client::new(&policy, "old", &memory);
    assert_eq!(client.send(NOW, &old), "allow");
    assert!(client.rewrite().unwrap().payload.unwrap().starts_with(OPEN.as_bytes()));
}

#[test]
fn what_only_watches_changes_nothing() {
    let memory = Remembered::new();
    for act in [Act::Strip(public()), Act::Sign { keys: private(), kid: "ed-1".into() }] {
        let is_signing = matches!(act, Act::Sign { .. });
        for (mode, on_deny) in [(Mode::Monitor, OnDeny::Reject), (Mode::Enforce, OnDeny::Monitor)] {
            let mut watching = rule(properties(), act.clone());
            (watching.rule.mode, watching.rule.on_deny) = (mode, on_deny);
            let policy = sealed(vec![watching], Vec::new());
            let mut client = Client::new(&policy, "a", &memory);
            let expected = if is_signing { "allow" } else { "observe signed unsigned  missing" };
            assert_eq!(client.send(NOW, &Sent::plain(OPEN)), expected);
            let number = memory.nonces.lock().unwrap().len() as u64;
            client.send(NOW, &Sent::signed(&properties(), "p256-1", OPEN, nonce(number), NOW));
            assert_eq!(client.rewrite(), None);
        }
    }
}

#[test]
fn one_rule_at_most_rewrites_a_message() {
    let named = |id: &str, publish: &[&str], roles: &[&str]| {
        let mut rule = rule(properties(), Act::Strip(public()));
        (rule.rule.id, rule.rule.publish, rule.rule.roles) = (id.to_owned(), texts(publish), texts(roles));
        rule
    };
    let roles = vec![crate::policy::Role::new("r"), crate::policy::Role::new("s")];
    let compile =
        |one, other| Policy::new(Draft { signatures: vec![one, other], roles: roles.clone(), ..open(Vec::new()) });
    let both = compile(named("a", &["plant/+"], &[]), named("b", &["plant/${identity}"], &["r"]));
    let errors: Vec<String> = both.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["rules `a` and `b` both take off or make signatures of the same messages"]);
    assert!(compile(named("a", &["plant/+"], &[]), named("b", &["office/#"], &[])).is_ok());
    // Who has both roles is seen when it comes.
    let policy = Arc::new(compile(named("a", &["plant/#"], &["r"]), named("b", &["plant/#"], &["s"])).unwrap());
    let memory = Remembered::new();
    let sent = Sent::signed(&properties(), "p256-1", OPEN, nonce(1), NOW);
    assert_eq!(Client::new(&policy, "a", &memory).send(NOW, &sent), "reject b signature  two_rewrites");
}

#[test]
fn a_delivery_is_verified_for_each_receiver_and_a_retained_one_as_often_as_it_comes() {
    let receiving = |retained_any_age| {
        let mut rule = SignatureRule { retained_any_age, ..rule(properties(), Act::Verify(public())) };
        (rule.rule.publish, rule.rule.receive) = (Vec::new(), texts(&["plant/#"]));
        sealed(vec![rule], Vec::new())
    };
    let (policy, memory) = (receiving(false), Remembered::new());
    // Whose key it is says nothing of who receives it.
    let sent = Sent::signed(&properties(), "hmac-1", OPEN, nonce(1), NOW);
    let (live, kept) = (Request::Receive(sent.message()), Request::Receive(Message { retain: true, ..sent.message() }));
    let replayed = "reject signed replayed  replayed";
    let (mut one, mut other) = (Client::new(&policy, "a", &memory), Client::new(&policy, "b", &memory));
    assert_eq!([one.ask(NOW, &live), one.ask(NOW, &live)], ["allow", replayed]);
    assert_eq!([other.ask(NOW, &live), other.ask(NOW, &live)], ["allow", replayed]);
    assert_eq!([one.ask(NOW, &kept), one.ask(NOW, &kept)], ["allow", "allow"]);
    let late = NOW + 1_000_000;
    assert_eq!(one.ask(late, &kept), "reject signed stale  stale");
    let mut any = Client::new(&receiving(true), "a", &memory);
    assert_eq!([any.ask(late, &kept), any.ask(late, &live)], ["allow", "reject signed stale  stale"]);
}

#[test]
fn a_signed_will_comes_again_with_each_connection_and_is_not_too_old_when_it_is_judged_again() {
    let (policy, memory) = (sealed(vec![rule(properties(), Act::Verify(public()))], Vec::new()), Remembered::new());
    let sent = Sent::signed(&properties(), "p256-1", OPEN, nonce(1), NOW);
    let will = Request::Will(sent.message());
    let mut client = Client::new(&policy, "a", &memory);
    assert_eq!([client.ask(NOW, &will), client.ask(NOW, &will)], ["allow", "allow"]);
    assert_eq!(client.ask(NOW + 40_000, &will), "reject signed stale  stale");
    assert_eq!(client.authority.decide_again(&client.identity, &will), Decision::Allow);
    let altered = Sent { payload: SHUT.into(), ..sent };
    let again = client.authority.decide_again(&client.identity, &Request::Will(altered.message()));
    assert_eq!(words(&again), "reject signed signature  signature");
}

#[test]
fn an_explanation_uses_nothing_up() {
    let (policy, memory) = (sealed(vec![rule(properties(), Act::Verify(public()))], Vec::new()), Remembered::new());
    let mut client = Client::new(&policy, "sensor-7", &memory);
    client.authority.set_time(NOW);
    let sent = Sent::signed(&properties(), "hmac-1", OPEN, nonce(1), NOW);
    for _ in 0..2 {
        let explained = client.authority.explain(&client.identity, &Request::Publish(sent.message()));
        assert_eq!(explained.decision, Decision::Allow);
        let why = &explained.weighed[0].why;
        assert_eq!(why, "`plant/#` matches: signed with the key `hmac-1`");
    }
    assert!(memory.nonces.lock().unwrap().is_empty());
}

#[test]
fn what_can_not_be_followed_is_no_rule() {
    let sign = |kid: &str| Act::Sign { keys: private(), kid: kid.into() };
    let counter = Scheme { freshness: Freshness::Counter, ..properties() };
    let none = Scheme { algorithms: Vec::new(), ..properties() };
    let rsa = Scheme { algorithms: vec![crate::jwk::Algorithm::Ps512], ..properties() };
    for (rule, expected) in [
        (rule(none, Act::Verify(public())), "no algorithm is taken"),
        (rule(properties(), sign("nobody")), "there is no key of the name that it is to sign with"),
        (rule(rsa, sign("ed-1")), "the key that it signs with is for none of its algorithms"),
        (rule(counter, sign("ed-1")), "the gateway signs with nonces: gateways that share a key share no counter"),
        (
            SignatureRule { max_nonces: 0, ..rule(properties(), Act::Verify(public())) },
            "without room for nonces no message would be taken",
        ),
    ] {
        let errors = Policy::new(Draft { signatures: vec![rule], ..open(Vec::new()) }).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(texts.contains(&format!("rule `signed`: {expected}")), "{texts:?}");
    }
}

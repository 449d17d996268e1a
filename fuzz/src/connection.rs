//! One connection, both peers' bytes as they come: what comes out is whole permitted packets, however they came.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidegate::{
    enforce::{Accepted, At, Connection, Credentials, End, Opening, Output, Terms, open},
    identity::Identity,
    mqtt::{
        Context, Direction, Limits, Version, connect::Connect, encode, packet::Packet, property::Property,
        reason::ReasonCode,
    },
    payload::{Field, Format},
    policy::{
        Bound, Check, CheckedField, Draft, Message, MessageRule, OnDeny, PayloadFormat, PayloadRule, Policy, RateRule,
        Reason, Request, Rewrite, Rewritten, Rule, Unit, Verdict,
    },
    rate::Rate,
};

/// What refuses by which first word of a topic.
pub const WORDS: [(&str, OnDeny); 5] = [
    ("deny", OnDeny::Reject),
    ("claim", OnDeny::Acknowledge),
    ("cut", OnDeny::Disconnect),
    ("hold", OnDeny::Quarantine),
    ("watch", OnDeny::Monitor),
];

/// Refuses what begins with its word, and wants to see the payload of what begins with `whole`.
#[derive(Debug)]
struct ByTopic {
    word: &'static str,
    on_deny: OnDeny,
}

impl Rule for ByTopic {
    fn id(&self) -> &str {
        self.word
    }

    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        let text = match request {
            Request::Connect(_) => "",
            Request::Will(message) | Request::Publish(message) | Request::Receive(message) => message.topic,
            Request::Subscribe(subscription) => subscription.filter,
            Request::Respond(topic) => topic,
        };
        if text.starts_with(self.word) { Verdict::Deny(Reason::NotAuthorized) } else { Verdict::Silent }
    }

    fn on_deny(&self) -> OnDeny {
        self.on_deny
    }

    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        message.topic.starts_with("whole")
    }
}

/// What stands at the end of a payload that is signed.
pub const SEAL: u8 = b'|';

/// Takes seals off the end of what begins with `strip`, and denies it where there is none; puts one to what begins with `sign`.
#[derive(Debug)]
struct Notary;

impl Notary {
    fn message<'r>(request: &Request<'r>) -> Option<Message<'r>> {
        match *request {
            Request::Will(message) | Request::Publish(message) | Request::Receive(message) => Some(message),
            Request::Connect(_) | Request::Subscribe(_) | Request::Respond(_) => None,
        }
    }
}

impl Rule for Notary {
    fn id(&self) -> &str {
        "notary"
    }

    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        let Some(message) = Self::message(request) else { return Verdict::Silent };
        match message.payload {
            None if self.needs_payload_of(message.topic) => Verdict::Deny(Reason::Payload),
            Some(payload) if message.topic.starts_with("strip") && !payload.ends_with(&[SEAL]) => {
                Verdict::Deny(Reason::Unsigned)
            }
            Some(_) | None => Verdict::Silent,
        }
    }

    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        self.needs_payload_of(message.topic)
    }

    fn rewrite(&self, _: &Identity, request: &Request<'_>) -> Option<Box<Rewrite>> {
        let message = Self::message(request)?;
        let mut payload = message.payload?.to_vec();
        let what = if message.topic.starts_with("strip") {
            while payload.pop_if(|byte| *byte == SEAL).is_some() {}
            Rewritten::Stripped
        } else if message.topic.starts_with("sign") {
            payload.push(SEAL);
            Rewritten::Signed
        } else {
            return None;
        };
        let (drop_properties, add_properties) = (Vec::new(), Vec::new());
        Some(Box::new(Rewrite { what, payload: Some(payload), drop_properties, add_properties }))
    }
}

impl Notary {
    fn needs_payload_of(&self, topic: &str) -> bool {
        topic.starts_with("strip") || topic.starts_with("sign")
    }
}

/// Whether a topic or filter is kept from the other side.
pub fn is_refused(topic: &str) -> bool {
    WORDS.iter().any(|(word, on_deny)| *on_deny != OnDeny::Monitor && topic.starts_with(word))
}

/// A connection whose CONNACK has come, and what both peers were sent since.
pub struct Pair {
    pub connection: Connection,
    pub version: Version,
    now: Instant,
    pub to_client: Vec<u8>,
    pub to_broker: Vec<u8>,
    tails: [Vec<u8>; 2],
    held: [bool; 2],
    pub refusals: usize,
    /// Messages for the quarantine topic.
    pub quarantined: usize,
    pub end: Option<End>,
}

/// What begins with `count` is a number from 0 to 99, either way, of few bytes.
fn counted() -> PayloadRule {
    let filters = vec!["count/#".to_owned()];
    let rule = MessageRule { publish: filters.clone(), receive: filters, ..MessageRule::new("counted") };
    let field = CheckedField::Field(Field::parse("").expect("a field"));
    let value = Check { min: Some(Bound::Integer(0)), max: Some(Bound::Integer(99)), ..Check::new(field) };
    let format = Some(PayloadFormat::Fields(Format::Number));
    PayloadRule { rule, format, max_bytes: 150, values: vec![value], ..PayloadRule::new("counted") }
}

/// Whether a message to that topic may go on as far as the rule for numbers goes.
pub fn counts(topic: &str, payload: &[u8]) -> bool {
    let number = || std::str::from_utf8(payload).ok()?.trim().parse::<f64>().ok();
    !topic.starts_with("count/") || number().is_some_and(|number| (0.0..=99.0).contains(&number))
}

/// One message to what begins with `slow` is as many as there may be for an hour, either way.
fn seldom() -> RateRule {
    let filters = vec!["slow/#".to_owned()];
    let limits = vec![(Unit::Messages, Rate::new(1, Duration::from_secs(3600)))];
    RateRule { publish: filters.clone(), receive: filters, limits, ..RateRule::new("seldom") }
}

/// Small enough that everything which is bounded meets its bound.
fn terms() -> Terms {
    let limits = Limits { max_packet_bytes: 2048, max_control_bytes: 1024, ..Limits::default() };
    let mut rules: Vec<Box<dyn Rule>> = vec![Box::new(Notary)];
    rules.extend(WORDS.map(|(word, on_deny)| Box::new(ByTopic { word, on_deny }) as Box<dyn Rule>));
    let draft = Draft { permit_all: true, payloads: vec![counted()], rates: vec![seldom()], ..Draft::new("1") };
    let policy = Arc::new(Policy::new(draft).expect("a policy").with_rules(rules));
    let terms = Terms::new(limits, policy);
    Terms { stream_threshold_bytes: 64, max_buffered_bytes: 256, topic_alias_maximum: 4, max_subscriptions: 8, ..terms }
}

impl Pair {
    pub fn new(version: Version, clean_start: bool) -> Self {
        let now = Instant::now();
        let connect = Connect { client_id: "fuzz", ..Connect::bare(version, clean_start, 60) };
        let alias_maximum = [Property::TopicAliasMaximum(4)];
        let mut bytes = Vec::new();
        encode::connect(&connect, &alias_maximum, &mut bytes);
        let identity = Identity::new("field".into(), ([192, 0, 2, 1], 1).into(), None);
        let terms = Arc::new(terms());
        let Opening::Asking(asking) = open(&bytes, &terms) else { panic!("CONNECT is refused") };
        let at = At { now, unix_millis: 0, ends: None };
        let accepted = asking.admit(&terms, asking.known(identity), &Credentials::AsReceived, at);
        let Ok(Accepted { connection, .. }) = accepted else { panic!("CONNECT is refused") };
        let mut pair = Self {
            connection,
            version,
            now,
            to_client: Vec::new(),
            to_broker: Vec::new(),
            tails: [Vec::new(), Vec::new()],
            held: [false; 2],
            refusals: 0,
            quarantined: 0,
            end: None,
        };
        let mut connack = Vec::new();
        encode::connack(version, false, ReasonCode::Success, alias_maximum, &mut connack);
        pair.feed(Direction::FromBroker, &connack);
        pair.to_client.clear();
        pair
    }

    /// Puts the same terms in force anew: another policy to the connection, that says the same.
    pub fn adopt(&mut self) {
        if self.end.is_some() {
            return;
        }
        let at = At { now: self.now, unix_millis: 0, ends: None };
        let mut out = Output::default();
        self.end = self.connection.adopt(at, &Arc::new(terms()), &mut out).err();
        assert!(out.is_empty() && out.events.is_empty(), "whoever is permitted notices nothing");
    }

    /// Bytes of one peer, and then what the other held back.
    pub fn feed(&mut self, from: Direction, bytes: &[u8]) {
        let other = if from == Direction::FromClient { Direction::FromBroker } else { Direction::FromClient };
        self.take(from, bytes);
        if self.held[other as usize] {
            self.take(other, &[]);
        }
    }

    fn take(&mut self, from: Direction, bytes: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let tail = &mut self.tails[from as usize];
        tail.extend_from_slice(bytes);
        let mut out = Output::default();
        let result = self.connection.receive(from, self.now, tail, &mut out);
        let (onward, back) = match from {
            Direction::FromClient => (&mut self.to_broker, &mut self.to_client),
            Direction::FromBroker => (&mut self.to_client, &mut self.to_broker),
        };
        out.onward.copy_to(tail, onward);
        back.extend_from_slice(&out.back);
        self.refusals += out.events.len();
        self.quarantined += out.quarantined.len();
        match result {
            Ok(received) => {
                for range in out.overtaken.iter().rev() {
                    tail.drain(range.clone());
                }
                tail.drain(..received.consumed);
                self.held[from as usize] = received.hold;
            }
            Err(end) => self.end = Some(end),
        }
    }

    /// Holds that both peers were sent whole packets and none that is denied. A PUBLISH may be under way.
    pub fn check(&self) {
        self.check_stream(Direction::FromClient, &self.to_broker);
        self.check_stream(Direction::FromBroker, &self.to_client);
    }

    fn check_stream(&self, direction: Direction, mut bytes: &[u8]) {
        let limits = Limits { max_control_bytes: 8192, ..Limits::default() };
        let context = Context { version: self.version, direction, limits: &limits };
        while let Some(frame) = context.frame(bytes).expect("what goes out is framed") {
            let packet = context.packet(frame).expect("what goes out is well-formed");
            if let Packet::Publish(publish) = packet {
                assert!(!is_refused(publish.topic), "refused and forwarded");
                assert!(counts(publish.topic, publish.payload), "not the number that it must be");
                let is_sealed = publish.payload.ends_with(&[SEAL]);
                assert!(!is_sealed || !publish.topic.starts_with("strip"), "a seal that was not taken off");
                assert!(is_sealed || !publish.topic.starts_with("sign"), "forwarded without a seal");
                assert!(!publish.topic.starts_with("quarantine/not_authorized/hold/hold"), "quarantined to a peer");
            }
            if let Packet::Subscribe(subscribe) = packet {
                assert!(subscribe.subscriptions().all(|one| !is_refused(one.filter.text())));
            }
            bytes = &bytes[frame.bytes.len()..];
        }
        if !bytes.is_empty() {
            let header = context.header(bytes).expect("a header").expect("a whole one");
            let head = context.publish_head(&header, bytes).expect("a PUBLISH").expect("its head");
            assert!(!is_refused(head.topic), "refused and under way");
            assert!(!head.topic.starts_with("count/"), "under way unseen");
            assert!(!head.topic.starts_with("strip") && !head.topic.starts_with("sign"), "under way unseen");
        }
    }
}

/// The first byte chooses the version and whether there may be a session; then come pieces: a byte for the side and the
/// length, and so many bytes. Without any, other terms are put in force.
pub(crate) fn relay(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let version = [Version::V31, Version::V311, Version::V50][usize::from(first % 3)];
    let pieces = pieces(rest);
    let run = |pieces: &[(Direction, Vec<u8>)]| {
        let mut pair = Pair::new(version, first & 0x80 == 0);
        for (from, bytes) in pieces {
            if bytes.is_empty() {
                pair.adopt();
            } else {
                pair.feed(*from, bytes);
            }
        }
        pair.check();
        pair
    };
    let as_it_came = run(&pieces);
    let joined = run(&join(&pieces));
    assert_eq!(as_it_came.to_client, joined.to_client);
    assert_eq!(as_it_came.to_broker, joined.to_broker);
    assert_eq!(as_it_came.end, joined.end);
    assert_eq!(as_it_came.refusals, joined.refusals);
    if as_it_came.end.is_none() {
        assert_eq!(as_it_came.connection.is_quiet(), joined.connection.is_quiet());
    }
}

fn pieces(mut rest: &[u8]) -> Vec<(Direction, Vec<u8>)> {
    let mut pieces = Vec::new();
    while let Some((&control, behind)) = rest.split_first() {
        let from = if control & 0x80 == 0 { Direction::FromClient } else { Direction::FromBroker };
        let (piece, behind) = behind.split_at(usize::from(control & 0x7F).min(behind.len()));
        pieces.push((from, piece.to_vec()));
        rest = behind;
    }
    pieces
}

/// Neighbouring pieces of one peer as one.
fn join(pieces: &[(Direction, Vec<u8>)]) -> Vec<(Direction, Vec<u8>)> {
    let mut joined: Vec<(Direction, Vec<u8>)> = Vec::new();
    for (from, bytes) in pieces {
        match joined.last_mut() {
            Some((last, all)) if last == from && !all.is_empty() && !bytes.is_empty() => all.extend_from_slice(bytes),
            Some(_) | None => joined.push((*from, bytes.clone())),
        }
    }
    joined
}

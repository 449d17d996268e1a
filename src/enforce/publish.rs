//! PUBLISH, either way: the client's publications and the broker's deliveries are judged alike.

use std::num::NonZeroU16;
use std::time::Duration;

use super::end::{End, Violation};
use super::event::Rewrite;
use super::exchange::Sending;
use super::relay::{Call, Step, lenient};
use super::reply;
use super::side::{Inside, Side};
use super::{Connection, Text};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, Frame, PacketType, QoS};
use crate::mqtt::packet::PublishHead;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Context, Direction, Version, encode, topic};
use crate::policy::{Decision, Denial, Message, Reason, Request};

/// Names of the gateway's own limits, where they refuse a message.
const TOO_LARGE_TO_JUDGE: Denial = Denial::limit("max_buffered_bytes", Reason::TooLarge);
const TOO_LARGE_TO_DELIVER: Denial = Denial::limit("max_packet_bytes", Reason::TooLarge);
const TOO_LARGE_WITH_TOPIC: Denial = Denial::limit("maximum_packet_size", Reason::TooLarge);
const CONTRADICTS_FORMAT: Denial = Denial::limit("payload_format_indicator", Reason::PayloadFormat);

/// What breaks no rule of MQTT, by the setting that refuses it.
const BEYOND_LIMITS: [(DecodeError, &str, Reason); 4] = [
    (DecodeError::ControlCharacter, "refuse_control_characters", Reason::Topic),
    (DecodeError::TopicNameTooLong, "max_topic_bytes", Reason::Topic),
    (DecodeError::TopicNameTooDeep, "max_topic_levels", Reason::Topic),
    (DecodeError::TooManyUserProperties, "max_user_properties", Reason::Quota),
];

/// How long a client that fills its window waits for room before it is at fault. MQTT.js publishes without counting, and
/// a broker that acknowledges at once never notices; here its acknowledgements are still under way.
const WINDOW_PATIENCE: Duration = Duration::from_secs(1);

/// One PUBLISH under judgement.
struct Judged<'a> {
    head: PublishHead<'a>,
    total_len: usize,
    /// `None`: it goes through in pieces, or not at all.
    payload: Option<&'a [u8]>,
}

impl Judged<'_> {
    fn message<'t>(&'t self, topic: &'t str) -> Message<'t> {
        Message {
            topic,
            qos: self.head.qos,
            retain: self.head.retain,
            payload_bytes: self.total_len - self.head.head_len,
            payload: self.payload,
        }
    }
}

/// Whether the far side is told a Topic Name anew.
enum Name {
    AsItCame,
    PutBack,
}

impl Connection {
    pub(super) fn publish(&mut self, call: &mut Call<'_>, header: &FixedHeader) -> Result<Step, End> {
        let total_len = header.total_len();
        let rest = call.rest();
        if total_len > call.terms.stream_threshold_bytes || total_len > call.terms.limits.max_packet_bytes {
            return self.publish_large(call, header);
        }
        let Some(bytes) = rest.get(..total_len) else { return Ok(Step::More) };
        let context = Context { version: self.version, direction: call.from, limits: &call.terms.limits };
        let publish = match context.publish(&Frame { header: *header, bytes }) {
            Ok(publish) => publish,
            Err(error) => return self.publish_beyond_limits(call, header, error),
        };
        let judged = Judged { head: publish.head(total_len), total_len, payload: Some(publish.payload) };
        self.judge(call, &judged, None)
    }

    /// One that is judged by its head, unless its payload matters.
    fn publish_large(&mut self, call: &mut Call<'_>, header: &FixedHeader) -> Result<Step, End> {
        self.side_mut(call.from).awaited_bytes = 0;
        let context = Context { version: self.version, direction: call.from, limits: &call.terms.limits };
        let rest = call.rest();
        let head = match context.publish_head(header, rest) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Step::More),
            Err(error) => return self.publish_beyond_limits(call, header, error),
        };
        let mut judged = Judged { head, total_len: header.total_len(), payload: None };
        if judged.total_len > call.terms.limits.max_packet_bytes {
            return self.judge(call, &judged, Some(TOO_LARGE_TO_DELIVER));
        }
        if !self.needs_payload(call, &judged)? {
            return self.judge(call, &judged, None);
        }
        if judged.total_len > call.terms.max_buffered_bytes {
            return self.judge(call, &judged, Some(TOO_LARGE_TO_JUDGE));
        }
        judged.payload = rest.get(judged.head.head_len..judged.total_len);
        if judged.payload.is_some() {
            return self.judge(call, &judged, None);
        }
        self.side_mut(call.from).awaited_bytes = u32::try_from(judged.total_len).unwrap_or_default();
        Ok(Step::More)
    }

    /// One that does not decode, unless it is a delivery that breaks no rule but the gateway's.
    fn publish_beyond_limits(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
        error: DecodeError,
    ) -> Result<Step, End> {
        let denial = beyond_limits(error).filter(|_| call.from == Direction::FromBroker);
        let denial = denial.ok_or_else(|| End::malformed(error, call.from))?;
        let limits = lenient(&call.terms.limits);
        let context = Context { version: self.version, direction: call.from, limits: &limits };
        let head = context.publish_head(header, call.rest()).map_err(|error| End::malformed(error, call.from))?;
        let Some(head) = head else { return Ok(Step::More) };
        self.judge(call, &Judged { head, total_len: header.total_len(), payload: None }, Some(denial))
    }

    fn needs_payload(&mut self, call: &Call<'_>, judged: &Judged<'_>) -> Result<bool, End> {
        if judged.head.properties.payload_is_utf8 {
            return Ok(true);
        }
        let (topic, _) = resolve(sender(call.from, &self.client, &self.broker), &judged.head)
            .map_err(|violation| End::illegal(violation, self.version, call.from))?;
        Ok(self.authority.needs_payload(&self.identity, &request(call.from, judged.message(topic))))
    }

    /// State, then authority. `denial` is what is known already.
    fn judge(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, denial: Option<Denial>) -> Result<Step, End> {
        let head = &judged.head;
        let sending = self.sending(call.from, head)?;
        if sending == Sending::First && self.is_window_full(call.from, head) {
            return self.await_window(call);
        }
        if call.from == Direction::FromClient {
            self.full_until = None;
        }
        let side = sender(call.from, &self.client, &self.broker);
        let (topic, name) =
            resolve(side, head).map_err(|violation| End::illegal(violation, self.version, call.from))?;
        let denial = denial.or_else(|| {
            let request = request(call.from, judged.message(topic));
            match self.authority.decide(&self.identity, &request) {
                Decision::Deny(denial) => Some(denial),
                Decision::Allow | Decision::AllowUpTo(_) | Decision::Observe(..) => {
                    by_form(call, judged, side, topic, &name)
                }
            }
        });
        match (denial, sending) {
            (None, Sending::First | Sending::Repeat) => {
                if let Some(id) = head.packet_id {
                    self.side_mut(call.from).exchanges.sent(id, head.qos, sending);
                }
                Ok(self.pass(call, judged, &name))
            }
            (None, Sending::RefusedRepeat) => Ok(self.refuse(call, judged, ReasonCode::Success, sending, None)),
            (Some(denial), _) => {
                call.refused(PacketType::Publish, Some(topic), &denial);
                let code = reply::publish_code(denial.reason);
                Ok(self.refuse(call, judged, code, sending, Some(denial.rule.as_str())))
            }
        }
    }

    fn sending(&self, from: Direction, head: &PublishHead<'_>) -> Result<Sending, End> {
        let Some(id) = head.packet_id else { return Ok(Sending::First) };
        let side = self.side(from);
        let sending = side.exchanges.sending(id, head.qos, head.dup);
        sending.map_err(|violation| self.illegal(violation, from))
    }

    /// Whether a PUBLISH of the client's would be one more than the Receive Maximum that it was told (5.0). A broker's
    /// excess is the client's to judge: that of Mosquitto 2.0.11 grows with every acknowledgement, without bound, and
    /// clients take it.
    fn is_window_full(&self, from: Direction, head: &PublishHead<'_>) -> bool {
        let judged = self.version == Version::V50 && from == Direction::FromClient && head.packet_id.is_some();
        judged && self.client.exchanges.published() >= self.client.receive_maximum
    }

    /// The client is not read until acknowledgements that may be under way make room.
    fn await_window(&mut self, call: &Call<'_>) -> Result<Step, End> {
        let full_until = *self.full_until.get_or_insert(call.now + WINDOW_PATIENCE);
        if full_until <= call.now {
            return Err(self.illegal(Violation::ReceiveMaximum, call.from));
        }
        Ok(Step::Hold)
    }

    /// Sends on a permitted PUBLISH, as much of it as is there.
    fn pass(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, name: &Name) -> Step {
        let alias = judged.head.properties.topic_alias;
        match (name, alias) {
            (Name::PutBack, Some(alias)) => return self.pass_with_name(call, judged, alias),
            (Name::AsItCame, Some(alias)) if !judged.head.topic.is_empty() => {
                self.set_alias(call.from, alias, judged.head.topic, true);
            }
            (Name::PutBack, None) | (Name::AsItCame, _) => {}
        }
        if call.rest().len() >= judged.total_len {
            return Step::Forward(judged.total_len);
        }
        self.pass_from(call, judged, 0)
    }

    fn pass_with_name(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, alias: NonZeroU16) -> Step {
        let head = &judged.head;
        let version = self.version;
        let Some(aliases) = self.side_mut(call.from).aliases.as_mut() else { return Step::More };
        aliases.told(alias.get());
        let topic = aliases.resolve(alias.get()).map_or("", |(topic, _)| topic);
        let named = PublishHead { topic, ..*head };
        let payload_len = judged.total_len - head.head_len;
        call.out.onward.make(|bytes| encode::publish_head(version, &named, payload_len, bytes));
        call.rewritten(PacketType::Publish, Some(topic), Rewrite::TopicNameRestored);
        self.pass_from(call, judged, head.head_len)
    }

    /// Sends on what is there behind the first `skip` bytes; the rest follows as it comes.
    fn pass_from(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, skip: usize) -> Step {
        let here = call.rest().len().min(judged.total_len);
        let range = call.next(here);
        call.out.onward.forward(range.start + skip..range.end);
        if here == judged.total_len {
            return Step::Done(here);
        }
        self.side_mut(call.from).inside = Inside::Forwarding(judged.total_len - here);
        Step::Part(here)
    }

    /// Keeps a PUBLISH from going on and answers it in the receiver's place, once all of it has come.
    fn refuse(
        &mut self,
        call: &mut Call<'_>,
        judged: &Judged<'_>,
        code: ReasonCode,
        sending: Sending,
        rule: Option<&str>,
    ) -> Step {
        let head = &judged.head;
        if let Some(alias) = head.properties.topic_alias
            && !head.topic.is_empty()
        {
            let kept = head.topic.len() <= call.terms.limits.max_topic_bytes;
            self.set_alias(call.from, alias, if kept { head.topic } else { "" }, false);
        }
        let mut answer = Vec::new();
        // A repeat of what was forwarded before is answered by the receiver.
        if let (Some(id), Sending::First | Sending::RefusedRepeat) = (head.packet_id, sending) {
            if head.qos == QoS::Two && self.version != Version::V50 && sending == Sending::First {
                self.side_mut(call.from).exchanges.refused(id);
            }
            let packet_type = if head.qos == QoS::Two { PacketType::PubRec } else { PacketType::PubAck };
            self.write_refusal(call.from, packet_type, id, code, rule, &mut answer);
        }
        let here = call.rest().len().min(judged.total_len);
        if here < judged.total_len {
            self.side_mut(call.from).inside = Inside::Skipping(judged.total_len - here, answer);
            return Step::Part(here);
        }
        self.answer(call, |bytes| bytes.extend_from_slice(&answer));
        Step::Done(here)
    }

    fn write_refusal(
        &self,
        from: Direction,
        packet_type: PacketType,
        id: NonZeroU16,
        code: ReasonCode,
        rule: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let words = rule.and_then(|rule| self.explanation(from, rule));
        let start = out.len();
        encode::ack(self.version, packet_type, id, code, words.as_deref().map(Property::ReasonString), out);
        if self.is_too_large(from, out.len() - start) {
            out.truncate(start);
            encode::ack(self.version, packet_type, id, code, None, out);
        }
    }

    /// The Reason String of a refusal: for a 5.0 client that wants to know, and never more than the rule's id.
    pub(super) fn explanation(&self, to: Direction, rule: &str) -> Option<String> {
        let told = to == Direction::FromClient && self.version == Version::V50 && self.problem_information;
        told.then(|| reason_string(rule))
    }

    /// Whether a packet of so many bytes is more than this peer takes.
    pub(super) fn is_too_large(&self, to: Direction, bytes: usize) -> bool {
        let max = self.side(to.opposite()).max_packet_bytes;
        bytes > usize::try_from(max).unwrap_or(usize::MAX)
    }

    fn set_alias(&mut self, from: Direction, alias: NonZeroU16, topic: &str, far: bool) {
        self.side_mut(from).aliases.get_or_insert_default().set(alias.get(), topic, far);
    }
}

/// The side that sends.
const fn sender<'s>(from: Direction, client: &'s Side, broker: &'s Side) -> &'s Side {
    match from {
        Direction::FromClient => client,
        Direction::FromBroker => broker,
    }
}

/// The Topic Name, and whether the far side must be told it.
fn resolve<'s>(side: &'s Side, head: &PublishHead<'s>) -> Result<(&'s str, Name), Violation> {
    let Some(alias) = head.properties.topic_alias else { return Ok((head.topic, Name::AsItCame)) };
    if alias.get() > side.alias_maximum {
        return Err(Violation::AliasMaximum);
    }
    if !head.topic.is_empty() {
        return Ok((head.topic, Name::AsItCame));
    }
    match side.aliases.as_ref().and_then(|aliases| aliases.resolve(alias.get())) {
        Some((topic, true)) => Ok((topic, Name::AsItCame)),
        Some((topic, false)) => Ok((topic, Name::PutBack)),
        None => Err(Violation::UnknownAlias),
    }
}

/// What refuses a message that the policy permits.
fn by_form(call: &Call<'_>, judged: &Judged<'_>, side: &Side, topic: &str, name: &Name) -> Option<Denial> {
    if let Some(payload) = judged.payload
        && judged.head.with_payload(payload).payload_contradicts_format()
    {
        return Some(CONTRADICTS_FORMAT);
    }
    // The PUBLISH that set the alias may have been refused for its Topic Name.
    if let Name::PutBack = name
        && let Err(error) = topic::check_name(topic, &call.terms.limits)
    {
        return beyond_limits(error);
    }
    // Two bytes more when the Remaining Length grows as well.
    let max = usize::try_from(side.max_packet_bytes).unwrap_or(usize::MAX);
    match name {
        Name::PutBack if judged.total_len + topic.len() + 2 > max => Some(TOO_LARGE_WITH_TOPIC),
        Name::PutBack | Name::AsItCame => None,
    }
}

fn request(from: Direction, message: Message<'_>) -> Request<'_> {
    match from {
        Direction::FromClient => Request::Publish(message),
        Direction::FromBroker => Request::Receive(message),
    }
}

/// The limit of the gateway's own, if it is one, that a PUBLISH goes beyond.
fn beyond_limits(error: DecodeError) -> Option<Denial> {
    let found = BEYOND_LIMITS.iter().find(|(limit, ..)| *limit == error);
    found.map(|&(_, rule, reason)| Denial::limit(rule, reason))
}

/// The words of a Reason String: the rule's id, never what it says.
pub(super) fn reason_string(rule: &str) -> String {
    format!("refused by rule {}", Text::new(rule).as_str())
}

//! PUBLISH, either way: the client's publications and the broker's deliveries are judged alike. What follows from the
//! judgement is `pass`'s.

use std::time::Duration;

use super::end::{End, Violation};
use super::event::{Kind, Quarantine};
use super::exchange::Sending;
use super::guards::Guard;
use super::meter::{Counted, Excess};
use super::refusal::{self, Answer, Subject};
use super::relay::{Call, Step, lenient};
use super::side::Side;
use super::standing::Standing;
use super::throttle::Held;
use super::weigh::{Limit, Refused, beyond_limits, note_rewrites, request, weigh};
use super::{Blame, Connection, Text};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, Frame, PacketType, QoS};
use crate::mqtt::packet::PublishHead;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Context, Direction, Version};
use crate::policy::{Denial, Message, Metered, OnDeny, Reason};

/// Names of the gateway's own limits, where they refuse a message.
const TOO_LARGE_TO_JUDGE: Denial = Denial::limit("max_buffered_bytes", Reason::TooLarge);
pub(super) const TOO_LARGE_TO_DELIVER: Denial = Denial::limit("max_packet_bytes", Reason::TooLarge);

/// How long a client that fills its window waits for room before it is at fault. MQTT.js publishes without counting, and
/// a broker that acknowledges at once never notices; here its acknowledgements are still under way.
const WINDOW_PATIENCE: Duration = Duration::from_secs(1);

/// One PUBLISH under judgement.
pub(super) struct Judged<'a> {
    pub(super) head: PublishHead<'a>,
    pub(super) total_len: usize,
    /// `None`: it goes through in pieces, or not at all.
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Judged<'a> {
    pub(super) fn message<'t>(&'t self, version: Version, topic: &'t str) -> Message<'t> {
        Message {
            topic,
            qos: self.head.qos,
            retain: self.head.retain,
            payload_bytes: self.total_len - self.head.head_len,
            payload: self.payload,
            dup: self.head.dup,
            properties: (version == Version::V50).then_some(self.head.properties.all),
        }
    }

    /// The Response Topic of a client's message: that of a delivery is another client's.
    pub(super) fn response_topic(&self, from: Direction) -> Option<&'a str> {
        self.head.properties.response_topic.filter(|_| from == Direction::FromClient)
    }
}

/// Whether the far side is told a Topic Name anew.
pub(super) enum Name {
    AsItCame,
    PutBack,
}

impl Connection {
    pub(super) fn publish(&mut self, call: &mut Call<'_>, header: &FixedHeader) -> Result<Step, End> {
        let total_len = header.total_len();
        let rest = call.rest();
        if total_len > call.terms.stream_threshold_bytes || total_len > call.limits.max_packet_bytes {
            return self.publish_large(call, header);
        }
        let Some(bytes) = rest.get(..total_len) else { return Ok(Step::More) };
        let context = Context { version: self.version, direction: call.from, limits: call.limits };
        let publish = match context.publish(&Frame { header: *header, bytes }) {
            Ok(publish) => publish,
            Err(error) => return self.publish_beyond_limits(call, header, error),
        };
        let judged = Judged { head: publish.head(total_len), total_len, payload: Some(publish.payload) };
        self.judge(call, &judged, Limit::None)
    }

    /// One that is judged by its head, unless its payload matters.
    fn publish_large(&mut self, call: &mut Call<'_>, header: &FixedHeader) -> Result<Step, End> {
        self.side_mut(call.from).awaited_bytes = 0;
        let context = Context { version: self.version, direction: call.from, limits: call.limits };
        let rest = call.rest();
        let head = match context.publish_head(header, rest) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Step::More),
            Err(error) => return self.publish_beyond_limits(call, header, error),
        };
        let mut judged = Judged { head, total_len: header.total_len(), payload: None };
        if judged.total_len > call.limits.max_packet_bytes {
            return self.judge(call, &judged, Limit::First(TOO_LARGE_TO_DELIVER));
        }
        if !self.needs_payload(call, &judged)? {
            return self.judge(call, &judged, Limit::None);
        }
        if judged.total_len > call.terms.max_buffered_bytes {
            return self.judge(call, &judged, Limit::Last(TOO_LARGE_TO_JUDGE));
        }
        judged.payload = rest.get(judged.head.head_len..judged.total_len);
        if judged.payload.is_some() {
            return self.judge(call, &judged, Limit::None);
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
        let limits = lenient(call.limits);
        let context = Context { version: self.version, direction: call.from, limits: &limits };
        let head = context.publish_head(header, call.rest()).map_err(|error| End::malformed(error, call.from))?;
        let Some(head) = head else { return Ok(Step::More) };
        self.judge(call, &Judged { head, total_len: header.total_len(), payload: None }, Limit::First(denial))
    }

    fn needs_payload(&mut self, call: &Call<'_>, judged: &Judged<'_>) -> Result<bool, End> {
        if judged.head.properties.payload_is_utf8 {
            return Ok(true);
        }
        let (topic, _) = resolve(sender(call.from, &self.client, &self.broker), &judged.head)
            .map_err(|violation| End::illegal(violation, self.version, call.from))?;
        let request = request(call.from, judged.message(self.version, topic));
        Ok(self.standing.needs_payload(&request, judged.response_topic(call.from)))
    }

    /// State, then authority.
    fn judge(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, limit: Limit) -> Result<Step, End> {
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
        let excess = match count(&mut self.standing, call, judged, topic, &limit) {
            Counted::Pass => None,
            Counted::Wait(wait, denial) => {
                let topic = Text::new(topic);
                return Ok(self.wait(call, wait, &denial, Held::Content, PacketType::Publish, Some(&topic)));
            }
            Counted::Excess(excess) => Some(excess),
        };
        let excess = excess.or_else(|| guard(&mut self.standing, &self.client, call, head, sending));
        let weighed = match (limit, &excess) {
            (Limit::First(denial), _) => Err(Refused { denial, about: topic }),
            (_, Some(excess)) => Err(Refused { denial: excess.denial.clone(), about: topic }),
            (limit, None) => weigh(&mut self.standing, call, judged, (side, self.version), (topic, &name), limit),
        };
        match (weighed, sending) {
            (Ok(anew), Sending::First | Sending::Repeat) => {
                self.standing.authority.accept();
                if let Some(anew) = &anew {
                    note_rewrites(call, topic, &name, anew);
                }
                if let Some(id) = head.packet_id {
                    self.side_mut(call.from).exchanges.sent(id, head.qos, sending);
                }
                Ok(match anew {
                    Some(anew) => self.pass_anew(call, judged, &name, &anew),
                    None => self.pass(call, judged, &name),
                })
            }
            (Ok(_), Sending::RefusedRepeat) => {
                Ok(self.stop(call, judged, Answer::PubRec(ReasonCode::Success), sending, None))
            }
            (Err(refused), _) => {
                let answer = self.refuse(call, judged, topic, &refused, sending);
                if let Answer::Disconnect(_) | Answer::Close = answer {
                    let blame = if call.from == Direction::FromClient { Blame::Client } else { Blame::Gateway };
                    let ban = excess.and_then(|excess| excess.ban);
                    return Err(End { ban, ..End::denied(&refused.denial, blame) });
                }
                let rule = refused.denial.rule.as_str();
                Ok(self.stop(call, judged, answer, sending, Some(rule)))
            }
        }
    }

    /// Records a refusal, and quarantines the message where the rule says so. Gives what its sender is told.
    fn refuse(
        &self,
        call: &mut Call<'_>,
        judged: &Judged<'_>,
        topic: &str,
        refused: &Refused<'_>,
        sending: Sending,
    ) -> Answer {
        let Refused { denial, about } = refused;
        let mut kind = Kind::refused(denial);
        if let Kind::Refused { on_deny: OnDeny::Quarantine, quarantine, .. } = &mut kind {
            *quarantine = Some(match sending {
                Sending::First => self.exhibit(call, judged, topic, denial),
                Sending::Repeat | Sending::RefusedRepeat => Quarantine::Repeat,
            });
        }
        call.event(kind, PacketType::Publish, Some(about));
        let subject = match call.from {
            Direction::FromClient => Subject::Publish(judged.head.qos),
            Direction::FromBroker => Subject::Delivery(judged.head.qos),
        };
        refusal::answer(subject, self.version, denial.on_deny, denial.reason)
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
}

/// Counts a message that may be sent as far as the state of the connection goes.
#[inline]
fn count(standing: &mut Standing, call: &mut Call<'_>, judged: &Judged<'_>, topic: &str, limit: &Limit) -> Counted {
    if let Limit::First(_) = limit {
        return Counted::Pass;
    }
    let payload_bytes = judged.total_len - judged.head.head_len;
    let message = Metered::Message { from: call.from, topic, payload_bytes };
    standing.count(call, message, PacketType::Publish, Some(topic))
}

/// What of the client's messages is too much, whatever the policy says.
fn guard(
    standing: &mut Standing,
    client: &Side,
    call: &mut Call<'_>,
    head: &PublishHead<'_>,
    sending: Sending,
) -> Option<Excess> {
    if call.from == Direction::FromBroker || sending != Sending::First {
        return None;
    }
    if head.qos == QoS::Two && usize::from(client.exchanges.unreleased()) >= call.terms.guards.max_open_qos2 {
        call.out.guarded.push(Guard::OpenQos2);
        return Some(Excess { denial: Guard::OpenQos2.denial(), ban: None });
    }
    if !head.retain {
        return None;
    }
    let excess = standing.draw(Guard::Retained, call.terms, 1, call.now).or_excess();
    call.out.guarded.extend(excess.as_ref().map(|_| Guard::Retained));
    excess
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

/// The words of a Reason String: the rule's id and the policy's version, never what they say.
pub(super) fn reason_string(rule: &str, policy_version: &str) -> String {
    format!("refused by rule {}, policy {}", Text::new(rule).as_str(), Text::new(policy_version).as_str())
}

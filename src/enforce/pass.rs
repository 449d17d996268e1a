//! What follows when a PUBLISH is judged: it goes on, whole or in pieces, or it stays here and is answered.

use std::num::NonZeroU16;

use super::Connection;
use super::event::Rewrite;
use super::exchange::Sending;
use super::publish::{Judged, Name, reason_string};
use super::refusal::Answer;
use super::relay::{Call, Step};
use super::rewrite::Anew;
use super::side::Inside;
use crate::mqtt::frame::PacketType;
use crate::mqtt::packet::PublishHead;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version, encode};

impl Connection {
    /// Sends on a permitted PUBLISH, as much of it as is there.
    pub(super) fn pass(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, name: &Name) -> Step {
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

    /// Sends on a permitted PUBLISH as it is written anew.
    pub(super) fn pass_anew(&mut self, call: &mut Call<'_>, judged: &Judged<'_>, name: &Name, anew: &Anew) -> Step {
        let head = &judged.head;
        match (name, head.properties.topic_alias) {
            (Name::PutBack, Some(alias)) => {
                if let Some(aliases) = self.side_mut(call.from).aliases.as_mut() {
                    aliases.told(alias.get());
                }
            }
            (Name::AsItCame, Some(alias)) if !head.topic.is_empty() => {
                self.set_alias(call.from, alias, head.topic, true);
            }
            (Name::PutBack, None) | (Name::AsItCame, _) => {}
        }
        call.out.onward.make(|bytes| bytes.extend_from_slice(&anew.bytes));
        Step::Done(judged.total_len)
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
    pub(super) fn stop(
        &mut self,
        call: &mut Call<'_>,
        judged: &Judged<'_>,
        answer: Answer,
        sending: Sending,
        rule: Option<&str>,
    ) -> Step {
        let head = &judged.head;
        if let Some(alias) = head.properties.topic_alias
            && !head.topic.is_empty()
        {
            // Of one that is too long as much as shows that it is: what comes by the alias is refused for the same.
            let kept = head.topic.ceil_char_boundary(call.limits.max_topic_bytes.saturating_add(1));
            self.set_alias(call.from, alias, head.topic.get(..kept).unwrap_or_default(), false);
        }
        let mut bytes = Vec::new();
        if let Some(id) = head.packet_id {
            self.acknowledge_refused(call.from, id, answer, sending, rule, &mut bytes);
        }
        let here = call.rest().len().min(judged.total_len);
        if here < judged.total_len {
            self.side_mut(call.from).inside = Inside::Skipping(judged.total_len - here, bytes);
            return Step::Part(here);
        }
        self.answer(call, |out| out.extend_from_slice(&bytes));
        Step::Done(here)
    }

    fn acknowledge_refused(
        &mut self,
        from: Direction,
        id: NonZeroU16,
        answer: Answer,
        sending: Sending,
        rule: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let (packet_type, code) = match answer {
            Answer::PubAck(code) => (PacketType::PubAck, code),
            Answer::PubRec(code) => (PacketType::PubRec, code),
            Answer::GoesOn
            | Answer::Nothing
            | Answer::ConnAck(_)
            | Answer::SubAck(_)
            | Answer::Granted
            | Answer::Disconnect(_)
            | Answer::Close => return,
        };
        let code = match sending {
            // What was forwarded before is answered by the receiver.
            Sending::Repeat => return,
            // As when it came first: a failure would have ended the exchange.
            Sending::RefusedRepeat => ReasonCode::Success,
            Sending::First => code,
        };
        if packet_type == PacketType::PubRec && !code.is_error() && sending == Sending::First {
            self.side_mut(from).exchanges.refused(id);
        }
        self.write_refusal(from, packet_type, id, code, rule.filter(|_| code.is_error()), out);
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

    /// The Reason String of a refusal: for a 5.0 client that wants to know, and never more than the rule's id and the policy's
    /// version.
    pub(super) fn explanation(&self, to: Direction, rule: &str) -> Option<String> {
        let told = to == Direction::FromClient && self.version == Version::V50 && self.problem_information;
        told.then(|| reason_string(rule, self.terms.policy.version()))
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

//! SUBSCRIBE: filters that are refused are taken out, and the SUBACK is completed or made here.

use std::hash::BuildHasher;
use std::num::NonZeroU16;

use super::Connection;
use super::end::{Cause, End, Violation};
use super::event::Rewrite;
use super::exchange::{Acknowledgement, Awaits, Question, Sending};
use super::guards::Guard;
use super::meter::{Counted, Excess};
use super::refusal::{self, Answer, Subject};
use super::relay::{Call, Step};
use super::subscriptions::Asked;
use super::throttle::Held;
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, PacketType, QoS};
use crate::mqtt::packet::{SubAck, Subscribe, Subscription, Unsubscribe};
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version, encode};
use crate::policy::{self, Decision, Denial, Feature, Metered, Reason, Request};

/// Memory for SUBSCRIBE packets in flight whose SUBACK must be completed or made here.
const MAX_ASKED_BYTES: usize = 256 << 10;

const TOO_MANY: Denial = Denial::limit("max_subscriptions", Reason::Quota);

/// What became of the filters of a SUBSCRIBE.
#[derive(Default)]
struct Weighed {
    asked: Asked,
    /// How many go on.
    passed: u16,
    /// Those that go on with a lower QoS: place in the SUBSCRIBE, and the QoS.
    lowered: Vec<(usize, QoS)>,
    /// The rule that refused last.
    rule: Option<String>,
}

impl Connection {
    pub(super) fn subscribe(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
        subscribe: &Subscribe<'_>,
    ) -> Result<Step, End> {
        let (id, len) = (subscribe.packet_id, header.total_len());
        let question = self.question(call, header, Awaits::SubAck);
        let sending = self.asking(call, id, question)?;
        if self.subscriptions.as_ref().is_some_and(|known| known.asked_bytes() > MAX_ASKED_BYTES) {
            return Ok(Step::Hold);
        }
        let weighed = match self.count_filters(call, subscribe.count) {
            Counted::Pass => self.weigh(call, subscribe)?,
            Counted::Wait(wait, denial) => {
                return Ok(self.wait(call, wait, &denial, Held::Content, PacketType::Subscribe, None));
            }
            Counted::Excess(excess) => self.refuse_filters(call, subscribe, &excess)?,
        };
        if weighed.passed == 0 {
            self.refuse_all(call, subscribe, &weighed);
            return Ok(Step::Done(len));
        }
        let known = self.subscriptions.get_or_insert_default();
        match sending {
            Sending::First => known.ask(id, weighed.asked.clone()),
            Sending::Repeat | Sending::RefusedRepeat if known.ask_again(id, &weighed.asked) => {}
            // It is judged otherwise than when it came first, and that one's answer is still to come.
            Sending::Repeat | Sending::RefusedRepeat => {
                known.forget(&weighed.asked);
                return Ok(Step::Done(len));
            }
        }
        self.client.exchanges.asked(id, question, weighed.passed, sending);
        if weighed.asked.codes.is_empty() && weighed.lowered.is_empty() {
            return Ok(Step::Forward(len));
        }
        self.ask_for(call, subscribe, &weighed);
        Ok(Step::Done(len))
    }

    /// Counts the Topic Filters of a SUBSCRIBE.
    fn count_filters(&mut self, call: &mut Call<'_>, filters: usize) -> Counted {
        let counted = self.standing.count(call, Metered::Subscriptions(filters), PacketType::Subscribe, None);
        let Counted::Pass = counted else { return counted };
        let drawn = self.standing.draw(Guard::Subscriptions, call.terms, filters, call.now).or_excess();
        call.out.guarded.extend(drawn.as_ref().map(|_| Guard::Subscriptions));
        drawn.map_or(Counted::Pass, Counted::Excess)
    }

    /// Refuses all Topic Filters of a SUBSCRIBE that is one too many: one event for all.
    fn refuse_filters(&self, call: &mut Call<'_>, subscribe: &Subscribe<'_>, excess: &Excess) -> Result<Weighed, End> {
        let Excess { denial, ban } = excess;
        call.refused(PacketType::Subscribe, None, denial);
        let Answer::SubAck(code) = refusal::answer(Subject::Filter, self.version, denial.on_deny, denial.reason) else {
            let cause = Cause::FilterRefused(denial.reason);
            return Err(End { ban: *ban, ..End::refused(cause, denial.rule.as_str()) });
        };
        let mut weighed = Weighed { rule: Some(denial.rule.as_str().to_owned()), ..Weighed::default() };
        weighed.asked.codes = vec![code.value(); subscribe.count];
        Ok(weighed)
    }

    /// Sends on what is left of a SUBSCRIBE.
    fn ask_for(&self, call: &mut Call<'_>, subscribe: &Subscribe<'_>, weighed: &Weighed) {
        let codes = weighed.asked.codes.iter().copied().chain(std::iter::repeat(Asked::BROKER));
        let mut lowered = weighed.lowered.iter().peekable();
        let kept = subscribe.subscriptions().zip(codes).enumerate().filter_map(|(place, (subscription, code))| {
            let qos = lowered.next_if(|(at, _)| *at == place).map_or(subscription.qos, |(_, qos)| *qos);
            (code == Asked::BROKER).then_some(Subscription { qos, ..subscription })
        });
        let (version, id) = (self.version, subscribe.packet_id);
        call.out.onward.make(|bytes| encode::subscribe(version, id, subscribe.properties.iter(), kept, bytes));
    }

    fn asking(&self, call: &Call<'_>, id: NonZeroU16, question: Question) -> Result<Sending, End> {
        let sending = self.client.exchanges.asking(self.version, id, question);
        sending.map_err(|violation| self.illegal(violation, call.from))
    }

    /// Judges each Topic Filter, and counts what is new.
    fn weigh(&mut self, call: &mut Call<'_>, subscribe: &Subscribe<'_>) -> Result<Weighed, End> {
        let mut weighed = Weighed::default();
        let count = u16::try_from(subscribe.count);
        let count = count.map_err(|_| End::malformed(DecodeError::TooManyFilters, call.from))?;
        for (place, subscription) in subscribe.subscriptions().enumerate() {
            let has_identifier = subscribe.subscription_identifier.is_some();
            let filter = subscription.filter.text();
            let taken = self
                .within(call, Feature::MaxFilters, place + 1, filter)
                .and_then(|()| self.take_on(call, &subscription, has_identifier, &mut weighed));
            let qos = match taken {
                Ok(qos) => qos,
                Err(denial) => {
                    let code = self.refuse_filter(call, &subscription, &denial, &mut weighed)?;
                    let codes = &mut weighed.asked.codes;
                    codes.resize(usize::from(count), Asked::BROKER);
                    if let Some(refused) = codes.get_mut(place) {
                        *refused = code;
                    }
                    continue;
                }
            };
            weighed.passed += 1;
            if qos < subscription.qos {
                weighed.lowered.push((place, qos));
                call.rewritten(PacketType::Subscribe, Some(filter), Rewrite::SubscriptionLowered);
            }
        }
        Ok(weighed)
    }

    /// Gives the QoS that a filter goes on with.
    fn take_on(
        &mut self,
        call: &mut Call<'_>,
        subscription: &Subscription<'_>,
        has_identifier: bool,
        weighed: &mut Weighed,
    ) -> Result<QoS, Denial> {
        let (filter, qos) = (subscription.filter.text(), subscription.qos);
        if let Some(denial) = call.terms.patches.refuse_filter(filter) {
            return Err(denial);
        }
        let qos = match self.standing.decide(&Request::Subscribe(policy::Subscription { filter, qos, has_identifier }))
        {
            Decision::Deny(denial) => return Err(denial),
            Decision::Observe(denial, granted) => {
                call.observed(PacketType::Subscribe, Some(filter), &denial);
                granted.map_or(qos, |granted| qos.min(granted))
            }
            Decision::Allow => qos,
            Decision::AllowUpTo(granted) => qos.min(granted),
        };
        let known = self.subscriptions.get_or_insert_default();
        match known.hold(&self.standing.keys, filter, call.terms.max_subscriptions) {
            None => return Err(TOO_MANY),
            Some((hash, true)) => {
                let held = known.held();
                if let Err(denial) = self.within(call, Feature::MaxSubscriptions, held, filter) {
                    self.subscriptions.get_or_insert_default().release(&self.standing.keys, filter);
                    return Err(denial);
                }
                weighed.asked.fresh.push((weighed.passed, hash));
            }
            Some((_, false)) => {}
        }
        Ok(qos)
    }

    /// Whether a role of the client's leaves it so many.
    fn within(&self, call: &mut Call<'_>, feature: Feature, number: usize, filter: &str) -> Result<(), Denial> {
        match self.standing.authority.decide_number(feature, number) {
            Some(Decision::Deny(denial)) => Err(denial),
            Some(Decision::Observe(denial, _)) => {
                call.observed(PacketType::Subscribe, Some(filter), &denial);
                Ok(())
            }
            Some(Decision::Allow | Decision::AllowUpTo(_)) | None => Ok(()),
        }
    }

    /// Records a refused filter, and gives its code.
    fn refuse_filter(
        &self,
        call: &mut Call<'_>,
        subscription: &Subscription<'_>,
        denial: &Denial,
        weighed: &mut Weighed,
    ) -> Result<u8, End> {
        call.refused(PacketType::Subscribe, Some(subscription.filter.text()), denial);
        match refusal::answer(Subject::Filter, self.version, denial.on_deny, denial.reason) {
            Answer::SubAck(code) => {
                weighed.rule = Some(denial.rule.as_str().to_owned());
                Ok(code.value())
            }
            Answer::Granted => Ok(subscription.qos.value()),
            Answer::GoesOn
            | Answer::Nothing
            | Answer::ConnAck(_)
            | Answer::PubAck(_)
            | Answer::PubRec(_)
            | Answer::Disconnect(_)
            | Answer::Close => Err(End::refused(Cause::FilterRefused(denial.reason), denial.rule.as_str())),
        }
    }

    /// Nothing goes on: the gateway's own SUBACK, once every SUBSCRIBE before has had its own.
    fn refuse_all(&mut self, call: &mut Call<'_>, subscribe: &Subscribe<'_>, weighed: &Weighed) {
        let codes = || weighed.asked.codes.iter().filter_map(|&code| ReasonCode::from_u8(code));
        let words = weighed.rule.as_deref().and_then(|rule| self.explanation(call.from, rule));
        let (version, id) = (self.version, subscribe.packet_id);
        let mut suback = Vec::new();
        encode::suback(version, id, words.as_deref().map(Property::ReasonString), codes(), &mut suback);
        if self.is_too_large(call.from, suback.len()) {
            suback.clear();
            encode::suback(version, id, None, codes(), &mut suback);
        }
        let known = self.subscriptions.get_or_insert_default();
        if let Some(suback) = known.queue(suback) {
            self.answer(call, |bytes| bytes.extend_from_slice(&suback));
        }
    }

    /// A SUBACK is held to the filters that went on, and completed by those that did not. Those of the gateway's own that
    /// waited for it follow.
    pub(super) fn suback(&mut self, call: &mut Call<'_>, len: usize, suback: &SubAck<'_>) -> Result<Step, End> {
        let id = suback.packet_id;
        let asked_for = self.client.exchanges.codes(id, Awaits::SubAck);
        if asked_for.is_some_and(|count| usize::from(count) != suback.count()) {
            return Err(self.illegal(Violation::CodeCount, call.from));
        }
        self.acknowledge(call.from, id, Acknowledgement::SubAck)?;
        let Some(known) = &mut self.subscriptions else { return Ok(Step::Forward(len)) };
        let asked = known.answered(id, suback.codes().map(ReasonCode::value));
        let mut due = Vec::new();
        known.due(&mut due);
        if asked.codes.is_empty() {
            call.out.onward.forward(call.next(len));
        } else {
            self.complete(call, suback, &asked);
        }
        call.out.onward.make(|bytes| bytes.extend_from_slice(&due));
        Ok(Step::Done(len))
    }

    fn complete(&self, call: &mut Call<'_>, suback: &SubAck<'_>, asked: &Asked) {
        let codes = || {
            let mut granted = suback.codes();
            asked.codes.iter().filter_map(move |&code| match code {
                Asked::BROKER => granted.next(),
                refused => ReasonCode::from_u8(refused),
            })
        };
        let (version, id) = (self.version, suback.packet_id);
        let mut whole = Vec::new();
        encode::suback(version, id, suback.properties.iter(), codes(), &mut whole);
        if self.is_too_large(Direction::FromClient, whole.len()) {
            whole.clear();
            encode::suback(version, id, None, codes(), &mut whole);
        }
        call.out.onward.make(|bytes| bytes.extend_from_slice(&whole));
    }

    /// An UNSUBSCRIBE is never refused; one too many waits.
    pub(super) fn unsubscribe(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<Step, End> {
        let codes = match self.version {
            Version::V31 | Version::V311 => 0,
            Version::V50 => {
                u16::try_from(unsubscribe.count).map_err(|_| End::malformed(DecodeError::TooManyFilters, call.from))?
            }
        };
        let (id, question) = (unsubscribe.packet_id, self.question(call, header, Awaits::UnsubAck));
        let sending = self.asking(call, id, question)?;
        if let Counted::Wait(wait, denial) =
            self.standing.draw(Guard::Subscriptions, call.terms, unsubscribe.count, call.now)
        {
            call.out.guarded.extend((!self.is_waiting(call.from)).then_some(Guard::Subscriptions));
            return Ok(self.wait(call, wait, &denial, Held::Content, PacketType::Unsubscribe, None));
        }
        self.client.exchanges.asked(id, question, codes, sending);
        if let Some(known) = &mut self.subscriptions {
            unsubscribe.filters().for_each(|filter| known.release(&self.standing.keys, filter.text()));
        }
        Ok(Step::Forward(header.total_len()))
    }

    /// The SUBSCRIBE or UNSUBSCRIBE that comes next.
    fn question(&self, call: &Call<'_>, header: &FixedHeader, awaits: Awaits) -> Question {
        let body = call.rest().get(header.header_len..header.total_len()).unwrap_or_default();
        let [a, b, c, d, ..] = self.standing.keys.hash_one(body).to_le_bytes();
        Question { awaits, digest: u32::from_le_bytes([a, b, c, d]) }
    }
}

//! Rules about messages weighed by themselves, in words. Who asks is shown values.

use super::case::{Case, Pending, Run, Way};
use super::fault::Fault;
use super::plan::Said;
use super::signature::{Held, Spent};
use crate::identity::Identity;
use crate::policy::{Authority, Decision, Kind, Reason, Request, Says, Weighed};

use super::super::compile::Ruling;
use super::super::filter::Void;
use super::super::weigh::reason_words;

impl Authority {
    /// Every rule about messages, weighed for a request that is decided so.
    pub(in crate::policy) fn weigh_messages(
        &self,
        identity: &Identity,
        request: &Request<'_>,
        decision: &Decision,
        weighed: &mut Vec<Weighed>,
    ) {
        let plan = &self.index().plan;
        let Some((way, message)) = Way::of(request) else {
            let silent = || Err("it speaks of messages".to_owned());
            weighed.extend(plan.seals().iter().map(|rule| self.weighed(rule, Kind::Signature, silent())));
            weighed.extend(plan.payloads().iter().map(|rule| self.weighed(rule, Kind::Payload, silent())));
            return;
        };
        let (payload, run, now) = (message.payload, Run::Dry, self.unix_millis);
        let nodes = self.inspector.as_ref().and_then(|inspector| inspector.nodes.as_deref());
        let mut case =
            Case { identity, message, payload, way, run, now, memory: self.memory.as_deref(), nodes, part: None };
        let mut plain = None;
        for rule in plan.seals() {
            let seal = &rule.said.own;
            let said = self.matches(rule, &case).map(|filter| {
                if seal.signs() {
                    let signed = seal.sign(&case).map(|_| (Says::Allow, format!("`{filter}` matches: it is signed")));
                    return signed.unwrap_or_else(|fault| self.said(rule, &fault, None, decision));
                }
                match seal.judge(&case, &mut Spent::default()) {
                    Err(fault) => self.said(rule, &fault, None, decision),
                    Ok(Held::Unsigned) => {
                        (Says::Observe, format!("`{filter}` matches: not signed, and need not be yet"))
                    }
                    Ok(Held::Signed(kid)) => {
                        if seal.strips() && rule.is_enforced && !self.is_monitored() {
                            plain = None;
                        }
                        plain = plain.take().or_else(|| seal.plain(message.payload?).ok());
                        (Says::Allow, format!("`{filter}` matches: signed with the key `{kid}`"))
                    }
                }
            });
            weighed.push(self.weighed(rule, Kind::Signature, self.named(rule, said, decision)));
        }
        case.payload = plain.as_ref().map(|plain| &*plain.payload).or(message.payload);
        for rule in plan.payloads() {
            let said = self.matches(rule, &case).map(|filter| {
                let own = &rule.said.own;
                let judged = own.judge_size(message).and_then(|()| own.judge(&rule.id, &case, &mut Pending::default()));
                match judged {
                    Ok(()) => (Says::Allow, format!("`{filter}` matches: it has nothing against it")),
                    Err(fault) => self.said(rule, &fault, own.shown(&fault, &case), decision),
                }
            });
            weighed.push(self.weighed(rule, Kind::Payload, self.named(rule, said, decision)));
        }
    }

    /// The filter by which a rule speaks of a message.
    fn matches<'r, R>(&self, rule: &'r Ruling<Said<R>>, case: &Case<'_>) -> Result<&'r str, String> {
        self.speaks(rule)?;
        let filters = match case.way {
            Way::Publish | Way::Will => &rule.said.publish,
            Way::Receive => &rule.said.receive,
        };
        let topic = case.message.topic;
        let covers =
            |text: &&String| self.filter(text).is_some_and(|filter| filter.covers(topic, &self.values, Void::Anything));
        let found = filters.iter().find(covers).map(String::as_str);
        found.ok_or_else(|| "none of its filters matches the topic".to_owned())
    }

    fn said<R>(&self, rule: &Ruling<R>, fault: &Fault, shown: Option<String>, decision: &Decision) -> (Says, String) {
        // A message that goes on is not refused by what it would have been refused by had it been judged alone.
        let says = match decision {
            Decision::Deny(_) => self.says(rule.is_enforced),
            Decision::Allow | Decision::AllowUpTo(_) | Decision::Observe(..) => Says::Observe,
        };
        let mut why = match (&*fault.field, fault.problem) {
            ("", "") => reason_words(fault.reason),
            ("", problem) => format!("{}: {problem}", words(fault.reason)),
            (field, problem) => format!("{}: `{field}`: {problem}", words(fault.reason)),
        };
        if let Some(shown) = shown {
            why = format!("{why} ({shown})");
        }
        (says, if says == Says::Observe { format!("{why}; it is only observed") } else { why })
    }

    /// A rule that is named for a reason of its own, beside what it found.
    fn named<R>(
        &self,
        rule: &Ruling<R>,
        said: Result<(Says, String), String>,
        decision: &Decision,
    ) -> Result<(Says, String), String> {
        match (&said, decision) {
            (Ok((says, _)), Decision::Deny(denial)) if *says != Says::Deny && denial.rule.as_str() == &*rule.id => {
                let problem = denial.detail.as_ref().map_or("", |detail| detail.problem);
                Ok((Says::Deny, format!("{}: {problem}", words(denial.reason))))
            }
            _ => said,
        }
    }
}

fn words(reason: Reason) -> &'static str {
    const WORDS: [(Reason, &str); 5] = [
        (Reason::Unsigned, "it is not signed"),
        (Reason::Signature, "its signature does not hold"),
        (Reason::Stale, "it was not signed just now"),
        (Reason::Replayed, "its signature was used before, or nobody can tell"),
        (Reason::Interlock, "the plant is not as it must be"),
    ];
    let words = WORDS.iter().find(|(known, _)| *known == reason);
    words.map_or("the payload is not as it must be", |(_, words)| words)
}

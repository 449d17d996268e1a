//! Messages against rules about them: size, signatures, then each payload rule, the strictest first.

use super::case::{Case, Run, Way};
use super::fault::Fault;
use super::interlock::Source;
use super::plan::Said;
use super::signature::{Held, Seal, Spent, stripped};
use crate::identity::Identity;
use crate::policy::memory::Key;
use crate::policy::{Authority, Decision, Message, OnDeny, Reason, Request};
use crate::signature::Plain;

use super::super::authority::Refused;
use super::super::compile::Ruling;
use super::super::filter::Void;
use super::super::judge::Action;
use super::super::stance::Stance;
use super::super::trie::Search;
use super::inspector::Inspector;
use super::rewrite::Rewrite;

/// What rules about signatures leave of a message.
struct Opened<'p, 'm> {
    decision: Decision,
    /// The message without its signature, where one was found good.
    plain: Option<Plain<'p, 'm>>,
    /// The rule that is to sign it.
    signer: Option<&'p Ruling<Said<Seal>>>,
    rewrite: Option<Rewrite>,
    spent: Spent,
}

impl Authority {
    /// Judges a request under a policy with rules about messages.
    pub(in crate::policy) fn inspect(&mut self, identity: &Identity, request: &Request<'_>, run: Run) -> Decision {
        let Some((way, message)) = Way::of(request) else { return self.by_acl(request) };
        let stance = self.stance_of(way, message.topic);
        let decision = self.by_stance(way, &stance, message);
        let mut inspector = self.inspector.take().unwrap_or_default();
        inspector.settle(false);
        inspector.pending.clear();
        inspector.rewrite = None;
        let decision = if matches!(decision, Decision::Deny(_)) || stance.rules() == Inspector::NONE {
            decision
        } else {
            let memory = self.memory.as_deref();
            let (payload, now) = (message.payload, self.unix_millis);
            let case = Case { identity, message, payload, way, run, now, memory, nodes: None, part: None };
            let (decision, rewrite) = self.judge_message(&case, stance.rules(), &mut inspector, decision);
            if run == Run::Real {
                inspector.rewrite = rewrite.map(Box::new);
            }
            decision
        };
        if matches!(decision, Decision::Deny(_)) && run == Run::Real {
            inspector.settle(false);
        } else if way == Way::Will && run == Run::Again {
            // It has gone on long since: another policy may see it for the first time.
            inspector.settle(true);
        }
        if run != Run::Real || matches!(decision, Decision::Deny(_)) {
            inspector.pending.clear();
        }
        self.inspector = Some(inspector);
        decision
    }

    /// What rules say to a topic.
    fn stance_of(&mut self, way: Way, topic: &str) -> Stance {
        if way != Way::Will {
            return self.known(way.action(), topic);
        }
        // There is one for a connection: nothing to remember.
        let mut stance = self.stance(Action::Publish, topic);
        stance.inspect(self.find_rules(Action::Publish, topic, false));
        stance
    }

    /// The set of rules about messages that speak of a topic, and where it is kept.
    pub(in crate::policy) fn find_rules(&mut self, action: Action, topic: &str, is_kept: bool) -> u16 {
        let mut inspector = self.inspector.take().unwrap_or_default();
        self.search_rules(action, topic, &mut inspector.found);
        let number = match is_kept {
            true => inspector.intern(),
            false if inspector.found.is_empty() => Inspector::NONE,
            false => Inspector::NOT_KEPT,
        };
        self.inspector = Some(inspector);
        number
    }

    fn search_rules(&self, action: Action, topic: &str, found: &mut Vec<u32>) {
        let index = self.index();
        let (plan, asked) = (&index.plan, index.asked(topic));
        let trie = match action {
            Action::Publish => &plan.published,
            Action::Receive => &plan.received,
        };
        found.clear();
        // Who refuses and can't tell refuses.
        Search::new(trie, &asked, (&self.values, Void::Anything), &self.held, |rule| {
            found.push(rule);
            u32::MAX
        })
        .covering();
        found.sort_unstable();
        found.dedup();
        found.retain(|rule| {
            let at = *rule as usize;
            let payload = at.checked_sub(plan.seals().len()).and_then(|at| plan.payloads().get(at));
            match (plan.seals().get(at), payload) {
                (Some(seal), _) => self.denies_now(seal),
                (None, Some(payload)) => self.denies_now(payload),
                (None, None) => true,
            }
        });
    }

    /// The rules of a set; searched for anew where it is not kept.
    #[inline]
    fn rules_of<'r>(
        &self,
        set: u16,
        way: Way,
        topic: &str,
        kept: &'r [Box<[u32]>],
        found: &'r mut Vec<u32>,
    ) -> &'r [u32] {
        match kept.get(usize::from(set)) {
            Some(rules) => rules,
            None => {
                self.search_rules(way.action(), topic, found);
                found
            }
        }
    }

    fn judge_message(
        &self,
        case: &Case<'_>,
        set: u16,
        inspector: &mut Inspector,
        decision: Decision,
    ) -> (Decision, Option<Rewrite>) {
        let plan = &self.index().plan;
        let Inspector { kept, found, pending, noted, nodes, .. } = inspector;
        let rules = self.rules_of(set, case.way, case.message.topic, kept, found);
        let mut decision = decision;
        for rule in plan.payloads_of(rules) {
            if let Err(fault) = rule.said.own.judge_size(case.message) {
                decision = self.refuse(fault.refuses(rule), decision);
                if matches!(decision, Decision::Deny(_)) {
                    return (decision, None);
                }
            }
        }
        let opened = self.judge_seals(case, rules, noted, decision);
        let Opened { mut decision, plain, signer, mut rewrite, .. } = opened;
        let payload = plain.as_ref().map(|plain| &*plain.payload).or(case.payload);
        let case = Case { payload, nodes: nodes.as_deref(), ..*case };
        if matches!(decision, Decision::Deny(_)) {
            return (decision, None);
        }
        for rule in plan.payloads_of(rules).filter(|rule| rule.said.own.judge_size(case.message).is_ok()) {
            if let Err(fault) = rule.said.own.judge(&rule.id, &case, pending) {
                decision = self.refuse(fault.refuses(rule), decision);
                if matches!(decision, Decision::Deny(_)) {
                    return (decision, None);
                }
            }
        }
        if let Some(rule) = signer {
            match rule.said.own.sign(&case) {
                Ok(signed) => rewrite = Some(signed),
                Err(fault) => return (self.refuse(fault.refuses(rule), decision), None),
            }
        }
        if case.way == Way::Publish && case.run == Run::Real {
            plan.sources_of(rules).for_each(|source| source.learn(&case, pending));
        }
        (decision, rewrite)
    }

    /// Judges signatures, and takes off what is to be taken off.
    fn judge_seals<'p, 'm>(
        &'p self,
        case: &Case<'m>,
        rules: &[u32],
        noted: &mut Vec<u32>,
        decision: Decision,
    ) -> Opened<'p, 'm> {
        let mut opened = Opened { decision, plain: None, signer: None, rewrite: None, spent: Spent::default() };
        for &number in rules {
            let Some(rule) = self.index().plan.seals().get(number as usize) else { break };
            let refused = match self.open(rule, case, &mut opened) {
                Ok(true) => continue,
                Ok(false) => self.note_unsigned(rule, number, case, noted),
                Err(fault) => Some(fault.refuses(rule)),
            };
            if let Some(refused) = refused {
                opened.decision = self.refuse(refused, opened.decision);
            }
            if matches!(opened.decision, Decision::Deny(_)) {
                break;
            }
        }
        opened
    }

    /// What one rule makes of a message; whether there is nothing more to say to it.
    fn open<'p, 'm>(
        &'p self,
        rule: &'p Ruling<Said<Seal>>,
        case: &Case<'m>,
        opened: &mut Opened<'p, 'm>,
    ) -> Result<bool, Fault> {
        let seal = &rule.said.own;
        // What only watches changes nothing.
        let is_active = rule.is_enforced && !self.is_monitored();
        let rewrites_twice = opened.signer.is_some() || opened.rewrite.is_some();
        let twice = || Fault::whole(Reason::Signature, "two_rewrites");
        if seal.signs() {
            if is_active && rewrites_twice {
                return Err(twice());
            }
            opened.signer = opened.signer.or(Some(rule).filter(|_| is_active));
            return Ok(true);
        }
        let Held::Signed(_) = seal.judge(case, &mut opened.spent)? else { return Ok(false) };
        let payload = case.message.payload.unwrap_or_default();
        let plain = seal.plain(payload)?;
        if seal.strips() && is_active {
            if rewrites_twice {
                return Err(twice());
            }
            opened.rewrite = Some(stripped(&plain, payload));
            // What goes on is what rules about payloads judge, whatever another rule has verified.
            opened.plain = None;
        }
        opened.plain.get_or_insert(plain);
        Ok(true)
    }

    /// Takes note of a message that need not be signed yet, and is not. Of a connection the first is told.
    fn note_unsigned(
        &self,
        rule: &Ruling<Said<Seal>>,
        number: u32,
        case: &Case<'_>,
        noted: &mut Vec<u32>,
    ) -> Option<Refused> {
        if case.run == Run::Again {
            return None;
        }
        if case.run == Run::Real {
            if let Some(memory) = case.memory {
                // Who published what is delivered is not known here.
                let who = match case.way {
                    Way::Publish | Way::Will => case.client_key(),
                    Way::Receive => Key::of(&[b"topic", case.message.topic.as_bytes()]),
                };
                memory.unsigned(&rule.id, who, case.now);
            }
            if noted.contains(&number) {
                return None;
            }
            noted.push(number);
        }
        let refused = Fault::whole(Reason::Unsigned, "").refuses(rule);
        Some(Refused { is_enforced: false, ..refused })
    }

    /// Whether rules about messages must see the payload of this one. Nothing is used up.
    pub(in crate::policy) fn looks_into(&mut self, way: Way, message: &Message<'_>) -> bool {
        let set = self.stance_of(way, message.topic).rules();
        if set == Inspector::NONE {
            return false;
        }
        let mut inspector = self.inspector.take().unwrap_or_default();
        let Inspector { kept, found, .. } = &mut *inspector;
        let rules = self.rules_of(set, way, message.topic, kept, found);
        let answer = self.rules_look_into(rules, way, message);
        self.inspector = Some(inspector);
        answer
    }

    fn rules_look_into(&self, rules: &[u32], way: Way, message: &Message<'_>) -> bool {
        let plan = &self.index().plan;
        let mut is_read = plan.seals_of(rules).next().is_some();
        for rule in plan.payloads_of(rules) {
            let is_kept = rule.on_deny == OnDeny::Quarantine;
            if rule.said.own.judge_size(message).is_ok() {
                is_read |= rule.said.own.reads() || is_kept;
            } else if rule.is_enforced && !self.is_monitored() {
                return is_kept;
            }
        }
        let learns = way == Way::Publish && message.payload_bytes <= Source::MAX_BYTES;
        is_read || learns && plan.sources_of(rules).next().is_some()
    }
}

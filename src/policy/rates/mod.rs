//! How much a client may do in how long: what is counted, and what follows when there is too much of it.
//!
//! All rules that count something must have room for it: it is looked for in all of their buckets, and then taken from
//! all. Buckets outlive connections and reloads (`Memory::bucket`); a connection has them at hand from first use on. Not
//! here: the buckets themselves (`rate`), what waiting is (`enforce`), bans (`store`). Read [`RateRule`] first, then
//! [`Authority::meter`].

mod meter;
mod plan;
mod rule;
mod weigh;
mod whose;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use self::meter::{Context, DELIVERED, PUBLISHED, kind};
use super::judge::Action;
use super::trie::Search;
use super::{Authority, Denial, OnDeny, Reason, RuleId};
use crate::identity::Identity;
use crate::mqtt::Direction;
use crate::rate::{Tick, Wait};

pub use rule::{Excess, Per, RateRule, Share, Unit};

pub(super) use meter::Meter;
pub(super) use plan::Plan;

use super::filter::Void;

/// Something that rates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metered<'m> {
    /// A CONNECT, before its Will is judged.
    Connection,
    /// A packet of the client's, whatever it is, of so many bytes.
    Packet {
        /// Bytes of the whole packet.
        bytes: usize,
    },
    /// A message: published by the client, or delivered to it.
    Message {
        /// Who sends it.
        from: Direction,
        /// Its Topic Name.
        topic: &'m str,
        /// Bytes of its payload.
        payload_bytes: usize,
    },
    /// So many Topic Filters of a SUBSCRIBE.
    Subscriptions(usize),
}

/// What rates say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// It goes on, and is counted.
    Pass,
    /// It goes on, and is counted; a rule that is not enforced would have stopped it.
    Observe(Denial),
    /// It is to be asked about again then. Nothing is counted.
    Wait {
        /// When there will be room, if nobody else takes it.
        until: Tick,
        /// Which rule says so.
        denial: Denial,
    },
    /// It is refused, as the denial says: rejected, or its connection ended. Nothing is counted.
    Excess {
        /// Which rule says so.
        denial: Denial,
        /// For how long the client is banned, too, if it is: the first time.
        ban: Option<Duration>,
    },
}

/// The strongest that was said so far: what becomes of it, until when there is no room, and the limit.
type Worst = (Excess, Tick, u32);

impl Authority {
    /// Whether anything that this client does is counted.
    #[must_use]
    #[inline]
    pub fn is_metered(&self) -> bool {
        self.meter.is_some()
    }

    /// Counts something, if there is room for it.
    #[must_use]
    pub fn meter(&mut self, identity: &Identity, what: Metered<'_>, now: Instant) -> Allowance {
        let kind = kind(&what);
        let Some(is_filtered) =
            self.meter.as_ref().filter(|meter| meter.counts(kind)).map(|meter| meter.filtered & kind)
        else {
            return Allowance::Pass;
        };
        let set = match what {
            Metered::Message { from, topic, .. } if is_filtered != 0 => {
                let action = if from == Direction::FromClient { Action::Publish } else { Action::Receive };
                self.known(action, topic).rates()
            }
            Metered::Message { .. } | Metered::Connection | Metered::Packet { .. } | Metered::Subscriptions(_) => {
                Meter::NONE
            }
        };
        let Some(mut meter) = self.meter.take() else { return Allowance::Pass };
        let allowance = self.count(&mut meter, identity, (&what, kind, set), now);
        self.meter = Some(meter);
        allowance
    }

    /// How long it is from `now` until then, as [`Allowance::Wait`] says it.
    #[must_use]
    pub fn wait_until(&self, until: Tick, now: Instant) -> Duration {
        let epoch = self.meter.as_ref().and_then(|meter| meter.known_epoch());
        epoch.map_or(Duration::ZERO, |epoch| epoch.tick(now).until(until))
    }

    fn count(
        &self,
        meter: &mut Meter,
        identity: &Identity,
        (what, kind, set): (&Metered<'_>, u8, u16),
        now: Instant,
    ) -> Allowance {
        let (plan, memory) = (&self.index().rates, self.memory.as_deref());
        let role_name = |role: u32| self.index().roles.get(role).map_or("", |role| &*role.name);
        let now = meter.epoch(memory, now).tick(now);
        let context = Context { plan, memory, identity, role_name: &role_name, now };
        let (mut worst, mut observed) = (None::<Worst>, None);
        meter.each(kind, set, |counter| {
            let Some(limit) = plan.limit(counter.limit).filter(|limit| self.holds(limit)) else { return true };
            if let Err(Wait(until)) = counter.look(limit, limit.cost(what), what, &context) {
                if self.enforces(limit) {
                    let said = (limit.on_excess, until, counter.limit);
                    worst = Some(worst.filter(|worst| (worst.0, worst.1) >= (said.0, said.1)).unwrap_or(said));
                } else {
                    observed.get_or_insert(counter.limit);
                }
            }
            true
        });
        if let Some(worst) = worst {
            return self.exceeded(worst);
        }
        meter.each(kind, set, |counter| {
            let Some(limit) = plan.limit(counter.limit).filter(|limit| self.holds(limit)) else { return true };
            if let Err(Wait(until)) = counter.take(limit, limit.cost(what), now) {
                if self.enforces(limit) {
                    // Somebody else was faster. What others have given already is forfeited: never too much goes on.
                    worst = Some((limit.on_excess, until, counter.limit));
                } else {
                    observed.get_or_insert(counter.limit);
                }
            }
            worst.is_none()
        });
        if let Some(worst) = worst {
            return self.exceeded(worst);
        }
        observed.and_then(|limit| self.denial_of(limit)).map_or(Allowance::Pass, Allowance::Observe)
    }

    /// Whether a rule holds now: where nobody can tell, it does.
    #[inline]
    fn holds(&self, limit: &plan::Limit) -> bool {
        !limit.has_window || self.index().rates.rule(limit.rule).is_some_and(|rule| self.denies_now(rule))
    }

    fn enforces(&self, limit: &plan::Limit) -> bool {
        !self.is_monitored() && self.index().rates.rule(limit.rule).is_some_and(|rule| rule.is_enforced)
    }

    fn exceeded(&self, (excess, until, limit): Worst) -> Allowance {
        let Some(denial) = self.denial_of(limit) else { return Allowance::Pass };
        let rates = &self.index().rates;
        let ban = || rates.limit(limit).and_then(|limit| rates.rule(limit.rule)).map(|rule| rule.said.rule.ban);
        match excess {
            Excess::Throttle => Allowance::Wait { until, denial },
            Excess::Reject | Excess::Disconnect => Allowance::Excess { denial, ban: None },
            Excess::Ban => Allowance::Excess { denial, ban: ban() },
        }
    }

    fn denial_of(&self, limit: u32) -> Option<Denial> {
        let limit = self.index().rates.limit(limit)?;
        let rule = RuleId::Rule(self.index().rates.rule(limit.rule)?.id.clone());
        let on_deny = match limit.on_excess {
            Excess::Throttle | Excess::Reject => OnDeny::Reject,
            Excess::Disconnect | Excess::Ban => OnDeny::Disconnect,
        };
        Some(Denial { rule, reason: Reason::Rate, on_deny, detail: None })
    }

    /// The set of those that count messages of a topic.
    pub(super) fn find_rates(&mut self, action: Action, topic: &str) -> u16 {
        let kind = if action == Action::Publish { PUBLISHED } else { DELIVERED };
        let Some(mut meter) = self.meter.take_if(|meter| meter.filtered & kind != 0) else { return Meter::NONE };
        let index = self.index();
        let (plan, asked) = (&index.rates, index.asked(topic));
        let trie = if action == Action::Publish { &plan.published } else { &plan.received };
        meter.found.clear();
        // Who refuses and can't tell counts.
        Search::new(trie, &asked, (&self.values, Void::Anything), &self.held, |rule| {
            meter.found.push(rule);
            u32::MAX
        })
        .covering();
        meter.found.sort_unstable();
        meter.found.dedup();
        let set = meter.intern(plan, &self.held);
        self.meter = Some(meter);
        set.unwrap_or_else(|| self.begin_sets_anew(action, topic))
    }

    /// There are more sets than are kept: all that names one is let go of.
    #[cold]
    fn begin_sets_anew(&mut self, action: Action, topic: &str) -> u16 {
        self.forget();
        self.find_rates(action, topic)
    }
}

//! What all rules together say to one topic, whatever is published or delivered there.

use super::Grant;
use super::inspect::Inspector;
use super::rates::Meter;
use crate::mqtt::frame::QoS;

/// The most that grants permit, and the rules that are named where something is refused. Small, for it is kept for each
/// topic that a connection uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stance {
    /// For each QoS without and with RETAIN: a payload must have fewer bytes.
    below: [u32; 6],
    /// The first denial that speaks.
    deny: u32,
    /// The first grant that speaks.
    grant: u32,
    /// The set of rules about messages that speak.
    rules: u16,
    /// The set of those that count its messages.
    rates: u16,
}

impl Stance {
    /// Nothing is permitted, no rule speaks.
    pub(super) const NONE: Self =
        Self { below: [0; 6], deny: u32::MAX, grant: u32::MAX, rules: Inspector::NONE, rates: Meter::NONE };

    pub(super) fn permit_all(&mut self) {
        self.below = [u32::MAX; 6];
    }

    /// These rules about messages speak.
    pub(super) fn inspect(&mut self, rules: u16) {
        self.rules = rules;
    }

    /// The set of rules about messages that speak.
    pub(super) const fn rules(&self) -> u16 {
        self.rules
    }

    /// These count its messages.
    pub(super) fn count(&mut self, rates: u16) {
        self.rates = rates;
    }

    /// The set of those that count its messages.
    pub(super) const fn rates(&self) -> u16 {
        self.rates
    }

    pub(super) fn deny(&mut self, rule: u32) {
        self.deny = self.deny.min(rule);
    }

    /// What a grant permits that speaks of publishing here.
    pub(super) fn permit_publish(&mut self, rule: u32, grant: &Grant) {
        self.permit(rule, grant, |qos, retain| qos <= grant.max_qos.value() && (grant.retain || !retain));
    }

    /// What a grant permits that speaks of receiving from here.
    pub(super) fn permit_receive(&mut self, rule: u32, grant: &Grant) {
        self.permit(rule, grant, |_, _| true);
    }

    fn permit(&mut self, rule: u32, grant: &Grant, permits: impl Fn(u8, bool) -> bool) {
        self.grant = self.grant.min(rule);
        let below = grant.max_payload_bytes.map_or(u32::MAX, |max| super::number(max).saturating_add(1));
        for (place, slot) in (0_u8..).zip(&mut self.below) {
            if permits(place / 2, place % 2 == 1) {
                *slot = below.max(*slot);
            }
        }
    }

    /// Whether grants permit such a message.
    pub(super) fn permits(&self, qos: QoS, retain: bool, payload_bytes: usize) -> bool {
        let below = self.below.get(usize::from(qos.value() * 2 + u8::from(retain)));
        below.is_some_and(|below| super::number(payload_bytes) < *below)
    }

    /// The first denial that speaks.
    pub(super) fn denied_by(&self) -> usize {
        self.deny as usize
    }

    /// The first grant that speaks.
    pub(super) fn granted_by(&self) -> usize {
        self.grant as usize
    }
}

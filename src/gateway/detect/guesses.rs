//! Guessing of passwords: how often one address, and how often anybody, may be wrong about a name.
//!
//! Each check of a password costs a thread and megabytes, or a question to a service, so it is decided before whether
//! there is to be one. Whoever was right about a name from an address lately is its *acquaintance*: what others do from
//! that address, or do to that name from elsewhere, does not shut it out.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Detectors, Limits, Tally};
use crate::identity::{Network, Who};
use crate::metrics::Detector;
use crate::policy::Key;
use crate::rate::Rate;

/// A failure that is answered late is forgotten after so long.
const CALM: Duration = Duration::from_secs(30);

/// Failures of one address that are remembered for how late the next one is answered.
const REMEMBERED: u64 = 16;

impl Detectors {
    /// Whether what a client shows for `name` is to be checked.
    ///
    /// # Errors
    /// That was wrong too often.
    pub(in crate::gateway) fn may_guess(
        &self,
        limits: &Limits,
        source: IpAddr,
        name: &str,
        now: Instant,
    ) -> Result<(), Detector> {
        let is_acquainted = self.is_acquainted(source, name, now);
        // An address that nobody good comes from is banned for the next one that is wrong.
        if !is_acquainted && !limits.is_exempt(source) && self.is_good(source, now) {
            let rate = &limits.protection.failed_authentications;
            if self.is_spent(&self.of_address(Detector::FailedAuthentications, rate, source), now) {
                return Err(self.found(Detector::FailedAuthentications));
            }
        }
        if self.is_spent(&self.of_name(limits, source, name, is_acquainted), now) {
            return Err(self.found(Detector::FailedAuthenticationsPerName));
        }
        Ok(())
    }

    /// It was checked, and wrong.
    pub(in crate::gateway) fn guessed_wrong(&self, limits: &Limits, source: IpAddr, name: &str, now: Instant) {
        let is_acquainted = self.is_acquainted(source, name, now);
        self.charge(&self.of_name(limits, source, name, is_acquainted), now);
    }

    /// It was right.
    pub(in crate::gateway) fn guessed_right(&self, source: IpAddr, name: &str, now: Instant) {
        self.store.acquaint(self.acquaintance(source, name), now);
    }

    /// Whether somebody was right about that name from that address within the last day.
    pub(super) fn is_acquainted(&self, source: IpAddr, name: &str, now: Instant) -> bool {
        self.store.is_acquainted(self.acquaintance(source, name), now)
    }

    /// How long the answer to a failed authentication is kept back, which is counted by this.
    pub(in crate::gateway) fn delay(&self, limits: &Limits, source: IpAddr, now: Instant) -> Duration {
        if limits.protection.tarpit.is_zero() || limits.is_exempt(source) {
            return Duration::ZERO;
        }
        let rate = Rate::new(1, CALM).with_burst(REMEMBERED);
        let tally = self.tally("tarpit", rate, Some(Who::Address(Network::of(source))), Key(0));
        let doublings = u32::try_from(self.taken(&tally, now).saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        limits.protection.tarpit.saturating_mul(factor).min(limits.protection.max_tarpit)
    }

    fn acquaintance(&self, source: IpAddr, name: &str) -> Key {
        self.key(&[
            b"acquaintance",
            Network::of(source).numbers().map(u64::to_be_bytes).as_flattened(),
            name.as_bytes(),
        ])
    }

    fn of_name(&self, limits: &Limits, source: IpAddr, name: &str, is_acquainted: bool) -> Tally {
        let (what, rate) = (self.key(&[b"name", name.as_bytes()]), limits.protection.failed_authentications_per_name);
        let who = is_acquainted.then(|| Who::Address(Network::of(source)));
        self.tally(Detector::FailedAuthenticationsPerName.label(), rate, who, what)
    }
}

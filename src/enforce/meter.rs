//! What rates say to packets and messages, and what follows.
//!
//! Not here: how a packet waits (`throttle`), and how one that is too much is answered (`refusal`, `subscribe`).

use std::time::Duration;

use super::event::{Kind, Text};
use super::relay::{Call, Step};
use super::standing::Standing;
use super::throttle::Held;
use super::{Blame, Connection, End};
use crate::mqtt::Direction;
use crate::mqtt::frame::{FixedHeader, PacketType};
use crate::policy::{Allowance, Denial, Metered};

/// What is too much, and refused.
pub(super) struct Excess {
    pub(super) denial: Denial,
    /// For how long the client is banned as well, the first time.
    pub(super) ban: Option<Duration>,
}

/// What becomes of what was counted.
pub(super) enum Counted {
    /// It may go on.
    Pass,
    /// It waits so long, for what this says.
    Wait(Duration, Denial),
    /// It may not go on.
    Excess(Excess),
}

impl Excess {
    /// The end of a connection for it.
    pub(super) fn end(&self, blame: Blame) -> End {
        End { ban: self.ban, ..End::denied(&self.denial, blame) }
    }
}

impl Connection {
    /// Counts the client's next packet, once: it may have come before in part, or wait for something else. Gives what
    /// becomes of it, if it may not be looked at yet.
    #[inline]
    pub(super) fn count_next(&mut self, call: &mut Call<'_>, header: &FixedHeader) -> Result<Option<Step>, End> {
        if call.from == Direction::FromBroker || self.client.is_counted || !self.standing.authority.is_metered() {
            return Ok(None);
        }
        match self.count_packet(call, header)? {
            None => {
                self.client.is_counted = true;
                Ok(None)
            }
            Some((wait, denial)) => Ok(Some(self.wait(call, wait, &denial, Held::Packets, header.packet_type, None))),
        }
    }

    /// Counts a packet of the client's. Gives how long it has to wait, if it has to.
    pub(super) fn count_packet(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
    ) -> Result<Option<(Duration, Denial)>, End> {
        if call.from == Direction::FromBroker {
            return Ok(None);
        }
        let packet = Metered::Packet { bytes: header.total_len() };
        match self.standing.count(call, packet, header.packet_type, None) {
            Counted::Pass => Ok(None),
            Counted::Wait(wait, denial) => Ok(Some((wait, denial))),
            // There is no answer to most packets that says so.
            Counted::Excess(excess) => Err(excess.end(Blame::Client)),
        }
    }

    /// The next packet waits: that it does is counted, and recorded once in a while.
    pub(super) fn wait(
        &mut self,
        call: &mut Call<'_>,
        wait: Duration,
        denial: &Denial,
        held: Held,
        packet_type: PacketType,
        topic: Option<&Text>,
    ) -> Step {
        let throttle = self.hold_back(call, wait, held);
        if !std::mem::replace(&mut throttle.counted, true) {
            call.out.waits.push(denial.rule.clone());
        }
        if self.standing.tells(&denial.rule, call.now) {
            let kind = Kind::Throttled { rule: Text::new(denial.rule.as_str()) };
            call.event(kind, packet_type, topic.map(Text::as_str));
        }
        Step::Wait
    }
}

impl Standing {
    /// Counts something of a packet, and records what would have been too much.
    #[inline]
    pub(super) fn count(
        &mut self,
        call: &mut Call<'_>,
        what: Metered<'_>,
        packet_type: PacketType,
        topic: Option<&str>,
    ) -> Counted {
        if !self.authority.is_metered() {
            return Counted::Pass;
        }
        match self.authority.meter(&self.identity, what, call.now) {
            Allowance::Pass => Counted::Pass,
            Allowance::Observe(denial) => {
                call.observed(packet_type, topic, &denial);
                Counted::Pass
            }
            Allowance::Wait { until, denial } => {
                let wait = self.authority.wait_until(until, call.now);
                Counted::Wait(wait, denial)
            }
            Allowance::Excess { denial, ban } => Counted::Excess(Excess { denial, ban }),
        }
    }
}

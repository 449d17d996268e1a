//! When a relay must be looked at again though nothing comes, and what is overdue then.

use std::task::Context;
use std::time::{Duration, Instant};

use super::super::pressure::Level;
use super::super::scratch::Scratch;
use super::Relay;
use crate::enforce::end::{Cause, End};
use crate::mqtt::Direction;

impl Relay {
    pub(super) fn meet_deadlines(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<(), End> {
        if self.drain_until.is_some_and(|deadline| now >= deadline || self.connection.is_quiet()) {
            return Err(self.close(Cause::ShutDown, cx, scratch));
        }
        self.meet_leaving(cx, scratch, now)?;
        for side in [Direction::FromClient, Direction::FromBroker] {
            if self.write_deadline_of(side).is_some_and(|deadline| now >= deadline) {
                return Err(self.stall(side, cx, scratch));
            }
        }
        if self.protocol_deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        scratch.output.clear();
        let result = self.connection.on_deadline(now, &mut scratch.output);
        self.answer_client(cx, scratch);
        result
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.drain_until,
            self.write_deadline_of(Direction::FromClient),
            self.write_deadline_of(Direction::FromBroker),
            self.protocol_deadline(),
            self.resumes(Direction::FromClient),
            self.resumes(Direction::FromBroker),
            self.left.as_ref().map(|left| left.until),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// While the client is not read through no fault of its own, only the end of its time.
    fn protocol_deadline(&self) -> Option<Instant> {
        if self.client_rests() { self.connection.ends() } else { self.connection.deadline() }
    }

    /// Whether the client is not read through no fault of its own: because the broker, or the audit file, does not take
    /// what came before, or because the gateway is short of something.
    pub(super) fn client_rests(&self) -> bool {
        self.broker.transport.unsent_bytes() > 0 || self.recorder.is_waiting() || self.is_held_back()
    }

    /// Whether the client is not read for want of memory. What it has begun, it may end, unless it waits for a rate: a
    /// packet held half would hold what there is too little of.
    pub(super) fn is_held_back(&self) -> bool {
        let is_between = || self.client.tail.is_empty() || self.connection.resumes(Direction::FromClient).is_some();
        self.level != Level::Normal && is_between() && self.level.holds_back(self.connection.priority())
    }

    pub(super) fn write_deadline(&self) -> Duration {
        self.recorder.live().deadlines.write
    }

    fn write_deadline_of(&self, side: Direction) -> Option<Instant> {
        let transport = match side {
            Direction::FromClient => &self.client.transport,
            Direction::FromBroker => &self.broker.transport,
        };
        transport.blocked_since().map(|since| since + self.write_deadline())
    }
}

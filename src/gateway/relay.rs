//! The way of a packet: read from one side, judged in place, written to the other.
//!
//! One task turns both directions of a connection. A side is not read while the other has bytes waiting for it, so a
//! peer that stops reading stops being read from. Everything that is decided is decided in [`crate::enforce`].

mod deadlines;
mod standing;
mod throttle;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep};

use super::authenticate::Proof;
use super::buffered::Buffered;
use super::census::Member;
use super::connection::GOODBYE;
use super::pressure::Level;
use super::record::Recorder;
use super::scratch::{self, IoScratch, Scratch};
use super::shared::unix_millis;
use super::transport::{Input, Transport, TransportError};
use super::upstream::Dialled;
use crate::enforce::Connection;
use crate::enforce::end::{Cause, End};
use crate::enforce::output::Segment;
use crate::metrics::{Open, Throttling};
use crate::mqtt::Direction;
use standing::Due;
use throttle::Left;

/// Answers that may wait for a peer that sends without reading; then it is not read either.
const MAX_WAITING_ANSWERS: usize = 16 * 1024;

/// What the timer is set to before there is a deadline.
const UNSET: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Both sides of a connection whose CONNECT is permitted.
pub(super) struct Relay {
    connection: Connection,
    client: Side,
    broker: Side,
    pub(super) recorder: Recorder,
    buffered: Buffered,
    /// Counted as open at the server until the end.
    _open_upstream: Open,
    /// What proves who the client is.
    pub(super) proof: Proof,
    timer: Pin<Box<Sleep>>,
    /// Once set, the connection ends as soon as it is quiet, and at this time at the latest.
    drain_until: Option<Instant>,
    member: Member,
    /// It is to be judged again.
    due: Due,
    /// Counts the time that something waits for a rate to have room.
    throttling: Option<Box<Throttling>>,
    /// The client is gone, and what it has sent is not through.
    left: Option<Box<Left>>,
    /// What the gateway does without.
    level: Level,
}

/// One peer.
struct Side {
    transport: Transport,
    /// The start of a packet whose rest has not come, or packets that must wait for the other direction.
    tail: Vec<u8>,
    /// Wait for the other direction before reading on.
    hold: bool,
}

impl Side {
    fn new(transport: Transport, tail: Vec<u8>) -> Self {
        Self { transport, hold: !tail.is_empty(), tail }
    }

    fn held_bytes(&self) -> usize {
        self.transport.held_bytes() + self.tail.capacity()
    }
}

/// Where a connection stands when it is over.
pub(super) struct Ended {
    pub(super) connection: Connection,
    pub(super) client: Transport,
    pub(super) broker: Transport,
    pub(super) recorder: Recorder,
    /// How long the peers have to take what waits for them.
    pub(super) write_deadline: Duration,
}

impl Relay {
    /// `early` is what the client sent behind its CONNECT.
    pub(super) fn new(
        connection: Connection,
        client: Transport,
        dialled: Dialled,
        early: Vec<u8>,
        recorder: Recorder,
        buffered: Buffered,
        member: Member,
    ) -> Self {
        Self {
            connection,
            client: Side::new(client, early),
            broker: Side::new(dialled.transport, Vec::new()),
            _open_upstream: dialled.open,
            recorder,
            buffered,
            proof: Proof::default(),
            timer: Box::pin(sleep(UNSET)),
            drain_until: None,
            member,
            due: Due::default(),
            throttling: None,
            left: None,
            level: Level::Normal,
        }
    }

    /// Sends the CONNECT; the rest of the relay follows in [`Relay::run`].
    pub(super) async fn send_connect(&mut self, connect: &[u8]) -> Result<(), End> {
        poll_fn(|cx| {
            scratch::lend(|scratch| {
                if let Err(end) = self.judge_if_due(cx, scratch) {
                    return Poll::Ready(Err(end));
                }
                let now = Instant::now();
                self.connection.dialled(now);
                let sent = self.broker.transport.send(cx, connect, &mut scratch.io.out, now);
                Poll::Ready(sent.map_err(|error| self.lose(Direction::FromBroker, Some(&error), cx, scratch)))
            })
        })
        .await
    }

    /// Relays until the connection is over.
    pub(super) async fn run(&mut self) -> End {
        poll_fn(|cx| scratch::lend(|scratch| self.poll(cx, scratch))).await
    }

    /// Ends the connection once it is quiet, at `deadline` at the latest.
    pub(super) fn drain(&mut self, deadline: Instant) {
        self.drain_until = Some(deadline);
    }

    /// Takes it apart, to close both sides.
    pub(super) fn into_ended(self) -> Ended {
        let write_deadline = self.write_deadline();
        Ended {
            connection: self.connection,
            client: self.client.transport,
            broker: self.broker.transport,
            recorder: self.recorder,
            write_deadline: if self.drain_until.is_some() { GOODBYE.min(write_deadline) } else { write_deadline },
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<End> {
        if let Err(end) = self.judge_if_due(cx, scratch) {
            return Poll::Ready(end);
        }
        loop {
            let now = Instant::now();
            if let Err(end) = self.relay(cx, scratch, now) {
                return Poll::Ready(end);
            }
            if self.client_rests() {
                self.connection.client_not_read(now);
            }
            self.count_throttling(now);
            if !self.buffered.set(self.client.held_bytes() + self.broker.held_bytes()) {
                return Poll::Ready(self.close(Cause::Overload, cx, scratch));
            }
            if let Err(end) = self.meet_deadlines(cx, scratch, now) {
                return Poll::Ready(end);
            }
            let Some(next) = self.next_deadline() else { return Poll::Pending };
            // A timer that is set too early wakes once for nothing; one set anew for each packet would cost each packet.
            if !self.timer.is_elapsed() && self.timer.deadline().into_std() <= next {
                return Poll::Pending;
            }
            self.timer.as_mut().reset(next.into());
            // Unconstrained: pending is to say that the timer wakes this task, not that its budget is used up.
            ready!(pin!(unconstrained(self.timer.as_mut())).poll(cx));
        }
    }

    /// Turns both directions until neither can move.
    fn relay(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch, now: Instant) -> Result<(), End> {
        loop {
            // Both before either is read: whether one may be read hangs on both. What waits is written even while
            // records wait, which stop the reading alone.
            let _waiting = self.client.transport.poll_flush(cx, now);
            let _waiting = self.broker.transport.poll_flush(cx, now);
            if self.recorder.poll_ready(cx).is_pending() {
                return Ok(());
            }
            let client = self.turn(Direction::FromClient, cx, scratch, now)?;
            let broker = self.turn(Direction::FromBroker, cx, scratch, now)?;
            if client.is_pending() && broker.is_pending() {
                return Ok(());
            }
        }
    }

    /// One read of `from`, judged and sent on. Ready when there was something to do.
    fn turn(
        &mut self,
        from: Direction,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Poll<Result<(), End>> {
        if self.side(from.opposite()).transport.unsent_bytes() > 0 {
            return Poll::Pending;
        }
        if self.connection.resumes(from).is_some_and(|at| at <= now) {
            return Poll::Ready(self.resume(from, cx, scratch, now));
        }
        let has_left = from == Direction::FromClient && self.left.is_some();
        let side = self.side(from);
        if side.hold || has_left || side.transport.unsent_bytes() > MAX_WAITING_ANSWERS {
            return Poll::Pending;
        }
        if from == Direction::FromClient && self.is_held_back() {
            return Poll::Pending;
        }
        let side = self.side(from);
        match ready!(side.transport.poll_read(cx, &mut scratch.io, now)) {
            Err(error) => Poll::Ready(self.leave(from, Some(error), cx, scratch, now)),
            Ok(Input::End) => Poll::Ready(self.leave(from, None, cx, scratch, now)),
            Ok(input) => Poll::Ready(self.take(from, input, cx, scratch, now)),
        }
    }

    /// Judges what a read brought, and then what waited for it in the other direction.
    fn take(
        &mut self,
        from: Direction,
        input: Input,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<(), End> {
        self.judge(from, input, cx, scratch, now)?;
        let other = self.side(from.opposite());
        if std::mem::take(&mut other.hold) {
            self.judge(from.opposite(), Input::Wire(0), cx, scratch, now)?;
        }
        Ok(())
    }

    fn judge(
        &mut self,
        from: Direction,
        input: Input,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<(), End> {
        let Scratch { io: IoScratch { wire, plain, out }, output, gather, sampler } = &mut *scratch;
        let fresh = match input {
            Input::Wire(bytes) => wire.get(..bytes).unwrap_or_default(),
            Input::Plain => plain,
            Input::End => &[],
        };
        let (side, other) = match from {
            Direction::FromClient => (&mut self.client, &mut self.broker),
            Direction::FromBroker => (&mut self.broker, &mut self.client),
        };
        let mut tail = std::mem::take(&mut side.tail);
        let was_empty = tail.is_empty();
        if !was_empty {
            tail.extend_from_slice(fresh);
        }
        let bytes = if was_empty { fresh } else { &tail };

        output.clear();
        if self.connection.watches_the_clock() {
            self.connection.set_time(unix_millis());
        }
        let started = sampler.due().then(Instant::now);
        let received = self.connection.receive(from, now, bytes, output);
        let took = started.map(|started| started.elapsed());
        let onward = match output.onward.segments.as_slice() {
            [] => &[],
            [Segment::Received(range)] => bytes.get(range.clone()).unwrap_or_default(),
            _ => {
                gather.clear();
                output.onward.copy_to(bytes, gather);
                &**gather
            }
        };
        let passed = if onward.is_empty() { Ok(()) } else { other.transport.send(cx, onward, out, now) };
        let answered = if output.back.is_empty() { Ok(()) } else { side.transport.send(cx, &output.back, out, now) };
        self.recorder.count(self.connection.version(), from, &output.counts, took);
        self.recorder.waits(output);
        self.recorder.events(self.connection.identity(), output);

        let received = received?;
        side.hold = received.hold;
        if !output.overtaken.is_empty() {
            side.tail = throttle::without(bytes, received.consumed, &output.overtaken);
        } else if was_empty {
            side.tail = bytes.get(received.consumed..).unwrap_or_default().to_vec();
        } else if received.consumed == 0 {
            side.tail = tail;
        } else if received.consumed < tail.len() {
            // Split off and not moved down: what a large packet needed goes with it.
            side.tail = tail.split_off(received.consumed);
        }
        if let Err(error) = passed {
            return Err(self.lose(from.opposite(), Some(&error), cx, scratch));
        }
        answered.map_err(|error| self.lose(from, Some(&error), cx, scratch))
    }

    /// That peer is gone, or no longer to be understood.
    fn lose(
        &mut self,
        side: Direction,
        error: Option<&TransportError>,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> End {
        scratch.output.clear();
        let end = match error.and_then(TransportError::cause) {
            None => self.connection.lost(side, &mut scratch.output),
            Some(cause) => self.connection.broken(side, cause, &mut scratch.output),
        };
        self.answer_client(cx, scratch);
        end
    }

    /// That peer takes nothing of what waits for it.
    fn stall(&mut self, side: Direction, cx: &mut Context<'_>, scratch: &mut Scratch) -> End {
        scratch.output.clear();
        let end = self.connection.stalled(side, &mut scratch.output);
        self.answer_client(cx, scratch);
        end
    }

    /// The gateway ends the connection.
    fn close(&mut self, cause: Cause, cx: &mut Context<'_>, scratch: &mut Scratch) -> End {
        scratch.output.clear();
        let end = self.connection.close(cause, &mut scratch.output);
        self.answer_client(cx, scratch);
        end
    }

    /// Sends what the state machine says without an input: it is all for the client, and lost if the client is.
    fn answer_client(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) {
        let Scratch { io, output, .. } = scratch;
        if !output.back.is_empty() {
            let _lost = self.client.transport.send(cx, &output.back, &mut io.out, Instant::now());
        }
        self.recorder.events(self.connection.identity(), output);
    }

    fn side(&mut self, side: Direction) -> &mut Side {
        match side {
            Direction::FromClient => &mut self.client,
            Direction::FromBroker => &mut self.broker,
        }
    }
}

//! Turns at computing TLS handshakes: so many at once, the others wait, known sources first.
//!
//! A handshake costs what some hundred messages do. Were each computed when its bytes come, a thousand at once
//! would stand between the messages of those who are connected and the processor. A turn is held from when it is granted,
//! through the wait for a thread, until the computation is over; so never more of them stand there than there are turns.
//! It is not held while the network is waited for: who sends slowly, or nothing, keeps no one from anything.
//!
//! Not here: how long a handshake may take in all (`connection`), and what it says (`tls`). Read [`Handshakes::turn`] first.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::config::Protection;

/// Of so many turns that others wait for, one goes to a source that is not known good: a flood from an address that good
/// clients share does not shut out who comes for the first time.
const FOR_STRANGERS: u32 = 4;

/// Who comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// From an address that is known good.
    Known,
    /// From another, in a handshake that has had a turn already: what was spent on it is lost if it comes too late.
    Begun,
    /// From another.
    Stranger,
}

/// There were too many who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overrun;

impl Overrun {
    pub(super) const LABEL: &'static str = "max_waiting_handshakes";
}

/// The turns of the whole process.
#[derive(Debug)]
pub(super) struct Handshakes(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    max_at_once: usize,
    max_waiting: usize,
    computing: usize,
    last_ticket: u64,
    /// Turns in a row that went to known sources while others waited.
    known_in_a_row: u32,
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
}

/// Whose turn comes first is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    rank: Rank,
    number: u64,
}

/// The right to compute, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'h>(&'h Handshakes);

impl Handshakes {
    pub(super) fn new(settings: &Protection) -> Self {
        Self::with(at_once(settings), settings.max_waiting_handshakes)
    }

    fn with(max_at_once: usize, max_waiting: usize) -> Self {
        Self(Mutex::new(Queue {
            max_at_once,
            max_waiting,
            computing: 0,
            last_ticket: 0,
            known_in_a_row: 0,
            waiting: BTreeMap::new(),
        }))
    }

    /// Other bounds from now on. Who waits goes on waiting.
    pub(super) fn rebound(&self, settings: &Protection) {
        let mut queue = self.lock();
        (queue.max_at_once, queue.max_waiting) = (at_once(settings), settings.max_waiting_handshakes);
        queue.grant();
    }

    /// Waits for a turn, and then lets those go before that wait for the processor already. Given up, it leaves the queue.
    ///
    /// # Errors
    /// There are too many who wait, and none of them comes behind this one.
    pub(super) async fn turn(&self, rank: Rank) -> Result<Turn<'_>, Overrun> {
        let place = self.lock().enter(rank)?;
        let turn = match place {
            None => Turn(self),
            Some((ticket, granted)) => Waiting { handshakes: self, ticket, granted }.turn().await?,
        };
        yield_now().await;
        Ok(turn)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The queue is whole after each statement, so one left by a panic is still right.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// A turn at once, or a place in the queue.
    fn enter(&mut self, rank: Rank) -> Result<Option<(Ticket, oneshot::Receiver<()>)>, Overrun> {
        if self.computing < self.max_at_once && self.waiting.is_empty() {
            self.computing += 1;
            return Ok(None);
        }
        if self.waiting.len() >= self.max_waiting {
            // The last to come of those who count for least.
            let last = self.waiting.last_entry().filter(|last| last.key().rank > rank);
            last.ok_or(Overrun)?.remove();
        }
        self.last_ticket += 1;
        let ticket = Ticket { rank, number: self.last_ticket };
        let (grant, granted) = oneshot::channel();
        self.waiting.insert(ticket, grant);
        Ok(Some((ticket, granted)))
    }

    /// Hands out the turns that are free.
    fn grant(&mut self) {
        while self.computing < self.max_at_once {
            let Some(ticket) = self.next() else { return };
            let Some(grant) = self.waiting.remove(&ticket) else { return };
            // Who has given up has left, or is about to.
            if grant.send(()).is_ok() {
                self.computing += 1;
            }
        }
    }

    fn next(&mut self) -> Option<Ticket> {
        let first = self.waiting.keys().next().copied()?;
        let others = Ticket { rank: Rank::Begun, number: 0 };
        let other = self.waiting.range(others..).next().map(|(ticket, _)| *ticket);
        match other {
            Some(other) if first.rank == Rank::Known && self.known_in_a_row + 1 < FOR_STRANGERS => {
                self.known_in_a_row += 1;
                debug_assert!(other > first);
                Some(first)
            }
            Some(other) => {
                self.known_in_a_row = 0;
                Some(other)
            }
            None => Some(first),
        }
    }

    fn release(&mut self) {
        self.computing = self.computing.saturating_sub(1);
        self.grant();
    }
}

/// Where the settings leave it open, half of the processors: the others are for those who are connected.
fn at_once(settings: &Protection) -> usize {
    match settings.max_handshakes {
        0 => (available_parallelism().map_or(1, NonZero::get) / 2).max(1),
        some => some,
    }
}

/// A place in the queue.
struct Waiting<'h> {
    handshakes: &'h Handshakes,
    ticket: Ticket,
    granted: oneshot::Receiver<()>,
}

impl<'h> Waiting<'h> {
    async fn turn(mut self) -> Result<Turn<'h>, Overrun> {
        let granted = (&mut self.granted).await;
        granted.map(|()| Turn(self.handshakes)).map_err(|_| Overrun)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.handshakes.lock();
        if queue.waiting.remove(&self.ticket).is_none() && self.granted.try_recv().is_ok() {
            // Granted to who had given up.
            queue.release();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().release();
    }
}

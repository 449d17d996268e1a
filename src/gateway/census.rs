//! Who is connected, and how many of them a reload kept and ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// The connections whose relay runs, and the round of judgement they are in.
#[derive(Debug, Default)]
pub(super) struct Census {
    state: Mutex<State>,
    /// Everybody of the round is judged, or gone.
    all_judged: Notify,
}

#[derive(Debug, Default)]
struct State {
    round: u64,
    members: usize,
    /// Members that this round has not judged yet.
    waiting: usize,
    verdicts: Verdicts,
}

/// What a round of judgement came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    pub(super) kept: u64,
    pub(super) ended: u64,
}

/// One connection; gone when dropped.
#[derive(Debug)]
pub(super) struct Member {
    census: Arc<Census>,
    /// The last round that judged it.
    judged: u64,
}

impl Census {
    /// One more; what is in force when it joins it is taken to have been judged by.
    pub(super) fn join(self: &Arc<Self>) -> Member {
        let mut state = lock(&self.state);
        state.members += 1;
        Member { census: Arc::clone(self), judged: state.round }
    }

    /// Begins a round: everybody who is there now is to be judged. What they are to be judged by is in force before.
    pub(super) fn begin(&self) -> u64 {
        let mut state = lock(&self.state);
        state.round += 1;
        state.waiting = state.members;
        state.verdicts = Verdicts::default();
        state.round
    }

    /// Waits until all are judged, or gone, but not for longer than `patience`.
    pub(super) async fn verdicts(&self, patience: Duration) -> Verdicts {
        // A permit of an earlier round may wake it early, hence the loop.
        let all = async {
            while lock(&self.state).waiting > 0 {
                self.all_judged.notified().await;
            }
        };
        let _in_time = timeout(patience, all).await;
        lock(&self.state).verdicts
    }
}

impl Member {
    /// It was judged, and stays or goes.
    pub(super) fn judged(&mut self, stays: bool) {
        let mut state = lock(&self.census.state);
        if self.judged == state.round {
            return;
        }
        self.judged = state.round;
        if stays {
            state.verdicts.kept += 1;
        } else {
            state.verdicts.ended += 1;
        }
        self.census.is_done(&mut state);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = lock(&self.census.state);
        state.members = state.members.saturating_sub(1);
        if self.judged != state.round {
            self.census.is_done(&mut state);
        }
    }
}

impl Census {
    fn is_done(&self, state: &mut State) {
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0 {
            self.all_judged.notify_one();
        }
    }
}

/// The counts are whole after each statement, so those left by a panic are still right.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_round_counts_those_who_were_there_and_waits_for_nobody_else() {
        let census = Arc::new(Census::default());
        let patience = Duration::from_secs(10);
        let [mut stays, mut goes, leaves] = [census.join(), census.join(), census.join()];
        census.begin();
        let mut late = census.join();
        stays.judged(true);
        stays.judged(true);
        late.judged(true);
        goes.judged(false);
        drop(goes);
        let began = tokio::time::Instant::now();
        assert_eq!(census.verdicts(patience).await, Verdicts { kept: 1, ended: 1 });
        assert_eq!(began.elapsed(), patience, "one has not said yet");
        drop(leaves);
        assert_eq!(census.verdicts(patience).await, Verdicts { kept: 1, ended: 1 });
        assert_eq!(began.elapsed(), patience, "it left, and is not waited for");

        census.begin();
        let waiting = tokio::spawn({
            let census = Arc::clone(&census);
            async move { census.verdicts(patience).await }
        });
        tokio::task::yield_now().await;
        stays.judged(true);
        late.judged(false);
        assert_eq!(waiting.await.unwrap(), Verdicts { kept: 1, ended: 1 });
        assert_eq!(began.elapsed(), patience);
        drop((stays, late));
        census.begin();
        assert_eq!(census.verdicts(patience).await, Verdicts::default(), "nobody is there");
    }
}

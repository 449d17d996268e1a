//! A memory that outlives connections and remembers nothing but buckets.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::policy::{Count, Fact, History, Key, Memory, NonceUse, Used};
use crate::rate::{Bucket, Epoch, Tick};

#[derive(Debug)]
struct Buckets {
    known: Mutex<HashMap<Key, Arc<Bucket>>>,
    keys: [RandomState; 2],
    epoch: Epoch,
}

/// An empty one.
pub(super) fn memory() -> Arc<dyn Memory> {
    let keys = [RandomState::new(), RandomState::new()];
    Arc::new(Buckets { known: Mutex::default(), keys, epoch: Epoch::new(Instant::now()) })
}

impl Memory for Buckets {
    fn history(&self, _: Key) -> Option<History> {
        None
    }

    fn remember(&self, _: Key, _: History, _: i64) {}

    fn fact(&self, _: Key) -> Option<Fact> {
        None
    }

    fn learn(&self, _: Key, _: Fact) {}

    fn use_nonce(&self, _: &NonceUse) -> Used {
        Used::Full
    }

    fn advance(&self, _: &Count) -> Used {
        Used::Full
    }

    fn unsigned(&self, _: &str, _: Key, _: i64) {}

    fn keys(&self) -> &[RandomState; 2] {
        &self.keys
    }

    fn bucket(&self, _: Key, whose: Key, _: Tick) -> Arc<Bucket> {
        Arc::clone(self.known.lock().unwrap().entry(whose).or_default())
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

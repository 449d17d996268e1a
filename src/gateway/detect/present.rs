//! Who is connected, by broker and Client Identifier: whoever comes beside another drives it out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use crate::policy::Key;

/// How many connections each Client Identifier has. It holds what is connected, so the bound on connections bounds it.
#[derive(Debug, Default)]
pub(super) struct Present(Mutex<HashMap<Key, u32>>);

impl Present {
    /// One more, and whether there was one.
    pub(super) fn enter(&self, place: Key) -> bool {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.entry(place).or_default();
        *count = count.saturating_add(1);
        *count > 1
    }

    /// One less.
    pub(super) fn leave(&self, place: Key) {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = present.entry(place) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

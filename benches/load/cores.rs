//! Which processor core runs what.

use std::process::{Child, Command};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Result;

/// Whether proxy and load keep to cores of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// As the scheduler likes, each proxy with as many threads as it takes by itself.
    Shared,
    /// The proxy has the first core alone, clients and stub the second: less noise, but every wake-up crosses cores.
    Apart,
}

impl Cores {
    /// Called before any thread of the load starts: threads and processes inherit it.
    pub(crate) fn keep_load_apart(self) -> Result<()> {
        self.keep_to(1)
    }

    pub(crate) fn spawn_proxy(self, command: &mut Command) -> Result<Child> {
        self.keep_to(0)?;
        let child = command.spawn();
        self.keep_to(1)?;
        Ok(child?)
    }

    /// The calling thread, and what it starts, on this core.
    fn keep_to(self, core: usize) -> Result<()> {
        if self == Self::Shared {
            return Ok(());
        }
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(None, &set)?;
        Ok(())
    }
}

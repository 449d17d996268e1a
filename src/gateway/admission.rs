//! How many connections there may be: in all, by listener, by source address and prefix, and half open.
//!
//! Every count is held by a [`Slot`] and falls when that is dropped, whatever ended the connection. The tables hold only
//! sources that have a connection now, so the bound on connections bounds them too.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds on the connections of one listener, or of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) max_connections: usize,
    /// Connections whose CONNECT has not been permitted yet.
    pub(super) max_half_open: usize,
    pub(super) max_per_address: usize,
    pub(super) max_half_open_per_address: usize,
    pub(super) max_per_prefix: usize,
    pub(super) max_half_open_per_prefix: usize,
    pub(super) ipv4_prefix_bits: u8,
    pub(super) ipv6_prefix_bits: u8,
}

/// Which bound a new connection would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Process,
    ProcessHalfOpen,
    Listener,
    ListenerHalfOpen,
    Address,
    AddressHalfOpen,
    Prefix,
    /// The process is short of memory or descriptors.
    Overload,
    PrefixHalfOpen,
}

impl Refusal {
    /// A short stable name, for records and metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Process => "max_connections",
            Self::ProcessHalfOpen => "max_half_open",
            Self::Listener => "listener_max_connections",
            Self::ListenerHalfOpen => "listener_max_half_open",
            Self::Address => "max_connections_per_address",
            Self::AddressHalfOpen => "max_half_open_per_address",
            Self::Prefix => "max_connections_per_prefix",
            Self::Overload => "overload",
            Self::PrefixHalfOpen => "max_half_open_per_prefix",
        }
    }
}

/// The connections of the whole process.
#[derive(Debug)]
pub(super) struct Process(Mutex<Total>);

#[derive(Debug)]
struct Total {
    max_connections: usize,
    max_half_open: usize,
    count: Count,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    open: usize,
    half_open: usize,
}

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Door {
    process: Arc<Process>,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    bounds: Bounds,
    all: Count,
    by_address: HashMap<IpAddr, Count>,
    by_prefix: HashMap<IpAddr, Count>,
}

/// The place of one connection; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    door: Arc<Door>,
    /// None where a load balancer has not said yet for whom it dials.
    address: Option<IpAddr>,
    half_open: bool,
}

impl Process {
    pub(super) fn new(max_connections: usize, max_half_open: usize) -> Self {
        Self(Mutex::new(Total { max_connections, max_half_open, count: Count::default() }))
    }

    /// Other bounds from now on. Who is there stays.
    pub(super) fn rebound(&self, max_connections: usize, max_half_open: usize) {
        let mut total = lock(&self.0);
        (total.max_connections, total.max_half_open) = (max_connections, max_half_open);
    }

    /// Connections that are open, and those of them that are half open.
    pub(super) fn counts(&self) -> (usize, usize) {
        let count = lock(&self.0).count;
        (count.open, count.half_open)
    }

    fn enter(&self) -> Result<(), Refusal> {
        let mut total = lock(&self.0);
        if total.count.open >= total.max_connections {
            return Err(Refusal::Process);
        }
        if total.count.half_open >= total.max_half_open {
            return Err(Refusal::ProcessHalfOpen);
        }
        total.count.enter();
        Ok(())
    }

    fn settle(&self) {
        lock(&self.0).count.settle();
    }

    fn leave(&self, half_open: bool) {
        lock(&self.0).count.leave(half_open);
    }
}

impl Door {
    pub(super) fn new(process: Arc<Process>, bounds: Bounds) -> Self {
        Self { process, counts: Mutex::new(Counts::new(bounds)) }
    }

    /// Connections of the whole process that are open.
    pub(super) fn open_in_all(&self) -> usize {
        self.process.counts().0
    }

    /// Other bounds from now on. Who is there stays.
    pub(super) fn rebound(&self, bounds: Bounds) {
        lock(&self.counts).rebound(bounds);
    }

    /// A place for a connection from `address`, half open until [`Slot::settle`]. Without an address it counts for no
    /// address, until [`Slot::known`].
    ///
    /// # Errors
    /// The bound that is reached; nothing is counted then.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Slot, Refusal> {
        let address = address.map(|address| address.to_canonical());
        self.process.enter()?;
        let entered = lock(&self.counts).enter(address);
        if let Err(refusal) = entered {
            self.process.leave(true);
            return Err(refusal);
        }
        Ok(Slot { door: Arc::clone(self), address, half_open: true })
    }
}

impl Counts {
    fn new(bounds: Bounds) -> Self {
        Self { bounds, all: Count::default(), by_address: HashMap::new(), by_prefix: HashMap::new() }
    }

    fn rebound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.by_prefix.clear();
        for (address, count) in &self.by_address {
            self.by_prefix.entry(bounds.prefix(*address)).or_default().add(*count);
        }
    }

    fn enter(&mut self, address: Option<IpAddr>) -> Result<(), Refusal> {
        if self.all.open >= self.bounds.max_connections {
            return Err(Refusal::Listener);
        }
        if self.all.half_open >= self.bounds.max_half_open {
            return Err(Refusal::ListenerHalfOpen);
        }
        if let Some(address) = address {
            self.known(address)?;
        }
        self.all.enter();
        Ok(())
    }

    /// One that is half open comes from this address.
    fn known(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let bounds = self.bounds;
        let prefix = bounds.prefix(address);
        let of_address = self.by_address.get(&address).copied().unwrap_or_default();
        let of_prefix = self.by_prefix.get(&prefix).copied().unwrap_or_default();
        let reached = [
            (of_address.open >= bounds.max_per_address, Refusal::Address),
            (of_address.half_open >= bounds.max_half_open_per_address, Refusal::AddressHalfOpen),
            (of_prefix.open >= bounds.max_per_prefix, Refusal::Prefix),
            (of_prefix.half_open >= bounds.max_half_open_per_prefix, Refusal::PrefixHalfOpen),
        ];
        if let Some((_, refusal)) = reached.into_iter().find(|(is_reached, _)| *is_reached) {
            return Err(refusal);
        }
        self.by_address.entry(address).or_default().enter();
        self.by_prefix.entry(prefix).or_default().enter();
        Ok(())
    }

    fn settle(&mut self, address: Option<IpAddr>) {
        self.all.settle();
        let Some(address) = address else { return };
        self.by_address.entry(address).and_modify(Count::settle);
        self.by_prefix.entry(self.bounds.prefix(address)).and_modify(Count::settle);
    }

    fn leave(&mut self, address: Option<IpAddr>, half_open: bool) {
        self.all.leave(half_open);
        let Some(address) = address else { return };
        leave(&mut self.by_address, address, half_open);
        leave(&mut self.by_prefix, self.bounds.prefix(address), half_open);
    }
}

/// One of them is gone, and with the last one the entry.
fn leave(counts: &mut HashMap<IpAddr, Count>, whose: IpAddr, half_open: bool) {
    if let Entry::Occupied(mut entry) = counts.entry(whose) {
        entry.get_mut().leave(half_open);
        if entry.get().open == 0 {
            entry.remove();
        }
    }
}

impl Count {
    fn enter(&mut self) {
        self.open += 1;
        self.half_open += 1;
    }

    fn add(&mut self, other: Self) {
        self.open += other.open;
        self.half_open += other.half_open;
    }

    fn settle(&mut self) {
        self.half_open = self.half_open.saturating_sub(1);
    }

    fn leave(&mut self, half_open: bool) {
        self.open = self.open.saturating_sub(1);
        self.half_open = self.half_open.saturating_sub(usize::from(half_open));
    }
}

impl Bounds {
    /// The leading bits of an address by which connections are counted.
    pub(super) fn prefix(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.ipv4_prefix_bits.into())).unwrap_or(0);
                Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(self.ipv6_prefix_bits.into())).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        }
    }
}

impl Slot {
    /// Whether it counts for an address.
    pub(super) const fn is_known(&self) -> bool {
        self.address.is_some()
    }

    /// A load balancer has said for which address it dials, or that it dials for itself.
    ///
    /// # Errors
    /// The bound that is reached.
    pub(super) fn known(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if self.address.is_none() {
            lock(&self.door.counts).known(address)?;
            self.address = Some(address);
        }
        Ok(())
    }

    /// The connection's CONNECT is permitted: it is half open no longer.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.half_open) {
            self.door.process.settle();
            lock(&self.door.counts).settle(self.address);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.door.process.leave(self.half_open);
        lock(&self.door.counts).leave(self.address, self.half_open);
    }
}

/// A count is whole after each statement, so one left by a panic is still right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

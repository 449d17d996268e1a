//! How many connections there may be: in all, by listener, by source address and prefix, and half open.
//!
//! Every count is held by a [`Slot`] and falls when that is dropped, whatever ended the connection. The tables hold only
//! sources that have a connection now, so the bound on connections bounds them too.

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
    by_prefix: HashMap<IpAddr, usize>,
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
        let count = &mut lock(&self.0).count;
        count.half_open = count.half_open.saturating_sub(1);
    }

    fn leave(&self, half_open: bool) {
        lock(&self.0).count.leave(half_open);
    }
}

impl Door {
    pub(super) fn new(process: Arc<Process>, bounds: Bounds) -> Self {
        Self { process, counts: Mutex::new(Counts::new(bounds)) }
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
            *self.by_prefix.entry(bounds.prefix(*address)).or_default() += count.open;
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
            (of_prefix >= bounds.max_per_prefix, Refusal::Prefix),
        ];
        if let Some((_, refusal)) = reached.into_iter().find(|(is_reached, _)| *is_reached) {
            return Err(refusal);
        }
        self.by_address.entry(address).or_default().enter();
        *self.by_prefix.entry(prefix).or_default() += 1;
        Ok(())
    }

    fn settle(&mut self, address: Option<IpAddr>) {
        self.all.half_open = self.all.half_open.saturating_sub(1);
        if let Some(count) = address.and_then(|address| self.by_address.get_mut(&address)) {
            count.half_open = count.half_open.saturating_sub(1);
        }
    }

    fn leave(&mut self, address: Option<IpAddr>, half_open: bool) {
        self.all.leave(half_open);
        let Some(address) = address else { return };
        if let Entry::Occupied(mut entry) = self.by_address.entry(address) {
            entry.get_mut().leave(half_open);
            if entry.get().open == 0 {
                entry.remove();
            }
        }
        if let Entry::Occupied(mut entry) = self.by_prefix.entry(self.bounds.prefix(address)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl Count {
    fn enter(&mut self) {
        self.open += 1;
        self.half_open += 1;
    }

    fn leave(&mut self, half_open: bool) {
        self.open = self.open.saturating_sub(1);
        self.half_open = self.half_open.saturating_sub(usize::from(half_open));
    }
}

impl Bounds {
    fn prefix(&self, address: IpAddr) -> IpAddr {
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

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        max_connections: 6,
        max_half_open: 4,
        max_per_address: 3,
        max_half_open_per_address: 2,
        max_per_prefix: 5,
        ipv4_prefix_bits: 24,
        ipv6_prefix_bits: 56,
    };

    fn door(max_connections: usize, max_half_open: usize) -> Arc<Door> {
        Arc::new(Door::new(Arc::new(Process::new(max_connections, max_half_open)), BOUNDS))
    }

    fn settled(door: &Arc<Door>, address: &str) -> Result<Slot, Refusal> {
        let mut slot = door.enter(Some(address.parse().unwrap()))?;
        slot.settle();
        Ok(slot)
    }

    fn refusal(result: Result<Slot, Refusal>) -> Refusal {
        result.unwrap_err()
    }

    #[test]
    fn each_bound_refuses_the_connection_that_would_break_it() {
        let door = door(100, 100);
        let _half: Vec<_> = (0..2).map(|_| door.enter(Some("10.0.0.1".parse().unwrap())).unwrap()).collect();
        assert_eq!(refusal(door.enter(Some("10.0.0.1".parse().unwrap()))), Refusal::AddressHalfOpen);
        let _more: Vec<_> = (2..4).map(|n| door.enter(Some(IpAddr::from([10, 0, 0, n]))).unwrap()).collect();
        assert_eq!(refusal(door.enter(Some("10.0.0.9".parse().unwrap()))), Refusal::ListenerHalfOpen);
        drop(_half);
        let _settled: Vec<_> = (0..3).map(|_| settled(&door, "10.0.0.5").unwrap()).collect();
        assert_eq!(refusal(door.enter(Some("10.0.0.5".parse().unwrap()))), Refusal::Address);
        assert_eq!(refusal(door.enter(Some("10.0.0.6".parse().unwrap()))), Refusal::Prefix);
        let _other = settled(&door, "10.0.1.1").unwrap();
        assert_eq!(refusal(door.enter(Some("10.0.2.1".parse().unwrap()))), Refusal::Listener);
    }

    #[test]
    fn the_process_bounds_hold_over_its_listeners() {
        let process = Arc::new(Process::new(3, 2));
        let (one, two) = (Arc::new(Door::new(Arc::clone(&process), BOUNDS)), Arc::new(Door::new(process, BOUNDS)));
        let _first = one.enter(Some("10.0.0.1".parse().unwrap())).unwrap();
        let mut second = two.enter(Some("10.0.0.1".parse().unwrap())).unwrap();
        assert_eq!(refusal(one.enter(Some("10.0.0.2".parse().unwrap()))), Refusal::ProcessHalfOpen);
        second.settle();
        let _third = settled(&one, "10.0.0.2").unwrap();
        assert_eq!(refusal(two.enter(Some("10.0.0.3".parse().unwrap()))), Refusal::Process);
    }

    #[test]
    fn who_comes_by_a_balancer_counts_where_it_really_is() {
        let door = door(100, 100);
        let unknown = || door.enter(None).unwrap();
        let mut here = [unknown(), unknown(), unknown()];
        for slot in here.iter_mut().take(2) {
            slot.known("10.0.0.1".parse().unwrap()).unwrap();
        }
        assert_eq!(here[2].known("10.0.0.1".parse().unwrap()), Err(Refusal::AddressHalfOpen));
        here[0].settle();
        here[2].known("10.0.0.1".parse().unwrap()).unwrap();
        here[2].settle();
        assert_eq!(unknown().known("10.0.0.1".parse().unwrap()), Err(Refusal::Address));
        assert_eq!(refusal(door.enter(Some("10.0.0.1".parse().unwrap()))), Refusal::Address);
        drop(here);
        let held: Vec<_> = (0..4).map(|_| unknown()).collect();
        assert_eq!(refusal(door.enter(None)), Refusal::ListenerHalfOpen);
        drop(held);
        let counts = lock(&door.counts);
        assert_eq!((counts.all.open, counts.all.half_open), (0, 0));
        assert!(counts.by_address.is_empty() && counts.by_prefix.is_empty());
    }

    #[test]
    fn other_bounds_hold_for_whoever_comes_next() {
        let process = Arc::new(Process::new(100, 100));
        let door = Arc::new(Door::new(Arc::clone(&process), BOUNDS));
        let here: Vec<_> = (1..=3).map(|n| settled(&door, &format!("10.0.{n}.1")).unwrap()).collect();
        let wide = Bounds { ipv4_prefix_bits: 8, max_per_prefix: 4, ..BOUNDS };
        door.rebound(wide);
        let fourth = settled(&door, "10.0.4.1").unwrap();
        assert_eq!(refusal(settled(&door, "10.0.5.1")), Refusal::Prefix);
        door.rebound(Bounds { max_connections: 2, ..wide });
        assert_eq!(refusal(settled(&door, "11.0.0.1")), Refusal::Listener, "who is there stays");
        door.rebound(wide);
        process.rebound(4, 100);
        assert_eq!(refusal(settled(&door, "11.0.0.1")), Refusal::Process);
        process.rebound(5, 0);
        assert_eq!(refusal(settled(&door, "11.0.0.1")), Refusal::ProcessHalfOpen);
        process.rebound(5, 1);
        drop(settled(&door, "11.0.0.1").unwrap());
        drop((here, fourth));
        let counts = lock(&door.counts);
        assert!(counts.all.open == 0 && counts.by_address.is_empty() && counts.by_prefix.is_empty());
    }

    #[test]
    fn a_dropped_slot_leaves_nothing_behind() {
        let door = door(100, 100);
        let half = door.enter(Some("::ffff:10.0.0.1".parse().unwrap())).unwrap();
        let full = settled(&door, "2001:db8::1").unwrap();
        drop((half, full));
        let counts = lock(&door.counts);
        assert_eq!((counts.all.open, counts.all.half_open), (0, 0));
        assert!(counts.by_address.is_empty() && counts.by_prefix.is_empty());
        let process = lock(&door.process.0).count;
        assert_eq!((process.open, process.half_open), (0, 0));
    }

    #[test]
    fn ipv6_neighbours_share_a_prefix() {
        let prefix = |text: &str| BOUNDS.prefix(text.parse().unwrap());
        assert_eq!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:2::2"));
        assert_ne!(prefix("2001:db8:0:100::1"), prefix("2001:db8:0:200::1"));
        let whole = Bounds { ipv4_prefix_bits: 0, ..BOUNDS };
        assert_eq!(whole.prefix("10.0.0.1".parse().unwrap()), whole.prefix("192.168.0.1".parse().unwrap()));
    }
}

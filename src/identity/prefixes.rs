//! Many networks at once: an address is in one of them, or in none.
//!
//! Not here: the files that they are read from (`gateway`). Read [`PrefixSet::contains`] first.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::Prefix;

/// One start in so many stands in a list of its own; of these again, until they are that few. So many lie beside one
/// another in memory, which is what a search waits for.
const FANOUT: usize = 8;

/// Networks, as ranges of addresses that lie apart, below a tree of their starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Networks that are being gathered.
#[derive(Debug, Default)]
pub struct Prefixes {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// Why a line names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network such as `192.0.2.0/24`")]
pub struct NoPrefix;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<A> {
    /// The coarsest first: each has every [`FANOUT`]th start of what comes behind it.
    levels: Vec<Vec<A>>,
    /// First and last address of each.
    ranges: Vec<(A, A)>,
}

impl Prefixes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the network of one line, an address being the network of itself. Blanks around it, and what follows a `#`, count
    /// for nothing; nor does a line without more.
    ///
    /// # Errors
    /// When the line says something else.
    pub fn read_line(&mut self, line: &str) -> Result<(), NoPrefix> {
        let said = line.split_once('#').map_or(line, |(said, _)| said).trim();
        if !said.is_empty() {
            self.add(Prefix::parse(said).ok_or(NoPrefix)?);
        }
        Ok(())
    }

    /// Adds a network. One of IPv6 that holds addresses of IPv4 alone is one of IPv4.
    pub fn add(&mut self, prefix: Prefix) {
        match (prefix.address, prefix.address.to_canonical()) {
            (IpAddr::V4(address), _) => {
                let host = u32::MAX.checked_shr(prefix.bits.into()).unwrap_or(0);
                let first = address.to_bits() & !host;
                self.v4.push((first, first | host));
            }
            (IpAddr::V6(_), IpAddr::V4(address)) if prefix.bits >= 96 => {
                self.add(Prefix { address: address.into(), bits: prefix.bits - 96 });
            }
            (IpAddr::V6(address), _) => {
                let host = u128::MAX.checked_shr(prefix.bits.into()).unwrap_or(0);
                let first = address.to_bits() & !host;
                self.v6.push((first, first | host));
            }
        }
    }

    /// All of them as a set.
    #[must_use]
    pub fn finish(self) -> PrefixSet {
        PrefixSet { v4: Ranges::of(self.v4, u32::checked_add), v6: Ranges::of(self.v6, u128::checked_add) }
    }
}

impl PrefixSet {
    /// Whether `address` is in one of them. An IPv4 address is itself however it is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contains(address.to_bits()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }

    /// Whether no address is in any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.ranges.is_empty() && self.v6.ranges.is_empty()
    }
}

impl<A: Copy + Ord + From<u8>> Ranges<A> {
    fn of(mut ranges: Vec<(A, A)>, add: impl Fn(A, A) -> Option<A>) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let is_apart = add(kept.1, A::from(1)).is_some_and(|behind| next.0 > behind);
            if !is_apart {
                kept.1 = kept.1.max(next.1);
            }
            !is_apart
        });
        ranges.shrink_to_fit();
        let mut levels = Vec::new();
        let mut level: Vec<A> = ranges.iter().step_by(FANOUT).map(|range| range.0).collect();
        while level.len() > 1 {
            let above = level.iter().step_by(FANOUT).copied().collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.reverse();
        Self { levels, ranges }
    }

    fn contains(&self, address: A) -> bool {
        let mut from = 0;
        for level in &self.levels {
            let Some(place) = last_of(level, from, |first| *first <= address) else { return false };
            from = place * FANOUT;
        }
        let place = last_of(&self.ranges, from, |range| range.0 <= address);
        place.and_then(|place| self.ranges.get(place)).is_some_and(|range| address <= range.1)
    }
}

/// The place of the last of a few from `from` on that begins early enough.
fn last_of<T>(sorted: &[T], from: usize, is_early: impl Fn(&T) -> bool) -> Option<usize> {
    let few = sorted.get(from..sorted.len().min(from + FANOUT))?;
    Some(from + few.iter().take_while(|one| is_early(one)).count().checked_sub(1)?)
}

//! Names of the objects that are open, to find one that stands twice.
//!
//! What is kept of a name is a hash of 64 bits, so nothing is copied. Two equal names always meet; two that differ are
//! taken for equal once in 2^64 pairs by chance, and by intent only at the cost of whose message it is.

/// Names kept without asking for memory, those of all open objects together.
const FEW: usize = 64;

/// Names of one object that are compared one by one; more are sorted at its end.
const FIRST: usize = 32;

pub(super) struct Names {
    few: [u64; FEW],
    used: usize,
    /// All of them, once they were more than few.
    many: Vec<u64>,
}

impl Names {
    pub(super) const fn new() -> Self {
        Self { few: [0; FEW], used: 0, many: Vec::new() }
    }

    /// Names so far: where those of the object that begins now will start.
    pub(super) const fn mark(&self) -> usize {
        self.used
    }

    /// Adds a name to the object whose names start there, and says whether it was seen there before. Of a large object
    /// only [`Names::end`] knows.
    #[inline]
    pub(super) fn add(&mut self, start: usize, name: &str) -> bool {
        let hash = hash(name.as_bytes());
        let twice = self.used - start < FIRST && self.since(start).contains(&hash);
        match self.few.get_mut(self.used) {
            Some(free) if self.many.is_empty() => *free = hash,
            _ => self.spill(hash),
        }
        self.used += 1;
        twice
    }

    /// Ends the object whose names start there; whether one of them stands twice.
    pub(super) fn end(&mut self, start: usize) -> bool {
        let count = self.used - start;
        let names = self.since(start);
        let twice = count > FIRST && {
            names.sort_unstable();
            names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
        };
        self.used = start;
        self.many.truncate(start);
        twice
    }

    fn since(&mut self, start: usize) -> &mut [u64] {
        let all = if self.many.is_empty() { self.few.as_mut_slice() } else { self.many.as_mut_slice() };
        all.get_mut(start..self.used).unwrap_or_default()
    }

    #[cold]
    fn spill(&mut self, hash: u64) {
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(hash);
    }
}

/// Two rounds of multiplication, each of two words, as wyhash has them.
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    const KEYS: [u64; 3] = [0x2D35_8DCC_AA6C_78A5, 0x8BB8_4B93_962E_ACC9, 0x4B33_A62E_D433_D4A3];
    let [one, two, three] = KEYS;
    let (pairs, rest) = bytes.as_chunks::<16>();
    let mut state = bytes.len() as u64;
    for pair in pairs {
        let (low, high) = (word(pair) ^ one).carrying_mul(word(pair.split_at(8).1) ^ two ^ state, 0);
        state = low ^ high;
    }
    let (first, second) = rest.split_at_checked(8).unwrap_or((rest, &[]));
    let (low, high) = (word(first) ^ one).carrying_mul(word(second) ^ two ^ state, 0);
    let (low, high) = (low ^ three).carrying_mul(high ^ one, 0);
    low ^ high
}

/// The first 8 bytes, zeros where there are no more.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_devices_give_have_hashes_of_their_own() {
        let mut names: Vec<String> = (0..100_000).map(|n| format!("t{n}")).collect();
        names.extend((0..100_000).map(|n| format!("{n}")));
        names.extend((0..100_000).map(|n| format!("plant/line{}/sensor{}/celsius", n / 300, n % 300)));
        names.extend((0_u32..100_000).map(|n| {
            char::from_u32(0x100 + n % 0xD000).into_iter().collect::<String>() + &"\0".repeat((n / 0xD000) as usize)
        }));
        names.extend((0..300).map(|n| "a".repeat(n)));
        names.extend((1..300).map(|n| "\0".repeat(n)));
        let names: HashSet<String> = names.into_iter().collect();
        let hashes: HashSet<u64> = names.iter().map(|name| hash(name.as_bytes())).collect();
        assert_eq!(hashes.len(), names.len());
    }

    #[test]
    fn a_name_that_stands_twice_is_found_however_many_there_are() {
        for count in [1, 2, 31, 32, 33, 63, 64, 65, 66, 1000] {
            for twice in [0, count / 2, count - 1] {
                let mut names = Names::new();
                // An object around it, which holds the same name.
                assert!(!names.add(0, "n0"));
                let start = names.mark();
                let mut found = (0..count).any(|n| names.add(start, &format!("n{n}")));
                assert!(!found, "{count}");
                found |= names.add(start, &format!("n{twice}"));
                found |= names.end(start);
                assert!(found, "{count}, {twice}");
                assert!(names.add(0, "n0"));
            }
            let mut names = Names::new();
            assert!(!(0..count).any(|n| names.add(0, &format!("n{n}"))) && !names.end(0), "{count}");
            assert!(!(0..count).any(|n| names.add(0, &format!("n{n}"))) && !names.end(0), "{count}, again");
        }
    }
}

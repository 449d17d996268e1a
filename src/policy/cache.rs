//! What has been found out about the topics that one connection uses.

use std::mem;

use super::stance::Stance;

/// The topics that came last, a bounded number of them.
///
/// The very last is compared as it is, without a hash. Others are few enough to be looked through by their tags. A
/// connection that uses more topics than there is room for replaces one only now and then, so that what stays is found;
/// where that does not help either, the room is given back for a while.
#[derive(Debug, Default)]
pub(super) struct Cache {
    last: Slot,
    /// Tags of `kept`, one by one.
    tags: Vec<u32>,
    kept: Vec<Slot>,
    /// Where the next one goes.
    turn: usize,
    /// Looked for since the last reckoning, and found.
    asked: u16,
    found: u16,
    /// Reckonings until it is tried again.
    pause: u8,
}

#[derive(Debug)]
struct Slot {
    topic: String,
    tag: u32,
    stance: Stance,
}

impl Default for Slot {
    fn default() -> Self {
        Self { topic: String::new(), tag: 0, stance: Stance::NONE }
    }
}

impl Cache {
    /// Topics that are kept beside the last.
    pub(super) const MAX_KEPT: usize = 64;
    /// Bytes of a topic that is kept.
    const MAX_KEPT_BYTES: usize = 256;
    /// Bytes of a topic that is remembered as the last.
    const MAX_LAST_BYTES: usize = 1024;
    /// With all room taken, one in so many new topics replaces another.
    const REPLACE_ONE_IN: u16 = 8;
    /// Topics looked for between two reckonings.
    const RECKONING: u16 = 1024;
    /// Fewer found between two reckonings are not worth the room.
    const WORTH_IT: u16 = Self::RECKONING / 32;
    /// Reckonings to go without.
    const PAUSE: u8 = 32;

    /// What is known of a topic. No Topic Name is empty.
    #[inline]
    pub(super) fn find(&mut self, topic: &str) -> Option<Stance> {
        if self.last.topic == topic {
            return Some(self.last.stance);
        }
        self.find_kept(topic)
    }

    fn find_kept(&mut self, topic: &str) -> Option<Stance> {
        self.reckon();
        if self.kept.is_empty() {
            return None;
        }
        let wanted = tag(topic);
        for (tag, slot) in self.tags.iter_mut().zip(&mut self.kept) {
            if *tag == wanted && slot.topic == topic {
                mem::swap(slot, &mut self.last);
                *tag = slot.tag;
                self.found += 1;
                return Some(self.last.stance);
            }
        }
        None
    }

    /// Remembers what was found out.
    pub(super) fn keep(&mut self, topic: &str, stance: Stance) {
        if topic.len() > Self::MAX_LAST_BYTES {
            return;
        }
        self.make_room();
        self.last.topic.clear();
        self.last.topic.push_str(topic);
        self.last.tag = tag(topic);
        self.last.stance = stance;
    }

    /// Puts the last topic with the others, if it is to be kept.
    fn make_room(&mut self) {
        let last = &mut self.last;
        if last.topic.len() > Self::MAX_KEPT_BYTES {
            last.topic = String::new();
        } else if last.topic.is_empty() || self.pause > 0 {
        } else if self.kept.len() < Self::MAX_KEPT {
            self.tags.push(last.tag);
            self.kept.push(mem::take(last));
        } else if self.asked.is_multiple_of(Self::REPLACE_ONE_IN) {
            if let (Some(tag), Some(slot)) = (self.tags.get_mut(self.turn), self.kept.get_mut(self.turn)) {
                *tag = last.tag;
                mem::swap(slot, last);
            }
            self.turn = (self.turn + 1) % Self::MAX_KEPT;
        }
    }

    /// Asks now and then whether keeping topics pays.
    fn reckon(&mut self) {
        self.asked += 1;
        if self.asked < Self::RECKONING {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
        } else if self.found < Self::WORTH_IT {
            (self.tags, self.kept) = (Vec::new(), Vec::new());
            self.pause = Self::PAUSE;
        }
        (self.asked, self.found) = (0, 0);
    }
}

/// A number that two topics seldom share. What is found by it is compared, so nothing is gained by making them alike.
fn tag(topic: &str) -> u32 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = topic.as_bytes().as_chunks::<8>();
    let sum = words.iter().fold(0, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    u32::try_from(mix(sum, rest) >> 32).unwrap_or_default()
}

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

    /// What is known of a topic. None is empty on the wire; of one that is, nothing is remembered.
    #[inline]
    pub(super) fn find(&mut self, topic: &str) -> Option<Stance> {
        if self.last.topic == topic && !topic.is_empty() {
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
        let slots = self.tags.iter_mut().zip(&mut self.kept).enumerate();
        for (at, (tag, slot)) in slots {
            if *tag == wanted && slot.topic == topic {
                mem::swap(slot, &mut self.last);
                *tag = slot.tag;
                self.found += 1;
                if slot.topic.len() > Self::MAX_KEPT_BYTES {
                    self.tags.swap_remove(at);
                    self.kept.swap_remove(at);
                }
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
        if last.topic.is_empty() || self.pause > 0 || last.topic.len() > Self::MAX_KEPT_BYTES {
            // Let go, and room for a long one with it.
            last.topic.clear();
            last.topic.shrink_to(Self::MAX_KEPT_BYTES);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a topic stands for here: something that tells it from all others.
    fn stance(topic: &str) -> Stance {
        let mut stance = Stance::NONE;
        stance.deny(topic.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(byte.into())));
        stance
    }

    /// Looks topics up, finding out what is not known; how many were known.
    fn run<'t>(cache: &mut Cache, topics: impl IntoIterator<Item = &'t String>) -> usize {
        let mut known = 0;
        for topic in topics {
            match cache.find(topic) {
                Some(found) => {
                    assert_eq!(found, stance(topic), "{topic}");
                    known += 1;
                }
                None => cache.keep(topic, stance(topic)),
            }
            assert!(cache.kept.len() <= Cache::MAX_KEPT && cache.kept.len() == cache.tags.len());
            assert!(cache.kept.iter().all(|slot| slot.topic.capacity() <= 2 * Cache::MAX_KEPT_BYTES));
        }
        known
    }

    fn topics(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("plant/line-{number}/temperature")).collect()
    }

    #[test]
    fn as_many_topics_as_there_is_room_for_are_found_again() {
        for count in [1, 2, 3, Cache::MAX_KEPT, Cache::MAX_KEPT + 1] {
            let (mut cache, topics) = (Cache::default(), topics(count));
            assert_eq!(run(&mut cache, &topics), 0);
            assert_eq!(run(&mut cache, topics.iter().cycle().take(10 * count)), 10 * count, "{count} topics");
        }
    }

    #[test]
    fn a_few_topics_too_many_do_not_drive_out_the_others() {
        let (mut cache, topics) = (Cache::default(), topics(96));
        let known = run(&mut cache, topics.iter().cycle().take(20_000));
        assert!(known > 10_000, "{known} of 20,000");
    }

    #[test]
    fn far_too_many_topics_take_no_room() {
        let (mut cache, topics) = (Cache::default(), topics(10_000));
        run(&mut cache, topics.iter().take(2_000));
        assert_eq!((cache.kept.capacity(), cache.tags.capacity()), (0, 0));
        // Later it is tried again.
        let known = run(&mut cache, topics.iter().take(30).cycle().take(60_000));
        assert!(known > 20_000, "{known} of 60,000");
        assert_eq!(cache.kept.len(), 29);
    }

    #[test]
    fn a_long_topic_is_remembered_only_as_the_last() {
        let mut cache = Cache::default();
        let long = "x".repeat(Cache::MAX_LAST_BYTES);
        let longer = "x".repeat(Cache::MAX_LAST_BYTES + 1);
        let all = [long.clone(), long.clone(), "short".to_owned(), long, longer.clone(), longer];
        assert_eq!(run(&mut cache, &all), 1);
        assert_eq!(cache.find("short"), Some(stance("short")));
        assert!(cache.last.topic.capacity() < Cache::MAX_LAST_BYTES);
    }

    #[test]
    fn a_long_topic_is_not_kept_by_way_of_a_short_one() {
        let mut cache = Cache::default();
        let short = topics(Cache::MAX_KEPT);
        run(&mut cache, &short);
        for (number, short) in short.iter().enumerate().cycle().take(10 * Cache::MAX_KEPT) {
            let long = format!("{number}/{}", "x".repeat(Cache::MAX_LAST_BYTES - 8));
            run(&mut cache, [&long, short]);
        }
    }

    #[test]
    fn an_empty_topic_is_not_taken_for_one_that_was_asked_about() {
        let mut cache = Cache::default();
        let asked = [String::new(), String::new(), "a".to_owned(), String::new(), "a".to_owned()];
        assert_eq!(run(&mut cache, &asked), 1);
    }

    #[test]
    fn topics_that_share_a_tag_are_told_apart() {
        // Without words the tag is made of the rest alone, where a leading NUL counts nothing.
        let alike = ["a".to_owned(), "\0a".to_owned(), "\0\0a".to_owned()];
        assert_eq!(tag(&alike[0]), tag(&alike[1]));
        let mut cache = Cache::default();
        assert_eq!(run(&mut cache, &alike), 0);
        assert_eq!(run(&mut cache, alike.iter().cycle().take(9)), 9);
    }
}

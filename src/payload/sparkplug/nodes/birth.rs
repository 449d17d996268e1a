//! What a BIRTH declares.

use crate::payload::sparkplug::Datatype;

/// The metrics of a node or device, as its BIRTH declares them.
#[derive(Debug, Default)]
pub(super) struct Birth {
    /// By name, once it is closed.
    pub(super) metrics: Vec<Declared>,
    /// Whether there is room for it.
    pub(super) has_room: bool,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: Box<str>,
    pub(super) datatype: Datatype,
    pub(super) alias: Option<u64>,
}

impl Birth {
    /// Puts its metrics in order. A name may stand twice, since a BIRTH may tell of the past; the name of one that is
    /// declared differently the second time, or whose alias stands for another, is returned.
    pub(super) fn close(&mut self) -> Option<Box<str>> {
        self.metrics.sort_by(|one, other| one.name.cmp(&other.name));
        let mut twice = None;
        self.metrics.dedup_by(|later, first| {
            if later.name == first.name && later != first {
                twice = Some(first.name.clone());
            }
            later.name == first.name
        });
        let mut aliases: Vec<_> =
            self.metrics.iter().filter_map(|metric| Some((metric.alias?, &metric.name))).collect();
        aliases.sort_unstable();
        let same = aliases.windows(2).find_map(|pair| match pair {
            [(one, _), (other, name)] if one == other => Some((*name).clone()),
            _ => None,
        });
        twice.or(same)
    }

    pub(super) fn name_bytes(&self) -> usize {
        self.metrics.iter().map(|metric| metric.name.len()).sum()
    }
}

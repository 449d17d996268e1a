//! How short the gateway is, in steps.

use crate::policy::Priority;

/// What the gateway does without. Each does without all that those before it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(in crate::gateway) enum Level {
    /// Nothing.
    #[default]
    Normal,
    /// New connections, but from addresses that are known good.
    Shedding,
    /// All new connections.
    Closed,
    /// What clients of priority `bulk` send waits.
    Throttling,
    /// What clients of priority `normal` send waits too.
    Critical,
}

/// How far below the begin of a level use must fall before it ends, in thousandths.
const SLACK: u32 = 50;

impl Level {
    pub(in crate::gateway) const ALL: [Self; 5] =
        [Self::Normal, Self::Shedding, Self::Closed, Self::Throttling, Self::Critical];

    /// For records and the log.
    pub(in crate::gateway) const fn label(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shedding => "shedding",
            Self::Closed => "closed",
            Self::Throttling => "throttling",
            Self::Critical => "critical",
        }
    }

    /// Thousandths of what there is, from which it is in force.
    pub(super) const fn begins(self) -> u32 {
        match self {
            Self::Normal => 0,
            Self::Shedding => 850,
            Self::Closed => 900,
            Self::Throttling => 920,
            Self::Critical => 970,
        }
    }

    /// The level after this one when so much is used, in thousandths: it rises at once, and falls once there is some
    /// room below.
    pub(super) fn after(self, used: u32) -> Self {
        let highest = |is_in_force: &dyn Fn(Self) -> bool| {
            Self::ALL.into_iter().rev().find(|level| is_in_force(*level)).unwrap_or_default()
        };
        let reached = highest(&|level| used >= level.begins());
        let kept = highest(&|level| level <= self && used.saturating_add(SLACK) >= level.begins());
        reached.max(kept)
    }

    /// Whether what a client of this priority sends waits.
    pub(in crate::gateway) fn holds_back(self, priority: Priority) -> bool {
        match priority {
            Priority::Bulk => self >= Self::Throttling,
            Priority::Normal => self >= Self::Critical,
            Priority::Vital => false,
        }
    }

    pub(super) fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_rises_at_once_and_falls_when_there_is_room_below() {
        use Level::{Closed, Critical, Normal, Shedding, Throttling};
        for (before, used, after) in [
            (Normal, 0, Normal),
            (Normal, 849, Normal),
            (Normal, 850, Shedding),
            (Normal, 899, Shedding),
            (Normal, 900, Closed),
            (Normal, 920, Throttling),
            (Normal, 970, Critical),
            (Normal, 5000, Critical),
            (Critical, 920, Critical),
            (Critical, 919, Throttling),
            (Critical, 869, Closed),
            (Critical, 849, Shedding),
            (Critical, 799, Normal),
            (Shedding, 800, Shedding),
            (Shedding, 799, Normal),
            (Shedding, 925, Throttling),
        ] {
            assert_eq!(before.after(used), after, "{before:?} at {used}");
        }
    }

    #[test]
    fn bulk_waits_before_normal_and_vital_never_does() {
        let held: Vec<Vec<bool>> = [Priority::Bulk, Priority::Normal, Priority::Vital]
            .map(|priority| Level::ALL.map(|level| level.holds_back(priority)).to_vec())
            .to_vec();
        assert_eq!(held[0], [false, false, false, true, true]);
        assert_eq!(held[1], [false, false, false, false, true]);
        assert_eq!(held[2], [false; 5]);
    }

    #[test]
    fn a_level_has_its_number() {
        for (number, level) in (0_u8..).zip(Level::ALL) {
            assert_eq!((Level::of(number), level as u8), (level, number));
        }
        assert_eq!(Level::of(9), Level::Normal);
    }
}

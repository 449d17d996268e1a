//! Time windows: whether one is open, and until when that stays so.

use std::collections::HashMap;
use std::ops::Range;

use jiff::Timestamp;

use super::{Window, number};

const DAY: i64 = 86_400;

impl Window {
    /// Whether the rule holds at `unix`, and until which second that is sure: a day at most. None where no calendar
    /// reaches so far.
    ///
    /// What counts is what the clock on the wall shows: an hour that is shown twice counts twice, one that is skipped
    /// not at all.
    pub(super) fn holds(&self, unix: i64) -> Option<(bool, i64)> {
        let now = Timestamp::from_second(unix).ok()?;
        let local = unix + i64::from(self.timezone.to_offset(now).seconds());
        let second = local.rem_euclid(DAY);
        // 1970-01-01 was a Thursday.
        let is_day = |day: i64| {
            let weekday = usize::try_from((day + 3).rem_euclid(7)).ok();
            weekday.and_then(|day| self.days.get(day)).copied().unwrap_or(false)
        };
        let (today, yesterday) = (is_day(local.div_euclid(DAY)), is_day(local.div_euclid(DAY) - 1));
        let (from, to) = (i64::from(self.from) * 60, i64::from(self.to) * 60);
        let is_inside = if from < to {
            today && (from..to).contains(&second)
        } else {
            (today && second >= from) || (yesterday && second < to)
        };
        let next = |at: i64| unix + (at - second - 1).rem_euclid(DAY) + 1;
        let change = [0, from, to].map(next).into_iter().min().unwrap_or(unix + DAY);
        let shift = self.timezone.following(now).map(|shift| shift.timestamp().as_second()).find(|at| *at > unix);
        Some((is_inside == self.inside, shift.map_or(change, |shift| shift.min(change))))
    }
}

/// The different windows of a policy.
#[derive(Debug, Default)]
pub(super) struct Windows {
    all: Vec<Window>,
    /// Those that may be the same, by all but the time zone.
    alike: HashMap<(bool, u16, u16, [bool; 7]), Vec<u32>>,
}

impl Windows {
    /// The number of a window.
    pub(super) fn take(&mut self, window: Window) -> u32 {
        let alike = self.alike.entry((window.inside, window.from, window.to, window.days)).or_default();
        let known = alike.iter().find(|at| self.all.get(**at as usize) == Some(&window));
        if let Some(known) = known {
            return *known;
        }
        let fresh = number(self.all.len());
        alike.push(fresh);
        self.all.push(window);
        fresh
    }

    fn get(&self, window: u32) -> Option<&Window> {
        self.all.get(window as usize)
    }
}

/// The windows that one connection has to do with.
#[derive(Debug)]
pub(super) struct Clock {
    /// When what is known holds.
    valid: Range<i64>,
    /// By number.
    windows: Box<[(u32, State)]>,
}

/// Whether rules with a window hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Holds,
    Rests,
    /// No calendar reaches so far.
    Unknown,
}

impl Clock {
    /// `windows` are ascending.
    pub(super) fn new(windows: &[u32], all: &Windows, unix: i64) -> Self {
        let windows = windows.iter().map(|&window| (window, State::Unknown)).collect();
        let mut clock = Self { valid: 0..0, windows };
        clock.set(all, unix);
        clock
    }

    /// Says what time it is; whether that has changed anything.
    pub(super) fn set(&mut self, all: &Windows, unix: i64) -> bool {
        if self.valid.contains(&unix) {
            return false;
        }
        let (mut until, mut has_changed) = (unix.saturating_add(DAY), false);
        for (window, state) in &mut self.windows {
            let now = match all.get(*window).and_then(|window| window.holds(unix)) {
                Some((holds, end)) => {
                    until = until.min(end);
                    if holds { State::Holds } else { State::Rests }
                }
                None => State::Unknown,
            };
            has_changed |= now != *state;
            *state = now;
        }
        self.valid = unix..until;
        has_changed
    }

    pub(super) fn state(&self, window: u32) -> State {
        let at = self.windows.binary_search_by_key(&window, |(window, _)| *window);
        at.ok().and_then(|at| self.windows.get(at)).map_or(State::Unknown, |(_, state)| *state)
    }
}

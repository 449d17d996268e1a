//! Rows to a table with ratios and targets, or to JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::subject::Kind;

/// What a row has to reach: at most so many times the other's figure, or at most so much.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Target {
    pub(crate) of_relay: Option<f64>,
    pub(crate) of_haproxy: Option<f64>,
    /// What 1,000 grants may cost, against permitting everything.
    pub(crate) of_permit_all: Option<f64>,
    pub(crate) at_most: Option<f64>,
    /// What two range checks may add to permitting everything, in the unit of the row.
    pub(crate) inspection_adds: Option<f64>,
}

/// The middle of many figures, and the quarters around it.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Spread {
    low: f64,
    pub(crate) median: f64,
    high: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures = figures.collect::<Vec<_>>();
        figures.sort_by(f64::total_cmp);
        let last = figures.len().checked_sub(1)?;
        let median = f64::midpoint(figures[last / 2], figures[last.div_ceil(2)]);
        Some(Self { low: figures[last / 4], median, high: figures[last - last / 4] })
    }
}

/// One row: the figures of every round of every subject, in the order of [`Kind::ALL`].
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) rounds: [Vec<f64>; 5],
    median: [Option<f64>; 5],
    of_relay: Option<Spread>,
    of_haproxy: Option<Spread>,
    of_permit_all: Option<Spread>,
    inspection_adds: Option<Spread>,
    met: Option<bool>,
}

impl Row {
    pub(crate) fn new(group: &'static str, name: impl Into<String>, target: Target) -> Self {
        let (name, rounds) = (name.into(), Default::default());
        Self {
            group,
            name,
            target,
            rounds,
            median: [None; 5],
            of_relay: None,
            of_haproxy: None,
            of_permit_all: None,
            inspection_adds: None,
            met: None,
        }
    }

    pub(crate) fn add(&mut self, kind: Kind, figure: f64) {
        self.rounds[kind as usize].push(figure);
    }

    /// Medians, and ratios as the median of the ratios of each round.
    pub(crate) fn finish(&mut self) {
        let [relay, haproxy, tidegate, granted, inspected] = &self.rounds;
        self.median = self.rounds.each_ref().map(|figures| Some(Spread::of(figures.iter().copied())?.median));
        let ratio = |mine: &[f64], other: &[f64]| Spread::of(mine.iter().zip(other).map(|(mine, other)| mine / other));
        (self.of_relay, self.of_haproxy) = (ratio(tidegate, relay), ratio(tidegate, haproxy));
        self.of_permit_all = ratio(granted, tidegate);
        self.inspection_adds = Spread::of(inspected.iter().zip(tidegate).map(|(with, without)| with - without));
        let middle = |ratio: Option<Spread>| Some(ratio?.median);
        let judged = [
            (middle(self.of_relay), self.target.of_relay),
            (middle(self.of_haproxy), self.target.of_haproxy),
            (middle(self.inspection_adds), self.target.inspection_adds),
            (middle(self.of_permit_all), self.target.of_permit_all),
            (self.median[Kind::Tidegate as usize], self.target.at_most),
        ];
        self.met =
            judged.into_iter().filter_map(|(figure, limit)| Some(figure? <= limit?)).reduce(|one, other| one && other);
    }

    /// Whether a target of this row is missed.
    pub(crate) fn missed(&self) -> bool {
        self.met == Some(false)
    }
}

/// The table for a terminal.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            _ = writeln!(
                out,
                "\n{group:<46}{:>11}{:>11}{:>11}{:>11}{:>11}   {:<26}{:<26}{:<26}{:<26}",
                "relay",
                "HAProxy",
                "Tidegate",
                "1k grants",
                "2 ranges",
                "× relay",
                "× HAProxy",
                "grants × permit-all",
                "ranges − permit-all"
            );
        }
        _ = write!(out, "  {:<44}", row.name);
        for figure in row.median {
            _ = write!(out, "{:>11}", number(figure));
        }
        let of_relay = ratio(row.of_relay, row.target.of_relay);
        let of_haproxy = ratio(row.of_haproxy, row.target.of_haproxy);
        let of_permit_all = ratio(row.of_permit_all, row.target.of_permit_all);
        let inspection_adds = ratio(row.inspection_adds, row.target.inspection_adds);
        let limit = row.target.at_most.map(|limit| format!("≤ {limit} ")).unwrap_or_default();
        let met = row.met.map(|met| if met { "met" } else { "MISSED" }).unwrap_or_default();
        _ = writeln!(out, "   {of_relay:<26}{of_haproxy:<26}{of_permit_all:<26}{inspection_adds:<26}{limit}{met}");
    }
    out
}

fn number(figure: Option<f64>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(figure) if figure >= 1000.0 => format!("{figure:.0}"),
        Some(figure) if figure >= 100.0 => format!("{figure:.1}"),
        Some(figure) => format!("{figure:.2}"),
    }
}

fn ratio(figure: Option<Spread>, limit: Option<f64>) -> String {
    let Some(Spread { low, median, high }) = figure else { return String::new() };
    let limit = limit.map(|limit| format!(" ≤ {limit:.2}")).unwrap_or_default();
    format!("{median:.2} ({low:.2}–{high:.2}){limit}")
}

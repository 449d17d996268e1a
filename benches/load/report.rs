//! Rows to a table with ratios and targets, or to JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::subject::Kind;

/// What a row has to reach: at most so many times the other's figure, or at most so much.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Target {
    pub(crate) of_relay: Option<f64>,
    pub(crate) of_haproxy: Option<f64>,
    pub(crate) at_most: Option<f64>,
}

/// One row: the figures of every round of every subject, in the order of [`Kind::ALL`].
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) target: Target,
    #[serde(skip)]
    pub(crate) rounds: [Vec<f64>; 3],
    median: [Option<f64>; 3],
    of_relay: Option<f64>,
    of_haproxy: Option<f64>,
    met: Option<bool>,
}

impl Row {
    pub(crate) fn new(group: &'static str, name: impl Into<String>, target: Target) -> Self {
        let (name, rounds) = (name.into(), Default::default());
        Self { group, name, target, rounds, median: [None; 3], of_relay: None, of_haproxy: None, met: None }
    }

    pub(crate) fn add(&mut self, kind: Kind, figure: f64) {
        self.rounds[kind as usize].push(figure);
    }

    /// Medians, and ratios as the median of the ratios of each round.
    pub(crate) fn finish(&mut self) {
        let [relay, haproxy, tidegate] = &self.rounds;
        self.median =
            [median(relay.iter().copied()), median(haproxy.iter().copied()), median(tidegate.iter().copied())];
        let ratio = |other: &[f64]| median(tidegate.iter().zip(other).map(|(mine, other)| mine / other));
        (self.of_relay, self.of_haproxy) = (ratio(relay), ratio(haproxy));
        let judged = [
            (self.of_relay, self.target.of_relay),
            (self.of_haproxy, self.target.of_haproxy),
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

/// Middle figure; the mean of the two middle ones of an even number.
fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures = figures.collect::<Vec<_>>();
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1)?;
    Some(f64::midpoint(figures[last / 2], figures[last.div_ceil(2)]))
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
                "\n{group:<46}{:>11}{:>11}{:>11}   {:<16}{:<16}",
                "relay", "HAProxy", "Tidegate", "× relay", "× HAProxy"
            );
        }
        _ = write!(out, "  {:<44}", row.name);
        for figure in row.median {
            _ = write!(out, "{:>11}", number(figure));
        }
        let of_relay = ratio(row.of_relay, row.target.of_relay);
        let of_haproxy = ratio(row.of_haproxy, row.target.of_haproxy);
        let limit = row.target.at_most.map(|limit| format!("≤ {limit} ")).unwrap_or_default();
        let met = row.met.map(|met| if met { "met" } else { "MISSED" }).unwrap_or_default();
        _ = writeln!(out, "   {of_relay:<16}{of_haproxy:<16}{limit}{met}");
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

fn ratio(figure: Option<f64>, limit: Option<f64>) -> String {
    let limit = limit.map(|limit| format!(" (≤ {limit:.2})")).unwrap_or_default();
    figure.map(|figure| format!("{figure:.2}{limit}")).unwrap_or_default()
}

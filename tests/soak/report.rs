//! What was measured, as a table.

use std::time::Duration;

use crate::plant::{Counts, Latencies};
use crate::watch::Seen;

/// One phase: the quiet one, or an attack.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    pub(crate) attempts: u64,
    pub(crate) counts: Counts,
    pub(crate) publish: Spread,
    pub(crate) command: Spread,
    pub(crate) seen: Seen,
    pub(crate) cpu_seconds: f64,
    /// A device that came anew after it.
    pub(crate) newcomer: Duration,
}

/// Of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) longest: u64,
}

impl Spread {
    fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |percent: usize| micros.get(micros.len() * percent / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99), longest: micros.last().copied().unwrap_or_default() }
    }

    /// Of messages, and of commands.
    pub(crate) fn both(latencies: Latencies) -> (Self, Self) {
        (Self::of(latencies.publish), Self::of(latencies.command))
    }
}

impl Phase {
    /// The worse of both p99s, as times the quiet one.
    pub(crate) fn slowdown(&self, quiet: &Self) -> f64 {
        let ratio = |this: Spread, other: Spread| micros(this.p99) / micros(other.p99.max(1));
        ratio(self.publish, quiet.publish).max(ratio(self.command, quiet.command))
    }
}

pub(crate) fn table(phases: &[Phase]) -> String {
    let head = [
        "phase",
        "s",
        "attempts",
        "messages",
        "commands",
        "publish p50",
        "p99",
        "max",
        "command p50",
        "p99",
        "max",
        "p99 / quiet",
        "RSS MiB",
        "CPU s/s",
        "admin",
        "newcomer",
    ];
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for phase in phases {
        let slowdown = phases.first().map_or(1.0, |quiet| phase.slowdown(quiet));
        let cells = [
            phase.name.to_owned(),
            format!("{:.1}", phase.seconds),
            phase.attempts.to_string(),
            phase.counts.acknowledged.to_string(),
            phase.counts.obeyed.to_string(),
            millis(phase.publish.p50),
            millis(phase.publish.p99),
            millis(phase.publish.longest),
            millis(phase.command.p50),
            millis(phase.command.p99),
            millis(phase.command.longest),
            format!("{slowdown:.2}"),
            (phase.seen.peak_resident_kib / 1024).to_string(),
            format!("{:.2}", phase.cpu_seconds / phase.seconds),
            format!("{} ms", phase.seen.slowest_answer.as_millis()),
            format!("{} ms", phase.newcomer.as_millis()),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

fn millis(value: u64) -> String {
    format!("{:.2} ms", micros(value) / 1000.0)
}

fn micros(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

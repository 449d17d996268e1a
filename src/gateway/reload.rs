//! Putting what has changed on disk in force, all of it or nothing.
//!
//! On SIGHUP, and when a file that settings name holds something else than when it was read, everything is read anew and
//! held against itself. Where anything is wrong, what is in force stays, and the log says what is wrong. Otherwise each
//! listener gets what it is to live by, and then every live connection is judged by it (`relay.rs`). Not here: how files
//! are looked at (`changes`), and what can't change without a restart (`config`). Read [`Reloader::run`] first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::admin::Health;
use super::admission::Process;
use super::build;
use super::calendar::Calendars;
use super::census::Verdicts;
use super::changes::{Cache, Look, differing};
use super::load::{self, Read};
use super::prepare::Prepared;
use super::shared::{Port, Shared, Word};
use crate::audit;
use crate::config::{OnStale, Problem, Settings, Severity, needs_restart};
use crate::metrics::MetricsError;
use crate::tls::error::Warning;

/// How often ends of certificates and lists are looked at, where files are looked at more seldom.
const LOOK: Duration = Duration::from_secs(10);

/// How often files that were refused are tried again, though nothing that was known of them has changed: what was missing
/// may be there.
const RETRY: Duration = Duration::from_secs(30);

/// How long reading or looking at files may take before what else is due goes on.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the verdicts on live connections are awaited before they are reported.
const VERDICTS: Duration = Duration::from_secs(10);

/// Who asks for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Signal,
    Change,
    /// What was refused is tried once more.
    Retry,
}

impl By {
    fn label(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Change | Self::Retry => "change",
        }
    }
}

/// Keeps what is in force as it is on disk.
pub(super) struct Reloader {
    pub(super) settings: Settings,
    pub(super) ports: Vec<Arc<Port>>,
    pub(super) shared: Arc<Shared>,
    pub(super) health: Arc<Health>,
    pub(super) process: Arc<Process>,
    pub(super) words: Arc<watch::Sender<Word>>,
    pub(super) calendars: Calendars,
    pub(super) files: Files,
    /// What the last reload was refused for, and when it was tried.
    pub(super) refused: Option<(String, Instant)>,
}

/// What the files in force held when they were read.
#[derive(Default)]
pub(super) struct Files {
    cache: Cache,
    seen: Look,
    /// What the last look found, where that is something else: marks too, for what is written twice may be the same
    /// both times and another thing between.
    changing: Option<Cache>,
    /// A look that takes long, as on a share that hangs.
    looking: Option<JoinHandle<(Look, Cache)>>,
}

impl Files {
    pub(super) fn new(seen: Look) -> Self {
        Self { seen, ..Self::default() }
    }

    /// The paths that have changed, once they have rested from one look to the next.
    async fn changed(&mut self) -> Vec<PathBuf> {
        let paths: Vec<PathBuf> = self.seen.keys().cloned().collect();
        let cache = &mut self.cache;
        let looking = self.looking.get_or_insert_with(|| {
            let mut cache = std::mem::take(cache);
            spawn_blocking(move || (cache.look(&paths, SystemTime::now()), cache))
        });
        let Ok(looked) = timeout(PATIENCE, looking).await else {
            tracing::warn!("looking at the files takes long; changes are not noticed meanwhile");
            return Vec::new();
        };
        self.looking = None;
        let Ok((now, cache)) = looked else { return Vec::new() };
        self.cache = cache;
        if now.keys().ne(self.seen.keys()) || now == self.seen {
            self.changing = None;
            return Vec::new();
        }
        if self.changing.as_ref() == Some(&self.cache) {
            return differing(&self.seen, &now);
        }
        self.changing = Some(self.cache.clone());
        Vec::new()
    }
}

impl Reloader {
    /// Goes on until it is dropped.
    pub(super) async fn run(mut self, hangup: Arc<Notify>) {
        let mut looked = Instant::now();
        loop {
            let poll = self.settings.reload.poll;
            let tick = if poll.is_zero() { LOOK } else { poll.min(LOOK) };
            tokio::select! {
                biased;
                () = hangup.notified() => self.reload(By::Signal, &[]).await,
                () = sleep(tick) => {
                    self.look_at_the_calendar().await;
                    if !poll.is_zero() && looked.elapsed() >= poll {
                        self.look_at_the_files().await;
                        looked = Instant::now();
                    }
                }
            }
        }
    }

    async fn look_at_the_files(&mut self) {
        let changed = self.files.changed().await;
        if !changed.is_empty() {
            self.reload(By::Change, &changed).await;
        } else if self.refused.as_ref().is_some_and(|(_, tried)| tried.elapsed() >= RETRY) {
            self.reload(By::Retry, &[]).await;
        }
    }

    /// Reads everything, and puts it in force if nothing is wrong with it.
    async fn reload(&mut self, by: By, changed: &[PathBuf]) {
        let path = self.settings.source.path.clone();
        let paths: Vec<PathBuf> = self.settings.watched().into_iter().map(Into::into).collect();
        let mut cache = std::mem::take(&mut self.files.cache);
        let reading = spawn_blocking(move || (load::read(&path, paths, &mut cache), cache));
        let Ok(Ok((Read { outcome, look }, cache))) = timeout(PATIENCE, reading).await else {
            tracing::error!("reading the settings anew takes too long or failed; what is in force stays");
            return;
        };
        self.files = Files { cache, seen: look, ..Files::default() };
        match outcome {
            Err(problems) => self.refuse(by, &problems).await,
            Ok((settings, prepared)) => {
                let fixed = needs_restart(&self.settings, &settings);
                if fixed.is_empty() {
                    self.apply(by, changed, settings, prepared).await;
                } else {
                    self.refuse(by, &fixed).await;
                }
            }
        }
    }

    async fn refuse(&mut self, by: By, problems: &[Problem]) {
        let errors = || problems.iter().filter(|problem| problem.severity == Severity::Error);
        let said: Vec<String> = errors().map(one_line).collect();
        let all = said.join("\n");
        let is_known = self.refused.as_ref().is_some_and(|(known, _)| *known == all);
        self.refused = Some((all, Instant::now()));
        if by == By::Retry && is_known {
            return;
        }
        errors().for_each(say);
        tracing::error!(by = by.label(), problems = said.len(), "reload refused: what is in force stays");
        self.shared.metrics.reloads().refused();
        let first = said.first().map(String::as_str).unwrap_or_default();
        let record = audit::reload_refused(by.label(), said.len(), first, SystemTime::now());
        self.shared.audit.send(record).await;
    }

    async fn apply(&mut self, by: By, changed: &[PathBuf], settings: Settings, prepared: Prepared) {
        let warnings: Vec<Problem> = settings.warnings.iter().chain(&prepared.warnings).cloned().collect();
        let calendars = Calendars::new(&prepared, SystemTime::now());
        if let Err(error) = self.put_in_force(&settings, prepared) {
            tracing::error!(%error, "reload refused: what is in force stays");
            return;
        }
        self.calendars = calendars;
        self.show_stale_lists();
        warnings.iter().for_each(say);
        let (before, policy) = (Arc::clone(&self.settings.policy), Arc::clone(&settings.policy));
        self.settings = settings;
        self.refused = None;
        let Verdicts { kept, ended } = self.judge_all_again().await;
        let (policy, before): (&str, &str) = (policy.version(), before.version());
        let changed = changed.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        tracing::info!(by = by.label(), changed, policy, policy_before = before, kept, ended, "reloaded");
        self.shared.metrics.reloads().applied(SystemTime::now());
        let record = audit::reloaded(by.label(), policy, before, (kept, ended), SystemTime::now());
        self.shared.audit.send(record).await;
    }

    /// All that can fail comes first.
    fn put_in_force(&self, settings: &Settings, prepared: Prepared) -> Result<(), MetricsError> {
        let servers = build::servers(settings);
        let pairs = || servers.iter().map(|(broker, server)| (&**broker, server.as_str()));
        self.shared.metrics.set_servers(pairs())?;
        self.health.set_servers(pairs());
        let before: Vec<_> = self.ports.iter().map(|port| Arc::clone(&port.live.load().upstream)).collect();
        let lives = build::lives(settings, prepared, &self.shared, &self.health, &before)?;
        self.process.rebound(settings.limits.max_connections, settings.limits.max_half_open);
        self.shared.buffered.rebound(settings.limits.max_buffered_total_bytes);
        self.shared.pressure.rebound(settings.limits.max_memory_bytes);
        self.shared.set_drain(settings.drain);
        self.shared.handshakes.rebound(&settings.protection);
        let brokers: Vec<&str> = lives.iter().map(|(listener, _)| &*listener.broker.name).collect();
        self.shared.outboxes.keep(&brokers, Instant::now() + settings.drain);
        self.shared.outboxes.start(settings.policy.quarantines());
        for (listener, live) in lives {
            let Some(port) = self.ports.iter().find(|port| port.name == listener.name) else { continue };
            build::expect_failures(&port.metrics, &live);
            port.door.rebound(build::bounds(&listener.limits));
            port.live.store(Arc::new(live));
        }
        Ok(())
    }

    /// INVARIANT: what they are judged by is in force before.
    async fn judge_all_again(&self) -> Verdicts {
        let round = self.shared.census.begin();
        self.words.send_modify(|word| word.round = round);
        let verdicts = self.shared.census.verdicts(VERDICTS).await;
        self.shared.metrics.reloads().rejudged(verdicts.kept, verdicts.ended);
        verdicts
    }

    /// Warns of what ends soon, and has connections judged again when a list that lets nobody in is stale.
    async fn look_at_the_calendar(&mut self) {
        let now = SystemTime::now();
        let mut bars = false;
        for (side, name, warning) in self.calendars.look(now) {
            tracing::warn!(side = side.label(), %name, "{warning}");
            bars |= matches!(warning, Warning::RevocationListStale { on_stale: OnStale::Deny, .. });
        }
        self.show_stale_lists();
        if bars {
            let Verdicts { kept, ended } = self.judge_all_again().await;
            tracing::warn!(kept, ended, "connections judged again: a revocation list is stale");
            let record = audit::rejudged((kept, ended), now);
            self.shared.audit.send(record).await;
        }
    }

    pub(super) fn show_stale_lists(&self) {
        for port in &self.ports {
            port.metrics.stale_lists(self.calendars.stale_lists(&port.name, SystemTime::now()));
        }
    }
}

/// A problem on one line.
fn one_line(problem: &Problem) -> String {
    let colon = if problem.label.is_empty() { "" } else { ": " };
    let file = problem.source.path.display();
    match problem.position() {
        Some((line, column)) => format!("{file}:{line}:{column}: {}{colon}{}", problem.message, problem.label),
        None => format!("{file}: {}{colon}{}", problem.message, problem.label),
    }
}

fn say(problem: &Problem) {
    let help = (!problem.help.is_empty()).then_some(problem.help.as_str());
    match problem.severity {
        Severity::Error => tracing::error!(help, "{}", one_line(problem)),
        Severity::Warning => tracing::warn!(help, "{}", one_line(problem)),
    }
}

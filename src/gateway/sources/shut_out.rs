//! Banning somebody: the table, the count, the record, and the word to those that are connected.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, watch};

use super::super::shared::{Port, Shared, Word};
use crate::audit;
use crate::identity::Who;
use crate::policy::Memory as _;
use crate::store::{Ban, Offence};

/// At most one word on bans goes out in this time: each wakes all connections.
const BETWEEN_WORDS: Duration = Duration::from_secs(1);

/// What somebody is banned for.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Grounds<'g> {
    pub(in crate::gateway) offence: Offence,
    /// Id of the rule, or name of the setting.
    pub(in crate::gateway) rule: &'g str,
    /// How long the first one lasts; none is as `protection.ban` says.
    pub(in crate::gateway) first: Option<Duration>,
}

/// That there are new ones.
#[derive(Debug, Default)]
pub(in crate::gateway) struct NewBans(Notify);

impl Shared {
    /// Shuts somebody out, unless that one is already, or dials from where nobody is. Who is connected is ended soon.
    pub(in crate::gateway) async fn ban(&self, port: &Port, who: Who<'_>, grounds: &Grounds<'_>) -> Option<Ban> {
        let live = port.live.load_full();
        if let Who::Address(network) = who
            && live.sources.is_exempt(network.address())
        {
            return None;
        }
        let now = self.store.epoch().tick(Instant::now());
        let ban = self.store.bans().ban(who, live.sources.lengths(grounds.first), grounds.offence, now)?;
        self.metrics.banned(matches!(who, Who::Client(_)), grounds.offence.label());
        self.new_bans.0.notify_one();
        let lasts = now.until(ban.until);
        let reason = grounds.offence.label();
        let about =
            audit::BanContext { listener: &port.name, who, reason, rule: grounds.rule, strike: ban.strike, lasts };
        self.audit.send(audit::banned(&about, SystemTime::now())).await;
        Some(ban)
    }
}

/// Tells connections that somebody is banned, until it is dropped.
pub(in crate::gateway) async fn spread_bans(shared: Arc<Shared>, words: Arc<watch::Sender<Word>>) {
    loop {
        shared.new_bans.0.notified().await;
        words.send_modify(|word| word.bans += 1);
        tokio::time::sleep(BETWEEN_WORDS).await;
    }
}

//! User names and passwords from files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::files::{self, FileProblem};
use super::remembered::Remembered;
use super::source::{Client, Found, Proven};
use super::{Ground, Means, Unproven};
use crate::config::{Authentication, PasswordFiles};
use crate::credentials::is_name;
use crate::credentials::password::{Entry, Passwords};
use crate::metrics::CacheOf;
use crate::policy::Reason;

/// One for a wrong password, an unknown user and a missing password: who asks is not told which.
const WRONG: Unproven = Unproven::new(Reason::BadCredentials, "identity.password");
const QUEUE: Unproven = Unproven::new(Reason::Quota, "identity.password.queue");
const LATE: Unproven = Unproven::new(Reason::Unavailable, "identity.password.deadline");
const BROKEN: Unproven = Unproven::new(Reason::Unavailable, "identity.password.check");

/// The entries, and which passwords were good a moment ago.
pub(super) struct PasswordSource {
    passwords: Passwords,
    good: Arc<Remembered<()>>,
    lasting: Duration,
}

impl PasswordSource {
    pub(super) fn build(
        settings: &PasswordFiles,
        authentication: &Authentication,
        warnings: &mut Vec<FileProblem>,
    ) -> Result<Self, Vec<FileProblem>> {
        let passwords = files::passwords(&settings.files, warnings)?;
        let good = Remembered::new(authentication.max_cached).ok_or_else(|| vec![FileProblem::no_random_bytes()])?;
        Ok(Self { passwords, good: Arc::new(good), lasting: authentication.cache })
    }

    pub(super) async fn find(&self, client: &Client<'_>, means: &Means<'_>) -> Found {
        let name = match (client.connect.username, client.connect.password) {
            (None, None) => return Found::Nothing,
            (Some(name), Some(_)) if is_name(name) => name,
            (Some(_) | None, _) => return Found::Decided(Err(WRONG)),
        };
        let password = client.connect.password.unwrap_or_default();
        let checked = self.check(name, password, client, means).await;
        Found::Decided(checked.map(|entry| Proven::new(Some(name.into()), Ground::Password { entry })))
    }

    /// The mark of the entry that the password fits. A user without an entry takes as long as one with.
    async fn check(
        &self,
        name: &str,
        password: &[u8],
        client: &Client<'_>,
        means: &Means<'_>,
    ) -> Result<u64, Unproven> {
        let entry = self.passwords.get(name).unwrap_or_else(|| self.passwords.stand_in(name));
        let mark = entry.mark();
        let digest = self.good.digest(&[name.as_bytes(), password, &mark.to_be_bytes()]);
        let is_known = self.good.recall(&digest, Instant::now()).is_some();
        means.metrics.remembered(CacheOf::Password, is_known);
        if is_known {
            return Ok(mark);
        }
        client.may_guess(means)?;
        let password = Zeroizing::new(Box::<[u8]>::from(password));
        let (good, lasting) = (Arc::clone(&self.good), self.lasting);
        let metrics = Arc::clone(means.metrics);
        let check = move || {
            // Many that wait may show the same, after a broker or a network came back.
            if good.recall(&digest, Instant::now()).is_some() {
                return true;
            }
            let begun = Instant::now();
            let fits = entry.verify(&password);
            metrics.password_checked(begun.elapsed());
            if fits {
                good.learn(digest, (), Instant::now(), lasting);
            }
            fits
        };
        let awaited = means.pool.submit(client.identity.source.ip(), check).map_err(|_| QUEUE)?;
        match timeout_at(client.deadline.into(), awaited).await {
            Ok(Ok(true)) => Ok(mark),
            Ok(Ok(false)) => Err(WRONG),
            Ok(Err(_)) => Err(BROKEN),
            Err(_) => Err(LATE),
        }
    }

    /// Whether that user's entry is the one it was.
    pub(super) fn has(&self, name: &str, mark: u64) -> bool {
        self.passwords.get(name).as_ref().map(Entry::mark) == Some(mark)
    }
}

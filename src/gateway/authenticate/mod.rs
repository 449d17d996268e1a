//! Who a client is: what it shows, held against what the settings of its listener take for proof.
//!
//! Not here: whether a password or a token is good (`credentials`), and what an identity may do (`policy`). Read
//! [`Authenticator::authenticate`] first, then [`source::Source`]; `proof.rs` is what a reload asks.

mod address;
mod certificate;
mod files;
mod http;
mod password;
mod pool;
mod proof;
mod remembered;
mod source;
#[cfg(test)]
mod tests;
mod token;

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::detect::{Detectors, Limits};
use crate::config::{Authentication, CertificateName, IdentitySettings, Listener, Require};
use crate::enforce::Asking;
use crate::identity::{Attribute, Identity, Method, Template};
use crate::metrics::ListenerMetrics;
use crate::policy::Reason;
pub(super) use files::{FileProblem, admission_keys};
pub(super) use pool::Pool;
use proof::Ground;
pub(super) use proof::Proof;
use source::{Client, Found, Proven, Source};

/// The identity sources of one listener.
pub(super) struct Authenticator {
    /// None where nobody has to prove anything.
    asked: Option<Asked>,
    /// For all that it takes to find out who one client is.
    deadline: Duration,
}

/// What an authenticator works with.
#[derive(Clone, Copy)]
pub(super) struct Means<'m> {
    pub(super) metrics: &'m Arc<ListenerMetrics>,
    /// Where passwords are checked.
    pub(super) pool: &'m Pool,
    pub(super) detectors: &'m Arc<Detectors>,
}

/// What clients are asked for.
struct Asked {
    sources: Vec<Source>,
    require: Require,
    client_id: Vec<Template>,
    username: Vec<Template>,
}

/// Who a client is.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) identity: Identity,
    /// When what proves it ends, in seconds since 1970.
    pub(super) ends: Option<i64>,
    /// What proves it.
    pub(super) proof: Proof,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unproven {
    pub(super) reason: Reason,
    /// What refuses: `identity`, a dot, and what it is about.
    pub(super) rule: &'static str,
}

impl Unproven {
    const fn new(reason: Reason, rule: &'static str) -> Self {
        Self { reason, rule }
    }
}

/// A client that is not let in, as far as it is known. Its user name is what it claims.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) why: Unproven,
    pub(super) identity: Identity,
}

/// It shows nothing that proves who it is.
const NOTHING_SHOWN: Unproven = Unproven::new(Reason::Unidentified, "identity");
const CLIENT_ID: Unproven = Unproven::new(Reason::ClientIdentifier, "identity.client_id");
const USERNAME: Unproven = Unproven::new(Reason::UserName, "identity.username");

impl Authenticator {
    /// Reads the files that the sources of a listener need. Also gives what deserves saying of them.
    ///
    /// # Errors
    /// Every problem of them.
    pub(super) fn build(
        listener: &Listener,
        authentication: &Authentication,
    ) -> Result<(Self, Vec<FileProblem>), Vec<FileProblem>> {
        let mut warnings = Vec::new();
        let asked = match &listener.identity {
            Some(settings) => Some(Asked::build(settings, authentication, &mut warnings)?),
            None if listener.terms.policy.permits_all() => None,
            None => Some(Asked::common_names()),
        };
        Ok((Self { asked, deadline: authentication.deadline }, warnings))
    }

    /// Finds out who asks. `identity` is what is known before CONNECT.
    ///
    /// # Errors
    /// It is nobody, or not the one that it says it is.
    pub(super) async fn authenticate(
        &self,
        asking: &Asking<'_>,
        identity: Identity,
        limits: &Limits,
        means: &Means<'_>,
    ) -> Result<Authenticated, Box<Stranger>> {
        let mut identity = asking.known(identity);
        let Some(asked) = &self.asked else { return Ok(unasked(identity)) };
        if asked.sources.iter().any(|source| source.has_secret_name(&asking.connect)) {
            identity.username = None;
        }
        let deadline = Instant::now() + self.deadline;
        let client = Client { connect: &asking.connect, identity: &identity, limits, deadline };
        let (method, outcome) = asked.judge(&client, means).await;
        note_guess(&client, method, &outcome, means);
        if outcome.as_ref().is_ok_and(Proven::is_by_password) {
            // A name with a password is a name, whatever it looks like.
            identity.username = asking.connect.username.map(Into::into);
        }
        let outcome = outcome.and_then(|proven| asked.bind(proven, method, &identity));
        means.metrics.authenticated(method.label(), outcome.as_ref().map_or_else(|why| why.rule, |_| "accepted"));
        outcome.map_err(|why| Box::new(Stranger { why, identity }))
    }

    /// Whether what once proved who a client is still does, after settings or files have changed.
    #[must_use]
    pub(super) fn still_holds(&self, proof: &Proof, identity: &Identity) -> bool {
        self.asked.as_ref().is_none_or(|asked| asked.still_holds(proof, identity))
    }
}

/// Whether it was right, for how often it may be wrong.
fn note_guess(client: &Client<'_>, method: Method, outcome: &Result<Proven, Unproven>, means: &Means<'_>) {
    let is_guess = matches!(method, Method::Password | Method::Http);
    let Some(name) = client.guessed_name().filter(|_| is_guess) else { return };
    let (source, now) = (client.identity.source.ip(), Instant::now());
    match outcome {
        Ok(_) => means.detectors.guessed_right(source, name, now),
        Err(Unproven { reason: Reason::BadCredentials, .. }) => {
            means.detectors.guessed_wrong(client.limits, source, name, now);
        }
        Err(_) => {}
    }
}

/// Nobody has to prove anything: a certificate names its client, others have no name.
fn unasked(identity: Identity) -> Authenticated {
    let name: Option<Box<str>> = identity.common_name().map(Into::into);
    // What would prove it where it was asked for: a reload may begin to ask.
    let (method, grounds) = match &name {
        Some(_) => (Method::Certificate, vec![Ground::Certificate]),
        None => (Method::Unproven, Vec::new()),
    };
    Authenticated { identity: Identity { name, method, ..identity }, ends: None, proof: Proof::new(grounds) }
}

impl Asked {
    fn build(
        settings: &IdentitySettings,
        authentication: &Authentication,
        warnings: &mut Vec<FileProblem>,
    ) -> Result<Self, Vec<FileProblem>> {
        let (mut sources, mut problems) = (Vec::new(), Vec::new());
        for source in &settings.sources {
            match Source::build(source, authentication, warnings) {
                Ok(source) => sources.push(source),
                Err(more) => problems.extend(more),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let IdentitySettings { sources: _, require, client_id, username } = settings;
        Ok(Self { sources, require: *require, client_id: client_id.clone(), username: username.clone() })
    }

    /// A certificate, or nobody.
    fn common_names() -> Self {
        let name = CertificateName { name: Attribute::CertificateCn, pattern: None };
        let sources = vec![Source::Certificate(name)];
        Self { sources, require: Require::Any, client_id: Vec::new(), username: Vec::new() }
    }

    /// What decides, and how.
    async fn judge(&self, client: &Client<'_>, means: &Means<'_>) -> (Method, Result<Proven, Unproven>) {
        match self.require {
            Require::Any => self.judge_any(client, means).await,
            Require::All => self.judge_all(client, means).await,
        }
    }

    /// The first source for which the client shows something. What is shown and wrong is never passed on to a source for
    /// which nothing has to be shown.
    async fn judge_any(&self, client: &Client<'_>, means: &Means<'_>) -> (Method, Result<Proven, Unproven>) {
        let mut foreign = None;
        for source in &self.sources {
            if foreign.is_some() && !source.wants_secret() {
                continue;
            }
            match source.find(client, means).await {
                Found::Nothing => {}
                Found::Foreign(why) => foreign = foreign.or(Some((source.method(), why))),
                Found::Decided(outcome) => return (source.method(), outcome),
            }
        }
        let (method, why) = foreign.unwrap_or((Method::Unproven, NOTHING_SHOWN));
        (method, Err(why))
    }

    /// Every source must hold; the first names.
    async fn judge_all(&self, client: &Client<'_>, means: &Means<'_>) -> (Method, Result<Proven, Unproven>) {
        let mut all: Option<(Method, Proven)> = None;
        for source in &self.sources {
            let proven = match source.find(client, means).await {
                Found::Decided(Ok(proven)) => proven,
                Found::Decided(Err(why)) | Found::Foreign(why) => return (source.method(), Err(why)),
                Found::Nothing => return (source.method(), Err(NOTHING_SHOWN)),
            };
            match &mut all {
                None => all = Some((source.method(), proven)),
                Some((_, first)) => first.join(proven),
            }
        }
        match all {
            Some((method, proven)) => (method, Ok(proven)),
            None => (Method::Unproven, Err(NOTHING_SHOWN)),
        }
    }

    /// Client Identifier and user name must be this client's to use.
    fn bind(&self, proven: Proven, method: Method, known: &Identity) -> Result<Authenticated, Unproven> {
        let Proven { name, claims, ends, grounds } = proven;
        let identity = Identity { name, method, claims: claims.into(), ..known.clone() };
        self.bound(&identity)?;
        Ok(Authenticated { identity, ends, proof: Proof::new(grounds) })
    }

    /// What is missing is held against the templates as an empty text: only `*` takes it.
    fn bound(&self, identity: &Identity) -> Result<(), Unproven> {
        let matches = |templates: &[Template], text: &str| {
            templates.is_empty() || templates.iter().any(|template| template.matches(identity, text))
        };
        if !matches(&self.client_id, &identity.client_id) {
            return Err(CLIENT_ID);
        }
        if !matches(&self.username, identity.username.as_deref().unwrap_or_default()) {
            return Err(USERNAME);
        }
        Ok(())
    }
}

/// Tells settings from others, within one run.
fn mark_of(settings: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    settings.hash(&mut hasher);
    hasher.finish()
}

/// Seconds since 1970.
fn unix_now() -> i64 {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(unix.as_secs()).unwrap_or(i64::MAX)
}

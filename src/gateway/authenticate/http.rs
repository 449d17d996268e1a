//! An authentication service that is asked over HTTP.
//!
//! What it answers is read by `credentials`. A service that fails is left alone for a while, so that clients do not wait
//! for it in vain, and it is not buried under them when it comes back. Read [`HttpSource::find`] first.

mod breaker;
mod call;
mod question;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::files::FileProblem;
use super::remembered::{Digest, Remembered};
use super::source::{Client, Found, Proven};
use super::{Ground, Means, Unproven, mark_of, unix_now};
use crate::config::{HttpSettings, OnError};
use crate::credentials::answer::{self, Allowed, Answer, AnswerError, Format};
use crate::credentials::is_name;
use crate::identity::Identity;
use crate::metrics::{CacheOf, ServiceOutcome};
use crate::policy::Reason;
use breaker::Breaker;
use call::Call;

const DENIED: Unproven = Unproven::new(Reason::BadCredentials, "identity.http");
const EXPIRED: Unproven = Unproven::new(Reason::BadCredentials, "identity.http.expired");

/// The service, and what it said a moment ago.
pub(super) struct HttpSource {
    call: Call,
    format: Format,
    send_password: bool,
    timeout: Duration,
    open: Semaphore,
    breaker: Breaker,
    remembered: Remembered<Answer>,
    cache: Duration,
    negative_cache: Duration,
    on_error: OnError,
    /// Tells this service from others.
    service: u64,
    /// For the log.
    url: Box<str>,
    /// The last question failed, and the log says so.
    lost: AtomicBool,
}

impl HttpSource {
    pub(super) fn build(settings: &HttpSettings, warnings: &mut Vec<FileProblem>) -> Result<Self, Vec<FileProblem>> {
        let call = Call::build(settings, warnings)?;
        let remembered = Remembered::new(settings.max_cached).ok_or_else(|| vec![FileProblem::no_random_bytes()])?;
        Ok(Self {
            call,
            format: settings.format,
            send_password: settings.send_password,
            timeout: settings.timeout,
            open: Semaphore::new(settings.max_open),
            breaker: Breaker::new(settings.max_failures, settings.pause),
            remembered,
            cache: settings.cache,
            negative_cache: settings.negative_cache,
            on_error: settings.on_error,
            service: mark_of(&settings.url),
            url: settings.url.to_string().into(),
            lost: AtomicBool::new(false),
        })
    }

    /// Whether the client shows what the service can judge it by: more than an address and a Client Identifier.
    pub(super) fn would_decide(identity: &Identity) -> bool {
        identity.username.is_some() || identity.certificate.is_some()
    }

    /// Whether it is the service that once let a client in.
    pub(super) fn is(&self, service: u64) -> bool {
        self.service == service
    }

    pub(super) async fn find(&self, client: &Client<'_>, means: &Means<'_>) -> Found {
        if !Self::would_decide(client.identity) && client.connect.password.is_none() {
            return Found::Nothing;
        }
        let digest = self.remembered.digest(&[&question::write(self.format, client, self.send_password)]);
        let known = self.remembered.recall(&digest, Instant::now());
        means.metrics.remembered(CacheOf::Http, known.is_some());
        let answer = match known {
            Some(answer) => Ok(answer),
            None => match client.may_guess(means) {
                Ok(()) => self.ask(digest, client, means).await,
                Err(why) => return Found::Decided(Err(why)),
            },
        };
        Found::Decided(match answer {
            Ok(Answer::Allow(allowed)) => self.allowed(allowed, client),
            Ok(Answer::Deny) => Err(DENIED),
            Err(failure) => self.failed(failure, client.identity),
        })
    }

    /// Asks, and remembers the answer.
    async fn ask(&self, digest: Digest, client: &Client<'_>, means: &Means<'_>) -> Result<Answer, ServiceOutcome> {
        let begun = Instant::now();
        let answered = self.answer(client).await;
        let outcome = match &answered {
            Ok(Answer::Allow(_)) => ServiceOutcome::Allow,
            Ok(Answer::Deny) => ServiceOutcome::Deny,
            Err(failure) => *failure,
        };
        means.metrics.service_asked(outcome, begun.elapsed());
        means.metrics.service_paused(self.breaker.is_open(Instant::now()));
        self.note(answered.as_ref().err().copied());
        match &answered {
            Ok(answer @ Answer::Allow(allowed)) => {
                let lasting = self.cache.min(allowed.expires.map_or(Duration::MAX, time_left));
                self.remembered.learn(digest, answer.clone(), Instant::now(), lasting);
            }
            Ok(Answer::Deny) => self.remembered.learn(digest, Answer::Deny, Instant::now(), self.negative_cache),
            Err(_) => {}
        }
        answered
    }

    async fn answer(&self, client: &Client<'_>) -> Result<Answer, ServiceOutcome> {
        let begun = Instant::now();
        let attempt = self.breaker.attempt(begun).ok_or(ServiceOutcome::Paused)?;
        let until = client.deadline.min(begun + self.timeout);
        let Ok(Ok(_place)) = timeout_at(until.into(), self.open.acquire()).await else {
            return Err(ServiceOutcome::Busy);
        };
        // Not before it is its turn: a question is up to six times as long as its CONNECT.
        let question = question::write(self.format, client, self.send_password);
        let now = Instant::now();
        let deadline = client.deadline.min(now + self.timeout);
        // A service that had little time, as others were asked about before, is not to blame.
        let had_time = deadline.saturating_duration_since(now) * 2 >= until.saturating_duration_since(begun);
        let late = if had_time { ServiceOutcome::Timeout } else { ServiceOutcome::Busy };
        let called = timeout_at(deadline.into(), self.call.post(Bytes::from_owner(question), deadline)).await;
        let answered = called.unwrap_or(Err(late)).and_then(|(status, body)| {
            answer::read(self.format, status, &body).map_err(|error| match error {
                AnswerError::Down => ServiceOutcome::Down,
                AnswerError::Status => ServiceOutcome::Status,
                AnswerError::Body => ServiceOutcome::Answer,
            })
        });
        // A service that answers is there, whatever it says: no client can shut it for the others by what it shows.
        match &answered {
            Err(ServiceOutcome::Busy) => {}
            Err(failure) if is_out_of_reach(*failure) => attempt.failed(Instant::now()),
            Ok(_) | Err(_) => attempt.succeeded(),
        }
        answered
    }

    /// Said once, until it answers again: each client that is refused meanwhile has its line in the audit file.
    fn note(&self, failure: Option<ServiceOutcome>) {
        match failure {
            None => {
                if self.lost.swap(false, Ordering::Relaxed) {
                    tracing::info!(url = %self.url, "the authentication service answers again");
                }
            }
            Some(failure) => {
                if !self.lost.swap(true, Ordering::Relaxed) {
                    tracing::warn!(url = %self.url, reason = failure.label(), "the authentication service fails");
                }
            }
        }
    }

    /// Who it is by its answer; where that names nobody, who it was asked about.
    fn allowed(&self, allowed: Allowed, client: &Client<'_>) -> Result<Proven, Unproven> {
        let Allowed { name, expires, claims } = allowed;
        if expires.is_some_and(|expires| expires <= unix_now()) {
            return Err(EXPIRED);
        }
        match name.or_else(|| self.asked_about(client).filter(|name| is_name(name)).map(Into::into)) {
            Some(name) => Ok(Proven { claims, ends: expires, ..self.proven(name) }),
            None => Err(unavailable(ServiceOutcome::Answer)),
        }
    }

    /// The user with that password. A user name that the service was told no password of is a claim, and does not stand
    /// against a certificate.
    fn asked_about<'c>(&self, client: &Client<'c>) -> Option<&'c str> {
        let username = client.identity.username.as_deref();
        let has_password = self.send_password && client.connect.password.is_some();
        if client.identity.certificate.is_some() && !(has_password && username.is_some()) {
            return client.identity.common_name();
        }
        username
    }

    fn failed(&self, failure: ServiceOutcome, identity: &Identity) -> Result<Proven, Unproven> {
        let word = identity.username.as_deref().filter(|name| is_name(name));
        match (self.on_error, word) {
            (OnError::Allow, Some(name)) if is_out_of_reach(failure) => Ok(self.proven(name.into())),
            (OnError::Allow | OnError::Deny, _) => Err(unavailable(failure)),
        }
    }

    fn proven(&self, name: Box<str>) -> Proven {
        Proven::new(Some(name), Ground::Http { service: self.service })
    }
}

fn time_left(expires: i64) -> Duration {
    Duration::from_secs(u64::try_from(expires.saturating_sub(unix_now())).unwrap_or(0))
}

/// Whether the service can't be asked at all. Not so where what the client shows, or how many clients there are, may have
/// brought it about.
const fn is_out_of_reach(failure: ServiceOutcome) -> bool {
    match failure {
        ServiceOutcome::Paused
        | ServiceOutcome::Timeout
        | ServiceOutcome::Connect
        | ServiceOutcome::Tls
        | ServiceOutcome::Http
        | ServiceOutcome::Down => true,
        ServiceOutcome::Allow
        | ServiceOutcome::Deny
        | ServiceOutcome::Busy
        | ServiceOutcome::Status
        | ServiceOutcome::Answer => false,
    }
}

fn unavailable(failure: ServiceOutcome) -> Unproven {
    let rule = match failure {
        ServiceOutcome::Paused => "identity.http.paused",
        ServiceOutcome::Busy => "identity.http.busy",
        ServiceOutcome::Timeout => "identity.http.timeout",
        ServiceOutcome::Connect => "identity.http.connect",
        ServiceOutcome::Tls => "identity.http.tls",
        ServiceOutcome::Http => "identity.http.http",
        ServiceOutcome::Down => "identity.http.down",
        ServiceOutcome::Status => "identity.http.status",
        ServiceOutcome::Answer | ServiceOutcome::Allow | ServiceOutcome::Deny => "identity.http.answer",
    };
    Unproven::new(Reason::Unavailable, rule)
}

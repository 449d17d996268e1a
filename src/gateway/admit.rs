//! From a whole CONNECT to a permitted one: who asks, whether they may, and what the broker is shown of them.
//!
//! Not here: reading and dialling (`connection`), proof (`authenticate`), judgement (`enforce`). Read [`admit`] first.

use std::net::SocketAddr;
use std::time::Instant;

use super::authenticate::{Authenticated, Means, Proof};
use super::detect::Guest;
use super::far::{Call, Shown, Withheld};
use super::shared::{Live, at, unix_millis};
use super::transport::Transport;
use crate::credentials::admission::{Denial, Pass};
use crate::enforce::end::{Blame, Cause, End};
use crate::enforce::{self, Accepted, Asking, Credentials, Refusal};
use crate::identity::Identity;
use crate::metrics::Detector;
use crate::policy::Reason;
use crate::tls::error::Moment;
use crate::tls::session::Session;

/// A permitted CONNECT, and how its broker is to be called.
pub(super) struct Admitted {
    pub(super) accepted: Accepted,
    /// Bytes of the CONNECT.
    pub(super) consumed: usize,
    pub(super) call: Call,
    pub(super) proof: Proof,
    pub(super) guest: Box<Guest>,
}

/// Authentication, then permission, then what the broker is to be shown. `bytes` hold a whole CONNECT, and `dialled` is what
/// a load balancer says that the client dialled.
///
/// # Errors
/// Why the client is not connected, and who it is as far as that is known.
pub(super) async fn admit(
    live: &Live,
    means: &Means<'_>,
    client: &Transport,
    dialled: Option<SocketAddr>,
    bytes: &[u8],
    identity: Identity,
) -> Result<Box<Admitted>, (Refusal, Identity)> {
    let terms = &live.terms;
    let mut asking = match enforce::open(bytes, terms) {
        enforce::Opening::Asking(asking) => asking,
        enforce::Opening::Refused(refusal) => return Err((refusal, identity)),
        enforce::Opening::More => {
            let end = End::new(Cause::ConnectDeadline, Blame::Client);
            return Err((Refusal { reply: Vec::new(), end }, identity));
        }
    };
    // Before any password is checked, or anybody is asked.
    let pass = match pass(live, client, &mut asking) {
        Ok(pass) => pass,
        Err(denial) => return Err(not_admitted(&asking, denial, asking.known(identity))),
    };
    let authenticated = live.authenticator.authenticate(&asking, identity, &live.limits, means).await;
    let Authenticated { identity, ends, proof } = match authenticated {
        Ok(authenticated) => authenticated,
        Err(stranger) => return Err((asking.refuse(stranger.why.reason, stranger.why.rule), stranger.identity)),
    };
    if let (Some(door), Some(pass)) = (&live.admission, pass)
        && let Err(denial) = door.keys.admit(&pass, identity.name.as_deref())
    {
        return Err(not_admitted(&asking, denial, identity));
    }
    // Before its Will, and before anything that touches the session of another.
    if let Some(ban) = live.sources.banned(&identity, Instant::now()) {
        return Err((asking.refuse(Reason::Banned, ban.offence.label()), identity));
    }
    let (has_will, overdone) =
        (asking.connect.will.is_some(), |found: Detector| asking.refuse(Reason::Rate, found.setting()));
    if let Err(found) = means.detectors.judge(&live.limits, &identity, has_will, Instant::now()) {
        return Err((overdone(found), identity));
    }
    let (unix_millis, far) = (unix_millis(), &live.upstream.far);
    let shown = far.credentials(&identity, asking.connect.version, unix_millis.div_euclid(1000));
    let shown = shown.and_then(|shown| shown.beside(asking.connect.authentication_method));
    let shown_until = shown.as_ref().ok().and_then(Shown::ends);
    let at = at(unix_millis, ends.into_iter().chain(shown_until).chain(certificate_end(live, client)).min());
    let credentials = shown.as_ref().map_or(Credentials::AsReceived, Shown::credentials);
    let accepted = match asking.admit(terms, identity.clone(), &credentials, at) {
        Ok(accepted) => accepted,
        Err(refusal) => return Err((refusal, identity)),
    };
    let broker = &live.upstream.name;
    let guest = match means.detectors.enter(&live.limits, &identity, broker, has_will, Instant::now()) {
        Ok(guest) => guest,
        Err(found) => return Err((overdone(found), identity)),
    };
    // A client that the policy refuses is told of that, and costs no more.
    let call = match shown {
        Ok(_) => far.call(&identity, client, dialled, live.deadlines.dial).await,
        Err(withheld) => Err(withheld),
    };
    match call {
        Ok(call) => Ok(Box::new(Admitted { accepted, consumed: asking.consumed, call, proof, guest })),
        Err(Withheld { rule }) => Err((asking.refuse(Reason::BrokerCredentials, rule), identity)),
    }
}

/// The admission token that it comes by, if it needs or shows one; its user name is without it from here on.
fn pass(live: &Live, client: &Transport, asking: &mut Asking<'_>) -> Result<Option<Pass>, Denial> {
    let Some(door) = &live.admission else { return Ok(None) };
    let shown = client.tls().and_then(Session::admission);
    let username = asking.connect.username;
    let (rest, pass) = door.connect(shown, username, unix_millis().div_euclid(1000));
    // One that is refused is not in records either: it may hold elsewhere.
    if let Some(rest) = rest.filter(|_| rest != username) {
        asking.admitted(rest);
    }
    pass
}

fn not_admitted(asking: &Asking<'_>, denial: Denial, identity: Identity) -> (Refusal, Identity) {
    (asking.refuse(Reason::BadCredentials, denial.rule()), identity)
}

/// When the client's certificate, or the CA's above it, ends, in seconds since 1970.
fn certificate_end(live: &Live, client: &Transport) -> Option<i64> {
    let guard = &live.tls.as_ref()?.guard;
    guard.end(client.tls()?.peer_certificates()).map(Moment::past)
}

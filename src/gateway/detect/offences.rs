//! What a client, or an address, is banned for.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use super::tally::{Tally, times};
use super::{Detectors, Limits, TOGETHER};
use crate::audit;
use crate::enforce::end::{Blame, Cause, End};
use crate::gateway::shared::{Port, Shared};
use crate::gateway::sources::Grounds;
use crate::identity::{Identity, Network, Who};
use crate::metrics::Detector;
use crate::mqtt::reason::ReasonCode;
use crate::policy::{Key, Reason};
use crate::rate::Rate;
use crate::store::Offence;
use crate::tls::failure::HandshakeFailure;

/// Handshakes that fail for these are no client's fault: the lists are the operator's, and so is the certificate that
/// clients refuse. A plant must not be shut out for a day because that had run out for an hour.
const OURS: [HandshakeFailure; 4] = [
    HandshakeFailure::RevocationUnknown,
    HandshakeFailure::RevocationListExpired,
    HandshakeFailure::PeerRefusedCertificate,
    HandshakeFailure::Internal,
];

/// What else of a handshake is a client's fault. One that goes without having asked for anything, as those do that see
/// whether a port is open, is `closed`, and not here.
const BESIDE_TLS: [&str; 5] = ["websocket_upgrade", "websocket_frame", "websocket_text", "timeout", "aborted"];

/// It is told at most once in this time that an address is spared.
const SPARED: Duration = Duration::from_secs(60);

/// What follows from having done something too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence<'i> {
    /// That one is banned.
    Ban(Who<'i>),
    /// Nobody: clients are connected from there, or good ones have been. It is to be told, or was just now.
    Spare { is_told: bool },
}

/// Whether a handshake that failed for this counts.
pub(in crate::gateway) fn of_handshake(reason: &str) -> Option<Offence> {
    let of_tls = |failure: &HandshakeFailure| failure.label() == reason && !OURS.contains(failure);
    let counts = HandshakeFailure::ALL.iter().any(of_tls) || BESIDE_TLS.contains(&reason);
    counts.then_some(Offence::FailedHandshakes)
}

/// What an end counts for.
pub(in crate::gateway) fn of_end(end: &End) -> Option<Offence> {
    if end.blame != Blame::Client {
        return None;
    }
    if matches!(end.cause, Cause::Malformed(_) | Cause::Illegal(_) | Cause::WebSocket) {
        Some(Offence::Malformed)
    } else if end.cause == Cause::ConnectDeadline {
        // A handshake, and nothing behind it.
        Some(Offence::FailedHandshakes)
    } else if matches!(end.cause, Cause::Refused(Reason::BadCredentials | Reason::Unidentified)) {
        Some(Offence::FailedAuthentications)
    } else {
        None
    }
}

/// Whether a broker that was shown a client's own password has not taken it: who has proven a name here was not guessing.
pub(in crate::gateway) fn is_guess(end: &End, identity: &Identity) -> bool {
    let refused = matches!(end.refused_with, Some(ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized));
    refused && identity.username.is_some() && matches!(identity.who(), Who::Address(_))
}

/// What counts it, and how much of it is too much.
const fn counted(offence: Offence, limits: &Limits) -> Option<(Detector, &Rate)> {
    let protection = &limits.protection;
    match offence {
        Offence::FailedHandshakes => Some((Detector::FailedHandshakes, &protection.failed_handshakes)),
        Offence::FailedAuthentications => Some((Detector::FailedAuthentications, &protection.failed_authentications)),
        Offence::Malformed => Some((Detector::Malformed, &protection.malformed)),
        // Of the policy, and counted there.
        Offence::Rate => None,
    }
}

impl Detectors {
    /// Counts it, and says what follows. What a client does that was let in is its own, if it has proven who it is; of
    /// those that have not, no one is to shut out all others of its address so soon.
    pub(super) fn offended<'i>(
        &self,
        limits: &Limits,
        offence: Offence,
        identity: &'i Identity,
        was_let_in: bool,
        now: Instant,
    ) -> Option<Consequence<'i>> {
        let (detector, rate) = counted(offence, limits)?;
        let source = identity.source.ip();
        let name = identity.username.as_deref().unwrap_or_default();
        if offence == Offence::FailedAuthentications && self.is_acquainted(source, name, now) {
            // It has a count of its own.
            return None;
        }
        let address = Who::Address(Network::of(source));
        let tally = match identity.who() {
            who @ Who::Client(_) if was_let_in => Some((who, self.tally(detector.label(), *rate, Some(who), Key(0)))),
            Who::Client(_) | Who::Address(_) if limits.is_exempt(source) => None,
            Who::Address(_) if was_let_in => {
                let [own, _] = self.tallies(detector, rate, limits, identity);
                own.iter().for_each(|own| self.charge(own, now));
                Some((address, self.tally(detector.label(), times(rate, TOGETHER), Some(address), Key(1))))
            }
            Who::Client(_) | Who::Address(_) => Some((address, self.of_address(detector, rate, source))),
        };
        let (who, tally) = tally?;
        if self.take(&tally, now) {
            return None;
        }
        self.found(detector);
        if who == address && self.is_good(source, now) {
            let told = self.tally("spared", Rate::new(1, SPARED), Some(who), self.key(&[detector.label().as_bytes()]));
            return Some(Consequence::Spare { is_told: self.take(&told, now) });
        }
        Some(Consequence::Ban(who))
    }

    /// Whether others would be shut out with an address: a ban would end what is connected from there, too.
    pub(super) fn is_good(&self, source: IpAddr, now: Instant) -> bool {
        self.present.is_home(Network::of(source)) || self.store.known_good(source, now)
    }

    /// What an address is held to.
    pub(super) fn of_address(&self, detector: Detector, rate: &Rate, source: IpAddr) -> Tally {
        self.tally(detector.label(), *rate, Some(Who::Address(Network::of(source))), Key(0))
    }
}

impl Shared {
    /// Counts what somebody has done, and bans whoever has done it too often.
    pub(in crate::gateway) async fn offended(
        &self,
        port: &Port,
        limits: &Limits,
        offence: Offence,
        identity: &Identity,
        was_let_in: bool,
    ) {
        let consequence = self.detectors.offended(limits, offence, identity, was_let_in, Instant::now());
        match consequence {
            None | Some(Consequence::Spare { is_told: false }) => {}
            Some(Consequence::Spare { is_told: true }) => {
                let record = audit::spared(&port.name, identity.source, offence.label(), SystemTime::now());
                self.audit.send(record).await;
            }
            Some(Consequence::Ban(who)) => {
                let grounds = Grounds { offence, rule: offence.label(), first: None };
                self.ban(port, who, &grounds).await;
            }
        }
    }
}

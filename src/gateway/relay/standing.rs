//! Whether a live connection may stay under what has been put in force since it began.

use std::sync::Arc;
use std::task::Context;
use std::time::{Instant, SystemTime};

use super::super::scratch::Scratch;
use super::super::shared::{Live, Word, at, unix_millis};
use super::Relay;
use crate::enforce::Text;
use crate::enforce::end::{Blame, Cause, End};
use crate::policy::Reason;
use crate::tls::error::Moment;
use crate::tls::failure::HandshakeFailure;
use crate::tls::session::Session;

/// What a connection is to be judged for before anything else, and what it has heard of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// By what is in force.
    again: bool,
    for_bans: bool,
    round: u64,
    bans: u64,
}

impl Relay {
    /// Has the connection judged by what is in force now, if that is not what it lives by.
    pub(in crate::gateway) fn catch_up(&mut self) {
        self.due.again |= !Arc::ptr_eq(&self.recorder.port().live.load(), self.recorder.live());
        self.due.for_bans = true;
    }

    /// Has the connection judged by what is in force now, before anything else, where that is what a word asks for.
    pub(in crate::gateway) fn hear(&mut self, word: &Word) {
        let Due { round, bans, .. } = self.due;
        self.due.again |= word.round != round;
        self.due.for_bans |= word.bans != bans;
        (self.due.round, self.due.bans) = (word.round, word.bans);
        self.level = word.level;
    }

    /// Judges what [`Relay::hear`] has asked for.
    pub(super) fn judge_if_due(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), End> {
        if std::mem::take(&mut self.due.for_bans) {
            self.look_for_bans(cx, scratch)?;
        }
        if !std::mem::take(&mut self.due.again) {
            return Ok(());
        }
        let judged = self.adopt(cx, scratch);
        self.member.judged(judged.is_ok());
        judged
    }

    /// Ends the connection of somebody who was banned since it began.
    fn look_for_bans(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), End> {
        let banned = self.recorder.live().sources.banned(self.connection.identity(), Instant::now());
        match banned {
            None => Ok(()),
            Some(ban) => Err(self.refuse(Reason::Banned, ban.offence.label(), cx, scratch)),
        }
    }

    fn refuse(&mut self, reason: Reason, rule: &str, cx: &mut Context<'_>, scratch: &mut Scratch) -> End {
        let end = self.close(Cause::Refused(reason), cx, scratch);
        End { rule: Some(Text::new(rule)), blame: Blame::Client, ..end }
    }

    /// Judges where it dials from, its certificate, then what else proves who it is, and then what it may do.
    fn adopt(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), End> {
        let live = self.recorder.port().live.load_full();
        let refused = self.certificate_refused(&live);
        self.recorder.adopt(Arc::clone(&live));
        if let Err(barred) = live.sources.permit(self.connection.identity().source.ip()) {
            return Err(self.refuse(Reason::NotAuthorized, barred.label(), cx, scratch));
        }
        if let Some((cause, why)) = refused {
            return Err(End { rule: Some(Text::new(why)), ..self.close(cause, cx, scratch) });
        }
        if !live.authenticator.still_holds(&self.proof, self.connection.identity()) {
            return Err(self.close(Cause::CredentialsRevoked, cx, scratch));
        }
        scratch.output.clear();
        let ends = self.certificate_end(&live);
        let judged = self.connection.adopt(at(unix_millis(), ends), &live.terms, &mut scratch.output);
        self.answer_client(cx, scratch);
        judged
    }

    /// In seconds since 1970.
    fn certificate_end(&self, live: &Live) -> Option<i64> {
        let chain = self.client.transport.tls().and_then(Session::peer_certificates);
        live.tls.as_ref()?.guard.end(chain).map(Moment::past)
    }

    /// Why the client's certificate, or that there is none, is not good any more.
    fn certificate_refused(&self, live: &Live) -> Option<(Cause, &'static str)> {
        let guard = &live.tls.as_ref()?.guard;
        let before = self.recorder.live().tls.as_ref().map(|tls| &*tls.guard);
        let chain = self.client.transport.tls().and_then(Session::peer_certificates);
        let failure = guard.judge_again(before, chain, SystemTime::now()).err()?;
        let cause = if failure == HandshakeFailure::Expired {
            Cause::Expired
        } else if failure == HandshakeFailure::NoCertificate {
            Cause::Refused(Reason::Unidentified)
        } else {
            Cause::CertificateRevoked
        };
        Some((cause, failure.label()))
    }
}

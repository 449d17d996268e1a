//! Whether a live connection may stay under what has been put in force since it began.

use std::sync::Arc;
use std::task::Context;
use std::time::SystemTime;

use super::super::scratch::Scratch;
use super::super::shared::{Live, at, unix_millis};
use super::Relay;
use crate::enforce::Text;
use crate::enforce::end::{Cause, End};
use crate::policy::Reason;
use crate::tls::failure::HandshakeFailure;
use crate::tls::session::Session;

impl Relay {
    /// Has the connection judged by what is in force now, if that is not what it lives by.
    pub(in crate::gateway) fn catch_up(&mut self) {
        self.is_due |= !Arc::ptr_eq(&self.recorder.port().live.load(), self.recorder.live());
    }

    /// Has the connection judged by what is in force now, before anything else.
    pub(in crate::gateway) fn judge_again(&mut self) {
        self.is_due = true;
    }

    /// Judges what [`Relay::judge_again`] has asked for.
    pub(super) fn judge_if_due(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), End> {
        if !std::mem::take(&mut self.is_due) {
            return Ok(());
        }
        let judged = self.adopt(cx, scratch);
        self.member.judged(judged.is_ok());
        judged
    }

    /// Judges its certificate, then what else proves who it is, and then what it may do.
    fn adopt(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), End> {
        let live = self.recorder.port().live.load_full();
        let refused = self.certificate_refused(&live);
        self.recorder.adopt(Arc::clone(&live));
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
        live.tls.as_ref()?.guard.end(chain).map(|end| end.0)
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

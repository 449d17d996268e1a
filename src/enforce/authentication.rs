//! Whose turn it is in an enhanced authentication (5.0, section 4.12). What is said there is the peers' own.

use super::end::{End, Violation};
use super::{Connection, Phase};
use crate::mqtt::Direction;
use crate::mqtt::packet::Auth;
use crate::mqtt::reason::ReasonCode;

/// The state of an enhanced authentication.
#[derive(Debug, Default)]
pub(super) struct Authentication {
    /// Authentication Method of the CONNECT.
    pub(super) method: Option<Box<str>>,
    /// Who speaks next; nobody while none is going on.
    pub(super) turn: Option<Direction>,
}

impl Connection {
    /// Whether an AUTH of the client may come before CONNACK.
    pub(super) fn client_may_authenticate(&self) -> bool {
        self.authentication.turn == Some(Direction::FromClient)
    }

    pub(super) fn client_authenticates(&mut self, auth: &Auth<'_>) -> Result<(), End> {
        let from = Direction::FromClient;
        self.judge_method(auth.method, from)?;
        let turn = self.authentication.turn;
        let goes_on = auth.reason == ReasonCode::ContinueAuthentication && turn == Some(from);
        let begins = auth.reason == ReasonCode::ReAuthenticate && turn.is_none() && self.phase == Phase::Connected;
        if !goes_on && !begins {
            return Err(self.illegal(Violation::AuthOutOfTurn, from));
        }
        self.authentication.turn = Some(Direction::FromBroker);
        Ok(())
    }

    pub(super) fn broker_authenticates(&mut self, auth: &Auth<'_>) -> Result<(), End> {
        let from = Direction::FromBroker;
        self.judge_method(auth.method, from)?;
        let goes_on = auth.reason == ReasonCode::ContinueAuthentication;
        // Before CONNACK it is CONNACK that says success.
        let ends = auth.reason == ReasonCode::Success && self.phase == Phase::Connected;
        if self.authentication.turn != Some(from) || !(goes_on || ends) {
            return Err(self.illegal(Violation::AuthOutOfTurn, from));
        }
        self.authentication.turn = goes_on.then_some(Direction::FromClient);
        Ok(())
    }

    /// What AUTH or CONNACK says is CONNECT's. [MQTT-4.12.0-5] [MQTT-4.12.0-6] [MQTT-4.12.0-7]
    pub(super) fn judge_method(&self, method: Option<&str>, from: Direction) -> Result<(), End> {
        match (&self.authentication.method, method) {
            (None, _) => Err(self.illegal(Violation::AuthOutOfTurn, from)),
            (Some(method), Some(other)) if **method != *other => Err(self.illegal(Violation::AuthMethod, from)),
            (Some(_), _) => Ok(()),
        }
    }
}

//! User name and password towards a broker, by setting.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::Withheld;
use crate::config::{BrokerCredentials, FixedCredentials, Sas, SasKeys, Secret};
use crate::credentials::sas;
use crate::enforce::Credentials;
use crate::identity::{Identity, Template};
use crate::mqtt::{Version, text};

/// The longest a connection ends before its token does, in seconds.
const MARGIN: i64 = 60;

const WITHHELD: Withheld = Withheld { rule: "broker.credentials" };

/// User name and password of one CONNECT.
pub(in crate::gateway) enum Shown<'f> {
    /// As the client sent them.
    AsReceived,
    /// These, or none.
    Instead {
        username: Option<Cow<'f, str>>,
        password: Option<Password<'f>>,
        /// When the connection must have ended, in seconds since 1970.
        ends: Option<i64>,
    },
}

/// A password: kept, or made for this CONNECT alone.
pub(in crate::gateway) enum Password<'f> {
    Kept(&'f Secret),
    Minted(Zeroizing<String>),
}

impl Password<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Kept(secret) => secret.bytes(),
            Self::Minted(token) => token.as_bytes(),
        }
    }
}

impl Shown<'_> {
    /// Beside an enhanced authentication, which is between client and broker: where the settings say who the client is to
    /// the broker, the client brings no proof of its own.
    pub(in crate::gateway) fn beside(self, method: Option<&str>) -> Result<Self, Withheld> {
        match (&self, method) {
            (Self::AsReceived, _) | (Self::Instead { .. }, None) => Ok(self),
            (Self::Instead { .. }, Some(_)) => Err(WITHHELD),
        }
    }

    pub(in crate::gateway) fn credentials(&self) -> Credentials<'_> {
        match self {
            Self::AsReceived => Credentials::AsReceived,
            Self::Instead { username, password, .. } => {
                Credentials::Instead { username: username.as_deref(), password: password.as_ref().map(Password::bytes) }
            }
        }
    }

    pub(in crate::gateway) const fn ends(&self) -> Option<i64> {
        match self {
            Self::AsReceived => None,
            Self::Instead { ends, .. } => *ends,
        }
    }
}

/// `spread` is a number that differs between connections.
pub(super) fn shown<'f>(
    credentials: &'f BrokerCredentials,
    identity: &Identity,
    version: Version,
    unix: i64,
    spread: u64,
) -> Result<Shown<'f>, Withheld> {
    let shown = match credentials {
        BrokerCredentials::Pass => Shown::AsReceived,
        BrokerCredentials::Remove => Shown::Instead { username: None, password: None, ends: None },
        BrokerCredentials::Fixed(fixed) => kept(fixed),
        BrokerCredentials::Table(table) => {
            let name = identity.name.as_deref().ok_or(WITHHELD)?;
            kept(table.get(name).ok_or(WITHHELD)?)
        }
        BrokerCredentials::Identity { username, password } => Shown::Instead {
            username: Some(username.expand(identity).ok_or(WITHHELD)?.into()),
            password: password.as_ref().map(Password::Kept),
            ends: None,
        },
        BrokerCredentials::Sas(sas) => signed(sas, identity, unix, spread)?,
    };
    if fits(&shown.credentials(), version) { Ok(shown) } else { Err(WITHHELD) }
}

fn kept(fixed: &FixedCredentials) -> Shown<'_> {
    let username = fixed.username.as_deref().map(Cow::Borrowed);
    Shown::Instead { username, password: fixed.password.as_ref().map(Password::Kept), ends: None }
}

fn signed<'f>(sas: &'f Sas, identity: &Identity, unix: i64, spread: u64) -> Result<Shown<'f>, Withheld> {
    let key = match &sas.keys {
        SasKeys::One(key) => key,
        SasKeys::Table(keys) => identity.name.as_deref().and_then(|name| keys.get(name)).ok_or(WITHHELD)?,
    };
    // A value is one segment: with a slash in it, a client would have a signature for what is another's.
    let expand = |template: &Template| template.expand_if(identity, |value| !value.contains('/')).ok_or(WITHHELD);
    let (username, resource) = (expand(&sas.username)?, expand(&sas.resource)?);
    let lifetime = i64::try_from(sas.lifetime.as_secs()).unwrap_or(i64::MAX);
    let expiry = unix.saturating_add(lifetime);
    let token = sas::sign(key.bytes(), &resource, sas.key_name.as_deref(), expiry);
    Ok(Shown::Instead {
        username: Some(username.into()),
        password: Some(Password::Minted(token)),
        ends: Some(expiry.saturating_sub(earlier(lifetime, spread))),
    })
}

/// How long before its token a connection ends: early enough for clocks that differ, and not with all others.
fn earlier(lifetime: i64, spread: u64) -> i64 {
    let tenth = (lifetime / 10).max(1);
    let spread = i64::try_from(spread % tenth.unsigned_abs()).unwrap_or_default();
    tenth.min(MARGIN) + spread
}

/// Whether a CONNECT can carry them: strings of MQTT, and before 5.0 no password without a user name. [MQTT-3.1.2-22]
fn fits(credentials: &Credentials<'_>, version: Version) -> bool {
    let Credentials::Instead { username, password } = credentials else { return true };
    let is_short = |len: usize| u16::try_from(len).is_ok();
    username.is_none_or(|name| is_short(name.len()) && text::utf8(name.as_bytes()).is_ok())
        && password.is_none_or(|password| is_short(password.len()))
        && (version == Version::V50 || username.is_some() || password.is_none())
}

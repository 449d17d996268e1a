//! Signed tokens in the password or in the user name.
//!
//! Checked on the spot: the dearest signature costs less than the TLS handshake that came before.

use super::files::{self, FileProblem};
use super::source::{Client, Found, Proven};
use super::{Ground, Unproven, mark_of, unix_now};
use crate::config::{TokenCarrier, TokenSettings};
use crate::credentials::token::{Keys, TokenError, Verifier};
use crate::mqtt::connect::Connect;
use crate::policy::Reason;

/// What tokens are held to.
pub(super) struct TokenSource {
    keys: Keys,
    verifier: Verifier,
    carrier: TokenCarrier,
    /// Tells these settings from others.
    terms: u64,
}

impl TokenSource {
    pub(super) fn build(settings: &TokenSettings, warnings: &mut Vec<FileProblem>) -> Result<Self, Vec<FileProblem>> {
        let keys = files::keys(&settings.keys, &settings.verifier.algorithms, warnings)?;
        // Clocks that may differ by more or less make no other token of it.
        let terms = mark_of(&format!("{:?}", Verifier { leeway_seconds: 0, ..settings.verifier.clone() }));
        Ok(Self { keys, verifier: settings.verifier.clone(), carrier: settings.carrier, terms })
    }

    /// Whether the user name is the token, or may have been one before something was cut off or added.
    pub(super) fn is_in_username(&self, connect: &Connect<'_>) -> bool {
        let may_be = |name: &str| looks_like_a_token(name) || begins_like_a_token(name);
        self.carrier == TokenCarrier::Username && connect.username.is_some_and(may_be)
    }

    pub(super) fn find(&self, client: &Client<'_>) -> Found {
        let shown = match self.carrier {
            TokenCarrier::Password => client.connect.password.map(std::str::from_utf8),
            TokenCarrier::Username => client.connect.username.map(Ok),
        };
        let token = match shown {
            None => return Found::Nothing,
            Some(Ok(token)) if looks_like_a_token(token) => token,
            Some(_) => return Found::Foreign(refused(TokenError::Malformed)),
        };
        let verified = self.verifier.verify(&self.keys, token, unix_now()).map_err(refused);
        Found::Decided(verified.map(|token| Proven {
            claims: token.claims,
            ends: token.expires,
            ..Proven::new(Some(token.name), Ground::Token { key: token.key_mark, terms: self.terms })
        }))
    }

    /// Whether tokens signed by that key, and held to these settings, are still taken.
    pub(super) fn takes(&self, key: u64, terms: u64) -> bool {
        self.terms == terms && self.keys.has(key)
    }
}

/// Three parts of base64url: what it says is another matter.
fn looks_like_a_token(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_base64url);
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

/// The start of a JSON object in base64url.
fn begins_like_a_token(text: &str) -> bool {
    text.len() > 40 && text.trim_start().starts_with("ey")
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn refused(error: TokenError) -> Unproven {
    let rule = match error {
        TokenError::TooLarge => "identity.token.too_large",
        TokenError::Malformed => "identity.token.malformed",
        TokenError::Critical => "identity.token.critical",
        TokenError::Algorithm => "identity.token.algorithm",
        TokenError::UnknownKey => "identity.token.unknown_key",
        TokenError::Signature => "identity.token.signature",
        TokenError::Expired => "identity.token.expired",
        TokenError::NotYetValid => "identity.token.not_yet_valid",
        TokenError::NoExpiry => "identity.token.no_expiry",
        TokenError::Lifetime => "identity.token.lifetime",
        TokenError::Issuer => "identity.token.issuer",
        TokenError::Audience => "identity.token.audience",
        TokenError::TooManyClaims => "identity.token.too_many_claims",
        TokenError::NoName => "identity.token.no_name",
    };
    Unproven::new(Reason::BadCredentials, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_rule() {
        for error in TokenError::ALL {
            assert_eq!(refused(*error).rule, format!("identity.token.{}", error.label()));
        }
    }

    #[test]
    fn a_password_is_not_taken_for_a_token() {
        for (text, expected) in [
            ("eyJh.eyJz.c2ln", true),
            ("eyJh.eyJz.", false),
            ("eyJh.eyJz", false),
            ("a.b.c.d", false),
            ("correct horse.battery.staple", false),
            ("", false),
        ] {
            assert_eq!(looks_like_a_token(text), expected, "{text}");
        }
    }
}

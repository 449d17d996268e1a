//! What an identity rests on, kept for as long as the connection, so that a reload can ask whether it still stands.

use super::Asked;
use crate::config::Require;
use crate::identity::Identity;

/// What proves who a client is: one ground for each source that held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::gateway) struct Proof(Box<[Ground]>);

/// What one source held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Certificate,
    /// The mark of the entry that the password fits.
    Password {
        entry: u64,
    },
    /// The mark of the key that signed it, and of the settings that it was held to.
    Token {
        key: u64,
        terms: u64,
    },
    Address,
    /// The mark of the service that let it in.
    Http {
        service: u64,
    },
    Anonymous,
}

impl Proof {
    pub(super) fn new(grounds: Vec<Ground>) -> Self {
        Self(grounds.into())
    }
}

impl Asked {
    /// Whether these sources would let the client in again, under the same name. Where that can't be told, because its
    /// password is gone, they would not.
    pub(super) fn still_holds(&self, proof: &Proof, identity: &Identity) -> bool {
        let mut grounds = proof.0.iter();
        let holds = match self.require {
            Require::Any => {
                let Some(ground) = grounds.next() else { return false };
                let decides = self.sources.iter().find_map(|source| {
                    let supports = source.supports(*ground, identity, true);
                    (supports || source.would_decide(identity)).then_some(supports)
                });
                decides == Some(true)
            }
            Require::All => self
                .sources
                .iter()
                .enumerate()
                .all(|(at, source)| proof.0.iter().any(|ground| source.supports(*ground, identity, at == 0))),
        };
        holds && self.bound(identity).is_ok()
    }
}

//! Why a signature does not hold, or can't be made.

macro_rules! flaws {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal, $text:literal;)+) => {
        /// Why a message is not taken as signed. In the order in which they are looked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum SignatureFlaw { $($(#[doc = $doc])+ #[error($text)] $variant,)+ }

        impl SignatureFlaw {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word that records use; never changes.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

flaws! {
    /// Nothing of a signature is there.
    Missing = "missing", "the message is not signed";
    /// Something that must be there once is there twice.
    Duplicate = "duplicate", "a part of the signature stands twice";
    /// Not of the form of its carrier, incomplete, or out of bounds.
    Malformed = "malformed", "the signature is malformed";
    /// The topic that was signed is not the one published to.
    Topic = "topic", "the message was signed for another topic";
    /// No key of that id.
    UnknownKey = "unknown_key", "the key of the signature is not known";
    /// Before `nbf` of the key, or not before its `exp`.
    KeyNotValid = "key_not_valid", "the key of the signature is not valid now";
    /// Not an algorithm that is taken, or not one of the key.
    Algorithm = "algorithm", "the algorithm of the signature is not permitted";
    /// Signed too long ago.
    Stale = "stale", "the message was signed too long ago";
    /// Signed in the future.
    Early = "early", "the message was signed in the future";
    /// Not made by the key over this message.
    Signature = "signature", "the signature is wrong";
}

/// Why a message can't be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignError {
    /// The key is for an algorithm that the scheme does not take.
    #[error("the algorithm of the key is not among those of the scheme")]
    Algorithm,
    /// Before `nbf` of the key, or not before its `exp`.
    #[error("the key is not valid now")]
    KeyNotValid,
    /// The scheme asks for a nonce and got a counter, or the other way round.
    #[error("the scheme asks for the other of nonce and counter")]
    Freshness,
    /// The scheme asks for a time and there is none.
    #[error("the scheme asks for the time of signing")]
    NoTime,
    /// The payload can't carry it: it is no JSON object, or is signed already.
    #[error("the payload can't carry the signature")]
    Payload,
    /// Key id, topic or payload is too long for the carrier.
    #[error("too long for the carrier")]
    TooLong,
    /// The crypto core refused.
    #[error("the key does not sign")]
    Crypto,
}

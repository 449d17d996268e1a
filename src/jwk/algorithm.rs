//! The signature algorithms of JWS, and how each is checked.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, VerificationAlgorithm,
};

macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $check:expr;)+) => {
        /// A signature algorithm (RFC 7518, RFC 8037). `none` is not among them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Algorithm { $($(#[$doc])* $variant,)+ }

        impl Algorithm {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in `alg`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub(super) fn check(self) -> Check {
                use Check::{Hmac, Plain, Rsa};
                match self { $(Self::$variant => $check,)+ }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256.
    Hs256 = "HS256", Hmac(hmac::HMAC_SHA256);
    /// HMAC with SHA-384.
    Hs384 = "HS384", Hmac(hmac::HMAC_SHA384);
    /// HMAC with SHA-512.
    Hs512 = "HS512", Hmac(hmac::HMAC_SHA512);
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 = "RS256", Rsa(&RSA_PKCS1_2048_8192_SHA256);
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384 = "RS384", Rsa(&RSA_PKCS1_2048_8192_SHA384);
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512 = "RS512", Rsa(&RSA_PKCS1_2048_8192_SHA512);
    /// RSASSA-PSS with SHA-256.
    Ps256 = "PS256", Rsa(&RSA_PSS_2048_8192_SHA256);
    /// RSASSA-PSS with SHA-384.
    Ps384 = "PS384", Rsa(&RSA_PSS_2048_8192_SHA384);
    /// RSASSA-PSS with SHA-512.
    Ps512 = "PS512", Rsa(&RSA_PSS_2048_8192_SHA512);
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256", Plain(&ECDSA_P256_SHA256_FIXED);
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384", Plain(&ECDSA_P384_SHA384_FIXED);
    /// Ed25519; RFC 9864 calls it `Ed25519` too.
    EdDsa = "EdDSA", Plain(&ED25519);
}

/// By what a signature is checked; the kind of key goes with it.
pub(super) enum Check {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    /// A key that is a string of bytes: a point of a curve.
    Plain(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// By its name in `alg`, byte for byte.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }
}

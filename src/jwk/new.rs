//! New keys.

use aws_lc_rs::encoding::{AsBigEndian as _, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use zeroize::Zeroizing;

use super::Algorithm;

/// A key that was just made, as two JWK.
pub struct NewKey {
    /// Signs.
    pub private: Zeroizing<String>,
    /// Checks what it signed; the same for a secret, which has no halves.
    pub public: Zeroizing<String>,
}

/// What is said of a new key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub kid: String,
    /// Whose key it is.
    pub identities: Vec<String>,
    /// From when it may be used, in seconds since 1970.
    pub not_before: Option<i64>,
    /// From when it may not be used any more.
    pub expires: Option<i64>,
}

impl NewKey {
    /// The algorithms that keys are made for. RSA is for devices that have their key.
    pub const ALGORITHMS: &[Algorithm] = &[Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Hs256];

    /// Makes a key, of random bytes.
    ///
    /// # Errors
    /// For an algorithm that is not of [`NewKey::ALGORITHMS`], or where there are no random bytes.
    pub fn generate(algorithm: Algorithm, about: &About) -> Result<Self, Unspecified> {
        match algorithm {
            Algorithm::EdDsa => Self::ed25519(about),
            Algorithm::Es256 => Self::ecdsa(about, algorithm, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => Self::ecdsa(about, algorithm, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Hs256 => {
                let mut secret = Zeroizing::new([0; 32]);
                rand::fill(&mut *secret)?;
                let members = Zeroizing::new(format!(r#""k":"{}""#, *encode(&*secret)));
                let key = record("oct", algorithm, about, &members);
                Ok(Self { public: key.clone(), private: key })
            }
            Algorithm::Hs384
            | Algorithm::Hs512
            | Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Err(Unspecified),
        }
    }

    fn ed25519(about: &About) -> Result<Self, Unspecified> {
        let pair = Ed25519KeyPair::generate()?;
        let seed: Curve25519SeedBin<'_> = pair.seed()?.as_be_bytes()?;
        let public = format!(r#""crv":"Ed25519","x":"{}""#, *encode(pair.public_key().as_ref()));
        Ok(Self::halves("OKP", Algorithm::EdDsa, about, &public, seed.as_ref()))
    }

    fn ecdsa(
        about: &About,
        algorithm: Algorithm,
        curve: &str,
        signing: &'static EcdsaSigningAlgorithm,
    ) -> Result<Self, Unspecified> {
        let pair = EcdsaKeyPair::generate(signing)?;
        let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes()?;
        let (_, point) = pair.public_key().as_ref().split_first().ok_or(Unspecified)?;
        let (x, y) = point.split_at(point.len() / 2);
        let public = format!(r#""crv":"{curve}","x":"{}","y":"{}""#, *encode(x), *encode(y));
        Ok(Self::halves("EC", algorithm, about, &public, scalar.as_ref()))
    }

    fn halves(kind: &str, algorithm: Algorithm, about: &About, public: &str, d: &[u8]) -> Self {
        let private = Zeroizing::new(format!(r#"{public},"d":"{}""#, *encode(d)));
        Self { private: record(kind, algorithm, about, &private), public: record(kind, algorithm, about, public) }
    }
}

fn encode(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(BASE64URL_NOPAD.encode(bytes))
}

fn record(kind: &str, algorithm: Algorithm, about: &About, members: &str) -> Zeroizing<String> {
    let mut extra = String::new();
    match about.identities.as_slice() {
        [] => {}
        [one] => extra.push_str(&format!(",\"identity\":{}", json!(one))),
        several => extra.push_str(&format!(",\"identity\":{}", json!(several))),
    }
    for (name, time) in [("nbf", about.not_before), ("exp", about.expires)] {
        if let Some(time) = time {
            extra.push_str(&format!(",\"{name}\":{time}"));
        }
    }
    let (kid, algorithm) = (json!(about.kid), algorithm.name());
    Zeroizing::new(format!(r#"{{"kid":{kid},"kty":"{kind}","alg":"{algorithm}",{members}{extra}}}"#))
}

//! Keys that sign.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use aws_lc_rs::{error::Unspecified, hmac};

use super::json::Object;
use super::keys::{Key, Keys, collect};
use super::material::{Material, Prepared};
use super::record::{Purpose, bytes, exactly};
use super::{Algorithm, KeyFlaw, KeyProblem, Unused, UnusedKey};

/// The longest half of an RSA key, in bytes.
const MAX_RSA_BYTES: usize = 8192 / 8;

/// The private keys and secrets of a JWK set. `Debug` shows the count alone.
pub struct SigningKeys {
    keys: Vec<SigningKey>,
    unused: Vec<UnusedKey>,
}

/// A key that signs; wiped when dropped. `Debug` shows its name alone.
pub struct SigningKey {
    kid: Box<str>,
    algorithm: Algorithm,
    signer: Signer,
    checking: Key,
}

enum Signer {
    Hmac(Box<hmac::Key>),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl SigningKeys {
    /// Reads a JWK set of private keys and secrets, each with a `kid`.
    ///
    /// What [`Keys::parse`] says of types, sizes and members holds here too; of RSA all of `d`, `p`, `q`, `dp`, `dq`
    /// and `qi` are needed. A public key is passed over.
    ///
    /// # Errors
    /// Every problem of the set.
    pub fn parse(json: &[u8]) -> Result<Self, Vec<KeyProblem>> {
        let (keys, unused) = collect(json, SigningKey::read, |key| Some(&key.kid))?;
        if keys.is_empty() {
            return Err(vec![KeyProblem { key: 0, what: KeyFlaw::NoneSigns }]);
        }
        Ok(Self { keys, unused })
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| *key.kid == *kid)
    }

    /// All of them; at least one.
    #[must_use]
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The keys that are passed over.
    #[must_use]
    pub fn unused(&self) -> &[UnusedKey] {
        &self.unused
    }

    /// What their signatures are checked with: the public halves, and the secrets, which have no halves.
    #[must_use]
    pub fn checking(&self) -> Keys {
        Keys::of(self.keys.iter().map(|key| key.checking.clone()).collect(), Vec::new())
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl SigningKey {
    fn read(key: &Object) -> Result<Result<Self, Unused>, KeyFlaw> {
        let checking = match Key::read(key, Purpose::Sign)? {
            Ok(checking) => checking,
            Err(unused) => return Ok(Err(unused)),
        };
        let Some(material) = Material::read(key)? else { return Ok(Err(Unused::Type)) };
        let is_public = !matches!(material, Material::Secret(_)) && key.get("d").is_none();
        if is_public {
            return Ok(Err(Unused::Public));
        }
        let kid = checking.kid().filter(|kid| !kid.is_empty()).ok_or(KeyFlaw::Member("kid"))?.into();
        let fitting = |algorithm: &Algorithm| checking.takes(*algorithm);
        // Of several, PSS is what a message signature is made by.
        let preferred = Some(Algorithm::Ps256).filter(fitting);
        let algorithm = preferred.or_else(|| checking.algorithms().next()).ok_or(KeyFlaw::AlgorithmMismatch)?;
        let signer = Signer::read(key, &material, algorithm, &checking)?;
        Ok(Ok(Self { kid, algorithm, signer, checking }))
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs by: its `alg`, else the one of its curve, PS256 for RSA, HS256 for a secret.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What its signatures are checked with.
    #[must_use]
    pub const fn checking(&self) -> &Key {
        &self.checking
    }

    /// Whether its `nbf` and `exp` let it be used at this time, in milliseconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, unix_millis: i64) -> bool {
        self.checking.is_valid_at(unix_millis)
    }

    /// Signs bytes: as JWS says (RFC 7518 section 3), so ECDSA is the two numbers one behind the other.
    ///
    /// # Errors
    /// Where the crypto core refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Signer::Ed25519(key) => key.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Signer::Ecdsa(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Signer::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).map(|()| signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    fn read(key: &Object, material: &Material, algorithm: Algorithm, checking: &Key) -> Result<Self, KeyFlaw> {
        match (material, algorithm) {
            (Material::Secret(_), _) => match checking.prepared(algorithm) {
                Some(Prepared::Hmac(key)) => Ok(Self::Hmac(key.clone())),
                Some(Prepared::Public(_)) | None => Err(KeyFlaw::AlgorithmMismatch),
            },
            (Material::Rsa(public), _) => Self::rsa(key, public, algorithm),
            (Material::Point(_, point), Algorithm::Es256) => {
                Self::ecdsa(key, point, &ECDSA_P256_SHA256_FIXED_SIGNING, 32)
            }
            (Material::Point(_, point), Algorithm::Es384) => {
                Self::ecdsa(key, point, &ECDSA_P384_SHA384_FIXED_SIGNING, 48)
            }
            (Material::Point(_, point), _) => {
                let seed = exactly(key, "d", 32)?;
                let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, point);
                pair.map(Self::Ed25519).map_err(|_| KeyFlaw::Invalid)
            }
        }
    }

    fn ecdsa(
        key: &Object,
        point: &[u8],
        algorithm: &'static EcdsaSigningAlgorithm,
        scalar_bytes: usize,
    ) -> Result<Self, KeyFlaw> {
        let scalar = exactly(key, "d", scalar_bytes)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, point);
        pair.map(Self::Ecdsa).map_err(|_| KeyFlaw::Invalid)
    }

    fn rsa(key: &Object, public: &RsaPublicKeyComponents<Box<[u8]>>, algorithm: Algorithm) -> Result<Self, KeyFlaw> {
        let member = |name| bytes(key, name, MAX_RSA_BYTES + 1);
        let (d, p, q) = (member("d")?, member("p")?, member("q")?);
        let (d_p, d_q, q_inv) = (member("dp")?, member("dq")?, member("qi")?);
        let components = KeyPairComponents {
            public_key: RsaPublicKeyComponents { n: &*public.n, e: &*public.e },
            d: &**d,
            p: &**p,
            q: &**q,
            dP: &**d_p,
            dQ: &**d_q,
            qInv: &**q_inv,
        };
        let pair = RsaKeyPair::from_components(&components).map_err(|_| KeyFlaw::Invalid)?;
        Ok(Self::Rsa(pair, encoding(algorithm).ok_or(KeyFlaw::AlgorithmMismatch)?))
    }
}

fn encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512
        | Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::EdDsa => return None,
    })
}

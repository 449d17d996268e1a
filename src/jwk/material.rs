//! The key itself, made ready to check signatures: nothing is parsed for a message.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, Check};
use super::json::Object;
use super::record::{bytes, exactly};
use super::{KeyFlaw, mark};

const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// What the crypto core takes as exponent: 33 bits.
const MAX_RSA_EXPONENT_BYTES: usize = 5;
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=1024;

/// What checks signatures of one algorithm.
#[derive(Clone)]
pub(super) enum Prepared {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// A type of key, with its members as they are.
pub(super) enum Material {
    Secret(Zeroizing<Box<[u8]>>),
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
    /// A point of the curve of this algorithm, and of no other.
    Point(Algorithm, Box<[u8]>),
}

impl Material {
    /// Reads the secret or the public half of a key; none where its type is not known here.
    pub(super) fn read(key: &Object) -> Result<Option<Self>, KeyFlaw> {
        let kind = key.text("kty")?.ok_or(KeyFlaw::Member("kty"))?;
        Ok(Some(match (kind, key.text("crv")?) {
            ("oct", _) => Self::secret(key)?,
            ("RSA", _) => Self::rsa(key)?,
            ("EC", Some("P-256")) => Self::Point(Algorithm::Es256, uncompressed(key, 32)?),
            ("EC", Some("P-384")) => Self::Point(Algorithm::Es384, uncompressed(key, 48)?),
            ("OKP", Some("Ed25519")) => Self::Point(Algorithm::EdDsa, (*exactly(key, "x", 32)?).clone()),
            ("EC" | "OKP", None) => return Err(KeyFlaw::Member("crv")),
            _ => return Ok(None),
        }))
    }

    fn secret(key: &Object) -> Result<Self, KeyFlaw> {
        let secret = bytes(key, "k", SECRET_BYTES.end() + 1)?;
        if SECRET_BYTES.contains(&secret.len()) { Ok(Self::Secret(secret)) } else { Err(KeyFlaw::SecretSize) }
    }

    fn rsa(key: &Object) -> Result<Self, KeyFlaw> {
        let n = without_zeros(&bytes(key, "n", RSA_BITS.end() / 8 + 2)?);
        let e = without_zeros(&bytes(key, "e", MAX_RSA_EXPONENT_BYTES + 1)?);
        let bits = n.first().map_or(0, |first| n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0));
        if !RSA_BITS.contains(&bits) {
            return Err(KeyFlaw::RsaSize);
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        let is_one = *e == [1];
        let components = RsaPublicKeyComponents { n, e };
        if !is_odd(&components.n) || !is_odd(&components.e) || is_one || components.as_der().is_err() {
            return Err(KeyFlaw::Invalid);
        }
        Ok(Self::Rsa(components))
    }

    /// Makes it ready for each algorithm that it can be for; for one alone where that is said.
    pub(super) fn prepare(&self, only: Option<Algorithm>) -> Result<Vec<(Algorithm, Prepared)>, KeyFlaw> {
        let mut prepared = Vec::new();
        for algorithm in Algorithm::ALL.iter().copied().filter(|own| only.is_none_or(|only| only == *own)) {
            if let Some(check) = self.check(algorithm)? {
                prepared.push((algorithm, check));
            }
        }
        match (self, only.map(Algorithm::check)) {
            (Self::Secret(_), Some(Check::Hmac(_))) if prepared.is_empty() => Err(KeyFlaw::SecretShort),
            _ if prepared.is_empty() => Err(KeyFlaw::AlgorithmMismatch),
            _ => Ok(prepared),
        }
    }

    fn check(&self, algorithm: Algorithm) -> Result<Option<Prepared>, KeyFlaw> {
        let public = |key: Result<ParsedPublicKey, _>| key.map(Prepared::Public).map(Some);
        match (self, algorithm.check()) {
            (Self::Secret(secret), Check::Hmac(hmac)) if secret.len() >= hmac.digest_algorithm().output_len => {
                Ok(Some(Prepared::Hmac(hmac::Key::new(hmac, secret).into())))
            }
            (Self::Rsa(key), Check::Rsa(parameters)) => public(key.to_parsed_public_key(parameters)),
            (Self::Point(own, point), Check::Plain(check)) if *own == algorithm => {
                public(ParsedPublicKey::new(check, &**point))
            }
            (Self::Secret(_) | Self::Rsa(_) | Self::Point(..), _) => Ok(None),
        }
        .map_err(|_| KeyFlaw::Invalid)
    }

    pub(super) fn mark(&self) -> u64 {
        match self {
            Self::Secret(secret) => mark(&[b"oct", secret]),
            Self::Rsa(key) => mark(&[b"RSA", &key.n, &key.e]),
            Self::Point(algorithm, point) => mark(&[algorithm.name().as_bytes(), point]),
        }
    }
}

impl Prepared {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// A point of a curve, with coordinates of so many bytes.
fn uncompressed(key: &Object, coordinate_bytes: usize) -> Result<Box<[u8]>, KeyFlaw> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        point.extend_from_slice(&exactly(key, name, coordinate_bytes)?);
    }
    Ok(point.into())
}

fn without_zeros(number: &[u8]) -> Box<[u8]> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default().into()
}

//! One password entry: its kinds, and whether a password fits.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, pbkdf2, rand};
use data_encoding::{BASE64, BASE64_NOPAD, Encoding};
use zeroize::Zeroizing;

use super::Flaw;
use crate::credentials::mark;

/// Bounds of what a file may ask for; the dearest takes about a second and 256 MiB.
const MAX_MEMORY_KIB: u32 = 256 << 10;
const MAX_PASSES: u32 = 32;
const MAX_LANES: u32 = 16;
const MAX_MEMORY_TIMES_PASSES: u64 = 1 << 20;
const MAX_ROUNDS: u32 = 2_000_000;
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
const ARGON2_HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// Mosquitto's salt is 12 bytes, from 2.1 on 64.
const SHA512_SALT_BYTES: std::ops::RangeInclusive<usize> = 1..=64;
const SHA512_BYTES: usize = digest::SHA512_OUTPUT_LEN;
/// Longer than any text of the limits above.
const MAX_ENTRY_BYTES: usize = 512;
/// Below these, a lost file is soon a list of passwords.
const WEAK_ROUNDS: u32 = 50_000;
const WEAK_MEMORY_TIMES_PASSES: u64 = 16 << 10;

/// What Argon2id is told to spend on one password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB (`m`).
    pub memory_kib: u32,
    /// Passes over that memory (`t`).
    pub passes: u32,
    /// Lanes that it is cut into (`p`); they are walked one after the other.
    pub lanes: u32,
}

impl Default for Cost {
    /// 19 MiB and two passes: RFC 9106 scaled down to a machine that has other work, some 30 ms.
    fn default() -> Self {
        Self { memory_kib: 19 << 10, passes: 2, lanes: 1 }
    }
}

impl Cost {
    fn check(self) -> Result<Self, Flaw> {
        let too_costly = self.memory_kib > MAX_MEMORY_KIB
            || self.passes > MAX_PASSES
            || self.lanes > MAX_LANES
            || self.memory_times_passes() > MAX_MEMORY_TIMES_PASSES;
        if too_costly {
            return Err(Flaw::TooCostly);
        }
        let possible = self.lanes > 0 && self.passes > 0 && self.memory_kib >= self.lanes.saturating_mul(8);
        possible.then_some(self).ok_or(Flaw::Malformed)
    }

    fn memory_times_passes(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }
}

#[derive(Clone, Copy)]
enum Work {
    Argon2id(Cost),
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2(NonZeroU32),
    /// SHA-512 of password and salt, once.
    Sha512,
}

/// What one password is checked against. Wiped when dropped; shows only its kind.
#[derive(Clone)]
pub struct Entry {
    work: Work,
    salt: Zeroizing<Box<[u8]>>,
    hash: Zeroizing<Box<[u8]>>,
    is_stand_in: bool,
}

impl Entry {
    /// Reads the hash of a line: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, or Mosquitto's `$7$rounds$salt$hash` and
    /// `$6$salt$hash`. Costs and lengths are bounded.
    ///
    /// # Errors
    /// Why it can't be taken.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let Some(rest) = text.strip_prefix('$') else {
            return Err(if text.is_empty() { Flaw::HashEmpty } else { Flaw::NotHashed });
        };
        let (kind, rest) = rest.split_once('$').ok_or(Flaw::UnknownHash)?;
        if !matches!(kind, "argon2id" | "7" | "6") {
            return Err(Flaw::UnknownHash);
        }
        if text.len() > MAX_ENTRY_BYTES {
            return Err(Flaw::Length);
        }
        match kind {
            "argon2id" => Self::parse_argon2id(rest),
            "7" => {
                let (rounds, rest) = rest.split_once('$').ok_or(Flaw::Malformed)?;
                let rounds = number(rounds)?;
                if rounds > MAX_ROUNDS {
                    return Err(Flaw::TooCostly);
                }
                Self::parse_sha512(Work::Pbkdf2(NonZeroU32::new(rounds).ok_or(Flaw::Malformed)?), rest)
            }
            _ => Self::parse_sha512(Work::Sha512, rest),
        }
    }

    fn parse_argon2id(text: &str) -> Result<Self, Flaw> {
        let rest = text.strip_prefix("v=19$").ok_or(Flaw::Malformed)?;
        let (cost, rest) = rest.split_once('$').ok_or(Flaw::Malformed)?;
        let mut parameters = cost.split(',');
        let mut parameter = |name| {
            let text = parameters.next().and_then(|text| text.strip_prefix(name)).ok_or(Flaw::Malformed)?;
            number(text)
        };
        let cost = Cost { memory_kib: parameter("m=")?, passes: parameter("t=")?, lanes: parameter("p=")? };
        if parameters.next().is_some() {
            return Err(Flaw::Malformed);
        }
        let (salt, hash) = salt_and_hash(&BASE64_NOPAD, rest)?;
        if !SALT_BYTES.contains(&salt.len()) || !ARGON2_HASH_BYTES.contains(&hash.len()) {
            return Err(Flaw::Length);
        }
        Ok(Self { work: Work::Argon2id(cost.check()?), salt, hash, is_stand_in: false })
    }

    fn parse_sha512(work: Work, text: &str) -> Result<Self, Flaw> {
        let (salt, hash) = salt_and_hash(&BASE64, text)?;
        if !SHA512_SALT_BYTES.contains(&salt.len()) || hash.len() != SHA512_BYTES {
            return Err(Flaw::Length);
        }
        Ok(Self { work, salt, hash, is_stand_in: false })
    }

    /// Whether this is the password. Takes the time of its kind and cost, whatever is shown.
    ///
    /// Argon2id takes `memory_kib` of memory for as long as it runs, and all take milliseconds: call it off the threads
    /// that relay, and only so many at a time.
    pub fn verify(&self, password: &[u8]) -> bool {
        let mut found = Zeroizing::new(vec![0; self.hash.len()]);
        let made = match self.work {
            Work::Argon2id(cost) => argon2id(cost, password, &self.salt, &mut found),
            Work::Pbkdf2(rounds) => {
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, &self.salt, password, &mut found);
                // HMAC fills a short key up with zeros: to it, zeros behind a password are nothing.
                password.last() != Some(&0)
            }
            Work::Sha512 => {
                let mut context = digest::Context::new(&digest::SHA512);
                context.update(password);
                context.update(&self.salt);
                found.copy_from_slice(context.finish().as_ref());
                true
            }
        };
        let is_equal = constant_time::verify_slices_are_equal(&found, &self.hash).is_ok();
        made & is_equal & !self.is_stand_in
    }

    /// What tells this entry from another one: equal only while kind, cost, salt and hash are. A reload compares it with
    /// the mark that a live connection was let in by.
    pub fn mark(&self) -> u64 {
        let numbers = match self.work {
            Work::Argon2id(cost) => [cost.memory_kib, cost.passes, cost.lanes],
            Work::Pbkdf2(rounds) => [rounds.get(), 0, 0],
            Work::Sha512 => [0; 3],
        };
        mark(&[&numbers.map(u32::to_be_bytes).concat(), &self.salt, &self.hash])
    }

    /// Memory that checking it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        match self.work {
            Work::Argon2id(cost) => usize::try_from(cost.memory_kib).map_or(usize::MAX, |kib| kib.saturating_mul(1024)),
            Work::Pbkdf2(_) | Work::Sha512 => 0,
        }
    }

    pub(super) fn is_weak(&self) -> bool {
        match self.work {
            Work::Argon2id(cost) => cost.memory_times_passes() < WEAK_MEMORY_TIMES_PASSES,
            Work::Pbkdf2(rounds) => rounds.get() < WEAK_ROUNDS,
            Work::Sha512 => true,
        }
    }

    pub(super) fn default_stand_in() -> Self {
        let (salt, hash) = (vec![0; NEW_SALT_BYTES], vec![0; NEW_HASH_BYTES]);
        let work = Work::Argon2id(Cost::default());
        Self { work, salt: Zeroizing::new(salt.into()), hash: Zeroizing::new(hash.into()), is_stand_in: true }
    }

    pub(super) fn into_stand_in(self) -> Self {
        Self { is_stand_in: true, ..self }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.work {
            Work::Argon2id(_) => "Entry(argon2id)",
            Work::Pbkdf2(_) => "Entry(pbkdf2-sha512)",
            Work::Sha512 => "Entry(sha512)",
        })
    }
}

/// Why a password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The cost is out of the bounds that a file is read with.
    #[error("the cost is out of bounds")]
    Cost,
    /// The machine gave no random bytes, or no memory.
    #[error("no random bytes or no memory")]
    Resources,
}

const NEW_SALT_BYTES: usize = 16;
const NEW_HASH_BYTES: usize = 32;

/// Makes the hash of a line, with a salt of its own.
///
/// # Errors
/// When the cost is out of bounds, or the machine gave no random bytes or no memory.
pub fn hash(password: &[u8], cost: Cost) -> Result<Zeroizing<String>, HashError> {
    let cost = cost.check().map_err(|_| HashError::Cost)?;
    let mut salt = [0; NEW_SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| HashError::Resources)?;
    let mut hash = Zeroizing::new([0; NEW_HASH_BYTES]);
    if !argon2id(cost, password, &salt, &mut *hash) {
        return Err(HashError::Resources);
    }
    let Cost { memory_kib, passes, lanes } = cost;
    let (salt, hash) = (BASE64_NOPAD.encode(&salt), Zeroizing::new(BASE64_NOPAD.encode(&*hash)));
    Ok(Zeroizing::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${}", *hash)))
}

/// Whether it could be done.
fn argon2id(cost: Cost, password: &[u8], salt: &[u8], hash: &mut [u8]) -> bool {
    argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(hash.len()))
        .map(|parameters| argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters))
        .and_then(|argon2id| argon2id.hash_password_into(password, salt, hash))
        .is_ok()
}

type Bytes = Zeroizing<Box<[u8]>>;

fn salt_and_hash(encoding: &Encoding, text: &str) -> Result<(Bytes, Bytes), Flaw> {
    let (salt, hash) = text.split_once('$').ok_or(Flaw::Malformed)?;
    let decode = |text: &str| {
        encoding.decode(text.as_bytes()).map(|bytes| Zeroizing::new(bytes.into())).map_err(|_| Flaw::Malformed)
    };
    Ok((decode(salt)?, decode(hash)?))
}

/// A decimal number as the makers of entries write it: digits alone, no zero in front.
fn number(text: &str) -> Result<u32, Flaw> {
    if text.is_empty() || text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Flaw::Malformed);
    }
    text.parse().map_err(|_| Flaw::TooCostly)
}

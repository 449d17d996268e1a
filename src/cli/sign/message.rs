//! What `tidegate sign` and `tidegate verify` share: carriers, key files, payloads.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use clap::Args;
use zeroize::Zeroizing;

use crate::jwk::{KeyProblem, MAX_KEYS_BYTES};
use crate::payload::Field;
use crate::signature::{Carrier, Names};

/// The longest payload that MQTT can carry, in bytes.
const MAX_PAYLOAD_BYTES: u64 = 268_435_455;

/// Where the signature is.
#[derive(Debug, Args)]
pub(in crate::cli) struct Carrying {
    /// user-property, jws, jws-detached, cose, json-field or trailer
    #[arg(long, value_name = "NAME", default_value = "user-property")]
    carrier: String,
    /// Member of a JSON payload that holds the signature, as a JSON Pointer
    #[arg(long, value_name = "POINTER", default_value = "/signature")]
    field: String,
    /// Name of a User Property: PART is kid, time, nonce, counter, signature or jws
    #[arg(long = "name", value_name = "PART=NAME")]
    names: Vec<String>,
}

/// Why a command does not do it.
pub(in crate::cli) enum Failure {
    /// The answer is no.
    No(String),
    /// Wrong usage.
    Usage(String),
    /// Could not do it.
    Failed(String),
}

impl Failure {
    pub(in crate::cli) fn keys(file: &Path, problems: &[KeyProblem]) -> Self {
        let mut message = String::new();
        for (at, problem) in problems.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            let _ = write!(message, "{end}{}: {problem}", file.display());
        }
        Self::No(message)
    }

    pub(in crate::cli) fn file(path: &Path, error: &io::Error) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }
}

impl Carrying {
    pub(in crate::cli) fn carrier(&self) -> Result<Carrier, Failure> {
        let (mut names, mut jws) = (Names::default(), Carrier::JWS_PROPERTY.into());
        for given in &self.names {
            let (part, name) = given.split_once('=').unwrap_or((given, ""));
            let place: &mut Box<str> = match part {
                "kid" => &mut names.kid,
                "time" => &mut names.time,
                "nonce" => &mut names.nonce,
                "counter" => &mut names.counter,
                "signature" => &mut names.signature,
                "jws" => &mut jws,
                _ => return Err(Failure::Usage(format!("--name {given}: no such part"))),
            };
            *place = name.into();
        }
        match &*self.carrier {
            "user-property" => Ok(Carrier::UserProperty(names)),
            "jws" => Ok(Carrier::Jws),
            "jws-detached" => Ok(Carrier::JwsDetached(jws)),
            "cose" => Ok(Carrier::Cose),
            "json-field" => Field::parse(&self.field)
                .filter(|field| !field.steps().is_empty())
                .map(Carrier::JsonField)
                .ok_or_else(|| Failure::Usage(format!("`{}` is no JSON Pointer to a member", self.field))),
            "trailer" => Ok(Carrier::Trailer),
            other => Err(Failure::Usage(format!("there is no carrier `{other}`"))),
        }
    }
}

/// The text of a key set.
pub(in crate::cli) fn read_keys(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Of its full size at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEYS_BYTES + 2));
    let read = File::open(path).and_then(|file| file.take(MAX_KEYS_BYTES as u64 + 1).read_to_end(&mut text));
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(text)
}

/// A file, or standard input.
pub(in crate::cli) fn read_payload(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return bounded(io::stdin().lock()).map_err(|error| Failure::Failed(format!("standard input: {error}")));
    };
    File::open(path).and_then(bounded).map_err(|error| Failure::file(path, &error))
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    from.take(MAX_PAYLOAD_BYTES + 1).read_to_end(&mut payload)?;
    if payload.len() as u64 > MAX_PAYLOAD_BYTES {
        return Err(io::Error::other("longer than any payload of MQTT"));
    }
    Ok(payload)
}

/// Writes bytes as they are; the reader may be gone.
pub(in crate::cli) fn write_raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

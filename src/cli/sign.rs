//! `tidegate sign`: signs one message, or makes a key.
//!
//! What is signed and how is in `signature`; what `tidegate verify` shares with it is in `message`. Read [`sign`] first.

pub(super) mod message;
mod new_key;

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::rand;
use clap::Args;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::json;

use super::{Exit, answer, complain};
use crate::jwk::{Algorithm, SigningKey, SigningKeys};
use crate::signature::{Freshness, Message, Nonce, Once, Scheme, Sealed};
use crate::store::unix_millis;
use message::{Carrying, Failure, read_keys, read_payload, write_raw};

pub(super) const ABOUT: &str = "\
Sign one message, or make a key to sign with.

The payload is FILE, or standard input where FILE is missing or `-`. Carriers
that hold the signature in the payload (jws, cose, json-field, trailer) write
the payload to publish to standard output:

  tidegate sign --keys k.json --topic T --carrier trailer p.bin |
    mosquitto_pub -t T -s

Those that hold it beside the payload (user-property, jws-detached) write the
options of mosquitto_pub that add it:

  mosquitto_pub -V 5 -t T -f p.bin \\
    $(tidegate sign --keys k.json --topic T p.bin)

With --json the answer is one object that `tidegate verify --message` reads:
`topic`, `carrier`, `kid`, `algorithm`, `payload` (base64) and `properties`, a
list of names and values.

--new-key makes a key and adds it to the JWK set of --keys, which signs, and of
--public, which checks; files that are missing are made, for their owner alone.
A secret (HS256) is the same in both. Old keys stay: take them out when nothing
signs with them any more.

docs/signatures.md describes every carrier byte for byte.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JWK set of private keys and secrets
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// The key to sign with; needed where there are several
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// Topic Name that the message is published to
    #[arg(long, value_name = "TOPIC", required_unless_present = "new_key")]
    topic: Option<String>,
    #[command(flatten)]
    carrying: Carrying,
    /// Sign with this counter, in place of a random nonce
    #[arg(long, value_name = "NUMBER")]
    counter: Option<u64>,
    /// Sign with this nonce of 8 to 64 bytes, in place of a random one
    #[arg(long, value_name = "HEX", conflicts_with = "counter")]
    nonce: Option<String>,
    /// Time of signing, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MILLIS")]
    time: Option<i64>,
    /// Sign without a time, as a device without a clock does
    #[arg(long, requires = "counter", conflicts_with = "time")]
    no_time: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
    /// Make a key for this algorithm: EdDSA, ES256, ES384 or HS256
    #[arg(long, value_name = "ALGORITHM", requires = "kid", conflicts_with_all = ["topic", "payload"])]
    new_key: Option<String>,
    /// JWK set that the new key is added to for those who check
    #[arg(long, value_name = "FILE", requires = "new_key")]
    public: Option<PathBuf>,
    /// Whose the new key is; may be given several times
    #[arg(long, value_name = "NAME", requires = "new_key")]
    identity: Vec<String>,
    /// From when the new key may be used, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", requires = "new_key")]
    not_before: Option<String>,
    /// From when the new key may not be used any more
    #[arg(long, value_name = "TIME", requires = "new_key")]
    expires: Option<String>,
    /// The payload
    #[arg(value_name = "FILE")]
    payload: Option<PathBuf>,
}

pub(super) fn sign(arguments: &Arguments) -> Exit {
    let done = match &arguments.new_key {
        Some(algorithm) => new_key::make(arguments, algorithm),
        None => sign_message(arguments),
    };
    done.unwrap_or_else(|failure| failure.tell())
}

fn sign_message(arguments: &Arguments) -> Result<Exit, Failure> {
    let carrier = arguments.carrying.carrier()?;
    let once = once(arguments)?;
    let text = read_keys(&arguments.keys)?;
    let keys = SigningKeys::parse(&text).map_err(|problems| Failure::keys(&arguments.keys, &problems))?;
    let key = chosen(&keys, arguments)?;
    let time = if arguments.no_time { None } else { Some(arguments.time.unwrap_or_else(unix_millis)) };
    let scheme = Scheme {
        carrier,
        algorithms: Scheme::ALGORITHMS.to_vec(),
        max_age: time.map(|_| Duration::MAX),
        clock_skew: Duration::ZERO,
        freshness: if arguments.no_time { Freshness::Counter } else { Freshness::Either },
    };
    let payload = read_payload(arguments.payload.as_deref())?;
    let topic = arguments.topic.as_deref().unwrap_or_default();
    let sealed = scheme
        .sign(key, Message { topic, payload: &payload }, &once, time)
        .map_err(|error| Failure::No(format!("can't sign: {error}")))?;
    say(arguments, &scheme, key, &payload, &sealed);
    Ok(Exit::Done)
}

fn once(arguments: &Arguments) -> Result<Once, Failure> {
    if let Some(counter) = arguments.counter {
        return Ok(Once::Counter(counter));
    }
    let bytes = match &arguments.nonce {
        Some(hex) => HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap_or_default(),
        None => {
            let mut bytes = vec![0; 16];
            rand::fill(&mut bytes).map_err(|_| Failure::Failed("no random bytes".into()))?;
            bytes
        }
    };
    let nonce = Nonce::new(&bytes).ok_or_else(|| Failure::Usage("--nonce is not 8 to 64 bytes in hex".into()))?;
    Ok(Once::Nonce(nonce))
}

fn chosen<'k>(keys: &'k SigningKeys, arguments: &Arguments) -> Result<&'k SigningKey, Failure> {
    let file = arguments.keys.display();
    match (&arguments.kid, keys.keys()) {
        (Some(kid), _) => keys.get(kid).ok_or_else(|| Failure::No(format!("{file}: no key `{kid}` that signs"))),
        (None, [key]) => Ok(key),
        (None, _) => Err(Failure::Usage(format!("{file} has several keys: --kid says which"))),
    }
}

fn say(arguments: &Arguments, scheme: &Scheme, key: &SigningKey, payload: &[u8], sealed: &Sealed) {
    if arguments.json {
        answer(json!({
            "topic": arguments.topic,
            "carrier": scheme.carrier.name(),
            "kid": key.kid(),
            "algorithm": key.algorithm().name(),
            "payload": BASE64.encode(sealed.payload.as_deref().unwrap_or(payload)),
            "properties": sealed.add_properties,
        }));
    } else if let Some(payload) = &sealed.payload {
        write_raw(payload);
    } else {
        for (name, value) in &sealed.add_properties {
            answer(format_args!("-D publish user-property {name} {value}"));
        }
    }
}

/// An algorithm by its name, of these.
pub(super) fn algorithm(name: &str, of: &[Algorithm]) -> Result<Algorithm, Failure> {
    Algorithm::parse(name).filter(|algorithm| of.contains(algorithm)).ok_or_else(|| {
        let names: Vec<&str> = of.iter().map(|algorithm| algorithm.name()).collect();
        Failure::Usage(format!("`{name}` is none of {}", names.join(", ")))
    })
}

impl Failure {
    pub(super) fn tell(self) -> Exit {
        let (message, exit) = match self {
            Self::No(message) => (message, Exit::No),
            Self::Usage(message) => (message, Exit::Usage),
            Self::Failed(message) => (message, Exit::Failed),
        };
        complain(message);
        exit
    }
}

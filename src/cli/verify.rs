//! `tidegate verify`: whether one message is signed.
//!
//! Not whether it was seen before: that is known to a running gateway alone. Read [`verify`] first.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use super::sign::message::{Carrying, Failure, read_keys, read_payload, write_raw};
use super::{Exit, answer, complain};
use crate::jwk::{Algorithm, Keys};
use crate::signature::{Freshness, Message, Once, Scheme, SignatureFlaw, Verified};
use crate::store::unix_millis;

pub(super) const ABOUT: &str = "\
Say whether one message is signed by a key of a JWK set, for its topic and now.

The payload is FILE, or standard input where FILE is missing or `-`; User
Properties are given by --property. With --message all is read from one JSON
object, as `tidegate sign --json` writes it.

It is not looked at whether the message was seen before, or its counter is
above the last: that is known to a running gateway alone.

The exit code is 0 when the signature holds, 1 when it does not. With --json
the answer is one object: `ok`, `why` where it does not hold, and `kid`,
`identities`, `signed_at` (milliseconds since 1970), `nonce` or `counter`, and
`digest` where it does. With --plain the message without its signature is
written to standard output, and nothing where it does not hold.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// JWK set of public keys and secrets
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Topic Name that the message was published to
    #[arg(long, value_name = "TOPIC", required_unless_present = "message")]
    topic: Option<String>,
    #[command(flatten)]
    carrying: Carrying,
    /// A User Property; may be given several times
    #[arg(long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// Read topic, payload and properties from one JSON object; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["properties", "payload"])]
    message: Option<PathBuf>,
    /// How old the signature may be, such as 500ms, 30s, 5m, 2h
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    max_age: String,
    /// Take a signature of any age or of no time; then it must have a counter
    #[arg(long, conflicts_with = "max_age")]
    any_age: bool,
    /// By how much clocks may differ
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    clock_skew: String,
    /// Take this algorithm alone; may be given several times [default: all]
    #[arg(long = "algorithm", value_name = "NAME")]
    algorithms: Vec<String>,
    /// Time to judge at, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MILLIS")]
    time: Option<i64>,
    /// Write the message without its signature
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
    /// The payload
    #[arg(value_name = "FILE")]
    payload: Option<PathBuf>,
}

/// A message as it was received.
struct Received {
    topic: String,
    payload: Vec<u8>,
    properties: Vec<(String, String)>,
}

pub(super) fn verify(arguments: &Arguments) -> Exit {
    judge(arguments).unwrap_or_else(Failure::tell)
}

fn judge(arguments: &Arguments) -> Result<Exit, Failure> {
    let scheme = scheme(arguments)?;
    let text = read_keys(&arguments.keys)?;
    let keys = Keys::parse(&text).map_err(|problems| Failure::keys(&arguments.keys, &problems))?;
    let received = received(arguments)?;
    let message = Message { topic: &received.topic, payload: &received.payload };
    let properties = received.properties.iter().map(|(name, value)| (&**name, &**value));
    let now = arguments.time.unwrap_or_else(unix_millis);
    let said = scheme.verify(&keys, message, properties, now);
    say(arguments, &scheme, &received, said.as_ref());
    Ok(if said.is_ok() { Exit::Done } else { Exit::No })
}

fn scheme(arguments: &Arguments) -> Result<Scheme, Failure> {
    let listed = arguments.algorithms.iter().map(|name| super::sign::algorithm(name, Scheme::ALGORITHMS));
    let listed = listed.collect::<Result<Vec<Algorithm>, _>>()?;
    let max_age = if arguments.any_age { None } else { Some(duration(&arguments.max_age)?) };
    let scheme = Scheme {
        carrier: arguments.carrying.carrier()?,
        algorithms: if listed.is_empty() { Scheme::ALGORITHMS.to_vec() } else { listed },
        max_age,
        clock_skew: duration(&arguments.clock_skew)?,
        freshness: if arguments.any_age { Freshness::Counter } else { Freshness::Either },
    };
    scheme.check().map_err(|problem| Failure::Usage(problem.to_string()))?;
    Ok(scheme)
}

fn duration(text: &str) -> Result<Duration, Failure> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let parsed = text.split_at_checked(digits).and_then(|(number, unit)| {
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(millis)
    });
    parsed.map(Duration::from_millis).ok_or_else(|| Failure::Usage(format!("`{text}` is no duration such as 30s")))
}

fn received(arguments: &Arguments) -> Result<Received, Failure> {
    if let Some(path) = &arguments.message {
        let text = read_payload(Some(path))?;
        let message = serde_json::from_slice(&text).ok().and_then(|message| from_json(&message));
        let mut message = message.ok_or_else(|| Failure::Failed(format!("{}: no such message", path.display())))?;
        if let Some(topic) = &arguments.topic {
            message.topic.clone_from(topic);
        }
        return Ok(message);
    }
    let property = |given: &String| {
        let (name, value) = given.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let properties = arguments.properties.iter().map(property).collect::<Option<_>>();
    Ok(Received {
        topic: arguments.topic.clone().unwrap_or_default(),
        properties: properties.ok_or_else(|| Failure::Usage("--property is NAME=VALUE".into()))?,
        payload: read_payload(arguments.payload.as_deref())?,
    })
}

fn from_json(message: &Value) -> Option<Received> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let property = |pair: &Value| Some((text(pair.get(0)?)?, text(pair.get(1)?)?));
    Some(Received {
        topic: text(message.get("topic")?)?,
        payload: BASE64.decode(message.get("payload")?.as_str()?.as_bytes()).ok()?,
        properties: message.get("properties")?.as_array()?.iter().map(property).collect::<Option<_>>()?,
    })
}

fn say(arguments: &Arguments, scheme: &Scheme, received: &Received, said: Result<&Verified<'_>, &SignatureFlaw>) {
    match said {
        Err(flaw) if arguments.json => answer(json!({"ok": false, "why": flaw.label()})),
        Err(flaw) => complain(format_args!("{flaw} ({})", flaw.label())),
        Ok(said) if arguments.json => {
            let (nonce, counter) = match said.once {
                Once::Nonce(nonce) => (Some(HEXLOWER.encode(nonce.as_bytes())), None),
                Once::Counter(counter) => (None, Some(counter)),
            };
            answer(json!({
                "ok": true,
                "kid": said.kid,
                "identities": said.identities,
                "signed_at": said.signed_at_millis,
                "nonce": nonce,
                "counter": counter,
                "digest": HEXLOWER.encode(&said.digest),
            }));
        }
        Ok(_) if arguments.plain => {
            if let Ok(plain) = scheme.strip(&received.payload) {
                write_raw(&plain.payload);
            }
        }
        Ok(said) => answer(format_args!("signed with `{}`", said.kid)),
    }
}

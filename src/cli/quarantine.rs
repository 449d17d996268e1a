//! `tidegate quarantine`: envelopes shown to people, and their messages published after all.

mod broker;
mod source;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, answer, complain};
use crate::envelope::{self, Envelope};
use crate::gateway::client::ClientError;
use crate::mqtt::text::is_hidden;
use crate::mqtt::{Direction, topic};
use broker::Broker;
use source::Source;

pub(super) const ABOUT: &str = "\
Show quarantined messages, or publish them after all.

Envelopes come from a file or standard input, one JSON object a line, as
`mosquitto_sub -t 'quarantine/#'` prints them, with or without -v.

  mosquitto_sub -t 'quarantine/#' -C 1 > held.jsonl
  tidegate quarantine show held.jsonl
  tidegate quarantine replay held.jsonl --dry-run
  tidegate quarantine replay held.jsonl --broker 127.0.0.1:1883

Whoever may publish below the quarantine topic can have written an envelope:
look before you replay. The exit code is 1 when a line was no envelope, or the
broker refused a message, and 3 when the broker is not reached.";

const SHOW: &str = "\
Show envelopes: from a file, from standard input, or from a broker.

With --broker it subscribes and goes on until --count envelopes were shown, or
none came for --wait. With --json each is a line of JSON as it was.";

const REPLAY: &str = "\
Publish the messages of envelopes as they were: topic, QoS, RETAIN, payload, and
in 5.0 their properties. Nothing is published with --dry-run. Replay to the
broker, with an account of your own that may publish there: by way of the
gateway they would be judged anew.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show envelopes
    #[command(long_about = SHOW)]
    Show(Show),
    /// Publish the messages of envelopes as they were
    #[command(long_about = REPLAY)]
    Replay(Replay),
}

/// Which envelopes.
#[derive(Debug, Args)]
struct Wanted {
    /// Only messages whose topic this Topic Filter matches
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Only what was refused for this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only what this rule refused
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Answer with a line of JSON for each
    #[arg(long)]
    json: bool,
}

impl Wanted {
    fn has(&self, envelope: &Envelope) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.reason, &envelope.reason)
            && is(&self.rule, &envelope.rule)
            && self.topic.as_deref().is_none_or(|filter| topic::matches(filter, &envelope.topic))
    }
}

#[derive(Debug, Args)]
struct Show {
    /// A file with envelopes; standard input when not given
    #[arg(value_name = "FILE", conflicts_with = "broker")]
    file: Option<PathBuf>,
    #[command(flatten)]
    broker: Broker,
    /// The Topic Filter that --broker is asked for
    #[arg(long, value_name = "FILTER", default_value = "quarantine/#", requires = "broker")]
    subscribe: String,
    /// End after so many envelopes
    #[arg(long, value_name = "NUMBER", requires = "broker")]
    count: Option<u64>,
    /// End when none comes for so long, such as `10s`
    #[arg(long, value_name = "TIME", requires = "broker", value_parser = broker::time)]
    wait: Option<std::time::Duration>,
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Debug, Args)]
struct Replay {
    /// A file with envelopes; standard input when not given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    broker: Broker,
    /// Say what would be published, and publish nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wanted: Wanted,
}

pub(super) fn quarantine(arguments: &Arguments) -> Exit {
    match &arguments.action {
        Action::Show(arguments) => show(arguments),
        Action::Replay(arguments) => replay(arguments),
    }
}

/// What was read, and what was no envelope.
fn judge(found: Result<Vec<u8>, String>, number: usize, exit: &mut Exit) -> Option<Envelope> {
    let parsed = found.and_then(|bytes| envelope::parse(&bytes).map_err(|flaw| flaw.to_string()));
    parsed
        .map_err(|flaw| {
            complain(format_args!("error: envelope {number}: {flaw}"));
            *exit = Exit::No;
        })
        .ok()
}

fn show(arguments: &Show) -> Exit {
    let mut source = match Source::open(arguments.file.as_deref(), &arguments.broker, &arguments.subscribe) {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Done;
    let (mut number, mut shown) = (0, 0);
    while arguments.count.is_none_or(|count| shown < count) {
        let found = match source.next(arguments.wait) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(error) => {
                complain(format_args!("error: {error}"));
                return Exit::Failed;
            }
        };
        number += 1;
        let Some(envelope) = judge(found, number, &mut exit) else { continue };
        if arguments.wanted.has(&envelope) {
            shown += 1;
            if arguments.wanted.json { answer(envelope.to_json()) } else { answer(in_words(&envelope)) }
        }
    }
    source.close();
    exit
}

fn replay(arguments: &Replay) -> Exit {
    if !arguments.dry_run && arguments.broker.server().is_none() {
        complain("error: where to? give --broker HOST:PORT, or --dry-run");
        return Exit::Usage;
    }
    let mut source = match Source::file(arguments.file.as_deref()) {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    let mut client = None;
    if !arguments.dry_run {
        match arguments.broker.connect() {
            Ok(connected) => client = Some(connected),
            Err(exit) => return exit,
        }
    }
    let mut exit = Exit::Done;
    let mut number = 0;
    loop {
        let found = match source.next(None) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(error) => {
                complain(format_args!("error: {error}"));
                return Exit::Failed;
            }
        };
        number += 1;
        let Some(envelope) = judge(found, number, &mut exit) else { continue };
        if !arguments.wanted.has(&envelope) {
            continue;
        }
        let outcome = client.as_mut().map(|client| client.publish(&envelope)).transpose();
        say(arguments, &envelope, &outcome);
        match outcome {
            Ok(_) => {}
            Err(error) if error.is_refusal() => exit = Exit::No,
            Err(_) => return Exit::Failed,
        }
    }
    if let Some(client) = client {
        client.close();
    }
    exit
}

fn say(arguments: &Replay, envelope: &Envelope, outcome: &Result<Option<()>, ClientError>) {
    let word = match outcome {
        Ok(Some(())) => "published",
        Ok(None) => "would be published",
        Err(_) => "not published",
    };
    let why = outcome.as_ref().err().map(ToString::to_string);
    let (qos, bytes) = (envelope.qos.value(), envelope.payload.len());
    if arguments.wanted.json {
        let published = outcome.as_ref().is_ok_and(Option::is_some);
        answer(json!({
            "topic": &*envelope.topic, "qos": qos, "retain": envelope.retain, "bytes": bytes,
            "published": published, "why": why,
        }));
    } else {
        let retain = if envelope.retain { ", retained" } else { "" };
        answer(format_args!("{word}: {} (QoS {qos}{retain}, {bytes} bytes)", plain(&envelope.topic)));
    }
    if let Some(why) = why {
        complain(format_args!("error: {}: {why}", plain(&envelope.topic)));
    }
}

/// A text that somebody else has written, as a terminal may be given it.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

fn in_words(envelope: &Envelope) -> String {
    let mut lines = vec![format!(
        "{}  {} by {} (policy {})",
        plain(&envelope.time),
        plain(&envelope.reason),
        plain(&envelope.rule),
        plain(&envelope.policy)
    )];
    if let Some(detail) = &envelope.detail {
        lines.push(format!("  field    {} {}", plain(&detail.field), plain(&detail.problem)));
    }
    let who = envelope.identity.as_deref().map_or_else(|| "nobody who is proven".to_owned(), plain);
    let way = match envelope.direction {
        Direction::FromClient => "from",
        Direction::FromBroker => "to  ",
    };
    let client_id = match &*envelope.client_id {
        "" => "no client id".to_owned(),
        given => format!("client id {}", plain(given)),
    };
    lines.push(format!(
        "  {way}     {who} ({client_id}, {}, listener {}, connection {})",
        plain(&envelope.source),
        plain(&envelope.listener),
        envelope.connection
    ));
    let marks = [(envelope.retain, ", retained"), (envelope.dup, ", sent before")];
    let marks: String = marks.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    lines.push(format!("  topic    {} (QoS {}{marks})", plain(&envelope.topic), envelope.qos.value()));
    for property in envelope.properties().iter() {
        lines.push(format!("  property {}", plain(&format!("{property:?}"))));
    }
    lines.push(format!("  payload  {} bytes{}", envelope.payload.len(), payload(&envelope.payload)));
    lines.join("\n")
}

/// As text where it is some, else its first bytes.
fn payload(payload: &[u8]) -> String {
    const SHOWN: usize = 32;
    if payload.is_empty() {
        return String::new();
    }
    if let Some(text) = envelope::as_text(payload) {
        return format!(": {}", plain(text));
    }
    let first = payload.get(..SHOWN).unwrap_or(payload);
    let more = if payload.len() > SHOWN { "…" } else { "" };
    format!(": 0x{}{more}", data_encoding::HEXLOWER.encode(first))
}

//! `tidegate explain`: one request, the decision, every rule weighed and why.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};
use serde_json::{Value as Json, json};

use super::asked;
use super::{Exit, answer, complain, refused};
use crate::config::cases;
use crate::config::cases::Case;
use crate::config::{self, Listener, Problem, Problems};
use crate::mqtt::frame::QoS;
use crate::policy::{Decision, Explanation, Policy, Request, Shield, Weighed};

pub(super) const ABOUT: &str = "\
Say what a policy decides about one request, with every rule weighed, and why.

Who asks is told by --as, as often as there is something known of the client:
`certificate.cn=temp-07`, `certificate.ou=sensors`, `username=anna`,
`client_id=x`, `address=10.0.0.7`, `listener=field`, `claim.site=hamburg`. Given
twice, it has both values. Who it is proven to be is `identity`, and by what is
`method`: when not given, the Common Name and `certificate`, else the user name
and `password`. No listener's identity sources are asked: copy both from the
client's records in the audit file. The `[shield]` of the listener counts that is
told, or of the only one.

  tidegate explain -p policies/single-tenant \\
    --as certificate.cn=temp-07 --as certificate.ou=sensors \\
    --publish plant/line1/telemetry/temp-08

What a message says is told by --payload or --payload-text, its User Properties
by --property. Nothing went on before it: values that may not change too fast are
first ones, and no interlock holds. A case in `cases.toml` can say what went on
before (`given`), for `tidegate test`.

The exit code is 0 when it is permitted (or only observed) and 1 when it is
refused. With --json the answer is one object: `decision`, `rule`, `reason`,
`field` and `problem` (what of the payload is wrong), `on_deny`, `max_qos`,
`policy`, `roles`, and `weighed`, each with `rule`, `kind`, `applies`, `matched`,
`says` and `why`.";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("request").required(true).args(["connect", "publish", "subscribe", "receive"]))]
pub(super) struct Arguments {
    /// The settings file whose policies decide
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "/etc/tidegate/gateway.toml")]
    settings: PathBuf,
    /// A policy folder, in place of a settings file; several are one policy
    #[arg(short = 'p', long = "policy", value_name = "FOLDER", conflicts_with = "settings")]
    policies: Vec<PathBuf>,
    /// Something known of the client
    #[arg(long = "as", value_name = "NAME=VALUE")]
    asking: Vec<String>,
    /// To be connected at all
    #[arg(long)]
    connect: bool,
    /// To publish to this Topic Name
    #[arg(long, value_name = "TOPIC")]
    publish: Option<String>,
    /// To subscribe with this Topic Filter
    #[arg(long, value_name = "FILTER")]
    subscribe: Option<String>,
    /// To be delivered a message of this Topic Name
    #[arg(long, value_name = "TOPIC")]
    receive: Option<String>,
    /// QoS of the message or subscription
    #[arg(long, value_name = "0|1|2")]
    qos: Option<u8>,
    /// The message is retained
    #[arg(long)]
    retain: bool,
    /// The message is a Will
    #[arg(long, requires = "publish")]
    will: bool,
    /// The message may have been sent before
    #[arg(long, conflicts_with_all = ["subscribe", "connect"])]
    dup: bool,
    /// A file that holds the payload
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subscribe", "connect"])]
    payload: Option<PathBuf>,
    /// The payload
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["payload", "subscribe", "connect"])]
    payload_text: Option<String>,
    /// Bytes of the payload, where it does not matter what it says
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["payload", "payload_text", "subscribe", "connect"])]
    payload_bytes: Option<usize>,
    /// A User Property of the message
    #[arg(long = "property", value_name = "NAME=VALUE", conflicts_with_all = ["subscribe", "connect"])]
    properties: Vec<String>,
    /// The Response Topic of the message
    #[arg(long, value_name = "TOPIC", requires = "publish")]
    response_topic: Option<String>,
    /// When, as in 2026-11-22T03:00:00+01:00; now when not given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn explain(arguments: &Arguments) -> Exit {
    let (policy, listeners) = match policy(arguments) {
        Ok(policies) => policies,
        Err(problems) => {
            complain(&problems);
            return refused(problems.as_slice());
        }
    };
    let case = match written(arguments).map(|text| cases::one("command line", text)) {
        Ok(Ok(case)) => case,
        Ok(Err(problems)) => {
            problems.into_iter().for_each(|problem: Problem| complain(without_place(&problem)));
            return Exit::Usage;
        }
        Err(error) => {
            complain(format_args!("error: {error}"));
            return Exit::Failed;
        }
    };
    let Ok(Some((request, explanation))) = asked::ask(&policy, &shield(&listeners, &case), &case) else {
        return Exit::Failed;
    };
    if arguments.json {
        answer(to_json(&policy, &explanation));
    } else {
        answer(in_words(&policy, &request, &explanation));
    }
    if matches!(explanation.decision, Decision::Deny(_)) { Exit::No } else { Exit::Done }
}

/// The policy, and the listeners of the settings that name it.
fn policy(arguments: &Arguments) -> Result<(Arc<Policy>, Vec<Arc<Listener>>), Problems> {
    if arguments.policies.is_empty() {
        return config::load(&arguments.settings).map(|settings| (settings.policy, settings.listeners));
    }
    let folders: Vec<&Path> = arguments.policies.iter().map(PathBuf::as_path).collect();
    config::load_policy(&folders).map(|loaded| (loaded.policy, Vec::new()))
}

/// What the listener that the client dials leaves it: the one that is told, or the only one.
fn shield(listeners: &[Arc<Listener>], case: &Case) -> Arc<Shield> {
    let told = listeners.iter().find(|listener| *listener.name == *case.identity.listener);
    let only = if let [only] = listeners { Some(only) } else { None };
    told.or(only).map_or_else(Arc::default, |listener| Arc::clone(&listener.terms.shield))
}

/// The request as a case of `cases.toml`: one reader for both, and one set of words.
fn written(arguments: &Arguments) -> Result<String, String> {
    let mut text = String::from("[[case]]\nname = \"asked\"\nexpect = \"allow\"\n");
    let mut put = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {value}");
    };
    // A JSON string is a TOML string.
    let quoted = |value: &str| Json::from(value).to_string();
    let asked = [
        ("publish", &arguments.publish),
        ("subscribe", &arguments.subscribe),
        ("receive", &arguments.receive),
        ("response_topic", &arguments.response_topic),
    ];
    for (key, value) in asked {
        if let Some(value) = value {
            put(key, &quoted(value));
        }
    }
    let flags = [
        ("connect", arguments.connect),
        ("retain", arguments.retain),
        ("will", arguments.will),
        ("dup", arguments.dup),
    ];
    for (key, is_set) in flags {
        if is_set {
            put(key, "true");
        }
    }
    if let Some(qos) = arguments.qos {
        put("qos", &qos.to_string());
    }
    if let Some(at) = &arguments.at {
        put("at", &quoted(at));
    }
    if let Some(file) = &arguments.payload {
        // What is wrong with a file is an error of another kind than a wrong argument.
        let opened = std::fs::File::open(file).map_err(|error| format!("`{}`: {error}", file.display()));
        opened?;
        put("payload_file", &quoted(&file.to_string_lossy()));
    }
    if let Some(payload) = &arguments.payload_text {
        put("payload", &quoted(payload));
    }
    if let Some(bytes) = arguments.payload_bytes {
        put("payload_bytes", &bytes.to_string());
    }
    if !arguments.properties.is_empty() {
        let pair = |pair: &String| {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| format!("`--property {pair}`: expected NAME=VALUE"))?;
            Ok(format!("[{}, {}]", quoted(name), quoted(value)))
        };
        let pairs: Result<Vec<String>, String> = arguments.properties.iter().map(pair).collect();
        put("properties", &format!("[{}]", pairs?.join(", ")));
    }
    let mut known: Vec<(&str, Vec<String>)> = Vec::new();
    for pair in &arguments.asking {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("`--as {pair}`: expected NAME=VALUE"))?;
        match known.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(quoted(value)),
            None => known.push((name, vec![quoted(value)])),
        }
    }
    for (name, values) in known {
        match values.as_slice() {
            [value] => put(&format!("as.{name}"), value),
            values => put(&format!("as.{name}"), &format!("[{}]", values.join(", "))),
        }
    }
    Ok(text)
}

/// A problem of the command line: its place in a text that nobody wrote says nothing.
fn without_place(problem: &Problem) -> String {
    let mut text = format!("error: {}", problem.message);
    for more in [&problem.label, &problem.help] {
        if !more.is_empty() {
            let _ = write!(text, "\n  {more}");
        }
    }
    text
}

fn to_json(policy: &Policy, explanation: &Explanation) -> Json {
    let (decision, denial, max_qos) = match &explanation.decision {
        Decision::Allow => ("allow", None, None),
        Decision::AllowUpTo(qos) => ("allow", None, Some(qos.value())),
        Decision::Observe(denial, max_qos) => ("observe", Some(denial), max_qos.map(QoS::value)),
        Decision::Deny(denial) => ("deny", Some(denial), None),
    };
    let detail = denial.and_then(|denial| denial.detail.as_deref());
    let weighed = explanation.weighed.iter().map(|weighed| {
        json!({
            "rule": weighed.rule.as_str(),
            "kind": weighed.kind.label(),
            "applies": weighed.applies,
            "matched": weighed.matched,
            "says": weighed.says.label(),
            "why": weighed.why,
        })
    });
    json!({
        "decision": decision,
        "rule": denial.map(|denial| denial.rule.as_str()),
        "reason": denial.map(|denial| denial.reason.label()),
        "field": detail.map(|detail| &*detail.field).filter(|field| !field.is_empty()),
        "problem": detail.map(|detail| detail.problem).filter(|problem| !problem.is_empty()),
        "on_deny": denial.map(|denial| denial.on_deny.label()),
        "max_qos": max_qos,
        "policy": &**policy.version(),
        "roles": explanation.roles,
        "weighed": weighed.collect::<Vec<_>>(),
    })
}

fn in_words(policy: &Policy, request: &Request<'_>, explanation: &Explanation) -> String {
    let mut text = format!("{}: {}\n", headline(&explanation.decision), asked(request));
    if let Decision::Observe(denial, _) | Decision::Deny(denial) = &explanation.decision {
        let _ = writeln!(text, " {}", asked::words(denial));
    }
    let roles = match explanation.roles.as_slice() {
        [] => "no role but `everyone`".to_owned(),
        roles => format!("roles {}", roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ")),
    };
    let _ = writeln!(text, "  policy `{}`, {roles}\n", policy.version());
    let (speaking, silent): (Vec<&Weighed>, Vec<&Weighed>) =
        explanation.weighed.iter().partition(|weighed| weighed.matched);
    for weighed in speaking.into_iter().chain(silent) {
        let (kind, rule, says) = (weighed.kind.label(), weighed.rule.as_str(), weighed.says.label());
        let _ = writeln!(text, "  {says:<8}{kind:<10}`{rule}`: {}", weighed.why);
    }
    text.trim_end().to_owned()
}

fn headline(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "permitted".to_owned(),
        Decision::AllowUpTo(qos) => format!("permitted at QoS {}", qos.value()),
        Decision::Observe(denial, _) => format!("goes on, and would be refused ({})", denial.on_deny.label()),
        Decision::Deny(denial) => format!("refused ({})", denial.on_deny.label()),
    }
}

fn asked(request: &Request<'_>) -> String {
    match request {
        Request::Connect(_) => "to be connected".to_owned(),
        Request::Will(message) => format!("a Will to `{}` at QoS {}", message.topic, message.qos.value()),
        Request::Publish(message) => format!("to publish to `{}` at QoS {}", message.topic, message.qos.value()),
        Request::Subscribe(asked) => format!("to subscribe to `{}` at QoS {}", asked.filter, asked.qos.value()),
        Request::Receive(message) => format!("to receive `{}`", message.topic),
        Request::Respond(topic) => format!("to have answers sent to `{topic}`"),
    }
}

//! Writes `docs/audit.md`.

use std::fmt::Write;

use super::line::MAX_TEXT_BYTES;
use crate::enforce::end::{Cause, Violation};
use crate::enforce::event::{Quarantine, Rewrite, Text};
use crate::envelope::Loss;
use crate::identity::Method;
use crate::mqtt::error::DecodeError;
use crate::policy::{OnDeny, Reason};

/// Every `event`, and when it is written.
pub(super) const EVENTS: [(&str, &str); 16] = [
    ("started", "The gateway starts. The first record of each run."),
    ("not_accepted", "A connection was refused at accept, before anything of it was read: a limit was reached."),
    (
        "banned",
        "Somebody is shut out for a time: a client by its name, or an address. What becomes of its connections has records of their own.",
    ),
    (
        "spared",
        "An address did something too often that others are banned for, and is not: clients are connected from there, or some that have proven who they are were within the last day. Once a minute at most.",
    ),
    (
        "handshake_failed",
        "A PROXY protocol header, a TLS or a WebSocket handshake failed or took too long. That connection has no other record.",
    ),
    (
        "refused",
        "A packet, or one Topic Filter of a SUBSCRIBE, was refused and not forwarded. The connection goes on, unless the rule disconnects.",
    ),
    ("observed", "A packet, or one Topic Filter of a SUBSCRIBE, went on that would have been refused: monitor mode."),
    ("rewritten", "A packet went on changed."),
    (
        "throttled",
        "A packet waits for a rate to have room, and what comes behind it does. Once a minute for each connection and rate.",
    ),
    (
        "quarantine_lost",
        "A message whose refusal says `queued` will not be at the quarantine topic; its own record says by what it was refused.",
    ),
    ("ended", "A connection ended, or its CONNECT was refused. Once for each connection whose handshake succeeded."),
    ("reloaded", "What was read anew is in force, and live connections were judged by it."),
    ("reload_refused", "What was read anew has problems: what was in force before stays. The log names all of them."),
    ("rejudged", "Live connections were judged again though nothing was read anew."),
    ("pressure", "The gateway does without something else than before, for want of memory or descriptors; see below."),
    ("stopped", "The gateway ends in good order. The last record of such a run."),
];

/// Every field, in the order of a line.
pub(super) const FIELDS: [(&str, &str); 46] = [
    ("time", "UTC, RFC 3339 with milliseconds."),
    ("event", "Which of the events above."),
    ("program", "Version of tidegate."),
    ("connection", "Number of the connection; no other of the run has it."),
    ("listener", "Name of the listener, from the settings."),
    ("peer", "Address and port of the client. Of a sum or a ban, the address, or the /64 of IPv6."),
    ("version", "`3.1`, `3.1.1` or `5.0`, once CONNECT has settled it."),
    ("client_id", "Client Identifier. Absent before CONNECT, and where the client leaves the choice to the broker."),
    ("username", "User name of CONNECT: a claim of the client."),
    ("identity", "Who the client is proven to be."),
    ("method", "What proves it; see below."),
    ("common_name", "Common Name of the verified client certificate, when it has exactly one."),
    ("fingerprint", "SHA-256 of the verified client certificate, in hex."),
    ("server", "The broker's server that was dialled, from the settings."),
    ("broker", "The broker whose quarantine topic it was for, from the settings."),
    ("direction", "`from_client` or `from_broker`: who sent the packet."),
    ("packet", "Type of the packet, as the standard writes it."),
    ("topic", "Topic Name; or the Topic Filter or Response Topic that it is about."),
    ("reason", "Why; see below."),
    ("on_deny", "What the rule does to what it refuses; see below."),
    ("quarantine", "What became of the message, where the rule quarantines; see below."),
    ("cause", "Why the connection ended; see below."),
    ("blame", "Whose doing it was: `client`, `broker` or `gateway`."),
    (
        "statement",
        "The clause of the standard that was broken; `limit` where a limit of `[limits]` was, alone or before a clause.",
    ),
    (
        "rule",
        "Id of the rule or limit that decided; those that begin with `identity` are explained in howto/identity.md.",
    ),
    (
        "strike",
        "Which ban of the same client or address it is, counting those of which one has ended within the last day.",
    ),
    ("ban_seconds", "How long it lasts, in seconds."),
    ("count", "How many more of the same there were since the last record of them; see below."),
    ("policy", "Version of the policy in force."),
    ("policy_before", "Version of the policy in force before a reload."),
    (
        "field",
        "The field, the metric or the other topic that the rule looked at; absent where it is the whole payload.",
    ),
    ("by", "What asked for the reload: `signal` (SIGHUP), or `change` of a file."),
    ("problems", "How many problems there are."),
    ("problem", "The first of them, with file, line and column; elsewhere, what of the payload is wrong."),
    ("level", "What the gateway does without; see below."),
    ("level_before", "What it did without before."),
    ("scarce", "Of what there is least left: `memory`, `buffers` or `descriptors`."),
    ("percent", "How much of that is used, of all that may be."),
    ("connections_kept", "Live connections that were judged again and go on."),
    ("connections_ended", "Live connections that were judged again and ended; each has its own record."),
    ("duration_ms", "From accept to the end, in milliseconds."),
    ("client_packets", "Control Packets received from the client."),
    ("client_bytes", "Their bytes, TLS and WebSocket not counted."),
    ("broker_packets", "Control Packets received from the broker."),
    ("broker_bytes", "Their bytes."),
    ("cut", "Names of the fields whose text was too long and is cut, with commas between them."),
];

/// Every `reason` of `not_accepted`.
const NOT_ACCEPTED: [&str; 15] = [
    "addresses.deny",
    "addresses.allow",
    "banned",
    "connections_per_address",
    "connections_per_prefix",
    "max_connections",
    "max_half_open",
    "listener_max_connections",
    "listener_max_half_open",
    "max_connections_per_address",
    "max_half_open_per_address",
    "max_connections_per_prefix",
    "max_half_open_per_prefix",
    "max_waiting_handshakes",
    "overload",
];

/// Every `reason` of `handshake_failed`, and what it means.
const HANDSHAKE_FAILED: [(&str, &str); 34] = [
    ("not_tls", "The first bytes were no TLS: a client without TLS on a port with it."),
    ("malformed", "TLS, but not as its standard has it."),
    ("decrypt", "A record did not decrypt, or a signature did not verify: a key that is not the certificate's."),
    ("protocol_version", "No TLS version in common; see `min_version`."),
    ("no_cipher", "No cipher suite, key exchange group or signature scheme in common."),
    ("alpn", "No application protocol in common; see `alpn`."),
    ("no_certificate", "The client showed no certificate where one is required."),
    ("bad_certificate", "The client's certificate can't be read, is badly signed, or uses what is not supported."),
    ("unknown_ca", "The issuer of the client's certificate is not in `client_ca`."),
    ("expired", "The client's certificate is past its end."),
    ("not_yet_valid", "The client's certificate is before its beginning: often a wrong clock."),
    ("revoked", "The client's certificate is on a revocation list."),
    ("revocation_unknown", "No revocation list says anything of the issuer of the client's certificate."),
    ("revocation_list_expired", "The revocation list is past its next update."),
    ("wrong_name", "A certificate is not for the name that was dialled."),
    ("wrong_purpose", "The certificate is not for clients, such as a server's."),
    (
        "peer_refused_certificate",
        "The client refused the gateway's certificate: it does not trust the issuer, or dialled another name.",
    ),
    ("admission_missing", "No admission token in the ClientHello, where one is required; see `listener.admission`."),
    ("admission_invalid", "An admission token of no known key, or none at all where one should be."),
    ("admission_expired", "An admission token that has ended."),
    ("peer_alert", "The client ended the handshake with another alert."),
    ("internal", "The fault is the gateway's."),
    ("proxy_header_missing", "A load balancer that must say for whom it dials did not."),
    ("proxy_header_malformed", "What a load balancer says for whom it dials is not as the PROXY protocol has it."),
    ("proxy_header_too_large", "What a load balancer says is larger than 4096 bytes."),
    ("proxy_header_transport", "A load balancer speaks of another transport than TCP."),
    ("proxy_header_forbidden", "A PROXY protocol header from an address that is not in `from`."),
    ("websocket_upgrade", "No request to upgrade to WebSocket with the right path and the subprotocol `mqtt`."),
    ("websocket_frame", "A WebSocket frame was malformed or too large."),
    ("websocket_text", "A WebSocket frame held text."),
    ("timeout", "The deadline `tls_handshake` passed."),
    ("closed", "The client closed before it was answered anything."),
    ("aborted", "The client went in the middle of the handshake, without a word."),
    ("io", "The connection broke."),
];

/// Every `quarantine`, and what it means.
const QUARANTINE: [(&str, &str); 6] = [
    (Quarantine::Queued.label(), "It waits for the gateway's own connection to publish it to the quarantine topic."),
    (Quarantine::Full.label(), "No: as much as may wait for that connection waits already."),
    (Quarantine::TooLarge.label(), "No: it is larger than `max_buffered_bytes`."),
    (Quarantine::Topic.label(), "No: the topic that it would be published to goes beyond a limit of `[limits]`."),
    (Quarantine::Again.label(), "No: its topic is under the quarantine topic already, or shows that it was."),
    (Quarantine::Repeat.label(), "No: it is a repeat of a message that was dealt with when it came first."),
];

/// Every `level`, and what it means.
const LEVELS: [(&str, &str); 5] = [
    ("normal", "Nothing."),
    ("shedding", "New connections, but from addresses from which a client was let in within the last day."),
    ("closed", "All new connections."),
    ("throttling", "The same, and what clients of priority `bulk` send waits."),
    ("critical", "The same, and what clients of priority `normal` send waits too; that of `vital` ones never does."),
];

const HEAD: &str = "\
# Audit records

One line of JSON per event, appended to the `[audit] file`; without one, to the log at level info with target `audit`.
Written from the code by `UPDATE_GOLDEN=1 cargo test --test golden`; do not edit.

- A field that does not apply is absent. Fields may be added; those here keep their names and meanings.
- No password, key or payload is ever recorded.
- Quotes, backslashes, control characters (C0, DEL, C1), line and paragraph separators, marks of writing direction and
  other invisible characters are written as JSON escapes, so that nothing of a peer's text acts on a terminal or breaks a line.
";

const SINK: &str = "\
## When it can't be written

The queue between connections and file is bounded (`max_queue`). With `on_full = \"block\"`, the default, nothing is lost:
a connection that has an event waits for room and meanwhile reads from neither side, and a failed write is tried again
each second. With `on_full = \"drop\"` the event is lost and counted in `tidegate_audit_events_dropped_total`. At the end
of the gateway the queue is written out and the file synced. On SIGHUP the file is opened anew, for log rotation; the old
one stays in use if that fails. SIGHUP has settings and policy read anew as well.
";

const FLOOD: &str = "\
## Under a flood

Of what strangers can do without end (`not_accepted`, `handshake_failed`) the first is told at once. What happens within
the next second for the same reason, at the same listener, from the same address (of IPv6: the same /64) is one record with a `count`,
and so on each second until it has been quiet for one. A `peer` of such a record has no port. No more than 1,024 sources are told
apart in that time: what others do is summed without `peer`. The metrics count each. Whoever refuses never waits for room in
the queue: what finds none is in the next sum.
";

/// The page that `docs/audit.md` holds.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "- Topics and rules are cut at {} bytes, other texts at {MAX_TEXT_BYTES}; `cut` then names the field.\n",
        Text::MAX_BYTES
    );
    table(&mut page, "Events", ["event", "when"], EVENTS);
    table(&mut page, "Fields, in their order", ["field", "what"], FIELDS);
    let _ = writeln!(page, "## Reasons\n");
    list(&mut page, "Of `not_accepted`, the limit that was reached", NOT_ACCEPTED);
    list(&mut page, "Of `refused`, `observed` and `throttled`", Reason::ALL.map(Reason::label));
    list(&mut page, "Of `quarantine_lost`", Loss::ALL.map(Loss::label));
    list(&mut page, "Of `rewritten`", Rewrite::ALL.map(Rewrite::label));
    list(&mut page, "Of `rejudged`", [super::STALE_LIST]);
    let _ = writeln!(page);
    let _ = writeln!(page, "## Other words\n");
    list(&mut page, "`on_deny`, as policies write it", OnDeny::ALL.map(OnDeny::label));
    list(&mut page, "`method`", Method::ALL.into_iter().filter(|one| *one != Method::Unproven).map(Method::label));
    let _ = writeln!(page);
    table(&mut page, "What becomes of a quarantined message", ["quarantine", "what"], QUARANTINE);
    table(&mut page, "Reasons of `handshake_failed`", ["reason", "what"], HANDSHAKE_FAILED);
    table(&mut page, "Levels of `pressure`", ["level", "what the gateway does without"], LEVELS);
    table(&mut page, "Causes", ["cause", "what"], causes().iter().map(|cause| (cause.label(), meaning(cause))));
    let _ = writeln!(
        page,
        "- For a refused CONNECT, a client that a new policy does not let stay, a rule that disconnects and, in 3.1, a refused Topic Filter: the reason, as of `refused`."
    );
    list(&mut page, "For a Protocol Error", Violation::ALL.map(Violation::label));
    list(&mut page, "For a Malformed Packet", DecodeError::ALL.iter().map(|error| error.label()));
    let _ = write!(page, "\n{FLOOD}\n{SINK}");
    page
}

fn table<'t>(
    page: &mut String,
    title: &str,
    [left, right]: [&str; 2],
    rows: impl IntoIterator<Item = (&'t str, &'t str)>,
) {
    let _ = writeln!(page, "## {title}\n\n| {left} | {right} |\n|---|---|");
    for (name, text) in rows {
        let _ = writeln!(page, "| `{name}` | {text} |");
    }
    page.push('\n');
}

fn list<'t>(page: &mut String, title: &str, words: impl IntoIterator<Item = &'t str>) {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    let _ = writeln!(page, "- {title}: {}.", words.join(", "));
}

/// The causes that have no reason of their own inside. [`meaning`] does not compile when one is new: add it here too.
fn causes() -> [Cause; 20] {
    [
        Cause::ClientDisconnect,
        Cause::BrokerDisconnect,
        Cause::ClientLost,
        Cause::BrokerLost,
        Cause::Tls,
        Cause::WebSocket,
        Cause::BrokerUnreachable,
        Cause::RefusedByBroker,
        Cause::Version,
        Cause::KeepAliveZero,
        Cause::KeepAlive,
        Cause::PacketDeadline,
        Cause::ConnectDeadline,
        Cause::ConnackDeadline,
        Cause::WriteDeadline,
        Cause::Expired,
        Cause::CertificateRevoked,
        Cause::CredentialsRevoked,
        Cause::ShutDown,
        Cause::Overload,
    ]
}

fn meaning(cause: &Cause) -> &'static str {
    match cause {
        Cause::ClientDisconnect => "The client said goodbye.",
        Cause::BrokerDisconnect => "The broker said goodbye (5.0).",
        Cause::ClientLost => "The client's side is gone without a DISCONNECT.",
        Cause::BrokerLost => "The broker's side is gone.",
        Cause::Tls => "TLS failed after its handshake: a damaged record, or the peer said so.",
        Cause::WebSocket => "A WebSocket frame was malformed, too large, or text.",
        Cause::BrokerUnreachable => "No server of the broker could be reached.",
        Cause::RefusedByBroker => "The broker answered CONNECT with a failure.",
        Cause::Malformed(_) => "A packet does not decode.",
        Cause::Illegal(_) => "A packet may not be sent in this state.",
        Cause::Version => "The protocol level is unknown or not accepted here.",
        Cause::Refused(_) => {
            "CONNECT was refused, or is under a new policy; or a PUBLISH was, by a rule that disconnects."
        }
        Cause::FilterRefused(_) => {
            "A Topic Filter was refused by a rule that disconnects, or in 3.1, which has no answer for that."
        }
        Cause::KeepAliveZero => "A Keep Alive of zero, where the listener refuses it.",
        Cause::KeepAlive => "Nothing came for one and a half times the Keep Alive.",
        Cause::PacketDeadline => "A started packet was not finished in time.",
        Cause::ConnectDeadline => "No CONNECT came in time.",
        Cause::ConnackDeadline => "No CONNACK came in time.",
        Cause::WriteDeadline => "A peer did not take in time what was written to it.",
        Cause::Expired => "What proves the client's identity, or the time that it may stay, has ended.",
        Cause::CertificateRevoked => "The client's certificate is not good any more.",
        Cause::CredentialsRevoked => "The client's password or token is not good any more.",
        Cause::ShutDown => "The gateway stops.",
        Cause::Overload => "A bound of the gateway's own was reached.",
    }
}

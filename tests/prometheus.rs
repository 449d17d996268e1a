//! What Prometheus itself says of the metrics and of the files under `examples/prometheus`. Needs promtool; without it
//! the checks are skipped, and say so.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test program: a panic is its way to fail")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tidegate::enforce::end::{Blame, Cause, End};
use tidegate::enforce::event::{Event, Kind, Quarantine, Rewrite, Text};
use tidegate::enforce::output::Counts;
use tidegate::metrics::{CertificateKind, LabelledSource, Metrics, Side, Source};
use tidegate::mqtt::error::DecodeError;
use tidegate::mqtt::frame::PacketType;
use tidegate::mqtt::{Direction, Version};
use tidegate::policy::{OnDeny, Reason};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/prometheus")
}

/// Runs promtool there; `None` where it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let command = Command::new("promtool")
        .args(arguments)
        .current_dir(examples())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    if command.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        eprintln!("skipped: promtool (Debian package prometheus) is not installed");
        return None;
    }
    let mut child = command.unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}

/// One of everything that can be counted.
fn rendered() -> String {
    let metrics = Metrics::new(["field"], [("plant", "10.0.0.1:1883")]).unwrap();
    let listener = metrics.listener("field").unwrap();
    let server = metrics.server("plant", "10.0.0.1:1883").unwrap();
    let _open = (listener.accepted(), listener.half_open(), server.dialled());
    listener.connected(Version::V311);
    listener.refused("max_connections");
    listener.handshake(true, true, Duration::from_millis(2));
    listener.handshake_failed("expired");
    listener.stale_lists(1);
    server.dial_failed("timeout");
    let malformed = Cause::Malformed(DecodeError::NullCharacter);
    metrics.ended(&listener, Some(&server), &End::new(malformed, Blame::Broker));
    let mut counts = Counts::default();
    counts.add(3, 64);
    metrics.packets(Version::V50, Direction::FromClient, &counts);
    let (reason, on_deny) = (Reason::NotAuthorized, OnDeny::Quarantine);
    let quarantine = Some(Quarantine::Queued);
    let refused = Kind::Refused { reason, rule: Text::new("default"), on_deny, quarantine, detail: None };
    let observed = Kind::Observed { reason, rule: Text::new("default"), on_deny, detail: None };
    for kind in [refused, observed, Kind::Rewritten(Rewrite::TopicNameRestored)] {
        metrics.event(&Event {
            kind,
            direction: Direction::FromClient,
            packet_type: PacketType::Publish,
            topic: Some(Text::new("a/b")),
            policy_version: Arc::from("1"),
        });
    }
    metrics.judged(Duration::from_micros(3), 40);
    metrics.certificate_expiry(Side::Listener, "field", CertificateKind::Own, 1_900_000_000);
    let sources = [
        Source::AuditWritten,
        Source::AuditDropped,
        Source::AuditWriteErrors,
        Source::AuditQueued,
        Source::BufferedBytes,
        Source::StateFlushErrors,
        Source::StateLastFlush,
    ];
    for source in sources {
        metrics.show(source, || 1).unwrap();
    }
    let labelled = [
        (LabelledSource::StateEntries, "nonces"),
        (LabelledSource::StateEvictions, "facts"),
        (LabelledSource::StateFull, "nonces"),
        (LabelledSource::UnsignedIdentities, "commands-are-signed"),
    ];
    for (source, label) in labelled {
        metrics.show_labelled(source, move || vec![(label.into(), 2)]).unwrap();
    }
    metrics.render().unwrap()
}

#[test]
fn promtool_finds_nothing_in_the_metrics() {
    if let Some((ok, said)) = promtool(&["check", "metrics"], &rendered()) {
        assert!(ok && said.is_empty(), "{said}");
    }
}

#[test]
fn the_example_settings_and_alerts_are_valid() {
    for arguments in [&["check", "config", "prometheus.yml"][..], &["test", "rules", "alerts.test.yml"]] {
        if let Some((ok, said)) = promtool(arguments, "") {
            assert!(ok, "{said}");
        }
    }
}

#[test]
fn alerts_speak_of_metrics_that_exist() {
    let text = rendered();
    let known: BTreeSet<&str> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()).collect();
    let alerts = std::fs::read_to_string(examples().join("alerts.yml")).unwrap();
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let named = alerts
        .split(|character| !is_name(character))
        .filter(|word| word.starts_with("tidegate_") || word.starts_with("process_"));
    for name in named {
        assert!(known.contains(name) || !cfg!(target_os = "linux"), "alerts.yml names {name}");
    }
}

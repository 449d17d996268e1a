use std::collections::BTreeSet;

use super::family::{ALL, Values};
use super::*;
use crate::enforce::end::Violation;
use crate::enforce::event::{Quarantine, Rewrite, Text};
use crate::envelope::Loss;
use crate::mqtt::error::DecodeError;
use crate::policy::{OnDeny, Reason};

fn metrics() -> Metrics {
    Metrics::new(["field", "office"], [("plant", "10.0.0.1:1883"), ("plant", "10.0.0.2:1883")]).unwrap()
}

fn end(cause: Cause, blame: Blame) -> End {
    End { statement: Some("[MQTT-3.3.1-4]"), ..End::new(cause, blame) }
}

fn event(kind: Kind, topic: &str) -> Event {
    Event {
        kind,
        direction: Direction::FromClient,
        packet_type: PacketType::Subscribe,
        topic: Some(Text::new(topic)),
        policy_version: Arc::from("1"),
    }
}

fn refused(reason: Reason, rule: Text) -> Kind {
    Kind::Refused { reason, rule, on_deny: OnDeny::Quarantine, quarantine: Some(Quarantine::TooLarge), detail: None }
}

fn counts(packets: &[(u8, usize)]) -> Counts {
    let mut counts = Counts::default();
    for &(number, bytes) in packets {
        counts.add(number, bytes);
    }
    counts
}

/// Touches every family once.
fn touch(metrics: &Metrics) -> QuarantineMetrics {
    let listener = metrics.listener("field").unwrap();
    let _open = (listener.accepted(), listener.half_open());
    listener.connected(Version::V50);
    listener.refused("max_connections");
    listener.handshake(true, false, Duration::from_millis(3));
    listener.handshake_failed("expired");
    listener.stale_lists(1);
    listener.authenticated("certificate", "accepted");
    listener.accept_failed(&std::io::Error::from_raw_os_error(24));
    let server = metrics.server("plant", "10.0.0.1:1883").unwrap();
    let _dialled = server.dialled();
    server.dial_failed("refused");
    metrics.ended(&listener, Some(&server), &end(Cause::Malformed(DecodeError::NullCharacter), Blame::Broker));
    metrics.ended(&listener, None, &end(Cause::Version, Blame::Client));
    metrics.packets(Version::V311, Direction::FromClient, &counts(&[(3, 64)]));
    metrics.event(&event(refused(Reason::NotAuthorized, Text::new("default")), "a/b"));
    let rule = Text::new("default");
    metrics.event(&event(Kind::Observed { reason: Reason::Qos, rule, on_deny: OnDeny::Monitor, detail: None }, "a/b"));
    metrics.event(&event(Kind::Rewritten(Rewrite::TopicNameRestored), "a/b"));
    metrics.expect_rates(["sensor-rate"]).unwrap();
    metrics.waits("sensor-rate");
    drop(metrics.throttled(Instant::now()));
    metrics.banned(false, "malformed");
    metrics.detected(Detector::Malformed);
    metrics.judged(Duration::from_micros(1), 10);
    metrics.certificate_expiry(Side::Listener, "field", CertificateKind::Own, 1_900_000_000);
    let listener = metrics.listener("field").unwrap();
    listener.authenticated("password", "accepted");
    listener.remembered(CacheOf::Password, true);
    listener.password_checked(Duration::from_millis(27));
    listener.service_asked(ServiceOutcome::Allow, Duration::from_millis(2));
    listener.service_paused(false);
    for source in [
        Source::AuditWritten,
        Source::AuditDropped,
        Source::AuditWriteErrors,
        Source::AuditQueued,
        Source::BufferedBytes,
        Source::PressureLevel,
        Source::MaxMemoryBytes,
        Source::PasswordsWaiting,
        Source::HandshakesWaiting,
        Source::StateFlushErrors,
        Source::StateLastFlush,
    ] {
        metrics.show(source, || 7).unwrap();
    }
    for (source, label) in [
        (LabelledSource::StateEntries, "nonces"),
        (LabelledSource::StateEvictions, "facts"),
        (LabelledSource::StateFull, "counters"),
        (LabelledSource::Banned, "address"),
        (LabelledSource::Shed, "memory"),
        (LabelledSource::UnsignedIdentities, "commands-are-signed"),
    ] {
        metrics.show_labelled(source, move || vec![(label.into(), 3)]).unwrap();
    }
    let quarantine = metrics.quarantine("plant").unwrap();
    quarantine.published();
    quarantine.lost(Loss::ShutDown);
    quarantine.connected(true);
    quarantine
}

#[test]
fn every_family_is_shown_and_every_family_shown_is_in_the_reference() {
    let metrics = metrics();
    let _quarantine = touch(&metrics);
    let text = metrics.render().unwrap();
    let shown: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let known: BTreeSet<&str> = ALL.iter().map(|family| family.name).collect();
    let missing: Vec<_> =
        known.difference(&shown).filter(|name| cfg!(target_os = "linux") || !name.starts_with("process_")).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(shown.is_subset(&known), "{:?}", shown.difference(&known));
    assert_eq!(known.len(), ALL.len(), "a family is listed twice");
}

#[test]
fn names_keep_the_conventions() {
    for &family in ALL {
        let total = family.name.ends_with("_total");
        assert_eq!(total, matches!(family.kind, family::Kind::Counter), "{}", family.name);
        assert!(family.name.starts_with("tidegate_") || family.name.starts_with("process_"), "{}", family.name);
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}

#[test]
fn what_was_counted_is_what_is_shown() {
    let metrics = metrics();
    let listener = metrics.listener("field").unwrap();
    let open = (listener.accepted(), listener.accepted());
    drop(open.1);
    metrics.packets(Version::V50, Direction::FromBroker, &counts(&[(3, 40), (3, 60), (4, 4), (0, 9)]));
    metrics.packets(Version::V50, Direction::FromBroker, &counts(&[(3, 50)]));
    let server = metrics.server("plant", "10.0.0.2:1883").unwrap();
    server.dial_failed("timeout");
    metrics.show(Source::BufferedBytes, || 4096).unwrap();
    let text = metrics.render().unwrap();
    for line in [
        r#"tidegate_connections_open{listener="field"} 1"#,
        r#"tidegate_connections_total{listener="field"} 2"#,
        r#"tidegate_packets_total{direction="from_broker",type="publish",version="5.0"} 3"#,
        r#"tidegate_packet_bytes_total{direction="from_broker",type="publish",version="5.0"} 150"#,
        r#"tidegate_packets_total{direction="from_broker",type="puback",version="5.0"} 1"#,
        r#"tidegate_broker_up{broker="plant",server="10.0.0.1:1883"} 1"#,
        r#"tidegate_broker_up{broker="plant",server="10.0.0.2:1883"} 0"#,
        "tidegate_buffered_bytes 4096",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} not in\n{text}");
    }
    drop(open.0);
    assert!(metrics.render().unwrap().contains("tidegate_connections_open{listener=\"field\"} 0"));
}

#[test]
fn every_label_value_is_of_the_program_or_of_the_settings() {
    let metrics = metrics();
    let _quarantine = touch(&metrics);
    let given = ["field", "office", "plant", "10.0.0.1:1883", "10.0.0.2:1883", "commands-are-signed", "sensor-rate"];
    let limits = ["subscriptions", "retained", "flapping", "takeovers", "wills"];
    let given = [&given[..], &limits].concat();
    for collected in metrics.registry.gather() {
        let family = ALL.iter().find(|family| family.name == collected.name()).unwrap();
        for pair in collected.get_metric().iter().flat_map(|metric| metric.get_label()) {
            let label = family.labels.iter().find(|label| label.name == pair.name()).unwrap();
            match label.values {
                Values::Closed(values) => assert!(values.contains(&pair.value()), "{} {}", family.name, pair.value()),
                Values::Setting(_) => assert!(given.contains(&pair.value()), "{} {}", family.name, pair.value()),
                // Only a `&'static str` gets there, by the signatures.
                Values::Program(_) => {}
            }
        }
    }
}

#[test]
fn a_broker_to_which_nothing_is_quarantined_has_no_connection_that_could_be_down() {
    let metrics = metrics();
    let plant = metrics.quarantine("plant").unwrap();
    let shown = |metrics: &Metrics| metrics.render().unwrap().contains("tidegate_quarantine_connected{");
    assert!(!shown(&metrics), "an alert on 0 would ring");
    plant.connected(false);
    assert!(shown(&metrics));
    drop(plant);
    assert!(!shown(&metrics));
}

#[test]
fn names_that_the_settings_do_not_give_make_no_series() {
    let metrics = metrics();
    assert!(matches!(metrics.listener("client-controlled"), Err(MetricsError::Unknown(_))));
    assert!(metrics.server("plant", "elsewhere:1").is_err());
    metrics.certificate_expiry(Side::Listener, "client-controlled", CertificateKind::Own, 1);
    assert!(!metrics.render().unwrap().contains("client-controlled"));
}

#[test]
fn other_servers_take_the_place_of_those_that_are_gone() {
    let metrics = metrics();
    let stays = metrics.server("plant", "10.0.0.1:1883").unwrap();
    stays.dial_failed("refused");
    metrics.certificate_expiry(Side::Broker, "plant", CertificateKind::Own, 1);
    metrics.set_servers([("plant", "10.0.0.1:1883"), ("cloud", "c:8883")]).unwrap();
    assert!(metrics.server("plant", "10.0.0.2:1883").is_err());
    stays.dial_failed("refused");
    let text = metrics.render().unwrap();
    for line in [
        r#"tidegate_broker_dials_total{broker="plant",server="10.0.0.1:1883"} 2"#,
        r#"tidegate_broker_up{broker="cloud",server="c:8883"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} not in\n{text}");
    }
    assert!(!text.contains("10.0.0.2"), "{text}");
    metrics.set_servers([("cloud", "c:8883")]).unwrap();
    assert!(
        !metrics.render().unwrap().contains("tidegate_certificate_expiry_timestamp_seconds{"),
        "its broker is gone"
    );
}

#[test]
fn a_setting_with_quotes_or_newlines_stays_one_escaped_line() {
    let metrics = Metrics::new(["a\"b\\c\nd"], []).unwrap();
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"tidegate_connections_open{listener="a\"b\\c\nd"} 0"#), "{text}");
}

#[test]
fn one_batch_in_so_many_is_timed() {
    let mut sampler = Sampler::new(4);
    let due: Vec<bool> = (0..9).map(|_| sampler.due()).collect();
    assert_eq!(due, [true, false, false, false, true, false, false, false, true]);
    assert!((0..3).all(|_| Sampler::new(0).due()));
}

#[test]
fn expected_failures_are_shown_at_zero() {
    let metrics = metrics();
    metrics.listener("field").unwrap().expect_handshake_failures(["expired", "revoked"]);
    let text = metrics.render().unwrap();
    assert!(
        text.contains("tidegate_tls_handshake_failures_total{listener=\"field\",reason=\"revoked\"} 0\n"),
        "{text}"
    );
}

#[test]
fn a_source_is_shown_once() {
    let metrics = metrics();
    metrics.show(Source::BufferedBytes, || 1).unwrap();
    assert!(metrics.show(Source::BufferedBytes, || 2).is_err());
}

#[test]
fn an_end_is_counted_by_cause_and_by_fault() {
    let metrics = metrics();
    let (listener, server) = (metrics.listener("field").unwrap(), metrics.server("plant", "10.0.0.1:1883").unwrap());
    metrics.ended(&listener, Some(&server), &end(Cause::Illegal(Violation::SecondConnack), Blame::Broker));
    metrics.ended(&listener, Some(&server), &End::new(Cause::KeepAlive, Blame::Client));
    metrics.ended(&listener, None, &End::new(Cause::Refused(Reason::Banned), Blame::Client));
    metrics.event(&event(refused(Reason::Qos, Text::new("cap")), "a"));
    let text = metrics.render().unwrap();
    for line in [
        r#"tidegate_connections_ended_total{blame="broker",cause="second_connack",listener="field"} 1"#,
        r#"tidegate_connections_ended_total{blame="client",cause="keep_alive",listener="field"} 1"#,
        r#"tidegate_connections_refused_total{listener="field",reason="banned"} 1"#,
        r#"tidegate_protocol_errors_total{blame="broker",error="second_connack",statement="[MQTT-3.3.1-4]"} 1"#,
        r#"tidegate_broker_faults_total{broker="plant",cause="second_connack"} 1"#,
        r#"tidegate_refusals_total{direction="from_client",on_deny="quarantine",reason="qos",type="subscribe"} 1"#,
        r#"tidegate_quarantine_total{direction="from_client",outcome="too_large"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} not in\n{text}");
    }
}

#[test]
fn what_exceeds_a_rate_is_counted_by_its_rule_and_what_became_of_it() {
    let metrics = metrics();
    metrics.expect_rates(["sensor-rate"]).unwrap();
    let listener = metrics.listener("field").unwrap();
    let server = metrics.server("plant", "10.0.0.1:1883").unwrap();
    let rule = || Text::new("sensor-rate");
    metrics.waits("sensor-rate");
    metrics.waits("another");
    let too_fast =
        |on_deny| Kind::Refused { reason: Reason::Rate, rule: rule(), on_deny, quarantine: None, detail: None };
    metrics.event(&event(too_fast(OnDeny::Reject), "a"));
    metrics.event(&event(too_fast(OnDeny::Disconnect), "a"));
    metrics.event(&event(refused(Reason::Qos, rule()), "a"));
    let observed = Kind::Observed { reason: Reason::Rate, rule: rule(), on_deny: OnDeny::Reject, detail: None };
    metrics.event(&event(observed, "a"));
    let end = |ban| End { rule: Some(rule()), ban, ..End::new(Cause::Refused(Reason::Rate), Blame::Client) };
    for (server, ban) in [(None, None), (Some(&*server), None), (Some(&*server), Some(Duration::from_secs(60)))] {
        metrics.ended(&listener, server, &end(ban));
    }
    let text = metrics.render().unwrap();
    for (action, count) in [("throttle", 1), ("reject", 2), ("disconnect", 1), ("ban", 1), ("observe", 1)] {
        let line = format!(r#"tidegate_rate_exceeded_total{{action="{action}",rule="sensor-rate"}} {count}"#);
        assert!(text.lines().any(|shown| shown == line), "{line} not in\n{text}");
    }
}

#[test]
fn text_of_a_peer_is_in_no_series_and_makes_none() {
    let metrics = metrics();
    let _quarantine = touch(&metrics);
    let listener = metrics.listener("field").unwrap();
    let hostile = |number: u32| format!("hostile-{number}\"}} 1\n");
    let one_of_each = |number: u32| {
        let rule = Text::new(&hostile(number));
        for reason in Reason::ALL {
            metrics.event(&event(refused(reason, rule.clone()), &hostile(number)));
            let rule = Some(rule.clone());
            metrics.ended(&listener, None, &End { rule, ..End::new(Cause::Refused(reason), Blame::Client) });
        }
        for &error in DecodeError::ALL {
            metrics.ended(&listener, None, &end(Cause::Malformed(error), Blame::Client));
        }
    };
    one_of_each(0);
    let series = metrics.render().unwrap().lines().count();
    (1..100).for_each(one_of_each);
    let text = metrics.render().unwrap();
    assert_eq!(text.lines().count(), series, "more of the same traffic makes no more series");
    assert!(!text.contains("hostile"), "{text}");
}

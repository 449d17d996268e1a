use std::collections::BTreeSet;

use super::family::{ALL, Kind, Values};
use super::*;

fn metrics() -> Metrics {
    Metrics::new(["field", "office"], [("plant", "10.0.0.1:1883"), ("plant", "10.0.0.2:1883")]).unwrap()
}

/// Touches every family once.
fn touch(metrics: &Metrics) {
    let listener = metrics.listener("field").unwrap();
    let _open = (listener.accepted(), listener.half_open());
    listener.connected(Version::V50);
    listener.refused("max_connections");
    listener.ended("keep_alive", "client");
    listener.handshake(true, false, Duration::from_millis(3));
    listener.handshake_failed("expired");
    listener.accept_failed(&std::io::Error::from_raw_os_error(24));
    let server = metrics.server("plant", "10.0.0.1:1883").unwrap();
    let _dialled = server.dialled();
    server.dial_failed("refused");
    metrics.broker_fault(&server, "malformed");
    metrics.packets(Version::V311, Direction::FromClient, [(3, 2, 128)]);
    metrics.refused(Direction::FromClient, 3, "no_grant");
    metrics.protocol_error(Direction::FromClient, "MQTT-3.3.1-4");
    metrics.judged(Duration::from_micros(1), 10);
    metrics.certificate_expiry(Side::Listener, "field", CertificateKind::Own, 1_900_000_000);
    for source in [
        Source::AuditWritten,
        Source::AuditDropped,
        Source::AuditWriteErrors,
        Source::AuditQueued,
        Source::BufferedBytes,
    ] {
        metrics.show(source, || 7).unwrap();
    }
}

#[test]
fn every_family_is_shown_and_every_family_shown_is_in_the_reference() {
    let metrics = metrics();
    touch(&metrics);
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
    for family in ALL {
        let total = family.name.ends_with("_total");
        assert_eq!(total, matches!(family.kind, Kind::Counter), "{}", family.name);
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
    metrics.packets(Version::V50, Direction::FromBroker, [(3, 2, 100), (4, 1, 4), (0, 9, 9), (16, 9, 9)]);
    metrics.packets(Version::V50, Direction::FromBroker, [(3, 1, 50)]);
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
    touch(&metrics);
    let given = ["field", "office", "plant", "10.0.0.1:1883", "10.0.0.2:1883"];
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
fn names_that_the_settings_do_not_give_make_no_series() {
    let metrics = metrics();
    assert!(matches!(metrics.listener("client-controlled"), Err(MetricsError::Unknown(_))));
    assert!(metrics.server("plant", "elsewhere:1").is_err());
    metrics.certificate_expiry(Side::Listener, "client-controlled", CertificateKind::Own, 1);
    assert!(!metrics.render().unwrap().contains("client-controlled"));
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
fn a_source_is_shown_once() {
    let metrics = metrics();
    metrics.show(Source::BufferedBytes, || 1).unwrap();
    assert!(metrics.show(Source::BufferedBytes, || 2).is_err());
}

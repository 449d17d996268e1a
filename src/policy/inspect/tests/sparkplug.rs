//! Sparkplug B: births, data and deaths of a connection, each way, and the values of metrics.

use prost::Message as _;

use super::*;
use crate::payload::Limits;
use crate::policy::{Bound, Change, Metrics, Mode, OnDeny, Sparkplug};

use crate::payload::sparkplug::tests::model::{self, value::Value as Is};

const NBIRTH: &str = "spBv1.0/g/NBIRTH/e";
const NDATA: &str = "spBv1.0/g/NDATA/e";
const NDEATH: &str = "spBv1.0/g/NDEATH/e";
const NCMD: &str = "spBv1.0/g/NCMD/e";
const LOAD: u64 = 1;
const INT32: u32 = 3;
const UINT64: u32 = 8;

fn metric(name: &str, datatype: u32, value: Is) -> model::Metric {
    let (name, datatype, value) = (Some(name.to_owned()), Some(datatype), Some(value));
    model::Metric { name, datatype, value, ..model::Metric::default() }
}

fn bd_seq() -> model::Metric {
    metric("bdSeq", UINT64, Is::Long(7))
}

fn load(value: i32) -> model::Metric {
    let value = Some(Is::Int(value.cast_unsigned()));
    model::Metric { alias: Some(LOAD), value, ..model::Metric::default() }
}

fn declared(value: i32) -> model::Metric {
    model::Metric { alias: Some(LOAD), ..metric("Load", INT32, Is::Int(value.cast_unsigned())) }
}

fn bytes(seq: Option<u64>, metrics: Vec<model::Metric>) -> Vec<u8> {
    model::Payload { timestamp: Some(1), seq, metrics, ..model::Payload::default() }.encode_to_vec()
}

/// A rule about all of Sparkplug, both ways.
fn rule(values: Vec<Check>) -> PayloadRule {
    let filters = || texts(&["spBv1.0/#", "STATE/+"]);
    PayloadRule {
        rule: MessageRule { publish: filters(), receive: filters(), ..MessageRule::new("sparkplug") },
        format: Some(PayloadFormat::Sparkplug(Sparkplug { sequence: true, metrics: Metrics::Declared })),
        values,
        ..PayloadRule::new("sparkplug")
    }
}

fn at_most(max: i64) -> Check {
    Check { max: Some(Bound::Integer(max)), ..Check::new(CheckedField::Metric("Load".into())) }
}

/// What a client says and hears.
struct Edge(Client);

impl Edge {
    fn new(payloads: Vec<PayloadRule>) -> Self {
        Self(Client::new(&compiled(open(payloads)), "edge", &Remembered::new()))
    }

    /// One that is born, its load being 0.
    fn born(payloads: Vec<PayloadRule>) -> Self {
        let mut edge = Self::new(payloads);
        assert_eq!(edge.will(NDEATH, &bytes(None, vec![bd_seq()])), "allow");
        assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(0)]), "allow");
        edge
    }

    fn ask(&mut self, request: &Request<'_>) -> String {
        let decision = self.0.decide(request);
        if !matches!(decision, Decision::Deny(_)) {
            self.0.authority.accept();
        }
        words(&decision)
    }

    fn will(&mut self, topic: &str, payload: &[u8]) -> String {
        self.ask(&Request::Will(message(topic, payload)))
    }

    fn says(&mut self, topic: &str, seq: impl Into<Option<u64>>, metrics: Vec<model::Metric>) -> String {
        self.ask(&Request::Publish(message(topic, &bytes(seq.into(), metrics))))
    }

    fn hears(&mut self, topic: &str, seq: impl Into<Option<u64>>, metrics: Vec<model::Metric>) -> String {
        self.ask(&Request::Receive(message(topic, &bytes(seq.into(), metrics))))
    }
}

#[test]
fn a_metric_is_checked_by_the_name_that_its_alias_stands_for() {
    let mut edge = Edge::born(vec![rule(vec![at_most(100)])]);
    assert_eq!(edge.says(NDATA, 1, vec![load(100)]), "allow");
    assert_eq!(edge.says(NDATA, 2, vec![load(101)]), "reject sparkplug payload Load above_max");
    // The next is held against its number: one bad value refuses one message.
    assert_eq!(edge.says(NDATA, 3, vec![load(-1)]), "allow");
    assert_eq!(edge.says(NDATA, 4, vec![load(1), load(101)]), "reject sparkplug payload Load above_max");
    assert_eq!(edge.says(NDATA, 6, vec![load(1)]), "reject sparkplug payload  seq");
    assert_eq!(edge.says(NDATA, 7, vec![load(1)]), "allow");
    // A birth is checked, too; refused, it takes the node out.
    assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(101)]), "reject sparkplug payload Load above_max");
    assert_eq!(edge.says(NDATA, 1, vec![load(1)]), "reject sparkplug payload  not_born");
    assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(99)]), "allow");
    assert_eq!(edge.says(NDATA, 1, vec![load(1)]), "allow");
}

#[test]
fn a_message_that_another_rule_refuses_counts_and_a_birth_that_it_refuses_declares_nothing() {
    let limit = |id: &str, max_bytes| PayloadRule {
        rule: MessageRule { publish: texts(&["spBv1.0/#"]), ..MessageRule::new(id) },
        format: Some(PayloadFormat::Sparkplug(Sparkplug { sequence: false, metrics: Metrics::Any })),
        max_bytes,
        ..PayloadRule::new(id)
    };
    let strict = PayloadRule { values: vec![at_most(5)], ..limit("values", 1000) };
    let mut edge = Edge::born(vec![rule(Vec::new()), strict]);
    assert_eq!(edge.says(NDATA, 1, vec![load(6)]), "reject values payload Load above_max");
    assert_eq!(edge.says(NDATA, 2, vec![load(1)]), "allow");
    assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(6)]), "reject values payload Load above_max");
    assert_eq!(edge.says(NDATA, 1, vec![load(1)]), "reject sparkplug payload  not_born");
}

#[test]
fn a_death_is_of_what_was_born_here_and_is_the_will() {
    let mut edge = Edge::new(vec![rule(Vec::new())]);
    assert_eq!(edge.will(NDATA, &bytes(None, vec![])), "reject sparkplug payload  will_not_death");
    assert_eq!(edge.will(NDEATH, b"x"), "reject sparkplug payload  truncated");
    assert_eq!(edge.says(NDEATH, None, vec![bd_seq()]), "reject sparkplug payload  not_born");
    assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq()]), "reject sparkplug payload  no_death_registered");
    let mut edge = Edge::born(vec![rule(Vec::new())]);
    assert_eq!(edge.says("spBv1.0/g/NDEATH/other", None, vec![bd_seq()]), "reject sparkplug payload  not_born");
    assert_eq!(edge.says(NDEATH, None, vec![metric("bdSeq", UINT64, Is::Long(6))]), "reject sparkplug payload  bd_seq");
    assert_eq!(edge.says(NDEATH, None, vec![bd_seq()]), "allow");
    assert_eq!(edge.says(NDATA, 1, vec![load(1)]), "reject sparkplug payload  dead");
}

#[test]
fn deliveries_are_read_by_what_was_delivered_and_commands_by_what_was_declared() {
    let mut host = Edge::new(vec![rule(vec![at_most(100)])]);
    assert_eq!(host.hears(NDATA, 5, vec![load(1)]), "reject sparkplug payload  not_born");
    assert_eq!(host.says(NCMD, None, vec![load(1)]), "reject sparkplug payload  not_born");
    let rebirth = model::Metric { datatype: None, ..metric("Node Control/Rebirth", 11, Is::Boolean(true)) };
    assert_eq!(host.says(NCMD, None, vec![rebirth]), "allow");
    assert_eq!(host.hears(NBIRTH, 3, vec![bd_seq(), declared(0)]), "allow");
    assert_eq!(host.hears(NDATA, 9, vec![load(100)]), "allow");
    assert_eq!(host.hears(NDATA, 7, vec![load(101)]), "reject sparkplug payload Load above_max");
    assert_eq!(host.says(NCMD, None, vec![load(100)]), "allow");
    assert_eq!(host.says(NCMD, None, vec![load(101)]), "reject sparkplug payload Load above_max");
    let mut edge = Edge::born(vec![rule(vec![at_most(100)])]);
    assert_eq!(edge.hears(NCMD, None, vec![load(101)]), "reject sparkplug payload Load above_max");
    assert_eq!(edge.hears(NCMD, None, vec![load(7)]), "allow");
}

#[test]
fn what_is_known_of_nodes_outlives_a_reload_and_a_will_is_known_to_a_rule_that_comes_later() {
    let mut edge = Edge::born(vec![rule(Vec::new())]);
    let anew = compiled(open(vec![rule(vec![at_most(3)])]));
    let Client { authority, identity } = &mut edge.0;
    authority.renew(&anew, None, identity, 0);
    assert_eq!(edge.says(NDATA, 1, vec![load(3)]), "allow");
    assert_eq!(edge.says(NDATA, 2, vec![load(4)]), "reject sparkplug payload Load above_max");
    // A rule that comes later is told of the Will again; the node must be born anew.
    let mut edge = Edge::new(Vec::new());
    let death = bytes(None, vec![bd_seq()]);
    assert_eq!(edge.will(NDEATH, &death), "allow");
    assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(0)]), "allow");
    let Client { authority, identity } = &mut edge.0;
    authority.renew(&anew, None, identity, 0);
    let again = authority.decide_again(identity, &Request::Will(message(NDEATH, &death)));
    assert_eq!(words(&again), "allow");
    assert_eq!(edge.says(NDATA, 1, vec![load(3)]), "reject sparkplug payload  not_born");
    assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(0)]), "allow");
    assert_eq!(edge.says(NDATA, 1, vec![load(3)]), "allow");
}

#[test]
fn values_of_births_and_data_are_one_history_and_the_past_is_none() {
    let change = Change { by: 10.0, per: std::time::Duration::from_secs(1) };
    let mut edge = Edge::born(vec![rule(vec![Check { max: None, max_change: Some(change), ..at_most(0) }])]);
    assert_eq!(edge.says(NDATA, 1, vec![load(11)]), "reject sparkplug payload Load changed_too_fast");
    assert_eq!(edge.says(NDATA, 2, vec![load(10)]), "allow");
    // Within one message, too.
    assert_eq!(edge.says(NDATA, 3, vec![load(5), load(16)]), "reject sparkplug payload Load changed_too_fast");
    let past = model::Metric { is_historical: Some(true), ..load(1000) };
    assert_eq!(edge.says(NDATA, 4, vec![past]), "allow");
    assert_eq!(edge.says(NDATA, 5, vec![load(9)]), "allow");
}

#[test]
fn no_command_is_of_the_past() {
    let change = Change { by: 10.0, per: std::time::Duration::from_secs(1) };
    let past = |value| model::Metric { is_historical: Some(true), ..load(value) };
    let rules = || vec![rule(vec![Check { max: None, max_change: Some(change), ..at_most(0) }])];
    let mut host = Edge::new(rules());
    assert_eq!(host.hears(NBIRTH, 0, vec![bd_seq(), declared(0)]), "allow");
    assert_eq!(host.says(NCMD, None, vec![load(0)]), "allow");
    assert_eq!(host.says(NCMD, None, vec![past(1000)]), "reject sparkplug payload Load changed_too_fast");
    let mut node = Edge::born(rules());
    assert_eq!(node.hears(NCMD, None, vec![load(0)]), "allow");
    assert_eq!(node.hears(NCMD, None, vec![past(1000)]), "reject sparkplug payload Load changed_too_fast");
}

#[test]
fn a_metric_that_is_null_is_not_there() {
    let null = || model::Metric { value: None, is_null: Some(true), ..load(0) };
    let mut edge = Edge::born(vec![rule(vec![at_most(9)])]);
    assert_eq!(edge.says(NDATA, 1, vec![null()]), "reject sparkplug payload Load missing");
    assert_eq!(edge.says(NDATA, 2, vec![]), "allow");
    let mut edge = Edge::born(vec![rule(vec![Check { required: false, ..at_most(9) }])]);
    assert_eq!(edge.says(NDATA, 1, vec![null()]), "allow");
}

#[test]
fn where_any_metric_will_do_one_that_can_not_be_told_is_refused_if_some_are_checked() {
    let any = |values| PayloadRule {
        format: Some(PayloadFormat::Sparkplug(Sparkplug { sequence: false, metrics: Metrics::Any })),
        ..rule(values)
    };
    let large = |name: &str| model::Metric { datatype: None, ..metric(name, INT32, Is::Int(200)) };
    let mut edge = Edge::new(vec![any(vec![at_most(100)])]);
    assert_eq!(edge.says(NDATA, 1, vec![load(1)]), "reject sparkplug payload  unknown_alias");
    assert_eq!(edge.says(NDATA, 1, vec![large("Load")]), "reject sparkplug payload Load datatype");
    assert_eq!(edge.says(NDATA, 1, vec![large("Speed")]), "allow");
    let mut edge = Edge::new(vec![any(Vec::new())]);
    assert_eq!(edge.says(NDATA, 1, vec![load(1), large("Load")]), "allow");
}

#[test]
fn what_only_is_watched_goes_on_and_is_learnt() {
    for watched in [
        MessageRule { mode: Mode::Monitor, ..rule(Vec::new()).rule },
        MessageRule { on_deny: OnDeny::Monitor, ..rule(Vec::new()).rule },
    ] {
        let mut edge = Edge::new(vec![PayloadRule { rule: watched, ..rule(vec![at_most(9)]) }]);
        let noticed = "observe sparkplug payload  no_death_registered";
        assert_eq!(edge.says(NBIRTH, 0, vec![bd_seq(), declared(0)]), noticed);
        assert_eq!(edge.says(NDATA, 1, vec![load(9)]), "allow");
        assert_eq!(edge.says(NDATA, 2, vec![load(10)]), "observe sparkplug payload Load above_max");
    }
}

#[test]
fn a_host_says_whether_it_is_there() {
    let mut host = Edge::new(vec![rule(Vec::new())]);
    for (topic, payload, said) in [
        ("spBv1.0/STATE/h", &br#"{"online":true,"timestamp":1700000000000}"#[..], "allow"),
        ("spBv1.0/STATE/h", br#"{"online":false,"timestamp":1,"bdSeq":3}"#, "allow"),
        ("STATE/h", b"ONLINE", "allow"),
        ("STATE/h", b"OFFLINE", "allow"),
        ("spBv1.0/STATE/h", br#"{"online":"true","timestamp":1}"#, "reject sparkplug payload  state"),
        ("spBv1.0/STATE/h", br#"{"online":true}"#, "reject sparkplug payload  state"),
        ("spBv1.0/STATE/h", br#"{"online":true,"timestamp":-1}"#, "reject sparkplug payload  state"),
        ("spBv1.0/STATE/h", b"online", "reject sparkplug payload  syntax"),
        ("spBv1.0/g/STATE/h", b"ONLINE", "reject sparkplug payload  not_sparkplug"),
        ("spBv1.0/g/NDATA/e", b"\xff", "reject sparkplug payload  truncated"),
    ] {
        assert_eq!(host.ask(&Request::Publish(message(topic, payload))), said, "{topic}");
    }
}

#[test]
fn a_payload_is_bounded_as_its_rule_says() {
    let limits = Limits { max_values: 5, ..Limits::default() };
    let mut edge = Edge::new(vec![PayloadRule { limits, max_bytes: 200, ..rule(Vec::new()) }]);
    assert_eq!(edge.says(NBIRTH, 0, vec![model::Metric::default(); 9]), "reject sparkplug payload  too_many_values");
    assert_eq!(edge.says(NBIRTH, 0, vec![model::Metric::default(); 200]), "reject sparkplug payload_size");
}

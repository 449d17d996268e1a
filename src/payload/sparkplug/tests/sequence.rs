//! Who may say what when.

use super::*;

fn load(value: u32) -> Vec<model::Metric> {
    vec![by_alias(1, Is::Int(value))]
}

fn pressure(value: f32) -> Vec<model::Metric> {
    vec![by_alias(2, Is::Float(value))]
}

#[test]
fn a_node_is_born_speaks_and_dies() {
    let mut story = born(ALL);
    assert_eq!(story.says(NDATA, 2, load(0xff)), None);
    assert_eq!(story.seen, ["Load = Integer(-1)"]);
    assert_eq!(story.says(DDATA, 3, pressure(1.5)), None);
    assert_eq!(story.seen, ["Pressure = Float(1.5)"]);
    assert_eq!(story.says(DDATA, 4, vec![by_name("Pressure", Is::Float(2.0))]), None);
    assert_eq!(story.says(DDEATH, 5, vec![]), None);
    assert_eq!(story.says(DDATA, 6, pressure(1.5)), Some("dead"));
    assert_eq!(story.says(DBIRTH, 7, vec![with_alias(2, metric("Pressure", Datatype::Float, Is::Float(1.0)))]), None);
    assert_eq!(story.says(DDATA, 8, pressure(1.5)), None);
    assert_eq!(story.says(NDEATH, None, vec![bd_seq(7)]), None);
    assert_eq!(story.says(NDATA, 9, load(1)), Some("dead"));
    assert_eq!(story.says(DDATA, 10, pressure(1.5)), Some("dead"));
    assert_eq!(story.says(DBIRTH, 11, vec![]), Some("dead"));
    assert_eq!(story.says(NDEATH, None, vec![bd_seq(7)]), Some("dead"));
}

#[test]
fn data_comes_after_birth_and_death_of_what_was_born_here() {
    let mut story = Story::new(ALL);
    assert_eq!(story.says(NDATA, 0, load(1)), Some("not_born"));
    assert_eq!(story.says(DBIRTH, 0, vec![]), Some("not_born"));
    assert_eq!(story.says(DDATA, 0, pressure(1.0)), Some("not_born"));
    assert_eq!(story.says(DDEATH, 0, vec![]), Some("not_born"));
    assert_eq!(story.says(NDEATH, None, vec![bd_seq(0)]), Some("not_born"));
    let mut story = born(ALL);
    for (topic, seq) in
        [("spBv1.0/g/NDATA/other", Some(0)), ("spBv1.0/other/NDATA/e", Some(0)), ("spBv1.0/g/DDATA/e/valve", Some(2))]
    {
        assert_eq!(story.says(topic, seq, vec![by_name("x", Is::Int(1))]), Some("not_born"), "{topic}");
    }
    assert_eq!(story.says("spBv1.0/g/NDEATH/other", None, vec![bd_seq(7)]), Some("not_born"));
    assert_eq!(story.says("spBv1.0/g/DDEATH/e/valve", 3, vec![]), Some("not_born"));
}

#[test]
fn a_birth_has_the_number_of_the_death_that_is_the_will() {
    let mut story = Story::new(ALL);
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(7)]), Some("no_death_registered"));
    assert_eq!(story.will(NDEATH, vec![]), Some("no_bd_seq"));
    assert_eq!(story.will(NDEATH, vec![by_name("bdSeq", Is::Text("7".to_owned()))]), Some("no_bd_seq"));
    assert_eq!(story.will(DDATA, vec![]), Some("will_not_death"));
    assert_eq!(story.will("spBv1.0/g/NDEATH/other", vec![bd_seq(7)]), None);
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(7)]), Some("no_death_registered"));
    assert_eq!(story.will(NDEATH, vec![bd_seq(7)]), None);
    assert_eq!(story.says(NBIRTH, 0, vec![]), Some("no_bd_seq"));
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(8)]), Some("bd_seq"));
    assert_eq!(story.says(NDATA, 1, vec![]), Some("not_born"));
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(7)]), None);
    assert_eq!(story.says(NDEATH, None, vec![bd_seq(8)]), Some("bd_seq"));
    assert_eq!(story.says(NDEATH, None, vec![]), Some("no_bd_seq"));
    assert_eq!(story.says(NDATA, 1, vec![]), None);
    // A rebirth has the same number.
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(7)]), None);
    assert_eq!(story.says(NDEATH, None, vec![bd_seq(7)]), None);
}

#[test]
fn a_birth_may_begin_with_any_number_and_the_sequence_goes_round() {
    let mut story = Story::new(ALL);
    assert_eq!(story.will(NDEATH, vec![bd_seq(0)]), None);
    assert_eq!(story.says(NBIRTH, 254, vec![bd_seq(0)]), None);
    for seq in [255, 0, 1, 2] {
        assert_eq!(story.says(NDATA, seq, vec![]), None, "{seq}");
    }
}

#[test]
fn a_gap_a_repetition_or_no_number_refuses_one_message() {
    for (first, fault, then) in [(Some(3), "seq", 4), (Some(1), "seq", 2), (Some(255), "seq", 0), (None, "no_seq", 99)]
    {
        let mut story = born(ALL);
        assert_eq!(story.says(NDATA, first, load(1)), Some(fault));
        assert_eq!(story.says(NDATA, then, load(1)), None);
        assert_eq!(story.says(NDATA, (then + 1) % 256, load(1)), None);
    }
}

#[test]
fn a_message_refused_for_something_else_counts_in_the_sequence() {
    let mut story = born(ALL);
    assert_eq!(story.says(NDATA, 2, load(0x100)), Some("value_range"));
    assert_eq!(story.says(NDATA, 3, load(1)), None);
    // One that another rule refuses.
    let (step, fault) = story.judge(Way::Published, NDATA, &payload(Some(4), load(1)));
    assert_eq!(fault, None);
    story.nodes.settle(step, false);
    assert_eq!(story.says(NDATA, 5, load(1)), None);
    // One that can't be read: any number may follow.
    assert_eq!(story.way(Way::Published, NDATA, b"{}"), Some("unsupported"));
    assert_eq!(story.says(NDATA, 77, load(1)), None);
    assert_eq!(story.says(NDATA, 79, load(1)), Some("seq"));
}

#[test]
fn after_a_birth_that_is_refused_nothing_passes_until_one_is_not() {
    let mut story = born(ALL);
    assert_eq!(
        story.says(NBIRTH, 0, vec![bd_seq(7), metric("x", Datatype::Int8, Is::Int(0x100))]),
        Some("value_range")
    );
    assert_eq!(story.says(NDATA, 1, load(1)), Some("not_born"));
    assert_eq!(story.says(DDATA, 2, pressure(1.0)), Some("not_born"));
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(7)]), None);
    assert_eq!(story.says(DDATA, 1, pressure(1.0)), Some("not_born"));
    let mut story = born(ALL);
    assert_eq!(story.says(DBIRTH, 2, vec![metric("x", Datatype::Int8, Is::Float(1.0))]), Some("value_type"));
    assert_eq!(story.says(DDATA, 3, pressure(1.0)), Some("not_born"));
    assert_eq!(story.says(NDATA, 4, load(1)), None);
    let mut story = born(ALL);
    assert_eq!(story.way(Way::Published, NBIRTH, &[0xff]), Some("truncated"));
    assert_eq!(story.says(NDATA, 2, load(1)), Some("not_born"));
}

#[test]
fn what_only_is_watched_is_learnt_although_it_is_wrong() {
    let mut story = Story::new(ALL);
    let node = with_alias(1, metric("Load", Datatype::Int8, Is::Int(0)));
    let (step, fault) = story.judge(Way::Published, NBIRTH, &payload(Some(0), vec![bd_seq(7), node]));
    assert_eq!(fault, Some(FaultKind::NoDeath));
    story.nodes.settle(step, true);
    assert_eq!(story.says(NDATA, 1, load(3)), None);
    assert_eq!(story.seen, ["Load = Integer(3)"]);
}

#[test]
fn the_sequence_is_not_asked_of_what_is_delivered() {
    let mut story = Story::new(Asked { sequence: true, declared: false });
    assert_eq!(story.hears(NDATA, 9, vec![by_alias(1, Is::Int(200))]), None);
    assert_eq!(story.seen, ["? = ?"]);
    assert_eq!(story.hears(NDEATH, None, vec![bd_seq(1)]), None);
    assert_eq!(story.hears(DBIRTH, 5, vec![with_alias(2, metric("Pressure", Datatype::Float, Is::Float(1.0)))]), None);
    assert_eq!(story.hears(DDATA, 9, pressure(3.0)), None);
    assert_eq!(story.seen, ["Pressure = Float(3.0)"]);
    assert_eq!(story.hears(DDEATH, 9, vec![]), None);
    assert_eq!(story.hears(DDATA, 3, pressure(4.0)), None);
    assert_eq!(story.seen, ["Pressure = Float(4.0)"]);
}

#[test]
fn where_no_sequence_is_asked_none_is_judged() {
    let mut story = Story::new(NOTHING);
    assert_eq!(story.says(NDATA, None, vec![by_name("x", Is::Int(1))]), None);
    assert_eq!(story.says(NDEATH, None, vec![]), None);
    assert_eq!(story.says(NBIRTH, None, vec![metric("x", Datatype::Int8, Is::Int(1))]), None);
    assert_eq!(story.says(NDATA, 9, vec![by_name("x", Is::Int(0x80))]), None);
    assert_eq!(story.seen, ["x = Integer(-128)"]);
    assert_eq!(story.will(DDATA, vec![]), None);
    let state = Topic::State { host: "h" };
    let bytes = payload(None, vec![]);
    let read = Payload::read(&bytes, &Limits::default()).unwrap();
    let (_, fault) = story.nodes.judge(Way::Published, &state, &read, NOTHING, &mut |_| {});
    assert_eq!(fault.unwrap_err().what, FaultKind::Topic);
}

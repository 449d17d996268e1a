//! What births declare, and what is made of it.

use super::*;

#[test]
fn a_metric_is_what_its_birth_declared() {
    let mut story = born(ALL);
    for (metric, fault) in [
        (by_alias(1, Is::Int(1)), None),
        (by_name("Load", Is::Int(1)), None),
        (with_alias(1, by_name("Load", Is::Int(1))), None),
        (with_alias(1, metric("Load", Datatype::Int8, Is::Int(1))), None),
        (metric("Load", Datatype::Int16, Is::Int(1)), Some("datatype")),
        (by_alias(1, Is::Long(1)), Some("value_type")),
        (by_alias(1, Is::Int(300)), Some("value_range")),
        (with_alias(1, by_name("bdSeq", Is::Int(1))), Some("unknown_alias")),
        (with_alias(9, by_name("Load", Is::Int(1))), Some("unknown_alias")),
        (by_alias(9, Is::Int(1)), Some("unknown_alias")),
        // The alias of a device's metric.
        (by_alias(2, Is::Float(1.0)), Some("unknown_alias")),
        (by_name("Pressure", Is::Float(1.0)), Some("undeclared_metric")),
        (by_name("load", Is::Int(1)), Some("undeclared_metric")),
        (model::Metric { value: Some(Is::Int(1)), ..model::Metric::default() }, Some("no_name")),
        (model::Metric { alias: Some(1), ..model::Metric::default() }, Some("no_value")),
        (model::Metric { alias: Some(1), is_null: Some(true), ..model::Metric::default() }, None),
    ] {
        let (_, judged) = story.judge(Way::Published, NDATA, &payload(Some(2), vec![metric.clone()]));
        assert_eq!(judged.map(FaultKind::label), fault, "{metric:?}");
    }
}

#[test]
fn any_metric_will_do_where_that_is_permitted_but_none_that_is_read_twice() {
    let mut story = born(Asked { sequence: true, declared: false });
    for (metric, fault, seen) in [
        (by_name("new", Is::Int(1)), None, "new = Integer(1)"),
        (metric("new", Datatype::Int8, Is::Int(255)), None, "new = Integer(-1)"),
        (by_name("new", Is::Int(255)), None, "new = ?"),
        (by_name("Load", Is::Int(255)), None, "Load = Integer(-1)"),
        (with_alias(9, by_name("Load", Is::Int(255))), None, "Load = Integer(-1)"),
        (by_alias(9, Is::Int(1)), None, "? = Integer(1)"),
        (metric("Load", Datatype::UInt8, Is::Int(255)), Some("datatype"), ""),
        (with_alias(1, by_name("new", Is::Int(1))), Some("unknown_alias"), ""),
    ] {
        let (_, judged) = story.judge(Way::Published, NDATA, &payload(Some(2), vec![metric.clone()]));
        assert_eq!(judged.map(FaultKind::label), fault, "{metric:?}");
        assert_eq!(story.seen.join("; "), seen, "{metric:?}");
    }
}

#[test]
fn a_birth_declares_each_metric_whole_and_once() {
    let load = || metric("Load", Datatype::Int8, Is::Int(0));
    for (metrics, fault) in [
        (vec![load(), load()], None),
        (vec![with_alias(5, load()), with_alias(5, load())], None),
        (vec![load(), metric("Load", Datatype::Int16, Is::Int(0))], Some("declared_twice")),
        (vec![load(), with_alias(5, load())], Some("declared_twice")),
        (vec![with_alias(5, load()), with_alias(5, metric("x", Datatype::Int8, Is::Int(0)))], Some("declared_twice")),
        // The alias of another device's metric, or of the node's.
        (vec![with_alias(2, load())], Some("declared_twice")),
        (vec![with_alias(1, load())], Some("declared_twice")),
        (vec![by_name("Load", Is::Int(0))], Some("datatype")),
        (vec![model::Metric { name: None, ..load() }], Some("no_name")),
        (vec![model::Metric { value: None, ..load() }], Some("no_value")),
        (vec![model::Metric { value: None, is_null: Some(true), ..load() }], None),
    ] {
        let mut story = born(ALL);
        let bytes = payload(Some(2), metrics.clone());
        assert_eq!(story.way(Way::Published, "spBv1.0/g/DBIRTH/e/valve", &bytes), fault, "{metrics:?}");
    }
    // Its own aliases may be declared anew, and for other metrics.
    let mut story = born(ALL);
    assert_eq!(story.says(DBIRTH, 2, vec![with_alias(2, load())]), None);
    assert_eq!(story.says(DDATA, 3, vec![by_alias(2, Is::Int(5))]), None);
    assert_eq!(story.seen, ["Load = Integer(5)"]);
    assert_eq!(story.says(DDATA, 4, vec![by_name("Pressure", Is::Float(1.0))]), Some("undeclared_metric"));
}

#[test]
fn a_command_is_resolved_by_what_the_other_side_declared() {
    // An edge node hears commands in its own words.
    let mut story = born(ALL);
    assert_eq!(story.hears(NCMD, None, vec![by_alias(1, Is::Int(5))]), None);
    assert_eq!(story.seen, ["Load = Integer(5)"]);
    assert_eq!(story.hears(DCMD, None, vec![by_alias(2, Is::Float(5.0))]), None);
    assert_eq!(story.seen, ["Pressure = Float(5.0)"]);
    assert_eq!(story.hears(DCMD, None, vec![by_alias(1, Is::Int(5))]), Some("unknown_alias"));
    assert_eq!(story.hears(NCMD, None, vec![by_name("Reboot", Is::Boolean(true))]), Some("undeclared_metric"));
    // A host speaks in the words that it has heard.
    let mut story = Story::new(ALL);
    assert_eq!(story.says(NCMD, None, vec![by_name("Load", Is::Int(1))]), Some("not_born"));
    assert_eq!(story.says(NCMD, None, vec![by_name("Node Control/Rebirth", Is::Boolean(true))]), None);
    assert_eq!(story.says(NCMD, None, vec![by_name("Node Control/Rebirth", Is::Int(1))]), Some("value_type"));
    assert_eq!(story.says(DCMD, None, vec![by_name("Node Control/Rebirth", Is::Boolean(true))]), Some("not_born"));
    assert_eq!(
        story.hears(NBIRTH, 0, vec![bd_seq(0), with_alias(1, metric("Load", Datatype::Int8, Is::Int(0)))]),
        None
    );
    assert_eq!(
        story.hears(DBIRTH, 1, vec![with_alias(2, metric("Valve", Datatype::Boolean, Is::Boolean(false)))]),
        None
    );
    assert_eq!(story.says(NCMD, None, vec![by_alias(1, Is::Int(0xff))]), None);
    assert_eq!(story.seen, ["Load = Integer(-1)"]);
    assert_eq!(story.says(DCMD, None, vec![by_alias(2, Is::Boolean(true))]), None);
    assert_eq!(story.seen, ["Valve = Bool(true)"]);
}

/// A story with little room.
fn bounded(bounds: Bounds) -> Story {
    let mut story =
        Story { nodes: Nodes::new(bounds, bounds), ..Story::new(Asked { sequence: false, declared: true }) };
    assert_eq!(story.says(NBIRTH, 0, vec![metric("a", Datatype::Int8, Is::Int(0))]), None);
    story
}

#[test]
fn what_is_known_is_bounded_and_what_goes_beyond_is_refused() {
    let some = |count: usize| {
        (0..count).map(|number| metric(&number.to_string(), Datatype::Int8, Is::Int(0))).collect::<Vec<_>>()
    };
    let bounds = Bounds { nodes: 2, devices: 2, metrics: 4, name_bytes: 1000 };
    let mut story = bounded(bounds);
    assert_eq!(story.says("spBv1.0/g/NBIRTH/f", 0, vec![]), None);
    assert_eq!(story.says("spBv1.0/g/NBIRTH/g", 0, vec![]), Some("too_many"));
    assert_eq!(story.says("spBv1.0/g/NDATA/g", 1, vec![]), Some("not_born"));
    assert_eq!(story.will("spBv1.0/g/NDEATH/g", vec![bd_seq(1)]), Some("too_many"));
    assert_eq!(story.says(DBIRTH, 0, some(3)), None);
    assert_eq!(story.says("spBv1.0/g/DBIRTH/e/b", 0, some(1)), Some("too_many"));
    assert_eq!(story.says("spBv1.0/g/DBIRTH/e/b", 0, vec![]), None);
    assert_eq!(story.says("spBv1.0/g/DBIRTH/e/c", 0, vec![]), Some("too_many"));
    // What is declared anew takes the room of what was declared before.
    for _ in 0..9 {
        assert_eq!(story.says(DBIRTH, 0, some(3)), None);
    }
    assert_eq!(story.says(NBIRTH, 0, some(4)), None);
    assert_eq!(story.says(NBIRTH, 0, some(5)), Some("too_many"));
    assert_eq!(story.says(NDATA, 0, vec![]), Some("not_born"));
    assert_eq!(story.says(NBIRTH, 0, some(4)), None);
    let mut story = bounded(Bounds { name_bytes: 20, ..bounds });
    assert_eq!(story.says(NBIRTH, 0, vec![metric(&"x".repeat(18), Datatype::Int8, Is::Int(0))]), None);
    assert_eq!(story.says(NBIRTH, 0, vec![metric(&"x".repeat(19), Datatype::Int8, Is::Int(0))]), Some("too_many"));
    assert_eq!(story.says(NBIRTH, 0, vec![]), None);
    assert_eq!(story.says(&format!("spBv1.0/g/DBIRTH/e/{}", "x".repeat(19)), 0, vec![]), Some("too_many"));
}

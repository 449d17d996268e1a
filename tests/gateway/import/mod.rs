//! `tidegate import mosquitto` proved against the original: an unmodified Mosquitto with its files, and the policy made of
//! them, are asked the same; they answer the same, or the report tells where they don't.
//!
//! Worlds are generated from seeds, so a failure names the seed that shows it again.

mod answers;
mod compare;
mod golden;
mod howto;
mod papers;
mod program;
mod random;
mod sides;
mod world;

use answers::Answers;
use compare::{Tally, compare};
use sides::{Engine, Imported, Original};
use world::World;

/// What the engine says in a world, beside what the original does.
fn engine_in(world: &World) -> Tally {
    let original = Original::start(world);
    let (import, folder) = original.import();
    let (theirs, published) = answers::ask(world, original.address, (original.address, &world.probe()));
    let engine = Engine::new(&import, &folder);
    let ours: Vec<Answers> = world.visitors.iter().map(|visitor| engine.answers(visitor, &published)).collect();
    compare(world, &published, (&theirs, &ours), &import.report)
}

fn engine_in_all(worlds: impl Iterator<Item = World>) -> Tally {
    let mut tally = Tally::default();
    worlds.for_each(|world| tally.add(engine_in(&world)));
    eprintln!("{tally:?}");
    tally
}

#[test]
fn the_policy_of_an_acl_file_answers_as_the_original() {
    let tally = engine_in_all((0..200).map(World::of_acl_file));
    assert!(tally.requests > 30_000 && tally.permitted > 8_000, "{tally:?}");
    assert!(tally.told * 20 < tally.requests, "few answers differ: {tally:?}");
}

#[test]
fn the_policy_of_the_dynamic_security_plugin_answers_as_the_original() {
    let tally = engine_in_all((1000..1300).map(World::of_dynsec));
    assert!(tally.requests > 30_000 && tally.permitted > 8_000, "{tally:?}");
    assert!(tally.told * 20 < tally.requests, "few answers differ: {tally:?}");
}

/// The gateway with the import, before a broker that permits everything, beside the original.
#[test]
fn the_gateway_with_the_import_answers_as_the_original() {
    let broker = Original::start(&World::without_rules());
    let mut tally = Tally::default();
    let worlds = (5000..5015).map(World::of_acl_file).chain((6000..6015).map(World::of_dynsec));
    for world in worlds.chain((7000..7036).map(World::of_settings)) {
        let original = Original::start(&world);
        let (import, folder) = original.import();
        let gateway = Imported::start(&folder, original.address, broker.address);
        let (theirs, published) = answers::ask(&world, original.address, (original.address, &world.probe()));
        let (ours, _) = answers::ask(&world, gateway.address, (broker.address, &World::stranger()));
        tally.add(compare(&world, &published, (&theirs, &ours), &import.report));
    }
    eprintln!("{tally:?}");
    assert!(tally.requests > 5_000 && tally.permitted > 1_000, "{tally:?}");
}

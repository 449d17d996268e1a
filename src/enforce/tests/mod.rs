//! The state machine against byte strings: refusals, state rules, streaming and interleaving, clocks.

mod aliases;
mod buckets;
mod clocks;
mod ends;
mod exchanges;
mod guards;
mod herd;
mod on_deny;
mod opening;
mod patches;
mod powers;
mod quarantine;
mod refusals;
mod responses;
mod rewrites;
mod rules;
mod shield;
mod sparkplug;
mod standing;
mod streaming;
mod subscriptions;
mod throttling;
mod world;

#[test]
fn a_connection_is_small() {
    let size = size_of::<super::Connection>();
    assert!(size <= 600, "{size} bytes");
}

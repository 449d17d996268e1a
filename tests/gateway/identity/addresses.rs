//! Clients known by the network that they are on, and those known by nothing.

use super::{CLIENT_IDENTIFIER, NOT_AUTHORIZED, Outcome, dial, judge, knock, with_login};
use crate::support::gateway::{Door, Setup};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{Connect, V5_0, VERSIONS};

fn check(lines: &str, connect: impl Fn(u8) -> Connect, expected: impl Fn(u8) -> Outcome) {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).only(&[Door::Plain]).each_listener(lines).start();
    for version in VERSIONS {
        let judged = judge(&gateway, dial(&gateway, Door::Plain, None), &connect(version));
        assert_eq!(judged, expected(version), "{lines} {version}");
    }
}

const HERE: &str = "identity.sources = [\"address\"]\nidentity.address.from = [\"10.0.0.0/8\", \"127.0.0.0/8\"]";
const ELSEWHERE: &str = "identity.sources = [\"address\"]\nidentity.address.from = [\"10.0.0.0/8\"]";

#[test]
fn a_trusted_network_vouches_for_the_client_identifier_or_the_address() {
    let named = |version: u8| Connect::new(version, &format!("press-{version}"));
    check(HERE, named, |version| Outcome::known(&format!("press-{version}"), "address"));
    let by_address = format!("{HERE}\nidentity.address.name = \"address\"");
    check(&by_address, named, |_| Outcome::known("127.0.0.1", "address"));
    check(ELSEWHERE, named, |version| Outcome::refused(NOT_AUTHORIZED.of(version), "identity"));
}

#[test]
fn who_leaves_the_client_identifier_to_the_broker_has_no_name_by_it() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).only(&[Door::Plain]).each_listener(HERE).start();
    let (code, told) = knock(dial(&gateway, Door::Plain, None), &Connect::new(V5_0, ""));
    assert_eq!(
        (code, told.as_deref()),
        (Some(CLIENT_IDENTIFIER.1), Some("refused by rule identity.address, policy 1"))
    );
    assert_eq!(broker.connections(), 0);
}

#[test]
fn nobody_is_let_in_without_proof_unless_it_is_written_out() {
    let named = |version: u8| with_login(version, &format!("c-{version}"), "operator", None);
    let nobody = |_| Outcome::known("", "anonymous");
    check("identity.sources = [\"anonymous\"]", named, nobody);
    let behind = "identity.sources = [\"address\", \"anonymous\"]\nidentity.address.from = [\"10.0.0.0/8\"]";
    check(behind, named, nobody);
    // A name that nobody has is bound to nothing.
    let bound = "identity.sources = [\"anonymous\"]\nidentity.client_id = [\"${identity}\"]";
    check(bound, named, |version| Outcome::refused(CLIENT_IDENTIFIER.of(version), "identity.client_id"));
    let bound = "identity.sources = [\"anonymous\"]\nidentity.username = [\"guest\"]";
    check(bound, named, |version| Outcome::refused(NOT_AUTHORIZED.of(version), "identity.username"));
}

//! What changes while the gateway runs: policies, settings, certificates, lists, credentials. What is wrong changes nothing;
//! what is right is in force for everybody, and who may no longer be there goes while the others notice nothing.

mod certificates;
mod credentials;
mod files;
mod lists;
mod policy;
mod settings;
mod state;

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire;

/// How often files are looked at here.
const POLL: &str = "[reload]\npoll = \"100ms\"";

/// One that nobody gets into by a changed file before the test says so.
const SIGNAL_ONLY: &str = "[reload]\npoll = \"0s\"";

/// Listeners that let everybody in and call nobody by a name: roles go by the Client Identifier.
const ANYBODY: &str = "identity.sources = [\"anonymous\"]";

/// A policy of this version under which those whose Client Identifier begins so may do everything.
fn policy(version: &str, names: &[&str]) -> String {
    let patterns: Vec<String> = names.iter().map(|name| format!("{name}-*")).collect();
    format!(
        "version = \"{version}\"\n\n[[role]]\nname = \"known\"\nmatch = {{ client_id = {patterns:?} }}\n\n\
         [[grant]]\nid = \"all\"\nroles = [\"known\"]\npublish = [\"#\"]\nsubscribe = [\"#\"]\nmax_qos = 2\nretain = true\n"
    )
}

/// A gateway under such a policy.
fn plant(broker: &RecordingBroker, names: &[&str], tables: &str) -> Gateway {
    Setup::to(broker.address).policy(&policy("1", names)).each_listener(ANYBODY).with(tables).start()
}

fn connect(gateway: &Gateway, version: u8, client_id: &str) -> RawClient {
    RawClient::connect(gateway.plain(), &wire::Connect::new(version, client_id))
}

/// A PINGREQ is answered: the connection lives.
fn is_alive(client: &mut RawClient) {
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
}

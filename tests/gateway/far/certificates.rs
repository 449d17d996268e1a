//! Each client with a certificate of its own, in front of a broker that takes the name from it.

use std::fs;

use tempfile::TempDir;

use super::{dial_as, told};
use crate::support::gateway::{Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::pki::{Pki, Subject};
use crate::support::raw_client::RawClient;
use crate::support::wait_for;
use crate::support::wire::{Connect, V3_1_1, V5_0};

/// A cloud: its own PKI, a broker, and a folder with the certificates that it has issued.
struct Cloud {
    broker: Mosquitto,
    pki: Pki,
    folder: TempDir,
}

impl Cloud {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Pki::create(&folder.path().join("devices")).expect("certificates");
        Self { broker: Mosquitto::start_by_certificate(&pki), pki, folder }
    }

    /// A certificate for the identity `file`, in the folder.
    fn issue(&self, file: &str, common_name: &str) {
        let subject = Subject { common_names: &[common_name], ..Subject::default() };
        self.pki.issue(file, &subject).expect("a certificate");
    }

    fn gateway(&self, lines: &str) -> Gateway {
        let folder = self.folder.path().join("devices").display().to_string();
        let setup = Setup::to(self.broker.address).broker_tls(&self.pki, lines.contains("own"));
        setup.broker(&lines.replace("FOLDER", &folder)).start()
    }

    /// The user name under which Mosquitto knows a client.
    fn knows(&self, client_id: &str) -> String {
        let log = || fs::read_to_string(self.broker.log_file()).unwrap_or_default();
        let mark = format!(" as {client_id} (");
        wait_for(&format!("{client_id} at the broker"), || {
            let log = log();
            let line = log.lines().find(|line| line.contains("New client connected") && line.contains(&mark))?;
            Some(line.split("u'").nth(1)?.split('\'').next()?.to_owned())
        })
    }
}

fn connected(gateway: &Gateway, name: &str, client_id: &str) {
    let mut client = dial_as(gateway, name);
    client.send(&Connect::new(V3_1_1, client_id).bytes());
    assert_eq!(told(&client.frame()), 0, "{name} is let in; {}", gateway.process.log());
    client.goodbye();
}

fn is_refused(gateway: &Gateway, mut client: RawClient) {
    let refused = || gateway.audit().iter().filter(|line| line["rule"] == "broker.tls.identities").count();
    let before = refused();
    client.send(&Connect::new(V5_0, "refused").bytes());
    assert_eq!(told(&client.frame()), 0x87);
    client.expect_end();
    wait_for("a record", || (refused() > before).then_some(()));
    let line = gateway.wait_audit(&[("event", "ended"), ("cause", "broker_credentials")]);
    assert_eq!(line["rule"], "broker.tls.identities", "{line}");
}

#[test]
fn each_client_appears_at_the_broker_with_its_own_certificate() {
    let cloud = Cloud::new();
    cloud.issue("alpha", "cloud-alpha");
    cloud.issue("beta", "cloud-beta");
    cloud.issue("broken", "cloud-broken");
    let folder = cloud.folder.path().join("devices");
    fs::write(folder.join("broken.key"), "no key").expect("written");
    cloud.pki.issue("over", &Subject { days: (-9, -1), ..Subject::default() }).expect("a certificate");
    cloud.pki.issue(".hidden", &Subject::default()).expect("a certificate");
    let gateway = cloud.gateway("tls.identities.folder = \"FOLDER\"");

    // In turn, so that a resumed session would show whose it is.
    for round in 0..3 {
        for (name, known) in [("alpha", "cloud-alpha"), ("beta", "cloud-beta")] {
            let client_id = format!("{name}-{round}");
            connected(&gateway, name, &client_id);
            assert_eq!(cloud.knows(&client_id), known);
        }
    }
    for name in ["gamma", "broken", "over", ".hidden", "../devices/alpha", "devices/alpha", "alpha/", "..", "ALPHA"] {
        is_refused(&gateway, dial_as(&gateway, name));
    }
    is_refused(&gateway, RawClient::dial(gateway.plain()));

    // Renewed, half renewed, and taken away: without a restart.
    cloud.issue("alpha", "cloud-alpha-2");
    connected(&gateway, "alpha", "renewed");
    assert_eq!(cloud.knows("renewed"), "cloud-alpha-2");
    fs::write(folder.join("alpha.key"), "half a k").expect("written");
    connected(&gateway, "alpha", "half-renewed");
    assert_eq!(cloud.knows("half-renewed"), "cloud-alpha-2");
    fs::remove_file(folder.join("alpha.pem")).expect("removed");
    is_refused(&gateway, dial_as(&gateway, "alpha"));
}

#[test]
fn a_client_without_a_certificate_may_come_with_the_gateways_own_but_not_in_place_of_a_bad_one() {
    let cloud = Cloud::new();
    cloud.issue("alpha", "cloud-alpha");
    cloud.issue("broken", "cloud-broken");
    fs::write(cloud.folder.path().join("devices/broken.key"), "no key").expect("written");
    let gateway = cloud.gateway("tls.identities = { folder = \"FOLDER\", missing = \"own\" }");
    connected(&gateway, "alpha", "own-alpha");
    assert_eq!(cloud.knows("own-alpha"), "cloud-alpha");
    connected(&gateway, "gamma", "own-gamma");
    assert_eq!(cloud.knows("own-gamma"), "client");
    is_refused(&gateway, dial_as(&gateway, "broken"));
    is_refused(&gateway, dial_as(&gateway, "../devices/alpha"));
}

/// The headline: a device without TLS at a broker that wants a certificate of each.
#[test]
fn a_device_that_can_not_do_tls_appears_at_the_broker_with_its_own_certificate() {
    let cloud = Cloud::new();
    cloud.issue("press-1", "cloud-press-1");
    cloud.issue("press-2", "cloud-press-2");
    let folder = cloud.folder.path().join("devices").display().to_string();
    let gateway = Setup::to(cloud.broker.address)
        .broker_tls(&cloud.pki, false)
        .broker(&format!("tls.identities.folder = {folder:?}\ncredentials.mode = \"remove\""))
        .each_listener("identity = { sources = [\"address\"], address.from = [\"127.0.0.1\"] }")
        .start();
    for name in ["press-1", "press-2", "press-1"] {
        let mut connect = Connect::new(V3_1_1, name);
        connect.login = Some(("whoever".to_owned(), None));
        RawClient::connect(gateway.plain(), &connect).goodbye();
        assert_eq!(cloud.knows(name), format!("cloud-{name}"));
    }
    let mut stranger = RawClient::dial(gateway.plain());
    stranger.send(&Connect::new(V5_0, "press-3").bytes());
    assert_eq!(told(&stranger.frame()), 0x87);
}

#[test]
fn a_table_says_which_certificate_is_whose() {
    let cloud = Cloud::new();
    cloud.issue("one", "cloud-one");
    let table = cloud.folder.path().join("devices/table.toml");
    fs::write(&table, "\"plant/alpha\" = { certificate = \"one.pem\", key = \"one.key\" }\n").expect("written");
    let gateway = cloud.gateway("tls.identities.table = \"FOLDER/table.toml\"");
    connected(&gateway, "plant/alpha", "by-table");
    assert_eq!(cloud.knows("by-table"), "cloud-one");
    is_refused(&gateway, dial_as(&gateway, "one"));
}

//! What is taken and what is refused.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// A folder with a policy and files that look like certificates.
fn folder(settings: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policy")).unwrap();
    fs::write(folder.path().join("policy/policy.toml"), "version = \"7\"\npermit_all = true\n").unwrap();
    for file in ["gw.pem", "gw.key", "ca.pem", "list.crl"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    let path = folder.path().join("gateway.toml");
    fs::write(&path, settings).unwrap();
    (folder, path)
}

const SMALLEST: &str = r#"
policies = ["policy"]

[[listener]]
name = "field"
bind = "0.0.0.0:8883"
broker = "plant"
tls.certificate = "gw.pem"
tls.key = "gw.key"
tls.clients = "required"
tls.client_ca = "ca.pem"

[[broker]]
name = "plant"
servers = ["127.0.0.1:1883"]
"#;

#[test]
fn the_smallest_secure_start_is_taken() {
    let (folder, path) = folder(SMALLEST);
    let settings = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let listener = &settings.listeners[0];
    assert_eq!(listener.bind.to_string(), "0.0.0.0:8883");
    assert_eq!(listener.broker.servers[0].to_string(), "127.0.0.1:1883");
    let tls = listener.tls.as_ref().unwrap();
    assert_eq!(tls.clients, ClientAuth::Required { ca: folder.path().join("ca.pem") });
    assert_eq!(listener.limits.max_packet_bytes, 16 << 20);
}

#[test]
fn look() {
    let (_folder, path) = folder(
        r#"
policies = ["policy", 5]
polices = 5
[[listener]]
nam = "field"
bind = "0.0.0.0:88833"
broker = "plan"
tls.certificate = "gw.pem"
tls.key = "gone.key"
tls.clients = "requird"
tls.client_ca = "ca.pem"
limits.max_connections = 0
limits.max_packet_byte = 9
deadlines.connect = "10"
deadlines.dial = 10

[[listener]]
name = "b"
bind = "0.0.0.0:1883"
broker = "plan"
limits.max_connections = 0
limits.max_control_bytes = "4MiB"

[[broker]]
name = "plant"
servers = ["127.0.0.1", "a:1"]
"#,
    );
    println!("{}", load(&path).unwrap_err());
    let (_folder, path) = folder(
        "
policies = [\"policy]
listener = 5
bind = 127.0.0.1:1883
[[listener]]
name = 7
[[listener]
name = \"a\"
",
    );
    println!("{}", load(&path).unwrap_err());
    println!("{}", reference::markdown());
}

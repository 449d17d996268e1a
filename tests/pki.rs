//! `tidegate pki`: what it writes is what OpenSSL, rustls and the gateway itself take, and nothing is lost by a slip.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;
use tidegate::tls::server::{CertificateSettings, ClientCertificates, ServerSettings};
use tidegate::tls::verify::Refused;

struct Pki {
    _folder: TempDir,
    path: PathBuf,
}

impl Pki {
    /// One with a CA, a gateway `gateway` and a client `temp-07`.
    fn new() -> Self {
        let pki = Self::empty();
        pki.done(&["init"]);
        pki.done(&["server", "gateway", "--dns", "localhost", "--ip", "127.0.0.1"]);
        pki.done(&["client", "temp-07", "--o", "Plant", "--ou", "sensors"]);
        pki
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pki");
        Self { _folder: folder, path }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Runs one of the commands; the folder is put in behind its name.
    fn run(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().unwrap();
        let mut tidegate = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        tidegate.args(["pki", command]).arg(&self.path).args(rest).output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Fails with this code and complaint, and writes no answer.
    fn fails(&self, arguments: &[&str], code: i32, complaint: &str) {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(complaint), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }

    fn listener(&self) -> ServerSettings {
        ServerSettings {
            certificates: vec![CertificateSettings {
                certificate: self.file("gateway.pem"),
                key: self.file("gateway.key"),
                server_names: Vec::new(),
            }],
            clients: ClientCertificates::Required,
            client_ca: Some(self.file("ca.pem")),
            crl: vec![self.file("crl.pem")],
            ..ServerSettings::default()
        }
    }

    /// What a listener that loads these files says of a client's certificate.
    fn judged(&self, name: &str) -> Result<Option<tidegate::identity::Certificate>, Refused> {
        let server = self.listener().build(SystemTime::now()).unwrap();
        assert_eq!(server.warnings, []);
        let chain = [CertificateDer::from_pem_file(self.file(name)).unwrap()];
        server.guard.admit(Some(&chain), SystemTime::now())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn openssl(arguments: &[&str], folder: &Path) -> Output {
    Command::new("openssl").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn what_it_writes_is_verified_by_openssl() {
    let pki = Pki::new();
    pki.done(&["client", "temp-08"]);
    pki.done(&["revoke", "temp-08"]);
    for (purpose, name, good) in [
        ("sslserver", "gateway.pem", true),
        ("sslclient", "gateway.pem", false),
        ("sslclient", "temp-07.pem", true),
        ("sslserver", "temp-07.pem", false),
        ("sslclient", "temp-08.pem", false),
    ] {
        let strict = ["verify", "-x509_strict", "-CAfile", "ca.pem", "-crl_check", "-CRLfile", "crl.pem", "-purpose"];
        let output = openssl(&[&strict[..], &[purpose, name]].concat(), &pki.path);
        assert_eq!(output.status.success(), good, "{name} as {purpose}: {}", text(&output.stderr));
    }
    let names = openssl(&["verify", "-CAfile", "ca.pem", "-verify_hostname", "localhost", "gateway.pem"], &pki.path);
    assert!(names.status.success(), "{}", text(&names.stderr));
    let key = openssl(&["ec", "-in", "temp-07.key", "-noout", "-text"], &pki.path);
    assert!(text(&key.stdout).contains("prime256v1"), "{}", text(&key.stderr));
}

#[test]
fn a_listener_takes_it_and_a_revoked_name_is_refused() {
    let pki = Pki::new();
    let found = pki.judged("temp-07.pem").unwrap().unwrap();
    assert_eq!(found.common_name(), Some("temp-07"));
    assert_eq!((&*found.organizations, &*found.organizational_units), (&["Plant".into()][..], &["sensors".into()][..]));

    let before = fs::read(pki.file("temp-07.pem")).unwrap();
    pki.done(&["client", "temp-07", "--force"]);
    fs::write(pki.file("old.pem"), before).unwrap();
    let answer = pki.json(&["revoke", "temp-07"]);
    assert_eq!(answer["revoked"].as_array().unwrap().len(), 2, "the one that was replaced too: {answer}");
    for name in ["temp-07.pem", "old.pem"] {
        assert_eq!(pki.judged(name), Err(Refused::Revoked), "{name}");
    }
    pki.done(&["client", "temp-07", "--force"]);
    assert!(pki.judged("temp-07.pem").is_ok(), "a new one of the name is not revoked");
    pki.done(&["crl", "--next-update", "1d"]);
    assert_eq!(pki.judged("old.pem"), Err(Refused::Revoked), "and the old one stays on later lists");
    assert_eq!(pki.json(&["revoke", "temp-07"])["revoked"].as_array().unwrap().len(), 1);
    assert_eq!(pki.json(&["revoke", "temp-07"])["revoked"].as_array().unwrap().len(), 0, "once is enough");
}

#[test]
fn a_client_certificate_holds_what_it_was_asked_to() {
    let pki = Pki::new();
    let wanted = [
        ["--dns", "press.plant"],
        ["--uri", "spiffe://plant/press"],
        ["--email", "press@plant"],
        ["--ip", "10.1.2.3"],
        ["--ip", "fd00::4"],
    ];
    pki.done(&[&["client", "press 4"][..], &wanted.concat()].concat());
    let found = pki.judged("press 4.pem").unwrap().unwrap();
    assert_eq!(found.common_name(), Some("press 4"));
    assert_eq!(*found.dns_names, ["press.plant".into()]);
    assert_eq!(*found.uris, ["spiffe://plant/press".into()]);
    assert_eq!(*found.emails, ["press@plant".into()]);
    assert_eq!(found.ip_addresses.len(), 2);
    assert!(found.organizations.is_empty() && found.organizational_units.is_empty());
}

#[test]
fn a_gateway_takes_it() {
    let pki = Pki::new();
    let folder = pki.path.parent().unwrap();
    fs::create_dir(folder.join("policy")).unwrap();
    fs::write(folder.join("policy/policy.toml"), "version = \"1\"\npermit_all = true\n").unwrap();
    let settings = r#"
policies = ["policy"]
[[listener]]
name = "field"
bind = "127.0.0.1:0"
broker = "plant"
tls.certificate = "pki/gateway.pem"
tls.key = "pki/gateway.key"
tls.client_ca = "pki/ca.pem"
tls.crl = ["pki/crl.pem"]
[[broker]]
name = "plant"
servers = ["127.0.0.1:1883"]
"#;
    fs::write(folder.join("gateway.toml"), settings).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = check.args(["check", "-c"]).arg(folder.join("gateway.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(!text(&output.stdout).contains("pki/"), "not one warning of its files: {}", text(&output.stdout));
}

#[test]
fn keys_are_their_owners_and_nothing_is_replaced_unasked() {
    let pki = Pki::new();
    for key in ["ca.key", "gateway.key", "temp-07.key"] {
        assert_eq!(fs::metadata(pki.file(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    let all = || -> Vec<Vec<u8>> {
        let files = ["ca.pem", "ca.key", "crl.pem", "index.jsonl", "gateway.pem", "gateway.key"];
        files.iter().map(|name| fs::read(pki.file(name)).unwrap()).collect()
    };
    let before = all();
    pki.fails(&["init"], 3, "ca.key` is there already; --force replaces it");
    pki.fails(&["server", "gateway"], 3, "gateway.pem` is there already; --force replaces it");
    assert_eq!(all(), before);
    pki.done(&["server", "gateway", "--dns", "localhost", "--force"]);
    assert_eq!(all()[..3], before[..3]);
    assert_ne!(all()[3..], before[3..]);
    assert_eq!(fs::metadata(pki.file("gateway.key")).unwrap().permissions().mode() & 0o777, 0o600);
    pki.done(&["init", "--force"]);
    assert_ne!(all()[0], before[0]);
    assert_eq!(fs::read(pki.file("index.jsonl")).unwrap(), b"", "of the new CA nothing was issued");
    let left: Vec<_> = fs::read_dir(&pki.path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "nothing half-written is left: {left:?}");
}

#[test]
fn lifetimes_are_as_asked_and_within_the_cas() {
    let pki = Pki::empty();
    pki.done(&["init", "--valid", "10d", "--name", "Short CA"]);
    let end = |answer: &Value, field: &str| {
        let text = answer[field].as_str().unwrap();
        time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap()
    };
    let in_days = |time: time::OffsetDateTime| (time - time::OffsetDateTime::now_utc()).as_seconds_f64() / 86_400.0;
    for (valid, days) in [("5d", 5.0), ("12h", 0.5), ("365d", 10.0)] {
        let answer = pki.json(&["client", "temp-07", "--valid", valid, "--force"]);
        let lasts = in_days(end(&answer, "not_after"));
        assert!((lasts - days).abs() < 0.01, "{valid}: {lasts}");
    }
    let answer = pki.json(&["crl", "--next-update", "36h"]);
    assert!((in_days(end(&answer, "next_update")) - 1.5).abs() < 0.01, "{answer}");
    let issuer = openssl(&["x509", "-in", "temp-07.pem", "-noout", "-issuer"], &pki.path);
    assert!(text(&issuer.stdout).contains("Short CA"));
}

#[test]
fn what_can_not_be_done_is_said() {
    let pki = Pki::empty();
    for arguments in [&["client", "temp-07"][..], &["crl"], &["revoke", "temp-07"]] {
        pki.fails(arguments, 3, "no CA in");
    }
    pki.done(&["init"]);
    pki.fails(&["revoke", "temp-07"], 3, "no certificate was issued for `temp-07`");
    pki.fails(&["server", "gate way"], 3, "`gate way` is no name that a certificate can hold");
    pki.fails(&["client", "x", "--dns", "no name"], 3, "`no name`");
    pki.fails(&["client", "x", "--uri", "plant"], 3, "`plant`");
    pki.fails(&["client", "x", "--email", "plant"], 3, "`plant`");
    for name in ["", "../x", "a/b", ".hidden", "ca", "crl", "a\nb", &"x".repeat(65)] {
        pki.fails(&["client", name], 2, "invalid value");
    }
    for valid in ["0s", "5", "1000y", "40000d", ""] {
        pki.fails(&["client", "x", "--valid", valid], 2, "invalid value");
    }
    fs::write(pki.file("index.jsonl"), "{\"name\":\"a\",\"serial\":\"01\"}\nnonsense\n").unwrap();
    pki.fails(&["revoke", "a"], 3, "index.jsonl`, line 2");
    pki.done(&["init", "--valid", "1s", "--force"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    pki.fails(&["client", "late"], 3, "the CA has expired");
}

#[test]
fn certificates_that_are_issued_at_the_same_time_can_all_be_revoked() {
    let pki = Pki::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let pki = &pki;
            scope.spawn(move || pki.done(&["client", &format!("many-{number}")]));
        }
    });
    for number in 0..8 {
        pki.done(&["revoke", &format!("many-{number}")]);
    }
    assert_eq!(pki.json(&["crl"])["entries"], 8);
}

//! The built gateway as a process of its own, with settings, certificates, admin address and audit file in a folder of its own.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::pki::{Pair, Pki};
use super::process::Process;
use super::{PATIENCE, ports, repository, wait_for, wait_within};

/// What stands in front of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Plain,
    /// TLS, client certificate required.
    Tls,
    WebSocket,
    /// WebSocket over TLS, client certificate required.
    WebSocketTls,
    /// Plain, on ::1.
    Ipv6,
}

const DOORS: [(Door, &str); 5] = [
    (Door::Plain, "plain"),
    (Door::Tls, "tls"),
    (Door::WebSocket, "websocket"),
    (Door::WebSocketTls, "websocket-tls"),
    (Door::Ipv6, "ipv6"),
];

/// What a gateway is started with; everything else has its default.
pub(crate) struct Setup {
    servers: Vec<SocketAddr>,
    tables: String,
    listener: String,
    audit: &'static str,
    ipv6: bool,
    revoked: bool,
    broker_tls: String,
    files: Vec<(&'static str, String)>,
    policy: Option<String>,
    doors: Option<&'static [Door]>,
    clients: &'static str,
    max_descriptors: Option<u32>,
}

impl Setup {
    pub(crate) fn to(server: SocketAddr) -> Self {
        Self::to_any(&[server])
    }

    pub(crate) fn to_any(servers: &[SocketAddr]) -> Self {
        let (tables, listener, broker_tls) = (String::new(), String::new(), String::new());
        Self {
            servers: servers.to_vec(),
            tables,
            listener,
            audit: "file = \"audit.jsonl\"",
            ipv6: false,
            revoked: false,
            broker_tls,
            files: Vec::new(),
            policy: None,
            doors: None,
            clients: "required",
            max_descriptors: None,
        }
    }

    /// Whole tables of settings, such as `[deadlines]`.
    pub(crate) fn with(mut self, tables: &str) -> Self {
        self.tables.push_str(tables);
        self.tables.push('\n');
        self
    }

    /// Settings of every listener, a line each.
    pub(crate) fn each_listener(mut self, lines: &str) -> Self {
        self.listener.push_str(lines);
        self.listener.push('\n');
        self
    }

    /// What `[audit]` says, instead of the file that [`Gateway::audit`] reads.
    pub(crate) fn audit(mut self, lines: &'static str) -> Self {
        self.audit = lines;
        self
    }

    /// A listener on ::1 too.
    pub(crate) fn with_ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// A revocation list on the TLS listeners, with the certificate `revoked` on it.
    pub(crate) fn with_revocation(mut self) -> Self {
        self.revoked = true;
        self
    }

    /// TLS towards the broker, which must be of this PKI's; with its client certificate, or without.
    pub(crate) fn broker_tls(mut self, pki: &Pki, papers: bool) -> Self {
        let [ca, certificate, key] =
            ["ca.pem", "client.pem", "client.key"].map(|file| pki.path(file).display().to_string());
        let _ = writeln!(self.broker_tls, "tls.ca = {ca:?}\ntls.server_name = \"localhost\"");
        if papers {
            let _ = writeln!(self.broker_tls, "tls.certificate = {certificate:?}\ntls.key = {key:?}");
        }
        self
    }

    /// Settings of the broker, a line each.
    pub(crate) fn broker(mut self, lines: &str) -> Self {
        self.broker_tls.push_str(lines);
        self.broker_tls.push('\n');
        self
    }

    /// A file beside the settings.
    pub(crate) fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    /// A policy of its own, in `policy/policy.toml`, in place of one that permits everything.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policy = Some(text.to_owned());
        self
    }

    /// These listeners alone.
    pub(crate) fn only(mut self, doors: &'static [Door]) -> Self {
        self.doors = Some(doors);
        self
    }

    /// What `tls.clients` says.
    pub(crate) fn tls_clients(mut self, clients: &'static str) -> Self {
        self.clients = clients;
        self
    }

    pub(crate) fn max_descriptors(mut self, count: u32) -> Self {
        self.max_descriptors = Some(count);
        self
    }

    /// Starts it and waits until it is alive.
    pub(crate) fn start(self) -> Gateway {
        Gateway::start(&self)
    }
}

pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) pki: Pki,
    doors: Vec<(Door, SocketAddr)>,
    admin: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    fn start(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the gateway");
        let pki = Pki::create(&folder.path().join("pki")).expect("certificates");
        if setup.revoked {
            let revoked = pki.client("revoked").expect("a certificate");
            pki.revocation_list("revoked.crl", &[revoked.serial], 30).expect("a revocation list");
        }
        for (name, text) in &setup.files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        if let Some(policy) = &setup.policy {
            std::fs::create_dir(folder.path().join("policy")).expect("a folder for the policy");
            std::fs::write(folder.path().join("policy/policy.toml"), policy).expect("a policy");
        }
        let admin = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let doors: Vec<(Door, SocketAddr)> = DOORS
            .iter()
            .filter(|(door, _)| match setup.doors {
                Some(doors) => doors.contains(door),
                None => *door != Door::Ipv6 || setup.ipv6,
            })
            .map(|(door, _)| {
                let host = if *door == Door::Ipv6 { "[::1]" } else { "127.0.0.1" };
                (*door, format!("{host}:{}", ports::free_port()).parse().expect("an address"))
            })
            .collect();
        let settings = folder.path().join("gateway.toml");
        std::fs::write(&settings, text(setup, &doors, admin)).expect("settings");
        let process = Process::start("tidegate", command(&settings, setup.max_descriptors), &folder.path().join("log"));
        let mut gateway = Self { process, pki, doors, admin, folder };
        gateway.wait_alive();
        gateway
    }

    fn wait_alive(&mut self) {
        let answered = wait_within(PATIENCE, || {
            let ended = self.process.has_ended().is_some();
            (ended || self.get("/healthz").is_some_and(|(status, _)| status == 200)).then_some(ended)
        });
        assert_eq!(answered, Some(false), "tidegate is not up; it wrote:\n{}", self.process.log());
    }

    pub(crate) fn address(&self, door: Door) -> SocketAddr {
        self.doors.iter().find(|(this, _)| *this == door).map(|(_, address)| *address).expect("an open door")
    }

    pub(crate) fn plain(&self) -> SocketAddr {
        self.address(Door::Plain)
    }

    /// How a client with these papers speaks TLS to it.
    pub(crate) fn tls_client(&self, papers: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.pki.path("ca.pem")).expect("the CA");
        roots.add(ca).expect("a CA");
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match papers {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_file_iter(&pair.certificate).expect("a chain");
                let chain = chain.collect::<Result<_, _>>().expect("certificates");
                let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        Arc::new(config)
    }

    /// Status and body of an answer of the admin address.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.admin, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// The sum of a family's samples whose labels hold all of these (`name="value"`).
    pub(crate) fn metric(&self, family: &str, labels: &[&str]) -> f64 {
        let (_, page) = wait_for("an answer of /metrics", || self.get("/metrics"));
        let samples = page.lines().filter(|line| {
            line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub(crate) fn wait_metric(&self, family: &str, labels: &[&str], wanted: f64) {
        let found = wait_within(PATIENCE, || {
            let value = self.metric(family, labels);
            (value >= wanted && (wanted > 0.0 || value <= wanted)).then_some(())
        });
        let page = || self.get("/metrics").map(|(_, page)| related(&page, family)).unwrap_or_default();
        assert!(found.is_some(), "{family} {labels:?} never came to {wanted}:\n{}", page());
    }

    pub(crate) fn connections_open(&self) -> f64 {
        self.metric("tidegate_connections_open", &[])
    }

    /// The lines of the audit file, each a JSON object.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}")))
            .collect()
    }

    /// Waits for an audit line that says all of this.
    pub(crate) fn wait_audit(&self, facts: &[(&str, &str)]) -> serde_json::Value {
        let found = wait_within(PATIENCE, || {
            let says = |line: &serde_json::Value, (key, value): &(&str, &str)| {
                line.get(key).and_then(|it| it.as_str()) == Some(value)
            };
            self.audit().into_iter().find(|line| facts.iter().all(|fact| says(line, fact)))
        });
        found.unwrap_or_else(|| panic!("no audit line with {facts:?} in:\n{:#?}", self.audit()))
    }

    /// Writes a file beside the settings.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    /// A file beside the settings.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// What a file beside the settings holds.
    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).expect("a file")
    }

    /// Puts a file in its place at once, as a careful program does.
    pub(crate) fn put(&self, file: &str, text: &str) {
        let beside = self.path(&format!("{file}.new"));
        std::fs::write(&beside, text).expect("a file");
        std::fs::rename(beside, self.path(file)).expect("a file in its place");
    }

    /// Changes the settings file.
    pub(crate) fn settings(&self, from: &str, to: &str) {
        let text = self.read("gateway.toml");
        assert!(text.contains(from), "`{from}` is not in the settings:\n{text}");
        self.put("gateway.toml", &text.replacen(from, to, 1));
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.process.signal(Signal::HUP);
    }

    /// Waits until so many reloads have come to that: `applied` or `refused`.
    pub(crate) fn wait_reloads(&self, outcome: &str, count: f64) {
        self.wait_metric("tidegate_reloads_total", &[&format!("outcome=\"{outcome}\"")], count);
    }

    /// SIGTERM.
    pub(crate) fn stop(&self) {
        self.process.signal(Signal::TERM);
    }

    pub(crate) fn wait_end(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.process.wait_end(patience)
    }
}

fn related(page: &str, family: &str) -> String {
    let word = family.rsplit_once('_').map_or(family, |(front, _)| front);
    page.lines().filter(|line| line.starts_with(word)).fold(String::new(), |text, line| text + line + "\n")
}

fn command(settings: &Path, max_descriptors: Option<u32>) -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tidegate"));
    let mut command = match max_descriptors {
        None => Command::new(program),
        Some(count) => {
            let mut shell = Command::new("/bin/sh");
            // Hard and soft: the gateway raises the soft one as far as it may.
            shell.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\"")]).arg(program);
            shell
        }
    };
    command.args(["run", "-c"]).arg(settings);
    command
}

fn text(setup: &Setup, doors: &[(Door, SocketAddr)], admin: SocketAddr) -> String {
    let mut text = String::new();
    let policy = if setup.policy.is_some() { PathBuf::from("policy") } else { repository("policies/permit-all") };
    let _ = writeln!(text, "policies = [{:?}]\n{}", policy.display().to_string(), setup.tables);
    // Many a table of logins that are refused would take minutes; what it does has tests of its own.
    if !setup.tables.contains("[protection]") {
        text.push_str("[protection]\ntarpit = \"0s\"\n\n");
    }
    let _ = writeln!(text, "[admin]\nbind = \"{admin}\"\n\n[audit]\n{}\n", setup.audit);
    for (door, address) in doors {
        let name = DOORS.iter().find(|(this, _)| this == door).map_or("", |(_, name)| name);
        let _ = writeln!(
            text,
            "[[listener]]\nname = \"{name}\"\nbind = \"{address}\"\nbroker = \"plant\"\n{}",
            setup.listener
        );
        if matches!(door, Door::Tls | Door::WebSocketTls) {
            text.push_str("tls.certificate = \"pki/server.pem\"\ntls.key = \"pki/server.key\"\n");
            let _ = writeln!(text, "tls.clients = {:?}\ntls.client_ca = \"pki/ca.pem\"", setup.clients);
            if setup.revoked {
                text.push_str("tls.crl = [\"pki/revoked.crl\"]\n");
            }
        }
        if matches!(door, Door::WebSocket | Door::WebSocketTls) {
            text.push_str("websocket.path = \"/mqtt\"\n");
        }
    }
    let servers: Vec<String> = setup.servers.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "\n[[broker]]\nname = \"plant\"\nservers = {servers:?}\n{}", setup.broker_tls);
    text
}

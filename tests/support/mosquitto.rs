//! A private, unmodified Mosquitto on loopback, without persistence, that accepts anyone and logs everything.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::pki::Pki;
use super::process::Process;
use super::{ports, tool, wait_within};

pub(crate) struct Mosquitto {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    folder: TempDir,
    lists: Option<TempDir>,
}

impl Mosquitto {
    pub(crate) fn start() -> Self {
        Self::start_on(ports::free_port())
    }

    /// With TLS, and only for clients with a certificate of this PKI's.
    pub(crate) fn start_tls(pki: &Pki) -> Self {
        let [ca, certificate, key] =
            ["ca.pem", "server.pem", "server.key"].map(|file| pki.path(file).display().to_string());
        let lines =
            format!("cafile {ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\nuser root\n");
        Self::start_with(ports::free_port(), &lines)
    }

    /// The same, and the Common Name of the certificate is the user name.
    pub(crate) fn start_by_certificate(pki: &Pki) -> Self {
        let [ca, certificate, key] =
            ["ca.pem", "server.pem", "server.key"].map(|file| pki.path(file).display().to_string());
        let lines = format!(
            "cafile {ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n\
             use_identity_as_username true\nuser root\n"
        );
        Self::start_with(ports::free_port(), &lines)
    }

    pub(crate) fn start_on(port: u16) -> Self {
        Self::start_with(port, "")
    }

    /// Whoever is in the password file, given as `NAME:PASSWORD` lines, may do what the access control list says.
    pub(crate) fn start_guarded(port: u16, passwords: &str, list: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Mosquitto's lists");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("passwords"), passwords).expect("a password file");
        std::fs::write(path("acl"), list).expect("an access control list");
        let hashed = Command::new(tool("mosquitto_passwd", "mosquitto")).arg("-U").arg(path("passwords")).status();
        assert!(hashed.is_ok_and(|status| status.success()), "mosquitto_passwd failed");
        let (passwords, list) = (path("passwords").display().to_string(), path("acl").display().to_string());
        let lines = format!("password_file {passwords}\nacl_file {list}\nallow_anonymous false\nuser root\n");
        let mut broker = Self::start_with(port, &lines);
        broker.lists = Some(folder);
        broker
    }

    /// Loses nothing for want of room, and logs connections alone.
    pub(crate) fn start_for_load() -> Self {
        let lines = "max_inflight_messages 0\nmax_queued_messages 0\nlog_type error\nlog_type notice\n";
        Self::start_saying(ports::free_port(), "", lines)
    }

    /// Connections that it has taken until now.
    pub(crate) fn connections_taken(&self) -> usize {
        self.process.log().lines().filter(|line| line.contains("New client connected")).count()
    }

    fn start_with(port: u16, listener: &str) -> Self {
        Self::start_saying(port, listener, "max_inflight_messages 20\nmax_queued_messages 2000\nlog_type all\n")
    }

    /// The limits are the gateway's own where Mosquitto would name none, so that no CONNACK needs to be tightened.
    fn start_saying(port: u16, listener: &str, lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Mosquitto");
        let settings = folder.path().join("mosquitto.conf");
        let anyone = if listener.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
        let text = format!(
            "listener {port} 127.0.0.1\n{listener}max_topic_alias 10\n{anyone}persistence false\n\
             max_packet_size 16777216\nset_tcp_nodelay true\n{lines}\
             sys_interval 0\nlog_dest stderr\nlog_timestamp false\nconnection_messages true\n"
        );
        std::fs::write(&settings, text).expect("Mosquitto's settings");
        let mut command = Command::new(tool("mosquitto", "mosquitto"));
        command.arg("-c").arg(&settings);
        let mut process = Process::start("Mosquitto", command, &folder.path().join("log"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let ready = wait_within(super::PATIENCE, || {
            (process.has_ended().is_some() || TcpStream::connect(address).is_ok()).then_some(())
        });
        assert!(ready.is_some() && process.has_ended().is_none(), "Mosquitto is not ready:\n{}", process.log());
        Self { address, process, folder, lists: None }
    }

    pub(crate) fn log_file(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }
}

//! The sides that are asked: the original, and the policy made of its settings.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tidegate::credentials::password::Passwords;
use tidegate::identity::{Identity, Method};
use tidegate::import::{self, Files, Import, Inputs};
use tidegate::mqtt::frame::QoS;
use tidegate::mqtt::{Version, topic};
use tidegate::policy::{self, Authority, Decision, Message, Policy, Request, Subscription};

use super::answers::Answers;
use super::world::{Visitor, World};
use crate::support::process::Process;
use crate::support::{PATIENCE, ports, tool, wait_within};

/// The unmodified Mosquitto with the files of a world.
pub(crate) struct Original {
    pub(crate) address: SocketAddr,
    pub(crate) conf: PathBuf,
    folder: TempDir,
    _process: Process,
}

impl Original {
    pub(crate) fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in &world.files {
            fs::write(folder.path().join(name), text).expect("a file of the world");
        }
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let lines = world.conf.replace('@', &folder.path().display().to_string());
        let port = address.port();
        let text = format!(
            "{}listener {port} 127.0.0.1\n{lines}user root\npersistence false\nsys_interval 0\nset_tcp_nodelay true\n\
             max_inflight_messages 1000\nmax_queued_messages 10000\nlog_dest stderr\nlog_type error\nlog_type warning\n",
            world.head
        );
        let conf = folder.path().join("mosquitto.conf");
        fs::write(&conf, text).expect("mosquitto.conf");
        let mut command = Command::new(tool("mosquitto", "mosquitto"));
        command.arg("-c").arg(&conf);
        let mut process = Process::start("Mosquitto", command, &folder.path().join("log"));
        let ready = wait_within(PATIENCE, || {
            (process.has_ended().is_some() || TcpStream::connect(address).is_ok()).then_some(())
        });
        let is_up = ready.is_some() && process.has_ended().is_none();
        assert!(is_up, "Mosquitto does not start with world {:x}:\n{}", world.seed, process.log());
        Self { address, conf, folder, _process: process }
    }

    /// What the import makes of it, written to a folder beside its files.
    pub(crate) fn import(&self) -> (Import, PathBuf) {
        let inputs = Inputs { conf: Some(self.conf.clone()), ..Inputs::default() };
        let import = import::mosquitto(&inputs, &Disk).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let out = self.folder.path().join("imported");
        for (name, text) in import.files.iter().chain(&import.secrets) {
            let path = out.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file of the import");
        }
        (import, out)
    }
}

pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
        Ok(entries.flatten().map(|entry| entry.path()).collect())
    }
}

/// The built gateway with the import, before a broker that permits everything.
pub(crate) struct Imported {
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl Imported {
    /// `folder` is that of the import, `original` what its settings would take the place of.
    pub(crate) fn start(folder: &Path, original: SocketAddr, broker: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let path = folder.join("gateway.toml");
        let text = fs::read_to_string(&path).expect("the settings");
        let text = text.replace(&original.to_string(), &address.to_string());
        let text = text.replace("127.0.0.1:11883", &broker.to_string());
        fs::write(&path, format!("{text}\n[audit]\nfile = \"audit.jsonl\"\n")).expect("the settings");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["run", "-c"]).arg(&path).env_remove("TIDEGATE_LOG");
        let mut process = Process::start("the gateway", command, &folder.join("log"));
        let ready = wait_within(PATIENCE, || {
            (process.has_ended().is_some() || TcpStream::connect(address).is_ok()).then_some(())
        });
        assert!(ready.is_some() && process.has_ended().is_none(), "the gateway does not start:\n{}", process.log());
        Self { address, _process: process }
    }
}

/// The imported policy, asked without a network.
pub(crate) struct Engine {
    policy: Arc<Policy>,
    passwords: Option<Passwords>,
    lets_anonymous: bool,
}

impl Engine {
    pub(crate) fn new(import: &Import, folder: &Path) -> Self {
        let loaded = tidegate::config::load_policy(&[folder]).unwrap_or_else(|problems| panic!("{problems}"));
        let passwords = import.secrets.get("passwords").map(|text| {
            let (passwords, problems) = Passwords::parse(text);
            assert!(problems.is_empty(), "{problems:?}");
            passwords
        });
        let lets_anonymous = import.files["gateway.toml"].contains("\"anonymous\"");
        Self { policy: loaded.policy, passwords, lets_anonymous }
    }

    pub(crate) fn answers(&self, visitor: &Visitor, delivered: &[String]) -> Answers {
        let mut answers = Answers::default();
        let Some(identity) = self.identity(visitor) else { return answers };
        let mut authority = Authority::new(&self.policy, &identity, 0);
        let mut permits = |request: &Request<'_>| match authority.decide(&identity, request) {
            Decision::Allow | Decision::AllowUpTo(_) => true,
            Decision::Deny(_) => false,
            other => panic!("{other:?}"),
        };
        let connect = policy::Connect::new(Version::V50);
        answers.connected = permits(&Request::Connect(connect));
        if !answers.connected {
            return answers;
        }
        for topic in &visitor.publishes {
            let taken = permits(&Request::Publish(message(topic, QoS::One)));
            answers.published.insert(topic.clone(), taken);
        }
        for filter in &visitor.subscribes {
            let asked = Subscription { filter, qos: QoS::Zero, has_identifier: false };
            let taken = permits(&Request::Subscribe(asked));
            answers.subscribed.insert(filter.clone(), taken);
        }
        let asked: BTreeSet<&str> =
            answers.subscribed.iter().filter(|(_, taken)| **taken).map(|(filter, _)| unshared(filter)).collect();
        for topic in delivered {
            let is_sent = asked.iter().any(|filter| topic::matches(filter, topic));
            if is_sent && permits(&Request::Receive(message(topic, QoS::Zero))) {
                answers.delivered.insert(topic.clone());
            }
        }
        answers
    }

    /// Who the gateway would take the visitor for.
    fn identity(&self, visitor: &Visitor) -> Option<Identity> {
        let mut identity = Identity::new("mqtt".into(), ([127, 0, 0, 1], 1).into(), None);
        identity.client_id = visitor.client_id.as_str().into();
        identity.username = visitor.username.as_deref().map(Into::into);
        match (&self.passwords, &visitor.username) {
            (Some(passwords), Some(name)) => {
                let password = visitor.password.as_ref()?;
                passwords.get(name).filter(|entry| entry.verify(password.as_bytes()))?;
                identity.name = Some(name.as_str().into());
                identity.method = Method::Password;
            }
            (None, _) | (Some(_), None) if self.lets_anonymous => identity.method = Method::Anonymous,
            (None, _) | (Some(_), None) => return None,
        }
        Some(identity)
    }
}

fn message(topic: &str, qos: QoS) -> Message<'_> {
    Message { topic, qos, retain: false, payload_bytes: 5, payload: Some(b"probe"), dup: false, properties: None }
}

/// The filter of a Shared Subscription, whose share nobody else is in.
pub(crate) fn unshared(filter: &str) -> &str {
    filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, filter)| filter)
}

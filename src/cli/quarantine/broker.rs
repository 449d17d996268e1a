//! The broker that a command talks to, as its arguments say.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::super::{Exit, complain};
use crate::config::{self, FixedCredentials, Secret, Server};
use crate::gateway::client::{Account, Client};
use crate::mqtt::Version;
use crate::tls::client::ClientSettings;

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes of a password that MQTT can carry, and a line break.
const MAX_PASSWORD_BYTES: usize = 65_535;

#[derive(Debug, Args)]
pub(super) struct Broker {
    /// The broker to talk to
    #[arg(long, value_name = "HOST:PORT", value_parser = server)]
    broker: Option<Server>,
    /// Speak TLS, and trust the issuers in this PEM file
    #[arg(long, value_name = "FILE", requires = "broker")]
    ca: Option<PathBuf>,
    /// Speak TLS, and trust the issuers that this machine trusts
    #[arg(long, requires = "broker", conflicts_with = "ca")]
    tls: bool,
    /// The name in the broker's certificate, where it is not the host
    #[arg(long, value_name = "NAME", requires = "broker")]
    server_name: Option<String>,
    /// A client certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The user name
    #[arg(long, value_name = "NAME", requires = "broker")]
    username: Option<String>,
    /// A file that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// The Client Identifier; one that no other has when not given
    #[arg(long, value_name = "ID", requires = "broker")]
    client_id: Option<String>,
    /// The version of MQTT: 3.1.1, or 5.0, which carries properties
    #[arg(long, value_name = "VERSION", default_value = "5.0", value_parser = version)]
    mqtt: Version,
}

fn server(text: &str) -> Result<Server, &'static str> {
    config::server(text).ok_or("expected a host and a port, such as `127.0.0.1:1883`")
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "3.1.1" => Ok(Version::V311),
        "5.0" | "5" => Ok(Version::V50),
        _ => Err("expected `3.1.1` or `5.0`"),
    }
}

pub(super) fn time(text: &str) -> Result<Duration, &'static str> {
    config::duration(text).ok_or("expected a time, such as `10s`")
}

impl Broker {
    pub(super) const fn server(&self) -> Option<&Server> {
        self.broker.as_ref()
    }

    /// Connects, and complains where that fails.
    pub(super) fn connect(&self) -> Result<Client, Exit> {
        let Some(server) = &self.broker else { return Err(Exit::Usage) };
        let wants_tls = self.tls || self.ca.is_some() || self.certificate.is_some();
        let mut tls = None;
        if wants_tls {
            let settings = ClientSettings {
                ca: self.ca.clone(),
                identity: self.certificate.clone().zip(self.key.clone()),
                server_name: self.server_name.clone(),
                ..ClientSettings::default()
            };
            let built = settings.build(SystemTime::now()).map_err(|errors| {
                errors.iter().for_each(|error| complain(format_args!("error: {error}")));
                Exit::Failed
            })?;
            tls = Some(built);
        }
        let account = Account {
            version: self.mqtt,
            client_id: self.client_id.clone().unwrap_or_else(|| format!("tidegate-cli-{}", std::process::id())),
            credentials: FixedCredentials {
                username: self.username.as_deref().map(Into::into),
                password: self.password()?,
            },
        };
        Client::connect(server, tls.as_ref(), &account, PATIENCE).map_err(|error| {
            let why = causes(&error);
            complain(format_args!("error: {server}: {error}{why}"));
            Exit::Failed
        })
    }

    fn password(&self) -> Result<Option<Secret>, Exit> {
        let Some(file) = &self.password_file else { return Ok(None) };
        let mut bytes = std::fs::read(file).map_err(|error| {
            complain(format_args!("error: {}: {error}", file.display()));
            Exit::Failed
        })?;
        for end in [b'\n', b'\r'] {
            if bytes.last() == Some(&end) {
                bytes.pop();
            }
        }
        if bytes.is_empty() || bytes.len() > MAX_PASSWORD_BYTES {
            complain(format_args!("error: {}: no password that MQTT can carry", file.display()));
            return Err(Exit::Failed);
        }
        Ok(Some(Secret::new(bytes)))
    }
}

/// What it comes from.
fn causes(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.map(|source| format!(": {source}")).collect()
}

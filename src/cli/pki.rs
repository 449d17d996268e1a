//! `tidegate pki`: a small PKI for trying and testing. One CA, certificates for the gateway and for clients, revocation.
//!
//! Not here: anything that a CA of a running plant needs: a key in hardware, roles, renewal, a responder.

mod authority;
mod folder;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::run::with_causes;
use super::{Exit, answer, complain};
use crate::config;
use authority::{Authority, Subject, Use};
use folder::{Folder, Issued};

pub(super) const ABOUT: &str = "\
A small PKI for trying and testing: a CA, certificates for the gateway and for
clients, revocation.

Everything is in one folder: `ca.pem` and `ca.key`, `NAME.pem` and `NAME.key`
of each certificate, the revocation list `crl.pem`, and `index.jsonl`, a line
for each certificate issued or revoked. Keys are ECDSA P-256, readable by their
owner alone; no file is replaced without --force. The CA's key lies there
unencrypted: for devices of a running plant, use a CA that is kept.

  tidegate pki init pki
  tidegate pki server pki gateway --dns localhost --ip 127.0.0.1
  tidegate pki client pki temp-07 --ou sensors
  tidegate pki revoke pki temp-07

With --json each command answers with one object.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the folder with a CA and an empty revocation list
    Init(Init),
    /// Issue a certificate for a server: the gateway, or a broker
    Server(Server),
    /// Issue a certificate for a client
    Client(Client),
    /// Revoke every certificate of a name, and write the revocation list anew
    Revoke(Revoke),
    /// Write the revocation list anew, with a later next update
    Crl(Crl),
}

#[derive(Debug, Args)]
struct Init {
    /// The folder; made where there is none
    folder: PathBuf,
    /// Common Name of the CA
    #[arg(long, value_name = "TEXT", default_value = "Trial CA", value_parser = common_name)]
    name: String,
    /// How long the CA is valid
    #[arg(long, value_name = "DURATION", default_value = "3650d", value_parser = lifetime)]
    valid: Duration,
    #[command(flatten)]
    list: ListLifetime,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Server {
    /// The folder of the CA
    folder: PathBuf,
    /// Name of the files, and Common Name; also a DNS name of the certificate where it is one
    #[arg(value_parser = file_name)]
    name: String,
    /// DNS name by which clients dial it; may be repeated
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// IP address by which clients dial it; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    #[command(flatten)]
    issue: Issue,
}

#[derive(Debug, Args)]
struct Client {
    /// The folder of the CA
    folder: PathBuf,
    /// Name of the files, and Common Name
    #[arg(value_parser = file_name)]
    name: String,
    /// Organization
    #[arg(long, value_name = "TEXT", value_parser = common_name)]
    o: Option<String>,
    /// Organizational Unit
    #[arg(long, value_name = "TEXT", value_parser = common_name)]
    ou: Option<String>,
    /// A DNS name to be in it; may be repeated
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// A URI, such as spiffe://plant/temp-07; may be repeated
    #[arg(long, value_name = "URI")]
    uri: Vec<String>,
    /// An e-mail address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// An IP address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    #[command(flatten)]
    issue: Issue,
}

#[derive(Debug, Args)]
struct Issue {
    /// How long it is valid; never longer than the CA
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = lifetime)]
    valid: Duration,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The folder of the CA
    folder: PathBuf,
    /// The name that the certificates were issued for
    #[arg(value_parser = file_name)]
    name: String,
    #[command(flatten)]
    list: ListLifetime,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Crl {
    /// The folder of the CA
    folder: PathBuf,
    #[command(flatten)]
    list: ListLifetime,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListLifetime {
    /// How long until the next update of the revocation list
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = lifetime)]
    next_update: Duration,
}

#[derive(Debug, Args)]
struct Output {
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// The longest lifetime: a hundred years.
const MAX_LIFETIME: Duration = Duration::from_secs(36_500 * 86_400);

/// The longest Common Name [RFC 5280 A.1].
const MAX_NAME_CHARACTERS: usize = 64;

pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=MAX_LIFETIME;
    let found = config::duration(text).filter(|duration| range.contains(duration));
    found.ok_or_else(|| "expected a duration from `1s` to `36500d`, such as `365d` or `12h`".to_owned())
}

fn common_name(text: &str) -> Result<String, String> {
    let fits = (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "expected 1 to 64 characters, none of them a control character".into())
}

/// A name that names files too.
fn file_name(text: &str) -> Result<String, String> {
    let name = common_name(text)?;
    let is_reserved = ["ca", "crl"].contains(&text);
    if text.contains(['/', '\\']) || text.starts_with(['.', '-']) || is_reserved {
        return Err("it names files: no `/` or `\\`, no `.` or `-` in front, and not `ca` or `crl`".to_owned());
    }
    Ok(name)
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("`{}` is there already; --force replaces it", .0.display())]
    Exists(PathBuf),
    #[error("no CA in `{}`; `tidegate pki init` makes one", .0.display())]
    NoAuthority(PathBuf),
    #[error("can't {what} `{}`", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`{}`, line {line}: no record of a certificate", path.display())]
    Index { path: PathBuf, line: usize },
    #[error("`{0}` is no name that a certificate can hold")]
    Name(String),
    #[error("the CA has expired")]
    AuthorityExpired,
    #[error("no certificate was issued for `{0}`")]
    NeverIssued(String),
    #[error("no certificate can be made")]
    Certificate(#[from] rcgen::Error),
    #[error("the system gives no random numbers")]
    Random,
}

/// What was done, for people and for programs.
struct Done {
    lines: Vec<String>,
    json: Value,
}

pub(super) fn pki(arguments: &Arguments) -> Exit {
    let now = OffsetDateTime::now_utc();
    let (done, as_json) = match &arguments.command {
        Command::Init(init) => (init.run(now), init.output.json),
        Command::Server(server) => (server.run(now), server.issue.output.json),
        Command::Client(client) => (client.run(now), client.issue.output.json),
        Command::Revoke(revoke) => (revoke.run(now), revoke.json),
        Command::Crl(crl) => (crl.run(now), crl.json),
    };
    match done {
        Ok(done) if as_json => answer(done.json),
        Ok(done) => done.lines.iter().for_each(answer),
        Err(failure) => {
            complain(format_args!("error: {}", with_causes(&failure)));
            return Exit::Failed;
        }
    }
    Exit::Done
}

impl Init {
    fn run(&self, now: OffsetDateTime) -> Result<Done, Failure> {
        let folder = Folder::make(&self.folder)?;
        let authority = Authority::new(&self.name, now, self.valid)?;
        folder.write_authority(&authority, self.output.force)?;
        let next_update = folder.write_list(&authority, now, self.list.next_update)?;
        let until = moment(authority.not_after);
        Ok(Done {
            lines: vec![
                format!("{}: CA `{}`, valid until {until}", folder.shown("ca.pem"), self.name),
                format!("{}: its private key", folder.shown("ca.key")),
                format!("{}: revocation list, next update {}", folder.shown("crl.pem"), moment(next_update)),
            ],
            json: json!({
                "certificate": folder.shown("ca.pem"),
                "key": folder.shown("ca.key"),
                "not_after": until,
                "crl": folder.shown("crl.pem"),
                "next_update": moment(next_update),
            }),
        })
    }
}

impl Server {
    fn run(&self, now: OffsetDateTime) -> Result<Done, Failure> {
        let mut subject = Subject::new(&self.name, Use::Server);
        // Clients go by the alternative names alone; who gives none means the name itself.
        if let Ok(address) = self.name.parse() {
            subject.ip(address);
        } else if authority::is_dns_name(&self.name) {
            subject.dns(&self.name)?;
        } else if self.dns.is_empty() && self.ip.is_empty() {
            return Err(Failure::Name(self.name.clone()));
        }
        self.dns.iter().filter(|name| **name != self.name).try_for_each(|name| subject.dns(name))?;
        self.ip.iter().for_each(|address| subject.ip(*address));
        self.issue.run(&self.folder, &subject, now)
    }
}

impl Client {
    fn run(&self, now: OffsetDateTime) -> Result<Done, Failure> {
        let mut subject = Subject::new(&self.name, Use::Client);
        subject.organization = self.o.clone();
        subject.organizational_unit = self.ou.clone();
        self.dns.iter().try_for_each(|name| subject.dns(name))?;
        self.uri.iter().try_for_each(|uri| subject.uri(uri))?;
        self.email.iter().try_for_each(|address| subject.email(address))?;
        self.ip.iter().for_each(|address| subject.ip(*address));
        self.issue.run(&self.folder, &subject, now)
    }
}

impl Issue {
    fn run(&self, folder: &std::path::Path, subject: &Subject, now: OffsetDateTime) -> Result<Done, Failure> {
        let folder = Folder::open(folder)?;
        let authority = folder.authority()?;
        let issued = authority.issue(subject, now, self.valid)?;
        folder.write_issued(subject, &issued, now, self.output.force)?;
        let (name, until) = (&subject.name, moment(issued.not_after));
        let (certificate, key) = (folder.shown(&format!("{name}.pem")), folder.shown(&format!("{name}.key")));
        Ok(Done {
            lines: vec![
                format!("{certificate}: certificate of `{name}` for a {}, valid until {until}", subject.usage.label()),
                format!("{key}: its private key"),
            ],
            json: json!({
                "certificate": certificate,
                "key": key,
                "name": name,
                "use": subject.usage.label(),
                "serial": issued.serial,
                "not_after": until,
            }),
        })
    }
}

impl Revoke {
    fn run(&self, now: OffsetDateTime) -> Result<Done, Failure> {
        let folder = Folder::open(&self.folder)?;
        let authority = folder.authority()?;
        let all: Vec<Issued> = folder.index()?.into_iter().filter(|issued| issued.name == self.name).collect();
        if all.is_empty() {
            return Err(Failure::NeverIssued(self.name.clone()));
        }
        let fresh: Vec<&str> =
            all.iter().filter(|issued| issued.revoked.is_none()).map(|issued| issued.serial.as_str()).collect();
        fresh.iter().try_for_each(|serial| folder.record_revoked(&self.name, serial, now))?;
        let next_update = moment(folder.write_list(&authority, now, self.list.next_update)?);
        let crl = folder.shown("crl.pem");
        let said = match fresh.len() {
            0 => format!("`{}` was revoked before", self.name),
            1 => format!("`{}` is revoked: 1 certificate", self.name),
            count => format!("`{}` is revoked: {count} certificates", self.name),
        };
        Ok(Done {
            lines: vec![said, format!("{crl}: revocation list, next update {next_update}")],
            json: json!({"name": self.name, "revoked": fresh, "crl": crl, "next_update": next_update}),
        })
    }
}

impl Crl {
    fn run(&self, now: OffsetDateTime) -> Result<Done, Failure> {
        let folder = Folder::open(&self.folder)?;
        let authority = folder.authority()?;
        let next_update = moment(folder.write_list(&authority, now, self.list.next_update)?);
        let revoked = folder.index()?.iter().filter(|issued| issued.revoked.is_some()).count();
        let crl = folder.shown("crl.pem");
        Ok(Done {
            lines: vec![format!("{crl}: revocation list with {revoked} entries, next update {next_update}")],
            json: json!({"crl": crl, "entries": revoked, "next_update": next_update}),
        })
    }
}

fn moment(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_else(|_| time.unix_timestamp().to_string())
}

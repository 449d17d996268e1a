//! `tidegate import`: another broker's access control as a policy.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, answer, complain};
use crate::import::{self, Files, Import, Inputs, Item};

pub(super) const ABOUT: &str = "\
Make a policy of what another broker is set to.";

const MOSQUITTO: &str = "\
Make a policy of what a Mosquitto is set to: its mosquitto.conf, or its
acl_file, password_file and the file of its dynamic security plugin.

Into the folder go policy.toml and cases.toml, the password digests as they
were, and a gateway.toml to begin with. Nothing is replaced without --force.
What the files permit, the policy permits. Where that has no equal, the report
says what the policy does instead, with file and line: mostly, it permits less.

  tidegate import mosquitto /etc/mosquitto/mosquitto.conf --out plant
  tidegate check -c plant/gateway.toml

The exit code is 0 when everything has an equal, 1 when something has none (the
policy is written all the same), and 3 when a file can't be read or written.";

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    broker: Broker,
}

#[derive(Debug, Subcommand)]
enum Broker {
    /// Make a policy of what a Mosquitto is set to
    #[command(long_about = MOSQUITTO)]
    Mosquitto(Mosquitto),
}

#[derive(Debug, Args)]
struct Mosquitto {
    /// The mosquitto.conf; paths in it are relative to its folder
    #[arg(value_name = "MOSQUITTO.CONF")]
    conf: Option<PathBuf>,
    /// The acl_file, in place of what mosquitto.conf names
    #[arg(long, value_name = "FILE")]
    acl_file: Option<PathBuf>,
    /// The password_file, in place of what mosquitto.conf names
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The plugin's file, in place of what mosquitto.conf names
    #[arg(long, value_name = "FILE")]
    dynamic_security: Option<PathBuf>,
    /// Without a mosquitto.conf: clients without a user name may connect
    #[arg(long, conflicts_with = "conf")]
    allow_anonymous: bool,
    /// The folder to write to; made where there is none
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn import(arguments: &Arguments) -> Exit {
    let Broker::Mosquitto(arguments) = &arguments.broker;
    let Some(inputs) = inputs(arguments) else {
        complain(
            "error: nothing to take over: a mosquitto.conf or one of its files is due\n\nFor more information, try '--help'.",
        );
        return Exit::Usage;
    };
    let import = match import::mosquitto(&inputs, &Disk) {
        Ok(import) => import,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| complain(format_args!("error: {mistake}")));
            return Exit::Failed;
        }
    };
    let written = match write(&import, &arguments.out, arguments.force) {
        Ok(written) => written,
        Err(what) => {
            complain(format_args!("error: {what}"));
            return Exit::Failed;
        }
    };
    tell(&import, &written, arguments.json);
    if import.report.differences().next().is_some() { Exit::No } else { Exit::Done }
}

/// None where there is nothing.
fn inputs(arguments: &Mosquitto) -> Option<Inputs> {
    let inputs = Inputs {
        base: std::env::current_dir().unwrap_or_default(),
        conf: arguments.conf.clone(),
        acl_file: arguments.acl_file.clone(),
        password_file: arguments.password_file.clone(),
        dynamic_security: arguments.dynamic_security.clone(),
        allow_anonymous: arguments.allow_anonymous,
    };
    let given = [&inputs.conf, &inputs.acl_file, &inputs.password_file, &inputs.dynamic_security];
    given.iter().any(|path| path.is_some()).then_some(inputs)
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| said(&error))?;
        let is_small = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES);
        if is_small { Ok(bytes) } else { Err(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)) }
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let entries = entries.map_err(|error| format!("`{}`: {}", folder.display(), said(&error)))?;
        Ok(entries.iter().map(fs::DirEntry::path).collect())
    }
}

fn said(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound { "no such file or folder".to_owned() } else { error.kind().to_string() }
}

/// Writes every file; their paths.
fn write(import: &Import, folder: &Path, force: bool) -> Result<Vec<PathBuf>, String> {
    let open = import.files.iter().map(|(name, text)| (folder.join(name), text.as_str(), 0o644));
    let secret = import.secrets.iter().map(|(name, text)| (folder.join(name), text.as_str(), 0o600));
    let files: Vec<_> = open.chain(secret).collect();
    let taken = files.iter().map(|(path, _, _)| path).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = taken.filter(|_| !force) {
        return Err(format!("`{}` exists; --force replaces it", path.display()));
    }
    for (path, text, mode) in &files {
        replace(path, text, *mode).map_err(|error| format!("can't write `{}`: {}", path.display(), said(&error)))?;
    }
    Ok(files.into_iter().map(|(path, _, _)| path).collect())
}

/// Puts a file in place whole, or leaves what is there.
fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // What an earlier run may have left could be somebody else's, or be open to all.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn tell(import: &Import, written: &[PathBuf], as_json: bool) {
    let counts = [import.draft.roles.len(), import.draft.grants.len(), import.draft.denies.len()];
    let [roles, grants, denies] = counts;
    let (differences, remarks) = (import.report.differences(), import.report.remarks());
    if as_json {
        let files: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        answer(json!({
            "files": files,
            "roles": roles,
            "grants": grants,
            "denies": denies,
            "differences": differences.map(Item::to_json).collect::<Vec<_>>(),
            "remarks": remarks.map(Item::to_json).collect::<Vec<_>>(),
        }));
        return;
    }
    for path in written {
        answer(format_args!("wrote {}", path.display()));
    }
    answer(format_args!("{}, {}, {}", counted(roles, "role"), counted(grants, "grant"), counted(denies, "denial")));
    section("has no equal", differences);
    section("to know", remarks);
}

fn section<'i>(title: &str, items: impl Iterator<Item = &'i Item>) {
    let items: Vec<&Item> = items.collect();
    if !items.is_empty() {
        answer(format_args!("\n{title}:"));
    }
    for item in items {
        answer(format_args!("  {item}"));
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

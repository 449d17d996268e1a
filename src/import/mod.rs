//! Another broker's access control to a policy: Mosquitto's `acl_file`, `password_file` and dynamic security plugin.
//!
//! What the files permit is permitted, and what has no equal is told rather than guessed: where the meaning can't be kept, the
//! policy permits less. Pure: files are read by whoever calls. Not here: where the result is written (`cli`).
//!
//! The way of a line: its file's reader (`acl_file`, `dynsec`), ordered lists (`sheet`), rules without order (`rules`), text
//! (`write`). Read [`mosquitto`] first.

mod acl_file;
mod cases;
mod conf;
mod dynsec;
mod filter;
mod json;
mod names;
mod of_acl_file;
mod of_dynsec;
mod password_file;
mod realm;
mod report;
mod rules;
mod settings;
mod sheet;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use report::{Item, Kind, Mistake, Place, Report};

use self::conf::{Conf, Listener, Plugin, Security, Set};
use self::names::Names;
use self::rules::Rules;
use crate::policy::Draft;

/// The version of an imported policy, until somebody changes it.
const VERSION: &str = "imported-1";
const DEFAULT_PORT: u16 = 1883;

/// Where files come from.
pub trait Files {
    /// A whole file.
    ///
    /// # Errors
    /// Why it can't be read, in words.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// The files of a folder, in any order.
    ///
    /// # Errors
    /// Why it can't be read, in words.
    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, String>;
}

/// What is to be taken over.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The folder that relative paths are relative to.
    pub base: PathBuf,
    /// A `mosquitto.conf`.
    pub conf: Option<PathBuf>,
    /// An `acl_file`, in place of what the former names.
    pub acl_file: Option<PathBuf>,
    /// A `password_file`, in place of what the former names.
    pub password_file: Option<PathBuf>,
    /// The file of the dynamic security plugin, in place of what the former names.
    pub dynamic_security: Option<PathBuf>,
    /// Whether clients without a user name may connect, where no `mosquitto.conf` says it.
    pub allow_anonymous: bool,
}

/// What an import comes to.
pub struct Import {
    /// The policy.
    pub draft: Draft,
    /// Files by name, for one folder: `policy.toml` and what it names, `cases.toml`, `gateway.toml`.
    pub files: BTreeMap<String, String>,
    /// Files by name that hold password digests.
    pub secrets: BTreeMap<String, String>,
    /// What there is to tell.
    pub report: Report,
}

/// Takes over what a Mosquitto is set to.
///
/// # Errors
/// Files that can't be read, or that Mosquitto would not start with.
pub fn mosquitto(inputs: &Inputs, files: &dyn Files) -> Result<Import, Vec<Mistake>> {
    let mut report = Report::default();
    let conf = conf(inputs, files)?;
    let names = listener_names(&conf);
    realm::tell_of_settings(&conf, &mut report);
    let made = realm::make(&conf, &names, files, &mut report)?;
    let mut rules = Rules::new(VERSION);
    let (mut secrets, mut wanted, mut cases) = (BTreeMap::new(), Vec::new(), cases::head());
    for made in &made {
        rules.add(&made.sheet, &made.realm, &mut report);
        cases.push_str(&cases::cases(&made.sheet, &made.realm));
        let passwords = format!("{}passwords", made.realm.prefix);
        for at in &made.listeners {
            let (Some(listener), Some(name)) = (conf.listeners.get(*at), names.get(*at)) else { continue };
            let client_id = realm::client_ids(&conf, listener, made.proof, &mut report);
            let (name, proof, passwords) = (name.clone(), made.proof, passwords.clone());
            wanted.push(settings::Wanted { name, listener, proof, passwords, client_id });
        }
        if matches!(made.proof, settings::Proof::Password { .. }) {
            secrets.insert(passwords, made.passwords.clone());
        }
    }
    rules.complete();
    let mut files = write::policy(&rules, &head(inputs));
    if cases.contains("[[case]]") {
        files.insert("cases.toml".to_owned(), cases);
    }
    files.insert("gateway.toml".to_owned(), settings::settings(&wanted, &inputs.base));
    Ok(Import { draft: rules.draft, files, secrets, report })
}

fn head(inputs: &Inputs) -> String {
    let given = [&inputs.conf, &inputs.acl_file, &inputs.password_file, &inputs.dynamic_security];
    let given: Vec<String> = given.into_iter().flatten().map(|path| path.display().to_string()).collect();
    format!("Taken over from {}.\nThe remarks name the lines that a rule comes from.", given.join(", "))
}

/// What the inputs say, as one `mosquitto.conf` would.
fn conf(inputs: &Inputs, files: &dyn Files) -> Result<Conf, Vec<Mistake>> {
    let mut conf = match &inputs.conf {
        Some(path) => conf::read(path, files)?,
        None => {
            let place = Place::whole(&"--allow-anonymous".into());
            let allow_anonymous = Some(Set { value: inputs.allow_anonymous, place });
            let listener = Listener { port: DEFAULT_PORT, ..Listener::default() };
            Conf {
                security: Security { allow_anonymous, ..Security::default() },
                listeners: vec![listener],
                ..Conf::default()
            }
        }
    };
    if conf.listeners.is_empty() {
        // Without any, Mosquitto serves its own machine alone, and anybody on it.
        let place = inputs.conf.as_ref().map(|path| Place::whole(&path.display().to_string().into()));
        let anybody = place.map(|place| Set { value: true, place });
        let host = Some("127.0.0.1".to_owned());
        let security = Security { allow_anonymous: anybody.clone(), ..Security::default() };
        conf.security.allow_anonymous = anybody;
        conf.listeners.push(Listener { port: DEFAULT_PORT, host, security, ..Listener::default() });
    }
    let each = conf.listeners.iter_mut().map(|listener| &mut listener.security);
    for security in each.chain([&mut conf.security]) {
        let over = |slot: &mut Option<Set<PathBuf>>, path: &Option<PathBuf>| {
            if let Some(path) = path {
                *slot = Some(realm::given(path));
            }
        };
        over(&mut security.acl_file, &inputs.acl_file);
        over(&mut security.password_file, &inputs.password_file);
        if let Some(path) = &inputs.dynamic_security {
            let given = realm::given(path);
            let name = Set { value: "mosquitto_dynamic_security".to_owned(), place: given.place.clone() };
            security.plugins.retain(|plugin| !plugin.is_dynamic_security());
            security.plugins.push(Plugin { path: name, config_file: Some(given) });
        }
    }
    Ok(conf)
}

/// A name for each listener.
fn listener_names(conf: &Conf) -> Vec<String> {
    let mut names = Names::default();
    conf.listeners.iter().map(|listener| names.fresh(&format!("mqtt-{}", listener.port))).collect()
}

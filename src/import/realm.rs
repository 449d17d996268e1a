//! Which files are for which listeners, who can log in there, and the lists that come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::acl_file;
use super::conf::{Conf, Listener, Security, Set};
use super::dynsec::{self, Dynsec};
use super::filter::publishable;
use super::password_file;
use super::report::{Kind, Mistake, Place, Report};
use super::rules::Realm;
use super::settings::Proof;
use super::sheet::{Line, List, Sheet, Subject, Who};
use super::{Files, of_acl_file, of_dynsec};

/// Listeners that have the same files, and what comes of those.
pub(super) struct Made {
    /// Where they are in the list of listeners.
    pub(super) listeners: Vec<usize>,
    pub(super) realm: Realm,
    pub(super) sheet: Sheet,
    pub(super) proof: Proof,
    /// `name:digest`, a line each.
    pub(super) passwords: String,
}

/// Listeners that have the same files.
struct Group {
    listeners: Vec<usize>,
    security: Security,
    certificate: bool,
    subject: Option<Place>,
}

/// Puts together what belongs together. `named` are the names of the listeners.
pub(super) fn make(
    conf: &Conf,
    named: &[String],
    files: &dyn Files,
    report: &mut Report,
) -> Result<Vec<Made>, Vec<Mistake>> {
    let groups = groups(conf);
    let is_one = groups.len() == 1;
    let mut all = Vec::new();
    let mut mistakes = Vec::new();
    for group in groups {
        let names: Vec<String> = group.listeners.iter().filter_map(|at| named.get(*at)).cloned().collect();
        let mut realm = Realm::default();
        if !is_one {
            realm.prefix = names.first().map(|name| format!("{name}-")).unwrap_or_default();
            realm.listeners = names;
        }
        match Making::read(&group, files, report) {
            Ok(making) => all.push(making.done(group.listeners, realm)),
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() { Ok(all) } else { Err(mistakes) }
}

fn groups(conf: &Conf) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, listener) in conf.listeners.iter().enumerate() {
        let security = if conf.per_listener { &listener.security } else { &conf.security };
        let is_tls = listener.certfile.is_some();
        let certificate = is_tls && listener.identity_as_username.is_some();
        let subject = listener.subject_as_username.clone().filter(|_| is_tls && !certificate);
        let like = |group: &&mut Group| {
            let same_proof = group.certificate == certificate && group.subject.is_some() == subject.is_some();
            same_proof && group.security.is_like(security)
        };
        match groups.iter_mut().find(like) {
            Some(group) => group.listeners.push(at),
            None => groups.push(Group { listeners: vec![at], security: security.clone(), certificate, subject }),
        }
    }
    groups
}

struct Making<'r> {
    report: &'r mut Report,
    proof: Proof,
    /// Digests by name, of whoever can log in by password.
    logins: BTreeMap<String, String>,
    bound: BTreeMap<String, String>,
    sheet: Sheet,
}

impl<'r> Making<'r> {
    fn read(group: &Group, files: &dyn Files, report: &'r mut Report) -> Result<Self, Vec<Mistake>> {
        let security = &group.security;
        let anonymous = security.allow_anonymous.as_ref().is_some_and(|allowed| allowed.value);
        let has_passwords = security.password_file.is_some() || !security.plugins.is_empty();
        let proof = match group {
            Group { certificate: true, .. } | Group { subject: Some(_), .. } => Proof::Certificate,
            _ if anonymous && !has_passwords => Proof::Nothing,
            _ => Proof::Password { anonymous },
        };
        let (logins, bound) = (BTreeMap::new(), BTreeMap::new());
        let mut making = Self { report, proof, logins, bound, sheet: Sheet::default() };
        let dynsec = making.dynsec(security, files)?;
        making.tell_of_security(security, dynsec.is_some());
        making.passwords(security, dynsec.as_ref(), files)?;
        if let Some(place) = &group.subject {
            let text = "`use_subject_as_username`: a whole subject is no name here; nothing is granted";
            making.report.add(Kind::Authentication, Some(place), text);
            return Ok(making);
        }
        making.sheet = match (&dynsec, &security.acl_file) {
            (Some((found, place)), acl_file) => {
                if let Some(acl_file) = acl_file {
                    let text =
                        "`acl_file` beside the dynamic security plugin: what it gives beyond the plugin is not granted";
                    making.report.add(Kind::TwoSources, Some(&acl_file.place), text);
                }
                making.of_dynsec(found, place)
            }
            (None, Some(acl_file)) => making.of_acl_file(acl_file, files)?,
            (None, None) if security.plugins.is_empty() => making.everything(),
            (None, None) => Sheet::default(),
        };
        Ok(making)
    }

    fn done(self, listeners: Vec<usize>, realm: Realm) -> Made {
        let passwords = match self.proof {
            Proof::Password { .. } => self.logins.iter().map(|(name, digest)| format!("{name}:{digest}\n")).collect(),
            Proof::Certificate | Proof::Nothing => String::new(),
        };
        let realm = Realm { is_unproven: self.proof == Proof::Nothing, bound: self.bound, ..realm };
        Made { listeners, realm, sheet: self.sheet, proof: self.proof, passwords }
    }

    fn has_anonymous(&self) -> bool {
        match self.proof {
            Proof::Password { anonymous } => anonymous,
            Proof::Nothing => true,
            Proof::Certificate => false,
        }
    }

    /// Whether clients may turn up of whom no file says that they exist.
    fn is_open(&self) -> bool {
        !matches!(self.proof, Proof::Password { .. })
    }

    fn tell_of_security(&mut self, security: &Security, has_dynsec: bool) {
        for plugin in security.plugins.iter().filter(|plugin| !plugin.is_dynamic_security()) {
            let text = format!("`{}` decides by itself; what it would permit is not granted", plugin.path.value);
            self.report.add(Kind::Authentication, Some(&plugin.path.place), text);
        }
        for plugin in security.plugins.iter().filter(|plugin| plugin.is_dynamic_security() && !has_dynsec) {
            let text = "a dynamic security plugin without a file permits nothing";
            self.report.add(Kind::NoEffect, Some(&plugin.path.place), text);
        }
        if let Some(psk) = &security.psk_file {
            let text = "`psk_file`: TLS with shared keys is not spoken here; its clients can't connect";
            self.report.add(Kind::Authentication, Some(&psk.place), text);
        }
    }

    fn dynsec(&mut self, security: &Security, files: &dyn Files) -> Result<Option<(Dynsec, Place)>, Vec<Mistake>> {
        let mut plugins = security.plugins.iter().filter(|plugin| plugin.is_dynamic_security());
        let Some(path) = plugins.find_map(|plugin| plugin.config_file.as_ref()) else { return Ok(None) };
        let (bytes, file) = read(path, files)?;
        let found = dynsec::parse(&bytes, &file, self.report)?;
        let text = "changes made by the plugin's commands do not reach the policy: import the file again";
        self.report.add(Kind::Advice, Some(&Place::whole(&file)), text);
        Ok(Some((found, Place::whole(&file))))
    }

    fn passwords(
        &mut self,
        security: &Security,
        dynsec: Option<&(Dynsec, Place)>,
        files: &dyn Files,
    ) -> Result<(), Vec<Mistake>> {
        if let Some(path) = &security.password_file {
            let (bytes, file) = read(path, files)?;
            let entries = password_file::parse(&bytes, &file, self.report)?;
            self.logins.extend(entries.into_iter().map(|entry| (entry.name, entry.digest)));
        }
        // The plugin is asked first, and the file alone about clients of whom the plugin has no password.
        for client in dynsec.iter().flat_map(|(found, _)| found.clients.values()) {
            let can_never = client.disabled || client.client_id.as_deref() == Some("");
            match (&client.digest, &client.client_id) {
                _ if can_never => {
                    self.logins.remove(&client.name);
                }
                (_, Some(id)) if id.contains('*') || id.contains("${") => {
                    let text =
                        format!("`{id}` can't be written as one Client Identifier: `{}` can't connect", client.name);
                    self.report.add(Kind::Text, Some(&client.place), text);
                    self.logins.remove(&client.name);
                }
                (digest, id) => {
                    self.logins.extend(digest.iter().map(|digest| (client.name.clone(), digest.clone())));
                    if let (true, Some(id), false) = (self.logins.contains_key(&client.name), id, self.is_open()) {
                        self.bound.insert(client.name.clone(), id.clone());
                    }
                }
            }
        }
        if self.logins.is_empty() && self.proof == (Proof::Password { anonymous: false }) {
            self.report.add(Kind::NoEffect, None, "nobody can log in, there or here");
        }
        Ok(())
    }

    fn of_dynsec(&mut self, found: &Dynsec, place: &Place) -> Sheet {
        let text = "`#` and `+/#` are one here, as no Topic Name is empty; so are `/#` and `/+/#`";
        self.report.add(Kind::Always, Some(place), text);
        let defaults = &found.defaults;
        if defaults.publish_send || defaults.publish_receive || defaults.subscribe {
            self.tell_of_words(Some(place));
        }
        let mut clients: BTreeSet<&String> = self.logins.keys().collect();
        if self.is_open() {
            clients.extend(found.clients.keys());
        }
        let clients: Vec<String> = clients.into_iter().cloned().collect();
        let crowd = of_dynsec::Crowd {
            clients: &clients,
            others: self.is_open(),
            anonymous: self.has_anonymous(),
            place: place.clone(),
        };
        of_dynsec::sheet(found, &crowd, self.report)
    }

    fn of_acl_file(&mut self, path: &Set<PathBuf>, files: &dyn Files) -> Result<Sheet, Vec<Mistake>> {
        let (bytes, file) = read(path, files)?;
        let acl = acl_file::parse(&bytes, &file)?;
        let users: Vec<String> = if self.is_open() { Vec::new() } else { self.logins.keys().cloned().collect() };
        let crowd = of_acl_file::Crowd {
            users: &users,
            others: self.is_open(),
            anonymous: self.has_anonymous(),
            is_unproven: self.proof == Proof::Nothing,
        };
        for text in [
            "a client whose Client Identifier or user name holds `/`, or begins with `$`, has nothing of a pattern with it",
            "a client that leaves its Client Identifier to the broker has nothing of a pattern with `%c`",
        ] {
            if !acl.patterns.is_empty() {
                self.report.add(Kind::Always, Some(&Place::whole(&file)), text);
            }
        }
        Ok(of_acl_file::sheet(&acl, &crowd, self.report))
    }

    fn tell_of_words(&mut self, place: Option<&Place>) {
        let text = "topics that begin with `$` and a word that no file speaks of are not granted";
        self.report.add(Kind::Always, place, text);
    }

    /// No access control at all: everything is permitted, but for what Mosquitto keeps for itself.
    fn everything(&mut self) -> Sheet {
        let place = Place { file: "no acl_file".into(), line: None };
        self.tell_of_words(None);
        let all = ["#", "$SYS/#"].map(str::to_owned);
        let publish = all.iter().filter_map(|filter| publishable(filter)).collect();
        let list = List {
            id: "everything".to_owned(),
            is_for_all: true,
            name: "everything".to_owned(),
            publish: vec![Line::new(publish, true, &place)],
            receive: vec![Line::new(all.to_vec(), true, &place)],
            ..List::default()
        };
        let mut who: Vec<Who> = self.logins.keys().cloned().map(Who::User).collect();
        who.extend(self.has_anonymous().then_some(Who::Anonymous));
        who.extend(self.is_open().then_some(Who::Others));
        let subjects = who.into_iter().map(|who| Subject { who, lists: vec![0] }).collect();
        Sheet { lists: vec![list], subjects, ..Sheet::default() }
    }
}

/// A file that a setting names.
fn read(path: &Set<PathBuf>, files: &dyn Files) -> Result<(Vec<u8>, Arc<str>), Vec<Mistake>> {
    let file: Arc<str> = path.value.display().to_string().into();
    match files.read(&path.value) {
        Ok(bytes) => Ok((bytes, file)),
        // Named on the command line, it is its own place.
        Err(what) if path.place == Place::whole(&file) => Err(vec![Mistake { place: path.place.clone(), what }]),
        Err(what) => Err(vec![Mistake { place: path.place.clone(), what: format!("`{file}`: {what}") }]),
    }
}

/// What of a listener and of the whole is told, whatever the files say.
pub(super) fn tell_of_settings(conf: &Conf, report: &mut Report) {
    for listener in &conf.listeners {
        if let (0, Some(place)) = (listener.port, &listener.place) {
            report.add(Kind::Setting, Some(place), "a listener on a Unix socket: left out of gateway.toml");
        }
        if let Some(mount) = &listener.mount_point {
            let text = format!("`mount_point {}`: topics are not changed here; leave it to Mosquitto", mount.value);
            report.add(Kind::Setting, Some(&mount.place), text);
        }
        if let Some(place) = &listener.username_as_clientid {
            let text = "`use_username_as_clientid`: clients must send their user name as Client Identifier";
            report.add(Kind::Setting, Some(place), text);
        }
        for other in &listener.others {
            let text = format!("`{}`: not taken over", other.value);
            report.add(Kind::Setting, Some(&other.place), text);
        }
    }
    for other in &conf.others {
        report.add(Kind::Advice, Some(&other.place), format!("`{}`: leave it to Mosquitto", other.value));
    }
    for place in &conf.bridges {
        report.add(Kind::Advice, Some(place), "a bridge that Mosquitto dials itself does not pass the gateway");
    }
    for text in [
        "a Will that its client may not publish: Mosquitto drops it when it is due, here the connection is refused",
        "a message whose Response Topic its sender may not receive is refused here",
        "a wrong password is answered with 0x86 (4 in 3.x) here, with 0x87 (5) there",
    ] {
        report.add(Kind::Always, None, text);
    }
}

/// What Client Identifiers must be on a listener.
pub(super) fn client_ids(conf: &Conf, listener: &Listener, proof: Proof, report: &mut Report) -> Vec<String> {
    if listener.username_as_clientid.is_some() {
        return vec![if proof == Proof::Nothing { "${username}" } else { "${identity}" }.to_owned()];
    }
    let Some(prefix) = &conf.clientid_prefixes else { return Vec::new() };
    if prefix.value.contains('*') || prefix.value.contains("${") {
        let text = format!("`clientid_prefixes {}` can't be written here; it is not held", prefix.value);
        report.add(Kind::Setting, Some(&prefix.place), text);
        return Vec::new();
    }
    vec![format!("{}*", prefix.value)]
}

/// A setting that was given by itself, not in a `mosquitto.conf`.
pub(super) fn given(path: &Path) -> Set<PathBuf> {
    Set { value: path.to_owned(), place: Place::whole(&path.display().to_string().into()) }
}

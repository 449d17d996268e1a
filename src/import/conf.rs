//! `mosquitto.conf`: what of it says who may connect, and as whom.
//!
//! Read as Mosquitto 2.0 does: a word, one space, the rest. Keys of no concern here are passed over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Files;
use super::acl_file::{blank, first_word};
use super::report::{Mistake, Place};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// What decides who a client is, and what it may do: of the whole broker, or of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) allow_anonymous: Option<Set<bool>>,
    pub(super) acl_file: Option<Set<PathBuf>>,
    pub(super) password_file: Option<Set<PathBuf>>,
    pub(super) psk_file: Option<Set<PathBuf>>,
    pub(super) plugins: Vec<Plugin>,
}

impl Security {
    /// Whether it says the same, wherever it says it.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let paths = |security: &Self| {
            let files = [&security.acl_file, &security.password_file, &security.psk_file];
            files.map(|file| file.as_ref().map(|file| file.value.clone()))
        };
        let plugins = |security: &Self| {
            let file = |plugin: &Plugin| plugin.config_file.as_ref().map(|file| file.value.clone());
            security.plugins.iter().map(|plugin| (plugin.path.value.clone(), file(plugin))).collect::<Vec<_>>()
        };
        let anonymous = |security: &Self| security.allow_anonymous.as_ref().is_some_and(|allowed| allowed.value);
        (anonymous(self), paths(self), plugins(self)) == (anonymous(other), paths(other), plugins(other))
    }
}

/// A plugin and the file that it is told to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    pub(super) path: Set<String>,
    pub(super) config_file: Option<Set<PathBuf>>,
}

impl Plugin {
    /// Whether it is the dynamic security plugin of Mosquitto.
    pub(super) fn is_dynamic_security(&self) -> bool {
        self.path.value.contains("dynamic_security") || self.path.value.contains("dynamic-security")
    }
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) host: Option<String>,
    pub(super) place: Option<Place>,
    pub(super) websockets: bool,
    pub(super) security: Security,
    pub(super) certfile: Option<Set<PathBuf>>,
    pub(super) keyfile: Option<Set<PathBuf>>,
    pub(super) cafile: Option<Set<PathBuf>>,
    pub(super) crlfile: Option<Set<PathBuf>>,
    pub(super) require_certificate: bool,
    pub(super) identity_as_username: Option<Place>,
    pub(super) subject_as_username: Option<Place>,
    pub(super) username_as_clientid: Option<Place>,
    pub(super) mount_point: Option<Set<String>>,
    /// Settings that change who may do what and that are not taken over.
    pub(super) others: Vec<Set<String>>,
}

/// Everything that a `mosquitto.conf` says of access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conf {
    pub(super) per_listener: bool,
    /// Of the whole broker, unless each listener has its own.
    pub(super) security: Security,
    pub(super) listeners: Vec<Listener>,
    pub(super) clientid_prefixes: Option<Set<String>>,
    /// `connection` lines: bridges that the broker dials itself.
    pub(super) bridges: Vec<Place>,
    /// Settings of the whole broker that change who may do what and that are not taken over.
    pub(super) others: Vec<Set<String>>,
}

/// Reads a file and those that it includes; every mistake in them.
pub(super) fn read(path: &Path, files: &dyn Files) -> Result<Conf, Vec<Mistake>> {
    let mut reading = Reading {
        files,
        conf: Conf::default(),
        default: Listener::default(),
        mistakes: Vec::new(),
        at: None,
        is_included: false,
    };
    reading.file(path);
    reading.close()
}

struct Reading<'f> {
    files: &'f dyn Files,
    conf: Conf,
    /// What stands before the first `listener`, and with `port` is one itself.
    default: Listener,
    mistakes: Vec<Mistake>,
    /// The listener that the lines are of; none before the first of a file.
    at: Option<usize>,
    is_included: bool,
}

impl Reading<'_> {
    fn file(&mut self, path: &Path) {
        let file: Arc<str> = path.display().to_string().into();
        let mistake = |what: String| Mistake { place: Place::whole(&file), what };
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(what) => return self.mistakes.push(mistake(what)),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let place = Place::new(&file, at + 1);
            let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned());
            if let Err(what) = line.and_then(|line| self.line(line.trim_end_matches('\r'), &place, folder)) {
                self.mistakes.push(Mistake { place, what });
            }
        }
    }

    fn line(&mut self, line: &str, place: &Place, folder: &Path) -> Result<(), String> {
        if line.starts_with('#') {
            return Ok(());
        }
        let Some((key, rest)) = first_word(line) else { return Ok(()) };
        let key = if key == "auth_plugin" { "plugin" } else { key };
        match key {
            // Of the main file alone.
            "include_dir" if self.is_included => {}
            "include_dir" => return self.include(&folder.join(text(key, rest)?)),
            "per_listener_settings" => self.conf.per_listener = flag(key, rest)?,
            "listener" => self.listener(rest, place)?,
            "port" => {
                self.default.port = port(rest)?;
                self.default.place = Some(place.clone());
            }
            "bind_address" => self.default.host = Some(text(key, rest)?.to_owned()),
            "clientid_prefixes" => self.conf.clientid_prefixes = Some(set(text(key, rest)?.to_owned(), place)),
            "connection" => self.conf.bridges.push(place.clone()),
            "check_retain_source"
            | "allow_zero_length_clientid"
            | "auto_id_prefix"
            | "max_qos"
            | "retain_available" => {
                self.conf.others.push(set(format!("{key} {}", text(key, rest)?), place));
            }
            _ if self.security(key, rest, place, folder)? => {}
            _ => self.of_listener(key, rest, place, folder)?,
        }
        Ok(())
    }

    fn include(&mut self, folder: &Path) -> Result<(), String> {
        let mut paths = self.files.list(folder)?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "conf"));
        paths.sort();
        let at = self.at;
        self.is_included = true;
        for path in &paths {
            self.at = None;
            self.file(path);
        }
        self.is_included = false;
        self.at = at;
        Ok(())
    }

    fn listener(&mut self, rest: &str, place: &Place) -> Result<(), String> {
        let (port_text, host) = first_word(rest).ok_or("`listener` without a port")?;
        let host =
            first_word(host).map(|(host, _)| host.trim_matches(blank).to_owned()).filter(|host| !host.is_empty());
        let listener = Listener { port: port(port_text)?, host, place: Some(place.clone()), ..Listener::default() };
        self.at = Some(self.conf.listeners.len());
        self.conf.listeners.push(listener);
        Ok(())
    }

    /// The listener whose settings the lines are.
    fn current(&mut self) -> &mut Listener {
        self.at.and_then(|at| self.conf.listeners.get_mut(at)).unwrap_or(&mut self.default)
    }

    /// Settings that are of the whole broker, or of a listener each.
    fn security(&mut self, key: &str, rest: &str, place: &Place, folder: &Path) -> Result<bool, String> {
        let per_listener = self.conf.per_listener;
        let security = if per_listener { &mut self.current().security } else { &mut self.conf.security };
        let path = |rest| Ok::<_, String>(set(folder.join(text(key, rest)?), place));
        match key {
            "allow_anonymous" => security.allow_anonymous = Some(set(flag(key, rest)?, place)),
            "acl_file" => once(key, &mut security.acl_file, path(rest)?)?,
            "password_file" => once(key, &mut security.password_file, path(rest)?)?,
            "psk_file" => once(key, &mut security.psk_file, path(rest)?)?,
            "plugin" => {
                let plugin = Plugin { path: set(text(key, rest)?.to_owned(), place), config_file: None };
                security.plugins.push(plugin);
            }
            "plugin_opt_config_file" | "auth_opt_config_file" => match security.plugins.last_mut() {
                Some(plugin) => plugin.config_file = Some(path(rest)?),
                None => return Err(format!("`{key}` before any `plugin`")),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_listener(&mut self, key: &str, rest: &str, place: &Place, folder: &Path) -> Result<(), String> {
        let path = |rest| Ok::<_, String>(Some(set(folder.join(text(key, rest)?), place)));
        let on = |rest| Ok::<_, String>(flag(key, rest)?.then(|| place.clone()));
        let listener = self.current();
        match key {
            "certfile" => listener.certfile = path(rest)?,
            "keyfile" => listener.keyfile = path(rest)?,
            "cafile" => listener.cafile = path(rest)?,
            "crlfile" => listener.crlfile = path(rest)?,
            "require_certificate" => listener.require_certificate = flag(key, rest)?,
            "use_identity_as_username" => listener.identity_as_username = on(rest)?,
            "use_subject_as_username" => listener.subject_as_username = on(rest)?,
            "use_username_as_clientid" => listener.username_as_clientid = on(rest)?,
            "mount_point" => listener.mount_point = Some(set(text(key, rest)?.to_owned(), place)),
            "protocol" => listener.websockets = text(key, rest)? == "websockets",
            "capath" | "psk_hint" => listener.others.push(set(key.to_owned(), place)),
            _ => {}
        }
        Ok(())
    }

    fn close(mut self) -> Result<Conf, Vec<Mistake>> {
        let own = std::mem::take(&mut self.default.security);
        // A `port`, or anything else that is of a listener and stands before any, makes one; an `acl_file` does not.
        let has_own = own.password_file.is_some() || own.psk_file.is_some() || !own.plugins.is_empty();
        if has_own || self.default != Listener::default() {
            self.default.security = own;
            if self.default.port == 0 {
                self.default.port = 1883;
            }
            self.conf.listeners.insert(0, self.default);
        }
        if self.mistakes.is_empty() { Ok(self.conf) } else { Err(self.mistakes) }
    }
}

fn set<T>(value: T, place: &Place) -> Set<T> {
    Set { value, place: place.clone() }
}

fn once<T>(key: &str, slot: &mut Option<Set<T>>, value: Set<T>) -> Result<(), String> {
    if let Some(first) = slot {
        return Err(format!("`{key}` for the second time; the first is at {}", first.place));
    }
    *slot = Some(value);
    Ok(())
}

fn text<'r>(key: &str, rest: &'r str) -> Result<&'r str, String> {
    let text = rest.trim_matches(blank);
    if text.is_empty() { Err(format!("`{key}` without a value")) } else { Ok(text) }
}

fn flag(key: &str, rest: &str) -> Result<bool, String> {
    match first_word(rest).map(|(word, _)| word) {
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(format!("`{key}` is `true` or `false`, not `{other}`")),
        None => Err(format!("`{key}` without a value")),
    }
}

fn port(text: &str) -> Result<u16, String> {
    let word = first_word(text).map_or("", |(word, _)| word);
    word.parse().map_err(|_| format!("`{word}` is no port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(&'static [(&'static str, &'static str)]);

    impl Files for Memory {
        fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
            let found = self.0.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
        }

        fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, String> {
            Ok(self.0.iter().map(|(name, _)| PathBuf::from(name)).filter(|path| path.starts_with(folder)).collect())
        }
    }

    fn conf(text: &'static str) -> Result<Conf, Vec<Option<usize>>> {
        let mistakes = |mistakes: Vec<Mistake>| mistakes.iter().map(|mistake| mistake.place.line).collect::<Vec<_>>();
        let files = vec![("etc/m.conf", text)];
        read(Path::new("etc/m.conf"), &Memory(files.leak())).map_err(mistakes)
    }

    fn path(set: &Option<Set<PathBuf>>) -> Option<&str> {
        set.as_ref().and_then(|set| set.value.to_str())
    }

    #[test]
    fn settings_are_of_the_broker_or_of_the_listener_above_them() {
        let text = "acl_file a\nlistener 1\nallow_anonymous 1\nlistener 2 ::1 # of IPv6\npassword_file p w\n";
        let whole = conf(text).unwrap();
        assert_eq!(
            (path(&whole.security.acl_file), path(&whole.security.password_file)),
            (Some("etc/a"), Some("etc/p w"))
        );
        assert_eq!(
            whole.security.allow_anonymous.as_ref().map(|set| (set.value, set.place.line)),
            Some((true, Some(3)))
        );
        let ports: Vec<_> = whole.listeners.iter().map(|listener| (listener.port, listener.host.as_deref())).collect();
        assert_eq!(ports, [(1, None), (2, Some("::1"))]);

        let each = conf("per_listener_settings true\nlistener 1\nacl_file /a\nlistener 2\nplugin x/dynamic_security.so\nplugin_opt_config_file d\n").unwrap();
        assert_eq!(each.security, Security::default());
        assert_eq!(path(&each.listeners[0].security.acl_file), Some("/a"));
        let plugin = &each.listeners[1].security.plugins[0];
        assert!(plugin.is_dynamic_security());
        assert_eq!(path(&plugin.config_file), Some("etc/d"));
    }

    #[test]
    fn a_listener_that_is_not_named_is_there_when_something_is_said_of_it() {
        let ports = |text| conf(text).unwrap().listeners.iter().map(|listener| listener.port).collect::<Vec<_>>();
        assert_eq!(ports("allow_anonymous true\nacl_file a\npassword_file p\n"), [0; 0]);
        assert_eq!(ports("port 1884\n"), [1884]);
        assert_eq!(ports("use_identity_as_username true\nlistener 5\n"), [1883, 5]);
        assert_eq!(ports("per_listener_settings true\nacl_file a\nlistener 5\n"), [5]);
        assert_eq!(ports("per_listener_settings true\npassword_file a\nlistener 5\n"), [1883, 5]);
    }

    #[test]
    fn folders_are_included_in_order() {
        let files = Memory(&[
            ("m.conf", "listener 0\ninclude_dir d\nuse_identity_as_username true\nlistener 3\n"),
            ("d/2.conf", "listener 2\r\ninclude_dir d\n"),
            ("d/1.conf", "listener 1\n"),
            ("d/note", "nonsense"),
        ]);
        let listeners = read(Path::new("m.conf"), &files).unwrap().listeners;
        let ports: Vec<_> = listeners.iter().map(|one| (one.port, one.identity_as_username.is_some())).collect();
        assert_eq!(ports, [(0, true), (1, false), (2, false), (3, false)]);
    }

    #[test]
    fn every_mistake_is_named() {
        let text = "listener x\nacl_file\nallow_anonymous yes\n# fine\nlistener\nplugin_opt_config_file d\nacl_file a\nacl_file b\nbridge_cafile x\n";
        assert_eq!(conf(text).err(), Some(vec![Some(1), Some(2), Some(3), Some(5), Some(6), Some(8)]));
    }
}

//! What can't change while the gateway runs, because it was opened, or sized, when it began.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::problem::{self, Problem, Source};
use super::settings::{Settings, State};

/// Every key of `wanted` that would need a restart where `running` is in force, each at its place.
pub fn needs_restart(running: &Settings, wanted: &Settings) -> Vec<Problem> {
    let mut found = Found { source: &wanted.source, problems: Vec::new() };
    found.listeners(running, wanted);
    found.unless(running.admin == wanted.admin, &["admin", "bind"]);
    let (audit, new) = (&running.audit, &wanted.audit);
    found.unless(audit.file == new.file, &["audit", "file"]);
    found.unless(audit.on_full == new.on_full, &["audit", "on_full"]);
    found.unless(audit.max_queue == new.max_queue, &["audit", "max_queue"]);
    found.unless(running.log.format == wanted.log.format, &["log", "format"]);
    found.unless(running.log.level == wanted.log.level, &["log", "level"]);
    let (workers, new) = (&running.authentication, &wanted.authentication);
    found.unless(workers.workers == new.workers, &["authentication", "workers"]);
    found.unless(workers.max_queue == new.max_queue, &["authentication", "max_queue"]);
    found.state(&running.state, &wanted.state);
    found.problems
}

struct Found<'s> {
    source: &'s std::sync::Arc<Source>,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn listeners(&mut self, running: &Settings, wanted: &Settings) {
        for (at, listener) in wanted.listeners.iter().enumerate() {
            let place = |key| place(&self.source.text, &[Step::Key("listener"), Step::Index(at), Step::Key(key)]);
            match running.listeners.iter().find(|known| known.name == listener.name) {
                None => self.report(place("name"), format!("listener `{}` is new", listener.name)),
                Some(known) if known.bind != listener.bind => {
                    let message = format!("`bind` of listener `{}` has changed", listener.name);
                    self.report(place("bind"), message);
                }
                Some(_) => {}
            }
        }
        for gone in &running.listeners {
            if !wanted.listeners.iter().any(|listener| listener.name == gone.name) {
                self.report(None, format!("listener `{}` is gone", gone.name));
            }
        }
    }

    fn state(&mut self, running: &State, wanted: &State) {
        self.unless(running.folder == wanted.folder, &["state", "folder"]);
        self.unless(running.flush == wanted.flush, &["state", "flush"]);
        self.unless(running.max_histories == wanted.max_histories, &["state", "max_histories"]);
        self.unless(running.max_facts == wanted.max_facts, &["state", "max_facts"]);
        self.unless(running.max_nonces == wanted.max_nonces, &["state", "max_nonces"]);
        self.unless(running.max_counters == wanted.max_counters, &["state", "max_counters"]);
    }

    fn unless(&mut self, is_same: bool, keys: &[&str]) {
        if !is_same {
            let steps: Vec<Step<'_>> = keys.iter().map(|key| Step::Key(key)).collect();
            self.report(place(&self.source.text, &steps), format!("`{}` has changed", keys.join(".")));
        }
    }

    fn report(&mut self, span: Option<Range<usize>>, message: String) {
        let problem = Problem::new(problem::Kind::Restart, self.source, span, message)
            .label("this can't change while the gateway runs")
            .help("put it back, or restart the gateway");
        self.problems.push(problem);
    }
}

#[derive(Clone, Copy)]
enum Step<'k> {
    Key(&'k str),
    Index(usize),
}

/// Where a value stands; of one that is not written, the table that it belongs to.
fn place(text: &str, steps: &[Step<'_>]) -> Option<Range<usize>> {
    let (table, _) = DeTable::parse_recoverable(text);
    let (first, rest) = steps.split_first()?;
    let Step::Key(key) = first else { return None };
    let value = table.get_ref().get(*key)?;
    let mut span = value.span();
    let mut value = value.get_ref();
    for step in rest {
        let next = match (step, value) {
            (Step::Key(key), DeValue::Table(table)) => table.get(*key),
            (Step::Index(at), DeValue::Array(list)) => list.get(*at),
            (Step::Key(_) | Step::Index(_), _) => None,
        };
        let Some(next) = next else { break };
        span = next.span();
        value = next.get_ref();
    }
    Some(span)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const RUNNING: &str = r#"
policies = ["policy"]
[[listener]]
name = "field"
bind = "127.0.0.1:1883"
broker = "plant"
[[listener]]
name = "office"
bind = "127.0.0.1:1884"
broker = "plant"
[[broker]]
name = "plant"
servers = ["127.0.0.1:1885"]
[admin]
bind = "127.0.0.1:9464"
[audit]
max_queue = 100
[log]
level = "info"
"#;

    fn load(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policy")).unwrap();
        fs::write(folder.path().join("policy/policy.toml"), "version = \"1\"\npermit_all = true\n").unwrap();
        fs::write(folder.path().join("gateway.toml"), text).unwrap();
        crate::config::load(&folder.path().join("gateway.toml")).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn each_key_that_needs_a_restart_is_named_at_its_place() {
        let running = load(RUNNING);
        for (from, to, expected) in [
            ("level = \"info\"", "level = \"debug\"", Some(("`log.level` has changed", Some(19)))),
            ("[log]\nlevel = \"info\"\n", "", None),
            ("max_queue = 100", "max_queue = 200", Some(("`audit.max_queue` has changed", Some(17)))),
            (
                "max_queue = 100",
                "file = \"/tmp/audit.jsonl\"\nmax_queue = 100",
                Some(("`audit.file` has changed", Some(17))),
            ),
            ("max_queue = 100", "", Some(("`audit.max_queue` has changed", Some(16)))),
            ("[admin]\nbind = \"127.0.0.1:9464\"", "", Some(("`admin.bind` has changed", None))),
            (":1884", ":1889", Some(("`bind` of listener `office` has changed", Some(9)))),
            ("\"office\"", "\"lab\"", Some(("listener `lab` is new", Some(8)))),
            (":1885", ":1886", None),
            ("[log]", "[limits]\nmax_connections = 7\n[log]", None),
            ("[log]", "[deadlines]\ndrain = \"1s\"\n[reload]\npoll = \"1s\"\n[log]", None),
            ("[log]", "[state]\nmax_nonces = 3\n[log]", Some(("`state.max_nonces` has changed", Some(19)))),
            ("[log]", "[state]\nflush = \"2s\"\n[log]", Some(("`state.flush` has changed", Some(19)))),
            ("[log]", "[state]\nfolder = \".\"\n[log]", Some(("`state.folder` has changed", Some(19)))),
            ("[log]", "[authentication]\nworkers = 3\n[log]", Some(("`authentication.workers` has changed", Some(19)))),
        ] {
            let found = needs_restart(&running, &load(&RUNNING.replace(from, to)));
            let first =
                found.first().map(|problem| (problem.message.as_str(), problem.position().map(|(line, _)| line)));
            assert_eq!(first, expected, "{to}");
        }
        let found = needs_restart(&running, &load(&RUNNING.replace("\"office\"", "\"lab\"")));
        assert_eq!(found.last().map(|problem| problem.message.as_str()), Some("listener `office` is gone"));
        assert!(needs_restart(&running, &running).is_empty());
    }
}

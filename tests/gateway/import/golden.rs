//! What becomes of the settings in `tests/vectors/import`: every file and every word of the report, as in
//! `tests/golden/import`. `UPDATE_GOLDEN=1` writes those anew. Also that the gateway takes it, and that its cases hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate::config::cases::{self, Expect};
use tidegate::config::{self, Kind, Severity};
use tidegate::import::{self, Import, Inputs};
use tidegate::policy::{Authority, Decision};

use super::sides::Disk;
use crate::support::repository;

/// The settings by name, with what is made of them.
fn vectors() -> Vec<(String, Import)> {
    let folders = fs::read_dir(repository("tests/vectors/import")).expect("vectors");
    let mut names: Vec<String> =
        folders.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    let import = |name: &String| {
        let conf = Path::new("tests/vectors/import").join(name).join("mosquitto.conf");
        let inputs = Inputs { conf: Some(conf), base: PathBuf::from("/etc/mosquitto"), ..Inputs::default() };
        import::mosquitto(&inputs, &Disk).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"))
    };
    names.iter().map(|name| (name.clone(), import(name))).collect()
}

/// In a folder of its own.
fn written(import: &Import) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in import.files.iter().chain(&import.secrets) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn report(import: &Import) -> String {
    let line = |item: &import::Item| format!("[{}] {item}\n", item.kind.label());
    let differences: String = import.report.differences().map(line).collect();
    let remarks: String = import.report.remarks().map(line).collect();
    format!("has no equal:\n{differences}\nto know:\n{remarks}")
}

#[test]
fn every_word_is_as_expected() {
    let mut differing = Vec::new();
    for (name, import) in vectors() {
        let folder = repository("tests/golden/import").join(&name);
        let users =
            |text: &String| text.lines().filter_map(|line| line.split(':').next()).collect::<Vec<_>>().join("\n");
        let mut files: BTreeMap<String, String> = import.files.clone();
        files.extend(import.secrets.iter().map(|(name, text)| (format!("users of {name}"), users(text) + "\n")));
        files.insert("report.txt".to_owned(), report(&import));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let _ = fs::remove_dir_all(&folder);
            for (file, text) in &files {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(path, text).expect("a golden file");
            }
        }
        for (file, text) in &files {
            if fs::read_to_string(folder.join(file)).unwrap_or_default() != *text {
                differing.push(format!("{name}/{file}:\n{text}"));
            }
        }
    }
    assert!(differing.is_empty(), "otherwise than in tests/golden/import:\n{}", differing.join("\n"));
}

#[test]
fn the_gateway_takes_what_is_made() {
    for (name, import) in vectors() {
        let folder = written(&import);
        let problems = match config::load(&folder.path().join("gateway.toml")) {
            Ok(settings) => settings.warnings,
            Err(problems) => problems.into_iter().collect(),
        };
        // The files of TLS are elsewhere; what passes in the clear did so before.
        let is_of_ours = |problem: &&config::Problem| {
            problem.kind != Kind::MissingFile && (problem.severity == Severity::Error || problem.kind != Kind::Unsafe)
        };
        let problems: Vec<String> = problems.iter().filter(is_of_ours).map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{name}:\n{}", problems.join("\n"));
    }
}

#[test]
fn the_cases_hold() {
    let mut held = 0;
    for (name, import) in vectors() {
        let folder = written(&import);
        let policy = config::load_policy(&[folder.path()]).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let cases = cases::load(folder.path()).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        for case in cases {
            let mut authority = Authority::new(&policy.policy, &case.identity, 0);
            let is_allowed = case.requests().iter().all(|request| {
                matches!(authority.decide(&case.identity, request), Decision::Allow | Decision::AllowUpTo(_))
            });
            assert_eq!(is_allowed, case.expect == Expect::Allow, "{name}: {}", case.name);
            held += 1;
        }
    }
    assert!(held > 50, "{held} cases");
}

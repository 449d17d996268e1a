//! What is said about files with problems, word for word; and that every settings file shown anywhere is one.
//!
//! `tests/vectors/settings/NAME.toml` is read, `tests/golden/settings/NAME.txt` is what must be said of it.
//! `UPDATE_GOLDEN=1` writes the latter anew.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::fs;
use std::path::{Path, PathBuf};

use tidegate::config::{self, Kind};

/// The files of a folder whose names end like this, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == ending)).collect();
    found.sort();
    found
}

fn said_of(path: &Path) -> String {
    match config::load(path) {
        Ok(settings) => {
            let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
            format!("taken\n\n{}\n", warnings.join("\n\n"))
        }
        Err(problems) => format!("refused\n\n{problems}\n"),
    }
}

/// Holds what is said against what was said before, by name.
fn check(said: &[(String, String)]) {
    let mut differing = Vec::new();
    for (name, said) in said {
        let golden = Path::new("tests/golden/settings").join(name).with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, said).unwrap();
        }
        if fs::read_to_string(&golden).unwrap_or_default() != *said {
            differing.push(format!("{name}:\n{said}"));
        }
    }
    assert!(differing.is_empty(), "said otherwise than in tests/golden/settings:\n{}", differing.join("\n"));
}

#[test]
fn every_problem_of_a_file_is_said_in_one_run() {
    let vectors = files("tests/vectors/settings", "toml");
    assert!(vectors.len() > 10);
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    check(&vectors.iter().map(|path| (name(path), said_of(path))).collect::<Vec<_>>());
}

#[test]
fn every_problem_of_cases_is_said_in_one_run() {
    let said = ["wrong", "broken", "none"].map(|name| {
        let problems = config::cases::load(&Path::new("tests/vectors/cases").join(name)).unwrap_err();
        (format!("cases-{name}"), format!("refused\n\n{problems}\n"))
    });
    check(&said);
}

/// Problems of a settings file that is only shown: the files that it names are elsewhere.
fn problems(path: &Path) -> Vec<String> {
    match config::load(path) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .filter(|problem| problem.severity == config::Severity::Error && problem.kind != Kind::MissingFile)
            .map(ToString::to_string)
            .collect(),
    }
}

#[test]
fn every_example_is_taken() {
    let examples = files("examples", "toml");
    assert!(examples.len() >= 3);
    for path in examples {
        assert_eq!(problems(&path), [""; 0], "{}", path.display());
    }
}

/// The blocks of a page that are fenced as TOML.
fn blocks(page: &str) -> Vec<String> {
    let parts = page.split("\n```toml\n").skip(1);
    parts.map(|part| part.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

const SMALLEST: &str = r#"
policies = ["policies/shown"]
[[broker]]
name = "plant"
servers = ["127.0.0.1:1883"]
[[listener]]
name = "field"
bind = "0.0.0.0:1883"
broker = "plant"
identity.sources = ["anonymous"]
"#;

/// Who the clients are, where a block does not say it.
const ANYBODY: &str = "identity.sources = [\"anonymous\"]";

/// What a block is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Settings,
    Policy,
    Cases,
}

fn shown(block: &str) -> Shown {
    let has = |starts: &[&str]| block.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
    if has(&["[[case]]"]) {
        Shown::Cases
    } else if has(&[
        "version =",
        "permit_all",
        "[[role]]",
        "[[grant]]",
        "[[deny]]",
        "[[payload]]",
        "[[signature]]",
        "[[rate]]",
    ]) {
        Shown::Policy
    } else {
        Shown::Settings
    }
}

/// A block as a settings file and a policy: what it does not show is filled in.
fn written(block: &str, folder: &Path) -> PathBuf {
    const PERMIT_ALL: &str = "version = \"1\"\npermit_all = true\n";
    let (policy, settings) = match shown(block) {
        Shown::Policy => {
            let permits = ["[[grant]]", "permit_all"].iter().any(|word| block.contains(word));
            let lines = [("version = \"1\"\n", !block.contains("version =")), ("permit_all = true\n", !permits)];
            let missing: String = lines.iter().filter(|(_, is_missing)| *is_missing).map(|(line, _)| *line).collect();
            (format!("{missing}{block}"), SMALLEST.to_owned())
        }
        Shown::Settings | Shown::Cases if block.contains("policies =") => (PERMIT_ALL.to_owned(), block.to_owned()),
        Shown::Settings => {
            let smallest = if block.contains("identity") { SMALLEST.replace(ANYBODY, "") } else { SMALLEST.to_owned() };
            (PERMIT_ALL.to_owned(), format!("{smallest}\n{block}"))
        }
        Shown::Cases => (PERMIT_ALL.to_owned(), SMALLEST.to_owned()),
    };
    let named = settings.lines().find_map(|line| line.strip_prefix("policies =")).unwrap_or_default();
    for policy_folder in named.split('"').filter(|part| part.contains('/')) {
        fs::create_dir_all(folder.join(policy_folder)).unwrap();
        fs::write(folder.join(policy_folder).join("policy.toml"), &policy).unwrap();
        if shown(block) == Shown::Cases {
            fs::write(folder.join(policy_folder).join("cases.toml"), block).unwrap();
        }
    }
    let path = folder.join("gateway.toml");
    fs::write(&path, settings).unwrap();
    path
}

#[test]
fn every_block_of_settings_in_the_documents_is_taken() {
    let mut pages = [files("docs", "md"), files("docs/howto", "md")].concat();
    pages.push(PathBuf::from("README.md"));
    let mut seen = 0;
    for page in pages {
        for block in blocks(&fs::read_to_string(&page).unwrap_or_default()) {
            let folder = tempfile::tempdir().unwrap();
            let path = written(&block, folder.path());
            assert_eq!(problems(&path), [""; 0], "{}:\n{block}", page.display());
            if shown(&block) == Shown::Cases {
                let cases = config::cases::load(&folder.path().join("policies/shown"));
                assert!(cases.is_ok(), "{}:\n{block}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 0);
}

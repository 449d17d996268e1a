//! What README and docs promise is there (`settings.rs` loads what settings they show): `make` targets, tests, files, within the length we allow
//! ourselves.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its way to fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// README, the pages of docs/, and the other pages of the root: path from the root and text.
fn pages() -> Vec<(String, String)> {
    let mut names = Vec::new();
    for folder in ["", "docs", "docs/howto"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                names.push(Path::new(folder).join(name).to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// Every file below the folders that ends so.
fn files_below(folders: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines < 120, "README.md has {lines} lines");
}

#[test]
fn every_make_target_named_in_the_pages_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '.', '#']))
        .filter_map(|line| line.split_once(':').map(|(target, _)| target))
        .collect();
    for (name, page) in pages() {
        for spoken in page.split("`make ").skip(1).chain(page.split("$ make ").skip(1)) {
            let target = spoken.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            assert!(targets.contains(target), "{name} names `make {target}`; there are {targets:?}");
        }
    }
}

#[test]
fn no_make_target_is_longer_than_three_lines() {
    let mut lines = 0;
    for line in read("Makefile").lines() {
        lines = if line.starts_with('\t') { lines + 1 } else { 0 };
        assert!(lines <= 3, "a target of the Makefile is too long at: {line}");
    }
}

#[test]
fn the_page_on_admission_tokens_has_the_vectors_that_the_code_is_held_to() {
    let page = read("docs/admission.md");
    let vectors: serde_json::Value = serde_json::from_str(&read("tests/vectors/admission.json")).unwrap();
    for vector in vectors.as_array().unwrap() {
        let text = |key: &str| vector[key].as_str().map_or_else(|| "-".to_owned(), |text| format!("`{text}`"));
        let row = format!(
            "| {} | {} | {} | {} | {} |",
            text("key"),
            vector["expires"],
            text("name"),
            text("bytes"),
            text("token")
        );
        assert!(page.contains(&row), "docs/admission.md has no row\n{row}");
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    for (name, page) in pages() {
        let folder = root().join(&name);
        for target in page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                let file = folder.parent().unwrap().join(target);
                assert!(file.exists(), "{name} links to `{target}`, which is not there");
            }
        }
    }
}

#[test]
fn every_test_named_in_the_pages_exists() {
    let mut names = BTreeSet::new();
    for file in files_below(&["src", "tests", "benches"], ".rs") {
        let text = fs::read_to_string(&file).unwrap();
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
        names.extend(functions.map(str::to_owned));
    }
    names.extend(files_below(&["fuzz/fuzz_targets"], ".rs").iter().map(|file| stem(file)));
    names.extend(files_below(&["tests/vectors"], ".txt").iter().map(|file| format!("{}.txt", stem(file))));
    for page in ["docs/threats.md", "docs/conformance.md"] {
        for (row, shown_by) in shown(&read(page)) {
            assert!(!shown_by.is_empty(), "{page}: this row names no test: {row}");
            for test in shown_by {
                assert!(names.contains(&test), "{page} names the test `{test}`, which is not there");
            }
        }
    }
}

/// The rows of every table whose last column is headed `shown by`, each with what that column names.
fn shown(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            in_table = false;
        } else if line.ends_with("| shown by |") {
            in_table = true;
        } else if in_table && !line.starts_with("|--") {
            let cell = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().to_owned();
            let tests = cell.split([',', ' ', '`']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            found.push((line.to_owned(), tests));
        }
    }
    found
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

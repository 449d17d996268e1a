//! The floors of `docs/architecture.md`: a module imports only what its row of the table allows, and floors 1 to 4 are
//! sans-IO. Reads the sources as tokens, so comments and strings never count.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its way to fail")]

#[path = "layering/tokens.rs"]
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tokens::tokens;

/// Paths that floors 1 to 4 must not name: sockets, files, locks, threads, logs, the clock.
const FORBIDDEN_BELOW: &[&str] = &[
    "tokio",
    "socket2",
    "hyper",
    "rustls",
    "rustix",
    "tracing",
    "log",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::mpsc",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::time::SystemTime",
    "SystemTime",
    "Instant::now",
    "std::time::Instant::now",
];
/// The same for methods and macros.
const FORBIDDEN_NAMES: &[&str] = &["elapsed", "println", "eprintln", "TcpStream", "TcpListener", "UdpSocket"];
/// Crates that one module alone may import.
const KEPT_BEHIND: &[(&str, &str)] =
    &[("ppp", "proxy"), ("prometheus", "metrics"), ("tungstenite", "gateway"), ("x509_parser", "tls")];

struct Floor {
    number: u32,
    may_import: Vec<String>,
}

/// The table in `docs/architecture.md`: floor, module, what it is, what it may import.
fn floors() -> BTreeMap<String, Floor> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let words = |cell: &str| -> Vec<String> {
        cell.split(", ").map(|word| word.trim_matches('`').to_owned()).filter(|word| word != "-").collect()
    };
    let number = |row: &[&str]| row[0].parse::<u32>().unwrap();
    let mut floors = BTreeMap::new();
    for row in &rows {
        let may_import = if row[3] == "all below" {
            rows.iter().filter(|other| number(other) < number(row)).flat_map(|other| words(other[1])).collect()
        } else {
            words(row[3])
        };
        for module in words(row[1]) {
            floors.insert(module, Floor { number: number(row), may_import: may_import.clone() });
        }
    }
    floors
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// One path that a source names, whether the code around it is compiled for tests alone, and how many inline modules
/// are around it.
#[derive(Debug, PartialEq)]
struct Reference {
    path: Vec<String>,
    in_tests: bool,
    depth: usize,
}

fn references(text: &str) -> Vec<Reference> {
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", String::as_str);
    let is_name = |i: usize| word(i).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut found = Vec::new();
    let mut braces: usize = 0;
    let mut modules: Vec<usize> = Vec::new();
    let mut tests_from: Option<usize> = None;
    let mut test_item = false;
    let mut i = 0;
    while i < tokens.len() {
        if tokens[i..].iter().map(String::as_str).take(7).eq(["#", "[", "cfg", "(", "test", ")", "]"]) {
            test_item = true;
            i += 7;
            continue;
        }
        match word(i) {
            "mod" if word(i + 2) == "{" => modules.push(braces),
            "{" => {
                if test_item && tests_from.is_none() {
                    tests_from = Some(braces);
                }
                test_item = false;
                braces += 1;
            }
            "}" => {
                braces -= 1;
                modules.retain(|opened_at| *opened_at < braces);
                tests_from = tests_from.filter(|opened_at| *opened_at < braces);
            }
            ";" => test_item = false,
            _ => {}
        }
        let starts_path = is_name(i) && (i == 0 || word(i - 1) != "::");
        // `use<'a>` in a type is not an import.
        let in_use = word(i) == "use" && word(i + 1) != "<";
        if starts_path && (in_use || word(i + 1) == "::" || word(i + 1) == "!" || word(i.wrapping_sub(1)) == ".") {
            let mut paths = Vec::new();
            let end = tree(&tokens, if in_use { i + 1 } else { i }, &[], &mut paths);
            let in_tests = tests_from.is_some() || test_item;
            found.extend(paths.into_iter().filter(|path| !path.is_empty()).map(|path| Reference {
                path,
                in_tests,
                depth: modules.len(),
            }));
            i = if in_use { end } else { skip_path(&tokens, i) };
        } else {
            i += 1;
        }
    }
    found
}

/// The token behind a plain path; the generic arguments or the braces behind it are read on their own.
fn skip_path(tokens: &[String], start: usize) -> usize {
    let mut i = start + 1;
    while tokens.get(i).is_some_and(|token| token == "::")
        && tokens.get(i + 1).is_some_and(|token| token.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    {
        i += 2;
    }
    i
}

/// Collects every path of a use tree (`a::{b, c::*}`) and returns the token behind it.
fn tree(tokens: &[String], start: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut i = start;
    loop {
        match tokens.get(i).map_or("", String::as_str) {
            "::" => i += 1,
            "{" if i > start || !prefix.is_empty() || start > 0 && tokens[start - 1] == "use" => {
                i += 1;
                while i < tokens.len() && tokens[i] != "}" {
                    i = tree(tokens, i, &path, paths);
                    if tokens.get(i).is_some_and(|token| token == "as") {
                        i += 2;
                    }
                    if tokens.get(i).is_some_and(|token| token == ",") {
                        i += 1;
                    } else if tokens.get(i).is_none_or(|token| token != "}") {
                        return i;
                    }
                }
                return i + 1;
            }
            name if name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '*') && name != "as" => {
                path.push(name.to_owned());
                i += 1;
                if tokens.get(i).is_none_or(|token| token != "::") {
                    paths.push(path);
                    return i;
                }
            }
            _ => {
                paths.push(path);
                return i.max(start + 1);
            }
        }
    }
}

/// The module of the crate that a reference made in `module` points at: `Some("")` is the crate root itself.
fn target(reference: &Reference, module_path: &[String]) -> Option<String> {
    let path = &reference.path;
    let ups = path.iter().take_while(|part| *part == "super").count();
    let first = path.first()?;
    if first == "crate" {
        return Some(path.get(1).cloned().unwrap_or_default());
    }
    if ups > 0 && ups >= module_path.len() + reference.depth {
        return Some(path.get(ups).cloned().unwrap_or_default());
    }
    (first == "tidegate").then(|| path.get(1).cloned().unwrap_or_default())
}

/// `src/mqtt/frame.rs` is `["mqtt", "frame"]`, `src/mqtt/mod.rs` is `["mqtt"]`.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    inside.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "mod").collect()
}

fn problems_of(
    module_path: &[String],
    is_test_file: bool,
    text: &str,
    floors: &BTreeMap<String, Floor>,
) -> Vec<String> {
    let module = &module_path[0];
    let Some(floor) = floors.get(module) else { return vec![format!("`{module}` has no row in docs/architecture.md")] };
    let mut problems = Vec::new();
    for reference in references(text) {
        let path = reference.path.join("::");
        if let Some(to) = target(&reference, module_path)
            && to != *module
            && !floor.may_import.contains(&to)
        {
            problems.push(format!("`{module}` may not import `{to}`: {path}"));
        }
        for (krate, keeper) in KEPT_BEHIND {
            if reference.path[0] == *krate && module != keeper {
                problems.push(format!("`{krate}` is kept behind `{keeper}`: {path}"));
            }
        }
        let test_code = is_test_file || reference.in_tests;
        let names = |forbidden: &&&str| path == **forbidden || path.starts_with(&format!("{forbidden}::"));
        if floor.number <= 4 && !test_code {
            if let Some(forbidden) = FORBIDDEN_BELOW.iter().find(names) {
                problems.push(format!("`{module}` is sans-IO and names `{forbidden}`: {path}"));
            }
            if reference.path.last().is_some_and(|last| FORBIDDEN_NAMES.contains(&last.as_str())) {
                problems.push(format!("`{module}` is sans-IO and names `{path}`"));
            }
        }
    }
    problems
}

#[test]
fn every_module_imports_only_what_its_floor_allows() {
    let floors = floors();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.sort();
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("src/lib.rs")) {
        let module_path = module_path(file);
        let is_test_file = module_path.iter().any(|part| part == "tests");
        let text = fs::read_to_string(file).unwrap();
        let found = problems_of(&module_path, is_test_file, &text, &floors);
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", file.display())));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_table_points_downward_only() {
    let floors = floors();
    assert!(floors.len() >= 11, "the table in docs/architecture.md was not understood: {:?}", floors.keys());
    for (module, floor) in &floors {
        for below in &floor.may_import {
            assert!(floors[below].number < floor.number, "`{module}` may import `{below}`, which is not below it");
        }
    }
}

#[test]
fn the_reader_sees_every_form_of_a_forbidden_arrow() {
    let cases: &[(&str, &str, usize)] = &[
        ("plain use", "use crate::gateway::Relay;", 1),
        ("grouped use", "use crate::{mqtt::Version, gateway::{self, Relay}};", 2),
        ("path in an expression", "fn f() { crate::cli::run(); }", 1),
        ("path in a type", "struct S(Option<crate::config::Settings>);", 1),
        ("by super from a file of the module", "use super::super::audit::Record;", 1),
        ("by super from a module within", "mod inner { use super::super::super::audit::Record; }", 1),
        ("by the name of the crate", "use tidegate::gateway;", 1),
        ("through the crate root", "use crate::Relay;", 1),
        ("from its tests", "#[cfg(test)] mod tests { use crate::gateway::Relay; }", 1),
        (
            "comments and strings",
            "// crate::gateway\n/* crate::cli */ const S: &str = \"crate::cli\"; const C: char = '\"';",
            0,
        ),
        ("what the floor allows", "use crate::policy::Policy; use super::event::Event; use crate::enforce::End;", 0),
        ("clock", "fn f() -> Instant { Instant::now() }", 1),
        ("clock by its whole path", "fn f() -> Instant { std::time::Instant::now() }", 1),
        ("clock by a method", "fn f(t: Instant) -> Duration { t.elapsed() }", 1),
        ("clock in tests", "#[cfg(test)] mod tests { fn f() { Instant::now(); } }", 0),
        ("clock behind the tests", "#[cfg(test)] mod tests { fn f() {} } fn g() { Instant::now(); }", 1),
        ("runtime", "use tokio::io::AsyncRead;", 1),
        ("file, grouped", "use std::{fs, net::IpAddr};", 1),
        ("socket, grouped", "use std::net::{IpAddr, TcpStream};", 2),
        ("addresses and time as values", "use std::net::{IpAddr, SocketAddr}; use std::time::{Duration, Instant};", 0),
        ("log", "fn f() { tracing::info!(\"x\"); }", 1),
        ("lock", "use std::sync::{Arc, Mutex};", 1),
        ("a crate that another module keeps", "use prometheus::Registry;", 1),
    ];
    let floors = floors();
    let module_path = ["enforce".to_owned(), "reply".to_owned()];
    for (name, text, expected) in cases {
        let problems = problems_of(&module_path, false, text, &floors);
        assert_eq!(problems.len(), *expected, "{name}: {problems:?}\n{:?}", references(text));
    }
}

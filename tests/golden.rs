//! The pages that are written from the code are what the code says. `UPDATE_GOLDEN=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is its way to fail")]

use std::path::Path;

use tidegate::config::reference;

fn check(page: &str, written: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, written).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == written, "docs/{page} is old: UPDATE_GOLDEN=1 cargo test --test golden");
}

#[test]
fn settings_page() {
    check("configuration.md", &reference::markdown());
}

#[test]
fn settings_schema() {
    check("gateway.schema.json", &format!("{:#}\n", reference::schema()));
}

#[test]
fn policy_schema() {
    check("policy.schema.json", &format!("{:#}\n", reference::policy_schema()));
}

#[test]
fn cases_schema() {
    check("cases.schema.json", &format!("{:#}\n", reference::cases_schema()));
}

#[test]
fn metrics_page() {
    check("metrics.md", &tidegate::metrics::reference());
}

#[test]
fn patches_page() {
    check("patches.md", &tidegate::enforce::patches::reference());
}

#[test]
fn audit_page() {
    check("audit.md", &tidegate::audit::reference());
}

/// The table of refusals, between two marks of a page that is written by hand.
#[test]
fn refusals_of_the_conformance_page() {
    const MARK: &str = "<!-- from the code: src/enforce/refusal.rs -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut parts = page.split(MARK);
    let (before, _, after) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    check("conformance.md", &[before, MARK, &tidegate::enforce::reference(), MARK, after].concat());
}

//! Roles: who has them.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;

use super::features::features;
use super::tables::{CertificateMatch, Globs, MatchTable, RoleTable};
use crate::config::check::no_file;
use crate::config::problem;
use crate::config::read::{Located, Reading, listed, nearest};
use crate::identity::{Attribute, Method, Pattern};
use crate::policy::{Condition, Mode, Role};

/// A role, where it has a name.
pub(super) fn role(located: &Located<RoleTable>, listeners: Option<&[&str]>, reading: &mut Reading) -> Option<Role> {
    let Located { value: table, span } = located;
    let name = table.name.as_ref()?;
    let conditions = table.conditions.as_ref().map(|table| conditions(&table.value)).unwrap_or_default();
    if let Some(table) = &table.conditions {
        known_words(&table.value, listeners, reading);
    }
    if conditions.is_empty() && table.members.is_none() && !reading.is_faulty(located) {
        let span = table.conditions.as_ref().map_or(span, |table| &table.span);
        everyone(&name.value, span, reading);
    }
    if let Some(Located { value: Mode::Monitor, span }) = &table.mode {
        let problem = reading
            .at(problem::Kind::Unsafe, span, format!("nothing is refused to the role `{}`", name.value))
            .label("what would be refused goes on, and is recorded")
            .warning();
        reading.report(problem);
    }
    let members = table.members.as_ref().map(|file| members(file, reading));
    Some(Role {
        conditions,
        members,
        mode: table.mode.as_ref().map_or(Mode::Enforce, |mode| mode.value),
        on_broad_subscription: table.on_broad_subscription,
        max_lifetime: table.max_lifetime.as_ref().map(|lifetime| lifetime.value),
        priority: table.priority,
        features: features(table),
        ..Role::new(&name.value)
    })
}

/// A role without a condition is most likely one that was not finished.
fn everyone(name: &str, span: &Range<usize>, reading: &mut Reading) {
    let problem = reading
        .at(problem::Kind::MissingKey, span, format!("nothing says who has the role `{name}`"))
        .label("expected `match` with something in it, or `members`")
        .help("every client has the role `everyone`; `match = { listener = \"*\" }` says that here");
    reading.report(problem);
}

fn conditions(table: &MatchTable) -> Vec<Condition> {
    let CertificateMatch { cn, o, ou, dns, uri, email, ip, spiffe, issuer, serial, fingerprint } = &table.certificate;
    let texts = [
        (Attribute::Identity, &table.identity),
        (Attribute::Method, &table.method),
        (Attribute::Listener, &table.listener),
        (Attribute::ClientId, &table.client_id),
        (Attribute::Username, &table.username),
        (Attribute::CertificateCn, cn),
        (Attribute::CertificateO, o),
        (Attribute::CertificateOu, ou),
        (Attribute::CertificateDns, dns),
        (Attribute::CertificateUri, uri),
        (Attribute::CertificateEmail, email),
        (Attribute::CertificateIp, ip),
        (Attribute::CertificateSpiffe, spiffe),
        (Attribute::CertificateIssuer, issuer),
        (Attribute::CertificateSerial, serial),
        (Attribute::CertificateFingerprint, fingerprint),
    ];
    let claims = table.claim.0.iter().map(|(name, globs)| (Attribute::Claim(name.value.as_str().into()), &globs.value));
    let given = texts.into_iter().chain(claims).filter(|(_, globs)| !globs.is_empty());
    let mut conditions: Vec<Condition> =
        given.map(|(attribute, globs)| Condition::Text { attribute, any: patterns(globs) }).collect();
    if !table.address.is_empty() {
        conditions.push(Condition::Address(table.address.iter().map(|prefix| prefix.value).collect()));
    }
    conditions
}

fn patterns(globs: &Globs) -> Vec<Pattern> {
    globs.iter().map(|glob| glob.value.clone()).collect()
}

/// Words that can only be one of a few: methods, and names of listeners.
fn known_words(table: &MatchTable, listeners: Option<&[&str]>, reading: &mut Reading) {
    let methods = Method::ALL.map(Method::label);
    one_of("method", "a method", &table.method, &methods, reading);
    if let Some(listeners) = listeners {
        one_of("listener", "the name of a listener", &table.listener, listeners, reading);
    }
}

fn one_of(key: &str, what: &str, globs: &Globs, known: &[&str], reading: &mut Reading) {
    for glob in globs {
        if known.iter().any(|word| glob.value.matches(word)) {
            continue;
        }
        let text = glob.value.as_str();
        let help = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(known.iter().copied())),
        };
        let problem = reading
            .at(problem::Kind::UnknownName, &glob.span, format!("no {key} is `{text}`"))
            .label(format!("expected {what}"))
            .help(help)
            .warning();
        reading.report(problem);
    }
}

/// The identities that a file lists.
fn members(file: &Located<PathBuf>, reading: &mut Reading) -> HashSet<Box<str>> {
    let mut members = HashSet::new();
    if file.value.as_os_str().is_empty() {
        return members;
    }
    let source = match crate::config::open(&file.value, crate::config::MAX_TABLE_BYTES) {
        Ok(source) => source,
        Err(problem) => {
            no_file("can't read", &file.value, &problem.label, &file.span, reading);
            return members;
        }
    };
    let mut padded = None;
    for (number, line) in (1_usize..).zip(source.text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.trim() != line && padded.is_none() {
            padded = Some(number);
        }
        members.insert(line.into());
    }
    if let Some(number) = padded {
        let problem = reading
            .at(problem::Kind::Invalid, &file.span, format!("space around a name on line {number} of the members"))
            .label("names are compared byte for byte, and space counts")
            .warning();
        reading.report(problem);
    }
    if members.is_empty() {
        let problem = reading
            .at(problem::Kind::Unused, &file.span, "this list of members is empty")
            .label("nobody has the role")
            .warning();
        reading.report(problem);
    }
    members
}

//! `password_file`: names and what their passwords are digested to. The digests are taken over as they are.

use std::collections::HashSet;
use std::sync::Arc;

use super::acl_file::blank;
use super::report::{Kind, Mistake, Place, Report};
use crate::credentials::password::{self, Flaw};

/// A user who can log in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// `$6$…` or `$7$…`.
    pub(super) digest: String,
    pub(super) place: Place,
}

/// Reads a whole file. What Mosquitto leaves out is left out, and told.
pub(super) fn parse(bytes: &[u8], file: &Arc<str>, report: &mut Report) -> Result<Vec<Entry>, Vec<Mistake>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut mistakes = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let place = Place::new(file, at + 1);
        match std::str::from_utf8(line) {
            Ok(line) => entries.extend(entry(line, place, report)),
            Err(_) => mistakes.push(Mistake { place, what: "not UTF-8".to_owned() }),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
    for entry in &entries {
        if !seen.insert(entry.name.as_str()) {
            twice.insert(entry.name.clone());
        }
    }
    for entry in entries.iter().filter(|entry| twice.contains(&entry.name)) {
        let text = format!("`{}` stands here twice: it can't log in until one line is gone", entry.name);
        report.add(Kind::User, Some(&entry.place), text);
    }
    entries.retain(|entry| !twice.contains(&entry.name));
    Ok(entries)
}

fn entry(line: &str, place: Place, report: &mut Report) -> Option<Entry> {
    if line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.trim_start_matches(':').split_once(':')?;
    let name = name.trim_matches(blank);
    // Runs of `:` are one, and what follows a second one is nothing.
    let digest = rest.trim_start_matches(':').split(':').next().unwrap_or_default().trim_matches(blank);
    if let Err((kind, text)) = judge(name, digest) {
        report.add(kind, Some(&place), text);
        return None;
    }
    Some(Entry { name: name.to_owned(), digest: digest.to_owned(), place })
}

/// The digest of an entry of the dynamic security plugin.
pub(super) fn of_parts(rounds: i32, salt: &str, digest: &str) -> String {
    format!("$7${rounds}${salt}${digest}")
}

/// Whether passwords can be checked with it, and whether Mosquitto could where we can't.
pub(super) fn judge(name: &str, digest: &str) -> Result<(), (Kind, String)> {
    match password::Entry::parse(digest) {
        Ok(_) => {}
        Err(flaw @ Flaw::TooCostly) => return Err((Kind::User, format!("`{name}` can't log in: {flaw}"))),
        Err(flaw) => return Err((Kind::NoEffect, format!("`{name}` can't log in, there or here: {flaw}"))),
    }
    password::check_name(name).map_err(|flaw| (Kind::User, format!("`{name}` can't log in: {flaw}")))
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    fn read(text: &str) -> (Vec<String>, Report) {
        let mut report = Report::default();
        let entries = parse(text.as_bytes(), &"passwords".into(), &mut report).unwrap();
        (entries.into_iter().map(|entry| format!("{}={}", entry.name, entry.digest)).collect(), report)
    }

    #[test]
    fn entries_are_those_that_mosquitto_keeps() {
        let (salt, digest) = (BASE64.encode(&[1; 12]), BASE64.encode(&[2; 64]));
        let (six, seven) = (format!("$6${salt}${digest}"), format!("$7$101${salt}${digest}"));
        let text = format!(
            "# alice:{six}\nbob:{six}\r\n\nno colon\n carol :{seven}: more\nplain:secret\neve:$7$0${salt}${digest}\n\
             mallory:$8${salt}${digest}\ntwin:{six}\ntwin:{seven}\n"
        );
        let (entries, report) = read(&text);
        assert_eq!(entries, [format!("bob={six}"), format!("carol={seven}")]);
        let lines = |kind| {
            let all = report.differences().chain(report.remarks());
            all.filter(|item| item.kind == kind).filter_map(|item| item.place.as_ref()?.line).collect::<Vec<_>>()
        };
        assert_eq!(lines(Kind::NoEffect), [6, 7, 8]);
        assert_eq!(lines(Kind::User), [9, 10]);
        assert!(parse(b"\xff:", &"f".into(), &mut Report::default()).is_err());
    }
}

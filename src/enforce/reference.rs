//! Writes the table of refusals in `docs/conformance.md`.

use std::fmt::Write;

use super::refusal::{Answer, Subject, answer};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::mqtt::reason::ReasonCode;
use crate::policy::{OnDeny, Reason};

/// What is refused alike, and what it is called.
const ALIKE: [(&str, &[Subject]); 6] = [
    ("CONNECT, or its Will", &[Subject::Connect, Subject::Will]),
    ("PUBLISH, QoS 0", &[Subject::Publish(QoS::Zero), Subject::Delivery(QoS::Zero)]),
    ("PUBLISH, QoS 1", &[Subject::Publish(QoS::One), Subject::Delivery(QoS::One)]),
    ("PUBLISH of the client, QoS 2", &[Subject::Publish(QoS::Two)]),
    ("PUBLISH of the broker, QoS 2", &[Subject::Delivery(QoS::Two)]),
    ("Topic Filter", &[Subject::Filter]),
];

/// What becomes of all that can be refused, as a table of `docs/conformance.md`.
#[must_use]
pub fn reference() -> String {
    let mut table = String::from("| refused | `on_deny` | 3.1 | 3.1.1 | 5.0 |\n|---|---|---|---|---|\n");
    for (name, subjects) in ALIKE {
        let Some(&subject) = subjects.first() else { continue };
        let mut rows: Vec<(Vec<&str>, [String; 3])> = Vec::new();
        for on_deny in OnDeny::ALL {
            let cells = [Version::V31, Version::V311, Version::V50].map(|version| cell(subject, version, on_deny));
            match rows.iter_mut().find(|(_, known)| *known == cells) {
                Some((labels, _)) => labels.push(on_deny.label()),
                None => rows.push((vec![on_deny.label()], cells)),
            }
        }
        for (labels, [v31, v311, v50]) in rows {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| {name} | {} | {v31} | {v311} | {v50} |", labels.join(", "));
        }
    }
    table
}

fn quarantines(subject: Subject, on_deny: OnDeny) -> bool {
    on_deny == OnDeny::Quarantine && matches!(subject, Subject::Publish(_) | Subject::Delivery(_))
}

/// The answer to most reasons, and then those that have another.
fn cell(subject: Subject, version: Version, on_deny: OnDeny) -> String {
    let mut answers: Vec<(Answer, Vec<&str>)> = Vec::new();
    for reason in Reason::ALL {
        let given = answer(subject, version, on_deny, reason);
        match answers.iter_mut().find(|(known, _)| *known == given) {
            Some((_, reasons)) => reasons.push(reason.label()),
            None => answers.push((given, vec![reason.label()])),
        }
    }
    answers.sort_by_key(|(_, reasons)| std::cmp::Reverse(reasons.len()));
    let mut text = String::new();
    for (at, (given, reasons)) in answers.iter().enumerate() {
        if at == 0 {
            text += &words(version, *given);
        } else {
            let reasons: Vec<String> = reasons.iter().map(|reason| format!("`{reason}`")).collect();
            let _ = write!(text, "; {} {}", code(version, *given), reasons.join(", "));
        }
    }
    if quarantines(subject, on_deny) {
        text += "; quarantined";
    }
    text
}

fn words(version: Version, answer: Answer) -> String {
    let code = code(version, answer);
    match answer {
        Answer::GoesOn => "goes on, recorded".to_owned(),
        Answer::Nothing => "not forwarded".to_owned(),
        Answer::ConnAck(_) => format!("CONNACK {code}, close"),
        Answer::PubAck(_) if version != Version::V50 => "PUBACK".to_owned(),
        Answer::PubAck(_) => format!("PUBACK {code}"),
        Answer::PubRec(_) if version != Version::V50 => "PUBREC, then PUBCOMP".to_owned(),
        Answer::PubRec(reason) if reason.is_error() => format!("PUBREC {code}"),
        Answer::PubRec(_) => format!("PUBREC {code}, then PUBCOMP"),
        Answer::SubAck(_) => format!("{code} in its place"),
        Answer::Granted => "the QoS asked for in its place".to_owned(),
        Answer::Disconnect(_) => format!("DISCONNECT {code}, close"),
        Answer::Close => "close".to_owned(),
    }
}

fn code(version: Version, answer: Answer) -> String {
    let number = |reason: ReasonCode| format!("0x{:02X}", reason.value());
    match answer {
        Answer::ConnAck(reason) if version != Version::V50 => {
            reason.return_code().map_or_else(String::new, |code| format!("0x{code:02X}"))
        }
        Answer::ConnAck(reason)
        | Answer::PubAck(reason)
        | Answer::PubRec(reason)
        | Answer::SubAck(reason)
        | Answer::Disconnect(reason) => number(reason),
        Answer::GoesOn | Answer::Nothing | Answer::Granted | Answer::Close => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_row_is_answered_alike_and_nothing_is_left_out() {
        let mut listed = Vec::new();
        for (name, subjects) in ALIKE {
            for subject in subjects {
                listed.push(*subject);
                for (version, on_deny, reason) in every() {
                    let answers = [subjects[0], *subject].map(|one| answer(one, version, on_deny, reason));
                    assert_eq!(answers[0], answers[1], "{name}, {version:?}, {on_deny:?}, {reason:?}");
                }
            }
        }
        assert!(Subject::ALL.iter().all(|subject| listed.contains(subject)));
    }

    fn every() -> impl Iterator<Item = (Version, OnDeny, Reason)> {
        let versions = [Version::V31, Version::V311, Version::V50].into_iter();
        let with_on_deny = versions.flat_map(|version| OnDeny::ALL.map(|on_deny| (version, on_deny)));
        with_on_deny.flat_map(|(version, on_deny)| Reason::ALL.map(|reason| (version, on_deny, reason)))
    }
}

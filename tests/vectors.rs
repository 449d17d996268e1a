//! Bytes against packet or violation, clause by clause; `tests/vectors/README.md` says how to read them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: a panic is its way to fail"
)]
#![expect(clippy::string_slice, reason = "a test program: a panic is its way to fail")]

#[path = "vectors/notation.rs"]
mod notation;

use std::collections::BTreeMap;

use notation::{Paragraph, Sender, Vector, paragraphs};
use tidegate::mqtt::{
    Context, Direction, Limits, Version,
    connect::{ConnectError, decode_connect},
    encode,
    error::DecodeError,
    frame::PacketType,
    packet::Packet,
};

/// What became of a vector's bytes: a packet's name, a violation's label, or `more`.
fn verdict(sender: Sender, version: Option<Version>, bytes: &[u8]) -> &'static str {
    let limits = Limits::default();
    let direction = match sender {
        Sender::Client => Direction::FromClient,
        Sender::Broker => Direction::FromBroker,
        Sender::Opening => return opening(version, bytes, &limits),
    };
    let context = Context { version: version.expect("a version"), direction, limits: &limits };
    match context.frame(bytes).and_then(|frame| frame.map(|frame| context.packet(frame)).transpose()) {
        Ok(None) => "more",
        Ok(Some(packet)) => packet.packet_type().name(),
        Err(error) => error.label(),
    }
}

fn opening(version: Option<Version>, bytes: &[u8], limits: &Limits) -> &'static str {
    match tidegate::mqtt::connect::connect_header(bytes, limits) {
        Err(error) => {
            assert_eq!(version, None, "no version can be known from a fixed header");
            return error.label();
        }
        Ok(header) if header.is_none_or(|header| bytes.len() < header.total_len()) => return "more",
        Ok(_) => {}
    }
    match decode_connect(bytes, limits) {
        Ok(connect) => {
            assert_eq!(Some(connect.version), version);
            PacketType::Connect.name()
        }
        Err(ConnectError { error, version: answered_in }) => {
            assert_eq!(answered_in, version, "the version to answer in");
            error.label()
        }
    }
}

fn each(mut visit: impl FnMut(&Paragraph, &Vector)) {
    for paragraph in paragraphs() {
        for vector in &paragraph.vectors {
            visit(&paragraph, vector);
        }
    }
}

#[test]
fn every_vector_has_its_verdict() {
    let mut wrong = Vec::new();
    each(|_, vector| {
        let found = verdict(vector.sender, vector.version, &vector.bytes);
        if found != vector.verdict {
            wrong.push(format!("{}: {found}", vector.line));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whatever_is_refused_stands_beside_what_is_not() {
    let refuses = |vector: &Vector| DecodeError::ALL.iter().any(|error| error.label() == vector.verdict);
    for paragraph in paragraphs() {
        assert!(!paragraph.vectors.iter().all(refuses), "nothing is accepted under `{}`", paragraph.rule);
    }
}

#[test]
fn every_violation_has_a_vector() {
    let mut missing: Vec<&str> = DecodeError::ALL.iter().map(|error| error.label()).collect();
    each(|_, vector| missing.retain(|label| *label != vector.verdict));
    assert!(missing.is_empty(), "{missing:?}");
}

/// A packet that is accepted whole is never refused while it comes, nor one that is refused by its first bytes accepted
/// by more of them.
#[test]
fn no_prefix_contradicts_the_whole() {
    each(|_, vector| {
        if vector.sender == Sender::Opening && vector.version.is_some() {
            return;
        }
        for len in 0..vector.bytes.len().min(64) {
            let early = verdict(vector.sender, vector.version, &vector.bytes[..len]);
            assert!(early == "more" || early == vector.verdict, "{} at {len}: {early}", vector.line);
        }
    });
}

#[test]
fn what_is_decoded_and_encoded_again_reads_the_same() {
    let limits = Limits::default();
    each(|_, vector| {
        let Some(version) = vector.version else { return };
        let mut again = Vec::new();
        if vector.sender == Sender::Opening {
            let Ok(connect) = decode_connect(&vector.bytes, &limits) else { return };
            encode::connect(&connect, &[], &mut again);
            assert_eq!(decode_connect(&again, &limits), Ok(connect), "{}", vector.line);
            return;
        }
        let direction = if vector.sender == Sender::Client { Direction::FromClient } else { Direction::FromBroker };
        let context = Context { version, direction, limits: &limits };
        let Ok(Some(frame)) = context.frame(&vector.bytes) else { return };
        let Ok(packet) = context.packet(frame) else { return };
        encode::packet(version, &packet, &mut again);
        let frame = context.frame(&again).unwrap().unwrap();
        assert_eq!(context.packet(frame), Ok(packet), "{}", vector.line);
        if let Packet::Publish(_) = packet {
            assert_eq!(again, vector.bytes[..again.len()], "{}", vector.line);
        }
    });
}

/// The table of `docs/conformance.md`, from the code and the vectors.
fn conformance() -> String {
    let mut shown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let all = paragraphs();
    for paragraph in &all {
        for vector in &paragraph.vectors {
            let files = shown.entry(&vector.verdict).or_default();
            if !files.contains(&paragraph.file.as_str()) {
                files.push(&paragraph.file);
            }
        }
    }
    let mut table = String::from("| refused | clause | label | 5.0 | shown by |\n|---|---|---|---|---|\n");
    for error in DecodeError::ALL {
        let files = shown.get(error.label()).map_or(String::new(), |files| files.join(", "));
        table += &format!(
            "| {} | {} | `{}` | 0x{:02X} | {files} |\n",
            error.description(),
            error.statement(),
            error.label(),
            error.reason_code().value(),
        );
    }
    table
}

#[test]
fn the_conformance_table_is_current() {
    const MARK: &str = "<!-- from the code: src/mqtt/error.rs -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");
    let page = std::fs::read_to_string(path).unwrap();
    let parts: Vec<&str> = page.split(MARK).collect();
    assert_eq!(parts.len(), 3, "two marks");
    let current = [parts[0], MARK, &conformance(), MARK, parts[2]].concat();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert_eq!(page, current, "UPDATE_GOLDEN=1 cargo test --test vectors");
}

//! Reads the vector files; `README.md` beside this says how they are written.

use std::{fs, path::Path};

use tidegate::mqtt::Version;

/// Who sends a vector's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Broker,
    /// A client, as its first packet.
    Opening,
}

/// One packet for one version and sender.
pub(crate) struct Vector {
    pub(crate) line: String,
    pub(crate) version: Option<Version>,
    pub(crate) sender: Sender,
    pub(crate) verdict: String,
    pub(crate) bytes: Vec<u8>,
}

/// One rule.
pub(crate) struct Paragraph {
    pub(crate) file: String,
    pub(crate) rule: String,
    pub(crate) vectors: Vec<Vector>,
}

/// All paragraphs of all files.
pub(crate) fn paragraphs() -> Vec<Paragraph> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Paragraph> {
    let file = path.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    text.split("\n\n")
        .map(|paragraph| {
            let (rule, lines): (Vec<_>, Vec<_>) = paragraph.lines().partition(|line| line.starts_with('#'));
            let vectors = lines.iter().flat_map(|line| vectors(file, line)).collect();
            Paragraph { file: file.to_owned(), rule: rule.concat(), vectors }
        })
        .collect()
}

fn vectors(file: &str, line: &str) -> Vec<Vector> {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (versions, senders, verdict) = (versions(word()), senders(word()), word());
    let bytes = bytes(word());
    let mut vectors = Vec::new();
    for &version in &versions {
        for &sender in &senders {
            vectors.push(Vector {
                line: format!("{file}: {line} [{version:?} {sender:?}]"),
                version,
                sender,
                verdict: verdict.to_owned(),
                bytes: bytes.clone(),
            });
        }
    }
    vectors
}

fn versions(word: &str) -> Vec<Option<Version>> {
    let (v31, v311, v50) = (Some(Version::V31), Some(Version::V311), Some(Version::V50));
    let of = |word: &str| match word {
        "3.1" => vec![v31],
        "3.1.1" => vec![v311],
        "5.0" => vec![v50],
        "3" => vec![v31, v311],
        "all" => vec![v31, v311, v50],
        "-" => vec![None],
        _ => panic!("no version: {word}"),
    };
    word.split(',').flat_map(of).collect()
}

fn senders(word: &str) -> Vec<Sender> {
    match word {
        "client" => vec![Sender::Client],
        "broker" => vec![Sender::Broker],
        "both" => vec![Sender::Client, Sender::Broker],
        "opening" => vec![Sender::Opening],
        _ => panic!("no sender: {word}"),
    }
}

/// The bytes that a line stands for.
fn bytes(notation: &str) -> Vec<u8> {
    let mut open: Vec<Vec<u8>> = vec![Vec::new()];
    let mut last = Vec::new();
    let mut rest = notation;
    while let Some(first) = rest.chars().next() {
        let mut taken = 1;
        match first {
            ' ' => {}
            '(' => open.push(Vec::new()),
            ')' => {
                let body = open.pop().unwrap();
                last = [length(body.len()), body].concat();
                open.last_mut().unwrap().extend(&last);
            }
            '"' | '\'' => {
                let text = rest[1..].split(first).next().unwrap();
                taken = text.len() + 2;
                let len = u16::try_from(text.len()).unwrap().to_be_bytes();
                last = if first == '"' { Vec::new() } else { len.to_vec() };
                last.extend(text.as_bytes());
                open.last_mut().unwrap().extend(&last);
            }
            '*' => {
                let digits = rest[1..].chars().take_while(char::is_ascii_digit).count();
                taken = digits + 1;
                let times: usize = rest[1..taken].parse().unwrap();
                open.last_mut().unwrap().extend(last.repeat(times - 1));
            }
            _ => {
                taken = rest.chars().take_while(char::is_ascii_hexdigit).count();
                assert!(taken > 0, "no notation: {rest}");
                assert!(taken % 2 == 0, "half a byte: {rest}");
                let pairs = (0..taken).step_by(2).map(|at| &rest[at..at + 2]);
                last = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
                open.last_mut().unwrap().extend(&last);
            }
        }
        rest = &rest[taken..];
    }
    assert_eq!(open.len(), 1, "an open bracket: {notation}");
    open.remove(0)
}

/// A Variable Byte Integer.
fn length(value: usize) -> Vec<u8> {
    let seven = u8::try_from(value & 0x7F).unwrap();
    if value < 0x80 { vec![seven] } else { [vec![seven | 0x80], length(value >> 7)].concat() }
}

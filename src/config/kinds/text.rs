//! Words, names, addresses, paths, and `true` or `false`.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::number::digits_only;
use crate::config::read::{Given, Kind, Located, Reading, listed, nearest};
use crate::config::settings::Server;

/// `true` or `false`.
pub(in crate::config) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<bool> {
        if let DeValue::Boolean(value) = given.value {
            return Some(*value);
        }
        reading.wrong_type(given, &self.expects());
        None
    }

    fn expects(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn written(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn schema(&self) -> Json {
        json!({"type": "boolean"})
    }
}

/// A closed set of words.
pub(in crate::config) trait Words: Copy + PartialEq + 'static {
    /// Each value and its word.
    const WORDS: &'static [(&'static str, Self)];
}

/// The words of a type that has `ALL` of its values and their `label`.
macro_rules! words_of {
    ($($Type:ty),+) => {$(
        impl $crate::config::kinds::Words for $Type {
            const WORDS: &'static [(&'static str, Self)] = &{
                let [first, ..] = Self::ALL;
                let mut words = [(first.label(), first); Self::ALL.len()];
                let (mut slots, mut values): (&mut [_], &[Self]) = (&mut words, &Self::ALL);
                while let (Some((slot, others)), Some((value, rest))) = (slots.split_first_mut(), values.split_first())
                {
                    *slot = (value.label(), *value);
                    (slots, values) = (others, rest);
                }
                words
            };
        }
    )+};
}
pub(in crate::config) use words_of;

/// One of the words of `W`.
pub(in crate::config) struct Word<W>(PhantomData<W>);

/// One of the words of `W`.
pub(in crate::config) fn word<W: Words>() -> Word<W> {
    Word(PhantomData)
}

impl<W: Words> Kind for Word<W> {
    type Value = W;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<W> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let found = W::WORDS.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if found.is_none() {
            let near = nearest(text, W::WORDS.iter().map(|(word, _)| *word));
            let help = near.map(|word| format!("did you mean `{word}`?")).unwrap_or_default();
            reading.invalid(given, &self.expects(), &help);
        }
        found
    }

    fn expects(&self) -> String {
        let words = listed(W::WORDS.iter().map(|(word, _)| *word));
        if W::WORDS.len() > 1 { format!("one of {words}") } else { words }
    }

    fn written(&self, value: &W) -> Option<String> {
        W::WORDS.iter().find(|(_, other)| other == value).map(|(word, _)| format!("\"{word}\""))
    }

    fn schema(&self) -> Json {
        json!({"enum": W::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>()})
    }
}

/// Text that a function takes or refuses.
pub(in crate::config) struct Text<T> {
    pub(super) expects: &'static str,
    pub(super) check: fn(&str) -> Option<T>,
    pub(super) write: fn(&T) -> String,
}

impl<T> Kind for Text<T> {
    type Value = T;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<T> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, self.expects);
            return None;
        };
        let value = (self.check)(text);
        if value.is_none() {
            reading.invalid(given, self.expects, "");
        }
        value
    }

    fn expects(&self) -> String {
        self.expects.to_owned()
    }

    fn written(&self, value: &T) -> Option<String> {
        Some(format!("\"{}\"", (self.write)(value)))
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// A name of ours: a word that may stand in a metric's label and in a log line.
pub(in crate::config) fn name() -> Text<String> {
    let check = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        ((1..=64).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
    };
    Text { expects: "a name of 1 to 64 letters, digits, `-`, `_` or `.`", check, write: String::clone }
}

/// Printable text of at most 128 bytes.
pub(in crate::config) fn label() -> Text<String> {
    let check =
        |text: &str| ((1..=128).contains(&text.len()) && !text.contains(char::is_control)).then(|| text.to_owned());
    Text { expects: "a text of 1 to 128 bytes", check, write: String::clone }
}

/// Any text, the empty one too.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct PlainText;

impl Kind for PlainText {
    type Value = String;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<String> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        Some(text.to_string())
    }

    fn expects(&self) -> String {
        "a text".to_owned()
    }

    fn written(&self, value: &String) -> Option<String> {
        Some(format!("\"{value}\""))
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// Bytes in hexadecimal.
pub(in crate::config) fn hex() -> Text<Vec<u8>> {
    let check = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().filter(|bytes| !bytes.is_empty());
    Text { expects: "bytes in hexadecimal", check, write: |bytes| HEXLOWER_PERMISSIVE.encode(bytes) }
}

/// A SHA-256 in hexadecimal.
pub(in crate::config) fn fingerprint() -> Text<[u8; 32]> {
    let check = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok();
    Text { expects: "a SHA-256 in hexadecimal, 64 digits", check, write: |bytes| HEXLOWER_PERMISSIVE.encode(bytes) }
}

/// An IP address.
pub(in crate::config) fn host_address() -> Text<IpAddr> {
    Text { expects: "an IP address", check: |text| text.parse().ok(), write: IpAddr::to_string }
}

/// Any text that MQTT can carry, but none at all.
pub(in crate::config) fn plain_text() -> Text<String> {
    let check = |text: &str| ((1..=65_535).contains(&text.len()) && !text.contains('\0')).then(|| text.to_owned());
    Text { expects: "a text of 1 to 65535 bytes", check, write: String::clone }
}

/// An IP address and port.
pub(in crate::config) fn address() -> Text<SocketAddr> {
    Text {
        expects: "an IP address and a port, such as `0.0.0.0:8883` or `[::]:8883`",
        check: |text| text.parse().ok(),
        write: SocketAddr::to_string,
    }
}

/// The path of a URL.
pub(in crate::config) fn url_path() -> Text<String> {
    let check = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"\\".contains(&byte);
        (text.starts_with('/') && text.len() <= 256 && text.bytes().all(plain)).then(|| text.to_owned())
    };
    Text { expects: "a path that begins with `/`, without `?` or `#`", check, write: String::clone }
}

/// The name of an application protocol in ALPN.
pub(in crate::config) fn protocol() -> Text<String> {
    let check = |text: &str| {
        ((1..=255).contains(&text.len()) && text.is_ascii() && !text.contains(char::is_control))
            .then(|| text.to_owned())
    };
    Text { expects: "a protocol name of ALPN, such as `mqtt`", check, write: String::clone }
}

/// A DNS name or IP address, as a certificate carries it.
pub(in crate::config) fn server_name() -> Text<String> {
    let check = |text: &str| rustls::pki_types::ServerName::try_from(text).ok().map(|_| text.to_owned());
    Text { expects: "a DNS name or an IP address", check, write: String::clone }
}

/// A DNS name that clients ask for, with or without `*` as its first label.
pub(in crate::config) fn asked_name() -> Text<String> {
    let check = |text: &str| {
        let name = text.strip_prefix("*.").unwrap_or(text);
        rustls::pki_types::DnsName::try_from(name).ok().map(|_| text.to_owned())
    };
    Text { expects: "a DNS name, such as `gateway.plant` or `*.plant`", check, write: String::clone }
}

/// The host and port of a server.
pub(in crate::config) fn server() -> Text<Server> {
    Text {
        expects: "a host and a port, such as `10.0.0.5:1883` or `[fd00::5]:8883`",
        check: parse_server,
        write: Server::to_string,
    }
}

/// `HOST:PORT`.
pub(in crate::config) fn parse_server(text: &str) -> Option<Server> {
    let (host, port) = text.rsplit_once(':')?;
    let port = digits_only(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_bracketed = bare.is_some();
    let host = bare.unwrap_or(host);
    let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = rustls::pki_types::ServerName::try_from(host).is_ok() && !host.contains(':');
    let is_known = if is_bracketed { is_v6 } else { is_name };
    is_known.then(|| Server { host: host.to_owned(), port })
}

/// A file or folder that is read; relative to the file that names it.
pub(in crate::config) struct File;

impl Kind for File {
    type Value = PathBuf;

    /// An empty path where the value is no path: a file was named, if badly, and nobody is to say that none was.
    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<PathBuf> {
        let path = path(given, reading);
        if !path.as_os_str().is_empty() {
            reading.files.push(Located { value: path.clone(), span: given.span.clone() });
        }
        Some(path)
    }

    fn expects(&self) -> String {
        "a path".to_owned()
    }

    fn written(&self, value: &PathBuf) -> Option<String> {
        Some(format!("\"{}\"", value.display()))
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// A file or folder that is written, or looked into whenever it is needed: that it changes changes no settings.
pub(in crate::config) struct Unwatched;

impl Kind for Unwatched {
    type Value = PathBuf;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<PathBuf> {
        Some(path(given, reading))
    }

    fn expects(&self) -> String {
        File.expects()
    }

    fn written(&self, value: &PathBuf) -> Option<String> {
        File.written(value)
    }

    fn schema(&self) -> Json {
        File.schema()
    }
}

/// A path as it counts; empty where it is none.
fn path(given: &Given<'_>, reading: &mut Reading) -> PathBuf {
    let DeValue::String(text) = given.value else {
        reading.wrong_type(given, &File.expects());
        return PathBuf::new();
    };
    if text.is_empty() || text.contains('\0') {
        reading.invalid(given, &File.expects(), "");
        return PathBuf::new();
    }
    reading.folder().join(text.as_ref())
}

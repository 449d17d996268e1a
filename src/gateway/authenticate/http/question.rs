//! What an authentication service is asked: all that is known of a client, its password included.

use std::io::Write as _;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::credentials::answer::Format;
use crate::gateway::authenticate::source::Client;
use crate::identity::Certificate;
use crate::mqtt::Version;

/// Room for names and numbers beside the client's own texts.
const FRAME_BYTES: usize = 1024;
/// A byte becomes `\u0000` in JSON, `%00` in a form.
const LONGEST_ESCAPE: usize = 6;

/// The body of the question. Two clients of whom the same is known, the port aside, bring the same body.
pub(super) fn write(format: Format, client: &Client<'_>, with_password: bool) -> Zeroizing<Vec<u8>> {
    let password = client.connect.password.filter(|_| with_password);
    // INVARIANT: of its full size at once, as a buffer that grows leaves copies of the password behind.
    let secret = password.map_or(0, |password| password.len() * LONGEST_ESCAPE);
    let mut body = Zeroizing::new(Vec::with_capacity(FRAME_BYTES + known_bytes(client) + secret));
    match format {
        Format::Json => Object::new(&mut body).client(client, password),
        Format::Form => form(client, password, &mut body),
    }
    body
}

fn known_bytes(client: &Client<'_>) -> usize {
    let identity = client.identity;
    let texts = identity.client_id.len() + identity.username.as_deref().map_or(0, str::len) + identity.listener.len();
    let certificate = identity.certificate.as_deref().map_or(0, |certificate| {
        let lists = lists(certificate);
        let texts = lists.iter().flat_map(|(_, texts)| texts.iter()).map(|text| text.len() + FRAME_BYTES / 64);
        texts.sum::<usize>() + certificate.issuer.len() + certificate.serial.len() * 2 + FRAME_BYTES
    });
    (texts + certificate) * LONGEST_ESCAPE
}

fn lists(certificate: &Certificate) -> [(&'static str, Vec<String>); 7] {
    let owned = |texts: &[Box<str>]| texts.iter().map(|text| String::from(&**text)).collect();
    [
        ("common_names", owned(&certificate.common_names)),
        ("organizations", owned(&certificate.organizations)),
        ("organizational_units", owned(&certificate.organizational_units)),
        ("dns_names", owned(&certificate.dns_names)),
        ("uris", owned(&certificate.uris)),
        ("emails", owned(&certificate.emails)),
        ("ip_addresses", certificate.ip_addresses.iter().map(ToString::to_string).collect()),
    ]
}

fn version(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V50 => "5.0",
    }
}

/// A JSON object in the making. Writing to memory does not fail.
struct Object<'b> {
    body: &'b mut Vec<u8>,
    is_empty: bool,
}

impl<'b> Object<'b> {
    fn new(body: &'b mut Vec<u8>) -> Self {
        body.push(b'{');
        Self { body, is_empty: true }
    }

    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.body.push(b',');
        }
        self.is_empty = false;
        let _ = write!(self.body, "\"{name}\":");
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        self.name(name);
        let _ = serde_json::to_writer(&mut *self.body, &text);
    }

    fn client(mut self, client: &Client<'_>, password: Option<&[u8]>) {
        let identity = client.identity;
        self.text("client_id", Some(&identity.client_id));
        self.text("username", identity.username.as_deref());
        match password.map(std::str::from_utf8) {
            None => self.text("password", None),
            Some(Ok(password)) => self.text("password", Some(password)),
            Some(Err(_)) => {
                self.name("password_base64");
                let encoded = Zeroizing::new(BASE64.encode(password.unwrap_or_default()));
                let _ = serde_json::to_writer(&mut *self.body, encoded.as_str());
            }
        }
        self.text("listener", Some(&identity.listener));
        self.text("address", Some(&identity.source.ip().to_string()));
        self.text("version", Some(version(client.connect.version)));
        self.name("certificate");
        let certificate = identity.certificate.as_deref().map_or(Value::Null, certificate);
        let _ = write!(self.body, "{certificate}}}");
    }
}

fn certificate(certificate: &Certificate) -> Value {
    let mut object: serde_json::Map<_, _> =
        lists(certificate).into_iter().map(|(name, texts)| (name.to_owned(), texts.into())).collect();
    object.insert("issuer".to_owned(), (&*certificate.issuer).into());
    object.insert("serial".to_owned(), HEXLOWER.encode(&certificate.serial).into());
    object.insert("fingerprint".to_owned(), HEXLOWER.encode(&certificate.fingerprint).into());
    object.into()
}

/// `application/x-www-form-urlencoded`.
fn form(client: &Client<'_>, password: Option<&[u8]>, body: &mut Vec<u8>) {
    let identity = client.identity;
    let address = identity.source.ip().to_string();
    let fingerprint = identity.certificate.as_deref().map(|known| HEXLOWER.encode(&known.fingerprint));
    let fields: [(&str, Option<&[u8]>); 8] = [
        ("username", identity.username.as_deref().map(str::as_bytes)),
        ("password", password),
        ("clientid", Some(identity.client_id.as_bytes())),
        ("client_id", Some(identity.client_id.as_bytes())),
        ("listener", Some(identity.listener.as_bytes())),
        ("address", Some(address.as_bytes())),
        ("common_name", identity.common_name().map(str::as_bytes)),
        ("fingerprint", fingerprint.as_deref().map(str::as_bytes)),
    ];
    let given = fields.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    for (number, (name, value)) in given.enumerate() {
        if number > 0 {
            body.push(b'&');
        }
        let _ = write!(body, "{name}=");
        for &byte in value {
            match byte {
                b' ' => body.push(b'+'),
                byte if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) => body.push(byte),
                byte => {
                    let _ = write!(body, "%{byte:02X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::identity::Identity;
    use crate::mqtt::Limits;
    use crate::mqtt::connect::decode_connect;

    fn string(text: &[u8]) -> Vec<u8> {
        [&u16::try_from(text.len()).unwrap().to_be_bytes(), text].concat()
    }

    fn asked(
        format: Format,
        username: &str,
        password: &[u8],
        certificate: Option<Certificate>,
        with_password: bool,
    ) -> String {
        let parts = [string(b"MQTT"), vec![4, 0xc2, 0, 60], string(b"temp-07"), string(username.as_bytes())];
        let body = [parts.concat(), string(password)].concat();
        let frame = [vec![0x10, u8::try_from(body.len()).unwrap()], body].concat();
        let connect = decode_connect(&frame, &Limits::default()).unwrap();
        let mut identity = Identity::new("field".into(), ([192, 0, 2, 7], 5000).into(), certificate);
        identity.client_id = connect.client_id.into();
        identity.username = connect.username.map(Into::into);
        let limits = crate::gateway::detect::Limits::for_tests();
        let client = Client { connect: &connect, identity: &identity, limits: &limits, deadline: Instant::now() };
        let body = write(format, &client, with_password);
        assert!(body.capacity() <= 64 * 1024);
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn a_question_holds_what_is_known_of_the_client() {
        let certificate = || Certificate {
            common_names: vec!["temp-07".into()],
            dns_names: vec!["a\"b".into()],
            serial: [1, 0xab].into(),
            ..Certificate::default()
        };
        let json: Value =
            serde_json::from_str(&asked(Format::Json, "us\"er", b"p\x01w", Some(certificate()), true)).unwrap();
        for (pointer, expected) in [
            ("/client_id", "temp-07"),
            ("/username", "us\"er"),
            ("/password", "p\u{1}w"),
            ("/listener", "field"),
            ("/address", "192.0.2.7"),
            ("/version", "3.1.1"),
            ("/certificate/common_names/0", "temp-07"),
            ("/certificate/dns_names/0", "a\"b"),
            ("/certificate/serial", "01ab"),
        ] {
            assert_eq!(json.pointer(pointer).and_then(Value::as_str), Some(expected), "{pointer}");
        }
        let json: Value = serde_json::from_str(&asked(Format::Json, "user", b"\xff\x00", None, true)).unwrap();
        assert_eq!(json["password_base64"], "/wA=");
        assert_eq!(json["certificate"], Value::Null);
        assert!(!asked(Format::Json, "user", b"hidden", None, false).contains("hidden"));
        assert_eq!(
            asked(Format::Form, "us er", b"p&=\xff", Some(certificate()), true),
            format!(
                "username=us+er&password=p%26%3D%FF&clientid=temp-07&client_id=temp-07&listener=field\
                 &address=192.0.2.7&common_name=temp-07&fingerprint={}",
                "0".repeat(64)
            )
        );
    }

    #[test]
    fn a_question_is_written_without_moving() {
        for format in [Format::Json, Format::Form] {
            let room = "\u{1}".repeat(100);
            let asked = asked(format, "user", room.as_bytes(), None, true);
            assert!(asked.len() < FRAME_BYTES + 100 * LONGEST_ESCAPE, "{}", asked.len());
        }
    }
}

//! What each source makes of a client, alone and with others. Over real sockets: `tests/gateway/identity`.

use std::net::IpAddr;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::config::{AddressName, AddressSettings, IdentitySource, PasswordFiles, TokenCarrier, TokenSettings};
use crate::credentials::password::{Cost, hash};
use crate::credentials::token::{Algorithm, Verifier};
use crate::enforce::{self, Opening, Terms};
use crate::identity::{Certificate, Prefix};
use crate::metrics::Metrics;
use crate::mqtt::Limits;
use crate::policy::Policy;

fn certificate() -> IdentitySource {
    IdentitySource::Certificate(CertificateName { name: Attribute::CertificateCn, pattern: None })
}

fn address() -> IdentitySource {
    let from = vec![Prefix::parse("10.1.0.0/16").unwrap()];
    IdentitySource::Address(AddressSettings { from, name: AddressName::ClientId })
}

/// The files that sources read.
struct Files(TempDir);

const SECRET: &[u8; 32] = b"a secret of thirty-two bytes ...";

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write_passwords(&["temp-07", "temp-08"]);
        files.write_key(SECRET);
        files
    }

    /// Each user's password is the name.
    fn write_passwords(&self, users: &[&str]) {
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let lines = users.iter().map(|user| format!("{user}:{}\n", *hash(user.as_bytes(), cost).unwrap()));
        std::fs::write(self.0.path().join("passwords"), lines.collect::<String>()).unwrap();
    }

    fn write_key(&self, secret: &[u8]) {
        let keys = json!({"keys": [{"kty": "oct", "k": BASE64URL_NOPAD.encode(secret)}]});
        std::fs::write(self.0.path().join("keys.json"), keys.to_string()).unwrap();
    }

    fn password(&self) -> IdentitySource {
        IdentitySource::Password(PasswordFiles { files: vec![self.0.path().join("passwords")] })
    }

    fn token(&self, carrier: TokenCarrier, issuer: Option<&str>) -> IdentitySource {
        let algorithms = vec![Algorithm::Hs256];
        let verifier = Verifier { algorithms, issuer: issuer.map(Into::into), ..Verifier::default() };
        IdentitySource::Token(TokenSettings { keys: self.0.path().join("keys.json"), carrier, verifier })
    }
}

/// A token for `temp-09`, which ends in so many seconds.
fn token(ends_in: i64) -> String {
    let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({"sub": "temp-09", "site": "north", "exp": unix.checked_add_signed(ends_in).unwrap()});
    let parts = [json!({"alg": "HS256"}), claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let message = parts.join(".");
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

fn asked(sources: Vec<IdentitySource>, require: Require, client_id: &[&str], username: &[&str]) -> Asked {
    let templates = |texts: &[&str]| texts.iter().map(|text| Template::parse(text).unwrap()).collect();
    let settings =
        IdentitySettings { sources, require, client_id: templates(client_id), username: templates(username) };
    Asked::build(&settings, &Authentication::default(), &mut Vec::new()).unwrap()
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// What a client of 3.1.1 shows.
#[derive(Clone, Copy)]
struct Shown<'s> {
    common_name: Option<&'s str>,
    from: [u8; 4],
    client_id: &'s str,
    username: Option<&'s str>,
    password: Option<&'s str>,
}

impl Shown<'_> {
    fn connect(&self) -> Vec<u8> {
        let flags = 2 | self.username.map_or(0, |_| 0x80) | self.password.map_or(0, |_| 0x40);
        let mut body = [string("MQTT"), vec![4, flags, 0, 60], string(self.client_id)].concat();
        body.extend(self.username.iter().chain(&self.password).flat_map(|text| string(text)));
        let (low, high) = (u8::try_from(body.len() % 128).unwrap(), u8::try_from(body.len() / 128).unwrap());
        let length = if high == 0 { vec![low] } else { vec![low | 0x80, high] };
        [vec![0x10], length, body].concat()
    }

    fn identity(&self) -> Identity {
        let common_names = self.common_name.map(|names| names.split(',').map(Into::into).collect());
        let certificate = common_names.map(|common_names| Certificate { common_names, ..Certificate::default() });
        Identity::new("field".into(), (IpAddr::from(self.from), 1).into(), certificate)
    }
}

fn authenticator(asked: Asked) -> Authenticator {
    Authenticator { asked: Some(asked), deadline: Duration::from_secs(10) }
}

fn authenticated(asked: Asked, shown: &Shown<'_>) -> Result<Authenticated, Box<Stranger>> {
    let bytes = shown.connect();
    let terms = Terms::new(Limits::default(), Arc::new(Policy::permit_all("1")));
    let Opening::Asking(asking) = enforce::open(&bytes, &terms) else { unreachable!("a good CONNECT") };
    let metrics = Metrics::new(["field"], []).unwrap().listener("field").unwrap();
    let pool = Pool::start(1, 10).unwrap();
    let (detectors, limits) = (Detectors::for_tests(), crate::gateway::detect::Limits::for_tests());
    let means = Means { metrics: &metrics, pool: &pool, detectors: &detectors };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(authenticator(asked).authenticate(&asking, shown.identity(), &limits, &means))
}

/// Who the client is, or the rule that refuses it.
fn judged(asked: Asked, shown: &Shown<'_>) -> Result<Authenticated, &'static str> {
    authenticated(asked, shown).map_err(|stranger| stranger.why.rule)
}

const DEVICE: Shown<'_> = Shown {
    common_name: Some("temp-07"),
    from: [10, 1, 2, 3],
    client_id: "temp-07-a",
    username: Some("temp-07"),
    password: None,
};
const BARE: Shown<'_> = Shown { common_name: None, from: [10, 2, 0, 1], username: None, ..DEVICE };

fn check(sources: Vec<IdentitySource>, require: Require, shown: Shown<'_>, expected: Result<(&str, Method), &str>) {
    let labels: Vec<_> = sources.iter().map(IdentitySource::label).collect();
    let judged = judged(asked(sources, require, &[], &[]), &shown);
    let found =
        judged.as_ref().map(|found| (found.identity.name.as_deref().unwrap_or_default(), found.identity.method));
    assert_eq!(found.map_err(|rule| *rule), expected, "{labels:?} {require:?}");
}

#[test]
fn the_first_source_for_which_something_is_shown_decides() {
    use Require::{All, Any};
    let both = || vec![certificate(), address()];
    check(both(), Any, DEVICE, Ok(("temp-07", Method::Certificate)));
    check(both(), Any, Shown { common_name: None, ..DEVICE }, Ok(("temp-07-a", Method::Address)));
    // No name, or several: refused, and not known by its address instead.
    check(both(), Any, Shown { common_name: Some("a,b"), ..DEVICE }, Err("identity.certificate"));
    check(both(), Any, BARE, Err("identity"));
    check(both(), Any, Shown { common_name: None, client_id: "", ..DEVICE }, Err("identity.address"));
    check(both(), All, DEVICE, Ok(("temp-07", Method::Certificate)));
    check(both(), All, Shown { common_name: None, ..DEVICE }, Err("identity"));
    check(both(), All, Shown { from: [10, 2, 0, 1], ..DEVICE }, Err("identity"));
    check(vec![address(), certificate()], All, DEVICE, Ok(("temp-07-a", Method::Address)));
    check(vec![IdentitySource::Anonymous], Any, DEVICE, Ok(("", Method::Anonymous)));
}

#[test]
fn a_password_must_be_the_users_and_whoever_asks_is_not_told_what_was_wrong() {
    use Require::{All, Any};
    let files = Files::new();
    let shown = |username, password| Shown { username, password, ..BARE };
    for (username, password, expected) in [
        (Some("temp-08"), Some("temp-08"), Ok(("temp-08", Method::Password))),
        (Some("temp-08"), Some("temp-07"), Err("identity.password")),
        (Some("temp-08"), Some(""), Err("identity.password")),
        (Some("temp-08"), None, Err("identity.password")),
        (Some("nobody"), Some("temp-08"), Err("identity.password")),
        (Some(""), Some("temp-08"), Err("identity.password")),
        (None, None, Err("identity")),
    ] {
        check(vec![files.password()], Any, shown(username, password), expected);
    }
    let both = || vec![certificate(), files.password()];
    let good = Shown { username: Some("temp-08"), password: Some("temp-08"), ..DEVICE };
    check(both(), All, good, Ok(("temp-07", Method::Certificate)));
    check(both(), All, Shown { password: Some("wrong"), ..good }, Err("identity.password"));
    check(both(), All, Shown { common_name: None, ..good }, Err("identity"));
    check(both(), Any, Shown { password: Some("wrong"), ..good }, Ok(("temp-07", Method::Certificate)));
    check(
        vec![files.password(), IdentitySource::Anonymous],
        Any,
        shown(Some("temp-08"), None),
        Err("identity.password"),
    );
    check(vec![files.password(), IdentitySource::Anonymous], Any, BARE, Ok(("", Method::Anonymous)));
}

#[test]
fn a_token_proves_whom_it_names_and_a_password_that_is_none_is_left_to_sources_of_passwords() {
    use Require::{All, Any};
    let files = Files::new();
    let source = || files.token(TokenCarrier::Password, None);
    let (good, late) = (token(60), token(-60));
    let broken = good.replace('.', ".e");
    let shown = |password| Shown { username: Some("temp-08"), password, ..DEVICE };
    let named = Ok(("temp-09", Method::Token));
    check(vec![source()], Any, shown(Some(&good)), named);
    check(vec![source()], Any, shown(Some(&late)), Err("identity.token.expired"));
    check(vec![source()], Any, shown(Some(&broken)), Err("identity.token.signature"));
    check(vec![source()], Any, shown(Some("temp-08")), Err("identity.token.malformed"));
    check(vec![source()], Any, shown(None), Err("identity"));
    check(vec![source(), files.password()], Any, shown(Some("temp-08")), Ok(("temp-08", Method::Password)));
    check(vec![source(), files.password()], Any, shown(Some(&late)), Err("identity.token.expired"));
    check(vec![source(), address()], Any, shown(Some("temp-08")), Err("identity.token.malformed"));
    check(vec![source(), IdentitySource::Anonymous], Any, shown(Some("temp-08")), Err("identity.token.malformed"));
    check(vec![source(), address()], Any, shown(None), Ok(("temp-07-a", Method::Address)));
    check(vec![certificate(), source()], All, shown(Some(&good)), Ok(("temp-07", Method::Certificate)));
    check(vec![certificate(), source()], All, shown(Some("temp-08")), Err("identity.token.malformed"));
    check(
        vec![files.token(TokenCarrier::Password, Some("plant"))],
        Any,
        shown(Some(&good)),
        Err("identity.token.issuer"),
    );
}

#[test]
fn a_token_in_the_user_name_is_shown_to_nobody() {
    let files = Files::new();
    let cut = |token: String| token.trim_end_matches(|letter| letter != '.').trim_end_matches('.').to_owned();
    for shown in [token(60), token(-60), format!(" {}", token(60)), token(60) + "\t", cut(token(60))] {
        let asked = asked(vec![files.token(TokenCarrier::Username, None)], Require::Any, &[], &[]);
        let identity = match authenticated(asked, &Shown { username: Some(&shown), ..BARE }) {
            Ok(Authenticated { identity, ends, .. }) => {
                assert_eq!((identity.name.as_deref(), ends.is_some()), (Some("temp-09"), true));
                assert!(identity.claims.iter().any(|(name, value)| (&**name, &**value) == ("site", "north")));
                identity
            }
            Err(stranger) => stranger.identity,
        };
        assert!(!format!("{identity:?}").contains(&shown), "{identity:?}");
        assert_eq!(&*identity.client_id, BARE.client_id);
    }
}

#[test]
fn a_user_whose_name_looks_like_a_token_is_held_to_that_name_all_the_same() {
    let files = Files::new();
    files.write_passwords(&["line.pump.seven"]);
    let asked = asked(vec![files.token(TokenCarrier::Username, None), files.password()], Require::Any, &[], &["*"]);
    let name = Some("line.pump.seven");
    let stranger = authenticated(asked, &Shown { username: name, password: name, ..BARE }).unwrap_err();
    assert_eq!(stranger.why.rule, "identity.token.malformed");
    let asked = self::asked(
        vec![files.password(), files.token(TokenCarrier::Username, None)],
        Require::Any,
        &[],
        &["${identity}"],
    );
    let known = judged(asked, &Shown { username: name, password: name, ..BARE }).unwrap();
    assert_eq!((known.identity.name.as_deref(), known.identity.username.as_deref()), (name, name));
}

#[test]
fn client_identifier_and_user_name_are_bound_to_the_identity() {
    for (client_id, username, shown, expected) in [
        (&["${identity}-*"][..], &["${identity}"][..], DEVICE, None),
        (&["${identity}"], &[], DEVICE, Some("identity.client_id")),
        (&["${identity}", "${identity}-*"], &[], DEVICE, None),
        (&["${identity}-*"], &[], Shown { client_id: "", ..DEVICE }, Some("identity.client_id")),
        (&["*"], &[], Shown { client_id: "", ..DEVICE }, None),
        (&[], &["${identity}"], Shown { username: Some("temp-08"), ..DEVICE }, Some("identity.username")),
        (&[], &["${identity}"], Shown { username: None, ..DEVICE }, Some("identity.username")),
        (&[], &["*"], Shown { username: None, ..DEVICE }, None),
        // The identity is text, never a pattern.
        (&["${identity}"], &[], Shown { common_name: Some("*"), ..DEVICE }, Some("identity.client_id")),
    ] {
        let asked = asked(vec![certificate()], Require::Any, client_id, username);
        assert_eq!(judged(asked, &shown).err(), expected, "{client_id:?} {username:?}");
    }
}

/// Whether what these sources proved of the client still holds under each of those.
fn check_reload(
    before: Vec<IdentitySource>,
    shown: Shown<'_>,
    after: Vec<(Vec<IdentitySource>, Require, &[&str], bool)>,
) {
    let known = judged(asked(before, Require::Any, &[], &[]), &shown).unwrap();
    for (sources, require, client_id, expected) in after {
        let labels: Vec<_> = sources.iter().map(IdentitySource::label).collect();
        let authenticator = authenticator(asked(sources, require, client_id, &[]));
        let holds = authenticator.still_holds(&known.proof, &known.identity);
        assert_eq!(holds, expected, "{labels:?} {require:?} {client_id:?}");
    }
}

#[test]
fn what_proved_a_client_holds_after_a_reload_only_if_it_would_prove_the_same_again() {
    use Require::{All, Any};
    let files = Files::new();
    let (password, token_source) = (|| files.password(), || files.token(TokenCarrier::Password, None));
    let elsewhere = AddressSettings { from: vec![Prefix::parse("10.9.0.0/16").unwrap()], name: AddressName::ClientId };
    let spiffe = CertificateName { name: Attribute::CertificateSpiffe, pattern: None };
    check_reload(
        vec![certificate()],
        DEVICE,
        vec![
            (vec![certificate(), address()], Any, &[], true),
            (vec![address(), certificate()], Any, &[], false),
            (vec![certificate(), address()], All, &[], false),
            (vec![IdentitySource::Certificate(spiffe)], Any, &[], false),
            (vec![certificate()], Any, &["${identity}"], false),
            (vec![certificate()], Any, &["${identity}-*"], true),
            (vec![password(), certificate()], Any, &[], false),
            (vec![IdentitySource::Anonymous], Any, &[], false),
        ],
    );
    check_reload(
        vec![address()],
        Shown { common_name: None, username: None, ..DEVICE },
        vec![
            (vec![certificate(), address()], Any, &[], true),
            (vec![password(), address()], Any, &[], true),
            (vec![IdentitySource::Address(elsewhere)], Any, &[], false),
        ],
    );
    let user = Shown { username: Some("temp-08"), password: Some("temp-08"), ..BARE };
    check_reload(vec![password()], user, vec![(vec![password()], Any, &[], true)]);
    let (good, known) = (token(60), Shown { username: Some("temp-08"), ..BARE });
    let by_token = Shown { password: Some(&good), ..known };
    check_reload(
        vec![token_source()],
        by_token,
        vec![
            (vec![token_source()], Any, &[], true),
            (vec![files.token(TokenCarrier::Password, Some("plant"))], Any, &[], false),
            (vec![certificate(), token_source()], All, &[], false),
        ],
    );
    let before = |sources| judged(asked(sources, Any, &[], &[]), &user).unwrap();
    let (known, by_token) =
        (before(vec![password()]), judged(asked(vec![token_source()], Any, &[], &[]), &by_token).unwrap());
    files.write_passwords(&["temp-08"]);
    files.write_key(b"another secret of that length ..");
    let after = |source| authenticator(asked(vec![source], Any, &[], &[]));
    assert!(!after(password()).still_holds(&known.proof, &known.identity), "the same password, hashed anew");
    assert!(!after(token_source()).still_holds(&by_token.proof, &by_token.identity), "another key");
}

//! What each source makes of a client, alone and with others. Over real sockets: `tests/gateway/identity`.

use std::sync::Arc;

use super::*;
use crate::config::{AddressName, AddressSettings, IdentitySource};
use crate::enforce::{self, Opening, Terms};
use crate::identity::{Certificate, Prefix};
use crate::mqtt::Limits;
use crate::policy::Policy;

fn certificate() -> IdentitySource {
    IdentitySource::Certificate(CertificateName { name: Attribute::CertificateCn, pattern: None })
}

fn address() -> IdentitySource {
    let from = vec![Prefix::parse("10.1.0.0/16").unwrap()];
    IdentitySource::Address(AddressSettings { from, name: AddressName::ClientId })
}

fn asked(sources: Vec<IdentitySource>, require: Require, client_id: &[&str], username: &[&str]) -> Asked {
    let templates = |texts: &[&str]| texts.iter().map(|text| Template::parse(text).unwrap()).collect();
    let settings =
        IdentitySettings { sources, require, client_id: templates(client_id), username: templates(username) };
    Asked::build(&settings, &mut Vec::new()).unwrap()
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// What a client of 3.1.1 shows.
struct Shown<'s> {
    common_name: Option<&'s str>,
    from: [u8; 4],
    client_id: &'s str,
    username: Option<&'s str>,
}

impl Shown<'_> {
    fn connect(&self) -> Vec<u8> {
        let flags = 2 | self.username.map_or(0, |_| 0x80);
        let mut body = [string("MQTT"), vec![4, flags, 0, 60], string(self.client_id)].concat();
        body.extend(self.username.iter().flat_map(|name| string(name)));
        [vec![0x10, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn identity(&self) -> Identity {
        let certificate = self.common_name.map(|name| Certificate {
            common_names: name.split(',').map(Into::into).collect(),
            ..Certificate::default()
        });
        Identity::new("field".into(), (self.from, 1).into(), certificate)
    }
}

/// Who the client is, or the rule that refuses it.
fn judged(asked: &Asked, shown: &Shown<'_>) -> Result<Authenticated, &'static str> {
    let bytes = shown.connect();
    let terms = Terms::new(Limits::default(), Arc::new(Policy::permit_all("1")));
    let Opening::Asking(asking) = enforce::open(&bytes, &terms) else { unreachable!("a good CONNECT") };
    let identity = asking.known(shown.identity());
    let client = Client { connect: &asking.connect, identity: &identity };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (method, outcome) = runtime.block_on(asked.judge(&client));
    outcome.and_then(|proven| asked.bind(proven, method, &identity)).map_err(|why| why.rule)
}

const DEVICE: Shown<'_> =
    Shown { common_name: Some("temp-07"), from: [10, 1, 2, 3], client_id: "temp-07-a", username: Some("temp-07") };

#[test]
fn the_first_source_for_which_something_is_shown_decides() {
    let both = || vec![certificate(), address()];
    for (sources, require, shown, expected) in [
        (both(), Require::Any, DEVICE, Ok((Some("temp-07"), Method::Certificate))),
        (both(), Require::Any, Shown { common_name: None, ..DEVICE }, Ok((Some("temp-07-a"), Method::Address))),
        // No name, or several: refused, and not known by its address instead.
        (both(), Require::Any, Shown { common_name: Some("a,b"), ..DEVICE }, Err("identity.certificate")),
        (both(), Require::Any, Shown { common_name: None, from: [10, 2, 0, 1], ..DEVICE }, Err("identity")),
        (both(), Require::Any, Shown { common_name: None, client_id: "", ..DEVICE }, Err("identity.address")),
        (both(), Require::All, DEVICE, Ok((Some("temp-07"), Method::Certificate))),
        (both(), Require::All, Shown { common_name: None, ..DEVICE }, Err("identity")),
        (both(), Require::All, Shown { from: [10, 2, 0, 1], ..DEVICE }, Err("identity")),
        (vec![address(), certificate()], Require::All, DEVICE, Ok((Some("temp-07-a"), Method::Address))),
        (vec![IdentitySource::Anonymous], Require::Any, DEVICE, Ok((None, Method::Anonymous))),
    ] {
        let judged = judged(&asked(sources, require, &[], &[]), &shown);
        let found = judged.as_ref().map(|found| (found.identity.name.as_deref(), found.identity.method));
        assert_eq!(found.map_err(|rule| *rule), expected);
    }
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
        assert_eq!(judged(&asked, &shown).err(), expected, "{client_id:?} {username:?}");
    }
}

#[test]
fn what_is_written_differently_after_a_reload_no_longer_holds() {
    let first = asked(vec![certificate(), address()], Require::Any, &[], &[]);
    let known = judged(&first, &DEVICE).unwrap();
    let by_address = judged(&first, &Shown { common_name: None, ..DEVICE }).unwrap();
    let holds = |asked: &Asked, known: &Authenticated| asked.still_holds(&known.proof, &known.identity);
    let elsewhere = AddressSettings { from: vec![Prefix::parse("10.9.0.0/16").unwrap()], name: AddressName::ClientId };
    let spiffe = CertificateName { name: Attribute::CertificateSpiffe, pattern: None };
    for (next, certified, addressed) in [
        (asked(vec![certificate(), address()], Require::Any, &[], &[]), true, true),
        (asked(vec![address(), certificate()], Require::Any, &[], &[]), false, true),
        (asked(vec![certificate()], Require::Any, &[], &[]), true, false),
        (asked(vec![certificate(), address()], Require::All, &[], &[]), false, false),
        (asked(vec![IdentitySource::Certificate(spiffe)], Require::Any, &[], &[]), false, false),
        (asked(vec![certificate(), IdentitySource::Address(elsewhere)], Require::Any, &[], &[]), true, false),
        (asked(vec![certificate(), address()], Require::Any, &["${identity}"], &[]), false, true),
        (asked(vec![IdentitySource::Anonymous], Require::Any, &[], &[]), false, false),
    ] {
        assert_eq!((holds(&next, &known), holds(&next, &by_address)), (certified, addressed));
    }
}

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::{FixedCredentials, Sas, SasKeys, Secret};
use crate::enforce::Credentials;
use crate::identity::{Certificate, Template};

const NOW: i64 = 1_800_000_000;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn identity(name: Option<&str>) -> Identity {
    let mut identity = Identity::new("field".into(), ([192, 0, 2, 7], 1).into(), None);
    identity.name = name.map(Into::into);
    identity
}

fn sas(lifetime: u64, keys: SasKeys) -> BrokerCredentials {
    let template = |text| Template::parse(text).unwrap();
    BrokerCredentials::Sas(Sas {
        username: template("hub/${identity}"),
        resource: template("hub/devices/${identity}"),
        keys,
        key_name: None,
        lifetime: Duration::from_secs(lifetime),
    })
}

#[test]
fn a_connection_ends_before_its_token_and_not_with_all_others() {
    for (lifetime, earliest, latest) in [(60, 48, 54), (3600, 3180, 3540), (86_400, 77_700, 86_340)] {
        let settings = sas(lifetime, SasKeys::One(secret("key")));
        let ends: Vec<i64> = (0..1000)
            .map(|spread| {
                let spread = RandomState::new().hash_one(spread);
                let shown = credentials::shown(&settings, &identity(Some("a")), Version::V311, NOW, spread);
                shown.map_err(|_| ()).unwrap().ends().unwrap() - NOW
            })
            .collect();
        assert!(ends.iter().all(|ends| (earliest..=latest).contains(ends)), "{lifetime}: {ends:?}");
        let distinct: std::collections::HashSet<_> = ends.iter().collect();
        assert!(distinct.len() > 3, "{lifetime}");
    }
}

#[test]
fn what_a_connect_cannot_carry_is_withheld() {
    let fixed = |username: Option<&str>, password: Option<&str>| {
        BrokerCredentials::Fixed(FixedCredentials {
            username: username.map(Into::into),
            password: password.map(secret),
        })
    };
    let long = "x".repeat(65_536);
    for (settings, version, expected) in [
        (fixed(Some("u"), Some("p")), Version::V31, true),
        (fixed(Some("u"), None), Version::V31, true),
        (fixed(None, Some("p")), Version::V50, true),
        (fixed(None, Some("p")), Version::V311, false),
        (fixed(Some("a\0b"), None), Version::V311, false),
        (fixed(Some(&long), None), Version::V50, false),
        (fixed(Some("u"), Some(&long)), Version::V50, false),
    ] {
        let shown = credentials::shown(&settings, &identity(None), version, NOW, 0);
        assert_eq!(shown.is_ok(), expected, "{settings:?} {version:?}");
    }
}

#[test]
fn what_is_not_the_clients_own_is_withheld() {
    let keys = Arc::new([("a".into(), secret("key of a"))].into());
    let settings = sas(3600, SasKeys::Table(keys));
    let token = |name: Option<&str>| {
        let identity = identity(name);
        let shown = credentials::shown(&settings, &identity, Version::V311, NOW, 0).ok()?;
        match shown.credentials() {
            Credentials::Instead { username: Some(username), password: Some(password) } => {
                Some((username.to_owned(), String::from_utf8(password.to_vec()).unwrap()))
            }
            Credentials::Instead { .. } | Credentials::AsReceived => None,
        }
    };
    let (username, password) = token(Some("a")).unwrap();
    assert_eq!(username, "hub/a");
    assert!(password.starts_with("SharedAccessSignature sr=hub%2Fdevices%2Fa&sig="), "{password}");
    for stranger in [None, Some(""), Some("b"), Some("A"), Some("a "), Some("a/b")] {
        assert_eq!(token(stranger), None, "{stranger:?}");
    }
    // With one key for all, whoever has no name has no token: it would be one for every device.
    let all = sas(3600, SasKeys::One(secret("key")));
    for nobody in [None, Some("")] {
        assert!(credentials::shown(&all, &identity(nobody), Version::V311, NOW, 0).is_err());
    }
}

#[test]
fn a_value_is_one_segment_of_what_is_signed_and_of_the_name_beside_it() {
    let signed = |name: &str| {
        let settings = sas(3600, SasKeys::One(secret("key")));
        credentials::shown(&settings, &identity(Some(name)), Version::V311, NOW, 0).is_ok()
    };
    for (name, expected) in [
        ("pump-7", true),
        ("pump?7", true),
        ("pump-7/modules/other", false),
        ("../pump-8", false),
        ("/", false),
        ("pump-8/?api-version=2021-04-12&", false),
    ] {
        assert_eq!(signed(name), expected, "{name}");
    }
}

#[test]
fn a_common_name_that_brokers_would_cut_short_is_told_to_none() {
    for (name, expected) in [("admin\0.example", false), ("admin\n", false), ("temp-07", true)] {
        let certificate = Certificate { common_names: vec![name.into()], ..Certificate::default() };
        let identity = Identity::new("field".into(), ([192, 0, 2, 7], 1).into(), Some(certificate));
        assert_eq!(common_name(&identity).is_ok(), expected, "{name:?}");
    }
    assert_eq!(common_name(&identity(None)), Ok(None));
}

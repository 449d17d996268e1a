//! The far side: what a broker is shown.

use super::*;

/// The settings with more behind the broker, and with these files beside them.
fn broker(more: &str, files: &[(&str, &str)]) -> Result<Arc<Broker>, Problems> {
    let (folder, path) = folder(&format!("{SMALLEST}\n{more}\n"));
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    load(&path).map(|settings| Arc::clone(&settings.brokers[0]))
}

fn taken(more: &str, files: &[(&str, &str)]) -> Arc<Broker> {
    broker(more, files).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn credentials_towards_the_broker_are_read_with_their_files() {
    assert!(matches!(taken("", &[]).credentials, BrokerCredentials::Pass));
    assert!(matches!(taken("credentials.mode = \"remove\"", &[]).credentials, BrokerCredentials::Remove));
    let fixed =
        taken("credentials = { mode = \"fixed\", username = \"gw\", password_file = \"pw\" }", &[("pw", "s3cret\n")]);
    let BrokerCredentials::Fixed(FixedCredentials { username, password }) = &fixed.credentials else {
        panic!("{fixed:?}")
    };
    assert_eq!((username.as_deref(), password.as_ref().unwrap().bytes()), (Some("gw"), &b"s3cret"[..]));
    assert!(!format!("{fixed:?}").contains("s3cret"));
    let own = taken("credentials = { mode = \"identity\", username = \"plant-${identity}\" }", &[]);
    let BrokerCredentials::Identity { username, password: None } = &own.credentials else { panic!("{own:?}") };
    assert_eq!(username.as_str(), "plant-${identity}");
    let accounts = "\"temp-07\" = { username = \"plant7\", password = \"s3cret\" }\n[\"a b\"]\npassword = \"x\"\n";
    let table =
        taken("credentials = { mode = \"identity\", table = \"accounts.toml\" }", &[("accounts.toml", accounts)]);
    let BrokerCredentials::Table(accounts) = &table.credentials else { panic!("{table:?}") };
    assert_eq!(accounts["temp-07"].username.as_deref(), Some("plant7"));
    assert_eq!(accounts["temp-07"].password.as_ref().unwrap().bytes(), b"s3cret");
    assert_eq!((accounts["a b"].username.as_deref(), accounts.len()), (Some("a b"), 2));
    assert!(!format!("{table:?}").contains("s3cret"));
}

#[test]
fn shared_access_signatures_have_one_key_or_one_for_each() {
    let sas = |keys: &str| {
        format!(
            "[broker.credentials]\nmode = \"sas\"\nusername = \"hub/${{identity}}\"\n\
             [broker.credentials.sas]\nresource = \"hub/devices/${{identity}}\"\nlifetime = \"2h\"\n{keys}\n"
        )
    };
    let files = [("key", "c2VjcmV0\n"), ("keys.toml", "\"temp-07\" = \"c2VjcmV0\"\n")];
    let one = taken(&sas("key_file = \"key\"\nkey_name = \"owner\""), &files);
    let BrokerCredentials::Sas(one) = &one.credentials else { panic!("{one:?}") };
    assert!(matches!(&one.keys, SasKeys::One(key) if key.bytes() == b"secret"));
    assert_eq!((one.key_name.as_deref(), one.lifetime), (Some("owner"), Duration::from_secs(7200)));
    assert_eq!((one.username.as_str(), one.resource.as_str()), ("hub/${identity}", "hub/devices/${identity}"));
    let each = taken(&sas("keys = \"keys.toml\""), &files);
    let BrokerCredentials::Sas(Sas { keys: SasKeys::Table(keys), .. }) = &each.credentials else { panic!("{each:?}") };
    assert_eq!(keys["temp-07"].bytes(), b"secret");
    for refused in ["", "key_file = \"key\"\nkeys = \"keys.toml\"", "key_file = \"keys.toml\""] {
        assert!(broker(&sas(refused), &files).is_err(), "{refused}");
    }
}

#[test]
fn nothing_of_a_secret_file_is_shown() {
    let said = |more: &str, file: (&str, &str)| broker(more, &[file]).unwrap_err().to_string();
    let table = "credentials = { mode = \"identity\", table = \"accounts.toml\" }";
    for text in [
        "a = { password = \"s3cret\", pasword = \"s3cret\" }",
        "s3cret",
        "a = \"s3cret\"",
        "a = { password = 4711, username = \"s3cret\" }",
        "a = { password = s3cret }",
        "[a]\npassword = \"s3cret",
    ] {
        let said = said(table, ("accounts.toml", text));
        assert!(!said.contains("s3cret") && !said.contains("4711"), "{said}");
        assert!(said.contains("accounts.toml") && said.contains("on line "), "{said}");
    }
    let keys = "credentials = { mode = \"sas\", username = \"u\", sas = { resource = \"r\", keys = \"keys.toml\" } }";
    let said = said(keys, ("keys.toml", "a = \"s3cret!\""));
    assert!(!said.contains("s3cret") && said.contains("on line 1"), "{said}");
}

#[test]
fn certificates_of_clients_come_from_a_folder_or_a_table() {
    let files = [("certs.toml", "\"temp-07\" = { certificate = \"gw.pem\", key = \"gw.key\" }\n")];
    let table = taken("tls.identities.table = \"certs.toml\"", &files);
    let identities = table.tls.as_ref().unwrap().identities.as_ref().unwrap();
    let IdentityCertificates::Table(pairs) = &identities.certificates else { panic!("{identities:?}") };
    assert!(pairs["temp-07"].certificate.ends_with("gw.pem") && pairs["temp-07"].key.ends_with("gw.key"));
    assert_eq!(identities.missing, Missing::Refuse);
    let own =
        "tls = { certificate = \"gw.pem\", key = \"gw.key\", identities = { folder = \"policy\", missing = \"own\" } }";
    let folder = taken(own, &[]);
    let identities = folder.tls.as_ref().unwrap().identities.as_ref().unwrap();
    assert!(matches!(&identities.certificates, IdentityCertificates::Folder(folder) if folder.ends_with("policy")));
    assert_eq!(identities.missing, Missing::Own);
    for refused in [
        "tls.identities = {}",
        "tls.identities = { folder = \"policy\", table = \"certs.toml\" }",
        "tls.identities = { folder = \"policy\", missing = \"own\" }",
        "tls.identities = { folder = \"gw.pem\" }",
        "tls.identities = { table = \"nowhere.toml\" }",
    ] {
        assert!(broker(refused, &files).is_err(), "{refused}");
    }
}

#[test]
fn a_broker_is_told_where_clients_dial_from_in_either_version() {
    let header = |more: &str| taken(more, &[]).proxy_protocol;
    assert_eq!(header(""), None);
    let (v1, v2) = (ProxyVersion::V1, ProxyVersion::V2);
    assert_eq!(header("proxy_protocol = {}"), Some(BrokerProxyProtocol { version: v2, tls: true }));
    let bare = header("proxy_protocol = { tls = false }");
    assert_eq!(bare, Some(BrokerProxyProtocol { version: v2, tls: false }));
    let text = header("proxy_protocol.version = \"v1\"");
    assert_eq!(text, Some(BrokerProxyProtocol { version: v1, tls: false }), "addresses alone");
}

#[test]
fn every_file_that_is_read_is_watched_once() {
    let more = "credentials = { mode = \"identity\", table = \"accounts.toml\" }\n\
                tls = { ca = \"ca.pem\", identities = { table = \"certs.toml\" } }\n\
                [audit]\nfile = \"events.jsonl\"";
    let (folder, path) = folder(&format!("{SMALLEST}\n{more}\n"));
    fs::write(folder.path().join("accounts.toml"), "a = {}\n").unwrap();
    fs::write(folder.path().join("certs.toml"), "a = { certificate = \"a.pem\", key = \"gw.key\" }\n").unwrap();
    fs::write(folder.path().join("a.pem"), "").unwrap();
    let policy = "version = \"1\"\n[[role]]\nname = \"r\"\nmembers = \"list\"\n[[grant]]\nid = \"g\"\nroles = [\"r\"]\nconnect = true\n";
    fs::write(folder.path().join("policy/policy.toml"), policy).unwrap();
    fs::write(folder.path().join("policy/list"), "a\n").unwrap();
    let settings = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let mut watched: Vec<String> =
        settings.watched().iter().map(|file| file.strip_prefix(folder.path()).unwrap().display().to_string()).collect();
    assert_eq!(watched.remove(0), "gateway.toml");
    watched.sort_unstable();
    let expected = ["accounts.toml", "ca.pem", "certs.toml", "gw.key", "gw.pem", "policy/list", "policy/policy.toml"];
    assert_eq!(watched, expected);
}

/// Settings whose listener says `identity`, and whose broker `credentials`.
fn shown(identity: &str, credentials: &str) -> Result<Settings, Problems> {
    let text = format!(
        "{}\ncredentials = {credentials}\n",
        SMALLEST.replace("tls.client_ca", &format!("{identity}\ntls.client_ca"))
    );
    let (folder, path) = folder(&text);
    fs::write(
        folder.path().join("passwords"),
        "temp-07:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0\n",
    )
    .unwrap();
    fs::write(folder.path().join("key"), "c2VjcmV0").unwrap();
    load(&path)
}

#[test]
fn what_clients_only_claim_is_no_credential_towards_a_broker() {
    let of = |username: &str| format!("{{ mode = \"identity\", username = \"{username}\" }}");
    let sas = |resource: &str| {
        format!("{{ mode = \"sas\", username = \"u\", sas = {{ resource = \"{resource}\", key_file = \"key\" }} }}")
    };
    let password = "identity = { sources = [\"password\"], password.files = [\"passwords\"] }";
    let either = "identity = { sources = [\"password\", \"certificate\"], password.files = [\"passwords\"] }";
    let bound =
        "identity = { sources = [\"certificate\"], client_id = [\"${identity}-*\"], username = [\"${identity}\"] }";
    for (identity, credentials, expected) in [
        ("", of("${identity}"), true),
        ("", of("${certificate.cn}"), true),
        ("", of("a-${client_id}"), false),
        ("", of("${username}"), false),
        ("", sas("hub/devices/${identity}"), true),
        ("", sas("hub/devices/${client_id}"), false),
        (bound, sas("hub/devices/${client_id}"), true),
        (bound, of("${username}"), true),
        (password, of("${username}"), true),
        (password, of("${client_id}"), false),
        (either, of("${username}"), false),
    ] {
        let found = shown(identity, &credentials);
        assert_eq!(found.is_ok(), expected, "{identity} {credentials}: {:?}", found.err());
    }
    let problems = shown("", &of("${client_id}")).unwrap_err().to_string();
    assert!(
        problems.contains("only claim") && problems.contains("identity.client_id = [\"${identity}\"]"),
        "{problems}"
    );
}

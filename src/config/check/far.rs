//! The far side: brokers, and how the gateway shows itself and its clients to them.

use std::net::IpAddr;
use std::ops::Range;

use super::{tls, values};
use crate::config::files;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::config::settings::{
    Broker, BrokerCredentials, BrokerProxyProtocol, BrokerQuarantine, FixedCredentials, IdentitySettings,
    IdentitySource, ProxyVersion, Sas, SasKeys, Server,
};
use crate::config::tables::{
    BrokerProxyProtocolTable, BrokerTable, CredentialsMode, CredentialsTable, QuarantineTable, SasTable,
};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;

pub(super) fn broker(table: &Located<BrokerTable>, reading: &mut Reading) -> Option<Broker> {
    let table = &table.value;
    let tls = table.tls.as_ref().map(|tls| tls::broker_tls(&tls.value, reading));
    if tls.is_none() {
        let remote = |server: &&Located<Server>| !is_local(&server.value.host);
        if let Some(server) = table.servers.iter().find(remote) {
            let problem = reading
                .at(problem::Kind::Unsafe, &server.span, "the way to this broker is not encrypted")
                .label("passwords and messages cross the network in the clear")
                .help("give the broker a `tls` table, as in `tls.ca = \"pki/broker-ca.pem\"`")
                .warning();
            reading.report(problem);
        }
    }
    let credentials = match &table.credentials {
        Some(table) => credentials(table, reading),
        None => Some(BrokerCredentials::Pass),
    };
    let quarantine = match &table.quarantine {
        Some(table) => quarantine(&table.value, credentials.as_ref(), reading),
        None => quarantine(&QuarantineTable::default(), credentials.as_ref(), reading),
    };
    Some(Broker {
        name: table.name.as_ref()?.value.as_str().into(),
        servers: values(&table.servers),
        tls,
        keepalive: table.tcp.keepalive,
        credentials: credentials?,
        proxy_protocol: table.proxy_protocol.as_ref().map(|table| proxy_protocol(&table.value, reading)),
        quarantine,
    })
}

/// What belongs to a client is never shown for the gateway: only `fixed` credentials are whosever they are.
fn quarantine(
    table: &QuarantineTable,
    of_clients: Option<&BrokerCredentials>,
    reading: &mut Reading,
) -> BrokerQuarantine {
    let version = table.version.as_ref().map_or(Version::V311, |version| version.value);
    if let Some(located) = table.version.as_ref().filter(|version| version.value == Version::V31) {
        let problem = reading
            .at(problem::Kind::Invalid, &located.span, "the gateway itself does not speak MQTT 3.1")
            .help("expected `3.1.1` or `5.0`");
        reading.report(problem);
    }
    if let (None, Some(file), Version::V311) = (&table.username, &table.password_file, version) {
        let problem = reading
            .at(problem::Kind::Contradiction, &file.span, "a password without a user name")
            .label("before 5.0 MQTT can't carry it")
            .help("give it a `username`, or set `version = \"5.0\"`");
        reading.report(problem);
    }
    let own = FixedCredentials {
        username: table.username.as_ref().map(|username| username.value.as_str().into()),
        password: table.password_file.as_ref().and_then(|file| files::secret(file, reading)),
    };
    let credentials = if let Some(BrokerCredentials::Fixed(fixed)) = of_clients
        && table.username.is_none()
        && table.password_file.is_none()
    {
        fixed.clone()
    } else {
        own
    };
    BrokerQuarantine {
        client_id: table.client_id.as_ref().map(|id| id.value.as_str().into()),
        credentials,
        version,
        qos: if table.qos == 0 { QoS::Zero } else { QoS::One },
        max_queued: table.max_queued,
        max_queued_bytes: table.max_queued_bytes,
        keep_alive: table.keep_alive,
    }
}

pub(super) fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn proxy_protocol(table: &BrokerProxyProtocolTable, _: &mut Reading) -> BrokerProxyProtocol {
    BrokerProxyProtocol { version: table.version, tls: table.tls && table.version == ProxyVersion::V2 }
}

/// What the modes have keys for.
const KEYS: [(&str, &[CredentialsMode]); 4] = [
    ("username", &[CredentialsMode::Fixed, CredentialsMode::Identity, CredentialsMode::Sas]),
    ("password_file", &[CredentialsMode::Fixed, CredentialsMode::Identity]),
    ("table", &[CredentialsMode::Identity]),
    ("sas", &[CredentialsMode::Sas]),
];

fn credentials(located: &Located<CredentialsTable>, reading: &mut Reading) -> Option<BrokerCredentials> {
    let Located { value: table, span } = located;
    let given = [
        table.username.as_ref().map(|username| &username.span),
        table.password_file.as_ref().map(|file| &file.span),
        table.table.as_ref().map(|file| &file.span),
        table.sas.as_ref().map(|sas| &sas.span),
    ];
    for ((key, modes), span) in KEYS.iter().zip(given) {
        if let Some(span) = span.filter(|_| !modes.contains(&table.mode)) {
            let problem = reading
                .at(problem::Kind::Contradiction, span, format!("`{key}` has no meaning with this `mode`"))
                .help("set `mode`, or remove it");
            reading.report(problem);
        }
    }
    match table.mode {
        CredentialsMode::Pass => Some(BrokerCredentials::Pass),
        CredentialsMode::Remove => Some(BrokerCredentials::Remove),
        CredentialsMode::Fixed => fixed(table, span, reading),
        CredentialsMode::Identity => of_identity(table, span, reading),
        CredentialsMode::Sas => sas(table, span, reading),
    }
}

fn missing(message: &str, label: &str, span: &Range<usize>, reading: &mut Reading) {
    let problem = reading.at(problem::Kind::MissingKey, span, message).label(label);
    reading.report(problem);
}

fn fixed(table: &CredentialsTable, span: &Range<usize>, reading: &mut Reading) -> Option<BrokerCredentials> {
    if table.username.is_none() && table.password_file.is_none() {
        missing("neither user name nor password is given", "expected `username`, and `password_file`", span, reading);
        return None;
    }
    if let Some(username) = table.username.as_ref().filter(|username| username.value.as_str().contains("${")) {
        let problem = reading
            .at(problem::Kind::Contradiction, &username.span, "a user name that is the same for all has no variables")
            .help("set `mode = \"identity\"`");
        reading.report(problem);
    }
    Some(BrokerCredentials::Fixed(FixedCredentials {
        username: table.username.as_ref().map(|username| username.value.as_str().into()),
        password: table.password_file.as_ref().and_then(|file| files::secret(file, reading)),
    }))
}

fn of_identity(table: &CredentialsTable, span: &Range<usize>, reading: &mut Reading) -> Option<BrokerCredentials> {
    match (&table.username, &table.table) {
        (None, None) => {
            missing("nothing says which user name belongs to whom", "expected `username` or `table`", span, reading);
            None
        }
        (Some(_), Some(file)) => {
            let problem = reading
                .at(problem::Kind::Contradiction, &file.span, "`table` and `username` both say the user name")
                .help("remove one of them");
            reading.report(problem);
            None
        }
        (None, Some(file)) => {
            if let Some(password) = &table.password_file {
                let problem = reading
                    .at(
                        problem::Kind::Contradiction,
                        &password.span,
                        "`table` and `password_file` both say the password",
                    )
                    .help("remove one of them");
                reading.report(problem);
            }
            files::accounts(file, reading).map(BrokerCredentials::Table)
        }
        (Some(username), None) => Some(BrokerCredentials::Identity {
            username: username.value.clone(),
            password: table.password_file.as_ref().and_then(|file| files::secret(file, reading)),
        }),
    }
}

fn sas(table: &CredentialsTable, span: &Range<usize>, reading: &mut Reading) -> Option<BrokerCredentials> {
    let Some(username) = &table.username else {
        missing(
            "a shared access signature needs a user name beside it",
            "expected `username`, as in `hub.azure-devices.net/${identity}/?api-version=2021-04-12`",
            span,
            reading,
        );
        return None;
    };
    let Some(sas) = &table.sas else {
        missing("`sas` is missing", "expected `sas.resource`, and `sas.key_file` or `sas.keys`", span, reading);
        return None;
    };
    let keys = sas_keys(sas, reading);
    Some(BrokerCredentials::Sas(Sas {
        username: username.value.clone(),
        resource: sas.value.resource.as_ref()?.value.clone(),
        keys: keys?,
        key_name: sas.value.key_name.as_ref().map(|name| name.value.clone()),
        lifetime: sas.value.lifetime,
    }))
}

/// What clients merely claim must not become what a broker takes for proven.
pub(super) fn claims(
    span: &Range<usize>,
    identity: Option<&IdentitySettings>,
    credentials: &BrokerCredentials,
    reading: &mut Reading,
) {
    let templates = match credentials {
        BrokerCredentials::Identity { username, .. } => [Some(username), None],
        BrokerCredentials::Sas(sas) => [Some(&sas.username), Some(&sas.resource)],
        BrokerCredentials::Pass
        | BrokerCredentials::Remove
        | BrokerCredentials::Fixed(_)
        | BrokerCredentials::Table(_) => [None, None],
    };
    for (claim, is_bound) in [("client_id", binds_client_id(identity)), ("username", binds_username(identity))] {
        let variable = format!("${{{claim}}}");
        if !is_bound && templates.iter().flatten().any(|template| template.as_str().contains(&variable)) {
            let problem = reading
                .at(problem::Kind::Unsafe, span, "this broker is shown what clients of this listener only claim")
                .label(format!(
                    "`{variable}` is part of the broker's `credentials`, and here it is whatever a client says"
                ))
                .help(format!("set `identity.{claim} = [\"${{identity}}\"]`, or use `${{identity}}` in `credentials`"));
            reading.report(problem);
        }
    }
}

fn binds_client_id(identity: Option<&IdentitySettings>) -> bool {
    identity.is_some_and(|identity| !identity.client_id.is_empty())
}

/// The user name of a client that is known by a password is proven with it.
fn binds_username(identity: Option<&IdentitySettings>) -> bool {
    let is_proof = |source: &IdentitySource| matches!(source, IdentitySource::Password(_));
    identity.is_some_and(|identity| !identity.username.is_empty() || identity.sources.iter().all(is_proof))
}

fn sas_keys(sas: &Located<SasTable>, reading: &mut Reading) -> Option<SasKeys> {
    match (&sas.value.key_file, &sas.value.keys) {
        (Some(file), None) => files::base64_secret(file, reading).map(SasKeys::One),
        (None, Some(file)) => files::keys(file, reading).map(SasKeys::Table),
        (None, None) => {
            missing("there is no key to sign with", "expected `key_file` or `keys`", &sas.span, reading);
            None
        }
        (Some(_), Some(file)) => {
            let problem = reading
                .at(problem::Kind::Contradiction, &file.span, "`key_file` and `keys` both say the key")
                .help("remove one of them");
            reading.report(problem);
            None
        }
    }
}

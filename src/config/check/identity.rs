//! Who the clients of a listener are: sources with what they need, and a listener that can have them.

use std::ops::Range;
use std::time::Duration;

use super::{file_exists, values};
use crate::config::files;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::config::settings::{
    AddressSettings, Admission, CertificateName, HttpSettings, IdentitySettings, IdentitySource, OnError,
    PasswordFiles, ProxyProtocol, Require, TokenSettings,
};
use crate::config::tables::{
    AddressTable, AdmissionCarrier, AdmissionTable, CertificateNameTable, Clients, HttpTable, IdentityTable,
    ListenerTable, PasswordTable, ProxyProtocolTable, ServerTlsTable, SourceName, TokenTable,
};
use crate::credentials::token::Verifier;
use crate::identity::Attribute;
use crate::policy::Policy;

/// What is said of a listener elsewhere that bears on who its clients are.
pub(super) struct Around<'a> {
    pub(super) tls: Asked,
    /// The policy that its clients are under.
    pub(super) policy: &'a Policy,
}

/// Whether a listener asks for client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Plain,
    No,
    Yes,
    /// Its TLS has problems of its own.
    Unknown,
}

impl Asked {
    pub(super) fn of(table: Option<&Located<ServerTlsTable>>) -> Self {
        let Some(tls) = table else { return Self::Plain };
        match tls.value.clients.as_ref().map(|clients| clients.value) {
            Some(Clients::Required | Clients::Optional) => Self::Yes,
            Some(Clients::None) => Self::No,
            None => Self::Unknown,
        }
    }
}

/// Who the clients of a listener are; none where nobody has to prove it.
pub(super) fn identity(
    listener: &Located<ListenerTable>,
    around: &Around<'_>,
    reading: &mut Reading,
) -> Option<IdentitySettings> {
    match &listener.value.identity {
        Some(table) => Some(settings(table, around, reading)),
        None if around.policy.permits_all() => {
            unproven(listener.value.tls.as_ref(), reading);
            None
        }
        None if matches!(around.tls, Asked::Yes | Asked::Unknown) => Some(IdentitySettings {
            sources: vec![IdentitySource::Certificate(CertificateName {
                name: Attribute::CertificateCn,
                pattern: None,
            })],
            require: Require::Any,
            client_id: Vec::new(),
            username: Vec::new(),
        }),
        None => {
            nobody(listener, reading);
            None
        }
    }
}

/// Admission tokens, where a client can show one.
pub(super) fn admission(table: &Located<AdmissionTable>, tls: Asked, reading: &mut Reading) -> Admission {
    let table = &table.value;
    for key in &table.keys {
        file_exists(key, reading);
    }
    let is_in = |carrier| table.carriers.iter().any(|known| known.value == carrier);
    for carrier in &table.carriers {
        if tls == Asked::Plain && carrier.value != AdmissionCarrier::Username {
            let label = reading.text(&carrier.span);
            let problem = reading
                .at(problem::Kind::Contradiction, &carrier.span, format!("the carrier {label} needs TLS"))
                .label("this listener has none, so nothing says it")
                .help("give the listener `tls`, or take tokens by `username`");
            reading.report(problem);
        }
    }
    Admission {
        keys: values(&table.keys),
        server_name: is_in(AdmissionCarrier::Sni),
        protocol: is_in(AdmissionCarrier::Alpn),
        username: is_in(AdmissionCarrier::Username),
        required: table.required,
    }
}

/// TLS, and clients that prove nothing by it.
fn unproven(tls: Option<&Located<ServerTlsTable>>, reading: &mut Reading) {
    let Some(Located { value: tls, span }) = tls else { return };
    let Some(Located { value: Clients::Optional | Clients::None, span: clients }) = &tls.clients else { return };
    let at = if clients.is_empty() { span } else { clients };
    let problem = reading
        .at(problem::Kind::Unsafe, at, "clients without a certificate are let in")
        .label("who they are is then for the broker to find out")
        .warning();
    reading.report(problem);
}

/// A policy with rules, and a listener whose clients are nobody.
fn nobody(listener: &Located<ListenerTable>, reading: &mut Reading) {
    let span = listener.value.bind.as_ref().map_or(&listener.span, |bind| &bind.span);
    let problem = reading
        .at(problem::Kind::NoIdentity, span, "no client of this listener can prove who it is")
        .label("the policy permits by who a client is, and every client would be refused")
        .help("ask for certificates by `tls.client_ca`, or name `identity.sources`; `[\"anonymous\"]` lets anyone in");
    reading.report(problem);
}

fn settings(table: &Located<IdentityTable>, around: &Around<'_>, reading: &mut Reading) -> IdentitySettings {
    let identity = &table.value;
    order(identity, reading);
    not_named(identity, reading);
    let sources = identity.sources.iter().filter_map(|name| source(name, identity, around, reading)).collect();
    IdentitySettings {
        sources,
        require: identity.require,
        client_id: values(&identity.client_id),
        username: values(&identity.username),
    }
}

/// Each source once, and none behind one that always decides.
fn order(table: &IdentityTable, reading: &mut Reading) {
    let sources = &table.sources;
    for (at, source) in sources.iter().enumerate() {
        let label = reading.text(&source.span);
        if sources.iter().take(at).any(|other| other.value == source.value) {
            let problem =
                reading.at(problem::Kind::Duplicate, &source.span, format!("the source `{label}` is named twice"));
            reading.report(problem);
        }
        if source.value != SourceName::Anonymous {
            continue;
        }
        let is_alone = sources.len() == 1;
        let problem = match table.require {
            Require::All if !is_alone => reading
                .at(problem::Kind::Contradiction, &source.span, "`anonymous` proves nothing, and `require` is `all`")
                .help("remove `anonymous`, or set `require = \"any\"`"),
            Require::Any if at + 1 < sources.len() => reading
                .at(problem::Kind::Contradiction, &source.span, "nothing behind `anonymous` is ever looked at")
                .help("put `anonymous` last"),
            Require::Any | Require::All => reading
                .at(problem::Kind::Unsafe, &source.span, "clients that prove nothing are let in")
                .label("they get what the policy grants to everyone")
                .warning(),
        };
        reading.report(problem);
    }
}

/// A table of a source that `sources` does not name.
fn not_named(table: &IdentityTable, reading: &mut Reading) {
    let tables = [
        ("certificate", SourceName::Certificate, table.certificate.as_ref().map(|table| &table.span)),
        ("password", SourceName::Password, table.password.as_ref().map(|table| &table.span)),
        ("token", SourceName::Token, table.token.as_ref().map(|table| &table.span)),
        ("address", SourceName::Address, table.address.as_ref().map(|table| &table.span)),
        ("http", SourceName::Http, table.http.as_ref().map(|table| &table.span)),
    ];
    for (key, name, span) in tables {
        let Some(span) = span else { continue };
        if !table.sources.is_empty() && table.sources.iter().all(|source| source.value != name) {
            let problem = reading
                .at(
                    problem::Kind::Contradiction,
                    span,
                    format!("`identity.{key}` is given, and `sources` does not name it"),
                )
                .label("nobody would be held to it")
                .help(format!("add `\"{key}\"` to `sources`, or remove the table"));
            reading.report(problem);
        }
    }
}

fn source(
    name: &Located<SourceName>,
    table: &IdentityTable,
    around: &Around<'_>,
    reading: &mut Reading,
) -> Option<IdentitySource> {
    let needs = |key: &str, what: &str, reading: &mut Reading| {
        let problem = reading
            .at(problem::Kind::MissingKey, &name.span, format!("the source `{key}` needs a table"))
            .label(format!("expected `identity.{key}` {what}"));
        reading.report(problem);
    };
    match name.value {
        SourceName::Certificate => certificate(&name.span, table.certificate.as_ref(), around, reading),
        SourceName::Password => match &table.password {
            Some(table) => Some(password(&table.value, &name.span, around, reading)),
            None => {
                needs("password", "with `files`", reading);
                None
            }
        },
        SourceName::Token => match &table.token {
            Some(table) => token(&table.value, &name.span, around, reading),
            None => {
                needs("token", "with `keys` and `algorithms`", reading);
                None
            }
        },
        SourceName::Address => match &table.address {
            Some(table) => Some(address(&table.value)),
            None => {
                needs("address", "with `from`", reading);
                None
            }
        },
        SourceName::Http => match &table.http {
            Some(table) => http(&table.value, &name.span, around, reading),
            None => {
                needs("http", "with `url`", reading);
                None
            }
        },
        SourceName::Anonymous => Some(IdentitySource::Anonymous),
    }
}

fn certificate(
    span: &Range<usize>,
    table: Option<&Located<CertificateNameTable>>,
    around: &Around<'_>,
    reading: &mut Reading,
) -> Option<IdentitySource> {
    if matches!(around.tls, Asked::Plain | Asked::No) {
        let problem = reading
            .at(problem::Kind::Contradiction, span, "this listener asks for no client certificate")
            .label("no client could show one")
            .help("give `tls.client_ca`, and `tls.clients` as `required` or `optional`");
        reading.report(problem);
        return None;
    }
    let table = table.map(|table| table.value.clone()).unwrap_or_default();
    let pattern = table.pattern.map(|pattern| pattern.value);
    Some(IdentitySource::Certificate(CertificateName { name: table.name, pattern }))
}

fn password(table: &PasswordTable, span: &Range<usize>, around: &Around<'_>, reading: &mut Reading) -> IdentitySource {
    in_the_clear("passwords", span, around, reading);
    for file in &table.files {
        file_exists(file, reading);
    }
    IdentitySource::Password(PasswordFiles { files: values(&table.files) })
}

/// What a client shows can be read on the way.
fn in_the_clear(what: &str, span: &Range<usize>, around: &Around<'_>, reading: &mut Reading) {
    if around.tls == Asked::Plain {
        let problem = reading
            .at(problem::Kind::Unsafe, span, format!("{what} cross the network in the clear"))
            .label("this listener has no TLS")
            .warning();
        reading.report(problem);
    }
}

fn token(
    table: &TokenTable,
    span: &Range<usize>,
    around: &Around<'_>,
    reading: &mut Reading,
) -> Option<IdentitySource> {
    in_the_clear("tokens", span, around, reading);
    let keys = table.keys.as_ref()?;
    file_exists(keys, reading);
    if let Some(Located { value: false, span }) = &table.require_expiry {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "tokens that never end are taken")
            .label("one that is lost can be used for ever")
            .warning();
        reading.report(problem);
    }
    let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let verifier = Verifier {
        algorithms: values(&table.algorithms),
        issuer: table.issuer.as_ref().map(|issuer| issuer.value.as_str().into()),
        audiences: table.audience.iter().map(|audience| audience.value.as_str().into()).collect(),
        leeway_seconds: seconds(table.leeway),
        name_claim: table.name.as_ref()?.value.as_str().into(),
        require_expiry: table.require_expiry.as_ref().is_none_or(|require| require.value),
        max_lifetime_seconds: table.max_lifetime.as_ref().map(|lifetime| seconds(lifetime.value)),
    };
    Some(IdentitySource::Token(TokenSettings { keys: keys.value.clone(), carrier: table.carrier, verifier }))
}

fn address(table: &AddressTable) -> IdentitySource {
    IdentitySource::Address(AddressSettings { from: values(&table.from), name: table.name })
}

fn http(table: &HttpTable, span: &Range<usize>, around: &Around<'_>, reading: &mut Reading) -> Option<IdentitySource> {
    in_the_clear("passwords", span, around, reading);
    let url = table.url.as_ref()?;
    if !url.value.tls && !super::is_local(&url.value.host) {
        let problem = reading
            .at(problem::Kind::Unsafe, &url.span, "the way to this service is not encrypted")
            .label("passwords cross the network in the clear, and whoever is on it may answer")
            .help("use `https://`")
            .warning();
        reading.report(problem);
    }
    if let Some(ca) = &table.ca {
        file_exists(ca, reading);
    }
    if let Some(Located { value: OnError::Allow, span }) = &table.on_error {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "clients are taken at their word when the service can't be asked")
            .label("any password will do then")
            .warning();
        reading.report(problem);
    }
    Some(IdentitySource::Http(HttpSettings {
        url: url.value.clone(),
        format: table.format,
        send_password: table.send_password,
        ca: table.ca.as_ref().map(|ca| ca.value.clone()),
        authorization: table.authorization_file.as_ref().and_then(|file| files::secret(file, reading)),
        timeout: table.timeout,
        cache: table.cache,
        negative_cache: table.negative_cache,
        max_cached: table.max_cached,
        max_open: table.max_open,
        max_failures: table.max_failures,
        pause: table.pause,
        on_error: table.on_error.as_ref().map_or(OnError::Deny, |on_error| on_error.value),
    }))
}

pub(super) fn proxy_protocol(table: &ProxyProtocolTable) -> ProxyProtocol {
    ProxyProtocol { from: values(&table.from), required: table.required }
}

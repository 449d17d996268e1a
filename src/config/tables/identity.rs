//! `[listener.identity]` and `[listener.proxy_protocol]` as they are written.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::kinds::{
    File, Flag, NameExpression, Words, certificate_attribute, count, duration, label, list, one_or_many, optional,
    prefix, required, required_list, seconds, table, template, url, word,
};
use crate::config::read::{Located, settings};
use crate::config::settings::{AddressName, NamePattern, OnError, Require, TokenCarrier, Url};
use crate::credentials::answer::Format;
use crate::credentials::token::Algorithm;
use crate::identity::{Attribute, Prefix, Template};

settings! {
    /// Who the clients of a listener are, and what proves it.
    pub(in crate::config) struct IdentityTable {
        /// What proves who a client is, in this order. `certificate`, `password`, `token`, `address` and `http` have a table of the same name; `anonymous` lets in whoever shows none of those before it.
        sources: Vec<Located<SourceName>> = Vec::new(), required_list(word(), 1..=6);
        /// Whether one source is enough: with `any` the first for which the client shows something decides, with `all` every one must hold and the first gives the name.
        require: Require = Require::Any, word();
        /// What the Client Identifier must be: it matches one of these, in which `${identity}` and the like stand for what is known of the client and `*` for any run of characters. Anything when not given.
        client_id: Vec<Located<Template>> = Vec::new(), list(template(), 0..=16);
        /// What the user name must be, likewise.
        username: Vec<Located<Template>> = Vec::new(), list(template(), 0..=16);
        /// The name in a client certificate that says who its owner is; without this table its one Common Name. A certificate without that name, or with several, proves nobody.
        certificate: Option<Located<CertificateNameTable>> = None, optional(table());
        /// User name and password.
        password: Option<Located<PasswordTable>> = None, optional(table());
        /// JSON Web Tokens. A connection ends when its token does.
        token: Option<Located<TokenTable>> = None, optional(table());
        /// The network that a client is on, for devices that can show nothing. Whoever is on it may pretend to be any of them.
        address: Option<Located<AddressTable>> = None, optional(table());
        /// An authentication service, asked over HTTP.
        http: Option<Located<HttpTable>> = None, optional(table());
    }
}

/// One thing that proves who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum SourceName {
    Certificate,
    Password,
    Token,
    Address,
    Http,
    Anonymous,
}

impl Words for SourceName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("certificate", Self::Certificate),
        ("password", Self::Password),
        ("token", Self::Token),
        ("address", Self::Address),
        ("http", Self::Http),
        ("anonymous", Self::Anonymous),
    ];
}

settings! {
    /// The name in a client certificate that says who its owner is. A certificate without it, or with several, proves nobody.
    pub(in crate::config) struct CertificateNameTable {
        /// Which name.
        name: Attribute = Attribute::CertificateCn, certificate_attribute();
        /// A regular expression that the whole name must match; its one capture is who the client is.
        pattern: Option<Located<NamePattern>> = None, optional(NameExpression);
    }
}

settings! {
    /// Admission tokens, which keep strangers from handshakes and password checks. They prove nothing about who a client is: see `docs/admission.md`.
    pub(in crate::config) struct AdmissionTable {
        /// Files with the keys of tokens, by `tidegate token`. A key whose tokens are to hold stays in; no number may be in two.
        keys: Vec<Located<PathBuf>> = Vec::new(), required_list(File, 1..=16);
        /// Where tokens are looked for: `sni`, as first label of the server name; `alpn`, as an application protocol that begins with `tg1.`; `username`, in front of the user name and an `@`, which both are taken off.
        carriers: Vec<Located<AdmissionCarrier>> = Vec::new(), required_list(word(), 1..=3);
        /// Whether nobody gets in without one. Where not, one that is shown and does not hold is still refused.
        required: bool = true, Flag;
    }
}

/// Where an admission token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum AdmissionCarrier {
    Sni,
    Alpn,
    Username,
}

impl Words for AdmissionCarrier {
    const WORDS: &'static [(&'static str, Self)] =
        &[("sni", Self::Sni), ("alpn", Self::Alpn), ("username", Self::Username)];
}

settings! {
    /// User names with passwords.
    pub(in crate::config) struct PasswordTable {
        /// Files with an entry a line, by `tidegate passwd` or of Mosquitto. No user name may be in two.
        files: Vec<Located<PathBuf>> = Vec::new(), required_list(File, 1..=16);
    }
}

settings! {
    /// JSON Web Tokens. The connection ends when its token does.
    pub(in crate::config) struct TokenTable {
        /// JWK set with the keys of the issuer.
        keys: Option<Located<PathBuf>> = None, required(File);
        /// Where in CONNECT the token is.
        carrier: TokenCarrier = TokenCarrier::Password, word();
        /// Signature algorithms that are taken. Those that begin with `HS` sign with a secret that whoever checks them must know too.
        algorithms: Vec<Located<Algorithm>> = Vec::new(), required_list(word(), 1..=12);
        /// What the claim `iss` must be; anything when not given.
        issuer: Option<Located<String>> = None, optional(label());
        /// What the claim `aud` must be or hold, one of these. When not given, tokens that are for somebody by `aud` are refused.
        audience: Vec<Located<String>> = Vec::new(), one_or_many(label());
        /// By how much the clocks of issuer and gateway may differ.
        leeway: Duration = seconds(30), duration(Duration::ZERO..=seconds(3600));
        /// The claim that says who the client is, with dots where it is inside of another.
        name: Option<Located<String>> = Some(Located { value: "sub".to_owned(), span: 0..0 }), optional(label());
        /// The longest time from `iat` to `exp`; any when not given.
        max_lifetime: Option<Located<Duration>> = None, optional(duration(seconds(1)..=seconds(366 * 86_400)));
        /// Whether a token must have an end (`exp`).
        require_expiry: Option<Located<bool>> = Some(Located { value: true, span: 0..0 }), optional(Flag);
    }
}

settings! {
    /// Clients known by the network that they are on. Whoever is on it may pretend to be any of them.
    pub(in crate::config) struct AddressTable {
        /// The networks that are trusted.
        from: Vec<Located<Prefix>> = Vec::new(), required_list(prefix(), 1..=256);
        /// What says who such a client is: its Client Identifier, taken at its word, or its address.
        name: AddressName = AddressName::ClientId, word();
    }
}

settings! {
    /// An authentication service, asked over HTTP.
    pub(in crate::config) struct HttpTable {
        /// Where it is asked.
        url: Option<Located<Url>> = None, required(url());
        /// How it is asked, and answers: `json` both ways, or `form` for services that take the fields of a form and answer by status or by one word.
        format: Format = Format::Json, word();
        /// Whether it is told the client's password.
        send_password: bool = true, Flag;
        /// PEM file: the issuers that are trusted to have certified the service; the machine's trust store when not given.
        ca: Option<Located<PathBuf>> = None, optional(File);
        /// File whose content goes along as `Authorization`, such as `Bearer …`.
        authorization_file: Option<Located<PathBuf>> = None, optional(File);
        /// Time for one question and its answer.
        timeout: Duration = seconds(2), duration(Duration::from_millis(1)..=seconds(60));
        /// How long a yes is remembered; `0s` asks each time.
        cache: Duration = seconds(60), duration(Duration::ZERO..=seconds(86_400));
        /// How long a no is remembered; `0s` asks each time.
        negative_cache: Duration = seconds(5), duration(Duration::ZERO..=seconds(86_400));
        /// Answers remembered at once.
        max_cached: usize = 10_000, count(1..=1_000_000);
        /// Questions open at once; one more waits.
        max_open: usize = 64, count(1..=4096);
        /// Failures in a row after which the service is left alone for `pause`.
        max_failures: u32 = 5, count(1..=1000);
        /// How long it is left alone then.
        pause: Duration = seconds(10), duration(seconds(1)..=seconds(3600));
        /// What becomes of a client when the service can't be asked (no connection, no HTTP, too late, 502 to 504, or `pause`):
        /// `deny` refuses it, `allow` takes it at its word. What else it answers that is neither yes nor no always refuses.
        on_error: Option<Located<OnError>> = Some(Located { value: OnError::Deny, span: 0..0 }), optional(word());
    }
}

settings! {
    /// PROXY protocol (of HAProxy, versions 1 and 2) in front of what clients send. Addresses are then those that it tells.
    pub(in crate::config) struct ProxyProtocolTable {
        /// The load balancers: only they may send it.
        from: Vec<Located<Prefix>> = Vec::new(), required_list(prefix(), 1..=256);
        /// Whether they must send it.
        required: bool = true, Flag;
    }
}

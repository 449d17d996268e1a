//! Who a client of a listener is, and what proves it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use regex::bytes::Regex;

use super::Secret;
use crate::config::kinds::Words;
use crate::credentials::answer::Format;
use crate::credentials::token::{Algorithm, Verifier};
use crate::identity::{Attribute, Prefix, Template};

/// Who the clients of a listener are: what proves it, and what must agree with it.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// What proves who a client is, in this order; at least one, each kind once.
    pub sources: Vec<IdentitySource>,
    /// Whether one of them is enough.
    pub require: Require,
    /// The Client Identifier must match one of these; empty binds nothing.
    pub client_id: Vec<Template>,
    /// The user name must match one of these; empty binds nothing.
    pub username: Vec<Template>,
}

/// Whether one source is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Require {
    /// The first source for which the client shows something decides.
    Any,
    /// Every source must hold; the first gives the name.
    All,
}

impl Words for Require {
    const WORDS: &'static [(&'static str, Self)] = &[("any", Self::Any), ("all", Self::All)];
}

/// One thing that proves who a client is.
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// A name in the client certificate.
    Certificate(CertificateName),
    /// User name and password.
    Password(PasswordFiles),
    /// A token in the password or in the user name.
    Token(TokenSettings),
    /// Where the client dials from.
    Address(AddressSettings),
    /// An authentication service.
    Http(HttpSettings),
    /// Nothing: whoever gets this far is let in without a name.
    Anonymous,
}

impl IdentitySource {
    /// The word for it in `sources`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Password(_) => "password",
            Self::Token(_) => "token",
            Self::Address(_) => "address",
            Self::Http(_) => "http",
            Self::Anonymous => "anonymous",
        }
    }
}

/// The name in a certificate that says who its owner is.
#[derive(Clone, Debug)]
pub struct CertificateName {
    /// Which name; no identity where the certificate has none of it, or several.
    pub name: Attribute,
    /// The part of it that counts; none takes it whole.
    pub pattern: Option<NamePattern>,
}

/// A regular expression with one capture, held against the whole of a text, byte for byte.
#[derive(Clone)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Bytes that a compiled expression may take.
    const MAX_COMPILED_BYTES: usize = 1 << 20;

    /// Compiles an expression. The letters of classes such as `\d` and `\w` are those of ASCII.
    ///
    /// # Errors
    /// Why it is none, on one line.
    pub(in crate::config) fn new(text: &str) -> Result<Self, String> {
        let anchored = format!("^(?:{text})$");
        // `text` alone first: what would end the group early is no expression by itself.
        let build = |text: &str| {
            let mut builder = regex::bytes::RegexBuilder::new(text);
            builder.unicode(false).size_limit(Self::MAX_COMPILED_BYTES).build()
        };
        let compiled = build(text).and_then(|_| build(&anchored));
        let regex = compiled.map_err(|error| last_line(&error.to_string()))?;
        match regex.captures_len() {
            2 => Ok(Self(regex)),
            groups => Err(format!("it has {} captures, expected exactly one", groups - 1)),
        }
    }

    /// What the one capture holds; none where the text does not match, or the capture is empty.
    #[must_use]
    pub fn capture<'t>(&self, text: &'t str) -> Option<&'t str> {
        let found = self.0.captures(text.as_bytes())?.get(1)?;
        std::str::from_utf8(found.as_bytes()).ok().filter(|name| !name.is_empty())
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or_default()
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamePattern({:?})", self.as_str())
    }
}

fn last_line(error: &str) -> String {
    let line = error.lines().next_back().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// User names with passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordFiles {
    /// Files with an entry a line, by `tidegate passwd` or of Mosquitto; at least one. No name is in two of them.
    pub files: Vec<PathBuf>,
}

/// Tokens: JSON Web Tokens.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The JWK set with the keys of whoever issues them.
    pub keys: PathBuf,
    /// Where in CONNECT the token is.
    pub carrier: TokenCarrier,
    /// What a token must be to be taken.
    pub verifier: Verifier,
}

/// Admission tokens of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Files with their keys.
    pub keys: Vec<PathBuf>,
    /// Whether they may be the first label of the server name.
    pub server_name: bool,
    /// Whether they may be an application protocol.
    pub protocol: bool,
    /// Whether they may stand in front of the user name.
    pub username: bool,
    /// Whether nobody gets in without one.
    pub required: bool,
}

/// Where a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCarrier {
    /// In the password.
    Password,
    /// In the user name.
    Username,
}

impl Words for TokenCarrier {
    const WORDS: &'static [(&'static str, Self)] = &[("password", Self::Password), ("username", Self::Username)];
}

impl Words for Algorithm {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
    ];
}

/// Clients known by the network that they are on.
#[derive(Clone, Debug)]
pub struct AddressSettings {
    /// The networks that are trusted; at least one.
    pub from: Vec<Prefix>,
    /// What says who such a client is.
    pub name: AddressName,
}

/// What says who a client is that is known by its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressName {
    /// Its Client Identifier, taken at its word.
    ClientId,
    /// Its address.
    Address,
}

impl Words for AddressName {
    const WORDS: &'static [(&'static str, Self)] = &[("client_id", Self::ClientId), ("address", Self::Address)];
}

/// An authentication service.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it is asked.
    pub url: Url,
    /// PEM file with the issuers that are trusted; none takes the machine's trust store.
    pub ca: Option<PathBuf>,
    /// How it is asked and answers.
    pub format: Format,
    /// Whether it is told passwords.
    pub send_password: bool,
    /// What goes along as `Authorization`.
    pub authorization: Option<Secret>,
    /// Time for one question and its answer.
    pub timeout: Duration,
    /// How long a yes is remembered.
    pub cache: Duration,
    /// How long a no is remembered.
    pub negative_cache: Duration,
    /// Answers remembered at once.
    pub max_cached: usize,
    /// Questions open at once; one more waits.
    pub max_open: usize,
    /// Failures in a row after which it is not asked for [`HttpSettings::pause`].
    pub max_failures: u32,
    /// How long it is left alone after so many failures.
    pub pause: Duration,
    /// What becomes of a client when it can't be asked.
    pub on_error: OnError,
}

impl Words for Format {
    const WORDS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("form", Self::Form)];
}

/// What becomes of a client when nobody can say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is refused.
    Deny,
    /// It is taken at its word.
    Allow,
}

impl Words for OnError {
    const WORDS: &'static [(&'static str, Self)] = &[("deny", Self::Deny), ("allow", Self::Allow)];
}

/// The address of an HTTP service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// Whether it is `https`.
    pub tls: bool,
    /// A DNS name or an IP address, the latter without brackets.
    pub host: String,
    /// Its port; that of the scheme where none is written.
    pub port: u16,
    /// The path with the query, beginning with `/`.
    pub path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let server = super::Server { host: self.host.clone(), port: self.port };
        write!(f, "{scheme}://{server}{}", self.path)
    }
}

/// PROXY protocol in front of what clients send.
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    /// Who may send it; at least one.
    pub from: Vec<Prefix>,
    /// Whether those must send it; others never may.
    pub required: bool,
}

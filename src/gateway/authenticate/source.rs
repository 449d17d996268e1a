//! One identity source: what it makes of a client.

use std::time::Instant;

use super::super::detect::Limits;
use super::files::FileProblem;
use super::http::HttpSource;
use super::password::PasswordSource;
use super::token::TokenSource;
use super::{Ground, Means, Unproven, address, certificate};
use crate::config::{AddressSettings, Authentication, CertificateName, IdentitySource};
use crate::identity::{Identity, Method};
use crate::mqtt::connect::Connect;
use crate::policy::Reason;

/// A client that is to be known.
#[derive(Clone, Copy)]
pub(super) struct Client<'c> {
    pub(super) connect: &'c Connect<'c>,
    /// What is known of it, CONNECT included.
    pub(super) identity: &'c Identity,
    /// How often it may be wrong.
    pub(super) limits: &'c Limits,
    /// By when it must be known who it is.
    pub(super) deadline: Instant,
}

impl<'c> Client<'c> {
    /// Whom it claims to be: the user, or whose certificate it is.
    pub(super) fn guessed_name(&self) -> Option<&'c str> {
        self.connect.username.or_else(|| self.identity.common_name())
    }

    /// Whether what it shows is to be checked, at a price.
    pub(super) fn may_guess(&self, means: &Means<'_>) -> Result<(), Unproven> {
        let Some(name) = self.guessed_name() else { return Ok(()) };
        let judged = means.detectors.may_guess(self.limits, self.identity.source.ip(), name, Instant::now());
        judged.map_err(|found| Unproven::new(Reason::Rate, found.setting()))
    }
}

/// What a source makes of a client.
pub(super) enum Found {
    /// The client shows nothing to it.
    Nothing,
    /// The client shows something that this source does not take, and another may: a password that is no token.
    Foreign(Unproven),
    /// The client shows something, and it holds or does not.
    Decided(Result<Proven, Unproven>),
}

/// What is proven.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) name: Option<Box<str>>,
    pub(super) claims: Vec<(Box<str>, Box<str>)>,
    pub(super) ends: Option<i64>,
    pub(super) grounds: Vec<Ground>,
}

impl Proven {
    pub(super) fn new(name: Option<Box<str>>, ground: Ground) -> Self {
        Self { name, claims: Vec::new(), ends: None, grounds: vec![ground] }
    }

    /// Whether its user name and password are those of a file.
    pub(super) fn is_by_password(&self) -> bool {
        self.grounds.iter().any(|ground| matches!(ground, Ground::Password { .. }))
    }

    /// Adds what another source proves; the name stays.
    pub(super) fn join(&mut self, other: Self) {
        self.claims.extend(other.claims);
        self.ends = self.ends.into_iter().chain(other.ends).min();
        self.grounds.extend(other.grounds);
    }
}

/// One identity source.
pub(super) enum Source {
    Certificate(CertificateName),
    Password(Box<PasswordSource>),
    Token(Box<TokenSource>),
    Address(AddressSettings),
    Http(Box<HttpSource>),
    Anonymous,
}

impl Source {
    /// Reads the files that it needs.
    ///
    /// # Errors
    /// Every problem of them.
    pub(super) fn build(
        settings: &IdentitySource,
        authentication: &Authentication,
        warnings: &mut Vec<FileProblem>,
    ) -> Result<Self, Vec<FileProblem>> {
        match settings {
            IdentitySource::Certificate(name) => Ok(Self::Certificate(name.clone())),
            IdentitySource::Password(files) => {
                PasswordSource::build(files, authentication, warnings).map(Box::new).map(Self::Password)
            }
            IdentitySource::Token(settings) => TokenSource::build(settings, warnings).map(Box::new).map(Self::Token),
            IdentitySource::Address(settings) => Ok(Self::Address(settings.clone())),
            IdentitySource::Anonymous => Ok(Self::Anonymous),
            IdentitySource::Http(settings) => HttpSource::build(settings, warnings).map(Box::new).map(Self::Http),
        }
    }

    pub(super) fn method(&self) -> Method {
        match self {
            Self::Certificate(_) => Method::Certificate,
            Self::Password(_) => Method::Password,
            Self::Token(_) => Method::Token,
            Self::Address(_) => Method::Address,
            Self::Http(_) => Method::Http,
            Self::Anonymous => Method::Anonymous,
        }
    }

    /// Whether it is for user names and passwords that are no tokens, too.
    pub(super) fn wants_secret(&self) -> bool {
        match self {
            Self::Password(_) | Self::Http(_) => true,
            Self::Certificate(_) | Self::Token(_) | Self::Address(_) | Self::Anonymous => false,
        }
    }

    /// Whether the user name of the CONNECT is what proves the client: nobody may see it then.
    pub(super) fn has_secret_name(&self, connect: &Connect<'_>) -> bool {
        match self {
            Self::Token(source) => source.is_in_username(connect),
            Self::Certificate(_) | Self::Password(_) | Self::Address(_) | Self::Http(_) | Self::Anonymous => false,
        }
    }

    /// Looks at what the client shows.
    pub(super) async fn find(&self, client: &Client<'_>, means: &Means<'_>) -> Found {
        match self {
            Self::Certificate(name) => certificate::find(name, client.identity),
            Self::Password(source) => source.find(client, means).await,
            Self::Token(source) => source.find(client),
            Self::Address(settings) => address::find(settings, client.identity),
            Self::Http(source) => source.find(client, means).await,
            Self::Anonymous => Found::Decided(Ok(Proven::new(None, Ground::Anonymous))),
        }
    }

    /// Whether the client would be judged by this source, as far as can be told once its CONNECT is gone.
    pub(super) fn would_decide(&self, identity: &Identity) -> bool {
        match self {
            Self::Certificate(_) => identity.certificate.is_some(),
            Self::Password(_) => identity.username.is_some(),
            Self::Address(settings) => address::is_trusted(settings, identity),
            Self::Http(_) => HttpSource::would_decide(identity),
            Self::Anonymous => true,
            Self::Token(_) => false,
        }
    }

    /// Whether this source would prove that name still, or, where it does not name, hold for the client at all.
    pub(super) fn supports(&self, ground: Ground, identity: &Identity, names: bool) -> bool {
        let is_name = |name: Option<&str>| !names || name == identity.name.as_deref();
        match (self, ground) {
            (Self::Certificate(settings), Ground::Certificate) => {
                certificate::name(settings, identity).is_some_and(|name| is_name(Some(&name)))
            }
            (Self::Password(source), Ground::Password { entry }) => {
                identity.username.as_deref().is_some_and(|user| is_name(Some(user)) && source.has(user, entry))
            }
            (Self::Token(source), Ground::Token { key, terms }) => source.takes(key, terms),
            (Self::Address(settings), Ground::Address) => {
                let found = address::find(settings, identity);
                matches!(found, Found::Decided(Ok(proven)) if is_name(proven.name.as_deref()))
            }
            (Self::Http(source), Ground::Http { service }) => source.is(service),
            (Self::Anonymous, Ground::Anonymous) => is_name(None),
            (
                Self::Certificate(_)
                | Self::Password(_)
                | Self::Token(_)
                | Self::Address(_)
                | Self::Http(_)
                | Self::Anonymous,
                Ground::Certificate
                | Ground::Password { .. }
                | Ground::Token { .. }
                | Ground::Address
                | Ground::Http { .. }
                | Ground::Anonymous,
            ) => false,
        }
    }
}

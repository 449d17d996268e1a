//! Clients known by the network that they are on, which is trusted for it.

use super::source::{Found, Proven};
use super::{Ground, Unproven};
use crate::config::{AddressName, AddressSettings};
use crate::credentials::is_name;
use crate::identity::Identity;
use crate::policy::Reason;

const NO_CLIENT_ID: Unproven = Unproven::new(Reason::ClientIdentifier, "identity.address");

pub(super) fn find(settings: &AddressSettings, identity: &Identity) -> Found {
    if !is_trusted(settings, identity) {
        return Found::Nothing;
    }
    let name: Box<str> = match settings.name {
        AddressName::ClientId => identity.client_id.clone(),
        AddressName::Address => identity.source.ip().to_string().into(),
    };
    let is_name = is_name(&name);
    Found::Decided(is_name.then(|| Proven::new(Some(name), Ground::Address)).ok_or(NO_CLIENT_ID))
}

pub(super) fn is_trusted(settings: &AddressSettings, identity: &Identity) -> bool {
    settings.from.iter().any(|prefix| prefix.contains(identity.source.ip()))
}

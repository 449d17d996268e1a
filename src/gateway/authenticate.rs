//! Who a client is: what it shows, held against what the settings of its listener take for proof.

use crate::enforce::Asking;
use crate::identity::{Identity, Method};
use crate::policy::Reason;

/// The identity sources of one listener.
#[derive(Debug, Default)]
pub(super) struct Authenticator;

/// Who a client is.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) identity: Identity,
    /// When what proves it ends, in seconds since 1970.
    pub(super) ends: Option<i64>,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unproven {
    pub(super) reason: Reason,
    /// What refuses.
    pub(super) rule: &'static str,
}

impl Authenticator {
    /// Finds out who asks. `identity` is what is known before CONNECT.
    #[expect(clippy::unused_async, reason = "passwords and services are waited for")]
    pub(super) async fn authenticate(
        &self,
        asking: &Asking<'_>,
        identity: Identity,
    ) -> Result<Authenticated, Unproven> {
        let identity = asking.known(identity);
        let name: Option<Box<str>> = identity.common_name().map(Into::into);
        let method = if name.is_some() { Method::Certificate } else { Method::Unproven };
        Ok(Authenticated { identity: Identity { name, method, ..identity }, ends: None })
    }
}

//! `[broker.credentials]`, `[broker.tls.identities]` and `[broker.proxy_protocol]` as they are written.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::kinds::{
    File, Flag, Unwatched, Words, count, duration, label, optional, plain_text, required, seconds, size, table,
    template, word,
};
use crate::config::read::{Located, settings};
use crate::config::settings::{Missing, ProxyVersion};
use crate::identity::Template;
use crate::mqtt::Version;

settings! {
    /// User name and password of the CONNECT that goes to a broker.
    pub(in crate::config) struct CredentialsTable {
        /// `pass` sends on what the client sent, `remove` sends neither, `fixed` sends the same for every client, `identity` what belongs to the client, `sas` a shared access signature as Azure takes it.
        mode: CredentialsMode = CredentialsMode::Pass, word();
        /// The user name, for `fixed`, `identity` and `sas`; in the latter two `${identity}` and the like stand for what is known of the client.
        username: Option<Located<Template>> = None, optional(template());
        /// File that holds the password, for `fixed` and `identity`; a line break at its end does not count.
        password_file: Option<Located<PathBuf>> = None, optional(File);
        /// File with a user name and a password for each identity, for `identity`: `"temp-07" = { username = "plant7", password = "…" }`.
        table: Option<Located<PathBuf>> = None, optional(File);
        /// What is signed and by which key, for `sas`.
        sas: Option<Located<SasTable>> = None, optional(table());
    }
}

/// Where user name and password come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum CredentialsMode {
    Pass,
    Remove,
    Fixed,
    Identity,
    Sas,
}

impl Words for CredentialsMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("pass", Self::Pass),
        ("remove", Self::Remove),
        ("fixed", Self::Fixed),
        ("identity", Self::Identity),
        ("sas", Self::Sas),
    ];
}

settings! {
    /// Shared access signatures.
    pub(in crate::config) struct SasTable {
        /// The resource that is signed for, as in `hub.azure-devices.net/devices/${identity}`.
        resource: Option<Located<Template>> = None, required(template());
        /// File that holds the key of all, in base64.
        key_file: Option<Located<PathBuf>> = None, optional(File);
        /// File with a key for each identity, in base64: `"temp-07" = "…"`.
        keys: Option<Located<PathBuf>> = None, optional(File);
        /// The name of the shared access policy that `key_file` belongs to (`skn`).
        key_name: Option<Located<String>> = None, optional(label());
        /// How long a signature is valid. The connection ends with it, and the client connects anew.
        lifetime: Duration = seconds(3600), duration(seconds(60)..=seconds(365 * 86_400));
    }
}

settings! {
    /// Certificates of clients, shown to a broker in place of the gateway's own.
    pub(in crate::config) struct BrokerIdentitiesTable {
        /// Folder that holds `NAME.pem` and `NAME.key` for each identity. They are loaded when its client connects, and again when they have changed.
        folder: Option<Located<PathBuf>> = None, optional(Unwatched);
        /// File that names them for each identity: `"temp-07" = { certificate = "a.pem", key = "a.key" }`.
        table: Option<Located<PathBuf>> = None, optional(File);
        /// What becomes of a client that has none: `refuse` refuses it, `own` shows the gateway's own for it.
        missing: Missing = Missing::Refuse, word();
    }
}

settings! {
    /// PROXY protocol (of HAProxy) in front of what goes to a broker.
    pub(in crate::config) struct BrokerProxyProtocolTable {
        /// Its version.
        version: ProxyVersion = ProxyVersion::V2, word();
        /// Tell of the client's TLS and the Common Name of its certificate too, in version 2.
        tls: bool = true, Flag;
    }
}

settings! {
    /// The gateway's own connection to a broker, which publishes messages that rules quarantine. It is opened where the policy has such a rule.
    pub(in crate::config) struct QuarantineTable {
        /// Its Client Identifier, which no other client of the broker may have; when not given `tidegate-quarantine-`, the broker's name, and eight digits that differ for each process.
        client_id: Option<Located<String>> = None, optional(label());
        /// Its user name. When neither this nor `password_file` is given: that of `credentials` where its `mode` is `fixed`, else none.
        username: Option<Located<String>> = None, optional(plain_text());
        /// File that holds its password; a line break at its end does not count.
        password_file: Option<Located<PathBuf>> = None, optional(File);
        /// The version that it speaks, `3.1.1` or `5.0`. In 5.0 a broker says when it refuses a message, which is then counted as dropped; before, it can't.
        version: Option<Located<Version>> = Some(Located { value: Version::V311, span: 0..0 }), optional(word());
        /// QoS of what it publishes: at 1 a message counts as published once the broker has acknowledged it, and is sent again until then.
        qos: u16 = 1, count(0..=1);
        /// Messages that may wait for the broker. One more is rejected without being quarantined, and the record says so.
        max_queued: usize = 1000, count(1..=1_000_000);
        /// Bytes that they may hold together.
        max_queued_bytes: usize = 16 << 20, size(1024..=1 << 32);
        /// The longest silence before the broker is asked whether it is there.
        keep_alive: Duration = seconds(30), duration(seconds(5)..=seconds(3600));
    }
}

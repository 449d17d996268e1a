//! The tables of a `cases.toml` as they are written.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Expect;
use crate::config::kinds::{
    File, Flag, Map, OneOrMany, PlainText, Words, count, duration, fingerprint, hex, host_address, label, list, moment,
    name, one_or_many, optional, pair, plain_text, qos, required, required_list, seconds, subscription, table, topic,
    word, words_of,
};
use crate::config::read::{Located, settings};
use crate::identity::Method;
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::policy::Reason;

settings! {
    /// Requests, and what a policy must say of them.
    pub(in crate::config) struct CasesTable {
        /// One request, and what the policy must say of it. It has one of `publish`, `subscribe`, `receive` and `connect`.
        case: Vec<Located<CaseTable>> = Vec::new(), required_list(table(), 1..=100_000);
    }
}

settings! {
    /// One request, and what the policy must say of it. It has one of `publish`, `subscribe`, `receive` and `connect`.
    pub(in crate::config) struct CaseTable {
        /// What it shows, in words; unique.
        name: Option<Located<String>> = None, required(label());
        /// Who asks.
        asking as "as": AsTable = AsTable::default(), table();
        /// To publish to this Topic Name.
        publish: Option<Located<String>> = None, optional(topic());
        /// To subscribe with this Topic Filter, `$share/GROUP/` included.
        subscribe: Option<Located<String>> = None, optional(subscription());
        /// To be delivered a message of this Topic Name.
        receive: Option<Located<String>> = None, optional(topic());
        /// To be connected at all.
        connect: Option<Located<bool>> = None, optional(Flag);
        /// QoS of the message, or of the subscription; 0 when not given.
        qos: Option<Located<QoS>> = None, optional(qos());
        /// Whether the message is retained.
        retain: Option<Located<bool>> = None, optional(Flag);
        /// Whether it may have been sent before.
        dup: Option<Located<bool>> = None, optional(Flag);
        /// The payload, as text; empty when no key says what it is.
        payload: Option<Located<String>> = None, optional(PlainText);
        /// The payload, in hexadecimal.
        payload_hex: Option<Located<Vec<u8>>> = None, optional(hex());
        /// File that holds the payload, byte for byte.
        payload_file: Option<Located<PathBuf>> = None, optional(File);
        /// How large the payload is, where it does not matter what it says.
        payload_bytes: Option<Located<usize>> = None, optional(count(0..=256 << 20));
        /// The User Properties of the message (5.0), each a name and a value.
        properties: Option<Located<Vec<Located<(String, String)>>>> = None, optional(list(pair(), 0..=100));
        /// Messages that went on before, in their order: rules may remember them, as values before, as the state of the plant, as signatures that were used. Each must be permitted.
        given: Vec<Located<GivenTable>> = Vec::new(), list(table(), 0..=100);
        /// How often it is asked for, all at one moment; what is said to the last counts. For rules about rates; once when not given.
        times: Option<Located<u32>> = None, optional(count(1..=100_000));
        /// Whether the message is a Will, to be published when the connection is lost.
        will: Option<Located<bool>> = None, optional(Flag);
        /// The Response Topic of the message (5.0).
        response_topic: Option<Located<String>> = None, optional(topic());
        /// Whether the subscription has a Subscription Identifier (5.0).
        identifier: Option<Located<bool>> = None, optional(Flag);
        /// The protocol version of a connection: `3.1`, `3.1.1`, or `5.0`, which it is when not given.
        version: Option<Located<Version>> = None, optional(word());
        /// Whether the session of a connection is to outlive it.
        persistent: Option<Located<bool>> = None, optional(Flag);
        /// Whether a connection opens an enhanced authentication (5.0).
        enhanced_authentication: Option<Located<bool>> = None, optional(Flag);
        /// When, as in `2026-11-22T03:00:00+01:00`, for rules that hold at some hours; now when not given.
        at: Option<Located<i64>> = None, optional(moment());
        /// What the policy must say: `allow`, `deny`, or `observe` for what goes on in monitor mode and would else be refused.
        expect: Option<Located<Expect>> = None, required(word());
        /// The id of the rule that must have refused, `default` where no grant permits; of what is permitted, of a grant that must permit it.
        rule: Option<Located<String>> = None, optional(label());
        /// Why it must have been refused, in the word of the records.
        reason: Option<Located<Reason>> = None, optional(word());
        /// Where in the payload the fault must be, as the records show it: a field, a metric, or the topic of an interlock.
        field: Option<Located<String>> = None, optional(PlainText);
        /// What must be wrong there, in the word of the records.
        problem: Option<Located<String>> = None, optional(name());
        /// The QoS that the subscription must get.
        max_qos: Option<Located<QoS>> = None, optional(qos());
    }
}

settings! {
    /// A message that went on before.
    pub(in crate::config) struct GivenTable {
        /// Who published it, or was delivered it; the client of the case when not given.
        asking as "as": Option<Located<AsTable>> = None, optional(table());
        /// It was published to this Topic Name.
        publish: Option<Located<String>> = None, optional(topic());
        /// It was delivered, with this Topic Name.
        receive: Option<Located<String>> = None, optional(topic());
        /// Whether it is the Will that the client connected with; named by `publish`.
        will: Option<Located<bool>> = None, optional(Flag);
        /// How long before the case.
        ago: Duration = Duration::ZERO, duration(Duration::ZERO..=seconds(366 * 86_400));
        /// QoS; 0 when not given.
        qos: Option<Located<QoS>> = None, optional(qos());
        /// Whether it was retained.
        retain: Option<Located<bool>> = None, optional(Flag);
        /// Whether it may have been sent before.
        dup: Option<Located<bool>> = None, optional(Flag);
        /// The payload, as text; empty when no key says what it is.
        payload: Option<Located<String>> = None, optional(PlainText);
        /// The payload, in hexadecimal.
        payload_hex: Option<Located<Vec<u8>>> = None, optional(hex());
        /// File that holds the payload, byte for byte.
        payload_file: Option<Located<PathBuf>> = None, optional(File);
        /// Its User Properties (5.0), each a name and a value.
        properties: Option<Located<Vec<Located<(String, String)>>>> = None, optional(list(pair(), 0..=100));
    }
}

impl Words for Expect {
    const WORDS: &'static [(&'static str, Self)] =
        &[("allow", Self::Allow), ("deny", Self::Deny), ("observe", Self::Observe)];
}

/// No value.
const NONE: Vec<Located<String>> = Vec::new();

settings! {
    /// What is known of a client.
    pub(in crate::config) struct AsTable {
        /// Who it is proven to be; when not given the one Common Name of its certificate, else its user name.
        identity: Option<Located<String>> = None, optional(plain_text());
        /// What proves it; when not given `certificate`, `password` or `unproven`, by what else is given.
        method: Option<Located<Method>> = None, optional(word());
        /// The name of the listener that it dials.
        listener: Option<Located<String>> = None, optional(name());
        /// The IP address that it dials from; when not given `127.0.0.1`.
        address: Option<Located<IpAddr>> = None, optional(host_address());
        /// Its Client Identifier.
        client_id: Option<Located<String>> = None, optional(plain_text());
        /// Its user name.
        username: Option<Located<String>> = None, optional(plain_text());
        /// Its certificate.
        certificate: CertificateTable = CertificateTable::default(), table();
        /// What a token or an authentication service says of it, by the name of the claim.
        claim: Map<OneOrMany<PlainText>> = Map::default(), table();
    }
}

settings! {
    /// What a client certificate holds.
    pub(in crate::config) struct CertificateTable {
        /// Common Names.
        cn: Vec<Located<String>> = NONE, one_or_many(plain_text());
        /// Organizations.
        o: Vec<Located<String>> = NONE, one_or_many(plain_text());
        /// Organizational Units.
        ou: Vec<Located<String>> = NONE, one_or_many(plain_text());
        /// DNS names.
        dns: Vec<Located<String>> = NONE, one_or_many(plain_text());
        /// URIs.
        uri: Vec<Located<String>> = NONE, one_or_many(plain_text());
        /// E-mail addresses.
        email: Vec<Located<String>> = NONE, one_or_many(plain_text());
        /// IP addresses.
        ip: Vec<Located<IpAddr>> = Vec::new(), one_or_many(host_address());
        /// The SPIFFE ID; it is a URI too.
        spiffe: Option<Located<String>> = None, optional(plain_text());
        /// The issuer's distinguished name, as RFC 4514 text.
        issuer: Option<Located<String>> = None, optional(plain_text());
        /// The serial number, in hexadecimal.
        serial: Option<Located<Vec<u8>>> = None, optional(hex());
        /// SHA-256 of the certificate, in hexadecimal.
        fingerprint: Option<Located<[u8; 32]>> = None, optional(fingerprint());
    }
}

words_of!(Method, Reason);

//! The part of `gateway.toml` that goes with an imported policy, as a start.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::conf::Listener;
use super::write::{comment, quoted, setting};

/// Where Mosquitto is expected to listen once the gateway has its ports.
const BROKER: &str = "127.0.0.1:11883";

/// What proves who the clients of a listener are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The one Common Name of their certificate.
    Certificate,
    /// User name and password; `anonymous` lets in whoever shows none.
    Password { anonymous: bool },
    /// Nothing.
    Nothing,
}

/// A listener as it is to be.
pub(super) struct Wanted<'c> {
    pub(super) name: String,
    pub(super) listener: &'c Listener,
    pub(super) proof: Proof,
    /// The password file, beside the settings.
    pub(super) passwords: String,
    /// What Client Identifiers must be.
    pub(super) client_id: Vec<String>,
}

/// Writes the settings. Paths of certificates are relative to `base`.
pub(super) fn settings(wanted: &[Wanted<'_>], base: &Path) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        "A start, made from what mosquitto.conf says: `tidegate check -c gateway.toml` tells what is left to do.",
    );
    comment(
        &mut text,
        "The gateway takes the ports that Mosquitto had; Mosquitto moves to loopback (`servers` below).",
    );
    setting(&mut text, "policies", "[\".\"]");
    for listener in wanted.iter().filter(|wanted| wanted.listener.port != 0) {
        self::listener(&mut text, listener, base);
    }
    text.push_str("\n[[broker]]\n");
    setting(&mut text, "name", "\"mosquitto\"");
    setting(&mut text, "servers", &format!("[{}]", quoted(BROKER)));
    text
}

fn listener(text: &mut String, wanted: &Wanted<'_>, base: &Path) {
    let listener = wanted.listener;
    text.push('\n');
    if let Some(place) = &listener.place {
        comment(text, &place.to_string());
    }
    text.push_str("[[listener]]\n");
    setting(text, "name", &quoted(&wanted.name));
    let host = listener.host.as_deref();
    match host.map(str::parse::<IpAddr>) {
        Some(Ok(address)) => {
            let address = SocketAddr::new(address, listener.port);
            setting(text, "bind", &quoted(&address.to_string()));
        }
        Some(Err(_)) | None => {
            if let Some(host) = host {
                comment(text, &format!("Mosquitto listened on `{host}`; an address is due here."));
            }
            setting(text, "bind", &quoted(&format!("0.0.0.0:{}", listener.port)));
        }
    }
    setting(text, "broker", "\"mosquitto\"");
    tls(text, listener, base);
    if listener.websockets {
        setting(text, "websocket.path", "\"/mqtt\"");
    }
    let sources = match wanted.proof {
        Proof::Certificate => "[\"certificate\"]",
        Proof::Password { anonymous: true } => "[\"password\", \"anonymous\"]",
        Proof::Password { anonymous: false } => "[\"password\"]",
        Proof::Nothing => "[\"anonymous\"]",
    };
    setting(text, "identity.sources", sources);
    if matches!(wanted.proof, Proof::Password { .. }) {
        setting(text, "identity.password.files", &format!("[{}]", quoted(&wanted.passwords)));
    }
    if !wanted.client_id.is_empty() {
        let templates: Vec<String> = wanted.client_id.iter().map(|template| quoted(template)).collect();
        setting(text, "identity.client_id", &format!("[{}]", templates.join(", ")));
    }
}

fn tls(text: &mut String, listener: &Listener, base: &Path) {
    let (Some(certificate), Some(key)) = (&listener.certfile, &listener.keyfile) else { return };
    let path = |path: &Path| quoted(&base.join(path).display().to_string());
    setting(text, "tls.certificate", &path(&certificate.value));
    setting(text, "tls.key", &path(&key.value));
    match &listener.cafile {
        Some(ca) if listener.require_certificate => {
            setting(text, "tls.client_ca", &path(&ca.value));
            if let Some(list) = &listener.crlfile {
                setting(text, "tls.crl", &format!("[{}]", path(&list.value)));
            }
        }
        Some(_) | None => setting(text, "tls.clients", "\"none\""),
    }
}

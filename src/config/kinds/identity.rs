//! What is known of a client: templates, networks, names in certificates, and where services are asked about it.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::text::{Text, server};
use crate::config::read::{Given, Kind, Reading, escaped, nearest};
use crate::config::settings::{NamePattern, Url};
use crate::identity::{Attribute, Prefix, Template, TemplateError};

/// Text with `${…}`; see [`template`].
pub(in crate::config) struct Templates;

/// Text in which `${…}` stands for what is known of a client.
pub(in crate::config) fn template() -> Templates {
    Templates
}

impl Kind for Templates {
    type Value = Template;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Template> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        if text.is_empty() || text.contains('\0') {
            reading.invalid(given, &self.expects(), "");
            return None;
        }
        match Template::parse(text) {
            Ok(template) => Some(template),
            Err(error) => {
                reading.invalid(given, &self.expects(), &template_help(&error));
                None
            }
        }
    }

    fn expects(&self) -> String {
        "a text, with `${identity}` and the like for what is known of the client".to_owned()
    }

    fn written(&self, value: &Template) -> Option<String> {
        Some(format!("\"{}\"", value.as_str()))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// What to say of a text that is no template.
pub(in crate::config) fn template_help(error: &TemplateError) -> String {
    match error {
        TemplateError::Open => "`${` is not closed with `}`".to_owned(),
        TemplateError::Unknown(name) => unknown_variable(name),
    }
}

/// What to say of a variable that there is none of.
pub(in crate::config) fn unknown_variable(name: &str) -> String {
    match nearest(name, Attribute::names()) {
        Some(near) => format!("there is no `${{{}}}`; did you mean `${{{near}}}`?", escaped(name)),
        None => format!(
            "there is no `${{{}}}`; there are `identity`, `client_id`, `username`, `certificate.cn`, `claim.NAME` and more",
            escaped(name)
        ),
    }
}

/// A network, or one address.
pub(in crate::config) struct Network;

/// A network, or one address.
pub(in crate::config) fn prefix() -> Network {
    Network
}

impl Kind for Network {
    type Value = Prefix;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Prefix> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let Some(prefix) = parse_prefix(text) else {
            reading.invalid(given, &self.expects(), "");
            return None;
        };
        let network = network(&prefix);
        if network.address != prefix.address {
            let help =
                format!("did you mean `{}/{}`, or the one address `{}`?", network.address, prefix.bits, prefix.address);
            reading.invalid(given, &format!("an address with nothing behind its first {} bits", prefix.bits), &help);
            return None;
        }
        Some(prefix)
    }

    fn expects(&self) -> String {
        "a network, such as `10.1.0.0/16` or `fd00:7::/32`, or an address".to_owned()
    }

    fn written(&self, value: &Prefix) -> Option<String> {
        Some(format!("\"{}/{}\"", value.address, value.bits))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"})
    }
}

fn parse_prefix(text: &str) -> Option<Prefix> {
    let bits = text.split_once('/').map_or("0", |(_, bits)| bits);
    (bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit())).then(|| Prefix::parse(text)).flatten()
}

/// The prefix with nothing behind the bits that count.
fn network(prefix: &Prefix) -> Prefix {
    use std::net::IpAddr;
    let address = match prefix.address {
        IpAddr::V4(address) => {
            let behind = 32_u32.saturating_sub(prefix.bits.into());
            let kept = u32::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V4((u32::from(address) & kept).into())
        }
        IpAddr::V6(address) => {
            let behind = 128_u32.saturating_sub(prefix.bits.into());
            let kept = u128::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V6((u128::from(address) & kept).into())
        }
    };
    Prefix { address, bits: prefix.bits }
}

/// Which name of a certificate.
pub(in crate::config) fn certificate_attribute() -> Text<Attribute> {
    Text {
        expects: "one of `cn`, `o`, `ou`, `dns`, `uri`, `email`, `ip`, `spiffe`, `issuer`, `serial`, `fingerprint`",
        check: |text| Attribute::parse(&format!("certificate.{text}")),
        write: |value| value.name().trim_start_matches("certificate.").to_owned(),
    }
}

/// A regular expression with one capture.
pub(in crate::config) struct NameExpression;

impl Kind for NameExpression {
    type Value = NamePattern;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<NamePattern> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        match NamePattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                reading.invalid(given, &self.expects(), &why);
                None
            }
        }
    }

    fn expects(&self) -> String {
        "a regular expression with one capture, such as `device-(.+)`".to_owned()
    }

    fn written(&self, value: &NamePattern) -> Option<String> {
        Some(format!("\"{}\"", value.as_str()))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "format": "regex"})
    }
}

/// Where a service is asked.
pub(in crate::config) fn url() -> Text<Url> {
    let check = |text: &str| {
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let default = if tls { 443 } else { 80 };
        let is_v6_alone = authority.ends_with(']');
        let has_port = !is_v6_alone && authority.contains(':');
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:{default}") };
        let server = (server().check)(&authority)?;
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"\\<>^`{|}".contains(&byte));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        (is_plain && path.len() <= 1024).then_some(Url { tls, host: server.host, port: server.port, path })
    };
    Text {
        expects: "an address such as `http://auth.plant:8080/mqtt`, without user, password or `#`",
        check,
        write: Url::to_string,
    }
}

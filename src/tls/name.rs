//! Distinguished names as text.

use std::fmt::Write;

use x509_parser::prelude::X509Name;

/// RFC 4514: most specific first, `,` between, what could be misread escaped. Attribute types without a short name appear
/// as numbers, values that are no text as `#` and hex.
pub(super) fn distinguished_name(name: &X509Name<'_>) -> Box<str> {
    let mut text = String::new();
    let relative: Vec<_> = name.iter_rdn().collect();
    for (index, attributes) in relative.iter().rev().enumerate() {
        if index > 0 {
            text.push(',');
        }
        for (index, attribute) in attributes.iter().enumerate() {
            if index > 0 {
                text.push('+');
            }
            match short_name(attribute.attr_type().as_bytes()) {
                Some(short) => text.push_str(short),
                None => text.push_str(&attribute.attr_type().to_id_string()),
            }
            text.push('=');
            match attribute.as_str() {
                Ok(value) => escape(value, &mut text),
                Err(_) => {
                    text.push('#');
                    text.push_str(&data_encoding::HEXLOWER.encode(attribute.as_slice()));
                }
            }
        }
    }
    text.into_boxed_str()
}

/// The short names of RFC 4514 section 3, by the DER of the object identifier.
fn short_name(oid: &[u8]) -> Option<&'static str> {
    match oid {
        [0x55, 0x04, 0x03] => Some("CN"),
        [0x55, 0x04, 0x06] => Some("C"),
        [0x55, 0x04, 0x07] => Some("L"),
        [0x55, 0x04, 0x08] => Some("ST"),
        [0x55, 0x04, 0x09] => Some("STREET"),
        [0x55, 0x04, 0x0a] => Some("O"),
        [0x55, 0x04, 0x0b] => Some("OU"),
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => Some("UID"),
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => Some("DC"),
        [] | [_, ..] => None,
    }
}

fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        let at_edge = (letter == ' ' && (index == 0 || index == last)) || (letter == '#' && index == 0);
        if letter.is_control() {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                // Writing to a String does not fail.
                let _ = write!(text, "\\{byte:02X}");
            }
        } else {
            if at_edge || matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=') {
                text.push('\\');
            }
            text.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_could_be_misread_is_escaped() {
        for (value, expected) in [
            ("Plant CA", "Plant CA"),
            ("a,CN=b", "a\\,CN\\=b"),
            (" x ", "\\ x\\ "),
            ("#1", "\\#1"),
            ("a\nb", "a\\0Ab"),
            ("Müller", "Müller"),
            ("\u{85}", "\\C2\\85"),
        ] {
            let mut text = String::new();
            escape(value, &mut text);
            assert_eq!(text, expected);
        }
    }
}

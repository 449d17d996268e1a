//! SAS tokens as Azure IoT Hub and Event Grid read them: what Tidegate shows to such a broker as password.
//!
//! Only made here, never checked; when to make the next one is for whoever holds the connection.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// The longest key, as text.
pub const MAX_KEY_BYTES: usize = 1024;

/// Why no SAS token could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SasError {
    /// Not base64, empty, or longer than [`MAX_KEY_BYTES`].
    #[error("the key of the shared access signature is not base64")]
    Key,
}

/// Makes a SAS token for a resource, such as `hub.azure-devices.net/devices/pump-7`, good until a time in seconds since
/// 1970: `SharedAccessSignature sr=…&sig=…&se=…`, with `&skn=…` where the key is that of a policy.
///
/// # Errors
/// When the key is not base64.
pub fn mint(
    key_base64: &str,
    resource_uri: &str,
    policy_name: Option<&str>,
    expiry_unix: i64,
) -> Result<Zeroizing<String>, SasError> {
    let key_base64 = key_base64.trim();
    if key_base64.is_empty() || key_base64.len() > MAX_KEY_BYTES {
        return Err(SasError::Key);
    }
    let key = Zeroizing::new(BASE64.decode(key_base64.as_bytes()).map_err(|_| SasError::Key)?);
    Ok(sign(&key, resource_uri, policy_name, expiry_unix))
}

/// As [`mint`], with a key that is decoded.
#[must_use]
pub fn sign(key: &[u8], resource_uri: &str, policy_name: Option<&str>, expiry_unix: i64) -> Zeroizing<String> {
    let resource = encoded(resource_uri);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{resource}\n{expiry_unix}").as_bytes());
    let signature = encoded(&BASE64.encode(tag.as_ref()));
    let mut token = Zeroizing::new(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry_unix}"));
    if let Some(name) = policy_name {
        token.push_str("&skn=");
        token.push_str(&encoded(name));
    }
    token
}

/// Percent-encoded, all but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String never fails.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_that_other_implementations_make() {
        // The first is the vector of the Azure CLI's own tests, the others are by Python's hmac and urllib.
        let cases: &[(&str, &str, Option<&str>, i64, &str)] = &[
            (
                "+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=",
                "iot-hub-for-test.azure-devices.net/devices/iot-device-for-test",
                None,
                1_471_940_363,
                "SharedAccessSignature sr=iot-hub-for-test.azure-devices.net%2Fdevices%2Fiot-device-for-test\
                 &sig=SIumZ1ACqqPJZ2okHDlW9MSYKykEpqsQY3z6FMOICd4%3D&se=1471940363",
            ),
            (
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                "myhub.azure-devices.net/devices/pump 7+ä~_.-",
                Some("device owner"),
                1_800_000_000,
                "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fpump%207%2B%C3%A4~_.-\
                 &sig=nilbdw8frETOo77nK6tgv%2FIQPqqgHBhUF7ItuATJUR8%3D&se=1800000000&skn=device%20owner",
            ),
            (
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                "myhub.azure-devices.net",
                Some("iothubowner"),
                -1,
                "SharedAccessSignature sr=myhub.azure-devices.net\
                 &sig=EPCRC6DbptkHwHdD21av2y%2FnHK8KfaifAhouqFbNGRo%3D&se=-1&skn=iothubowner",
            ),
        ];
        for (key, resource, policy, expiry, expected) in cases {
            assert_eq!(*mint(key, resource, *policy, *expiry).unwrap(), *expected);
        }
    }

    #[test]
    fn a_key_that_is_not_base64_makes_no_token() {
        for key in ["", " ", "not base64", "AAE", "AAECAw", &"A".repeat(2000)] {
            assert_eq!(mint(key, "hub/devices/a", None, 0), Err(SasError::Key), "{key:?}");
        }
        assert_eq!(mint("AAEC\n", "h", None, 0), mint("AAEC", "h", None, 0));
    }
}

//! Signs a message in User Properties of MQTT 5.0, as docs/signatures.md says; the payload stays as it is.

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::BASE64URL_NOPAD;

/// The User Properties to publish with.
pub(crate) fn sign(
    key: &Ed25519KeyPair,
    kid: &str,
    topic: &str,
    payload: &[u8],
    unix_millis: u64,
    nonce: &[u8; 16],
) -> Vec<(String, String)> {
    let mut covered = b"tidegate-signature-v1\0\x01".to_vec();
    for text in [kid, topic] {
        covered.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        covered.extend_from_slice(text.as_bytes());
    }
    covered.extend_from_slice(&unix_millis.to_be_bytes());
    covered.extend_from_slice(&[1, 16]);
    covered.extend_from_slice(nonce);
    covered.extend_from_slice(payload);
    let signature = key.sign(&covered);
    vec![
        ("tg-kid".to_owned(), kid.to_owned()),
        ("tg-time".to_owned(), unix_millis.to_string()),
        ("tg-nonce".to_owned(), BASE64URL_NOPAD.encode(nonce)),
        ("tg-sig".to_owned(), BASE64URL_NOPAD.encode(signature.as_ref())),
    ]
}

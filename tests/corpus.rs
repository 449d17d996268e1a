//! Replays every fuzz corpus on stable.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: a panic is its way to fail"
)]
#![expect(clippy::indexing_slicing, reason = "a test program: a panic is its way to fail")]

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a crate of its own to the fuzzer")]
mod fuzz;

use std::{fs, path::Path};

#[test]
fn every_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (target, body) in fuzz::TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(target)).unwrap() {
            body(&fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{target} has no corpus");
    }
}

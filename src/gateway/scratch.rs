//! Buffers that every connection of a thread shares, so that an idle connection owns none.

use std::cell::RefCell;

use zeroize::Zeroize as _;

use super::transport::Input;
use crate::enforce::output::Output;
use crate::metrics::Sampler;
use crate::tls::session::WireBuffer;

/// Bytes taken from a socket in one read. A TLS record (at most 16,640 bytes) always fits behind what is left of the last.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// A scratch vector that one burst made larger than this is given back.
const KEEP_BYTES: usize = 4 * READ_BYTES;

/// What one turn of a connection works in; nothing in it outlives the turn.
pub(super) struct Scratch {
    pub(super) io: IoScratch,
    pub(super) output: Output,
    /// Received and made bytes side by side, where one write must carry both.
    pub(super) gather: Vec<u8>,
    /// Says which batches are timed.
    pub(super) sampler: Sampler,
}

/// The part of the scratch that a transport uses.
pub(super) struct IoScratch {
    /// Bytes as they came from a socket.
    pub(super) wire: Vec<u8>,
    /// What TLS and WebSocket made of them.
    pub(super) plain: Vec<u8>,
    pub(super) out: OutScratch,
}

/// Bytes on their way out, layer by layer.
#[derive(Default)]
pub(super) struct OutScratch {
    /// WebSocket frames.
    pub(super) framed: Vec<u8>,
    /// TLS records.
    pub(super) sealed: WireBuffer,
}

impl IoScratch {
    /// The bytes that a read left.
    pub(super) fn received(&self, input: Input) -> &[u8] {
        match input {
            Input::Wire(bytes) => self.wire.get(..bytes).unwrap_or_default(),
            Input::Plain => &self.plain,
            Input::End => &[],
        }
    }

    /// Leaves nothing of what the last read brought.
    pub(super) fn wipe(&mut self) {
        // As a slice: its length is the room of the next read.
        self.wire.as_mut_slice().zeroize();
        self.plain.zeroize();
    }
}

impl Scratch {
    fn new() -> Self {
        Self {
            io: IoScratch {
                wire: vec![0; READ_BYTES],
                plain: Vec::with_capacity(READ_BYTES),
                out: OutScratch::default(),
            },
            output: Output::default(),
            gather: Vec::new(),
            sampler: Sampler::default(),
        }
    }

    fn trim(&mut self) {
        self.io.plain.clear();
        self.io.plain.shrink_to(KEEP_BYTES);
        self.io.out.framed.clear();
        self.io.out.framed.shrink_to(KEEP_BYTES);
        self.io.out.sealed.clear();
        self.io.out.sealed.shrink(KEEP_BYTES);
        self.output.clear();
        self.gather.clear();
        self.gather.shrink_to(KEEP_BYTES);
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// Lends this thread's scratch for one turn. `turn` must not call `lend` again.
pub(super) fn lend<T>(turn: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let result = turn(scratch);
        scratch.trim();
        result
    })
}

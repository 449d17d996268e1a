//! Frames of a WebSocket client [RFC 6455 5], read as they come and unmasked in place.

use super::{Unframed, WebSocketError};

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Flags and length, the longest extended length, the mask.
const MAX_HEADER_BYTES: usize = 2 + 8 + 4;
/// Payload of a control frame.
const MAX_CONTROL_BYTES: usize = 125;

/// Where the stream of frames stands.
#[derive(Debug)]
pub(super) struct Frames {
    max_message_bytes: u64,
    /// The start of a header whose rest has not come.
    header: Vec<u8>,
    frame: Option<Frame>,
    /// Bytes of the message under way; none between two messages.
    message: Option<u64>,
    /// Payload of the control frame under way.
    control: Vec<u8>,
}

/// A frame whose payload is awaited.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    is_final: bool,
    left: u64,
    /// Turned so that its first byte is for the next byte of payload.
    mask: [u8; 4],
}

impl Frames {
    pub(super) const fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes: max_message_bytes as u64,
            header: Vec::new(),
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// See [`super::WebSocket::receive`].
    pub(super) fn receive(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Unframed {
        let (mut at, mut len) = (0, 0);
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.next_header(bytes, &mut at) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => return Unframed { len, closed: false, fault: None },
                    Err(fault) => return Unframed { len, closed: false, fault: Some(fault) },
                },
            };
            let here = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len() - at);
            let payload = bytes.get_mut(at..at + here).unwrap_or_default();
            unmask(payload, frame.mask);
            if is_control(frame.opcode) {
                self.control.extend_from_slice(payload);
            } else {
                bytes.copy_within(at..at + here, len);
                len += here;
            }
            at += here;
            let left = frame.left - here as u64;
            if left > 0 {
                let mut mask = frame.mask;
                mask.rotate_left(here % 4);
                self.frame = Some(Frame { left, mask, ..frame });
                return Unframed { len, closed: false, fault: None };
            }
            self.frame = None;
            match self.finish(frame, out) {
                Ok(false) => {}
                Ok(true) => return Unframed { len, closed: true, fault: None },
                Err(fault) => return Unframed { len, closed: false, fault: Some(fault) },
            }
        }
    }

    /// All of a frame has come. True when it was a close.
    fn finish(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<bool, WebSocketError> {
        if !is_control(frame.opcode) {
            if frame.is_final {
                self.message = None;
            }
            return Ok(false);
        }
        let payload = std::mem::take(&mut self.control);
        match (frame.opcode, payload.as_slice()) {
            (PING, payload) => write_frame(PONG, payload, out),
            (CLOSE, []) => write_close(None, out),
            (CLOSE, &[high, low, ..]) => write_close(Some(u16::from_be_bytes([high, low])), out),
            (CLOSE, [_]) => return Err(WebSocketError::Frame),
            _ => {}
        }
        Ok(frame.opcode == CLOSE)
    }

    /// Reads a header from `bytes`, whose first `at` bytes are done with.
    fn next_header(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<Frame>, WebSocketError> {
        let held = self.header.len();
        let rest = bytes.get(*at..).unwrap_or_default();
        let wanted = rest.len().min(MAX_HEADER_BYTES - held);
        let mut joined = [0; MAX_HEADER_BYTES];
        let front = if held == 0 {
            rest.get(..wanted).unwrap_or_default()
        } else {
            self.header.extend_from_slice(rest.get(..wanted).unwrap_or_default());
            let joined = joined.get_mut(..self.header.len()).unwrap_or_default();
            joined.copy_from_slice(&self.header);
            joined
        };
        let Some((frame, header_len)) = parse(front)? else {
            if held == 0 {
                self.header.extend_from_slice(front);
            }
            *at = bytes.len();
            return Ok(None);
        };
        *at += header_len - held;
        self.header = Vec::new();
        self.admit(&frame)?;
        Ok(Some(frame))
    }

    /// Whether a frame may come here, and its message be so large.
    fn admit(&mut self, frame: &Frame) -> Result<(), WebSocketError> {
        let so_far = match (frame.opcode, self.message) {
            (CLOSE | PING | PONG, _) => {
                let is_short = frame.left <= MAX_CONTROL_BYTES as u64;
                return if frame.is_final && is_short { Ok(()) } else { Err(WebSocketError::Frame) };
            }
            (TEXT, _) => return Err(WebSocketError::Text),
            (BINARY, None) => 0,
            (CONTINUATION, Some(so_far)) => so_far,
            _ => return Err(WebSocketError::Frame),
        };
        let message = so_far.saturating_add(frame.left);
        if message > self.max_message_bytes {
            return Err(WebSocketError::TooLarge);
        }
        self.message = Some(message);
        Ok(())
    }
}

/// One header at the front of `bytes`, and its length; none until all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, WebSocketError> {
    let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
    // No extension is agreed on, so no reserved bit means anything; and a client masks every frame.
    if first & 0x70 != 0 || second & MASKED == 0 {
        return Err(WebSocketError::Frame);
    }
    let (left, rest) = match (second & !MASKED, rest) {
        (126, &[a, b, ref rest @ ..]) => (u64::from(u16::from_be_bytes([a, b])), rest),
        (127, &[a, b, c, d, e, f, g, h, ref rest @ ..]) => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), rest),
        (126 | 127, _) => return Ok(None),
        (short, rest) => (u64::from(short), rest),
    };
    let &[a, b, c, d, ..] = rest else { return Ok(None) };
    let frame = Frame { opcode: first & 0x0F, is_final: first & FINAL != 0, left, mask: [a, b, c, d] };
    Ok(Some((frame, bytes.len() - rest.len() + 4)))
}

const fn is_control(opcode: u8) -> bool {
    opcode & 0x8 != 0
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (blocks, rest) = payload.as_chunks_mut::<4>();
    let wide = u32::from_ne_bytes(mask);
    for block in blocks {
        *block = (u32::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

/// Appends `bytes` as one binary message.
pub(super) fn write_message(bytes: &[u8], out: &mut Vec<u8>) {
    write_frame(BINARY, bytes, out);
}

/// Appends a close frame.
pub(super) fn write_close(code: Option<u16>, out: &mut Vec<u8>) {
    match code {
        None => write_frame(CLOSE, &[], out),
        Some(code) => write_frame(CLOSE, &code.to_be_bytes(), out),
    }
}

/// Appends a whole message or control frame; a server masks none.
fn write_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

//! rustls' unbuffered connections, driven until they want more or can send.

use rustls::CommonState;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};

use super::SessionError;
use crate::tls::wire::WireBuffer;

/// Plaintext of one record [RFC 8446 5.1].
const RECORD_BYTES: usize = 16 * 1024;
/// More than any suite adds to a record: header, nonce, content type, tag.
const RECORD_OVERHEAD_BYTES: usize = 64;
const HEADER_BYTES: usize = 5;
/// What a record may have beyond its plaintext [RFC 5246 6.2.3].
const MAX_EXPANSION_BYTES: usize = 2048;
/// Content types, from change_cipher_spec to application_data [RFC 8446 5.1].
const KINDS: std::ops::RangeInclusive<u8> = 20..=23;
/// The first byte of the version that all records carry.
const MAJOR: u8 = 3;

/// What rustls' two connection types have in common, and don't say by a trait.
pub(super) trait Connection {
    type Data;
    fn step<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn common(&self) -> &CommonState;
}

impl Connection for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn step<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
    fn common(&self) -> &CommonState {
        self
    }
}

impl Connection for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn step<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
    fn common(&self) -> &CommonState {
        self
    }
}

pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) peer_closed: bool,
}

/// Drive `connection` until it wants more than `wire` has.
pub(super) fn receive<C: Connection>(
    connection: &mut C,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut WireBuffer,
) -> Result<Step, SessionError> {
    let mut step = Step { consumed: 0, peer_closed: false };
    loop {
        let rest = wire.get_mut(step.consumed..).unwrap_or_default();
        let UnbufferedStatus { mut discard, state } = connection.step(rest);
        let mut blocked = false;
        let outcome = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    Some(Err(error)) => break Err(error.into()),
                    None => break Ok(()),
                }
            },
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out),
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(())
            }
            Ok(ConnectionState::PeerClosed) => {
                step.peer_closed = true;
                Ok(())
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => {
                blocked = true;
                Ok(())
            }
            // 0-RTT is never offered nor accepted: its data can be replayed.
            Ok(ConnectionState::ReadEarlyData(_)) => Err(SessionError::Over),
            Ok(_) => Err(SessionError::Over),
            Err(error) => Err(error.into()),
        };
        step.consumed += discard;
        if let Err(error) = outcome {
            write_alert(connection, wire.get_mut(step.consumed..).unwrap_or_default(), out);
            return Err(error);
        }
        if blocked {
            return Ok(step);
        }
    }
}

/// Move what rustls still has to say after a failure, the alert, to `out`.
fn write_alert<C: Connection>(connection: &mut C, wire: &mut [u8], out: &mut WireBuffer) {
    // INVARIANT: rustls looks at no further input while it has something to send.
    while connection.common().wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = connection.step(wire).state else { return };
        if encode(&mut data, out).is_err() {
            return;
        }
    }
}

fn encode<D>(data: &mut EncodeTlsData<'_, D>, out: &mut WireBuffer) -> Result<(), SessionError> {
    let mut room = RECORD_OVERHEAD_BYTES;
    loop {
        match data.encode(out.spare(room)) {
            Ok(written) => {
                out.advance(written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
            Err(EncodeError::AlreadyEncoded) => return Ok(()),
        }
    }
}

/// Bring `connection` to where it can send, then `act`. `held` as in [`Session`].
pub(super) fn send<C: Connection>(
    connection: &mut C,
    held: usize,
    out: &mut WireBuffer,
    mut act: impl FnMut(&mut WriteTraffic<'_, C::Data>, &mut WireBuffer) -> Result<(), SessionError>,
) -> Result<(), SessionError> {
    if connection.common().is_handshaking() {
        return Err(SessionError::Handshaking);
    }
    // rustls skips the bytes it holds without a look at them, but indexes behind them: stand-ins of that length do.
    let mut stand_in = vec![0; held];
    loop {
        match connection.step(&mut stand_in).state? {
            ConnectionState::WriteTraffic(mut traffic) => return act(&mut traffic, out),
            ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::BlockedHandshake => return Err(SessionError::Handshaking),
            // INVARIANT: `receive` leaves none of these behind.
            ConnectionState::ReadTraffic(_)
            | ConnectionState::PeerClosed
            | ConnectionState::Closed
            | ConnectionState::ReadEarlyData(_) => return Err(SessionError::Over),
            _ => return Err(SessionError::Over),
        }
    }
}

/// Append `plain` as records.
pub(super) fn seal<D>(
    traffic: &mut WriteTraffic<'_, D>,
    plain: &[u8],
    out: &mut WireBuffer,
) -> Result<(), SessionError> {
    let room = plain.len() + (plain.len() / RECORD_BYTES + 1) * RECORD_OVERHEAD_BYTES;
    write(room, out, |spare| traffic.encrypt(plain, spare))
}

/// Append close_notify.
pub(super) fn say_goodbye<D>(traffic: &mut WriteTraffic<'_, D>, out: &mut WireBuffer) -> Result<(), SessionError> {
    write(2 * RECORD_OVERHEAD_BYTES, out, |spare| traffic.queue_close_notify(spare))
}

/// Let `encrypt` write into `room` bytes, or as many as it asks for.
fn write(
    mut room: usize,
    out: &mut WireBuffer,
    mut encrypt: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), SessionError> {
    loop {
        match encrypt(out.spare(room)) {
            Ok(written) => {
                out.advance(written);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            Err(EncryptError::EncryptExhausted) => return Err(SessionError::Exhausted),
        }
    }
}

/// Bytes of the whole TLS records at the front of `wire`, by their headers alone.
pub(super) fn whole_records(wire: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(&[_, _, _, high, low]) = wire.get(whole..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>()) {
        let end = whole + HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
        if end > wire.len() {
            break;
        }
        whole = end;
    }
    whole
}

/// Whether rustls would do anything with `wire`: there is a whole record, or what is none.
pub(super) fn is_work(wire: &[u8]) -> bool {
    let Some(&[kind, major, _, high, low]) = wire.first_chunk::<HEADER_BYTES>() else {
        // No rest makes a record of it.
        return wire.first().is_some_and(|kind| !KINDS.contains(kind))
            || wire.get(1).is_some_and(|&major| major != MAJOR);
    };
    let body = usize::from(u16::from_be_bytes([high, low]));
    let is_record = KINDS.contains(&kind) && major == MAJOR && body <= RECORD_BYTES + MAX_EXPANSION_BYTES;
    !is_record || wire.len() >= HEADER_BYTES + body
}

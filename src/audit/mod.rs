//! Events as lines of JSON, and the sink that keeps them; `docs/audit.md` says what a line holds.
//!
//! Not here: what happened (`enforce`) and when to stop reading because the sink is full (`gateway`). Read [`Sink`]
//! first.

mod line;
mod record;
mod reference;
mod sink;

pub use line::Record;
use record::STALE_LIST;
pub use record::{
    BanContext, ConnectionContext, HANDSHAKE_FAILED, NOT_ACCEPTED, Traffic, banned, ended, handshake_failed,
    not_accepted, pressure, quarantine_lost, record, rejudged, reload_refused, reloaded, spared, started, stopped,
    summed,
};
pub use reference::reference;
pub use sink::{Full, OpenError, Sink, Totals, Writer, open};

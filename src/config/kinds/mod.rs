//! The kinds of values that keys hold.

mod number;
mod table;
mod text;

pub(super) use number::{KeepAliveSeconds, count, duration, seconds, show_duration, show_size, size};
pub(super) use table::{Over, list, optional, overridable, overrides, required, required_list, table};
pub(super) use text::{
    File, Flag, Words, address, asked_name, label, name, protocol, server, server_name, url_path, word,
};

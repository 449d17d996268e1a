//! The kinds of values that keys hold.

mod identity;
mod number;
mod pace;
mod policy;
mod table;
mod text;
mod time;
mod value;

pub(super) use identity::{NameExpression, certificate_attribute, prefix, template, url};
pub(super) use number::{KeepAliveSeconds, count, duration, parse_duration, seconds, show_duration, show_size, size};
pub(super) use pace::{byte_rate, part, per, rate};
pub(super) use policy::{Glob, TopicFilter, glob, qos, subscription, topic, topic_filter, topic_name};
pub(super) use table::{
    Map, Nested, OneOrMany, Over, list, one_or_many, optional, overridable, overrides, required, required_list, table,
    unless_left_out,
};
pub(super) use text::{
    File, Flag, PlainText, Unwatched, Words, address, asked_name, fingerprint, hex, host_address, label, name,
    parse_server, plain_text, protocol, server, server_name, url_path, word, words_of,
};
pub(super) use time::{Days, Hours, days, hours, moment, timezone};
pub(super) use value::{
    as_float, expression, extent, fact_topic, is_above, number, pair, pointer, scalar, topic_level,
};

//! What each fuzz target holds its input to. `tests/corpus.rs` and `tests/codec_properties.rs` call the same functions on
//! stable.

pub mod connection;
mod credentials;
mod envelopes;
mod import;
mod oracle;
mod payload;
mod payload_protobuf;
mod policy;
mod proxy;
mod signature;
mod sparkplug;
mod stream;
mod topics;

use tidegate::mqtt::{Direction, Version};

macro_rules! targets {
    ($($name:ident => $body:expr;)+) => {
        $(
            #[doc = concat!("The target `", stringify!($name), "`.")]
            pub fn $name(data: &[u8]) {
                let body: fn(&[u8]) = $body;
                body(data);
            }
        )+

        /// Every target by its name.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name),)+];
    };
}

targets! {
    client_stream_v31 => |data| stream::judge(Version::V31, Direction::FromClient, data);
    client_stream_v311 => |data| stream::judge(Version::V311, Direction::FromClient, data);
    client_stream_v50 => |data| stream::judge(Version::V50, Direction::FromClient, data);
    broker_stream_v31 => |data| stream::judge(Version::V31, Direction::FromBroker, data);
    broker_stream_v311 => |data| stream::judge(Version::V311, Direction::FromBroker, data);
    broker_stream_v50 => |data| stream::judge(Version::V50, Direction::FromBroker, data);
    connect => stream::connect;
    connection => connection::relay;
    topic_algebra => topics::compare;
    oracle_v311 => oracle::compare;
    passwords => credentials::passwords;
    token => credentials::tokens;
    admission_token => credentials::admission;
    answer => credentials::answers;
    proxy => proxy::header;
    payload_protobuf => payload_protobuf::read;
    payload_binary => payload::binary;
    payload_cbor => payload::cbor;
    payload_json => payload::json;
    payload_messagepack => payload::messagepack;
    policy => policy::decide;
    sparkplug => sparkplug::judge;
    import => import::read;
    envelope => envelopes::read;
    jwk => signature::key_sets;
    signature => signature::messages;
    canonical => signature::canonical_form;
    schema => payload::schema;
}

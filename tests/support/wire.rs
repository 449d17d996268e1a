//! Control Packets as bytes, written by hand so that nothing of the product vouches for itself.

/// The versions by the protocol level of their CONNECT.
pub(crate) const V3_1: u8 = 3;
pub(crate) const V3_1_1: u8 = 4;
pub(crate) const V5_0: u8 = 5;
pub(crate) const VERSIONS: [u8; 3] = [V3_1, V3_1_1, V5_0];

/// Fixed header and body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    out.extend(length(body.len()));
    out.extend(body);
    out
}

/// A Variable Byte Integer.
pub(crate) fn length(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// A length-prefixed string or binary.
pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let mut out = u16::try_from(text.len()).expect("at most 65,535 bytes").to_be_bytes().to_vec();
    out.extend(text);
    out
}

/// A CONNECT in the making.
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) version: u8,
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive: u16,
    pub(crate) properties: Vec<u8>,
    pub(crate) will: Option<Will>,
    pub(crate) login: Option<(String, Option<Vec<u8>>)>,
}

#[derive(Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<u8>,
}

impl Connect {
    pub(crate) fn new(version: u8, client_id: &str) -> Self {
        let (client_id, properties) = (client_id.to_owned(), Vec::new());
        Self { version, client_id, clean: true, keep_alive: 60, properties, will: None, login: None }
    }

    /// A session that is kept.
    pub(crate) fn keeping(mut self) -> Self {
        self.clean = false;
        if self.version == V5_0 {
            self.properties.extend([0x11, 0, 0, 0xff, 0xff]);
        }
        self
    }

    pub(crate) fn with(mut self, properties: &[u8]) -> Self {
        self.properties.extend(properties);
        self
    }

    pub(crate) fn will(mut self, topic: &str, payload: &[u8], qos: u8) -> Self {
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        self.will = Some(Will { topic, payload, qos, retain: false, properties: Vec::new() });
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = string(if self.version == V3_1 { "MQIsdp" } else { "MQTT" });
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        }
        if let Some((_, password)) = &self.login {
            flags |= 0x80 | u8::from(password.is_some()) << 6;
        }
        body.extend([self.version, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        self.block(&mut body, &self.properties);
        body.extend(string(&self.client_id));
        if let Some(will) = &self.will {
            self.block(&mut body, &will.properties);
            body.extend(string(&will.topic));
            body.extend(string(&will.payload));
        }
        if let Some((name, password)) = &self.login {
            body.extend(string(name));
            body.extend(password.iter().flat_map(string));
        }
        packet(0x10, &body)
    }

    fn block(&self, body: &mut Vec<u8>, properties: &[u8]) {
        if self.version == V5_0 {
            body.extend(length(properties.len()));
            body.extend(properties);
        }
    }
}

/// PUBLISH; `flags` are DUP, QoS and RETAIN as in the fixed header; `properties` count in 5.0 only.
pub(crate) fn publish(version: u8, flags: u8, topic: &str, id: u16, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    if flags & 0x06 != 0 {
        body.extend(id.to_be_bytes());
    }
    if version == V5_0 {
        body.extend(length(properties.len()));
        body.extend(properties);
    }
    body.extend(payload);
    packet(0x30 | flags, &body)
}

pub(crate) fn subscribe(version: u8, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe_with(version, id, &[], filters)
}

pub(crate) fn subscribe_with(version: u8, id: u16, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == V5_0 {
        body.extend(length(properties.len()));
        body.extend(properties);
    }
    for (filter, options) in filters {
        body.extend(string(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

pub(crate) fn unsubscribe(version: u8, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == V5_0 {
        body.push(0);
    }
    body.extend(filters.iter().flat_map(string));
    packet(0xa2, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP without reason.
pub(crate) fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}
pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xd0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// Receive Maximum, Maximum Packet Size and Topic Alias Maximum as the gateway's own defaults are, or less: a CONNACK that
/// needs no tightening.
pub(crate) const LIMITS_TOLD: [u8; 11] = [0x21, 4, 0, 0x27, 1, 0, 0, 0, 0x22, 0, 10];

/// CONNACK; one that accepts in 5.0 tells `LIMITS_TOLD`.
pub(crate) fn connack(version: u8, session_present: bool, code: u8) -> Vec<u8> {
    let mut body = vec![u8::from(session_present), code];
    if version == V5_0 {
        let told: &[u8] = if code == 0 { &LIMITS_TOLD } else { &[] };
        body.extend(length(told.len()));
        body.extend(told);
    }
    packet(0x20, &body)
}

/// Total length of the frame that `bytes` begin with, once its header is there.
pub(crate) fn frame_length(bytes: &[u8]) -> Option<usize> {
    let mut remaining = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(2 + index + remaining);
        }
    }
    None
}

/// Takes the first whole frame off the front.
pub(crate) fn take_frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let total = frame_length(bytes).filter(|total| bytes.len() >= *total)?;
    let rest = bytes.split_off(total);
    Some(std::mem::replace(bytes, rest))
}

/// Where the body of a frame begins.
pub(crate) fn body(frame: &[u8]) -> &[u8] {
    let digits = frame.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count();
    &frame[2 + digits..]
}

/// The reason a DISCONNECT of 5.0 names, whatever its length.
pub(crate) fn disconnect_reason(frame: &[u8]) -> Option<u8> {
    (frame.first() == Some(&0xe0)).then(|| body(frame).first().copied().unwrap_or(0))
}

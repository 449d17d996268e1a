//! Properties of MQTT 5.0 that nobody chose.

use std::num::{NonZeroU16, NonZeroU32};

use proptest::{collection::vec, prelude::*, sample::subsequence};
use tidegate::mqtt::property::Property;

/// What one property is made from.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    identifier: u8,
    flag: bool,
    number: u32,
    text: String,
    bytes: Vec<u8>,
}

impl Seed {
    fn property(&self) -> Property<'_> {
        let (text, flag, number) = (self.text.as_str(), self.flag, self.number);
        let short = u16::try_from(number % 65_536).unwrap();
        let short_above_0 = NonZeroU16::new(short).unwrap_or(NonZeroU16::MIN);
        match self.identifier {
            0x01 => Property::PayloadFormatIndicator(flag),
            0x02 => Property::MessageExpiryInterval(number),
            0x03 => Property::ContentType(text),
            0x08 => Property::ResponseTopic(if text.is_empty() { "a" } else { text }),
            0x09 => Property::CorrelationData(&self.bytes),
            0x0B => Property::SubscriptionIdentifier(NonZeroU32::new(number % 268_435_455 + 1).unwrap()),
            0x11 => Property::SessionExpiryInterval(number),
            0x12 => Property::AssignedClientIdentifier(text),
            0x13 => Property::ServerKeepAlive(short),
            0x15 => Property::AuthenticationMethod(text),
            0x16 => Property::AuthenticationData(&self.bytes),
            0x17 => Property::RequestProblemInformation(flag),
            0x18 => Property::WillDelayInterval(number),
            0x19 => Property::RequestResponseInformation(flag),
            0x1A => Property::ResponseInformation(text),
            0x1C => Property::ServerReference(text),
            0x1F => Property::ReasonString(text),
            0x21 => Property::ReceiveMaximum(short_above_0),
            0x22 => Property::TopicAliasMaximum(short),
            0x23 => Property::TopicAlias(short_above_0),
            0x24 => Property::MaximumQoS(flag),
            0x25 => Property::RetainAvailable(flag),
            0x26 => Property::UserProperty(text, "value"),
            0x27 => Property::MaximumPacketSize(NonZeroU32::new(number.max(1)).unwrap()),
            0x28 => Property::WildcardSubscriptionAvailable(flag),
            0x29 => Property::SubscriptionIdentifierAvailable(flag),
            0x2A => Property::SharedSubscriptionAvailable(flag),
            other => panic!("no property {other}"),
        }
    }
}

/// Properties that may stand together in one block, in any order.
pub(crate) fn seeds(identifiers: &'static [u8]) -> impl Strategy<Value = Vec<Seed>> {
    let seed = (any::<bool>(), any::<u32>(), "[a-zé☃/ ]{0,12}", vec(any::<u8>(), 0..12));
    let chosen = subsequence(identifiers, 0..=identifiers.len()).prop_shuffle();
    (chosen, vec(seed, identifiers.len())).prop_map(|(identifiers, seeds)| {
        let seed = |(identifier, (flag, number, text, bytes))| Seed { identifier, flag, number, text, bytes };
        identifiers.into_iter().zip(seeds).map(seed).collect()
    })
}

pub(crate) fn of(seeds: &[Seed]) -> Vec<Property<'_>> {
    seeds.iter().map(Seed::property).collect()
}

//! Why bytes are refused: one variant per rule, each with its clause, Reason Code and label.
//!
//! The table below is the whole of it; `docs/conformance.md` is diffed against it by a test.

use super::reason::ReasonCode;

macro_rules! violations {
    ($($(#[doc = $doc:literal])+ $variant:ident, $label:literal, $reason:ident, $statement:literal;)+) => {
        /// A rule of the standard, or one of our limits, that a packet breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DecodeError {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DecodeError {
            /// Every violation, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// A short stable name, for metrics and records.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The clause that is broken: statement numbers where the standard has one, else its section.
            ///
            /// A clause without a version is the same in both; `limit` marks a bound of ours.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self { $(Self::$variant => $statement,)+ }
            }

            /// What an MQTT 5.0 peer is told: a Malformed Packet, a Protocol Error or something more precise.
            #[must_use]
            pub const fn reason_code(self) -> ReasonCode {
                match self { $(Self::$variant => ReasonCode::$reason,)+ }
            }

            /// The rule in words.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

violations! {
    // Fixed header.
    /// packet type 0, or 15 before MQTT 5.0
    UnknownPacketType, "unknown_packet_type", MalformedPacket, "3.1.1 §2.2.1, 5.0 §2.1.2";
    /// a packet that this side never sends
    WrongDirection, "wrong_direction", ProtocolError, "3.1.1 §2.2.1, 5.0 §2.1.2";
    /// a first packet that is not CONNECT
    NotConnect, "not_connect", ProtocolError, "[MQTT-3.1.0-1]";
    /// a second CONNECT
    SecondConnect, "second_connect", ProtocolError, "[MQTT-3.1.0-2]";
    /// reserved flag bits of the fixed header
    ReservedFlags, "reserved_flags", MalformedPacket, "3.1.1 [MQTT-2.2.2-2], 5.0 [MQTT-2.1.3-1]";
    /// QoS 3 in a PUBLISH
    QosInvalid, "qos_invalid", MalformedPacket, "[MQTT-3.3.1-4]";
    /// DUP set on QoS 0
    DupAtQos0, "dup_at_qos_0", MalformedPacket, "[MQTT-3.3.1-2]";
    /// a Remaining Length of more than four bytes
    RemainingLengthTooLong, "remaining_length_too_long", MalformedPacket, "3.1.1 §2.2.3, 5.0 §1.5.5";
    /// a Remaining Length in more bytes than it needs
    RemainingLengthNotMinimal, "remaining_length_not_minimal", MalformedPacket, "3.1.1 §2.2.3, 5.0 [MQTT-1.5.5-1]";
    /// a packet over the size limit
    PacketTooLarge, "packet_too_large", PacketTooLarge, "limit, 5.0 [MQTT-3.1.2-24]";
    /// a Remaining Length that this packet type can't have
    LengthInvalid, "length_invalid", MalformedPacket, "3.1.1 §3, 5.0 §3";

    // Fields.
    /// a field that runs past the end of its packet
    Truncated, "truncated", MalformedPacket, "3.1.1 §2.2.3, 5.0 §2.1.4";
    /// bytes behind the last field
    TrailingBytes, "trailing_bytes", MalformedPacket, "3.1.1 §2.2.3, 5.0 §2.1.4";
    /// Packet Identifier 0
    PacketIdentifierZero, "packet_identifier_zero", ProtocolError, "3.1.1 [MQTT-2.3.1-1], 5.0 [MQTT-2.2.1-3]";
    /// text that is not well-formed UTF-8
    NotUtf8, "not_utf8", MalformedPacket, "3.1.1 [MQTT-1.5.3-1], 5.0 [MQTT-1.5.4-1]";
    /// U+0000 in a text
    NullCharacter, "null_character", MalformedPacket, "3.1.1 [MQTT-1.5.3-2], 5.0 [MQTT-1.5.4-2]";
    /// a control character or non-character in a Topic Name, Topic Filter or Client Identifier
    ControlCharacter, "control_character", MalformedPacket, "limit, 3.1.1 §1.5.3, 5.0 §1.5.4";

    // Topic Names and Topic Filters.
    /// an empty Topic Name
    TopicNameEmpty, "topic_name_empty", ProtocolError, "[MQTT-4.7.3-1], 5.0 §3.3.2.1";
    /// a wildcard in a Topic Name
    TopicNameWildcard, "topic_name_wildcard", MalformedPacket, "[MQTT-3.3.2-2]";
    /// a Topic Name over the size limit
    TopicNameTooLong, "topic_name_too_long", TopicNameInvalid, "limit";
    /// a Topic Name with too many levels
    TopicNameTooDeep, "topic_name_too_deep", TopicNameInvalid, "limit";
    /// an empty Topic Filter
    TopicFilterEmpty, "topic_filter_empty", MalformedPacket, "[MQTT-4.7.3-1]";
    /// `#` that is not a whole level, or not the last
    MultiLevelWildcard, "multi_level_wildcard", MalformedPacket, "3.1.1 [MQTT-4.7.1-2], 5.0 [MQTT-4.7.1-1]";
    /// `+` that is not a whole level
    SingleLevelWildcard, "single_level_wildcard", MalformedPacket, "3.1.1 [MQTT-4.7.1-3], 5.0 [MQTT-4.7.1-2]";
    /// a Topic Filter over the size limit
    TopicFilterTooLong, "topic_filter_too_long", TopicFilterInvalid, "limit";
    /// a Topic Filter with too many levels
    TopicFilterTooDeep, "topic_filter_too_deep", TopicFilterInvalid, "limit";
    /// a ShareName that is empty or holds `+` or `#`
    ShareNameInvalid, "share_name_invalid", MalformedPacket, "5.0 [MQTT-4.8.2-1]";
    /// a ShareName without a Topic Filter of its own behind it
    ShareFilterInvalid, "share_filter_invalid", MalformedPacket, "5.0 [MQTT-4.8.2-2]";

    // CONNECT.
    /// a protocol name other than `MQTT` or `MQIsdp`
    ProtocolName, "protocol_name", UnsupportedProtocolVersion, "[MQTT-3.1.2-1]";
    /// a protocol level that its name does not have
    ProtocolLevel, "protocol_level", UnsupportedProtocolVersion, "[MQTT-3.1.2-2]";
    /// the reserved Connect Flag
    ConnectFlagReserved, "connect_flag_reserved", MalformedPacket, "[MQTT-3.1.2-3]";
    /// Will QoS or Will Retain without a Will
    WillFlagsWithoutWill, "will_flags_without_will", MalformedPacket, "3.1.1 [MQTT-3.1.2-13] [MQTT-3.1.2-15], 5.0 [MQTT-3.1.2-11] [MQTT-3.1.2-13]";
    /// Will QoS 3
    WillQosInvalid, "will_qos_invalid", MalformedPacket, "3.1.1 [MQTT-3.1.2-14], 5.0 [MQTT-3.1.2-12]";
    /// a password without a user name
    PasswordWithoutUserName, "password_without_user_name", MalformedPacket, "3.1 §3.1, 3.1.1 [MQTT-3.1.2-22]";
    /// an empty Client Identifier where there must be one
    ClientIdentifierEmpty, "client_identifier_empty", ClientIdentifierNotValid, "3.1 §3.1, 3.1.1 [MQTT-3.1.3-8]";
    /// a Client Identifier over the size limit
    ClientIdentifierTooLong, "client_identifier_too_long", ClientIdentifierNotValid, "limit, 5.0 [MQTT-3.1.3-8]";

    // CONNACK.
    /// reserved Connect Acknowledge Flags
    ConnAckFlagsReserved, "connack_flags_reserved", MalformedPacket, "3.1.1 §3.2.2.1, 5.0 [MQTT-3.2.2-1]";
    /// Session Present in a refusal
    SessionPresentInRefusal, "session_present_in_refusal", ProtocolError, "3.1.1 [MQTT-3.2.2-4], 5.0 [MQTT-3.2.2-6]";

    // SUBSCRIBE and UNSUBSCRIBE.
    /// a SUBSCRIBE without a Topic Filter
    SubscribeEmpty, "subscribe_empty", ProtocolError, "3.1.1 [MQTT-3.8.3-3], 5.0 [MQTT-3.8.3-2]";
    /// an UNSUBSCRIBE without a Topic Filter
    UnsubscribeEmpty, "unsubscribe_empty", ProtocolError, "[MQTT-3.10.3-2]";
    /// too many Topic Filters in one packet
    TooManyFilters, "too_many_filters", QuotaExceeded, "limit";
    /// requested QoS 3
    SubscriptionQos, "subscription_qos", ProtocolError, "3.1.1 [MQTT-3.8.3-4], 5.0 §3.8.3.1";
    /// reserved bits of the Subscription Options
    SubscriptionOptionsReserved, "subscription_options_reserved", MalformedPacket, "3.1.1 [MQTT-3.8.3-4], 5.0 [MQTT-3.8.3-5]";
    /// Retain Handling 3
    RetainHandling, "retain_handling", ProtocolError, "5.0 §3.8.3.1";
    /// No Local on a Shared Subscription
    NoLocalOnShared, "no_local_on_shared", ProtocolError, "5.0 [MQTT-3.8.3-4]";
    /// a SUBACK without a code
    SubAckEmpty, "suback_empty", ProtocolError, "3.1.1 [MQTT-3.8.4-5], 5.0 [MQTT-3.8.4-6]";
    /// an UNSUBACK without a code
    UnsubAckEmpty, "unsuback_empty", ProtocolError, "5.0 [MQTT-3.11.3-1]";

    // Reason Codes.
    /// a code that a CONNACK can't carry
    ConnAckCode, "connack_code", ProtocolError, "3.1.1 §3.2.2.3, 5.0 [MQTT-3.2.2-8]";
    /// a Reason Code that a PUBACK from this side can't carry
    PubAckCode, "puback_code", ProtocolError, "5.0 [MQTT-3.4.2-1]";
    /// a Reason Code that a PUBREC from this side can't carry
    PubRecCode, "pubrec_code", ProtocolError, "5.0 [MQTT-3.5.2-1]";
    /// a Reason Code that a PUBREL can't carry
    PubRelCode, "pubrel_code", ProtocolError, "5.0 [MQTT-3.6.2-1]";
    /// a Reason Code that a PUBCOMP can't carry
    PubCompCode, "pubcomp_code", ProtocolError, "5.0 [MQTT-3.7.2-1]";
    /// a code that a SUBACK can't carry
    SubAckCode, "suback_code", ProtocolError, "[MQTT-3.9.3-2]";
    /// a Reason Code that an UNSUBACK can't carry
    UnsubAckCode, "unsuback_code", ProtocolError, "5.0 [MQTT-3.11.3-2]";
    /// a Reason Code that a DISCONNECT from this side can't carry
    DisconnectCode, "disconnect_code", ProtocolError, "5.0 [MQTT-3.14.2-1]";
    /// a Reason Code that an AUTH from this side can't carry
    AuthCode, "auth_code", ProtocolError, "5.0 [MQTT-3.15.2-1]";

    // Properties.
    /// a Property Length that runs past the end of its packet
    PropertiesOverrun, "properties_overrun", MalformedPacket, "5.0 §2.2.2.1";
    /// a Variable Byte Integer of more than four bytes
    VariableByteIntegerTooLong, "variable_byte_integer_too_long", MalformedPacket, "5.0 §1.5.5";
    /// a Variable Byte Integer in more bytes than it needs
    VariableByteIntegerNotMinimal, "variable_byte_integer_not_minimal", MalformedPacket, "5.0 [MQTT-1.5.5-1]";
    /// an unknown property
    PropertyUnknown, "property_unknown", MalformedPacket, "5.0 §2.2.2.2";
    /// a property that this packet can't hold
    PropertyMisplaced, "property_misplaced", MalformedPacket, "5.0 §2.2.2.2";
    /// a property that runs past the end of its block
    PropertyTruncated, "property_truncated", MalformedPacket, "5.0 §2.2.2";
    /// a property given twice
    PropertyRepeated, "property_repeated", ProtocolError, "5.0 §2.2.2.2, §3.1.2.11";
    /// a property that is 0 or 1 with another value
    PropertyNotBoolean, "property_not_boolean", ProtocolError, "5.0 §3.1.2.11.6, §3.2.2.3, §3.3.2.3.2";
    /// Receive Maximum 0
    ReceiveMaximumZero, "receive_maximum_zero", ProtocolError, "5.0 §3.1.2.11.3, §3.2.2.3.3";
    /// Maximum Packet Size 0
    MaximumPacketSizeZero, "maximum_packet_size_zero", ProtocolError, "5.0 §3.1.2.11.4, §3.2.2.3.6";
    /// Topic Alias 0
    TopicAliasZero, "topic_alias_zero", TopicAliasInvalid, "5.0 [MQTT-3.3.2-8]";
    /// Subscription Identifier 0
    SubscriptionIdentifierZero, "subscription_identifier_zero", ProtocolError, "5.0 §3.3.2.3.8, §3.8.2.1.2";
    /// a Subscription Identifier in a PUBLISH from a client
    SubscriptionIdentifierFromClient, "subscription_identifier_from_client", ProtocolError, "5.0 [MQTT-3.3.4-6]";
    /// a Session Expiry Interval in a DISCONNECT from a Server
    SessionExpiryFromServer, "session_expiry_from_server", ProtocolError, "5.0 [MQTT-3.14.2-2]";
    /// a wildcard in a Response Topic
    ResponseTopicWildcard, "response_topic_wildcard", ProtocolError, "5.0 [MQTT-3.3.2-14]";
    /// Authentication Data without an Authentication Method
    AuthenticationDataAlone, "authentication_data_alone", ProtocolError, "5.0 §3.1.2.11.10, §3.2.2.3.18";
    /// an AUTH with properties but no Authentication Method
    AuthenticationMethodMissing, "authentication_method_missing", ProtocolError, "5.0 §3.15.2.2.2";
    /// too many User Properties in one packet
    TooManyUserProperties, "too_many_user_properties", QuotaExceeded, "limit";
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.description(), self.statement())
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_stable_in_form() {
        let mut labels: Vec<&str> = DecodeError::ALL.iter().map(|error| error.label()).collect();
        labels.sort_unstable();
        assert!(labels.windows(2).all(|two| two[0] != two[1]));
        let plain = |label: &&str| label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        assert!(labels.iter().all(plain));
    }

    #[test]
    fn every_violation_is_told_as_an_error() {
        for error in DecodeError::ALL {
            assert!(error.reason_code().is_error(), "{error}");
            let clause = ["[MQTT-", "§", "limit"].iter().any(|mark| error.statement().contains(mark));
            assert!(clause, "{error}");
        }
        assert_eq!(DecodeError::DupAtQos0.to_string(), "DUP set on QoS 0 ([MQTT-3.3.1-2])");
    }
}

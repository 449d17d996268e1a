//! The table of weaknesses that are known.

use super::Guard::{Always, Limit, Patch as Own, Setting};
use super::{Known, Patch};

/// Grows with each change of the table.
pub const TABLE_VERSION: u16 = 1;

const fn row(cve: &'static str, products: &'static str, weakness: &'static str, guard: super::Guard) -> Known {
    Known { cve, products, weakness, guard, since: 1 }
}

/// Every one, by product.
pub const KNOWN: &[Known] = &[
    row(
        "CVE-2017-7650",
        "Mosquitto before 1.4.12",
        "a Client Identifier or user name with a wildcard in it is put into patterns of the access control list, and matches the topics of others",
        Own(Patch::WildcardNames),
    ),
    row(
        "CVE-2017-7651",
        "Mosquitto to 1.4.14",
        "before CONNECT a Remaining Length is promised, and memory taken for it",
        Limit("`limits.max_connect_bytes`, judged from the fixed header; no broker is dialled before a whole CONNECT"),
    ),
    row(
        "CVE-2017-7653",
        "Mosquitto to 1.4.15",
        "a topic that is not UTF-8 is passed on, and ends the connections of subscribers",
        Always("every string is judged"),
    ),
    row(
        "CVE-2018-12543",
        "Mosquitto 1.5 to 1.5.2",
        "PUBLISH to a topic that begins with `$` and not with `$SYS` ends the broker",
        Own(Patch::DollarTopics),
    ),
    row(
        "CVE-2018-12546",
        "Mosquitto to 1.5.5",
        "a retained message stays, and is delivered, when whoever published it has lost the right to",
        Setting("`shield.retain = false`"),
    ),
    row(
        "CVE-2019-11778",
        "Mosquitto 1.6 to 1.6.4",
        "a Will Delay Interval above the Session Expiry Interval makes use of freed memory",
        Own(Patch::WillDelay),
    ),
    row(
        "CVE-2019-11779",
        "Mosquitto 1.5 to 1.6.5",
        "SUBSCRIBE to some 65,000 empty levels overflows the stack",
        Own(Patch::DeepFilters),
    ),
    row(
        "CVE-2020-13849",
        "brokers of MQTT 3.1.1",
        "connections that ask for the longest Keep Alive, and are silent, hold the places of others for a day",
        Setting("`keep_alive.max`, with `keep_alive.zero = \"replace\"`"),
    ),
    row(
        "CVE-2021-28166",
        "Mosquitto 2.0.0 to 2.0.9",
        "CONNACK of a client ends the broker",
        Always("a client sends no CONNACK"),
    ),
    row(
        "CVE-2021-34432",
        "Mosquitto to 2.0.7",
        "PUBLISH with an empty topic ends the broker",
        Always("an empty topic stands for nothing without a Topic Alias"),
    ),
    row(
        "CVE-2021-34434",
        "Mosquitto 2.0 to 2.0.11",
        "subscriptions of an offline client outlive the right to them, which the dynamic security plugin has taken away",
        Always("each delivery is judged by the gateway's policy, as it is then"),
    ),
    row(
        "CVE-2021-41039",
        "Mosquitto 1.6 to 2.0.11",
        "CONNECT with very many User Properties takes the processor for minutes",
        Limit("`limits.max_user_properties`"),
    ),
    row(
        "CVE-2023-0809",
        "Mosquitto before 2.0.16",
        "first packets that are not CONNECT have memory taken for them",
        Always("the first packet is CONNECT, or nobody is dialled"),
    ),
    row(
        "CVE-2023-3592",
        "Mosquitto before 2.0.16",
        "CONNECT with a Will whose properties are none of a Will leaks memory",
        Always("every property is judged by its place"),
    ),
    row(
        "CVE-2023-5632",
        "Mosquitto before 2.0.6",
        "connections on which nothing is sent keep the processor busy",
        Always("no broker is dialled before a whole CONNECT"),
    ),
    row(
        "CVE-2023-28366",
        "Mosquitto 1.3.2 to 2.0.15",
        "QoS 2 messages under one Packet Identifier, never released, leak memory",
        Setting(
            "`shield.max_qos = 1`. Always: a Packet Identifier that is in use is not taken again, unless as a repeat, marked DUP",
        ),
    ),
    row(
        "CVE-2024-8376",
        "Mosquitto to 2.0.18",
        "Shared Subscriptions and others below one first level, subscribed and unsubscribed in turn, make use of freed memory",
        Setting("`shield.shared_subscriptions = false`"),
    ),
    row(
        "CVE-2024-10525",
        "clients by libmosquitto 1.3.2 to 2.0.18",
        "SUBACK without a code is read beyond its end",
        Always("SUBACK has as many codes as filters were asked for"),
    ),
    row(
        "CVE-2016-9877",
        "RabbitMQ before 3.5.8, 3.6 before 3.6.6",
        "CONNECT with a user name and no password is let in as that user",
        Own(Patch::NoPassword),
    ),
    row(
        "CVE-2020-13821",
        "HiveMQ Control Center 4.3.2",
        "a Client Identifier with markup in it runs as a script in the page of whoever looks at clients",
        Own(Patch::MarkupNames),
    ),
    row(
        "CVE-2023-29994",
        "NanoMQ 0.15",
        "properties of CONNECT that end before they should are read beyond their end",
        Always("every length is held against what is there"),
    ),
    row(
        "CVE-2023-29995",
        "NanoMQ 0.15",
        "a string of CONNECT that is longer than the packet is read beyond its end",
        Always("every length is held against what is there"),
    ),
    row(
        "CVE-2026-21888",
        "NanoMQ to 0.24.6",
        "a Property Length of five bytes is read beyond its end",
        Always("an integer has four bytes at most"),
    ),
    row(
        "CVE-2025-66168",
        "ActiveMQ 5 before 5.19.2",
        "a Remaining Length of five bytes overflows, and what follows is read as other packets",
        Always("a Remaining Length has four bytes at most"),
    ),
    row(
        "CVE-2026-40046",
        "ActiveMQ 6 before 6.2.4",
        "the same: the mending of CVE-2025-66168 was left out",
        Always("a Remaining Length has four bytes at most"),
    ),
    row(
        "CVE-2019-5432",
        "mqtt-packet before 3.5.1, 4.1.3, 5.6.1 and 6.1.2: Aedes, Mosca",
        "SUBSCRIBE with lengths that do not hold ends the broker",
        Always("every length is held against what is there"),
    ),
    row(
        "CVE-2020-10062",
        "clients by Zephyr to 2.2",
        "a Remaining Length of five bytes overflows",
        Always("a Remaining Length has four bytes at most, of the broker's packets too"),
    ),
    row(
        "CVE-2020-10070",
        "clients by Zephyr to 2.2",
        "PUBLISH with less to it than its topic and identifier need has its payload's length wrap around",
        Always("every length is held against what is there, of the broker's packets too"),
    ),
];

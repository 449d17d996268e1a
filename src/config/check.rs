//! What was written, held against itself: names, places, files, limits that contradict each other.

mod far;
mod identity;
mod state;
mod tls;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::far::is_local;
use super::kinds::{Over, show_duration, show_size};
use super::policy::{self, Wanted};
use super::problem::{self, Problem, Source};
use super::read::{Located, Reading, Table, listed, nearest, read_text};
use super::settings::{
    Addresses, Audit, Broker, Deadlines, KeepAlive, Limits, Listener, OnFull, PatchesTable, Protection, Settings,
    ShieldTable,
};
use super::tables::{Gateway, ListenerTable};
use crate::enforce::{Guards, Terms};
use crate::mqtt;
use crate::policy::Policy;

/// The settings of a file; none when a problem leaves too little to make them.
pub(super) fn settings(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<Settings> {
    let mut reading = Reading::new(source);
    let (gateway, is_toml) = read_text::<Gateway>(&mut reading);
    let settings = if is_toml { assemble(gateway, &mut reading, problems) } else { None };
    problems.append(&mut reading.problems);
    settings
}

/// What the file says of the whole process.
struct Process {
    limits: Limits,
    deadlines: Deadlines,
    keep_alive: KeepAlive,
    protection: Protection,
    shield: ShieldTable,
    addresses: Addresses,
    policy: Arc<Policy>,
}

fn assemble(gateway: Gateway, reading: &mut Reading, problems: &mut Vec<Problem>) -> Option<Settings> {
    let policy = policy(&gateway, reading, problems);
    let process = Process {
        limits: gateway.limits.clone().over(Limits::default()),
        deadlines: gateway.deadlines.clone().over(Deadlines::default()),
        keep_alive: gateway.keep_alive.clone().over(KeepAlive::default()),
        addresses: gateway.addresses.said(),
        protection: gateway.protection.clone().over(Protection::default()),
        shield: gateway.shield.clone().over(ShieldTable::default()),
        policy: policy.clone().unwrap_or_else(|| Arc::new(Policy::permit_all(""))),
    };
    names(&gateway, reading);
    binds(&gateway, reading);
    limits(&process.limits, &gateway.limits, reading);
    deadlines(&process.deadlines, &gateway.deadlines, reading);
    protection(&process.protection, &gateway.protection, reading);
    patches(&process.shield, reading);
    admin(&gateway, reading);
    let state = state::state(&gateway.state, policy.as_deref(), reading);
    let audit = audit(&gateway, reading);
    let brokers: Vec<Arc<Broker>> =
        gateway.broker.iter().filter_map(|table| far::broker(table, reading)).map(Arc::new).collect();
    let listeners: Vec<Arc<Listener>> = gateway
        .listener
        .iter()
        .filter_map(|table| listener(table, &gateway, &process, &brokers, reading))
        .map(Arc::new)
        .collect();
    Some(Settings {
        policy: policy?,
        listeners,
        brokers,
        admin: gateway.admin.bind.map(|bind| bind.value),
        state,
        audit,
        log: gateway.log,
        reload: gateway.reload,
        authentication: gateway.authentication,
        drain: process.deadlines.drain,
        limits: process.limits,
        protection: process.protection,
        warnings: Vec::new(),
        source: Arc::clone(&reading.source),
        files: std::mem::take(&mut reading.files),
        more_files: std::mem::take(&mut reading.more_files),
    })
}

fn policy(gateway: &Gateway, reading: &mut Reading, problems: &mut Vec<Problem>) -> Option<Arc<Policy>> {
    if gateway.policies.is_empty() {
        if !reading.problems.iter().any(|problem| problem.message.starts_with("`policies`")) {
            let message = "no policy: nothing would be permitted".to_owned();
            let problem = Problem::new(problem::Kind::NoPolicy, &reading.source, None, message)
                .label("`policies` names none")
                .help("name the folder of a policy, as in `policies = [\"policies/plant\"]`");
            reading.report(problem);
        }
        return None;
    }
    let named = gateway.listener.iter().map(|table| table.value.name.as_ref().map(|name| name.value.as_str()));
    // One without a name may be the one that a role means.
    let listeners: Option<Vec<&str>> = named.collect();
    let source = Arc::clone(&reading.source);
    let wanted = Wanted { folders: &gateway.policies, by: Some(&source), listeners: listeners.as_deref() };
    policy::load(&wanted, problems, &mut reading.more_files)
}

/// Names are unique among listeners and among brokers; one of each name is used.
fn names(gateway: &Gateway, reading: &mut Reading) {
    let listeners: Vec<&Located<String>> =
        gateway.listener.iter().filter_map(|table| table.value.name.as_ref()).collect();
    let brokers: Vec<&Located<String>> = gateway.broker.iter().filter_map(|table| table.value.name.as_ref()).collect();
    duplicates("listener", &listeners, reading);
    duplicates("broker", &brokers, reading);
    let is_known = |named: &Located<String>| brokers.iter().any(|name| name.value == named.value);
    for name in &brokers {
        let is_named =
            |table: &Located<ListenerTable>| table.value.broker.as_ref().is_some_and(|b| b.value == name.value);
        let is_clear = gateway.listener.iter().filter_map(|table| table.value.broker.as_ref()).all(is_known);
        if is_clear && !gateway.listener.iter().any(is_named) {
            let problem = reading
                .at(problem::Kind::Unused, &name.span, format!("no listener names the broker `{}`", name.value))
                .warning();
            reading.report(problem);
        }
    }
}

fn duplicates(what: &str, names: &[&Located<String>], reading: &mut Reading) {
    for (at, name) in names.iter().enumerate() {
        let Some(first) = names.iter().take(at).find(|other| other.value == name.value) else { continue };
        let line = reading.source.line(first.span.start);
        let problem = reading
            .at(problem::Kind::Duplicate, &name.span, format!("two {what}s have the name `{}`", name.value))
            .label(format!("the first is on line {line}"));
        reading.report(problem);
    }
}

/// No two sockets listen on the same port of the same address.
fn binds(gateway: &Gateway, reading: &mut Reading) {
    let listeners = gateway.listener.iter().filter_map(|table| table.value.bind.as_ref());
    let binds: Vec<&Located<SocketAddr>> = listeners.chain(gateway.admin.bind.as_ref()).collect();
    for (at, bind) in binds.iter().enumerate() {
        let Some(first) = binds.iter().take(at).find(|other| collide(other.value, bind.value)) else { continue };
        let line = reading.source.line(first.span.start);
        let problem = reading
            .at(problem::Kind::Duplicate, &bind.span, format!("`{}` is taken twice", bind.value))
            .label(format!("`{}` on line {line} takes it already", first.value));
        reading.report(problem);
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let is_same_family = a.is_ipv4() == b.is_ipv4();
    let is_wide = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || is_same_family && is_wide)
}

fn admin(gateway: &Gateway, reading: &mut Reading) {
    if let Some(bind) = &gateway.admin.bind
        && !bind.value.ip().is_loopback()
    {
        let problem = reading
            .at(problem::Kind::Unsafe, &bind.span, "metrics and health are open to the network")
            .label("whoever reaches this address may read them")
            .help("bind `127.0.0.1`, or an address that only the monitoring reaches")
            .warning();
        reading.report(problem);
    }
}

fn audit(gateway: &Gateway, reading: &mut Reading) -> Audit {
    let table = &gateway.audit;
    if let Some(file) = &table.file {
        let folder = file.value.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            no_file("no folder for", &file.value, "expected a file in a folder that exists", &file.span, reading);
        }
    }
    let on_full = table.on_full.as_ref().map_or(OnFull::Block, |on_full| on_full.value);
    if let Some(Located { value: OnFull::Drop, span }) = &table.on_full {
        let problem = reading
            .at(problem::Kind::Unsafe, span, "events may be lost")
            .label("what does not fit the queue is dropped and counted")
            .warning();
        reading.report(problem);
    }
    Audit { file: table.file.as_ref().map(|file| file.value.clone()), on_full, max_queue: table.max_queue }
}

/// What must be judged whole fits what may be held, and that what all may hold.
fn limits(limits: &Limits, given: &Over<Limits>, reading: &mut Reading) {
    let pairs = [
        ("max_connect_bytes", limits.max_connect_bytes, "max_buffered_bytes", limits.max_buffered_bytes),
        ("max_control_bytes", limits.max_control_bytes, "max_buffered_bytes", limits.max_buffered_bytes),
        ("stream_threshold_bytes", limits.stream_threshold_bytes, "max_buffered_bytes", limits.max_buffered_bytes),
        ("max_buffered_bytes", limits.max_buffered_bytes, "max_buffered_total_bytes", limits.max_buffered_total_bytes),
    ];
    for (small, low, large, high) in pairs {
        if low > high {
            let found = format!("here `{small}` is {} and `{large}` is {}", show_size(low), show_size(high));
            contradiction(small, large, &found, given, reading);
        }
    }
}

/// CONNECT comes after the handshake, and both are counted from accept.
fn deadlines(deadlines: &Deadlines, given: &Over<Deadlines>, reading: &mut Reading) {
    if deadlines.tls_handshake > deadlines.connect {
        let (handshake, connect) = (show_duration(deadlines.tls_handshake), show_duration(deadlines.connect));
        let found = format!("here `tls_handshake` is {handshake} and `connect` is {connect}, both counted from accept");
        contradiction("tls_handshake", "connect", &found, given, reading);
    }
}

/// The first of what grows is not above the last.
fn protection(protection: &Protection, given: &Over<Protection>, reading: &mut Reading) {
    let pairs = [
        ("ban", protection.ban, "max_ban", protection.max_ban),
        ("tarpit", protection.tarpit, "max_tarpit", protection.max_tarpit),
    ];
    for (small, first, large, most) in pairs {
        if first > most {
            let found = format!("here `{small}` is {} and `{large}` is {}", show_duration(first), show_duration(most));
            contradiction(small, large, &found, given, reading);
        }
    }
}

/// A patch is on or off.
fn patches(shield: &ShieldTable, reading: &mut Reading) {
    let PatchesTable { enable, disable } = &shield.patches;
    for Located { value, span } in enable.iter().filter(|on| disable.iter().any(|off| off.value == on.value)) {
        let cve = value.cve();
        let problem = reading
            .at(problem::Kind::Contradiction, span, format!("`{cve}` is turned on and off"))
            .help("leave it in one of `enable` and `disable`");
        reading.report(problem);
    }
}

/// Said where the table that brings it about says one of the two.
fn contradiction<T: Table>(small: &str, large: &str, found: &str, given: &Over<T>, reading: &mut Reading) {
    let Some(span) = given.span(small).or_else(|| given.span(large)) else { return };
    let problem = reading
        .at(problem::Kind::Contradiction, &span, format!("`{small}` is above `{large}`"))
        .label(found)
        .help(format!("lower `{small}` or raise `{large}`"));
    reading.report(problem);
}

fn listener(
    table: &Located<ListenerTable>,
    gateway: &Gateway,
    process: &Process,
    brokers: &[Arc<Broker>],
    reading: &mut Reading,
) -> Option<Listener> {
    let located = table;
    let Located { value: table, span } = table;
    let own_limits = table.limits.clone().over(process.limits.clone());
    limits(&own_limits, &table.limits, reading);
    process_wide(&table.limits, &["max_buffered_total_bytes", "max_memory_bytes"], reading);
    within(&own_limits, &process.limits, &table.limits, reading);
    let own_deadlines = table.deadlines.clone().over(process.deadlines.clone());
    deadlines(&own_deadlines, &table.deadlines, reading);
    process_wide(&table.deadlines, &["drain"], reading);
    if table.shield.span("patches").is_some() {
        patches(&table.shield.clone().over(process.shield.clone()), reading);
    }
    protection(&table.protection.clone().over(process.protection.clone()), &table.protection, reading);
    process_wide(&table.protection, &["max_handshakes", "max_waiting_handshakes"], reading);
    let tls = table.tls.as_ref().map(|tls| tls::server_tls(tls, reading));
    if tls.is_none() {
        plain_listener(table, span, reading);
    }
    let around = identity::Around { tls: identity::Asked::of(table.tls.as_ref()), policy: &process.policy };
    let identity = identity::identity(located, &around, reading);
    let broker = table.broker.as_ref().and_then(|name| find_broker(name, gateway, brokers, reading));
    if let (Some(name), Some(broker)) = (&table.broker, &broker) {
        far::claims(&name.span, identity.as_ref(), &broker.credentials, reading);
    }
    Some(Listener {
        name: table.name.as_ref()?.value.as_str().into(),
        bind: table.bind.as_ref()?.value,
        broker: broker?,
        tls: tls.flatten(),
        websocket: table.websocket.as_ref().map(|websocket| websocket.value.clone()),
        proxy_protocol: table.proxy_protocol.as_ref().map(|table| identity::proxy_protocol(&table.value)),
        identity,
        admission: table.admission.as_ref().map(|admission| identity::admission(admission, around.tls, reading)),
        terms: Arc::new(terms(table, &own_limits, &own_deadlines, process)),
        tcp: table.tcp.clone(),
        deadlines: own_deadlines,
        limits: own_limits,
        addresses: table.addresses.as_ref().map_or_else(|| process.addresses.clone(), |own| own.value.said()),
        protection: table.protection.clone().over(process.protection.clone()),
    })
}

fn guards(protection: &Protection) -> Guards {
    Guards {
        subscriptions: protection.subscriptions,
        retained: protection.retained,
        max_open_qos2: protection.max_open_qos2,
        min_bytes_per_second: protection.min_bytes_per_second,
        slow_after: protection.slow_after,
    }
}

fn terms(table: &ListenerTable, limits: &Limits, deadlines: &Deadlines, process: &Process) -> Terms {
    let keep_alive = table.keep_alive.clone().over(process.keep_alive.clone());
    let shield = table.shield.clone().over(process.shield.clone());
    let packets = mqtt::Limits {
        max_packet_bytes: limits.max_packet_bytes,
        max_connect_bytes: limits.max_connect_bytes,
        max_control_bytes: limits.max_control_bytes,
        max_client_id_bytes: limits.max_client_id_bytes,
        max_topic_bytes: limits.max_topic_bytes,
        max_topic_levels: limits.max_topic_levels,
        max_user_properties: limits.max_user_properties,
        max_filters: limits.max_filters,
        refuse_control_characters: limits.refuse_control_characters,
    };
    Terms {
        versions: values(&table.versions),
        max_keep_alive: keep_alive.max,
        zero_keep_alive: keep_alive.zero,
        receive_maximum: limits.receive_maximum,
        topic_alias_maximum: limits.topic_alias_maximum,
        max_subscriptions: limits.max_subscriptions,
        stream_threshold_bytes: limits.stream_threshold_bytes,
        max_buffered_bytes: limits.max_buffered_bytes,
        guards: guards(&table.protection.clone().over(process.protection.clone())),
        shield: Arc::new(shield.said()),
        patches: shield.patches.said(),
        packet_deadline: deadlines.packet,
        connack_deadline: deadlines.connack,
        ..Terms::new(packets, Arc::clone(&process.policy))
    }
}

fn plain_listener(table: &ListenerTable, span: &Range<usize>, reading: &mut Reading) {
    let span = table.bind.as_ref().map_or(span, |bind| &bind.span);
    let problem = reading
        .at(problem::Kind::Unsafe, span, "a listener without TLS")
        .label("whatever is sent here can be read and changed on the way")
        .help(
            "give it `tls.certificate`, `tls.key` and `tls.client_ca`, or bind an address of the machine network alone",
        )
        .warning();
    reading.report(problem);
}

/// A key that counts for the whole process is no key of a listener.
fn process_wide<T: Table>(given: &Over<T>, keys: &[&str], reading: &mut Reading) {
    for key in keys {
        let Some(span) = given.span(key) else { continue };
        let problem = reading
            .at(problem::Kind::UnknownKey, &span, format!("`{key}` can't be set for one listener"))
            .label("it counts for the whole process")
            .help("move it to the table of the same name outside the listener");
        reading.report(problem);
    }
}

/// A listener's share of connections is within the process's.
fn within(own: &Limits, process: &Limits, given: &Over<Limits>, reading: &mut Reading) {
    let pairs = [
        ("max_connections", own.max_connections, process.max_connections),
        ("max_half_open", own.max_half_open, process.max_half_open),
    ];
    for (key, own, all) in pairs {
        let Some(span) = given.span(key).filter(|_| own > all) else { continue };
        let problem = reading
            .at(problem::Kind::Contradiction, &span, format!("`{key}` is above that of the process"))
            .label(format!("found {own}, expected at most {all}"))
            .help(format!("raise `{key}` in `[limits]`"));
        reading.report(problem);
    }
}

fn find_broker(
    name: &Located<String>,
    gateway: &Gateway,
    brokers: &[Arc<Broker>],
    reading: &mut Reading,
) -> Option<Arc<Broker>> {
    let found = brokers.iter().find(|broker| *broker.name == *name.value);
    let known = || gateway.broker.iter().filter_map(|table| table.value.name.as_ref());
    if found.is_none() && !known().any(|other| other.value == name.value) {
        let names = || known().map(|name| name.value.as_str());
        let help = match (nearest(&name.value, names()), names().count()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, 0) => format!("add a `[[broker]]` with `name = \"{}\"`", name.value),
            (None, _) => format!("names of brokers: {}", listed(names())),
        };
        let problem = reading
            .at(problem::Kind::UnknownName, &name.span, format!("no broker has the name `{}`", name.value))
            .label("expected the name of a `[[broker]]`")
            .help(help);
        reading.report(problem);
    }
    found.cloned()
}

fn file_exists(file: &Located<PathBuf>, reading: &mut Reading) {
    if file.value.as_os_str().is_empty() {
        return;
    }
    if let Err(error) = std::fs::File::open(&file.value) {
        no_file("can't open", &file.value, &super::reason(&error), &file.span, reading);
    } else if file.value.is_dir() {
        no_file("can't open", &file.value, "this is a folder", &file.span, reading);
    }
}

fn folder_exists(folder: &Located<PathBuf>, reading: &mut Reading) {
    if !folder.value.as_os_str().is_empty() && !folder.value.is_dir() {
        no_file("can't open", &folder.value, "expected a folder", &folder.span, reading);
    }
}

pub(super) fn no_file(what: &str, path: &Path, found: &str, span: &Range<usize>, reading: &mut Reading) {
    let is_absolute = reading.text(span).starts_with('/');
    let help = if is_absolute { "" } else { "relative paths begin at the folder of this file" };
    let problem =
        reading.at(problem::Kind::MissingFile, span, format!("{what} `{}`", path.display())).label(found).help(help);
    reading.report(problem);
}

fn values<T: Clone>(list: &[Located<T>]) -> Vec<T> {
    list.iter().map(|entry| entry.value.clone()).collect()
}

//! Generated settings of a Mosquitto, and who comes to it with what.

use aws_lc_rs::{digest, pbkdf2};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::papers;
use super::random::Random;

/// Who may do everything, and does the publishing whose deliveries are looked at.
pub(crate) const PROBE: &str = "probe";

/// Names with everything in them that has a meaning somewhere.
const USERS: [&str; 12] = ["ann", "bob", "cy", "a", "d/e", "f+g", "h#i", "$j", "%u", "ü", "${identity}", "k*"];
const CLIENT_IDS: [&str; 11] = ["ann", "b", "c1", "x/y", "p+q", "k#", "$c", "%c", "é", "${client_id}", "w*"];
const LEVELS: [&str; 7] = ["a", "b", "c", "ann", "c1", "", "é"];
/// Levels that are none of the above, and seldom.
const SPECIAL: [&str; 11] = ["d/e", "x/y", "pann", "c1-", "$j", "%u", "%c", "bob", "ü", "${identity}", "${client_id}"];

/// One client and what it asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    /// The name in its certificate, where it comes by TLS.
    pub(crate) certificate: Option<String>,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) publishes: Vec<String>,
    pub(crate) subscribes: Vec<String>,
}

/// Settings, visitors, and the topics whose deliveries are looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// Lines of mosquitto.conf before its listener.
    pub(crate) head: String,
    /// Lines of mosquitto.conf of its listener, and behind it; `@` stands for the folder.
    pub(crate) conf: String,
    /// Files by name.
    pub(crate) files: Vec<(&'static str, String)>,
    pub(crate) visitors: Vec<Visitor>,
    pub(crate) delivered: Vec<String>,
}

impl World {
    /// That permits everything.
    pub(crate) fn without_rules() -> Self {
        let conf = "allow_anonymous true\n".to_owned();
        Self { conf, ..Self::default() }
    }

    /// With an `acl_file`.
    pub(crate) fn of_acl_file(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let users = some(&mut random, &USERS, 5);
        let mut acl = String::new();
        for _ in 0..random.below(4) {
            acl.push_str(&topic_line(&mut random, "topic", &[]));
        }
        for user in &users {
            if !random.once_in(5) {
                acl.push_str(&format!("user {user}\n"));
                for _ in 0..random.below(5) {
                    acl.push_str(&topic_line(&mut random, "topic", &[]));
                }
            }
        }
        let variables: &[&str] = if random.once_in(2) { &["%c", "%u"] } else { &["%c", "%u", "p%u", "%c-", "%u%c"] };
        for _ in 0..random.below(6) {
            acl.push_str(&topic_line(&mut random, "pattern", variables));
        }
        acl.push_str(&format!("user {PROBE}\ntopic write #\ntopic write $SYS/#\ntopic write $x/#\n"));
        let mut conf = "acl_file @/acl\n".to_owned();
        let is_proven = !random.once_in(4);
        let allows_anonymous = !is_proven || random.once_in(2);
        conf.push_str(&format!("allow_anonymous {allows_anonymous}\n"));
        let mut files = vec![("acl", acl)];
        if is_proven {
            conf.push_str("password_file @/passwords\n");
            files.push(("passwords", passwords(users.iter().copied().chain([PROBE]))));
        }
        let (visitors, delivered) = visitors(&mut random, &users, false);
        Self { seed, conf, files, visitors, delivered, ..Self::default() }
    }

    /// With the dynamic security plugin.
    pub(crate) fn of_dynsec(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let users = some(&mut random, &USERS, 5);
        let names = ["r1", "r2", "r3"];
        let mut roles: Vec<Value> =
            names.iter().map(|name| json!({"rolename": name, "acls": acls(&mut random)})).collect();
        roles.push(json!({"rolename": PROBE, "acls": [
            {"acltype": "publishClientSend", "topic": "#", "allow": true},
            {"acltype": "publishClientSend", "topic": "$SYS/#", "allow": true},
            {"acltype": "publishClientSend", "topic": "$x/#", "allow": true},
        ]}));
        let mut clients: Vec<Value> = users.iter().map(|user| client(&mut random, user, &names)).collect();
        let mut probe = login(PROBE);
        probe["roles"] = json!([{"rolename": PROBE, "priority": 1000}]);
        clients.push(probe);
        let groups: Vec<Value> = ["g1", "g2"]
            .iter()
            .map(|group| {
                let chosen = users.iter().filter(|_| random.once_in(2));
                let mut members: Vec<Value> = chosen.map(|user| json!({"username": user})).collect();
                for member in &mut members {
                    if random.once_in(2) {
                        member["priority"] = json!(random.below(3));
                    }
                }
                json!({"groupname": group, "roles": ranked(&mut random, &names), "clients": members})
            })
            .collect();
        let mut document = json!({
            "defaultACLAccess": {
                "publishClientSend": random.once_in(3), "publishClientReceive": !random.once_in(3),
                "subscribe": random.once_in(3), "unsubscribe": true,
            },
            "roles": roles, "clients": clients, "groups": groups,
        });
        if random.once_in(2) {
            document["anonymousGroup"] = json!("g1");
        }
        let allows_anonymous = random.once_in(2);
        let plugin = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";
        let conf =
            format!("allow_anonymous {allows_anonymous}\nplugin {plugin}\nplugin_opt_config_file @/dynsec.json\n");
        let (visitors, delivered) = visitors(&mut random, &users, true);
        let files = vec![("dynsec.json", format!("{document:#}"))];
        Self { seed, conf, files, visitors, delivered, ..Self::default() }
    }

    /// One of the former, with settings that change who clients are.
    pub(crate) fn of_settings(seed: u64) -> Self {
        let mut world = if seed.is_multiple_of(2) { Self::of_acl_file(seed) } else { Self::of_dynsec(seed) };
        match seed / 2 % 6 {
            0 => world.by_certificate(),
            1 => world.conf.push_str("clientid_prefixes c\n"),
            2 => world.by_client_id(),
            3 => world.head = "per_listener_settings true\n".to_owned(),
            4 => world.conf = world.conf.replace("acl_file", "#").replace("plugin", "#"),
            _ => world.with_both(),
        }
        // Who takes another's Client Identifier ends that one's connection.
        let mut seen = std::collections::HashSet::new();
        world.visitors.retain(|visitor| seen.insert(visitor.username.clone()));
        world
    }

    /// Certificates prove who it is, and nothing else does.
    fn by_certificate(&mut self) {
        let file = |name: &str| papers::path(name).display().to_string();
        let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
        let tls = format!("cafile {ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n");
        self.conf = format!("{tls}use_identity_as_username true\n{}", self.conf);
        for visitor in &mut self.visitors {
            visitor.certificate = Some(visitor.username.clone().unwrap_or_else(|| "nobody".to_owned()));
        }
    }

    /// User names are Client Identifiers; most visitors send them as such.
    fn by_client_id(&mut self) {
        self.conf = format!("use_username_as_clientid true\n{}", self.conf);
        for (at, visitor) in self.visitors.iter_mut().enumerate().filter(|(at, _)| at % 4 != 0) {
            visitor.client_id = visitor.username.clone().unwrap_or_else(|| format!("v{at}"));
        }
    }

    /// The files of the plugin, and those that it is asked before.
    fn with_both(&mut self) {
        let other = if self.files.iter().any(|(name, _)| *name == "acl") {
            Self::of_dynsec(self.seed + 1_000_000)
        } else {
            Self::of_acl_file(self.seed + 1_000_000)
        };
        let is_said = |line: &&str| !line.starts_with("allow_anonymous");
        self.conf.extend(other.conf.lines().filter(is_said).map(|line| format!("{line}\n")));
        self.files.extend(other.files);
    }

    /// The probe, as it is let in here.
    pub(crate) fn probe(&self) -> Visitor {
        let is_by_certificate = self.visitors.iter().any(|visitor| visitor.certificate.is_some());
        let name = Some(PROBE.to_owned());
        // A prefix that some worlds ask for.
        let client_id = "c-the-probe".to_owned();
        let certificate = name.clone().filter(|_| is_by_certificate);
        Visitor { client_id, username: name, password: Some(password_of(PROBE)), certificate, ..Visitor::default() }
    }

    /// The probe where anybody is let in.
    pub(crate) fn stranger() -> Visitor {
        Visitor { client_id: "c-the-probe".to_owned(), ..Visitor::default() }
    }
}

/// Some of them, in their order.
fn some<'n>(random: &mut Random, all: &[&'n str], count: usize) -> Vec<&'n str> {
    let mut chosen: Vec<&str> = all.iter().copied().filter(|_| random.once_in(2)).collect();
    chosen.truncate(count);
    chosen
}

fn password_of(user: &str) -> String {
    format!("of {user}")
}

/// A password file, with both kinds of digest.
fn passwords<'u>(users: impl Iterator<Item = &'u str>) -> String {
    let entry = |(at, user): (usize, &'u str)| {
        let (salt, password) = (b"twelve bytes", password_of(user));
        if at % 2 == 0 {
            format!("{user}:$7$5${}${}\n", BASE64.encode(salt), pbkdf2_sha512(&password))
        } else {
            let hash = digest::digest(&digest::SHA512, &[password.as_bytes(), salt].concat());
            format!("{user}:$6${}${}\n", BASE64.encode(salt), BASE64.encode(hash.as_ref()))
        }
    };
    users.enumerate().map(entry).collect()
}

fn pbkdf2_sha512(password: &str) -> String {
    let rounds = std::num::NonZeroU32::new(5).expect("not zero");
    let mut hash = [0; 64];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, b"twelve bytes", password.as_bytes(), &mut hash);
    BASE64.encode(&hash)
}

fn login(user: &str) -> Value {
    let salt = BASE64.encode(b"twelve bytes");
    json!({"username": user, "salt": salt, "password": pbkdf2_sha512(&password_of(user)), "iterations": 5})
}

fn client(random: &mut Random, user: &str, roles: &[&str]) -> Value {
    let mut client = login(user);
    client["roles"] = ranked(random, roles);
    if random.once_in(8) {
        client["disabled"] = json!(true);
    }
    if random.once_in(6) {
        client["clientid"] = json!(random.of(&CLIENT_IDS));
    }
    if random.once_in(12) {
        client.as_object_mut().expect("an object").remove("password");
    }
    client
}

fn ranked(random: &mut Random, roles: &[&str]) -> Value {
    let mut ranked = Vec::new();
    for role in roles {
        if random.once_in(2) {
            let mut entry = json!({"rolename": role});
            if random.once_in(2) {
                entry["priority"] = json!(random.below(4));
            }
            ranked.push(entry);
        }
    }
    json!(ranked)
}

fn acls(random: &mut Random) -> Value {
    let count = random.below(9);
    let mut acls = Vec::new();
    for _ in 0..count {
        let kind = *random.of(&[
            "publishClientSend",
            "publishClientSend",
            "publishClientReceive",
            "publishClientReceive",
            "subscribePattern",
            "subscribePattern",
            "subscribeLiteral",
            "unsubscribePattern",
        ]);
        let topic = match kind {
            "subscribePattern" | "subscribeLiteral" if random.once_in(8) => {
                format!("$share/{}/{}", random.of(&["g1", "g2", "+"]), filter(random, &[]))
            }
            _ if random.once_in(6) => "#".to_owned(),
            _ => filter(random, &[]),
        };
        let acl = json!({
            "acltype": kind, "topic": topic, "priority": random.below(4), "allow": !random.once_in(3),
        });
        acls.push(acl);
    }
    json!(acls)
}

fn topic_line(random: &mut Random, word: &str, variables: &[&str]) -> String {
    let access = *random.of(&["", "read ", "write ", "readwrite ", "deny "]);
    let filter = filter(random, variables);
    // A line that is all blanks behind the word has no topic.
    if filter.trim().is_empty() { String::new() } else { format!("{word} {access}{filter}\n") }
}

fn filter(random: &mut Random, variables: &[&str]) -> String {
    if random.once_in(12) {
        return (*random.of(&["$SYS/#", "$SYS/a", "$SYS/broker/connection/+/state", "$SYS/+/#", "$x/a", "$x/#"]))
            .to_owned();
    }
    let depth = 1 + random.below(4);
    let mut levels: Vec<&str> = Vec::new();
    for _ in 0..depth {
        levels.push(match random.below(10) {
            0..=1 => "+",
            2..=4 if !variables.is_empty() => *random.of(variables),
            5 if random.once_in(3) => *random.of(&SPECIAL),
            _ => *random.of(&LEVELS),
        });
    }
    if random.once_in(3) {
        levels.push("#");
    }
    let text = levels.join("/");
    if text.is_empty() { "#".to_owned() } else { text }
}

fn name(random: &mut Random) -> String {
    if random.once_in(12) {
        return (*random.of(&["$SYS/a", "$SYS/broker/connection/b/state", "$x/a", "$x/b/c"])).to_owned();
    }
    let depth = 1 + random.below(4);
    let mut levels = Vec::new();
    for _ in 0..depth {
        levels.push(if random.once_in(8) { *random.of(&SPECIAL) } else { *random.of(&LEVELS) });
    }
    let text = levels.join("/");
    if text.is_empty() { "a".to_owned() } else { text }
}

fn visitors(random: &mut Random, users: &[&str], shares: bool) -> (Vec<Visitor>, Vec<String>) {
    let mut all: Vec<Visitor> = Vec::new();
    for at in 0..9 {
        let username = match random.below(6) {
            0 => None,
            1 => Some((*random.of(&["nobody", "zoë"])).to_owned()),
            _ if users.is_empty() => None,
            _ => Some((*random.of(users)).to_owned()),
        };
        let password = username.as_ref().and_then(|user| match random.below(7) {
            0 => None,
            1 => Some("wrong".to_owned()),
            _ => Some(password_of(user)),
        });
        let client_id = if random.once_in(4) { format!("v{at}") } else { (*random.of(&CLIENT_IDS)).to_owned() };
        if all.iter().any(|known| known.client_id == client_id) {
            continue;
        }
        let publishes = (0..12).map(|_| name(random)).collect();
        let mut subscribes: Vec<String> = (0..8).map(|_| filter(random, &[])).collect();
        subscribes.extend(["#", "+/#", "/#", "/+/#"].map(str::to_owned));
        if shares {
            subscribes.push(format!("$share/g{at}/{}", filter(random, &[]).replace('$', "s")));
        }
        subscribes.sort_unstable();
        subscribes.dedup();
        all.push(Visitor { certificate: None, client_id, username, password, publishes, subscribes });
    }
    let mut delivered: Vec<String> = (0..24).map(|_| name(random)).collect();
    delivered.sort_unstable();
    delivered.dedup();
    (all, delivered)
}

//! The reference of the settings, for people and for editors, from the same declarations that read them.

use serde_json::{Map, Value as Json, json};

use super::cases::CasesTable;
use super::policy::PolicyTable;
use super::read::{Key, Table};
use super::tables::Gateway;
use crate::identity::Attribute;

/// The JSON Schema of a table.
pub(super) fn table_schema(keys: &[Key]) -> Json {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = key.schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), json!(key.doc));
        }
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

/// `docs/gateway.schema.json`: the JSON Schema of `gateway.toml`.
pub fn schema() -> Json {
    file_schema::<Gateway>("gateway.toml, the settings of Tidegate")
}

/// `docs/policy.schema.json`: the JSON Schema of `policy.toml`.
pub fn policy_schema() -> Json {
    file_schema::<PolicyTable>("policy.toml, a policy of Tidegate")
}

/// `docs/cases.schema.json`: the JSON Schema of `cases.toml`.
pub fn cases_schema() -> Json {
    file_schema::<CasesTable>("cases.toml, requests and what a policy of Tidegate must say of them")
}

fn file_schema<T: Table>(title: &str) -> Json {
    let mut schema = T::schema();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!(title));
    }
    schema
}

const OPENING: &str = "\
# Settings

Generated from the code; `UPDATE_GOLDEN=1 cargo test --test golden` writes it anew.

`tidegate run -c gateway.toml` and `tidegate check -c gateway.toml` read one TOML file, `/etc/tidegate/gateway.toml`
when none is named, and the policies that it names. A key that is not in this list is refused, and so is a value outside
its range; nothing is unlimited. Editors that know JSON Schema can be given `gateway.schema.json`, `policy.schema.json`
and `cases.schema.json`, which lie beside this page.

- A *duration* is text: numbers with the units `ms`, `s`, `m`, `h`, `d`, as in `\"10s\"` or `\"1h30m\"`.
- A *size* is a number of bytes, or text with the unit `B`, `KiB`, `MiB` or `GiB`, as in `\"64KiB\"`.
- A *path* is relative to the folder of the file that names it.
";

const SMALLEST: &str = "
## The smallest secure start

```toml
policies = [\"policies/permit-all\"]

[[listener]]
name = \"field\"
bind = \"0.0.0.0:8883\"
broker = \"plant\"
tls.certificate = \"pki/gateway.pem\"
tls.key = \"pki/gateway.key\"
tls.clients = \"required\"
tls.client_ca = \"pki/field-ca.pem\"

[[broker]]
name = \"plant\"
servers = [\"127.0.0.1:1883\"]
```
";

const POLICY: &str = "
## `policy.toml`

A policy is a folder that holds this file. Nothing is permitted that no grant permits; one denial beats every grant, so
the order of rules never matters. `policies` may name several folders: they are one policy, names of roles and ids of
rules are unique over all of them, and its version is theirs, joined by `+`.

```toml
version = \"2026-11-22.1\"

[[role]]
name = \"sensor\"
match = { certificate.ou = \"sensors\", certificate.cn = \"temp-*\" }

[[grant]]
id = \"sensor-telemetry\"
roles = [\"sensor\"]
publish = [\"plant/+/temperature/${identity}\"]
max_qos = 1
retain = false

[[grant]]
id = \"sensor-commands\"
roles = [\"sensor\"]
subscribe = [\"plant/+/command/${identity}\"]

[[deny]]
id = \"nobody-writes-recipes-at-night\"
publish = [\"plant/+/recipe/#\"]
when = { outside = \"06:00-22:00\", timezone = \"Europe/Berlin\" }

[[payload]]
id = \"temperature-range\"
publish = [\"plant/+/temperature/+\"]
format = \"json\"
max_bytes = 1024
values = [
  { field = \"/celsius\", min = -40, max = 150, max_change = 5, per = \"1s\" },
  { field = \"/unit\", one_of = [\"C\"] },
]
on_deny = \"quarantine\"

[[signature]]
id = \"commands-are-signed\"
publish = [\"plant/+/command/+\"]
carrier = \"user-property\"
keys = \"command-keys.json\"
max_age = \"30s\"
strip = true
```

- A *glob* is text in which `*` is any run of characters; all else is itself, byte for byte.
- A Topic Filter of a rule is one of MQTT, in which a level may be a variable. It stands for exactly one level: a rule
  whose variable has no value, or several, or one with `+`, `#` or `/` in it, is not there for that client.
- `#` and `+` never stand for a first level that begins with `$`, and a rule names no `$share/…`: Shared Subscriptions are
  judged by what stands behind their share name, and by `share_groups`.
- Rules about payloads and signatures permit nothing: they refuse what grants permit, where they do not hold. All that speak
  of a message must hold; its size is judged first, then signatures, formats, schemas, values and interlocks. Sizes by their
  head alone; everything else needs the message whole, of up to `limits.max_buffered_bytes`.
- A *JSON Pointer* names a place: `/motor/rpm` is the member `rpm` of the member `motor`, `/values/0` the first item of
  `values`.
- Without `permit_all` a listener must say who its clients are, by `identity` or by asking for certificates.
";

const CASES: &str = "
## `cases.toml`

Beside a `policy.toml`, this file holds requests and what the policy must say of them; `tidegate test` asks it.

```toml
[[case]]
name = \"a sensor can't speak for its neighbour\"
as = { certificate.cn = \"temp-07\", certificate.ou = \"sensors\" }
publish = \"plant/line1/temperature/temp-08\"
expect = \"deny\"
rule = \"default\"

[[case]]
name = \"nobody writes recipes at night\"
as = { identity = \"mes\", listener = \"office\", address = \"10.1.2.3\" }
publish = \"plant/line1/recipe/7\"
qos = 1
at = 2026-11-22T03:00:00+01:00
expect = \"deny\"
reason = \"not_authorized\"

[[case]]
name = \"no motor is 60 degrees hotter after a second\"
as = { certificate.cn = \"temp-07\", certificate.ou = \"sensors\" }
given = [{ publish = \"plant/line1/temperature/temp-07\", payload = '{\"celsius\": 20, \"unit\": \"C\"}', ago = \"1s\" }]
publish = \"plant/line1/temperature/temp-07\"
payload = '{\"celsius\": 80, \"unit\": \"C\"}'
expect = \"deny\"
rule = \"temperature-range\"
field = \"/celsius\"
problem = \"changed_too_fast\"
```
";

/// `docs/configuration.md`: every key with its type, range, default and meaning.
pub fn markdown() -> String {
    let mut text = format!("{OPENING}{SMALLEST}");
    section(&mut text, "## `gateway.toml`", "", &Gateway::keys());
    known(&mut text);
    text.push_str(POLICY);
    below(&mut text, &PolicyTable::keys());
    text.push_str(CASES);
    below(&mut text, &CasesTable::keys());
    text
}

/// What stands for what is known of a client.
fn known(text: &mut String) {
    text.push_str(
        "\n## What is known of a client\n\nIn bindings, in credentials for a broker and in Topic Filters of rules ",
    );
    text.push_str("`${NAME}` stands for it, and `match` of a role holds texts against it.\n\n");
    let names: Vec<String> = Attribute::names().map(|name| format!("`{name}`")).collect();
    text.push_str(&format!(
        "{}, and `claim.NAME` for what a token or an authentication service says.\n",
        names.join(", ")
    ));
}

/// The keys of a file whose title and words are there already.
fn below(text: &mut String, keys: &[Key]) {
    rows(text, keys);
    nested(text, "", keys);
}

fn section(text: &mut String, title: &str, path: &str, keys: &[Key]) {
    text.push('\n');
    text.push_str(title);
    text.push_str("\n\n");
    rows(text, keys);
    nested(text, path, keys);
}

fn nested(text: &mut String, path: &str, keys: &[Key]) {
    for key in keys.iter().filter(|key| !key.keys.is_empty()) {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let title = if key.is_list { format!("### `[[{path}]]`") } else { format!("### `[{path}]`") };
        section(text, &format!("{title}\n\n{}", key.doc), &path, &key.keys);
    }
}

fn rows(text: &mut String, keys: &[Key]) {
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in keys {
        let default = match (&key.default, key.required) {
            (_, true) => "**required**".to_owned(),
            (Some(default), false) => format!("`{default}`"),
            (None, false) => "–".to_owned(),
        };
        text.push_str(&format!("| `{}` | {} | {default} | {} |\n", key.name, key.expects, key.doc.replace('|', "\\|")));
    }
}

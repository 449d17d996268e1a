//! The reference of the settings, for people and for editors, from the same declarations that read them.

use serde_json::{Map, Value as Json, json};

use super::policy::PolicyTable;
use super::read::{Key, Table};
use super::tables::Gateway;

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
    let mut schema = table_schema(&Gateway::keys());
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!("gateway.toml, the settings of Tidegate"));
    }
    schema
}

const OPENING: &str = "\
# Settings

Generated from the code; `UPDATE_GOLDEN=1 cargo test --test golden` writes it anew.

`tidegate run -c gateway.toml` and `tidegate check -c gateway.toml` read one TOML file, `/etc/tidegate/gateway.toml`
when none is named. A key that is not in this list is refused, and so is a value outside its range; nothing is unlimited.

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

A policy is a folder that holds this file. So far one rule exists.

```toml
version = \"1\"
permit_all = true
```
";

/// `docs/configuration.md`: every key with its type, range, default and meaning.
pub fn markdown() -> String {
    let mut text = format!("{OPENING}{SMALLEST}");
    section(&mut text, "## `gateway.toml`", "", &Gateway::keys());
    text.push_str(POLICY);
    rows(&mut text, &PolicyTable::keys());
    text
}

fn section(text: &mut String, title: &str, path: &str, keys: &[Key]) {
    text.push('\n');
    text.push_str(title);
    text.push_str("\n\n");
    rows(text, keys);
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

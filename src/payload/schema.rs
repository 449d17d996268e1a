//! JSON Schema, drafts 4 to 2020-12.
//!
//! Nothing is fetched: what a schema refers to comes from who compiles it, or not at all. Patterns take time linear in
//! the text, formats are asserted in every draft, and a format or draft that isn't known is an error: a rule that says
//! something is held to it. Read [`Schema`] first.

use std::collections::HashMap;
use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

use super::cbor::Cbor;
use super::document::Build;
use super::flaw::bounded;
use super::json::Json;
use super::messagepack::MessagePack;
use super::walk::walk;
use super::{Flaw, FlawKind, Format, Limits};

/// A schema, compiled.
pub struct Schema {
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

/// Why a schema can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It, or one that it refers to, is written in a dialect that isn't known.
    #[error("`$schema` names `{0}`, which is none of drafts 4, 6, 7, 2019-09 and 2020-12")]
    Dialect(String),
    /// What it refers to is not there.
    #[error("can't resolve `{uri}`: {problem}")]
    Unresolved {
        /// The reference, absolute.
        uri: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It refers to more than [`Schema::MAX_DOCUMENTS`].
    #[error("more than {} documents", Schema::MAX_DOCUMENTS)]
    Documents,
    /// All documents together have more than [`Schema::MAX_VALUES`].
    #[error("more than {} values in all documents together", Schema::MAX_VALUES)]
    Values,
    /// It is no schema.
    #[error("at `{place}`: {problem}")]
    Invalid {
        /// Where, as a JSON Pointer.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

/// Where a payload breaks a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaFlaw {
    /// It is not of its format.
    Payload(Flaw),
    /// It breaks a keyword.
    Schema {
        /// The place, as a JSON Pointer of at most [`Flaw::MAX_FIELD_BYTES`].
        field: Box<str>,
        /// The keyword.
        keyword: &'static str,
    },
}

/// Gives the document of a URI, or says why not.
pub type Resolve<'a> = dyn FnMut(&str) -> Result<Value, String> + 'a;

impl Schema {
    /// Documents of one schema, with all that they refer to.
    pub const MAX_DOCUMENTS: usize = 64;

    /// Values in all its documents together.
    pub const MAX_VALUES: usize = 100_000;

    /// What is told of a problem, in characters.
    const MAX_PROBLEM_CHARS: usize = 400;

    /// The memory that a pattern may take, in bytes.
    const MAX_PATTERN_BYTES: usize = 1 << 20;

    /// Compiles a schema. `base` is the URI of the document, which relative references start from; `resolve` is asked for
    /// each document that it has no part of.
    ///
    /// # Errors
    /// It is no schema, or not all of it is there.
    pub fn compile(document: &Value, base: &str, resolve: &mut Resolve<'_>) -> Result<Self, SchemaError> {
        let mut known = Known::default();
        let mut values = 0;
        check(document, &mut values)?;
        loop {
            let uri = match options(base, known.clone()).build(document) {
                Ok(validator) => return Ok(Self { validator }),
                Err(error) => missing(&error)?,
            };
            if known.documents.len() + 1 >= Self::MAX_DOCUMENTS {
                return Err(SchemaError::Documents);
            }
            let found = match resolve(&uri) {
                Ok(found) if !known.documents.contains_key(&uri) => found,
                Ok(_) => return Err(SchemaError::Unresolved { uri, problem: "it can't be read as a schema".into() }),
                Err(problem) => return Err(SchemaError::Unresolved { uri, problem }),
            };
            check(&found, &mut values)?;
            known.documents.insert(uri, found);
        }
    }

    /// Judges a payload: JSON, CBOR or MessagePack. Bytes are judged as their base64url text without padding, integers
    /// beyond 64 bits are refused.
    ///
    /// # Errors
    /// Where it breaks the schema.
    pub fn validate(&self, format: &Format, limits: &Limits, payload: &[u8]) -> Result<(), SchemaFlaw> {
        let mut build = Build::default();
        let read = match format {
            Format::Json => Json::new(payload).and_then(|json| walk(json, &mut build, limits, ())),
            Format::Cbor => walk(Cbor::new(payload), &mut build, limits, ()),
            Format::MessagePack => walk(MessagePack::new(payload), &mut build, limits, ()),
            Format::Text | Format::Number | Format::Binary(_) | Format::Protobuf(_) => {
                Err(Flaw::new(FlawKind::Unsupported))
            }
        };
        read.map_err(SchemaFlaw::Payload)?;
        let document = build.into_whole();
        if self.validator.is_valid(&document) {
            return Ok(());
        }
        match self.validator.validate(&document) {
            Ok(()) => Ok(()),
            Err(error) => Err(SchemaFlaw::Schema {
                field: bounded(error.instance_path().as_str().to_owned()),
                keyword: keyword(error.kind().keyword()),
            }),
        }
    }
}

/// What was resolved so far; nothing else is ever read.
#[derive(Clone, Default)]
struct Known {
    documents: HashMap<String, Value>,
}

impl Retrieve for Known {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        self.documents.get(uri.as_str()).cloned().ok_or_else(|| "not there".into())
    }
}

fn options(base: &str, known: Known) -> jsonschema::ValidationOptions<'static> {
    let bytes = Schema::MAX_PATTERN_BYTES;
    let patterns = PatternOptions::regex().size_limit(bytes).dfa_size_limit(bytes);
    jsonschema::options()
        .with_retriever(known)
        .with_base_uri(base)
        .with_pattern_options(patterns)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
}

/// The dialect and the size of a document.
fn check(document: &Value, values: &mut usize) -> Result<(), SchemaError> {
    if let Some(dialect) = document.get("$schema") {
        let known = dialect.as_str().is_some_and(|uri| DIALECTS.contains(&uri.trim_end_matches('#')));
        if !known {
            let name = dialect.as_str().map_or_else(|| dialect.to_string(), str::to_owned);
            return Err(SchemaError::Dialect(name.chars().take(200).collect()));
        }
    }
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        *values += 1;
        if *values > Schema::MAX_VALUES {
            return Err(SchemaError::Values);
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

const DIALECTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

/// The document that is not there, if that is what is wrong.
fn missing(error: &ValidationError<'_>) -> Result<String, SchemaError> {
    if let ValidationErrorKind::Referencing(jsonschema::ReferencingError::Unretrievable { uri, .. }) = error.kind() {
        return Ok(uri.clone());
    }
    let problem = error.to_string();
    // Advice on a setting that there is not.
    let problem = problem.split(". Adjust configuration").next().unwrap_or_default();
    let problem = problem.chars().take(Schema::MAX_PROBLEM_CHARS).collect();
    Err(SchemaError::Invalid { place: error.instance_path().as_str().to_owned(), problem })
}

/// Every keyword that a document can break.
const KEYWORDS: [&str; 34] = [
    "additionalItems",
    "additionalProperties",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "dependencies",
    "dependentRequired",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "propertyNames",
    "required",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// A schema that is `false` has no keyword: nothing is permitted there.
fn keyword(name: &str) -> &'static str {
    KEYWORDS.iter().find(|keyword| **keyword == name).copied().unwrap_or("false")
}

//! What an authentication service answers over HTTP, and whether that lets a client in.
//!
//! Not here: how it is asked (`gateway`). What is neither a clear yes nor a clear no is an error, and errors deny.
//! Read [`read`].

use std::fmt;

use super::is_name;
use super::token::claims::{Claims, seconds};
use crate::jwk::json::{Json, Object};

/// The longest answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 16 << 10;

/// How a service is asked and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object with all that is known of the client; the answer is one too.
    Json,
    /// The fields of a form; the status answers, or one word.
    Form,
}

/// What a service says of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is who it says it is.
    Allow(Allowed),
    /// It is not.
    Deny,
}

/// What a service says of a client that it lets in. `Debug` shows no claim.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Who the client is; none where the service leaves that to what it was asked.
    pub name: Option<Box<str>>,
    /// Until when, in seconds since 1970; none is without an end.
    pub expires: Option<i64>,
    /// What else it says of the client, as names and values; a name repeats for each value of a list.
    pub claims: Vec<(Box<str>, Box<str>)>,
}

impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowed").field("name", &self.name).field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A status by which a proxy says that the service is out of reach, or the service that it is down.
    #[error("the service is down")]
    Down,
    /// A status that says neither yes nor no. What a client shows may bring it about: 400, 413, 500.
    #[error("the service answered with a status that says neither yes nor no")]
    Status,
    /// A body that says neither yes nor no, or a yes that names nobody.
    #[error("the service answered with what says neither yes nor no")]
    Body,
}

/// Reads an answer.
///
/// # Errors
/// It says neither yes nor no.
pub fn read(format: Format, status: u16, body: &[u8]) -> Result<Answer, AnswerError> {
    match (format, status) {
        (Format::Json, 200) => Object::parse(body).ok_or(AnswerError::Body).and_then(|object| read_object(&object)),
        (Format::Form, 200 | 204) => read_form(body),
        (Format::Json, 401 | 403) | (Format::Form, 400 | 401 | 403) => Ok(Answer::Deny),
        (Format::Json | Format::Form, 502..=504) => Err(AnswerError::Down),
        (Format::Json | Format::Form, _) => Err(AnswerError::Status),
    }
}

/// `{"allow": true, "identity": "…", "expires": …, "claims": {…}}`.
fn read_object(object: &Object) -> Result<Answer, AnswerError> {
    if !is_yes(object)? {
        return Ok(Answer::Deny);
    }
    let name = given(object, "identity", "")?.map(|(_, value)| value.as_text().filter(|name| is_name(name)));
    let name = name.map(|name| name.ok_or(AnswerError::Body)).transpose()?;
    let claims = match given(object, "claims", "client_attrs")? {
        None => Claims::default(),
        Some((_, Json::Object(claims))) => Claims::read(claims).map_err(|_| AnswerError::Body)?,
        Some(_) => return Err(AnswerError::Body),
    };
    let expires = match given(object, "expires", "expire_at")? {
        None => None,
        Some((name, _)) => seconds(object, name).map_err(|_| AnswerError::Body)?,
    };
    Ok(Answer::Allow(Allowed { name: name.map(Into::into), expires, claims: claims.into_pairs() }))
}

/// A member that is there and not null, under our name or the one that services for EMQX have for it; which of the two.
fn given<'o>(
    object: &'o Object,
    ours: &'static str,
    theirs: &'static str,
) -> Result<Option<(&'static str, &'o Json)>, AnswerError> {
    let find = |name| object.get(name).filter(|value| !matches!(value, Json::Null)).map(|value| (name, value));
    match (find(ours), find(theirs)) {
        (Some(_), Some(_)) => Err(AnswerError::Body),
        (found, other) => Ok(found.or(other)),
    }
}

/// By `allow`; without it by `Ok`, as services for Mosquitto's go-auth say it, or by `result`, as those for EMQX do.
fn is_yes(object: &Object) -> Result<bool, AnswerError> {
    let said: Vec<&Json> = ["allow", "Ok", "result"].iter().filter_map(|name| object.get(name)).collect();
    match said.as_slice() {
        [Json::Bool(yes)] => Ok(*yes),
        [Json::Text(word)] => match &***word {
            "allow" | "ok" => Ok(true),
            "deny" | "ignore" => Ok(false),
            _ => Err(AnswerError::Body),
        },
        // Nothing, or more than one: which of them counts?
        [] | [_, ..] => Err(AnswerError::Body),
    }
}

/// Nothing, a word, or an object.
fn read_form(body: &[u8]) -> Result<Answer, AnswerError> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerError::Body)?.trim_ascii();
    match text.split_ascii_whitespace().next() {
        None | Some("ok" | "OK" | "allow") => Ok(Answer::Allow(Allowed::default())),
        Some("deny" | "ignore") => Ok(Answer::Deny),
        Some(_) => Object::parse(text.as_bytes()).ok_or(AnswerError::Body).and_then(|object| read_object(&object)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `yes`, the name, the end and the claims; `no`; or the error.
    fn said(format: Format, status: u16, body: &str) -> String {
        match read(format, status, body.as_bytes()) {
            Ok(Answer::Allow(allowed)) => {
                let claims: Vec<_> = allowed.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let name = allowed.name.as_deref().unwrap_or("-");
                format!("yes {name} {} {}", allowed.expires.unwrap_or_default(), claims.join(",")).trim_end().to_owned()
            }
            Ok(Answer::Deny) => "no".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn only_a_clear_yes_lets_in_and_only_a_clear_no_is_a_no() {
        use Format::{Form, Json};
        for (format, status, body, expected) in [
            (Json, 200, r#"{"allow": true}"#, "yes - 0"),
            (
                Json,
                200,
                r#"{"allow": true, "identity": "temp-07", "expires": 9, "claims": {"site": "north", "role": ["a", "b"]}}"#,
                "yes temp-07 9 site=north,role=a,role=b",
            ),
            (Json, 200, r#"{"allow": true, "identity": null, "expires": null}"#, "yes - 0"),
            (Json, 200, r#"{"allow": true, "identity": ""}"#, "Body"),
            (Json, 200, r#"{"allow": true, "identity": 7}"#, "Body"),
            (Json, 200, r#"{"allow": true, "expires": "soon"}"#, "Body"),
            (Json, 200, r#"{"allow": true, "claims": []}"#, "Body"),
            (Json, 200, r#"{"allow": true, "claims": null}"#, "yes - 0"),
            (Json, 200, r#"{"allow": false, "identity": 7}"#, "no"),
            (Json, 200, r#"{"allow": "true"}"#, "Body"),
            (Json, 200, r#"{"allow": 1}"#, "Body"),
            (Json, 200, r#"{"allow": true, "allow": false}"#, "Body"),
            (Json, 200, r#"{"allow": true, "result": "deny"}"#, "Body"),
            (Json, 200, r#"{"result": "allow"}"#, "yes - 0"),
            (Json, 200, r#"{"result": "ignore"}"#, "no"),
            (Json, 200, r#"{"result": "allow", "expire_at": 9, "client_attrs": {"sn": "7"}}"#, "yes - 9 sn=7"),
            (Json, 200, r#"{"allow": true, "expires": 9, "expire_at": 10}"#, "Body"),
            (Json, 200, r#"{"Ok": false, "Error": "bad"}"#, "no"),
            (Json, 200, "{}", "Body"),
            (Json, 200, "allow", "Body"),
            (Json, 200, "", "Body"),
            (Json, 204, "", "Status"),
            (Json, 302, r#"{"allow": true}"#, "Status"),
            (Json, 401, "", "no"),
            (Json, 403, r#"{"allow": true}"#, "no"),
            (Json, 400, "", "Status"),
            (Json, 404, "", "Status"),
            (Json, 429, "", "Status"),
            (Json, 500, r#"{"allow": true}"#, "Status"),
            (Form, 200, "", "yes - 0"),
            (Form, 204, "", "yes - 0"),
            (Form, 200, "ok\n", "yes - 0"),
            (Form, 200, "allow administrator", "yes - 0"),
            (Form, 200, "deny", "no"),
            (Form, 200, "<html>please log in</html>", "Body"),
            (Form, 200, r#"{"Ok": true, "Error": ""}"#, "yes - 0"),
            (Form, 200, r#"{"Ok": false, "Error": "bad"}"#, "no"),
            (Form, 400, "", "no"),
            (Form, 403, "", "no"),
            (Form, 404, "", "Status"),
            (Form, 500, "", "Status"),
            (Form, 503, "ok", "Down"),
            (Json, 501, "", "Status"),
            (Json, 502, "", "Down"),
            (Json, 504, r#"{"allow": true}"#, "Down"),
        ] {
            assert_eq!(said(format, status, body), expected, "{format:?} {status} {body}");
        }
    }
}

//! `cases.toml`: a few requests with the answers that the files give, so that the policy carries its own proof.
//!
//! The answers come from the ordered lists, not from the rules made of them.

use std::fmt::Write as _;

use super::rules::Realm;
use super::sheet::{Action, Line, Sheet, Subject, Who};
use super::write::{comment, quoted, setting};
use crate::mqtt::topic;

/// Clients that have cases.
const MAX_SUBJECTS: usize = 8;
/// The Client Identifier in cases of clients that may have any.
const CLIENT_ID: &str = "client-1";
/// A topic that no file is likely to give.
const ELSEWHERE: &str = "import/not-given";

/// Writes cases for some clients of a sheet.
pub(super) fn cases(sheet: &Sheet, realm: &Realm) -> String {
    let mut text = String::new();
    let told: Vec<&Subject> = sheet.subjects.iter().filter(|subject| can_be_told(subject)).collect();
    let step = told.len().div_ceil(MAX_SUBJECTS).max(1);
    for subject in told.iter().step_by(step) {
        let asking = Asking { sheet, realm, subject };
        asking.case(&mut text, "may connect", "connect = true", true);
        for (action, verb) in [(Action::Publish, "publish"), (Action::Receive, "receive")] {
            if let Some(name) = asking.example(subject, action).filter(|name| asking.permits(action, name)) {
                asking.case(&mut text, &format!("may {verb} what is given"), &asked(verb, &name), true);
            }
            let of_others = told.iter().filter_map(|other| asking.example(other, action));
            let mut denied = of_others.chain([ELSEWHERE.to_owned()]).filter(|name| !asking.permits(action, name));
            if let Some(name) = denied.next() {
                asking.case(&mut text, &format!("may not {verb} what is not"), &asked(verb, &name), false);
            }
        }
    }
    text
}

fn asked(verb: &str, name: &str) -> String {
    format!("{verb} = {}", quoted(name))
}

/// Whether a case can say who it is.
fn can_be_told(subject: &Subject) -> bool {
    match &subject.who {
        Who::User(name) => !name.is_empty(),
        Who::Anonymous => true,
        Who::Others => false,
    }
}

struct Asking<'s> {
    sheet: &'s Sheet,
    realm: &'s Realm,
    subject: &'s Subject,
}

impl Asking<'_> {
    fn client_id(&self, name: &str) -> &str {
        self.realm.bound.get(name).map_or(CLIENT_ID, String::as_str)
    }

    fn case(&self, text: &mut String, what: &str, asked: &str, is_allowed: bool) {
        let (title, mut who) = match &self.subject.who {
            Who::User(name) if self.realm.is_unproven => {
                (format!("`{name}`"), vec![("username", name.as_str()), ("method", "anonymous")])
            }
            Who::User(name) => (format!("`{name}`"), vec![("identity", name.as_str()), ("username", name)]),
            Who::Anonymous | Who::Others => ("a client without a user name".to_owned(), vec![("method", "anonymous")]),
        };
        let name = match &self.subject.who {
            Who::User(name) => name,
            Who::Anonymous | Who::Others => "",
        };
        who.push(("client_id", self.client_id(name)));
        who.extend(self.realm.listeners.first().map(|listener| ("listener", listener.as_str())));
        let who: Vec<String> = who.iter().map(|(key, value)| format!("{key} = {}", quoted(value))).collect();
        text.push_str("\n[[case]]\n");
        let at = self.realm.listeners.first().map(|listener| format!(" at `{listener}`")).unwrap_or_default();
        setting(text, "name", &quoted(&format!("{title} {what}{at}")));
        setting(text, "as", &format!("{{ {} }}", who.join(", ")));
        let _ = writeln!(text, "{asked}");
        setting(text, "expect", if is_allowed { "\"allow\"" } else { "\"deny\"" });
    }

    /// What a filter is for this client.
    fn bound(&self, filter: &str) -> Option<String> {
        let name = match &self.subject.who {
            Who::User(name) => Some(name.as_str()),
            Who::Anonymous | Who::Others => None,
        };
        let level = |level| match level {
            "${client_id}" => Some(self.client_id(name.unwrap_or_default())),
            "${identity}" | "${username}" => name,
            other => Some(other),
        };
        let levels: Option<Vec<&str>> = filter.split('/').map(level).collect();
        Some(levels?.join("/"))
    }

    /// A topic that the lists of a client give.
    fn example(&self, subject: &Subject, action: Action) -> Option<String> {
        let lists = subject.lists.iter().filter_map(|list| self.sheet.lists.get(*list));
        let mut given = lists.flat_map(|list| list.given(action)).filter(|filter| !filter.starts_with('$'));
        let filter = self.bound(given.next()?)?;
        let levels = filter.split('/').map(|level| if matches!(level, "+" | "#") { "x" } else { level });
        Some(levels.collect::<Vec<_>>().join("/"))
    }

    /// The answer of the lists: of the first line that fits.
    fn permits(&self, action: Action, name: &str) -> bool {
        let fits = |line: &&Line| {
            let is_excepted = line.except.iter().any(|filter| topic::matches(filter, name));
            let filters = line.filters.iter().filter_map(|filter| self.bound(filter));
            !is_excepted && filters.into_iter().any(|filter| topic::matches(&filter, name))
        };
        let lists = self.subject.lists.iter().filter_map(|list| self.sheet.lists.get(*list));
        lists.flat_map(|list| list.lines(action)).find(fits).is_some_and(|line| line.allow)
    }
}

/// What the file begins with.
pub(super) fn head() -> String {
    let mut text = String::new();
    comment(&mut text, "A few of the answers that the files gave; `tidegate test` holds the policy to them.");
    text
}

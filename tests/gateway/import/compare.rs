//! Where two sides answer otherwise, and whether the report tells why.

use tidegate::import::{Kind, Report};
use tidegate::mqtt::topic;

use super::answers::Answers;
use super::sides::unshared;
use super::world::{Visitor, World};

/// How many requests were answered, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    /// Permitted by both.
    pub(crate) permitted: usize,
    /// Answered otherwise, as the report tells.
    pub(crate) told: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.permitted += other.permitted;
        self.told += other.told;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Connect,
    Publish,
    Subscribe,
    Receive,
}

/// Holds each answer of one side against the other's; an answer that differs and that nothing explains fails the test.
pub(crate) fn compare(world: &World, published: &[String], sides: (&[Answers], &[Answers]), report: &Report) -> Tally {
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for (at, visitor) in world.visitors.iter().enumerate() {
        let (theirs, ours) = (&sides.0[at], &sides.1[at]);
        let mut asked = vec![(Verb::Connect, "", theirs.connected, ours.connected)];
        if theirs.connected && ours.connected {
            asked.extend(
                theirs
                    .published
                    .iter()
                    .map(|(topic, permitted)| (Verb::Publish, topic.as_str(), *permitted, ours.published[topic])),
            );
            asked.extend(
                theirs
                    .subscribed
                    .iter()
                    .map(|(filter, permitted)| (Verb::Subscribe, filter.as_str(), *permitted, ours.subscribed[filter])),
            );
            asked.extend(published.iter().map(|topic| {
                (Verb::Receive, topic.as_str(), theirs.delivered.contains(topic), ours.delivered.contains(topic))
            }));
        }
        for (verb, what, permitted, permits) in asked {
            tally.requests += 1;
            tally.permitted += usize::from(permitted && permits);
            if permitted == permits {
                continue;
            }
            if is_told(visitor, (theirs, ours), (verb, what), permits, report) {
                tally.told += 1;
            } else {
                let (user, id) = (&visitor.username, &visitor.client_id);
                wrong.push(format!("{verb:?} {what:?} of {user:?} as {id:?}: there {permitted}, here {permits}"));
            }
        }
    }
    if !wrong.is_empty() {
        let told: Vec<String> = report.differences().chain(report.remarks()).map(ToString::to_string).collect();
        let files = world.files.iter().map(|(name, text)| format!("--- {name}\n{text}")).collect::<String>();
        let (wrong, told) = (wrong.join("\n"), told.join("\n"));
        panic!("world {}:\n{wrong}\n--- report\n{told}\n--- conf\n{}{files}", world.seed, world.conf);
    }
    tally
}

/// Whether the report tells of such a difference.
fn is_told(
    visitor: &Visitor,
    (theirs, ours): (&Answers, &Answers),
    (verb, what): (Verb, &str),
    permits: bool,
    report: &Report,
) -> bool {
    if permits {
        // More than before is only ever a part of what is permitted as a whole, and what comes of it.
        let literals = literals(report);
        let is_part = |filter: &str| literals.iter().any(|whole| topic::covers(whole, unshared(filter)));
        let more = ours.subscribed.iter().filter(|(filter, taken)| **taken && !theirs.subscribed[*filter]);
        let mut more = more.filter(|(filter, _)| is_part(filter));
        // No Topic Name is empty.
        let same = match what {
            "#" => "+/#",
            "/#" => "/+/#",
            other => other,
        };
        let is_same = report.tells(Kind::Always) && theirs.subscribed.get(same) == Some(&true);
        return match verb {
            Verb::Subscribe => is_part(what) || is_same,
            Verb::Receive => more.any(|(filter, _)| topic::matches(unshared(filter), what)),
            Verb::Connect | Verb::Publish => false,
        };
    }
    let is_strange = |name: &str| name.contains(['/', '+', '#']) || name.starts_with('$');
    let has_strange_name = is_strange(&visitor.client_id) || visitor.username.as_deref().is_some_and(is_strange);
    let kinds: &[Kind] = match verb {
        Verb::Connect => &[Kind::User, Kind::Text, Kind::Setting],
        Verb::Publish => &[Kind::PartOfALevel, Kind::Text, Kind::Precedence],
        Verb::Subscribe => &[Kind::SubscribeDeny, Kind::Covering, Kind::Text],
        Verb::Receive => &[
            Kind::PartOfALevel,
            Kind::Text,
            Kind::Precedence,
            Kind::SubscribeDeny,
            Kind::Covering,
            Kind::SharedSubscription,
        ],
    };
    let is_share = verb == Verb::Subscribe && what.starts_with("$share/");
    report.tells(Kind::TwoSources)
        || kinds.iter().any(|kind| report.tells(*kind))
        || (is_share && report.tells(Kind::SharedSubscription))
        || (what.starts_with('$') && report.tells(Kind::Always))
        || (has_strange_name && report.tells(Kind::Always) && verb != Verb::Connect)
}

/// The filters of rights to one very filter, as the report names them.
fn literals(report: &Report) -> Vec<String> {
    let items = report.differences().filter(|item| item.kind == Kind::SubscribeLiteral);
    items.filter_map(|item| item.text.split('`').nth(1).map(str::to_owned)).collect()
}

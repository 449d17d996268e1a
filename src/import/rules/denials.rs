//! Lines that take, as denials with exceptions.

use std::collections::{BTreeMap, HashMap};

use super::Adding;
use super::roles::{Class, Purpose};
use crate::import::filter::widest;
use crate::import::report::{Kind, Place, listed};
use crate::import::sheet::{Action, List};
use crate::mqtt::topic;
use crate::policy::{Deny, Role};

/// A denial that is being put together.
#[derive(Default)]
struct Taken {
    filters: BTreeMap<Action, Vec<String>>,
    places: Vec<Place>,
}

/// Denials that are being put together: for whom, and what they leave alone.
type Denials = BTreeMap<(Class, Vec<String>), Taken>;

impl Adding<'_> {
    pub(super) fn denies(&mut self, at: usize, list: &List) {
        let mut taken: Denials = BTreeMap::new();
        for action in Action::ALL {
            for (index, line) in list.lines(action).iter().enumerate().filter(|(_, line)| !line.allow) {
                for filter in &line.filters {
                    let classes = self.classes(at, |before| {
                        let own = list.lines(action).iter().take(index).filter(|line| line.allow);
                        let own = own.flat_map(|line| line.filters.iter().map(String::as_str));
                        let before = before.iter().flat_map(|list| list.given(action));
                        excepted(filter, before.chain(own), &line.except)
                    });
                    take(&mut taken, classes, action, filter, &line.place);
                }
            }
        }
        if self.sheet.judges_subscriptions {
            self.undelivered(at, list, &mut taken);
        }
        self.tell_of_more(&taken);
        for ((class, except), what) in taken {
            let roles = self.roles(&class, Purpose::Deny, list);
            let id = self.rules.names.fresh(&format!("{}{}-deny", self.realm.prefix, list.id));
            let mut deny = Deny { except, ..Deny::new(&id) };
            if roles != [Role::EVERYONE] {
                deny.roles = roles;
            }
            self.rules.notes.insert(id, listed(&what.places));
            let mut filters = what.filters;
            deny.publish = filters.remove(&Action::Publish).unwrap_or_default();
            deny.subscribe = filters.remove(&Action::Subscribe).unwrap_or_default();
            deny.receive = filters.remove(&Action::Receive).unwrap_or_default();
            self.rules.draft.denies.push(deny);
        }
    }

    /// A subscription that is granted brings its deliveries with it: what is not given to be received is denied again.
    fn undelivered(&mut self, at: usize, list: &List, taken: &mut Denials) {
        for line in list.subscribe.iter().filter(|line| line.allow) {
            for filter in &line.filters {
                let mut classes: BTreeMap<Vec<String>, Class> = BTreeMap::new();
                for subject in self.holders(at) {
                    let all = subject.lists.iter().filter_map(|list| self.sheet.lists.get(*list));
                    let received = all.flat_map(|list| list.given(Action::Receive));
                    if let Some(except) = excepted(filter, received, &[]) {
                        classes.entry(except).or_default().add(&subject.who);
                    }
                }
                take(taken, classes, Action::Receive, filter, &line.place);
            }
        }
    }

    /// Who comes to a list from which lists, told apart by what `except` makes of those; none of it says nothing.
    fn classes(&self, at: usize, except: impl Fn(&[&List]) -> Option<Vec<String>>) -> BTreeMap<Vec<String>, Class> {
        let mut known: HashMap<&[usize], Option<Vec<String>>> = HashMap::new();
        let mut classes: BTreeMap<Vec<String>, Class> = BTreeMap::new();
        for subject in self.holders(at) {
            let before = subject.lists.split(|list| *list == at).next().unwrap_or_default();
            let except = known.entry(before).or_insert_with(|| {
                let lists: Vec<&List> = before.iter().filter_map(|list| self.sheet.lists.get(*list)).collect();
                except(&lists)
            });
            if let Some(except) = except {
                classes.entry(except.clone()).or_default().add(&subject.who);
            }
        }
        classes
    }

    /// Tells of denials that take in more than they should.
    fn tell_of_more(&mut self, taken: &Denials) {
        for ((class, except), what) in taken {
            if !self.takes_in_more(class) {
                continue;
            }
            let users = self.everyone.users.iter().filter(|user| class.users.binary_search(user).is_err());
            let users: Vec<&str> = users.map(String::as_str).collect();
            // Whoever has a user name can be told from those without, where those are not meant.
            if users.is_empty() && !class.anonymous {
                continue;
            }
            let but = if except.is_empty() { String::new() } else { format!(", but for `{}`", except.join("`, `")) };
            let also = also(&users);
            for place in &what.places {
                let text = format!("denied to all{but}: {also} can't be left out, who may have more");
                self.report.add(Kind::Precedence, Some(place), text);
            }
        }
    }
}

fn take(taken: &mut Denials, classes: BTreeMap<Vec<String>, Class>, action: Action, filter: &str, place: &Place) {
    for (except, class) in classes {
        let what = taken.entry((class, except)).or_default();
        let filters = what.filters.entry(action).or_default();
        if !filters.iter().any(|known| known == filter) {
            filters.push(filter.to_owned());
        }
        if !what.places.contains(place) {
            what.places.push(place.clone());
        }
    }
}

/// What a denial of `filter` leaves alone: of what is given, all that touches it. None where that is all of it.
fn excepted<'f>(filter: &str, given: impl Iterator<Item = &'f str>, own: &[String]) -> Option<Vec<String>> {
    let wide = widest(filter);
    let mut except: Vec<String> = own.to_vec();
    for other in given {
        let is_fixed = !other.contains("${");
        if is_fixed && topic::covers(other, &wide) {
            return None;
        }
        if topic::overlaps(&widest(other), &wide) && !except.iter().any(|known| known == other) {
            except.push(other.to_owned());
        }
    }
    except.sort_unstable();
    let all = except.clone();
    except.retain(|one| {
        !all.iter().any(|other| other != one && !other.contains("${") && topic::covers(other, &widest(one)))
    });
    Some(except)
}

/// Whom a denial takes in beside those whom it is for.
fn also(users: &[&str]) -> String {
    match users {
        [] => "clients with a user name".to_owned(),
        [one] => format!("`{one}`"),
        [one, more @ ..] => format!("`{one}` and {} more", more.len()),
    }
}

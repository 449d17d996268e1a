//! Rules about rates weighed by themselves, in words: which of them count a request. No bucket is looked into.

use super::plan::{Limit, Said};
use super::rule::{Per, Unit};
use crate::policy::compile::Ruling;
use crate::policy::filter::Void;
use crate::policy::{Authority, Kind, Request, Says, Weighed};

impl Authority {
    /// Every rule about rates, weighed for a request.
    pub(in crate::policy) fn weigh_rates(&self, request: &Request<'_>, weighed: &mut Vec<Weighed>) {
        for rule in &self.index().rates.rules {
            let said = self.speaks(rule).and_then(|()| self.counts(rule, request));
            weighed.push(self.weighed(rule, Kind::Rate, said.map(|why| (Says::Allow, why))));
        }
    }

    fn counts(&self, rule: &Ruling<Said>, request: &Request<'_>) -> Result<String, String> {
        let is_published = match request {
            Request::Publish(_) => true,
            Request::Receive(_) => false,
            Request::Connect(_) => return rule.counted(&[Unit::Connections, Unit::Packets], &self.index().rates),
            Request::Subscribe(_) => return rule.counted(&[Unit::Subscriptions, Unit::Packets], &self.index().rates),
            Request::Will(_) | Request::Respond(_) => return Err("rates do not count this".to_owned()),
        };
        let (Request::Publish(message) | Request::Receive(message)) = request else { return Err(String::new()) };
        let own = &rule.said.rule;
        if !rule.is_filtered() {
            let units = [Unit::Messages, Unit::Bytes, Unit::Packets];
            let units: &[Unit] = if is_published { &units } else { &[] };
            return rule.counted(units, &self.index().rates);
        }
        let filters = if is_published { &own.publish } else { &own.receive };
        let covers = |text: &&String| {
            self.filter(text).is_some_and(|filter| filter.covers(message.topic, &self.values, Void::Anything))
        };
        let filter = filters.iter().find(covers).ok_or_else(|| "none of its filters matches the topic".to_owned())?;
        let counted = rule.counted(&[Unit::Messages, Unit::Bytes], &self.index().rates)?;
        Ok(format!("`{filter}` matches: {counted}"))
    }
}

impl Ruling<Said> {
    /// What it counts of these, in words.
    fn counted(&self, units: &[Unit], plan: &super::Plan) -> Result<String, String> {
        let counted = self.limits(plan).filter(|(_, limit)| units.contains(&limit.unit));
        let counted: Vec<String> = counted.map(|(_, limit)| limit.words()).collect();
        if counted.is_empty() {
            return Err("it does not count this".to_owned());
        }
        let by = match self.said.rule.per {
            Per::Gateway => "of all clients".to_owned(),
            Per::Prefix { ipv4, ipv6 } => format!("per prefix (/{ipv4}, /{ipv6})"),
            per @ (Per::Identity | Per::Client | Per::Address | Per::Role | Per::Topic | Per::Listener) => {
                format!("per {}", per.label())
            }
        };
        Ok(format!("it is counted {by}: {}", counted.join("; ")))
    }
}

impl Limit {
    fn words(&self) -> String {
        let Self { unit, rate, on_excess, weigh, .. } = self;
        let weighed = if *weigh > 0 { format!(" of {weigh} bytes") } else { String::new() };
        let (unit, excess) = (unit.label(), on_excess.label());
        format!("{} {unit}{weighed} in {:?}, {} at once, else {excess}", rate.tokens(), rate.per(), rate.burst())
    }
}

//! What a signature must be, and how one is made.

use aws_lc_rs::rand;

use super::case::{Case, Run, Way};
use super::fault::Fault;
use super::rewrite::{Rewrite, Rewritten};
use super::rule::{Act, Required, SignatureRule};
use crate::jwk;
use crate::mqtt::property::Property;
use crate::policy::Reason;
use crate::policy::error::DraftError;
use crate::policy::memory::{Count, Key, NonceUse, Used};
use crate::signature::{Freshness, Message, Nonce, Once, Plain, Scheme, SignatureFlaw, Verified};

use super::history::millis;

/// A rule about signatures, made ready.
#[derive(Debug)]
pub(in crate::policy) struct Seal {
    said: SignatureRule,
    /// The same where age does not matter.
    ageless: Option<Scheme>,
    /// How long after it was signed a message may be taken by a rule that shares a key with this one, in milliseconds.
    lives: i64,
}

/// What the rules about one message have used up of it: what one has, the next has not to ask for again.
#[derive(Debug, Default)]
pub(super) struct Spent(Vec<Key>);

/// What a rule found that has nothing against a message.
#[derive(Debug)]
pub(super) enum Held<'k> {
    /// It is not signed, and need not be yet.
    Unsigned,
    /// It is signed; the id of the key.
    Signed(&'k str),
}

impl Seal {
    /// The longest that anything is asked to be remembered: over a thousand years.
    const EVER: std::time::Duration = std::time::Duration::from_secs(1 << 35);
    /// Bytes of the nonces that are made here.
    const NONCE_BYTES: usize = 16;

    /// Makes a rule ready.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(in crate::policy) fn new(rule: SignatureRule) -> Result<Self, Vec<DraftError>> {
        let wrong = |why: &str| DraftError::Signature { rule: rule.rule.id.clone(), why: why.to_owned() };
        let scheme = &rule.scheme;
        let mut errors = Vec::new();
        if let Err(problem) = scheme.check() {
            errors.push(wrong(&problem.to_string()));
        }
        if scheme.max_age.is_some_and(|age| age.is_zero()) {
            errors.push(wrong("its `max_age` is no time at all"));
        }
        if rule.max_nonces == 0 && scheme.freshness != Freshness::Counter {
            errors.push(wrong("without room for nonces no message would be taken"));
        }
        match &rule.act {
            Act::Verify(keys) | Act::Strip(keys) => {
                if !scheme.algorithms.iter().any(|algorithm| keys.supports(*algorithm)) {
                    errors.push(wrong("none of its keys is for one of its algorithms"));
                }
            }
            Act::Sign { keys, kid } => {
                match keys.get(kid) {
                    None => errors.push(wrong("there is no key of the name that it is to sign with")),
                    Some(key) if !scheme.algorithms.contains(&key.algorithm()) => {
                        errors.push(wrong("the key that it signs with is for none of its algorithms"));
                    }
                    Some(_) => {}
                }
                if scheme.freshness == Freshness::Counter {
                    errors.push(wrong("the gateway signs with nonces: gateways that share a key share no counter"));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let ageless = rule.retained_any_age || scheme.max_age.is_some();
        let ageless = ageless.then(|| Scheme { max_age: scheme.max_age.map(|_| Self::EVER), ..scheme.clone() });
        let lives = lives(&rule.scheme);
        Ok(Self { said: rule, ageless, lives })
    }

    /// Has nonces kept for as long as any of these rules would take them: rules that share a key share what it has signed.
    pub(super) fn keep_for(seals: &mut [&mut Self]) {
        let known: Vec<(Vec<u64>, i64)> = seals.iter().map(|seal| (seal.marks(), seal.lives)).collect();
        for seal in seals {
            let own = seal.marks();
            let shared = known.iter().filter(|(marks, _)| marks.iter().any(|mark| own.contains(mark)));
            seal.lives = shared.map(|(_, lives)| *lives).fold(seal.lives, i64::max);
        }
    }

    /// Of the keys by which it takes nonces.
    fn marks(&self) -> Vec<u64> {
        match &self.said.act {
            Act::Verify(keys) | Act::Strip(keys) if self.said.scheme.freshness != Freshness::Counter => {
                keys.keys().iter().map(jwk::Key::mark).collect()
            }
            Act::Verify(_) | Act::Strip(_) | Act::Sign { .. } => Vec::new(),
        }
    }

    /// Whether messages go on otherwise than they came.
    pub(super) const fn rewrites(&self) -> bool {
        matches!(self.said.act, Act::Strip(_) | Act::Sign { .. })
    }

    /// Whether it makes signatures.
    pub(super) const fn signs(&self) -> bool {
        matches!(self.said.act, Act::Sign { .. })
    }

    /// Whether it takes them off.
    pub(super) const fn strips(&self) -> bool {
        matches!(self.said.act, Act::Strip(_))
    }

    /// Judges the signature of a message; one that is to be signed has nothing against it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn judge(&self, case: &Case<'_>, spent: &mut Spent) -> Result<Held<'_>, Fault> {
        let (Act::Verify(keys) | Act::Strip(keys)) = &self.said.act else { return Ok(Held::Unsigned) };
        let payload = case.message.payload.ok_or_else(|| Fault::whole(Reason::Signature, Fault::NOT_SEEN))?;
        let message = Message { topic: case.message.topic, payload };
        let scheme = self.ageless.as_ref().filter(|_| self.is_timeless(case)).unwrap_or(&self.said.scheme);
        let properties = case.message.properties.unwrap_or_default();
        let properties = properties.iter().filter_map(|property| {
            if let Property::UserProperty(name, value) = property { Some((name, value)) } else { None }
        });
        let verified = match scheme.verify(keys, message, properties, case.now) {
            Ok(verified) => verified,
            Err(SignatureFlaw::Missing) if !self.is_required(case.now) => return Ok(Held::Unsigned),
            Err(flaw) => return Err(fault(flaw)),
        };
        self.judge_key(&verified, case)?;
        let mark = keys.get(verified.kid).map_or(0, jwk::Key::mark);
        self.judge_once(mark, &verified, case, spent)?;
        Ok(Held::Signed(verified.kid))
    }

    /// Whether there must be a signature by now.
    const fn is_required(&self, now: i64) -> bool {
        match self.said.required {
            Required::Always => true,
            Required::IfPresent => false,
            Required::From(from) => now >= from,
        }
    }

    /// Whether its age is no matter: it was judged when it came, or is kept by the broker for whoever comes.
    fn is_timeless(&self, case: &Case<'_>) -> bool {
        case.run == Run::Again || self.said.retained_any_age && is_kept(case)
    }

    /// Whether the key is one that this client, or any, may sign such messages with.
    fn judge_key(&self, verified: &Verified<'_>, case: &Case<'_>) -> Result<(), Fault> {
        let templates = &self.said.key_id;
        if !templates.is_empty() && !templates.iter().any(|one| one.matches(case.identity, verified.kid)) {
            return Err(Fault::whole(Reason::Signature, "key_id"));
        }
        let is_own = |name: &str| verified.identities.iter().any(|own| **own == *name);
        // Who published what is delivered is not known here.
        if case.way != Way::Receive
            && !verified.identities.is_empty()
            && !case.identity.name.as_deref().is_some_and(is_own)
        {
            return Err(Fault::whole(Reason::Signature, "identity"));
        }
        Ok(())
    }

    /// Whether it is not played again. That hangs on the key, whatever the rule: else a message that one rule has taken would
    /// be new to another, or to the same by another name.
    fn judge_once(&self, mark: u64, verified: &Verified<'_>, case: &Case<'_>, spent: &mut Spent) -> Result<(), Fault> {
        if case.run != Run::Real || is_kept(case) {
            return Ok(());
        }
        let replayed = |problem| Fault::whole(Reason::Replayed, problem);
        let memory = case.memory.ok_or_else(|| replayed(Fault::NO_MEMORY))?;
        let counter = if let Once::Counter(counter) = &verified.once { Some(*counter) } else { None };
        let number = counter.unwrap_or_default().to_be_bytes();
        let value = if let Once::Nonce(nonce) = &verified.once { nonce.as_bytes() } else { &number };
        let mark = mark.to_be_bytes();
        // What is delivered is delivered to each of its receivers.
        let [kind, receiver]: [&[u8]; 2] = if case.way == Way::Receive { case.client() } else { [b"", b""] };
        let is_unproven = case.way == Way::Receive && case.identity.name.is_none();
        if is_unproven && counter.is_some() {
            // By ever new Client Identifiers it would make counters without end, and none is ever forgotten.
            return Err(replayed("unproven"));
        }
        // What receivers that nobody has proven take of nonces is bounded for all of them together, for the same reason.
        let group = Key::of(&[b"once", &mark, verified.kid.as_bytes(), kind, if is_unproven { b"" } else { receiver }]);
        let nonce = Key::of(&[b"once", &mark, verified.kid.as_bytes(), kind, receiver, value]);
        let own = Key::of(&[&nonce.0.to_be_bytes(), &verified.digest]);
        if spent.0.contains(&own) {
            return Ok(());
        }
        let digest = verified.digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
        let (sender, now_millis, max_in_group) = (case.sender_key(), case.now, self.said.max_nonces);
        let used = match counter {
            Some(value) => memory.advance(&Count { group, value, digest, sender, now_millis }),
            None => {
                let signed_at = verified.signed_at_millis.unwrap_or(now_millis);
                let expires_millis = signed_at.saturating_add(self.lives).saturating_add(1);
                memory.use_nonce(&NonceUse { group, max_in_group, nonce, digest, sender, now_millis, expires_millis })
            }
        };
        match used {
            Used::First => {}
            // A CONNECT has no DUP flag, and comes again with every connection.
            Used::Redelivered if case.message.dup || case.way == Way::Will => {}
            Used::Redelivered | Used::Replayed => return Err(replayed("replayed")),
            Used::Full => return Err(replayed("full")),
        }
        spent.0.push(own);
        Ok(())
    }

    /// Takes the signature off a message that [`Seal::judge`] found signed.
    ///
    /// # Errors
    /// The payload is not of the carrier's form.
    pub(super) fn plain<'a>(&self, payload: &'a [u8]) -> Result<Plain<'_, 'a>, Fault> {
        self.said.scheme.strip(payload).map_err(fault)
    }

    /// Signs a message with this payload.
    ///
    /// # Errors
    /// It can't be signed.
    pub(super) fn sign(&self, case: &Case<'_>) -> Result<Rewrite, Fault> {
        let refused = |problem| Fault::whole(Reason::Signature, problem);
        let Act::Sign { keys, kid } = &self.said.act else { return Err(refused("unsigned")) };
        let scheme = &self.said.scheme;
        if scheme.carrier.needs_properties() && case.message.properties.is_none() {
            return Err(refused("no_properties"));
        }
        let payload = case.payload.ok_or_else(|| refused(Fault::NOT_SEEN))?;
        let key = keys.get(kid).ok_or_else(|| refused("unknown_key"))?;
        let mut nonce = [0; Self::NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| refused("not_signed"))?;
        let once = Once::Nonce(Nonce::new(&nonce).ok_or_else(|| refused("not_signed"))?);
        let message = Message { topic: case.message.topic, payload };
        let sealed = scheme.sign(key, message, &once, Some(case.now)).map_err(|_| refused("not_signed"))?;
        let own = |(name, value): (String, String)| (name.into(), value.into());
        Ok(Rewrite {
            what: Rewritten::Signed,
            payload: sealed.payload,
            drop_properties: scheme.carrier.properties().into_iter().map(Into::into).collect(),
            add_properties: sealed.add_properties.into_iter().map(own).collect(),
        })
    }
}

/// What becomes of a message without its signature; the payload where it is another than it was.
pub(super) fn stripped(plain: &Plain<'_, '_>, payload: &[u8]) -> Rewrite {
    Rewrite {
        what: Rewritten::Stripped,
        payload: (*plain.payload != *payload).then(|| plain.payload.to_vec()),
        drop_properties: plain.drop_properties.iter().map(|name| (*name).into()).collect(),
        add_properties: Vec::new(),
    }
}

/// How long after it was signed a message may be taken, in milliseconds.
fn lives(scheme: &Scheme) -> i64 {
    scheme.max_age.map_or(i64::MAX, millis).saturating_add(millis(scheme.clock_skew))
}

/// Whether it is what the broker keeps for whoever subscribes: each is delivered it, again and again.
const fn is_kept(case: &Case<'_>) -> bool {
    matches!(case.way, Way::Receive) && case.message.retain
}

fn fault(flaw: SignatureFlaw) -> Fault {
    let reason = match flaw {
        SignatureFlaw::Missing => Reason::Unsigned,
        SignatureFlaw::Stale | SignatureFlaw::Early => Reason::Stale,
        SignatureFlaw::Duplicate
        | SignatureFlaw::Malformed
        | SignatureFlaw::Topic
        | SignatureFlaw::UnknownKey
        | SignatureFlaw::KeyNotValid
        | SignatureFlaw::Algorithm
        | SignatureFlaw::Signature => Reason::Signature,
    };
    Fault::whole(reason, flaw.label())
}

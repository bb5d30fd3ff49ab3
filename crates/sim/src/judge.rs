//! What the shoppers were told, held against the committed log and against the second state machine.

use std::collections::BTreeMap;

use stockade_model::Model;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::{Reply, Revision};
use tokio::time::Instant;

use crate::shoppers::{Told, What};
use crate::watcher::Seen;

/// What the log makes of each request.
struct Verdicts {
    /// The first decision of a request: where, and how.
    decided: BTreeMap<String, Reply>,
    /// The stock of each SKU after each revision that changed it.
    stock: BTreeMap<String, BTreeMap<u64, [i64; 6]>>,
    model: Model,
}

/// Everything that is wrong, in words.
pub(crate) fn judge(told: &[Told], log: &BTreeMap<u64, Seen>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (expected, found) in (1..).zip(log.keys()) {
        if expected != *found {
            wrong.push(format!("of the committed log entry {expected} was never seen: {found} follows"));
            return wrong;
        }
    }
    let verdicts = replay(log);
    wrong.extend(verdicts.model.violations());
    for told in told {
        if let Err(what) = verdicts.check(told) {
            wrong.push(what);
        }
    }
    wrong.extend(out_of_time(told));
    wrong
}

fn replay(log: &BTreeMap<u64, Seen>) -> Verdicts {
    let mut verdicts = Verdicts { decided: BTreeMap::new(), stock: BTreeMap::new(), model: Model::default() };
    for (index, seen) in log {
        let Some(entry) = &seen.entry else { continue };
        let replies = verdicts.model.apply(Revision::new(*index), entry);
        for (request, reply) in entry.requests.iter().zip(replies) {
            if let Some(origin) = &request.origin
                && !reply.replayed
            {
                verdicts.decided.entry(origin.request.to_string()).or_insert(reply);
            }
        }
        for (key, stock) in verdicts.model.stock() {
            let known = verdicts.stock.entry(key.sku.as_str().to_owned()).or_default();
            if known.last_key_value().is_none_or(|(_, last)| *last != stock.buckets()) {
                known.insert(*index, stock.buckets());
            }
        }
    }
    verdicts
}

impl Verdicts {
    fn check(&self, told: &Told) -> Result<(), String> {
        match &told.what {
            What::Accepted { request, header } => {
                let Some(reply) = self.decided.get(request) else {
                    return Err(format!("LOST: request {request} was acknowledged and is not in the log"));
                };
                if matches!(reply.outcome, Outcome::Rejected(_)) {
                    return Err(format!(
                        "request {request} was acknowledged, and the log refuses it: {:?}",
                        reply.outcome
                    ));
                }
                let place = (reply.revision.get(), reply.position);
                if place != (header.revision, header.position) {
                    return Err(format!(
                        "request {request} was acknowledged at {:?} and stands at {place:?}",
                        (header.revision, header.position)
                    ));
                }
                Ok(())
            }
            What::Refused { request, reason } => match self.decided.get(request) {
                Some(reply) if !matches!(reply.outcome, Outcome::Rejected(_)) => Err(format!(
                    "request {request} was refused ({reason}) and took effect at {}",
                    reply.revision.get()
                )),
                Some(_) | None => Ok(()),
            },
            What::Settled { request, took_effect } => {
                let decided = self.decided.get(request);
                let found = decided.is_some_and(|reply| {
                    !matches!(reply.outcome, Outcome::Rejected(_) | Outcome::RequestAbandoned)
                });
                if found == *took_effect {
                    return Ok(());
                }
                Err(format!("request {request} was settled as {took_effect}, and the log has {decided:?}"))
            }
            What::Unknown | What::ReadFailed => Ok(()),
            What::Read { sku, served, buckets } => {
                let known = self.stock.get(sku);
                let expected = known.and_then(|known| known.range(..=served).next_back());
                let expected = expected.map_or([0; 6], |(_, buckets)| *buckets);
                if expected == *buckets {
                    return Ok(());
                }
                Err(format!("at {served} {sku} has {expected:?}, and {buckets:?} was read"))
            }
        }
    }
}

/// A call that began after another had returned must not be served from before it.
fn out_of_time(told: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut begun: Vec<&Told> = told.iter().collect();
    begun.sort_by_key(|told| told.invoked);
    let mut returned: Vec<(Instant, u64)> =
        told.iter().filter_map(|told| Some((told.returned, shown(told)?))).collect();
    returned.sort_by_key(|(at, _)| *at);
    let (mut returned, mut floor) = (returned.into_iter().peekable(), 0);
    for told in begun {
        while let Some((_, revision)) = returned.next_if(|(at, _)| *at < told.invoked) {
            floor = floor.max(revision);
        }
        let (what, revision, strict) = match &told.what {
            What::Accepted { request, header } if !header.replayed => (request, header.revision, true),
            What::Read { sku, served, .. } => (sku, *served, false),
            What::Accepted { .. }
            | What::Refused { .. }
            | What::Settled { .. }
            | What::Unknown
            | What::ReadFailed => continue,
        };
        if revision < floor || (strict && revision == floor) {
            wrong.push(format!("{what} came to {revision} after {floor} had been shown"));
        }
    }
    wrong
}

/// The revision that an answer shows to the world.
fn shown(told: &Told) -> Option<u64> {
    match &told.what {
        What::Accepted { header, .. } => Some(header.revision),
        What::Read { served, .. } => Some(*served),
        What::Refused { .. } | What::Settled { .. } | What::Unknown | What::ReadFailed => None,
    }
}

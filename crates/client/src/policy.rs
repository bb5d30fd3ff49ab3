//! What reads promise, and which nodes they are asked of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stockade_proto::v1::{self, ReadOptions, ResponseHeader};

/// What a read promises. See `Consistency` of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// It sees everything that anybody was told of before it.
    #[default]
    Linearizable,
    /// The same, as long as the clocks of the nodes run at about the same rate. Cheaper.
    Lease,
    /// It sees everything that anybody was told of so long before it: 1 ms to 1 hour.
    Bounded(Duration),
    /// It sees what had happened by this revision, which is at least 1.
    AtLeast(u64),
    /// It sees what this client was told of before: its own writes, and nothing older than what it has read. A session.
    Session,
    /// It sees what the node has, however old.
    Local,
}

/// Which nodes reads are asked of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// The leader, where that is cheapest: linearizable reads and those by lease. Others go to all nodes in turn.
    #[default]
    Cheapest,
    /// The node at this address, and others where it fails.
    Node(String),
}

/// How a client reads. What a request says in its field `read` comes first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadPolicy {
    /// What reads promise.
    pub consistency: Consistency,
    /// Which nodes they are asked of.
    pub from: ReadFrom,
}

impl From<Consistency> for ReadPolicy {
    fn from(consistency: Consistency) -> Self {
        Self { consistency, from: ReadFrom::default() }
    }
}

/// Where an attempt goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Leader,
    InTurn,
    Node(String),
}

/// How one read is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) route: Route,
    /// What it needs, 0 for nothing: a node that has not got there is left for another.
    pub(crate) min_revision: u64,
}

impl Plan {
    /// Of what any node answers alike, but the leader soonest.
    pub(crate) fn of_leader() -> Self {
        Self { route: Route::Leader, min_revision: 0 }
    }
}

impl ReadPolicy {
    /// Fills in what a request leaves open, and says how it is made.
    pub(crate) fn apply(&self, read: &mut Option<ReadOptions>, seen: &Seen) -> Plan {
        if read.is_none() {
            *read = self.consistency.options(seen);
        }
        let options = read.unwrap_or_default();
        let route = match &self.from {
            ReadFrom::Node(address) => Route::Node(address.clone()),
            ReadFrom::Cheapest => match options.consistency() {
                v1::Consistency::Unspecified | v1::Consistency::Linearizable | v1::Consistency::Lease => {
                    Route::Leader
                }
                v1::Consistency::Bounded | v1::Consistency::AtLeast | v1::Consistency::Local => Route::InTurn,
            },
        };
        Plan { route, min_revision: options.min_revision }
    }
}

impl Consistency {
    /// As the interface has it; `None` for what it does where nothing is said.
    fn options(self, seen: &Seen) -> Option<ReadOptions> {
        let named = |consistency: v1::Consistency| ReadOptions {
            consistency: consistency.into(),
            ..ReadOptions::default()
        };
        Some(match self {
            Self::Linearizable => return None,
            Self::Lease => named(v1::Consistency::Lease),
            Self::Bounded(age) => {
                // One that is too long for the message is too long for the node as well.
                let longest = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
                let age = prost_types::Duration::try_from(age).unwrap_or(longest);
                ReadOptions { max_staleness: Some(age), ..named(v1::Consistency::Bounded) }
            }
            Self::AtLeast(min_revision) => ReadOptions { min_revision, ..named(v1::Consistency::AtLeast) },
            Self::Session => match seen.revision() {
                // Who was told nothing yet can't be contradicted.
                0 => named(v1::Consistency::Local),
                min_revision => ReadOptions { min_revision, ..named(v1::Consistency::AtLeast) },
            },
            Self::Local => named(v1::Consistency::Local),
        })
    }
}

/// The newest revision that this client was told of.
#[derive(Debug, Default)]
pub(crate) struct Seen(AtomicU64);

impl Seen {
    pub(crate) fn revision(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Takes note of an answer. A write is known by its revision: the node that told of it may have more. A read is known by the
    /// state that it was served from: what it did not find counts as well.
    pub(crate) fn note(&self, header: &ResponseHeader) {
        let is_write = header.log_time.is_some() && header.served_consistency == 0;
        let revision = if is_write { header.revision } else { header.served_revision };
        self.0.fetch_max(revision, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(policy: &ReadPolicy, seen: &Seen) -> (Option<ReadOptions>, Plan) {
        let mut read = None;
        let plan = policy.apply(&mut read, seen);
        (read, plan)
    }

    #[test]
    fn what_needs_the_leader_goes_there_and_the_rest_in_turn() {
        let seen = Seen::default();
        for (consistency, route) in [
            (Consistency::Linearizable, Route::Leader),
            (Consistency::Lease, Route::Leader),
            (Consistency::Bounded(Duration::from_secs(1)), Route::InTurn),
            (Consistency::AtLeast(3), Route::InTurn),
            (Consistency::Session, Route::InTurn),
            (Consistency::Local, Route::InTurn),
        ] {
            assert_eq!(applied(&consistency.into(), &seen).1.route, route, "{consistency:?}");
        }
        let here = ReadPolicy { from: ReadFrom::Node("a:1".to_owned()), ..ReadPolicy::default() };
        assert_eq!(applied(&here, &seen).1.route, Route::Node("a:1".to_owned()));
    }

    #[test]
    fn a_request_that_says_how_it_is_to_be_served_is_left_as_it_is() {
        let asked = ReadOptions {
            consistency: v1::Consistency::AtLeast.into(),
            min_revision: 7,
            ..Default::default()
        };
        let mut read = Some(asked);
        let plan = ReadPolicy::from(Consistency::Local).apply(&mut read, &Seen::default());
        assert_eq!((read, plan), (Some(asked), Plan { route: Route::InTurn, min_revision: 7 }));
    }

    #[test]
    fn a_session_asks_for_what_was_seen() {
        let seen = Seen::default();
        let session = ReadPolicy::from(Consistency::Session);
        let asked = applied(&session, &seen).0.unwrap();
        assert_eq!(asked.consistency(), v1::Consistency::Local);
        // A write: the node that forwarded it stood elsewhere.
        let log_time = Some(prost_types::Timestamp::default());
        let write = ResponseHeader { revision: 5, served_revision: 9, log_time, ..Default::default() };
        seen.note(&write);
        assert_eq!(applied(&session, &seen).0.unwrap().min_revision, 5);
        // A read at a state that is newer than what it read.
        let consistency = v1::Consistency::Local.into();
        let read = ResponseHeader {
            revision: 2,
            served_revision: 8,
            served_consistency: consistency,
            ..Default::default()
        };
        seen.note(&read);
        seen.note(&write);
        let (asked, plan) = applied(&session, &seen);
        assert_eq!((asked.unwrap().consistency(), plan.min_revision), (v1::Consistency::AtLeast, 8));
    }
}

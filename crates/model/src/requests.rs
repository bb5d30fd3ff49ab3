//! Request ids: what was decided before, what is too old to tell, and what is kept.

use stockade_state_machine::command::{Command, Origin, Request};
use stockade_state_machine::limits::{
    MAX_REQUEST_AHEAD_MS, MAX_REQUEST_RECORDS, REQUEST_RETENTION_MS, REQUEST_TRIM_BATCH,
};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::request::RequestRecord;

use crate::model::{Model, Moment};

/// How long and how many request records are kept. Tests set their own, because nobody waits for four million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// How long, in milliseconds of log time.
    pub retention_ms: u64,
    /// How many; that of a transaction counts for as many as it has operations.
    pub max_records: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { retention_ms: REQUEST_RETENTION_MS, max_records: MAX_REQUEST_RECORDS }
    }
}

/// What is known of a request before it runs.
pub(crate) enum Fate {
    /// It was decided, and this is what was kept.
    Kept(RequestRecord),
    /// It will not run.
    Refused(Rejection),
    /// Nothing: it runs now.
    NotSeen,
}

impl Model {
    pub(crate) fn fate(&self, origin: &Origin, request: &Request) -> Fate {
        let made_ms = origin.request.time_ms();
        let horizon_ms = self.clock.horizon_ms;
        // "RequestIdExpired: The id is as old as the horizon or older": also where its record has not left yet.
        if made_ms <= horizon_ms {
            return Fate::Refused(Rejection::RequestIdExpired { horizon_ms });
        }
        // "Scoped to the principal": the record is looked for under both.
        if let Some(record) = self.requests.get(origin) {
            return fate_of_kept(record, request);
        }
        // "the time in the request id is more than five minutes ahead of log time".
        let now_ms = self.clock.now.millis();
        if made_ms > now_ms.saturating_add(MAX_REQUEST_AHEAD_MS) {
            return Fate::Refused(Rejection::RequestIdInFuture { now_ms });
        }
        Fate::NotSeen
    }

    /// Keeps an outcome, and lets old records go.
    pub(crate) fn record(&mut self, moment: Moment, origin: &Origin, request: &Request, outcome: &Outcome) {
        // "The outcome, success or refusal, is kept in replicated state with a hash of the command".
        let record = RequestRecord {
            content: request.content,
            outcome: outcome.clone(),
            revision: moment.revision,
            position: moment.position,
            time: moment.now,
        };
        assert!(!self.requests.contains_key(origin), "request {} was decided twice", origin.request);
        self.keep(origin.clone(), record);
        // "Expired request records that one command removes at most", and one for each more that it counts for.
        let most = REQUEST_TRIM_BATCH - 1 + outcome.weight();
        for _ in 0..most {
            self.let_oldest_go();
        }
    }

    /// Puts a record there, in the place of one that may be there.
    pub(crate) fn keep(&mut self, origin: Origin, record: RequestRecord) {
        self.kept_weight += record.outcome.weight();
        if let Some(before) = self.requests.insert(origin, record) {
            self.kept_weight -= before.outcome.weight();
        }
    }

    pub(crate) fn forget(&mut self, origin: &Origin) {
        if let Some(before) = self.requests.remove(origin) {
            self.kept_weight -= before.outcome.weight();
        }
    }

    /// "After retention: `REQUEST_ID_EXPIRED`": log time carries the horizon along. It "only rises".
    pub(crate) fn raise_horizon_with_time(&mut self) {
        let horizon_ms = self.clock.now.millis().saturating_sub(self.limits.retention_ms);
        self.clock.horizon_ms = self.clock.horizon_ms.max(horizon_ms);
    }

    /// The oldest record leaves "while the oldest is at or below the horizon or the sum of weights is above" what may be
    /// kept. "records leave in its order", the request id first.
    fn let_oldest_go(&mut self) {
        let Some(oldest) = self.requests.keys().next().cloned() else { return };
        let made_ms = oldest.request.time_ms();
        if self.kept_weight > self.limits.max_records {
            // With it every id that is as old is expired, because nothing would be known of them any more.
            self.clock.horizon_ms = self.clock.horizon_ms.max(made_ms);
        }
        if made_ms <= self.clock.horizon_ms {
            self.forget(&oldest);
        }
    }
}

fn fate_of_kept(record: &RequestRecord, request: &Request) -> Fate {
    // "Where the request has already been decided, nothing changes and its outcome is returned."
    if request.command == Command::AbandonRequest {
        return Fate::Kept(record.clone());
    }
    // "a copy of the request that arrives later is refused with REQUEST_ABANDONED".
    if record.outcome == Outcome::RequestAbandoned {
        return Fate::Refused(Rejection::RequestAbandoned);
    }
    // "Same id, other content: REQUEST_ID_REUSED."
    if record.content != request.content {
        return Fate::Refused(Rejection::RequestIdReused);
    }
    // "Same id and same content: the same outcome".
    Fate::Kept(record.clone())
}

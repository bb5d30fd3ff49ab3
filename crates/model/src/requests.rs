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
    /// How many.
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
        let before = self.requests.insert(origin.clone(), record);
        assert!(before.is_none(), "request {} was decided twice", origin.request);
        self.raise_horizon_with_number();
        self.remove_expired();
    }

    /// "After retention: `REQUEST_ID_EXPIRED`": log time carries the horizon along. It "only rises".
    pub(crate) fn raise_horizon_with_time(&mut self) {
        let horizon_ms = self.clock.now.millis().saturating_sub(self.limits.retention_ms);
        self.clock.horizon_ms = self.clock.horizon_ms.max(horizon_ms);
    }

    /// "How many request records are kept": one more than that, and the oldest must leave, and with it every id that
    /// is as old, because nothing would be known of them any more.
    fn raise_horizon_with_number(&mut self) {
        if self.requests.len() <= self.limits.max_records {
            return;
        }
        if let Some(oldest) = self.requests.keys().next() {
            self.clock.horizon_ms = self.clock.horizon_ms.max(oldest.request.time_ms());
        }
    }

    /// "Expired request records that one command removes at most"; "records leave in its order", the request id first.
    fn remove_expired(&mut self) {
        let horizon_ms = self.clock.horizon_ms;
        let leaving: Vec<Origin> = self
            .requests
            .keys()
            .take_while(|origin| origin.request.time_ms() <= horizon_ms)
            .take(REQUEST_TRIM_BATCH)
            .cloned()
            .collect();
        for origin in leaving {
            self.requests.remove(&origin);
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

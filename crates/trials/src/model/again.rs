//! A run that is done, once more in other ways: with other bounds between its entries, and from the rows at an index on.

use stockade_env::Random;
use stockade_state_machine::command::{Name, Request};
use stockade_state_machine::{Applied, Entry, LogTime, Outcome, Rejection, Revision, State};

use super::pair::{Sequence, revision_at};
use super::rows::{Rows, outcome_without_entry};

/// Requests that stand in one entry at most, where the entries are cut anew.
const MAX_REGROUPED: u64 = 40;

/// A run that is done.
pub(super) struct Done<'a> {
    pub(super) sequence: &'a Sequence,
    /// What became of each entry.
    pub(super) applied: &'a [Applied],
    /// After the last.
    pub(super) rows: &'a Rows,
    /// The same in memory, without what is settled.
    pub(super) lean: &'a State,
}

impl Done<'_> {
    /// Builds a state from the rows at each of some indexes, which rise, and goes on to the end: everything must be as it was.
    pub(super) fn restore_at(&self, indexes: impl IntoIterator<Item = usize>) -> Result<u64, String> {
        let mut rows = Rows::of(&self.sequence.founding);
        let (mut at, mut restored) = (0, 0);
        for index in indexes {
            rows.take_in(self.applied[at..index].iter().flat_map(|applied| &applied.changes));
            at = index;
            self.go_on(rows.clone(), index)
                .map_err(|what| format!("restored after entry {index}: {what}"))?;
            restored += 1;
        }
        Ok(restored)
    }

    fn go_on(&self, mut rows: Rows, index: usize) -> Result<(), String> {
        let mut state = rows.restore();
        for (number, entry) in self.sequence.entries.iter().enumerate().skip(index) {
            rows.load_named(&mut state, entry);
            let applied = state.execute(revision_at(number), entry);
            let before = &self.applied[number];
            if applied != *before {
                return Err(format!("entry {} gives\n  {applied:?}\nit gave\n  {before:?}", number + 1));
            }
            rows.take_in(&applied.changes);
            Rows::evict(&mut state, entry, &applied.changes);
        }
        if state != *self.lean {
            return Err(format!("in memory is\n  {state:?}\nthere was\n  {:?}", self.lean));
        }
        if rows.hash() != self.rows.hash() {
            return Err("the state hash differs".to_owned());
        }
        Ok(())
    }

    /// Cuts the entries anew where log time allows it: the outcomes must be the same, and the rows, but for what tells
    /// the entry.
    pub(super) fn regroup(&self, random: &Random) -> Result<(), String> {
        // A version says where an entry stood in the log.
        let mut requests = self.sequence.entries.iter().flat_map(|entry| &entry.requests);
        let is_version = |name: &Name<'_>| matches!(name, Name::Version(_));
        if requests.any(|request| request.command.names().iter().any(is_version)) {
            return Ok(());
        }
        // So is what an entry may expire bounded over all of its commands.
        let retry = Outcome::Rejected(Rejection::RetryAfterExpiry);
        if self.applied.iter().flat_map(|applied| &applied.replies).any(|reply| reply.outcome == retry) {
            return Ok(());
        }
        let mut state = State::new();
        for change in &self.sequence.founding {
            state.absorb(change);
        }
        let mut rows = Rows::of(&self.sequence.founding);
        let mut before = self.applied.iter().flat_map(|applied| &applied.replies);
        for (number, entry) in regrouped(&self.sequence.entries, random).iter().enumerate() {
            let Applied { replies, changes } = state.execute(revision_at(number), entry);
            rows.take_in(&changes);
            for (request, mut reply) in entry.requests.iter().zip(replies) {
                let Some(mut before) = before.next().cloned() else {
                    return Err("there are more replies than before".to_owned());
                };
                for reply in [&mut reply, &mut before] {
                    (reply.revision, reply.position) = (Revision::default(), 0);
                    outcome_without_entry(&mut reply.outcome);
                }
                if reply != before {
                    return Err(format!("cut anew, {request:?}\n  gives {reply:?}\n  it gave {before:?}"));
                }
            }
        }
        if rows.without_entries() != self.rows.without_entries() {
            return Err("cut anew, the entries make other rows".to_owned());
        }
        Ok(())
    }
}

/// The same requests in the same order at the same log time, in other entries.
fn regrouped(entries: &[Entry], random: &Random) -> Vec<Entry> {
    let mut now = LogTime::default();
    let mut regrouped: Vec<Entry> = Vec::new();
    let mut room = 0;
    for entry in entries {
        now = now.max(entry.time);
        for request in &entry.requests {
            if let Some(last) = regrouped.last_mut().filter(|last| room > 0 && last.time == now) {
                last.requests.push(Request::clone(request));
            } else {
                regrouped.push(Entry { time: now, requests: vec![request.clone()] });
                room = random.below(MAX_REGROUPED) + 1;
            }
            room -= 1;
        }
    }
    // An entry without requests moves the clock too.
    regrouped.push(Entry { time: now, requests: Vec::new() });
    regrouped
}

//! Histories made up by a cluster of one thread: calls that overlap, a log, answers and state hashes, with or without a
//! fault.

mod answers;
mod calls;
pub(crate) mod carts;
mod ledger;
pub(crate) mod orders;
mod past;
mod rng;
mod sink;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stockade_checker::{commands_of, convert, expected_ending};
use stockade_history::{Answer, Asked, NodeState, Op, Outcome, Recorder, Recording, entry_line, state_line};
use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, OrderId, RequestId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::{Change, LogTime, Reply, Revision, State};
use stockade_storage::{CanonicalRow, canonical_hash};

pub(crate) use rng::Rng;
pub(crate) use sink::Memory;

/// When histories begin: 2023, in milliseconds since 1970.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// On whose behalf all calls run.
const PRINCIPAL: &str = "anonymous";
/// Commands of one entry, at most.
const MAX_BATCH: u64 = 6;

/// What the cluster does wrong, once, at the mutation or read of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It acknowledges a mutation that it never puts into its log.
    LoseWrite(u64),
    /// It applies a mutation twice, though its log has it once.
    ApplyTwice(u64),
    /// It serves a read from an old state, and says so.
    StaleRead(u64),
    /// It serves a read from an old state, and says that it is the newest.
    HiddenStaleRead(u64),
}

/// How a history is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Calls, beyond those that fill the catalogue.
    pub(crate) operations: u64,
    /// SKUs.
    pub(crate) skus: u64,
    /// Calls that are under way at once, about.
    pub(crate) overlap: u64,
    /// Units that come in at the beginning, of each SKU.
    pub(crate) units: i64,
    /// True where the catalogue changes too, under etags, and everything is read in every way.
    pub(crate) rich: bool,
    pub(crate) fault: Fault,
}

struct Call {
    asked: Asked,
    begins_ns: u64,
    /// `None` where nobody saw the end.
    ends_ns: Option<u64>,
    ending: Option<(v1::ResponseHeader, Outcome<Answer>)>,
}

/// A cluster of one thread.
pub(crate) struct Cluster {
    pub(crate) rng: Rng,
    shape: Shape,
    state: State,
    /// States after each entry, where a fault may want an old one.
    old: Vec<(u64, State)>,
    log: Vec<v1::LogEntry>,
    ledger: Vec<LedgerEntry>,
    documents: BTreeMap<DocumentId, Document>,
    index: u64,
    now_ns: u64,
    next_id: u64,
    mutations: u64,
    reads: u64,
    calls: Vec<Call>,
    /// Orders and how often each has been taken further.
    orders: VecDeque<(String, u8)>,
    placed: u64,
    /// Reservations and how often something has been done to each.
    carts: VecDeque<(String, u8)>,
    reserved: u64,
    /// What was asked lately, to be asked again.
    lately: VecDeque<Asked>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        Self {
            rng: Rng(seed),
            shape,
            state: State::new(),
            old: Vec::new(),
            log: Vec::new(),
            ledger: Vec::new(),
            documents: BTreeMap::new(),
            index: 1,
            now_ns: 1_000_000,
            next_id: 1,
            mutations: 0,
            reads: 0,
            calls: Vec::new(),
            orders: VecDeque::new(),
            placed: 0,
            carts: VecDeque::new(),
            reserved: 0,
            lately: VecDeque::new(),
        }
    }

    /// A whole history, written to `to` as the client would write it, the log and the hashes behind the calls.
    pub(crate) fn record(seed: u64, shape: Shape, to: impl Write + Send + 'static) -> io::Result<()> {
        let mut cluster = Self::new(seed, shape);
        cluster.live();
        cluster.write(to)
    }

    /// The catalogue, and as many calls as the shape says.
    pub(crate) fn live(&mut self) {
        self.log.push(v1::LogEntry {
            index: 1,
            term: 1,
            node_id: 1,
            kind: v1::EntryKind::Blank.into(),
            ..v1::LogEntry::default()
        });
        self.fill_catalogue();
        let end = u64::try_from(self.calls.len()).expect("few") + self.shape.operations;
        while u64::try_from(self.calls.len()).expect("few") < end {
            self.now_ns += 1_000 + self.rng.below(2_000);
            if self.rng.chance(3) {
                let size = 1 + self.rng.below(MAX_BATCH);
                let batch = (0..size).map(|_| self.mutation()).collect();
                self.commit(batch, true);
            } else {
                let asked = self.read_request();
                self.read(asked);
            }
        }
    }

    /// A mutation in an entry of its own, answered before anything else is asked.
    pub(crate) fn alone(&mut self, asked: Asked) {
        self.now_ns += 100_000_000 / self.shape.skus.max(1);
        self.commit(vec![asked], false);
        self.now_ns += 1_000;
    }

    /// Nothing happens for a while.
    #[allow(dead_code, reason = "what happens by chance never waits")]
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now_ns += seconds * 1_000_000_000;
    }

    /// Every movement so far.
    #[allow(dead_code, reason = "what happens by chance is not looked at so closely")]
    pub(crate) fn ledger(&self) -> &[LedgerEntry] {
        &self.ledger
    }

    /// The log index of the last entry.
    #[allow(dead_code, reason = "what happens by chance is not looked at so closely")]
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// The etag of an order as it is.
    #[allow(dead_code, reason = "what happens by chance names none that is right")]
    pub(crate) fn etag_of_order(&self, id: &str) -> String {
        let order = self.state.order(&OrderId::new(id).expect("a sound id"));
        order.map(|order| convert::etag(order.version)).expect("it is there")
    }

    pub(crate) fn request_id(&mut self) -> String {
        let ms = u128::from(BEGIN_MS + self.now_ns / 1_000_000);
        let id = (ms << 80) | (7 << 76) | (2 << 62) | u128::from(self.next_id);
        self.next_id += 1;
        RequestId::new(id).expect("version 7").to_string()
    }

    /// Puts a batch into one entry, and answers each call of it.
    fn commit(&mut self, batch: Vec<Asked>, overlap: bool) {
        let lost = |number: u64, fault: Fault| fault == Fault::LoseWrite(number);
        let mut logged = Vec::new();
        let first = self.mutations;
        for asked in &batch {
            self.mutations += 1;
            if !lost(self.mutations, self.shape.fault) {
                logged.push(asked.clone());
            }
        }
        if self.shape.fault != Fault::None {
            self.old.push((self.index, self.state.clone()));
        }
        let whole = self.entry(&batch);
        // What is acknowledged is what would have been, had it all been logged.
        let acknowledged = {
            let mut state = self.state.clone_if(self.shape.fault != Fault::None);
            let entry = commands_of(&whole).expect("made soundly").expect("commands");
            match &mut state {
                Some(state) => state.execute(Revision::new(whole.index), &entry).replies,
                None => Vec::new(),
            }
        };
        let replies = self.apply(&logged, first);
        let replies = if acknowledged.is_empty() { replies } else { acknowledged };
        for (asked, reply) in batch.into_iter().zip(replies) {
            self.answer(asked, &reply, overlap);
        }
    }

    fn apply(&mut self, batch: &[Asked], first: u64) -> Vec<Reply> {
        let mut entry = self.entry(batch);
        let commands = commands_of(&entry).expect("made soundly").expect("commands");
        let applied = self.state.execute(Revision::new(entry.index), &commands);
        for change in &applied.changes {
            match change {
                Change::Ledger(entry) => self.ledger.push(entry.clone()),
                Change::Document(id, document) => _ = self.documents.insert(id.clone(), document.clone()),
                _ => {}
            }
        }
        if let Fault::ApplyTwice(number) = self.shape.fault
            && number > first
            && number <= first + u64::try_from(batch.len()).expect("few")
        {
            // Under another id, so that the record of the first doesn't hinder it.
            let mut again = commands;
            for request in &mut again.requests {
                request.origin = None;
            }
            self.state.execute(Revision::new(entry.index), &again);
        }
        self.index = entry.index;
        entry.commands.shrink_to_fit();
        self.log.push(entry);
        applied.replies
    }

    fn entry(&self, batch: &[Asked]) -> v1::LogEntry {
        let command = |(position, asked): (u32, &Asked)| v1::LoggedCommand {
            position,
            request_id: asked.request_id().to_owned(),
            principal: PRINCIPAL.to_owned(),
            command: Some(match asked.mutation() {
                Some(request) => Logged::Mutation(v1::Mutation { timeout: None, request: Some(request) }),
                None => Logged::Abandon(v1::AbandonCommand {}),
            }),
        };
        let us = BEGIN_MS * 1_000 + self.now_ns / 1_000;
        v1::LogEntry {
            index: self.index + 1,
            term: 1,
            node_id: 1,
            kind: v1::EntryKind::Commands.into(),
            log_time: Some(convert::timestamp(LogTime::from_micros(us))),
            commands: (0_u32..).zip(batch).map(command).collect(),
            voters: Vec::new(),
        }
    }

    fn answer(&mut self, asked: Asked, reply: &Reply, overlap: bool) {
        let header = v1::ResponseHeader {
            cluster_id: "c0ffee".to_owned(),
            node_id: 1,
            term: 1,
            revision: reply.revision.get(),
            served_revision: self.index.max(reply.revision.get()),
            position: reply.position,
            replayed: reply.replayed,
            log_time: Some(convert::timestamp(reply.time)),
            served_consistency: 0,
        };
        let ending = expected_ending(&asked, reply).expect("a mutation's outcome");
        self.call(asked, Some((header, ending)), overlap);
    }

    fn call(&mut self, asked: Asked, ending: Option<(v1::ResponseHeader, Outcome<Answer>)>, overlap: bool) {
        let spread = if overlap { 1 + self.shape.overlap * 500 } else { 1 };
        let begins_ns = self.now_ns.saturating_sub(1 + self.rng.below(spread));
        let ends_ns = self.now_ns + 1 + self.rng.below(spread);
        // Now and then a caller gives up.
        let is_seen = !overlap || !self.rng.chance(200);
        let ending = ending.filter(|_| is_seen);
        let ends_ns = Some(ends_ns).filter(|_| ending.is_some());
        self.calls.push(Call { asked, begins_ns, ends_ns, ending });
    }

    /// A read or a trial, answered from the state as it is, unless the fault is due.
    pub(crate) fn read(&mut self, asked: Asked) {
        self.reads += 1;
        let old = |back: usize| self.old.len().checked_sub(back).and_then(|at| self.old.get(at));
        let back = if self.shape.operations < 50 { 2 } else { 8 };
        let newest = (self.index, self.index, &self.state);
        let (served, seen, state) = match self.shape.fault {
            Fault::StaleRead(number) if number == self.reads => {
                old(back).map_or(newest, |(index, state)| (*index, *index, state))
            }
            Fault::HiddenStaleRead(number) if number == self.reads => {
                old(back).map_or(newest, |(index, state)| (self.index, *index, state))
            }
            _ => newest,
        };
        let moved = self.ledger.iter().take_while(|entry| entry.revision.get() <= seen).count();
        let ledger = &self.ledger[..moved];
        let (revision, log_time, ending) = if asked.is_trial() {
            let (time, ending) = self.try_out(state, &asked, served);
            (served, Some(convert::timestamp(time)), ending)
        } else {
            let (revision, ending) = answers::read(state, ledger, &asked, served);
            (revision, None, ending)
        };
        let header = v1::ResponseHeader {
            cluster_id: "c0ffee".to_owned(),
            node_id: 2,
            term: 1,
            revision,
            served_revision: served,
            log_time,
            ..v1::ResponseHeader::default()
        };
        self.call(asked, Some((header, ending)), true);
    }

    /// What would become of a mutation, and at which time.
    fn try_out(&self, state: &State, asked: &Asked, served: u64) -> (LogTime, Outcome<Answer>) {
        let entry = commands_of(&self.entry(&[orders::for_good(asked)])).expect("made soundly");
        let entry = entry.expect("commands");
        let (time, revision) = (entry.time.max(state.clock().now), Revision::new(served + 1));
        let outcome = state.preview(revision, time, &[], &entry.requests[0]);
        let reply = Reply { outcome, revision, position: 0, time, replayed: false };
        (time, expected_ending(asked, &reply).expect("a mutation's outcome"))
    }

    /// Writes the history.
    pub(crate) fn write(self, to: impl Write + Send + 'static) -> io::Result<()> {
        let shared = sink::shared(to);
        let clock = Arc::new(AtomicU64::new(0));
        let ticking = Arc::clone(&clock);
        let recording = Recording { id: "r1".into(), clock: "c1".into(), by: "made up".into() };
        let recorder = Recorder::new(Box::new(shared.clone()), true, recording, move || {
            ticking.load(Ordering::Relaxed)
        })?;
        let mut events: Vec<(u64, bool, usize)> = Vec::new();
        for (at, call) in self.calls.iter().enumerate() {
            events.push((call.begins_ns, false, at));
            events.extend(call.ends_ns.map(|ends| (ends, true, at)));
        }
        events.sort_unstable();
        let mut open: Vec<Option<Op>> = self.calls.iter().map(|_| None).collect();
        for (at_ns, is_end, at) in events {
            clock.store(at_ns, Ordering::Relaxed);
            let call = &self.calls[at];
            if !is_end {
                open[at] = Some(recorder.invoke_any(&call.asked));
                continue;
            }
            let op = open[at].take().expect("it has begun");
            match call.ending.as_ref().expect("what ends has an ending") {
                (header, Outcome::Ok(answer)) => op.answered_with(Some(header), &answer.encode()),
                (header, Outcome::Refused { reason, message, metadata, fate, .. }) => {
                    op.refused(Some(header), reason, message, metadata.clone(), *fate);
                }
                (_, other) => unreachable!("a cluster of one thread answers: {other:?}"),
            }
        }
        recorder.finish()?;
        let mut shared = shared;
        for entry in &self.log {
            shared.write_all(&entry_line(entry))?;
        }
        let (hash, rows) = self.hash();
        for node in 1..=3 {
            let (state_hash, chain_hash) = (hash.clone(), "00ff".to_owned());
            let state = NodeState { node, applied: self.index, state_hash, chain_hash, rows };
            shared.write_all(&state_line(&state))?;
        }
        shared.flush()
    }

    fn hash(&self) -> (String, u64) {
        let mut requests: Vec<_> = self.state.requests().collect();
        requests.sort_by_key(|(_, record)| (record.revision, record.position));
        let rows = self.documents.iter().map(|(id, document)| CanonicalRow::Document(id, document));
        let reservations = self.state.reservations_after(None);
        let rows = rows.chain(reservations.map(|reservation| CanonicalRow::Reservation(reservation)));
        let rows = rows.chain(self.state.skus_after(None).map(CanonicalRow::Sku));
        let rows = rows.chain(self.ledger.iter().map(CanonicalRow::Ledger));
        let rows = rows.chain(self.state.orders().map(|order| CanonicalRow::Order(order)));
        let rows = rows.chain(self.state.locations_after(None).map(CanonicalRow::Location));
        let rows = rows.chain(requests.iter().map(|(origin, record)| CanonicalRow::Request(origin, record)));
        let rows =
            rows.chain(self.state.stock_after(None).map(|(key, stock)| CanonicalRow::Stock(key, stock)));
        let (hash, rows) = canonical_hash(rows, &self.state.clock());
        let hex = hash.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        });
        (hex, rows)
    }
}

/// A clone where one is wanted.
trait CloneIf: Sized {
    fn clone_if(&self, wanted: bool) -> Option<Self>;
}

impl CloneIf for State {
    fn clone_if(&self, wanted: bool) -> Option<Self> {
        wanted.then(|| self.clone())
    }
}

//! The shop of the scripts: every command is a log entry of its own, and its outcome and the rows that it changed are
//! printed. Log time is shown in seconds since the script began.

mod parse;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;

use stockade_state_machine::command::Transact;
use stockade_state_machine::ids::{LocationId, Principal, RequestId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::Location;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{
    Change, Command, ContentHash, Entry, LogTime, Origin, Outcome, Rejection, Request, Revision, State,
    Stock, StockKey, Version, invariants,
};

/// Names every variant: the list follows from the match, so a new variant doesn't compile until it is named.
macro_rules! variants {
    ($list:ident, $name:ident($enum:ident): $($variant:ident),* $(,)?) => {
        /// Every variant's name.
        pub(crate) const $list: &[&str] = &[$(stringify!($variant)),*];

        fn $name(value: &$enum) -> &'static str {
            match value {
                $($enum::$variant { .. } => stringify!($variant)),*
            }
        }
    };
}

variants!(
    OUTCOMES, outcome_name(Outcome): SkuCreated, SkuUpdated, SkuDeleted, LocationCreated, LocationUpdated, LocationDeleted,
    StockReceived, StockAdjusted, StockSet, StockMoved, OrderPlaced, OrderConfirmed, OrderExtended, OrderShipped, OrderCancelled, OrderClosed, OrderReturned, ReservationCreated,
    ReservationExtended, ReservationCommitted, ReservationReleased, ReservationMoved, Transacted, DueExpired, RequestAbandoned, Rejected,
);
variants!(
    REJECTIONS, rejection_name(Rejection): Malformed, RequestIdReused, RequestIdExpired, RequestIdInFuture,
    RequestAbandoned, NotFound, AlreadyExists, ReservationExpired, IllegalTransition, ReservationSettled, EtagMismatch,
    QuantityStale, PreconditionFailed, OperationRejected, SkuInUse, LocationInUse, LocationDisabled, TooLarge, PurchaseLimit, QuantityExceeded,
    QuantityOverflow, InsufficientStock, RetryAfterExpiry,
);

/// When every script begins, in microseconds since 1970.
const START_US: u64 = 1_790_000_000_000_000;

/// Where every script's shop has stock from the beginning.
const LOCATIONS: [&str; 5] = ["main", "shop", "a", "b", "c"];

/// Rows shown after a command: enough for what a reader follows.
const MAX_ROWS_SHOWN: usize = 8;

fn location(id: &str) -> Change {
    let id = LocationId::new(id).expect("visible");
    let begun = LogTime::from_micros(START_US);
    let (details, version) = Default::default();
    Change::Location(id.clone(), Some(Location { id, details, created: begun, updated: begun, version }))
}

/// A state and what has happened to it.
pub(crate) struct Shop {
    state: State,
    revision: u64,
    /// The clock of the leader, which may go back.
    clock_us: u64,
    /// Request ids by the names that the script gives them.
    ids: BTreeMap<String, RequestId>,
    next_id: u64,
    /// The preconditions and operations of a transaction that has begun.
    transaction: Option<Transact>,
    ledger: Vec<LedgerEntry>,
    /// Names of the outcomes and rejections seen.
    pub(crate) provoked: BTreeSet<&'static str>,
}

impl Default for Shop {
    fn default() -> Self {
        let (ids, transaction, ledger, provoked) = Default::default();
        let mut state = State::new();
        for id in LOCATIONS {
            state.absorb(&location(id));
        }
        Self { state, revision: 0, clock_us: START_US, ids, next_id: 0, transaction, ledger, provoked }
    }
}

impl Shop {
    /// The origin that `id=`, `ahead=` and `as=` say. Without `id=` it is a fresh one.
    fn origin(&mut self, name: Option<String>, ahead_ms: u64, principal: &str) -> Origin {
        self.next_id += 1;
        let time_ms = u128::from(self.clock_us / 1_000 + ahead_ms);
        let fresh = (time_ms << 80) | (7 << 76) | (2 << 62) | u128::from(self.next_id);
        let fresh = RequestId::new(fresh).expect("version 7");
        let request = name.map_or(fresh, |name| *self.ids.entry(name).or_insert(fresh));
        Origin { request, principal: Principal::new(principal).expect("visible") }
    }

    fn execute(&mut self, origin: Option<Origin>, command: Command) -> String {
        self.revision += 1;
        // Any function of the content will do here; storage has the real one.
        let text = format!("{command:?}");
        let hash = text.bytes().fold(7_u128, |hash, byte| hash.wrapping_mul(0x100_0193) ^ u128::from(byte));
        let request = Request { origin, content: ContentHash(hash), command };
        let (revision, time) = (Revision::new(self.revision), LogTime::from_micros(self.clock_us));
        let previewed = request.origin.is_some().then(|| self.state.preview(revision, time, &[], &request));
        let entry = Entry { time: LogTime::from_micros(self.clock_us), requests: vec![request] };
        let applied = self.state.execute(Revision::new(self.revision), &entry);
        let reply = &applied.replies[0];
        if let Some(previewed) = previewed {
            let (previewed, outcome) = (show::outcome(&previewed), show::outcome(&reply.outcome));
            assert_eq!(previewed, outcome, "what was previewed is not what came");
        }
        self.provoked.insert(outcome_name(&reply.outcome));
        if let Outcome::Rejected(rejection) = &reply.outcome {
            self.provoked.insert(rejection_name(rejection));
        }
        let replayed = if reply.replayed { " (replayed)" } else { "" };
        let mut output = format!("@{} {}{replayed}\n", reply.revision, show::outcome(&reply.outcome));
        let mut rows = BTreeMap::new();
        for change in &applied.changes {
            if let Change::Ledger(entry) = change {
                self.ledger.push(entry.clone());
            }
            if let Some((key, row)) = show::change(change) {
                rows.insert(key, row);
            }
        }
        let hidden = rows.len().saturating_sub(MAX_ROWS_SHOWN);
        for row in rows.into_values().take(MAX_ROWS_SHOWN) {
            writeln!(output, "  {row}").expect("a string takes all");
        }
        if hidden > 0 {
            writeln!(output, "  and {hidden} more rows").expect("a string takes all");
        }
        let violations = invariants::violations(&self.state, std::iter::empty(), Some(&self.ledger));
        assert!(violations.is_empty(), "{violations:?}");
        output
    }

    /// Puts units there as if they had been loaded from disk, with the ledger entry that brought them.
    fn load(&mut self, key: StockKey, units: i64) -> String {
        let revision = Revision::new(self.revision);
        let version = Version { revision, position: 0 };
        let balances = Stock::from_buckets([units, 0, 0, 0, 0, 0], version).expect("not below 0");
        self.state.absorb(&Change::Stock(key.clone(), Some(balances)));
        self.ledger.push(LedgerEntry {
            revision,
            position: 0,
            time: self.state.clock().now,
            sku: key.sku,
            location: key.location,
            from: None,
            to: Some(Bucket::Available),
            quantity: units,
            reason: Reason::Received,
            actor: None,
            request: None,
            order: None,
            reservation: None,
            document: None,
            reference: String::new(),
            balances,
        });
        String::new()
    }

    /// The movements since the script began.
    fn movements(&self) -> String {
        self.ledger.iter().map(|entry| show::movement(entry) + "\n").collect()
    }
}

impl goldenscript::Runner for Shop {
    fn run(&mut self, command: &goldenscript::Command) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        match command.name.as_str() {
            "advance" => {
                let by = parse::duration_us(&args.next_pos().ok_or("how long?")?.value)?;
                self.clock_us += by;
                args.reject_rest()?;
                return Ok(String::new());
            }
            "clock-back" => {
                let by = parse::duration_us(&args.next_pos().ok_or("how long?")?.value)?;
                self.clock_us -= by;
                args.reject_rest()?;
                return Ok(String::new());
            }
            "now" => {
                let clock = self.state.clock();
                return Ok(format!(
                    "log time {}, {} records\n",
                    show::time(clock.now),
                    self.state.request_count()
                ));
            }
            "ledger" => return Ok(self.movements()),
            "load" => {
                let (sku, location) = parse::place_of(&args.next_pos().ok_or("which?")?.value)?;
                let units = args.next_pos().ok_or("how many?")?.value.parse()?;
                args.reject_rest()?;
                return Ok(self.load(StockKey { sku, location }, units));
            }
            "place-many" => {
                let count: u32 = args.lookup_parse("count")?.ok_or("how many?")?;
                let line = args.lookup("line").ok_or("which line?")?.value.clone();
                let hold = args.lookup("hold").map_or("60s", |hold| &hold.value).to_owned();
                for number in 1..=count {
                    let command =
                        parse::place(&format!("many-{number:05}"), std::slice::from_ref(&line), None, &hold)?;
                    let origin = self.origin(None, 0, "shop");
                    let output = self.execute(Some(origin), command);
                    assert!(output.contains("OrderPlaced"), "{output}");
                }
                return Ok(format!("{count} orders placed\n"));
            }
            "begin" => {
                args.reject_rest()?;
                self.transaction = Some(Transact { preconditions: Vec::new(), operations: Vec::new() });
                return Ok(String::new());
            }
            "require" => {
                let precondition = parse::precondition(&mut args)?;
                args.reject_rest()?;
                let transaction = self.transaction.as_mut().ok_or("no transaction has begun")?;
                transaction.preconditions.push(precondition);
                return Ok(String::new());
            }
            _ => {}
        }
        let system = command.name == "expire";
        let name = args.lookup("id").map(|id| id.value.clone());
        let ahead_us = args.lookup("ahead").map_or(Ok(0), |ahead| parse::duration_us(&ahead.value))?;
        let principal = args.lookup("as").map_or("shop", |principal| &principal.value).to_owned();
        let parsed = if command.name == "commit" {
            Command::Transact(self.transaction.take().ok_or("no transaction has begun")?)
        } else {
            let times: usize = args.lookup_parse("operations")?.unwrap_or(1);
            let parsed = parse::command(command, &mut args)?;
            if let Some(transaction) = &mut self.transaction {
                args.reject_rest()?;
                transaction.operations.extend(std::iter::repeat_n(parsed, times));
                return Ok(String::new());
            }
            parsed
        };
        args.reject_rest()?;
        let origin = (!system).then(|| self.origin(name, ahead_us / 1_000, &principal));
        Ok(self.execute(origin, parsed))
    }
}

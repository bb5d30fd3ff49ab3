//! Properties of execution over random entries. A failure prints its smallest input and keeps its seed beside this file, in a
//! `.proptest-regressions` file, from which every later run begins.

mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use stockade_state_machine::command::{Name, Transact};
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, OrderId, Principal, RequestId, ReservationId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::{
    Change, Command, ContentHash, Entry, LogTime, Origin, Outcome, Rejection, Reply, Request, Revision,
    State, StockKey, invariants,
};

use steps::{Step, steps};

const START_US: u64 = 1_790_000_000_000_000;

/// Cuts steps into entries of at most `batch` commands, each at the time of its last step.
fn entries(steps: &[Step], batch: usize) -> Vec<Entry> {
    let mut time_us = START_US;
    let mut entries = Vec::new();
    for chunk in steps.chunks(batch) {
        time_us += chunk.iter().map(|(_, wait, _)| wait).sum::<u64>();
        let requests = chunk.iter().map(|(command, _, id)| request(command, *id)).collect();
        entries.push(Entry { time: LogTime::from_micros(time_us), requests });
    }
    entries
}

/// The steps but for those that expect a version, or may be told one: it says where an entry stood in the log.
fn without_versions(mut steps: Vec<Step>) -> Vec<Step> {
    steps.retain(|(command, ..)| match command {
        Command::Transact(Transact { preconditions, .. }) if !preconditions.is_empty() => false,
        command => !command.names().iter().any(|name| matches!(name, Name::Version(_))),
    });
    steps
}

/// The same commands at the same times, each in an entry of its own.
fn one_by_one(entries: &[Entry]) -> Vec<Entry> {
    let single = |entry: &Entry| {
        let time = entry.time;
        let alone = move |request: &Request| Entry { time, requests: vec![request.clone()] };
        entry.requests.iter().map(alone).collect::<Vec<_>>()
    };
    entries.iter().flat_map(single).collect()
}

/// The content stands for itself: a hash of the text will do.
fn request(command: &Command, id: Option<u8>) -> Request {
    let text = format!("{command:?}");
    let hash = text.bytes().fold(7_u128, |hash, byte| hash.wrapping_mul(0x100_0193) ^ u128::from(byte));
    let origin = id.map(|id| {
        // Some ids are older than others, so that the horizon passes them one by one.
        let time_ms = u128::from(START_US / 1_000 + u64::from(id) * 2_000);
        let request =
            RequestId::new((time_ms << 80) | (7 << 76) | (2 << 62) | u128::from(id)).expect("version 7");
        Origin { request, principal: Principal::new("shop").expect("visible") }
    });
    Request { origin, content: ContentHash(hash), command: command.clone() }
}

/// What a run leaves behind.
#[derive(Debug, Default, PartialEq)]
struct Run {
    state: State,
    replies: Vec<Reply>,
    changes: Vec<Change>,
}

fn run(entries: &[Entry]) -> Run {
    let mut run = Run::default();
    for (revision, entry) in (1..).zip(entries) {
        let applied = run.state.execute(Revision::new(revision), entry);
        assert_eq!(applied.replies.len(), entry.requests.len(), "one reply for each request");
        run.replies.extend(applied.replies);
        run.changes.extend(applied.changes);
    }
    run
}

/// Stock by bucket and order lines, without the revisions.
fn quantities(state: &State) -> impl PartialEq + std::fmt::Debug {
    let stock: Vec<_> = state.stock_after(None).map(|(key, stock)| (key.clone(), stock.buckets())).collect();
    let orders: Vec<_> = state
        .orders()
        .map(|order| (order.id.clone(), order.state(), order.lines.clone(), order.expires))
        .collect();
    let reservations: Vec<_> = state
        .reservations_after(None)
        .map(|held| (held.id.clone(), held.state(), held.lines.clone(), held.expires))
        .collect();
    (stock, orders, reservations, state.clock())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_entry_and_the_clock_never_falls(steps in steps(), batch in 1..6_usize) {
        let mut state = State::new();
        let mut ledger: Vec<LedgerEntry> = Vec::new();
        for (revision, entry) in (1..).zip(entries(&steps, batch)) {
            let before = state.clock();
            let applied = state.execute(Revision::new(revision), &entry);
            let moved = applied.changes.iter().filter_map(|change| match change {
                Change::Ledger(entry) => Some(entry.clone()),
                Change::Sku(..) | Change::Location(..) | Change::Stock(..) | Change::Order(..) | Change::Reservation(..) | Change::Document(..)
                | Change::Request(..) | Change::Clock(_) => None,
            });
            let known = ledger.len();
            ledger.extend(moved);
            for (position, entry) in (0..).zip(&ledger[known..]) {
                prop_assert_eq!((entry.revision.get(), entry.position), (revision, position));
                prop_assert!(entry.quantity >= 1);
            }
            let found = invariants::violations(&state, std::iter::empty(), Some(&ledger));
            prop_assert!(found.is_empty(), "after revision {}: {:?}", revision, found);
            prop_assert!(state.clock().now >= before.now && state.clock().horizon_ms >= before.horizon_ms);
            prop_assert!(matches!(applied.changes.last(), Some(Change::Clock(clock)) if *clock == state.clock()));
            for order in state.orders().filter(|order| order.state() != OrderState::PendingPayment) {
                prop_assert!(order.lines.iter().all(|line| line.held == 0), "{:?}", order);
            }
        }
    }

    #[test]
    fn a_replay_is_the_first_answer(steps in steps(), batch in 1..6_usize) {
        let entries = entries(&steps, batch);
        let replies = run(&entries).replies;
        let mut first: BTreeMap<Origin, (ContentHash, Reply)> = BTreeMap::new();
        for (request, reply) in entries.iter().flat_map(|entry| &entry.requests).zip(replies) {
            let Some(origin) = &request.origin else { continue };
            let unrecorded = matches!(
                reply.outcome,
                Outcome::Rejected(
                    Rejection::RequestIdExpired { .. } | Rejection::RequestIdInFuture { .. }
                        | Rejection::RetryAfterExpiry
                )
            );
            if unrecorded {
                prop_assert!(!reply.replayed);
                continue;
            }
            match first.get(origin) {
                None => {
                    prop_assert!(!reply.replayed, "a first answer that claims to be a replay: {:?}", reply);
                    first.insert(origin.clone(), (request.content, reply));
                }
                Some((content, original)) => {
                    let abandons = request.command == Command::AbandonRequest;
                    let refused = if original.outcome == Outcome::RequestAbandoned && !abandons {
                        Some(Rejection::RequestAbandoned)
                    } else if *content != request.content && !abandons {
                        Some(Rejection::RequestIdReused)
                    } else {
                        None
                    };
                    if let Some(rejection) = refused {
                        // Decided anew, and so at a place of its own.
                        prop_assert!(!reply.replayed);
                        prop_assert_eq!(reply.outcome, Outcome::Rejected(rejection));
                    } else {
                        prop_assert_eq!(reply, Reply { replayed: true, ..original.clone() });
                    }
                }
            }
        }
    }

    #[test]
    fn the_cut_into_entries_changes_nothing_but_revisions_and_positions(steps in steps(), batch in 2..8_usize) {
        let together = entries(&without_versions(steps), batch);
        let (together, apart) = (run(&together), run(&one_by_one(&together)));
        prop_assert_eq!(quantities(&together.state), quantities(&apart.state));
        for (one, other) in together.replies.iter().zip(&apart.replies) {
            prop_assert_eq!(std::mem::discriminant(&one.outcome), std::mem::discriminant(&other.outcome));
            prop_assert_eq!((one.time, one.replayed), (other.time, other.replayed));
            if let (Outcome::Rejected(_), Outcome::Rejected(_)) = (&one.outcome, &other.outcome) {
                prop_assert_eq!(&one.outcome, &other.outcome);
            }
        }
    }

    #[test]
    fn the_same_entries_give_the_same_state_and_changes(steps in steps(), batch in 1..6_usize) {
        let entries = entries(&steps, batch);
        prop_assert_eq!(run(&entries), run(&entries));
    }

    #[test]
    fn the_last_row_of_each_key_loads_the_state(steps in steps(), batch in 1..6_usize) {
        let Run { state, changes, .. } = run(&entries(&steps, batch));
        let mut loaded = State::new();
        for change in &changes {
            loaded.absorb(change);
        }
        prop_assert_eq!(&loaded, &state, "every row in order");
        let last: BTreeMap<String, &Change> = changes.iter().map(|change| (key(change), change)).collect();
        let mut loaded = State::new();
        for change in last.values().rev() {
            loaded.absorb(change);
        }
        prop_assert_eq!(&loaded, &state, "the last row of each key, in another order");
    }

    #[test]
    fn settled_rows_and_documents_may_leave_until_an_entry_names_them(steps in steps(), batch in 1..6_usize) {
        let entries = entries(&steps, batch);
        let whole = run(&entries);
        let mut state = State::new();
        let mut orders: BTreeMap<OrderId, Arc<Order>> = BTreeMap::new();
        let mut reservations: BTreeMap<ReservationId, Arc<Reservation>> = BTreeMap::new();
        let mut documents: BTreeMap<DocumentId, Document> = BTreeMap::new();
        let mut replies = Vec::new();
        let mut changes = Vec::new();
        for (revision, entry) in (1..).zip(&entries) {
            let mut rows = Vec::new();
            let mut previews = Vec::new();
            for request in &entry.requests {
                rows.extend(request.command.names().into_iter().filter_map(|name| match name {
                    Name::Order(id) => orders.get(id).map(|order| Change::Order(id.clone(), Arc::clone(order))),
                    Name::Reservation(id) => {
                        reservations.get(id).map(|held| Change::Reservation(id.clone(), Arc::clone(held)))
                    }
                    Name::Document(id) => {
                        documents.get(id).map(|document| Change::Document(id.clone(), document.clone()))
                    }
                    Name::Version(_) => None,
                }));
            }
            if let [only] = entry.requests.as_slice()
                && only.origin.is_some()
                && !matches!(only.command, Command::ExpireDue(_))
            {
                // What isn't in memory is brought to the preview, and it says what execution does.
                previews.push(state.preview(Revision::new(revision), entry.time, &rows, only));
            }
            for row in &rows {
                state.absorb(row);
            }
            let applied = state.execute(Revision::new(revision), entry);
            for previewed in previews {
                prop_assert_eq!(&previewed, &applied.replies[0].outcome);
            }
            for change in &applied.changes {
                if let Change::Order(id, order) = change {
                    orders.insert(id.clone(), Arc::clone(order));
                }
                if let Change::Reservation(id, held) = change {
                    reservations.insert(id.clone(), Arc::clone(held));
                }
                if let Change::Document(id, document) = change {
                    documents.insert(id.clone(), document.clone());
                }
            }
            for id in orders.keys() {
                state.evict_order(id);
            }
            for id in reservations.keys() {
                state.evict_reservation(id);
            }
            for id in documents.keys() {
                state.evict_document(id);
            }
            prop_assert!(state.orders().all(|order| !order.is_settled()));
            prop_assert!(state.reservations_after(None).all(|held| !held.is_settled()));
            replies.extend(applied.replies);
            changes.extend(applied.changes);
        }
        prop_assert_eq!(replies, whole.replies);
        prop_assert_eq!(changes, whole.changes);
    }
}

/// The properties above say little unless the steps get far: they reach all but what needs thousands of orders or units
/// beyond what receipts bring.
#[test]
fn the_steps_reach_every_outcome_and_nearly_every_rejection() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..500 {
        let steps = steps().new_tree(&mut runner).expect("nothing is filtered").current();
        for reply in run(&entries(&steps, 1)).replies {
            let text = format!("{:?}", reply.outcome);
            let text = text.strip_prefix("Rejected(").unwrap_or(&text);
            reached.extend(text.split(|letter: char| !letter.is_alphanumeric()).next().map(str::to_owned));
        }
    }
    let expected = [
        "SkuCreated",
        "SkuUpdated",
        "SkuDeleted",
        "LocationCreated",
        "LocationUpdated",
        "LocationDeleted",
        "StockReceived",
        "StockAdjusted",
        "StockSet",
        "StockMoved",
        "OrderPlaced",
        "OrderConfirmed",
        "OrderShipped",
        "OrderCancelled",
        "OrderReturned",
        "OrderExtended",
        "OrderClosed",
        "Transacted",
        "ReservationCreated",
        "ReservationExtended",
        "ReservationCommitted",
        "ReservationReleased",
        "ReservationMoved",
        "DueExpired",
        "RequestAbandoned",
        "Malformed",
        "RequestIdReused",
        "RequestIdExpired",
        "RequestIdInFuture",
        "NotFound",
        "AlreadyExists",
        "ReservationExpired",
        "IllegalTransition",
        "ReservationSettled",
        "EtagMismatch",
        "QuantityStale",
        "PreconditionFailed",
        "OperationRejected",
        "SkuInUse",
        "LocationInUse",
        "LocationDisabled",
        "PurchaseLimit",
        "QuantityExceeded",
        "InsufficientStock",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !reached.contains(**name)).collect();
    assert!(missing.is_empty(), "not reached: {missing:?}");
}

/// Names the row of a change.
fn key(change: &Change) -> String {
    match change {
        Change::Sku(id, _) => format!("sku {id}"),
        Change::Location(id, _) => format!("location {id}"),
        Change::Stock(StockKey { sku, location }, _) => format!("stock {sku} {location}"),
        Change::Order(id, _) => format!("order {id}"),
        Change::Reservation(id, _) => format!("reservation {id}"),
        Change::Document(id, _) => format!("document {id}"),
        Change::Ledger(entry) => format!("ledger {} {}", entry.revision, entry.position),
        Change::Request(origin, _) => format!("request {origin:?}"),
        Change::Clock(_) => "clock".to_owned(),
    }
}

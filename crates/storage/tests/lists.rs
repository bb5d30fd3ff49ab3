//! Lists of orders and the ledger, held against what a plain state and a plain list of movements say: while windows are on their way
//! to the engine, after restarts, and from an engine that was made from a snapshot.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{
    Node, cancel, confirm, create, hold, let_go, order, place, receive, reservation, ship, sku, take,
};
use openraft::EntryPayload;
use openraft::storage::RaftLogReader;
use stockade_state_machine::change::Change;
use stockade_state_machine::command::{
    CreateLocation, Disposition, PlaceOrder, ReceiveStock, ReturnLine, ReturnOrder,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{CustomerId, LocationId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::{Command, LogTime, Revision, State, Stock};
use stockade_storage::{AsOf, LedgerFilter, OrderFilter, OrderKey, codec};

const LOCATIONS: [&str; 3] = ["main", "north", "south"];
const SKUS: [&str; 4] = ["a", "b", "c", "ab"];
const CUSTOMERS: [&str; 3] = ["ann", "bo", "bob"];

/// The same numbers for the same seed, on every machine.
struct Dice {
    bits: u64,
    /// Orders that were asked for so far.
    orders: usize,
}

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // The constants of Knuth's MMIX.
        self.bits = self.bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.bits >> 33).unwrap() % sides
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.roll(items.len())]
    }
}

/// What a plain state and a plain list of movements say after the same entries.
#[derive(Default)]
struct Twin {
    state: State,
    ledger: Vec<LedgerEntry>,
    applied: u64,
}

impl Twin {
    async fn follow(&mut self, node: &mut Node) {
        let last = node.storage.log.last_index();
        let entries = node.storage.log.try_get_log_entries(self.applied + 1..=last).await.unwrap();
        for entry in entries {
            let EntryPayload::Normal(proposal) = entry.payload else { continue };
            let revision = Revision::new(entry.log_id.index);
            let applied = self.state.execute(revision, &codec::decode_proposal(&proposal).unwrap());
            self.ledger.extend(applied.changes.into_iter().filter_map(|change| match change {
                Change::Ledger(entry) => Some(entry),
                _ => None,
            }));
        }
        self.applied = last;
    }

    fn orders(&self, filter: &OrderFilter) -> Vec<Arc<Order>> {
        let now = self.state.clock().now;
        let mut orders: Vec<_> =
            self.state.orders().filter(|order| filter.takes(order, now)).cloned().collect();
        orders.sort_by_key(|order| (order.created, order.id.clone()));
        if filter.newest_first {
            orders.reverse();
        }
        orders
    }

    fn entries(&self, filter: &LedgerFilter, up_to: Revision) -> Vec<LedgerEntry> {
        let by = |entry: &LedgerEntry, holder: &Holder| match holder {
            Holder::Order(id) => entry.order.as_ref() == Some(id),
            Holder::Reservation(id) => entry.reservation.as_ref() == Some(id),
        };
        let takes = |entry: &&LedgerEntry| {
            entry.revision <= up_to
                && filter.sku.as_ref().is_none_or(|sku| entry.sku == *sku)
                && filter.location.as_ref().is_none_or(|location| entry.location == *location)
                && filter.holder.as_ref().is_none_or(|holder| by(entry, holder))
                && filter.from_revision.is_none_or(|from| entry.revision >= from)
                && filter.to_revision.is_none_or(|to| entry.revision <= to)
                && filter.start.is_none_or(|start| entry.time >= start)
                && filter.end.is_none_or(|end| entry.time < end)
        };
        let mut entries: Vec<_> = self.ledger.iter().filter(takes).cloned().collect();
        if filter.newest_first {
            entries.reverse();
        }
        entries
    }

    fn stock_as_of(&self, name: &str, up_to: impl Fn(&LedgerEntry) -> bool) -> Vec<(LocationId, Stock)> {
        let last = |location: &&str| {
            let mut of_it = self.ledger.iter().rev().filter(|entry| up_to(entry));
            let entry = of_it.find(|entry| entry.sku == sku(name) && entry.location.as_str() == *location)?;
            Some((entry.location.clone(), entry.balances))
        };
        LOCATIONS.iter().filter_map(last).collect()
    }
}

fn location(name: &str) -> LocationId {
    LocationId::new(name).unwrap()
}

fn customer(name: &str) -> CustomerId {
    CustomerId::new(name).unwrap()
}

async fn open_shop(dir: &Path) -> Node {
    let mut node = Node::open(dir).await;
    let at = |name: &&str| {
        Command::CreateLocation(CreateLocation {
            location: location(name),
            details: LocationDetails::default(),
        })
    };
    node.run(LOCATIONS.iter().map(at).chain(SKUS.iter().map(|name| create(name))).collect()).await;
    node
}

fn receive_at(dice: &mut Dice, document: usize) -> Command {
    let Command::ReceiveStock(receipt) = receive(dice.one_of(&SKUS), 40, &format!("d{document}")) else {
        unreachable!()
    };
    Command::ReceiveStock(ReceiveStock { location: location(dice.one_of(&LOCATIONS)), ..receipt })
}

fn place_for(dice: &mut Dice) -> Command {
    let number = dice.orders;
    dice.orders += 1;
    let lines = [(dice.one_of(&SKUS), 1), (dice.one_of(&SKUS), 2)];
    let Command::PlaceOrder(placed) = place(&format!("o{number:04}"), &lines) else { unreachable!() };
    let customer = (dice.roll(4) > 0).then(|| customer(dice.one_of(&CUSTOMERS)));
    Command::PlaceOrder(PlaceOrder { customer, ..placed })
}

fn give_back(id: &str) -> Command {
    let line = ReturnLine { line: 1, location: None, quantity: 1, disposition: Disposition::Restock };
    Command::ReturnOrder(ReturnOrder { order: order(id), lines: vec![line], document: None, expected: None })
}

/// An entry of some commands about what may be there.
fn commands(dice: &mut Dice, step: usize) -> Vec<Command> {
    let some_order = |dice: &mut Dice| format!("o{:04}", dice.orders.saturating_sub(dice.roll(12)));
    let one = |dice: &mut Dice, at: usize| match dice.roll(16) {
        0 => receive_at(dice, step * 4 + at),
        1..=4 => place_for(dice),
        5..=7 => confirm(&some_order(dice)),
        8..=10 => ship(&some_order(dice)),
        11 => cancel(&some_order(dice)),
        12 => give_back(&some_order(dice)),
        13 => hold(&format!("c{}", dice.roll(step + 1)), &[(dice.one_of(&SKUS), 2)]),
        _ if dice.roll(2) == 0 => let_go(&format!("c{}", dice.roll(step + 1))),
        _ => take(&format!("c{}", dice.roll(step + 1)), &format!("t{step:04}"), 1),
    };
    (0..=dice.roll(4)).map(|at| one(dice, at)).collect()
}

/// All that a filter takes, page by page.
fn all_orders(node: &Node, filter: &OrderFilter, page: usize) -> Vec<Arc<Order>> {
    let (mut found, mut after) = (Vec::new(), None::<OrderKey>);
    loop {
        let (rows, now) = node
            .storage
            .state
            .read(|view| (view.list_orders(filter, after.as_ref(), page).unwrap(), view.clock().now));
        assert!(rows.orders.len() <= page);
        after = rows.orders.last().map(|last| (last.created, last.id.clone()));
        found.extend(rows.orders.into_iter().filter(|order| filter.takes(order, now)));
        if !rows.has_more {
            return found;
        }
    }
}

async fn all_entries(node: &Node, filter: &LedgerFilter, page: usize) -> Vec<LedgerEntry> {
    let view = node.storage.state.ledger(node.storage.state.applied()).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let entries = view.entries(filter, after, page).unwrap();
        assert!(entries.entries.len() <= page);
        found.extend(entries.entries);
        let Some(last) = entries.last else { return found };
        after = Some(last);
    }
}

fn random_order_filter(dice: &mut Dice, last: LogTime) -> OrderFilter {
    let first = common::START_US;
    let span = usize::try_from(last.micros() - first).unwrap() + 2;
    let time = |dice: &mut Dice| LogTime::from_micros(first + dice.roll(span) as u64);
    OrderFilter {
        state: (dice.roll(2) == 0).then(|| dice.one_of(&OrderState::ALL)),
        customer: (dice.roll(3) == 0).then(|| customer(dice.one_of(&CUSTOMERS))),
        sku: (dice.roll(3) == 0).then(|| sku(dice.one_of(&SKUS))),
        start: (dice.roll(3) == 0).then(|| time(dice)),
        end: (dice.roll(3) == 0).then(|| time(dice)),
        newest_first: dice.roll(2) == 0,
    }
}

fn random_ledger_filter(dice: &mut Dice, twin: &Twin) -> LedgerFilter {
    let time = |dice: &mut Dice| {
        LogTime::from_micros(common::START_US + dice.roll(usize::try_from(twin.applied).unwrap() + 2) as u64)
    };
    let revision =
        |dice: &mut Dice| Revision::new(dice.roll(usize::try_from(twin.applied).unwrap() + 2) as u64);
    let holder = |dice: &mut Dice| {
        if dice.roll(2) == 0 {
            Holder::Order(order(&format!("o{:04}", dice.roll(200))))
        } else {
            Holder::Reservation(reservation(&format!("c{}", dice.roll(40))))
        }
    };
    LedgerFilter {
        sku: (dice.roll(2) == 0).then(|| sku(dice.one_of(&SKUS))),
        location: (dice.roll(3) == 0).then(|| location(dice.one_of(&LOCATIONS))),
        holder: (dice.roll(4) == 0).then(|| holder(dice)),
        from_revision: (dice.roll(4) == 0).then(|| revision(dice)),
        to_revision: (dice.roll(4) == 0).then(|| revision(dice)),
        start: (dice.roll(4) == 0).then(|| time(dice)),
        end: (dice.roll(4) == 0).then(|| time(dice)),
        newest_first: dice.roll(2) == 0,
    }
}

/// Holds what a node answers to random questions against the twin.
async fn compare(node: &mut Node, twin: &mut Twin, dice: &mut Dice, questions: usize) {
    twin.follow(node).await;
    for _ in 0..questions {
        let filter = random_order_filter(dice, twin.state.clock().now);
        let page = dice.one_of(&[2, 7, 50, 1_000]);
        assert_eq!(all_orders(node, &filter, page), twin.orders(&filter), "{filter:?} by {page}");
    }
    let applied = node.storage.state.applied();
    for _ in 0..questions {
        let filter = random_ledger_filter(dice, twin);
        let page = dice.one_of(&[3, 20, 1_000]);
        assert_eq!(
            all_entries(node, &filter, page).await,
            twin.entries(&filter, applied),
            "{filter:?} by {page}"
        );
    }
    let view = node.storage.state.ledger(applied).await;
    for _ in 0..questions {
        let name = dice.one_of(&SKUS);
        let revision = Revision::new(dice.roll(usize::try_from(twin.applied).unwrap() + 1) as u64);
        let found = view.stock_as_of(&sku(name), None, AsOf::Revision(revision), None, 1_000).unwrap();
        assert_eq!(
            found.stock,
            twin.stock_as_of(name, |entry| entry.revision <= revision),
            "{name} at {revision}"
        );
        assert_eq!((found.revision, found.last), (revision, None));
        let time = LogTime::from_micros(common::START_US + revision.get());
        let found = view.stock_as_of(&sku(name), None, AsOf::Time(time), None, 1_000).unwrap();
        assert_eq!(found.stock, twin.stock_as_of(name, |entry| entry.time <= time), "{name} at {time:?}");
        let last = twin.ledger.iter().rev().find(|entry| entry.time <= time);
        assert_eq!(found.revision, last.map_or(Revision::default(), |entry| entry.revision));
        let at = location(dice.one_of(&LOCATIONS));
        let one = view.stock_as_of(&sku(name), Some(&at), AsOf::Time(time), None, 1).unwrap();
        let expected: Vec<_> = found.stock.into_iter().filter(|(location, _)| *location == at).collect();
        assert_eq!(one.stock, expected);
    }
    let verified = node.storage.state.verify_ledger(&mut |_, _| {}).await.unwrap();
    assert_eq!(verified.problems, []);
    assert_eq!(verified.entries, twin.ledger.len() as u64);
    let rows = node.storage.state.read(|view| view.stock_after(None, usize::MAX).len());
    assert_eq!(verified.stock_rows, rows as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_ledger_are_what_a_plain_state_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let (mut twin, mut dice) = (Twin::default(), Dice { bits: 7, orders: 0 });
    for step in 0..400 {
        node.run(commands(&mut dice, step)).await;
        if step % 11 == 0 {
            compare(&mut node, &mut twin, &mut dice, 3).await;
        }
        match step {
            60 | 280 => {
                node.stop().await;
                node = Node::open(dir.path()).await;
                node.catch_up().await;
            }
            100 => {
                node.kill().await;
                node = Node::open(dir.path()).await;
                node.catch_up().await;
            }
            140 => {
                // The engine is made anew from a snapshot, and the log goes on behind it.
                node.snapshot().await;
                node.run(commands(&mut dice, step)).await;
                node.stop().await;
                std::fs::remove_dir_all(dir.path().join("engine")).unwrap();
                node = Node::open(dir.path()).await;
                node.catch_up().await;
            }
            _ => {}
        }
    }
    compare(&mut node, &mut twin, &mut dice, 40).await;
    assert!(twin.ledger.len() > 300, "{}", twin.ledger.len());
    let states: std::collections::BTreeSet<_> =
        twin.state.orders().map(|order| format!("{:?}", order.state())).collect();
    assert!(states.len() >= 5, "{states:?}");
}

//! The two state machines that run the log side by side.
//!
//! The model is the judge: its replies are what answers are held against, and its rows are what is hashed. Reads are
//! answered from the state machine that the product has, whose lists can begin anywhere; it must give the same replies
//! and the same movements all the way and have the same rows at the end. What was only tried is tried on both, on the model as long as copies of it are cheap.

use std::fmt::Debug;

use stockade_model::Model;
use stockade_state_machine::{Change, Entry, LogTime, Origin, Outcome, Reply, Request, Revision, State};
use stockade_storage::{CanonicalRow, canonical_hash};

use crate::ledger::Ledger;
use crate::log::Log;
use crate::order_list::OrderList;
use crate::reads::Reading;
use crate::words;

/// Rows of the model that are copied to try requests on, all together. The model has no way to try something without doing it, and
/// a copy for each of many trials of a large shop would take hours.
const MAX_COPIED_ROWS: usize = 5_000_000;

/// Both of them, after the same entries.
#[derive(Default)]
pub(crate) struct Machines {
    model: Model,
    state: State,
    /// Every movement that the state has made; it keeps none of them itself.
    ledger: Ledger,
    /// Its orders as they are listed.
    orders: OrderList,
    /// Rows of the model that were copied so far.
    copied_rows: usize,
}

/// What would become of a request.
pub(crate) struct Preview {
    /// The model's, where it was asked.
    pub(crate) outcome: Outcome,
    /// False where only the product's state machine was.
    pub(crate) is_of_model: bool,
    /// Where the two differ.
    pub(crate) difference: Option<Difference>,
}

/// The first thing in which the two differ.
pub(crate) struct Difference(pub(crate) String);

impl Machines {
    /// Runs an entry. The replies are the model's.
    pub(crate) fn apply(&mut self, index: u64, entry: &Entry) -> (Vec<Reply>, Option<Difference>) {
        let revision = Revision::new(index);
        let replies = self.model.apply(revision, entry);
        let applied = self.state.execute(revision, entry);
        let differing = replies.iter().zip(&applied.replies).find(|(one, other)| one != other);
        let difference = differing.map(|(model, product)| differ(model, product));
        let before = self.ledger.entries().len();
        self.take(index, applied.changes);
        let difference = difference.or_else(|| self.compare_ledgers(before));
        (replies, difference)
    }

    /// Takes in what reads are answered from beside the rows.
    fn take(&mut self, index: u64, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Ledger(entry) => self.ledger.push(entry),
                Change::Order(_, order) => self.orders.take(&order),
                Change::Sku(sku, None) => self.ledger.delete(sku, index),
                Change::Sku(_, Some(_))
                | Change::Location(..)
                | Change::Stock(..)
                | Change::Reservation(..)
                | Change::Document(..)
                | Change::Request(..)
                | Change::Clock(_) => {}
            }
        }
    }

    /// Compares the movements behind so many.
    fn compare_ledgers(&self, before: usize) -> Option<Difference> {
        let product = &self.ledger.entries()[before..];
        let same = self.model.ledger().skip(before).eq(product);
        (!same).then(|| differ(&self.model.ledger().skip(before).collect::<Vec<_>>(), &product))
    }

    /// What would become of a request that is alone in the entry after this one, at a time. Nothing changes.
    pub(crate) fn preview(&mut self, index: u64, time: LogTime, request: &Request) -> Preview {
        let revision = Revision::new(index + 1);
        // All rows are in memory here: none is to be brought.
        let product = self.state.preview(revision, time, &[], request);
        if self.copied_rows >= MAX_COPIED_ROWS {
            return Preview { outcome: product, is_of_model: false, difference: None };
        }
        self.copied_rows += self.row_count();
        let entry = Entry { time, requests: vec![request.clone()] };
        let reply = self.model.clone().apply(revision, &entry).into_iter().next();
        let outcome = reply.expect("a reply for each request").outcome;
        let difference = (outcome != product).then(|| differ(&outcome, &product));
        Preview { outcome, is_of_model: true, difference }
    }

    fn row_count(&self) -> usize {
        let catalogue = self.model.skus().count() + self.model.locations().count();
        let stock = self.model.stock().count() + self.model.ledger().len() + self.model.documents().count();
        let holders = self.model.orders().count() + self.model.reservations().count();
        catalogue + stock + holders + self.model.requests().count()
    }

    /// What a read is answered from that might have been served from any state from `least` on.
    pub(crate) fn reading<'a>(&'a self, log: &'a Log, served: u64, least: u64) -> Reading<'a> {
        Reading { rows: &self.state, ledger: &self.ledger, orders: &self.orders, log, served, least }
    }

    /// The rows that reads are answered from.
    pub(crate) fn rows(&self) -> &State {
        &self.state
    }

    /// The state hash of the model.
    pub(crate) fn hash(&self) -> ([u8; 32], u64) {
        let mut requests: Vec<_> = self.model.requests().collect();
        requests.sort_unstable_by_key(|(_, record)| (record.revision, record.position));
        let rows = self.model.documents().map(|(id, document)| CanonicalRow::Document(id, document));
        let rows = rows.chain(self.model.reservations().map(CanonicalRow::Reservation));
        let rows = rows.chain(self.model.skus().map(CanonicalRow::Sku));
        let rows = rows.chain(self.model.ledger().map(CanonicalRow::Ledger));
        let rows = rows.chain(self.model.orders().map(CanonicalRow::Order));
        let rows = rows.chain(self.model.locations().map(CanonicalRow::Location));
        let rows =
            rows.chain(requests.into_iter().map(|(origin, record)| CanonicalRow::Request(origin, record)));
        let rows = rows.chain(self.model.stock().map(|(key, stock)| CanonicalRow::Stock(key, stock)));
        canonical_hash(rows, &self.model.clock())
    }

    /// Compares the rows that reads are answered from.
    pub(crate) fn compare_rows(&self) -> Result<(), Difference> {
        let differ = |what: &str| Err(Difference(format!("they hold different {what}")));
        if !self.model.skus().eq(self.state.skus_after(None)) {
            return differ("SKUs");
        }
        if !self.model.locations().eq(self.state.locations_after(None)) {
            return differ("locations");
        }
        if !self.model.stock().eq(self.state.stock_after(None)) {
            return differ("stock");
        }
        if !self.model.orders().eq(self.state.orders().map(AsRef::as_ref)) {
            return differ("orders");
        }
        if !self.model.reservations().eq(self.state.reservations_after(None).map(AsRef::as_ref)) {
            return differ("reservations");
        }
        let requests = self.state.requests();
        let same = |(origin, record): &(Origin, _), model: (&Origin, &_)| (origin, record) == model;
        let mut of_model = self.model.requests();
        let mut all = true;
        for request in requests {
            all &= of_model.next().is_some_and(|model| same(&request, model));
        }
        if !all || of_model.next().is_some() {
            return differ("request records");
        }
        Ok(())
    }
}

fn differ(model: &impl Debug, product: &impl Debug) -> Difference {
    let (model, product) = (words::shown(model), words::shown(product));
    Difference(format!("the model decides {model}, this version's state machine {product}"))
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1;
    use stockade_proto::v1::logged_command::Command;
    use stockade_proto::v1::mutation::Request as Mutated;

    use super::*;

    /// An entry with one command.
    fn entry(number: u32, request: Mutated) -> Entry {
        let mutation = v1::Mutation { timeout: None, request: Some(request) };
        let logged = v1::LoggedCommand {
            position: 0,
            request_id: format!("018bcfe5-6800-7000-8000-{number:012}"),
            principal: "anonymous".to_owned(),
            command: Some(Command::Mutation(mutation)),
        };
        let entry = v1::LogEntry {
            kind: v1::EntryKind::Commands.into(),
            log_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
            commands: vec![logged],
            ..v1::LogEntry::default()
        };
        crate::command::entry(&entry).expect("made soundly").expect("commands")
    }

    #[test]
    fn a_movement_that_only_one_of_them_makes_is_told() {
        let (sku_id, location_id) = ("mug".to_owned(), "main".to_owned());
        let sku = Some(v1::Sku { sku_id: sku_id.clone(), ..v1::Sku::default() });
        let location = Some(v1::Location { location_id: location_id.clone(), ..v1::Location::default() });
        let receipt = v1::ReceiveStockRequest { sku_id, location_id, quantity: 5, ..Default::default() };
        let entries = [
            entry(1, Mutated::CreateSku(v1::CreateSkuRequest { sku, ..Default::default() })),
            entry(2, Mutated::CreateLocation(v1::CreateLocationRequest { location, ..Default::default() })),
            entry(3, Mutated::ReceiveStock(receipt.clone())),
        ];
        let mut machines = Machines::default();
        for (index, entry) in (1..).zip(&entries) {
            assert!(machines.apply(index, entry).1.is_none());
        }
        let [moved] = machines.ledger.entries() else { panic!("units came in") };
        let again = moved.clone();
        machines.ledger.push(again);
        let (_, difference) = machines.apply(4, &entry(4, Mutated::ReceiveStock(receipt)));
        let difference = difference.expect("one has a movement more");
        assert!(difference.0.contains("quantity: 5"), "{}", difference.0);
    }
}

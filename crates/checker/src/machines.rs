//! The two state machines that run the log side by side.
//!
//! The model is the judge: its replies are what answers are held against, and its rows are what is hashed. Reads are
//! answered from the state machine that the product has, whose lists can begin anywhere; it must give the same replies
//! all the way and have the same rows at the end. What was only tried is tried on both, on the model as long as copies of it are cheap.

use std::fmt::Debug;

use stockade_model::Model;
use stockade_state_machine::{Entry, LogTime, Origin, Outcome, Reply, Request, Revision, State};
use stockade_storage::{CanonicalRow, canonical_hash};

use crate::words;

/// Rows of the model that are copied to try requests on, all together. The model has no way to try something without doing it, and
/// a copy for each of many trials of a large shop would take hours.
const MAX_COPIED_ROWS: usize = 5_000_000;

/// Both of them, after the same entries.
#[derive(Default)]
pub(crate) struct Machines {
    model: Model,
    state: State,
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
        (replies, difference)
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

    /// What reads are answered from.
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

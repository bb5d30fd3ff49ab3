//! Both machines side by side: each entry goes through the state machine, through a second one that keeps in memory only
//! what a node would, and through the model.

use stockade_model::{Model, RequestLimits};
use stockade_state_machine::outcome::{Outcome, Reply};
use stockade_state_machine::{Applied, Change, Command, Entry, Revision, State, invariants};

use super::rows::Rows;

/// Up to so many orders all invariants are checked after each entry, beyond that after every so many.
const ORDERS_CHECKED_ALWAYS: usize = 300;
const CHECK_EVERY: u64 = 16;
/// Up to so many orders the model previews each request that is alone.
const ORDERS_COPIED: usize = 60;
/// Entries from one comparison of all rows to the next, and from one look of the model through all its rows to the next.
const COMPARE_EVERY: u64 = 64;
const MODEL_CHECK_EVERY: u64 = 256;

/// What a run begins with, and its entries. The revision of an entry is its number, from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    pub(super) founding: Vec<Change>,
    pub(super) entries: Vec<Entry>,
}

/// The revision of the entry at an index.
pub(super) fn revision_at(index: usize) -> Revision {
    Revision::new(u64::try_from(index).expect("a run is short") + 1)
}

/// The machines, after the same entries.
pub(super) struct Pair {
    pub(super) real: State,
    /// The state machine again. It forgets what storage would, so it finds out what a command reads.
    pub(super) lean: State,
    model: Model,
    /// What the changes make.
    pub(super) rows: Rows,
    applied: usize,
}

impl Pair {
    /// The machines at the beginning.
    pub(super) fn new(founding: &[Change], limits: RequestLimits) -> Self {
        let (mut real, mut model) = (State::new(), Model::with_limits(limits));
        for change in founding {
            real.absorb(change);
            model.absorb(change);
        }
        let rows = Rows::of(founding);
        Self { lean: rows.restore(), real, model, rows, applied: 0 }
    }

    /// Gives all of them an entry. An error says how they differ.
    pub(super) fn step(&mut self, entry: &Entry) -> Result<Applied, String> {
        let revision = revision_at(self.applied);
        self.applied += 1;
        let movements_before = self.model.ledger().len();
        let previews = self.previews(revision, entry);
        let applied = self.real.execute(revision, entry);
        let modelled = self.model.apply(revision, entry);
        compare_replies(entry, &applied.replies, &modelled)?;
        for (who, previewed) in previews {
            if previewed != applied.replies[0].outcome {
                return Err(format!(
                    "{who} said beforehand\n  {previewed:?}\nit came to\n  {:?}",
                    applied.replies[0].outcome
                ));
            }
        }
        self.rows.load_named(&mut self.lean, entry);
        let again = self.lean.execute(revision, entry);
        if again != applied {
            return Err(format!("a second state machine gives\n  {again:?}\nthe first\n  {applied:?}"));
        }
        self.rows.take_in(&applied.changes);
        Rows::evict(&mut self.lean, entry, &applied.changes);
        self.compare_touched(&applied.changes, movements_before)?;
        self.check(revision)?;
        Ok(applied)
    }

    /// What each machine says of the request of a caller that is alone in an entry, before it is executed.
    fn previews(&self, revision: Revision, entry: &Entry) -> Vec<(&'static str, Outcome)> {
        let [only] = entry.requests.as_slice() else { return Vec::new() };
        if only.origin.is_none() || matches!(only.command, Command::ExpireDue(_)) {
            return Vec::new();
        }
        let rows = self.rows.named(&self.lean, entry);
        let mut previews = vec![
            ("the state machine", self.real.preview(revision, entry.time, &[], only)),
            ("the one that forgets", self.lean.preview(revision, entry.time, &rows, only)),
        ];
        // It works on a copy of itself.
        let copies = self.rows.orders.len() <= ORDERS_COPIED || revision.get().is_multiple_of(COMPARE_EVERY);
        if copies {
            previews.push(("the model", self.model.preview(entry.time, only)));
        }
        previews
    }

    /// Compares the rows that an entry touched; the last image of each is the one that counts.
    fn compare_touched(&self, changes: &[Change], movements_before: usize) -> Result<(), String> {
        let mut movements = self.model.ledger().skip(movements_before);
        for change in changes {
            match change {
                Change::Sku(id, _) => differ(change, self.rows.skus.get(id), self.model.sku(id))?,
                Change::Location(id, _) => {
                    differ(change, self.rows.locations.get(id), self.model.location(id))?;
                }
                Change::Stock(key, _) => differ(change, self.rows.stock.get(key), self.model.stock_row(key))?,
                Change::Order(id, _) => {
                    differ(change, self.rows.orders.get(id).map(AsRef::as_ref), self.model.order(id))?;
                }
                Change::Reservation(id, _) => {
                    let held = self.rows.reservations.get(id).map(AsRef::as_ref);
                    differ(change, held, self.model.reservation(id))?;
                }
                Change::Document(id, _) => {
                    differ(change, self.rows.documents.get(id), self.model.document(id))?;
                }
                Change::Ledger(entry) => differ(change, Some(entry), movements.next())?,
                Change::Request(origin, _) => {
                    differ(change, self.rows.requests.get(origin), self.model.request(origin))?;
                }
                Change::Clock(clock) => differ(change, Some(clock), Some(&self.model.clock()))?,
            }
        }
        match movements.next() {
            None => Ok(()),
            more => Err(format!("the model has a movement more: {more:?}")),
        }
    }

    fn check(&self, revision: Revision) -> Result<(), String> {
        let is_due = |every: u64| revision.get().is_multiple_of(every);
        if self.rows.orders.len() <= ORDERS_CHECKED_ALWAYS || is_due(CHECK_EVERY) {
            none_of(&invariants::violations(&self.real, std::iter::empty(), None))?;
        }
        if is_due(COMPARE_EVERY) {
            self.compare_all()?;
        }
        if is_due(MODEL_CHECK_EVERY) {
            none_of(&self.model.violations())?;
        }
        Ok(())
    }

    /// At the end of a run: everything, also what is too costly on the way.
    pub(super) fn finish(&self) -> Result<(), String> {
        none_of(&invariants::violations(&self.real, std::iter::empty(), Some(&self.rows.ledger)))?;
        none_of(&self.model.violations())?;
        self.compare_all()?;
        if self.model_rows().hash() != self.rows.hash() {
            return Err("the state hashes differ, though all rows are equal".to_owned());
        }
        Ok(())
    }

    /// All rows of the state machine, of the changes it gave, and of the model.
    fn compare_all(&self) -> Result<(), String> {
        let modelled = self.model_rows();
        if modelled != self.rows {
            return Err(format!("the model's rows are\n  {modelled:?}\nthe changes make\n  {:?}", self.rows));
        }
        let of_changes = &self.rows;
        let equal = self.real.skus_after(None).eq(of_changes.skus.values())
            && self.real.locations_after(None).eq(of_changes.locations.values())
            && self.real.stock_after(None).eq(&of_changes.stock)
            && self.real.orders().eq(of_changes.orders.values())
            && self.real.reservations_after(None).eq(of_changes.reservations.values())
            && of_changes.documents.iter().all(|(id, document)| self.real.document(id) == Some(document))
            && self
                .real
                .requests()
                .eq(of_changes.requests.iter().map(|(origin, record)| (origin.clone(), record.clone())))
            && self.real.clock() == of_changes.clock;
        if !equal {
            return Err(format!("the state is\n  {:?}\nits changes make\n  {of_changes:?}", self.real));
        }
        if self.lean != of_changes.restore() {
            return Err(format!(
                "a state that forgets what is settled is\n  {:?}\nthe rows make\n  {:?}",
                self.lean,
                of_changes.restore()
            ));
        }
        Ok(())
    }

    fn model_rows(&self) -> Rows {
        let model = &self.model;
        Rows {
            skus: model.skus().map(|sku| (sku.id.clone(), sku.clone())).collect(),
            locations: model.locations().map(|location| (location.id.clone(), location.clone())).collect(),
            stock: model.stock().map(|(key, stock)| (key.clone(), *stock)).collect(),
            orders: model.orders().map(|order| (order.id.clone(), order.clone().into())).collect(),
            reservations: model.reservations().map(|held| (held.id.clone(), held.clone().into())).collect(),
            documents: model.documents().map(|(id, document)| (id.clone(), document.clone())).collect(),
            ledger: model.ledger().cloned().collect(),
            requests: model.requests().map(|(origin, record)| (origin.clone(), record.clone())).collect(),
            clock: model.clock(),
        }
    }
}

fn compare_replies(entry: &Entry, real: &[Reply], modelled: &[Reply]) -> Result<(), String> {
    if real.len() != entry.requests.len() || modelled.len() != entry.requests.len() {
        return Err(format!(
            "{} requests, {} replies, {} modelled",
            entry.requests.len(),
            real.len(),
            modelled.len()
        ));
    }
    for ((request, real), modelled) in entry.requests.iter().zip(real).zip(modelled) {
        if real != modelled {
            return Err(format!(
                "{request:?}\n  the state machine says {real:?}\n  the model says {modelled:?}"
            ));
        }
    }
    Ok(())
}

fn differ<T: PartialEq + std::fmt::Debug>(
    change: &Change,
    real: Option<&T>,
    modelled: Option<&T>,
) -> Result<(), String> {
    if real == modelled {
        return Ok(());
    }
    Err(format!("after {change:?}\n  the row is {real:?}\n  the model's row is {modelled:?}"))
}

fn none_of(violations: &[String]) -> Result<(), String> {
    if violations.is_empty() { Ok(()) } else { Err(violations.join("\n  ")) }
}

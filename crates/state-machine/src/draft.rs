//! A draft: what one command would change. It reads its own writes; dropped, it never was.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::Change;
use crate::command::Origin;
use crate::document::Document;
use crate::ids::{DocumentId, LocationId, OrderId, SkuId};
use crate::ledger::{LedgerEntry, Reason};
use crate::order::Order;
use crate::rejection::Rejection;
use crate::revision::Revision;
use crate::sku::Sku;
use crate::state::State;
use crate::stock::{Bucket, Stock, StockKey};
use crate::time::LogTime;

/// Where and when a command runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) revision: Revision,
    pub(crate) now: LogTime,
    pub(crate) origin: Option<&'a Origin>,
}

/// What a movement of units is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Movement<'a> {
    pub(crate) from: Option<Bucket>,
    pub(crate) to: Option<Bucket>,
    pub(crate) quantity: i64,
    pub(crate) reason: Reason,
    pub(crate) order: Option<&'a OrderId>,
    pub(crate) document: Option<&'a DocumentId>,
    pub(crate) reference: &'a str,
}

impl<'a> Movement<'a> {
    /// A movement that an order causes.
    pub(crate) fn for_order(
        order: &'a OrderId,
        reason: Reason,
        from: Option<Bucket>,
        to: Option<Bucket>,
        quantity: i64,
    ) -> Self {
        Self { from, to, quantity, reason, order: Some(order), document: None, reference: "" }
    }
}

/// The changes of one command, not yet taken in.
///
/// Invariants:
/// - `stock` holds every stock row that was touched, as it is now.
/// - Every movement of units in `stock` has its entry in `changes`, in order (I6).
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    state: &'a State,
    context: Context<'a>,
    ledger_position: u32,
    stock: BTreeMap<StockKey, Option<Stock>>,
    changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(state: &'a State, context: Context<'a>, ledger_position: u32) -> Self {
        Self { state, context, ledger_position, stock: BTreeMap::new(), changes: Vec::new() }
    }

    /// The changes, and the position of the next ledger entry of this revision.
    pub(crate) fn finish(self) -> (Vec<Change>, u32) {
        let mut changes = self.changes;
        changes.extend(self.stock.into_iter().map(|(key, stock)| Change::Stock(key, stock)));
        (changes, self.ledger_position)
    }

    pub(crate) fn context(&self) -> Context<'a> {
        self.context
    }

    pub(crate) fn sku(&self, id: &SkuId) -> Option<&'a Sku> {
        self.state.sku(id)
    }

    pub(crate) fn put_sku(&mut self, id: &SkuId, sku: Option<Sku>) {
        self.changes.push(Change::Sku(id.clone(), sku));
    }

    pub(crate) fn order(&self, id: &OrderId) -> Option<&'a Arc<Order>> {
        self.state.order(id)
    }

    pub(crate) fn due_orders(&self) -> impl Iterator<Item = &'a OrderId> + use<'a> {
        self.state.due_orders()
    }

    /// Stamps the order with this revision and time and takes it in.
    pub(crate) fn put_order(&mut self, mut order: Order) {
        order.revision = self.context.revision;
        order.updated = self.context.now;
        self.changes.push(Change::Order(order.id.clone(), Arc::new(order)));
    }

    /// Books a document; refused where its number is taken.
    pub(crate) fn book(&mut self, document: Option<&DocumentId>) -> Result<(), Rejection> {
        let Some(id) = document else { return Ok(()) };
        if self.state.document(id).is_some() {
            return Err(Rejection::AlreadyExists(crate::rejection::Resource::Document(id.clone())));
        }
        let document = Document { id: id.clone(), revision: self.context.revision };
        self.changes.push(Change::Document(id.clone(), document));
        Ok(())
    }

    pub(crate) fn stock(&self, key: &StockKey) -> Stock {
        match self.stock.get(key) {
            Some(stock) => stock.unwrap_or_default(),
            None => self.state.stock(key),
        }
    }

    /// The locations that have a stock row of the SKU, in order, with what is there now.
    pub(crate) fn locations_of(&self, sku: &'a SkuId) -> impl Iterator<Item = (&'a LocationId, Stock)> {
        self.state.stock_of(sku, None).map(|(key, _)| (&key.location, self.stock(key)))
    }

    /// Forgets a stock row that holds nothing.
    pub(crate) fn remove_stock(&mut self, key: &StockKey) {
        assert_eq!(self.stock(key).on_hand(), 0, "only an empty stock row is removed");
        self.stock.insert(key.clone(), None);
    }

    /// Moves units between buckets, or in from or out to the world, and writes the ledger entry.
    ///
    /// The caller has checked that the units are there; a sum that would overflow is refused.
    pub(crate) fn move_units(&mut self, key: &StockKey, movement: Movement<'_>) -> Result<(), Rejection> {
        let mut stock = self.stock(key);
        if let Some(from) = movement.from {
            stock.take(from, movement.quantity);
        }
        if let Some(to) = movement.to {
            stock.add(to, movement.quantity)?;
        }
        stock.revision = self.context.revision;
        let origin = self.context.origin;
        self.changes.push(Change::Ledger(LedgerEntry {
            revision: self.context.revision,
            position: self.ledger_position,
            time: self.context.now,
            sku: key.sku.clone(),
            location: key.location.clone(),
            from: movement.from,
            to: movement.to,
            quantity: movement.quantity,
            reason: movement.reason,
            actor: origin.map(|origin| origin.principal.clone()),
            request: origin.map(|origin| origin.request),
            order: movement.order.cloned(),
            document: movement.document.cloned(),
            reference: movement.reference.to_owned(),
            balances: stock,
        }));
        self.ledger_position += 1;
        self.stock.insert(key.clone(), Some(stock));
        Ok(())
    }
}

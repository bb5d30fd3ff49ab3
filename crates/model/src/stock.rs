//! Stock: goods come in, buckets are corrected, set, and emptied into each other.

use stockade_state_machine::command::{AdjustStock, MoveStock, Origin, ReceiveStock, SetStock};
use stockade_state_machine::ids::{DocumentId, LocationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::stock::{Bucket, Stock, StockKey};

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row, moved};

impl Model {
    pub(crate) fn receive_stock(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ReceiveStock,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (SKU, location), ALREADY_EXISTS (document), QUANTITY_OVERFLOW."
        let key = self.place_to_book(&command.sku, &command.location, command.document.as_ref())?;
        let before = self.stock_at(&key);
        let movement = Movement {
            key,
            // "Books goods in: `available` grows."
            from: None,
            to: Some(Bucket::Available),
            quantity: command.quantity,
            // "Set by the system: goods came in."
            reason: Reason::Received,
            origin: origin.cloned(),
            order: None,
            reservation: None,
            document: command.document.clone(),
            reference: command.reference.clone(),
        };
        // "After the booking."
        booking(moment, before, movement, Outcome::StockReceived)
    }

    pub(crate) fn adjust_stock(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &AdjustStock,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (SKU, location), ALREADY_EXISTS (document), INSUFFICIENT_STOCK ..., QUANTITY_OVERFLOW."
        let key = self.place_to_book(&command.sku, &command.location, command.document.as_ref())?;
        let before = self.stock_at(&key);
        let quantity = command.delta.checked_abs().expect("the bounds of a delta are symmetrical");
        // "Corrects one bucket by a delta, with a reason."
        let grows = command.delta > 0;
        if !grows {
            // "INSUFFICIENT_STOCK (the bucket would fall below 0)".
            self.must_be_there(&key, command.bucket, quantity)?;
        }
        let movement = Movement {
            key,
            from: (!grows).then_some(command.bucket),
            to: grows.then_some(command.bucket),
            quantity,
            reason: command.reason,
            origin: origin.cloned(),
            order: None,
            reservation: None,
            document: command.document.clone(),
            reference: command.reference.clone(),
        };
        // "After the adjustment."
        booking(moment, before, movement, Outcome::StockAdjusted)
    }

    pub(crate) fn set_stock(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &SetStock,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (SKU, location), ALREADY_EXISTS (document), QUANTITY_STALE, QUANTITY_OVERFLOW."
        let key = self.place_to_book(&command.sku, &command.location, command.document.as_ref())?;
        let before = self.stock_at(&key);
        let current = before.get(command.bucket);
        // "Units that must be there before: else the call is refused with QUANTITY_STALE, which names the current
        // quantity."
        if command.expected.is_some_and(|expected| expected != current) {
            return Err(Rejection::QuantityStale {
                sku: key.sku,
                location: key.location,
                bucket: command.bucket,
                current,
            });
        }
        // "the difference goes into the ledger, and nothing where there is none"; the document is "booked even where
        // nothing changes".
        if command.quantity == current {
            let rows = document_rows(command.document.as_ref());
            return Ok(Plan { rows, ..Plan::of(Outcome::StockSet(key, before)) });
        }
        let grows = command.quantity > current;
        let movement = Movement {
            key,
            from: (!grows).then_some(command.bucket),
            to: grows.then_some(command.bucket),
            // Both are at least 0, so their difference is in the range.
            quantity: (command.quantity - current).abs(),
            reason: command.reason,
            origin: origin.cloned(),
            order: None,
            reservation: None,
            document: command.document.clone(),
            reference: command.reference.clone(),
        };
        // "With the bucket as asked for."
        booking(moment, before, movement, Outcome::StockSet)
    }

    pub(crate) fn move_stock(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &MoveStock,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (SKU, location), ALREADY_EXISTS (document), INSUFFICIENT_STOCK."
        let key = self.place_to_book(&command.sku, &command.location, command.document.as_ref())?;
        let before = self.stock_at(&key);
        self.must_be_there(&key, command.from, command.quantity)?;
        let movement = Movement {
            key,
            // "Moves units from one bucket to another, with a reason."
            from: Some(command.from),
            to: Some(command.to),
            quantity: command.quantity,
            reason: command.reason,
            origin: origin.cloned(),
            order: None,
            reservation: None,
            document: command.document.clone(),
            reference: command.reference.clone(),
        };
        // "After the move."
        booking(moment, before, movement, Outcome::StockMoved)
    }

    /// "`NOT_FOUND` (SKU, location), `ALREADY_EXISTS` (document)", in this order and before any quantity is looked at.
    fn place_to_book(
        &self,
        sku: &SkuId,
        location: &LocationId,
        document: Option<&DocumentId>,
    ) -> Result<StockKey, Rejection> {
        self.sku_must_exist(sku)?;
        self.location_must_exist(location)?;
        self.document_must_be_new(document)?;
        Ok(StockKey { sku: sku.clone(), location: location.clone() })
    }

    /// "`INSUFFICIENT_STOCK`", for a command that takes so many units from a bucket.
    fn must_be_there(&self, key: &StockKey, bucket: Bucket, asked: i64) -> Result<(), Rejection> {
        let available = self.stock_at(key).get(bucket);
        if asked <= available {
            return Ok(());
        }
        let shortage = Shortage {
            // "0 where the request has no lines".
            line: 0,
            sku: key.sku.clone(),
            location: Some(key.location.clone()),
            together: false,
            bucket,
            asked,
            available,
            next_expiry: None,
        };
        Err(Rejection::InsufficientStock { shortages: vec![shortage] })
    }
}

/// A movement, and the document that books it. The outcome tells the stock after it.
fn booking(
    moment: Moment,
    before: Stock,
    movement: Movement,
    outcome: fn(StockKey, Stock) -> Outcome,
) -> Result<Plan, Rejection> {
    let after = moved(before, &movement, moment.version())?;
    let rows = document_rows(movement.document.as_ref());
    let outcome = outcome(movement.key.clone(), after);
    Ok(Plan { movements: vec![movement], rows, ..Plan::of(outcome) })
}

fn document_rows(document: Option<&DocumentId>) -> Vec<Row> {
    document.cloned().map(Row::Document).into_iter().collect()
}

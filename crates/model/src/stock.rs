//! Stock: goods come in, buckets are corrected.

use stockade_state_machine::command::{AdjustStock, Origin, ReceiveStock};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row, moved};

impl Model {
    pub(crate) fn receive_stock(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ReceiveStock,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (SKU), ALREADY_EXISTS (document), QUANTITY_OVERFLOW."
        self.sku_must_exist(&command.sku)?;
        self.document_must_be_new(command.document.as_ref())?;
        let movement = Movement {
            key: StockKey { sku: command.sku.clone(), location: command.location.clone() },
            // "Books goods in: `available` grows."
            from: None,
            to: Some(Bucket::Available),
            quantity: command.quantity,
            // "Set by the system: goods came in."
            reason: Reason::Received,
            origin: origin.cloned(),
            order: None,
            document: command.document.clone(),
            reference: command.reference.clone(),
        };
        // "After the booking."
        let after = moved(self.stock_at(&movement.key), &movement, moment.revision)?;
        let outcome = Outcome::StockReceived(movement.key.clone(), after);
        Ok(booking(outcome, movement))
    }

    pub(crate) fn adjust_stock(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &AdjustStock,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (SKU), ALREADY_EXISTS (document), INSUFFICIENT_STOCK ..., QUANTITY_OVERFLOW."
        self.sku_must_exist(&command.sku)?;
        self.document_must_be_new(command.document.as_ref())?;
        let key = StockKey { sku: command.sku.clone(), location: command.location.clone() };
        let before = self.stock_at(&key);
        let quantity = command.delta.checked_abs().expect("the bounds of a delta are symmetrical");
        let there = before.get(command.bucket);
        // "INSUFFICIENT_STOCK (the bucket would fall below 0)".
        if command.delta < 0 && there < quantity {
            return Err(Rejection::InsufficientStock {
                shortages: vec![Shortage {
                    // "0 where the request has no lines".
                    line: 0,
                    sku: key.sku,
                    location: Some(key.location),
                    bucket: command.bucket,
                    asked: quantity,
                    available: there,
                }],
            });
        }
        // "Corrects one bucket by a delta, with a reason."
        let grows = command.delta > 0;
        let movement = Movement {
            key,
            from: (!grows).then_some(command.bucket),
            to: grows.then_some(command.bucket),
            quantity,
            reason: command.reason,
            origin: origin.cloned(),
            order: None,
            document: command.document.clone(),
            reference: command.reference.clone(),
        };
        // "After the adjustment."
        let after = moved(before, &movement, moment.revision)?;
        let outcome = Outcome::StockAdjusted(movement.key.clone(), after);
        Ok(booking(outcome, movement))
    }
}

/// A movement, and the document that books it.
fn booking(outcome: Outcome, movement: Movement) -> Plan {
    let rows = movement.document.iter().cloned().map(Row::Document).collect();
    Plan { outcome, movements: vec![movement], rows }
}

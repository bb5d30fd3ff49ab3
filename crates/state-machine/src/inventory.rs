//! Goods receipts and adjustments.

use crate::catalog;
use crate::command::{AdjustStock, ReceiveStock};
use crate::draft::{Draft, Movement};
use crate::ledger::Reason;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Shortage};
use crate::stock::{Bucket, StockKey};

pub(crate) fn receive(draft: &mut Draft<'_>, command: &ReceiveStock) -> Result<Outcome, Rejection> {
    draft.sku(&command.sku).ok_or_else(|| catalog::not_found(&command.sku))?;
    draft.book(command.document.as_ref())?;
    let key = StockKey { sku: command.sku.clone(), location: command.location.clone() };
    draft.move_units(
        &key,
        Movement {
            from: None,
            to: Some(Bucket::Available),
            quantity: command.quantity,
            reason: Reason::Received,
            order: None,
            document: command.document.as_ref(),
            reference: &command.reference,
        },
    )?;
    let stock = draft.stock(&key);
    Ok(Outcome::StockReceived(key, stock))
}

pub(crate) fn adjust(draft: &mut Draft<'_>, command: &AdjustStock) -> Result<Outcome, Rejection> {
    draft.sku(&command.sku).ok_or_else(|| catalog::not_found(&command.sku))?;
    draft.book(command.document.as_ref())?;
    let key = StockKey { sku: command.sku.clone(), location: command.location.clone() };
    // Within bounds, so it has a positive counterpart.
    let quantity = command.delta.abs();
    let (from, to) =
        if command.delta > 0 { (None, Some(command.bucket)) } else { (Some(command.bucket), None) };
    let available = draft.stock(&key).get(command.bucket);
    if from.is_some() && available < quantity {
        let shortage = Shortage {
            line: 0,
            sku: key.sku,
            location: Some(key.location),
            bucket: command.bucket,
            asked: quantity,
            available,
        };
        return Err(Rejection::InsufficientStock { shortages: vec![shortage] });
    }
    let document = command.document.as_ref();
    let reference = &command.reference;
    let reason = command.reason;
    draft.move_units(&key, Movement { from, to, quantity, reason, order: None, document, reference })?;
    let stock = draft.stock(&key);
    Ok(Outcome::StockAdjusted(key, stock))
}

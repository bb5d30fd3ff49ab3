//! Stock by hand: goods receipts, adjustments, setting a bucket, moving between buckets.

use crate::command::{AdjustStock, MoveStock, ReceiveStock, SetStock};
use crate::draft::{Draft, Movement};
use crate::ids::{DocumentId, LocationId, SkuId};
use crate::ledger::Reason;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Shortage};
use crate::stock::{Bucket, StockKey};

pub(crate) fn receive(draft: &mut Draft<'_>, command: &ReceiveStock) -> Result<Outcome, Rejection> {
    let key = open(draft, &command.sku, &command.location, command.document.as_ref())?;
    let movement = by_hand(Reason::Received, command.document.as_ref(), &command.reference);
    draft
        .move_units(&key, Movement { to: Some(Bucket::Available), quantity: command.quantity, ..movement })?;
    let stock = draft.stock(&key);
    Ok(Outcome::StockReceived(key, stock))
}

pub(crate) fn adjust(draft: &mut Draft<'_>, command: &AdjustStock) -> Result<Outcome, Rejection> {
    let key = open(draft, &command.sku, &command.location, command.document.as_ref())?;
    let movement = by_hand(command.reason, command.document.as_ref(), &command.reference);
    // Within bounds, so it has a positive counterpart.
    let quantity = command.delta.abs();
    let (from, to) =
        if command.delta > 0 { (None, Some(command.bucket)) } else { (Some(command.bucket), None) };
    if let Some(from) = from {
        ensure_units(draft, &key, from, quantity)?;
    }
    draft.move_units(&key, Movement { from, to, quantity, ..movement })?;
    let stock = draft.stock(&key);
    Ok(Outcome::StockAdjusted(key, stock))
}

/// Sets a bucket to what a count found; the difference goes into the ledger, and nothing where there is none.
pub(crate) fn set(draft: &mut Draft<'_>, command: &SetStock) -> Result<Outcome, Rejection> {
    let key = open(draft, &command.sku, &command.location, command.document.as_ref())?;
    let current = draft.stock(&key).get(command.bucket);
    if command.expected.is_some_and(|expected| expected != current) {
        let (bucket, location) = (command.bucket, key.location);
        return Err(Rejection::QuantityStale { sku: key.sku, location, bucket, current });
    }
    let movement = by_hand(command.reason, command.document.as_ref(), &command.reference);
    // Neither is below 0, so the difference stays in range.
    let delta = command.quantity - current;
    let (from, to) = if delta > 0 { (None, Some(command.bucket)) } else { (Some(command.bucket), None) };
    if delta != 0 {
        draft.move_units(&key, Movement { from, to, quantity: delta.abs(), ..movement })?;
    }
    let stock = draft.stock(&key);
    Ok(Outcome::StockSet(key, stock))
}

pub(crate) fn move_between(draft: &mut Draft<'_>, command: &MoveStock) -> Result<Outcome, Rejection> {
    let key = open(draft, &command.sku, &command.location, command.document.as_ref())?;
    ensure_units(draft, &key, command.from, command.quantity)?;
    let movement = Movement {
        from: Some(command.from),
        to: Some(command.to),
        quantity: command.quantity,
        ..by_hand(command.reason, command.document.as_ref(), &command.reference)
    };
    draft.move_units(&key, movement)?;
    let stock = draft.stock(&key);
    Ok(Outcome::StockMoved(key, stock))
}

/// What every command about a stock row begins with: SKU and location exist, the document is new.
fn open(
    draft: &mut Draft<'_>,
    sku: &SkuId,
    location: &LocationId,
    document: Option<&DocumentId>,
) -> Result<StockKey, Rejection> {
    draft.known_sku(sku)?;
    draft.known_location(location)?;
    draft.book(document)?;
    Ok(StockKey { sku: sku.clone(), location: location.clone() })
}

/// A movement that a caller asks for, from nowhere to nowhere yet.
fn by_hand<'a>(reason: Reason, document: Option<&'a DocumentId>, reference: &'a str) -> Movement<'a> {
    Movement { document, reference, ..Movement::of(reason, 0) }
}

fn ensure_units(draft: &Draft<'_>, key: &StockKey, bucket: Bucket, asked: i64) -> Result<(), Rejection> {
    let available = draft.stock(key).get(bucket);
    if available >= asked {
        return Ok(());
    }
    let (sku, location) = (key.sku.clone(), Some(key.location.clone()));
    let next_expiry = draft.next_expiry(&sku).filter(|_| bucket == Bucket::Available);
    let together = false;
    let shortage = Shortage { line: 0, sku, location, together, bucket, asked, available, next_expiry };
    Err(Rejection::InsufficientStock { shortages: vec![shortage] })
}

//! Requests about stock.

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{AdjustStock, MoveStock, ReceiveStock, SetStock};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::MAX_STOCK_CHANGE;
use stockade_state_machine::stock::Bucket;

use super::Violations;

pub(super) fn receive(request: &v1::ReceiveStockRequest, violations: &mut Violations) -> Option<Command> {
    let sku = violations.sku("sku_id", &request.sku_id);
    let location = violations.location("location_id", &request.location_id);
    let quantity = violations.number("quantity", request.quantity, 1..=MAX_STOCK_CHANGE);
    let document = violations.document("document_id", &request.document_id);
    let reference = violations.reference("reference", &request.reference);
    Some(Command::ReceiveStock(ReceiveStock {
        sku: sku?,
        location: location?,
        quantity: quantity?,
        document,
        reference: reference?,
    }))
}

pub(super) fn adjust(request: &v1::AdjustStockRequest, violations: &mut Violations) -> Option<Command> {
    let sku = violations.sku("sku_id", &request.sku_id);
    let location = violations.location("location_id", &request.location_id);
    let bucket = bucket("bucket", request.bucket, violations);
    let bounds = -MAX_STOCK_CHANGE..=MAX_STOCK_CHANGE;
    let delta = if request.delta == 0 {
        violations.add("delta", "must not be 0");
        None
    } else {
        violations.number("delta", request.delta, bounds)
    };
    let reason = reason(request.reason, violations);
    let document = violations.document("document_id", &request.document_id);
    let reference = violations.reference("reference", &request.reference);
    Some(Command::AdjustStock(AdjustStock {
        sku: sku?,
        location: location?,
        bucket: bucket?,
        delta: delta?,
        reason: reason?,
        document,
        reference: reference?,
    }))
}

pub(super) fn set(request: &v1::SetStockRequest, violations: &mut Violations) -> Option<Command> {
    let sku = violations.sku("sku_id", &request.sku_id);
    let location = violations.location("location_id", &request.location_id);
    let bucket = bucket("bucket", request.bucket, violations);
    let quantity = violations.number("quantity", request.quantity, 0..=MAX_STOCK_CHANGE);
    let reason = reason(request.reason, violations);
    let document = violations.document("document_id", &request.document_id);
    let reference = violations.reference("reference", &request.reference);
    Some(Command::SetStock(SetStock {
        sku: sku?,
        location: location?,
        bucket: bucket?,
        quantity: quantity?,
        // Any number may be expected; one that can't be there is stale.
        expected: request.expected_quantity,
        reason: reason?,
        document,
        reference: reference?,
    }))
}

pub(super) fn move_between(request: &v1::MoveStockRequest, violations: &mut Violations) -> Option<Command> {
    let sku = violations.sku("sku_id", &request.sku_id);
    let location = violations.location("location_id", &request.location_id);
    let from = bucket("from_bucket", request.from_bucket, violations);
    let to = bucket("to_bucket", request.to_bucket, violations);
    if from.is_some() && from == to {
        violations.add("to_bucket", "must be another one than from_bucket");
    }
    let quantity = violations.number("quantity", request.quantity, 1..=MAX_STOCK_CHANGE);
    let reason = reason(request.reason, violations);
    let document = violations.document("document_id", &request.document_id);
    let reference = violations.reference("reference", &request.reference);
    Some(Command::MoveStock(MoveStock {
        sku: sku?,
        location: location?,
        from: from?,
        to: to?,
        quantity: quantity?,
        reason: reason?,
        document,
        reference: reference?,
    }))
}

fn bucket(field: &str, number: i32, violations: &mut Violations) -> Option<Bucket> {
    let Ok(bucket) = v1::Bucket::try_from(number) else {
        violations.add(field, "is not known");
        return None;
    };
    match bucket {
        v1::Bucket::Unspecified | v1::Bucket::Available => Some(Bucket::Available),
        v1::Bucket::SafetyStock => Some(Bucket::SafetyStock),
        v1::Bucket::Damaged => Some(Bucket::Damaged),
        v1::Bucket::QualityControl => Some(Bucket::QualityControl),
        v1::Bucket::Reserved | v1::Bucket::Committed => {
            violations.add(field, "must not be one that belongs to orders");
            None
        }
    }
}

fn reason(number: i32, violations: &mut Violations) -> Option<Reason> {
    let Ok(reason) = v1::Reason::try_from(number) else {
        violations.add("reason", "is not known");
        return None;
    };
    match reason {
        v1::Reason::Restock => Some(Reason::Restock),
        v1::Reason::Correction => Some(Reason::Correction),
        v1::Reason::CycleCount => Some(Reason::CycleCount),
        v1::Reason::Damaged => Some(Reason::Damaged),
        v1::Reason::Shrinkage => Some(Reason::Shrinkage),
        v1::Reason::TheftLoss => Some(Reason::TheftLoss),
        v1::Reason::Promotion => Some(Reason::Promotion),
        v1::Reason::QualityHold => Some(Reason::QualityHold),
        v1::Reason::SafetyStock => Some(Reason::SafetyStock),
        v1::Reason::Other => Some(Reason::Other),
        v1::Reason::Unspecified => {
            violations.add("reason", "must be set");
            None
        }
        v1::Reason::Received
        | v1::Reason::Returned
        | v1::Reason::Reservation
        | v1::Reason::Commit
        | v1::Reason::Release
        | v1::Reason::Expiry
        | v1::Reason::Shipment => {
            violations.add("reason", "must not be one that the system sets");
            None
        }
    }
}

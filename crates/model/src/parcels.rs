//! Parcels: units of an order leave, until it is closed; and come back.

use std::collections::BTreeMap;

use stockade_state_machine::command::{
    CloseOrder, Disposition, LineQuantity, Origin, ReturnLine, ReturnOrder, ShipOrder,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::{MAX_PARCEL_LINES, MAX_PARCELS};
use stockade_state_machine::order::{Operation, OrderLine, OrderState, Parcel, ParcelLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::stock::{Bucket, Stock, StockKey};

use crate::model::{Model, Moment};
use crate::orders::{changed, illegal, movement, must_be_version, take, units_named};
use crate::plan::{Movement, Plan, Row, moved};

impl Model {
    pub(crate) fn ship_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ShipOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ALREADY_EXISTS (document), ILLEGAL_TRANSITION, ETAG_MISMATCH, NOT_FOUND (line),
        // QUANTITY_EXCEEDED, TOO_LARGE".
        let mut order = self.order_must_exist(&command.order)?;
        // "A parcel that was booked before says so, whatever became of the order since."
        self.document_must_be_new(command.document.as_ref())?;
        // "CONFIRMED -> PARTIALLY_SHIPPED -> SHIPPED"; of a settled order "only a return can still change it".
        let owed = |line: &OrderLine| line.allocated - line.shipped;
        if order.lines.iter().all(|line| owed(line) == 0) {
            return Err(illegal(moment.now, &order, Operation::Ship));
        }
        must_be_version(&order, command.expected)?;
        // "Empty: everything that is committed and not yet shipped."
        let leaving = units_named(&order, &command.lines, owed)?;
        let mut movements = Vec::new();
        let mut lines = Vec::new();
        // "into the ledger in the order of the order's lines".
        for ((line, quantity), part) in order.lines.iter_mut().zip(&leaving).zip(0_u32..) {
            if *quantity == 0 {
                continue;
            }
            // "To take units off hand."
            let off_hand = (Some(Bucket::Committed), None);
            let leaves = movement(&command.order, line, *quantity, Reason::Shipment, origin, off_hand);
            movements.extend(leaves.map(|it| Movement {
                // "The carrier's number ... Kept in the ledger."
                reference: command.tracking_number.clone(),
                // "The caller's document, where there is one."
                document: command.document.clone(),
                ..it
            }));
            line.shipped += quantity;
            lines.push(ParcelLine { part, quantity: *quantity });
        }
        // "Units leave together, in a parcel".
        order.parcels.push(Parcel {
            shipped: moment.now,
            tracking_number: command.tracking_number.clone(),
            document: command.document.clone(),
            lines,
        });
        // "TOO_LARGE (the order would have more than 1,000 parcels, or 10,000 lines in them, with one more of all that is still owed)".
        let owed = order.lines.iter().filter(|line| line.allocated > line.shipped).count();
        let last_one = usize::from(owed > 0);
        let lines = order.parcels.iter().map(|parcel| parcel.lines.len()).sum::<usize>() + owed;
        if order.parcels.len() + last_one > MAX_PARCELS || lines > MAX_PARCEL_LINES {
            return Err(Rejection::TooLarge { holder: Holder::Order(order.id) });
        }
        // "The order closes by itself so long after this shipment ... Absent: what an earlier shipment said stays."
        order.closes = command.close_after_us.map(|after| moment.now.after_micros(after)).or(order.closes);
        let outcome = Outcome::OrderShipped {
            order: order.id.clone(),
            state: Self::order_state_at(&order, moment.now),
            // "Units that left with this call", counted by a bucket or not.
            shipped: leaving.iter().sum(),
            // "From 1, in the order in which they left."
            parcel: u32::try_from(order.parcels.len()).expect("an order has few parcels"),
        };
        let mut rows = vec![changed(moment, order)];
        rows.extend(command.document.iter().cloned().map(Row::Document));
        Ok(Plan { movements, rows, ..Plan::of(outcome) })
    }

    pub(crate) fn close_order(&self, moment: Moment, command: &CloseOrder) -> Result<Plan, Rejection> {
        // "A shipped order is done with, but for returns. Errors: NOT_FOUND, ILLEGAL_TRANSITION, ETAG_MISMATCH."
        let mut order = self.order_must_exist(&command.order)?;
        if Self::order_state_at(&order, moment.now) != OrderState::Shipped {
            return Err(illegal(moment.now, &order, Operation::Close));
        }
        must_be_version(&order, command.expected)?;
        // "When the order closes or closed, where that was said".
        order.closes = Some(moment.now);
        let outcome = Outcome::OrderClosed { order: order.id.clone() };
        Ok(Plan { rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    pub(crate) fn return_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ReturnOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ALREADY_EXISTS (document), ILLEGAL_TRANSITION, ETAG_MISMATCH, NOT_FOUND (line),
        // QUANTITY_EXCEEDED."
        let mut order = self.order_must_exist(&command.order)?;
        // "A return that was booked before says so, whatever became of the order since."
        self.document_must_be_new(command.document.as_ref())?;
        // "(PARTIALLY_)SHIPPED | CLOSED -> PARTIALLY_RETURNED -> RETURNED", from nowhere else.
        match Self::order_state_at(&order, moment.now) {
            OrderState::PartiallyShipped
            | OrderState::Shipped
            | OrderState::Closed
            | OrderState::PartiallyReturned => {}
            OrderState::PendingPayment
            | OrderState::Confirmed
            | OrderState::Returned
            | OrderState::Cancelled
            | OrderState::Expired => return Err(illegal(moment.now, &order, Operation::Return)),
        }
        must_be_version(&order, command.expected)?;
        // "A line is looked for once the state of the order allows the call." "returned <= shipped" (I5).
        let items: Vec<LineQuantity> = command.lines.iter().map(units_of).collect();
        let coming = take(&order, &items, |line| line.shipped - line.returned)?;
        let mut movements = Vec::new();
        let mut stock: BTreeMap<StockKey, Stock> = BTreeMap::new();
        // "Lines come back one after the other, and of each the parts in their order: the first whose SKU was deleted
        // since (NOT_FOUND), whose location was, or does not exist (NOT_FOUND), or whose sum would overflow
        // (QUANTITY_OVERFLOW) says why."
        for coming in coming {
            let (returned, line) = (&command.lines[coming.item], &mut order.lines[coming.part]);
            self.sku_must_exist(&line.sku)?;
            // "Where the units come to; it must exist. Empty: to where they came from."
            let target = returned.location.as_ref().or(line.location.as_ref());
            if let Some(location) = target {
                self.location_must_exist(location)?;
            }
            line.returned += coming.units;
            let Some(back) = comeback(command, origin, line, target.cloned(), returned, coming.units) else {
                continue;
            };
            let before = stock.get(&back.key).copied().unwrap_or_else(|| self.stock_at(&back.key));
            stock.insert(back.key.clone(), moved(before, &back, moment.version())?);
            movements.push(back);
        }
        let outcome = Outcome::OrderReturned {
            order: order.id.clone(),
            state: Self::order_state_at(&order, moment.now),
            // "Units that came back with this call", counted by a bucket or not.
            returned: command.lines.iter().map(|line| line.quantity).sum(),
        };
        let mut rows = vec![changed(moment, order)];
        rows.extend(command.document.iter().cloned().map(Row::Document));
        Ok(Plan { movements, rows, ..Plan::of(outcome) })
    }
}

/// What a line of a return asks of a line of the order: of all its parts, wherever the units go to.
fn units_of(returned: &ReturnLine) -> LineQuantity {
    LineQuantity { line: returned.line, location: None, quantity: returned.quantity }
}

/// Units of a part that come back; `None` "of a line that no bucket counts": "nothing is booked anywhere", whatever
/// location is named.
fn comeback(
    command: &ReturnOrder,
    origin: Option<&Origin>,
    line: &OrderLine,
    target: Option<LocationId>,
    returned: &ReturnLine,
    units: i64,
) -> Option<Movement> {
    // "Shipped units come back: to `available`, to `damaged`, or to nothing."
    let to = match returned.disposition {
        Disposition::Restock => Some(Bucket::Available),
        Disposition::Damaged => Some(Bucket::Damaged),
        Disposition::Scrap => None,
    };
    let back = movement(&command.order, line, units, Reason::Returned, origin, (None, to))?;
    let key = StockKey { sku: line.sku.clone(), location: target? };
    Some(Movement { key, document: command.document.clone(), ..back })
}

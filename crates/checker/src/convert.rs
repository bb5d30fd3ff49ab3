//! Rows of the state as the interface shows them. Written from the comments in `proto/`, apart from the gateway's way.

use stockade_proto::v1;
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::order::{Order, OrderLine, OrderState, Parcel, ParcelLine};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::reservation::{Reservation, ReservationLine, ReservationState};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Stock, StockKey, Version};

/// Log time.
pub fn timestamp(time: LogTime) -> prost_types::Timestamp {
    let seconds = i64::try_from(time.micros() / 1_000_000).expect("a 64-bit number over a million fits");
    let nanos = i32::try_from(time.micros() % 1_000_000 * 1_000).expect("less than a second");
    prost_types::Timestamp { seconds, nanos }
}

/// "Of this version; opaque. Empty where none was ever booked": revision and position in hexadecimal digits.
pub fn etag(version: Version) -> String {
    let Version { revision, position } = version;
    if revision.get() == 0 && position == 0 {
        return String::new();
    }
    format!("{:x}-{position:x}", revision.get())
}

/// A SKU.
pub fn sku(sku: &Sku) -> v1::Sku {
    let SkuDetails { display_name, untracked, min_per_order, max_per_order, attributes } = &sku.details;
    v1::Sku {
        sku_id: sku.id.to_string(),
        display_name: display_name.clone(),
        create_time: Some(timestamp(sku.created)),
        update_time: Some(timestamp(sku.updated)),
        revision: sku.version.revision.get(),
        untracked: *untracked,
        min_per_order: *min_per_order,
        max_per_order: *max_per_order,
        attributes: attributes.clone(),
        etag: etag(sku.version),
    }
}

/// A location.
pub fn location(location: &Location) -> v1::Location {
    let LocationDetails { display_name, zone, priority, disabled } = &location.details;
    v1::Location {
        location_id: location.id.to_string(),
        display_name: display_name.clone(),
        zone: zone.clone(),
        priority: i32::try_from(*priority).expect("a priority is at most a million"),
        disabled: *disabled,
        create_time: Some(timestamp(location.created)),
        update_time: Some(timestamp(location.updated)),
        revision: location.version.revision.get(),
        etag: etag(location.version),
    }
}

/// Stock at a location.
pub fn stock(key: &StockKey, stock: &Stock) -> v1::Stock {
    v1::Stock {
        sku_id: key.sku.to_string(),
        location_id: key.location.to_string(),
        on_hand: stock.buckets().iter().sum(),
        available: stock.get(Bucket::Available),
        reserved: stock.get(Bucket::Reserved),
        committed: stock.get(Bucket::Committed),
        safety_stock: stock.get(Bucket::SafetyStock),
        damaged: stock.get(Bucket::Damaged),
        quality_control: stock.get(Bucket::QualityControl),
        revision: stock.version.revision.get(),
        etag: etag(stock.version),
    }
}

/// A part of the stock.
fn bucket(bucket: Bucket) -> v1::Bucket {
    match bucket {
        Bucket::Available => v1::Bucket::Available,
        Bucket::Reserved => v1::Bucket::Reserved,
        Bucket::Committed => v1::Bucket::Committed,
        Bucket::SafetyStock => v1::Bucket::SafetyStock,
        Bucket::Damaged => v1::Bucket::Damaged,
        Bucket::QualityControl => v1::Bucket::QualityControl,
    }
}

/// "Why a quantity changed."
fn reason(reason: Reason) -> v1::Reason {
    match reason {
        Reason::Received => v1::Reason::Received,
        Reason::Returned => v1::Reason::Returned,
        Reason::Reservation => v1::Reason::Reservation,
        Reason::Commit => v1::Reason::Commit,
        Reason::Release => v1::Reason::Release,
        Reason::Expiry => v1::Reason::Expiry,
        Reason::Shipment => v1::Reason::Shipment,
        Reason::Restock => v1::Reason::Restock,
        Reason::Correction => v1::Reason::Correction,
        Reason::CycleCount => v1::Reason::CycleCount,
        Reason::Damaged => v1::Reason::Damaged,
        Reason::Shrinkage => v1::Reason::Shrinkage,
        Reason::TheftLoss => v1::Reason::TheftLoss,
        Reason::Promotion => v1::Reason::Promotion,
        Reason::QualityHold => v1::Reason::QualityHold,
        Reason::SafetyStock => v1::Reason::SafetyStock,
        Reason::Other => v1::Reason::Other,
    }
}

/// "The stock right after the movement. `revision` is that of the entry, `etag` is empty."
pub fn balances(entry: &LedgerEntry) -> v1::Stock {
    let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
    let (revision, etag) = (entry.revision.get(), String::new());
    v1::Stock { revision, etag, ..stock(&key, &entry.balances) }
}

/// A movement.
pub fn ledger_entry(entry: &LedgerEntry) -> v1::LedgerEntry {
    // "Unspecified for outside."
    let side = |side: Option<Bucket>| side.map_or(v1::Bucket::Unspecified, bucket).into();
    v1::LedgerEntry {
        revision: entry.revision.get(),
        position: entry.position,
        time: Some(timestamp(entry.time)),
        sku_id: entry.sku.to_string(),
        location_id: entry.location.to_string(),
        from_bucket: side(entry.from),
        to_bucket: side(entry.to),
        quantity: entry.quantity,
        reason: reason(entry.reason).into(),
        actor: text(entry.actor.as_ref()),
        request_id: text(entry.request.as_ref()),
        order_id: text(entry.order.as_ref()),
        reservation_id: text(entry.reservation.as_ref()),
        document_id: text(entry.document.as_ref()),
        reference: entry.reference.clone(),
        balances: Some(balances(entry)),
    }
}

/// Where an order is in its life.
pub fn order_state(state: OrderState) -> v1::OrderState {
    match state {
        OrderState::PendingPayment => v1::OrderState::PendingPayment,
        OrderState::Confirmed => v1::OrderState::Confirmed,
        OrderState::PartiallyShipped => v1::OrderState::PartiallyShipped,
        OrderState::Shipped => v1::OrderState::Shipped,
        OrderState::PartiallyReturned => v1::OrderState::PartiallyReturned,
        OrderState::Returned => v1::OrderState::Returned,
        OrderState::Cancelled => v1::OrderState::Cancelled,
        OrderState::Expired => v1::OrderState::Expired,
        OrderState::Closed => v1::OrderState::Closed,
    }
}

/// An order, as it is at a log time.
pub fn order(order: &Order, now: LogTime) -> v1::Order {
    let parcels = (1..).zip(&order.parcels).map(|(number, sent)| parcel(order, number, sent));
    v1::Order {
        order_id: order.id.to_string(),
        customer_id: text(order.customer.as_ref()),
        currency_code: order.currency.as_str().to_owned(),
        state: order_state(order.state_at(now)).into(),
        lines: order.lines.iter().map(order_line).collect(),
        create_time: Some(timestamp(order.created)),
        update_time: Some(timestamp(order.updated)),
        expire_time: Some(timestamp(order.expires)),
        revision: order.version.revision.get(),
        payment_reference: order.payment_reference.clone(),
        etag: etag(order.version),
        parcels: parcels.collect(),
        close_time: order.closes.map(timestamp),
    }
}

/// "From 1, in the order in which they left."
fn parcel(order: &Order, number: i32, parcel: &Parcel) -> v1::Parcel {
    v1::Parcel {
        number,
        ship_time: Some(timestamp(parcel.shipped)),
        tracking_number: parcel.tracking_number.clone(),
        document_id: text(parcel.document.as_ref()),
        lines: parcel.lines.iter().map(|line| parcel_line(order, *line)).collect(),
    }
}

fn parcel_line(order: &Order, ParcelLine { part, quantity }: ParcelLine) -> v1::ParcelLine {
    let part = &order.lines[usize::try_from(part).expect("an index of 32 bits fits")];
    v1::ParcelLine {
        line: line_number(part.number),
        location_id: location_id(part.location.as_ref()),
        sku_id: part.sku.to_string(),
        quantity,
    }
}

/// "Number of the line in the request, from 1."
fn line_number(number: u32) -> i32 {
    i32::try_from(number).expect("at most 2,000 lines")
}

/// "Where the units are": the number of the line, where, and how many.
pub fn source(source: &Source) -> v1::LineSource {
    v1::LineSource {
        line: line_number(source.line),
        location_id: location_id(source.location.as_ref()),
        quantity: source.quantity,
    }
}

/// "Empty where the SKU was not tracked", or where no location was named and nothing was there.
pub fn location_id(location: Option<&LocationId>) -> String {
    text(location)
}

/// Empty where there is none.
fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn order_line(line: &OrderLine) -> v1::OrderLine {
    v1::OrderLine {
        sku_id: line.sku.to_string(),
        location_id: location_id(line.location.as_ref()),
        unit_price_minor: line.unit_price_minor,
        ordered: line.ordered,
        held: line.held,
        allocated: line.allocated,
        shipped: line.shipped,
        returned: line.returned,
        cancelled: line.cancelled,
        expired: line.expired,
        line: line_number(line.number),
    }
}

/// Where a reservation is in its life.
pub fn reservation_state(state: ReservationState) -> v1::ReservationState {
    match state {
        ReservationState::Active => v1::ReservationState::Active,
        ReservationState::PartiallyCommitted => v1::ReservationState::PartiallyCommitted,
        ReservationState::Committed => v1::ReservationState::Committed,
        ReservationState::Released => v1::ReservationState::Released,
        ReservationState::Expired => v1::ReservationState::Expired,
    }
}

/// A reservation.
pub fn reservation(reservation: &Reservation) -> v1::Reservation {
    v1::Reservation {
        reservation_id: reservation.id.to_string(),
        customer_id: text(reservation.customer.as_ref()),
        currency_code: reservation.currency.as_str().to_owned(),
        state: reservation_state(reservation.state()).into(),
        lines: reservation.lines.iter().map(reservation_line).collect(),
        create_time: Some(timestamp(reservation.created)),
        update_time: Some(timestamp(reservation.updated)),
        expire_time: Some(timestamp(reservation.expires)),
        revision: reservation.version.revision.get(),
        etag: etag(reservation.version),
    }
}

fn reservation_line(line: &ReservationLine) -> v1::ReservationLine {
    v1::ReservationLine {
        sku_id: line.sku.to_string(),
        location_id: location_id(line.location.as_ref()),
        unit_price_minor: line.unit_price_minor,
        quantity: line.quantity,
        open: line.open,
        committed: line.committed,
        released: line.released,
        expired: line.expired,
        line: line_number(line.number),
    }
}

//! Between the types of the public surface and those of the state machine, where nothing can go wrong. What a caller
//! can get wrong is in `validate`.

use stockade_consensus::Served;
use stockade_proto::v1;
use stockade_state_machine::command::{Disposition, ShortagePolicy, Sourcing};
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::order::{Order, OrderLine, OrderState, Parcel};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::reservation::{Reservation, ReservationLine, ReservationState};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Revision, Stock, StockKey, Version};
use stockade_storage::{LedgerProblem, LedgerVerification};

/// Log time as callers see it. Beyond the year 292,000 it stays there.
pub(crate) fn timestamp(time: LogTime) -> prost_types::Timestamp {
    let seconds = i64::try_from(time.micros() / 1_000_000).expect("a 64-bit number over a million fits");
    let nanos = i32::try_from(time.micros() % 1_000_000 * 1_000).expect("less than a second");
    prost_types::Timestamp { seconds, nanos }
}

pub(crate) fn duration(micros: u64) -> prost_types::Duration {
    let seconds = i64::try_from(micros / 1_000_000).expect("a 64-bit number over a million fits");
    let nanos = i32::try_from(micros % 1_000_000 * 1_000).expect("less than a second");
    prost_types::Duration { seconds, nanos }
}

pub(crate) fn order_state(state: OrderState) -> v1::OrderState {
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

pub(crate) fn sourcing(sourcing: Sourcing) -> v1::Sourcing {
    match sourcing {
        Sourcing::Priority => v1::Sourcing::Priority,
        Sourcing::MostStock => v1::Sourcing::MostStock,
        Sourcing::FewestSplits => v1::Sourcing::FewestSplits,
        Sourcing::Explicit => v1::Sourcing::Explicit,
        Sourcing::SplitProportional => v1::Sourcing::SplitProportional,
    }
}

pub(crate) fn shortage_policy(policy: ShortagePolicy) -> v1::ShortagePolicy {
    match policy {
        ShortagePolicy::AllOrNothing => v1::ShortagePolicy::AllOrNothing,
        ShortagePolicy::Partial => v1::ShortagePolicy::Partial,
    }
}

pub(crate) fn reservation_state(state: ReservationState) -> v1::ReservationState {
    match state {
        ReservationState::Active => v1::ReservationState::Active,
        ReservationState::PartiallyCommitted => v1::ReservationState::PartiallyCommitted,
        ReservationState::Committed => v1::ReservationState::Committed,
        ReservationState::Released => v1::ReservationState::Released,
        ReservationState::Expired => v1::ReservationState::Expired,
    }
}

pub(crate) fn bucket(bucket: Bucket) -> v1::Bucket {
    match bucket {
        Bucket::Available => v1::Bucket::Available,
        Bucket::Reserved => v1::Bucket::Reserved,
        Bucket::Committed => v1::Bucket::Committed,
        Bucket::SafetyStock => v1::Bucket::SafetyStock,
        Bucket::Damaged => v1::Bucket::Damaged,
        Bucket::QualityControl => v1::Bucket::QualityControl,
    }
}

pub(crate) fn reason(reason: Reason) -> v1::Reason {
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

pub(crate) fn disposition(disposition: Disposition) -> v1::Disposition {
    match disposition {
        Disposition::Restock => v1::Disposition::Restock,
        Disposition::Damaged => v1::Disposition::Damaged,
        Disposition::Scrap => v1::Disposition::Scrap,
    }
}

pub(crate) fn sku(sku: &Sku) -> v1::Sku {
    v1::Sku {
        sku_id: sku.id.as_str().to_owned(),
        create_time: Some(timestamp(sku.created)),
        update_time: Some(timestamp(sku.updated)),
        revision: sku.version.revision.get(),
        etag: etag(sku.version),
        ..sku_details(&sku.details)
    }
}

/// What a caller may say of a SKU.
pub(crate) fn sku_details(details: &SkuDetails) -> v1::Sku {
    let SkuDetails { display_name, untracked, min_per_order, max_per_order, attributes } = details;
    v1::Sku {
        display_name: display_name.clone(),
        untracked: *untracked,
        min_per_order: *min_per_order,
        max_per_order: *max_per_order,
        attributes: attributes.clone(),
        ..v1::Sku::default()
    }
}

pub(crate) fn location(location: &Location) -> v1::Location {
    v1::Location {
        location_id: location.id.as_str().to_owned(),
        create_time: Some(timestamp(location.created)),
        update_time: Some(timestamp(location.updated)),
        revision: location.version.revision.get(),
        etag: etag(location.version),
        ..location_details(&location.details)
    }
}

/// What a caller may say of a location.
pub(crate) fn location_details(details: &LocationDetails) -> v1::Location {
    let LocationDetails { display_name, zone, priority, disabled } = details;
    v1::Location {
        display_name: display_name.clone(),
        zone: zone.clone(),
        priority: self::priority(*priority),
        disabled: *disabled,
        ..v1::Location::default()
    }
}

/// A location's priority. Bounds keep it within what a caller can say.
pub(crate) fn priority(priority: u32) -> i32 {
    i32::try_from(priority).unwrap_or(i32::MAX)
}

/// A version as callers see it; empty where nothing ever changed.
pub(crate) fn etag(version: Version) -> String {
    if version == Version::default() {
        return String::new();
    }
    format!("{:x}-{:x}", version.revision.get(), version.position)
}

/// The version that an etag stands for; `None` for a text that is none.
pub(crate) fn version(etag: &str) -> Option<Version> {
    let (revision, position) = etag.split_once('-')?;
    let revision = Revision::new(u64::from_str_radix(revision, 16).ok()?);
    let version = Version { revision, position: u32::from_str_radix(position, 16).ok()? };
    // One spelling each: no sign, no zeros before it.
    (self::etag(version) == etag).then_some(version)
}

pub(crate) fn stock(key: &StockKey, stock: &Stock) -> v1::Stock {
    v1::Stock {
        sku_id: key.sku.as_str().to_owned(),
        location_id: key.location.as_str().to_owned(),
        on_hand: stock.on_hand(),
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

/// Stock as a movement left it. What can be named in a change is the stock of now, so it has no etag.
pub(crate) fn past_stock(key: &StockKey, stock: &Stock, moved: Revision) -> v1::Stock {
    v1::Stock { revision: moved.get(), etag: String::new(), ..self::stock(key, stock) }
}

pub(crate) fn ledger_entry(entry: &LedgerEntry) -> v1::LedgerEntry {
    let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
    v1::LedgerEntry {
        revision: entry.revision.get(),
        position: entry.position,
        time: Some(timestamp(entry.time)),
        sku_id: entry.sku.to_string(),
        location_id: entry.location.to_string(),
        from_bucket: entry.from.map_or(v1::Bucket::Unspecified, bucket).into(),
        to_bucket: entry.to.map_or(v1::Bucket::Unspecified, bucket).into(),
        quantity: entry.quantity,
        reason: reason(entry.reason).into(),
        actor: text(entry.actor.as_ref()),
        request_id: text(entry.request.as_ref()),
        order_id: text(entry.order.as_ref()),
        reservation_id: text(entry.reservation.as_ref()),
        document_id: document_id(entry.document.as_ref()),
        reference: entry.reference.clone(),
        balances: Some(past_stock(&key, &entry.balances, entry.revision)),
    }
}

pub(crate) fn ledger_verification(verified: &LedgerVerification) -> v1::LedgerVerification {
    let problem = |problem: &LedgerProblem| v1::LedgerProblem {
        revision: problem.revision.get(),
        position: problem.position,
        what: problem.what.clone(),
    };
    v1::LedgerVerification {
        revision: verified.revision.get(),
        chain_hash: verified.chain.to_vec(),
        stock_rows: verified.stock_rows,
        problems: verified.problems.iter().map(problem).collect(),
        problem_count: verified.problem_count,
    }
}

/// An order as it is at a log time.
pub(crate) fn order(order: &Order, now: LogTime) -> v1::Order {
    v1::Order {
        order_id: order.id.as_str().to_owned(),
        customer_id: customer_id(order.customer.as_ref()),
        currency_code: order.currency.as_str().to_owned(),
        state: order_state(order.state_at(now)).into(),
        lines: order.lines.iter().map(order_line).collect(),
        create_time: Some(timestamp(order.created)),
        update_time: Some(timestamp(order.updated)),
        expire_time: Some(timestamp(order.expires)),
        revision: order.version.revision.get(),
        payment_reference: order.payment_reference.clone(),
        etag: etag(order.version),
        parcels: (1..).zip(&order.parcels).map(|(number, one)| parcel(number, one, &order.lines)).collect(),
        close_time: order.closes.map(timestamp),
    }
}

fn parcel(number: i32, parcel: &Parcel, parts: &[OrderLine]) -> v1::Parcel {
    let lines = parcel.lines.iter().filter_map(|line| {
        let part = parts.get(usize::try_from(line.part).ok()?)?;
        Some(v1::ParcelLine {
            line: line_number(part.number),
            location_id: location_id(part.location.as_ref()),
            sku_id: part.sku.to_string(),
            quantity: line.quantity,
        })
    });
    v1::Parcel {
        number,
        ship_time: Some(timestamp(parcel.shipped)),
        tracking_number: parcel.tracking_number.clone(),
        document_id: document_id(parcel.document.as_ref()),
        lines: lines.collect(),
    }
}

/// The number of a line. Execution refuses what is not there, so one beyond 31 bits can stand in the log, but only in a command
/// that had no effect.
pub(crate) fn line_number(line: u32) -> i32 {
    i32::try_from(line).unwrap_or(i32::MAX)
}

/// A document, or nothing.
pub(crate) fn document_id(id: Option<&DocumentId>) -> String {
    text(id)
}

/// Where the units of lines are.
pub(crate) fn sources(sources: &[Source]) -> Vec<v1::LineSource> {
    let source = |source: &Source| v1::LineSource {
        line: line_number(source.line),
        location_id: location_id(source.location.as_ref()),
        quantity: source.quantity,
    };
    sources.iter().map(source).collect()
}

/// A location, or nothing.
pub(crate) fn location_id(location: Option<&LocationId>) -> String {
    text(location)
}

fn order_line(line: &OrderLine) -> v1::OrderLine {
    v1::OrderLine {
        sku_id: line.sku.as_str().to_owned(),
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

pub(crate) fn reservation(reservation: &Reservation) -> v1::Reservation {
    v1::Reservation {
        reservation_id: reservation.id.as_str().to_owned(),
        customer_id: customer_id(reservation.customer.as_ref()),
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
        sku_id: line.sku.as_str().to_owned(),
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

/// A customer, or nothing.
pub(crate) fn customer_id(customer: Option<&CustomerId>) -> String {
    text(customer)
}

fn text<T: ToString>(id: Option<&T>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

/// What a read was served as.
pub(crate) fn served_as(served: Served) -> v1::Consistency {
    match served {
        Served::Linearizable => v1::Consistency::Linearizable,
        Served::Lease => v1::Consistency::Lease,
        Served::Bounded => v1::Consistency::Bounded,
        Served::AtLeast => v1::Consistency::AtLeast,
        Served::Local => v1::Consistency::Local,
    }
}

#[cfg(test)]
mod tests;

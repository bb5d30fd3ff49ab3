//! From outcomes and rows to the words of a script.

use std::fmt::Write as _;

use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::rejection::{Current, Shortage};
use stockade_state_machine::reservation::{Reservation, ReservationLine};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Change, LogTime, Outcome, Rejection, Stock, StockKey, Version};

use super::START_US;

/// Seconds since the script began.
pub(crate) fn time(time: LogTime) -> String {
    seconds(time.micros().saturating_sub(START_US))
}

fn seconds(micros: u64) -> String {
    match (micros / 1_000_000, micros % 1_000_000) {
        (seconds, 0) => format!("{seconds}s"),
        (seconds, rest) => format!("{seconds}s+{rest}us"),
    }
}

/// An outcome in a line.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::SkuCreated(sku) => format!("SkuCreated {}", sku_row(sku)),
        Outcome::SkuUpdated(sku) => format!("SkuUpdated {}", sku_row(sku)),
        Outcome::SkuDeleted => "SkuDeleted".to_owned(),
        Outcome::LocationCreated(location) => format!("LocationCreated {}", location_row(location)),
        Outcome::LocationUpdated(location) => format!("LocationUpdated {}", location_row(location)),
        Outcome::LocationDeleted => "LocationDeleted".to_owned(),
        Outcome::StockReceived(key, stock) => format!("StockReceived {}", stock_row(key, stock)),
        Outcome::StockAdjusted(key, stock) => format!("StockAdjusted {}", stock_row(key, stock)),
        Outcome::StockSet(key, stock) => format!("StockSet {}", stock_row(key, stock)),
        Outcome::StockMoved(key, stock) => format!("StockMoved {}", stock_row(key, stock)),
        Outcome::OrderPlaced { order, expires, sources } => {
            format!("OrderPlaced {order} until {} from [{}]", time(*expires), places(sources))
        }
        Outcome::OrderConfirmed { order } => format!("OrderConfirmed {order}"),
        Outcome::OrderExtended { order, expires } => {
            format!("OrderExtended {order} until {}", time(*expires))
        }
        Outcome::OrderClosed { order } => format!("OrderClosed {order}"),
        Outcome::OrderShipped { order, state, shipped, parcel } => {
            format!("OrderShipped {order} {} shipped={shipped} parcel={parcel}", state.name())
        }
        Outcome::OrderCancelled { order, state, cancelled } => {
            format!("OrderCancelled {order} {} cancelled={cancelled}", state.name())
        }
        Outcome::OrderReturned { order, state, returned } => {
            format!("OrderReturned {order} {} returned={returned}", state.name())
        }
        Outcome::ReservationCreated { reservation, expires, sources } => {
            format!("ReservationCreated {reservation} until {} from [{}]", time(*expires), places(sources))
        }
        Outcome::ReservationExtended { reservation, expires } => {
            format!("ReservationExtended {reservation} until {}", time(*expires))
        }
        Outcome::ReservationCommitted { reservation, state, order, order_state, expires, committed } => {
            format!(
                "ReservationCommitted {reservation} {} committed={committed} to {order} {} until {}",
                state.name(),
                order_state.name(),
                time(*expires)
            )
        }
        Outcome::ReservationReleased { reservation, state, released } => {
            format!("ReservationReleased {reservation} {} released={released}", state.name())
        }
        Outcome::ReservationMoved { reservation, moved } => {
            format!("ReservationMoved {reservation} moved={moved}")
        }
        Outcome::Transacted(outcomes) if outcomes.len() > MAX_OUTCOMES_SHOWN => {
            format!("Transacted {} operations", outcomes.len())
        }
        Outcome::Transacted(outcomes) => {
            let lines = std::iter::once("Transacted".to_owned()).chain(outcomes.iter().map(self::outcome));
            lines.collect::<Vec<_>>().join("\n  ")
        }
        Outcome::DueExpired { holds, more } => format!("DueExpired holds={holds} more={more}"),
        Outcome::RequestAbandoned => "RequestAbandoned".to_owned(),
        Outcome::Rejected(rejection) => format!("REJECTED {}", self::rejection(rejection)),
    }
}

/// Operations of a transaction that are shown one by one.
const MAX_OUTCOMES_SHOWN: usize = 8;

/// The location of each line, or where lines are split or missing the number, location and quantity of each source.
fn places(sources: &[Source]) -> String {
    if sources.len() > 10 {
        return format!("{} sources", sources.len());
    }
    let is_whole = (1..).zip(sources).all(|(number, source)| source.line == number);
    let place = |source: &Source| {
        let location = source.location.as_ref().map_or("-".to_owned(), ToString::to_string);
        if is_whole { location } else { format!("{}:{location}/{}", source.line, source.quantity) }
    };
    sources.iter().map(place).collect::<Vec<_>>().join(", ")
}

fn shortage(shortage: &Shortage) -> String {
    let Shortage { line, sku, location, together, bucket, asked, available, next_expiry } = shortage;
    let mut text = format!("line={line} {sku}");
    if let Some(location) = location {
        write!(text, "@{location}").expect("a string takes all");
    }
    if *together {
        text.push_str(" together");
    }
    write!(text, " asked={asked} {}={available}", bucket.name()).expect("a string takes all");
    if let Some(next) = next_expiry {
        write!(text, " next={}", time(*next)).expect("a string takes all");
    }
    text
}

fn rejection(rejection: &Rejection) -> String {
    match rejection {
        Rejection::RequestIdExpired { horizon_ms } => {
            format!("RequestIdExpired horizon={}", time(LogTime::from_micros(horizon_ms * 1_000)))
        }
        Rejection::RequestIdInFuture { now_ms } => {
            format!("RequestIdInFuture now={}", time(LogTime::from_micros(now_ms * 1_000)))
        }
        Rejection::ReservationExpired { holder, expired } => {
            format!("ReservationExpired {holder} expired={}", time(*expired))
        }
        Rejection::ReservationSettled { reservation, state } => {
            format!("ReservationSettled {reservation} {}", state.name())
        }
        Rejection::InsufficientStock { shortages } => {
            let shortages: Vec<_> = shortages.iter().map(shortage).collect();
            format!("InsufficientStock {}", shortages.join("; "))
        }
        Rejection::EtagMismatch { resource, current } => {
            format!("EtagMismatch {resource:?} current={}", version(*current))
        }
        Rejection::OperationRejected { operation, rejection } => {
            format!("operation {operation}: {}", self::rejection(rejection))
        }
        Rejection::PreconditionFailed { failed } => {
            let failed = failed.iter().map(|failed| match failed.current {
                Current::Missing => format!("{} missing", failed.number),
                Current::Version(current) => format!("{} version={}", failed.number, version(current)),
                Current::Quantity(units) => format!("{} units={units}", failed.number),
                Current::OrderState(state) => format!("{} {}", failed.number, state.name()),
                Current::ReservationState(state) => format!("{} {}", failed.number, state.name()),
            });
            format!("PreconditionFailed {}", failed.collect::<Vec<_>>().join("; "))
        }
        Rejection::TooLarge { holder } => format!("TooLarge {holder}"),
        Rejection::Malformed(_)
        | Rejection::RequestIdReused
        | Rejection::RequestAbandoned
        | Rejection::NotFound(_)
        | Rejection::AlreadyExists(_)
        | Rejection::IllegalTransition { .. }
        | Rejection::QuantityStale { .. }
        | Rejection::SkuInUse { .. }
        | Rejection::LocationInUse { .. }
        | Rejection::LocationDisabled { .. }
        | Rejection::PurchaseLimit { .. }
        | Rejection::QuantityExceeded { .. }
        | Rejection::QuantityOverflow
        | Rejection::RetryAfterExpiry => format!("{rejection:?}"),
    }
}

/// A changed row and the key that it is sorted by; the clock, the ledger and request records are shown on request only.
pub(crate) fn change(change: &Change) -> Option<(String, String)> {
    match change {
        Change::Sku(id, sku) => {
            let row = if sku.is_some() { format!("sku {id}") } else { format!("sku {id} is gone") };
            Some((format!("1 {id}"), row))
        }
        Change::Location(id, location) => {
            let gone = if location.is_some() { "" } else { " is gone" };
            Some((format!("1 at {id}"), format!("location {id}{gone}")))
        }
        Change::Stock(key, Some(stock)) => {
            Some((format!("2 {} {}", key.sku, key.location), format!("stock {}", stock_row(key, stock))))
        }
        Change::Stock(key, None) => Some((
            format!("2 {} {}", key.sku, key.location),
            format!("stock {}@{} is gone", key.sku, key.location),
        )),
        Change::Order(id, order) => Some((format!("3 {id}"), order_row(order))),
        Change::Reservation(id, reservation) => Some((format!("3 r {id}"), reservation_row(reservation))),
        Change::Document(id, _) => Some((format!("4 {id}"), format!("document {id}"))),
        Change::Request(origin, None) => {
            let made = time(LogTime::from_micros(origin.request.time_ms() * 1_000));
            Some((format!("5 {origin:?}"), format!("the record of a request of {made} left")))
        }
        Change::Ledger(_) | Change::Request(_, Some(_)) | Change::Clock(_) => None,
    }
}

fn version(version: Version) -> String {
    format!("{}.{}", version.revision, version.position)
}

fn sku_row(sku: &Sku) -> String {
    let SkuDetails { display_name, untracked, min_per_order, max_per_order, attributes } = &sku.details;
    let mut row = format!("{} {display_name:?}", sku.id);
    if *untracked {
        row.push_str(" untracked");
    }
    for (name, limit) in [("min", min_per_order), ("max", max_per_order)] {
        if *limit != 0 {
            write!(row, " {name}={limit}").expect("a string takes all");
        }
    }
    for (name, value) in attributes {
        write!(row, " {name}:{value:?}").expect("a string takes all");
    }
    row
}

fn location_row(location: &Location) -> String {
    let LocationDetails { display_name, zone, priority, disabled } = &location.details;
    let disabled = if *disabled { " disabled" } else { "" };
    format!("{} {display_name:?} zone={zone:?} priority={priority}{disabled}", location.id)
}

fn stock_row(key: &StockKey, stock: &Stock) -> String {
    let mut row = format!("{}@{}", key.sku, key.location);
    for bucket in Bucket::ALL {
        // `available` is always of interest, the others where they hold something.
        if bucket == Bucket::Available || stock.get(bucket) != 0 {
            write!(row, " {}={}", bucket.name(), stock.get(bucket)).expect("a string takes all");
        }
    }
    row
}

fn order_row(order: &Order) -> String {
    if order.lines.len() > 10 {
        return format!("order {} {}: {} lines", order.id, order.state().name(), order.lines.len());
    }
    let mut last = 0;
    let lines = order.lines.iter().map(|part| {
        let same = if part.number == last { "+ " } else { "" };
        last = part.number;
        format!("{same}{}", line(part))
    });
    let lines: Vec<_> = lines.collect();
    let mut row = format!("order {} {}: {}", order.id, order.state().name(), lines.join("; "));
    if order.parcels.len() > 10 {
        write!(row, " | {} parcels", order.parcels.len()).expect("a string takes all");
        return row;
    }
    for parcel in &order.parcels {
        let lines: Vec<_> =
            parcel.lines.iter().map(|line| format!("{}/{}", line.part, line.quantity)).collect();
        let lines = lines.join(" ");
        let document = parcel.document.as_ref().map_or_else(String::new, |document| format!(" {document}"));
        write!(row, " | parcel{document}: {lines}").expect("a string takes all");
    }
    if let Some(closes) = order.closes {
        write!(row, " | closes {}", time(closes)).expect("a string takes all");
    }
    row
}

fn reservation_row(reservation: &Reservation) -> String {
    let (id, state, until) = (&reservation.id, reservation.state().name(), time(reservation.expires));
    if reservation.lines.len() > 10 {
        return format!("reservation {id} {state} until {until}: {} lines", reservation.lines.len());
    }
    let lines: Vec<_> = reservation.lines.iter().map(reservation_line).collect();
    format!("reservation {id} {state} until {until}: {}", lines.join("; "))
}

fn reservation_line(line: &ReservationLine) -> String {
    let quantities = [
        ("open", line.open),
        ("committed", line.committed),
        ("released", line.released),
        ("expired", line.expired),
    ];
    line_row(&line.sku, line.location.as_ref(), ("quantity", line.quantity), &quantities)
}

fn line(line: &OrderLine) -> String {
    let quantities = [
        ("held", line.held),
        ("allocated", line.allocated),
        ("shipped", line.shipped),
        ("returned", line.returned),
        ("cancelled", line.cancelled),
        ("expired", line.expired),
    ];
    line_row(&line.sku, line.location.as_ref(), ("ordered", line.ordered), &quantities)
}

fn line_row(
    sku: &SkuId,
    location: Option<&LocationId>,
    (name, all): (&str, i64),
    parts: &[(&str, i64)],
) -> String {
    let location = location.map_or("-", |location| location.as_str());
    let mut text = format!("{sku}@{location} {name}={all}");
    for (name, quantity) in parts {
        if *quantity != 0 {
            write!(text, " {name}={quantity}").expect("a string takes all");
        }
    }
    text
}

/// A ledger entry in a line.
pub(crate) fn movement(entry: &LedgerEntry) -> String {
    let bucket = |bucket: Option<Bucket>| bucket.map_or("outside", Bucket::name);
    let actor = entry.actor.as_ref().map_or("system", |actor| actor.as_str());
    let reservation = entry.reservation.as_ref().map(|id| format!(" of {id}"));
    let order = entry.order.as_ref().map(|id| format!(" for {id}"));
    let holders: String = reservation.into_iter().chain(order).collect();
    format!(
        "@{}.{} {}@{} {} from {} to {} for {:?} by {actor}{holders}",
        entry.revision,
        entry.position,
        entry.sku,
        entry.location,
        entry.quantity,
        bucket(entry.from),
        bucket(entry.to),
        entry.reason,
    )
}

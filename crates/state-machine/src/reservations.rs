//! Reservations: create, extend, release, move, and give units to an order.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::expect_version;
use crate::command::{
    CommitReservation, CreateReservation, ExtendReservation, LineQuantity, MoveReservation, Payment,
    ReleaseReservation, ShortagePolicy,
};
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{LocationId, ReservationId};
use crate::ledger::Reason;
use crate::lines::{check_lines, move_line, quantities_or_all};
use crate::order::{Order, OrderLine};
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource, Shortage};
use crate::reservation::{Reservation, ReservationLine};
use crate::sourcing::{self, Asked, check_limits};
use crate::stock::{Bucket, StockKey};
use crate::version::Version;

pub(crate) fn create(draft: &mut Draft<'_>, command: &CreateReservation) -> Result<Outcome, Rejection> {
    let id = &command.reservation;
    if draft.reservation(id).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Reservation(id.clone())));
    }
    let asked = Asked::of(draft, &command.lines)?;
    let (holder, whole) = (Holder::Reservation(id.clone()), ShortagePolicy::AllOrNothing);
    let sources = sourcing::reserve(draft, &holder, &asked, command.sourcing, whole)?;
    let lines = sources.iter().map(|source| {
        let line = &command.lines[usize::try_from(source.line).expect("u32 fits") - 1];
        ReservationLine {
            number: source.line,
            sku: line.sku.clone(),
            location: source.location.clone(),
            unit_price_minor: line.unit_price_minor,
            quantity: source.quantity,
            open: source.quantity,
            committed: 0,
            released: 0,
            expired: 0,
        }
    });
    let context = draft.context();
    let expires = context.now.after_micros(command.hold_us);
    draft.put_reservation(Reservation {
        id: id.clone(),
        customer: command.customer.clone(),
        currency: command.currency,
        lines: lines.collect(),
        created: context.now,
        updated: context.now,
        expires,
        version: context.version,
    });
    Ok(Outcome::ReservationCreated { reservation: id.clone(), expires, sources })
}

/// The hold ends later, never earlier than it would have.
pub(crate) fn extend(draft: &mut Draft<'_>, command: &ExtendReservation) -> Result<Outcome, Rejection> {
    let mut reservation = Reservation::clone(open(draft, &command.reservation, command.expected)?);
    reservation.expires = reservation.expires.max(draft.context().now.after_micros(command.hold_us));
    let expires = reservation.expires;
    draft.put_reservation(reservation);
    Ok(Outcome::ReservationExtended { reservation: command.reservation.clone(), expires })
}

/// Units go to a new order. An unpaid one holds them on, so nothing moves; a paid one is owed them.
pub(crate) fn commit(draft: &mut Draft<'_>, command: &CommitReservation) -> Result<Outcome, Rejection> {
    if draft.order(&command.order).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
    }
    let mut reservation = Reservation::clone(open(draft, &command.reservation, command.expected)?);
    let quantities = open_quantities(&reservation, &command.lines)?;
    let taken = || reservation.lines.iter().zip(&quantities).filter(|(_, quantity)| **quantity > 0);
    for (line, _) in taken() {
        draft.known_sku(&line.sku)?;
    }
    check_limits(draft, || taken().map(|(line, quantity)| (&line.sku, *quantity)))?;
    let is_paid = matches!(command.payment, Payment::Taken { .. });
    let mut lines: Vec<OrderLine> = Vec::new();
    // Of the reservation and of the order: the order has a line for each line of which it takes units.
    let (mut from, mut number) = (0, 0);
    for (line, quantity) in reservation.lines.iter_mut().zip(quantities) {
        if quantity == 0 {
            continue;
        }
        if is_paid {
            let movement = Movement {
                from: Some(Bucket::Reserved),
                to: Some(Bucket::Committed),
                order: Some(&command.order),
                reservation: Some(&command.reservation),
                ..Movement::of(Reason::Commit, quantity)
            };
            move_line(draft, &line.sku, line.location.as_ref(), movement)?;
        }
        line.open -= quantity;
        line.committed += quantity;
        if line.number != from {
            (from, number) = (line.number, number + 1);
        }
        lines.push(OrderLine {
            number,
            sku: line.sku.clone(),
            location: line.location.clone(),
            unit_price_minor: line.unit_price_minor,
            ordered: quantity,
            held: if is_paid { 0 } else { quantity },
            allocated: if is_paid { quantity } else { 0 },
            shipped: 0,
            returned: 0,
            cancelled: 0,
            expired: 0,
        });
    }
    let context = draft.context();
    let (expires, payment_reference) = match &command.payment {
        Payment::Pending { hold_us } => (context.now.after_micros(*hold_us), String::new()),
        Payment::Taken { reference } => (reservation.expires, reference.clone()),
    };
    let order = Order {
        id: command.order.clone(),
        customer: command.customer.clone().or_else(|| reservation.customer.clone()),
        currency: reservation.currency,
        lines,
        created: context.now,
        updated: context.now,
        expires,
        version: context.version,
        payment_reference,
        parcels: Vec::new(),
        closes: None,
    };
    let outcome = Outcome::ReservationCommitted {
        reservation: command.reservation.clone(),
        state: reservation.state(),
        order: command.order.clone(),
        order_state: order.state(),
        expires,
        committed: order.lines.iter().map(|line| line.ordered).sum(),
    };
    draft.put_order(order);
    draft.put_reservation(reservation);
    Ok(outcome)
}

pub(crate) fn release(draft: &mut Draft<'_>, command: &ReleaseReservation) -> Result<Outcome, Rejection> {
    let mut reservation = Reservation::clone(open(draft, &command.reservation, command.expected)?);
    let quantities = open_quantities(&reservation, &command.lines)?;
    let mut released = 0;
    for (line, quantity) in reservation.lines.iter_mut().zip(quantities) {
        if quantity == 0 {
            continue;
        }
        give_back(draft, &command.reservation, line, Reason::Release, quantity)?;
        line.open -= quantity;
        line.released += quantity;
        released += quantity;
    }
    let state = reservation.state();
    draft.put_reservation(reservation);
    Ok(Outcome::ReservationReleased { reservation: command.reservation.clone(), state, released })
}

/// The open units of lines are held at another location instead: all of them, or nothing changes.
pub(crate) fn relocate(draft: &mut Draft<'_>, command: &MoveReservation) -> Result<Outcome, Rejection> {
    let target = &command.location;
    let known = draft.known_reservation(&command.reservation).map(Arc::clone)?;
    let is_disabled = draft.known_location(target)?.details.disabled;
    ensure_open(&known, command.expected)?;
    check_lines(&Holder::Reservation(known.id.clone()), &known.lines, command.lines.iter().copied())?;
    if is_disabled {
        return Err(Rejection::LocationDisabled { location: target.clone() });
    }
    let named: BTreeSet<u32> = command.lines.iter().copied().collect();
    let mut reservation = Reservation::clone(&known);
    let (mut moved, mut shortages) = (0, Vec::new());
    for line in &mut reservation.lines {
        let is_named = named.is_empty() || named.contains(&line.number);
        let elsewhere = line.location.as_ref().is_some_and(|location| location != target);
        if !is_named || !elsewhere || line.open == 0 {
            continue;
        }
        match take_at(draft, &command.reservation, line, target)? {
            Ok(()) => {
                give_back(draft, &command.reservation, line, Reason::Release, line.open)?;
                line.location = Some(target.clone());
                moved += line.open;
            }
            Err(shortage) => shortages.push(shortage),
        }
    }
    if !shortages.is_empty() {
        return Err(Rejection::InsufficientStock { shortages });
    }
    if moved > 0 {
        draft.put_reservation(reservation);
    }
    Ok(Outcome::ReservationMoved { reservation: command.reservation.clone(), moved })
}

/// Holds the open units of a line at a location. The inner error is a shortage.
fn take_at(
    draft: &mut Draft<'_>,
    id: &ReservationId,
    line: &ReservationLine,
    location: &LocationId,
) -> Result<Result<(), Shortage>, Rejection> {
    let key = StockKey { sku: line.sku.clone(), location: location.clone() };
    let available = draft.stock(&key).get(Bucket::Available);
    if available < line.open {
        return Ok(Err(Shortage {
            line: line.number,
            sku: line.sku.clone(),
            location: Some(location.clone()),
            together: false,
            bucket: Bucket::Available,
            asked: line.open,
            available,
            next_expiry: draft.next_expiry(&line.sku),
        }));
    }
    let movement = Movement {
        from: Some(Bucket::Available),
        to: Some(Bucket::Reserved),
        reservation: Some(id),
        ..Movement::of(Reason::Reservation, line.open)
    };
    draft.move_units(&key, movement).map(Ok)
}

/// What is held of a line becomes available where it is.
pub(crate) fn give_back(
    draft: &mut Draft<'_>,
    id: &ReservationId,
    line: &ReservationLine,
    reason: Reason,
    quantity: i64,
) -> Result<(), Rejection> {
    let movement = Movement {
        from: Some(Bucket::Reserved),
        to: Some(Bucket::Available),
        reservation: Some(id),
        ..Movement::of(reason, quantity)
    };
    move_line(draft, &line.sku, line.location.as_ref(), movement)
}

/// The reservation, if it exists, holds units, and has the version that it must have.
fn open<'d>(
    draft: &'d Draft<'_>,
    id: &ReservationId,
    expected: Option<Version>,
) -> Result<&'d Arc<Reservation>, Rejection> {
    let reservation = draft.known_reservation(id)?;
    ensure_open(reservation, expected)?;
    Ok(reservation)
}

fn ensure_open(reservation: &Reservation, expected: Option<Version>) -> Result<(), Rejection> {
    let id = &reservation.id;
    if !reservation.is_settled() {
        return expect_version(expected, reservation.version, || Resource::Reservation(id.clone()));
    }
    if reservation.lines.iter().any(|line| line.expired > 0) {
        let holder = Holder::Reservation(id.clone());
        return Err(Rejection::ReservationExpired { holder, expired: reservation.expires });
    }
    Err(Rejection::ReservationSettled { reservation: id.clone(), state: reservation.state() })
}

/// Units of each part: as asked, or all that is open.
fn open_quantities(reservation: &Reservation, asked: &[LineQuantity]) -> Result<Vec<i64>, Rejection> {
    let open = reservation.lines.iter().map(|line| line.open).collect();
    quantities_or_all(&Holder::Reservation(reservation.id.clone()), &reservation.lines, open, asked)
}

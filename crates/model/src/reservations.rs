//! Reservations: units held for orders to come, held for longer, given back, held elsewhere.

use std::collections::BTreeMap;

use stockade_state_machine::Version;
use stockade_state_machine::command::{
    CreateReservation, ExtendReservation, LineQuantity, MoveReservation, Origin, ReleaseReservation,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::ReservationId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::reservation::{Reservation, ReservationLine};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::items::{self, Left};
use crate::model::{Model, Moment, must_be_current};
use crate::placement::{Part, parts};
use crate::plan::{Movement, Plan, Row};

impl Model {
    pub(crate) fn create_reservation(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &CreateReservation,
    ) -> Result<Plan, Rejection> {
        // "Errors: ALREADY_EXISTS, NOT_FOUND (SKU, then location), LOCATION_DISABLED, TOO_LARGE ..., INSUFFICIENT_STOCK".
        // "An id is taken for ever."
        let id = &command.reservation;
        if self.reservation(id).is_some() {
            return Err(Rejection::AlreadyExists(Resource::Reservation(id.clone())));
        }
        // "with the same choice of locations and the same refusals, but for limits per order".
        self.may_be_held(&command.lines)?;
        // "Holds units, all lines or none."
        let holder = Holder::Reservation(id.clone());
        let sources = self.source_lines(holder, &command.lines, command.sourcing, false)?;
        let lines: Vec<ReservationLine> =
            parts(&command.lines, &sources).into_iter().map(open_line).collect();
        // "an order or a reservation took a hold", line by line as in an order.
        let hold = (Some(Bucket::Available), Some(Bucket::Reserved));
        let movements = lines
            .iter()
            .filter_map(|line| movement(id, line, line.open, Reason::Reservation, origin, hold))
            .collect();
        // "How long the units are held".
        let expires = moment.now.after_micros(command.hold_us);
        let reservation = Reservation {
            id: id.clone(),
            customer: command.customer.clone(),
            currency: command.currency,
            lines,
            created: moment.now,
            updated: moment.now,
            expires,
            version: moment.version(),
        };
        let outcome = Outcome::ReservationCreated { reservation: id.clone(), expires, sources };
        Ok(Plan { movements, rows: vec![Row::Reservation(reservation)], ..Plan::of(outcome) })
    }

    pub(crate) fn extend_reservation(
        &self,
        moment: Moment,
        command: &ExtendReservation,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, RESERVATION_EXPIRED, ILLEGAL_TRANSITION (nothing is held any more), ETAG_MISMATCH."
        let mut reservation = self.reservation_must_exist(&command.reservation)?;
        must_hold_something(&reservation)?;
        must_be_version(&reservation, command.expected)?;
        // "moves the end to `now + hold`, never to an earlier time than it was".
        reservation.expires = reservation.expires.max(moment.now.after_micros(command.hold_us));
        let outcome = Outcome::ReservationExtended {
            reservation: command.reservation.clone(),
            expires: reservation.expires,
        };
        // "The version changes either way."
        Ok(Plan { rows: vec![changed(moment, reservation)], ..Plan::of(outcome) })
    }

    pub(crate) fn release_reservation(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ReleaseReservation,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, RESERVATION_EXPIRED, ILLEGAL_TRANSITION (nothing is held any more), ETAG_MISMATCH,
        // NOT_FOUND (line), QUANTITY_EXCEEDED."
        let mut reservation = self.reservation_must_exist(&command.reservation)?;
        must_hold_something(&reservation)?;
        must_be_version(&reservation, command.expected)?;
        let leaving = open_units(&reservation, &command.lines)?;
        let mut movements = Vec::new();
        for (line, units) in reservation.lines.iter_mut().zip(&leaving) {
            if *units == 0 {
                continue;
            }
            // "gives open units back to `available` (reason RELEASE)".
            let back = (Some(Bucket::Reserved), Some(Bucket::Available));
            movements.extend(movement(&command.reservation, line, *units, Reason::Release, origin, back));
            line.open -= units;
            line.released += units;
        }
        let outcome = Outcome::ReservationReleased {
            reservation: command.reservation.clone(),
            state: Self::reservation_state(&reservation),
            // "Units given back with this call", counted by a bucket or not.
            released: leaving.iter().sum(),
        };
        Ok(Plan { movements, rows: vec![changed(moment, reservation)], ..Plan::of(outcome) })
    }

    pub(crate) fn move_reservation(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &MoveReservation,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND (reservation, then location), RESERVATION_EXPIRED, ILLEGAL_TRANSITION (nothing is held any
        // more), ETAG_MISMATCH, NOT_FOUND (line), LOCATION_DISABLED, INSUFFICIENT_STOCK".
        let mut reservation = self.reservation_must_exist(&command.reservation)?;
        let target = self.location_must_exist(&command.location)?;
        must_hold_something(&reservation)?;
        must_be_version(&reservation, command.expected)?;
        lines_must_exist(&reservation, command.lines.iter().copied())?;
        if target.details.disabled {
            return Err(Rejection::LocationDisabled { location: command.location.clone() });
        }
        self.must_fit(&reservation, command)?;
        let mut movements = Vec::new();
        let mut moved = 0;
        for line in &mut reservation.lines {
            if !moves(line, command) {
                continue;
            }
            // "each line takes `available` there (reason RESERVATION), then gives back where it was (reason RELEASE),
            // line by line in their order".
            let there = ReservationLine { location: Some(command.location.clone()), ..line.clone() };
            let hold = (Some(Bucket::Available), Some(Bucket::Reserved));
            let back = (Some(Bucket::Reserved), Some(Bucket::Available));
            let id = &command.reservation;
            movements.extend(movement(id, &there, line.open, Reason::Reservation, origin, hold));
            movements.extend(movement(id, line, line.open, Reason::Release, origin, back));
            moved += line.open;
            *line = there;
        }
        let outcome = Outcome::ReservationMoved { reservation: command.reservation.clone(), moved };
        // A version is of "the command that changed it last": where every line stays as it is, that was another one.
        let rows = if moved > 0 { vec![changed(moment, reservation)] } else { Vec::new() };
        Ok(Plan { movements, rows, ..Plan::of(outcome) })
    }

    /// "`INSUFFICIENT_STOCK` (every line that is short there; its number is that of the reservation's line)": "all or
    /// none".
    fn must_fit(&self, reservation: &Reservation, command: &MoveReservation) -> Result<(), Rejection> {
        // "Units there, after what earlier lines of the same request take". What lines give back is elsewhere.
        let mut taken: BTreeMap<StockKey, i64> = BTreeMap::new();
        let mut shortages = Vec::new();
        for line in &reservation.lines {
            if !moves(line, command) {
                continue;
            }
            let key = StockKey { sku: line.sku.clone(), location: command.location.clone() };
            let before = taken.entry(key.clone()).or_default();
            let available = self.stock_at(&key).get(Bucket::Available) - *before;
            if line.open <= available {
                *before += line.open;
                continue;
            }
            shortages.push(Shortage {
                line: line.number,
                sku: line.sku.clone(),
                location: Some(command.location.clone()),
                together: false,
                bucket: Bucket::Available,
                asked: line.open,
                available,
                next_expiry: None,
            });
        }
        if shortages.is_empty() { Ok(()) } else { Err(Rejection::InsufficientStock { shortages }) }
    }

    pub(crate) fn reservation_must_exist(&self, id: &ReservationId) -> Result<Reservation, Rejection> {
        self.reservation(id).cloned().ok_or_else(|| Rejection::NotFound(Resource::Reservation(id.clone())))
    }
}

/// "Whatever names a reservation that holds nothing is refused: with `RESERVATION_EXPIRED` where any of its units
/// expired, else with `ILLEGAL_TRANSITION`."
pub(crate) fn must_hold_something(reservation: &Reservation) -> Result<(), Rejection> {
    if reservation.lines.iter().any(|line| line.open > 0) {
        return Ok(());
    }
    let id = reservation.id.clone();
    if reservation.lines.iter().any(|line| line.expired > 0) {
        return Err(Rejection::ReservationExpired {
            holder: Holder::Reservation(id),
            expired: reservation.expires,
        });
    }
    Err(Rejection::ReservationSettled { reservation: id, state: Model::reservation_state(reservation) })
}

/// "Where set, it must be the current one: else the call is refused with `ETAG_MISMATCH`."
pub(crate) fn must_be_version(reservation: &Reservation, expected: Option<Version>) -> Result<(), Rejection> {
    must_be_current(expected, reservation.version, || Resource::Reservation(reservation.id.clone()))
}

/// Units that a request asks of each part, in the order of the reservation's lines: "Empty: everything that is open."
/// "`NOT_FOUND` (line), `QUANTITY_EXCEEDED`" where they are not there.
pub(crate) fn open_units(reservation: &Reservation, named: &[LineQuantity]) -> Result<Vec<i64>, Rejection> {
    if named.is_empty() {
        return Ok(reservation.lines.iter().map(|line| line.open).collect());
    }
    lines_must_exist(reservation, named.iter().map(|line| line.line))?;
    let parts = reservation
        .lines
        .iter()
        .map(|line| Left { number: line.number, location: line.location.as_ref(), units: line.open })
        .collect();
    let holder = || Holder::Reservation(reservation.id.clone());
    let taken =
        items::take(parts, named).map_err(|lines| Rejection::QuantityExceeded { holder: holder(), lines })?;
    Ok(items::by_part(reservation.lines.len(), &taken))
}

/// "Log time of the last change", "Of the last change".
pub(crate) fn changed(moment: Moment, reservation: Reservation) -> Row {
    Row::Reservation(Reservation { updated: moment.now, version: moment.version(), ..reservation })
}

/// A movement of units of a line; `None` "where the SKU was not tracked when it was reserved: then no bucket counts the
/// units", whatever the SKU is now.
pub(crate) fn movement(
    reservation: &ReservationId,
    line: &ReservationLine,
    quantity: i64,
    reason: Reason,
    origin: Option<&Origin>,
    (from, to): (Option<Bucket>, Option<Bucket>),
) -> Option<Movement> {
    Some(Movement {
        key: StockKey { sku: line.sku.clone(), location: line.location.clone()? },
        from,
        to,
        quantity,
        reason,
        origin: origin.cloned(),
        order: None,
        // "The reservation that moved it, where one did."
        reservation: Some(reservation.clone()),
        document: None,
        reference: String::new(),
    })
}

/// The first number that is no line's: "Number of the line in the order or reservation, from 1."
fn lines_must_exist(
    reservation: &Reservation,
    named: impl IntoIterator<Item = u32>,
) -> Result<(), Rejection> {
    let numbers = reservation.lines.iter().map(|line| line.number);
    match items::unknown_line(named, numbers) {
        Some(number) => Err(Rejection::NotFound(Resource::ReservationLine(reservation.id.clone(), number))),
        None => Ok(()),
    }
}

/// "Numbers of the lines that move ... Empty: all"; "lines that are there already, hold nothing or are not tracked are
/// passed over". Of a line that is split, each part for itself.
fn moves(line: &ReservationLine, command: &MoveReservation) -> bool {
    let is_named = command.lines.is_empty() || command.lines.contains(&line.number);
    let is_elsewhere = line.location.as_ref().is_some_and(|location| *location != command.location);
    is_named && is_elsewhere && line.open > 0
}

fn open_line(part: Part<'_>) -> ReservationLine {
    ReservationLine {
        number: part.number,
        sku: part.line.sku.clone(),
        location: part.location,
        unit_price_minor: part.line.unit_price_minor,
        quantity: part.quantity,
        open: part.quantity,
        committed: 0,
        released: 0,
        expired: 0,
    }
}

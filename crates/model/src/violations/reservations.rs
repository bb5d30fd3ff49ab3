//! Reservations by themselves, against what the ledger tells of them, and against the orders that they gave units to.

use std::collections::BTreeMap;

use stockade_state_machine::Version;
use stockade_state_machine::ids::{ReservationId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::reservation::{Reservation, ReservationLine};
use stockade_state_machine::stock::Bucket;

use super::ledger::place;
use super::{Found, are_numbered};
use crate::model::Model;

/// Units of the tracked lines of one reservation that name one SKU, wherever they are: a move leaves no trace of where a
/// line was before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    quantity: i128,
    committed: i128,
    released: i128,
    expired: i128,
}

/// A reservation and a SKU.
type Part = (ReservationId, SkuId);

/// The last moment that log time can tell: a hold that begins there ends there.
const END_OF_TIME: u64 = u64::MAX;

impl Model {
    pub(super) fn check_reservations(&self, found: &mut Found) {
        for (id, reservation) in self.holding.iter().chain(&self.holding_nothing) {
            found.unless(*id == reservation.id, || {
                format!("reservation {}: stands under the key {id}", reservation.id)
            });
            // "It has at least one line."
            found.unless(!reservation.lines.is_empty(), || format!("reservation {id}: has no line"));
            let holds = reservation.lines.iter().any(|line| line.open > 0);
            found.unless(self.holding.contains_key(id) == holds, || {
                let state = Self::reservation_state(reservation).name();
                format!("reservation {id}: stands among the wrong ones, it is {state}")
            });
            found.unless(!(self.holding.contains_key(id) && self.holding_nothing.contains_key(id)), || {
                format!("reservation {id}: stands twice")
            });
            let in_time = reservation.created <= reservation.updated && reservation.updated <= self.clock.now;
            // At the end of time there is no later one.
            let ends_later =
                reservation.created < reservation.expires || reservation.created.micros() == END_OF_TIME;
            found.unless(in_time && ends_later, || {
                format!(
                    "clock: reservation {id} was made at {}, changed at {} and ends at {}, it is {}",
                    reservation.created, reservation.updated, reservation.expires, self.clock.now
                )
            });
            check_lines(reservation, found);
        }
    }

    /// Every number of a reservation is the sum of movements, but for what it gave to orders that were not paid yet: "a
    /// commit to an unpaid order changes two rows and no bucket". That is what those orders were born with.
    pub(super) fn check_reservations_against_ledger(&self, found: &mut Found) {
        let mut told = self.told_of_reservations(found);
        let mut unpaid = self.units_born_unpaid();
        for (part, noted) in self.noted_of_reservations() {
            let told = told.remove(&part).unwrap_or_default();
            // Those that the ledger tells were paid at once.
            let given_unpaid = noted.committed - told.committed;
            // Units that were moved by the transaction that created it: taken twice and given back once.
            let moved = told.quantity - noted.quantity;
            let expected = Told {
                quantity: noted.quantity,
                committed: noted.committed,
                released: told.released - moved,
                expired: told.expired,
            };
            let holds = given_unpaid >= 0 && moved >= 0 && noted == expected;
            found.unless(holds, || {
                format!("I8: reservation {} notes {noted:?} of {}, the ledger tells {told:?}", part.0, part.1)
            });
            *unpaid.entry(part.1).or_default() -= given_unpaid;
        }
        for ((id, sku), told) in told {
            found.0.push(format!("I8: reservation {id} notes nothing of {sku}, the ledger tells {told:?}"));
        }
        for (sku, units) in unpaid {
            found.unless(units == 0, || {
                format!("I8: unpaid orders were given {units} more of {sku} than reservations gave")
            });
        }
        let mut first: BTreeMap<&ReservationId, &LedgerEntry> = BTreeMap::new();
        let mut last: BTreeMap<&ReservationId, &LedgerEntry> = BTreeMap::new();
        for entry in &self.ledger {
            let Some(id) = &entry.reservation else { continue };
            first.entry(id).or_insert(entry);
            last.insert(id, entry);
        }
        let times = self.times();
        for reservation in self.reservations() {
            let id = &reservation.id;
            check_changes(reservation, first.get(id).copied(), last.get(id).copied(), found);
            let (version, updated) = (reservation.version, reservation.updated);
            found.unless(times.get(&version.revision).is_none_or(|time| *time == updated), || {
                format!("reservation {id}: changed last at {version:?}, by its row at {updated}")
            });
        }
    }

    /// "nothing commits after its expire time in log time; nobody else gets the units before it" (I12).
    pub(super) fn check_holds(&self, found: &mut Found) {
        for entry in &self.ledger {
            let order = entry.order.as_ref().and_then(|id| self.order(id));
            if let Some(order) = order {
                let (id, expires) = (&order.id, order.expires);
                let is_held = entry.from == Some(Bucket::Reserved);
                found.unless(entry.reason != Reason::Commit || is_held == (entry.time < expires), || {
                    let (place, time) = (place(entry), entry.time);
                    format!("I12: {place} commits order {id} at {time}, its hold ended at {expires}")
                });
                found.unless(entry.reason != Reason::Expiry || entry.time >= expires, || {
                    format!("I12: {} expires order {id} at {}, before {expires}", place(entry), entry.time)
                });
            }
            let reservation = entry.reservation.as_ref().and_then(|id| self.reservation(id));
            if let Some(reservation) = reservation {
                // "never to an earlier time than it was": the end that stands now is the latest that there was.
                let (id, expires) = (&reservation.id, reservation.expires);
                let is_over = entry.time >= expires;
                let fits = is_over == (entry.reason == Reason::Expiry);
                found.unless(fits || entry.time.micros() == END_OF_TIME, || {
                    let (place, time, reason) = (place(entry), entry.time, entry.reason);
                    format!("I12: {place} of reservation {id} by {reason:?} at {time}, it ends at {expires}")
                });
            }
        }
    }

    fn told_of_reservations(&self, found: &mut Found) -> BTreeMap<Part, Told> {
        let mut told: BTreeMap<Part, Told> = BTreeMap::new();
        let mut creations: BTreeMap<&ReservationId, Version> = BTreeMap::new();
        // What a move took at another location: "then gives back where it was".
        let mut taken: Option<&LedgerEntry> = None;
        for entry in &self.ledger {
            if let Some(take) = taken.take() {
                let is_pair = gives_back(take, entry);
                found.unless(is_pair, || {
                    format!(
                        "I8: {} takes units of a move, {} doesn't give them back",
                        place(take),
                        place(entry)
                    )
                });
                if is_pair {
                    continue;
                }
            }
            let Some(id) = &entry.reservation else { continue };
            let part = told.entry((id.clone(), entry.sku.clone())).or_default();
            let units = i128::from(entry.quantity);
            match entry.reason {
                Reason::Reservation => {
                    // The first command that moves units of a reservation creates it, whole; who takes later moves. A
                    // transaction may do both: then it counts as created and released.
                    let created = *creations.entry(id).or_insert(entry.balances.version);
                    if created == entry.balances.version {
                        part.quantity += units;
                    } else {
                        taken = Some(entry);
                    }
                }
                Reason::Commit => part.committed += units,
                Reason::Release => part.released += units,
                Reason::Expiry => part.expired += units,
                // These move units of no reservation; that one stands beside them is told elsewhere.
                Reason::Received
                | Reason::Returned
                | Reason::Shipment
                | Reason::Restock
                | Reason::Correction
                | Reason::CycleCount
                | Reason::Damaged
                | Reason::Shrinkage
                | Reason::TheftLoss
                | Reason::Promotion
                | Reason::QualityHold
                | Reason::SafetyStock
                | Reason::Other => {}
            }
        }
        if let Some(take) = taken {
            found.0.push(format!("I8: {} takes units of a move, nothing gives them back", place(take)));
        }
        told
    }

    fn noted_of_reservations(&self) -> BTreeMap<Part, Told> {
        let mut noted: BTreeMap<Part, Told> = BTreeMap::new();
        for reservation in self.reservations() {
            // Of other lines "no bucket counts the units", and the ledger tells nothing.
            for line in tracked_lines(reservation) {
                let noted = noted.entry((reservation.id.clone(), line.sku.clone())).or_default();
                noted.quantity += i128::from(line.quantity);
                noted.committed += i128::from(line.committed);
                noted.released += i128::from(line.released);
                noted.expired += i128::from(line.expired);
            }
        }
        noted
    }
}

/// "Of the last change", "Log time of the last change", "Log time of the creation".
fn check_changes(
    reservation: &Reservation,
    first: Option<&LedgerEntry>,
    last: Option<&LedgerEntry>,
    found: &mut Found,
) {
    let id = &reservation.id;
    // The creation moves units for every line that is tracked.
    let created = first.map(|entry| entry.time);
    let is_tracked = tracked_lines(reservation).next().is_some();
    found.unless(created == is_tracked.then_some(reservation.created), || {
        format!("reservation {id}: was made at {}, by the ledger at {created:?}", reservation.created)
    });
    // It may be younger than its last movement: not every change is in the ledger.
    let told = last.map(|entry| (entry.balances.version, entry.time));
    let (version, updated) = (reservation.version, reservation.updated);
    found.unless(told.is_none_or(|(of, time)| of <= version && time <= updated), || {
        format!("reservation {id}: changed last at {version:?}, {updated}, by the ledger at {told:?}")
    });
    let expired = reservation.lines.iter().any(|line| line.expired > 0);
    found.unless(!expired || reservation.expires <= updated, || {
        format!("I12: reservation {id} expired at {updated}, before {}", reservation.expires)
    });
}

/// True where the second movement is the other half of a move of one line.
fn gives_back(take: &LedgerEntry, entry: &LedgerEntry) -> bool {
    let ids = |entry: &LedgerEntry| (entry.sku.clone(), entry.reservation.clone(), entry.request);
    ids(take) == ids(entry)
        && take.balances.version == entry.balances.version
        && entry.reason == Reason::Release
        && take.quantity == entry.quantity
        && take.location != entry.location
}

fn tracked_lines(reservation: &Reservation) -> impl Iterator<Item = &ReservationLine> {
    reservation.lines.iter().filter(|line| line.location.is_some())
}

/// "`quantity = open + committed + released + expired`; none is below 0" (I8).
fn check_lines(reservation: &Reservation, found: &mut Found) {
    let id = &reservation.id;
    found.unless(are_numbered(reservation.lines.iter().map(|line| line.number)), || {
        format!("I8: the numbers of the lines of reservation {id} have gaps, or parts stand apart")
    });
    for (before, part) in reservation.lines.iter().zip(reservation.lines.iter().skip(1)) {
        let is_same = before.sku == part.sku && before.unit_price_minor == part.unit_price_minor;
        found.unless(before.number != part.number || is_same, || {
            format!("I8: parts of line {} of reservation {id} differ in what they are of", part.number)
        });
    }
    for line in &reservation.lines {
        let number = line.number;
        let parts = [line.open, line.committed, line.released, line.expired];
        for units in parts {
            found.unless(units >= 0, || format!("I8: line {number} of reservation {id} has {units} units"));
        }
        let sum: i128 = parts.into_iter().map(i128::from).sum();
        found.unless(line.quantity >= 1 && i128::from(line.quantity) == sum, || {
            let quantity = line.quantity;
            format!("I8: line {number} of reservation {id} has {quantity} units, its parts are {sum}")
        });
    }
}

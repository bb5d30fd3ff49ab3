//! Packing: from records to bytes.

use super::view::{OutcomeView, RecordView, SourceView};
use crate::ids::LocationId;
use crate::order::OrderState;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Shortage};
use crate::reservation::ReservationState;
use crate::stock::Bucket;
use crate::time::LogTime;

pub(super) const PLACED: u8 = 0;
pub(super) const CONFIRMED: u8 = 1;
pub(super) const SHIPPED: u8 = 2;
pub(super) const CANCELLED: u8 = 3;
pub(super) const RETURNED: u8 = 4;
pub(super) const SHORT: u8 = 5;
pub(super) const WHOLE: u8 = 6;
pub(super) const EXTENDED: u8 = 7;
pub(super) const CLOSED: u8 = 8;
pub(super) const CREATED: u8 = 9;
pub(super) const HELD_LONGER: u8 = 10;
pub(super) const COMMITTED: u8 = 11;
pub(super) const RELEASED: u8 = 12;
pub(super) const MOVED: u8 = 13;

/// What the record before had, from which the next one is told.
#[derive(Default)]
pub(super) struct Before {
    pub(super) request: u128,
    pub(super) revision: u64,
    pub(super) time: u64,
    pub(super) principal: Vec<u8>,
    pub(super) order: Vec<u8>,
    pub(super) reservation: Vec<u8>,
    pub(super) location: Vec<u8>,
}

/// Makes bytes of records, one after the other.
#[derive(Default)]
pub(super) struct Packer {
    pub(super) bytes: Vec<u8>,
    /// Outcomes of kinds that are rare enough to be kept as they are, in the order of their records.
    pub(super) whole: Vec<Outcome>,
    before: Before,
}

impl Packer {
    pub(super) fn record(&mut self, record: &RecordView<'_>) {
        let RecordView { request, principal, content, revision, position, time, outcome } = record;
        let request = request.bits();
        self.wide(request.wrapping_sub(self.before.request));
        self.before.request = request;
        shared(&mut self.bytes, &mut self.before.principal, principal);
        self.bytes.extend_from_slice(&content.0.to_le_bytes());
        self.difference(revision.get(), self.before.revision);
        self.before.revision = revision.get();
        self.number(u64::from(*position));
        self.difference(time.micros(), self.before.time);
        self.before.time = time.micros();
        self.outcome(outcome);
    }

    fn outcome(&mut self, outcome: &OutcomeView<'_>) {
        match outcome {
            OutcomeView::OrderPlaced { order, expires, sources } => {
                self.order(PLACED, order);
                self.sources(*expires, sources);
            }
            OutcomeView::OrderConfirmed { order } => self.order(CONFIRMED, order),
            OutcomeView::OrderExtended { order, expires } => {
                self.order(EXTENDED, order);
                self.difference(expires.micros(), self.before.time);
            }
            OutcomeView::OrderShipped { order, state, shipped, parcel } => {
                self.moved(SHIPPED, order, *state, *shipped);
                self.number(u64::from(*parcel));
            }
            OutcomeView::OrderCancelled { order, state, cancelled } => {
                self.moved(CANCELLED, order, *state, *cancelled);
            }
            OutcomeView::OrderClosed { order } => self.order(CLOSED, order),
            OutcomeView::OrderReturned { order, state, returned } => {
                self.moved(RETURNED, order, *state, *returned);
            }
            OutcomeView::ReservationCreated { reservation, expires, sources } => {
                self.reservation(CREATED, reservation);
                self.sources(*expires, sources);
            }
            OutcomeView::ReservationExtended { reservation, expires } => {
                self.reservation(HELD_LONGER, reservation);
                self.difference(expires.micros(), self.before.time);
            }
            OutcomeView::ReservationCommitted {
                reservation,
                state,
                order,
                order_state,
                expires,
                committed,
            } => {
                self.reservation(COMMITTED, reservation);
                shared(&mut self.bytes, &mut self.before.order, order);
                self.bytes.push(number_in(&ReservationState::ALL, state));
                self.bytes.push(number_in(&OrderState::ALL, order_state));
                self.difference(expires.micros(), self.before.time);
                self.signed(*committed);
            }
            OutcomeView::ReservationReleased { reservation, state, released } => {
                self.reservation(RELEASED, reservation);
                self.bytes.push(number_in(&ReservationState::ALL, state));
                self.signed(*released);
            }
            OutcomeView::ReservationMoved { reservation, moved } => {
                self.reservation(MOVED, reservation);
                self.signed(*moved);
            }
            OutcomeView::Other(other) => match other.as_ref() {
                Outcome::Rejected(Rejection::InsufficientStock { shortages }) => {
                    self.bytes.push(SHORT);
                    // There may be thousands: they stand behind their length, so that they can be skipped.
                    let before = std::mem::take(&mut self.bytes);
                    self.count(shortages.len());
                    for shortage in shortages {
                        self.shortage(shortage);
                    }
                    let shortages = std::mem::replace(&mut self.bytes, before);
                    self.count(shortages.len());
                    self.bytes.extend_from_slice(&shortages);
                }
                other => {
                    self.bytes.push(WHOLE);
                    self.whole.push(other.clone());
                }
            },
        }
    }

    /// Seven bits a byte, the lowest first; all but the last byte have the highest bit set.
    fn wide(&mut self, mut number: u128) {
        loop {
            let low = u8::try_from(number & 0x7f).expect("seven bits");
            number >>= 7;
            if number == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    fn number(&mut self, number: u64) {
        self.wide(u128::from(number));
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).expect("lengths fit 64 bits"));
    }

    /// Small where it is near to zero on either side.
    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn difference(&mut self, number: u64, before: u64) {
        self.signed(number.wrapping_sub(before).cast_signed());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn order(&mut self, kind: u8, order: &str) {
        self.bytes.push(kind);
        shared(&mut self.bytes, &mut self.before.order, order);
    }

    fn reservation(&mut self, kind: u8, reservation: &str) {
        self.bytes.push(kind);
        shared(&mut self.bytes, &mut self.before.reservation, reservation);
    }

    fn moved(&mut self, kind: u8, order: &str, state: OrderState, units: i64) {
        self.order(kind, order);
        self.bytes.push(number_in(&OrderState::ALL, &state));
        self.signed(units);
    }

    /// Nearly every line has one source.
    fn sources(&mut self, expires: LogTime, sources: &[SourceView<'_>]) {
        self.difference(expires.micros(), self.before.time);
        self.count(sources.len());
        let mut next = 1;
        for SourceView { line, location, quantity } in sources {
            self.difference(u64::from(*line), next);
            next = u64::from(*line) + 1;
            self.signed(*quantity);
            shared(&mut self.bytes, &mut self.before.location, location);
        }
    }

    fn shortage(&mut self, shortage: &Shortage) {
        let Shortage { line, sku, location, together, bucket, asked, available, next_expiry } = shortage;
        self.number(u64::from(*line));
        self.text(sku.as_str());
        // No id is empty.
        self.text(location.as_ref().map_or("", LocationId::as_str));
        let bucket = Bucket::ALL.iter().position(|known| known == bucket).expect("all are there");
        self.count(bucket);
        self.signed(*asked);
        self.signed(*available);
        self.bytes.push(u8::from(next_expiry.is_some()) | u8::from(*together) << 1);
        if let Some(time) = next_expiry {
            self.difference(time.micros(), self.before.time);
        }
    }
}

/// An id as the number of bytes that it begins with as the one before does, the number of those that follow, and these.
fn shared(bytes: &mut Vec<u8>, before: &mut Vec<u8>, id: &str) {
    let id = id.as_bytes();
    let same = before.iter().zip(id).take_while(|(one, other)| one == other).count();
    let rest = &id[same..];
    for len in [same, rest.len()] {
        bytes.push(u8::try_from(len).expect("ids have at most 128 characters"));
    }
    bytes.extend_from_slice(rest);
    before.truncate(same);
    before.extend_from_slice(rest);
}

fn number_in<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let number = all.iter().position(|known| known == one).expect("all are there");
    u8::try_from(number).expect("there are few")
}

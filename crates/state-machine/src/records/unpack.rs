//! Unpacking: from bytes to records. What is undone is sound: it never left this process.

use super::pack::{
    Before, CANCELLED, CLOSED, COMMITTED, CONFIRMED, CREATED, EXTENDED, HELD_LONGER, MOVED, PLACED, RELEASED,
    RETURNED, SHIPPED, SHORT, WHOLE,
};
use crate::command::{ContentHash, Origin};
use crate::ids::{LocationId, OrderId, Principal, RequestId, ReservationId, SkuId};
use crate::order::OrderState;
use crate::outcome::{Outcome, Source};
use crate::rejection::{Rejection, Shortage};
use crate::request::RequestRecord;
use crate::reservation::ReservationState;
use crate::revision::Revision;
use crate::stock::Bucket;
use crate::time::LogTime;

/// What a record has beside its origin, its outcome, and what [`Before`] keeps.
pub(super) struct Header {
    content: ContentHash,
    position: u32,
}

/// Undoes what a packer did.
pub(super) struct Unpacker<'a> {
    bytes: &'a [u8],
    whole: std::slice::Iter<'a, Outcome>,
    before: Before,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(bytes: &'a [u8], whole: &'a [Outcome]) -> Self {
        Self { bytes, whole: whole.iter(), before: Before::default() }
    }

    pub(super) fn record(&mut self) -> (Origin, RequestRecord) {
        let header = self.header();
        let request = RequestId::new(self.before.request).expect("the bits of a request id");
        let principal = Principal::new(text_of(&self.before.principal)).expect("it was one");
        (Origin { request, principal }, self.rest(&header))
    }

    /// All but the outcome. The origin is in what the next record is told from.
    pub(super) fn header(&mut self) -> Header {
        self.before.request = self.before.request.wrapping_add(self.wide());
        shared_back(&mut self.bytes, &mut self.before.principal);
        let content = u128::from_le_bytes(self.take(16).try_into().expect("16 bytes"));
        self.before.revision = self.difference(self.before.revision);
        let position = u32::try_from(self.number()).expect("it was one");
        self.before.time = self.difference(self.before.time);
        Header { content: ContentHash(content), position }
    }

    pub(super) fn rest(&mut self, header: &Header) -> RequestRecord {
        RequestRecord {
            content: header.content,
            outcome: self.outcome(),
            revision: Revision::new(self.before.revision),
            position: header.position,
            time: LogTime::from_micros(self.before.time),
        }
    }

    /// True where the record whose header was read is that of an origin.
    pub(super) fn is_at(&self, origin: &Origin) -> bool {
        self.before.request == origin.request.bits()
            && self.before.principal == origin.principal.as_str().as_bytes()
    }

    /// Goes over an outcome without making it: most records that are read are not the one that is looked for.
    pub(super) fn skip_outcome(&mut self) {
        match self.byte() {
            PLACED => {
                shared_back(&mut self.bytes, &mut self.before.order);
                self.skip_sources();
            }
            CREATED => {
                shared_back(&mut self.bytes, &mut self.before.reservation);
                self.skip_sources();
            }
            CONFIRMED | CLOSED => {
                shared_back(&mut self.bytes, &mut self.before.order);
            }
            EXTENDED => {
                shared_back(&mut self.bytes, &mut self.before.order);
                self.number();
            }
            SHIPPED => {
                self.skip_moved();
                self.number();
            }
            CANCELLED | RETURNED => self.skip_moved(),
            HELD_LONGER | MOVED => {
                shared_back(&mut self.bytes, &mut self.before.reservation);
                self.number();
            }
            COMMITTED => {
                shared_back(&mut self.bytes, &mut self.before.reservation);
                shared_back(&mut self.bytes, &mut self.before.order);
                self.take(2);
                self.number();
                self.number();
            }
            RELEASED => {
                shared_back(&mut self.bytes, &mut self.before.reservation);
                self.byte();
                self.number();
            }
            SHORT => {
                let len = self.count();
                self.take(len);
            }
            WHOLE => {
                self.whole.next();
            }
            other => unreachable!("no kind {other} is packed"),
        }
    }

    fn skip_moved(&mut self) {
        shared_back(&mut self.bytes, &mut self.before.order);
        self.byte();
        self.number();
    }

    fn skip_sources(&mut self) {
        self.number();
        for _ in 0..self.count() {
            self.number();
            self.number();
            shared_back(&mut self.bytes, &mut self.before.location);
        }
    }

    fn outcome(&mut self) -> Outcome {
        match self.byte() {
            PLACED => {
                let (order, expires) = (self.order(), self.near_time());
                Outcome::OrderPlaced { order, expires, sources: self.sources() }
            }
            CONFIRMED => Outcome::OrderConfirmed { order: self.order() },
            EXTENDED => Outcome::OrderExtended { order: self.order(), expires: self.near_time() },
            SHIPPED => Outcome::OrderShipped {
                order: self.order(),
                state: self.state(),
                shipped: self.signed(),
                parcel: u32::try_from(self.number()).expect("it was one"),
            },
            CANCELLED => {
                Outcome::OrderCancelled { order: self.order(), state: self.state(), cancelled: self.signed() }
            }
            CLOSED => Outcome::OrderClosed { order: self.order() },
            RETURNED => {
                Outcome::OrderReturned { order: self.order(), state: self.state(), returned: self.signed() }
            }
            CREATED => {
                let (reservation, expires) = (self.reservation(), self.near_time());
                Outcome::ReservationCreated { reservation, expires, sources: self.sources() }
            }
            HELD_LONGER => {
                Outcome::ReservationExtended { reservation: self.reservation(), expires: self.near_time() }
            }
            COMMITTED => {
                let (reservation, order) = (self.reservation(), self.order());
                Outcome::ReservationCommitted {
                    reservation,
                    state: self.reservation_state(),
                    order,
                    order_state: self.state(),
                    expires: self.near_time(),
                    committed: self.signed(),
                }
            }
            RELEASED => Outcome::ReservationReleased {
                reservation: self.reservation(),
                state: self.reservation_state(),
                released: self.signed(),
            },
            MOVED => Outcome::ReservationMoved { reservation: self.reservation(), moved: self.signed() },
            SHORT => {
                let _len = self.count();
                let count = self.count();
                let shortages = (0..count).map(|_| self.shortage()).collect();
                Outcome::Rejected(Rejection::InsufficientStock { shortages })
            }
            WHOLE => self.whole.next().expect("one for each record of the kind").clone(),
            other => unreachable!("no kind {other} is packed"),
        }
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        take(&mut self.bytes, count)
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn wide(&mut self) -> u128 {
        let mut number = 0;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte();
            number |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn number(&mut self) -> u64 {
        u64::try_from(self.wide()).expect("it was one")
    }

    fn count(&mut self) -> usize {
        usize::try_from(self.number()).expect("it was one")
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    fn difference(&mut self, before: u64) -> u64 {
        before.wrapping_add(self.signed().cast_unsigned())
    }

    fn text(&mut self) -> &'a str {
        let len = self.count();
        std::str::from_utf8(self.take(len)).expect("it was text")
    }

    fn order(&mut self) -> OrderId {
        OrderId::new(text_of(shared_back(&mut self.bytes, &mut self.before.order))).expect("it was one")
    }

    fn reservation(&mut self) -> ReservationId {
        let id = text_of(shared_back(&mut self.bytes, &mut self.before.reservation));
        ReservationId::new(id).expect("it was one")
    }

    fn near_time(&mut self) -> LogTime {
        LogTime::from_micros(self.difference(self.before.time))
    }

    fn sources(&mut self) -> Vec<Source> {
        let mut next = 1;
        let mut sources = Vec::new();
        for _ in 0..self.count() {
            let line = self.difference(next);
            next = line + 1;
            let (line, quantity) = (u32::try_from(line).expect("it was one"), self.signed());
            sources.push(Source { line, location: self.location(), quantity });
        }
        sources
    }

    /// `None` where nothing is written, which is no id.
    fn location(&mut self) -> Option<LocationId> {
        LocationId::new(text_of(shared_back(&mut self.bytes, &mut self.before.location))).ok()
    }

    fn state(&mut self) -> OrderState {
        OrderState::ALL[usize::from(self.byte())]
    }

    fn reservation_state(&mut self) -> ReservationState {
        ReservationState::ALL[usize::from(self.byte())]
    }

    fn shortage(&mut self) -> Shortage {
        let line = u32::try_from(self.number()).expect("it was one");
        let sku = SkuId::new(self.text()).expect("it was one");
        let location = LocationId::new(self.text()).ok();
        let bucket = Bucket::ALL[self.count()];
        let (asked, available) = (self.signed(), self.signed());
        let flags = self.byte();
        let next_expiry = (flags & 1 == 1).then(|| self.near_time());
        Shortage { line, sku, location, together: flags & 2 == 2, bucket, asked, available, next_expiry }
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn shared_back<'b>(bytes: &mut &[u8], before: &'b mut Vec<u8>) -> &'b [u8] {
    let same = usize::from(take(bytes, 1)[0]);
    let rest = usize::from(take(bytes, 1)[0]);
    before.truncate(same);
    before.extend_from_slice(take(bytes, rest));
    before
}

fn text_of(id: &[u8]) -> &str {
    std::str::from_utf8(id).expect("ids are ASCII")
}

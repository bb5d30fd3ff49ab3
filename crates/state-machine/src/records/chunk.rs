//! Request records packed: there are millions of them, and each is read at most once or twice. How they are packed is nobody's
//! business: it is neither stored nor sent nor hashed.
//!
//! Records stand in the order of their origins, and each is written as what sets it apart from the one before: ids of one time, one
//! principal and one entry of the log have most of it in common.

use super::view::{OutcomeView, RecordView};
use crate::command::{ContentHash, Origin};
use crate::ids::{LocationId, OrderId, Principal, RequestId, SkuId};
use crate::order::OrderState;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Shortage};
use crate::request::RequestRecord;
use crate::revision::Revision;
use crate::stock::Bucket;
use crate::time::LogTime;

const PLACED: u8 = 0;
const CONFIRMED: u8 = 1;
const SHIPPED: u8 = 2;
const CANCELLED: u8 = 3;
const RETURNED: u8 = 4;
const SHORT: u8 = 5;
const WHOLE: u8 = 6;

/// Some records, packed.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    /// Outcomes of kinds that are rare enough to be kept as they are, in the order of their records.
    whole: Box<[Outcome]>,
    /// How many records these are.
    pub(super) count: usize,
    /// The last request id.
    pub(super) last: RequestId,
}

impl Chunk {
    /// Packs records, which are in the order of their origins. `None` where there is none.
    pub(super) fn pack<'a>(records: impl IntoIterator<Item = RecordView<'a>>) -> Option<Self> {
        let mut packer = Packer { bytes: Vec::new(), whole: Vec::new(), before: Before::default() };
        let (mut count, mut last) = (0, None);
        for record in records {
            packer.record(&record);
            count += 1;
            last = Some(record.request);
        }
        let Packer { bytes, whole, before: _ } = packer;
        // Copied: an allocator may leave what is only cut to its length in a block for what it had room for.
        let (bytes, whole) = (Box::from(bytes.as_slice()), whole.into_boxed_slice());
        last.map(|last| Self { bytes, whole, count, last })
    }

    /// As [`Chunk::pack`], with the first origin.
    pub(super) fn keyed<'a>(records: impl IntoIterator<Item = RecordView<'a>>) -> Option<(Origin, Self)> {
        let mut records = records.into_iter().peekable();
        let (request, principal) = records.peek()?.origin();
        let key = Origin { request, principal: Principal::new(principal).expect("views hold ids") };
        Some((key, Self::pack(records)?))
    }

    /// The record of an origin.
    pub(super) fn find(&self, origin: &Origin) -> Option<RequestRecord> {
        let mut unpacker = self.unpacker();
        (0..self.count).find_map(|_| {
            let header = unpacker.header();
            if unpacker.is_at(origin) {
                return Some(unpacker.rest(&header));
            }
            unpacker.skip_outcome();
            None
        })
    }

    /// True where it has a record of an origin.
    pub(super) fn holds(&self, origin: &Origin) -> bool {
        let mut unpacker = self.unpacker();
        (0..self.count).any(|_| {
            unpacker.header();
            unpacker.skip_outcome();
            unpacker.is_at(origin)
        })
    }

    fn unpacker(&self) -> Unpacker<'_> {
        Unpacker { bytes: &self.bytes, whole: self.whole.iter(), before: Before::default() }
    }

    /// The records, in the order of their origins.
    pub(super) fn records(&self) -> impl Iterator<Item = (Origin, RequestRecord)> {
        let mut unpacker = self.unpacker();
        (0..self.count).map(move |_| unpacker.record())
    }
}

/// What the record before had, from which the next one is told.
#[derive(Default)]
struct Before {
    request: u128,
    revision: u64,
    time: u64,
    principal: Vec<u8>,
    order: Vec<u8>,
    location: Vec<u8>,
}

/// What a record has beside its origin, its outcome, and what [`Before`] keeps.
struct Header {
    content: ContentHash,
    position: u32,
}

struct Packer {
    bytes: Vec<u8>,
    whole: Vec<Outcome>,
    before: Before,
}

impl Packer {
    fn record(&mut self, record: &RecordView<'_>) {
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
            OutcomeView::OrderPlaced { order, expires, locations } => {
                self.begin(PLACED, order);
                self.difference(expires.micros(), self.before.time);
                self.count(locations.len());
                for location in locations {
                    shared(&mut self.bytes, &mut self.before.location, location);
                }
            }
            OutcomeView::OrderConfirmed { order } => self.begin(CONFIRMED, order),
            OutcomeView::OrderShipped { order, state, shipped } => {
                self.moved(SHIPPED, order, *state, *shipped);
            }
            OutcomeView::OrderCancelled { order, state, cancelled } => {
                self.moved(CANCELLED, order, *state, *cancelled);
            }
            OutcomeView::OrderReturned { order, state, returned } => {
                self.moved(RETURNED, order, *state, *returned);
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

    fn begin(&mut self, kind: u8, order: &str) {
        self.bytes.push(kind);
        shared(&mut self.bytes, &mut self.before.order, order);
    }

    fn moved(&mut self, kind: u8, order: &str, state: OrderState, units: i64) {
        self.begin(kind, order);
        self.bytes.push(state_number(state));
        self.signed(units);
    }

    fn shortage(&mut self, shortage: &Shortage) {
        let Shortage { line, sku, location, bucket, asked, available, next_expiry } = shortage;
        self.number(u64::from(*line));
        self.text(sku.as_str());
        // No id is empty.
        self.text(location.as_ref().map_or("", LocationId::as_str));
        let bucket = Bucket::ALL.iter().position(|known| known == bucket).expect("all are there");
        self.count(bucket);
        self.signed(*asked);
        self.signed(*available);
        self.bytes.push(u8::from(next_expiry.is_some()));
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

const STATES: [OrderState; 8] = [
    OrderState::PendingPayment,
    OrderState::Confirmed,
    OrderState::PartiallyShipped,
    OrderState::Shipped,
    OrderState::PartiallyReturned,
    OrderState::Returned,
    OrderState::Cancelled,
    OrderState::Expired,
];

fn state_number(state: OrderState) -> u8 {
    let number = STATES.iter().position(|known| *known == state).expect("all are there");
    u8::try_from(number).expect("there are eight")
}

/// Undoes what a [`Packer`] did, which is sound: it never left this process.
struct Unpacker<'a> {
    bytes: &'a [u8],
    whole: std::slice::Iter<'a, Outcome>,
    before: Before,
}

impl<'a> Unpacker<'a> {
    fn record(&mut self) -> (Origin, RequestRecord) {
        let header = self.header();
        let request = RequestId::new(self.before.request).expect("the bits of a request id");
        let principal = Principal::new(text_of(&self.before.principal)).expect("it was one");
        (Origin { request, principal }, self.rest(&header))
    }

    /// All but the outcome. The origin is in what the next record is told from.
    fn header(&mut self) -> Header {
        self.before.request = self.before.request.wrapping_add(self.wide());
        shared_back(&mut self.bytes, &mut self.before.principal);
        let content = u128::from_le_bytes(self.take(16).try_into().expect("16 bytes"));
        self.before.revision = self.difference(self.before.revision);
        let position = u32::try_from(self.number()).expect("it was one");
        self.before.time = self.difference(self.before.time);
        Header { content: ContentHash(content), position }
    }

    fn rest(&mut self, header: &Header) -> RequestRecord {
        RequestRecord {
            content: header.content,
            outcome: self.outcome(),
            revision: Revision::new(self.before.revision),
            position: header.position,
            time: LogTime::from_micros(self.before.time),
        }
    }

    /// True where the record whose header was read is that of an origin.
    fn is_at(&self, origin: &Origin) -> bool {
        self.before.request == origin.request.bits()
            && self.before.principal == origin.principal.as_str().as_bytes()
    }

    /// Goes over an outcome without making it: most records that are read are not the one that is looked for.
    fn skip_outcome(&mut self) {
        match self.byte() {
            PLACED => {
                shared_back(&mut self.bytes, &mut self.before.order);
                self.number();
                for _ in 0..self.count() {
                    shared_back(&mut self.bytes, &mut self.before.location);
                }
            }
            CONFIRMED => {
                shared_back(&mut self.bytes, &mut self.before.order);
            }
            SHIPPED | CANCELLED | RETURNED => {
                shared_back(&mut self.bytes, &mut self.before.order);
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

    fn outcome(&mut self) -> Outcome {
        match self.byte() {
            PLACED => {
                let (order, expires) = (self.order(), self.difference(self.before.time));
                let count = self.count();
                let locations = (0..count).map(|_| self.location()).collect();
                Outcome::OrderPlaced { order, expires: LogTime::from_micros(expires), locations }
            }
            CONFIRMED => Outcome::OrderConfirmed { order: self.order() },
            SHIPPED => {
                Outcome::OrderShipped { order: self.order(), state: self.state(), shipped: self.signed() }
            }
            CANCELLED => {
                Outcome::OrderCancelled { order: self.order(), state: self.state(), cancelled: self.signed() }
            }
            RETURNED => {
                Outcome::OrderReturned { order: self.order(), state: self.state(), returned: self.signed() }
            }
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

    /// `None` where nothing is written, which is no id.
    fn location(&mut self) -> Option<LocationId> {
        LocationId::new(text_of(shared_back(&mut self.bytes, &mut self.before.location))).ok()
    }

    fn state(&mut self) -> OrderState {
        STATES[usize::from(self.byte())]
    }

    fn shortage(&mut self) -> Shortage {
        let line = u32::try_from(self.number()).expect("it was one");
        let sku = SkuId::new(self.text()).expect("it was one");
        let location = LocationId::new(self.text()).ok();
        let bucket = Bucket::ALL[self.count()];
        let (asked, available) = (self.signed(), self.signed());
        let next_expiry = (self.byte() == 1).then(|| LogTime::from_micros(self.difference(self.before.time)));
        Shortage { line, sku, location, bucket, asked, available, next_expiry }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Resource;

    fn origin(number: u128, principal: &str) -> Origin {
        let request = RequestId::new((number << 80) | (7 << 76) | (2 << 62)).unwrap();
        Origin { request, principal: Principal::new(principal).unwrap() }
    }

    fn record(number: u64, outcome: Outcome) -> RequestRecord {
        RequestRecord {
            content: ContentHash(u128::MAX - u128::from(number)),
            outcome,
            revision: Revision::new(number % 3),
            position: u32::MAX,
            time: LogTime::from_micros(if number.is_multiple_of(2) { 0 } else { u64::MAX }),
        }
    }

    fn outcomes() -> Vec<Outcome> {
        let order = || OrderId::new("order-1").unwrap();
        let location = |name: &str| LocationId::new(name).unwrap();
        let shortage = |location: Option<LocationId>| Shortage {
            line: 2_000,
            sku: SkuId::new("sku").unwrap(),
            bucket: Bucket::Damaged,
            asked: i64::MAX,
            available: i64::MIN,
            next_expiry: location.is_some().then(|| LogTime::from_micros(u64::MAX)),
            location,
        };
        let shortages = vec![shortage(None), shortage(Some(location("main")))];
        let named = |name: &str| Some(location(name));
        let locations = vec![named("main"), named("mall"), None, named("m"), named("north")];
        let mut outcomes = vec![
            Outcome::OrderPlaced { order: order(), expires: LogTime::from_micros(300), locations },
            Outcome::OrderConfirmed { order: OrderId::new(&"o".repeat(128)).unwrap() },
            Outcome::Rejected(Rejection::NotFound(Resource::Order(order()))),
            Outcome::Rejected(Rejection::InsufficientStock { shortages }),
            Outcome::RequestAbandoned,
        ];
        for state in STATES {
            outcomes.push(Outcome::OrderShipped { order: order(), state, shipped: 127 });
            outcomes.push(Outcome::OrderCancelled { order: order(), state, cancelled: -1 });
            outcomes.push(Outcome::OrderReturned { order: order(), state, returned: 0 });
        }
        outcomes
    }

    fn views(records: &[(Origin, Box<RequestRecord>)]) -> impl Iterator<Item = RecordView<'_>> {
        records.iter().map(|(origin, record)| RecordView::of(origin, record))
    }

    fn back(chunk: &Chunk) -> Vec<(Origin, Box<RequestRecord>)> {
        chunk.records().map(|(origin, record)| (origin, Box::new(record))).collect()
    }

    #[test]
    fn every_record_comes_back_as_it_was() {
        let principals = ["shop", "shopping", "s", "other"];
        let records: Vec<(Origin, Box<RequestRecord>)> = (0..)
            .zip(outcomes())
            .map(|(number, outcome)| {
                let principal = principals[usize::try_from(number % 4).unwrap()];
                (
                    origin(u128::from(number) * u128::from(number), principal),
                    Box::new(record(number, outcome)),
                )
            })
            .collect();
        let chunk = Chunk::pack(views(&records)).unwrap();
        assert_eq!(chunk.count, records.len());
        assert_eq!(chunk.last, records.last().unwrap().0.request);
        assert!(back(&chunk) == records);
        for (origin, record) in &records {
            assert!(chunk.find(origin).as_ref() == Some(&**record) && chunk.holds(origin));
        }
        let missing = origin(records.len() as u128, "nobody");
        assert!(chunk.find(&missing).is_none() && !chunk.holds(&missing));
        // In the middle of it too.
        for from in 0..records.len() {
            let chunk = Chunk::pack(views(&records[from..])).unwrap();
            assert!(back(&chunk) == records[from..]);
        }
    }

    #[test]
    fn no_record_makes_no_chunk() {
        assert!(Chunk::pack([]).is_none());
    }

    #[test]
    fn a_record_of_a_busy_shop_takes_less_than_64_bytes() {
        let placed = |number: u32| {
            let random = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let bits = (u128::from(number / 20) << 80) | (7 << 76) | (2 << 62) | (random >> 66);
            let request = RequestId::new(bits).unwrap();
            let order = OrderId::new(&format!("order-{number:08}")).unwrap();
            let locations = vec![LocationId::new("main").ok(); 3];
            let record = RequestRecord {
                content: ContentHash(random.reverse_bits()),
                outcome: Outcome::OrderPlaced { order, expires: LogTime::from_micros(1 << 50), locations },
                revision: Revision::new(1_000_000 + u64::from(number / 50)),
                position: number % 50,
                time: LogTime::from_micros((1 << 49) + u64::from(number)),
            };
            (Origin { request, principal: Principal::new("shop").unwrap() }, Box::new(record))
        };
        let mut records: Vec<_> = (1..=64).map(placed).collect();
        records.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let chunk = Chunk::pack(views(&records)).unwrap();
        assert!(chunk.bytes.len() < 64 * records.len(), "{} bytes", chunk.bytes.len());
    }
}

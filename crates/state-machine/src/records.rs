//! The request records in memory: there are millions of them, each is read at most once or twice, so they are packed.
//! How they are packed is nobody's business: it is neither stored nor sent nor hashed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::command::{ContentHash, Origin};
use crate::ids::{LocationId, OrderId, Principal, RequestId, SkuId};
use crate::order::OrderState;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Shortage};
use crate::request::RequestRecord;
use crate::revision::Revision;
use crate::stock::Bucket;
use crate::time::LogTime;

/// Request records in the order of their origins.
///
/// Invariants:
/// - `count` is the number of records.
/// - Equal records are kept in equal form: alone under its id and of a kind that can be packed, a record is packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    kept: BTreeMap<u128, Kept>,
    count: usize,
}

/// What is kept under a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    /// One record, principal included.
    Packed(Box<[u8]>),
    /// Records of several principals, in their order; or one that can't be packed.
    #[allow(
        clippy::box_collection,
        reason = "a vector here would make every entry of the map larger by half"
    )]
    Whole(Box<Vec<(Principal, RequestRecord)>>),
}

impl Kept {
    fn of(principal: Principal, record: RequestRecord) -> Self {
        match pack(&principal, &record) {
            Some(bytes) => Self::Packed(bytes),
            None => Self::Whole(Box::new(vec![(principal, record)])),
        }
    }

    fn into_whole(self) -> Vec<(Principal, RequestRecord)> {
        match self {
            Self::Packed(bytes) => vec![unpack(&bytes)],
            Self::Whole(records) => *records,
        }
    }

    fn from_whole(mut records: Vec<(Principal, RequestRecord)>) -> Option<Self> {
        match records.len() {
            0 => None,
            1 => records.pop().map(|(principal, record)| Self::of(principal, record)),
            _ => Some(Self::Whole(Box::new(records))),
        }
    }
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn get(&self, origin: &Origin) -> Option<RequestRecord> {
        let kept = self.kept.get(&origin.request.bits())?.clone();
        let mut records = kept.into_whole().into_iter();
        records.find(|(principal, _)| *principal == origin.principal).map(|(_, record)| record)
    }

    pub(crate) fn insert(&mut self, origin: &Origin, record: RequestRecord) {
        let bits = origin.request.bits();
        let mut entry = match self.kept.entry(bits) {
            Entry::Vacant(vacant) => {
                vacant.insert(Kept::of(origin.principal.clone(), record));
                self.count += 1;
                return;
            }
            Entry::Occupied(entry) => entry,
        };
        let mut records = entry.insert(Kept::Whole(Box::default())).into_whole();
        self.count -= records.len();
        match records.binary_search_by(|(principal, _)| principal.cmp(&origin.principal)) {
            Ok(at) => records[at].1 = record,
            Err(at) => records.insert(at, (origin.principal.clone(), record)),
        }
        self.count += records.len();
        entry.insert(Kept::from_whole(records).expect("it holds the record at least"));
    }

    pub(crate) fn remove(&mut self, origin: &Origin) {
        let bits = origin.request.bits();
        let Some(kept) = self.kept.remove(&bits) else { return };
        let mut records = kept.into_whole();
        self.count -= records.len();
        records.retain(|(principal, _)| *principal != origin.principal);
        self.put_back(bits, records);
    }

    /// Takes in records of ids that none of these has.
    pub(crate) fn join(&mut self, mut other: Self) {
        self.count += other.count;
        self.kept.append(&mut other.kept);
    }

    fn put_back(&mut self, bits: u128, records: Vec<(Principal, RequestRecord)>) {
        self.count += records.len();
        if let Some(kept) = Kept::from_whole(records) {
            self.kept.insert(bits, kept);
        }
    }

    /// The oldest request id.
    pub(crate) fn first(&self) -> Option<RequestId> {
        self.kept.first_key_value().map(|(bits, _)| id_of(*bits))
    }

    /// Removes the record of the oldest origin.
    pub(crate) fn pop_first(&mut self) -> Option<Origin> {
        let (bits, kept) = self.kept.pop_first()?;
        let mut records = kept.into_whole();
        self.count -= records.len();
        let (principal, _) = records.remove(0);
        self.put_back(bits, records);
        Some(Origin { request: id_of(bits), principal })
    }

    /// All of them, the oldest id first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Origin, RequestRecord)> {
        self.kept.iter().flat_map(|(bits, kept)| {
            let request = id_of(*bits);
            let records = kept.clone().into_whole().into_iter();
            records.map(move |(principal, record)| (Origin { request, principal }, record))
        })
    }
}

fn id_of(bits: u128) -> RequestId {
    RequestId::new(bits).expect("the bits of a request id")
}

const PLACED: u8 = 0;
const CONFIRMED: u8 = 1;
const SHIPPED: u8 = 2;
const CANCELLED: u8 = 3;
const RETURNED: u8 = 4;
const SHORT: u8 = 5;

/// `None` for what is rare enough to be kept as it is.
fn pack(principal: &Principal, record: &RequestRecord) -> Option<Box<[u8]>> {
    let mut packer = Packer(Vec::with_capacity(128));
    packer.0.extend_from_slice(&record.content.0.to_le_bytes());
    packer.number(record.revision.get());
    packer.number(u64::from(record.position));
    packer.number(record.time.micros());
    packer.text(principal.as_str());
    match &record.outcome {
        Outcome::OrderPlaced { order, expires, locations } => {
            packer.begin(PLACED, order);
            packer.number(expires.micros());
            packer.count(locations.len());
            for location in locations {
                packer.text(location.as_str());
            }
        }
        Outcome::OrderConfirmed { order } => packer.begin(CONFIRMED, order),
        Outcome::OrderShipped { order, state, shipped } => packer.moved(SHIPPED, order, *state, *shipped),
        Outcome::OrderCancelled { order, state, cancelled } => {
            packer.moved(CANCELLED, order, *state, *cancelled);
        }
        Outcome::OrderReturned { order, state, returned } => packer.moved(RETURNED, order, *state, *returned),
        Outcome::Rejected(Rejection::InsufficientStock { shortages }) => {
            packer.0.push(SHORT);
            packer.count(shortages.len());
            for shortage in shortages {
                packer.shortage(shortage);
            }
        }
        Outcome::SkuCreated(_)
        | Outcome::SkuUpdated(_)
        | Outcome::SkuDeleted
        | Outcome::StockReceived(..)
        | Outcome::StockAdjusted(..)
        | Outcome::DueExpired { .. }
        | Outcome::RequestAbandoned
        | Outcome::Rejected(_) => return None,
    }
    Some(packer.0.into_boxed_slice())
}

struct Packer(Vec<u8>);

impl Packer {
    /// Seven bits a byte, the lowest first; all but the last byte have the highest bit set.
    fn number(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).expect("seven bits");
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).expect("lengths fit 64 bits"));
    }

    fn signed(&mut self, number: i64) {
        self.number(number.cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn begin(&mut self, kind: u8, order: &OrderId) {
        self.0.push(kind);
        self.text(order.as_str());
    }

    fn moved(&mut self, kind: u8, order: &OrderId, state: OrderState, units: i64) {
        self.begin(kind, order);
        self.0.push(state_number(state));
        self.signed(units);
    }

    fn shortage(&mut self, shortage: &Shortage) {
        let Shortage { line, sku, location, bucket, asked, available } = shortage;
        self.number(u64::from(*line));
        self.text(sku.as_str());
        // No id is empty.
        self.text(location.as_ref().map_or("", LocationId::as_str));
        let bucket = Bucket::ALL.iter().position(|known| known == bucket).expect("all are there");
        self.count(bucket);
        self.signed(*asked);
        self.signed(*available);
    }
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

/// What [`pack`] made, which is sound: it never left this process.
fn unpack(bytes: &[u8]) -> (Principal, RequestRecord) {
    let mut unpacker = Unpacker(bytes);
    let content = u128::from_le_bytes(unpacker.take(16).try_into().expect("16 bytes"));
    let revision = Revision::new(unpacker.number());
    let position = u32::try_from(unpacker.number()).expect("it was one");
    let time = LogTime::from_micros(unpacker.number());
    let principal = Principal::new(unpacker.text()).expect("it was one");
    let outcome = unpacker.outcome();
    (principal, RequestRecord { content: ContentHash(content), outcome, revision, position, time })
}

struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn count(&mut self) -> usize {
        usize::try_from(self.number()).expect("it was one")
    }

    fn signed(&mut self) -> i64 {
        self.number().cast_signed()
    }

    fn text(&mut self) -> &'a str {
        let len = self.count();
        std::str::from_utf8(self.take(len)).expect("it was text")
    }

    fn order(&mut self) -> OrderId {
        OrderId::new(self.text()).expect("it was one")
    }

    fn state(&mut self) -> OrderState {
        STATES[usize::from(self.byte())]
    }

    fn outcome(&mut self) -> Outcome {
        match self.byte() {
            PLACED => {
                let (order, expires) = (self.order(), LogTime::from_micros(self.number()));
                let count = self.count();
                let location = |_| LocationId::new(self.text()).expect("it was one");
                let locations = (0..count).map(location).collect();
                Outcome::OrderPlaced { order, expires, locations }
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
                let count = self.count();
                let shortages = (0..count).map(|_| self.shortage()).collect();
                Outcome::Rejected(Rejection::InsufficientStock { shortages })
            }
            other => unreachable!("no kind {other} is packed"),
        }
    }

    fn shortage(&mut self) -> Shortage {
        let line = u32::try_from(self.number()).expect("it was one");
        let sku = SkuId::new(self.text()).expect("it was one");
        let location = LocationId::new(self.text()).ok();
        let bucket = Bucket::ALL[self.count()];
        Shortage { line, sku, location, bucket, asked: self.signed(), available: self.signed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Resource;

    fn origin(number: u128, principal: &str) -> Origin {
        let request = RequestId::new((number << 80) | (7 << 76) | (2 << 62)).unwrap();
        Origin { request, principal: Principal::new(principal).unwrap() }
    }

    fn record(outcome: Outcome) -> RequestRecord {
        RequestRecord {
            content: ContentHash(u128::MAX - 5),
            outcome,
            revision: Revision::new(1 << 40),
            position: 127,
            time: LogTime::from_micros(u64::MAX),
        }
    }

    fn order() -> OrderId {
        OrderId::new("order-1").unwrap()
    }

    fn outcomes() -> Vec<Outcome> {
        let location = LocationId::new("main").unwrap();
        let shortage = |location: Option<LocationId>| Shortage {
            line: 2_000,
            sku: SkuId::new("sku").unwrap(),
            location,
            bucket: Bucket::Damaged,
            asked: i64::MAX,
            available: -1,
        };
        let shortages = vec![shortage(None), shortage(Some(location.clone()))];
        let mut outcomes = vec![
            Outcome::OrderPlaced {
                order: order(),
                expires: LogTime::from_micros(300),
                locations: vec![location; 300],
            },
            Outcome::OrderConfirmed { order: order() },
            Outcome::Rejected(Rejection::InsufficientStock { shortages }),
            Outcome::Rejected(Rejection::NotFound(Resource::Order(order()))),
            Outcome::RequestAbandoned,
        ];
        for state in STATES {
            outcomes.push(Outcome::OrderShipped { order: order(), state, shipped: 127 });
            outcomes.push(Outcome::OrderCancelled { order: order(), state, cancelled: 128 });
            outcomes.push(Outcome::OrderReturned { order: order(), state, returned: 0 });
        }
        outcomes
    }

    #[test]
    fn every_record_comes_back_as_it_was() {
        let mut records = Records::default();
        let outcomes = outcomes();
        for (number, outcome) in (1..).zip(&outcomes) {
            records.insert(&origin(number, "shop"), record(outcome.clone()));
        }
        assert_eq!(records.len(), outcomes.len());
        for (number, outcome) in (1..).zip(&outcomes) {
            assert_eq!(records.get(&origin(number, "shop")), Some(record(outcome.clone())));
            assert_eq!(records.get(&origin(number, "other")), None);
        }
        let all: Vec<Outcome> = records.iter().map(|(_, record)| record.outcome).collect();
        assert_eq!(all, outcomes);
    }

    #[test]
    fn principals_that_use_one_id_have_a_record_each_and_leave_in_their_order() {
        let confirmed = || record(Outcome::OrderConfirmed { order: order() });
        let mut records = Records::default();
        for origin in [origin(2, "a"), origin(1, "b"), origin(1, "a"), origin(1, "c")] {
            records.insert(&origin, confirmed());
        }
        records.remove(&origin(1, "c"));
        records.remove(&origin(3, "a"));
        assert_eq!(records.len(), 3);
        assert_eq!(records.first(), Some(origin(1, "a").request));
        assert_eq!(records.pop_first(), Some(origin(1, "a")));
        let mut alone = Records::default();
        alone.insert(&origin(1, "b"), confirmed());
        alone.insert(&origin(2, "a"), confirmed());
        assert_eq!(records, alone, "a record that is left alone is kept as if it had always been");
        assert_eq!(
            [records.pop_first(), records.pop_first(), records.pop_first()],
            [Some(origin(1, "b")), Some(origin(2, "a")), None]
        );
        assert_eq!(records.len(), 0);
    }

    #[test]
    fn a_later_record_takes_the_place_of_an_earlier_one() {
        let mut records = Records::default();
        records.insert(&origin(1, "a"), record(Outcome::RequestAbandoned));
        records.insert(&origin(1, "a"), record(Outcome::OrderConfirmed { order: order() }));
        assert_eq!(records.len(), 1);
        let kept = records.get(&origin(1, "a")).map(|record| record.outcome);
        assert_eq!(kept, Some(Outcome::OrderConfirmed { order: order() }));
    }

    #[test]
    fn an_entry_of_the_map_is_small() {
        assert_eq!(size_of::<Kept>(), 16);
    }
}

//! Request records packed: there are millions of them, and each is read at most once or twice. How they are packed is nobody's
//! business: it is neither stored nor sent nor hashed.
//!
//! Records stand in the order of their origins, and each is written as what sets it apart from the one before: ids of one time, one
//! principal and one entry of the log have most of it in common.

use super::pack::Packer;
use super::unpack::Unpacker;
use super::view::RecordView;
use crate::command::Origin;
use crate::ids::{Principal, RequestId};
use crate::outcome::Outcome;
use crate::request::RequestRecord;

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
        let mut packer = Packer::default();
        let (mut count, mut last) = (0, None);
        for record in records {
            packer.record(&record);
            count += 1;
            last = Some(record.request);
        }
        let Packer { bytes, whole, .. } = packer;
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

    /// How many outcomes these are.
    pub(super) fn weight(&self) -> usize {
        // Of those that are packed, each is one.
        self.count - self.whole.len() + self.whole.iter().map(Outcome::weight).sum::<usize>()
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
        Unpacker::new(&self.bytes, &self.whole)
    }

    /// The records, in the order of their origins.
    pub(super) fn records(&self) -> impl Iterator<Item = (Origin, RequestRecord)> {
        let mut unpacker = self.unpacker();
        (0..self.count).map(move |_| unpacker.record())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::ContentHash;
    use crate::ids::{LocationId, OrderId, ReservationId, SkuId};
    use crate::order::OrderState;
    use crate::outcome::Source;
    use crate::rejection::{Rejection, Resource, Shortage};
    use crate::reservation::ReservationState;
    use crate::revision::Revision;
    use crate::stock::Bucket;
    use crate::time::LogTime;

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
            together: location.is_none(),
            bucket: Bucket::Damaged,
            asked: i64::MAX,
            available: i64::MIN,
            next_expiry: location.is_some().then(|| LogTime::from_micros(u64::MAX)),
            location,
        };
        let shortages = vec![shortage(None), shortage(Some(location("main")))];
        let source =
            |line, name: &str, quantity| Source { line, location: LocationId::new(name).ok(), quantity };
        let sources = || {
            let first = [source(1, "main", 1), source(1, "mall", i64::MAX), source(2, "", 7)];
            first.into_iter().chain([source(9, "m", 1), source(u32::MAX, "north", 2)]).collect()
        };
        let reservation = || ReservationId::new("order-2").unwrap();
        let expires = LogTime::from_micros(300);
        let mut outcomes = vec![
            Outcome::OrderPlaced { order: order(), expires, sources: sources() },
            Outcome::OrderConfirmed { order: OrderId::new(&"o".repeat(128)).unwrap() },
            Outcome::OrderExtended { order: order(), expires },
            Outcome::OrderClosed { order: order() },
            Outcome::ReservationCreated { reservation: reservation(), expires, sources: sources() },
            Outcome::ReservationExtended { reservation: reservation(), expires },
            Outcome::ReservationMoved { reservation: reservation(), moved: i64::MAX },
            Outcome::Transacted(vec![Outcome::SkuDeleted, Outcome::OrderClosed { order: order() }]),
            Outcome::Rejected(Rejection::NotFound(Resource::Order(order()))),
            Outcome::Rejected(Rejection::InsufficientStock { shortages }),
            Outcome::RequestAbandoned,
        ];
        for state in OrderState::ALL {
            outcomes.push(Outcome::OrderShipped { order: order(), state, shipped: 127, parcel: u32::MAX });
            outcomes.push(Outcome::OrderCancelled { order: order(), state, cancelled: -1 });
            outcomes.push(Outcome::OrderReturned { order: order(), state, returned: 0 });
        }
        for state in ReservationState::ALL {
            outcomes.push(Outcome::ReservationReleased { reservation: reservation(), state, released: 3 });
            outcomes.push(Outcome::ReservationCommitted {
                reservation: reservation(),
                state,
                order: order(),
                order_state: OrderState::Closed,
                expires,
                committed: 70_000,
            });
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
        assert_eq!(chunk.weight(), records.len() + 1);
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

    /// Bytes of a record where a busy shop has many of the kind.
    fn bytes_of(outcome: impl Fn(u32, Vec<Source>) -> Outcome) -> usize {
        let record = |number: u32| {
            let random = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let bits = (u128::from(number / 20) << 80) | (7 << 76) | (2 << 62) | (random >> 66);
            let request = RequestId::new(bits).unwrap();
            let source = |line| Source { line, location: LocationId::new("main").ok(), quantity: 2 };
            let record = RequestRecord {
                content: ContentHash(random.reverse_bits()),
                outcome: outcome(number, (1..=3).map(source).collect()),
                revision: Revision::new(1_000_000 + u64::from(number / 50)),
                position: number % 50,
                time: LogTime::from_micros((1 << 49) + u64::from(number)),
            };
            (Origin { request, principal: Principal::new("shop").unwrap() }, Box::new(record))
        };
        let mut records: Vec<_> = (1..=64).map(record).collect();
        records.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let chunk = Chunk::pack(views(&records)).unwrap();
        assert!(chunk.whole.is_empty(), "packed whole");
        chunk.bytes.len().div_ceil(records.len())
    }

    #[test]
    fn a_record_of_a_busy_shop_takes_less_than_70_bytes() {
        let expires = LogTime::from_micros(1 << 50);
        let order = |number: u32| OrderId::new(&format!("order-{number:08}")).unwrap();
        let reservation = |number: u32| ReservationId::new(&format!("cart-{number:08}")).unwrap();
        let placed = |number, sources| Outcome::OrderPlaced { order: order(number), expires, sources };
        let created = |number, sources| Outcome::ReservationCreated {
            reservation: reservation(number),
            expires,
            sources,
        };
        let committed = |number, _| Outcome::ReservationCommitted {
            reservation: reservation(number),
            state: ReservationState::Committed,
            order: order(number),
            order_state: OrderState::Confirmed,
            expires,
            committed: 6,
        };
        let bytes = [bytes_of(placed), bytes_of(created), bytes_of(committed)];
        assert!(bytes.iter().all(|bytes| *bytes < 70), "{bytes:?}");
        println!("bytes a record of an order, a reservation, a commit: {bytes:?}");
    }
}

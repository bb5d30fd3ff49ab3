//! The request records in memory, and the form in which many are taken in at once.

mod chunk;
mod pack;
mod runs;
mod unpack;
mod view;

use std::collections::BTreeMap;

use self::chunk::Chunk;
pub use self::runs::Runs;
pub use self::view::{OutcomeView, RecordView, SourceView};
use crate::command::Origin;
use crate::ids::RequestId;
use crate::request::RequestRecord;

/// Records that are kept as they are. Requests come nearly in the order of their ids, so that of a million in memory these few are
/// all that is looked at.
const OPEN: usize = 4_096;
/// Records that are packed together.
const CHUNK: usize = 64;

/// A record on its way into a chunk.
type Packable = (Origin, Box<RequestRecord>);

/// Request records in the order of their origins. Whether a record is packed can't be told from outside.
///
/// Invariants:
/// - No origin is both open and packed.
/// - A chunk holds origins from its key on, up to the next chunk's key; none is empty.
/// - `packed` is the number of records in the chunks, `weight` that of all outcomes that are kept, transactions by their operations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    open: BTreeMap<Origin, Box<RequestRecord>>,
    chunks: BTreeMap<Origin, Chunk>,
    packed: usize,
    weight: usize,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.open.len() + self.packed
    }

    /// How many outcomes are kept.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn get(&self, origin: &Origin) -> Option<RequestRecord> {
        if let Some(record) = self.open.get(origin) {
            return Some(RequestRecord::clone(record));
        }
        self.chunk_for(origin)?.1.find(origin)
    }

    pub(crate) fn insert(&mut self, origin: &Origin, record: RequestRecord) {
        self.open_chunk_with(origin);
        self.weight += record.outcome.weight();
        let before = self.open.insert(origin.clone(), Box::new(record));
        self.weight -= before.map_or(0, |record| record.outcome.weight());
        self.pack_beyond(OPEN);
    }

    pub(crate) fn remove(&mut self, origin: &Origin) {
        self.open_chunk_with(origin);
        let removed = self.open.remove(origin);
        self.weight -= removed.map_or(0, |record| record.outcome.weight());
    }

    /// Of chunks in order, none of which overlap. The newest records are opened: requests that come next are near to them.
    fn of_chunks(chunks: Vec<(Origin, Chunk)>) -> Self {
        let packed = chunks.iter().map(|(_, chunk)| chunk.count).sum();
        let weight = chunks.iter().map(|(_, chunk)| chunk.weight()).sum();
        let mut records =
            Self { open: BTreeMap::new(), chunks: chunks.into_iter().collect(), packed, weight };
        while records.open.len() < OPEN / 2
            && let Some(key) = records.chunks.keys().next_back().cloned()
        {
            records.open_chunk(&key);
        }
        records
    }

    /// The oldest request id.
    pub(crate) fn first(&self) -> Option<RequestId> {
        let open = self.open.keys().next();
        let packed = self.chunks.keys().next();
        open.into_iter().chain(packed).min().map(|origin| origin.request)
    }

    /// Removes the record of the oldest origin.
    pub(crate) fn pop_first(&mut self) -> Option<Origin> {
        let open = self.open.keys().next();
        let packed = self.chunks.keys().next();
        if let Some(packed) = packed
            && open.is_none_or(|open| packed < open)
        {
            let key = packed.clone();
            self.open_chunk(&key);
        }
        let (origin, record) = self.open.pop_first()?;
        self.weight -= record.outcome.weight();
        Some(origin)
    }

    /// All of them, the oldest id first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Origin, RequestRecord)> {
        let mut open = self.open.iter().peekable();
        let mut packed = self.chunks.values().flat_map(Chunk::records).peekable();
        std::iter::from_fn(move || match (open.peek(), packed.peek()) {
            (Some((open_origin, _)), Some((packed_origin, _))) if *open_origin > packed_origin => {
                packed.next()
            }
            (None, _) => packed.next(),
            (Some(_), _) => {
                open.next().map(|(origin, record)| (origin.clone(), RequestRecord::clone(record)))
            }
        })
    }

    /// The chunk that holds an origin if any does, and its key.
    fn chunk_for(&self, origin: &Origin) -> Option<(&Origin, &Chunk)> {
        // Nearly every origin that is looked for is new, and comes after all that are packed.
        let (_, newest) = self.chunks.last_key_value()?;
        if origin.request > newest.last {
            return None;
        }
        let before = self.chunks.range(..=origin).next_back();
        before.filter(|(_, chunk)| origin.request <= chunk.last)
    }

    /// Takes apart the chunk that holds an origin, if one does.
    fn open_chunk_with(&mut self, origin: &Origin) {
        let Some((key, chunk)) = self.chunk_for(origin) else { return };
        if chunk.holds(origin) {
            let key = key.clone();
            self.open_chunk(&key);
        }
    }

    fn open_chunk(&mut self, key: &Origin) {
        if let Some(chunk) = self.chunks.remove(key) {
            self.packed -= chunk.count;
            self.open.extend(chunk.records().map(|(origin, record)| (origin, Box::new(record))));
        }
    }

    /// Packs the oldest open records, so that not many more than so many stay open.
    ///
    /// A few before the first chunk are left as they are: they were packed, and are about to leave for good.
    fn pack_beyond(&mut self, open: usize) {
        if self.open.len() < open + CHUNK {
            return;
        }
        let records = self.take_oldest();
        let mut rest = records.as_slice();
        while let Some((origin, _)) = rest.first() {
            rest = self.pack_some(origin, rest);
        }
    }

    /// Takes the oldest open records away, but for a few before the first chunk.
    fn take_oldest(&mut self) -> Vec<Packable> {
        let first = self.chunks.keys().next();
        let few = 2 * CHUNK;
        let before = first.map_or(0, |first| self.open.range(..first).take(few).count());
        if before == 0 || before == few {
            return std::iter::from_fn(|| self.open.pop_first()).take(CHUNK).collect();
        }
        let origins: Vec<Origin> = self.open.keys().skip(before).take(CHUNK).cloned().collect();
        origins.into_iter().filter_map(|origin| self.open.remove_entry(&origin)).collect()
    }

    /// Packs the records that belong to one chunk, of which `first` is the first; gives the others.
    fn pack_some<'r>(&mut self, first: &Origin, records: &'r [Packable]) -> &'r [Packable] {
        let next = self.chunks.range(first..).next().map(|(key, _)| key);
        let here = next.map_or(records.len(), |next| records.partition_point(|(origin, _)| origin < next));
        assert!(here > 0, "no origin is both open and packed");
        let (here, others) = records.split_at(here);
        let before = self.chunks.range(..=first).next_back();
        // A few, or such as came late, go with those before them.
        let with = before.filter(|(_, chunk)| here.len() < CHUNK / 2 || first.request <= chunk.last);
        let Some(key) = with.map(|(key, _)| key.clone()) else {
            self.add_chunk(views(here));
            return others;
        };
        let chunk = self.chunks.remove(&key).expect("it was found");
        self.packed -= chunk.count;
        let mut together: Vec<Packable> =
            chunk.records().map(|(origin, record)| (origin, Box::new(record))).collect();
        together.extend_from_slice(here);
        together.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let most = if together.len() > 2 * CHUNK { together.len().div_ceil(2) } else { together.len() };
        for part in together.chunks(most) {
            self.add_chunk(views(part));
        }
        others
    }

    fn add_chunk<'a>(&mut self, records: impl Iterator<Item = RecordView<'a>>) {
        let (key, chunk) = Chunk::keyed(records).expect("no chunk is empty");
        self.packed += chunk.count;
        let other = self.chunks.insert(key, chunk);
        assert!(other.is_none(), "no origin is packed twice");
    }
}

fn views(records: &[Packable]) -> impl Iterator<Item = RecordView<'_>> {
    records.iter().map(|(origin, record)| RecordView::of(origin, record))
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Records {}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::command::ContentHash;
    use crate::ids::{OrderId, Principal};
    use crate::outcome::Outcome;
    use crate::revision::Revision;
    use crate::time::LogTime;

    fn origin(time: u64, principal: &str) -> Origin {
        let request = RequestId::new((u128::from(time) << 80) | (7 << 76) | (2 << 62)).unwrap();
        Origin { request, principal: Principal::new(principal).unwrap() }
    }

    fn record(number: u64) -> RequestRecord {
        let order = OrderId::new(&format!("order-{number}")).unwrap();
        // Kinds that can be packed, and one that can't.
        let outcome = if number.is_multiple_of(5) {
            Outcome::RequestAbandoned
        } else {
            Outcome::OrderConfirmed { order }
        };
        RequestRecord {
            content: ContentHash(u128::from(number)),
            outcome,
            revision: Revision::new(number),
            position: 0,
            time: LogTime::from_micros(number),
        }
    }

    fn assert_sound(records: &Records) {
        assert_eq!(records.packed, records.chunks.values().map(|chunk| chunk.count).sum::<usize>());
        let weight = records.iter().map(|(_, record)| record.outcome.weight()).sum::<usize>();
        assert_eq!(records.weight, weight);
        let keys: Vec<&Origin> = records.chunks.keys().collect();
        for (number, (key, chunk)) in records.chunks.iter().enumerate() {
            let held: Vec<Origin> = chunk.records().map(|(origin, _)| origin).collect();
            assert!(held.is_sorted() && held.len() == chunk.count && held.len() <= 2 * CHUNK);
            assert!(held.first() == Some(key));
            assert_eq!(held.last().map(|origin| origin.request), Some(chunk.last));
            assert!(keys.get(number + 1).is_none_or(|next| held.last().is_some_and(|last| last < next)));
            assert!(held.iter().all(|origin| !records.open.contains_key(origin)));
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Origin),
        Remove(Origin),
        PopFirst,
        Pack,
    }

    /// So many that one id may stand in several chunks.
    const PRINCIPALS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

    fn step() -> impl Strategy<Value = Step> {
        let time = || prop_oneof![1_u64..400, 1_u64..20];
        let origin = || (time(), prop::sample::select(&PRINCIPALS)).prop_map(|(t, p)| origin(t, p));
        prop_oneof![
            20 => origin().prop_map(Step::Insert),
            2 => origin().prop_map(Step::Remove),
            4 => Just(Step::PopFirst),
            4 => Just(Step::Pack),
        ]
    }

    proptest! {
        #[test]
        fn records_do_what_a_map_does(steps in vec(step(), 1..800)) {
            let mut records = Records::default();
            let mut model = BTreeMap::new();
            for (number, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Insert(origin) => {
                        records.insert(&origin, record(number));
                        model.insert(origin, record(number));
                    }
                    Step::Remove(origin) => {
                        records.remove(&origin);
                        model.remove(&origin);
                    }
                    Step::PopFirst => {
                        prop_assert_eq!(records.first(), model.keys().next().map(|origin| origin.request));
                        prop_assert_eq!(records.pop_first(), model.pop_first().map(|(origin, _)| origin));
                    }
                    Step::Pack => records.pack_beyond(3),
                }
                prop_assert_eq!(records.len(), model.len());
            }
            assert_sound(&records);
            for time in 1..400 {
                for principal in PRINCIPALS {
                    let origin = origin(time, principal);
                    prop_assert_eq!(records.get(&origin), model.get(&origin).cloned());
                }
            }
            prop_assert!(records.iter().eq(model));
        }
    }

    #[test]
    fn records_that_come_in_order_are_packed_into_full_chunks_and_leave_in_order() {
        let mut records = Records::default();
        let count = 30_000;
        for time in 1..=count {
            records.insert(&origin(time, "a"), record(time));
        }
        assert_sound(&records);
        assert!(records.open.len() <= OPEN + CHUNK);
        assert!(records.chunks.values().all(|chunk| chunk.count == CHUNK));
        for time in 1..=count {
            assert_eq!(records.pop_first(), Some(origin(time, "a")));
            assert_eq!(records.len(), usize::try_from(count - time).unwrap());
        }
        assert_eq!(records.pop_first(), None);
    }

    #[test]
    fn a_caller_whose_clock_is_late_has_its_records_packed_too() {
        let (mut records, late) = (Records::default(), 20_000);
        for time in 50_000..80_000 {
            records.insert(&origin(time, "a"), record(time));
            records.insert(&origin(time - late, "late"), record(time));
        }
        assert_sound(&records);
        assert!(records.open.len() <= OPEN + 3 * CHUNK);
        assert!(records.chunks.len() < 60_000 / (CHUNK / 2));
        assert_eq!(records.len(), 60_000);
    }

    /// Loads what batches hold, as a start does: each in the order of its origins, and in two halves.
    fn loaded(batches: &[Vec<u64>]) -> Records {
        let (older, newer) = batches.split_at(batches.len() / 2);
        let mut halves = [older, newer].map(|batches| {
            let mut runs = Runs::default();
            for times in batches {
                let mut times = times.clone();
                times.sort_unstable();
                let records: Vec<_> =
                    times.iter().map(|time| (origin(*time, "a"), Box::new(record(*time)))).collect();
                runs.add(&views(&records).collect::<Vec<_>>());
            }
            runs.merge();
            runs
        });
        let [older, newer] = &mut halves;
        older.join(std::mem::take(newer));
        std::mem::take(older).finish()
    }

    fn inserted(batches: &[Vec<u64>]) -> Records {
        let mut records = Records::default();
        for time in batches.iter().flatten() {
            records.insert(&origin(*time, "a"), record(*time));
        }
        records
    }

    proptest! {
        #[test]
        fn records_that_are_loaded_are_those_that_were_inserted(
            times in prop::collection::hash_set(1_u64..10_000, 0..3_000),
            near in any::<bool>(),
            size in 1_usize..700,
        ) {
            let mut times: Vec<u64> = times.into_iter().collect();
            if near {
                // As they come: nearly in order, but for one caller whose clock is ahead.
                times.sort_unstable_by_key(|time| if time % 50 == 0 { time.saturating_sub(2_000) } else { *time });
            }
            let batches: Vec<Vec<u64>> = times.chunks(size).map(<[u64]>::to_vec).collect();
            let loaded = loaded(&batches);
            assert_sound(&loaded);
            prop_assert_eq!(loaded.len(), times.len());
            prop_assert!(loaded == inserted(&batches));
        }
    }

    #[test]
    fn chunks_stay_full_where_one_callers_clock_is_ahead() {
        let ahead = |time: u64| if time.is_multiple_of(100) { time + 100_000 } else { time };
        let times: Vec<u64> = (1..50_000).map(ahead).collect();
        let batches: Vec<Vec<u64>> = times.chunks(5_000).map(<[u64]>::to_vec).collect();
        let loaded = loaded(&batches);
        assert_sound(&loaded);
        assert!(loaded.chunks.len() < 50_000 / (CHUNK / 2), "{}", loaded.chunks.len());
        assert!(loaded.open.len() >= OPEN / 2, "the newest are open");
    }

    #[test]
    fn records_are_the_same_packed_or_not() {
        let mut packed = Records::default();
        for time in 1..1_000 {
            packed.insert(&origin(time, "a"), record(time));
        }
        let open = packed.clone();
        for _ in 0..10 {
            packed.pack_beyond(0);
        }
        assert_eq!(packed, open);
        packed.remove(&origin(7, "a"));
        assert_ne!(packed, open);
        packed.insert(&origin(7, "a"), record(8));
        assert_ne!(packed, open);
    }
}

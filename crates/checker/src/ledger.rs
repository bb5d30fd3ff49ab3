//! The ledger of the replayed state, and where in it the movements of a SKU, a location, an order or a reservation stand. It
//! only grows: what a read of an older state should have seen is its beginning.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::{Bound, Range};

use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;

/// Places of entries, in their order.
type Places = Vec<usize>;

/// Every movement so far.
///
/// Invariant: entries stand in the order of (revision, position), and so in that of their times; log time doesn't go back.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<LedgerEntry>,
    of_sku: HashMap<SkuId, OfSku>,
    at_location: HashMap<LocationId, Places>,
    of_order: HashMap<OrderId, Places>,
    of_reservation: HashMap<ReservationId, Places>,
    /// The log index at which each SKU that was ever deleted was deleted last.
    deleted: HashMap<SkuId, u64>,
}

/// The movements of a SKU.
#[derive(Debug, Default)]
struct OfSku {
    all: Places,
    at: BTreeMap<LocationId, Places>,
}

impl Ledger {
    /// A movement that happened after all others.
    pub(crate) fn push(&mut self, entry: LedgerEntry) {
        let place = self.entries.len();
        let of_sku = self.of_sku.entry(entry.sku.clone()).or_default();
        of_sku.all.push(place);
        of_sku.at.entry(entry.location.clone()).or_default().push(place);
        self.at_location.entry(entry.location.clone()).or_default().push(place);
        if let Some(order) = &entry.order {
            self.of_order.entry(order.clone()).or_default().push(place);
        }
        if let Some(reservation) = &entry.reservation {
            self.of_reservation.entry(reservation.clone()).or_default().push(place);
        }
        self.entries.push(entry);
    }

    /// A SKU was deleted.
    pub(crate) fn delete(&mut self, sku: SkuId, index: u64) {
        self.deleted.insert(sku, index);
    }

    /// True of a SKU that was deleted in an entry behind this one, and was there before.
    pub(crate) fn was_deleted_after(&self, sku: &SkuId, index: u64) -> bool {
        self.deleted.get(sku).is_some_and(|deleted| *deleted > index)
    }

    /// All movements.
    pub(crate) fn entries(&self) -> &[LedgerEntry] {
        &self.entries
    }

    /// True where anything of the SKU was ever moved.
    pub(crate) fn knows(&self, sku: &SkuId) -> bool {
        self.of_sku.contains_key(sku)
    }

    /// The movements within a stretch of the ledger that may be asked for: those of the narrowest of what the request names.
    pub(crate) fn within<'a>(
        &'a self,
        stretch: Range<usize>,
        request: &v1::ListLedgerEntriesRequest,
    ) -> Box<dyn Iterator<Item = &'a LedgerEntry> + 'a> {
        let Some(places) = self.narrowest(request) else {
            return Box::new(self.entries[stretch].iter());
        };
        let before = |bound: usize| places.partition_point(|place| *place < bound);
        let places = &places[before(stretch.start)..before(stretch.end)];
        Box::new(places.iter().map(|place| &self.entries[*place]))
    }

    /// Places of the entries of what the request names, of several things those of which there are fewest; `None` where it names
    /// nothing.
    fn narrowest(&self, request: &v1::ListLedgerEntriesRequest) -> Option<&[usize]> {
        let sku = SkuId::new(&request.sku_id).ok();
        let of_sku = || self.of_sku.get(sku.as_ref()?);
        let by_sku = if request.location_id.is_empty() {
            of_sku().map(|of_sku| &of_sku.all)
        } else {
            of_sku().and_then(|of_sku| of_sku.at.get(&LocationId::new(&request.location_id).ok()?))
        };
        let named = [
            (&request.sku_id, by_sku),
            (&request.location_id, found(&self.at_location, LocationId::new(&request.location_id))),
            (&request.order_id, found(&self.of_order, OrderId::new(&request.order_id))),
            (
                &request.reservation_id,
                found(&self.of_reservation, ReservationId::new(&request.reservation_id)),
            ),
        ];
        let named = named.into_iter().filter(|(id, _)| !id.is_empty());
        named.map(|(_, places)| places.map_or(&[][..], Vec::as_slice)).min_by_key(|places| places.len())
    }

    /// The last movement of a SKU at a location among the first so many of the ledger.
    pub(crate) fn last_at(&self, sku: &SkuId, location: &LocationId, among: usize) -> Option<&LedgerEntry> {
        let places = self.of_sku.get(sku)?.at.get(location)?;
        self.last_of(places, among)
    }

    /// The last movements of a SKU among the first so many of the ledger, one for each location behind another, in the order of
    /// their ids.
    pub(crate) fn last_of_each<'a>(
        &'a self,
        sku: &SkuId,
        after: Option<&LocationId>,
        among: usize,
    ) -> impl Iterator<Item = &'a LedgerEntry> + 'a {
        let from = after.map_or(Bound::Unbounded, |location| Bound::Excluded(location.clone()));
        let of_sku = self.of_sku.get(sku).into_iter();
        let locations = of_sku.flat_map(move |of_sku| of_sku.at.range((from.clone(), Bound::Unbounded)));
        locations.filter_map(move |(_, places)| self.last_of(places, among))
    }

    fn last_of(&self, places: &[usize], among: usize) -> Option<&LedgerEntry> {
        let moved = places.partition_point(|place| *place < among);
        places[..moved].last().map(|place| &self.entries[*place])
    }
}

fn found<Id: Eq + Hash, E>(places: &HashMap<Id, Places>, id: Result<Id, E>) -> Option<&Places> {
    places.get(&id.ok()?)
}

//! What callers ask for of the past: orders as they were placed, the ledger, and stock at a moment.

use stockade_checker::convert;
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::ledger::LedgerEntry;

use super::calls::SERVICE;
use super::{Cluster, answers};

impl Cluster {
    /// A page of orders, perhaps a further one.
    pub(super) fn list_orders(&mut self, sku_id: String) -> v1::ListOrdersRequest {
        let (start_time, end_time) = self.period();
        let some = self.orders.front().and_then(|(id, _)| self.state.order(&OrderId::new(id).ok()?));
        let key = some.map(|order| format!("{}\n{}", order.created.micros(), order.id));
        v1::ListOrdersRequest {
            page_size: 3,
            page_token: self.some_token(key),
            sku_id: if self.rng.chance(2) { sku_id } else { String::new() },
            start_time,
            end_time,
            newest_first: self.rng.chance(2),
            ..v1::ListOrdersRequest::default()
        }
    }

    /// A page of the ledger, perhaps a further one.
    pub(super) fn list_ledger(
        &mut self,
        sku_id: String,
        location_id: String,
    ) -> v1::ListLedgerEntriesRequest {
        let (start_time, end_time) = self.period();
        let key = self.movement().map(|entry| format!("{}\n{}", entry.revision.get(), entry.position));
        let holder = self.movement().filter(|_| self.mutations.is_multiple_of(3));
        let name = |id: Option<String>| id.unwrap_or_default();
        let order_id = name(holder.as_ref().and_then(|entry| Some(entry.order.as_ref()?.to_string())));
        let reservation = holder.filter(|_| order_id.is_empty()).and_then(|entry| entry.reservation);
        v1::ListLedgerEntriesRequest {
            page_size: 4,
            page_token: self.some_token(key),
            sku_id: if self.rng.chance(2) { sku_id } else { String::new() },
            location_id: if self.rng.chance(2) { location_id } else { String::new() },
            order_id,
            reservation_id: name(reservation.map(|id| id.to_string())),
            from_revision: if self.rng.chance(3) { self.rng.below(self.index) } else { 0 },
            to_revision: if self.rng.chance(3) { self.index } else { 0 },
            start_time,
            end_time,
            newest_first: self.rng.chance(2),
            read: None,
        }
    }

    /// Stock at a moment in the past, now and then at one that has yet to come.
    pub(super) fn stock_as_of(&mut self, sku_id: String, location_id: String) -> v1::GetStockAsOfRequest {
        let as_of = match self.movement() {
            Some(entry) if self.rng.chance(2) => AsOf::Time(convert::timestamp(entry.time)),
            Some(_) | None => AsOf::Revision(self.rng.below(self.index + 4)),
        };
        v1::GetStockAsOfRequest {
            sku_id: if self.rng.chance(8) { SERVICE.to_owned() } else { sku_id },
            location_id: if self.rng.chance(2) { location_id } else { String::new() },
            as_of: Some(as_of),
            page_size: 1,
            page_token: String::new(),
            read: None,
        }
    }

    /// A movement that happened.
    fn movement(&mut self) -> Option<LedgerEntry> {
        let count = u64::try_from(self.ledger.len()).expect("few");
        let at = usize::try_from(self.rng.below(count.max(1))).expect("few");
        self.ledger.get(at).cloned()
    }

    /// From a movement on, up to a movement; or without a beginning, or an end.
    fn period(&mut self) -> (Option<prost_types::Timestamp>, Option<prost_types::Timestamp>) {
        let time = |entry: Option<LedgerEntry>| entry.map(|entry| convert::timestamp(entry.time));
        let (start, end) = (time(self.movement()), time(self.movement()));
        (start.filter(|_| self.rng.chance(3)), end.filter(|_| self.rng.chance(3)))
    }

    fn some_token(&mut self, key: Option<String>) -> String {
        let key = key.filter(|_| self.rng.chance(2));
        key.map(|key| answers::token(&key)).unwrap_or_default()
    }
}

//! What a read should have seen in the state that it was served from.

use std::fmt::Debug;

use stockade_history::{Answer, Asked, Outcome as Ending};
use stockade_proto::v1;
use stockade_proto::v1::OutcomeState;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::request::RequestStatus;
use stockade_state_machine::{State, StockKey};

use crate::history::{Ended, Operation};
use crate::ledger::Ledger;
use crate::log::Log;
use crate::order_list::OrderList;
use crate::{availability, convert, expected, ledger_reads, lists, pages, words};

/// The state that a read was served from.
pub(crate) struct Reading<'a> {
    pub(crate) rows: &'a State,
    pub(crate) ledger: &'a Ledger,
    pub(crate) orders: &'a OrderList,
    pub(crate) log: &'a Log,
    pub(crate) served: u64,
    /// The oldest state that it might have been served from.
    pub(crate) least: u64,
}

/// Where a read differs from the state.
pub(crate) struct Difference {
    pub(crate) saw: String,
    pub(crate) expected: String,
}

/// What a read of one thing finds, or of several at once: the thing and the revision of its last change, of several the
/// newest. `None` where it is missing, or one of them.
struct Found<T>(Option<(T, u64)>);

/// Where the answer to a read differs from the state, if it does.
pub(crate) fn check(reading: &Reading<'_>, operation: &Operation, ended: &Ended) -> Option<Difference> {
    let revision = ended.header.as_ref().map_or(0, |header| header.revision);
    match (&operation.asked, &ended.outcome) {
        (Asked::GetSku(request), Ending::Ok(Answer::GetSku(answer))) => {
            reading.sku(&request.sku_id).holds(answer.sku.as_ref(), revision, words::shown)
        }
        (Asked::GetStock(request), Ending::Ok(Answer::GetStock(answer))) => reading
            .stock(&request.sku_id, &request.location_id)
            .holds(answer.stock.as_ref(), revision, words::stock),
        (Asked::GetOrder(request), Ending::Ok(Answer::GetOrder(answer))) => {
            reading.order(&request.order_id).holds(answer.order.as_ref(), revision, words::shown)
        }
        (Asked::BatchGetOrders(request), Ending::Ok(Answer::BatchGetOrders(answer))) => {
            reading.orders(request).hold(&answer.orders, revision, words::shown)
        }
        (Asked::BatchGetSkus(request), Ending::Ok(Answer::BatchGetSkus(answer))) => {
            reading.skus(request).hold(&answer.skus, revision, words::shown)
        }
        (Asked::GetLocation(request), Ending::Ok(Answer::GetLocation(answer))) => {
            reading.location(&request.location_id).holds(answer.location.as_ref(), revision, words::shown)
        }
        (Asked::BatchGetStock(request), Ending::Ok(Answer::BatchGetStock(answer))) => {
            reading.stock_rows(request).hold(&answer.stock, revision, words::stock)
        }
        (Asked::GetAvailability(request), Ending::Ok(Answer::GetAvailability(answer))) => {
            reading.availability(request).hold(&answer.availability, revision, words::shown)
        }
        (Asked::GetOutcome(request), Ending::Ok(Answer::GetOutcome(answer))) => {
            reading.outcome(&request.request_id, answer)
        }
        (Asked::ListSkus(request), Ending::Ok(Answer::ListSkus(answer))) => {
            lists::skus(reading.rows, request, answer)
        }
        (Asked::ListLocations(request), Ending::Ok(Answer::ListLocations(answer))) => {
            lists::locations(reading.rows, request, answer)
        }
        (Asked::ListStock(request), Ending::Ok(Answer::ListStock(answer))) => {
            lists::stock(reading.rows, request, answer)
        }
        (Asked::ListOrders(request), Ending::Ok(Answer::ListOrders(answer))) => {
            lists::orders(reading, request, answer)
        }
        (Asked::GetReservation(request), Ending::Ok(Answer::GetReservation(answer))) => reading
            .reservation(&request.reservation_id)
            .holds(answer.reservation.as_ref(), revision, words::shown),
        (Asked::ListReservations(request), Ending::Ok(Answer::ListReservations(answer))) => {
            lists::reservations(reading.rows, request, answer)
        }
        (Asked::ListLedgerEntries(request), Ending::Ok(Answer::ListLedgerEntries(answer))) => {
            ledger_reads::entries(reading, request, answer, revision)
        }
        (Asked::GetStockAsOf(request), Ending::Ok(Answer::GetStockAsOf(answer))) => {
            ledger_reads::stock_as_of(reading, request, answer, revision)
        }
        (_, Ending::Refused { .. }) if operation.was_behind(ended) => None,
        (Asked::GetStockAsOf(request), Ending::Refused { reason, metadata, .. })
            if reason == "REVISION_AHEAD" =>
        {
            ledger_reads::refused_ahead(reading, request, metadata)
        }
        (asked, Ending::Refused { reason, .. }) if reason == "REVISION_AHEAD" => {
            let expected = format!("an answer to {}, which names no revision", asked.kind());
            Some(Difference { saw: "the refusal REVISION_AHEAD".to_owned(), expected })
        }
        (asked, Ending::Refused { reason, .. }) if reason == "NOT_FOUND" => {
            let expected = reading.found(asked)?;
            Some(Difference { saw: "nothing (NOT_FOUND)".to_owned(), expected })
        }
        // Nobody answered, or the request was at fault.
        (_, Ending::Refused { .. } | Ending::Unknown { .. } | Ending::Failed { .. }) => None,
        (asked, Ending::Ok(answer)) => {
            let expected = format!("an answer to {}", asked.kind());
            Some(Difference { saw: words::shown(answer), expected })
        }
    }
}

impl<T> Found<T> {
    fn or_missing(self, saw: impl FnOnce() -> String) -> Result<(T, u64), Difference> {
        self.0.ok_or_else(|| {
            let expected = "nothing (NOT_FOUND): it is not there at that revision".to_owned();
            Difference { saw: saw(), expected }
        })
    }
}

impl<T: PartialEq> Found<T> {
    fn holds(self, saw: Option<&T>, revision: u64, show: impl Fn(&T) -> String) -> Option<Difference> {
        let shown = |thing: Option<&T>| thing.map_or_else(|| "nothing".to_owned(), &show);
        let (thing, changed) = match self.or_missing(|| shown(saw)) {
            Ok(found) => found,
            Err(difference) => return Some(difference),
        };
        if saw != Some(&thing) {
            return Some(Difference { saw: shown(saw), expected: show(&thing) });
        }
        header(revision, changed)
    }
}

impl<T: PartialEq + Debug> Found<Vec<T>> {
    fn hold(self, saw: &[T], revision: u64, show: impl Fn(&T) -> String) -> Option<Difference> {
        match self.or_missing(|| format!("{} rows", saw.len())) {
            Ok((rows, changed)) => pages::difference(saw, &rows, show).or_else(|| header(revision, changed)),
            Err(difference) => Some(difference),
        }
    }
}

/// "A read: the log index at which what was read last changed."
pub(crate) fn header(revision: u64, changed: u64) -> Option<Difference> {
    (revision != changed).then(|| Difference {
        saw: format!("revision {revision} in the header"),
        expected: format!("revision {changed}, where it last changed"),
    })
}

/// Several things of one state: their rows in order, and the newest of their revisions.
fn all<T>(rows: impl Iterator<Item = Found<T>>) -> Found<Vec<T>> {
    let rows: Option<Vec<(T, u64)>> = rows.map(|Found(row)| row).collect();
    Found(rows.map(|rows| {
        let newest = rows.iter().map(|(_, changed)| *changed).max().unwrap_or_default();
        (rows.into_iter().map(|(row, _)| row).collect(), newest)
    }))
}

impl Reading<'_> {
    fn sku(&self, id: &str) -> Found<v1::Sku> {
        let sku = SkuId::new(id).ok().and_then(|id| self.rows.sku(&id));
        Found(sku.map(|sku| (convert::sku(sku), sku.version.revision.get())))
    }

    /// "One for each id, in the order of the request."
    fn skus(&self, request: &v1::BatchGetSkusRequest) -> Found<Vec<v1::Sku>> {
        all(request.sku_ids.iter().map(|id| self.sku(id)))
    }

    fn location(&self, id: &str) -> Found<v1::Location> {
        let location = LocationId::new(id).ok().and_then(|id| self.rows.location(&id));
        Found(location.map(|location| (convert::location(location), location.version.revision.get())))
    }

    /// "All zero where none was ever booked. Errors: `NOT_FOUND` (SKU, location)."
    fn stock(&self, sku_id: &str, location_id: &str) -> Found<v1::Stock> {
        let found = || {
            let sku = SkuId::new(sku_id).ok()?;
            let location = LocationId::new(location_id).ok()?;
            self.rows.sku(&sku)?;
            self.rows.location(&location)?;
            let key = StockKey { sku, location };
            let stock = self.rows.stock(&key);
            Some((convert::stock(&key, &stock), stock.version.revision.get()))
        };
        Found(found())
    }

    /// "One for each name, in the order of the request."
    fn stock_rows(&self, request: &v1::BatchGetStockRequest) -> Found<Vec<v1::Stock>> {
        all(request.names.iter().map(|name| self.stock(&name.sku_id, &name.location_id)))
    }

    fn availability(&self, request: &v1::GetAvailabilityRequest) -> Found<Vec<v1::Availability>> {
        // The header of a list names the state that answered.
        Found(availability::expected(self.rows, request).map(|all| (all, self.served)))
    }

    /// An order as it is at the log time of the state that answered.
    fn order(&self, id: &str) -> Found<v1::Order> {
        let now = self.rows.clock().now;
        let order = OrderId::new(id).ok().and_then(|id| self.rows.order(&id));
        Found(order.map(|order| (convert::order(order, now), order.version.revision.get())))
    }

    /// "In the order of the request", "as they are at one revision".
    fn orders(&self, request: &v1::BatchGetOrdersRequest) -> Found<Vec<v1::Order>> {
        all(request.order_ids.iter().map(|id| self.order(id)))
    }

    fn reservation(&self, id: &str) -> Found<v1::Reservation> {
        let found = ReservationId::new(id).ok().and_then(|id| self.rows.reservation(&id));
        Found(found.map(|found| (convert::reservation(found), found.version.revision.get())))
    }

    /// True where there is nothing under the id that was asked for.
    pub(crate) fn is_missing(&self, asked: &Asked) -> bool {
        self.found(asked).is_none()
    }

    /// What was asked for under an id, in words; `None` where there is nothing, of several where one is missing. Other calls
    /// always have an answer.
    fn found(&self, asked: &Asked) -> Option<String> {
        match asked {
            Asked::GetSku(request) => self.sku(&request.sku_id).0.map(|(sku, _)| words::shown(&sku)),
            Asked::BatchGetSkus(request) => {
                self.skus(request).0.map(|(skus, _)| format!("all {} of them", skus.len()))
            }
            Asked::GetLocation(request) => {
                self.location(&request.location_id).0.map(|(location, _)| words::shown(&location))
            }
            Asked::GetStock(request) => {
                let found = self.stock(&request.sku_id, &request.location_id);
                found.0.map(|(stock, _)| words::stock(&stock))
            }
            Asked::BatchGetStock(request) => {
                self.stock_rows(request).0.map(|(rows, _)| format!("all {} of them", rows.len()))
            }
            Asked::GetAvailability(request) => {
                self.availability(request).0.map(|(all, _)| words::shown(&all))
            }
            Asked::GetOrder(request) => {
                self.order(&request.order_id).0.map(|(order, _)| words::shown(&order))
            }
            Asked::BatchGetOrders(request) => {
                self.orders(request).0.map(|(orders, _)| format!("all {} of them", orders.len()))
            }
            Asked::GetReservation(request) => {
                let found = self.reservation(&request.reservation_id);
                found.0.map(|(reservation, _)| words::shown(&reservation))
            }
            Asked::GetStockAsOf(request) => ledger_reads::found(self, request),
            Asked::CreateSku(_)
            | Asked::UpdateSku(_)
            | Asked::DeleteSku(_)
            | Asked::CreateLocation(_)
            | Asked::UpdateLocation(_)
            | Asked::DeleteLocation(_)
            | Asked::ReceiveStock(_)
            | Asked::AdjustStock(_)
            | Asked::SetStock(_)
            | Asked::MoveStock(_)
            | Asked::PlaceOrder(_)
            | Asked::ConfirmOrder(_)
            | Asked::ExtendOrder(_)
            | Asked::ShipOrder(_)
            | Asked::CancelOrder(_)
            | Asked::CloseOrder(_)
            | Asked::ReturnOrder(_)
            | Asked::CreateReservation(_)
            | Asked::ExtendReservation(_)
            | Asked::CommitReservation(_)
            | Asked::ReleaseReservation(_)
            | Asked::MoveReservation(_)
            | Asked::Transact(_)
            | Asked::AbandonRequest(_)
            | Asked::GetOutcome(_)
            | Asked::ListSkus(_)
            | Asked::ListLocations(_)
            | Asked::ListStock(_)
            | Asked::ListOrders(_)
            | Asked::ListReservations(_)
            | Asked::ListLedgerEntries(_) => Some("an answer: this call always has one".to_owned()),
        }
    }

    /// What was known of a request in that state.
    fn outcome(&self, request_id: &str, answer: &v1::GetOutcomeResponse) -> Option<Difference> {
        let request = words::request_id(request_id)?;
        let status = self.rows.request_status(&self.log.origin_of(request));
        let (state, result) = match status {
            RequestStatus::Decided(record) => {
                (OutcomeState::Decided, Some(expected::result(request_id, &record.outcome)))
            }
            RequestStatus::Abandoned(_) => (OutcomeState::Abandoned, None),
            RequestStatus::NotSeen => (OutcomeState::NotSeen, None),
            RequestStatus::Expired { .. } => (OutcomeState::Expired, None),
        };
        let told = answer.result.clone().map(expected::comparable);
        let agrees = answer.state() == state && told == result;
        (!agrees).then(|| Difference {
            saw: format!("{} {}", answer.state().as_str_name(), words::shown(&told)),
            expected: format!(
                "{} {} at revision {}",
                state.as_str_name(),
                words::shown(&result),
                self.served
            ),
        })
    }
}

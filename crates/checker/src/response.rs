//! The response of the interface to what a mutation brought about.

use stockade_proto::v1;
use stockade_proto::v1::mutation_result::Response;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::{Outcome, Rejection};

use crate::convert;

/// Takes out who answered.
pub(crate) fn take_header(response: &mut Response) {
    match response {
        Response::CreateSku(response) => response.header = None,
        Response::UpdateSku(response) => response.header = None,
        Response::DeleteSku(response) => response.header = None,
        Response::CreateLocation(response) => response.header = None,
        Response::UpdateLocation(response) => response.header = None,
        Response::DeleteLocation(response) => response.header = None,
        Response::ReceiveStock(response) => response.header = None,
        Response::AdjustStock(response) => response.header = None,
        Response::SetStock(response) => response.header = None,
        Response::MoveStock(response) => response.header = None,
        Response::PlaceOrder(response) => response.header = None,
        Response::ConfirmOrder(response) => response.header = None,
        Response::ExtendOrder(response) => response.header = None,
        Response::ShipOrder(response) => response.header = None,
        Response::CancelOrder(response) => response.header = None,
        Response::CloseOrder(response) => response.header = None,
        Response::ReturnOrder(response) => response.header = None,
        Response::CreateReservation(response) => response.header = None,
        Response::ExtendReservation(response) => response.header = None,
        Response::CommitReservation(response) => response.header = None,
        Response::ReleaseReservation(response) => response.header = None,
        Response::MoveReservation(response) => response.header = None,
        Response::Transact(response) => response.header = None,
    }
}

/// The response, without header; `Err` with the rejection, or with nothing where the outcome is none of a mutation.
pub(crate) fn response(outcome: &Outcome) -> Result<Response, Option<&Rejection>> {
    let header = None;
    Ok(match outcome {
        Outcome::SkuCreated(sku) => {
            Response::CreateSku(v1::CreateSkuResponse { header, sku: Some(convert::sku(sku)) })
        }
        Outcome::SkuUpdated(sku) => {
            Response::UpdateSku(v1::UpdateSkuResponse { header, sku: Some(convert::sku(sku)) })
        }
        Outcome::SkuDeleted => Response::DeleteSku(v1::DeleteSkuResponse { header }),
        Outcome::LocationCreated(location) => {
            let location = Some(convert::location(location));
            Response::CreateLocation(v1::CreateLocationResponse { header, location })
        }
        Outcome::LocationUpdated(location) => {
            let location = Some(convert::location(location));
            Response::UpdateLocation(v1::UpdateLocationResponse { header, location })
        }
        Outcome::LocationDeleted => Response::DeleteLocation(v1::DeleteLocationResponse { header }),
        Outcome::StockReceived(key, stock) => {
            let stock = Some(convert::stock(key, stock));
            Response::ReceiveStock(v1::ReceiveStockResponse { header, stock })
        }
        Outcome::StockAdjusted(key, stock) => {
            let stock = Some(convert::stock(key, stock));
            Response::AdjustStock(v1::AdjustStockResponse { header, stock })
        }
        Outcome::StockSet(key, stock) => {
            let stock = Some(convert::stock(key, stock));
            Response::SetStock(v1::SetStockResponse { header, stock })
        }
        Outcome::StockMoved(key, stock) => {
            let stock = Some(convert::stock(key, stock));
            Response::MoveStock(v1::MoveStockResponse { header, stock })
        }
        Outcome::OrderPlaced { .. }
        | Outcome::OrderConfirmed { .. }
        | Outcome::OrderExtended { .. }
        | Outcome::OrderShipped { .. }
        | Outcome::OrderCancelled { .. }
        | Outcome::OrderClosed { .. }
        | Outcome::OrderReturned { .. } => return of_order(outcome).ok_or(None),
        Outcome::ReservationCreated { .. }
        | Outcome::ReservationExtended { .. }
        | Outcome::ReservationCommitted { .. }
        | Outcome::ReservationReleased { .. }
        | Outcome::ReservationMoved { .. } => return of_reservation(outcome).ok_or(None),
        Outcome::Transacted(outcomes) => {
            let results = outcomes.iter().map(operation_result).collect::<Result<_, _>>()?;
            Response::Transact(v1::TransactResponse { header, results })
        }
        Outcome::Rejected(rejection) => return Err(Some(rejection)),
        Outcome::DueExpired { .. } | Outcome::RequestAbandoned => return Err(None),
    })
}

/// "One for each operation, in order: only their `response` is set, without a header."
fn operation_result(outcome: &Outcome) -> Result<v1::MutationResult, Option<&Rejection>> {
    let response = Some(response(outcome)?);
    Ok(v1::MutationResult { response, ..v1::MutationResult::default() })
}

/// The response, without header, of what happens to orders; `None` for other outcomes.
fn of_order(outcome: &Outcome) -> Option<Response> {
    let header = None;
    Some(match outcome {
        Outcome::OrderPlaced { order, expires, sources } => Response::PlaceOrder(v1::PlaceOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(OrderState::PendingPayment).into(),
            expire_time: Some(convert::timestamp(*expires)),
            sources: sources.iter().map(convert::source).collect(),
        }),
        Outcome::OrderConfirmed { order } => Response::ConfirmOrder(v1::ConfirmOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(OrderState::Confirmed).into(),
        }),
        Outcome::OrderExtended { order, expires } => Response::ExtendOrder(v1::ExtendOrderResponse {
            header,
            order_id: order.to_string(),
            expire_time: Some(convert::timestamp(*expires)),
        }),
        Outcome::OrderShipped { order, state, shipped, parcel } => {
            Response::ShipOrder(v1::ShipOrderResponse {
                header,
                order_id: order.to_string(),
                state: convert::order_state(*state).into(),
                shipped: *shipped,
                parcel: i32::try_from(*parcel).expect("at most 10,000 parcels, of a line each"),
            })
        }
        Outcome::OrderCancelled { order, state, cancelled } => {
            Response::CancelOrder(v1::CancelOrderResponse {
                header,
                order_id: order.to_string(),
                state: convert::order_state(*state).into(),
                cancelled: *cancelled,
            })
        }
        Outcome::OrderClosed { order } => Response::CloseOrder(v1::CloseOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(OrderState::Closed).into(),
        }),
        Outcome::OrderReturned { order, state, returned } => Response::ReturnOrder(v1::ReturnOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(*state).into(),
            returned: *returned,
        }),
        Outcome::SkuCreated(_)
        | Outcome::SkuUpdated(_)
        | Outcome::SkuDeleted
        | Outcome::LocationCreated(_)
        | Outcome::LocationUpdated(_)
        | Outcome::LocationDeleted
        | Outcome::StockReceived(..)
        | Outcome::StockAdjusted(..)
        | Outcome::StockSet(..)
        | Outcome::StockMoved(..)
        | Outcome::ReservationCreated { .. }
        | Outcome::ReservationExtended { .. }
        | Outcome::ReservationCommitted { .. }
        | Outcome::ReservationReleased { .. }
        | Outcome::ReservationMoved { .. }
        | Outcome::Transacted(_)
        | Outcome::DueExpired { .. }
        | Outcome::RequestAbandoned
        | Outcome::Rejected(_) => return None,
    })
}

/// The response, without header, of what happens to reservations; `None` for other outcomes.
fn of_reservation(outcome: &Outcome) -> Option<Response> {
    let header = None;
    Some(match outcome {
        Outcome::ReservationCreated { reservation, expires, sources } => {
            Response::CreateReservation(v1::CreateReservationResponse {
                header,
                reservation_id: reservation.to_string(),
                // Every line holds a unit at least, and no order has any yet.
                state: v1::ReservationState::Active.into(),
                expire_time: Some(convert::timestamp(*expires)),
                sources: sources.iter().map(convert::source).collect(),
            })
        }
        Outcome::ReservationExtended { reservation, expires } => {
            let (reservation_id, expire_time) = (reservation.to_string(), Some(convert::timestamp(*expires)));
            Response::ExtendReservation(v1::ExtendReservationResponse { header, reservation_id, expire_time })
        }
        Outcome::ReservationCommitted { reservation, state, order, order_state, expires, committed } => {
            Response::CommitReservation(v1::CommitReservationResponse {
                header,
                reservation_id: reservation.to_string(),
                state: convert::reservation_state(*state).into(),
                order_id: order.to_string(),
                order_state: convert::order_state(*order_state).into(),
                expire_time: Some(convert::timestamp(*expires)),
                committed: *committed,
            })
        }
        Outcome::ReservationReleased { reservation, state, released } => {
            Response::ReleaseReservation(v1::ReleaseReservationResponse {
                header,
                reservation_id: reservation.to_string(),
                state: convert::reservation_state(*state).into(),
                released: *released,
            })
        }
        Outcome::ReservationMoved { reservation, moved } => {
            let (reservation_id, moved) = (reservation.to_string(), *moved);
            Response::MoveReservation(v1::MoveReservationResponse { header, reservation_id, moved })
        }
        Outcome::SkuCreated(_)
        | Outcome::SkuUpdated(_)
        | Outcome::SkuDeleted
        | Outcome::LocationCreated(_)
        | Outcome::LocationUpdated(_)
        | Outcome::LocationDeleted
        | Outcome::StockReceived(..)
        | Outcome::StockAdjusted(..)
        | Outcome::StockSet(..)
        | Outcome::StockMoved(..)
        | Outcome::OrderPlaced { .. }
        | Outcome::OrderConfirmed { .. }
        | Outcome::OrderExtended { .. }
        | Outcome::OrderShipped { .. }
        | Outcome::OrderCancelled { .. }
        | Outcome::OrderClosed { .. }
        | Outcome::OrderReturned { .. }
        | Outcome::Transacted(_)
        | Outcome::DueExpired { .. }
        | Outcome::RequestAbandoned
        | Outcome::Rejected(_) => return None,
    })
}

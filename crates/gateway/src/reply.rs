//! From a reply of the log to a response: success in the shape of its call, refusal as a failure.

use stockade_proto::v1;
use stockade_proto::v1::mutation_result::Response;
use stockade_state_machine::ids::{OrderId, ReservationId};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Source;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::{LogTime, Outcome, Reply};

use crate::convert;
use crate::failure::{Decided, Failure};
use crate::status::{self, Answering};

/// The response to a mutation, or why it was refused.
pub(crate) fn response(reply: Reply, answering: &Answering) -> Result<Response, Failure> {
    let decided = Decided::of(&reply);
    let refused = |rejection| Failure::Rejected(rejection, decided);
    respond(reply.outcome, Some(answering.write(decided)), &refused)
}

/// The response that a mutation would have if it were more than a trial, or why it would be refused.
pub(crate) fn trial(outcome: Outcome, time: LogTime, answering: &Answering) -> Result<Response, Failure> {
    respond(outcome, Some(answering.trial(time)), &|rejection| Failure::WouldReject(rejection, time))
}

#[allow(clippy::too_many_lines, reason = "a list, an arm for each outcome")]
fn respond(
    outcome: Outcome,
    header: Option<v1::ResponseHeader>,
    refused: &dyn Fn(Rejection) -> Failure,
) -> Result<Response, Failure> {
    let response = match outcome {
        Outcome::SkuCreated(sku) => {
            Response::CreateSku(v1::CreateSkuResponse { header, sku: Some(convert::sku(&sku)) })
        }
        Outcome::SkuUpdated(sku) => {
            Response::UpdateSku(v1::UpdateSkuResponse { header, sku: Some(convert::sku(&sku)) })
        }
        Outcome::SkuDeleted => Response::DeleteSku(v1::DeleteSkuResponse { header }),
        Outcome::StockReceived(key, stock) => {
            let stock = Some(convert::stock(&key, &stock));
            Response::ReceiveStock(v1::ReceiveStockResponse { header, stock })
        }
        Outcome::StockAdjusted(key, stock) => {
            let stock = Some(convert::stock(&key, &stock));
            Response::AdjustStock(v1::AdjustStockResponse { header, stock })
        }
        Outcome::LocationCreated(location) => {
            let location = Some(convert::location(&location));
            Response::CreateLocation(v1::CreateLocationResponse { header, location })
        }
        Outcome::LocationUpdated(location) => {
            let location = Some(convert::location(&location));
            Response::UpdateLocation(v1::UpdateLocationResponse { header, location })
        }
        Outcome::LocationDeleted => Response::DeleteLocation(v1::DeleteLocationResponse { header }),
        Outcome::StockSet(key, stock) => {
            let stock = Some(convert::stock(&key, &stock));
            Response::SetStock(v1::SetStockResponse { header, stock })
        }
        Outcome::StockMoved(key, stock) => {
            let stock = Some(convert::stock(&key, &stock));
            Response::MoveStock(v1::MoveStockResponse { header, stock })
        }
        Outcome::OrderPlaced { order, expires, sources } => {
            Response::PlaceOrder(placed(header, &order, expires, &sources))
        }
        Outcome::OrderConfirmed { order } => Response::ConfirmOrder(v1::ConfirmOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(OrderState::Confirmed).into(),
        }),
        Outcome::OrderExtended { order, expires } => Response::ExtendOrder(v1::ExtendOrderResponse {
            header,
            order_id: order.to_string(),
            expire_time: Some(convert::timestamp(expires)),
        }),
        Outcome::OrderClosed { order } => Response::CloseOrder(v1::CloseOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(OrderState::Closed).into(),
        }),
        Outcome::OrderShipped { order, state, shipped, parcel } => {
            Response::ShipOrder(v1::ShipOrderResponse {
                header,
                order_id: order.to_string(),
                state: convert::order_state(state).into(),
                shipped,
                parcel: convert::line_number(parcel),
            })
        }
        Outcome::OrderCancelled { order, state, cancelled } => {
            Response::CancelOrder(v1::CancelOrderResponse {
                header,
                order_id: order.to_string(),
                state: convert::order_state(state).into(),
                cancelled,
            })
        }
        Outcome::OrderReturned { order, state, returned } => Response::ReturnOrder(v1::ReturnOrderResponse {
            header,
            order_id: order.to_string(),
            state: convert::order_state(state).into(),
            returned,
        }),
        Outcome::ReservationCreated { reservation, expires, sources } => {
            Response::CreateReservation(created(header, &reservation, expires, &sources))
        }
        Outcome::ReservationExtended { reservation, expires } => {
            let (reservation_id, expire_time) = (reservation.to_string(), Some(convert::timestamp(expires)));
            Response::ExtendReservation(v1::ExtendReservationResponse { header, reservation_id, expire_time })
        }
        Outcome::ReservationCommitted { reservation, state, order, order_state, expires, committed } => {
            Response::CommitReservation(v1::CommitReservationResponse {
                header,
                reservation_id: reservation.to_string(),
                state: convert::reservation_state(state).into(),
                order_id: order.to_string(),
                order_state: convert::order_state(order_state).into(),
                expire_time: Some(convert::timestamp(expires)),
                committed,
            })
        }
        Outcome::ReservationReleased { reservation, state, released } => {
            let (reservation_id, state) = (reservation.to_string(), convert::reservation_state(state).into());
            Response::ReleaseReservation(v1::ReleaseReservationResponse {
                header,
                reservation_id,
                state,
                released,
            })
        }
        Outcome::ReservationMoved { reservation, moved } => {
            let reservation_id = reservation.to_string();
            Response::MoveReservation(v1::MoveReservationResponse { header, reservation_id, moved })
        }
        Outcome::Transacted(outcomes) => {
            let result = |outcome| -> Result<v1::MutationResult, Failure> {
                let response = Some(respond(outcome, None, refused)?);
                Ok(v1::MutationResult { response, ..v1::MutationResult::default() })
            };
            let results = outcomes.into_iter().map(result).collect::<Result<_, _>>()?;
            Response::Transact(v1::TransactResponse { header, results })
        }
        Outcome::Rejected(rejection) => return Err(refused(rejection)),
        Outcome::DueExpired { .. } | Outcome::RequestAbandoned => return Err(mismatch()),
    };
    Ok(response)
}

fn placed(
    header: Option<v1::ResponseHeader>,
    order: &OrderId,
    expires: LogTime,
    sources: &[Source],
) -> v1::PlaceOrderResponse {
    v1::PlaceOrderResponse {
        header,
        order_id: order.to_string(),
        state: convert::order_state(OrderState::PendingPayment).into(),
        expire_time: Some(convert::timestamp(expires)),
        sources: convert::sources(sources),
    }
}

fn created(
    header: Option<v1::ResponseHeader>,
    reservation: &ReservationId,
    expires: LogTime,
    sources: &[Source],
) -> v1::CreateReservationResponse {
    v1::CreateReservationResponse {
        header,
        reservation_id: reservation.to_string(),
        state: convert::reservation_state(ReservationState::Active).into(),
        expire_time: Some(convert::timestamp(expires)),
        sources: convert::sources(sources),
    }
}

/// The result of one mutation among others.
pub(crate) fn result(
    request_id: String,
    outcome: Result<Reply, Failure>,
    answering: &Answering,
) -> v1::MutationResult {
    let decided = outcome.as_ref().ok().map(Decided::of);
    match outcome.and_then(|reply| response(reply, answering)) {
        Ok(response) => v1::MutationResult {
            request_id,
            header: decided.map(|decided| answering.write(decided)),
            fate: v1::Fate::Applied.into(),
            status: None,
            response: Some(response),
        },
        Err(failure) => {
            let (status, fate) = status::of_mutation(&failure, answering);
            v1::MutationResult {
                request_id,
                header: Some(answering.failed(&failure)),
                fate: fate.into(),
                status: Some(status),
                response: None,
            }
        }
    }
}

/// A kept outcome as the reply that a repeated call would get.
pub(crate) fn replayed(record: RequestRecord) -> Reply {
    Reply {
        outcome: record.outcome,
        revision: record.revision,
        position: record.position,
        time: record.time,
        replayed: true,
    }
}

/// An outcome that no call of this kind can have: the content hash ties an outcome to its kind of command, so this
/// takes a defect here or at the leader.
pub(crate) fn mismatch() -> Failure {
    tracing::error!("an outcome doesn't belong to its kind of command");
    Failure::Internal("the outcome is not of this kind of call")
}

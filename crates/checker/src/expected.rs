//! What a decision of the log must be answered with.

use stockade_history::{Answer, Asked, Outcome as Ending};
use stockade_proto::v1;
use stockade_state_machine::{Outcome, Rejection, Reply};
use tonic_types::{RpcStatusExt as _, pb};

use crate::refusal::{reason_and_metadata, refusal};
use crate::response::{response, take_header};

/// How a call must end whose command the log decided so; `None` where no call has such an end.
pub fn ending(asked: &Asked, reply: &Reply) -> Option<Ending<Answer>> {
    match asked {
        Asked::AbandonRequest(request) => abandoned(&request.request_id, reply),
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
        | Asked::Transact(_) => of_mutation(&reply.outcome),
        Asked::GetOutcome(_)
        | Asked::GetSku(_)
        | Asked::BatchGetSkus(_)
        | Asked::ListSkus(_)
        | Asked::GetLocation(_)
        | Asked::ListLocations(_)
        | Asked::GetStock(_)
        | Asked::BatchGetStock(_)
        | Asked::GetAvailability(_)
        | Asked::ListStock(_)
        | Asked::GetOrder(_)
        | Asked::BatchGetOrders(_)
        | Asked::ListOrders(_)
        | Asked::GetReservation(_)
        | Asked::ListReservations(_)
        | Asked::ListLedgerEntries(_)
        | Asked::GetStockAsOf(_) => None,
    }
}

/// How a call of a mutation must end of which this becomes; `None` where the outcome is none of a mutation.
pub(crate) fn of_mutation(outcome: &Outcome) -> Option<Ending<Answer>> {
    match response(outcome) {
        Ok(response) => Some(Ending::Ok(Answer::from(response))),
        Err(rejection) => rejection.map(refusal),
    }
}

/// "DECIDED, EXPIRED or ABANDONED."
fn abandoned(request_id: &str, reply: &Reply) -> Option<Ending<Answer>> {
    let state = match &reply.outcome {
        Outcome::RequestAbandoned => v1::OutcomeState::Abandoned,
        Outcome::Rejected(Rejection::RequestIdExpired { .. }) => v1::OutcomeState::Expired,
        Outcome::Rejected(rejection @ Rejection::RequestIdInFuture { .. }) => {
            return Some(refusal(rejection));
        }
        Outcome::DueExpired { .. } => return None,
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
        | Outcome::ReservationCreated { .. }
        | Outcome::ReservationExtended { .. }
        | Outcome::ReservationCommitted { .. }
        | Outcome::ReservationReleased { .. }
        | Outcome::ReservationMoved { .. }
        | Outcome::Transacted(_)
        | Outcome::Rejected(_) => v1::OutcomeState::Decided,
    };
    let decided = state == v1::OutcomeState::Decided;
    let answer = v1::AbandonRequestResponse {
        header: None,
        state: state.into(),
        result: decided.then(|| result(request_id, &reply.outcome)),
    };
    Some(Ending::Ok(Answer::AbandonRequest(answer)))
}

/// What became of a mutation, told within another answer. Of a refusal the reason alone stands in `status.message`.
pub(crate) fn result(request_id: &str, outcome: &Outcome) -> v1::MutationResult {
    let mut result =
        v1::MutationResult { request_id: request_id.to_owned(), ..v1::MutationResult::default() };
    match response(outcome) {
        Ok(response) => {
            result.fate = v1::Fate::Applied.into();
            result.response = Some(response);
        }
        Err(rejection) => {
            result.fate = v1::Fate::NotApplied.into();
            let message = rejection.map(|rejection| reason_and_metadata(rejection).0.to_owned());
            result.status = message.map(|message| pb::Status { message, ..pb::Status::default() });
        }
    }
    result
}

/// A result as it was told, in the form of [`result`]: without what only says who answered.
pub(crate) fn comparable(mut result: v1::MutationResult) -> v1::MutationResult {
    result.header = None;
    result.status = result.status.map(|status| {
        let details = status.get_error_details();
        let message = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        pb::Status { message, ..pb::Status::default() }
    });
    if let Some(response) = &mut result.response {
        take_header(response);
    }
    result
}

/// True where a call ended as it had to. Of a refusal the reason and the metadata that both know are compared: the
/// message is for people, and a recorder may leave metadata out.
pub(crate) fn agrees(seen: &Ending<Answer>, expected: &Ending<Answer>) -> bool {
    match (seen, expected) {
        (Ending::Ok(Answer::AbandonRequest(seen)), Ending::Ok(Answer::AbandonRequest(expected))) => {
            seen.state == expected.state && seen.result.clone().map(comparable) == expected.result
        }
        (Ending::Ok(seen), Ending::Ok(expected)) => seen == expected,
        (
            Ending::Refused { reason: seen, metadata: told, .. },
            Ending::Refused { reason: expected, metadata, .. },
        ) => {
            let same = |(key, value): (&String, &String)| told.get(key).is_none_or(|told| told == value);
            seen == expected && metadata.iter().all(same)
        }
        (
            Ending::Ok(_) | Ending::Refused { .. } | Ending::Unknown { .. } | Ending::Failed { .. },
            Ending::Ok(_) | Ending::Refused { .. } | Ending::Unknown { .. } | Ending::Failed { .. },
        ) => false,
    }
}

//! From a request to a command. Every field that is wrong is named, all of them at once.
//!
//! Defaults are filled in here, before the command is frozen: so a request that spells a default out is the same
//! request as one that leaves it, and their content hashes agree.

mod catalog;
mod field;
mod lines;
mod orders;
mod reservations;
mod stock;

use std::time::Duration;

use stockade_proto::v1;
use stockade_proto::v1::mutation::Request;
use stockade_state_machine::Command;
use stockade_state_machine::ids::RequestId;

pub(crate) use field::Violations;

use crate::limits;

/// A mutation that can be proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Valid {
    /// The caller's id of the request.
    pub(crate) request: RequestId,
    /// What it asks for.
    pub(crate) command: Command,
}

/// Checks a mutation of any kind. Field names are relative to the request inside it.
pub(crate) fn request(request: &Request) -> Result<Valid, Violations> {
    let mut violations = Violations::default();
    let id = violations.request_id("request_id", request_id_of(request));
    let command = match request {
        Request::CreateSku(request) => catalog::create_sku(request, &mut violations),
        Request::UpdateSku(request) => catalog::update_sku(request, &mut violations),
        Request::DeleteSku(request) => catalog::delete_sku(request, &mut violations),
        Request::CreateLocation(request) => catalog::create_location(request, &mut violations),
        Request::UpdateLocation(request) => catalog::update_location(request, &mut violations),
        Request::DeleteLocation(request) => catalog::delete_location(request, &mut violations),
        Request::ReceiveStock(request) => stock::receive(request, &mut violations),
        Request::AdjustStock(request) => stock::adjust(request, &mut violations),
        Request::SetStock(request) => stock::set(request, &mut violations),
        Request::MoveStock(request) => stock::move_between(request, &mut violations),
        Request::PlaceOrder(request) => orders::place(request, &mut violations),
        Request::ConfirmOrder(request) => orders::confirm(request, &mut violations),
        Request::ShipOrder(request) => orders::ship(request, &mut violations),
        Request::CancelOrder(request) => orders::cancel(request, &mut violations),
        Request::ReturnOrder(request) => orders::book_return(request, &mut violations),
        Request::CreateReservation(request) => reservations::create(request, &mut violations),
        Request::ExtendReservation(request) => reservations::extend(request, &mut violations),
        Request::CommitReservation(request) => reservations::commit(request, &mut violations),
        Request::ReleaseReservation(request) => reservations::release(request, &mut violations),
        Request::MoveReservation(request) => reservations::relocate(request, &mut violations),
    };
    match (id, command) {
        (Some(request), Some(command)) if violations.is_empty() => Ok(Valid { request, command }),
        _ => Err(violations),
    }
}

/// The request id as the caller wrote it.
pub(crate) fn request_id_of(request: &Request) -> &str {
    match request {
        Request::CreateSku(request) => &request.request_id,
        Request::UpdateSku(request) => &request.request_id,
        Request::DeleteSku(request) => &request.request_id,
        Request::CreateLocation(request) => &request.request_id,
        Request::UpdateLocation(request) => &request.request_id,
        Request::DeleteLocation(request) => &request.request_id,
        Request::ReceiveStock(request) => &request.request_id,
        Request::AdjustStock(request) => &request.request_id,
        Request::SetStock(request) => &request.request_id,
        Request::MoveStock(request) => &request.request_id,
        Request::PlaceOrder(request) => &request.request_id,
        Request::ConfirmOrder(request) => &request.request_id,
        Request::ShipOrder(request) => &request.request_id,
        Request::CancelOrder(request) => &request.request_id,
        Request::ReturnOrder(request) => &request.request_id,
        Request::CreateReservation(request) => &request.request_id,
        Request::ExtendReservation(request) => &request.request_id,
        Request::CommitReservation(request) => &request.request_id,
        Request::ReleaseReservation(request) => &request.request_id,
        Request::MoveReservation(request) => &request.request_id,
    }
}

/// Checks a mutation of a stream: what it asks for, and how long it may take.
pub(crate) fn mutation(mutation: &v1::Mutation) -> Result<(Valid, Duration), Violations> {
    let mut violations = Violations::default();
    let timeout = mutation_timeout(mutation, &mut violations);
    let valid = match &mutation.request {
        None => {
            violations.add("request", "must be set");
            None
        }
        Some(inner) => match request(inner) {
            Ok(valid) => Some(valid),
            Err(more) => {
                violations.append(more);
                None
            }
        },
    };
    match valid {
        Some(valid) if violations.is_empty() => Ok((valid, timeout)),
        _ => Err(violations),
    }
}

fn mutation_timeout(mutation: &v1::Mutation, violations: &mut Violations) -> Duration {
    let Some(asked) = &mutation.timeout else { return limits::DEFAULT_DEADLINE };
    let timeout = Duration::try_from(*asked).ok();
    let bounds = limits::MIN_MUTATION_TIMEOUT..=limits::MAX_DEADLINE;
    timeout.filter(|timeout| bounds.contains(timeout)).unwrap_or_else(|| {
        violations.add("timeout", "must be from 10 milliseconds to 60 seconds");
        limits::DEFAULT_DEADLINE
    })
}

#[cfg(test)]
mod tests;

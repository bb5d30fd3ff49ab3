//! From a request to a command. Every field that is wrong is named, all of them at once.
//!
//! Defaults are filled in here, before the command is frozen: so a request that spells a default out is the same
//! request as one that leaves it, and their content hashes agree.

mod catalog;
mod field;
mod lines;
mod orders;
mod reads;
mod reservations;
mod stock;
mod transactions;

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
    let command = command(request, &mut violations);
    match (id, command) {
        (Some(request), Some(command)) if violations.is_empty() => Ok(Valid { request, command }),
        _ => Err(violations),
    }
}

/// What a mutation asks for.
fn command(request: &Request, violations: &mut Violations) -> Option<Command> {
    match request {
        Request::CreateSku(request) => catalog::create_sku(request, violations),
        Request::UpdateSku(request) => catalog::update_sku(request, violations),
        Request::DeleteSku(request) => catalog::delete_sku(request, violations),
        Request::CreateLocation(request) => catalog::create_location(request, violations),
        Request::UpdateLocation(request) => catalog::update_location(request, violations),
        Request::DeleteLocation(request) => catalog::delete_location(request, violations),
        Request::ReceiveStock(request) => stock::receive(request, violations),
        Request::AdjustStock(request) => stock::adjust(request, violations),
        Request::SetStock(request) => stock::set(request, violations),
        Request::MoveStock(request) => stock::move_between(request, violations),
        Request::PlaceOrder(request) => orders::place(request, violations),
        Request::ConfirmOrder(request) => orders::confirm(request, violations),
        Request::ExtendOrder(request) => orders::extend(request, violations),
        Request::ShipOrder(request) => orders::ship(request, violations),
        Request::CancelOrder(request) => orders::cancel(request, violations),
        Request::CloseOrder(request) => orders::close(request, violations),
        Request::ReturnOrder(request) => orders::book_return(request, violations),
        Request::CreateReservation(request) => reservations::create(request, violations),
        Request::ExtendReservation(request) => reservations::extend(request, violations),
        Request::CommitReservation(request) => reservations::commit(request, violations),
        Request::ReleaseReservation(request) => reservations::release(request, violations),
        Request::MoveReservation(request) => reservations::relocate(request, violations),
        Request::Transact(request) => transactions::transact(request, violations),
    }
}

/// A field that requests of every kind have.
macro_rules! of_any {
    ($request:expr, $inner:ident => $value:expr) => {
        match $request {
            Request::CreateSku($inner) => $value,
            Request::UpdateSku($inner) => $value,
            Request::DeleteSku($inner) => $value,
            Request::CreateLocation($inner) => $value,
            Request::UpdateLocation($inner) => $value,
            Request::DeleteLocation($inner) => $value,
            Request::ReceiveStock($inner) => $value,
            Request::AdjustStock($inner) => $value,
            Request::SetStock($inner) => $value,
            Request::MoveStock($inner) => $value,
            Request::PlaceOrder($inner) => $value,
            Request::ConfirmOrder($inner) => $value,
            Request::ExtendOrder($inner) => $value,
            Request::ShipOrder($inner) => $value,
            Request::CancelOrder($inner) => $value,
            Request::CloseOrder($inner) => $value,
            Request::ReturnOrder($inner) => $value,
            Request::CreateReservation($inner) => $value,
            Request::ExtendReservation($inner) => $value,
            Request::CommitReservation($inner) => $value,
            Request::ReleaseReservation($inner) => $value,
            Request::MoveReservation($inner) => $value,
            Request::Transact($inner) => $value,
        }
    };
}

/// The request id as the caller wrote it.
pub(crate) fn request_id_of(request: &Request) -> &str {
    of_any!(request, inner => &inner.request_id)
}

/// True where nothing is to take effect.
pub(crate) fn is_trial(request: &Request) -> bool {
    of_any!(request, inner => inner.validate_only)
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
            Ok(valid) => {
                if is_trial(inner) {
                    violations.add("validate_only", "must not be set on a stream");
                }
                Some(valid)
            }
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

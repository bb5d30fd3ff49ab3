//! Orders and reservations that a command names.

use stockade_state_machine::command::{Command, Precondition, Row, Transact};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{OrderId, ReservationId};

/// "in the order in which the command names them (preconditions before operations; a commit names its reservation, then
/// its order)"; perhaps several times.
pub(crate) fn named(command: &Command) -> Vec<Holder> {
    match command {
        Command::PlaceOrder(command) => order(&command.order),
        Command::ConfirmOrder(command) => order(&command.order),
        Command::ExtendOrder(command) => order(&command.order),
        Command::ShipOrder(command) => order(&command.order),
        Command::CancelOrder(command) => order(&command.order),
        Command::CloseOrder(command) => order(&command.order),
        Command::ReturnOrder(command) => order(&command.order),
        Command::CreateReservation(command) => reservation(&command.reservation),
        Command::ExtendReservation(command) => reservation(&command.reservation),
        Command::ReleaseReservation(command) => reservation(&command.reservation),
        Command::MoveReservation(command) => reservation(&command.reservation),
        Command::CommitReservation(command) => {
            [reservation(&command.reservation), order(&command.order)].concat()
        }
        Command::Transact(Transact { preconditions, operations }) => {
            let conditions = preconditions.iter().flat_map(named_in_condition);
            conditions.chain(operations.iter().flat_map(named)).collect()
        }
        Command::CreateSku(_)
        | Command::UpdateSku(_)
        | Command::DeleteSku(_)
        | Command::CreateLocation(_)
        | Command::UpdateLocation(_)
        | Command::DeleteLocation(_)
        | Command::ReceiveStock(_)
        | Command::AdjustStock(_)
        | Command::SetStock(_)
        | Command::MoveStock(_)
        | Command::ExpireDue(_)
        | Command::AbandonRequest => Vec::new(),
    }
}

fn named_in_condition(condition: &Precondition) -> Vec<Holder> {
    match condition {
        Precondition::Version(row, _)
        | Precondition::UnchangedSince(row, _)
        | Precondition::Exists(row)
        | Precondition::Missing(row) => match row {
            Row::Order(id) => order(id),
            Row::Reservation(id) => reservation(id),
            Row::Sku(_) | Row::Location(_) | Row::Stock(_) => Vec::new(),
        },
        Precondition::OrderState(id, _) => order(id),
        Precondition::ReservationState(id, _) => reservation(id),
        Precondition::Quantity { .. } => Vec::new(),
    }
}

fn order(id: &OrderId) -> Vec<Holder> {
    vec![Holder::Order(id.clone())]
}

fn reservation(id: &ReservationId) -> Vec<Holder> {
    vec![Holder::Reservation(id.clone())]
}

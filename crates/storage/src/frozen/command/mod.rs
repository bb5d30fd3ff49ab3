//! Commands, frozen. Bounds of quantities, texts and lists are not checked here: a command that breaks
//! them is refused by execution, on every node alike.

mod catalog;
mod order;
mod reservation;
mod stock;
mod transact;

use serde::{Deserialize, Serialize};
use stockade_state_machine::Command;
use stockade_state_machine::command::ExpireDue;

use self::catalog::{
    CreateLocationV1, CreateSkuV1, DeleteLocationV1, DeleteSkuV1, UpdateLocationV1, UpdateSkuV1,
};
use self::order::{
    CancelOrderV1, CloseOrderV1, ConfirmOrderV1, ExtendOrderV1, PlaceOrderV1, ReturnOrderV1, ShipOrderV1,
};
use self::reservation::{
    CommitReservationV1, CreateReservationV1, ExtendReservationV1, MoveReservationV1, ReleaseReservationV1,
};
use self::stock::{AdjustStockV1, MoveStockV1, ReceiveStockV1, SetStockV1};
use self::transact::TransactV1;
use super::Invalid;

/// The first form of [`Command`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CommandV1<'a> {
    #[serde(borrow)]
    Plain(PlainCommandV1<'a>),
    #[serde(borrow)]
    Transact(TransactV1<'a>),
}

impl<'a> From<&'a Command> for CommandV1<'a> {
    fn from(command: &'a Command) -> Self {
        match command {
            Command::Transact(command) => Self::Transact(command.into()),
            command => Self::Plain(command.into()),
        }
    }
}

impl TryFrom<CommandV1<'_>> for Command {
    type Error = Invalid;

    fn try_from(mirror: CommandV1<'_>) -> Result<Self, Invalid> {
        match mirror {
            CommandV1::Plain(command) => command.try_into(),
            CommandV1::Transact(command) => Ok(Self::Transact(command.try_into()?)),
        }
    }
}

macro_rules! plain_commands {
    ($($name:ident($mirror:ident)),* $(,)?) => {
        /// The first form of a [`Command`] that holds no other.
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) enum PlainCommandV1<'a> {
            ExpireDue { limit: u32 },
            AbandonRequest,
            $(#[serde(borrow)] $name($mirror<'a>),)*
        }

        impl<'a> From<&'a Command> for PlainCommandV1<'a> {
            fn from(command: &'a Command) -> Self {
                match command {
                    $(Command::$name(command) => Self::$name(command.into()),)*
                    Command::ExpireDue(ExpireDue { limit }) => Self::ExpireDue { limit: *limit },
                    // A transaction in a transaction has no form. Whoever takes in commands refuses it; were it to come here all the
                    // same, another stands for it that execution refuses for the same reason.
                    Command::Transact(_) | Command::AbandonRequest => Self::AbandonRequest,
                }
            }
        }

        impl TryFrom<PlainCommandV1<'_>> for Command {
            type Error = Invalid;

            fn try_from(mirror: PlainCommandV1<'_>) -> Result<Self, Invalid> {
                Ok(match mirror {
                    $(PlainCommandV1::$name(command) => Self::$name(command.try_into()?),)*
                    PlainCommandV1::ExpireDue { limit } => Self::ExpireDue(ExpireDue { limit }),
                    PlainCommandV1::AbandonRequest => Self::AbandonRequest,
                })
            }
        }
    };
}

// A command's place in this list, after the two of the system, is its number on disk.
plain_commands!(
    CreateSku(CreateSkuV1),
    UpdateSku(UpdateSkuV1),
    DeleteSku(DeleteSkuV1),
    CreateLocation(CreateLocationV1),
    UpdateLocation(UpdateLocationV1),
    DeleteLocation(DeleteLocationV1),
    ReceiveStock(ReceiveStockV1),
    AdjustStock(AdjustStockV1),
    SetStock(SetStockV1),
    MoveStock(MoveStockV1),
    PlaceOrder(PlaceOrderV1),
    ConfirmOrder(ConfirmOrderV1),
    ExtendOrder(ExtendOrderV1),
    ShipOrder(ShipOrderV1),
    CancelOrder(CancelOrderV1),
    CloseOrder(CloseOrderV1),
    ReturnOrder(ReturnOrderV1),
    CreateReservation(CreateReservationV1),
    ExtendReservation(ExtendReservationV1),
    CommitReservation(CommitReservationV1),
    ReleaseReservation(ReleaseReservationV1),
    MoveReservation(MoveReservationV1),
);

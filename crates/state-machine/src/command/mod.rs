//! Commands: what a caller or the system wants done. The gateway reports every field that is out of bounds at once;
//! execution checks the bounds again ([`Command::check`]), because it must not panic whatever stands in the log.

mod catalog;
mod order;
mod reservation;
mod stock;

use crate::ids::{DocumentId, OrderId, Principal, RequestId, ReservationId};
use crate::time::LogTime;
use crate::version::Version;

pub use self::catalog::{
    CreateLocation, CreateSku, DeleteLocation, DeleteSku, LocationChange, SkuChange, UpdateLocation,
    UpdateSku,
};
pub use self::order::{
    CancelOrder, ConfirmOrder, Disposition, LineQuantity, PlaceLine, PlaceOrder, ReturnLine, ReturnOrder,
    ShipOrder,
};
pub use self::reservation::{
    CommitReservation, CreateReservation, ExtendReservation, MoveReservation, Payment, ReleaseReservation,
};
pub use self::stock::{AdjustStock, MoveStock, ReceiveStock, SetStock};
pub use crate::check::MALFORMED_RULES;

/// One entry of the log: commands that share an index and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, by the clock of the leader that proposed it.
    pub time: LogTime,
    /// What, in order.
    pub requests: Vec<Request>,
}

/// A command and on whose behalf it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `None` for what the system proposes itself.
    pub origin: Option<Origin>,
    /// Hash of the command's content, made once where it entered: two requests with one id must agree on it.
    pub content: ContentHash,
    /// What is to be done.
    pub command: Command,
}

/// Who asked, and under which id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The caller's id of the request. Stands first: records leave in its order.
    pub request: RequestId,
    /// The caller.
    pub principal: Principal,
}

/// The first 128 bits of a SHA-256 over the frozen form of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentHash(pub u128);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A SKU is born.
    CreateSku(CreateSku),
    /// A SKU changes.
    UpdateSku(UpdateSku),
    /// A SKU goes.
    DeleteSku(DeleteSku),
    /// A location is born.
    CreateLocation(CreateLocation),
    /// A location changes.
    UpdateLocation(UpdateLocation),
    /// A location goes.
    DeleteLocation(DeleteLocation),
    /// Goods come in.
    ReceiveStock(ReceiveStock),
    /// A bucket is corrected by a difference.
    AdjustStock(AdjustStock),
    /// A bucket is set to a quantity.
    SetStock(SetStock),
    /// Units go from one bucket to another.
    MoveStock(MoveStock),
    /// An order is taken, its units held.
    PlaceOrder(PlaceOrder),
    /// An order is paid.
    ConfirmOrder(ConfirmOrder),
    /// Units leave.
    ShipOrder(ShipOrder),
    /// What is not shipped is given back.
    CancelOrder(CancelOrder),
    /// Shipped units come back.
    ReturnOrder(ReturnOrder),
    /// Units are held for a cart.
    CreateReservation(CreateReservation),
    /// A reservation holds its units for longer.
    ExtendReservation(ExtendReservation),
    /// Units of a reservation go to a new order.
    CommitReservation(CommitReservation),
    /// Units of a reservation are given back.
    ReleaseReservation(ReleaseReservation),
    /// Units of a reservation are held at another location.
    MoveReservation(MoveReservation),
    /// By the system: what is due expires.
    ExpireDue(ExpireDue),
    /// The fate of the request in the origin is settled: where it was not seen, it never will be.
    AbandonRequest,
}

impl Command {
    /// The version that a row must have for the command to change it, if it names one.
    pub fn expected(&self) -> Option<Version> {
        match self {
            Self::UpdateSku(command) => command.expected,
            Self::DeleteSku(command) => command.expected,
            Self::UpdateLocation(command) => command.expected,
            Self::DeleteLocation(command) => command.expected,
            Self::CreateSku(_)
            | Self::CreateLocation(_)
            | Self::ReceiveStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::PlaceOrder(_)
            | Self::ConfirmOrder(_)
            | Self::ShipOrder(_)
            | Self::CancelOrder(_)
            | Self::ReturnOrder(_)
            | Self::CreateReservation(_)
            | Self::ExtendReservation(_)
            | Self::CommitReservation(_)
            | Self::ReleaseReservation(_)
            | Self::MoveReservation(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }

    /// The order that the command is about.
    pub fn order(&self) -> Option<&OrderId> {
        match self {
            Self::PlaceOrder(command) => Some(&command.order),
            Self::ConfirmOrder(command) => Some(&command.order),
            Self::ShipOrder(command) => Some(&command.order),
            Self::CancelOrder(command) => Some(&command.order),
            Self::ReturnOrder(command) => Some(&command.order),
            Self::CommitReservation(command) => Some(&command.order),
            Self::CreateReservation(_)
            | Self::ExtendReservation(_)
            | Self::ReleaseReservation(_)
            | Self::MoveReservation(_)
            | Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::CreateLocation(_)
            | Self::UpdateLocation(_)
            | Self::DeleteLocation(_)
            | Self::ReceiveStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }

    /// The reservation that the command is about.
    pub fn reservation(&self) -> Option<&ReservationId> {
        match self {
            Self::CreateReservation(command) => Some(&command.reservation),
            Self::ExtendReservation(command) => Some(&command.reservation),
            Self::CommitReservation(command) => Some(&command.reservation),
            Self::ReleaseReservation(command) => Some(&command.reservation),
            Self::MoveReservation(command) => Some(&command.reservation),
            Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::CreateLocation(_)
            | Self::UpdateLocation(_)
            | Self::DeleteLocation(_)
            | Self::ReceiveStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::PlaceOrder(_)
            | Self::ConfirmOrder(_)
            | Self::ShipOrder(_)
            | Self::CancelOrder(_)
            | Self::ReturnOrder(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }

    /// The document that the command books.
    pub fn document(&self) -> Option<&DocumentId> {
        match self {
            Self::ReceiveStock(command) => command.document.as_ref(),
            Self::AdjustStock(command) => command.document.as_ref(),
            Self::SetStock(command) => command.document.as_ref(),
            Self::MoveStock(command) => command.document.as_ref(),
            Self::ReturnOrder(command) => command.document.as_ref(),
            Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::CreateLocation(_)
            | Self::UpdateLocation(_)
            | Self::DeleteLocation(_)
            | Self::PlaceOrder(_)
            | Self::ConfirmOrder(_)
            | Self::ShipOrder(_)
            | Self::CancelOrder(_)
            | Self::CreateReservation(_)
            | Self::ExtendReservation(_)
            | Self::CommitReservation(_)
            | Self::ReleaseReservation(_)
            | Self::MoveReservation(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }
}

/// See [`Command::ExpireDue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireDue {
    /// At most so many orders and reservations, and at most [`MAX_EXPIRE_BATCH`](crate::limits::MAX_EXPIRE_BATCH).
    pub limit: u32,
}

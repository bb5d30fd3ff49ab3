//! Commands: what a caller or the system wants done. The gateway reports every field that is out of bounds at once;
//! execution checks the bounds again ([`Command::check`]), because it must not panic whatever stands in the log.

mod catalog;
mod order;
mod reservation;
mod stock;
mod transact;

use crate::holder::Holder;
use crate::ids::{DocumentId, OrderId, Principal, RequestId, ReservationId};
use crate::time::LogTime;
use crate::version::Version;

pub use self::catalog::{
    CreateLocation, CreateSku, DeleteLocation, DeleteSku, LocationChange, SkuChange, UpdateLocation,
    UpdateSku,
};
pub use self::order::{
    CancelOrder, CloseOrder, ConfirmOrder, Disposition, ExtendOrder, LineQuantity, PlaceLine, PlaceOrder,
    ReturnLine, ReturnOrder, ShipOrder, ShortagePolicy, Sourcing,
};
pub use self::reservation::{
    CommitReservation, CreateReservation, ExtendReservation, MoveReservation, Payment, ReleaseReservation,
};
pub use self::stock::{AdjustStock, MoveStock, ReceiveStock, SetStock};
pub use self::transact::{Precondition, Row, Transact};
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
    /// An unpaid order holds its units for longer.
    ExtendOrder(ExtendOrder),
    /// Units leave.
    ShipOrder(ShipOrder),
    /// What is not shipped is given back, or a part of it.
    CancelOrder(CancelOrder),
    /// A shipped order is done with.
    CloseOrder(CloseOrder),
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
    /// Several commands at once, all or none.
    Transact(Transact),
    /// By the system: what is due expires.
    ExpireDue(ExpireDue),
    /// The fate of the request in the origin is settled: where it was not seen, it never will be.
    AbandonRequest,
}

/// What a command says about rows that may have to be fetched, or that may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name<'a> {
    /// An order that it is about.
    Order(&'a OrderId),
    /// A reservation that it is about.
    Reservation(&'a ReservationId),
    /// A document that it books.
    Document(&'a DocumentId),
    /// A version that a row must have.
    Version(Version),
}

impl Command {
    /// What the command names, and what the commands in it do.
    pub fn names(&self) -> Vec<Name<'_>> {
        let mut names = Vec::new();
        self.add_names(&mut names);
        names
    }

    fn add_names<'a>(&'a self, names: &mut Vec<Name<'a>>) {
        match self {
            Self::UpdateSku(command) => names.extend(command.expected.map(Name::Version)),
            Self::DeleteSku(command) => names.extend(command.expected.map(Name::Version)),
            Self::UpdateLocation(command) => names.extend(command.expected.map(Name::Version)),
            Self::DeleteLocation(command) => names.extend(command.expected.map(Name::Version)),
            Self::ReceiveStock(command) => names.extend(command.document.as_ref().map(Name::Document)),
            Self::AdjustStock(command) => names.extend(command.document.as_ref().map(Name::Document)),
            Self::SetStock(command) => names.extend(command.document.as_ref().map(Name::Document)),
            Self::MoveStock(command) => names.extend(command.document.as_ref().map(Name::Document)),
            Self::PlaceOrder(command) => names.push(Name::Order(&command.order)),
            Self::ConfirmOrder(command) => add_order(names, &command.order, command.expected, None),
            Self::ExtendOrder(command) => add_order(names, &command.order, command.expected, None),
            Self::ShipOrder(command) => {
                add_order(names, &command.order, command.expected, command.document.as_ref());
            }
            Self::CancelOrder(command) => add_order(names, &command.order, command.expected, None),
            Self::CloseOrder(command) => add_order(names, &command.order, command.expected, None),
            Self::ReturnOrder(command) => {
                add_order(names, &command.order, command.expected, command.document.as_ref());
            }
            Self::CreateReservation(command) => names.push(Name::Reservation(&command.reservation)),
            Self::ExtendReservation(command) => {
                add_reservation(names, &command.reservation, command.expected);
            }
            Self::CommitReservation(command) => {
                add_reservation(names, &command.reservation, command.expected);
                names.push(Name::Order(&command.order));
            }
            Self::ReleaseReservation(command) => {
                add_reservation(names, &command.reservation, command.expected);
            }
            Self::MoveReservation(command) => {
                add_reservation(names, &command.reservation, command.expected);
            }
            Self::Transact(command) => {
                command.preconditions.iter().for_each(|condition| condition.add_names(names));
                command.operations.iter().for_each(|operation| operation.add_names(names));
            }
            Self::CreateSku(_) | Self::CreateLocation(_) | Self::ExpireDue(_) | Self::AbandonRequest => {}
        }
    }

    /// The order that the command is about, or the reservation.
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.names().into_iter().find_map(|name| match name {
            Name::Order(order) => Some(Holder::Order(order.clone())),
            Name::Reservation(reservation) => Some(Holder::Reservation(reservation.clone())),
            Name::Document(_) | Name::Version(_) => None,
        })
    }

    /// How many lines the command has.
    pub fn line_count(&self) -> usize {
        match self {
            Self::PlaceOrder(command) => command.lines.len(),
            Self::ShipOrder(command) => command.lines.len(),
            Self::CancelOrder(command) => command.lines.len(),
            Self::ReturnOrder(command) => command.lines.len(),
            Self::CreateReservation(command) => command.lines.len(),
            Self::CommitReservation(command) => command.lines.len(),
            Self::ReleaseReservation(command) => command.lines.len(),
            Self::MoveReservation(command) => command.lines.len(),
            _ => 0,
        }
    }

    /// True for what callers ask for, alone or in a transaction.
    pub fn is_operation(&self) -> bool {
        !matches!(self, Self::Transact(_) | Self::ExpireDue(_) | Self::AbandonRequest)
    }
}

impl Precondition {
    fn add_names<'a>(&'a self, names: &mut Vec<Name<'a>>) {
        match self {
            Self::Version(row, version) => {
                names.push(Name::Version(*version));
                row.add_name(names);
            }
            Self::UnchangedSince(row, revision) => {
                names.push(Name::Version(Version { revision: *revision, position: 0 }));
                row.add_name(names);
            }
            Self::Exists(row) | Self::Missing(row) => row.add_name(names),
            Self::OrderState(order, _) => names.push(Name::Order(order)),
            Self::ReservationState(reservation, _) => names.push(Name::Reservation(reservation)),
            Self::Quantity { .. } => {}
        }
    }
}

impl Row {
    fn add_name<'a>(&'a self, names: &mut Vec<Name<'a>>) {
        match self {
            Self::Order(order) => names.push(Name::Order(order)),
            Self::Reservation(reservation) => names.push(Name::Reservation(reservation)),
            Self::Sku(_) | Self::Location(_) | Self::Stock(_) => {}
        }
    }
}

fn add_order<'a>(
    names: &mut Vec<Name<'a>>,
    order: &'a OrderId,
    expected: Option<Version>,
    document: Option<&'a DocumentId>,
) {
    names.push(Name::Order(order));
    names.extend(document.map(Name::Document));
    names.extend(expected.map(Name::Version));
}

fn add_reservation<'a>(names: &mut Vec<Name<'a>>, reservation: &'a ReservationId, expected: Option<Version>) {
    names.push(Name::Reservation(reservation));
    names.extend(expected.map(Name::Version));
}

/// See [`Command::ExpireDue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireDue {
    /// At most so many orders and reservations, and at most [`MAX_EXPIRE_BATCH`](crate::limits::MAX_EXPIRE_BATCH).
    pub limit: u32,
}

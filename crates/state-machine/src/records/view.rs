//! Request records that are not made of parts of their own: a start reads millions of them only to pack them.

use std::borrow::Cow;

use crate::command::{ContentHash, Origin};
use crate::ids::{LocationId, OrderId, RequestId, ReservationId};
use crate::order::OrderState;
use crate::outcome::{Outcome, Source};
use crate::request::RequestRecord;
use crate::reservation::ReservationState;
use crate::revision::Revision;
use crate::time::LogTime;

/// A request record and its origin, with texts that lie elsewhere. Each must be an identifier of its kind:
/// [`crate::ids::is_id`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// The caller's id of the request.
    pub request: RequestId,
    /// The caller.
    pub principal: &'a str,
    /// As in [`RequestRecord`].
    pub content: ContentHash,
    /// As in [`RequestRecord`].
    pub revision: Revision,
    /// As in [`RequestRecord`].
    pub position: u32,
    /// As in [`RequestRecord`].
    pub time: LogTime,
    /// As in [`RequestRecord`].
    pub outcome: OutcomeView<'a>,
}

/// An [`Outcome`]: those of which there are millions in parts, all others as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of `Outcome`")]
pub enum OutcomeView<'a> {
    /// As in [`Outcome`].
    OrderPlaced { order: &'a str, expires: LogTime, sources: Vec<SourceView<'a>> },
    /// As in [`Outcome`].
    OrderConfirmed { order: &'a str },
    /// As in [`Outcome`].
    OrderExtended { order: &'a str, expires: LogTime },
    /// As in [`Outcome`].
    OrderShipped { order: &'a str, state: OrderState, shipped: i64, parcel: u32 },
    /// As in [`Outcome`].
    OrderCancelled { order: &'a str, state: OrderState, cancelled: i64 },
    /// As in [`Outcome`].
    OrderClosed { order: &'a str },
    /// As in [`Outcome`].
    OrderReturned { order: &'a str, state: OrderState, returned: i64 },
    /// As in [`Outcome`].
    ReservationCreated { reservation: &'a str, expires: LogTime, sources: Vec<SourceView<'a>> },
    /// As in [`Outcome`].
    ReservationExtended { reservation: &'a str, expires: LogTime },
    /// As in [`Outcome`].
    ReservationCommitted {
        reservation: &'a str,
        state: ReservationState,
        order: &'a str,
        order_state: OrderState,
        expires: LogTime,
        committed: i64,
    },
    /// As in [`Outcome`].
    ReservationReleased { reservation: &'a str, state: ReservationState, released: i64 },
    /// As in [`Outcome`].
    ReservationMoved { reservation: &'a str, moved: i64 },
    /// Any other.
    Other(Cow<'a, Outcome>),
}

/// A [`Source`]; a location that is none is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of `Source`")]
pub struct SourceView<'a> {
    pub line: u32,
    pub location: &'a str,
    pub quantity: i64,
}

impl<'a> RecordView<'a> {
    /// Of a record and its origin.
    pub(crate) fn of(origin: &'a Origin, record: &'a RequestRecord) -> Self {
        let RequestRecord { content, outcome, revision, position, time } = record;
        Self {
            request: origin.request,
            principal: origin.principal.as_str(),
            content: *content,
            revision: *revision,
            position: *position,
            time: *time,
            outcome: OutcomeView::of(outcome),
        }
    }

    /// What records are in the order of.
    pub fn origin(&self) -> (RequestId, &'a str) {
        (self.request, self.principal)
    }
}

impl<'a> OutcomeView<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let (order_id, reservation_id) = (OrderId::as_str, ReservationId::as_str);
        match outcome {
            Outcome::OrderPlaced { order, expires, sources } => {
                Self::OrderPlaced { order: order_id(order), expires: *expires, sources: views(sources) }
            }
            Outcome::OrderConfirmed { order } => Self::OrderConfirmed { order: order_id(order) },
            Outcome::OrderExtended { order, expires } => {
                Self::OrderExtended { order: order_id(order), expires: *expires }
            }
            Outcome::OrderShipped { order, state, shipped, parcel } => Self::OrderShipped {
                order: order_id(order),
                state: *state,
                shipped: *shipped,
                parcel: *parcel,
            },
            Outcome::OrderCancelled { order, state, cancelled } => {
                Self::OrderCancelled { order: order_id(order), state: *state, cancelled: *cancelled }
            }
            Outcome::OrderClosed { order } => Self::OrderClosed { order: order_id(order) },
            Outcome::OrderReturned { order, state, returned } => {
                Self::OrderReturned { order: order_id(order), state: *state, returned: *returned }
            }
            Outcome::ReservationCreated { reservation, expires, sources } => Self::ReservationCreated {
                reservation: reservation_id(reservation),
                expires: *expires,
                sources: views(sources),
            },
            Outcome::ReservationExtended { reservation, expires } => {
                Self::ReservationExtended { reservation: reservation_id(reservation), expires: *expires }
            }
            Outcome::ReservationCommitted { reservation, state, order, order_state, expires, committed } => {
                Self::ReservationCommitted {
                    reservation: reservation_id(reservation),
                    state: *state,
                    order: order_id(order),
                    order_state: *order_state,
                    expires: *expires,
                    committed: *committed,
                }
            }
            Outcome::ReservationReleased { reservation, state, released } => Self::ReservationReleased {
                reservation: reservation_id(reservation),
                state: *state,
                released: *released,
            },
            Outcome::ReservationMoved { reservation, moved } => {
                Self::ReservationMoved { reservation: reservation_id(reservation), moved: *moved }
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
            | Outcome::Transacted(_)
            | Outcome::DueExpired { .. }
            | Outcome::RequestAbandoned
            | Outcome::Rejected(_) => Self::Other(Cow::Borrowed(outcome)),
        }
    }
}

fn views(sources: &[Source]) -> Vec<SourceView<'_>> {
    sources
        .iter()
        .map(|Source { line, location, quantity }| SourceView {
            line: *line,
            location: location.as_ref().map_or("", LocationId::as_str),
            quantity: *quantity,
        })
        .collect()
}

//! Request records that are not made of parts of their own: a start reads millions of them only to pack them.

use std::borrow::Cow;

use crate::command::{ContentHash, Origin};
use crate::ids::{LocationId, OrderId, RequestId};
use crate::order::OrderState;
use crate::outcome::Outcome;
use crate::request::RequestRecord;
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
    /// As in [`Outcome`]; a location that is none is empty.
    OrderPlaced { order: &'a str, expires: LogTime, locations: Vec<&'a str> },
    /// As in [`Outcome`].
    OrderConfirmed { order: &'a str },
    /// As in [`Outcome`].
    OrderShipped { order: &'a str, state: OrderState, shipped: i64 },
    /// As in [`Outcome`].
    OrderCancelled { order: &'a str, state: OrderState, cancelled: i64 },
    /// As in [`Outcome`].
    OrderReturned { order: &'a str, state: OrderState, returned: i64 },
    /// Any other.
    Other(Cow<'a, Outcome>),
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
        let text = OrderId::as_str;
        match outcome {
            Outcome::OrderPlaced { order, expires, locations } => {
                let name =
                    |location: &'a Option<LocationId>| location.as_ref().map_or("", LocationId::as_str);
                let locations = locations.iter().map(name).collect();
                Self::OrderPlaced { order: text(order), expires: *expires, locations }
            }
            Outcome::OrderConfirmed { order } => Self::OrderConfirmed { order: text(order) },
            Outcome::OrderShipped { order, state, shipped } => {
                Self::OrderShipped { order: text(order), state: *state, shipped: *shipped }
            }
            Outcome::OrderCancelled { order, state, cancelled } => {
                Self::OrderCancelled { order: text(order), state: *state, cancelled: *cancelled }
            }
            Outcome::OrderReturned { order, state, returned } => {
                Self::OrderReturned { order: text(order), state: *state, returned: *returned }
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
            | Outcome::ReservationCreated { .. }
            | Outcome::ReservationExtended { .. }
            | Outcome::ReservationCommitted { .. }
            | Outcome::ReservationReleased { .. }
            | Outcome::ReservationMoved { .. }
            | Outcome::DueExpired { .. }
            | Outcome::RequestAbandoned
            | Outcome::Rejected(_) => Self::Other(Cow::Borrowed(outcome)),
        }
    }
}

//! Outcomes, replies and request records, frozen.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use stockade_state_machine::ids::{LocationId, OrderId, RequestId, ReservationId, SkuId, is_id};
use stockade_state_machine::records::{OutcomeView, RecordView};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{ContentHash, LogTime, Outcome, Reply, Revision, StockKey};

use super::kinds::{OrderStateV1, ReservationStateV1};
use super::rejection::RejectionV1;
use super::row::{LocationV1, SkuV1, StockV1};
use super::{Invalid, id};

/// The first form of [`Outcome`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum OutcomeV1<'a> {
    #[serde(borrow)]
    SkuCreated(SkuV1<'a>),
    #[serde(borrow)]
    SkuUpdated(SkuV1<'a>),
    SkuDeleted,
    #[serde(borrow)]
    LocationCreated(LocationV1<'a>),
    #[serde(borrow)]
    LocationUpdated(LocationV1<'a>),
    LocationDeleted,
    StockReceived {
        sku: &'a str,
        location: &'a str,
        stock: StockV1,
    },
    StockAdjusted {
        sku: &'a str,
        location: &'a str,
        stock: StockV1,
    },
    StockSet {
        sku: &'a str,
        location: &'a str,
        stock: StockV1,
    },
    StockMoved {
        sku: &'a str,
        location: &'a str,
        stock: StockV1,
    },
    OrderPlaced {
        order: &'a str,
        expires_us: u64,
        /// Empty where none is one.
        #[serde(borrow)]
        locations: Vec<&'a str>,
    },
    OrderConfirmed {
        order: &'a str,
    },
    OrderShipped {
        order: &'a str,
        state: OrderStateV1,
        shipped: i64,
    },
    OrderCancelled {
        order: &'a str,
        state: OrderStateV1,
        cancelled: i64,
    },
    OrderReturned {
        order: &'a str,
        state: OrderStateV1,
        returned: i64,
    },
    ReservationCreated {
        reservation: &'a str,
        expires_us: u64,
        /// Empty where none is one.
        #[serde(borrow)]
        locations: Vec<&'a str>,
    },
    ReservationExtended {
        reservation: &'a str,
        expires_us: u64,
    },
    ReservationCommitted {
        reservation: &'a str,
        state: ReservationStateV1,
        order: &'a str,
        order_state: OrderStateV1,
        expires_us: u64,
        committed: i64,
    },
    ReservationReleased {
        reservation: &'a str,
        state: ReservationStateV1,
        released: i64,
    },
    ReservationMoved {
        reservation: &'a str,
        moved: i64,
    },
    DueExpired {
        holds: u32,
        more: bool,
    },
    RequestAbandoned,
    #[serde(borrow)]
    Rejected(RejectionV1<'a>),
}

impl<'a> From<&'a Outcome> for OutcomeV1<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::SkuCreated(sku) => Self::SkuCreated(sku.into()),
            Outcome::SkuUpdated(sku) => Self::SkuUpdated(sku.into()),
            Outcome::SkuDeleted => Self::SkuDeleted,
            Outcome::LocationCreated(location) => Self::LocationCreated(location.into()),
            Outcome::LocationUpdated(location) => Self::LocationUpdated(location.into()),
            Outcome::LocationDeleted => Self::LocationDeleted,
            Outcome::StockReceived(StockKey { sku, location }, stock) => {
                Self::StockReceived { sku: sku.as_str(), location: location.as_str(), stock: stock.into() }
            }
            Outcome::StockAdjusted(StockKey { sku, location }, stock) => {
                Self::StockAdjusted { sku: sku.as_str(), location: location.as_str(), stock: stock.into() }
            }
            Outcome::StockSet(StockKey { sku, location }, stock) => {
                Self::StockSet { sku: sku.as_str(), location: location.as_str(), stock: stock.into() }
            }
            Outcome::StockMoved(StockKey { sku, location }, stock) => {
                Self::StockMoved { sku: sku.as_str(), location: location.as_str(), stock: stock.into() }
            }
            Outcome::OrderPlaced { order, expires, locations } => Self::OrderPlaced {
                order: order.as_str(),
                expires_us: expires.micros(),
                locations: texts(locations),
            },
            Outcome::OrderConfirmed { order } => Self::OrderConfirmed { order: order.as_str() },
            Outcome::OrderShipped { order, state, shipped } => {
                Self::OrderShipped { order: order.as_str(), state: (*state).into(), shipped: *shipped }
            }
            Outcome::OrderCancelled { order, state, cancelled } => {
                Self::OrderCancelled { order: order.as_str(), state: (*state).into(), cancelled: *cancelled }
            }
            Outcome::OrderReturned { order, state, returned } => {
                Self::OrderReturned { order: order.as_str(), state: (*state).into(), returned: *returned }
            }
            Outcome::ReservationCreated { reservation, expires, locations } => Self::ReservationCreated {
                reservation: reservation.as_str(),
                expires_us: expires.micros(),
                locations: texts(locations),
            },
            Outcome::ReservationExtended { reservation, expires } => {
                Self::ReservationExtended { reservation: reservation.as_str(), expires_us: expires.micros() }
            }
            Outcome::ReservationCommitted { reservation, state, order, order_state, expires, committed } => {
                Self::ReservationCommitted {
                    reservation: reservation.as_str(),
                    state: (*state).into(),
                    order: order.as_str(),
                    order_state: (*order_state).into(),
                    expires_us: expires.micros(),
                    committed: *committed,
                }
            }
            Outcome::ReservationReleased { reservation, state, released } => Self::ReservationReleased {
                reservation: reservation.as_str(),
                state: (*state).into(),
                released: *released,
            },
            Outcome::ReservationMoved { reservation, moved } => {
                Self::ReservationMoved { reservation: reservation.as_str(), moved: *moved }
            }
            Outcome::DueExpired { holds, more } => Self::DueExpired { holds: *holds, more: *more },
            Outcome::RequestAbandoned => Self::RequestAbandoned,
            Outcome::Rejected(rejection) => Self::Rejected(rejection.into()),
        }
    }
}

impl TryFrom<OutcomeV1<'_>> for Outcome {
    type Error = Invalid;

    fn try_from(mirror: OutcomeV1<'_>) -> Result<Self, Invalid> {
        let order_id = |order: &str| id(OrderId::new, order);
        let reservation_id = |reservation: &str| id(ReservationId::new, reservation);
        Ok(match mirror {
            OutcomeV1::SkuCreated(sku) => Self::SkuCreated(sku.try_into()?),
            OutcomeV1::SkuUpdated(sku) => Self::SkuUpdated(sku.try_into()?),
            OutcomeV1::SkuDeleted => Self::SkuDeleted,
            OutcomeV1::LocationCreated(location) => Self::LocationCreated(location.try_into()?),
            OutcomeV1::LocationUpdated(location) => Self::LocationUpdated(location.try_into()?),
            OutcomeV1::LocationDeleted => Self::LocationDeleted,
            OutcomeV1::StockReceived { sku, location, stock } => {
                Self::StockReceived(stock_key(sku, location)?, stock.try_into()?)
            }
            OutcomeV1::StockAdjusted { sku, location, stock } => {
                Self::StockAdjusted(stock_key(sku, location)?, stock.try_into()?)
            }
            OutcomeV1::StockSet { sku, location, stock } => {
                Self::StockSet(stock_key(sku, location)?, stock.try_into()?)
            }
            OutcomeV1::StockMoved { sku, location, stock } => {
                Self::StockMoved(stock_key(sku, location)?, stock.try_into()?)
            }
            OutcomeV1::OrderPlaced { order, expires_us, locations } => Self::OrderPlaced {
                order: order_id(order)?,
                expires: LogTime::from_micros(expires_us),
                locations: locations_of(locations)?,
            },
            OutcomeV1::OrderConfirmed { order } => Self::OrderConfirmed { order: order_id(order)? },
            OutcomeV1::OrderShipped { order, state, shipped } => {
                Self::OrderShipped { order: order_id(order)?, state: state.into(), shipped }
            }
            OutcomeV1::OrderCancelled { order, state, cancelled } => {
                Self::OrderCancelled { order: order_id(order)?, state: state.into(), cancelled }
            }
            OutcomeV1::OrderReturned { order, state, returned } => {
                Self::OrderReturned { order: order_id(order)?, state: state.into(), returned }
            }
            OutcomeV1::ReservationCreated { reservation, expires_us, locations } => {
                Self::ReservationCreated {
                    reservation: reservation_id(reservation)?,
                    expires: LogTime::from_micros(expires_us),
                    locations: locations_of(locations)?,
                }
            }
            OutcomeV1::ReservationExtended { reservation, expires_us } => Self::ReservationExtended {
                reservation: reservation_id(reservation)?,
                expires: LogTime::from_micros(expires_us),
            },
            OutcomeV1::ReservationCommitted {
                reservation,
                state,
                order,
                order_state,
                expires_us,
                committed,
            } => Self::ReservationCommitted {
                reservation: reservation_id(reservation)?,
                state: state.into(),
                order: order_id(order)?,
                order_state: order_state.into(),
                expires: LogTime::from_micros(expires_us),
                committed,
            },
            OutcomeV1::ReservationReleased { reservation, state, released } => Self::ReservationReleased {
                reservation: reservation_id(reservation)?,
                state: state.into(),
                released,
            },
            OutcomeV1::ReservationMoved { reservation, moved } => {
                Self::ReservationMoved { reservation: reservation_id(reservation)?, moved }
            }
            OutcomeV1::DueExpired { holds, more } => Self::DueExpired { holds, more },
            OutcomeV1::RequestAbandoned => Self::RequestAbandoned,
            OutcomeV1::Rejected(rejection) => Self::Rejected(rejection.try_into()?),
        })
    }
}

/// The locations of lines; none is the empty text.
fn texts(locations: &[Option<LocationId>]) -> Vec<&str> {
    locations.iter().map(|location| location.as_ref().map_or("", LocationId::as_str)).collect()
}

fn locations_of(texts: Vec<&str>) -> Result<Vec<Option<LocationId>>, Invalid> {
    let location = |text: &str| if text.is_empty() { Ok(None) } else { id(LocationId::new, text).map(Some) };
    texts.into_iter().map(location).collect()
}

fn stock_key(sku: &str, location: &str) -> Result<StockKey, Invalid> {
    Ok(StockKey { sku: id(SkuId::new, sku)?, location: id(LocationId::new, location)? })
}

/// The first form of [`Reply`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReplyV1<'a> {
    #[serde(borrow)]
    outcome: OutcomeV1<'a>,
    revision: u64,
    position: u32,
    time_us: u64,
    replayed: bool,
}

impl<'a> From<&'a Reply> for ReplyV1<'a> {
    fn from(reply: &'a Reply) -> Self {
        let Reply { outcome, revision, position, time, replayed } = reply;
        Self {
            outcome: outcome.into(),
            revision: revision.get(),
            position: *position,
            time_us: time.micros(),
            replayed: *replayed,
        }
    }
}

impl TryFrom<ReplyV1<'_>> for Reply {
    type Error = Invalid;

    fn try_from(mirror: ReplyV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            outcome: mirror.outcome.try_into()?,
            revision: Revision::new(mirror.revision),
            position: mirror.position,
            time: LogTime::from_micros(mirror.time_us),
            replayed: mirror.replayed,
        })
    }
}

/// The first form of [`RequestRecord`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestRecordV1<'a> {
    content: [u8; 16],
    #[serde(borrow)]
    outcome: OutcomeV1<'a>,
    revision: u64,
    position: u32,
    time_us: u64,
}

impl<'a> From<&'a RequestRecord> for RequestRecordV1<'a> {
    fn from(record: &'a RequestRecord) -> Self {
        let RequestRecord { content, outcome, revision, position, time } = record;
        Self {
            content: content.0.to_be_bytes(),
            outcome: outcome.into(),
            revision: revision.get(),
            position: *position,
            time_us: time.micros(),
        }
    }
}

impl<'a> RequestRecordV1<'a> {
    /// The record of a request, made of the bytes that this one was read from.
    pub(crate) fn into_view(self, request: RequestId, principal: &'a str) -> Result<RecordView<'a>, Invalid> {
        Ok(RecordView {
            request,
            principal: checked(principal)?,
            content: ContentHash(u128::from_be_bytes(self.content)),
            revision: Revision::new(self.revision),
            position: self.position,
            time: LogTime::from_micros(self.time_us),
            outcome: self.outcome.into_view()?,
        })
    }
}

impl<'a> OutcomeV1<'a> {
    fn into_view(self) -> Result<OutcomeView<'a>, Invalid> {
        Ok(match self {
            Self::OrderPlaced { order, expires_us, locations } => {
                for location in locations.iter().filter(|location| !location.is_empty()) {
                    checked(location)?;
                }
                OutcomeView::OrderPlaced {
                    order: checked(order)?,
                    expires: LogTime::from_micros(expires_us),
                    locations,
                }
            }
            Self::OrderConfirmed { order } => OutcomeView::OrderConfirmed { order: checked(order)? },
            Self::OrderShipped { order, state, shipped } => {
                OutcomeView::OrderShipped { order: checked(order)?, state: state.into(), shipped }
            }
            Self::OrderCancelled { order, state, cancelled } => {
                OutcomeView::OrderCancelled { order: checked(order)?, state: state.into(), cancelled }
            }
            Self::OrderReturned { order, state, returned } => {
                OutcomeView::OrderReturned { order: checked(order)?, state: state.into(), returned }
            }
            Self::SkuCreated(_)
            | Self::SkuUpdated(_)
            | Self::SkuDeleted
            | Self::LocationCreated(_)
            | Self::LocationUpdated(_)
            | Self::LocationDeleted
            | Self::StockReceived { .. }
            | Self::StockAdjusted { .. }
            | Self::StockSet { .. }
            | Self::StockMoved { .. }
            | Self::ReservationCreated { .. }
            | Self::ReservationExtended { .. }
            | Self::ReservationCommitted { .. }
            | Self::ReservationReleased { .. }
            | Self::ReservationMoved { .. }
            | Self::DueExpired { .. }
            | Self::RequestAbandoned
            | Self::Rejected(_) => OutcomeView::Other(Cow::Owned(self.try_into()?)),
        })
    }
}

/// A text that may be an identifier.
fn checked(text: &str) -> Result<&str, Invalid> {
    if is_id(text) { Ok(text) } else { Err(Invalid(format!("{text:?} is no identifier"))) }
}

impl TryFrom<RequestRecordV1<'_>> for RequestRecord {
    type Error = Invalid;

    fn try_from(mirror: RequestRecordV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            content: ContentHash(u128::from_be_bytes(mirror.content)),
            outcome: mirror.outcome.try_into()?,
            revision: Revision::new(mirror.revision),
            position: mirror.position,
            time: LogTime::from_micros(mirror.time_us),
        })
    }
}

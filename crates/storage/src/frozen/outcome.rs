//! Outcomes, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::{LogTime, Outcome, StockKey};

use super::kinds::{OrderStateV1, ReservationStateV1};
use super::rejection::RejectionV1;
use super::row::{LocationV1, SkuV1, StockV1, stock_key};
use super::{Invalid, ensure, id, mirror, restore};

/// The first form of [`Outcome`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum OutcomeV1<'a> {
    #[serde(borrow)]
    Done(DoneV1<'a>),
    #[serde(borrow)]
    Transacted(Vec<DoneV1<'a>>),
    DueExpired {
        holds: u32,
        more: bool,
    },
    RequestAbandoned,
    #[serde(borrow)]
    Rejected(RejectionV1<'a>),
}

/// The first form of an [`Outcome`] that an operation of a transaction can have too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum DoneV1<'a> {
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
        #[serde(borrow)]
        sources: Vec<SourceV1<'a>>,
    },
    OrderConfirmed {
        order: &'a str,
    },
    OrderExtended {
        order: &'a str,
        expires_us: u64,
    },
    OrderShipped {
        order: &'a str,
        state: OrderStateV1,
        shipped: i64,
        parcel: u32,
    },
    OrderCancelled {
        order: &'a str,
        state: OrderStateV1,
        cancelled: i64,
    },
    OrderClosed {
        order: &'a str,
    },
    OrderReturned {
        order: &'a str,
        state: OrderStateV1,
        returned: i64,
    },
    ReservationCreated {
        reservation: &'a str,
        expires_us: u64,
        #[serde(borrow)]
        sources: Vec<SourceV1<'a>>,
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
}

/// The first form of [`Source`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SourceV1<'a> {
    pub(super) line: u32,
    /// Empty where there is none.
    pub(super) location: &'a str,
    pub(super) quantity: i64,
}

impl<'a> From<&'a Outcome> for OutcomeV1<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Transacted(outcomes) => Self::Transacted(mirror(outcomes)),
            Outcome::DueExpired { holds, more } => Self::DueExpired { holds: *holds, more: *more },
            Outcome::RequestAbandoned => Self::RequestAbandoned,
            Outcome::Rejected(rejection) => Self::Rejected(rejection.into()),
            outcome => Self::Done(outcome.into()),
        }
    }
}

impl TryFrom<OutcomeV1<'_>> for Outcome {
    type Error = Invalid;

    fn try_from(mirror: OutcomeV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            OutcomeV1::Done(outcome) => outcome.try_into()?,
            OutcomeV1::Transacted(outcomes) => {
                ensure(!outcomes.is_empty(), "a transaction without operations was done")?;
                Self::Transacted(restore(outcomes)?)
            }
            OutcomeV1::DueExpired { holds, more } => Self::DueExpired { holds, more },
            OutcomeV1::RequestAbandoned => Self::RequestAbandoned,
            OutcomeV1::Rejected(rejection) => Self::Rejected(rejection.try_into()?),
        })
    }
}

impl<'a> From<&'a Outcome> for DoneV1<'a> {
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
            Outcome::OrderPlaced { order, expires, sources } => Self::OrderPlaced {
                order: order.as_str(),
                expires_us: expires.micros(),
                sources: mirror(sources),
            },
            Outcome::OrderConfirmed { order } => Self::OrderConfirmed { order: order.as_str() },
            Outcome::OrderExtended { order, expires } => {
                Self::OrderExtended { order: order.as_str(), expires_us: expires.micros() }
            }
            Outcome::OrderShipped { order, state, shipped, parcel } => Self::OrderShipped {
                order: order.as_str(),
                state: (*state).into(),
                shipped: *shipped,
                parcel: *parcel,
            },
            Outcome::OrderCancelled { order, state, cancelled } => {
                Self::OrderCancelled { order: order.as_str(), state: (*state).into(), cancelled: *cancelled }
            }
            Outcome::OrderClosed { order } => Self::OrderClosed { order: order.as_str() },
            Outcome::OrderReturned { order, state, returned } => {
                Self::OrderReturned { order: order.as_str(), state: (*state).into(), returned: *returned }
            }
            Outcome::ReservationCreated { reservation, expires, sources } => Self::ReservationCreated {
                reservation: reservation.as_str(),
                expires_us: expires.micros(),
                sources: mirror(sources),
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
            Outcome::Transacted(_)
            | Outcome::DueExpired { .. }
            | Outcome::RequestAbandoned
            | Outcome::Rejected(_) => unreachable!("an operation that is done left {outcome:?}"),
        }
    }
}

impl TryFrom<DoneV1<'_>> for Outcome {
    type Error = Invalid;

    fn try_from(mirror: DoneV1<'_>) -> Result<Self, Invalid> {
        let order_id = |order: &str| id(OrderId::new, order);
        let reservation_id = |reservation: &str| id(ReservationId::new, reservation);
        Ok(match mirror {
            DoneV1::SkuCreated(sku) => Self::SkuCreated(sku.try_into()?),
            DoneV1::SkuUpdated(sku) => Self::SkuUpdated(sku.try_into()?),
            DoneV1::SkuDeleted => Self::SkuDeleted,
            DoneV1::LocationCreated(location) => Self::LocationCreated(location.try_into()?),
            DoneV1::LocationUpdated(location) => Self::LocationUpdated(location.try_into()?),
            DoneV1::LocationDeleted => Self::LocationDeleted,
            DoneV1::StockReceived { sku, location, stock } => {
                Self::StockReceived(stock_key(sku, location)?, stock.try_into()?)
            }
            DoneV1::StockAdjusted { sku, location, stock } => {
                Self::StockAdjusted(stock_key(sku, location)?, stock.try_into()?)
            }
            DoneV1::StockSet { sku, location, stock } => {
                Self::StockSet(stock_key(sku, location)?, stock.try_into()?)
            }
            DoneV1::StockMoved { sku, location, stock } => {
                Self::StockMoved(stock_key(sku, location)?, stock.try_into()?)
            }
            DoneV1::OrderPlaced { order, expires_us, sources } => Self::OrderPlaced {
                order: order_id(order)?,
                expires: LogTime::from_micros(expires_us),
                sources: restore(sources)?,
            },
            DoneV1::OrderConfirmed { order } => Self::OrderConfirmed { order: order_id(order)? },
            DoneV1::OrderExtended { order, expires_us } => {
                Self::OrderExtended { order: order_id(order)?, expires: LogTime::from_micros(expires_us) }
            }
            DoneV1::OrderShipped { order, state, shipped, parcel } => {
                Self::OrderShipped { order: order_id(order)?, state: state.into(), shipped, parcel }
            }
            DoneV1::OrderCancelled { order, state, cancelled } => {
                Self::OrderCancelled { order: order_id(order)?, state: state.into(), cancelled }
            }
            DoneV1::OrderClosed { order } => Self::OrderClosed { order: order_id(order)? },
            DoneV1::OrderReturned { order, state, returned } => {
                Self::OrderReturned { order: order_id(order)?, state: state.into(), returned }
            }
            DoneV1::ReservationCreated { reservation, expires_us, sources } => Self::ReservationCreated {
                reservation: reservation_id(reservation)?,
                expires: LogTime::from_micros(expires_us),
                sources: restore(sources)?,
            },
            DoneV1::ReservationExtended { reservation, expires_us } => Self::ReservationExtended {
                reservation: reservation_id(reservation)?,
                expires: LogTime::from_micros(expires_us),
            },
            DoneV1::ReservationCommitted {
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
            DoneV1::ReservationReleased { reservation, state, released } => Self::ReservationReleased {
                reservation: reservation_id(reservation)?,
                state: state.into(),
                released,
            },
            DoneV1::ReservationMoved { reservation, moved } => {
                Self::ReservationMoved { reservation: reservation_id(reservation)?, moved }
            }
        })
    }
}

impl<'a> From<&'a Source> for SourceV1<'a> {
    fn from(source: &'a Source) -> Self {
        let Source { line, location, quantity } = source;
        let location = location.as_ref().map_or("", LocationId::as_str);
        Self { line: *line, location, quantity: *quantity }
    }
}

impl TryFrom<SourceV1<'_>> for Source {
    type Error = Invalid;

    fn try_from(mirror: SourceV1<'_>) -> Result<Self, Invalid> {
        let SourceV1 { line, location, quantity } = mirror;
        let location = (!location.is_empty()).then(|| id(LocationId::new, location)).transpose()?;
        Ok(Self { line, location, quantity })
    }
}

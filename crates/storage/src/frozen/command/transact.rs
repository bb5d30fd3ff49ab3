//! Transactions, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{Precondition, Row, Transact};
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::{Command, Revision, StockKey};

use super::PlainCommandV1;
use crate::frozen::kinds::{BucketV1, OrderStateV1, ReservationStateV1};
use crate::frozen::row::{VersionV1, stock_key};
use crate::frozen::{Invalid, id, mirror, restore};

/// The first form of [`Transact`]. Its operations can't be transactions, so that no bytes make a decoder go deep.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransactV1<'a> {
    #[serde(borrow)]
    preconditions: Vec<PreconditionV1<'a>>,
    #[serde(borrow)]
    operations: Vec<PlainCommandV1<'a>>,
}

/// The first form of [`Precondition`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PreconditionV1<'a> {
    Version {
        #[serde(borrow)]
        row: SubjectV1<'a>,
        version: VersionV1,
    },
    UnchangedSince {
        #[serde(borrow)]
        row: SubjectV1<'a>,
        revision: u64,
    },
    #[serde(borrow)]
    Exists(SubjectV1<'a>),
    #[serde(borrow)]
    Missing(SubjectV1<'a>),
    Quantity {
        sku: &'a str,
        location: &'a str,
        bucket: BucketV1,
        min: i64,
        max: i64,
    },
    OrderState(&'a str, OrderStateV1),
    ReservationState(&'a str, ReservationStateV1),
}

/// The first form of [`Row`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SubjectV1<'a> {
    Sku(&'a str),
    Location(&'a str),
    Stock { sku: &'a str, location: &'a str },
    Order(&'a str),
    Reservation(&'a str),
}

impl<'a> From<&'a Transact> for TransactV1<'a> {
    fn from(command: &'a Transact) -> Self {
        let Transact { preconditions, operations } = command;
        Self { preconditions: mirror(preconditions), operations: mirror(operations) }
    }
}

impl TryFrom<TransactV1<'_>> for Transact {
    type Error = Invalid;

    fn try_from(mirror: TransactV1<'_>) -> Result<Self, Invalid> {
        let operations = mirror.operations.into_iter().map(Command::try_from);
        Ok(Self {
            preconditions: restore(mirror.preconditions)?,
            operations: operations.collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> From<&'a Precondition> for PreconditionV1<'a> {
    fn from(condition: &'a Precondition) -> Self {
        match condition {
            Precondition::Version(row, version) => {
                Self::Version { row: row.into(), version: (*version).into() }
            }
            Precondition::UnchangedSince(row, revision) => {
                Self::UnchangedSince { row: row.into(), revision: revision.get() }
            }
            Precondition::Exists(row) => Self::Exists(row.into()),
            Precondition::Missing(row) => Self::Missing(row.into()),
            Precondition::Quantity { key: StockKey { sku, location }, bucket, min, max } => Self::Quantity {
                sku: sku.as_str(),
                location: location.as_str(),
                bucket: (*bucket).into(),
                min: *min,
                max: *max,
            },
            Precondition::OrderState(order, state) => Self::OrderState(order.as_str(), (*state).into()),
            Precondition::ReservationState(reservation, state) => {
                Self::ReservationState(reservation.as_str(), (*state).into())
            }
        }
    }
}

impl TryFrom<PreconditionV1<'_>> for Precondition {
    type Error = Invalid;

    fn try_from(mirror: PreconditionV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            PreconditionV1::Version { row, version } => Self::Version(row.try_into()?, version.into()),
            PreconditionV1::UnchangedSince { row, revision } => {
                Self::UnchangedSince(row.try_into()?, Revision::new(revision))
            }
            PreconditionV1::Exists(row) => Self::Exists(row.try_into()?),
            PreconditionV1::Missing(row) => Self::Missing(row.try_into()?),
            PreconditionV1::Quantity { sku, location, bucket, min, max } => {
                Self::Quantity { key: stock_key(sku, location)?, bucket: bucket.into(), min, max }
            }
            PreconditionV1::OrderState(order, state) => {
                Self::OrderState(id(OrderId::new, order)?, state.into())
            }
            PreconditionV1::ReservationState(reservation, state) => {
                Self::ReservationState(id(ReservationId::new, reservation)?, state.into())
            }
        })
    }
}

impl<'a> From<&'a Row> for SubjectV1<'a> {
    fn from(row: &'a Row) -> Self {
        match row {
            Row::Sku(id) => Self::Sku(id.as_str()),
            Row::Location(id) => Self::Location(id.as_str()),
            Row::Stock(StockKey { sku, location }) => {
                Self::Stock { sku: sku.as_str(), location: location.as_str() }
            }
            Row::Order(id) => Self::Order(id.as_str()),
            Row::Reservation(id) => Self::Reservation(id.as_str()),
        }
    }
}

impl TryFrom<SubjectV1<'_>> for Row {
    type Error = Invalid;

    fn try_from(mirror: SubjectV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            SubjectV1::Sku(text) => Self::Sku(id(SkuId::new, text)?),
            SubjectV1::Location(text) => Self::Location(id(LocationId::new, text)?),
            SubjectV1::Stock { sku, location } => Self::Stock(stock_key(sku, location)?),
            SubjectV1::Order(text) => Self::Order(id(OrderId::new, text)?),
            SubjectV1::Reservation(text) => Self::Reservation(id(ReservationId::new, text)?),
        })
    }
}

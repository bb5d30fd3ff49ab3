//! Rejections, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::MALFORMED_RULES;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::rejection::{
    Current, ExceededLine, FailedPrecondition, LimitBreach, Resource, Shortage,
};
use stockade_state_machine::{LogTime, Rejection};

use super::kinds::{BucketV1, OperationV1, OrderStateV1, ReservationStateV1};
use super::reservation::HolderV1;
use super::row::VersionV1;
use super::{Invalid, ensure, id, mirror, optional_id, restore};

/// The first form of [`Rejection`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RejectionV1<'a> {
    #[serde(borrow)]
    Plain(PlainRejectionV1<'a>),
    PreconditionFailed {
        failed: Vec<FailedPreconditionV1>,
    },
    OperationRejected {
        operation: u32,
        #[serde(borrow)]
        rejection: PlainRejectionV1<'a>,
    },
}

/// The first form of a [`Rejection`] that an operation of a transaction can have too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PlainRejectionV1<'a> {
    Malformed(&'a str),
    RequestIdReused,
    RequestIdExpired {
        horizon_ms: u64,
    },
    RequestIdInFuture {
        now_ms: u64,
    },
    RequestAbandoned,
    #[serde(borrow)]
    NotFound(ResourceV1<'a>),
    #[serde(borrow)]
    AlreadyExists(ResourceV1<'a>),
    ReservationExpired {
        #[serde(borrow)]
        holder: HolderV1<'a>,
        expired_us: u64,
    },
    IllegalTransition {
        order: &'a str,
        state: OrderStateV1,
        operation: OperationV1,
    },
    ReservationSettled {
        reservation: &'a str,
        state: ReservationStateV1,
    },
    EtagMismatch {
        #[serde(borrow)]
        resource: ResourceV1<'a>,
        current: VersionV1,
    },
    QuantityStale {
        sku: &'a str,
        location: &'a str,
        bucket: BucketV1,
        current: i64,
    },
    SkuInUse {
        sku: &'a str,
        location: &'a str,
    },
    LocationInUse {
        location: &'a str,
        sku: &'a str,
    },
    LocationDisabled {
        location: &'a str,
    },
    TooLarge {
        #[serde(borrow)]
        holder: HolderV1<'a>,
    },
    PurchaseLimit {
        #[serde(borrow)]
        breaches: Vec<LimitBreachV1<'a>>,
    },
    QuantityExceeded {
        #[serde(borrow)]
        holder: HolderV1<'a>,
        lines: Vec<ExceededLineV1>,
    },
    QuantityOverflow,
    InsufficientStock {
        #[serde(borrow)]
        shortages: Vec<ShortageV1<'a>>,
    },
    RetryAfterExpiry,
}

/// The first form of [`FailedPrecondition`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailedPreconditionV1 {
    number: u32,
    current: CurrentV1,
}

/// The first form of [`Current`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CurrentV1 {
    Missing,
    Version(VersionV1),
    Quantity(i64),
    OrderState(OrderStateV1),
    ReservationState(ReservationStateV1),
}

/// The first form of [`Resource`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ResourceV1<'a> {
    Sku(&'a str),
    Location(&'a str),
    Order(&'a str),
    OrderLine(&'a str, u32),
    Reservation(&'a str),
    ReservationLine(&'a str, u32),
    Document(&'a str),
}

/// The first form of [`LimitBreach`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LimitBreachV1<'a> {
    sku: &'a str,
    asked: i64,
    min: i64,
    max: i64,
}

/// The first form of [`ExceededLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExceededLineV1 {
    line: u32,
    asked: i64,
    left: i64,
}

/// The first form of [`Shortage`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShortageV1<'a> {
    line: u32,
    sku: &'a str,
    #[serde(borrow)]
    location: Option<&'a str>,
    together: bool,
    bucket: BucketV1,
    asked: i64,
    available: i64,
    next_expiry_us: Option<u64>,
}

impl<'a> From<&'a Rejection> for RejectionV1<'a> {
    fn from(rejection: &'a Rejection) -> Self {
        match rejection {
            Rejection::PreconditionFailed { failed } => Self::PreconditionFailed { failed: mirror(failed) },
            Rejection::OperationRejected { operation, rejection } => {
                Self::OperationRejected { operation: *operation, rejection: rejection.as_ref().into() }
            }
            rejection => Self::Plain(rejection.into()),
        }
    }
}

impl TryFrom<RejectionV1<'_>> for Rejection {
    type Error = Invalid;

    fn try_from(mirror: RejectionV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            RejectionV1::Plain(rejection) => rejection.try_into()?,
            RejectionV1::PreconditionFailed { failed } => {
                ensure(!failed.is_empty(), "no precondition failed")?;
                let failed = failed.into_iter().map(FailedPrecondition::from).collect();
                Self::PreconditionFailed { failed }
            }
            RejectionV1::OperationRejected { operation, rejection } => {
                Self::OperationRejected { operation, rejection: Box::new(rejection.try_into()?) }
            }
        })
    }
}

impl<'a> From<&'a Rejection> for PlainRejectionV1<'a> {
    fn from(rejection: &'a Rejection) -> Self {
        match rejection {
            Rejection::Malformed(rule) => Self::Malformed(rule),
            Rejection::RequestIdReused => Self::RequestIdReused,
            Rejection::RequestIdExpired { horizon_ms } => Self::RequestIdExpired { horizon_ms: *horizon_ms },
            Rejection::RequestIdInFuture { now_ms } => Self::RequestIdInFuture { now_ms: *now_ms },
            Rejection::RequestAbandoned => Self::RequestAbandoned,
            Rejection::NotFound(resource) => Self::NotFound(resource.into()),
            Rejection::AlreadyExists(resource) => Self::AlreadyExists(resource.into()),
            Rejection::ReservationExpired { holder, expired } => {
                Self::ReservationExpired { holder: holder.into(), expired_us: expired.micros() }
            }
            Rejection::IllegalTransition { order, state, operation } => Self::IllegalTransition {
                order: order.as_str(),
                state: (*state).into(),
                operation: (*operation).into(),
            },
            Rejection::ReservationSettled { reservation, state } => {
                Self::ReservationSettled { reservation: reservation.as_str(), state: (*state).into() }
            }
            Rejection::EtagMismatch { resource, current } => {
                Self::EtagMismatch { resource: resource.into(), current: (*current).into() }
            }
            Rejection::QuantityStale { sku, location, bucket, current } => Self::QuantityStale {
                sku: sku.as_str(),
                location: location.as_str(),
                bucket: (*bucket).into(),
                current: *current,
            },
            Rejection::LocationInUse { location, sku } => {
                Self::LocationInUse { location: location.as_str(), sku: sku.as_str() }
            }
            Rejection::LocationDisabled { location } => {
                Self::LocationDisabled { location: location.as_str() }
            }
            Rejection::TooLarge { holder } => Self::TooLarge { holder: holder.into() },
            Rejection::PurchaseLimit { breaches } => Self::PurchaseLimit { breaches: mirror(breaches) },
            Rejection::SkuInUse { sku, location } => {
                Self::SkuInUse { sku: sku.as_str(), location: location.as_str() }
            }
            Rejection::QuantityExceeded { holder, lines } => {
                Self::QuantityExceeded { holder: holder.into(), lines: mirror(lines) }
            }
            Rejection::QuantityOverflow => Self::QuantityOverflow,
            Rejection::InsufficientStock { shortages } => {
                Self::InsufficientStock { shortages: mirror(shortages) }
            }
            Rejection::RetryAfterExpiry => Self::RetryAfterExpiry,
            Rejection::PreconditionFailed { .. } | Rejection::OperationRejected { .. } => {
                unreachable!("an operation was refused with {rejection:?}")
            }
        }
    }
}

impl TryFrom<PlainRejectionV1<'_>> for Rejection {
    type Error = Invalid;

    fn try_from(mirror: PlainRejectionV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            PlainRejectionV1::Malformed(rule) => Self::Malformed(known_rule(rule)?),
            PlainRejectionV1::RequestIdReused => Self::RequestIdReused,
            PlainRejectionV1::RequestIdExpired { horizon_ms } => Self::RequestIdExpired { horizon_ms },
            PlainRejectionV1::RequestIdInFuture { now_ms } => Self::RequestIdInFuture { now_ms },
            PlainRejectionV1::RequestAbandoned => Self::RequestAbandoned,
            PlainRejectionV1::NotFound(resource) => Self::NotFound(resource.try_into()?),
            PlainRejectionV1::AlreadyExists(resource) => Self::AlreadyExists(resource.try_into()?),
            PlainRejectionV1::ReservationExpired { holder, expired_us } => Self::ReservationExpired {
                holder: holder.try_into()?,
                expired: LogTime::from_micros(expired_us),
            },
            PlainRejectionV1::IllegalTransition { order, state, operation } => Self::IllegalTransition {
                order: id(OrderId::new, order)?,
                state: state.into(),
                operation: operation.into(),
            },
            PlainRejectionV1::ReservationSettled { reservation, state } => Self::ReservationSettled {
                reservation: id(ReservationId::new, reservation)?,
                state: state.into(),
            },
            PlainRejectionV1::EtagMismatch { resource, current } => {
                Self::EtagMismatch { resource: resource.try_into()?, current: current.into() }
            }
            PlainRejectionV1::QuantityStale { sku, location, bucket, current } => Self::QuantityStale {
                sku: id(SkuId::new, sku)?,
                location: id(LocationId::new, location)?,
                bucket: bucket.into(),
                current,
            },
            PlainRejectionV1::LocationInUse { location, sku } => {
                Self::LocationInUse { location: id(LocationId::new, location)?, sku: id(SkuId::new, sku)? }
            }
            PlainRejectionV1::LocationDisabled { location } => {
                Self::LocationDisabled { location: id(LocationId::new, location)? }
            }
            PlainRejectionV1::TooLarge { holder } => Self::TooLarge { holder: holder.try_into()? },
            PlainRejectionV1::PurchaseLimit { breaches } => {
                Self::PurchaseLimit { breaches: restore(breaches)? }
            }
            PlainRejectionV1::SkuInUse { sku, location } => {
                Self::SkuInUse { sku: id(SkuId::new, sku)?, location: id(LocationId::new, location)? }
            }
            PlainRejectionV1::QuantityExceeded { holder, lines } => Self::QuantityExceeded {
                holder: holder.try_into()?,
                lines: lines.into_iter().map(ExceededLine::from).collect(),
            },
            PlainRejectionV1::QuantityOverflow => Self::QuantityOverflow,
            PlainRejectionV1::InsufficientStock { shortages } => {
                Self::InsufficientStock { shortages: restore(shortages)? }
            }
            PlainRejectionV1::RetryAfterExpiry => Self::RetryAfterExpiry,
        })
    }
}

impl From<&FailedPrecondition> for FailedPreconditionV1 {
    fn from(failed: &FailedPrecondition) -> Self {
        let FailedPrecondition { number, current } = failed;
        let current = match current {
            Current::Missing => CurrentV1::Missing,
            Current::Version(version) => CurrentV1::Version((*version).into()),
            Current::Quantity(units) => CurrentV1::Quantity(*units),
            Current::OrderState(state) => CurrentV1::OrderState((*state).into()),
            Current::ReservationState(state) => CurrentV1::ReservationState((*state).into()),
        };
        Self { number: *number, current }
    }
}

impl From<FailedPreconditionV1> for FailedPrecondition {
    fn from(mirror: FailedPreconditionV1) -> Self {
        let current = match mirror.current {
            CurrentV1::Missing => Current::Missing,
            CurrentV1::Version(version) => Current::Version(version.into()),
            CurrentV1::Quantity(units) => Current::Quantity(units),
            CurrentV1::OrderState(state) => Current::OrderState(state.into()),
            CurrentV1::ReservationState(state) => Current::ReservationState(state.into()),
        };
        Self { number: mirror.number, current }
    }
}

/// The rule as the state machine writes it: a rejection names one of a closed list.
fn known_rule(text: &str) -> Result<&'static str, Invalid> {
    let rule = MALFORMED_RULES.iter().find(|rule| **rule == text);
    rule.copied().ok_or_else(|| Invalid(format!("unknown rule {text:?} in a rejection")))
}

impl<'a> From<&'a Resource> for ResourceV1<'a> {
    fn from(resource: &'a Resource) -> Self {
        match resource {
            Resource::Sku(id) => Self::Sku(id.as_str()),
            Resource::Location(id) => Self::Location(id.as_str()),
            Resource::Order(id) => Self::Order(id.as_str()),
            Resource::OrderLine(id, line) => Self::OrderLine(id.as_str(), *line),
            Resource::Reservation(id) => Self::Reservation(id.as_str()),
            Resource::ReservationLine(id, line) => Self::ReservationLine(id.as_str(), *line),
            Resource::Document(id) => Self::Document(id.as_str()),
        }
    }
}

impl TryFrom<ResourceV1<'_>> for Resource {
    type Error = Invalid;

    fn try_from(mirror: ResourceV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            ResourceV1::Sku(text) => Self::Sku(id(SkuId::new, text)?),
            ResourceV1::Location(text) => Self::Location(id(LocationId::new, text)?),
            ResourceV1::Order(text) => Self::Order(id(OrderId::new, text)?),
            ResourceV1::OrderLine(text, line) => Self::OrderLine(id(OrderId::new, text)?, line),
            ResourceV1::Reservation(text) => Self::Reservation(id(ReservationId::new, text)?),
            ResourceV1::ReservationLine(text, line) => {
                Self::ReservationLine(id(ReservationId::new, text)?, line)
            }
            ResourceV1::Document(text) => Self::Document(id(DocumentId::new, text)?),
        })
    }
}

impl<'a> From<&'a LimitBreach> for LimitBreachV1<'a> {
    fn from(breach: &'a LimitBreach) -> Self {
        let LimitBreach { sku, asked, min, max } = breach;
        Self { sku: sku.as_str(), asked: *asked, min: *min, max: *max }
    }
}

impl TryFrom<LimitBreachV1<'_>> for LimitBreach {
    type Error = Invalid;

    fn try_from(mirror: LimitBreachV1<'_>) -> Result<Self, Invalid> {
        let LimitBreachV1 { sku, asked, min, max } = mirror;
        Ok(Self { sku: id(SkuId::new, sku)?, asked, min, max })
    }
}

impl From<&ExceededLine> for ExceededLineV1 {
    fn from(line: &ExceededLine) -> Self {
        Self { line: line.line, asked: line.asked, left: line.left }
    }
}

impl From<ExceededLineV1> for ExceededLine {
    fn from(mirror: ExceededLineV1) -> Self {
        Self { line: mirror.line, asked: mirror.asked, left: mirror.left }
    }
}

impl<'a> From<&'a Shortage> for ShortageV1<'a> {
    fn from(shortage: &'a Shortage) -> Self {
        let Shortage { line, sku, location, together, bucket, asked, available, next_expiry } = shortage;
        Self {
            line: *line,
            sku: sku.as_str(),
            location: location.as_ref().map(LocationId::as_str),
            together: *together,
            bucket: (*bucket).into(),
            asked: *asked,
            available: *available,
            next_expiry_us: next_expiry.map(LogTime::micros),
        }
    }
}

impl TryFrom<ShortageV1<'_>> for Shortage {
    type Error = Invalid;

    fn try_from(mirror: ShortageV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            line: mirror.line,
            sku: id(SkuId::new, mirror.sku)?,
            location: optional_id(LocationId::new, mirror.location)?,
            together: mirror.together,
            bucket: mirror.bucket.into(),
            asked: mirror.asked,
            available: mirror.available,
            next_expiry: mirror.next_expiry_us.map(LogTime::from_micros),
        })
    }
}

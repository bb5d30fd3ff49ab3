//! Rejections, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::MALFORMED_RULES;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::rejection::{ExceededLine, LimitBreach, Resource, Shortage};
use stockade_state_machine::{LogTime, Rejection};

use super::kinds::{BucketV1, OperationV1, OrderStateV1, ReservationStateV1};
use super::reservation::HolderV1;
use super::row::VersionV1;
use super::{Invalid, id, mirror, optional_id, restore};

/// The first form of [`Rejection`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RejectionV1<'a> {
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
    bucket: BucketV1,
    asked: i64,
    available: i64,
    next_expiry_us: Option<u64>,
}

impl<'a> From<&'a Rejection> for RejectionV1<'a> {
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
        }
    }
}

impl TryFrom<RejectionV1<'_>> for Rejection {
    type Error = Invalid;

    fn try_from(mirror: RejectionV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            RejectionV1::Malformed(rule) => Self::Malformed(known_rule(rule)?),
            RejectionV1::RequestIdReused => Self::RequestIdReused,
            RejectionV1::RequestIdExpired { horizon_ms } => Self::RequestIdExpired { horizon_ms },
            RejectionV1::RequestIdInFuture { now_ms } => Self::RequestIdInFuture { now_ms },
            RejectionV1::RequestAbandoned => Self::RequestAbandoned,
            RejectionV1::NotFound(resource) => Self::NotFound(resource.try_into()?),
            RejectionV1::AlreadyExists(resource) => Self::AlreadyExists(resource.try_into()?),
            RejectionV1::ReservationExpired { holder, expired_us } => Self::ReservationExpired {
                holder: holder.try_into()?,
                expired: LogTime::from_micros(expired_us),
            },
            RejectionV1::IllegalTransition { order, state, operation } => Self::IllegalTransition {
                order: id(OrderId::new, order)?,
                state: state.into(),
                operation: operation.into(),
            },
            RejectionV1::ReservationSettled { reservation, state } => Self::ReservationSettled {
                reservation: id(ReservationId::new, reservation)?,
                state: state.into(),
            },
            RejectionV1::EtagMismatch { resource, current } => {
                Self::EtagMismatch { resource: resource.try_into()?, current: current.into() }
            }
            RejectionV1::QuantityStale { sku, location, bucket, current } => Self::QuantityStale {
                sku: id(SkuId::new, sku)?,
                location: id(LocationId::new, location)?,
                bucket: bucket.into(),
                current,
            },
            RejectionV1::LocationInUse { location, sku } => {
                Self::LocationInUse { location: id(LocationId::new, location)?, sku: id(SkuId::new, sku)? }
            }
            RejectionV1::LocationDisabled { location } => {
                Self::LocationDisabled { location: id(LocationId::new, location)? }
            }
            RejectionV1::PurchaseLimit { breaches } => Self::PurchaseLimit { breaches: restore(breaches)? },
            RejectionV1::SkuInUse { sku, location } => {
                Self::SkuInUse { sku: id(SkuId::new, sku)?, location: id(LocationId::new, location)? }
            }
            RejectionV1::QuantityExceeded { holder, lines } => Self::QuantityExceeded {
                holder: holder.try_into()?,
                lines: lines.into_iter().map(ExceededLine::from).collect(),
            },
            RejectionV1::QuantityOverflow => Self::QuantityOverflow,
            RejectionV1::InsufficientStock { shortages } => {
                Self::InsufficientStock { shortages: restore(shortages)? }
            }
            RejectionV1::RetryAfterExpiry => Self::RetryAfterExpiry,
        })
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
        let Shortage { line, sku, location, bucket, asked, available, next_expiry } = shortage;
        Self {
            line: *line,
            sku: sku.as_str(),
            location: location.as_ref().map(LocationId::as_str),
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
            bucket: mirror.bucket.into(),
            asked: mirror.asked,
            available: mirror.available,
            next_expiry: mirror.next_expiry_us.map(LogTime::from_micros),
        })
    }
}

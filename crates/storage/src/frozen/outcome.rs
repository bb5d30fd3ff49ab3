//! Outcomes, rejections, replies and request records, frozen.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::MALFORMED_RULES;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, RequestId, SkuId, is_id};
use stockade_state_machine::records::{OutcomeView, RecordView};
use stockade_state_machine::rejection::{ExceededLine, Resource, Shortage};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{ContentHash, LogTime, Outcome, Rejection, Reply, Revision, StockKey};

use super::kinds::{BucketV1, OperationV1, OrderStateV1};
use super::row::{SkuV1, StockV1};
use super::{Invalid, id, mirror, optional_id, restore};

/// The first form of [`Outcome`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum OutcomeV1<'a> {
    #[serde(borrow)]
    SkuCreated(SkuV1<'a>),
    #[serde(borrow)]
    SkuUpdated(SkuV1<'a>),
    SkuDeleted,
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
    OrderPlaced {
        order: &'a str,
        expires_us: u64,
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
    DueExpired {
        orders: u32,
        more: bool,
    },
    RequestAbandoned,
    #[serde(borrow)]
    Rejected(RejectionV1<'a>),
}

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
        order: &'a str,
        expired_us: u64,
    },
    IllegalTransition {
        order: &'a str,
        state: OrderStateV1,
        operation: OperationV1,
    },
    SkuInUse {
        sku: &'a str,
        location: &'a str,
    },
    QuantityExceeded {
        order: &'a str,
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
    Order(&'a str),
    OrderLine(&'a str, u32),
    Document(&'a str),
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
}

impl<'a> From<&'a Outcome> for OutcomeV1<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::SkuCreated(sku) => Self::SkuCreated(sku.into()),
            Outcome::SkuUpdated(sku) => Self::SkuUpdated(sku.into()),
            Outcome::SkuDeleted => Self::SkuDeleted,
            Outcome::StockReceived(StockKey { sku, location }, stock) => {
                Self::StockReceived { sku: sku.as_str(), location: location.as_str(), stock: stock.into() }
            }
            Outcome::StockAdjusted(StockKey { sku, location }, stock) => {
                Self::StockAdjusted { sku: sku.as_str(), location: location.as_str(), stock: stock.into() }
            }
            Outcome::OrderPlaced { order, expires, locations } => Self::OrderPlaced {
                order: order.as_str(),
                expires_us: expires.micros(),
                locations: locations.iter().map(LocationId::as_str).collect(),
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
            Outcome::DueExpired { orders, more } => Self::DueExpired { orders: *orders, more: *more },
            Outcome::RequestAbandoned => Self::RequestAbandoned,
            Outcome::Rejected(rejection) => Self::Rejected(rejection.into()),
        }
    }
}

impl TryFrom<OutcomeV1<'_>> for Outcome {
    type Error = Invalid;

    fn try_from(mirror: OutcomeV1<'_>) -> Result<Self, Invalid> {
        let order_id = |order: &str| id(OrderId::new, order);
        Ok(match mirror {
            OutcomeV1::SkuCreated(sku) => Self::SkuCreated(sku.try_into()?),
            OutcomeV1::SkuUpdated(sku) => Self::SkuUpdated(sku.try_into()?),
            OutcomeV1::SkuDeleted => Self::SkuDeleted,
            OutcomeV1::StockReceived { sku, location, stock } => {
                Self::StockReceived(stock_key(sku, location)?, stock.try_into()?)
            }
            OutcomeV1::StockAdjusted { sku, location, stock } => {
                Self::StockAdjusted(stock_key(sku, location)?, stock.try_into()?)
            }
            OutcomeV1::OrderPlaced { order, expires_us, locations } => Self::OrderPlaced {
                order: order_id(order)?,
                expires: LogTime::from_micros(expires_us),
                locations: locations
                    .into_iter()
                    .map(|text| id(LocationId::new, text))
                    .collect::<Result<_, _>>()?,
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
            OutcomeV1::DueExpired { orders, more } => Self::DueExpired { orders, more },
            OutcomeV1::RequestAbandoned => Self::RequestAbandoned,
            OutcomeV1::Rejected(rejection) => Self::Rejected(rejection.try_into()?),
        })
    }
}

fn stock_key(sku: &str, location: &str) -> Result<StockKey, Invalid> {
    Ok(StockKey { sku: id(SkuId::new, sku)?, location: id(LocationId::new, location)? })
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
            Rejection::ReservationExpired { order, expired } => {
                Self::ReservationExpired { order: order.as_str(), expired_us: expired.micros() }
            }
            Rejection::IllegalTransition { order, state, operation } => Self::IllegalTransition {
                order: order.as_str(),
                state: (*state).into(),
                operation: (*operation).into(),
            },
            Rejection::SkuInUse { sku, location } => {
                Self::SkuInUse { sku: sku.as_str(), location: location.as_str() }
            }
            Rejection::QuantityExceeded { order, lines } => {
                Self::QuantityExceeded { order: order.as_str(), lines: mirror(lines) }
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
        let order_id = |order: &str| id(OrderId::new, order);
        Ok(match mirror {
            RejectionV1::Malformed(rule) => Self::Malformed(known_rule(rule)?),
            RejectionV1::RequestIdReused => Self::RequestIdReused,
            RejectionV1::RequestIdExpired { horizon_ms } => Self::RequestIdExpired { horizon_ms },
            RejectionV1::RequestIdInFuture { now_ms } => Self::RequestIdInFuture { now_ms },
            RejectionV1::RequestAbandoned => Self::RequestAbandoned,
            RejectionV1::NotFound(resource) => Self::NotFound(resource.try_into()?),
            RejectionV1::AlreadyExists(resource) => Self::AlreadyExists(resource.try_into()?),
            RejectionV1::ReservationExpired { order, expired_us } => Self::ReservationExpired {
                order: order_id(order)?,
                expired: LogTime::from_micros(expired_us),
            },
            RejectionV1::IllegalTransition { order, state, operation } => Self::IllegalTransition {
                order: order_id(order)?,
                state: state.into(),
                operation: operation.into(),
            },
            RejectionV1::SkuInUse { sku, location } => {
                Self::SkuInUse { sku: id(SkuId::new, sku)?, location: id(LocationId::new, location)? }
            }
            RejectionV1::QuantityExceeded { order, lines } => Self::QuantityExceeded {
                order: order_id(order)?,
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
            Resource::Order(id) => Self::Order(id.as_str()),
            Resource::OrderLine(id, line) => Self::OrderLine(id.as_str(), *line),
            Resource::Document(id) => Self::Document(id.as_str()),
        }
    }
}

impl TryFrom<ResourceV1<'_>> for Resource {
    type Error = Invalid;

    fn try_from(mirror: ResourceV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            ResourceV1::Sku(text) => Self::Sku(id(SkuId::new, text)?),
            ResourceV1::Order(text) => Self::Order(id(OrderId::new, text)?),
            ResourceV1::OrderLine(text, line) => Self::OrderLine(id(OrderId::new, text)?, line),
            ResourceV1::Document(text) => Self::Document(id(DocumentId::new, text)?),
        })
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
        let Shortage { line, sku, location, bucket, asked, available } = shortage;
        Self {
            line: *line,
            sku: sku.as_str(),
            location: location.as_ref().map(LocationId::as_str),
            bucket: (*bucket).into(),
            asked: *asked,
            available: *available,
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
        })
    }
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
                for location in &locations {
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
            | Self::StockReceived { .. }
            | Self::StockAdjusted { .. }
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

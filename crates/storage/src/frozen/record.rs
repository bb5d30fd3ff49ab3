//! Replies and request records, frozen, and records in the parts that they are read from.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use stockade_state_machine::ids::{RequestId, is_id};
use stockade_state_machine::records::{OutcomeView, RecordView, SourceView};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{ContentHash, LogTime, Reply, Revision};

use super::Invalid;
use super::outcome::{DoneV1, OutcomeV1, SourceV1};

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
        match self {
            Self::Done(outcome) => outcome.into_view(),
            Self::Transacted(_) | Self::DueExpired { .. } | Self::RequestAbandoned | Self::Rejected(_) => {
                Ok(OutcomeView::Other(Cow::Owned(self.try_into()?)))
            }
        }
    }
}

impl<'a> DoneV1<'a> {
    fn into_view(self) -> Result<OutcomeView<'a>, Invalid> {
        Ok(match self {
            Self::OrderPlaced { order, expires_us, sources } => OutcomeView::OrderPlaced {
                order: checked(order)?,
                expires: LogTime::from_micros(expires_us),
                sources: source_views(sources)?,
            },
            Self::OrderConfirmed { order } => OutcomeView::OrderConfirmed { order: checked(order)? },
            Self::OrderExtended { order, expires_us } => OutcomeView::OrderExtended {
                order: checked(order)?,
                expires: LogTime::from_micros(expires_us),
            },
            Self::OrderShipped { order, state, shipped, parcel } => {
                OutcomeView::OrderShipped { order: checked(order)?, state: state.into(), shipped, parcel }
            }
            Self::OrderCancelled { order, state, cancelled } => {
                OutcomeView::OrderCancelled { order: checked(order)?, state: state.into(), cancelled }
            }
            Self::OrderClosed { order } => OutcomeView::OrderClosed { order: checked(order)? },
            Self::OrderReturned { order, state, returned } => {
                OutcomeView::OrderReturned { order: checked(order)?, state: state.into(), returned }
            }
            Self::ReservationCreated { reservation, expires_us, sources } => {
                OutcomeView::ReservationCreated {
                    reservation: checked(reservation)?,
                    expires: LogTime::from_micros(expires_us),
                    sources: source_views(sources)?,
                }
            }
            Self::ReservationExtended { reservation, expires_us } => OutcomeView::ReservationExtended {
                reservation: checked(reservation)?,
                expires: LogTime::from_micros(expires_us),
            },
            Self::ReservationCommitted { reservation, state, order, order_state, expires_us, committed } => {
                OutcomeView::ReservationCommitted {
                    reservation: checked(reservation)?,
                    state: state.into(),
                    order: checked(order)?,
                    order_state: order_state.into(),
                    expires: LogTime::from_micros(expires_us),
                    committed,
                }
            }
            Self::ReservationReleased { reservation, state, released } => OutcomeView::ReservationReleased {
                reservation: checked(reservation)?,
                state: state.into(),
                released,
            },
            Self::ReservationMoved { reservation, moved } => {
                OutcomeView::ReservationMoved { reservation: checked(reservation)?, moved }
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
            | Self::StockMoved { .. } => OutcomeView::Other(Cow::Owned(self.try_into()?)),
        })
    }
}

fn source_views(sources: Vec<SourceV1<'_>>) -> Result<Vec<SourceView<'_>>, Invalid> {
    let view = |SourceV1 { line, location, quantity }| {
        let location = if location.is_empty() { location } else { checked(location)? };
        Ok(SourceView { line, location, quantity })
    };
    sources.into_iter().map(view).collect()
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

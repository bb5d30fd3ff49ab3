//! Rejections: business answers that every node gives alike. Each names the rule that would be broken and what the
//! caller needs to know to do better. In the order of precedence: request id, not found, state, limits, stock.

use crate::holder::Holder;
use crate::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use crate::order::{Operation, OrderState};
use crate::reservation::ReservationState;
use crate::stock::Bucket;
use crate::time::LogTime;
use crate::version::Version;

/// Why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The command breaks a bound that the gateway should have caught; says which.
    Malformed(&'static str),
    /// The id was used for other content.
    RequestIdReused,
    /// The id is as old as the horizon or older: whether it ran before is no longer known.
    RequestIdExpired {
        /// Ids up to this time, in milliseconds since 1970, are expired.
        horizon_ms: u64,
    },
    /// The id's time is too far ahead of log time.
    RequestIdInFuture {
        /// Log time, in milliseconds since 1970.
        now_ms: u64,
    },
    /// The caller gave the request up.
    RequestAbandoned,
    /// No such thing.
    NotFound(Resource),
    /// There is one already.
    AlreadyExists(Resource),
    /// The hold has ended.
    ReservationExpired {
        /// Of what.
        holder: Holder,
        /// When it ended.
        expired: LogTime,
    },
    /// The order's state doesn't allow it.
    IllegalTransition {
        /// Which.
        order: OrderId,
        /// Its state.
        state: OrderState,
        /// What was tried.
        operation: Operation,
    },
    /// The reservation holds nothing any more.
    ReservationSettled {
        /// Which.
        reservation: ReservationId,
        /// Its state.
        state: ReservationState,
    },
    /// The row has changed since the caller saw it.
    EtagMismatch {
        /// Which.
        resource: Resource,
        /// Its version now.
        current: Version,
    },
    /// The bucket holds another quantity than the caller expected.
    QuantityStale {
        /// Of what.
        sku: SkuId,
        /// Where.
        location: LocationId,
        /// Which.
        bucket: Bucket,
        /// Units there.
        current: i64,
    },
    /// A transaction's preconditions that do not hold.
    PreconditionFailed {
        /// Each of them, in order; not empty.
        failed: Vec<FailedPrecondition>,
    },
    /// An operation of a transaction was refused, and so none took effect.
    OperationRejected {
        /// Number of the operation, from 1.
        operation: u32,
        /// Why.
        rejection: Box<Rejection>,
    },
    /// A SKU with stock can't be deleted.
    SkuInUse {
        /// Which.
        sku: SkuId,
        /// Where it has stock.
        location: LocationId,
    },
    /// A location with stock can't be deleted.
    LocationInUse {
        /// Which.
        location: LocationId,
        /// What it has stock of.
        sku: SkuId,
    },
    /// The location takes no new orders.
    LocationDisabled {
        /// Which.
        location: LocationId,
    },
    /// Lines that name no location, times the locations, are more than [`MAX_CHOICES`](crate::limits::MAX_CHOICES); lines would be split into more than [`MAX_PARTS`](crate::limits::MAX_PARTS) parts, an order have more than
    /// [`MAX_PARCELS`](crate::limits::MAX_PARCELS) parcels or [`MAX_PARCEL_LINES`](crate::limits::MAX_PARCEL_LINES) lines in them, or a
    /// transaction write orders and reservations with more than [`MAX_TRANSACT_LINES`](crate::limits::MAX_TRANSACT_LINES) parts together.
    TooLarge {
        /// Which.
        holder: Holder,
    },
    /// More or fewer units than an order may take.
    PurchaseLimit {
        /// Every SKU of which that is so, in the order of the lines.
        breaches: Vec<LimitBreach>,
    },
    /// More units of a line than there are to ship, to cancel, to return, to commit or to release.
    QuantityExceeded {
        /// Of what.
        holder: Holder,
        /// Everything that is asked for too much, in the order of the request.
        lines: Vec<ExceededLine>,
    },
    /// A quantity or a sum would leave the range of 64 bits.
    QuantityOverflow,
    /// Every line that is short.
    InsufficientStock {
        /// Not empty.
        shortages: Vec<Shortage>,
    },
    /// Not for callers and never recorded: more holds on what is short are due than one command or one entry may expire.
    /// The proposer proposes the command again.
    RetryAfterExpiry,
}

/// A precondition that does not hold, and what is the case instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPrecondition {
    /// Its number, from 1.
    pub number: u32,
    /// What is the case.
    pub current: Current,
}

/// What is the case where a precondition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current {
    /// There is no such row.
    Missing,
    /// The row is there, with this version.
    Version(Version),
    /// Units in the bucket.
    Quantity(i64),
    /// State of the order.
    OrderState(OrderState),
    /// State of the reservation.
    ReservationState(ReservationState),
}

/// Something that has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A SKU.
    Sku(SkuId),
    /// A location.
    Location(LocationId),
    /// An order.
    Order(OrderId),
    /// A line of an order, from 1.
    OrderLine(OrderId, u32),
    /// A reservation.
    Reservation(ReservationId),
    /// A line of a reservation, from 1.
    ReservationLine(ReservationId, u32),
    /// A booked document.
    Document(DocumentId),
}

impl Resource {
    /// A line of an order or a reservation.
    pub(crate) fn line(holder: &Holder, number: u32) -> Self {
        match holder {
            Holder::Order(id) => Self::OrderLine(id.clone(), number),
            Holder::Reservation(id) => Self::ReservationLine(id.clone(), number),
        }
    }
}

/// A SKU of which an order asks for more or less than it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitBreach {
    /// Which.
    pub sku: SkuId,
    /// Units that all lines ask for.
    pub asked: i64,
    /// Units that an order takes at least.
    pub min: i64,
    /// Units that an order takes at most; 0 for no limit.
    pub max: i64,
}

/// A line that asks for more than is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceededLine {
    /// From 1.
    pub line: u32,
    /// Units asked for.
    pub asked: i64,
    /// Units left, after what the request asked for before.
    pub left: i64,
}

/// What is missing of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Number of the line, from 1: of the request, or of the reservation that is to move; 0 where there are no lines.
    pub line: u32,
    /// What is short.
    pub sku: SkuId,
    /// Where; `None` where any location would have done.
    pub location: Option<LocationId>,
    /// True where several locations together would have done.
    pub together: bool,
    /// In which bucket.
    pub bucket: Bucket,
    /// Units asked for.
    pub asked: i64,
    /// Units there, after what earlier lines of the same request take: at the location, at all together, or at the one that has most.
    pub available: i64,
    /// When the next hold on units of the SKU ends that is not due yet, at whichever location; `None` where there is none, and for
    /// any other bucket than `available`.
    pub next_expiry: Option<LogTime>,
}

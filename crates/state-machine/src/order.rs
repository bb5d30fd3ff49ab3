//! Orders and their lines.

use crate::ids::{CustomerId, DocumentId, LocationId, OrderId, SkuId};
use crate::time::LogTime;
use crate::version::Version;

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderState {
    /// Units are held for payment.
    PendingPayment,
    /// Paid, nothing shipped yet.
    Confirmed,
    /// Some units shipped, some are still to ship.
    PartiallyShipped,
    /// All that will ship has shipped.
    Shipped,
    /// Some shipped units came back, or all did and others are still to ship.
    PartiallyReturned,
    /// All shipped units came back, and none is to ship.
    Returned,
    /// Nothing is held, owed or shipped.
    Cancelled,
    /// Not paid in time.
    Expired,
    /// Shipped, and done with; units may still come back.
    Closed,
}

impl OrderState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::PendingPayment,
        Self::Confirmed,
        Self::PartiallyShipped,
        Self::Shipped,
        Self::PartiallyReturned,
        Self::Returned,
        Self::Cancelled,
        Self::Expired,
        Self::Closed,
    ];

    /// The name as callers know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingPayment => "PENDING_PAYMENT",
            Self::Confirmed => "CONFIRMED",
            Self::PartiallyShipped => "PARTIALLY_SHIPPED",
            Self::Shipped => "SHIPPED",
            Self::PartiallyReturned => "PARTIALLY_RETURNED",
            Self::Returned => "RETURNED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
            Self::Closed => "CLOSED",
        }
    }

    /// What can be done to an order in this state.
    pub const fn allowed(self) -> &'static [Operation] {
        match self {
            Self::PendingPayment => &[Operation::Confirm, Operation::Extend, Operation::Cancel],
            Self::Confirmed => &[Operation::Ship, Operation::Cancel],
            // Of a partly returned order, ship and cancel are refused further on where nothing is left to ship.
            Self::PartiallyShipped | Self::PartiallyReturned => {
                &[Operation::Ship, Operation::Cancel, Operation::Return]
            }
            Self::Shipped => &[Operation::Return, Operation::Close],
            Self::Closed => &[Operation::Return],
            Self::Returned | Self::Cancelled | Self::Expired => &[],
        }
    }
}

/// What a caller can do to an order once it is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Payment was taken.
    Confirm,
    /// Units are held for longer.
    Extend,
    /// Units leave.
    Ship,
    /// What is not shipped is given back.
    Cancel,
    /// Shipped units come back.
    Return,
    /// It is done with.
    Close,
}

impl Operation {
    /// The name as callers know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "CONFIRM",
            Self::Extend => "EXTEND",
            Self::Ship => "SHIP",
            Self::Cancel => "CANCEL",
            Self::Return => "RETURN",
            Self::Close => "CLOSE",
        }
    }
}

/// A line of an order, or the part of one whose units are from one location. Quantities are units.
///
/// Invariants (I5):
/// - `ordered = held + allocated + cancelled + expired`.
/// - `shipped <= allocated`, `returned <= shipped`; none is below 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Number of the line, from 1; the parts of a line share it.
    pub number: u32,
    /// What.
    pub sku: SkuId,
    /// From where, or where the units were taken anew after the hold had ended; `None` where no bucket counts the units: the SKU was not tracked when it was ordered, or none was there and the
    /// order took what it could get.
    pub location: Option<LocationId>,
    /// Price of one unit in minor units of the order's currency.
    pub unit_price_minor: i64,
    /// Units asked for.
    pub ordered: i64,
    /// Held, unpaid: counted in the bucket `reserved`.
    pub held: i64,
    /// Paid for; what has not shipped of it is counted in the bucket `committed`.
    pub allocated: i64,
    /// Gone out.
    pub shipped: i64,
    /// Come back.
    pub returned: i64,
    /// Given back before shipping, or not there from the start.
    pub cancelled: i64,
    /// Given back because the hold ended.
    pub expired: i64,
}

impl OrderLine {
    /// Units owed: allocated and not shipped.
    pub fn unshipped(&self) -> i64 {
        self.allocated - self.shipped
    }
}

/// An order.
///
/// Invariants:
/// - It has at least one line. The numbers of lines rise from 1 without a gap; parts of a line stand together.
/// - Its state follows from its lines and the time: there is no second record of it that could differ.
/// - Of each line, what all parcels have of it is what has shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its name, for ever.
    pub id: OrderId,
    /// Whose it is, where the caller said.
    pub customer: Option<CustomerId>,
    /// ISO 4217.
    pub currency: Currency,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// Log time of the placement.
    pub created: LogTime,
    /// Log time of the last change.
    pub updated: LogTime,
    /// When the hold ends if the order is still unpaid. Of one that was born paid, when its reservation would have ended.
    pub expires: LogTime,
    /// Of the last change.
    pub version: Version,
    /// The caller's reference of the payment; empty where none was given.
    pub payment_reference: String,
    /// What left together, in order.
    pub parcels: Vec<Parcel>,
    /// When it closes or closed, where all has shipped and nothing came back.
    pub closes: Option<LogTime>,
}

/// Units that left together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Log time at which they did.
    pub shipped: LogTime,
    /// The carrier's; empty where none was given.
    pub tracking_number: String,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// What is in it. Not empty.
    pub lines: Vec<ParcelLine>,
}

/// A line of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParcelLine {
    /// Index of the line or part of a line among [`Order::lines`].
    pub part: u32,
    /// Units, at least 1.
    pub quantity: i64,
}

impl Order {
    /// The state at a time: what shipped is closed when it is time for that.
    pub fn state_at(&self, now: LogTime) -> OrderState {
        match self.state() {
            OrderState::Shipped if self.closes.is_some_and(|closes| closes <= now) => OrderState::Closed,
            state => state,
        }
    }

    /// The state, from the quantities of the lines alone: of what shipped, it does not say whether it is closed.
    pub fn state(&self) -> OrderState {
        let any = |quantity: fn(&OrderLine) -> i64| self.lines.iter().any(|line| quantity(line) > 0);
        let unshipped = any(OrderLine::unshipped);
        let unreturned = any(|line| line.shipped - line.returned);
        if any(|line| line.held) {
            OrderState::PendingPayment
        } else if any(|line| line.returned) {
            if unshipped || unreturned { OrderState::PartiallyReturned } else { OrderState::Returned }
        } else if unreturned {
            if unshipped { OrderState::PartiallyShipped } else { OrderState::Shipped }
        } else if unshipped {
            OrderState::Confirmed
        } else if any(|line| line.expired) {
            OrderState::Expired
        } else {
            OrderState::Cancelled
        }
    }

    /// True where nothing is held or owed: only a return can still change it, so it needn't stay in memory.
    pub fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.held == 0 && line.unshipped() == 0)
    }
}

/// A currency code of ISO 4217: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Takes three capital letters; whether ISO lists them is the caller's affair.
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("capital letters are UTF-8")
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

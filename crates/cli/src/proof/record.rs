//! What was promised.

use std::collections::BTreeMap;

use stockade_proto::v1::OrderState;
use tokio::time::Instant;

/// What an order was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promised {
    /// True once the order was acknowledged: it must be there.
    pub(crate) acknowledged: bool,
    /// The SKU and units of each line.
    pub(crate) lines: Vec<(String, i64)>,
    /// The states it may be in: several only where the fate of the last change is open.
    pub(crate) states: Vec<OrderState>,
}

/// An acknowledged order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    /// When the answer was here.
    pub(crate) at: Instant,
    /// The term in which it was given.
    pub(crate) term: u64,
}

/// All that was promised.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) orders: BTreeMap<String, Promised>,
    /// Units booked in, by SKU.
    pub(crate) received: BTreeMap<String, i64>,
    pub(crate) acks: Vec<Ack>,
    /// Refused for want of stock.
    pub(crate) rejected: u64,
    /// Refusals that have no business here; who proves fails with them.
    pub(crate) unexpected: Vec<String>,
}

//! Every bound of the state machine, in one place. They are part of what all nodes must agree on: a change is gated
//! by the version of the entry.

/// Characters of an identifier.
pub const MAX_ID_LEN: usize = 128;
/// Bytes of a SKU's display name.
pub const MAX_DISPLAY_NAME_LEN: usize = 256;
/// Attributes of a SKU.
pub const MAX_ATTRIBUTES: usize = 32;
/// Bytes of all attributes of a SKU, names and values. They stand in the request record of what set them.
pub const MAX_ATTRIBUTES_BYTES: usize = 4_096;
/// Highest priority number of a location, which makes it the last to be taken from.
pub const MAX_PRIORITY: u32 = 1_000_000;
/// Bytes of a reference kept in the ledger.
pub const MAX_REFERENCE_LEN: usize = 512;
/// Lines of an order, a reservation, a shipment or a return. Real orders reach 1,114.
pub const MAX_LINES: usize = 2_000;
/// Lines of an order or a reservation that name no location, times the locations that there are: what a choice looks at.
pub const MAX_CHOICES: usize = 1_000_000;
/// Parcels of an order.
pub const MAX_PARCELS: usize = 1_000;
/// Lines of all parcels of an order.
pub const MAX_PARCEL_LINES: usize = 10_000;
/// Parts of all lines of an order or a reservation, where lines are split.
pub const MAX_PARTS: usize = 4_000;
/// Operations of a transaction.
pub const MAX_OPERATIONS: usize = 1_000;
/// Lines of all operations of a transaction, and parts of the orders and reservations that they write, counted for each operation.
pub const MAX_TRANSACT_LINES: usize = 10_000;
/// Preconditions of a transaction.
pub const MAX_PRECONDITIONS: usize = 1_000;
/// Units of a receipt or an adjustment.
pub const MAX_STOCK_CHANGE: i64 = 1_000_000_000_000;
/// Units of a line.
pub const MAX_LINE_QUANTITY: i64 = 1_000_000_000;
/// Price of a unit, in minor units.
pub const MAX_UNIT_PRICE_MINOR: i64 = 1_000_000_000_000;
/// Shortest hold of an unpaid order or a reservation, in microseconds: a second.
pub const MIN_HOLD_US: u64 = 1_000_000;
/// Longest hold of an unpaid order or a reservation, in microseconds: 30 days.
pub const MAX_HOLD_US: u64 = 30 * 24 * 3_600 * 1_000_000;
/// Hold of an unpaid order or a reservation where the caller names none, in microseconds: 15 minutes.
pub const DEFAULT_HOLD_US: u64 = 15 * 60 * 1_000_000;
/// Shortest time after which a shipped order closes by itself, in microseconds: a second.
pub const MIN_CLOSE_AFTER_US: u64 = 1_000_000;
/// Longest time after which a shipped order closes by itself, in microseconds: 3,660 days.
pub const MAX_CLOSE_AFTER_US: u64 = 3_660 * 24 * 3_600 * 1_000_000;
/// Orders and reservations that one command expires at most.
pub const MAX_EXPIRE_BATCH: usize = 1_000;
/// Lines of orders and reservations after which an entry expires no more, so that none takes long. The one that crosses it still
/// expires whole.
pub const MAX_EXPIRE_LINES: usize = 10_000;
/// How far a request id's time may be ahead of log time, in milliseconds.
pub const MAX_REQUEST_AHEAD_MS: u64 = 5 * 60 * 1_000;
/// How long request records are kept, in milliseconds.
pub const REQUEST_RETENTION_MS: u64 = 3_600 * 1_000;
/// How many request records are kept; that of a transaction counts for as many as it has operations.
pub const MAX_REQUEST_RECORDS: usize = 4_000_000;
/// Expired request records that one command removes at most. More than one, so that the backlog shrinks.
pub const REQUEST_TRIM_BATCH: usize = 4;

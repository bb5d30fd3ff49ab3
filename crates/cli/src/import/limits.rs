//! Every bound of the import, in one place. Those of the cluster are repeated here so that a row that would be refused
//! goes to the reject file with its line number.

use std::time::Duration;

/// Lines of an order.
pub(super) const MAX_ORDER_LINES: usize = 2_000;
/// Units of a line.
pub(super) const MAX_QUANTITY: i64 = 1_000_000_000;
/// Pence for a unit.
pub(super) const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;
/// Characters of a stock code or a customer's number: room is left for the prefixes of documents.
pub(super) const MAX_CODE_LEN: usize = 64;
/// Bytes of a SKU's name.
pub(super) const MAX_NAME_LEN: usize = 256;
/// Units that `--stock-policy fixed:N` may give.
pub(super) const MAX_RECEIPT: i64 = 1_000_000_000_000;
/// How long an unpaid order holds its units. The longest that there is, so that a broken run can resume days later.
pub(super) const HOLD: Duration = Duration::from_hours(30 * 24);
/// How often an order is read again because it moved on between a read and a write.
pub(super) const MAX_REREADS: u32 = 8;
/// Shortages that the report lists; all are counted.
pub(super) const MAX_LISTED: usize = 100;

//! Every bound of files, in one place. Those of the cluster are repeated here so that a value that would be refused is
//! named with its line before anything is changed.

/// Bytes of a file.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;
/// Bytes of a record: what is longer has a quotation mark that is never closed.
pub(super) const MAX_RECORD_BYTES: usize = 64 * 1024;
/// Rows of a page that is exported: as many as a cluster gives.
pub(super) const PAGE_ROWS: i32 = 1_000;
/// SKUs that are looked up with one call.
pub(super) const SKU_BATCH: usize = 250;
/// Stock rows that are looked up with one call.
pub(super) const STOCK_BATCH: usize = 1_000;
/// Refusals that the JSON object lists; all are counted, and all are on standard error.
pub(super) const MAX_LISTED: usize = 100;

/// Characters of an id.
pub(super) const MAX_ID_LEN: usize = 128;
/// Bytes of a display name.
pub(super) const MAX_NAME_BYTES: usize = 256;
/// Units of a limit per order.
pub(super) const MAX_ORDER_UNITS: i64 = 1_000_000_000;
/// Units that a bucket may be set to.
pub(super) const MAX_UNITS: i64 = 1_000_000_000_000;
/// Attributes of a SKU.
pub(super) const MAX_ATTRIBUTES: usize = 32;
/// Bytes of all attributes of a SKU, names and values.
pub(super) const MAX_ATTRIBUTES_BYTES: usize = 4_096;

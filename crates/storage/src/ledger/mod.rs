//! The ledger in the engine: how its entries are chained and kept, what happened, what there was at a moment in the past, and whether it
//! is still as it was written.

mod chain;
mod check;
mod query;
mod row;
mod rows;
mod view;

pub(crate) use self::chain::Chain;
pub(crate) use self::check::LedgerCheck;
pub use self::check::{LedgerProblem, LedgerVerification};
pub use self::query::{AsOf, LedgerFilter, LedgerKey, LedgerPage, StockAsOf};
pub(crate) use self::row::{LedgerItems, LedgerRow};
pub use self::view::LedgerView;

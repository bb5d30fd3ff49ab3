//! Documents: a caller's numbers of receipts and other changes of stock, parcels and returns, each booked once, for ever.

use crate::ids::DocumentId;
use crate::revision::Revision;

/// A booked document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The caller's number.
    pub id: DocumentId,
    /// Where it was booked.
    pub revision: Revision,
}

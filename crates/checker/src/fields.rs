//! Single fields of requests: numbers, names, lines, reasons, etags. Written from the comments in `proto/`, apart from the
//! gateway's way.

use std::ops::Range;

use stockade_proto::v1;
use stockade_state_machine::command::{LineQuantity, PlaceLine, Sourcing};
use stockade_state_machine::ids::{CustomerId, DocumentId, IdError, LocationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::DEFAULT_HOLD_US;
use stockade_state_machine::order::Currency;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Revision, Version};

use crate::convert;

/// Why a message is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoCommand(pub String);

impl From<IdError> for NoCommand {
    fn from(error: IdError) -> Self {
        Self(format!("an id {error}"))
    }
}

pub(crate) fn wrong(what: &str) -> NoCommand {
    NoCommand(what.to_owned())
}

/// A time as log time has it; what is finer than a microsecond is left out.
pub(crate) fn micros(time: &prost_types::Timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u64::try_from(time.nanos).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)
}

/// Where rows stand that are "from this log time on" and "before this log time", among rows in the order of their times.
pub(crate) fn between<T>(
    rows: &[T],
    time: impl Fn(&T) -> LogTime,
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
) -> Range<usize> {
    let before = |bound: u64| rows.partition_point(|row| time(row).micros() < bound);
    let (start, end) = (start.and_then(micros), end.and_then(micros));
    start.map_or(0, before)..end.map_or(rows.len(), before)
}

pub(crate) fn number(line: i32) -> Result<u32, NoCommand> {
    u32::try_from(line).map_err(|_| wrong("a line number below 0"))
}

pub(crate) fn document(id: &str) -> Result<Option<DocumentId>, NoCommand> {
    Ok(Some(id).filter(|id| !id.is_empty()).map(DocumentId::new).transpose()?)
}

pub(crate) fn customer(id: &str) -> Result<Option<CustomerId>, NoCommand> {
    Ok(Some(id).filter(|id| !id.is_empty()).map(CustomerId::new).transpose()?)
}

pub(crate) fn currency(code: &str) -> Result<Currency, NoCommand> {
    Currency::new(code).ok_or_else(|| wrong("no currency code"))
}

/// "15 minutes where absent."
pub(crate) fn hold_us(hold: Option<&prost_types::Duration>) -> Result<u64, NoCommand> {
    hold.map_or(Ok(DEFAULT_HOLD_US), duration_us)
}

pub(crate) fn duration_us(duration: &prost_types::Duration) -> Result<u64, NoCommand> {
    let as_time = prost_types::Timestamp { seconds: duration.seconds, nanos: duration.nanos };
    micros(&as_time).ok_or_else(|| wrong("a duration below 0"))
}

/// Empty where none is named.
pub(crate) fn location(id: &str) -> Result<Option<LocationId>, NoCommand> {
    Ok(Some(id).filter(|id| !id.is_empty()).map(LocationId::new).transpose()?)
}

/// "Unspecified: PRIORITY."
pub(crate) fn sourcing(sourcing: v1::Sourcing) -> Sourcing {
    match sourcing {
        v1::Sourcing::Unspecified | v1::Sourcing::Priority => Sourcing::Priority,
        v1::Sourcing::MostStock => Sourcing::MostStock,
        v1::Sourcing::FewestSplits => Sourcing::FewestSplits,
        v1::Sourcing::Explicit => Sourcing::Explicit,
        v1::Sourcing::SplitProportional => Sourcing::SplitProportional,
    }
}

/// Lines to be ordered or reserved.
pub(crate) fn new_lines(lines: &[v1::NewOrderLine]) -> Result<Vec<PlaceLine>, NoCommand> {
    let line = |line: &v1::NewOrderLine| {
        Ok(PlaceLine {
            sku: SkuId::new(&line.sku_id)?,
            location: location(&line.location_id)?,
            quantity: line.quantity,
            unit_price_minor: line.unit_price_minor,
        })
    };
    lines.iter().map(line).collect()
}

/// Units of lines that there are.
pub(crate) fn line_quantities(lines: &[v1::LineQuantity]) -> Result<Vec<LineQuantity>, NoCommand> {
    let line = |line: &v1::LineQuantity| {
        Ok(LineQuantity {
            line: number(line.line)?,
            location: location(&line.location_id)?,
            quantity: line.quantity,
        })
    };
    lines.iter().map(line).collect()
}

/// "Where set, it must be the current one": the version that it stands for.
pub(crate) fn expected(etag: &str) -> Result<Option<Version>, NoCommand> {
    if etag.is_empty() {
        return Ok(None);
    }
    let hexadecimal = || {
        let (revision, position) = etag.split_once('-')?;
        let revision = Revision::new(u64::from_str_radix(revision, 16).ok()?);
        Some(Version { revision, position: u32::from_str_radix(position, 16).ok()? })
    };
    // Opaque to callers, so that one spelling is enough: the one that was handed out.
    let version = hexadecimal().filter(|version| convert::etag(*version) == etag);
    version.map(Some).ok_or_else(|| NoCommand(format!("`{etag}` is no etag")))
}

/// "Unspecified means AVAILABLE."
pub(crate) fn bucket(bucket: v1::Bucket) -> Bucket {
    match bucket {
        v1::Bucket::Unspecified | v1::Bucket::Available => Bucket::Available,
        v1::Bucket::Reserved => Bucket::Reserved,
        v1::Bucket::Committed => Bucket::Committed,
        v1::Bucket::SafetyStock => Bucket::SafetyStock,
        v1::Bucket::Damaged => Bucket::Damaged,
        v1::Bucket::QualityControl => Bucket::QualityControl,
    }
}

pub(crate) fn reason(reason: v1::Reason) -> Result<Reason, NoCommand> {
    Ok(match reason {
        v1::Reason::Unspecified => return Err(wrong("no reason")),
        v1::Reason::Received => Reason::Received,
        v1::Reason::Returned => Reason::Returned,
        v1::Reason::Reservation => Reason::Reservation,
        v1::Reason::Commit => Reason::Commit,
        v1::Reason::Release => Reason::Release,
        v1::Reason::Expiry => Reason::Expiry,
        v1::Reason::Shipment => Reason::Shipment,
        v1::Reason::Restock => Reason::Restock,
        v1::Reason::Correction => Reason::Correction,
        v1::Reason::CycleCount => Reason::CycleCount,
        v1::Reason::Damaged => Reason::Damaged,
        v1::Reason::Shrinkage => Reason::Shrinkage,
        v1::Reason::TheftLoss => Reason::TheftLoss,
        v1::Reason::Promotion => Reason::Promotion,
        v1::Reason::QualityHold => Reason::QualityHold,
        v1::Reason::SafetyStock => Reason::SafetyStock,
        v1::Reason::Other => Reason::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_stands_for_the_version_that_it_was_made_of_and_for_no_other_spelling() {
        let version = Version { revision: Revision::new(0x1c), position: 10 };
        assert_eq!(convert::etag(version), "1c-a");
        assert_eq!(expected("1c-a"), Ok(Some(version)));
        assert_eq!(expected(""), Ok(None));
        for text in
            ["1C-a", "01c-a", "1c-0a", "+1c-a", "1c", "1c-", "-a", "0-0", "1c-a-0", "1c-100000000", "any"]
        {
            assert!(expected(text).is_err(), "{text} is no etag");
        }
    }
}

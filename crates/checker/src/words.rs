//! Saying what was seen.

use std::fmt::Debug;

use stockade_history::Outcome;
use stockade_proto::v1;
use stockade_state_machine::ids::RequestId;

use crate::fields;

/// Bytes of one thing in a message.
const MAX_SHOWN: usize = 700;

/// A request id of its text; `None` where it is none.
pub(crate) fn request_id(text: &str) -> Option<RequestId> {
    let digits = text.bytes().filter(|byte| *byte != b'-').count();
    if digits != 32 {
        return None;
    }
    let mut bits = 0_u128;
    for byte in text.bytes().filter(|byte| *byte != b'-') {
        bits = (bits << 4) | u128::from(char::from(byte).to_digit(16)?);
    }
    RequestId::new(bits)
}

/// A place in the log.
pub(crate) fn place(revision: u64, position: u32) -> String {
    format!("revision {revision}, position {position}")
}

/// A thing as a debugger would show it, but no longer than a message can bear.
pub(crate) fn shown(thing: &impl Debug) -> String {
    bounded(format!("{thing:?}"))
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX_SHOWN {
        text.truncate(text.floor_char_boundary(MAX_SHOWN));
        text.push_str("...");
    }
    text
}

/// Stock in numbers.
pub(crate) fn stock(stock: &v1::Stock) -> String {
    format!(
        "{} at {}: available {}, reserved {}, committed {}, safety stock {}, damaged {}, quality control {}, on hand {}, \
         changed at revision {}, etag {:?}",
        stock.sku_id,
        stock.location_id,
        stock.available,
        stock.reserved,
        stock.committed,
        stock.safety_stock,
        stock.damaged,
        stock.quality_control,
        stock.on_hand,
        stock.revision,
        stock.etag
    )
}

/// A movement in numbers.
pub(crate) fn movement(entry: &v1::LedgerEntry) -> String {
    let v1::LedgerEntry { revision, position, sku_id, location_id, quantity, .. } = entry;
    let (from, to) = (entry.from_bucket().as_str_name(), entry.to_bucket().as_str_name());
    let balances = entry.balances.as_ref().map_or_else(|| "nothing".to_owned(), stock);
    let micros = entry.time.as_ref().and_then(fields::micros).unwrap_or_default();
    bounded(format!(
        "{} of {quantity} {sku_id} at {location_id} from {from} to {to} at {} and log time {micros}, by {:?} (request {:?}, \
         order {:?}, reservation {:?}, document {:?}), which left {balances}; reference {:?}",
        entry.reason().as_str_name(),
        place(*revision, *position),
        entry.actor,
        entry.request_id,
        entry.order_id,
        entry.reservation_id,
        entry.document_id,
        entry.reference
    ))
}

/// How a call ended, in words.
pub(crate) fn outcome<Response: Debug>(outcome: &Outcome<Response>) -> String {
    match outcome {
        Outcome::Ok(response) => shown(response),
        Outcome::Refused { reason, metadata, .. } if metadata.is_empty() => format!("the refusal {reason}"),
        Outcome::Refused { reason, metadata, .. } => {
            bounded(format!("the refusal {reason} with {metadata:?}"))
        }
        Outcome::Unknown { .. } => "nothing that says what became of it".to_owned(),
        Outcome::Failed { .. } => "no answer".to_owned(),
    }
}

//! Frozen forms: mirrors of the state machine's types whose layout never changes again.
//!
//! The types of the state machine may be renamed, reordered and extended; what is on disk may not follow them. So each
//! has a mirror here whose fields and variants stay as they are, in this order. A new layout is a new mirror (`V2`)
//! beside the old one, under the next format version. Mirrors borrow: text is copied once when it is read, never when
//! it is written. Whatever comes from disk is checked on the way back into the state machine's types.
//!
//! No mirror holds another of its own type, through whatever others: bytes that nest without end would overflow the stack of who
//! decodes them. Where the state machine's types nest (a transaction's operations, what became of them), what can stand inside
//! has a mirror of its own, which is named *plain* or *done*.

mod command;
mod id;
mod kinds;
mod order;
mod origin;
mod outcome;
mod record;
mod rejection;
mod reservation;
mod row;

use std::fmt;

pub(crate) use command::CommandV1;
pub(crate) use id::IdV1;
pub(crate) use order::OrderV1;
pub(crate) use origin::OriginV1;
pub(crate) use record::{ReplyV1, RequestRecordV1};
pub(crate) use reservation::ReservationV1;
pub(crate) use row::{ClockV1, DocumentV1, LedgerEntryV1, LocationV1, SkuV1, StockV1};

use stockade_state_machine::ids::IdError;
use stockade_state_machine::order::Currency;

/// Why a frozen value is no value of the state machine.
#[derive(Debug)]
pub(crate) struct Invalid(pub(crate) String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Invalid {
    fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// Passes where the condition holds.
fn ensure(holds: bool, rule: &str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid::new(rule)) }
}

/// An identifier from its text.
fn id<T>(new: fn(&str) -> Result<T, IdError>, text: &str) -> Result<T, Invalid> {
    new(text).map_err(|error| Invalid(format!("identifier {text:?} {error}")))
}

/// An identifier that may be missing.
fn optional_id<T>(new: fn(&str) -> Result<T, IdError>, text: Option<&str>) -> Result<Option<T>, Invalid> {
    text.map(|text| id(new, text)).transpose()
}

fn currency(code: &str) -> Result<Currency, Invalid> {
    Currency::new(code).ok_or_else(|| Invalid(format!("currency {code:?} is not three capital letters")))
}

/// Checks that the numbers of lines rise from 1 without a gap, and that there is one; parts of a line share its number.
fn ensure_numbered(numbers: impl Iterator<Item = u32>, of: &str) -> Result<(), Invalid> {
    let mut last = 0;
    for number in numbers {
        if number != last.max(1) && Some(number) != last.checked_add(1) {
            return Err(Invalid(format!("line {number} of {of} comes after line {last}")));
        }
        last = number;
    }
    if last == 0 { Err(Invalid(format!("{of} has no line"))) } else { Ok(()) }
}

/// Mirrors of a list.
fn mirror<'a, T, V: From<&'a T>>(items: &'a [T]) -> Vec<V> {
    items.iter().map(V::from).collect()
}

/// The list that mirrors stand for.
fn restore<V, T: TryFrom<V, Error = Invalid>>(mirrors: Vec<V>) -> Result<Vec<T>, Invalid> {
    mirrors.into_iter().map(T::try_from).collect()
}

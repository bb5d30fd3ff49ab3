//! Single fields, and the list of those that are wrong.

use std::ops::RangeInclusive;

use stockade_state_machine::ids::{
    CustomerId, DocumentId, IdError, LocationId, OrderId, RequestId, ReservationId, SkuId,
};
use stockade_state_machine::limits::{MAX_DISPLAY_NAME_LEN, MAX_ID_LEN, MAX_REFERENCE_LEN};
use stockade_state_machine::{LogTime, Version};

use crate::convert;

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Its path in the request, like `lines[2].quantity`.
    pub(crate) field: String,
    /// What it must be.
    pub(crate) description: String,
}

/// The fields of a request that are wrong, in the order in which they were looked at: the first of them, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    first: Vec<Violation>,
    count: usize,
}

/// Those that are kept: more than an error tells.
const KEPT: usize = 100;

macro_rules! id_fields {
    ($($(#[$doc:meta])* $name:ident: $id:ident),*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(&mut self, field: &str, text: &str) -> Option<$id> {
            let id = $id::new(text);
            self.take(field, id)
        }
    )*};
}

impl Violations {
    /// Notes a field that is wrong.
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(Violation { field: field.into(), description: description.into() });
        }
    }

    /// Takes over the findings of another check.
    pub(crate) fn append(&mut self, more: Self) {
        self.count += more.count;
        self.first.extend(more.first);
        self.first.truncate(KEPT);
    }

    /// Checks a part of the request; its fields are named within it.
    pub(crate) fn within<T>(&mut self, path: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        let mut inner = Self::default();
        let checked = check(&mut inner);
        let named =
            |violation: Violation| Violation { field: format!("{path}.{}", violation.field), ..violation };
        self.append(Self { first: inner.first.into_iter().map(named).collect(), count: inner.count });
        checked
    }

    /// True where nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of them.
    pub(crate) fn first(&self) -> &[Violation] {
        &self.first
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Nothing, or what is wrong.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    id_fields!(
        /// A required SKU id.
        sku: SkuId,
        /// A required location id.
        location: LocationId,
        /// A required order id.
        order: OrderId,
        /// A required reservation id.
        reservation: ReservationId
    );

    /// Several required ids, 1 to `max`. Wrong ones are left out and noted.
    pub(crate) fn several<T>(
        &mut self,
        field: &str,
        texts: &[String],
        max: usize,
        parse: impl Fn(&str) -> Result<T, IdError>,
    ) -> Vec<T> {
        self.check_count(field, texts.len(), max);
        let take = |(number, text): (usize, &String)| self.take(&format!("{field}[{number}]"), parse(text));
        texts.iter().take(max).enumerate().filter_map(take).collect()
    }

    /// A list of 1 to `max`.
    pub(crate) fn check_count(&mut self, field: &str, count: usize, max: usize) {
        if !(1..=max).contains(&count) {
            self.add(field, format!("must be from 1 to {max}"));
        }
    }

    /// A document number, or none. A wrong one is none too, and is noted: the request as a whole is refused for it.
    pub(crate) fn document(&mut self, field: &str, text: &str) -> Option<DocumentId> {
        self.optional(field, text, DocumentId::new)
    }

    /// A customer id, or none.
    pub(crate) fn customer(&mut self, field: &str, text: &str) -> Option<CustomerId> {
        self.optional(field, text, CustomerId::new)
    }

    /// A SKU id, or none.
    pub(crate) fn optional_sku(&mut self, field: &str, text: &str) -> Option<SkuId> {
        self.optional(field, text, SkuId::new)
    }

    /// A location id, or none.
    pub(crate) fn optional_location(&mut self, field: &str, text: &str) -> Option<LocationId> {
        self.optional(field, text, LocationId::new)
    }

    /// An order id, or none.
    pub(crate) fn optional_order(&mut self, field: &str, text: &str) -> Option<OrderId> {
        self.optional(field, text, OrderId::new)
    }

    /// A reservation id, or none.
    pub(crate) fn optional_reservation(&mut self, field: &str, text: &str) -> Option<ReservationId> {
        self.optional(field, text, ReservationId::new)
    }

    /// A log time. What is finer than a microsecond is left out.
    pub(crate) fn time(&mut self, field: &str, asked: &prost_types::Timestamp) -> Option<LogTime> {
        let time = log_time(asked);
        if time.is_none() {
            self.add(field, "must be a time from 1970 on");
        }
        time
    }

    /// From `start_time` on, before `end_time`; each of them, or none.
    pub(crate) fn period(
        &mut self,
        start: Option<&prost_types::Timestamp>,
        end: Option<&prost_types::Timestamp>,
    ) -> (Option<LogTime>, Option<LogTime>) {
        let start = start.and_then(|time| self.time("start_time", time));
        let end = end.and_then(|time| self.time("end_time", time));
        if start.zip(end).is_some_and(|(start, end)| start >= end) {
            self.add("end_time", "must be after start_time");
        }
        (start, end)
    }

    /// A caller's id of a request.
    pub(crate) fn request_id(&mut self, field: &str, text: &str) -> Option<RequestId> {
        // Only the hyphenated form, so that one id has one spelling in every trace and log.
        let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
        let uuid = uuid::Uuid::try_parse(text).ok().filter(|_| hyphenated);
        let id = uuid.and_then(|uuid| RequestId::new(uuid.as_u128()));
        if id.is_none() {
            self.add(field, "must be a UUID of version 7, like 01900000-0000-7000-8000-000000000001");
        }
        id
    }

    /// Visible ASCII characters, perhaps none.
    pub(crate) fn label(&mut self, field: &str, text: &str) -> Option<String> {
        if text.len() <= MAX_ID_LEN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(text.to_owned());
        }
        self.add(field, format!("must be at most {MAX_ID_LEN} visible ASCII characters"));
        None
    }

    /// A reference kept in the ledger.
    pub(crate) fn reference(&mut self, field: &str, text: &str) -> Option<String> {
        self.bounded(field, text, MAX_REFERENCE_LEN)
    }

    /// The version that an etag stands for, or none. One that is no etag of ours is none too, and is noted.
    pub(crate) fn etag(&mut self, field: &str, text: &str) -> Option<Version> {
        if text.is_empty() {
            return None;
        }
        let version = convert::version(text);
        if version.is_none() {
            self.add(field, "must be an etag as it was given");
        }
        version
    }

    /// A name for people.
    pub(crate) fn display_name(&mut self, field: &str, text: &str) -> Option<String> {
        self.bounded(field, text, MAX_DISPLAY_NAME_LEN)
    }

    /// A number within bounds.
    pub(crate) fn number(&mut self, field: &str, value: i64, bounds: RangeInclusive<i64>) -> Option<i64> {
        if bounds.contains(&value) {
            return Some(value);
        }
        self.add(field, format!("must be from {} to {}", bounds.start(), bounds.end()));
        None
    }

    fn bounded(&mut self, field: &str, text: &str, max: usize) -> Option<String> {
        if text.len() <= max {
            return Some(text.to_owned());
        }
        self.add(field, format!("must have at most {max} bytes"));
        None
    }

    fn optional<T>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, IdError>,
    ) -> Option<T> {
        if text.is_empty() { None } else { self.take(field, parse(text)) }
    }

    fn take<T>(&mut self, field: &str, id: Result<T, IdError>) -> Option<T> {
        id.map_err(|error| self.add(field, error.to_string())).ok()
    }
}

/// A time in whole microseconds since 1970; `None` where it is before that, or none at all.
fn log_time(asked: &prost_types::Timestamp) -> Option<LogTime> {
    let seconds = u64::try_from(asked.seconds).ok()?;
    let nanos = u64::try_from(asked.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)?;
    Some(LogTime::from_micros(micros))
}

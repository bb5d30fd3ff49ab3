//! What an error tells beyond its reason: a message for people, metadata and details for programs. All of it is
//! bounded, because it travels in trailers.

use std::collections::HashMap;

use stockade_state_machine::holder::Holder;
use stockade_state_machine::limits::{MAX_PARCEL_LINES, MAX_PARCELS, MAX_PARTS, MAX_TRANSACT_LINES};
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::rejection::{
    Current, ExceededLine, FailedPrecondition, LimitBreach, Rejection, Resource, Shortage,
};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, QuotaViolation};

use crate::convert;
use crate::failure::{Failure, Short};
use crate::limits;
use crate::reason::Reason;
use crate::validate::Violations;

/// The domain of every reason.
const DOMAIN: &str = "stockade";
/// What is allowed from a state that is the last.
const NOTHING: &str = "nothing";

/// A failure in words, and in `google.rpc` details.
pub(crate) struct Explanation {
    /// For people, in English.
    pub(crate) message: String,
    /// For programs.
    pub(crate) details: ErrorDetails,
    metadata: HashMap<String, String>,
}

/// Explains a failure; `leader_address` goes to callers who should turn to the leader.
pub(crate) fn explain(failure: &Failure, leader_address: Option<&str>) -> Explanation {
    let mut told = Explanation::new();
    match failure {
        Failure::Unauthenticated(refused) => told.message = refused.to_string(),
        Failure::PermissionDenied { role, method } => {
            told.message = format!("the role {role} may not call {}", quote(method));
            told.set("role", role);
            told.set("method", &quote(method));
        }
        Failure::RequestTooLarge(text) | Failure::Undecodable(text) => told.message = quote(text),
        Failure::Invalid(violations) => told.invalid(violations),
        Failure::PageTokenInvalid => {
            told.say("the page token is not one of this list; start at the first page");
            told.details
                .add_bad_request_violation("page_token", "must be a next_page_token of the same list");
        }
        Failure::LogPurged { oldest } => {
            told.message = format!("the log starts at index {oldest}");
            told.set("oldest_revision", &oldest);
        }
        Failure::ShuttingDown => told.retry("the node is stopping; ask another node", leader_address),
        Failure::Removed => {
            told.retry("this node is no member of the cluster any more; ask another node", leader_address);
        }
        Failure::StorageFull(Short::Here) => told.retry(
            "this node's disk has too little room, it takes cancels, releases and reads; nothing was applied, ask another node",
            leader_address,
        ),
        Failure::StorageFull(Short::Leader) => told.retry(
            "the leader's disk has too little room; nothing was applied, try again until another node leads",
            leader_address,
        ),
        Failure::NoLeader => told.retry("no leader is known; try again", leader_address),
        Failure::Overloaded => {
            told.retry("too much is in flight; nothing was applied, try again later", None);
        }
        Failure::DeadlineExceeded => {
            told.say("the deadline passed; nothing was proposed");
        }
        Failure::OutcomeUnknown { .. } => {
            told.retry(
                "the outcome is not known; ask GetOutcome, or retry with the same request id",
                leader_address,
            );
        }
        Failure::RevisionAhead { applied } => {
            told.message = format!("the last revision is {applied}");
            told.set("applied_revision", &applied);
        }
        Failure::Missing(resource) => told.missing(resource),
        Failure::Rejected(rejection, _) | Failure::WouldReject(rejection, _) => told.rejected(rejection),
        Failure::Membership(refusal) => told.message.clone_from(&refusal.message),
        Failure::Internal(what) => told.say(what),
    }
    told.finish(Reason::of(failure))
}

impl Explanation {
    fn new() -> Self {
        Self { message: String::new(), details: ErrorDetails::new(), metadata: HashMap::new() }
    }

    fn say(&mut self, message: &str) {
        message.clone_into(&mut self.message);
    }

    fn set(&mut self, key: &str, value: &dyn ToString) {
        self.metadata.insert(key.to_owned(), value.to_string());
    }

    fn finish(mut self, reason: Reason) -> Self {
        self.details.set_error_info(reason.name(), DOMAIN, std::mem::take(&mut self.metadata));
        self.message = bounded(self.message, limits::MAX_MESSAGE_BYTES);
        self
    }

    fn retry(&mut self, message: &str, leader_address: Option<&str>) {
        self.say(message);
        self.details.set_retry_info(Some(limits::RETRY_AFTER));
        if let Some(address) = leader_address {
            self.set("leader_address", &address);
        }
    }

    fn invalid(&mut self, violations: &Violations) {
        let fields = violations.first().iter().map(|violation| FieldViolation {
            field: quote(&violation.field),
            description: quote(&violation.description),
            ..FieldViolation::default()
        });
        let size = |violation: &FieldViolation| violation.field.len() + violation.description.len();
        let (mut listed, _) = cut(fields, size);
        let more = violations.count() - listed.len();
        let names: Vec<_> = listed.iter().map(|violation| violation.field.as_str()).collect();
        self.message = format!("the request is malformed: {}", names.join(", "));
        if more > 0 {
            listed.push(FieldViolation::new("", format!("and {more} more")));
        }
        self.set("violations", &violations.count());
        self.details.set_bad_request(listed);
    }

    fn missing(&mut self, resource: &Resource) {
        let (kind, name) = resource_name(resource);
        self.message = format!("there is no {kind} {}", quote(&name));
        self.details.set_resource_info(kind, name, "", "does not exist");
    }

    #[allow(clippy::too_many_lines, reason = "a list, an arm for each rejection")]
    fn rejected(&mut self, rejection: &Rejection) {
        match rejection {
            Rejection::Malformed(rule) => {
                self.message = format!("the request is malformed: {rule}");
                self.set("violations", &1);
                self.details.add_bad_request_violation("", *rule);
            }
            Rejection::RequestIdReused => {
                self.say("the request id was used for a request with other content");
                self.details
                    .add_bad_request_violation("request_id", "must not have been used for other content");
            }
            Rejection::RequestIdExpired { horizon_ms } => {
                self.say("the request id is older than what is kept: whether it ran is not known");
                self.set("horizon_ms", &horizon_ms);
            }
            Rejection::RequestIdInFuture { now_ms } => {
                self.say("the request id's time is too far ahead of log time; check your clock");
                self.set("log_time_ms", &now_ms);
                self.details
                    .add_bad_request_violation("request_id", "must not be five minutes ahead of log time");
            }
            Rejection::RequestAbandoned => self.say("the request was abandoned"),
            Rejection::NotFound(resource) => self.missing(resource),
            Rejection::AlreadyExists(resource) => {
                let (kind, name) = resource_name(resource);
                self.message = format!("there is a {kind} {} already", quote(&name));
                self.details.set_resource_info(kind, name, "", "exists already");
            }
            Rejection::ReservationExpired { holder, expired } => {
                self.message = format!("the time of {holder} is over");
                let id = self.set_holder(holder);
                if holder.order().is_some() {
                    self.set("state", &OrderState::Expired.name());
                }
                self.set("expire_time_us", &expired.micros());
                self.precondition("RESERVATION_EXPIRED", &id, "what it held was given back".to_owned());
            }
            Rejection::IllegalTransition { order, state, operation } => {
                self.illegal_transition(order.as_str(), *state, *operation);
            }
            Rejection::ReservationSettled { reservation, state } => {
                self.message =
                    format!("reservation {reservation} is {}: it holds nothing any more", state.name());
                self.set("reservation_id", &reservation);
                self.set("state", &state.name());
                self.set("allowed", &NOTHING);
                let description = format!("is {}, from which is allowed: {NOTHING}", state.name());
                self.precondition("ILLEGAL_TRANSITION", reservation.as_str(), description);
            }
            Rejection::PreconditionFailed { failed } => self.failed(failed),
            Rejection::OperationRejected { operation, rejection } => {
                self.rejected(rejection);
                self.message = format!("operation {operation}: {}", self.message);
                self.set("operation_number", &operation);
            }
            Rejection::TooLarge { holder } => {
                self.message = format!("too many parts of lines, parcels, or lines in parcels: {holder}");
                let id = self.set_holder(holder);
                let (parts, parcels, lines) = (MAX_PARTS, MAX_PARCELS, MAX_PARCEL_LINES);
                let description = format!(
                    "at most {parts} parts of lines, {parcels} parcels with {lines} lines, {MAX_TRANSACT_LINES} parts a transaction"
                );
                self.precondition("TOO_LARGE", &id, description);
            }
            Rejection::SkuInUse { sku, location } => {
                self.message = format!("SKU {sku} has stock at location {location}");
                self.set("sku_id", &sku);
                self.set("location_id", &location);
                self.precondition("SKU_IN_USE", sku.as_str(), format!("has stock at location {location}"));
            }
            Rejection::EtagMismatch { resource, current } => {
                let (kind, name) = resource_name(resource);
                self.message = format!("{kind} {} has changed since its etag was read", quote(&name));
                self.set("etag", &convert::etag(*current));
                self.details.set_resource_info(kind, name, "", "has another etag now");
            }
            Rejection::QuantityStale { sku, location, bucket, current } => {
                let bucket = bucket.name();
                self.message = format!("{bucket} of SKU {sku} at location {location} is {current}");
                self.set("sku_id", &sku);
                self.set("location_id", &location);
                self.set("bucket", &bucket);
                self.set("current_quantity", &current);
            }
            Rejection::LocationInUse { location, sku } => {
                self.message = format!("location {location} has stock of SKU {sku}");
                self.set("location_id", &location);
                self.set("sku_id", &sku);
                self.precondition("LOCATION_IN_USE", location.as_str(), format!("has stock of SKU {sku}"));
            }
            Rejection::LocationDisabled { location } => {
                self.message = format!("location {location} takes no orders");
                self.set("location_id", &location);
                self.precondition("LOCATION_DISABLED", location.as_str(), "takes no orders".to_owned());
            }
            Rejection::PurchaseLimit { breaches } => self.limits(breaches),
            Rejection::QuantityExceeded { holder, lines } => self.exceeded(holder, lines),
            Rejection::QuantityOverflow => {
                self.say("a quantity or a sum would leave the range of 64 bits");
                self.details
                    .add_bad_request_violation("quantity", "must not make a sum leave the range of 64 bits");
            }
            Rejection::InsufficientStock { shortages } => self.short(shortages),
            Rejection::RetryAfterExpiry => self.retry("many holds are expiring; try again", None),
        }
    }

    fn illegal_transition(&mut self, order: &str, state: OrderState, operation: Operation) {
        let allowed: Vec<_> = state.allowed().iter().map(|operation| operation.name()).collect();
        let allowed = if allowed.is_empty() { NOTHING.to_owned() } else { allowed.join(", ") };
        self.message = format!("order {order} is {}: {} is not allowed", state.name(), operation.name());
        self.set("order_id", &order);
        self.set("state", &state.name());
        self.set("operation", &operation.name());
        self.set("allowed", &allowed);
        let description = format!("is {}, from which is allowed: {allowed}", state.name());
        self.precondition("ILLEGAL_TRANSITION", order, description);
    }

    /// Sets the id of an order or a reservation under its name; gives it.
    fn set_holder(&mut self, holder: &Holder) -> String {
        let (key, id) = match holder {
            Holder::Order(id) => ("order_id", id.to_string()),
            Holder::Reservation(id) => ("reservation_id", id.to_string()),
        };
        self.set(key, &id);
        id
    }

    fn failed(&mut self, failed: &[FailedPrecondition]) {
        let violations = failed.iter().map(|failed| {
            let subject = format!("preconditions/{}", failed.number);
            PreconditionViolation::new("PRECONDITION_FAILED", subject, current(failed.current))
        });
        self.message = match failed {
            [only] => format!("precondition {} does not hold: {}", only.number, current(only.current)),
            several => format!("{} preconditions do not hold", several.len()),
        };
        self.set("failed", &failed.len());
        if let [only] = failed {
            self.set("precondition", &only.number);
            self.set("current", &current(only.current));
        }
        self.preconditions("PRECONDITION_FAILED", violations);
    }

    fn exceeded(&mut self, holder: &Holder, lines: &[ExceededLine]) {
        let violations = lines.iter().map(|line| {
            let description = format!("asked {}, left {}", line.asked, line.left);
            PreconditionViolation::new("QUANTITY_EXCEEDED", format!("lines/{}", line.line), description)
        });
        self.message = format!("{} lines of {holder} have fewer units left than asked for", lines.len());
        self.set_holder(holder);
        self.set("lines", &lines.len());
        self.preconditions("QUANTITY_EXCEEDED", violations);
    }

    fn limits(&mut self, breaches: &[LimitBreach]) {
        let violations = breaches.iter().map(|breach| {
            let LimitBreach { sku, asked, min, max } = breach;
            let most = if *max > 0 { format!(", at most {max}") } else { String::new() };
            QuotaViolation::new(format!("skus/{sku}"), format!("asked {asked}, at least {min}{most}"))
        });
        self.message = match breaches {
            [only] => format!("an order can't take {} units of SKU {}", only.asked, only.sku),
            several => format!("of {} SKUs the order takes more or less than it may", several.len()),
        };
        self.set("breaches", &breaches.len());
        if let [only] = breaches {
            self.set("sku_id", &only.sku);
            self.set("asked", &only.asked);
            self.set("min_per_order", &only.min);
            self.set("max_per_order", &only.max);
        }
        let size = |violation: &QuotaViolation| violation.subject.len() + violation.description.len();
        let (mut listed, more) = cut(violations, size);
        if more > 0 {
            listed.push(QuotaViolation::new("", format!("and {more} more")));
        }
        self.details.set_quota_failure(listed);
    }

    fn short(&mut self, shortages: &[Shortage]) {
        let violations = shortages.iter().map(|shortage| {
            let place = match &shortage.location {
                Some(location) => format!("at location {location}"),
                None if shortage.together => "at all locations together".to_owned(),
                None => "at the location that has most".to_owned(),
            };
            let line = if shortage.line == 0 { String::new() } else { format!("line {}: ", shortage.line) };
            let Shortage { asked, available, .. } = shortage;
            let bucket = shortage.bucket.name();
            let next = next_expiry(shortage);
            let description = format!("{line}asked {asked}, available {available} in {bucket} {place}{next}");
            PreconditionViolation::new("INSUFFICIENT_STOCK", format!("skus/{}", shortage.sku), description)
        });
        self.message = match shortages {
            [only] => {
                let Shortage { sku, asked, available, .. } = only;
                format!("SKU {sku} is short: asked {asked}, available {available}{}", next_expiry(only))
            }
            several => format!("{} lines are short of stock", several.len()),
        };
        self.set("shortages", &shortages.len());
        if let [only] = shortages {
            self.set("sku_id", &only.sku);
            self.set("asked", &only.asked);
            self.set("available", &only.available);
            if let Some(time) = only.next_expiry {
                self.set("next_expiry_time_us", &time.micros());
            }
        }
        self.preconditions("INSUFFICIENT_STOCK", violations);
    }

    fn precondition(&mut self, kind: &str, subject: &str, description: String) {
        self.preconditions(kind, std::iter::once(PreconditionViolation::new(kind, subject, description)));
    }

    fn preconditions(
        &mut self,
        kind: &str,
        violations: impl ExactSizeIterator<Item = PreconditionViolation>,
    ) {
        let size = |violation: &PreconditionViolation| {
            violation.r#type.len() + violation.subject.len() + violation.description.len()
        };
        let (mut listed, more) = cut(violations, size);
        if more > 0 {
            listed.push(PreconditionViolation::new(kind, "", format!("and {more} more")));
        }
        self.details.set_precondition_failure(listed);
    }
}

/// What is the case, in words.
fn current(current: Current) -> String {
    match current {
        Current::Missing => "does not exist".to_owned(),
        Current::Version(version) => format!("has etag {}", convert::etag(version)),
        Current::Quantity(units) => format!("has {units} units"),
        Current::OrderState(state) => format!("is {}", state.name()),
        Current::ReservationState(state) => format!("is {}", state.name()),
    }
}

/// When the next hold on what is short ends, to be appended.
fn next_expiry(shortage: &Shortage) -> String {
    let next = shortage.next_expiry;
    next.map(|time| format!("; the next hold on it ends at {}", convert::timestamp(time))).unwrap_or_default()
}

/// The first items, as many as an error may list, and the number of those left out.
fn cut<T>(items: impl ExactSizeIterator<Item = T>, size: impl Fn(&T) -> usize) -> (Vec<T>, usize) {
    let total = items.len();
    let mut bytes = 0;
    let fits = items.take(limits::MAX_VIOLATIONS).take_while(|item| {
        bytes += size(item);
        bytes <= limits::MAX_VIOLATION_BYTES
    });
    let listed: Vec<_> = fits.collect();
    let more = total - listed.len();
    (listed, more)
}

/// A type and a name as `ResourceInfo` has them.
fn resource_name(resource: &Resource) -> (&'static str, String) {
    match resource {
        Resource::Sku(id) => ("sku", id.to_string()),
        Resource::Location(id) => ("location", id.to_string()),
        Resource::Order(id) => ("order", id.to_string()),
        Resource::OrderLine(id, line) => ("order line", format!("{id}/lines/{line}")),
        Resource::Reservation(id) => ("reservation", id.to_string()),
        Resource::ReservationLine(id, line) => ("reservation line", format!("{id}/lines/{line}")),
        Resource::Document(id) => ("document", id.to_string()),
    }
}

/// A text of unknown length, as an error may repeat it.
fn quote(text: &str) -> String {
    bounded(text.to_owned(), limits::MAX_QUOTE_BYTES)
}

fn bounded(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push_str("...");
    }
    text
}

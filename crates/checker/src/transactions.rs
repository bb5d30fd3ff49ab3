//! From transactions to commands. Written from the comments in `proto/`, apart from the gateway's way.

use stockade_history::{is_trial, request_id_of};
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutation;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_state_machine::command::{Precondition, Row, Transact};
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::{Command, Revision, StockKey};

use crate::command;
use crate::fields::{NoCommand, bucket, expected, wrong};

pub(crate) fn transact(request: &v1::TransactRequest) -> Result<Command, NoCommand> {
    Ok(Command::Transact(Transact {
        preconditions: request.preconditions.iter().map(precondition).collect::<Result<_, _>>()?,
        operations: request.operations.iter().map(operation).collect::<Result<_, _>>()?,
    }))
}

/// "Their `request_id`, `timeout` and `validate_only` stay empty, and none is a transaction."
fn operation(operation: &v1::Mutation) -> Result<Command, NoCommand> {
    let request = operation.request.as_ref().ok_or_else(|| wrong("an operation of no known kind"))?;
    if operation.timeout.is_some() || !request_id_of(request).is_empty() || is_trial(request) {
        return Err(wrong("an operation with a request id, a timeout or a trial of its own"));
    }
    if matches!(request, Mutation::Transact(_)) {
        return Err(wrong("a transaction in a transaction"));
    }
    command::of_mutation(request)
}

fn precondition(precondition: &v1::Precondition) -> Result<Precondition, NoCommand> {
    let subject = precondition.subject.as_ref().and_then(|subject| subject.subject.as_ref());
    let row = row(subject.ok_or_else(|| wrong("a precondition about nothing"))?)?;
    let condition =
        precondition.condition.as_ref().ok_or_else(|| wrong("a precondition that says nothing"))?;
    match condition {
        Condition::Etag(etag) => {
            let version = expected(etag)?.ok_or_else(|| wrong("an empty etag"))?;
            Ok(Precondition::Version(row, version))
        }
        Condition::UnchangedSinceRevision(revision) => {
            Ok(Precondition::UnchangedSince(row, Revision::new(*revision)))
        }
        Condition::Exists(true) => Ok(Precondition::Exists(row)),
        Condition::Exists(false) => Ok(Precondition::Missing(row)),
        Condition::Quantity(range) => quantity(row, range),
        Condition::OrderState(state) => order_state(row, *state),
        Condition::ReservationState(state) => reservation_state(row, *state),
    }
}

fn row(subject: &Subject) -> Result<Row, NoCommand> {
    Ok(match subject {
        Subject::SkuId(id) => Row::Sku(SkuId::new(id)?),
        Subject::LocationId(id) => Row::Location(LocationId::new(id)?),
        Subject::Stock(stock) => Row::Stock(StockKey {
            sku: SkuId::new(&stock.sku_id)?,
            location: LocationId::new(&stock.location_id)?,
        }),
        Subject::OrderId(id) => Row::Order(OrderId::new(id)?),
        Subject::ReservationId(id) => Row::Reservation(ReservationId::new(id)?),
    })
}

/// "Absent: no lower bound", which is that no bucket is below 0; "absent: no upper bound".
fn quantity(row: Row, range: &v1::QuantityRange) -> Result<Precondition, NoCommand> {
    let Row::Stock(key) = row else { return Err(wrong("a quantity of what is no stock")) };
    Ok(Precondition::Quantity {
        key,
        bucket: bucket(range.bucket()),
        min: range.min.unwrap_or(0),
        max: range.max.unwrap_or(i64::MAX),
    })
}

fn order_state(row: Row, state: i32) -> Result<Precondition, NoCommand> {
    let Row::Order(order) = row else { return Err(wrong("an order's state of what is no order")) };
    let state = match v1::OrderState::try_from(state) {
        Ok(v1::OrderState::PendingPayment) => OrderState::PendingPayment,
        Ok(v1::OrderState::Confirmed) => OrderState::Confirmed,
        Ok(v1::OrderState::PartiallyShipped) => OrderState::PartiallyShipped,
        Ok(v1::OrderState::Shipped) => OrderState::Shipped,
        Ok(v1::OrderState::PartiallyReturned) => OrderState::PartiallyReturned,
        Ok(v1::OrderState::Returned) => OrderState::Returned,
        Ok(v1::OrderState::Cancelled) => OrderState::Cancelled,
        Ok(v1::OrderState::Expired) => OrderState::Expired,
        Ok(v1::OrderState::Closed) => OrderState::Closed,
        Ok(v1::OrderState::Unspecified) | Err(_) => return Err(wrong("no state of an order")),
    };
    Ok(Precondition::OrderState(order, state))
}

fn reservation_state(row: Row, state: i32) -> Result<Precondition, NoCommand> {
    let Row::Reservation(reservation) = row else {
        return Err(wrong("a reservation's state of what is no reservation"));
    };
    let state = match v1::ReservationState::try_from(state) {
        Ok(v1::ReservationState::Active) => ReservationState::Active,
        Ok(v1::ReservationState::PartiallyCommitted) => ReservationState::PartiallyCommitted,
        Ok(v1::ReservationState::Committed) => ReservationState::Committed,
        Ok(v1::ReservationState::Released) => ReservationState::Released,
        Ok(v1::ReservationState::Expired) => ReservationState::Expired,
        Ok(v1::ReservationState::Unspecified) | Err(_) => {
            return Err(wrong("no state of a reservation"));
        }
    };
    Ok(Precondition::ReservationState(reservation, state))
}

#[cfg(test)]
mod tests {
    use stockade_state_machine::Version;
    use stockade_state_machine::stock::Bucket;

    use super::*;

    fn of(subject: Subject, condition: Condition) -> Result<Precondition, NoCommand> {
        let subject = Some(v1::PreconditionSubject { subject: Some(subject) });
        precondition(&v1::Precondition { subject, condition: Some(condition) })
    }

    fn sku() -> Subject {
        Subject::SkuId("mug".to_owned())
    }

    fn stock() -> Subject {
        Subject::Stock(v1::StockSubject { sku_id: "mug".to_owned(), location_id: "main".to_owned() })
    }

    fn order() -> Subject {
        Subject::OrderId("order".to_owned())
    }

    fn cart() -> Subject {
        Subject::ReservationId("cart".to_owned())
    }

    #[test]
    fn each_condition_says_what_it_says_of_its_subject() {
        let version = Version { revision: Revision::new(0x1c), position: 10 };
        let row = |subject| row(&subject).expect("a subject");
        assert_eq!(
            of(sku(), Condition::Etag("1c-a".to_owned())),
            Ok(Precondition::Version(row(sku()), version))
        );
        let since = Precondition::UnchangedSince(row(stock()), Revision::new(9));
        assert_eq!(of(stock(), Condition::UnchangedSinceRevision(9)), Ok(since));
        assert_eq!(of(cart(), Condition::Exists(true)), Ok(Precondition::Exists(row(cart()))));
        let location = || Subject::LocationId("main".to_owned());
        assert_eq!(of(location(), Condition::Exists(false)), Ok(Precondition::Missing(row(location()))));
        let state = Condition::OrderState(v1::OrderState::Closed.into());
        let id = OrderId::new("order").expect("an id");
        assert_eq!(of(order(), state), Ok(Precondition::OrderState(id, OrderState::Closed)));
        let state = Condition::ReservationState(v1::ReservationState::Active.into());
        let id = ReservationId::new("cart").expect("an id");
        assert_eq!(of(cart(), state), Ok(Precondition::ReservationState(id, ReservationState::Active)));
    }

    #[test]
    fn a_range_without_a_bound_has_none() {
        let range = |min, max| {
            let bucket = v1::Bucket::Damaged.into();
            match of(stock(), Condition::Quantity(v1::QuantityRange { bucket, min, max })) {
                Ok(Precondition::Quantity { bucket: Bucket::Damaged, min, max, .. }) => (min, max),
                other => panic!("a range became {other:?}"),
            }
        };
        assert_eq!(range(Some(2), Some(3)), (2, 3));
        assert_eq!(range(None, None), (0, i64::MAX));
    }

    #[test]
    fn conditions_that_do_not_fit_their_subject_or_say_nothing_make_no_command() {
        assert!(of(sku(), Condition::Etag(String::new())).is_err());
        assert!(of(sku(), Condition::Quantity(v1::QuantityRange::default())).is_err());
        assert!(of(cart(), Condition::OrderState(v1::OrderState::Closed.into())).is_err());
        assert!(of(order(), Condition::ReservationState(v1::ReservationState::Active.into())).is_err());
        assert!(of(order(), Condition::OrderState(0)).is_err());
        assert!(of(order(), Condition::OrderState(99)).is_err());
        assert!(of(cart(), Condition::ReservationState(0)).is_err());
        let condition = Some(Condition::Exists(true));
        assert!(precondition(&v1::Precondition { subject: None, condition }).is_err());
        let subject = Some(v1::PreconditionSubject { subject: Some(sku()) });
        assert!(precondition(&v1::Precondition { subject, condition: None }).is_err());
    }

    #[test]
    fn operations_have_neither_ids_nor_times_nor_trials_of_their_own_and_are_no_transactions() {
        let close = v1::CloseOrderRequest { order_id: "order".to_owned(), ..Default::default() };
        let of = |request| operation(&v1::Mutation { timeout: None, request: Some(request) });
        assert!(of(Mutation::CloseOrder(close.clone())).is_ok());
        let request_id = "01900000-0000-7000-8000-000000000001".to_owned();
        assert!(of(Mutation::CloseOrder(v1::CloseOrderRequest { request_id, ..close.clone() })).is_err());
        let tried = v1::CloseOrderRequest { validate_only: true, ..close.clone() };
        assert!(of(Mutation::CloseOrder(tried)).is_err());
        assert!(of(Mutation::Transact(v1::TransactRequest::default())).is_err());
        let timeout = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let request = Some(Mutation::CloseOrder(close));
        assert!(operation(&v1::Mutation { timeout, request }).is_err());
        assert!(operation(&v1::Mutation::default()).is_err());
    }
}

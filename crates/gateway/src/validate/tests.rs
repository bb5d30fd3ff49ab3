use stockade_state_machine::LogTime;
use stockade_state_machine::limits::{DEFAULT_HOLD_US, MAX_LINES};

use super::*;

const ID: &str = "01900000-0000-7000-8000-000000000001";

fn fields(violations: &Violations) -> Vec<&str> {
    violations.first().iter().map(|violation| violation.field.as_str()).collect()
}

fn wrong_fields(mutated: &Request) -> Vec<String> {
    let violations = request(mutated).expect_err("something is wrong");
    fields(&violations).into_iter().map(str::to_owned).collect()
}

fn line() -> v1::NewOrderLine {
    v1::NewOrderLine { sku_id: "A".to_owned(), quantity: 1, ..v1::NewOrderLine::default() }
}

fn place() -> v1::PlaceOrderRequest {
    v1::PlaceOrderRequest {
        request_id: ID.to_owned(),
        order_id: "O".to_owned(),
        currency_code: "GBP".to_owned(),
        lines: vec![line()],
        ..v1::PlaceOrderRequest::default()
    }
}

#[test]
fn every_wrong_field_of_an_order_is_named_at_once() {
    let bad = v1::PlaceOrderRequest {
        request_id: "7".to_owned(),
        order_id: String::new(),
        customer_id: "two words".to_owned(),
        currency_code: "gbp".to_owned(),
        lines: vec![
            line(),
            v1::NewOrderLine {
                sku_id: "x".repeat(129),
                quantity: 0,
                location_id: "\u{e9}".to_owned(),
                unit_price_minor: -1,
            },
        ],
        hold_duration: Some(prost_types::Duration { seconds: 0, nanos: 999_999_999 }),
        ..v1::PlaceOrderRequest::default()
    };
    let expected = [
        "request_id",
        "order_id",
        "customer_id",
        "currency_code",
        "lines[1].sku_id",
        "lines[1].quantity",
        "lines[1].location_id",
        "lines[1].unit_price_minor",
        "hold_duration",
    ];
    assert_eq!(wrong_fields(&Request::PlaceOrder(bad)), expected);
}

#[test]
fn every_wrong_field_of_an_adjustment_is_named_at_once() {
    let bad = v1::AdjustStockRequest {
        bucket: v1::Bucket::Reserved.into(),
        reason: v1::Reason::Shipment.into(),
        document_id: "a b".to_owned(),
        reference: "r".repeat(513),
        ..v1::AdjustStockRequest::default()
    };
    let expected =
        ["request_id", "sku_id", "location_id", "bucket", "delta", "reason", "document_id", "reference"];
    assert_eq!(wrong_fields(&Request::AdjustStock(bad)), expected);
}

#[test]
fn every_wrong_field_of_a_return_is_named_at_once() {
    let line =
        v1::ReturnLine { line: 0, quantity: 1_000_000_001, disposition: 9, ..v1::ReturnLine::default() };
    let bad = v1::ReturnOrderRequest {
        request_id: ID.to_owned(),
        lines: vec![line],
        document_id: " ".to_owned(),
        ..v1::ReturnOrderRequest::default()
    };
    let expected = ["order_id", "lines[0].line", "lines[0].quantity", "lines[0].disposition", "document_id"];
    assert_eq!(wrong_fields(&Request::ReturnOrder(bad)), expected);
}

#[test]
fn the_remaining_kinds_name_their_wrong_fields() {
    let create =
        v1::CreateSkuRequest { request_id: ID.to_owned(), sku: None, ..v1::CreateSkuRequest::default() };
    assert_eq!(wrong_fields(&Request::CreateSku(create)), ["sku"]);
    let sku = v1::Sku { display_name: "n".repeat(257), ..v1::Sku::default() };
    let mask = prost_types::FieldMask { paths: vec!["revision".to_owned()] };
    let update = v1::UpdateSkuRequest {
        request_id: ID.to_owned(),
        sku: Some(sku.clone()),
        update_mask: Some(mask),
        ..v1::UpdateSkuRequest::default()
    };
    assert_eq!(wrong_fields(&Request::UpdateSku(update)), ["update_mask.paths", "sku.sku_id"]);
    let create =
        v1::CreateSkuRequest { request_id: ID.to_owned(), sku: Some(sku), ..v1::CreateSkuRequest::default() };
    assert_eq!(wrong_fields(&Request::CreateSku(create)), ["sku.sku_id", "sku.display_name"]);
    assert_eq!(wrong_fields(&Request::DeleteSku(v1::DeleteSkuRequest::default())), ["request_id", "sku_id"]);
    assert_eq!(
        wrong_fields(&Request::CancelOrder(v1::CancelOrderRequest::default())),
        ["request_id", "order_id"]
    );
    let receive = v1::ReceiveStockRequest { quantity: -1, ..v1::ReceiveStockRequest::default() };
    let expected = ["request_id", "sku_id", "location_id", "quantity"];
    assert_eq!(wrong_fields(&Request::ReceiveStock(receive)), expected);
    let confirm = v1::ConfirmOrderRequest { payment_reference: "p p".to_owned(), ..Default::default() };
    assert_eq!(
        wrong_fields(&Request::ConfirmOrder(confirm)),
        ["request_id", "order_id", "payment_reference"]
    );
}

#[test]
fn a_shipment_that_names_a_line_twice_is_refused() {
    let lines = [2, 1, 2].map(|line| v1::LineQuantity { line, quantity: 1, ..v1::LineQuantity::default() });
    let ship = v1::ShipOrderRequest {
        request_id: ID.to_owned(),
        order_id: "O".to_owned(),
        lines: lines.to_vec(),
        tracking_number: "t t".to_owned(),
        ..v1::ShipOrderRequest::default()
    };
    assert_eq!(wrong_fields(&Request::ShipOrder(ship)), ["lines[2].line", "tracking_number"]);
}

#[test]
fn an_order_has_1_to_2000_lines() {
    let with = |count| Request::PlaceOrder(v1::PlaceOrderRequest { lines: vec![line(); count], ..place() });
    assert_eq!(wrong_fields(&with(0)), ["lines"]);
    assert!(request(&with(MAX_LINES)).is_ok());
    assert_eq!(wrong_fields(&with(MAX_LINES + 1)), ["lines"]);
}

#[test]
fn an_absent_hold_is_the_same_command_as_the_default_spelled_out() {
    let absent = request(&Request::PlaceOrder(place())).expect("valid");
    let hold_duration = Some(prost_types::Duration { seconds: 900, nanos: 0 });
    let spelled_out = request(&Request::PlaceOrder(v1::PlaceOrderRequest { hold_duration, ..place() }));
    assert_eq!(spelled_out, Ok(absent.clone()));
    let Command::PlaceOrder(command) = absent.command else { panic!("an order") };
    assert_eq!(command.hold_us, DEFAULT_HOLD_US);
}

#[test]
fn only_the_hyphenated_form_of_a_version_7_uuid_is_a_request_id() {
    let with = |id: &str| {
        Request::CancelOrder(v1::CancelOrderRequest {
            request_id: id.to_owned(),
            order_id: "O".to_owned(),
            ..v1::CancelOrderRequest::default()
        })
    };
    assert!(request(&with(ID)).is_ok());
    let others = [
        "01900000000070008000000000000001",
        "01900000-0000-4000-8000-000000000001",
        "{01900000-0000-7000-8000-000000000001}",
        "",
    ];
    for other in others {
        assert_eq!(wrong_fields(&with(other)), ["request_id"], "{other:?}");
    }
}

#[test]
fn what_command_check_refuses_is_refused_before() {
    let valid = request(&Request::PlaceOrder(place())).expect("valid");
    assert_eq!(valid.command.check(), Ok(()));
}

#[test]
fn a_mutation_names_its_timeout_beside_its_other_fields() {
    let empty =
        v1::Mutation { timeout: Some(prost_types::Duration { seconds: 61, nanos: 0 }), request: None };
    assert_eq!(fields(&mutation(&empty).expect_err("wrong")), ["timeout", "request"]);
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let bad = v1::PlaceOrderRequest { order_id: String::new(), ..place() };
    let both = v1::Mutation { timeout: negative, request: Some(Request::PlaceOrder(bad)) };
    assert_eq!(fields(&mutation(&both).expect_err("wrong")), ["timeout", "order_id"]);
    let without = v1::Mutation { timeout: None, request: Some(Request::PlaceOrder(place())) };
    assert_eq!(mutation(&without).map(|(_, timeout)| timeout), Ok(limits::DEFAULT_DEADLINE));
}

#[test]
fn a_line_stands_once_or_with_several_locations() {
    let line =
        |line, location_id: &str| v1::LineQuantity { line, quantity: 1, location_id: location_id.to_owned() };
    let cancel = |lines| {
        Request::CancelOrder(v1::CancelOrderRequest {
            request_id: ID.to_owned(),
            order_id: "O".to_owned(),
            lines,
            ..v1::CancelOrderRequest::default()
        })
    };
    assert!(request(&cancel(vec![line(1, "L"), line(1, "M"), line(2, "")])).is_ok());
    assert_eq!(wrong_fields(&cancel(vec![line(1, "L"), line(1, "L")])), ["lines[1].line"]);
    assert_eq!(wrong_fields(&cancel(vec![line(1, ""), line(1, "")])), ["lines[1].line"]);
    assert_eq!(wrong_fields(&cancel(vec![line(1, ""), line(1, "L")])), ["lines[0].line"]);
    assert_eq!(wrong_fields(&cancel(vec![line(1, "L"), line(1, "")])), ["lines[1].line"]);
    assert_eq!(wrong_fields(&cancel(vec![line(1, "a b")])), ["lines[0].location_id"]);
}

#[test]
fn how_an_order_is_sourced_and_closes_is_checked() {
    let explicit = v1::PlaceOrderRequest {
        sourcing: v1::Sourcing::Explicit.into(),
        lines: vec![v1::NewOrderLine { location_id: "L".to_owned(), ..line() }, line()],
        ..place()
    };
    assert_eq!(wrong_fields(&Request::PlaceOrder(explicit)), ["lines[1].location_id"]);
    let unknown = v1::PlaceOrderRequest { sourcing: 99, shortage_policy: -1, ..place() };
    assert_eq!(wrong_fields(&Request::PlaceOrder(unknown)), ["sourcing", "shortage_policy"]);
    let ship = |seconds| {
        Request::ShipOrder(v1::ShipOrderRequest {
            request_id: ID.to_owned(),
            order_id: "O".to_owned(),
            close_after: Some(prost_types::Duration { seconds, nanos: 0 }),
            document_id: "d d".to_owned(),
            etag: "?".to_owned(),
            ..v1::ShipOrderRequest::default()
        })
    };
    assert_eq!(wrong_fields(&ship(1)), ["document_id", "etag"]);
    for seconds in [-1, 0, 316_224_001] {
        assert_eq!(wrong_fields(&ship(seconds)), ["document_id", "close_after", "etag"]);
    }
}

fn mutation_of(request: Request) -> v1::Mutation {
    v1::Mutation { timeout: None, request: Some(request) }
}

#[test]
fn every_wrong_field_of_a_transaction_is_named_at_once() {
    use v1::precondition::Condition;
    use v1::precondition_subject::Subject;
    let on = |subject, condition| v1::Precondition {
        subject: Some(v1::PreconditionSubject { subject: Some(subject) }),
        condition: Some(condition),
    };
    let order = || Subject::OrderId("O".to_owned());
    let range = |bucket, min, max| Condition::Quantity(v1::QuantityRange { bucket, min, max });
    let stock = || Subject::Stock(v1::StockSubject { sku_id: "A".to_owned(), location_id: "b b".to_owned() });
    let nested = v1::PlaceOrderRequest { request_id: String::new(), currency_code: String::new(), ..place() };
    let transact = v1::TransactRequest {
        request_id: ID.to_owned(),
        preconditions: vec![
            v1::Precondition::default(),
            on(order(), Condition::Etag(String::new())),
            on(order(), Condition::OrderState(0)),
            on(order(), Condition::ReservationState(1)),
            on(order(), range(0, None, None)),
            on(stock(), range(1, Some(5), Some(4))),
            on(Subject::SkuId(String::new()), Condition::Exists(true)),
        ],
        operations: vec![
            v1::Mutation {
                timeout: Some(prost_types::Duration::default()),
                request: Some(Request::PlaceOrder(nested)),
            },
            mutation_of(Request::PlaceOrder(v1::PlaceOrderRequest { validate_only: true, ..place() })),
            mutation_of(Request::Transact(v1::TransactRequest::default())),
            v1::Mutation::default(),
        ],
        ..v1::TransactRequest::default()
    };
    let expected = [
        "preconditions[0].subject",
        "preconditions[0].condition",
        "preconditions[1].etag",
        "preconditions[2].order_state",
        "preconditions[3].reservation_state",
        "preconditions[4].quantity.bucket",
        "preconditions[4].quantity",
        "preconditions[5].subject.stock.location_id",
        "preconditions[5].quantity.max",
        "preconditions[6].subject.sku_id",
        "operations[0].timeout",
        "operations[0].currency_code",
        "operations[1].request_id",
        "operations[1].validate_only",
        "operations[2].transact",
        "operations[3].request",
    ];
    assert_eq!(wrong_fields(&Request::Transact(transact)), expected);
}

#[test]
fn a_transaction_has_a_bounded_number_of_operations_conditions_and_lines() {
    let transact = |operations: Vec<v1::Mutation>, conditions| {
        Request::Transact(v1::TransactRequest {
            request_id: ID.to_owned(),
            operations,
            preconditions: vec![v1::Precondition::default(); conditions],
            ..v1::TransactRequest::default()
        })
    };
    assert_eq!(wrong_fields(&transact(Vec::new(), 0)), ["operations"]);
    let one = |lines| {
        let place =
            v1::PlaceOrderRequest { request_id: String::new(), lines: vec![line(); lines], ..place() };
        mutation_of(Request::PlaceOrder(place))
    };
    assert!(request(&transact(vec![one(1); 1_000], 0)).is_ok());
    assert_eq!(wrong_fields(&transact(vec![one(1); 1_001], 0)), ["operations"]);
    assert!(request(&transact(vec![one(2_000); 5], 0)).is_ok());
    assert_eq!(wrong_fields(&transact([vec![one(2_000); 5], vec![one(1)]].concat(), 0)), ["operations"]);
    assert_eq!(wrong_fields(&transact(vec![one(1)], 1_001))[0], "preconditions");
    // Each line is wrong; nobody wants to hear of all.
    let empty = v1::PlaceOrderRequest { lines: vec![v1::NewOrderLine::default(); 2_000], ..place() };
    let violations = request(&transact(vec![mutation_of(Request::PlaceOrder(empty)); 5], 0)).unwrap_err();
    assert_eq!((violations.first().len(), violations.count()), (100, 5 * (2 * 2_000 + 1)));
}

#[test]
fn a_trial_does_not_go_through_a_stream() {
    let trial = Request::PlaceOrder(v1::PlaceOrderRequest { validate_only: true, ..place() });
    assert!(is_trial(&trial) && request(&trial).is_ok());
    let violations = mutation(&mutation_of(trial)).expect_err("not on a stream");
    assert_eq!(fields(&violations), ["validate_only"]);
}

#[test]
fn a_time_is_one_from_1970_on_in_whole_microseconds() {
    let mut violations = Violations::default();
    let mut time = |seconds, nanos| {
        violations.time("time", &prost_types::Timestamp { seconds, nanos }).map(LogTime::micros)
    };
    assert_eq!(time(0, 0), Some(0));
    assert_eq!(time(1, 2_000), Some(1_000_002));
    assert_eq!(time(1, 2_999), Some(1_000_002), "what is finer is left out");
    assert_eq!(time(18_446_744_073_709, 551_615_999), Some(u64::MAX));
    for (seconds, nanos) in [
        (-1, 0),
        (i64::MIN, 0),
        (0, -1),
        (0, 1_000_000_000),
        (18_446_744_073_709, 551_616_000),
        (i64::MAX, 0),
    ] {
        assert_eq!(time(seconds, nanos), None, "{seconds} {nanos}");
    }
    assert_eq!(violations.count(), 6);
}

#[test]
fn a_period_ends_after_its_start() {
    let period = |start: i64, end: i64| {
        let mut violations = Violations::default();
        let time = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        let (start, end) = violations.period(Some(&time(start)), Some(&time(end)));
        let wrong = violations.into_result().err().map(|wrong| fields(&wrong).join(" ")).unwrap_or_default();
        (start.map(LogTime::micros), end.map(LogTime::micros), wrong)
    };
    assert_eq!(period(1, 2), (Some(1_000_000), Some(2_000_000), String::new()));
    assert_eq!(period(2, 2).2, "end_time");
    assert_eq!(period(3, 2).2, "end_time");
    // Of times that are none nothing else is said.
    assert_eq!(period(-1, 2), (None, Some(2_000_000), "start_time".to_owned()));
    assert_eq!(period(-1, -2).2, "start_time end_time");
    let mut violations = Violations::default();
    assert_eq!(violations.period(None, None), (None, None));
    assert!(violations.is_empty());
}

use super::*;
use crate::validate;

const ID: &str = "01900000-0000-7000-8000-000000000001";

fn sku(etag: &str) -> v1::Sku {
    v1::Sku {
        sku_id: "A".to_owned(),
        display_name: "Mug".to_owned(),
        untracked: true,
        min_per_order: 1,
        max_per_order: 9,
        attributes: [("colour".to_owned(), "red".to_owned())].into(),
        etag: etag.to_owned(),
        ..v1::Sku::default()
    }
}

fn location(etag: &str) -> v1::Location {
    v1::Location {
        location_id: "L".to_owned(),
        display_name: "Main".to_owned(),
        zone: "uk".to_owned(),
        priority: 7,
        disabled: true,
        etag: etag.to_owned(),
        ..v1::Location::default()
    }
}

/// Each kind of mutation as its shortest and as its fullest.
fn requests() -> Vec<Mutated> {
    [catalog_and_stock_requests(), order_requests(), reservation_requests(), transactions()].concat()
}

#[allow(clippy::too_many_lines, reason = "a list")]
fn catalog_and_stock_requests() -> Vec<Mutated> {
    let request_id = || ID.to_owned();
    let text = |text: &str| text.to_owned();
    vec![
        Mutated::CreateSku(v1::CreateSkuRequest {
            request_id: request_id(),
            sku: Some(sku("")),
            ..v1::CreateSkuRequest::default()
        }),
        Mutated::UpdateSku(v1::UpdateSkuRequest {
            request_id: request_id(),
            sku: Some(sku("a-0")),
            update_mask: None,
            ..v1::UpdateSkuRequest::default()
        }),
        Mutated::UpdateSku(v1::UpdateSkuRequest {
            request_id: request_id(),
            sku: Some(v1::Sku { sku_id: text("A"), ..v1::Sku::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec![text("sku_id")] }),
            ..v1::UpdateSkuRequest::default()
        }),
        Mutated::UpdateSku(v1::UpdateSkuRequest {
            request_id: request_id(),
            sku: Some(sku("")),
            update_mask: Some(prost_types::FieldMask { paths: vec![text("attributes"), text("untracked")] }),
            ..v1::UpdateSkuRequest::default()
        }),
        Mutated::DeleteSku(v1::DeleteSkuRequest {
            request_id: request_id(),
            sku_id: text("A"),
            etag: text("ff-1"),
            ..v1::DeleteSkuRequest::default()
        }),
        Mutated::CreateLocation(v1::CreateLocationRequest {
            request_id: request_id(),
            location: Some(location("")),
            ..v1::CreateLocationRequest::default()
        }),
        Mutated::UpdateLocation(v1::UpdateLocationRequest {
            request_id: request_id(),
            location: Some(location("1-0")),
            update_mask: None,
            ..v1::UpdateLocationRequest::default()
        }),
        Mutated::UpdateLocation(v1::UpdateLocationRequest {
            request_id: request_id(),
            location: Some(location("")),
            update_mask: Some(prost_types::FieldMask { paths: vec![text("priority")] }),
            ..v1::UpdateLocationRequest::default()
        }),
        Mutated::DeleteLocation(v1::DeleteLocationRequest {
            request_id: request_id(),
            location_id: text("L"),
            etag: String::new(),
            ..v1::DeleteLocationRequest::default()
        }),
        Mutated::SetStock(v1::SetStockRequest {
            request_id: request_id(),
            sku_id: text("A"),
            location_id: text("L"),
            bucket: v1::Bucket::Damaged.into(),
            quantity: 0,
            expected_quantity: Some(0),
            reason: v1::Reason::CycleCount.into(),
            document_id: text("D"),
            reference: String::new(),
            ..v1::SetStockRequest::default()
        }),
        Mutated::MoveStock(v1::MoveStockRequest {
            request_id: request_id(),
            sku_id: text("A"),
            location_id: text("L"),
            from_bucket: 0,
            to_bucket: v1::Bucket::QualityControl.into(),
            quantity: 3,
            reason: v1::Reason::QualityHold.into(),
            document_id: String::new(),
            reference: text("urn:y"),
            ..v1::MoveStockRequest::default()
        }),
        Mutated::ReceiveStock(v1::ReceiveStockRequest {
            request_id: request_id(),
            sku_id: text("A"),
            location_id: text("L"),
            quantity: 7,
            document_id: text("D"),
            reference: text("urn:x"),
            ..v1::ReceiveStockRequest::default()
        }),
        Mutated::AdjustStock(v1::AdjustStockRequest {
            request_id: request_id(),
            sku_id: text("A"),
            location_id: text("L"),
            bucket: 0,
            delta: -7,
            reason: v1::Reason::TheftLoss.into(),
            document_id: String::new(),
            reference: String::new(),
            ..v1::AdjustStockRequest::default()
        }),
    ]
}

#[allow(clippy::too_many_lines, reason = "a list")]
fn order_requests() -> Vec<Mutated> {
    let request_id = || ID.to_owned();
    let text = |text: &str| text.to_owned();
    vec![
        Mutated::PlaceOrder(v1::PlaceOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            customer_id: text("C"),
            currency_code: text("GBP"),
            lines: vec![
                v1::NewOrderLine { sku_id: text("A"), quantity: 1, ..v1::NewOrderLine::default() },
                v1::NewOrderLine {
                    sku_id: text("B"),
                    quantity: 2,
                    location_id: text("L"),
                    unit_price_minor: 250,
                },
            ],
            hold_duration: None,
            ..v1::PlaceOrderRequest::default()
        }),
        Mutated::PlaceOrder(v1::PlaceOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            currency_code: text("GBP"),
            lines: vec![v1::NewOrderLine {
                sku_id: text("A"),
                quantity: 1,
                location_id: text("L"),
                unit_price_minor: 0,
            }],
            sourcing: v1::Sourcing::Explicit.into(),
            shortage_policy: v1::ShortagePolicy::Partial.into(),
            ..v1::PlaceOrderRequest::default()
        }),
        Mutated::ConfirmOrder(v1::ConfirmOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            payment_reference: text("pay-1"),
            ..v1::ConfirmOrderRequest::default()
        }),
        Mutated::ConfirmOrder(v1::ConfirmOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            reacquire: true,
            etag: text("7-1"),
            ..v1::ConfirmOrderRequest::default()
        }),
        Mutated::ExtendOrder(v1::ExtendOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            hold_duration: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            etag: text("7-1"),
            ..v1::ExtendOrderRequest::default()
        }),
        Mutated::ShipOrder(v1::ShipOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            ..v1::ShipOrderRequest::default()
        }),
        Mutated::ShipOrder(v1::ShipOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            lines: vec![
                v1::LineQuantity { line: 2, quantity: 1, location_id: text("L") },
                v1::LineQuantity { line: 2, quantity: 1, location_id: text("M") },
            ],
            tracking_number: text("T"),
            etag: text("7-1"),
            document_id: text("P"),
            close_after: Some(prost_types::Duration { seconds: 3, nanos: 5_000 }),
            ..v1::ShipOrderRequest::default()
        }),
        Mutated::CancelOrder(v1::CancelOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            ..v1::CancelOrderRequest::default()
        }),
        Mutated::CancelOrder(v1::CancelOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            lines: vec![v1::LineQuantity { line: 2, quantity: 1, ..v1::LineQuantity::default() }],
            etag: text("7-1"),
            ..v1::CancelOrderRequest::default()
        }),
        Mutated::CloseOrder(v1::CloseOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            etag: text("7-1"),
            ..v1::CloseOrderRequest::default()
        }),
        Mutated::ReturnOrder(v1::ReturnOrderRequest {
            request_id: request_id(),
            order_id: text("O"),
            lines: vec![
                v1::ReturnLine { line: 1, quantity: 1, ..v1::ReturnLine::default() },
                v1::ReturnLine { line: 1, quantity: 1, disposition: 2, location_id: text("L") },
            ],
            document_id: text("R"),
            etag: text("7-1"),
            ..v1::ReturnOrderRequest::default()
        }),
    ]
}

/// All others as operations, and every kind of precondition.
fn transactions() -> Vec<Mutated> {
    let text = |text: &str| text.to_owned();
    let subjects = [
        Subject::SkuId(text("A")),
        Subject::LocationId(text("L")),
        Subject::Stock(v1::StockSubject { sku_id: text("A"), location_id: text("L") }),
        Subject::OrderId(text("O")),
        Subject::ReservationId(text("R")),
    ];
    let range = v1::QuantityRange { bucket: v1::Bucket::Committed.into(), min: Some(1), max: None };
    let on = |subject: &Subject, condition| v1::Precondition {
        subject: Some(v1::PreconditionSubject { subject: Some(subject.clone()) }),
        condition: Some(condition),
    };
    let mut preconditions: Vec<v1::Precondition> = subjects
        .iter()
        .flat_map(|subject| {
            let conditions = [
                Condition::Etag(text("7-1")),
                Condition::UnchangedSinceRevision(u64::MAX),
                Condition::Exists(true),
                Condition::Exists(false),
            ];
            conditions.map(|condition| on(subject, condition))
        })
        .collect();
    let closed = Condition::OrderState(v1::OrderState::Closed.into());
    let active = Condition::ReservationState(v1::ReservationState::Active.into());
    preconditions.extend([
        on(&subjects[2], Condition::Quantity(range)),
        on(&subjects[3], closed),
        on(&subjects[4], active),
    ]);
    let operations = [catalog_and_stock_requests(), order_requests(), reservation_requests()].concat();
    let operations = operations.iter().map(|request| {
        let command = validate::request(request).expect("a valid request").command;
        v1::Mutation { timeout: None, request: mutation("", &command) }
    });
    vec![Mutated::Transact(v1::TransactRequest {
        request_id: text(ID),
        preconditions,
        operations: operations.collect(),
        ..v1::TransactRequest::default()
    })]
}

fn reservation_requests() -> Vec<Mutated> {
    let (request_id, reservation_id) = (|| ID.to_owned(), || "R".to_owned());
    let hold = prost_types::Duration { seconds: 90, nanos: 500_000_000 };
    let line = v1::NewOrderLine { sku_id: "A".to_owned(), quantity: 2, ..v1::NewOrderLine::default() };
    let commit = v1::CommitReservationRequest {
        request_id: request_id(),
        reservation_id: reservation_id(),
        order_id: "O".to_owned(),
        ..v1::CommitReservationRequest::default()
    };
    vec![
        Mutated::CreateReservation(v1::CreateReservationRequest {
            request_id: request_id(),
            reservation_id: reservation_id(),
            customer_id: "C".to_owned(),
            currency_code: "EUR".to_owned(),
            lines: vec![line],
            hold_duration: None,
            sourcing: v1::Sourcing::FewestSplits.into(),
            ..v1::CreateReservationRequest::default()
        }),
        Mutated::ExtendReservation(v1::ExtendReservationRequest {
            request_id: request_id(),
            reservation_id: reservation_id(),
            hold_duration: Some(hold),
            etag: "a-0".to_owned(),
            ..v1::ExtendReservationRequest::default()
        }),
        Mutated::CommitReservation(v1::CommitReservationRequest {
            hold_duration: Some(hold),
            customer_id: "D".to_owned(),
            ..commit.clone()
        }),
        Mutated::CommitReservation(v1::CommitReservationRequest {
            lines: vec![v1::LineQuantity { line: 3, quantity: 4, ..v1::LineQuantity::default() }],
            payment_reference: "pay-2".to_owned(),
            etag: "a-0".to_owned(),
            ..commit
        }),
        Mutated::ReleaseReservation(v1::ReleaseReservationRequest {
            request_id: request_id(),
            reservation_id: reservation_id(),
            lines: vec![v1::LineQuantity { line: 1, quantity: 1, location_id: "L".to_owned() }],
            etag: "a-0".to_owned(),
            ..v1::ReleaseReservationRequest::default()
        }),
        Mutated::MoveReservation(v1::MoveReservationRequest {
            request_id: request_id(),
            reservation_id: reservation_id(),
            lines: vec![2, 1],
            location_id: "L".to_owned(),
            etag: "a-0".to_owned(),
            ..v1::MoveReservationRequest::default()
        }),
    ]
}

#[test]
fn an_exported_mutation_asks_for_the_same_command() {
    for request in requests() {
        let valid = validate::request(&request).expect("a valid request");
        let exported = mutation(ID, &valid.command).expect("a caller's mutation");
        assert_eq!(validate::request(&exported), Ok(valid.clone()), "{exported:?}");
        // With the defaults spelled out the request itself comes back.
        assert_eq!(mutation(ID, &valid.command), Some(exported));
    }
}

#[test]
fn a_request_that_spells_its_defaults_out_comes_back_as_it_was() {
    let spelled_out = requests().into_iter().map(|request| {
        let valid = validate::request(&request).expect("a valid request");
        mutation(ID, &valid.command).expect("a caller's mutation")
    });
    for request in spelled_out {
        let valid = validate::request(&request).expect("a valid request");
        assert_eq!(mutation(ID, &valid.command), Some(request));
    }
}

//! Sums that would leave the range of 64 bits. No caller gets there by commands in the time of a test, so the stock is
//! put there by hand.

use stockade_state_machine::command::{
    AdjustStock, Command, ConfirmOrder, ContentHash, CreateLocation, CreateSku, Disposition, Entry,
    MoveStock, PlaceLine, PlaceOrder, ReceiveStock, Request, ReturnLine, ReturnOrder, SetStock, ShipOrder,
    ShortagePolicy, Sourcing, Transact,
};
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::{Bucket, Stock};
use stockade_state_machine::{LogTime, Revision};

use crate::Model;

fn sku() -> SkuId {
    SkuId::new("mug").expect("an id")
}

fn location() -> LocationId {
    LocationId::new("a").expect("an id")
}

fn order() -> OrderId {
    OrderId::new("o").expect("an id")
}

fn run(model: &mut Model, command: Command) -> Outcome {
    let request = Request { origin: None, content: ContentHash(0), command };
    let entry = Entry { time: LogTime::from_micros(1), requests: vec![request] };
    model.apply(Revision::new(1), &entry).remove(0).outcome
}

fn receipt(quantity: i64) -> Command {
    Command::ReceiveStock(ReceiveStock {
        sku: sku(),
        location: location(),
        quantity,
        document: None,
        reference: String::new(),
    })
}

/// A model with a shipped order of two units, whose stock is as large as it can be.
fn full() -> Model {
    let mut model = Model::default();
    let line = PlaceLine { sku: sku(), location: None, quantity: 2, unit_price_minor: 0 };
    for command in [
        Command::CreateSku(CreateSku { sku: sku(), details: SkuDetails::default() }),
        Command::CreateLocation(CreateLocation { location: location(), details: LocationDetails::default() }),
        receipt(2),
        Command::PlaceOrder(PlaceOrder {
            order: order(),
            customer: None,
            currency: Currency::new("EUR").expect("a currency"),
            lines: vec![line],
            hold_us: 1_000_000,
            sourcing: Sourcing::Priority,
            shortage: ShortagePolicy::AllOrNothing,
        }),
        Command::ConfirmOrder(ConfirmOrder {
            order: order(),
            payment_reference: String::new(),
            reacquire: false,
            expected: None,
        }),
        Command::ShipOrder(ShipOrder {
            order: order(),
            lines: Vec::new(),
            tracking_number: String::new(),
            document: None,
            close_after_us: None,
            expected: None,
        }),
    ] {
        let outcome = run(&mut model, command);
        assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    }
    let stock = model.stock.values_mut().next().expect("a row");
    *stock = Stock::from_buckets([i64::MAX - 1, 0, 0, 0, 0, 0], stock.version).expect("in range");
    model
}

#[test]
fn a_command_whose_sum_overflows_is_refused_and_writes_nothing() {
    let adjustment = Command::AdjustStock(AdjustStock {
        sku: sku(),
        location: location(),
        bucket: Bucket::Damaged,
        delta: 2,
        reason: Reason::Other,
        document: None,
        reference: String::new(),
    });
    let setting = Command::SetStock(SetStock {
        sku: sku(),
        location: location(),
        bucket: Bucket::SafetyStock,
        quantity: 2,
        expected: Some(0),
        reason: Reason::Other,
        document: None,
        reference: String::new(),
    });
    let back = ReturnLine { line: 1, quantity: 1, disposition: Disposition::Restock, location: None };
    let returned = Command::ReturnOrder(ReturnOrder {
        order: order(),
        lines: vec![back.clone(), back],
        document: None,
        expected: None,
    });
    for command in [receipt(2), adjustment, setting, returned] {
        let mut model = full();
        let before = format!("{model:?}");
        assert_eq!(run(&mut model, command), Outcome::Rejected(Rejection::QuantityOverflow));
        assert_eq!(format!("{model:?}"), before);
    }
}

#[test]
fn an_operation_whose_sum_overflows_undoes_the_transaction() {
    let mut model = full();
    let before = format!("{model:?}");
    let operations = vec![receipt(1), receipt(1)];
    let command = Command::Transact(Transact { preconditions: Vec::new(), operations });
    let rejection = Box::new(Rejection::QuantityOverflow);
    let rejected = Rejection::OperationRejected { operation: 2, rejection };
    assert_eq!(run(&mut model, command), Outcome::Rejected(rejected));
    assert_eq!(format!("{model:?}"), before);
}

#[test]
fn stock_may_be_as_large_as_64_bits_hold() {
    let mut model = full();
    assert!(matches!(run(&mut model, receipt(1)), Outcome::StockReceived(..)));
}

#[test]
fn a_move_leaves_the_sum_alone_however_large_it_is() {
    let mut model = full();
    run(&mut model, receipt(1));
    let command = Command::MoveStock(MoveStock {
        sku: sku(),
        location: location(),
        from: Bucket::Available,
        to: Bucket::Damaged,
        quantity: 1_000,
        reason: Reason::Damaged,
        document: None,
        reference: String::new(),
    });
    let outcome = run(&mut model, command);
    assert!(matches!(outcome, Outcome::StockMoved(_, stock) if stock.on_hand() == i64::MAX), "{outcome:?}");
}

//! A command of each kind, and of each kind of what is in one.

use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CloseOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation,
    CreateSku, DeleteLocation, DeleteSku, Disposition, ExpireDue, ExtendOrder, ExtendReservation,
    LineQuantity, LocationChange, MoveReservation, MoveStock, Payment, PlaceLine, PlaceOrder, Precondition,
    ReceiveStock, ReleaseReservation, ReturnLine, ReturnOrder, Row, SetStock, ShipOrder, ShortagePolicy,
    SkuChange, Sourcing, Transact, UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::CustomerId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Currency, OrderState};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, Revision, StockKey};

use crate::samples::*;
use crate::strategies::SOURCINGS;

pub(crate) fn sample_commands() -> Vec<Command> {
    let place_line = PlaceLine { sku: sku(), location: None, quantity: 6, unit_price_minor: 255 };
    let place_lines = vec![PlaceLine { location: Some(main_location()), ..place_line.clone() }, place_line];
    let mut commands = vec![
        Command::CreateSku(CreateSku { sku: sku(), details: sample_sku().details }),
        Command::UpdateSku(UpdateSku {
            sku: sku(),
            expected: Some(sample_version()),
            change: SkuChange { display_name: Some("holder".to_owned()), ..SkuChange::default() },
        }),
        Command::DeleteSku(DeleteSku { sku: sku(), expected: None }),
        Command::CreateLocation(CreateLocation {
            location: main_location(),
            details: sample_location().details,
        }),
        Command::UpdateLocation(UpdateLocation {
            location: main_location(),
            expected: None,
            change: LocationChange { priority: Some(300), ..LocationChange::default() },
        }),
        Command::DeleteLocation(DeleteLocation {
            location: main_location(),
            expected: Some(sample_version()),
        }),
        Command::ReceiveStock(ReceiveStock {
            sku: sku(),
            location: main_location(),
            quantity: 300,
            document: Some(document()),
            reference: "r".to_owned(),
        }),
        Command::AdjustStock(AdjustStock {
            sku: sku(),
            location: main_location(),
            bucket: Bucket::Damaged,
            delta: -2,
            reason: Reason::TheftLoss,
            document: None,
            reference: String::new(),
        }),
        Command::SetStock(SetStock {
            sku: sku(),
            location: main_location(),
            bucket: Bucket::Available,
            quantity: 5,
            expected: Some(4),
            reason: Reason::CycleCount,
            document: Some(document()),
            reference: String::new(),
        }),
        Command::MoveStock(MoveStock {
            sku: sku(),
            location: main_location(),
            from: Bucket::Available,
            to: Bucket::QualityControl,
            quantity: 3,
            reason: Reason::QualityHold,
            document: None,
            reference: "r".to_owned(),
        }),
        Command::ExpireDue(ExpireDue { limit: 1_000 }),
        Command::AbandonRequest,
    ];
    commands.extend(sample_order_commands(&place_lines));
    commands.extend(sample_reservation_commands(place_lines));
    commands.push(sample_transaction());
    commands
}

fn line_quantities() -> Vec<LineQuantity> {
    vec![
        LineQuantity { line: 1, location: None, quantity: 4 },
        LineQuantity { line: 300, location: Some(main_location()), quantity: 1 },
    ]
}

fn sample_order_commands(lines: &[PlaceLine]) -> Vec<Command> {
    let expected = Some(sample_version());
    let place = |sourcing| PlaceOrder {
        order: order(),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capitals"),
        lines: lines.to_vec(),
        hold_us: 900_000_000,
        sourcing,
        shortage: ShortagePolicy::AllOrNothing,
    };
    let partial = PlaceOrder { shortage: ShortagePolicy::Partial, ..place(Sourcing::FewestSplits) };
    let confirm = ConfirmOrder {
        order: order(),
        payment_reference: "pay-1".to_owned(),
        reacquire: false,
        expected: None,
    };
    let ship = ShipOrder {
        order: order(),
        lines: line_quantities(),
        tracking_number: "track".to_owned(),
        document: Some(document()),
        close_after_us: Some(86_400_000_000),
        expected,
    };
    let bare = ShipOrder {
        lines: Vec::new(),
        tracking_number: String::new(),
        document: None,
        close_after_us: None,
        expected: None,
        ..ship.clone()
    };
    let returned = |disposition, location| ReturnLine { line: 1, quantity: 1, disposition, location };
    let mut commands: Vec<Command> = SOURCINGS.map(|sourcing| Command::PlaceOrder(place(sourcing))).into();
    commands.extend([
        Command::PlaceOrder(partial),
        Command::ConfirmOrder(confirm.clone()),
        Command::ConfirmOrder(ConfirmOrder { reacquire: true, expected, ..confirm }),
        Command::ExtendOrder(ExtendOrder { order: order(), hold_us: 900_000_000, expected }),
        Command::ShipOrder(ship),
        Command::ShipOrder(bare),
        Command::CancelOrder(CancelOrder { order: order(), lines: Vec::new(), expected: None }),
        Command::CancelOrder(CancelOrder { order: order(), lines: line_quantities(), expected }),
        Command::CloseOrder(CloseOrder { order: order(), expected }),
        Command::ReturnOrder(ReturnOrder {
            order: order(),
            lines: vec![
                returned(Disposition::Restock, Some(main_location())),
                returned(Disposition::Damaged, None),
                returned(Disposition::Scrap, None),
            ],
            document: Some(document()),
            expected,
        }),
    ]);
    commands
}

fn sample_reservation_commands(lines: Vec<PlaceLine>) -> Vec<Command> {
    let expected = Some(sample_version());
    let commit = CommitReservation {
        reservation: cart(),
        order: order(),
        customer: CustomerId::new("17850").ok(),
        lines: line_quantities(),
        payment: Payment::Taken { reference: "pay-1".to_owned() },
        expected,
    };
    let unpaid = CommitReservation {
        customer: None,
        lines: Vec::new(),
        payment: Payment::Pending { hold_us: 900_000_000 },
        expected: None,
        ..commit.clone()
    };
    vec![
        Command::CreateReservation(CreateReservation {
            reservation: cart(),
            customer: CustomerId::new("17850").ok(),
            currency: Currency::new("GBP").expect("capitals"),
            lines,
            hold_us: 900_000_000,
            sourcing: Sourcing::MostStock,
        }),
        Command::ExtendReservation(ExtendReservation { reservation: cart(), hold_us: 900_000_000, expected }),
        Command::CommitReservation(commit),
        Command::CommitReservation(unpaid),
        Command::ReleaseReservation(ReleaseReservation {
            reservation: cart(),
            lines: line_quantities(),
            expected,
        }),
        Command::MoveReservation(MoveReservation {
            reservation: cart(),
            lines: vec![1, 300],
            location: main_location(),
            expected,
        }),
    ]
}

fn sample_transaction() -> Command {
    let key = StockKey { sku: sku(), location: main_location() };
    let preconditions = vec![
        Precondition::Version(Row::Sku(sku()), sample_version()),
        Precondition::UnchangedSince(Row::Location(main_location()), Revision::new(300)),
        Precondition::Exists(Row::Stock(key.clone())),
        Precondition::Missing(Row::Order(order())),
        Precondition::Missing(Row::Reservation(cart())),
        Precondition::Quantity { key, bucket: Bucket::Reserved, min: i64::MIN, max: 300 },
        Precondition::OrderState(order(), OrderState::Closed),
        Precondition::ReservationState(cart(), ReservationState::Committed),
    ];
    let operations = vec![
        Command::CloseOrder(CloseOrder { order: order(), expected: None }),
        Command::DeleteSku(DeleteSku { sku: sku(), expected: None }),
        // Not allowed there; execution says so.
        Command::AbandonRequest,
    ];
    Command::Transact(Transact { preconditions, operations })
}

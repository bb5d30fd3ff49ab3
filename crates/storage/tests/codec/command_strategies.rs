//! Random commands.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CloseOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation,
    CreateSku, DeleteLocation, DeleteSku, ExpireDue, ExtendOrder, ExtendReservation, LineQuantity,
    LocationChange, MoveReservation, MoveStock, Payment, PlaceLine, PlaceOrder, Precondition, ReceiveStock,
    ReleaseReservation, ReturnLine, ReturnOrder, Row, SetStock, ShipOrder, SkuChange, Transact,
    UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::{Command, ContentHash, Request, StockKey, Version};

use crate::strategies::*;

fn sku_changes() -> impl Strategy<Value = SkuChange> + Clone {
    let limit = || option::of(any::<i64>());
    (option::of(".{0,64}"), option::of(any::<bool>()), limit(), limit(), option::of(attributes())).prop_map(
        |(display_name, untracked, min_per_order, max_per_order, attributes)| SkuChange {
            display_name,
            untracked,
            min_per_order,
            max_per_order,
            attributes,
        },
    )
}

fn location_changes() -> impl Strategy<Value = LocationChange> + Clone {
    let text = || option::of(".{0,16}");
    (text(), text(), option::of(any::<u32>()), option::of(any::<bool>())).prop_map(
        |(display_name, zone, priority, disabled)| LocationChange { display_name, zone, priority, disabled },
    )
}

fn by_hand() -> impl Strategy<Value = (Reason, Option<DocumentId>, String)> + Clone {
    (reasons(), option::of(documents()), ".{0,64}")
}

fn place_lines() -> impl Strategy<Value = PlaceLine> + Clone {
    (skus(), option::of(locations()), any::<i64>(), any::<i64>()).prop_map(
        |(sku, location, quantity, unit_price_minor)| PlaceLine { sku, location, quantity, unit_price_minor },
    )
}

fn line_quantities() -> impl Strategy<Value = LineQuantity> + Clone {
    (any::<u32>(), option::of(locations()), any::<i64>())
        .prop_map(|(line, location, quantity)| LineQuantity { line, location, quantity })
}

fn expected() -> impl Strategy<Value = Option<Version>> + Clone {
    option::of(versions())
}

fn payments() -> impl Strategy<Value = Payment> + Clone {
    prop_oneof![
        any::<u64>().prop_map(|hold_us| Payment::Pending { hold_us }),
        ".{0,64}".prop_map(|reference| Payment::Taken { reference }),
    ]
}

fn order_commands() -> impl Strategy<Value = Command> {
    let quantities = || vec(line_quantities(), 0..6);
    let return_line = (any::<u32>(), any::<i64>(), dispositions(), option::of(locations())).prop_map(
        |(line, quantity, disposition, location)| ReturnLine { line, quantity, disposition, location },
    );
    let head = (orders(), option::of(customers()), currencies(), vec(place_lines(), 0..6));
    let shipped = (option::of(documents()), option::of(any::<u64>()));
    prop_oneof![
        (head, any::<u64>(), sourcings(), shortage_policies()).prop_map(
            |((order, customer, currency, lines), hold_us, sourcing, shortage)| {
                Command::PlaceOrder(PlaceOrder {
                    order,
                    customer,
                    currency,
                    lines,
                    hold_us,
                    sourcing,
                    shortage,
                })
            }
        ),
        (orders(), ".{0,64}", any::<bool>(), expected()).prop_map(
            |(order, payment_reference, reacquire, expected)| {
                Command::ConfirmOrder(ConfirmOrder { order, payment_reference, reacquire, expected })
            }
        ),
        (orders(), any::<u64>(), expected()).prop_map(|(order, hold_us, expected)| {
            Command::ExtendOrder(ExtendOrder { order, hold_us, expected })
        }),
        (orders(), quantities(), ".{0,64}", shipped, expected()).prop_map(
            |(order, lines, tracking_number, (document, close_after_us), expected)| {
                Command::ShipOrder(ShipOrder {
                    order,
                    lines,
                    tracking_number,
                    document,
                    close_after_us,
                    expected,
                })
            }
        ),
        (orders(), quantities(), expected()).prop_map(|(order, lines, expected)| Command::CancelOrder(
            CancelOrder { order, lines, expected }
        )),
        (orders(), expected())
            .prop_map(|(order, expected)| Command::CloseOrder(CloseOrder { order, expected })),
        (orders(), vec(return_line, 0..6), option::of(documents()), expected()).prop_map(
            |(order, lines, document, expected)| {
                Command::ReturnOrder(ReturnOrder { order, lines, document, expected })
            }
        ),
    ]
}

fn reservation_commands() -> impl Strategy<Value = Command> {
    let quantities = || vec(line_quantities(), 0..6);
    let head = (reservations(), option::of(customers()), currencies(), vec(place_lines(), 0..6));
    let commit = (reservations(), orders(), option::of(customers()));
    prop_oneof![
        (head, any::<u64>(), sourcings()).prop_map(
            |((reservation, customer, currency, lines), hold_us, sourcing)| {
                Command::CreateReservation(CreateReservation {
                    reservation,
                    customer,
                    currency,
                    lines,
                    hold_us,
                    sourcing,
                })
            }
        ),
        (reservations(), any::<u64>(), expected()).prop_map(|(reservation, hold_us, expected)| {
            Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected })
        }),
        (commit, quantities(), payments(), expected()).prop_map(
            |((reservation, order, customer), lines, payment, expected)| {
                Command::CommitReservation(CommitReservation {
                    reservation,
                    order,
                    customer,
                    lines,
                    payment,
                    expected,
                })
            }
        ),
        (reservations(), quantities(), expected()).prop_map(|(reservation, lines, expected)| {
            Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected })
        }),
        (reservations(), vec(any::<u32>(), 0..6), locations(), expected()).prop_map(
            |(reservation, lines, location, expected)| {
                Command::MoveReservation(MoveReservation { reservation, lines, location, expected })
            }
        ),
    ]
}

fn stock_keys() -> impl Strategy<Value = StockKey> + Clone {
    (skus(), locations()).prop_map(|(sku, location)| StockKey { sku, location })
}

fn rows() -> impl Strategy<Value = Row> {
    prop_oneof![
        skus().prop_map(Row::Sku),
        locations().prop_map(Row::Location),
        stock_keys().prop_map(Row::Stock),
        orders().prop_map(Row::Order),
        reservations().prop_map(Row::Reservation),
    ]
}

fn preconditions() -> impl Strategy<Value = Precondition> {
    prop_oneof![
        (rows(), versions()).prop_map(|(row, version)| Precondition::Version(row, version)),
        (rows(), revisions()).prop_map(|(row, revision)| Precondition::UnchangedSince(row, revision)),
        rows().prop_map(Precondition::Exists),
        rows().prop_map(Precondition::Missing),
        (stock_keys(), buckets(), any::<i64>(), any::<i64>())
            .prop_map(|(key, bucket, min, max)| Precondition::Quantity { key, bucket, min, max }),
        (orders(), order_states()).prop_map(|(order, state)| Precondition::OrderState(order, state)),
        (reservations(), reservation_states())
            .prop_map(|(reservation, state)| Precondition::ReservationState(reservation, state)),
    ]
}

pub(crate) fn commands() -> impl Strategy<Value = Command> {
    let transact = (vec(preconditions(), 0..4), vec(plain_commands(), 0..4))
        .prop_map(|(preconditions, operations)| Command::Transact(Transact { preconditions, operations }));
    prop_oneof![6 => plain_commands(), 1 => transact]
}

/// Those that can stand in a transaction, whether or not it may be executed then.
fn plain_commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        (skus(), sku_details()).prop_map(|(sku, details)| Command::CreateSku(CreateSku { sku, details })),
        (skus(), option::of(versions()), sku_changes())
            .prop_map(|(sku, expected, change)| Command::UpdateSku(UpdateSku { sku, expected, change })),
        (skus(), option::of(versions()))
            .prop_map(|(sku, expected)| Command::DeleteSku(DeleteSku { sku, expected })),
        (locations(), location_details())
            .prop_map(|(location, details)| Command::CreateLocation(CreateLocation { location, details })),
        (locations(), option::of(versions()), location_changes()).prop_map(|(location, expected, change)| {
            Command::UpdateLocation(UpdateLocation { location, expected, change })
        }),
        (locations(), option::of(versions()))
            .prop_map(|(location, expected)| Command::DeleteLocation(DeleteLocation { location, expected })),
        (skus(), locations(), buckets(), any::<i64>(), option::of(any::<i64>()), by_hand()).prop_map(
            |(sku, location, bucket, quantity, expected, (reason, document, reference))| {
                Command::SetStock(SetStock {
                    sku,
                    location,
                    bucket,
                    quantity,
                    expected,
                    reason,
                    document,
                    reference,
                })
            }
        ),
        (skus(), locations(), buckets(), buckets(), any::<i64>(), by_hand()).prop_map(
            |(sku, location, from, to, quantity, (reason, document, reference))| {
                Command::MoveStock(MoveStock {
                    sku,
                    location,
                    from,
                    to,
                    quantity,
                    reason,
                    document,
                    reference,
                })
            }
        ),
        (skus(), locations(), any::<i64>(), option::of(documents()), ".{0,64}").prop_map(
            |(sku, location, quantity, document, reference)| {
                Command::ReceiveStock(ReceiveStock { sku, location, quantity, document, reference })
            }
        ),
        (skus(), locations(), buckets(), any::<i64>(), reasons(), option::of(documents()), ".{0,64}")
            .prop_map(|(sku, location, bucket, delta, reason, document, reference)| {
                Command::AdjustStock(AdjustStock {
                    sku,
                    location,
                    bucket,
                    delta,
                    reason,
                    document,
                    reference,
                })
            }),
        order_commands(),
        reservation_commands(),
        any::<u32>().prop_map(|limit| Command::ExpireDue(ExpireDue { limit })),
        Just(Command::AbandonRequest),
    ]
}

pub(crate) fn requests() -> impl Strategy<Value = Request> {
    (option::of(origins()), any::<u128>(), commands()).prop_map(|(origin, content, command)| Request {
        origin,
        content: ContentHash(content),
        command,
    })
}

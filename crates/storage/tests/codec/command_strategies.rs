//! Random commands.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation, CreateSku,
    DeleteLocation, DeleteSku, ExpireDue, ExtendReservation, LineQuantity, LocationChange, MoveReservation,
    MoveStock, Payment, PlaceLine, PlaceOrder, ReceiveStock, ReleaseReservation, ReturnLine, ReturnOrder,
    SetStock, ShipOrder, SkuChange, UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::{Command, ContentHash, Request};

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
    (any::<u32>(), any::<i64>()).prop_map(|(line, quantity)| LineQuantity { line, quantity })
}

fn payments() -> impl Strategy<Value = Payment> + Clone {
    prop_oneof![
        any::<u64>().prop_map(|hold_us| Payment::Pending { hold_us }),
        ".{0,64}".prop_map(|reference| Payment::Taken { reference }),
    ]
}

fn reservation_commands() -> impl Strategy<Value = Command> {
    let quantities = || vec(line_quantities(), 0..6);
    prop_oneof![
        (reservations(), option::of(customers()), currencies(), vec(place_lines(), 0..6), any::<u64>())
            .prop_map(|(reservation, customer, currency, lines, hold_us)| {
                Command::CreateReservation(CreateReservation {
                    reservation,
                    customer,
                    currency,
                    lines,
                    hold_us,
                })
            }),
        (reservations(), any::<u64>()).prop_map(|(reservation, hold_us)| {
            Command::ExtendReservation(ExtendReservation { reservation, hold_us })
        }),
        (reservations(), orders(), option::of(customers()), quantities(), payments()).prop_map(
            |(reservation, order, customer, lines, payment)| {
                Command::CommitReservation(CommitReservation { reservation, order, customer, lines, payment })
            }
        ),
        (reservations(), quantities()).prop_map(|(reservation, lines)| {
            Command::ReleaseReservation(ReleaseReservation { reservation, lines })
        }),
        (reservations(), vec(any::<u32>(), 0..6), locations()).prop_map(|(reservation, lines, location)| {
            Command::MoveReservation(MoveReservation { reservation, lines, location })
        }),
    ]
}

pub(crate) fn commands() -> impl Strategy<Value = Command> {
    let return_line = (any::<u32>(), any::<i64>(), dispositions())
        .prop_map(|(line, quantity, disposition)| ReturnLine { line, quantity, disposition });
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
        (orders(), option::of(customers()), currencies(), vec(place_lines(), 0..6), any::<u64>()).prop_map(
            |(order, customer, currency, lines, hold_us)| {
                Command::PlaceOrder(PlaceOrder { order, customer, currency, lines, hold_us })
            }
        ),
        (orders(), ".{0,64}").prop_map(|(order, payment_reference)| {
            Command::ConfirmOrder(ConfirmOrder { order, payment_reference })
        }),
        (orders(), vec(line_quantities(), 0..6), ".{0,64}").prop_map(|(order, lines, tracking_number)| {
            Command::ShipOrder(ShipOrder { order, lines, tracking_number })
        }),
        orders().prop_map(|order| Command::CancelOrder(CancelOrder { order })),
        (orders(), vec(return_line, 0..6), option::of(documents())).prop_map(|(order, lines, document)| {
            Command::ReturnOrder(ReturnOrder { order, lines, document })
        }),
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

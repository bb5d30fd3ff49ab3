//! Random steps: commands about few things, so that they get in each other's way.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CloseOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation,
    CreateSku, DeleteLocation, DeleteSku, Disposition, ExpireDue, ExtendOrder, ExtendReservation,
    LineQuantity, LocationChange, MoveReservation, MoveStock, Payment, PlaceLine, PlaceOrder, Precondition,
    ReceiveStock, ReleaseReservation, ReturnLine, ReturnOrder, Row, SetStock, ShipOrder, ShortagePolicy,
    SkuChange, Sourcing, Transact, UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Currency, OrderState};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, Revision, StockKey, Version};

/// A command, microseconds since the one before it, and which request id it runs under; `None` for the system.
pub(crate) type Step = (Command, u64, Option<u8>);

fn skus() -> impl Strategy<Value = SkuId> + Clone {
    prop::sample::select(vec!["A", "B", "C"]).prop_map(|id| SkuId::new(id).expect("visible"))
}

fn locations() -> impl Strategy<Value = LocationId> + Clone {
    prop::sample::select(vec!["main", "shop"]).prop_map(|id| LocationId::new(id).expect("visible"))
}

fn orders() -> impl Strategy<Value = OrderId> + Clone {
    (0..4).prop_map(|id| OrderId::new(&format!("o{id}")).expect("visible"))
}

fn reservations() -> impl Strategy<Value = ReservationId> + Clone {
    (0..3).prop_map(|id| ReservationId::new(&format!("r{id}")).expect("visible"))
}

fn documents() -> impl Strategy<Value = Option<DocumentId>> + Clone {
    option::weighted(0.3, (0..6).prop_map(|id| DocumentId::new(&format!("d{id}")).expect("visible")))
}

/// Mostly a few units; sometimes the ends of the range and what is just out of bounds.
fn units() -> impl Strategy<Value = i64> + Clone {
    let odd =
        vec![i64::MIN, i64::MAX, 0, -1, 1_000_000_000, 1_000_000_001, 1_000_000_000_000, 1_000_000_000_001];
    prop_oneof![40 => 1..8_i64, 1 => prop::sample::select(odd)]
}

fn holds() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![20 => 5_000_000..90_000_000_u64, 1 => prop::sample::select(vec![0, 999_999, u64::MAX])]
}

fn line_numbers() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![20 => 1..3_u32, 1 => prop::sample::select(vec![0, u32::MAX])]
}

fn texts() -> impl Strategy<Value = String> + Clone {
    prop_oneof![20 => Just("r".to_owned()), 1 => Just("x".repeat(513))]
}

fn buckets() -> impl Strategy<Value = Bucket> + Clone {
    prop_oneof![3 => Just(Bucket::Available), 1 => prop::sample::select(Bucket::ALL.to_vec())]
}

/// Seldom one at all.
fn few_versions() -> impl Strategy<Value = Option<Version>> + Clone {
    let version = |revision| Version { revision: Revision::new(revision), position: 0 };
    option::weighted(0.03, (1..30_u64).prop_map(version))
}

/// Mostly none; sometimes one that may be right early on.
fn versions() -> impl Strategy<Value = Option<Version>> + Clone {
    let version = |revision| Version { revision: Revision::new(revision), position: 0 };
    option::weighted(0.2, (1..8_u64).prop_map(version))
}

fn sku_changes() -> impl Strategy<Value = SkuChange> + Clone {
    let limits = || option::weighted(0.15, prop_oneof![9 => 0..6_i64, 1 => units()]);
    let attributes = option::weighted(0.2, Just(BTreeMap::from([("colour".to_owned(), "red".to_owned())])));
    let untracked = option::weighted(0.2, any::<bool>());
    (option::of(texts()), untracked, limits(), limits(), attributes).prop_map(
        |(display_name, untracked, min_per_order, max_per_order, attributes)| SkuChange {
            display_name,
            untracked,
            min_per_order,
            max_per_order,
            attributes,
        },
    )
}

fn place_lines() -> impl Strategy<Value = PlaceLine> + Clone {
    (skus(), option::of(locations()), units(), units()).prop_map(|(sku, location, quantity, price)| {
        PlaceLine { sku, location, quantity, unit_price_minor: price }
    })
}

fn line_quantities() -> impl Strategy<Value = LineQuantity> + Clone {
    (line_numbers(), option::weighted(0.2, locations()), units())
        .prop_map(|(line, location, quantity)| LineQuantity { line, location, quantity })
}

fn sourcing() -> impl Strategy<Value = Sourcing> + Clone {
    let others = vec![
        Sourcing::MostStock,
        Sourcing::FewestSplits,
        Sourcing::FewestSplits,
        Sourcing::SplitProportional,
        Sourcing::Explicit,
    ];
    prop_oneof![1 => Just(Sourcing::Priority), 1 => prop::sample::select(others)]
}

/// Mostly what finds something: rows that other commands make.
fn rows() -> impl Strategy<Value = Row> + Clone {
    prop_oneof![
        skus().prop_map(Row::Sku),
        locations().prop_map(Row::Location),
        (skus(), locations()).prop_map(|(sku, location)| Row::Stock(StockKey { sku, location })),
        orders().prop_map(Row::Order),
        reservations().prop_map(Row::Reservation),
    ]
}

fn preconditions() -> impl Strategy<Value = Precondition> + Clone {
    let key = || (skus(), locations()).prop_map(|(sku, location)| StockKey { sku, location });
    let states =
        prop::sample::select(vec![OrderState::PendingPayment, OrderState::Confirmed, OrderState::Closed]);
    let version = |revision| Version { revision: Revision::new(revision), position: 0 };
    prop_oneof![
        1 => (rows(), 1..8_u64).prop_map(move |(row, revision)| Precondition::Version(row, version(revision))),
        1 => (rows(), 1..60_u64)
            .prop_map(|(row, revision)| Precondition::UnchangedSince(row, Revision::new(revision))),
        4 => rows().prop_map(Precondition::Exists),
        2 => rows().prop_map(Precondition::Missing),
        4 => (key(), buckets(), 0..3_i64, 3..900_i64)
            .prop_map(|(key, bucket, min, max)| Precondition::Quantity { key, bucket, min, max }),
        1 => (orders(), states).prop_map(|(order, state)| Precondition::OrderState(order, state)),
        1 => reservations()
            .prop_map(|held| Precondition::ReservationState(held, ReservationState::Active)),
    ]
}

fn transactions() -> impl Strategy<Value = Command> + Clone {
    let preconditions = prop_oneof![3 => Just(Vec::new()), 1 => vec(preconditions(), 1..3)];
    (preconditions, vec(operations(), 0..4))
        .prop_map(|(preconditions, operations)| Command::Transact(Transact { preconditions, operations }))
}

fn reservation_commands() -> impl Strategy<Value = Command> + Clone {
    let payments = prop_oneof![
        texts().prop_map(|reference| Payment::Taken { reference }),
        holds().prop_map(|hold_us| Payment::Pending { hold_us }),
    ];
    let currency = Currency::new("GBP").expect("capital letters");
    prop_oneof![
        5 => (reservations(), prop_oneof![1 => Just(Vec::new()), 15 => vec(place_lines(), 1..4)], holds(), sourcing()).prop_map(
            move |(reservation, lines, hold_us, sourcing)| {
                Command::CreateReservation(CreateReservation { reservation, customer: None, currency, lines, hold_us, sourcing })
            }
        ),
        2 => (reservations(), holds(), few_versions()).prop_map(|(reservation, hold_us, expected)| {
            Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected })
        }),
        6 => (reservations(), orders(), vec(line_quantities(), 0..3), payments, few_versions()).prop_map(
            |(reservation, order, lines, payment, expected)| {
                Command::CommitReservation(CommitReservation { reservation, order, customer: None, lines, payment, expected })
            }
        ),
        2 => (reservations(), vec(line_quantities(), 0..3), few_versions()).prop_map(|(reservation, lines, expected)| {
            Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected })
        }),
        3 => (reservations(), vec(line_numbers(), 0..3), locations(), few_versions()).prop_map(
            |(reservation, lines, location, expected)| {
                Command::MoveReservation(MoveReservation { reservation, lines, location, expected })
            }
        ),
    ]
}

fn commands() -> impl Strategy<Value = Command> + Clone {
    prop_oneof![
        60 => operations(),
        6 => transactions(),
        1 => prop::sample::select(vec![0, 1, 1_000, u32::MAX])
            .prop_map(|limit| Command::ExpireDue(ExpireDue { limit })),
        1 => Just(Command::AbandonRequest),
    ]
}

fn operations() -> impl Strategy<Value = Command> + Clone {
    let reasons =
        prop::sample::select(vec![Reason::Correction, Reason::CycleCount, Reason::Damaged, Reason::Shipment]);
    let dispositions =
        prop::sample::select(vec![Disposition::Restock, Disposition::Damaged, Disposition::Scrap]);
    let return_line = (line_numbers(), units(), dispositions, option::weighted(0.2, locations())).prop_map(
        |(line, quantity, disposition, location)| ReturnLine { line, quantity, disposition, location },
    );
    let close_after = option::weighted(0.3, prop_oneof![9 => 1_000_000..20_000_000_u64, 1 => Just(0)]);
    let move_reasons = reasons.clone();
    let set_reasons = reasons.clone();
    let currency = Currency::new("GBP").expect("capital letters");
    prop_oneof![
        2 => (skus(), sku_changes()).prop_map(|(sku, change)| {
            let details = change.applied_to(&SkuDetails::default());
            Command::CreateSku(CreateSku { sku, details })
        }),
        1 => (skus(), versions(), sku_changes())
            .prop_map(|(sku, expected, change)| Command::UpdateSku(UpdateSku { sku, expected, change })),
        1 => (skus(), versions()).prop_map(|(sku, expected)| Command::DeleteSku(DeleteSku { sku, expected })),
        2 => (locations(), 0..3_u32, any::<bool>()).prop_map(|(location, priority, disabled)| {
            let details = LocationDetails { priority, disabled, ..LocationDetails::default() };
            Command::CreateLocation(CreateLocation { location, details })
        }),
        1 => (locations(), versions(), option::of(0..3_u32), option::weighted(0.3, prop::bool::weighted(0.2))).prop_map(
            |(location, expected, priority, disabled)| {
                let change = LocationChange { priority, disabled, ..LocationChange::default() };
                Command::UpdateLocation(UpdateLocation { location, expected, change })
            }
        ),
        1 => (locations(), versions())
            .prop_map(|(location, expected)| Command::DeleteLocation(DeleteLocation { location, expected })),
        1 => (skus(), locations(), buckets(), units(), option::of(0..5_i64), set_reasons, documents()).prop_map(
            |(sku, location, bucket, quantity, expected, reason, document)| {
                let reference = String::new();
                let set =
                    SetStock { sku, location, bucket, quantity, expected, reason, document, reference };
                Command::SetStock(set)
            }
        ),
        2 => (skus(), locations(), buckets(), buckets(), units(), move_reasons, documents()).prop_map(
            |(sku, location, from, to, quantity, reason, document)| {
                let reference = String::new();
                Command::MoveStock(MoveStock { sku, location, from, to, quantity, reason, document, reference })
            }
        ),
        5 => (skus(), locations(), units(), documents(), texts()).prop_map(
            |(sku, location, quantity, document, reference)| {
                Command::ReceiveStock(ReceiveStock { sku, location, quantity, document, reference })
            }
        ),
        2 => (skus(), locations(), buckets(), units(), any::<bool>(), reasons, documents()).prop_map(
            |(sku, location, bucket, units, less, reason, document)| {
                let delta = if less { units.wrapping_neg() } else { units };
                let reference = String::new();
                Command::AdjustStock(AdjustStock { sku, location, bucket, delta, reason, document, reference })
            }
        ),
        9 => (orders(), prop_oneof![1 => Just(Vec::new()), 15 => vec(place_lines(), 1..4)], holds(), sourcing(), prop::bool::weighted(0.2)).prop_map(
            move |(order, lines, hold_us, sourcing, partial)| {
                let shortage = if partial { ShortagePolicy::Partial } else { ShortagePolicy::AllOrNothing };
                Command::PlaceOrder(PlaceOrder { order, customer: None, currency, lines, hold_us, sourcing, shortage })
            }
        ),
        9 => (orders(), texts(), prop::bool::weighted(0.4), few_versions()).prop_map(
            |(order, payment_reference, reacquire, expected)| {
                Command::ConfirmOrder(ConfirmOrder { order, payment_reference, reacquire, expected })
            }
        ),
        1 => (orders(), holds(), few_versions())
            .prop_map(|(order, hold_us, expected)| Command::ExtendOrder(ExtendOrder { order, hold_us, expected })),
        10 => (orders(), vec(line_quantities(), 0..3), texts(), documents(), close_after, few_versions()).prop_map(
            |(order, lines, tracking_number, document, close_after_us, expected)| {
                Command::ShipOrder(ShipOrder { order, lines, tracking_number, document, close_after_us, expected })
            }
        ),
        2 => (orders(), vec(line_quantities(), 0..2), few_versions())
            .prop_map(|(order, lines, expected)| Command::CancelOrder(CancelOrder { order, lines, expected })),
        3 => (orders(), few_versions())
            .prop_map(|(order, expected)| Command::CloseOrder(CloseOrder { order, expected })),
        9 => (orders(), vec(return_line, 0..4), documents(), few_versions()).prop_map(
            |(order, lines, document, expected)| {
                Command::ReturnOrder(ReturnOrder { order, lines, document, expected })
            }
        ),
        18 => reservation_commands(),
    ]
}

/// Steps from a state that has SKUs and stock, so that most commands find something.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let waits = prop_oneof![40 => 0..3_000_000_u64, 1 => Just(1_900_000_000)];
    let ids = option::weighted(0.9, any::<u8>());
    vec((commands(), waits, ids), 10..120).prop_map(|mut steps| {
        let (location, details) = (LocationId::new("main").expect("visible"), LocationDetails::default());
        let mut first = vec![(Command::CreateLocation(CreateLocation { location, details }), 0, None)];
        for (id, number) in [("A", 0), ("B", 1)] {
            let sku = SkuId::new(id).expect("visible");
            let create = CreateSku { sku: sku.clone(), details: SkuDetails::default() };
            let location = LocationId::new("main").expect("visible");
            let reference = String::new();
            let receive = ReceiveStock { sku, location, quantity: 200 + number, document: None, reference };
            first.push((Command::CreateSku(create), 0, None));
            first.push((Command::ReceiveStock(receive), 0, None));
        }
        first.append(&mut steps);
        first
    })
}

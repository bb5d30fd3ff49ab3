//! Random rows, and what rows, commands and outcomes are made of.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::{Disposition, ShortagePolicy, Sourcing};
use stockade_state_machine::document::Document;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{
    CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId, SkuId,
};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::order::{Currency, Order, OrderLine, OrderState, Parcel, ParcelLine};
use stockade_state_machine::reservation::{Reservation, ReservationLine, ReservationState};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Origin, Revision, Stock, Version};

macro_rules! ids {
    ($($name:ident: $type:ident),*) => {$(
        pub(crate) fn $name() -> impl Strategy<Value = $type> + Clone {
            "[!-~]{1,128}".prop_map(|text| $type::new(&text).expect("visible ASCII"))
        }
    )*};
}
ids!(
    skus: SkuId,
    locations: LocationId,
    orders: OrderId,
    reservations: ReservationId,
    customers: CustomerId,
    documents: DocumentId,
    principals: Principal
);

pub(crate) fn request_ids() -> impl Strategy<Value = RequestId> + Clone {
    any::<u128>().prop_map(|bits| {
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (7 << 76) | (2 << 62);
        RequestId::new(bits).expect("version and variant are set")
    })
}

pub(crate) fn origins() -> impl Strategy<Value = Origin> + Clone {
    (request_ids(), principals()).prop_map(|(request, principal)| Origin { request, principal })
}

pub(crate) fn times() -> impl Strategy<Value = LogTime> + Clone {
    any::<u64>().prop_map(LogTime::from_micros)
}

pub(crate) fn revisions() -> impl Strategy<Value = Revision> + Clone {
    any::<u64>().prop_map(Revision::new)
}

pub(crate) fn versions() -> impl Strategy<Value = Version> + Clone {
    (revisions(), any::<u32>()).prop_map(|(revision, position)| Version { revision, position })
}

pub(crate) fn buckets() -> impl Strategy<Value = Bucket> + Clone {
    prop::sample::select(Bucket::ALL.to_vec())
}

pub(crate) fn dispositions() -> impl Strategy<Value = Disposition> + Clone {
    prop::sample::select(vec![Disposition::Restock, Disposition::Damaged, Disposition::Scrap])
}

pub(crate) const SOURCINGS: [Sourcing; 5] = [
    Sourcing::Priority,
    Sourcing::MostStock,
    Sourcing::FewestSplits,
    Sourcing::Explicit,
    Sourcing::SplitProportional,
];

pub(crate) fn sourcings() -> impl Strategy<Value = Sourcing> + Clone {
    prop::sample::select(SOURCINGS.to_vec())
}

pub(crate) fn shortage_policies() -> impl Strategy<Value = ShortagePolicy> + Clone {
    prop::sample::select(vec![ShortagePolicy::AllOrNothing, ShortagePolicy::Partial])
}

pub(crate) const REASONS: [Reason; 17] = [
    Reason::Received,
    Reason::Returned,
    Reason::Reservation,
    Reason::Commit,
    Reason::Release,
    Reason::Expiry,
    Reason::Shipment,
    Reason::Restock,
    Reason::Correction,
    Reason::CycleCount,
    Reason::Damaged,
    Reason::Shrinkage,
    Reason::TheftLoss,
    Reason::Promotion,
    Reason::QualityHold,
    Reason::SafetyStock,
    Reason::Other,
];

pub(crate) fn reasons() -> impl Strategy<Value = Reason> + Clone {
    prop::sample::select(REASONS.to_vec())
}

pub(crate) fn currencies() -> impl Strategy<Value = Currency> + Clone {
    "[A-Z]{3}".prop_map(|code| Currency::new(&code).expect("capital letters"))
}

pub(crate) fn stocks() -> impl Strategy<Value = Stock> + Clone {
    ([0..i64::MAX / 6, 0..1000, 0..1000, 0..1000, 0..i64::MAX / 6, 0..1000], versions())
        .prop_map(|(buckets, version)| Stock::from_buckets(buckets, version).expect("the sum fits"))
}

pub(crate) fn sku_rows() -> impl Strategy<Value = Sku> + Clone {
    (skus(), sku_details(), times(), times(), versions())
        .prop_map(|(id, details, created, updated, version)| Sku { id, details, created, updated, version })
}

pub(crate) fn attributes() -> impl Strategy<Value = BTreeMap<String, String>> + Clone {
    prop::collection::btree_map("[!-~]{1,16}", ".{0,16}", 0..4)
}

pub(crate) fn sku_details() -> impl Strategy<Value = SkuDetails> + Clone {
    (".{0,64}", any::<bool>(), any::<i64>(), any::<i64>(), attributes()).prop_map(
        |(display_name, untracked, min_per_order, max_per_order, attributes)| SkuDetails {
            display_name,
            untracked,
            min_per_order,
            max_per_order,
            attributes,
        },
    )
}

pub(crate) fn location_details() -> impl Strategy<Value = LocationDetails> + Clone {
    (".{0,64}", ".{0,16}", any::<u32>(), any::<bool>()).prop_map(
        |(display_name, zone, priority, disabled)| LocationDetails { display_name, zone, priority, disabled },
    )
}

pub(crate) fn location_rows() -> impl Strategy<Value = Location> + Clone {
    (locations(), location_details(), times(), times(), versions()).prop_map(
        |(id, details, created, updated, version)| Location { id, details, created, updated, version },
    )
}

pub(crate) fn order_lines() -> impl Strategy<Value = OrderLine> {
    let units = 0..1_000_000_000_i64;
    (
        skus(),
        option::of(locations()),
        any::<i64>(),
        [units.clone(), units.clone(), units.clone(), units.clone()],
        units.clone(),
        units,
    )
        .prop_map(
            |(sku, location, unit_price_minor, [held, allocated, cancelled, expired], shipped, returned)| {
                let shipped = shipped.min(allocated);
                let ordered = held + allocated + cancelled + expired;
                let returned = returned.min(shipped);
                OrderLine {
                    number: 1,
                    sku,
                    location,
                    unit_price_minor,
                    ordered,
                    held,
                    allocated,
                    shipped,
                    returned,
                    cancelled,
                    expired,
                }
            },
        )
}

/// The number of each part: as the one before, or one more.
fn numbers(goes_on: &[bool]) -> Vec<u32> {
    let number = |last: &mut u32, goes_on: &bool| {
        *last = if *goes_on { (*last).max(1) } else { *last + 1 };
        Some(*last)
    };
    goes_on.iter().scan(0, number).collect()
}

/// Parcels of which each has a part of what shipped of every other line, the last one all that is left.
fn parcels(
    lines: &[OrderLine],
    heads: Vec<(LogTime, String, Option<DocumentId>, prop::sample::Index)>,
) -> Vec<Parcel> {
    let mut left: Vec<i64> = lines.iter().map(|line| line.shipped).collect();
    let count = heads.len();
    let mut parcels: Vec<Parcel> = Vec::new();
    for (number, (shipped, tracking_number, document, share)) in (1..).zip(heads) {
        let mut lines = Vec::new();
        for (part, left) in (0..).zip(&mut left) {
            let units = usize::try_from(*left).expect("not below 0");
            let taken = if number == count { units } else { share.index(units + 1) };
            let quantity = i64::try_from(taken).expect("at most what is left");
            if quantity > 0 {
                lines.push(ParcelLine { part, quantity });
            }
            *left -= quantity;
        }
        if !lines.is_empty() {
            parcels.push(Parcel { shipped, tracking_number, document, lines });
        }
    }
    parcels
}

pub(crate) fn order_rows() -> impl Strategy<Value = Order> {
    let lines = vec((any::<bool>(), order_lines()), 1..6);
    let head = (orders(), option::of(customers()), currencies(), lines);
    let parcel = (times(), ".{0,64}", option::of(documents()), any::<prop::sample::Index>());
    let shipped = (vec(parcel, 1..4), option::of(times()));
    (head, [times(), times(), times()], versions(), ".{0,64}", shipped).prop_map(
        |((id, customer, currency, lines), times, version, payment_reference, (heads, closes))| {
            let [created, updated, expires] = times;
            let (goes_on, mut lines): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
            for (number, line) in numbers(&goes_on).into_iter().zip(&mut lines) {
                line.number = number;
            }
            let parcels = parcels(&lines, heads);
            Order {
                id,
                customer,
                currency,
                lines,
                created,
                updated,
                expires,
                version,
                payment_reference,
                parcels,
                closes,
            }
        },
    )
}

pub(crate) fn reservation_lines() -> impl Strategy<Value = ReservationLine> {
    let units = || 0..1_000_000_000_i64;
    (skus(), option::of(locations()), any::<i64>(), [units(), units(), units(), units()]).prop_map(
        |(sku, location, unit_price_minor, [open, committed, released, expired])| ReservationLine {
            number: 1,
            sku,
            location,
            unit_price_minor,
            quantity: open + committed + released + expired,
            open,
            committed,
            released,
            expired,
        },
    )
}

pub(crate) fn reservation_rows() -> impl Strategy<Value = Reservation> {
    let lines = vec((any::<bool>(), reservation_lines()), 1..6);
    let head = (reservations(), option::of(customers()), currencies(), lines);
    (head, times(), times(), times(), versions()).prop_map(
        |((id, customer, currency, lines), created, updated, expires, version)| {
            let (goes_on, mut lines): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
            for (number, line) in numbers(&goes_on).into_iter().zip(&mut lines) {
                line.number = number;
            }
            Reservation { id, customer, currency, lines, created, updated, expires, version }
        },
    )
}

pub(crate) fn holders() -> impl Strategy<Value = Holder> {
    prop_oneof![orders().prop_map(Holder::Order), reservations().prop_map(Holder::Reservation)]
}

pub(crate) fn document_rows() -> impl Strategy<Value = Document> {
    (documents(), revisions()).prop_map(|(id, revision)| Document { id, revision })
}

pub(crate) fn ledger_entries() -> impl Strategy<Value = LedgerEntry> {
    let place = (revisions(), any::<u32>(), times(), skus(), locations());
    let movement = (option::of(buckets()), option::of(buckets()), 1..i64::MAX, reasons());
    let holders = (option::of(orders()), option::of(reservations()));
    let cause = (option::of(origins()), holders, option::of(documents()), ".{0,64}");
    (place, movement, cause, stocks()).prop_map(|(place, movement, cause, balances)| {
        let (revision, position, time, sku, location) = place;
        let (from, to, quantity, reason) = movement;
        let (origin, (order, reservation), document, reference) = cause;
        LedgerEntry {
            revision,
            position,
            time,
            sku,
            location,
            from,
            to,
            quantity,
            reason,
            actor: origin.as_ref().map(|origin| origin.principal.clone()),
            request: origin.map(|origin| origin.request),
            order,
            reservation,
            document,
            reference,
            balances,
        }
    })
}

pub(crate) const ORDER_STATES: [OrderState; 9] = [
    OrderState::PendingPayment,
    OrderState::Confirmed,
    OrderState::PartiallyShipped,
    OrderState::Shipped,
    OrderState::PartiallyReturned,
    OrderState::Returned,
    OrderState::Cancelled,
    OrderState::Expired,
    OrderState::Closed,
];

pub(crate) fn order_states() -> impl Strategy<Value = OrderState> + Clone {
    prop::sample::select(ORDER_STATES.to_vec())
}

pub(crate) fn reservation_states() -> impl Strategy<Value = ReservationState> + Clone {
    prop::sample::select(vec![
        ReservationState::Active,
        ReservationState::PartiallyCommitted,
        ReservationState::Committed,
        ReservationState::Released,
        ReservationState::Expired,
    ])
}

pub(crate) fn clocks() -> impl Strategy<Value = Clock> {
    (times(), any::<u64>()).prop_map(|(now, horizon_ms)| Clock { now, horizon_ms })
}

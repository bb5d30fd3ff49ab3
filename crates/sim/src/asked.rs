//! What shoppers ask for: about few things, so that they get in each other's way.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use stockade_client::{Client, Error};
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;

use crate::questions;

/// Where the goods are.
pub(crate) const LOCATIONS: [&str; 2] = ["here", "there"];
/// Kinds of wishes; the last ones are reads.
const WISHES: u64 = 30;

pub(crate) fn sku_name(number: u64) -> String {
    format!("sku-{number}")
}

/// What a shopper has ordered and reserved so far.
pub(crate) struct Bag {
    shopper: u64,
    skus: u64,
    orders: Vec<String>,
    reservations: Vec<String>,
}

macro_rules! asked {
    ($($name:ident($request:ty) => $method:ident),* $(,)?) => {
        /// A call.
        pub(crate) enum Asked {
            $($name($request),)*
        }

        impl Asked {
            /// Makes it.
            pub(crate) async fn put_to(&self, client: &Client) -> Result<(), Error> {
                match self {
                    // Boxed: one of them may be a call of any kind.
                    $(Self::$name(request) => Box::pin(client.$method(request.clone())).await.map(drop),)*
                }
            }
        }
    };
}

asked! {
    Receive(v1::ReceiveStockRequest) => receive_stock,
    Place(v1::PlaceOrderRequest) => place_order,
    Confirm(v1::ConfirmOrderRequest) => confirm_order,
    Ship(v1::ShipOrderRequest) => ship_order,
    Cancel(v1::CancelOrderRequest) => cancel_order,
    Set(v1::SetStockRequest) => set_stock,
    Move(v1::MoveStockRequest) => move_stock,
    Limit(v1::UpdateSkuRequest) => update_sku,
    Reserve(v1::CreateReservationRequest) => create_reservation,
    Extend(v1::ExtendReservationRequest) => extend_reservation,
    Commit(v1::CommitReservationRequest) => commit_reservation,
    Release(v1::ReleaseReservationRequest) => release_reservation,
    Relocate(v1::MoveReservationRequest) => move_reservation,
    Availability(v1::GetAvailabilityRequest) => get_availability,
    Reservation(v1::GetReservationRequest) => get_reservation,
    Stock(v1::GetStockRequest) => get_stock,
    Prolong(v1::ExtendOrderRequest) => extend_order,
    Close(v1::CloseOrderRequest) => close_order,
    Return(v1::ReturnOrderRequest) => return_order,
    Transact(v1::TransactRequest) => transact,
    Open(v1::UpdateLocationRequest) => update_location,
    Orders(v1::BatchGetOrdersRequest) => batch_get_orders,
    List(v1::ListOrdersRequest) => list_orders,
    Ledger(v1::ListLedgerEntriesRequest) => list_ledger_entries,
    AsOf(v1::GetStockAsOfRequest) => get_stock_as_of,
    Trial(Mutated) => validate,
}

impl Asked {
    /// True where it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        matches!(
            self,
            Self::Stock(_)
                | Self::Reservation(_)
                | Self::Availability(_)
                | Self::Orders(_)
                | Self::List(_)
                | Self::Ledger(_)
                | Self::AsOf(_)
                | Self::Trial(_)
        )
    }
}

impl Bag {
    /// Nothing yet, of so many SKUs that there are.
    pub(crate) fn new(shopper: u64, skus: u64) -> Self {
        Self { shopper, skus, orders: Vec::new(), reservations: Vec::new() }
    }

    /// The next call, the shopper's `call`th.
    pub(crate) fn wish(&mut self, call: u64, request_id: String, random: &mut SmallRng) -> Asked {
        let sku_id = sku_name(random.random_range(0..self.skus));
        let location_id = LOCATIONS[random.random_range(0..LOCATIONS.len())].to_owned();
        let quantity = random.random_range(1..4);
        let kind = random.random_range(0..WISHES);
        match kind {
            0..=2 => Asked::Receive(v1::ReceiveStockRequest {
                request_id,
                sku_id,
                location_id,
                quantity,
                ..Default::default()
            }),
            3..=8 => self.about_an_order(kind, call, request_id, random),
            9..=14 => self.about_a_reservation(kind, call, request_id, random),
            15 => Asked::Set(v1::SetStockRequest {
                request_id,
                sku_id,
                location_id,
                quantity,
                expected_quantity: random.random_bool(0.7).then(|| random.random_range(0..4)),
                reason: v1::Reason::CycleCount.into(),
                ..Default::default()
            }),
            16 => Asked::Move(v1::MoveStockRequest {
                request_id,
                sku_id,
                location_id,
                to_bucket: v1::Bucket::Damaged.into(),
                quantity,
                reason: v1::Reason::Damaged.into(),
                ..Default::default()
            }),
            17 => {
                let untracked = random.random_bool(0.1);
                let sku = v1::Sku { sku_id, max_per_order: quantity + 1, untracked, ..Default::default() };
                Asked::Limit(v1::UpdateSkuRequest { request_id, sku: Some(sku), ..Default::default() })
            }
            18 => {
                let sku_ids = (0..self.skus).map(sku_name).collect();
                Asked::Availability(v1::GetAvailabilityRequest { sku_ids, ..Default::default() })
            }
            19 => Asked::Reservation(v1::GetReservationRequest {
                reservation_id: one_of(&self.reservations, random),
                read: None,
            }),
            20 => Asked::Stock(v1::GetStockRequest { sku_id, location_id, read: None }),
            21 | 22 => self.transaction(call, request_id, random),
            23 => {
                let disabled = random.random_bool(0.2);
                let location = v1::Location { location_id, disabled, ..Default::default() };
                let update_mask = prost_types::FieldMask { paths: vec!["disabled".to_owned()] };
                Asked::Open(v1::UpdateLocationRequest {
                    request_id,
                    location: Some(location),
                    update_mask: Some(update_mask),
                    ..Default::default()
                })
            }
            24 => Asked::Orders(v1::BatchGetOrdersRequest {
                order_ids: vec![one_of(&self.orders, random), one_of(&self.orders, random)],
                read: None,
            }),
            25 => Asked::Trial(Mutated::PlaceOrder(self.order(format!("trial-{call}"), request_id, random))),
            26 => Asked::List(questions::orders(sku_id, random)),
            27 => Asked::Ledger(questions::ledger(sku_id, one_of(&self.orders, random), random)),
            28 => Asked::AsOf(questions::as_of(sku_id, random)),
            _ => self.about_a_shipped_order(request_id, random),
        }
    }

    /// An order that is sourced in some way, and may take what is there.
    fn order(&self, order_id: String, request_id: String, random: &mut SmallRng) -> v1::PlaceOrderRequest {
        let lines = (0..random.random_range(1..3)).map(|_| self.line(random)).collect();
        let sourcing = [
            v1::Sourcing::Unspecified,
            v1::Sourcing::MostStock,
            v1::Sourcing::FewestSplits,
            v1::Sourcing::SplitProportional,
        ];
        let partial = random.random_bool(0.2);
        let shortage_policy =
            if partial { v1::ShortagePolicy::Partial } else { v1::ShortagePolicy::AllOrNothing };
        v1::PlaceOrderRequest {
            request_id,
            order_id,
            currency_code: "EUR".to_owned(),
            lines,
            hold_duration: Some(some_seconds(random)),
            sourcing: sourcing[random.random_range(0..sourcing.len())].into(),
            shortage_policy: shortage_policy.into(),
            ..Default::default()
        }
    }

    /// Goods come, an order takes some, and is paid: all of that or nothing.
    fn transaction(&mut self, call: u64, request_id: String, random: &mut SmallRng) -> Asked {
        let order_id = format!("order-{}-{call}", self.shopper);
        let place = self.order(order_id.clone(), String::new(), random);
        let receive = v1::ReceiveStockRequest {
            sku_id: sku_name(random.random_range(0..self.skus)),
            location_id: LOCATIONS[random.random_range(0..LOCATIONS.len())].to_owned(),
            quantity: 1,
            ..Default::default()
        };
        let confirm = v1::ConfirmOrderRequest { order_id: order_id.clone(), ..Default::default() };
        let operations =
            [Mutated::ReceiveStock(receive), Mutated::PlaceOrder(place), Mutated::ConfirmOrder(confirm)];
        let other = one_of(&self.orders, random);
        let precondition = v1::Precondition {
            subject: Some(v1::PreconditionSubject { subject: Some(Subject::OrderId(other)) }),
            condition: Some(Condition::Exists(true)),
        };
        self.orders.push(order_id);
        let operation = |request| v1::Mutation { timeout: None, request: Some(request) };
        Asked::Transact(v1::TransactRequest {
            request_id,
            preconditions: if random.random_bool(0.3) { vec![precondition] } else { Vec::new() },
            operations: operations.map(operation).to_vec(),
            ..Default::default()
        })
    }

    fn about_a_shipped_order(&self, request_id: String, random: &mut SmallRng) -> Asked {
        let order_id = one_of(&self.orders, random);
        match random.random_range(0..3) {
            0 => Asked::Close(v1::CloseOrderRequest { request_id, order_id, ..Default::default() }),
            1 => Asked::Prolong(v1::ExtendOrderRequest {
                request_id,
                order_id,
                hold_duration: Some(some_seconds(random)),
                ..Default::default()
            }),
            _ => {
                let line = v1::ReturnLine { line: 1, quantity: 1, ..Default::default() };
                Asked::Return(v1::ReturnOrderRequest {
                    request_id,
                    order_id,
                    lines: vec![line],
                    ..Default::default()
                })
            }
        }
    }

    fn about_an_order(&mut self, kind: u64, call: u64, request_id: String, random: &mut SmallRng) -> Asked {
        let order_id = one_of(&self.orders, random);
        match kind {
            3 => {
                let reacquire = random.random_bool(0.5);
                Asked::Confirm(v1::ConfirmOrderRequest {
                    request_id,
                    order_id,
                    reacquire,
                    ..Default::default()
                })
            }
            4 => {
                let close_after = random.random_bool(0.5).then(|| some_seconds(random));
                Asked::Ship(v1::ShipOrderRequest { request_id, order_id, close_after, ..Default::default() })
            }
            5 => {
                let line = v1::LineQuantity { line: 1, quantity: 1, ..Default::default() };
                let lines = if random.random_bool(0.5) { vec![line] } else { Vec::new() };
                Asked::Cancel(v1::CancelOrderRequest { request_id, order_id, lines, ..Default::default() })
            }
            _ => {
                let order_id = format!("order-{}-{call}", self.shopper);
                self.orders.push(order_id.clone());
                Asked::Place(self.order(order_id, request_id, random))
            }
        }
    }

    fn about_a_reservation(
        &mut self,
        kind: u64,
        call: u64,
        request_id: String,
        random: &mut SmallRng,
    ) -> Asked {
        let reservation_id = one_of(&self.reservations, random);
        let lines = if random.random_bool(0.5) {
            Vec::new()
        } else {
            vec![v1::LineQuantity { line: random.random_range(1..3), quantity: 1, ..Default::default() }]
        };
        match kind {
            9 => Asked::Extend(v1::ExtendReservationRequest {
                request_id,
                reservation_id,
                hold_duration: Some(some_seconds(random)),
                ..Default::default()
            }),
            10 | 11 => {
                let order_id = format!("order-{}-{call}", self.shopper);
                self.orders.push(order_id.clone());
                let hold_duration = random.random_bool(0.5).then(|| some_seconds(random));
                Asked::Commit(v1::CommitReservationRequest {
                    request_id,
                    reservation_id,
                    order_id,
                    lines,
                    hold_duration,
                    ..Default::default()
                })
            }
            12 => Asked::Release(v1::ReleaseReservationRequest {
                request_id,
                reservation_id,
                lines,
                ..Default::default()
            }),
            13 => {
                let location_id = LOCATIONS[random.random_range(0..LOCATIONS.len())].to_owned();
                let lines = lines.iter().map(|line| line.line).collect();
                Asked::Relocate(v1::MoveReservationRequest {
                    request_id,
                    reservation_id,
                    lines,
                    location_id,
                    ..Default::default()
                })
            }
            _ => {
                let reservation_id = format!("reservation-{}-{call}", self.shopper);
                self.reservations.push(reservation_id.clone());
                let lines = (0..random.random_range(1..3)).map(|_| self.line(random)).collect();
                Asked::Reserve(v1::CreateReservationRequest {
                    request_id,
                    reservation_id,
                    currency_code: "EUR".to_owned(),
                    lines,
                    hold_duration: Some(some_seconds(random)),
                    ..Default::default()
                })
            }
        }
    }

    fn line(&self, random: &mut SmallRng) -> v1::NewOrderLine {
        let sku_id = sku_name(random.random_range(0..self.skus));
        v1::NewOrderLine { sku_id, quantity: random.random_range(1..4), ..Default::default() }
    }
}

/// One that is there, mostly of the last; where there is none, a name that nothing has.
fn one_of(names: &[String], random: &mut SmallRng) -> String {
    let recent = names.len().saturating_sub(RECENT);
    let from = if random.random_bool(0.8) { recent } else { 0 };
    if names.is_empty() { "none".to_owned() } else { names[random.random_range(from..names.len())].clone() }
}

/// How many of the last are asked for mostly.
const RECENT: usize = 4;

fn some_seconds(random: &mut SmallRng) -> prost_types::Duration {
    prost_types::Duration { seconds: random.random_range(1..20), nanos: 0 }
}

//! What callers ask for.

use stockade_checker::convert;
use stockade_history::Asked;
use stockade_proto::v1;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_state_machine::ids::{LocationId, SkuId};

use super::Cluster;
use super::carts::{self, Paid};
use super::orders;

/// Where all stock comes in, and nothing is ever closed.
const MAIN: &str = "main";
/// A location that is opened, closed, deleted and created again.
const SPARE: &str = "spare";
/// A SKU that is not tracked.
pub(super) const SERVICE: &str = "service";

fn sku_name(number: u64) -> String {
    format!("sku-{number}")
}

impl Cluster {
    pub(super) fn fill_catalogue(&mut self) {
        self.create_location(MAIN);
        for number in 0..self.shape.skus {
            self.create_sku(&sku_name(number), false);
            let units = self.shape.units;
            let receipt = self.receive(number, units);
            self.alone(receipt);
        }
        if self.shape.rich {
            self.create_location(SPARE);
            self.create_sku(SERVICE, true);
        }
    }

    fn create_location(&mut self, id: &str) {
        let request_id = self.request_id();
        let location = v1::Location { location_id: id.to_owned(), ..v1::Location::default() };
        self.alone(
            v1::CreateLocationRequest { request_id, location: Some(location), validate_only: false }.into(),
        );
    }

    fn create_sku(&mut self, id: &str, untracked: bool) {
        let request_id = self.request_id();
        let sku = v1::Sku { sku_id: id.to_owned(), untracked, ..v1::Sku::default() };
        self.alone(v1::CreateSkuRequest { request_id, sku: Some(sku), validate_only: false }.into());
    }

    fn receive(&mut self, sku: u64, quantity: i64) -> Asked {
        let request_id = self.request_id();
        let location = self.location_name();
        v1::ReceiveStockRequest {
            request_id,
            sku_id: sku_name(sku),
            location_id: location.to_owned(),
            quantity,
            ..v1::ReceiveStockRequest::default()
        }
        .into()
    }

    fn location_name(&mut self) -> &'static str {
        if self.shape.rich && self.rng.chance(6) { SPARE } else { MAIN }
    }

    pub(super) fn mutation(&mut self) -> Asked {
        if self.rng.chance(40)
            && let Some(again) = self.lately.front()
        {
            return again.clone();
        }
        let asked = if self.shape.rich && self.rng.chance(5) {
            self.catalogue_mutation()
        } else {
            self.fresh_mutation()
        };
        self.lately.push_back(asked.clone());
        if self.lately.len() > 20 {
            self.lately.pop_front();
        }
        asked
    }

    fn fresh_mutation(&mut self) -> Asked {
        let sku = self.rng.below(self.shape.skus);
        let (sku_id, location_id) = (sku_name(sku), self.location_name().to_owned());
        let request_id = self.request_id();
        let reason = v1::Reason::Correction.into();
        match self.rng.below(if self.shape.rich { 31 } else { 28 }) {
            0 => self.receive(sku, 5),
            1 => v1::AdjustStockRequest {
                request_id,
                sku_id,
                location_id,
                delta: if self.rng.chance(2) { 1 } else { -1 },
                reason,
                ..v1::AdjustStockRequest::default()
            }
            .into(),
            2 if self.rng.chance(4) => {
                let given_up = self.request_id();
                v1::AbandonRequestRequest { request_id: given_up }.into()
            }
            2..=8 => self.place(request_id, sku),
            9 => v1::SetStockRequest {
                request_id,
                sku_id,
                location_id,
                quantity: i64::try_from(self.rng.below(8)).expect("few"),
                expected_quantity: self.rng.chance(2).then_some(3),
                reason,
                ..v1::SetStockRequest::default()
            }
            .into(),
            10 => v1::MoveStockRequest {
                request_id,
                sku_id,
                location_id,
                to_bucket: v1::Bucket::Damaged.into(),
                quantity: 1 + i64::try_from(self.rng.below(3)).expect("few"),
                reason,
                ..v1::MoveStockRequest::default()
            }
            .into(),
            11..=13 => self.reserve(request_id, &sku_id),
            14..=16 => self.change_cart(request_id).unwrap_or_else(|| self.receive(sku, 2)),
            28 => self.transact(request_id),
            29 | 30 => self.change_order(request_id).unwrap_or_else(|| self.receive(sku, 3)),
            _ => self.take_further(request_id).unwrap_or_else(|| self.receive(sku, 3)),
        }
    }

    /// A few things at once, some of them under a condition that often holds.
    fn transact(&mut self, request_id: String) -> Asked {
        let count = 1 + self.rng.below(3);
        let operations: Vec<_> = (0..count).map(|_| self.operation()).collect();
        let stock = v1::StockSubject {
            sku_id: sku_name(self.rng.below(self.shape.skus)),
            location_id: MAIN.to_owned(),
        };
        let range = v1::QuantityRange { bucket: 0, min: Some(2), max: None };
        let conditions = vec![
            orders::precondition(Subject::Stock(stock.clone()), Condition::Quantity(range)),
            orders::precondition(Subject::Stock(stock), Condition::UnchangedSinceRevision(self.index)),
            orders::precondition(Subject::SkuId(SERVICE.to_owned()), Condition::Exists(false)),
        ];
        let taken = [0, 1, 1, 2, 3][usize::try_from(self.rng.below(5)).expect("few")];
        orders::transact(request_id, conditions.into_iter().take(taken).collect(), &operations)
    }

    /// What can stand in a transaction, and be tried.
    fn operation(&mut self) -> Asked {
        let asked = self.fresh_mutation();
        let is_one = asked.is_mutation() && !matches!(asked, Asked::Transact(_));
        if is_one { asked } else { self.receive(0, 1) }
    }

    /// Something is done to an order that changes its state in few cases.
    fn change_order(&mut self, request_id: String) -> Option<Asked> {
        let (id, steps) = self.orders.pop_front()?;
        self.orders.push_back((id.clone(), steps));
        let document = format!("parcel-{}", self.rng.below(40));
        let close_s = self.rng.chance(2).then_some(1);
        // What was shipped is closed now and then.
        let choice = if steps == 2 && self.rng.chance(2) { 7 } else { self.rng.below(7) };
        Some(match choice {
            0 => orders::extend(request_id, &id, 9, ""),
            1 => orders::confirm(request_id, &id, true, ""),
            2 => orders::confirm(request_id, &id, false, "1-0"),
            3 => orders::cancel(request_id, &id, &[(1, "", 1)]),
            4 | 5 => orders::ship(request_id, &id, &[(1, "", 1)], &document, close_s),
            6 => orders::give_back(request_id, &id, &[(1, MAIN, 1)]),
            _ => orders::close(request_id, &id, ""),
        })
    }

    /// Changes of SKUs and locations: half of them under an etag, some of these under an old one.
    fn catalogue_mutation(&mut self) -> Asked {
        let request_id = self.request_id();
        let sku_id = sku_name(self.rng.below(self.shape.skus));
        let location_id = SPARE.to_owned();
        match self.rng.below(8) {
            0..=2 => {
                let etag = self.etag_of_sku(&sku_id);
                let max_per_order = i64::try_from(self.rng.below(4)).expect("few");
                let sku = v1::Sku { sku_id, max_per_order, etag, ..v1::Sku::default() };
                let update_mask = Some(prost_types::FieldMask { paths: vec!["max_per_order".to_owned()] });
                v1::UpdateSkuRequest { request_id, sku: Some(sku), update_mask, validate_only: false }.into()
            }
            3 | 4 => {
                let (etag, disabled) = (self.etag_of_spare(), self.rng.chance(2));
                let location = v1::Location { location_id, etag, disabled, ..v1::Location::default() };
                let location = Some(location);
                v1::UpdateLocationRequest { request_id, location, ..Default::default() }.into()
            }
            5 => {
                let etag = self.etag_of_spare();
                v1::DeleteLocationRequest { request_id, location_id, etag, validate_only: false }.into()
            }
            6 => {
                let zone = "z".to_owned();
                let location = v1::Location { location_id, zone, ..v1::Location::default() };
                v1::CreateLocationRequest { request_id, location: Some(location), validate_only: false }
                    .into()
            }
            _ => {
                let etag = self.etag_of_sku(&sku_id);
                v1::DeleteSkuRequest { request_id, sku_id, etag, validate_only: false }.into()
            }
        }
    }

    fn etag_of_sku(&mut self, id: &str) -> String {
        let sku = self.state.sku(&SkuId::new(id).expect("a sound id"));
        let current = sku.map(|sku| convert::etag(sku.version)).unwrap_or_default();
        self.some_etag(current)
    }

    fn etag_of_spare(&mut self) -> String {
        let location = self.state.location(&LocationId::new(SPARE).expect("a sound id"));
        let current = location.map(|location| convert::etag(location.version)).unwrap_or_default();
        self.some_etag(current)
    }

    fn some_etag(&mut self, current: String) -> String {
        match self.rng.below(6) {
            0..=2 => String::new(),
            3 => "1-0".to_owned(),
            _ => current,
        }
    }

    fn place(&mut self, request_id: String, sku: u64) -> Asked {
        self.placed += 1;
        let order_id = format!("order-{}", self.placed);
        self.orders.push_back((order_id.clone(), 0));
        let quantity = 1 + i64::try_from(self.rng.below(3)).expect("few");
        let mut line = v1::NewOrderLine { sku_id: sku_name(sku), quantity, ..v1::NewOrderLine::default() };
        if self.shape.rich {
            match self.rng.below(8) {
                0 => SERVICE.clone_into(&mut line.sku_id),
                1 => SPARE.clone_into(&mut line.location_id),
                _ => {}
            }
        }
        let mut request = v1::PlaceOrderRequest {
            request_id,
            order_id,
            currency_code: "EUR".to_owned(),
            lines: vec![line],
            ..v1::PlaceOrderRequest::default()
        };
        if self.shape.rich {
            request.sourcing = i32::try_from(self.rng.below(6)).expect("few");
            request.shortage_policy = i32::try_from(self.rng.below(3)).expect("few");
        }
        request.into()
    }

    fn take_further(&mut self, request_id: String) -> Option<Asked> {
        let (order_id, steps) = self.orders.pop_front()?;
        if steps < 2 {
            self.orders.push_back((order_id.clone(), steps + 1));
        }
        Some(match (steps, self.rng.below(4)) {
            (0, 0) | (_, 1) => {
                v1::CancelOrderRequest { request_id, order_id, ..v1::CancelOrderRequest::default() }.into()
            }
            (0, _) => {
                let payment_reference = "paid".to_owned();
                v1::ConfirmOrderRequest { request_id, order_id, payment_reference, ..Default::default() }
                    .into()
            }
            (1, _) => v1::ShipOrderRequest { request_id, order_id, ..v1::ShipOrderRequest::default() }.into(),
            _ => {
                let lines = vec![v1::ReturnLine { line: 1, quantity: 1, ..v1::ReturnLine::default() }];
                v1::ReturnOrderRequest { request_id, order_id, lines, ..Default::default() }.into()
            }
        })
    }

    fn reserve(&mut self, request_id: String, sku_id: &str) -> Asked {
        self.reserved += 1;
        let id = format!("cart-{}", self.reserved);
        self.carts.push_back((id.clone(), 0));
        let quantity = 1 + i64::try_from(self.rng.below(3)).expect("few");
        let service = self.shape.rich && self.rng.chance(3);
        let lines = [(sku_id, "", quantity), (SERVICE, "", 1)];
        carts::create(request_id, &id, if service { &lines } else { &lines[..1] }, 60)
    }

    /// Something is done to a reservation. Whatever orders take of it, others find in them.
    fn change_cart(&mut self, request_id: String) -> Option<Asked> {
        let (id, steps) = self.carts.pop_front()?;
        if steps < 3 {
            self.carts.push_back((id.clone(), steps + 1));
        }
        let some: &[(i32, i64)] = match self.rng.below(4) {
            0 | 1 => &[],
            2 => &[(1, 1)],
            _ => &[(1, 2)],
        };
        Some(match self.rng.below(6) {
            0 => carts::extend(request_id, &id, 90),
            1 => carts::release(request_id, &id, some),
            2 => carts::relocate(request_id, &id, &[], self.location_name()),
            _ => {
                self.placed += 1;
                let order = format!("order-{}", self.placed);
                let is_paid = self.rng.chance(2);
                self.orders.push_back((order.clone(), u8::from(is_paid)));
                let paid = if is_paid { Paid::By("card") } else { Paid::In(30) };
                carts::commit(request_id, &id, &order, some, paid)
            }
        })
    }

    pub(super) fn read_request(&mut self) -> Asked {
        if self.shape.rich && self.rng.chance(3) {
            return self.rich_read_request();
        }
        let sku_id = sku_name(self.rng.below(self.shape.skus + 1));
        match self.rng.below(15) {
            13 | 14 => orders::tried(&self.operation()),
            0 => v1::GetSkuRequest { sku_id, read: None }.into(),
            1..=5 => v1::GetStockRequest { sku_id, location_id: MAIN.to_owned(), read: None }.into(),
            6 if self.rng.chance(20) => v1::ListStockRequest { page_size: 2, ..Default::default() }.into(),
            7 => v1::GetAvailabilityRequest { sku_ids: vec![sku_id], ..Default::default() }.into(),
            8 | 9 if self.reserved > 0 => {
                let reservation_id = format!("cart-{}", 1 + self.rng.below(self.reserved));
                v1::GetReservationRequest { reservation_id, read: None }.into()
            }
            _ => match self.orders.back() {
                Some((order_id, _)) => v1::GetOrderRequest { order_id: order_id.clone(), read: None }.into(),
                None => v1::GetSkuRequest { sku_id, read: None }.into(),
            },
        }
    }

    fn rich_read_request(&mut self) -> Asked {
        let (one, other) =
            (sku_name(self.rng.below(self.shape.skus)), sku_name(self.rng.below(self.shape.skus)));
        let location_id = self.location_name().to_owned();
        match self.rng.below(15) {
            9 => {
                let state =
                    [v1::OrderState::Shipped, v1::OrderState::Closed][usize::from(self.rng.chance(2))];
                v1::ListOrdersRequest { page_size: 2, state: state.into(), ..Default::default() }.into()
            }
            11 => self.list_orders(one).into(),
            12 => self.list_ledger(one, location_id).into(),
            13 | 14 => self.stock_as_of(one, location_id).into(),
            10 => {
                let named = self.orders.iter().rev().step_by(2).take(3);
                let order_ids = named.map(|(id, _)| id.clone()).collect();
                v1::BatchGetOrdersRequest { order_ids, read: None }.into()
            }
            0 => v1::GetLocationRequest { location_id, read: None }.into(),
            1 => v1::BatchGetSkusRequest { sku_ids: vec![one, other, SERVICE.to_owned()], read: None }.into(),
            2 => {
                let names = [(&one, MAIN), (&other, &location_id)];
                let name = |(sku_id, location_id): (&String, &str)| v1::StockName {
                    sku_id: sku_id.clone(),
                    location_id: location_id.to_owned(),
                };
                v1::BatchGetStockRequest { names: names.map(name).to_vec(), read: None }.into()
            }
            3 => v1::ListLocationsRequest { page_size: 1, ..Default::default() }.into(),
            4 => v1::ListStockRequest { page_size: 2, location_id, ..Default::default() }.into(),
            5 => v1::ListStockRequest { page_size: 2, available_below: Some(6), ..Default::default() }.into(),
            6 => {
                let state = v1::OrderState::Confirmed.into();
                v1::ListOrdersRequest { page_size: 2, state, ..Default::default() }.into()
            }
            7 => {
                let state = v1::ReservationState::Active.into();
                v1::ListReservationsRequest { page_size: 2, state, ..Default::default() }.into()
            }
            _ => {
                let sku_ids = vec![one, SERVICE.to_owned(), other];
                v1::GetAvailabilityRequest { sku_ids, ..Default::default() }.into()
            }
        }
    }
}

//! Random requests over a small world, so that they meet.

use stockade_model::Model;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CloseOrder, Command, CommitReservation, ConfirmOrder, CreateLocation,
    CreateReservation, CreateSku, DeleteLocation, DeleteSku, Disposition, ExpireDue, ExtendOrder,
    ExtendReservation, LineQuantity, LocationChange, MoveReservation, MoveStock, Origin, PlaceLine,
    PlaceOrder, Precondition, ReceiveStock, ReleaseReservation, Request, ReturnLine, ReturnOrder, Row,
    SetStock, ShipOrder, ShortagePolicy, SkuChange, Sourcing, Transact, UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Revision, Version};

use crate::carts::{cart, paid, reservation_id, unpaid};
use crate::world::{
    document_id, key, location_id, new_order, order_id, origin_at, principal, request, sku_id, version,
};

/// `SplitMix64` (Steele, Lea and Flood, 2014): the same numbers from the same seed, in every version of every library.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn units(&mut self, most: u64) -> i64 {
        i64::try_from(self.roll(most) + 1).expect("few units")
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = usize::try_from(self.roll(u64::try_from(from.len()).expect("few"))).expect("few");
        from[at]
    }

    fn sku(&mut self) -> &'static str {
        self.pick(&["cup", "mug", "pot"])
    }

    fn location(&mut self) -> &'static str {
        self.pick(&["a", "b", "c"])
    }

    fn document(&mut self) -> Option<DocumentId> {
        (self.roll(3) == 0).then(|| document_id(&format!("d{}", self.roll(40))))
    }

    /// A command. Orders come and go: it names one of the last few.
    fn command(&mut self, model: &Model, newest: u64) -> Command {
        match self.roll(160) {
            0..9 => self.catalog(),
            9..29 => self.stock(),
            29..98 => self.order(model, newest),
            98..100 => Command::AbandonRequest,
            100..130 => self.reservation(model, newest),
            _ => self.transaction(model, newest),
        }
    }

    /// A command about one of the last few orders.
    fn order(&mut self, model: &Model, newest: u64) -> Command {
        let order = order_id(&format!("o{}", newest.saturating_sub(self.roll(6))));
        let expected = self.etag(model.order(&order).map(|order| order.version));
        let any = self.roll(80);
        // Every other time something that the order is likely to take.
        let fitting = match model.order(&order).map(Model::order_state) {
            None => 0,
            Some(OrderState::PendingPayment | OrderState::Expired) => self.pick(&[25, 25, 25, 38, 56]),
            Some(OrderState::Confirmed | OrderState::PartiallyShipped) => self.pick(&[42, 42, 42, 56]),
            Some(OrderState::Shipped) => self.pick(&[64, 68]),
            Some(OrderState::PartiallyReturned) => self.pick(&[42, 68]),
            Some(OrderState::Returned | OrderState::Cancelled | OrderState::Closed) => any,
        };
        match self.pick(&[any, fitting]) {
            0..25 => self.placement(order.as_str()),
            25..38 => Command::ConfirmOrder(ConfirmOrder {
                order,
                payment_reference: String::new(),
                reacquire: self.roll(2) == 0,
                expected,
            }),
            38..42 => {
                let hold_us = 1_000_000 * (1 + self.roll(60));
                Command::ExtendOrder(ExtendOrder { order, hold_us, expected })
            }
            42..56 => {
                let lines = self.line_quantities();
                let (document, close) = (self.document(), self.roll(3) == 0);
                let close_after_us = close.then(|| 1_000_000 * (1 + self.roll(20)));
                let tracking_number = String::new();
                Command::ShipOrder(ShipOrder {
                    order,
                    lines,
                    tracking_number,
                    document,
                    close_after_us,
                    expected,
                })
            }
            56..64 => Command::CancelOrder(CancelOrder { order, lines: self.line_quantities(), expected }),
            64..68 => Command::CloseOrder(CloseOrder { order, expected }),
            _ => {
                let document = self.document();
                let lines = (0..self.pick(&[1, 1, 2])).map(|_| self.return_line()).collect();
                Command::ReturnOrder(ReturnOrder { order, lines, document, expected })
            }
        }
    }

    /// The version of a row, another one, or mostly none.
    fn etag(&mut self, current: Option<Version>) -> Option<Version> {
        match self.roll(8) {
            0 | 1 => current,
            2 => Some(version(1 + self.roll(20), 0)),
            _ => None,
        }
    }

    fn return_line(&mut self) -> ReturnLine {
        let location = location_id(self.location());
        ReturnLine {
            line: self.line(),
            quantity: self.units(2),
            disposition: self.pick(&[Disposition::Restock, Disposition::Damaged, Disposition::Scrap]),
            location: (self.roll(3) == 0).then_some(location),
        }
    }

    /// The number of a line, mostly of one that is there.
    fn line(&mut self) -> u32 {
        let any = u32::try_from(self.roll(5)).expect("few lines");
        self.pick(&[1, 1, 2, any])
    }

    /// Some lines, some of them at a location; or none, which is all.
    fn line_quantities(&mut self) -> Vec<LineQuantity> {
        (0..self.roll(4))
            .map(|_| {
                let location = location_id(self.location());
                LineQuantity {
                    line: self.line(),
                    location: (self.roll(3) == 0).then_some(location),
                    quantity: self.units(2),
                }
            })
            .collect()
    }

    /// A command about one of the last few reservations.
    fn reservation(&mut self, model: &Model, newest: u64) -> Command {
        let id = format!("r{}", newest.saturating_sub(self.roll(4)));
        let reservation = reservation_id(&id);
        let order = format!("o{}", newest.saturating_sub(self.roll(6)));
        let expected = self.etag(model.reservation(&reservation).map(|row| row.version));
        let lines = self.line_quantities();
        let hold_us = 1_000_000 * (1 + self.roll(60));
        match self.roll(10) {
            0..3 => {
                let Command::CreateReservation(creation) = cart(&id, &[]) else { panic!("no cart") };
                let sourcing = self.sourcing();
                let lines = self.lines(sourcing);
                Command::CreateReservation(CreateReservation { hold_us, lines, sourcing, ..creation })
            }
            3 => Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected }),
            4 => Command::CommitReservation(CommitReservation { lines, expected, ..paid(&id, &order, &[]) }),
            5..7 => Command::CommitReservation(CommitReservation {
                lines,
                expected,
                ..unpaid(&id, &order, &[], hold_us)
            }),
            7 => Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected }),
            _ => {
                let lines = if self.roll(2) == 0 { Vec::new() } else { vec![self.line(), 1] };
                let location = location_id(self.location());
                Command::MoveReservation(MoveReservation { reservation, lines, location, expected })
            }
        }
    }

    fn transaction(&mut self, model: &Model, newest: u64) -> Command {
        let preconditions = (0..self.pick(&[0, 0, 1, 2])).map(|_| self.precondition(model, newest)).collect();
        let operations = (0..=self.roll(4))
            .map(|_| match self.roll(30) {
                0 => Command::AbandonRequest,
                1..4 => self.catalog(),
                4..12 => self.stock(),
                12..22 => self.order(model, newest),
                _ => self.reservation(model, newest),
            })
            .collect();
        Command::Transact(Transact { preconditions, operations })
    }

    /// Something that mostly holds.
    fn precondition(&mut self, model: &Model, newest: u64) -> Precondition {
        let order = order_id(&format!("o{}", newest.saturating_sub(self.roll(6))));
        let reservation = reservation_id(&format!("r{}", newest.saturating_sub(self.roll(4))));
        let (sku, location) = (sku_id(self.sku()), location_id(self.location()));
        let stock = key(sku.as_str(), location.as_str());
        let current = model.order(&order).map(|order| order.version);
        match self.roll(8) {
            0 => Precondition::Version(Row::Order(order), current.unwrap_or_default()),
            1 => Precondition::UnchangedSince(
                Row::Stock(stock),
                Revision::new(newest * 12 - self.roll(newest + 1)),
            ),
            2 => Precondition::Exists(Row::Sku(sku)),
            3 => Precondition::Exists(Row::Location(location)),
            4 => Precondition::Missing(Row::Reservation(reservation)),
            5 => Precondition::Quantity {
                key: stock,
                bucket: self.pick(&Bucket::ALL),
                min: i64::MIN,
                max: self.units(9),
            },
            6 => {
                let state = model.reservation(&reservation).map(Model::reservation_state);
                Precondition::ReservationState(reservation, state.unwrap_or(ReservationState::Active))
            }
            _ => {
                let state = model.order(&order).map(Model::order_state);
                Precondition::OrderState(order, state.unwrap_or(OrderState::Confirmed))
            }
        }
    }

    fn version(&mut self) -> Option<Version> {
        let known = self.roll(3) == 0;
        // Most were made in the first entries, some by the first command of one.
        known.then(|| version(1 + self.roll(20), u32::try_from(self.roll(2)).expect("few commands")))
    }

    fn catalog(&mut self) -> Command {
        let (sku, location) = (sku_id(self.sku()), location_id(self.location()));
        let (expected, flag) = (self.version(), self.roll(5) == 0);
        match self.roll(12) {
            0..5 => {
                let details = SkuDetails { untracked: flag, ..SkuDetails::default() };
                Command::CreateSku(CreateSku { sku, details })
            }
            5..7 => {
                let change = SkuChange {
                    untracked: (self.roll(2) == 0).then_some(flag),
                    min_per_order: (self.roll(4) == 0).then(|| self.units(4) - 1),
                    max_per_order: (self.roll(2) == 0).then(|| self.units(9) - 1),
                    ..SkuChange::default()
                };
                Command::UpdateSku(UpdateSku { sku, expected, change })
            }
            7..8 => Command::DeleteSku(DeleteSku { sku, expected }),
            8..10 => {
                let details = LocationDetails { disabled: flag, ..LocationDetails::default() };
                Command::CreateLocation(CreateLocation { location, details })
            }
            10..11 => {
                let change = LocationChange {
                    priority: u32::try_from(self.roll(3)).ok(),
                    disabled: Some(flag),
                    ..LocationChange::default()
                };
                Command::UpdateLocation(UpdateLocation { location, expected, change })
            }
            _ => Command::DeleteLocation(DeleteLocation { location, expected }),
        }
    }

    fn stock(&mut self) -> Command {
        let (sku, location) = (sku_id(self.sku()), location_id(self.location()));
        let (document, reference) = (self.document(), String::new());
        let reason = self.pick(&[Reason::Damaged, Reason::Other, Reason::Restock, Reason::Shipment]);
        let bucket = self.pick(&Bucket::ALL);
        match self.roll(4) {
            // Sometimes 0, which is malformed.
            0 => Command::ReceiveStock(ReceiveStock {
                sku,
                location,
                quantity: self.units(12) - 1,
                document,
                reference,
            }),
            1 => Command::AdjustStock(AdjustStock {
                sku,
                location,
                bucket,
                delta: self.units(11) - 6,
                reason,
                document,
                reference,
            }),
            2 => Command::SetStock(SetStock {
                sku,
                location,
                bucket,
                quantity: self.units(6) - 1,
                expected: (self.roll(3) == 0).then(|| self.units(3) - 1),
                reason,
                document,
                reference,
            }),
            _ => Command::MoveStock(MoveStock {
                sku,
                location,
                from: bucket,
                to: self.pick(&Bucket::ALL),
                quantity: self.units(4) - 1,
                reason,
                document,
                reference,
            }),
        }
    }

    fn placement(&mut self, order: &str) -> Command {
        let sourcing = self.sourcing();
        let lines = self.lines(sourcing);
        let shortage = self.pick(&[ShortagePolicy::AllOrNothing, ShortagePolicy::Partial]);
        let hold_us = 1_000_000 * (1 + self.roll(60));
        Command::PlaceOrder(PlaceOrder { hold_us, lines, sourcing, shortage, ..new_order(order, &[]) })
    }

    fn sourcing(&mut self) -> Sourcing {
        self.pick(&[
            Sourcing::Priority,
            Sourcing::MostStock,
            Sourcing::FewestSplits,
            Sourcing::Explicit,
            Sourcing::SplitProportional,
        ])
    }

    /// Half of them name their location, and nearly all that must.
    fn lines(&mut self, sourcing: Sourcing) -> Vec<PlaceLine> {
        let line = |dice: &mut Self| {
            let (location, sku) = (location_id(dice.location()), sku_id(dice.sku()));
            let names = dice.roll(2) == 0 || (sourcing == Sourcing::Explicit && dice.roll(20) > 0);
            let location = names.then_some(location);
            PlaceLine { sku, location, quantity: dice.units(4), unit_price_minor: 999 }
        };
        (0..=self.roll(3)).map(|_| line(self)).collect()
    }

    /// A request; now and then one that was there before, or its id with other content.
    pub(crate) fn request(&mut self, model: &Model, newest: u64, now_ms: u64, before: &[Request]) -> Request {
        if self.roll(30) == 0 {
            let limit = u32::try_from(self.roll(3)).expect("few");
            return request(None, Command::ExpireDue(ExpireDue { limit }));
        }
        if !before.is_empty() && self.roll(8) == 0 {
            let from = before.len().saturating_sub(40);
            let recent: Vec<&Request> = before[from..].iter().collect();
            let again = self.pick(&recent);
            return match self.roll(4) {
                0 => request(again.origin.clone(), self.command(model, newest)),
                1 => request(again.origin.clone(), Command::AbandonRequest),
                _ => again.clone(),
            };
        }
        // Now and then by a clock that is far ahead.
        let ahead_ms = if self.roll(50) == 0 { 400_000 } else { 0 };
        let origin = origin_at(now_ms + ahead_ms, self.roll(1 << 60));
        let origin = Origin { principal: principal(self.pick(&["shop", "till"])), ..origin };
        request(Some(origin), self.command(model, newest))
    }
}

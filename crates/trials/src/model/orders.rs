//! Writes commands about orders.

use std::sync::Arc;

use stockade_state_machine::command::{
    CancelOrder, CloseOrder, Command, ConfirmOrder, Disposition, ExtendOrder, LineQuantity, PlaceOrder,
    ReturnLine, ReturnOrder, ShipOrder, ShortagePolicy,
};
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::order::{Operation, Order, OrderLine, OrderState};
use stockade_state_machine::{State, Version};

use super::author::pick;
use super::commands::Writer;

/// Orders that are looked at to find one of interest.
const TRIES: u32 = 12;

impl Writer {
    /// An order that may be of interest to an operation: often one that allows it, mostly one that is there.
    fn order(&self, state: &State, operation: Operation) -> OrderId {
        let mut order = self.any_order();
        let wanted = self.random.below(5);
        for _ in 0..TRIES {
            let fits = match state.order(&order) {
                Some(found) => {
                    let now = found.state_at(state.clock().now);
                    wanted < 2 || now.allowed().contains(&operation)
                }
                None => wanted == 0,
            };
            if fits {
                break;
            }
            order = self.any_order();
        }
        order
    }

    pub(super) fn place(&mut self) -> Command {
        Command::PlaceOrder(PlaceOrder {
            order: self.new_order(),
            customer: self.customer("c"),
            currency: self.currency(),
            lines: self.new_lines(),
            hold_us: self.hold_us(),
            sourcing: self.sourcing(),
            shortage: match self.random.below(4) {
                0 => ShortagePolicy::Partial,
                _ => ShortagePolicy::AllOrNothing,
            },
        })
    }

    pub(super) fn confirm(&mut self, state: &State) -> Command {
        let reacquire = self.random.below(3) == 0;
        let mut order = self.order(state, Operation::Confirm);
        if reacquire {
            let is_expired = |order: &OrderId| {
                state.order(order).is_some_and(|found| found.state() == OrderState::Expired)
            };
            let others = (0..TRIES).map(|_| self.any_order()).find(is_expired);
            order = others.unwrap_or(order);
        }
        let payment_reference = self.text(if self.random.below(20) == 0 { 512 } else { 9 });
        let expected = self.version_of(state, &order);
        Command::ConfirmOrder(ConfirmOrder { order, payment_reference, reacquire, expected })
    }

    pub(super) fn prolong(&self, state: &State) -> Command {
        let order = self.order(state, Operation::Extend);
        let (hold_us, expected) = (self.hold_us(), self.version_of(state, &order));
        Command::ExtendOrder(ExtendOrder { order, hold_us, expected })
    }

    pub(super) fn close(&self, state: &State) -> Command {
        let order = self.order(state, Operation::Close);
        let expected = self.version_of(state, &order);
        Command::CloseOrder(CloseOrder { order, expected })
    }

    pub(super) fn cancel(&self, state: &State) -> Command {
        let order = self.order(state, Operation::Cancel);
        let lines = match self.random.below(3) {
            0 => self.named_lines(state, &order, |line| line.held + line.unshipped()),
            _ => Vec::new(),
        };
        let expected = self.version_of(state, &order);
        Command::CancelOrder(CancelOrder { order, lines, expected })
    }

    pub(super) fn ship(&mut self, state: &State) -> Command {
        let order = self.order(state, Operation::Ship);
        let lines = match self.random.below(3) {
            0 => Vec::new(),
            _ => self.named_lines(state, &order, OrderLine::unshipped),
        };
        let expected = self.version_of(state, &order);
        Command::ShipOrder(ShipOrder {
            order,
            lines,
            tracking_number: self.text(if self.random.below(20) == 0 { 512 } else { 9 }),
            document: self.document(),
            close_after_us: (self.random.below(3) == 0).then(|| self.hold_us()),
            expected,
        })
    }

    pub(super) fn book_return(&mut self, state: &State) -> Command {
        let order = self.order(state, Operation::Return);
        let named = self.named_lines(state, &order, |line| line.shipped - line.returned);
        let dispositions = [Disposition::Restock, Disposition::Damaged, Disposition::Scrap];
        let line = |LineQuantity { line, quantity, .. }| ReturnLine {
            line,
            quantity,
            disposition: pick(&self.random, &dispositions),
            location: (self.random.below(5) == 0).then(|| self.location()),
        };
        let lines = named.into_iter().map(line).collect();
        let expected = self.version_of(state, &order);
        Command::ReturnOrder(ReturnOrder { order, lines, document: self.document(), expected })
    }

    /// Some lines of an order and how much of each: mostly what is left, or a part of it, or more.
    fn named_lines(&self, state: &State, order: &OrderId, left: fn(&OrderLine) -> i64) -> Vec<LineQuantity> {
        let parts = |order: &Arc<Order>| {
            order
                .lines
                .iter()
                .map(|line| (line.number, line.location.clone(), left(line)))
                .collect::<Vec<_>>()
        };
        self.some_parts(&state.order(order).map(parts).unwrap_or_default())
    }

    /// The version that an order must have, where one is expected.
    fn version_of(&self, state: &State, order: &OrderId) -> Option<Version> {
        self.catalog.seldom_expected(state.order(order).map(|order| order.version))
    }
}

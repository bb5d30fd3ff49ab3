//! The states of orders and reservations: "Follows from the quantities of its lines; CLOSED also from the time."

use stockade_state_machine::LogTime;
use stockade_state_machine::order::{Order, OrderLine, OrderState};
use stockade_state_machine::reservation::{Reservation, ReservationLine, ReservationState};

use crate::model::Model;

impl Model {
    /// The state of an order at a time.
    pub fn order_state_at(order: &Order, now: LogTime) -> OrderState {
        let state = Self::order_state(order);
        // "Shipped, nothing came back so far, and `close_time` has come."
        let has_closed = order.closes.is_some_and(|closes| now >= closes);
        if state == OrderState::Shipped && has_closed { OrderState::Closed } else { state }
    }

    /// The state that follows from the lines of an order alone, so never CLOSED.
    pub fn order_state(order: &Order) -> OrderState {
        let any = |units: fn(&OrderLine) -> i64| order.lines.iter().any(|line| units(line) > 0);
        let held = any(|line| line.held);
        let owed = any(|line| line.allocated - line.shipped);
        let shipped = any(|line| line.shipped);
        let returned = any(|line| line.returned);
        let with_customer = any(|line| line.shipped - line.returned);
        let expired = any(|line| line.expired);
        // "Units are held until `expire_time`."
        if held {
            return OrderState::PendingPayment;
        }
        match (shipped, returned) {
            // "Paid, nothing shipped yet."
            (false, _) if owed => OrderState::Confirmed,
            // "Not paid in time."
            (false, _) if expired => OrderState::Expired,
            // "Nothing is held, owed or shipped."
            (false, _) => OrderState::Cancelled,
            // "Some units shipped, some are still to ship."
            (true, false) if owed => OrderState::PartiallyShipped,
            // "All that will ship has shipped."
            (true, false) => OrderState::Shipped,
            // "Some shipped units came back, or all did and others are still to ship."
            (true, true) if with_customer || owed => OrderState::PartiallyReturned,
            // "All shipped units came back, and none is to ship."
            (true, true) => OrderState::Returned,
        }
    }

    /// The state that follows from the lines of a reservation.
    pub fn reservation_state(reservation: &Reservation) -> ReservationState {
        let any = |units: fn(&ReservationLine) -> i64| reservation.lines.iter().any(|line| units(line) > 0);
        let open = any(|line| line.open);
        let committed = any(|line| line.committed);
        // "Units are held until `expire_time`, no order took any."
        if open && !committed {
            return ReservationState::Active;
        }
        // "Orders took some units, others are held until `expire_time`."
        if open {
            return ReservationState::PartiallyCommitted;
        }
        // "Nothing is held; orders took all units, or some and the others were given back."
        if committed {
            return ReservationState::Committed;
        }
        // "EXPIRED where a unit expired, else RELEASED".
        if any(|line| line.expired) { ReservationState::Expired } else { ReservationState::Released }
    }
}

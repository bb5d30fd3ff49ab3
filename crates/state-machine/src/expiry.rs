//! Expiry: holds whose time is over give their units back, in log time.

use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{OrderId, ReservationId};
use crate::ledger::Reason;
use crate::lines::move_line;
use crate::order::{Order, OrderState};
use crate::reservation::Reservation;
use crate::reservations::give_back;
use crate::stock::Bucket;

/// Ends a hold whose time is over; says how many lines the holder has.
pub(crate) fn expire(draft: &mut Draft<'_>, holder: &Holder) -> usize {
    match holder {
        Holder::Order(id) => expire_order(draft, id),
        Holder::Reservation(id) => expire_reservation(draft, id),
    }
}

fn expire_order(draft: &mut Draft<'_>, id: &OrderId) -> usize {
    let order = draft.order(id).expect("the index of what is due names orders in memory");
    assert_eq!(order.state(), OrderState::PendingPayment, "only an unpaid order expires: {id}");
    let mut order = Order::clone(order);
    for line in order.lines.iter_mut().filter(|line| line.held > 0) {
        let (from, to) = (Some(Bucket::Reserved), Some(Bucket::Available));
        let movement = Movement { from, to, order: Some(id), ..Movement::of(Reason::Expiry, line.held) };
        move_line(draft, &line.sku, line.location.as_ref(), movement).expect(WITHIN);
        line.expired += line.held;
        line.held = 0;
    }
    let lines = order.lines.len();
    draft.put_order(order);
    lines
}

fn expire_reservation(draft: &mut Draft<'_>, id: &ReservationId) -> usize {
    let reservation = draft.reservation(id).expect("the index of what is due names reservations in memory");
    let mut reservation = Reservation::clone(reservation);
    for line in reservation.lines.iter_mut().filter(|line| line.open > 0) {
        give_back(draft, id, line, Reason::Expiry, line.open).expect(WITHIN);
        line.expired += line.open;
        line.open = 0;
    }
    let lines = reservation.lines.len();
    draft.put_reservation(reservation);
    lines
}

const WITHIN: &str = "moving between buckets leaves the sum as it is";

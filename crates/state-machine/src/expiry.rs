//! Expiry: unpaid orders whose hold is over give their units back, in log time.

use crate::draft::{Draft, Movement};
use crate::fulfilment::move_line;
use crate::ids::OrderId;
use crate::ledger::Reason;
use crate::order::{Order, OrderState};
use crate::stock::Bucket;

/// Expires the orders that are due, the longest due first; says how many.
pub(crate) fn expire_due(draft: &mut Draft<'_>, limit: usize) -> u32 {
    let mut expired = 0;
    for id in draft.due_orders().take(limit) {
        expire_order(draft, id);
        expired += 1;
    }
    expired
}

/// Expires one order that is unpaid.
pub(crate) fn expire_order(draft: &mut Draft<'_>, id: &OrderId) {
    let order = draft.order(id).expect("the index of due orders names orders in memory");
    assert_eq!(order.state(), OrderState::PendingPayment, "only an unpaid order expires: {id}");
    let mut order = Order::clone(order);
    for line in &mut order.lines {
        let (from, to) = (Some(Bucket::Reserved), Some(Bucket::Available));
        let movement = Movement::for_order(id, Reason::Expiry, from, to, line.held);
        move_line(draft, line, movement).expect("moving between buckets leaves the sum as it is");
        line.expired += line.held;
        line.held = 0;
    }
    draft.put_order(order);
}

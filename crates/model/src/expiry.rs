//! Expiry: unpaid orders whose time is over give their units back.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::ExpireDue;
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::order::Order;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row};

impl Model {
    /// Unpaid orders whose hold is over, those first whose hold ended first.
    pub(crate) fn due(&self, now: LogTime) -> Vec<&Order> {
        // "Until when the units are held": at that time they no longer are.
        let mut due: Vec<&Order> = self.unpaid.values().filter(|order| order.expires <= now).collect();
        due.sort_by(|a, b| (a.expires, &a.id).cmp(&(b.expires, &b.id)));
        due
    }

    /// Expires an order that is due, before a command that names it is decided.
    pub(crate) fn expire_if_due(&mut self, moment: Moment, id: &OrderId) {
        let due: Vec<Order> =
            self.unpaid.get(id).filter(|order| order.expires <= moment.now).cloned().into_iter().collect();
        self.expire(moment, due);
    }

    /// Expires the first of those that are due.
    pub(crate) fn expire_due(&mut self, moment: Moment, limit: usize) {
        let due = self.due(moment.now).into_iter().take(limit).cloned().collect();
        self.expire(moment, due);
    }

    /// "By the system: what is due expires."
    pub(crate) fn plan_expire_due(&self, moment: Moment, command: ExpireDue) -> Plan {
        // "At most so many orders, and at most MAX_EXPIRE_BATCH."
        let limit = usize::try_from(command.limit).unwrap_or(usize::MAX).min(MAX_EXPIRE_BATCH);
        let due = self.due(moment.now);
        let expiring: Vec<Order> = due.iter().take(limit).map(|order| (*order).clone()).collect();
        let outcome = Outcome::DueExpired {
            orders: u32::try_from(expiring.len()).expect("a batch is smaller than 2^32"),
            // "True where more are due."
            more: due.len() > expiring.len(),
        };
        plan(moment, outcome, expiring)
    }

    fn expire(&mut self, moment: Moment, orders: Vec<Order>) {
        let nobody_asks = Outcome::DueExpired { orders: 0, more: false };
        let plan = plan(moment, nobody_asks, orders);
        self.carry_out(moment, plan).expect("units that change their bucket leave their sum alone");
    }
}

fn plan(moment: Moment, outcome: Outcome, orders: Vec<Order>) -> Plan {
    let mut plan = Plan::of(outcome);
    for mut order in orders {
        for line in &mut order.lines {
            if line.held == 0 {
                continue;
            }
            // "then no bucket counts them": of a line without location nothing moves.
            plan.movements.extend(line.location.clone().map(|location| Movement {
                key: StockKey { sku: line.sku.clone(), location },
                // "Release by time": what was held can be sold again.
                from: Some(Bucket::Reserved),
                to: Some(Bucket::Available),
                quantity: line.held,
                // "Set by the system: the time of an unpaid order was over."
                reason: Reason::Expiry,
                // "On whose behalf; `None` for the system", whoever's command came upon it.
                origin: None,
                order: Some(order.id.clone()),
                document: None,
                reference: String::new(),
            }));
            // "expired: Given back because the hold ended."
            line.expired += line.held;
            line.held = 0;
        }
        order.updated = moment.now;
        order.version = moment.version();
        plan.rows.push(Row::Order(order));
    }
    plan
}

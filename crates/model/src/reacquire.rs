//! Payment that came too late: an expired order takes its units anew.

use std::collections::BTreeMap;

use stockade_state_machine::command::{ConfirmOrder, Origin};
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::model::{Model, Moment};
use crate::orders::{changed, movement, must_be_version};
use crate::plan::Plan;

/// Units that parts took from `available`, at a location and of a SKU.
type Taken = BTreeMap<StockKey, i64>;

impl Model {
    /// "Where the hold has ended: take the units anew and confirm, if they are all there".
    pub(crate) fn reacquire(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        mut order: Order,
        command: &ConfirmOrder,
    ) -> Result<Plan, Rejection> {
        must_be_version(&order, command.expected)?;
        // "with `reacquire` NOT_FOUND (SKU), INSUFFICIENT_STOCK".
        for line in order.lines.iter().filter(|line| line.expired > 0) {
            self.sku_must_exist(&line.sku)?;
        }
        let mut taken = Taken::new();
        let mut movements = Vec::new();
        let mut shortages = Vec::new();
        for line in order.lines.iter_mut().filter(|line| line.expired > 0) {
            // A line remembers that its SKU was not tracked "when it was ordered": nothing is taken anywhere for it.
            if let Some(was_at) = &line.location {
                match self.find_anew(line, was_at, &taken) {
                    Ok(location) => line.location = Some(location),
                    Err(available) => {
                        shortages.push(shortage(line, available));
                        continue;
                    }
                }
            }
            let anew = (Some(Bucket::Available), Some(Bucket::Committed));
            if let Some(takes) = movement(&command.order, line, line.expired, Reason::Commit, origin, anew) {
                *taken.entry(takes.key.clone()).or_default() += takes.quantity;
                movements.push(takes);
            }
            line.allocated += line.expired;
            line.expired = 0;
        }
        if !shortages.is_empty() {
            return Err(Rejection::InsufficientStock { shortages });
        }
        order.payment_reference.clone_from(&command.payment_reference);
        let outcome = Outcome::OrderConfirmed { order: order.id.clone() };
        Ok(Plan { movements, rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    /// "each part of a line from the location where it was held if that covers it and takes orders, else whole from
    /// another, as with PRIORITY". Where none covers it: "the most that one open location has".
    fn find_anew(&self, line: &OrderLine, was_at: &LocationId, taken: &Taken) -> Result<LocationId, i64> {
        let left = |location: &LocationId| {
            let key = StockKey { sku: line.sku.clone(), location: location.clone() };
            self.stock_at(&key).get(Bucket::Available) - taken.get(&key).copied().unwrap_or_default()
        };
        let mut open = self.open_locations();
        // The sort leaves the others in their order.
        open.sort_by_key(|location| location != was_at);
        let covering = open.iter().find(|location| left(location) >= line.expired);
        covering.cloned().ok_or_else(|| open.iter().map(left).max().unwrap_or_default())
    }
}

/// "one shortage a part that can't be had".
fn shortage(line: &OrderLine, available: i64) -> Shortage {
    Shortage {
        line: line.number,
        sku: line.sku.clone(),
        location: None,
        together: false,
        bucket: Bucket::Available,
        asked: line.expired,
        available,
        next_expiry: None,
    }
}

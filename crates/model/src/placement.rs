//! Placement: an order takes its units, all lines or none.

use std::collections::BTreeMap;

use stockade_state_machine::command::{Origin, PlaceLine, PlaceOrder};
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row};

/// Units that earlier lines of a request took from `available`.
type Taken = BTreeMap<StockKey, i64>;

impl Model {
    pub(crate) fn place_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &PlaceOrder,
    ) -> Result<Plan, Rejection> {
        // "An id is taken for ever", and "an order that was placed before says so, whatever became of its SKUs since".
        if self.order(&command.order).is_some() {
            return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
        }
        for line in &command.lines {
            self.sku_must_exist(&line.sku)?;
        }
        let locations = self.allocate(&command.lines)?;
        let lines: Vec<OrderLine> =
            command.lines.iter().zip(&locations).map(|(line, location)| held_line(line, location)).collect();
        let movements = lines
            .iter()
            .map(|line| Movement {
                key: StockKey { sku: line.sku.clone(), location: line.location.clone() },
                // "To hold units: `available` becomes `reserved`."
                from: Some(Bucket::Available),
                to: Some(Bucket::Reserved),
                quantity: line.held,
                // "Set by the system: an order took a hold."
                reason: Reason::Reservation,
                origin: origin.cloned(),
                order: Some(command.order.clone()),
                document: None,
                reference: String::new(),
            })
            .collect();
        // "How long the units are held for payment".
        let expires = moment.now.after_micros(command.hold_us);
        let order = Order {
            id: command.order.clone(),
            customer: command.customer.clone(),
            currency: command.currency,
            lines,
            created: moment.now,
            updated: moment.now,
            expires,
            revision: moment.revision,
            payment_reference: String::new(),
        };
        let outcome = Outcome::OrderPlaced { order: order.id.clone(), expires, locations };
        Ok(Plan { outcome, movements, rows: vec![Row::Order(order)] })
    }

    /// The location of each line, in the order of the request.
    fn allocate(&self, lines: &[PlaceLine]) -> Result<Vec<LocationId>, Rejection> {
        let mut taken = Taken::new();
        let mut locations = Vec::new();
        let mut shortages = Vec::new();
        for (line, number) in lines.iter().zip(1_u32..) {
            match self.source(line, &taken) {
                Ok(key) => {
                    // "lines that share a SKU ... are checked on their sum" (I9).
                    *taken.entry(key.clone()).or_default() += line.quantity;
                    locations.push(key.location);
                }
                // "INSUFFICIENT_STOCK (every line that is short)"; such a line takes nothing.
                Err(available) => shortages.push(Shortage {
                    line: number,
                    sku: line.sku.clone(),
                    // "Where; `None` where any location would have done."
                    location: line.location.clone(),
                    bucket: Bucket::Available,
                    asked: line.quantity,
                    available,
                }),
            }
        }
        // "Takes an order and holds its units, all lines or none."
        if shortages.is_empty() { Ok(locations) } else { Err(Rejection::InsufficientStock { shortages }) }
    }

    /// Where a line is taken from; where it is short, how many units there are: "Units there, after what earlier lines
    /// of the same request take: at the location, or at the one that has most."
    fn source(&self, line: &PlaceLine, taken: &Taken) -> Result<StockKey, i64> {
        let left = |key: &StockKey| {
            self.stock_at(key).get(Bucket::Available) - taken.get(key).copied().unwrap_or_default()
        };
        // "Where the units are to come from. Empty: the first location in the order of ids that covers the line whole."
        let candidates: Vec<StockKey> = match &line.location {
            Some(location) => vec![StockKey { sku: line.sku.clone(), location: location.clone() }],
            None => self.stock_of(&line.sku).map(|(key, _)| key.clone()).collect(),
        };
        let most = candidates.iter().map(left).max().unwrap_or_default();
        candidates.into_iter().find(|key| left(key) >= line.quantity).ok_or(most)
    }
}

fn held_line(line: &PlaceLine, location: &LocationId) -> OrderLine {
    OrderLine {
        sku: line.sku.clone(),
        location: location.clone(),
        unit_price_minor: line.unit_price_minor,
        ordered: line.quantity,
        held: line.quantity,
        allocated: 0,
        shipped: 0,
        returned: 0,
        cancelled: 0,
        expired: 0,
    }
}

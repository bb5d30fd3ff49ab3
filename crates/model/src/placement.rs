//! Placement: an order takes its units, all lines or none, or where it may what is there.

use std::collections::BTreeMap;

use stockade_state_machine::command::{Origin, PlaceLine, PlaceOrder, ShortagePolicy};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::outcome::{Outcome, Source};
use stockade_state_machine::rejection::{LimitBreach, Rejection, Resource};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row};

/// A line, or a part of one whose units are from one location.
pub(crate) struct Part<'l> {
    pub(crate) number: u32,
    pub(crate) line: &'l PlaceLine,
    pub(crate) location: Option<LocationId>,
    /// Units that it gets.
    pub(crate) quantity: i64,
    /// Units that it lacks.
    pub(crate) missing: i64,
}

impl Model {
    pub(crate) fn place_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &PlaceOrder,
        may_take_part: bool,
    ) -> Result<Plan, Rejection> {
        self.may_be_placed(command)?;
        let holder = Holder::Order(command.order.clone());
        let takes_part = may_take_part && command.shortage == ShortagePolicy::Partial;
        let sources = self.source_lines(holder, &command.lines, command.sourcing, takes_part)?;
        let lines: Vec<OrderLine> = parts(&command.lines, &sources).into_iter().map(held_line).collect();
        let movements = lines
            .iter()
            .filter(|line| line.held > 0)
            .filter_map(|line| {
                Some(Movement {
                    // "empty where the SKU was not tracked when it was ordered ...: then no bucket counts them".
                    key: StockKey { sku: line.sku.clone(), location: line.location.clone()? },
                    // "To hold units: `available` becomes `reserved`."
                    from: Some(Bucket::Available),
                    to: Some(Bucket::Reserved),
                    quantity: line.held,
                    // "Set by the system: an order or a reservation took a hold."
                    reason: Reason::Reservation,
                    origin: origin.cloned(),
                    order: Some(command.order.clone()),
                    reservation: None,
                    document: None,
                    reference: String::new(),
                })
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
            version: moment.version(),
            payment_reference: String::new(),
            parcels: Vec::new(),
            closes: None,
        };
        let outcome = Outcome::OrderPlaced { order: order.id.clone(), expires, sources };
        Ok(Plan { movements, rows: vec![Row::Order(order)], ..Plan::of(outcome) })
    }

    /// Everything that forbids an order but the stock: "`ALREADY_EXISTS`, `NOT_FOUND` (SKU, then location),
    /// `LOCATION_DISABLED`, `PURCHASE_LIMIT`".
    fn may_be_placed(&self, command: &PlaceOrder) -> Result<(), Rejection> {
        // "An id is taken for ever", and "an order that was placed before says so, whatever became of its SKUs since".
        if self.order(&command.order).is_some() {
            return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
        }
        self.may_be_held(&command.lines)?;
        // "Limits per order are about what is asked for", also where less is taken.
        let asked: Vec<(&SkuId, i64)> = command.lines.iter().map(|line| (&line.sku, line.quantity)).collect();
        self.limits_must_hold(&asked)
    }

    /// What forbids an order and a reservation alike: "`NOT_FOUND` (SKU, then location), `LOCATION_DISABLED`".
    pub(crate) fn may_be_held(&self, lines: &[PlaceLine]) -> Result<(), Rejection> {
        for line in lines {
            self.sku_must_exist(&line.sku)?;
        }
        // "Where the units are to come from; it must exist and take orders", also where no unit comes from there.
        let named = || lines.iter().filter_map(|line| line.location.as_ref());
        for location in named() {
            self.location_must_exist(location)?;
        }
        for location in named() {
            // "Takes no new orders."
            if self.location_must_exist(location)?.details.disabled {
                return Err(Rejection::LocationDisabled { location: location.clone() });
            }
        }
        Ok(())
    }

    /// "`PURCHASE_LIMIT` (every SKU of which too much or too little is asked)", in the order of the lines.
    pub(crate) fn limits_must_hold(&self, lines: &[(&SkuId, i64)]) -> Result<(), Rejection> {
        // "on the sum of its lines".
        let mut sums: BTreeMap<&SkuId, i64> = BTreeMap::new();
        for (sku, units) in lines {
            *sums.entry(sku).or_default() += units;
        }
        let mut breaches = Vec::new();
        for (sku, _) in lines {
            // A sum is looked at where its SKU comes first, and then is there no more.
            let Some(asked) = sums.remove(sku) else { continue };
            let details = &self.sku_must_exist(sku)?.details;
            let (min, max) = (details.min_per_order, details.max_per_order);
            // "Units that an order takes at least if it takes any", "at most ...; 0 for no limit".
            if asked < min || (max != 0 && asked > max) {
                breaches.push(LimitBreach { sku: (*sku).clone(), asked, min, max });
            }
        }
        if breaches.is_empty() { Ok(()) } else { Err(Rejection::PurchaseLimit { breaches }) }
    }
}

/// "A line ..., or where it was split the part of it that comes from one location." "what is missing counts ... on the last
/// part of its line, or on a part of its own where the line gets nothing".
pub(crate) fn parts<'l>(lines: &'l [PlaceLine], sources: &[Source]) -> Vec<Part<'l>> {
    let mut parts = Vec::new();
    for (line, number) in lines.iter().zip(1_u32..) {
        let of_line: Vec<&Source> = sources.iter().filter(|source| source.line == number).collect();
        let missing = line.quantity - of_line.iter().map(|source| source.quantity).sum::<i64>();
        if of_line.is_empty() {
            // "a part of its own with the line's named location (or none)".
            parts.push(Part { number, line, location: line.location.clone(), quantity: 0, missing });
        }
        for (source, at) in of_line.iter().zip(1..) {
            let (location, quantity) = (source.location.clone(), source.quantity);
            let missing = if at == of_line.len() { missing } else { 0 };
            parts.push(Part { number, line, location, quantity, missing });
        }
    }
    parts
}

fn held_line(part: Part<'_>) -> OrderLine {
    OrderLine {
        number: part.number,
        sku: part.line.sku.clone(),
        location: part.location,
        unit_price_minor: part.line.unit_price_minor,
        ordered: part.quantity + part.missing,
        held: part.quantity,
        allocated: 0,
        shipped: 0,
        returned: 0,
        // "Given back before shipping, or not there when a PARTIAL order was placed."
        cancelled: part.missing,
        expired: 0,
    }
}

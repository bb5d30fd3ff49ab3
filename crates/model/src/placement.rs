//! Placement: an order takes its units, all lines or none.

use std::collections::BTreeMap;

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{Origin, PlaceLine, PlaceOrder};
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::Location;
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{LimitBreach, Rejection, Resource, Shortage};
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
        self.may_be_placed(command)?;
        let locations = self.allocate(moment.now, &command.lines)?;
        let lines: Vec<OrderLine> = command
            .lines
            .iter()
            .zip(&locations)
            .map(|(line, location)| held_line(line, location.as_ref()))
            .collect();
        let movements = lines
            .iter()
            .filter_map(|line| {
                Some(Movement {
                    // "empty where the SKU was not tracked when it was ordered: then no bucket counts them".
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
        };
        let outcome = Outcome::OrderPlaced { order: order.id.clone(), expires, locations };
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

    /// The location of each line, in the order of the request; `None` for a SKU that is not tracked.
    pub(crate) fn allocate(
        &self,
        now: LogTime,
        lines: &[PlaceLine],
    ) -> Result<Vec<Option<LocationId>>, Rejection> {
        let open = self.open_locations();
        let mut taken = Taken::new();
        let mut locations = Vec::new();
        let mut shortages = Vec::new();
        for (line, number) in lines.iter().zip(1_u32..) {
            // "orders take units of it without a look at the stock".
            if self.sku_must_exist(&line.sku)?.details.untracked {
                locations.push(None);
                continue;
            }
            match self.source(line, &open, &taken) {
                Ok(key) => {
                    // "lines that share a SKU ... are checked on their sum" (I9).
                    *taken.entry(key.clone()).or_default() += line.quantity;
                    locations.push(Some(key.location));
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
                    next_expiry: None,
                }),
            }
        }
        // "Takes an order and holds its units, all lines or none."
        if shortages.is_empty() { Ok(locations) } else { Err(self.insufficient_stock(now, shortages)) }
    }

    /// Those that take orders: "the one with the lowest priority number, and of several the first in the order of ids".
    fn open_locations(&self) -> Vec<LocationId> {
        let mut open: Vec<&Location> =
            self.locations.values().filter(|location| !location.details.disabled).collect();
        open.sort_by(|a, b| (a.details.priority, &a.id).cmp(&(b.details.priority, &b.id)));
        open.into_iter().map(|location| location.id.clone()).collect()
    }

    /// Where a line is taken from; where it is short, how many units there are: "Units there, after what earlier lines
    /// of the same request take: at the location, or at the one that has most."
    fn source(&self, line: &PlaceLine, open: &[LocationId], taken: &Taken) -> Result<StockKey, i64> {
        let left = |key: &StockKey| {
            self.stock_at(key).get(Bucket::Available) - taken.get(key).copied().unwrap_or_default()
        };
        // "Where the units are to come from ... Empty: of the locations that cover the line whole, the one with the
        // lowest priority number, and of several the first in the order of ids."
        let candidates = line.location.as_ref().map_or(open, std::slice::from_ref);
        let mut most = 0;
        for location in candidates {
            let key = StockKey { sku: line.sku.clone(), location: location.clone() };
            let units = left(&key);
            if units >= line.quantity {
                return Ok(key);
            }
            most = most.max(units);
        }
        Err(most)
    }
}

fn held_line(line: &PlaceLine, location: Option<&LocationId>) -> OrderLine {
    OrderLine {
        sku: line.sku.clone(),
        location: location.cloned(),
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

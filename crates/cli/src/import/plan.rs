//! What the file asks for: SKUs, receipts, orders, returns and adjustments.
//!
//! The plan follows from the file alone, never from the cluster. So a second run makes the same ids, and they tell the
//! cluster what it has already done.

use std::collections::{BTreeMap, HashMap};

use stockade_proto::v1::Reason;

use super::file::Reject;
use super::limits;
use super::matching::Matcher;
use super::row::{Class, Row};
use super::write_off;

/// A SKU's place in [`Plan::skus`].
pub(super) type SkuIndex = usize;

/// What is to be done.
///
/// Invariants:
/// - `jobs` is in the order of time; a return stands behind the order that it belongs to.
/// - The counts of `lines_by_class` and the number of `rejects` sum to `lines`.
/// - The returns of an order never ask for more than the order ships.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) skus: Vec<Sku>,
    pub(super) orders: Vec<Order>,
    pub(super) jobs: Vec<Job>,
    pub(super) lines: u64,
    pub(super) lines_by_class: BTreeMap<Class, u64>,
    pub(super) rejects: Vec<Reject>,
    /// Prices with parts of a penny.
    pub(super) rounded: u64,
    /// SKUs whose code is written both in capitals and otherwise.
    pub(super) merged_by_case: u64,
}

/// A SKU of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sku {
    pub(super) id: String,
    pub(super) name: String,
    /// Units that leave by sales and write-offs.
    pub(super) leaving: i64,
    /// The name is from a sale, not from a note at a write-off.
    named_by_sale: bool,
    in_capitals: bool,
    otherwise: bool,
}

/// A sales invoice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) customer: Option<String>,
    pub(super) lines: Vec<OrderLine>,
    /// A return waits for it.
    pub(super) has_returns: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrderLine {
    pub(super) sku: SkuIndex,
    pub(super) quantity: i64,
    pub(super) price_minor: i64,
}

/// A thing to do, and the lines of the file that are done with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Place, confirm and ship [`Plan::orders`] at this place.
    Order(usize),
    Return(Return),
    Adjust(Adjust),
}

/// Units of one order that came back with one cancellation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) order: usize,
    pub(super) document: String,
    /// Line of the order, from 1, and units.
    pub(super) lines: BTreeMap<i32, i64>,
}

/// Units that went or came otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Adjust {
    pub(super) sku: SkuIndex,
    pub(super) delta: i64,
    pub(super) reason: Reason,
    pub(super) document: String,
}

/// Gathers lines into invoices, then invoices into a plan.
#[derive(Default)]
pub(super) struct Planner {
    plan: Plan,
    sku_of: HashMap<String, SkuIndex>,
    invoices: Vec<Invoice>,
    invoice_of: HashMap<String, usize>,
}

struct Invoice {
    number: String,
    customer: Option<String>,
    time: u64,
    lines: Vec<Line>,
}

struct Line {
    number: u64,
    class: Class,
    sku: SkuIndex,
    quantity: i64,
    price_minor: i64,
    description: String,
}

impl Planner {
    /// Takes a line, or says why it can't.
    pub(super) fn add(&mut self, row: Row) -> Result<(), String> {
        if matches!(row.class, Class::BadDebt | Class::NonGoods) {
            self.count(&row);
            return Ok(());
        }
        let index = self.invoice_of.get(&row.invoice).copied();
        if index.is_some_and(|index| self.invoices[index].customer != row.customer) {
            return Err("another customer than on the invoice's first line".to_owned());
        }
        self.count(&row);
        let sku = self.sku(&row);
        let index = index.unwrap_or_else(|| {
            self.invoice_of.insert(row.invoice.clone(), self.invoices.len());
            let (number, customer, time) = (row.invoice.clone(), row.customer.clone(), row.time);
            self.invoices.push(Invoice { number, customer, time, lines: Vec::new() });
            self.invoices.len() - 1
        });
        let Row { line: number, class, quantity, price_minor, description, .. } = row;
        // Only a write-off's words are needed later.
        let description = if class == Class::WriteOff { description } else { String::new() };
        self.invoices[index].lines.push(Line { number, class, sku, quantity, price_minor, description });
        Ok(())
    }

    fn count(&mut self, row: &Row) {
        self.plan.lines += 1;
        *self.plan.lines_by_class.entry(row.class).or_default() += 1;
        self.plan.rounded += u64::from(row.rounded);
    }

    /// Takes note of a line that is refused.
    pub(super) fn reject(&mut self, reject: Reject) {
        self.plan.lines += 1;
        self.plan.rejects.push(reject);
    }

    fn sku(&mut self, row: &Row) -> SkuIndex {
        let index = self.sku_of.get(&row.sku).copied().unwrap_or_else(|| {
            self.sku_of.insert(row.sku.clone(), self.plan.skus.len());
            self.plan.skus.push(Sku { id: row.sku.clone(), ..Sku::default() });
            self.plan.skus.len() - 1
        });
        let sku = &mut self.plan.skus[index];
        sku.otherwise |= row.recased;
        sku.in_capitals |= !row.recased;
        let by_sale = row.class == Class::Sale;
        if !row.description.is_empty() && (sku.name.is_empty() || (by_sale && !sku.named_by_sale)) {
            sku.name = shortened(&row.description);
            sku.named_by_sale = by_sale;
        }
        index
    }

    /// The plan of all lines.
    pub(super) fn finish(mut self) -> Plan {
        let mut invoices = std::mem::take(&mut self.invoices);
        // The sort is stable: invoices of one minute stay in the order of the file.
        invoices.sort_by_key(|invoice| invoice.time);
        let mut matcher = Matcher::default();
        for mut invoice in invoices {
            self.refuse_if_too_long(&mut invoice);
            self.plan_order(&invoice, &mut matcher);
            self.plan_write_offs(&invoice);
            self.plan_cancellations(&invoice, &mut matcher);
        }
        let both = |sku: &&Sku| sku.in_capitals && sku.otherwise;
        self.plan.merged_by_case =
            u64::try_from(self.plan.skus.iter().filter(both).count()).unwrap_or(u64::MAX);
        self.plan.rejects.sort_by_key(|reject| reject.line);
        self.plan
    }

    fn refuse_if_too_long(&mut self, invoice: &mut Invoice) {
        let is_order_line = |line: &Line| matches!(line.class, Class::Sale | Class::GivenAway);
        if invoice.lines.iter().filter(|line| is_order_line(line)).count() <= limits::MAX_ORDER_LINES {
            return;
        }
        let (refused, kept) = std::mem::take(&mut invoice.lines).into_iter().partition(is_order_line);
        invoice.lines = kept;
        for line in refused {
            *self.plan.lines_by_class.entry(line.class).or_default() -= 1;
            let reason = format!("its invoice has more than {} lines", limits::MAX_ORDER_LINES);
            let text = format!("{},{},{}", invoice.number, self.plan.skus[line.sku].id, line.quantity);
            self.plan.rejects.push(Reject { line: line.number, reason, text });
        }
    }

    fn plan_order(&mut self, invoice: &Invoice, matcher: &mut Matcher) {
        let sold = invoice.lines.iter().filter(|line| matches!(line.class, Class::Sale | Class::GivenAway));
        let to_line =
            |line: &Line| OrderLine { sku: line.sku, quantity: line.quantity, price_minor: line.price_minor };
        let lines: Vec<_> = sold.map(to_line).collect();
        if lines.is_empty() {
            return;
        }
        for line in &lines {
            self.plan.skus[line.sku].leaving += line.quantity;
        }
        let order = self.plan.orders.len();
        if let Some(customer) = &invoice.customer {
            for (number, line) in (1_i32..).zip(&lines) {
                matcher.sold(customer, line.sku, order, number, line.quantity);
            }
        }
        let id = format!("inv-{}", invoice.number);
        self.plan.orders.push(Order { id, customer: invoice.customer.clone(), lines, has_returns: false });
        self.plan.jobs.push(Job::Order(order));
    }

    fn plan_write_offs(&mut self, invoice: &Invoice) {
        let lines = invoice.lines.iter().filter(|line| line.class == Class::WriteOff);
        for (number, line) in (1_u32..).zip(lines) {
            self.plan.skus[line.sku].leaving += -line.quantity;
            self.plan.jobs.push(Job::Adjust(Adjust {
                sku: line.sku,
                delta: line.quantity,
                reason: write_off::reason_of(&line.description),
                document: format!("wo-{}-{number}", invoice.number),
            }));
        }
    }

    fn plan_cancellations(&mut self, invoice: &Invoice, matcher: &mut Matcher) {
        let mut by_order: BTreeMap<usize, BTreeMap<i32, i64>> = BTreeMap::new();
        let lines = invoice.lines.iter().filter(|line| line.class == Class::Cancellation);
        for (number, line) in (1_u32..).zip(lines) {
            let mut left = -line.quantity;
            if let Some(customer) = &invoice.customer {
                let found = matcher.take_back(customer, line.sku, left);
                for part in found {
                    *by_order.entry(part.order).or_default().entry(part.line).or_default() += part.quantity;
                    left -= part.quantity;
                }
            }
            if left > 0 {
                self.plan.jobs.push(Job::Adjust(Adjust {
                    sku: line.sku,
                    delta: left,
                    reason: Reason::Restock,
                    document: format!("adj-{}-{number}", invoice.number),
                }));
            }
        }
        for (number, (order, lines)) in (1_u32..).zip(by_order) {
            self.plan.orders[order].has_returns = true;
            let document = format!("ret-{}-{number}", invoice.number);
            self.plan.jobs.push(Job::Return(Return { order, document, lines }));
        }
    }
}

fn shortened(name: &str) -> String {
    let mut end = name.len().min(limits::MAX_NAME_LEN);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

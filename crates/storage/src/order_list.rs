//! Lists of orders: by when they were placed, by customer, SKU and state. The index knows the orders that are in the engine; the
//! lists here know those that are on their way there, and those that are open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use stockade_state_machine::change::Change;
use stockade_state_machine::ids::{CustomerId, OrderId, SkuId};
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::{LogTime, Revision, State};

use crate::index::{Index, Postings};
use crate::memory::Memory;
use crate::merged::{Keys, Merged};
use crate::postings::Prefix;
use crate::{Error, evictable, limits};

/// What orders are listed by: when they were placed, and their ids.
pub type OrderKey = (LogTime, OrderId);

/// Which orders are wanted. The default takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// In this state.
    pub state: Option<OrderState>,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// With a line of this SKU.
    pub sku: Option<SkuId>,
    /// Placed at this log time or later.
    pub start: Option<LogTime>,
    /// Placed before this log time.
    pub end: Option<LogTime>,
    /// The newest first.
    pub newest_first: bool,
}

impl OrderFilter {
    /// True of an order that is wanted, at a time.
    pub fn takes(&self, order: &Order, now: LogTime) -> bool {
        self.state.is_none_or(|state| order.state_at(now) == state)
            && self.customer.as_ref().is_none_or(|customer| is_of(order, customer))
            && self.sku.as_ref().is_none_or(|sku| has_line_of(order, sku))
            && self.is_in_time(order.created)
    }

    /// How many of customer, SKU and state it names: one of them leads a list, the others let orders of it pass or not.
    pub fn parts(&self) -> usize {
        usize::from(self.customer.is_some())
            + usize::from(self.sku.is_some())
            + usize::from(self.state.is_some())
    }

    fn is_in_time(&self, created: LogTime) -> bool {
        self.start.is_none_or(|start| created >= start) && self.end.is_none_or(|end| created < end)
    }
}

fn is_of(order: &Order, customer: &CustomerId) -> bool {
    order.customer.as_ref() == Some(customer)
}

fn has_line_of(order: &Order, sku: &SkuId) -> bool {
    order.lines.iter().any(|line| line.sku == *sku)
}

/// True of an order as it was placed.
pub(crate) fn is_new(order: &Order) -> bool {
    order.created == order.updated
}

/// True of an order that lists find by more than they did before.
pub(crate) fn is_listed_anew(order: &Order) -> bool {
    is_new(order) || order.is_settled()
}

fn key_of(order: &Order) -> OrderKey {
    (order.created, order.id.clone())
}

/// Orders as a list finds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderRows {
    /// In the order that was asked for.
    pub orders: Vec<Arc<Order>>,
    /// True where more may follow.
    pub has_more: bool,
}

/// What lists know of orders beside the index.
///
/// Invariants:
/// - `open` holds exactly the orders that are not settled.
/// - What came after the last window that the engine has is in `placed` where it was placed, and in `settled` where it was settled.
/// - `placed` is in the order of the log, and so of times, which never go back. `settled_at` holds what `settled` does in the order of the log, with
///   what was settled again since.
#[derive(Debug, Default)]
pub(crate) struct OrderLists {
    open: BTreeSet<OrderKey>,
    placed: VecDeque<(Revision, Arc<Order>)>,
    settled: BTreeMap<OrderState, BTreeMap<OrderKey, Revision>>,
    settled_at: VecDeque<(Revision, OrderState, OrderKey)>,
}

impl OrderLists {
    /// Of a state that was loaded: the engine has everything.
    pub(crate) fn of(state: &State) -> Self {
        let open = state.orders().filter(|order| !order.is_settled()).map(|order| key_of(order));
        Self { open: open.collect(), ..Self::default() }
    }

    /// Follows an entry.
    pub(crate) fn follow(&mut self, revision: Revision, changes: &[Change]) {
        for change in changes {
            let Change::Order(_, order) = change else { continue };
            if is_new(order) {
                self.placed.push_back((revision, Arc::clone(order)));
            }
            if order.is_settled() {
                let key = key_of(order);
                self.open.remove(&key);
                self.settled.entry(order.state()).or_default().insert(key.clone(), revision);
                self.settled_at.push_back((revision, order.state(), key));
            } else {
                self.open.insert(key_of(order));
            }
        }
    }

    /// Forgets what the engine has up to a revision.
    pub(crate) fn forget(&mut self, written: Revision) {
        let gone = self.placed.partition_point(|(revision, _)| *revision <= written);
        self.placed.drain(..gone);
        let gone = self.settled_at.partition_point(|(revision, ..)| *revision <= written);
        for (_, state, key) in self.settled_at.drain(..gone) {
            let of_state = self.settled.entry(state).or_default();
            if of_state.get(&key).is_some_and(|revision| *revision <= written) {
                of_state.remove(&key);
            }
        }
    }
}

/// Orders after a key in the order that a filter asks for: those that the narrowest part of the filter takes. Of what is not in memory it
/// reads no more than a bounded number: nothing is applied meanwhile.
pub(crate) fn list(
    memory: &Memory,
    filter: &OrderFilter,
    after: Option<&OrderKey>,
    limit: usize,
) -> Result<OrderRows, Error> {
    let index = Index::new(Arc::clone(&memory.engine), Arc::clone(&memory.index));
    let mut orders: Vec<Arc<Order>> = Vec::new();
    let mut stored = 0;
    for key in keys(memory, &index, filter, after) {
        let (_, id) = key?;
        if orders.len() == limit || stored == limits::LIST_STORED_ORDERS {
            return Ok(OrderRows { orders, has_more: true });
        }
        if let Some(order) = memory.state.order(&id) {
            orders.push(Arc::clone(order));
            continue;
        }
        stored += 1;
        // What the index names is there.
        let missing = || Error::Engine(format!("the index names order {id}, which is not there"));
        orders.push(evictable::stored::<Arc<Order>>(memory.engine.as_ref(), &id)?.ok_or_else(missing)?);
    }
    Ok(OrderRows { orders, has_more: false })
}

fn keys<'a>(
    memory: &'a Memory,
    index: &'a Index,
    filter: &'a OrderFilter,
    after: Option<&'a OrderKey>,
) -> impl Iterator<Item = Result<OrderKey, Error>> + 'a {
    let lists = &memory.orders;
    let range = Range::of(filter, after);
    let sources = if let Some(customer) = &filter.customer {
        let is_wanted = |order: &Order| is_of(order, customer);
        vec![range.indexed(index, Prefix::of_customer(customer)), range.placed(lists, is_wanted)]
    } else if let Some(sku) = &filter.sku {
        let is_wanted = |order: &Order| has_line_of(order, sku);
        vec![range.indexed(index, Prefix::with_sku(sku)), range.placed(lists, is_wanted)]
    } else if let Some(state) = filter.state {
        range.in_state(lists, index, state)
    } else {
        vec![range.indexed(index, Prefix::placed()), range.placed(lists, |_| true)]
    };
    Merged::new(sources, filter.newest_first)
}

type OrderKeys<'a> = Keys<'a, OrderKey>;

/// From where to where a list goes.
#[derive(Debug, Clone)]
struct Range {
    /// No key is smaller, or equal where it is excluded.
    from: Bound<OrderKey>,
    until: Bound<OrderKey>,
    newest_first: bool,
}

impl Range {
    fn of(filter: &OrderFilter, after: Option<&OrderKey>) -> Self {
        let first_at = |time: LogTime| (time, OrderId::first());
        let mut from = filter.start.map_or(Bound::Unbounded, |start| Bound::Included(first_at(start)));
        let mut until = filter.end.map_or(Bound::Unbounded, |end| Bound::Excluded(first_at(end)));
        // Where the last page ended lies within the filter's times.
        if let Some(after) = after {
            let side = if filter.newest_first { &mut until } else { &mut from };
            *side = Bound::Excluded(after.clone());
        }
        Self { from, until, newest_first: filter.newest_first }
    }

    fn holds(&self, key: &OrderKey) -> bool {
        let is_behind = match &self.from {
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
            Bound::Unbounded => true,
        };
        is_behind
            && match &self.until {
                Bound::Included(until) => key <= until,
                Bound::Excluded(until) => key < until,
                Bound::Unbounded => true,
            }
    }

    fn indexed<'a>(&self, index: &'a Index, prefix: Prefix) -> OrderKeys<'a> {
        let posting = |(created, id): &OrderKey| prefix.order(*created, id.as_str());
        let bound = |bound: &Bound<OrderKey>| bound.as_ref().map(posting);
        let (from, until) = (bound(&self.from), bound(&self.until));
        let (near, far) = if self.newest_first { (until, from) } else { (from, until) };
        let near = near.as_ref().map(Vec::as_slice);
        let postings: Postings<'a> = if self.newest_first {
            index.descending(prefix.bytes(), near)
        } else {
            index.ascending(prefix.bytes(), near)
        };
        let newest_first = self.newest_first;
        let is_within = move |posting: &[u8]| match (&far, newest_first) {
            (Bound::Unbounded, _) => true,
            (Bound::Included(far), true) => posting >= far.as_slice(),
            (Bound::Excluded(far), true) => posting > far.as_slice(),
            (Bound::Included(far), false) => posting <= far.as_slice(),
            (Bound::Excluded(far), false) => posting < far.as_slice(),
        };
        let postings =
            postings.take_while(move |posting| posting.as_ref().map_or(true, |posting| is_within(posting)));
        Box::new(postings.map(move |posting| prefix.order_of(&posting?)))
    }

    /// Those that were placed since the last window. They are in the order of their times; of those of one time, ids are sorted here.
    fn placed<'a>(&self, lists: &'a OrderLists, is_wanted: impl Fn(&Order) -> bool + 'a) -> OrderKeys<'a> {
        let placed = &lists.placed;
        let created = |at: usize| placed[at].1.created;
        let time = |bound: &Bound<OrderKey>| match bound {
            Bound::Included((time, _)) | Bound::Excluded((time, _)) => Some(*time),
            Bound::Unbounded => None,
        };
        let mut from =
            time(&self.from).map_or(0, |time| placed.partition_point(|(_, order)| order.created < time));
        let mut until = time(&self.until)
            .map_or(placed.len(), |time| placed.partition_point(|(_, order)| order.created <= time));
        let (newest_first, range) = (self.newest_first, self.clone());
        let groups = std::iter::from_fn(move || {
            if from >= until {
                return None;
            }
            let group = if newest_first {
                let time = created(until - 1);
                let begin = placed.partition_point(|(_, order)| order.created < time).max(from);
                let end = std::mem::replace(&mut until, begin);
                begin..end
            } else {
                let time = created(from);
                let end = placed.partition_point(|(_, order)| order.created <= time).min(until);
                let begin = std::mem::replace(&mut from, end);
                begin..end
            };
            let wanted = placed.range(group).filter(|(_, order)| is_wanted(order));
            let keys: BTreeSet<OrderKey> =
                wanted.map(|(_, order)| key_of(order)).filter(|key| range.holds(key)).collect();
            let mut keys: Vec<_> = keys.into_iter().map(Ok).collect();
            if newest_first {
                keys.reverse();
            }
            Some(keys)
        });
        Box::new(groups.flatten())
    }

    /// Those that were settled in a state since the last window.
    fn settled<'a>(&self, lists: &'a OrderLists, state: OrderState) -> OrderKeys<'a> {
        // A range whose ends cross is empty, and no range of a map.
        let Some(settled) = lists.settled.get(&state).filter(|_| !self.is_empty()) else {
            return Box::new(std::iter::empty());
        };
        self.directed(settled.range((self.from.clone(), self.until.clone())).map(|(key, _)| key))
    }

    fn open<'a>(&self, lists: &'a OrderLists) -> OrderKeys<'a> {
        if self.is_empty() {
            return Box::new(std::iter::empty());
        }
        self.directed(lists.open.range((self.from.clone(), self.until.clone())))
    }

    fn directed<'a>(&self, keys: impl DoubleEndedIterator<Item = &'a OrderKey> + 'a) -> OrderKeys<'a> {
        if self.newest_first {
            Box::new(keys.rev().cloned().map(Ok))
        } else {
            Box::new(keys.cloned().map(Ok))
        }
    }

    fn is_empty(&self) -> bool {
        let end = |bound: &Bound<OrderKey>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key.clone()),
            Bound::Unbounded => None,
        };
        end(&self.from).zip(end(&self.until)).is_some_and(|(from, until)| from >= until)
    }

    /// Open orders are in memory; what was settled is found by the state in which it was. Whether what shipped is closed by now, its
    /// row tells.
    fn in_state<'a>(&self, lists: &'a OrderLists, index: &'a Index, state: OrderState) -> Vec<OrderKeys<'a>> {
        let settled =
            |state: OrderState| [self.indexed(index, Prefix::in_state(state)), self.settled(lists, state)];
        match state {
            OrderState::PendingPayment | OrderState::Confirmed | OrderState::PartiallyShipped => {
                vec![self.open(lists)]
            }
            OrderState::PartiallyReturned => {
                let mut sources = vec![self.open(lists)];
                sources.extend(settled(state));
                sources
            }
            OrderState::Shipped | OrderState::Closed => settled(OrderState::Shipped).into(),
            OrderState::Returned | OrderState::Cancelled | OrderState::Expired => settled(state).into(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use stockade_state_machine::Version;
    use stockade_state_machine::order::{Currency, OrderLine};

    use super::*;

    /// An order that was placed at a time: of every three, one is to be shipped, two were cancelled.
    pub(crate) fn order(number: u64) -> Order {
        let line = OrderLine {
            number: 1,
            sku: SkuId::new(&format!("sku-{}", number % 5)).unwrap(),
            location: None,
            unit_price_minor: 1,
            ordered: 2,
            held: 0,
            allocated: if number.is_multiple_of(3) { 2 } else { 0 },
            shipped: 0,
            returned: 0,
            cancelled: if number.is_multiple_of(3) { 0 } else { 2 },
            expired: 0,
        };
        Order {
            id: OrderId::new(&format!("o{number}")).unwrap(),
            customer: CustomerId::new(&format!("c{}", number % 7)).ok(),
            currency: Currency::new("EUR").unwrap(),
            lines: vec![line],
            created: LogTime::from_micros(number),
            updated: LogTime::from_micros(number),
            expires: LogTime::from_micros(0),
            version: Version { revision: Revision::new(number), position: 0 },
            payment_reference: String::new(),
            parcels: Vec::new(),
            closes: None,
        }
    }

    #[test]
    fn what_came_after_the_last_window_is_kept() {
        let mut lists = OrderLists::default();
        for number in 5..8 {
            let order = Arc::new(order(number));
            lists.follow(Revision::new(number), &[Change::Order(order.id.clone(), order)]);
        }
        lists.forget(Revision::new(5));
        let placed: Vec<_> = lists.placed.iter().map(|(revision, _)| revision.get()).collect();
        let settled: Vec<_> = lists.settled[&OrderState::Cancelled].values().map(|at| at.get()).collect();
        assert_eq!((placed, settled), (vec![6, 7], vec![7]));
        assert_eq!(lists.open.len(), 1, "what is open stays");
    }
}

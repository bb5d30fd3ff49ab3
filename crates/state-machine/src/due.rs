//! When holds end: an index over all of them, and one over those of each SKU.

use std::collections::{BTreeMap, BTreeSet};

use crate::holder::Holder;
use crate::ids::SkuId;
use crate::order::{Order, OrderLine, OrderState};
use crate::reservation::{Reservation, ReservationLine};
use crate::time::LogTime;

/// The hold of an order or a reservation.
#[derive(Debug, Clone)]
pub(crate) struct Hold<'a> {
    pub(crate) holder: Holder,
    pub(crate) expires: LogTime,
    parts: Parts<'a>,
}

/// The lines that a hold may be on.
#[derive(Debug, Clone, Copy)]
enum Parts<'a> {
    Order(&'a [OrderLine]),
    Reservation(&'a [ReservationLine]),
}

impl<'a> Hold<'a> {
    /// The hold of an order that is not paid yet.
    pub(crate) fn of_order(order: &'a Order) -> Option<Self> {
        if order.state() != OrderState::PendingPayment {
            return None;
        }
        let holder = Holder::Order(order.id.clone());
        Some(Self { holder, expires: order.expires, parts: Parts::Order(&order.lines) })
    }

    /// The hold of a reservation with open units.
    pub(crate) fn of_reservation(reservation: &'a Reservation) -> Option<Self> {
        if reservation.is_settled() {
            return None;
        }
        let holder = Holder::Reservation(reservation.id.clone());
        Some(Self { holder, expires: reservation.expires, parts: Parts::Reservation(&reservation.lines) })
    }

    /// What it holds units of that buckets count.
    fn skus(&self) -> impl Iterator<Item = &'a SkuId> + use<'a> {
        let (of_order, of_reservation): (&[OrderLine], &[ReservationLine]) = match self.parts {
            Parts::Order(lines) => (lines, &[]),
            Parts::Reservation(lines) => (&[], lines),
        };
        let of_order = of_order.iter().filter(|line| line.held > 0 && line.location.is_some());
        let of_reservation = of_reservation.iter().filter(|line| line.open > 0 && line.location.is_some());
        of_order.map(|line| &line.sku).chain(of_reservation.map(|line| &line.sku))
    }
}

/// Two are one where nobody could tell them apart: whatever else their lines say.
impl PartialEq for Hold<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.holder == other.holder && self.expires == other.expires && self.skus().eq(other.skus())
    }
}

/// All holds by their end.
///
/// Invariants:
/// - Both tell of the same holds; in `by_sku` each stands once for every SKU that it holds units of.
/// - No set in `by_sku` is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Due {
    by_time: BTreeSet<(LogTime, Holder)>,
    /// A set for each SKU: most of what is compared is times.
    by_sku: BTreeMap<SkuId, BTreeSet<(LogTime, Holder)>>,
}

impl Due {
    /// A hold became another one, began or ended.
    pub(crate) fn follow(&mut self, before: Option<Hold<'_>>, now: Option<Hold<'_>>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            let skus = before.skus();
            let hold = (before.expires, before.holder);
            for sku in skus {
                // One that stands in two lines of an order is gone the second time.
                let Some(holds) = self.by_sku.get_mut(sku) else { continue };
                holds.remove(&hold);
                if holds.is_empty() {
                    self.by_sku.remove(sku);
                }
            }
            self.by_time.remove(&hold);
        }
        if let Some(now) = now {
            let skus = now.skus();
            let hold = (now.expires, now.holder);
            for sku in skus {
                match self.by_sku.get_mut(sku) {
                    Some(holds) => drop(holds.insert(hold.clone())),
                    None => drop(self.by_sku.insert(sku.clone(), BTreeSet::from([hold.clone()]))),
                }
            }
            self.by_time.insert(hold);
        }
    }

    /// Takes in the holds of another, none of which is here.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.by_time.append(&mut other.by_time);
        for (sku, mut holds) in std::mem::take(&mut other.by_sku) {
            self.by_sku.entry(sku).or_default().append(&mut holds);
        }
    }

    /// When the first hold ends.
    pub(crate) fn first(&self) -> Option<LogTime> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// What is due, the longest due first.
    pub(crate) fn at(&self, now: LogTime) -> impl Iterator<Item = &Holder> {
        self.by_time.iter().take_while(move |(time, _)| *time <= now).map(|(_, holder)| holder)
    }

    /// What is due of those that hold units of some SKUs, the longest due first, each once.
    pub(crate) fn of_skus(&self, skus: &BTreeSet<&SkuId>, now: LogTime, limit: usize) -> Vec<Holder> {
        // The next of each SKU; the first of those is the next of all.
        let mut next: BTreeMap<(LogTime, &Holder, &SkuId), _> = BTreeMap::new();
        for sku in skus {
            let mut due = self.of_sku(sku, now);
            if let Some((time, holder)) = due.next() {
                next.insert((time, holder, *sku), due);
            }
        }
        let mut found: Vec<Holder> = Vec::new();
        while let Some(((_, holder, sku), mut due)) = next.pop_first() {
            if found.last() != Some(holder) {
                if found.len() == limit {
                    break;
                }
                found.push(holder.clone());
            }
            if let Some((time, holder)) = due.next() {
                next.insert((time, holder, sku), due);
            }
        }
        found
    }

    fn of_sku<'a>(
        &'a self,
        sku: &SkuId,
        now: LogTime,
    ) -> impl Iterator<Item = (LogTime, &'a Holder)> + use<'a> {
        let holds = self.by_sku.get(sku).into_iter().flatten();
        holds.take_while(move |(time, _)| *time <= now).map(|(time, holder)| (*time, holder))
    }

    /// When the next hold on units of a SKU ends that is not due yet.
    pub(crate) fn next_of(&self, sku: &SkuId, now: LogTime) -> Option<LogTime> {
        // Nothing is later than the end of time.
        let later = Some(now.after_micros(1)).filter(|later| *later > now)?;
        let (time, _) = self.by_sku.get(sku)?.range((later, Holder::first())..).next()?;
        Some(*time)
    }
}

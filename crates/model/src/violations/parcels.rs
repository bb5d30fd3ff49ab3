//! Parcels against the lines of their orders, and the time at which an order closes.

use std::collections::BTreeSet;

use stockade_state_machine::limits::{MAX_PARCEL_LINES, MAX_PARCELS};
use stockade_state_machine::order::Order;

use super::Found;
use crate::model::Model;

impl Model {
    pub(super) fn check_parcels(&self, found: &mut Found) {
        for order in self.orders() {
            check_contents(order, found);
            check_times(order, found);
            let documents = order.parcels.iter().filter_map(|parcel| parcel.document.as_ref());
            for document in documents {
                found.unless(self.documents.contains_key(document), || {
                    format!("documents: {document} of a parcel of order {} is not booked", order.id)
                });
            }
        }
    }
}

/// "Of each line, what all parcels have of it is what has shipped."
fn check_contents(order: &Order, found: &mut Found) {
    let id = &order.id;
    let mut units = vec![0_i128; order.lines.len()];
    for (parcel, number) in order.parcels.iter().zip(1_u32..) {
        // "What is in it. Not empty."
        found.unless(!parcel.lines.is_empty(), || format!("I5: parcel {number} of order {id} is empty"));
        let parts: Vec<u32> = parcel.lines.iter().map(|line| line.part).collect();
        found.unless(parts.is_sorted() && parts.iter().collect::<BTreeSet<_>>().len() == parts.len(), || {
            format!("I5: parcel {number} of order {id} has its parts out of order")
        });
        for line in &parcel.lines {
            found.unless(line.quantity >= 1, || {
                format!("I5: parcel {number} of order {id} has a line of nothing")
            });
            let part = usize::try_from(line.part).ok().and_then(|part| units.get_mut(part));
            match part {
                Some(units) => *units += i128::from(line.quantity),
                None => found.0.push(format!("I5: parcel {number} of order {id} has no part of it")),
            }
        }
    }
    for (line, units) in order.lines.iter().zip(units) {
        found.unless(i128::from(line.shipped) == units, || {
            let (number, shipped) = (line.number, line.shipped);
            format!("I5: line {number} of order {id} has {shipped} shipped, its parcels have {units}")
        });
    }
    let lines: usize = order.parcels.iter().map(|parcel| parcel.lines.len()).sum();
    let parcels = order.parcels.len();
    found.unless(parcels <= MAX_PARCELS, || format!("I5: order {id} has {parcels} parcels"));
    found.unless(lines <= MAX_PARCEL_LINES, || format!("I5: the parcels of order {id} have {lines} lines"));
}

/// "in the order in which they left". "so long after this shipment": an order of which nothing left has no time to close.
fn check_times(order: &Order, found: &mut Found) {
    let times: Vec<_> = order.parcels.iter().map(|parcel| parcel.shipped).collect();
    let in_time = times.is_sorted()
        && times.iter().all(|time| order.created <= *time && *time <= order.updated)
        && order.closes.is_none_or(|closes| times.first().is_some_and(|first| *first <= closes));
    found.unless(in_time, || {
        format!("order {}: its parcels left at {times:?}, it closes at {:?}", order.id, order.closes)
    });
}

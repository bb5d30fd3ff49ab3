//! What commands name: the rows that must be in memory while an entry is executed, and needn't be there before and after.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_state_machine::change::Change;
use stockade_state_machine::command::Name;
use stockade_state_machine::document::Document;
use stockade_state_machine::order::Order;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::{Command, Entry};

use crate::Error;
use crate::evictable::{Evictable, away, evict};
use crate::memory::Memory;

/// The orders, reservations and documents that an entry names and that are not in memory.
pub(crate) struct Named {
    orders: Rows<Arc<Order>>,
    reservations: Rows<Arc<Reservation>>,
    documents: Rows<Document>,
}

impl Named {
    /// Reads them, before apply holds up readers.
    pub(crate) fn fetch(memory: &Memory, entry: &Entry) -> Result<Self, Error> {
        let names: Vec<Name<'_>> =
            entry.requests.iter().flat_map(|request| request.command.names()).collect();
        Ok(Self {
            orders: Rows::fetch(memory, &names)?,
            reservations: Rows::fetch(memory, &names)?,
            documents: Rows::fetch(memory, &names)?,
        })
    }

    /// Brings them into memory. Nothing may have left it since they were read.
    pub(crate) fn load_into(&self, memory: &mut Memory) {
        self.orders.load_into(memory);
        self.reservations.load_into(memory);
        self.documents.load_into(memory);
    }

    /// Lets go of what was only looked at and is in the engine; what changed stays until the writer has it.
    pub(crate) fn unload_from(&self, memory: &mut Memory) {
        self.orders.unload_from(memory);
        self.reservations.unload_from(memory);
        self.documents.unload_from(memory);
    }
}

/// What a command names, exists and is not in memory.
pub(crate) fn missing(memory: &Memory, command: &Command) -> Result<Vec<Change>, Error> {
    let names = command.names();
    let orders = Rows::<Arc<Order>>::fetch(memory, &names)?.into_changes();
    let reservations = Rows::<Arc<Reservation>>::fetch(memory, &names)?.into_changes();
    let documents = Rows::<Document>::fetch(memory, &names)?.into_changes();
    Ok(orders.chain(reservations).chain(documents).collect())
}

/// Those of one kind, each once however often it is named. Most entries have none: what they name is new, or in memory.
struct Rows<T: Evictable>(BTreeMap<T::Id, T>);

impl<T: Evictable> Rows<T> {
    fn fetch(memory: &Memory, names: &[Name<'_>]) -> Result<Self, Error> {
        let mut rows = BTreeMap::new();
        for id in names.iter().filter_map(T::named) {
            if T::in_memory(&memory.state, id).is_some() || rows.contains_key(id) {
                continue;
            }
            if let Some(row) = away::<T>(memory, id)? {
                rows.insert(id.clone(), row);
            }
        }
        Ok(Self(rows))
    }

    fn into_changes(self) -> impl Iterator<Item = Change> {
        self.0.into_values().map(T::into_change)
    }

    fn load_into(&self, memory: &mut Memory) {
        self.0.values().for_each(|row| memory.state.absorb(&row.clone().into_change()));
    }

    fn unload_from(&self, memory: &mut Memory) {
        evict::<T>(memory, self.0.keys());
    }
}

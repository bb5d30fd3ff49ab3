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
use crate::evictable::{Evictable, evict, stored};
use crate::memory::Memory;

/// The orders, reservations and documents that an entry names.
pub(crate) struct Named {
    orders: Rows<Arc<Order>>,
    reservations: Rows<Arc<Reservation>>,
    documents: Rows<Document>,
}

impl Named {
    /// Reads those that are not in memory, before apply holds up readers.
    pub(crate) fn fetch(memory: &Memory, entry: &Entry) -> Result<Self, Error> {
        let names: Vec<Name<'_>> =
            entry.requests.iter().flat_map(|request| request.command.names()).collect();
        Ok(Self {
            orders: Rows::fetch(memory, &names)?,
            reservations: Rows::fetch(memory, &names)?,
            documents: Rows::fetch(memory, &names)?,
        })
    }

    /// Brings into memory what is not there.
    pub(crate) fn load_into(&mut self, memory: &mut Memory) -> Result<(), Error> {
        self.orders.load_into(memory)?;
        self.reservations.load_into(memory)?;
        self.documents.load_into(memory)
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
    let orders = Rows::<Arc<Order>>::fetch(memory, &names)?.into_missing();
    let reservations = Rows::<Arc<Reservation>>::fetch(memory, &names)?.into_missing();
    let documents = Rows::<Document>::fetch(memory, &names)?.into_missing();
    Ok(orders.chain(reservations).chain(documents).collect())
}

/// Those of one kind, each once however often it is named.
struct Rows<T: Evictable>(BTreeMap<T::Id, Fetched<T>>);

/// Where something was when it was looked for.
enum Fetched<T> {
    InMemory,
    /// What the engine had of it.
    Stored(Option<T>),
}

impl<T: Evictable> Rows<T> {
    fn fetch(memory: &Memory, names: &[Name<'_>]) -> Result<Self, Error> {
        let mut rows = BTreeMap::new();
        for id in names.iter().filter_map(T::named) {
            if rows.contains_key(id) {
                continue;
            }
            let fetched = match T::in_memory(&memory.state, id) {
                Some(_) => Fetched::InMemory,
                None => Fetched::Stored(stored(memory.engine.as_ref(), id)?),
            };
            rows.insert(id.clone(), fetched);
        }
        Ok(Self(rows))
    }

    fn into_missing(self) -> impl Iterator<Item = Change> {
        let stored = |fetched| match fetched {
            Fetched::InMemory => None,
            Fetched::Stored(row) => row,
        };
        self.0.into_values().filter_map(stored).map(T::into_change)
    }

    fn load_into(&mut self, memory: &mut Memory) -> Result<(), Error> {
        for (id, fetched) in &mut self.0 {
            if T::in_memory(&memory.state, id).is_some() {
                continue;
            }
            let row = match fetched {
                // It was evicted since: then the engine has it, as it is now.
                Fetched::InMemory => stored::<T>(memory.engine.as_ref(), id)?,
                Fetched::Stored(row) => row.take(),
            };
            if let Some(row) = row {
                memory.state.absorb(&row.into_change());
            }
        }
        Ok(())
    }

    fn unload_from(&self, memory: &mut Memory) {
        evict::<T>(memory, self.0.keys());
    }
}

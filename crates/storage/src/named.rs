//! What an entry names: the rows that must be in memory while it is executed, and needn't be there before and after.

use std::sync::Arc;

use stockade_state_machine::Entry;
use stockade_state_machine::document::Document;
use stockade_state_machine::order::Order;
use stockade_state_machine::reservation::Reservation;

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
        Ok(Self {
            orders: Rows::fetch(memory, entry)?,
            reservations: Rows::fetch(memory, entry)?,
            documents: Rows::fetch(memory, entry)?,
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

/// Those of one kind.
struct Rows<T: Evictable>(Vec<(T::Id, Fetched<T>)>);

/// Where something was when it was looked for.
enum Fetched<T> {
    InMemory,
    /// What the engine had of it.
    Stored(Option<T>),
}

impl<T: Evictable> Rows<T> {
    fn fetch(memory: &Memory, entry: &Entry) -> Result<Self, Error> {
        let mut rows = Vec::new();
        for id in entry.requests.iter().filter_map(|request| T::named_by(&request.command)) {
            let fetched = match T::in_memory(&memory.state, id) {
                Some(_) => Fetched::InMemory,
                None => Fetched::Stored(stored(memory.engine.as_ref(), id)?),
            };
            rows.push((id.clone(), fetched));
        }
        Ok(Self(rows))
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
        evict::<T>(memory, self.0.iter().map(|(id, _)| id));
    }
}

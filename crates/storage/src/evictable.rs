//! Rows that leave memory once they are in the engine: settled orders and reservations, and documents. Nothing changes them unless a
//! command names them, so whoever wants one looks in memory first and then in the engine.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use stockade_state_machine::change::Change;
use stockade_state_machine::command::Name;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, IdError, OrderId, ReservationId};
use stockade_state_machine::order::Order;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::{Revision, State};

use crate::codec::Durable;
use crate::engine::Engine;
use crate::memory::Memory;
use crate::{Error, keys, rows};

/// A row that may leave memory, as the state keeps it.
pub(crate) trait Evictable: Clone + From<Self::Row> {
    /// What is encoded.
    type Row: Durable;
    /// Its name.
    type Id: Clone + Ord;
    /// Kind of its key.
    const KIND: u8;

    fn key(id: &Self::Id) -> Vec<u8>;
    fn id_from(text: &str) -> Result<Self::Id, IdError>;
    fn id(&self) -> &Self::Id;
    /// Of its last change.
    fn revision(&self) -> Revision;
    fn into_change(self) -> Change;
    /// The id in what a command names, where it is one of this kind.
    fn named<'a>(name: &Name<'a>) -> Option<&'a Self::Id>;
    fn in_memory<'s>(state: &'s State, id: &Self::Id) -> Option<&'s Self>;
    /// Forgets it, unless commands can reach it without naming it; says whether it did.
    fn evict(state: &mut State, id: &Self::Id) -> bool;
    /// The last name, in order, of those that are away.
    fn last_away(away: &mut Away) -> &mut Option<Self::Id>;
    /// False where a name comes after all that are away.
    fn may_be_away(away: &Away, id: &Self::Id) -> bool;
}

/// How far the names reach of what is in the engine alone. Callers count their orders up, or name them by the time: a new one comes after
/// all that have left memory, and the engine needn't be asked whether it has it.
///
/// Invariants:
/// - What is in the engine and not in memory has a name up to the last here. A name stays when its row comes back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Away {
    order: Option<OrderId>,
    reservation: Option<ReservationId>,
    document: Option<DocumentId>,
}

impl Away {
    /// A row is in the engine alone from now on.
    pub(crate) fn note<T: Evictable>(&mut self, id: &T::Id) {
        let last = T::last_away(self);
        if last.as_ref().is_none_or(|last| id > last) {
            *last = Some(id.clone());
        }
    }

    /// As [`Away::note`], of a row that was not brought into memory.
    pub(crate) fn note_key<T: Evictable>(&mut self, key: &[u8]) -> Result<(), Error> {
        self.note::<T>(&id_in::<T>(key)?);
        Ok(())
    }

    /// Takes in what another knows of other rows.
    pub(crate) fn join(&mut self, other: &Self) {
        other.order.iter().for_each(|id| self.note::<Arc<Order>>(id));
        other.reservation.iter().for_each(|id| self.note::<Arc<Reservation>>(id));
        other.document.iter().for_each(|id| self.note::<Document>(id));
    }
}

macro_rules! evictable {
    ($($kept:ty: $row:ident, $id:ident, $kind:ident, $name:ident, $evict:ident, $($revision:ident).+;)*) => {$(
        impl Evictable for $kept {
            type Row = $row;
            type Id = $id;
            const KIND: u8 = keys::$kind;

            fn key(id: &$id) -> Vec<u8> {
                keys::$name(id)
            }

            fn id_from(text: &str) -> Result<$id, IdError> {
                $id::new(text)
            }

            fn id(&self) -> &$id {
                &self.id
            }

            fn revision(&self) -> Revision {
                self.$($revision).+
            }

            fn into_change(self) -> Change {
                Change::$row(self.id.clone(), self)
            }

            fn named<'a>(name: &Name<'a>) -> Option<&'a $id> {
                if let Name::$row(id) = name { Some(id) } else { None }
            }

            fn in_memory<'s>(state: &'s State, id: &$id) -> Option<&'s Self> {
                state.$name(id)
            }

            fn evict(state: &mut State, id: &$id) -> bool {
                state.$evict(id)
            }

            fn last_away(away: &mut Away) -> &mut Option<$id> {
                &mut away.$name
            }

            fn may_be_away(away: &Away, id: &$id) -> bool {
                away.$name.as_ref().is_some_and(|last| id <= last)
            }
        }
    )*};
}

evictable!(
    Arc<Order>: Order, OrderId, ORDER, order, evict_order, version.revision;
    Arc<Reservation>: Reservation, ReservationId, RESERVATION, reservation, evict_reservation, version.revision;
    Document: Document, DocumentId, DOCUMENT, document, evict_document, revision;
);

/// The name in the key of a row.
fn id_in<T: Evictable>(key: &[u8]) -> Result<T::Id, Error> {
    let id = keys::id_of(key).ok_or_else(|| Error::Engine("a key is no text".to_owned()))?;
    T::id_from(id).map_err(|error| Error::Engine(format!("the id in a key {error}")))
}

/// What the engine has of a row that is not in memory.
pub(crate) fn away<T: Evictable>(memory: &Memory, id: &T::Id) -> Result<Option<T>, Error> {
    if T::may_be_away(&memory.away, id) { stored(memory.engine.as_ref(), id) } else { Ok(None) }
}

/// What the engine has of a row.
pub(crate) fn stored<T: Evictable>(engine: &dyn Engine, id: &T::Id) -> Result<Option<T>, Error> {
    let decode = |bytes: Vec<u8>| T::Row::decode(&bytes).map_err(Error::of_row);
    Ok(rows::get(engine, &T::key(id))?.map(decode).transpose()?.map(T::from))
}

/// A row, wherever it is kept.
pub(crate) fn find<T: Evictable>(memory: &Memory, id: &T::Id) -> Result<Option<T>, Error> {
    match T::in_memory(&memory.state, id) {
        Some(row) => Ok(Some(row.clone())),
        None => away(memory, id),
    }
}

/// Rows after an id, in order, wherever they are kept; `in_memory` gives those of the state. Memory wins: what the engine has
/// of a row that is in memory too may be older.
pub(crate) fn page<'m, T: Evictable + 'm>(
    memory: &Memory,
    in_memory: impl Iterator<Item = &'m T>,
    after: Option<&T::Id>,
    limit: usize,
) -> Result<Vec<T>, Error> {
    let mut found: BTreeMap<T::Id, T> =
        in_memory.take(limit).map(|row| (row.id().clone(), row.clone())).collect();
    let from = after.map_or_else(|| vec![T::KIND], T::key);
    let engine = memory.engine.as_ref();
    for key in rows::scan_keys(engine, Bound::Excluded(&from)).take(limit) {
        let key = key?;
        if key.first() != Some(&T::KIND) {
            break;
        }
        let id = id_in::<T>(&key)?;
        // What is not in memory is not being written either.
        if T::in_memory(&memory.state, &id).is_none()
            && let Some(row) = stored(engine, &id)?
        {
            found.insert(id, row);
        }
    }
    Ok(found.into_values().take(limit).collect())
}

/// Lets memory go of rows that the engine has as they are now.
pub(crate) fn evict<'i, T: Evictable>(memory: &mut Memory, ids: impl IntoIterator<Item = &'i T::Id>)
where
    T::Id: 'i,
{
    for id in ids {
        let is_written = T::in_memory(&memory.state, id).is_some_and(|row| row.revision() <= memory.written);
        if is_written && T::evict(&mut memory.state, id) {
            memory.away.note::<T>(id);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use stockade_state_machine::ids::SkuId;
    use stockade_state_machine::order::Currency;
    use stockade_state_machine::reservation::ReservationLine;
    use stockade_state_machine::{LogTime, Version};

    use super::*;
    use crate::batch::Batch;
    use crate::engine::MemoryEngine;
    use crate::ledger::Chain;
    use crate::order_list::OrderLists;
    use crate::rows::Digest;

    fn id(name: &str) -> ReservationId {
        ReservationId::new(name).unwrap()
    }

    /// A reservation of a unit that is held or was given back, changed last at a revision.
    pub(crate) fn reservation(name: &str, open: i64, revision: u64) -> Arc<Reservation> {
        let line = ReservationLine {
            number: 1,
            sku: SkuId::new("mug").unwrap(),
            location: None,
            unit_price_minor: 0,
            quantity: 1,
            open,
            committed: 0,
            released: 1 - open,
            expired: 0,
        };
        Arc::new(Reservation {
            id: id(name),
            customer: None,
            currency: Currency::new("GBP").unwrap(),
            lines: vec![line],
            created: LogTime::from_micros(0),
            updated: LogTime::from_micros(0),
            expires: LogTime::from_micros(0),
            version: Version { revision: Revision::new(revision), position: 0 },
        })
    }

    /// An engine that was written up to revision 5, and a state beside it.
    fn memory(in_engine: &[Arc<Reservation>], in_state: &[Arc<Reservation>]) -> Memory {
        let engine = MemoryEngine::default();
        let mut batch = Batch::new(&engine, Digest::default());
        for row in in_engine {
            batch.put(keys::reservation(&row.id).into(), Some(rows::whole(&row.encode()))).unwrap();
        }
        batch.put("kmug".into(), Some(rows::whole(b"of another kind"))).unwrap();
        engine.write(&batch.finish().0).unwrap();
        let mut state = State::new();
        for row in in_state {
            state.absorb(&Arc::clone(row).into_change());
        }
        let mut away = Away::default();
        for row in in_engine {
            away.note::<Arc<Reservation>>(&row.id);
        }
        Memory {
            state,
            away,
            revision: Revision::new(9),
            written: Revision::new(5),
            written_ledger: Chain::default(),
            index: Arc::default(),
            orders: OrderLists::default(),
            engine: Arc::new(engine),
        }
    }

    fn names(memory: &Memory, after: Option<&str>, limit: usize) -> Vec<(String, u64)> {
        let after = after.map(id);
        let in_memory = memory.state.reservations_after(after.as_ref());
        let rows = page(memory, in_memory, after.as_ref(), limit).unwrap();
        rows.iter().map(|row| (row.id.to_string(), row.version.revision.get())).collect()
    }

    #[test]
    fn a_page_has_what_is_in_memory_and_what_is_in_the_engine_alone() {
        let stored = [("a", 1), ("b", 2), ("d", 4)].map(|(name, revision)| reservation(name, 0, revision));
        let memory = memory(&stored, &[reservation("b", 1, 6), reservation("c", 1, 7)]);
        let row = |name: &str, revision| (name.to_owned(), revision);
        let all = [row("a", 1), row("b", 6), row("c", 7), row("d", 4)];
        assert_eq!(names(&memory, None, 9), all, "memory wins");
        assert_eq!(names(&memory, None, 2), all[..2]);
        assert_eq!(names(&memory, Some("b"), 1), all[2..3]);
        assert_eq!(names(&memory, Some("c"), 9), all[3..]);
        let found: Option<Arc<Reservation>> = find(&memory, &id("b")).unwrap();
        assert_eq!(found, Some(reservation("b", 1, 6)));
        assert_eq!(find::<Arc<Reservation>>(&memory, &id("z")).unwrap(), None);
    }

    #[test]
    fn only_what_is_settled_and_in_the_engine_as_it_is_leaves_memory() {
        let rows = [reservation("gone", 0, 5), reservation("newer", 0, 6), reservation("open", 1, 5)];
        let mut memory = memory(&[], &rows);
        evict::<Arc<Reservation>>(&mut memory, &[id("gone"), id("newer"), id("open"), id("unknown")]);
        let left: Vec<_> = memory.state.reservations_after(None).map(|row| row.id.as_str()).collect();
        assert_eq!(left, ["newer", "open"]);
    }
}

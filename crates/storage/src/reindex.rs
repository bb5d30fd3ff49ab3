//! Making the index anew, from the orders and the ledger: where an engine has none, or one of another format.

use std::collections::BTreeMap;
use std::ops::Bound;

use stockade_state_machine::order::Order;

use crate::codec::Durable;
use crate::engine::{Engine, RowWrite};
use crate::index::IndexWriter;
use crate::ledger::LedgerRow;
use crate::load::{Loaded, Progress};
use crate::rows::{self, Digest};
use crate::{Error, applied_row, keys, limits, postings};

/// The index of an engine.
pub(crate) fn open(engine: &dyn Engine, loaded: &mut Loaded) -> Result<IndexWriter, Error> {
    if let Some(writer) = IndexWriter::open(engine)? {
        return Ok(writer);
    }
    let mut making = Making {
        engine,
        digest: loaded.digest,
        writer: IndexWriter::empty(),
        postings: Vec::new(),
        progress: Progress::new("making the index", loaded.digest.rows),
    };
    making.remove_rows()?;
    making.add_ledger()?;
    making.add_orders()?;
    making.put_gathered()?;
    let Making { digest, writer, .. } = making;
    if digest != loaded.digest {
        loaded.digest = digest;
        let mut rows = BTreeMap::new();
        rows::put(engine, keys::APPLIED, Some(&applied_row::encode(&loaded.position, digest)), &mut rows)?;
        engine.write(&rows.into_iter().collect::<Vec<_>>())?;
        engine.flush()?;
    }
    Ok(writer)
}

/// An index in the making. Where a crash breaks it off, the digest in the applied row does not hold, and the engine is made anew.
struct Making<'a> {
    engine: &'a dyn Engine,
    /// Of the rows as they are.
    digest: Digest,
    writer: IndexWriter,
    postings: Vec<Vec<u8>>,
    progress: Progress,
}

impl Making<'_> {
    fn write(&mut self, rows: &[RowWrite]) -> Result<(), Error> {
        for batch in rows.chunks(limits::REBUILD_BATCH_ROWS) {
            for row in batch {
                self.digest.follow(self.engine, row)?;
            }
            self.engine.write(batch)?;
        }
        Ok(())
    }

    /// Removes what there is of an index.
    fn remove_rows(&mut self) -> Result<(), Error> {
        loop {
            let rows = self.engine.scan(Bound::Included(&[keys::INDEX]));
            let keys = rows.map(|row| row.map(|(key, _)| key));
            let keys =
                keys.take_while(|key| key.as_ref().map_or(true, |key| key.first() == Some(&keys::INDEX)));
            let gone = keys.take(limits::REBUILD_BATCH_ROWS).map(|key| key.map(|key| (key, None)));
            let gone = gone.collect::<Result<Vec<_>, _>>()?;
            if gone.is_empty() {
                return Ok(());
            }
            self.write(&gone)?;
        }
    }

    fn add_ledger(&mut self) -> Result<(), Error> {
        for value in rows::scan(self.engine, Bound::Included(&[keys::LEDGER])) {
            let (key, value) = value?;
            let Some(first) = keys::ledger_row_of(&key) else { break };
            let row = LedgerRow::open(&value)?;
            let entries = row.entries().map(|entry| entry.map(|entry| entry.bytes));
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            postings::add_ledger_row(first, entries.into_iter(), &mut self.postings)
                .map_err(Error::of_row)?;
            self.put_many()?;
        }
        Ok(())
    }

    fn add_orders(&mut self) -> Result<(), Error> {
        for value in rows::scan(self.engine, Bound::Included(&[keys::ORDER])) {
            let (key, value) = value?;
            if key.first() != Some(&keys::ORDER) {
                break;
            }
            let order = Order::decode(&value).map_err(Error::of_row)?;
            postings::add_placed(&order, &mut self.postings);
            if order.is_settled() {
                postings::add_settled(&order, &mut self.postings);
            }
            self.put_many()?;
        }
        Ok(())
    }

    fn put_many(&mut self) -> Result<(), Error> {
        self.progress.advance(1);
        if self.postings.len() >= limits::REINDEX_POSTINGS { self.put_gathered() } else { Ok(()) }
    }

    fn put_gathered(&mut self) -> Result<(), Error> {
        let mut rows = BTreeMap::new();
        self.writer.put(self.engine, std::mem::take(&mut self.postings), &mut rows)?;
        self.write(&rows.into_iter().collect::<Vec<_>>())?;
        self.writer.publish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stockade_state_machine::change::Change;
    use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
    use stockade_state_machine::ledger::{LedgerEntry, Reason};
    use stockade_state_machine::{LogTime, Revision, Stock};

    use super::*;
    use crate::engine::MemoryEngine;
    use crate::index::{Index, MANIFEST};
    use crate::load;
    use crate::order_list::tests::order;
    use crate::window::Window;

    fn movement(number: u64) -> LedgerEntry {
        LedgerEntry {
            revision: Revision::new(number),
            position: 0,
            time: LogTime::from_micros(number),
            sku: SkuId::new(&format!("sku-{}", number % 5)).unwrap(),
            location: LocationId::new(&format!("at-{}", number % 2)).unwrap(),
            from: None,
            to: Some(stockade_state_machine::stock::Bucket::Available),
            quantity: 1,
            reason: Reason::Received,
            actor: None,
            request: None,
            order: OrderId::new(&format!("o{number}")).ok(),
            reservation: None,
            document: None,
            reference: "x".repeat(200),
            balances: Stock::default(),
        }
    }

    /// An engine with orders and movements, and their index.
    fn engine() -> (MemoryEngine, IndexWriter) {
        let (engine, mut writer) = (MemoryEngine::default(), IndexWriter::empty());
        let mut digest = Digest::default();
        let mut window = Window::default();
        for number in 1..400 {
            window.take_in(&[
                Change::Order(order(number).id, Arc::new(order(number))),
                Change::Ledger(movement(number)),
            ]);
        }
        let (mut rows, mut postings) = (BTreeMap::new(), Vec::new());
        for (key, value) in window.rows() {
            rows::put(&engine, key, value, &mut rows).unwrap();
        }
        for row in window.ledger.rows() {
            rows::put(&engine, &row.key, Some(&row.value), &mut rows).unwrap();
            postings::add_ledger_row(row.first, row.entries(), &mut postings).unwrap();
        }
        postings::add_orders(&window.listed, &mut postings);
        writer.put(&engine, postings, &mut rows).unwrap();
        let rows: Vec<_> = rows.into_iter().collect();
        for row in &rows {
            digest.follow(&engine, row).unwrap();
        }
        engine.write(&rows).unwrap();
        let mut applied = BTreeMap::new();
        let row = applied_row::encode(&window.position, digest);
        rows::put(&engine, keys::APPLIED, Some(&row), &mut applied).unwrap();
        engine.write(&applied.into_iter().collect::<Vec<_>>()).unwrap();
        (engine, writer)
    }

    fn all(engine: &Arc<dyn Engine>, writer: &mut IndexWriter) -> Vec<Vec<u8>> {
        let index = Index::new(Arc::clone(engine), writer.publish());
        index.ascending(b"", Bound::Unbounded).map(Result::unwrap).collect()
    }

    #[test]
    fn an_index_made_anew_finds_what_the_first_one_did() {
        let (engine, mut writer) = engine();
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let before = all(&engine, &mut writer);
        assert!(before.len() > 1_500, "{}", before.len());
        // The manifest becomes one of a format to come.
        let mut loaded = load::load(engine.as_ref(), false).unwrap();
        let strange = (MANIFEST.to_vec(), Some(bytes::Bytes::from_static(&[0, 0, 9, 9])));
        loaded.digest.follow(engine.as_ref(), &strange).unwrap();
        engine.write(&[strange]).unwrap();
        let mut made = open(engine.as_ref(), &mut loaded).unwrap();
        assert_eq!(all(&engine, &mut made), before);
        // What was written holds together, and is there the next time.
        let mut again = load::load(engine.as_ref(), false).unwrap();
        assert_eq!(again.digest, loaded.digest);
        let mut found = open(engine.as_ref(), &mut again).unwrap();
        assert_eq!(all(&engine, &mut found), before);
        assert_eq!(again.digest, loaded.digest, "nothing was made a second time");
    }

    #[test]
    fn an_engine_without_orders_and_movements_is_left_as_it_is() {
        let engine = MemoryEngine::default();
        open(&engine, &mut Loaded::nothing()).unwrap();
        assert_eq!(engine.scan(Bound::Unbounded).count(), 0);
    }
}

//! Making the index anew, from the orders and the ledger: where an engine has none, or one of another format.

use std::ops::Bound;

use stockade_state_machine::order::Order;

use crate::batch::Batch;
use crate::codec::{self, Durable};
use crate::engine::Engine;
use crate::index::{Gathered, IndexWriter};
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
        postings: Gathered::default(),
        progress: Progress::new("making the index", loaded.digest.rows),
    };
    making.remove_rows()?;
    making.add_ledger()?;
    making.add_orders()?;
    making.put_gathered()?;
    let Making { digest, writer, .. } = making;
    if digest != loaded.digest {
        loaded.digest = digest;
        engine.write(&applied_row::rows(engine, &applied_row::encode(&loaded.position, digest))?)?;
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
    postings: Gathered,
    progress: Progress,
}

impl Making<'_> {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        let (rows, digest) = batch.finish();
        self.digest = digest;
        rows.chunks(limits::REBUILD_BATCH_ROWS).try_for_each(|rows| self.engine.write(rows))
    }

    /// Removes what there is of an index.
    fn remove_rows(&mut self) -> Result<(), Error> {
        loop {
            let rows = self.engine.scan(Bound::Included(&[keys::INDEX]));
            let ours = |key: &[u8]| key.first() == Some(&keys::INDEX);
            let rows = rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| ours(key)));
            let mut batch = Batch::new(self.engine, self.digest);
            for row in rows.take(limits::REBUILD_BATCH_ROWS) {
                let (key, was) = row?;
                batch.replace_row(key.into(), Some(&was), None);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.write(batch)?;
        }
    }

    fn add_ledger(&mut self) -> Result<(), Error> {
        for value in rows::scan(self.engine, Bound::Included(&[keys::LEDGER])) {
            let (key, value) = value?;
            let Some(first) = keys::ledger_row_of(&key) else { break };
            let row = LedgerRow::open(&value)?;
            let names = row.entries().map(|entry| codec::ledger_names(entry?.bytes).map_err(Error::of_row));
            let names = names.collect::<Result<Vec<_>, _>>()?;
            postings::add_ledger_row(first, names.into_iter(), &mut self.postings);
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
        let mut batch = Batch::new(self.engine, self.digest);
        self.writer.put(&std::mem::take(&mut self.postings), &mut batch)?;
        self.write(batch)?;
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
        let mut window = Window::default();
        for number in 1..400 {
            window.take_in(&[
                Change::Order(order(number).id, Arc::new(order(number))),
                Change::Ledger(movement(number)),
            ]);
        }
        let (mut batch, mut postings) = (Batch::new(&engine, Digest::default()), Gathered::default());
        window.put_rows(&mut batch).unwrap();
        for row in window.ledger.rows() {
            batch.put(row.key.clone(), Some(row.value.clone())).unwrap();
            postings::add_ledger_row(row.first, row.names(), &mut postings);
        }
        postings::add_orders(&window.listed, &mut postings);
        writer.put(&postings, &mut batch).unwrap();
        let (rows, digest) = batch.finish();
        engine.write(&rows).unwrap();
        let applied = applied_row::encode(&window.position, digest);
        engine.write(&applied_row::rows(&engine, &applied).unwrap()).unwrap();
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
        let mut batch = Batch::new(engine.as_ref(), loaded.digest);
        batch.put(MANIFEST.into(), Some(rows::whole(&[9, 9]))).unwrap();
        let (rows, digest) = batch.finish();
        engine.write(&rows).unwrap();
        loaded.digest = digest;
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

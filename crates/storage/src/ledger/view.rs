//! The ledger up to a log index, as the engine has it.

use std::ops::Bound;
use std::sync::Arc;

use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::{LogTime, Revision, Stock};

use super::chain::Chain;
use super::check::LedgerCheck;
use super::query::{AsOf, LedgerFilter, LedgerKey, LedgerPage, StockAsOf};
use super::rows::{self, behind};
use crate::codec::{self, Durable, LedgerNames};
use crate::engine::Engine;
use crate::index::Index;
use crate::memory::Memory;
use crate::merged::Keys;
use crate::postings::{Prefix, RowKey};
use crate::{Error, limits};

/// The ledger up to a log index. Cheap to clone; nothing waits for whoever holds it.
#[derive(Debug, Clone)]
pub struct LedgerView {
    revision: Revision,
    chain: Chain,
    engine: Arc<dyn Engine>,
    index: Index,
}

impl LedgerView {
    /// As the engine has it now.
    pub(crate) fn of(memory: &Memory) -> Self {
        Self {
            revision: memory.written,
            chain: memory.written_ledger,
            engine: Arc::clone(&memory.engine),
            index: Index::new(Arc::clone(&memory.engine), Arc::clone(&memory.index)),
        }
    }

    /// The log index up to which it has everything.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Without what entries are found by: to read all of them, which may take long, and must not keep what was merged meanwhile.
    pub(crate) fn without_index(self) -> Self {
        Self { index: Index::new(Arc::clone(&self.engine), Arc::default()), ..self }
    }

    /// The end of its chain.
    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    fn end(&self) -> RowKey {
        behind(self.revision.get())
    }

    /// Entries that a filter takes after a place, in the order that it asks for: at most `limit`, of about 10,000 that are looked at.
    pub fn entries(
        &self,
        filter: &LedgerFilter,
        after: Option<LedgerKey>,
        limit: usize,
    ) -> Result<LedgerPage, Error> {
        let (from, until) = self.range(filter, after)?;
        let mut page = LedgerPage::default();
        if from >= until || limit == 0 {
            return Ok(page);
        }
        let mut looked_at = 0;
        for row in self.rows(filter, from, until)? {
            let row = rows::read(self.engine.as_ref(), row?)?;
            let mut entries = row.entries().collect::<Result<Vec<_>, _>>()?;
            entries.retain(|entry| (from..until).contains(&(entry.revision, entry.position)));
            if filter.newest_first {
                entries.reverse();
            }
            for entry in entries {
                page.last = Some((Revision::new(entry.revision), entry.position));
                looked_at += 1;
                if takes(filter, &codec::ledger_names(entry.bytes).map_err(Error::of_row)?) {
                    page.entries.push(LedgerEntry::decode(entry.bytes).map_err(Error::of_row)?);
                    if page.entries.len() == limit {
                        return Ok(page);
                    }
                }
            }
            if looked_at >= limits::LEDGER_LIST_ENTRIES {
                return Ok(page);
            }
        }
        page.last = None;
        Ok(page)
    }

    /// The first place that a filter takes after another, and the one behind the last.
    fn range(&self, filter: &LedgerFilter, after: Option<LedgerKey>) -> Result<(RowKey, RowKey), Error> {
        let engine = self.engine.as_ref();
        let mut from = filter.from_revision.map_or((0, 0), |revision| (revision.get(), 0));
        let mut until =
            filter.to_revision.map_or(self.end(), |revision| self.end().min(behind(revision.get())));
        if let Some(start) = filter.start {
            from = from.max(rows::first_at(engine, start, self.end())?);
        }
        if let Some(end) = filter.end {
            until = until.min(rows::first_at(engine, end, self.end())?);
        }
        if let Some((revision, position)) = after {
            if filter.newest_first {
                until = until.min((revision.get(), position));
            } else {
                let next = position.checked_add(1);
                from = from.max(next.map_or(behind(revision.get()), |next| (revision.get(), next)));
            }
        }
        Ok((from, until))
    }

    /// The rows that may hold what a filter takes, in the order that it asks for.
    fn rows<'a>(&'a self, filter: &LedgerFilter, from: RowKey, until: RowKey) -> Result<Rows<'a>, Error> {
        let newest_first = filter.newest_first;
        let range = RowRange { from, until, newest_first };
        if let Some(holder) = &filter.holder {
            return self.indexed(&Prefix::moved_by(holder), &range);
        }
        match (&filter.sku, &filter.location) {
            (Some(sku), Some(location)) => self.indexed(&Prefix::moved(sku, location), &range),
            (Some(sku), None) => self.indexed(&Prefix::moved_anywhere(sku), &range),
            (None, Some(location)) => self.indexed(&Prefix::moved_at(location), &range),
            (None, None) => self.all(&range),
        }
    }

    fn all(&self, range: &RowRange) -> Result<Rows<'_>, Error> {
        let RowRange { from, until, newest_first } = *range;
        let engine = self.engine.as_ref();
        let first = rows::holding(engine, from)?.unwrap_or(from);
        if newest_first {
            let rows = rows::descending(engine, until);
            return Ok(Box::new(rows.take_while(move |row| row.as_ref().map_or(true, |row| *row >= first))));
        }
        let rows = rows::ascending(engine, first);
        Ok(Box::new(rows.take_while(move |row| row.as_ref().map_or(true, |row| *row < until))))
    }

    fn indexed(&self, prefix: &Prefix, range: &RowRange) -> Result<Rows<'_>, Error> {
        let RowRange { from, until, newest_first } = *range;
        // The first place may lie within a row that begins before it.
        let holding = prefix.row(from);
        let holding = self.index.descending(prefix.bytes(), Bound::Included(&holding)).next().transpose()?;
        let first = holding.unwrap_or_else(|| prefix.row(from));
        let behind = prefix.row(until);
        if newest_first {
            let postings = self.index.descending(prefix.bytes(), Bound::Excluded(&behind));
            let ours = postings
                .take_while(move |posting| posting.as_ref().map_or(true, |posting| *posting >= first));
            return Ok(Box::new(ours.map(|posting| Prefix::row_of(&posting?))));
        }
        let postings = self.index.ascending(prefix.bytes(), Bound::Included(&first));
        let ours =
            postings.take_while(move |posting| posting.as_ref().map_or(true, |posting| *posting < behind));
        Ok(Box::new(ours.map(|posting| Prefix::row_of(&posting?))))
    }

    /// The locations after one at which a SKU was ever moved, in the order of their ids.
    fn locations<'a>(
        &'a self,
        sku: &'a SkuId,
        after: Option<&LocationId>,
    ) -> impl Iterator<Item = Result<LocationId, Error>> + 'a {
        let prefix = Prefix::moved_by_location(sku);
        let mut last = after.cloned();
        std::iter::from_fn(move || {
            let behind = last.as_ref().map(|last| Prefix::moved(sku, last).behind());
            let from = behind.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let posting = self.index.ascending(prefix.bytes(), from).next()?;
            let location = posting.and_then(|posting| prefix.location_of(&posting));
            last = location.as_ref().ok().cloned();
            Some(location)
        })
    }

    /// What was in stock of a SKU at a moment: at one location, or at those after one.
    pub fn stock_as_of(
        &self,
        sku: &SkuId,
        location: Option<&LocationId>,
        at: AsOf,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<StockAsOf, Error> {
        let (revision, until) = self.moment(at)?;
        let is_known = self.locations(sku, None).next().transpose()?.is_some();
        let mut found = StockAsOf { revision, is_known, ..StockAsOf::default() };
        if let Some(location) = location {
            found.stock.extend(self.last_stock(sku, location, until)?.map(|stock| (location.clone(), stock)));
            return Ok(found);
        }
        for (number, location) in self.locations(sku, after).enumerate() {
            let location = location?;
            if found.stock.len() == limit || number == limits::LEDGER_LIST_LOCATIONS {
                return Ok(found);
            }
            if let Some(stock) = self.last_stock(sku, &location, until)? {
                found.stock.push((location.clone(), stock));
            }
            found.last = Some(location);
        }
        found.last = None;
        Ok(found)
    }

    /// The log index of a moment, and the place behind everything that had happened by then.
    fn moment(&self, at: AsOf) -> Result<(Revision, RowKey), Error> {
        match at {
            AsOf::Revision(revision) => Ok((revision, self.end().min(behind(revision.get())))),
            AsOf::Time(time) => {
                let engine = self.engine.as_ref();
                let until = match time.micros().checked_add(1) {
                    Some(next) => rows::first_at(engine, LogTime::from_micros(next), self.end())?,
                    None => self.end(),
                };
                let last = rows::last_before(engine, until)?;
                Ok((last.map_or(Revision::default(), |(revision, _)| Revision::new(revision)), until))
            }
        }
    }

    /// The stock after the last movement of a SKU at a location before a place.
    fn last_stock(&self, sku: &SkuId, location: &LocationId, until: RowKey) -> Result<Option<Stock>, Error> {
        let prefix = Prefix::moved(sku, location);
        // In the first of the rows it may be that only what follows the place is of them.
        for posting in self.index.descending(prefix.bytes(), Bound::Excluded(&prefix.row(until))) {
            let row = rows::read(self.engine.as_ref(), Prefix::row_of(&posting?)?)?;
            let mut last = None;
            for entry in row.entries() {
                let entry = entry?;
                if (entry.revision, entry.position) >= until {
                    break;
                }
                let names = codec::ledger_names(entry.bytes).map_err(Error::of_row)?;
                if names.sku == sku.as_str() && names.location == location.as_str() {
                    last = Some(entry.bytes);
                }
            }
            if let Some(entry) = last {
                return LedgerEntry::decode(entry).map(|entry| Some(entry.balances)).map_err(Error::of_row);
            }
        }
        Ok(None)
    }

    /// Checks the next rows after one; gives the last of them, and nothing where none was left.
    pub(crate) fn check_rows(
        &self,
        after: Option<RowKey>,
        most: usize,
        check: &mut LedgerCheck,
    ) -> Result<Option<RowKey>, Error> {
        let engine = self.engine.as_ref();
        let from = after.map_or((0, 0), |(revision, position)| (revision, position.saturating_add(1)));
        let mut last = None;
        for row in rows::ascending(engine, from).take(most) {
            let row = row?;
            if row >= self.end() {
                break;
            }
            match rows::value(engine, row) {
                Ok(value) => check.row(row, &value),
                Err(error) => check.unreadable(row, &error),
            }
            last = Some(row);
        }
        Ok(last)
    }
}

/// From where to where entries are wanted.
struct RowRange {
    from: RowKey,
    until: RowKey,
    newest_first: bool,
}

type Rows<'a> = Keys<'a, RowKey>;

fn takes(filter: &LedgerFilter, names: &LedgerNames<'_>) -> bool {
    let is_by = |holder: &Holder| match holder {
        Holder::Order(id) => names.order == Some(id.as_str()),
        Holder::Reservation(id) => names.reservation == Some(id.as_str()),
    };
    filter.sku.as_ref().is_none_or(|sku| names.sku == sku.as_str())
        && filter.location.as_ref().is_none_or(|location| names.location == location.as_str())
        && filter.holder.as_ref().is_none_or(is_by)
}

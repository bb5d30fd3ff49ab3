//! What reads of the ledger should have seen: pages of movements, and what was in stock at a moment in the past.

use std::collections::BTreeMap;

use stockade_history::Asked;
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;

use crate::pages::{self, Page, overlap};
use crate::reads::{Difference, Reading, header};
use crate::{convert, fields, words};

/// What a refusal tells of the last revision that can be asked for.
const APPLIED_REVISION: &str = "applied_revision";

/// Revision and position.
fn place(text: &str) -> Option<(u64, u32)> {
    let (revision, position) = pages::parts(text)?;
    Some((revision.parse().ok()?, position.parse().ok()?))
}

/// "Lists entries in the order in which they happened, or newest first."
pub(crate) fn entries(
    reading: &Reading<'_>,
    request: &v1::ListLedgerEntriesRequest,
    answer: &v1::ListLedgerEntriesResponse,
    revision: u64,
) -> Option<Difference> {
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, place);
    let page = page.newest_first(request.newest_first);
    let all = reading.ledger.entries();
    let of_page = page.place(all, |entry, key| (entry.revision.get(), entry.position).cmp(key));
    let (start, end) = (request.start_time.as_ref(), request.end_time.as_ref());
    let timely = overlap(&of_page, &fields::between(all, |entry| entry.time, start, end));
    let from = all.partition_point(|entry| entry.revision.get() < request.from_revision);
    let to = Some(request.to_revision).filter(|to| *to > 0);
    let to = to.map_or(all.len(), |to| all.partition_point(|entry| entry.revision.get() <= to));
    let stretch = overlap(&timely, &(from..to));
    let taken = reading.ledger.within(stretch, request).filter(|entry| takes(request, entry));
    let expected = page.in_order(taken.map(convert::ledger_entry).collect());
    // The header of a list names the state that answered.
    page.difference(&answer.entries, &expected, words::movement).or_else(|| header(revision, reading.served))
}

/// "Only of this SKU", "only at this location", "only by this order", "only by this reservation".
fn takes(request: &v1::ListLedgerEntriesRequest, entry: &LedgerEntry) -> bool {
    let is = |asked: &str, id: Option<&str>| asked.is_empty() || id == Some(asked);
    let (order, reservation) = (entry.order.as_ref(), entry.reservation.as_ref());
    is(&request.sku_id, Some(entry.sku.as_str()))
        && is(&request.location_id, Some(entry.location.as_str()))
        && is(&request.order_id, order.map(OrderId::as_str))
        && is(&request.reservation_id, reservation.map(ReservationId::as_str))
}

/// A moment in the past.
struct Moment {
    /// "The log index that was asked for, or that of the last movement of anything up to the time that was asked for".
    revision: u64,
    /// Movements up to then.
    moved: usize,
}

impl Moment {
    fn of(reading: &Reading<'_>, asked: &AsOf) -> Option<Self> {
        let all = reading.ledger.entries();
        Some(match asked {
            AsOf::Revision(revision) => {
                let moved = all.partition_point(|entry| entry.revision.get() <= *revision);
                Self { revision: *revision, moved }
            }
            AsOf::Time(time) => {
                let time = fields::micros(time)?;
                let moved = all.partition_point(|entry| entry.time.micros() <= time);
                Self { revision: all[..moved].last().map_or(0, |entry| entry.revision.get()), moved }
            }
        })
    }
}

/// "What was in stock of a SKU at a moment in the past, by location."
pub(crate) fn stock_as_of(
    reading: &Reading<'_>,
    request: &v1::GetStockAsOfRequest,
    answer: &v1::GetStockAsOfResponse,
    revision: u64,
) -> Option<Difference> {
    let saw = || words::shown(answer);
    if let Some(ahead) = asks_ahead(request, reading.served) {
        let expected = format!("the refusal REVISION_AHEAD: revision {ahead} had yet to come");
        return Some(Difference { saw: saw(), expected });
    }
    let moment = request.as_of.as_ref().and_then(|asked| Moment::of(reading, asked));
    let (Some(moment), Ok(sku)) = (moment, SkuId::new(&request.sku_id)) else {
        return Some(Difference { saw: saw(), expected: "the refusal INVALID_ARGUMENT".to_owned() });
    };
    // Whether there is such a SKU may be looked up before the ledger has got to where it is read.
    if !is_known(reading, &sku) && !reading.ledger.was_deleted_after(&sku, reading.least) {
        let expected =
            "nothing (NOT_FOUND): there is no such SKU, and nothing of it was ever moved".to_owned();
        return Some(Difference { saw: saw(), expected });
    }
    if answer.as_of_revision != moment.revision {
        let (saw, expected) = (answer.as_of_revision, moment.revision);
        let told = |revision: u64| format!("stock as of revision {revision}");
        return Some(Difference { saw: told(saw), expected: told(expected) });
    }
    let location = |text: &str| LocationId::new(text).ok();
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, location);
    let expected = if request.location_id.is_empty() {
        let last = reading.ledger.last_of_each(&sku, page.after.as_ref(), moment.moved);
        last.take_while(|entry| page.holds(&entry.location)).map(convert::balances).collect()
    } else if page.leads_on {
        let saw = "a token for a further page of one location".to_owned();
        return Some(Difference { saw, expected: "none: it is the last page".to_owned() });
    } else {
        vec![at_one(reading, &sku, &request.location_id, &moment)]
    };
    // "The log index at which what was read last changed."
    let newest = answer.stock.iter().map(|stock| stock.revision).max().unwrap_or_default();
    page.difference(&answer.stock, &expected, words::stock).or_else(|| header(revision, newest))
}

/// The stock at a location that was asked for by name: all zero, and of revision 0, where nothing had moved there.
fn at_one(reading: &Reading<'_>, sku: &SkuId, location_id: &str, moment: &Moment) -> v1::Stock {
    let location = LocationId::new(location_id).ok();
    let last = location.and_then(|location| reading.ledger.last_at(sku, &location, moment.moved));
    last.map_or_else(
        || v1::Stock { sku_id: sku.to_string(), location_id: location_id.to_owned(), ..v1::Stock::default() },
        convert::balances,
    )
}

/// What stands against saying that there is no such SKU; `None` where nothing does.
pub(crate) fn found(reading: &Reading<'_>, request: &v1::GetStockAsOfRequest) -> Option<String> {
    if let Some(ahead) = asks_ahead(request, reading.served) {
        return Some(format!(
            "the refusal REVISION_AHEAD, which comes first: revision {ahead} had yet to come"
        ));
    }
    let sku = SkuId::new(&request.sku_id).ok()?;
    is_known(reading, &sku).then(|| format!("what was in stock of SKU {sku}"))
}

/// "It doesn't exist, and nothing of it was ever moved": otherwise it is known.
fn is_known(reading: &Reading<'_>, sku: &SkuId) -> bool {
    reading.ledger.knows(sku) || reading.rows.sku(sku).is_some()
}

/// The revision that a call asks of; 0 where it asks of none.
pub(crate) fn revision_of(asked: &Asked) -> u64 {
    match asked {
        Asked::GetStockAsOf(request) => asks_ahead(request, 0).unwrap_or_default(),
        _ => 0,
    }
}

/// The revision that is asked for, where it has yet to come.
fn asks_ahead(request: &v1::GetStockAsOfRequest, served: u64) -> Option<u64> {
    match request.as_of {
        Some(AsOf::Revision(revision)) => Some(revision).filter(|revision| *revision > served),
        Some(AsOf::Time(_)) | None => None,
    }
}

/// What is wrong with the refusal `REVISION_AHEAD`. It names the revision at which its node stood when it answered, which may be
/// later than that of the ledger it looked at. Which one that was its metadata tells.
pub(crate) fn refused_ahead(
    reading: &Reading<'_>,
    request: &v1::GetStockAsOfRequest,
    metadata: &BTreeMap<String, String>,
) -> Option<Difference> {
    let saw = |applied: u64| format!("the refusal REVISION_AHEAD at revision {applied}");
    // A node that answers from further back is stale, which is said elsewhere.
    let least = reading.least.min(reading.served);
    let told = metadata.get(APPLIED_REVISION).and_then(|applied| applied.parse().ok());
    let looked_at = told.unwrap_or(least);
    if looked_at < least || looked_at > reading.served {
        let expected = format!("one at a revision from {least} to {}", reading.served);
        return Some(Difference { saw: saw(looked_at), expected });
    }
    if asks_ahead(request, looked_at).is_some() {
        return None;
    }
    let expected = "stock: what was asked for is not ahead of that".to_owned();
    Some(Difference { saw: saw(looked_at), expected })
}

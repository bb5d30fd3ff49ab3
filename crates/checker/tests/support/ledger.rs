//! Reads of the ledger, as a node answers them.

use std::collections::BTreeMap;

use stockade_checker::convert;
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_state_machine::State;
use stockade_state_machine::ids::SkuId;
use stockade_state_machine::ledger::LedgerEntry;

use super::answers::{after, key, micros, page};

/// Goes through the whole ledger. Ends right behind its last row, even where the rest has nothing that matches.
pub(super) fn entries(
    ledger: &[LedgerEntry],
    request: &v1::ListLedgerEntriesRequest,
) -> v1::ListLedgerEntriesResponse {
    let bound = |time: &Option<prost_types::Timestamp>| time.as_ref().map(micros);
    let (start, end) = (bound(&request.start_time), bound(&request.end_time));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let after = after(&request.page_token).map(|(one, other)| (number(&one), number(&other)));
    let takes = |entry: &v1::LedgerEntry| {
        let is = |asked: &str, id: &str| asked.is_empty() || asked == id;
        let time = entry.time.as_ref().map(micros).expect("a time");
        let place = (entry.revision, u64::from(entry.position));
        is(&request.sku_id, &entry.sku_id)
            && is(&request.location_id, &entry.location_id)
            && is(&request.order_id, &entry.order_id)
            && is(&request.reservation_id, &entry.reservation_id)
            && entry.revision >= request.from_revision
            && (request.to_revision == 0 || entry.revision <= request.to_revision)
            && start.is_none_or(|start| time >= start)
            && end.is_none_or(|end| time < end)
            && after.is_none_or(|after| if request.newest_first { place < after } else { place > after })
    };
    let mut rows: Vec<_> = ledger.iter().map(convert::ledger_entry).filter(takes).collect();
    if request.newest_first {
        rows.reverse();
    }
    let key = |entry: &v1::LedgerEntry| format!("{}\n{}", entry.revision, entry.position);
    let (entries, next_page_token) = page(rows.into_iter(), request.page_size, key);
    v1::ListLedgerEntriesResponse { header: None, entries, next_page_token }
}

/// True where the revision that is asked for has yet to come.
pub(super) fn is_ahead(request: &v1::GetStockAsOfRequest, served: u64) -> bool {
    matches!(request.as_of, Some(AsOf::Revision(revision)) if revision > served)
}

/// The revision of the header, and the answer; `None` where there is no such SKU. Goes through the ledger up to then.
pub(super) fn stock_as_of(
    state: &State,
    ledger: &[LedgerEntry],
    request: &v1::GetStockAsOfRequest,
) -> Option<(u64, v1::GetStockAsOfResponse)> {
    let exists = state.sku(&SkuId::new(&request.sku_id).expect("a sound id")).is_some();
    if !exists && !ledger.iter().any(|entry| entry.sku.as_str() == request.sku_id) {
        return None;
    }
    let was_before = |entry: &&LedgerEntry| match request.as_of.as_ref().expect("a moment") {
        AsOf::Revision(revision) => entry.revision.get() <= *revision,
        AsOf::Time(time) => entry.time.micros() <= micros(time),
    };
    let before = || ledger.iter().filter(was_before);
    let as_of_revision = match request.as_of {
        Some(AsOf::Revision(revision)) => revision,
        Some(AsOf::Time(_)) | None => before().next_back().map_or(0, |entry| entry.revision.get()),
    };
    let of_sku = before().filter(|entry| entry.sku.as_str() == request.sku_id);
    let mut last: BTreeMap<String, v1::Stock> =
        of_sku.map(|entry| (entry.location.to_string(), convert::balances(entry))).collect();
    let location_id = request.location_id.clone();
    let (stock, next_page_token) = if location_id.is_empty() {
        let after = key(&request.page_token);
        let behind = last.into_values().filter(|stock| Some(&stock.location_id) > after.as_ref());
        page(behind, request.page_size, |stock| stock.location_id.clone())
    } else {
        let none = || v1::Stock { sku_id: request.sku_id.clone(), location_id, ..v1::Stock::default() };
        (vec![last.remove(&request.location_id).unwrap_or_else(none)], String::new())
    };
    let revision = stock.iter().map(|stock| stock.revision).max().unwrap_or_default();
    Some((revision, v1::GetStockAsOfResponse { header: None, as_of_revision, stock, next_page_token }))
}

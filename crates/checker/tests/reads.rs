//! Each read of a small shop, answered wrongly in one way, is found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{STALE_ETAG, changes, end_of, finds, ids, later_header, not_found, report, shop, token, written};
use stockade_checker::{Ended, History};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;

/// A history in which one thing is read last, and the read.
fn read(asked: impl Into<Asked>) -> (History, Asked) {
    let (mut shop, asked) = (shop(), asked.into());
    shop.read(asked.clone());
    (written(shop), asked)
}

#[test]
fn a_location_that_is_read_wrongly_is_found() {
    let (history, asked) = read(v1::GetLocationRequest { location_id: "east".to_owned(), read: None });
    let location = |answer: &mut v1::GetLocationResponse| answer.location.take().expect("it is there");
    let priority = changes!(GetLocation, answer => {
        answer.location = Some(v1::Location { priority: 9, ..location(answer) });
    });
    finds(&history, &asked, priority, &["get_location", "priority: 9", "it should have seen", "priority: 0"]);
    let etag = changes!(GetLocation, answer => {
        answer.location = Some(v1::Location { etag: STALE_ETAG.to_owned(), ..location(answer) });
    });
    finds(&history, &asked, etag, &["etag: \"1-0\""]);
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "\"east\""]);
}

#[test]
fn a_location_that_is_gone_is_rightly_not_found_and_its_stock_neither() {
    let gone = || "gone".to_owned();
    for asked in [
        Asked::from(v1::GetLocationRequest { location_id: gone(), read: None }),
        v1::GetStockRequest { sku_id: "sku-0".to_owned(), location_id: gone(), read: None }.into(),
        names(&[("sku-0", "main"), ("sku-0", "gone")]),
        v1::BatchGetSkusRequest { sku_ids: ids(&["sku-0", "sku-9"]), read: None }.into(),
        v1::GetAvailabilityRequest {
            sku_ids: ids(&["sku-0"]),
            location_ids: vec![gone()],
            ..Default::default()
        }
        .into(),
        v1::GetAvailabilityRequest { sku_ids: ids(&["sku-0", "sku-9"]), ..Default::default() }.into(),
    ] {
        let (mut history, asked) = read(asked);
        let ended = end_of(&mut history, &asked);
        assert!(matches!(&ended.outcome, Outcome::Refused { reason, .. } if reason == "NOT_FOUND"));
        let report = report(&history);
        assert!(report.holds(), "{:#?}", report.violations);
    }
    // An answer is as wrong there as a refusal elsewhere.
    let (history, asked) =
        read(v1::GetStockRequest { sku_id: "sku-0".to_owned(), location_id: gone(), read: None });
    let stock = Some(v1::Stock { sku_id: "sku-0".to_owned(), location_id: gone(), ..v1::Stock::default() });
    let answered = |ended: &mut Ended| {
        ended.outcome = Outcome::Ok(v1::GetStockResponse { header: None, stock }.into());
    };
    finds(&history, &asked, answered, &["it should have seen nothing (NOT_FOUND)"]);
}

#[test]
fn a_wrong_etag_of_a_sku_or_of_stock_is_found() {
    let (history, asked) = read(v1::GetSkuRequest { sku_id: "sku-0".to_owned(), read: None });
    let etag = changes!(GetSku, answer => {
        STALE_ETAG.clone_into(&mut answer.sku.as_mut().expect("it is there").etag);
    });
    finds(&history, &asked, etag, &["etag: \"1-0\""]);
    let main = || "main".to_owned();
    let (history, asked) =
        read(v1::GetStockRequest { sku_id: "sku-0".to_owned(), location_id: main(), read: None });
    let etag = changes!(GetStock, answer => answer.stock.as_mut().expect("it is there").etag.clear());
    finds(&history, &asked, etag, &["etag \"\""]);
    let (history, asked) =
        read(v1::GetStockRequest { sku_id: "service".to_owned(), location_id: main(), read: None });
    let etag = changes!(GetStock, answer => {
        STALE_ETAG.clone_into(&mut answer.stock.as_mut().expect("all zero").etag);
    });
    finds(&history, &asked, etag, &["etag \"1-0\"", "etag \"\""]);
}

#[test]
fn several_skus_that_are_read_wrongly_are_found() {
    let (history, asked) =
        read(v1::BatchGetSkusRequest { sku_ids: ids(&["sku-1", "service", "sku-1"]), read: None });
    finds(&history, &asked, changes!(BatchGetSkus, answer => answer.skus.swap(0, 1)), &["row 1 is"]);
    finds(&history, &asked, changes!(BatchGetSkus, answer => answer.skus.pop()), &["2 rows", "3 rows"]);
    let untracked = changes!(BatchGetSkus, answer => answer.skus[1].untracked = false);
    finds(&history, &asked, untracked, &["row 2 is", "untracked: false"]);
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "all 3 of them"]);
}

fn names(names: &[(&str, &str)]) -> Asked {
    let name = |(sku, location): &(&str, &str)| v1::StockName {
        sku_id: (*sku).to_owned(),
        location_id: (*location).to_owned(),
    };
    v1::BatchGetStockRequest { names: names.iter().map(name).collect(), read: None }.into()
}

#[test]
fn stock_that_is_read_together_wrongly_is_found() {
    let (history, asked) = read(names(&[("sku-0", "east"), ("sku-1", "main"), ("sku-1", "east")]));
    finds(&history, &asked, changes!(BatchGetStock, answer => answer.stock.swap(0, 1)), &["row 1 is"]);
    finds(&history, &asked, changes!(BatchGetStock, answer => answer.stock.pop()), &["2 rows", "3 rows"]);
    let damaged = changes!(BatchGetStock, answer => answer.stock[1].damaged = 1);
    finds(&history, &asked, damaged, &["row 2 is sku-1 at main", "damaged 1"]);
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "all 3 of them"]);
}

#[test]
fn a_page_of_locations_that_is_wrong_is_found() {
    let (history, asked) = read(v1::ListLocationsRequest { page_size: 3, ..Default::default() });
    let second = changes!(ListLocations, answer => answer.locations.remove(1));
    finds(&history, &asked, second, &["2 rows, of which row 2 is", "\"main\""]);
    finds(&history, &asked, changes!(ListLocations, answer => answer.locations.swap(0, 1)), &["row 1 is"]);
    let ended = changes!(ListLocations, answer => answer.next_page_token.clear());
    finds(&history, &asked, ended, &["no more rows", "\"spare\""]);
    let nowhere = changes!(ListLocations, answer => "00".clone_into(&mut answer.next_page_token));
    finds(&history, &asked, nowhere, &["a token for the next page that leads nowhere new"]);
    let (history, asked) = read(v1::ListLocationsRequest { page_size: 4, ..Default::default() });
    let longer = changes!(ListLocations, answer => {
        let again = answer.locations[0].clone();
        answer.locations.push(again);
    });
    finds(&history, &asked, longer, &["a page of 5 rows", "4 at most"]);
}

#[test]
fn a_page_of_stock_at_a_location_that_is_wrong_is_found() {
    let location_id = "main".to_owned();
    let (history, asked) = read(v1::ListStockRequest { location_id, page_size: 9, ..Default::default() });
    let missing = changes!(ListStock, answer => answer.stock.remove(0));
    finds(&history, &asked, missing, &["1 rows, of which row 1 is sku-1", "row 1 is sku-0 at main"]);
    let elsewhere = changes!(ListStock, answer => {
        "east".clone_into(&mut answer.stock[0].location_id);
    });
    finds(&history, &asked, elsewhere, &["row 1 is sku-0 at east"]);
    // The rows of a location that is gone stay.
    let location_id = "gone".to_owned();
    let (history, asked) = read(v1::ListStockRequest { location_id, page_size: 9, ..Default::default() });
    let missing = changes!(ListStock, answer => answer.stock.clear());
    finds(&history, &asked, missing, &["0 rows", "sku-0 at gone: available 0"]);
    let (sku_id, location_id) = ("sku-0".to_owned(), "shut".to_owned());
    let (history, asked) =
        read(v1::ListStockRequest { sku_id, location_id, page_size: 9, ..Default::default() });
    let missing = changes!(ListStock, answer => answer.stock.clear());
    finds(&history, &asked, missing, &["0 rows", "1 rows, of which row 1 is sku-0 at shut"]);
}

#[test]
fn a_page_of_short_stock_that_is_wrong_is_found() {
    let below = |page_size| v1::ListStockRequest {
        page_size,
        available_below: Some(12),
        ..v1::ListStockRequest::default()
    };
    let (history, asked) = read(below(2));
    let all = history.operations.last().expect("the read").ended.clone().expect("it has ended");
    let Outcome::Ok(Answer::ListStock(answer)) = &all.outcome else { panic!("an answer: {all:?}") };
    let at: Vec<_> = answer.stock.iter().map(|stock| stock.location_id.as_str()).collect();
    assert_eq!(at, ["east", "gone"], "the rows at `main` have enough");
    let missing = changes!(ListStock, answer => answer.stock.remove(0));
    finds(&history, &asked, missing, &["row 1 is sku-0 at gone", "row 1 is sku-0 at east"]);
    finds(&history, &asked, changes!(ListStock, answer => answer.stock.swap(0, 1)), &["row 1 is"]);
    let enough = changes!(ListStock, answer => {
        let again = v1::Stock { available: 12, location_id: "main".to_owned(), ..answer.stock[1].clone() };
        answer.stock[1] = again;
    });
    finds(&history, &asked, enough, &["row 2 is sku-0 at main"]);
    // A page may end early, but then it says so, and says where.
    let early = |token: &str| {
        let token = token.to_owned();
        move |ended: &mut Ended| {
            changes!(ListStock, answer => {
                answer.stock.pop();
                token.clone_into(&mut answer.next_page_token);
            })(ended);
        }
    };
    finds(&history, &asked, early(""), &["no more rows", "sku-0 at gone"]);
    let mut fewer = history.clone();
    early(&token("sku-0\neast"))(end_of(&mut fewer, &asked));
    assert!(report(&fewer).holds(), "a page may hold fewer than were asked for");
    let mut none = history.clone();
    early(&token("sku-0\nabove"))(end_of(&mut none, &asked));
    changes!(ListStock, answer => answer.stock.clear())(end_of(&mut none, &asked));
    assert!(report(&none).holds(), "a page may hold none");
}

#[test]
fn what_orders_could_take_told_wrongly_is_found() {
    let sku_ids = ids(&["sku-0", "service", "sku-1", "sku-0"]);
    let (history, asked) = read(v1::GetAvailabilityRequest { sku_ids, ..Default::default() });
    let with_shut = changes!(GetAvailability, answer => {
        let all = &mut answer.availability[0];
        assert_eq!(all.available, 17, "the units of a disabled location can't be had");
        all.available += 7;
    });
    finds(&history, &asked, with_shut, &["4 rows, of which row 1 is", "available: 24", "available: 17"]);
    let nowhere = changes!(GetAvailability, answer => answer.availability[2].locations.clear());
    finds(&history, &asked, nowhere, &["row 3 is"]);
    let moved = changes!(GetAvailability, answer => answer.availability[0].locations.swap(0, 1));
    finds(&history, &asked, moved, &["row 1 is"]);
    let counted = changes!(GetAvailability, answer => answer.availability[1].available = 1);
    finds(&history, &asked, counted, &["row 2 is", "untracked: true, available: 1"]);
    let tracked = changes!(GetAvailability, answer => answer.availability[1].untracked = false);
    finds(&history, &asked, tracked, &["row 2 is"]);
    finds(&history, &asked, changes!(GetAvailability, answer => answer.availability.pop()), &["3 rows"]);
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "available: 17"]);
}

#[test]
fn what_orders_could_take_at_some_locations_told_wrongly_is_found() {
    let (sku_ids, zone) = (ids(&["sku-0"]), "e".to_owned());
    for (location_ids, zone) in [(Vec::new(), zone), (ids(&["east", "shut"]), String::new())] {
        let request = v1::GetAvailabilityRequest { sku_ids: sku_ids.clone(), location_ids, zone, read: None };
        let (history, asked) = read(request);
        let everywhere = changes!(GetAvailability, answer => {
            let all = &mut answer.availability[0];
            assert_eq!((all.available, all.locations.len()), (5, 1));
            all.available = 17;
        });
        finds(&history, &asked, everywhere, &["available: 17", "available: 5"]);
    }
}

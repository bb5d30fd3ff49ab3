//! Stock as it was at a moment in the past: each read, answered wrongly in one way, is found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use std::collections::BTreeMap;

use shop::{ask, changes, end_of, finds, later_header, not_found, report, shop, token, written};
use stockade_checker::{Check, Ended, History, convert};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_state_machine::LogTime;
use stockade_state_machine::ledger::LedgerEntry;
use support::{Cluster, carts};

/// Units of the first SKU came to `east`, then to `shut`, then to `gone` and went from there; a cart holds one of the second.
fn moved() -> Cluster {
    let mut shop = shop();
    ask(&mut shop, |request| carts::create(request, "cart", &[("sku-1", "main", 1)], 60));
    shop
}

/// The movement that brought the first units of the first SKU to a location.
fn first_at(shop: &Cluster, location: &str) -> LedgerEntry {
    let is_there =
        |entry: &&LedgerEntry| entry.sku.as_str() == "sku-0" && entry.location.as_str() == location;
    shop.ledger().iter().find(is_there).expect("units came there").clone()
}

fn of(sku: &str, location: &str, as_of: AsOf) -> v1::GetStockAsOfRequest {
    v1::GetStockAsOfRequest {
        sku_id: sku.to_owned(),
        location_id: location.to_owned(),
        as_of: Some(as_of),
        page_size: 9,
        page_token: String::new(),
        read: None,
    }
}

fn at_time(micros: u64) -> AsOf {
    AsOf::Time(convert::timestamp(LogTime::from_micros(micros)))
}

/// A history in which one thing is read last, and the read.
fn read(asked: v1::GetStockAsOfRequest) -> (History, Asked) {
    let (mut shop, asked) = (moved(), Asked::from(asked));
    shop.read(asked.clone());
    (written(shop), asked)
}

fn answer_of(history: &History, asked: &Asked) -> v1::GetStockAsOfResponse {
    let ended = end_of(&mut history.clone(), asked).clone();
    let Outcome::Ok(Answer::GetStockAsOf(answer)) = ended.outcome else { panic!("{ended:?}") };
    answer
}

/// Location, available units and revision of each row.
fn rows(answer: &v1::GetStockAsOfResponse) -> Vec<(&str, i64, u64)> {
    answer.stock.iter().map(|row| (row.location_id.as_str(), row.available, row.revision)).collect()
}

#[track_caller]
fn holds(history: &History) {
    let report = report(history);
    assert!(report.holds(), "{:#?}", report.violations);
}

/// As it is with the call's ending changed.
fn changed(history: &History, asked: &Asked, change: impl FnOnce(&mut Ended)) -> History {
    let mut history = history.clone();
    change(end_of(&mut history, asked));
    history
}

#[test]
fn stock_as_of_a_revision_told_wrongly_is_found() {
    let shop = moved();
    let [main, east, shut] =
        ["main", "east", "shut"].map(|location| first_at(&shop, location).revision.get());
    let (history, asked) = read(of("sku-0", "", AsOf::Revision(shut)));
    let answer = answer_of(&history, &asked);
    assert_eq!(answer.as_of_revision, shut);
    assert_eq!(rows(&answer), [("east", 5, east), ("main", 12, main), ("shut", 7, shut)]);
    let stock = |change: fn(&mut Vec<v1::Stock>)| {
        move |ended: &mut Ended| changes!(GetStockAsOf, answer => change(&mut answer.stock))(ended)
    };
    finds(
        &history,
        &asked,
        stock(|rows| rows[0].available += 1),
        &["get_stock_as_of", "row 1 is", "available 6"],
    );
    finds(&history, &asked, stock(|rows| rows[1].on_hand += 1), &["row 2 is", "on hand 13"]);
    finds(&history, &asked, stock(|rows| rows[1].reserved += 1), &["row 2 is", "reserved 1"]);
    finds(&history, &asked, stock(|rows| rows[1].revision += 1), &["row 2 is", "changed at revision"]);
    finds(&history, &asked, stock(|rows| "1-0".clone_into(&mut rows[1].etag)), &["row 2 is", "etag \"1-0\""]);
    finds(&history, &asked, stock(|rows| "sku-1".clone_into(&mut rows[1].sku_id)), &["row 2 is sku-1"]);
    finds(&history, &asked, stock(|rows| _ = rows.remove(1)), &["2 rows", "sku-0 at main"]);
    finds(&history, &asked, stock(|rows| rows.insert(1, rows[0].clone())), &["4 rows", "3 rows"]);
    finds(&history, &asked, stock(|rows| rows.swap(0, 1)), &["row 1 is sku-0 at main"]);
    let nowhere = stock(|rows| {
        rows.insert(1, v1::Stock { location_id: "gone".to_owned(), ..v1::Stock::default() });
    });
    finds(&history, &asked, nowhere, &["row 2 is"]);
    let other = changes!(GetStockAsOf, answer => answer.as_of_revision -= 1);
    finds(
        &history,
        &asked,
        other,
        &["as of revision", &format!("it should have seen stock as of revision {shut}")],
    );
    finds(&history, &asked, later_header, &["in the header"]);
}

#[test]
fn stock_as_of_one_revision_off_is_found() {
    let shut = first_at(&moved(), "shut").revision.get();
    for (asked_for, told) in [(shut, shut - 1), (shut - 1, shut), (shut - 1, shut - 2)] {
        let (other, asked_other) = read(of("sku-0", "", AsOf::Revision(told)));
        let off = v1::GetStockAsOfResponse { as_of_revision: asked_for, ..answer_of(&other, &asked_other) };
        let (history, asked) = read(of("sku-0", "", AsOf::Revision(asked_for)));
        let newest = off.stock.iter().map(|row| row.revision).max().expect("rows");
        let off = |ended: &mut Ended| {
            ended.header.as_mut().expect("it has one").revision = newest;
            ended.outcome = Outcome::Ok(off.into());
        };
        finds(&history, &asked, off, &["it should have seen", "rows, of which row"]);
    }
    let (history, asked) = read(of("sku-0", "", AsOf::Revision(0)));
    let answer = answer_of(&history, &asked);
    assert_eq!((answer.as_of_revision, answer.stock.len()), (0, 0));
    let header = end_of(&mut history.clone(), &asked).header.clone().expect("it has one");
    assert_eq!(header.revision, 0);
    finds(&history, &asked, later_header, &["revision 1 in the header", "revision 0"]);
}

#[test]
fn stock_as_of_a_time_is_that_of_the_last_movement_up_to_it() {
    let shop = moved();
    let [east, shut] = ["east", "shut"].map(|location| first_at(&shop, location));
    let last = shop.ledger().last().expect("movements").revision.get();
    let time = shut.time.micros();
    // Before it, at it, between it and the next, and in a time that has yet to come.
    let all = ["east", "gone", "main", "shut"];
    for (micros, as_of_revision, locations) in [
        (time - 1, east.revision.get(), &["east", "main"][..]),
        (time, shut.revision.get(), &["east", "main", "shut"]),
        (time + 1, shut.revision.get(), &["east", "main", "shut"]),
        (time + 900_000_000, last, &all),
    ] {
        let (history, asked) = read(of("sku-0", "", at_time(micros)));
        let answer = answer_of(&history, &asked);
        assert_eq!(answer.as_of_revision, as_of_revision);
        assert_eq!(rows(&answer).iter().map(|(location, ..)| *location).collect::<Vec<_>>(), locations);
        for off in [as_of_revision - 1, as_of_revision + 1] {
            let off = changes!(GetStockAsOf, answer => answer.as_of_revision = off);
            finds(
                &history,
                &asked,
                off,
                &[&format!("should have seen stock as of revision {as_of_revision}")],
            );
        }
        let fewer = changes!(GetStockAsOf, answer => answer.stock.pop());
        finds(&history, &asked, fewer, &["no more rows"]);
    }
    let (history, asked) = read(of("sku-0", "", at_time(1)));
    let answer = answer_of(&history, &asked);
    assert_eq!((answer.as_of_revision, answer.stock.len()), (0, 0), "nothing had happened");
    let wrong = changes!(GetStockAsOf, answer => answer.as_of_revision = 1);
    finds(&history, &asked, wrong, &["should have seen stock as of revision 0"]);
}

#[test]
fn stock_at_one_location_is_one_row_whatever_was_there() {
    let shop = moved();
    let (east, shut) = (first_at(&shop, "east").revision.get(), first_at(&shop, "shut").revision.get());
    // Before anything was there, and at a location that there never was.
    for (location, revision, available, moved) in [
        ("east", shut, 5, east),
        ("shut", shut - 1, 0, 0),
        ("nowhere", shut, 0, 0),
        ("gone", shut + 2, 0, shut + 2),
    ] {
        let (history, asked) = read(of("sku-0", location, AsOf::Revision(revision)));
        assert_eq!(rows(&answer_of(&history, &asked)), [(location, available, moved)]);
        let none = changes!(GetStockAsOf, answer => answer.stock.clear());
        finds(&history, &asked, none, &["no more rows", &format!("sku-0 at {location}")]);
        let more = changes!(GetStockAsOf, answer => answer.stock[0].available += 1);
        finds(
            &history,
            &asked,
            more,
            &[&format!("row 1 is sku-0 at {location}: available {}", available + 1)],
        );
        let other = changes!(GetStockAsOf, answer => answer.stock[0].revision += 1);
        finds(&history, &asked, other, &[&format!("changed at revision {moved}")]);
        let another = changes!(GetStockAsOf, answer => "main".clone_into(&mut answer.stock[0].location_id));
        finds(&history, &asked, another, &["row 1 is sku-0 at main"]);
        let further = changes!(GetStockAsOf, answer => answer.next_page_token = token(location));
        finds(&history, &asked, further, &["a token for a further page of one location"]);
    }
}

#[test]
fn a_page_of_locations_goes_as_far_as_its_token_says() {
    let mut shop = moved();
    let last = shop.index();
    let request = |size, behind: &str| v1::GetStockAsOfRequest {
        page_size: size,
        page_token: if behind.is_empty() { String::new() } else { token(behind) },
        ..of("sku-0", "", AsOf::Revision(last))
    };
    let asked = Asked::from(request(2, ""));
    shop.read(asked.clone());
    let history = written(shop);
    assert_eq!(
        rows(&answer_of(&history, &asked)).iter().map(|row| row.0).collect::<Vec<_>>(),
        ["east", "gone"]
    );
    let ends = |next: String| changes!(GetStockAsOf, answer => answer.next_page_token = next);
    finds(&history, &asked, ends(String::new()), &["row 3 is no more rows", "sku-0 at main"]);
    finds(&history, &asked, ends(token("main")), &["row 3 is no more rows", "sku-0 at main"]);
    finds(&history, &asked, ends(token("east")), &["row 2 is sku-0 at gone", "row 2 is no more rows"]);
    finds(&history, &asked, ends("00".to_owned()), &["leads nowhere new"]);
    let longer = changes!(GetStockAsOf, answer => answer.stock.push(answer.stock[0].clone()));
    finds(&history, &asked, longer, &["a page of 3 rows", "2 at most"]);
    holds(&changed(&history, &asked, |ended| {
        changes!(GetStockAsOf, answer => {
            answer.stock.clear();
            answer.next_page_token = token("a");
        })(ended);
        ended.header.as_mut().expect("it has one").revision = 0;
    }));

    let (history, asked) = read(request(9, "gone"));
    assert_eq!(
        rows(&answer_of(&history, &asked)).iter().map(|row| row.0).collect::<Vec<_>>(),
        ["main", "shut"]
    );
    finds(
        &history,
        &asked,
        changes!(GetStockAsOf, answer => answer.stock.remove(0)),
        &["row 1 is sku-0 at shut"],
    );
    finds(&history, &asked, ends(token("gone")), &["leads nowhere new"]);
}

#[test]
fn a_sku_is_found_where_it_exists_or_was_ever_moved() {
    // One that nobody ever moved, and one before it was.
    for (sku, rows) in [("service", 0), ("sku-1", 0)] {
        let (history, asked) = read(of(sku, "", AsOf::Revision(1)));
        assert_eq!(answer_of(&history, &asked).stock.len(), rows);
        finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", &format!("in stock of SKU {sku}")]);
    }
    let (history, asked) = read(of("sku-9", "", AsOf::Revision(3)));
    holds(&history);
    let refused = end_of(&mut history.clone(), &asked).clone();
    assert!(
        matches!(&refused.outcome, Outcome::Refused { reason, .. } if reason == "NOT_FOUND"),
        "{refused:?}"
    );
    let answered = |ended: &mut Ended| {
        let answer = v1::GetStockAsOfResponse { as_of_revision: 3, ..Default::default() };
        ended.header.as_mut().expect("it has one").revision = 0;
        ended.outcome = Outcome::Ok(answer.into());
    };
    finds(&history, &asked, answered, &["it should have seen nothing (NOT_FOUND)"]);
}

#[test]
fn a_sku_that_came_while_it_was_read_may_be_missing() {
    let (mut history, asked) = read(of("sku-0", "", AsOf::Revision(1)));
    not_found(end_of(&mut history, &asked));
    assert!(!report(&history).holds());
    // It was called before anybody was told of the SKU.
    let operation = history.operations.iter_mut().rfind(|operation| operation.asked == asked).expect("asked");
    operation.invoked_ns = 0;
    holds(&history);
}

fn delete(request_id: String, sku: &str) -> Asked {
    v1::DeleteSkuRequest { request_id, sku_id: sku.to_owned(), etag: String::new(), validate_only: false }
        .into()
}

#[test]
fn a_sku_that_is_gone_is_known_by_its_movements_alone() {
    let create = |request_id: String, id: &str| {
        let sku = Some(v1::Sku { sku_id: id.to_owned(), ..v1::Sku::default() });
        Asked::from(v1::CreateSkuRequest { request_id, sku, validate_only: false })
    };
    let mut shop = moved();
    for sku in ["moved", "still"] {
        ask(&mut shop, |request| create(request, sku));
    }
    for quantity in [4, 0] {
        ask(&mut shop, |request_id| {
            v1::SetStockRequest {
                request_id,
                sku_id: "moved".to_owned(),
                location_id: "main".to_owned(),
                quantity,
                reason: v1::Reason::CycleCount.into(),
                ..v1::SetStockRequest::default()
            }
            .into()
        });
    }
    let then = shop.index() - 1;
    for sku in ["moved", "still"] {
        ask(&mut shop, |request| delete(request, sku));
    }
    let [moved, still] = ["moved", "still"].map(|sku| Asked::from(of(sku, "", AsOf::Revision(then))));
    shop.read(moved.clone());
    shop.read(still.clone());
    let mut history = written(shop);
    assert_eq!(rows(&answer_of(&history, &moved)), [("main", 4, then)]);
    finds(&history, &moved, not_found, &["saw nothing (NOT_FOUND)", "in stock of SKU moved"]);
    let answered = |ended: &mut Ended| {
        let answer = v1::GetStockAsOfResponse { as_of_revision: then, ..Default::default() };
        ended.header.as_mut().expect("it has one").revision = 0;
        ended.outcome = Outcome::Ok(answer.into());
    };
    finds(&history, &still, answered, &["it should have seen nothing (NOT_FOUND)"]);
    // It was called before anybody was told that the SKU is gone.
    let operation = history.operations.iter_mut().rfind(|operation| operation.asked == still).expect("asked");
    operation.invoked_ns = 0;
    holds(&changed(&history, &still, answered));
}

/// The refusal, with what its metadata tells, where it tells anything.
fn ahead(applied: Option<u64>) -> impl FnOnce(&mut Ended) {
    move |ended| {
        let told = applied.map(|applied| ("applied_revision".to_owned(), applied.to_string()));
        ended.outcome = Outcome::Refused {
            reason: "REVISION_AHEAD".to_owned(),
            message: String::new(),
            metadata: BTreeMap::from_iter(told),
            logged: false,
            fate: None,
        };
    }
}

#[test]
fn a_revision_that_has_yet_to_come_is_refused_and_no_other() {
    let last = moved().index();
    let (history, asked) = read(of("sku-0", "", AsOf::Revision(last + 1)));
    holds(&history);
    let refused = end_of(&mut history.clone(), &asked).clone();
    assert!(matches!(&refused.outcome, Outcome::Refused { reason, .. } if reason == "REVISION_AHEAD"));
    holds(&changed(&history, &asked, ahead(None)));
    let wrongly =
        ["it should have seen the refusal REVISION_AHEAD", &format!("revision {} had yet to come", last + 1)];
    let answered = |ended: &mut Ended| {
        let answer = v1::GetStockAsOfResponse { as_of_revision: last + 1, ..Default::default() };
        ended.outcome = Outcome::Ok(answer.into());
    };
    finds(&history, &asked, answered, &wrongly);
    finds(
        &history,
        &asked,
        not_found,
        &["saw nothing (NOT_FOUND)", "it should have seen the refusal REVISION_AHEAD"],
    );
    let (stale, newer) = (ahead(Some(last - 1)), ahead(Some(last + 1)));
    let expected = format!("it should have seen one at a revision from {last} to {last}");
    finds(&history, &asked, stale, &[&format!("at revision {}", last - 1), &expected]);
    finds(&history, &asked, newer, &[&format!("at revision {}", last + 1), &expected]);

    let not_ahead = ["saw the refusal REVISION_AHEAD at revision", "is not ahead of that"];
    for as_of in [AsOf::Revision(last), AsOf::Revision(0), at_time(u64::MAX / 2_000)] {
        let (history, asked) = read(of("sku-0", "", as_of));
        finds(&history, &asked, ahead(None), &not_ahead);
        finds(&history, &asked, ahead(Some(last)), &not_ahead);
    }
    let mut shop = moved();
    let asked = Asked::from(v1::GetSkuRequest { sku_id: "sku-0".to_owned(), read: None });
    shop.read(asked.clone());
    finds(&written(shop), &asked, ahead(None), &["an answer to get_sku, which names no revision"]);
}

#[test]
fn a_revision_that_came_while_stock_was_read_may_be_refused() {
    let last = moved().index();
    let (mut history, asked) = read(of("sku-0", "", AsOf::Revision(last)));
    let operation = history.operations.iter_mut().rfind(|operation| operation.asked == asked).expect("asked");
    // Nobody had been told of any revision.
    operation.invoked_ns = 0;
    holds(&changed(&history, &asked, ahead(None)));
    holds(&changed(&history, &asked, ahead(Some(last - 1))));
    finds(&history, &asked, ahead(Some(last)), &["is not ahead of that"]);
}

#[test]
fn a_stale_answer_or_refusal_is_found() {
    let mut shop = moved();
    let asked = Asked::from(of("sku-0", "", AsOf::Revision(shop.index() + 1)));
    shop.read(asked.clone());
    ask(&mut shop, |request| carts::create(request, "other", &[("sku-1", "main", 1)], 60));
    let mut history = written(shop);
    holds(&history);
    let end = history.operations.iter().map(|operation| operation.invoked_ns).max().expect("calls");
    let operation = history.operations.iter_mut().rfind(|operation| operation.asked == asked).expect("asked");
    operation.invoked_ns = end + 1_000_000;
    operation.ended.as_mut().expect("it has ended").at_ns = end + 2_000_000;
    let report = report(&history);
    let stale = |text: &str| text.starts_with("stale read: ") && text.contains("get_stock_as_of");
    let found = report.violations.iter().any(|found| found.check == Check::C && stale(&found.text));
    assert!(found, "{:#?}", report.violations);
}

#[test]
fn an_answer_to_no_moment_at_all_is_found() {
    let (mut history, asked) = read(of("sku-0", "", AsOf::Revision(0)));
    let operation = history.operations.iter_mut().rfind(|operation| operation.asked == asked).expect("asked");
    let Asked::GetStockAsOf(request) = &mut operation.asked else { panic!("another call") };
    request.as_of = None;
    let report = report(&history);
    let found = report.violations.iter().any(|found| found.text.contains("the refusal INVALID_ARGUMENT"));
    assert!(found, "{:#?}", report.violations);
}

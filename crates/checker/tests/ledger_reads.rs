//! Pages of the ledger, each answered wrongly in one way, are found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{ask, changes, end_of, finds, later, later_header, report, shop, token, written};
use stockade_checker::{Check, Ended, History, convert};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::stock::Bucket;
use support::{Cluster, Fault, Memory, Shape, carts, orders};

/// After the units of the shop came in: an order of both SKUs that is paid and ships, and a cart.
fn moved() -> Cluster {
    let mut shop = shop();
    let (sourcing, policy) = (v1::Sourcing::FewestSplits, v1::ShortagePolicy::AllOrNothing);
    let lines = [("sku-0", "east", 2), ("sku-0", "main", 1), ("sku-1", "main", 3)];
    ask(&mut shop, |request| orders::place(request, "a", &lines, sourcing, policy));
    ask(&mut shop, |request| carts::create(request, "cart", &[("sku-1", "main", 1)], 60));
    ask(&mut shop, |request| orders::confirm(request, "a", false, ""));
    ask(&mut shop, |request| orders::ship(request, "a", &[(1, "", 2)], "parcel-1", None));
    shop
}

/// A history in which one page is read last, and the read.
fn read(asked: v1::ListLedgerEntriesRequest) -> (History, Asked) {
    let (mut shop, asked) = (moved(), Asked::from(asked));
    shop.read(asked.clone());
    (written(shop), asked)
}

fn all() -> v1::ListLedgerEntriesRequest {
    v1::ListLedgerEntriesRequest { page_size: 99, ..Default::default() }
}

/// Changes the entries of a page.
fn entries(change: impl FnOnce(&mut Vec<v1::LedgerEntry>)) -> impl FnOnce(&mut Ended) {
    changes!(ListLedgerEntries, answer => change(&mut answer.entries))
}

/// The page as it was answered.
fn page_of(history: &History, asked: &Asked) -> v1::ListLedgerEntriesResponse {
    let ended = end_of(&mut history.clone(), asked).clone();
    let Outcome::Ok(Answer::ListLedgerEntries(answer)) = ended.outcome else { panic!("{ended:?}") };
    answer
}

fn key(entry: &v1::LedgerEntry) -> String {
    format!("{}\n{}", entry.revision, entry.position)
}

/// The history holds with the call's ending changed.
#[track_caller]
fn holds(history: &History, asked: &Asked, change: impl FnOnce(&mut Ended)) {
    let mut history = history.clone();
    change(end_of(&mut history, asked));
    let report = report(&history);
    assert!(report.holds(), "{:#?}", report.violations);
}

/// Changes a field.
type Change = fn(&mut v1::LedgerEntry);

fn balances(entry: &mut v1::LedgerEntry) -> &mut v1::Stock {
    entry.balances.as_mut().expect("it has balances")
}

#[test]
fn a_movement_that_is_read_wrongly_in_any_field_is_found() {
    let (history, asked) = read(all());
    let moved = page_of(&history, &asked).entries;
    let shipped = moved.last().expect("a shipment").clone();
    let names = [&shipped.order_id, &shipped.reservation_id, &shipped.document_id, &shipped.reference];
    assert_eq!(names, ["a", "", "parcel-1", "track-parcel-1"]);
    assert_eq!(
        (shipped.from_bucket(), shipped.to_bucket()),
        (v1::Bucket::Committed, v1::Bucket::Unspecified)
    );
    assert_eq!(
        (shipped.reason(), shipped.quantity, shipped.actor.as_str()),
        (v1::Reason::Shipment, 2, "anonymous")
    );
    assert_eq!((shipped.request_id.len(), shipped.balances.expect("it has some").etag.as_str()), (36, ""));
    let changes: [(&str, Change); 25] = [
        ("at revision", |entry| entry.revision += 1),
        ("position 1", |entry| entry.position += 1),
        ("log time", |entry| later(&mut entry.time)),
        ("log time 0", |entry| entry.time = None),
        ("sku-02 at east", |entry| entry.sku_id.push('2')),
        ("sku-0 at main", |entry| "main".clone_into(&mut entry.location_id)),
        ("from BUCKET_RESERVED", |entry| entry.from_bucket = v1::Bucket::Reserved.into()),
        ("to BUCKET_DAMAGED", |entry| entry.to_bucket = v1::Bucket::Damaged.into()),
        ("of 3 sku-0", |entry| entry.quantity += 1),
        ("REASON_OTHER", |entry| entry.reason = v1::Reason::Other.into()),
        ("by \"somebody\"", |entry| "somebody".clone_into(&mut entry.actor)),
        ("request \"\"", |entry| entry.request_id.clear()),
        ("order \"\"", |entry| entry.order_id.clear()),
        ("reservation \"a\"", |entry| "a".clone_into(&mut entry.reservation_id)),
        ("document \"\"", |entry| entry.document_id.clear()),
        ("reference \"\"", |entry| entry.reference.clear()),
        ("which left nothing", |entry| entry.balances = None),
        ("which left sku-1", |entry| "sku-1".clone_into(&mut balances(entry).sku_id)),
        ("which left sku-0 at main", |entry| "main".clone_into(&mut balances(entry).location_id)),
        ("available 4", |entry| balances(entry).available += 1),
        ("reserved 1", |entry| balances(entry).reserved += 1),
        ("committed 1", |entry| balances(entry).committed += 1),
        ("on hand 4", |entry| balances(entry).on_hand += 1),
        ("changed at revision 1,", |entry| balances(entry).revision = 1),
        ("etag \"1-0\"", |entry| "1-0".clone_into(&mut balances(entry).etag)),
    ];
    for (saw, change) in changes {
        let change = entries(|entries| change(entries.last_mut().expect("a shipment")));
        let row = format!("of which row {} is", moved.len());
        finds(&history, &asked, change, &["list_ledger_entries", &row, saw]);
    }
    finds(&history, &asked, later_header, &["in the header"]);
}

#[test]
fn a_page_of_the_ledger_that_is_wrong_is_found() {
    let (history, asked) = read(v1::ListLedgerEntriesRequest { page_size: 3, ..Default::default() });
    let page = page_of(&history, &asked);
    let skus: Vec<_> = page.entries.iter().map(|entry| (entry.sku_id.as_str(), entry.quantity)).collect();
    assert_eq!(skus, [("sku-0", 12), ("sku-1", 12), ("sku-0", 5)]);
    finds(
        &history,
        &asked,
        entries(|rows| _ = rows.remove(1)),
        &["2 rows, of which row 2 is", "of 12 sku-1"],
    );
    finds(
        &history,
        &asked,
        entries(|rows| _ = rows.pop()),
        &["2 rows", "no more rows", "of 5 sku-0 at east"],
    );
    finds(&history, &asked, entries(|rows| rows[1] = rows[0].clone()), &["row 2 is", "of 12 sku-1"]);
    finds(&history, &asked, entries(|rows| rows.swap(0, 1)), &["row 1 is"]);
    let longer = entries(|rows| rows.push(rows[0].clone()));
    finds(&history, &asked, longer, &["a page of 4 rows", "3 at most"]);
    // The token says where the page ends.
    let ends = |next: String| changes!(ListLedgerEntries, answer => answer.next_page_token = next);
    finds(
        &history,
        &asked,
        ends(String::new()),
        &["3 rows, of which row 4 is no more rows", "of 7 sku-0 at shut"],
    );
    finds(&history, &asked, ends(token(&key(&page.entries[1]))), &["2 rows, of which row 3 is no more rows"]);
    let far = token(&format!("{}\n0", page.entries[2].revision + 1));
    finds(&history, &asked, ends(far), &["row 4 is no more rows", "of 7 sku-0 at shut"]);
    for nowhere in ["00".to_owned(), token("1"), token("a\n0"), token("1\na")] {
        finds(&history, &asked, ends(nowhere), &["a token for the next page that leads nowhere new"]);
    }
    let early = |kept: usize, next: &str| {
        let next = token(next);
        move |ended: &mut Ended| {
            changes!(ListLedgerEntries, answer => {
                answer.entries.truncate(kept);
                answer.next_page_token = next;
            })(ended);
        }
    };
    holds(&history, &asked, early(2, &key(&page.entries[1])));
    holds(&history, &asked, early(0, "0\n7"));
}

#[test]
fn a_further_page_of_the_ledger_begins_behind_the_one_before() {
    let shop = moved();
    let ledger = shop.ledger();
    // In the middle of an entry that moved several.
    let at = ledger.iter().position(|entry| entry.position == 1).expect("several were moved at once");
    let behind = format!("{}\n{}", ledger[at].revision.get(), ledger[at].position);
    for (newest_first, rows, first) in
        [(false, ledger.len() - at - 1, &ledger[at + 1]), (true, at, &ledger[at - 1])]
    {
        let (history, asked) =
            read(v1::ListLedgerEntriesRequest { page_token: token(&behind), newest_first, ..all() });
        let page = page_of(&history, &asked);
        assert_eq!(page.entries.len(), rows);
        assert_eq!(
            (page.entries[0].revision, page.entries[0].position),
            (first.revision.get(), first.position)
        );
        finds(&history, &asked, entries(|rows| _ = rows.remove(0)), &["row 1 is"]);
        let again = convert::ledger_entry(&ledger[at]);
        finds(&history, &asked, entries(|rows| rows.insert(0, again)), &["row 1 is"]);
        let back = changes!(ListLedgerEntries, answer => answer.next_page_token = token(&behind));
        finds(&history, &asked, back, &["leads nowhere new"]);
    }
}

#[test]
fn a_page_that_should_begin_with_the_newest_is_held_to_that() {
    let newest_first =
        v1::ListLedgerEntriesRequest { page_size: 3, newest_first: true, ..Default::default() };
    let (history, asked) = read(newest_first);
    let page = page_of(&history, &asked);
    assert_eq!(page.entries[0].reason(), v1::Reason::Shipment);
    finds(&history, &asked, entries(|rows| rows.reverse()), &["row 1 is", "REASON_SHIPMENT"]);
    finds(&history, &asked, entries(|rows| _ = rows.remove(1)), &["2 rows, of which row 2 is"]);
    let ends = |next: String| changes!(ListLedgerEntries, answer => answer.next_page_token = next);
    finds(&history, &asked, ends(String::new()), &["row 4 is no more rows"]);
    finds(&history, &asked, ends(token(&key(&page.entries[1]))), &["row 3 is no more rows"]);
    let early = changes!(ListLedgerEntries, answer => {
        answer.entries.pop();
        answer.next_page_token = token(&key(&page.entries[1]));
    });
    holds(&history, &asked, early);
    // Behind the newest there is nothing newer.
    let (history, asked) = read(v1::ListLedgerEntriesRequest {
        page_token: token(&key(&page.entries[1])),
        newest_first: true,
        ..all()
    });
    let upwards = token(&key(&page.entries[0]));
    finds(&history, &asked, ends(upwards), &["leads nowhere new"]);
}

#[test]
fn entries_that_a_filter_does_not_take_are_found() {
    let shop = moved();
    let ledger = shop.ledger();
    let paid = ledger.iter().find(|entry| entry.from == Some(Bucket::Reserved));
    let paid = paid.expect("it was paid");
    let revision = paid.revision.get();
    let time = Some(convert::timestamp(paid.time));
    let name = |text: &str| text.to_owned();
    let count = |takes: &dyn Fn(&LedgerEntry) -> bool| ledger.iter().filter(|entry| takes(entry)).count();
    let of_a = |entry: &LedgerEntry| entry.order.as_ref().is_some_and(|id| id.as_str() == "a");
    let filters = [
        (
            v1::ListLedgerEntriesRequest { sku_id: name("sku-1"), ..all() },
            count(&|e| e.sku.as_str() == "sku-1"),
        ),
        (
            v1::ListLedgerEntriesRequest { location_id: name("east"), ..all() },
            count(&|entry| entry.location.as_str() == "east"),
        ),
        (
            v1::ListLedgerEntriesRequest { sku_id: name("sku-0"), location_id: name("main"), ..all() },
            count(&|entry| entry.sku.as_str() == "sku-0" && entry.location.as_str() == "main"),
        ),
        (v1::ListLedgerEntriesRequest { order_id: name("a"), ..all() }, count(&of_a)),
        (
            v1::ListLedgerEntriesRequest { order_id: name("a"), location_id: name("east"), ..all() },
            count(&|entry| of_a(entry) && entry.location.as_str() == "east"),
        ),
        (v1::ListLedgerEntriesRequest { reservation_id: name("cart"), ..all() }, 1),
        (
            v1::ListLedgerEntriesRequest { from_revision: revision, ..all() },
            count(&|entry| entry.revision.get() >= revision),
        ),
        (
            v1::ListLedgerEntriesRequest { to_revision: revision, ..all() },
            count(&|entry| entry.revision.get() <= revision),
        ),
        (v1::ListLedgerEntriesRequest { start_time: time, ..all() }, count(&|entry| entry.time >= paid.time)),
        (v1::ListLedgerEntriesRequest { end_time: time, ..all() }, count(&|entry| entry.time < paid.time)),
        (
            v1::ListLedgerEntriesRequest {
                sku_id: name("sku-1"),
                start_time: time,
                newest_first: true,
                ..all()
            },
            count(&|entry| entry.sku.as_str() == "sku-1" && entry.time >= paid.time),
        ),
    ];
    for (request, rows) in filters {
        let (history, asked) = read(request);
        let page = page_of(&history, &asked).entries;
        assert!(rows > 0 && rows < ledger.len(), "{asked:?}");
        assert_eq!(page.len(), rows, "{asked:?}");
        finds(&history, &asked, entries(|rows| _ = rows.remove(0)), &["it should have seen"]);
        // One that the filter doesn't take stands among them where it happened.
        let everything = {
            let (history, asked) = read(all());
            page_of(&history, &asked).entries
        };
        let other = everything.into_iter().find(|entry| !page.contains(entry)).expect("not all are taken");
        let among = entries(|rows| {
            rows.push(other);
            let Asked::ListLedgerEntries(request) = &asked else { panic!("another call") };
            rows.sort_by_key(|entry| (entry.revision, entry.position));
            if request.newest_first {
                rows.reverse();
            }
        });
        finds(&history, &asked, among, &["it should have seen"]);
    }
    for request in [
        v1::ListLedgerEntriesRequest { sku_id: name("sku-9"), ..all() },
        v1::ListLedgerEntriesRequest { order_id: name("cart"), ..all() },
        v1::ListLedgerEntriesRequest { location_id: name("shut"), reservation_id: name("cart"), ..all() },
        v1::ListLedgerEntriesRequest { location_id: name("shut"), order_id: name("a"), ..all() },
        v1::ListLedgerEntriesRequest { sku_id: name("sku-1"), location_id: name("east"), ..all() },
        v1::ListLedgerEntriesRequest {
            reservation_id: name("cart"),
            end_time: time,
            to_revision: 1,
            ..all()
        },
    ] {
        let (history, asked) = read(request);
        assert_eq!(page_of(&history, &asked).entries, []);
        let wrongly = entries(|rows| rows.push(v1::LedgerEntry::default()));
        finds(&history, &asked, wrongly, &["1 rows", "0 rows"]);
    }
}

#[test]
fn a_page_is_held_against_the_ledger_where_it_was_served() {
    let mut shop = shop();
    shop.read(all().into());
    let before = shop.ledger().len();
    ask(&mut shop, |request| carts::create(request, "cart", &[("sku-1", "main", 1)], 60));
    assert_eq!(shop.ledger().len(), before + 1);
    let mut history = written(shop);
    let asked = Asked::from(all());
    assert_eq!(page_of(&history, &asked).entries.len(), before);
    assert!(report(&history).holds());
    // It says that it is from later than it is.
    let last = history.last_entry().expect("a log");
    let hidden = |ended: &mut Ended| {
        let header = ended.header.as_mut().expect("it has one");
        (header.revision, header.served_revision) = (last, last);
    };
    finds(&history, &asked, hidden, &["no more rows", "REASON_RESERVATION"]);
    // It says where it is from, and was called after later ones had been answered.
    let end = history.operations.iter().map(|operation| operation.invoked_ns).max().expect("calls");
    let operation = history.operations.iter_mut().rfind(|operation| operation.asked == asked).expect("asked");
    operation.invoked_ns = end + 1_000_000;
    operation.ended.as_mut().expect("it has ended").at_ns = end + 2_000_000;
    let report = report(&history);
    let stale = |text: &str| text.starts_with("stale read: ") && text.contains("list_ledger_entries");
    let found = report.violations.iter().any(|found| found.check == Check::C && stale(&found.text));
    assert!(found, "{:#?}", report.violations);
}

/// Of what happened by chance.
#[test]
fn a_page_of_orders_or_of_the_ledger_that_lacks_any_row_is_found() {
    let shape = Shape { operations: 500, skus: 3, overlap: 4, units: 12, rich: true, fault: Fault::None };
    let (mut pages, mut without) = (0, 0);
    for seed in 100..103 {
        let memory = Memory::default();
        Cluster::record(seed, shape, memory.clone()).expect("memory takes all");
        let history = History::read(memory.take().as_slice()).expect("a sound history");
        assert!(report(&history).holds());
        let mut changed = history.clone();
        let mut here = 0;
        for operation in &mut changed.operations {
            let Some(ended) = &mut operation.ended else { continue };
            let is_shorter = match &mut ended.outcome {
                Outcome::Ok(Answer::ListLedgerEntries(answer)) => answer.entries.pop().is_some(),
                Outcome::Ok(Answer::ListOrders(answer)) => answer.orders.pop().is_some(),
                Outcome::Ok(Answer::GetStockAsOf(answer)) => answer.stock.pop().is_some(),
                _ => continue,
            };
            without += usize::from(!is_shorter);
            here += u64::from(is_shorter);
        }
        assert_eq!(report(&changed).count(Check::D).violations, here, "seed {seed}");
        pages += here;
    }
    assert!(pages > 60 && without > 3, "{pages} pages with rows, {without} without");
}

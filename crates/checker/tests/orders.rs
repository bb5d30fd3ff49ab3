//! What is done to orders of a small shop: wrong answers, refusals and entries are found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{
    STALE_ETAG, TOLD, ask, changes, finds, finds_other_content, finds_other_refusals, later, set, shop,
    written,
};
use stockade_checker::Ended;
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_proto::v1::{ShortagePolicy, Sourcing};
use support::{Cluster, carts, orders};

fn place(shop: &mut Cluster, id: &str, lines: &[(&str, &str, i64)]) -> Asked {
    let (sourcing, policy) = (Sourcing::FewestSplits, ShortagePolicy::AllOrNothing);
    ask(shop, |request| orders::place(request, id, lines, sourcing, policy))
}

fn confirm(shop: &mut Cluster, id: &str) -> Asked {
    ask(shop, |request| orders::confirm(request, id, false, ""))
}

fn ship(shop: &mut Cluster, id: &str, lines: &[(i32, &str, i64)], document: &str) -> Asked {
    ask(shop, |request| orders::ship(request, id, lines, document, None))
}

fn close(shop: &mut Cluster, id: &str) -> Asked {
    ask(shop, |request| orders::close(request, id, ""))
}

#[test]
fn a_wrong_answer_to_an_order_that_is_split_or_takes_what_is_there_is_found() {
    let mut shop = shop();
    let split = place(&mut shop, "split", &[("sku-0", "", 16), ("service", "", 3)]);
    let part = ask(&mut shop, |request| {
        let lines = [("sku-0", "east", 4), ("sku-1", "", 2)];
        orders::place(request, "part", &lines, Sourcing::Priority, ShortagePolicy::Partial)
    });
    let history = written(shop);

    finds(&history, &split, changes!(PlaceOrder, answer => answer.order_id.push('2')), TOLD);
    let state = changes!(PlaceOrder, answer => {
        assert_eq!(answer.state(), v1::OrderState::PendingPayment);
        answer.state = v1::OrderState::Confirmed.into();
    });
    finds(&history, &split, state, TOLD);
    finds(&history, &split, changes!(PlaceOrder, answer => later(&mut answer.expire_time)), TOLD);
    let moved = changes!(PlaceOrder, answer => {
        let sources = answer.sources.iter().map(|at| (at.line, at.location_id.as_str(), at.quantity));
        assert_eq!(sources.collect::<Vec<_>>(), [(1, "east", 4), (1, "main", 12), (2, "", 3)]);
        answer.sources[0].quantity += 1;
        answer.sources[1].quantity -= 1;
    });
    finds(&history, &split, moved, &["quantity: 5", "quantity: 11", "the log, run again, decides"]);
    finds(&history, &split, changes!(PlaceOrder, answer => answer.sources.swap(0, 1)), TOLD);
    finds(&history, &split, changes!(PlaceOrder, answer => answer.sources[1].line = 2), TOLD);
    finds(&history, &split, changes!(PlaceOrder, answer => answer.sources[2].location_id.push('x')), TOLD);
    finds(&history, &split, changes!(PlaceOrder, answer => answer.sources.pop()), TOLD);

    let all = changes!(PlaceOrder, answer => {
        let sources = answer.sources.iter().map(|at| (at.line, at.location_id.as_str(), at.quantity));
        assert_eq!(sources.collect::<Vec<_>>(), [(1, "east", 1), (2, "main", 2)]);
        answer.sources[0].quantity = 4;
    });
    finds(&history, &part, all, &["quantity: 4", "quantity: 1"]);
}

#[test]
fn a_wrong_answer_to_what_is_done_to_an_order_is_found() {
    let mut shop = shop();
    place(&mut shop, "a", &[("sku-0", "", 16), ("sku-1", "", 3)]);
    let extend = ask(&mut shop, |request| orders::extend(request, "a", 90, ""));
    let no_longer = ask(&mut shop, |request| orders::extend(request, "a", 1, ""));
    let confirm = confirm(&mut shop, "a");
    let first = ship(&mut shop, "a", &[(1, "main", 5), (2, "", 1), (1, "", 5)], "parcel-1");
    let cancel = ask(&mut shop, |request| orders::cancel(request, "a", &[(2, "", 1)]));
    let second = ship(&mut shop, "a", &[], "");
    let done = close(&mut shop, "a");
    let give_back = ask(&mut shop, |request| orders::give_back(request, "a", &[(1, "main", 2), (2, "", 1)]));
    let history = written(shop);

    finds(&history, &extend, changes!(ExtendOrder, answer => answer.order_id.clear()), TOLD);
    finds(&history, &extend, changes!(ExtendOrder, answer => later(&mut answer.expire_time)), TOLD);
    let shorter = changes!(ExtendOrder, answer => {
        answer.expire_time.as_mut().expect("it has an end").seconds -= 89;
    });
    finds(&history, &no_longer, shorter, TOLD);
    finds(&history, &confirm, changes!(ConfirmOrder, answer => answer.order_id.clear()), TOLD);
    let state = changes!(ConfirmOrder, answer => answer.state = v1::OrderState::PendingPayment.into());
    finds(&history, &confirm, state, TOLD);

    let state = changes!(ShipOrder, answer => {
        assert_eq!((answer.state(), answer.shipped), (v1::OrderState::PartiallyShipped, 11));
        answer.state = v1::OrderState::Shipped.into();
    });
    finds(&history, &first, state, TOLD);
    finds(&history, &first, changes!(ShipOrder, answer => answer.order_id.clear()), TOLD);
    finds(&history, &first, changes!(ShipOrder, answer => answer.shipped += 1), TOLD);
    let parcel = changes!(ShipOrder, answer => {
        assert_eq!(answer.parcel, 2);
        answer.parcel = 1;
    });
    finds(&history, &second, parcel, &["parcel: 1", "parcel: 2"]);

    let more = changes!(CancelOrder, answer => {
        assert_eq!((answer.state(), answer.cancelled), (v1::OrderState::PartiallyShipped, 1));
        answer.cancelled = 2;
    });
    finds(&history, &cancel, more, &["cancelled: 2", "cancelled: 1"]);
    let state = changes!(CancelOrder, answer => answer.state = v1::OrderState::Cancelled.into());
    finds(&history, &cancel, state, TOLD);
    let state = changes!(CloseOrder, answer => {
        assert_eq!(answer.state(), v1::OrderState::Closed);
        answer.state = v1::OrderState::Shipped.into();
    });
    finds(&history, &done, state, TOLD);
    finds(&history, &done, changes!(CloseOrder, answer => answer.order_id.clear()), TOLD);
    let state = changes!(ReturnOrder, answer => {
        assert_eq!((answer.state(), answer.returned), (v1::OrderState::PartiallyReturned, 3));
        answer.state = v1::OrderState::Closed.into();
    });
    finds(&history, &give_back, state, TOLD);
    finds(&history, &give_back, changes!(ReturnOrder, answer => answer.returned += 1), TOLD);
}

#[test]
fn a_wrong_answer_about_an_order_whose_units_were_taken_anew_is_found() {
    let mut shop = shop();
    place(&mut shop, "a", &[("sku-0", "", 16)]);
    place(&mut shop, "short", &[("sku-1", "", 12)]);
    shop.wait(60);
    place(&mut shop, "other", &[("sku-1", "", 1)]);
    let again = ask(&mut shop, |request| orders::confirm(request, "a", true, ""));
    let short = ask(&mut shop, |request| orders::confirm(request, "short", true, ""));
    let too_late = confirm(&mut shop, "short");
    let history = written(shop);
    let state = changes!(ConfirmOrder, answer => {
        assert_eq!(answer.state(), v1::OrderState::Confirmed);
        answer.state = v1::OrderState::Expired.into();
    });
    finds(&history, &again, state, TOLD);
    let keys = ["shortages", "sku_id", "asked", "available", "next_expiry_time_us"];
    finds_other_refusals(&history, &short, "INSUFFICIENT_STOCK", &keys);
    finds_other_refusals(
        &history,
        &too_late,
        "RESERVATION_EXPIRED",
        &["order_id", "state", "expire_time_us"],
    );
}

#[test]
fn an_order_that_closed_by_itself_is_told_to_be_closed() {
    let mut shop = shop();
    place(&mut shop, "a", &[("sku-0", "", 2)]);
    confirm(&mut shop, "a");
    let sent = ask(&mut shop, |request| orders::ship(request, "a", &[], "", Some(9)));
    shop.wait(9);
    let closed = close(&mut shop, "a");
    let history = written(shop);
    let state = changes!(ShipOrder, answer => {
        assert_eq!(answer.state(), v1::OrderState::Shipped, "it closes later");
        answer.state = v1::OrderState::Closed.into();
    });
    finds(&history, &sent, state, TOLD);
    finds_other_refusals(
        &history,
        &closed,
        "ILLEGAL_TRANSITION",
        &["order_id", "state", "operation", "allowed"],
    );
    let done = |ended: &mut Ended| {
        let state = v1::OrderState::Closed.into();
        let closed = v1::CloseOrderResponse { order_id: "a".to_owned(), state, ..Default::default() };
        ended.outcome = Outcome::Ok(closed.into());
    };
    finds(&history, &closed, done, &["ILLEGAL_TRANSITION", "\"CLOSED\""]);
}

/// Requests that differ from one in a field each.
macro_rules! others {
    ($asked:expr, $variant:ident, $request:ident => $($change:expr),* $(,)?) => {{
        let Asked::$variant(asked) = $asked.clone() else { panic!("{:?}", $asked) };
        [$({
            let mut $request = asked.clone();
            $change;
            Asked::from($request)
        }),*]
    }};
}

#[test]
fn other_content_in_the_log_than_was_asked_of_an_order_is_found() {
    let mut shop = shop();
    let placed = place(&mut shop, "a", &[("sku-0", "", 16)]);
    let etag = shop.etag_of_order("a");
    let extended = ask(&mut shop, |request| orders::extend(request, "a", 90, &etag));
    let confirmed = ask(&mut shop, |request| orders::confirm(request, "a", true, ""));
    let shipped = ask(&mut shop, |request| orders::ship(request, "a", &[(1, "main", 5)], "b", Some(9)));
    let cancelled = ask(&mut shop, |request| orders::cancel(request, "a", &[(1, "main", 1)]));
    ship(&mut shop, "a", &[], "");
    let closed = close(&mut shop, "a");
    let returned = ask(&mut shop, |request| orders::give_back(request, "a", &[(1, "main", 1)]));
    let history = written(shop);

    let others = others!(placed, PlaceOrder, request =>
        request.sourcing = Sourcing::SplitProportional.into(),
        request.sourcing = 0,
        request.shortage_policy = ShortagePolicy::Partial.into(),
        request.customer_id.clear(),
        request.lines[0].quantity += 1,
    );
    finds_other_content(&history, &placed, &others);
    let others = others!(extended, ExtendOrder, request =>
        request.order_id.push('2'),
        request.hold_duration = None,
        request.etag.clear(),
        STALE_ETAG.clone_into(&mut request.etag),
    );
    finds_other_content(&history, &extended, &others);
    let others = others!(confirmed, ConfirmOrder, request =>
        request.reacquire = false,
        request.payment_reference.clear(),
        STALE_ETAG.clone_into(&mut request.etag),
    );
    finds_other_content(&history, &confirmed, &others);
    let others = others!(shipped, ShipOrder, request =>
        request.lines[0].location_id.clear(),
        request.lines[0].quantity += 1,
        request.document_id.clear(),
        request.close_after = None,
        request.close_after = Some(carts::seconds(10)),
        request.tracking_number.clear(),
        STALE_ETAG.clone_into(&mut request.etag),
    );
    finds_other_content(&history, &shipped, &others);
    let others = others!(cancelled, CancelOrder, request =>
        request.lines.clear(),
        request.lines[0].location_id.clear(),
        STALE_ETAG.clone_into(&mut request.etag),
    );
    finds_other_content(&history, &cancelled, &others);
    let others = others!(closed, CloseOrder, request =>
        request.order_id.push('2'),
        STALE_ETAG.clone_into(&mut request.etag),
    );
    finds_other_content(&history, &closed, &others);
    let others = others!(returned, ReturnOrder, request =>
        request.lines[0].location_id.clear(),
        request.lines[0].disposition = v1::Disposition::Scrap.into(),
        STALE_ETAG.clone_into(&mut request.etag),
    );
    finds_other_content(&history, &returned, &others);
}

#[test]
fn other_etags_and_strategies_in_the_log_than_were_asked_of_a_reservation_are_found() {
    let mut shop = shop();
    let created = ask(&mut shop, |request| carts::create(request, "cart", &[("sku-0", "", 4)], 60));
    let extended = ask(&mut shop, |request| carts::extend(request, "cart", 90));
    let moved = ask(&mut shop, |request| carts::relocate(request, "cart", &[], "east"));
    let released = ask(&mut shop, |request| carts::release(request, "cart", &[(1, 1)]));
    let paid = carts::Paid::By("card");
    let committed = ask(&mut shop, |request| carts::commit(request, "cart", "a", &[(1, 1)], paid));
    let history = written(shop);
    let others =
        others!(created, CreateReservation, request => request.sourcing = Sourcing::MostStock.into());
    finds_other_content(&history, &created, &others);
    let stale = || STALE_ETAG.to_owned();
    let others = others!(extended, ExtendReservation, request => request.etag = stale());
    finds_other_content(&history, &extended, &others);
    let others = others!(moved, MoveReservation, request => request.etag = stale());
    finds_other_content(&history, &moved, &others);
    let others = others!(released, ReleaseReservation, request =>
        request.etag = stale(),
        "main".clone_into(&mut request.lines[0].location_id),
    );
    finds_other_content(&history, &released, &others);
    let others = others!(committed, CommitReservation, request =>
        request.etag = stale(),
        "main".clone_into(&mut request.lines[0].location_id),
    );
    finds_other_content(&history, &committed, &others);
}

#[test]
fn refusals_of_what_is_asked_of_orders_are_held_against_the_log() {
    let mut shop = shop();
    place(&mut shop, "held", &[("sku-0", "", 6)]);
    place(&mut shop, "sent", &[("sku-1", "", 2)]);
    confirm(&mut shop, "sent");
    ship(&mut shop, "sent", &[], "parcel-1");
    let state = ["order_id", "state", "operation", "allowed"];
    let extend =
        |shop: &mut Cluster, id: &str, etag: &str| ask(shop, |request| orders::extend(request, id, 60, etag));
    let refused = [
        (extend(&mut shop, "none", ""), "NOT_FOUND", vec![]),
        (extend(&mut shop, "sent", ""), "ILLEGAL_TRANSITION", state.to_vec()),
        (extend(&mut shop, "held", STALE_ETAG), "ETAG_MISMATCH", vec!["etag"]),
        (
            ask(&mut shop, |request| orders::confirm(request, "held", false, STALE_ETAG)),
            "ETAG_MISMATCH",
            vec!["etag"],
        ),
        (close(&mut shop, "none"), "NOT_FOUND", vec![]),
        (close(&mut shop, "held"), "ILLEGAL_TRANSITION", state.to_vec()),
        (ask(&mut shop, |request| orders::close(request, "sent", STALE_ETAG)), "ETAG_MISMATCH", vec!["etag"]),
        (ship(&mut shop, "held", &[], "parcel-1"), "ALREADY_EXISTS", vec![]),
        (ship(&mut shop, "held", &[], ""), "ILLEGAL_TRANSITION", state.to_vec()),
        (
            ask(&mut shop, |request| {
                orders::cancel(request, "held", &[(1, "main", 5), (1, "east", 1), (1, "", 6)])
            }),
            "QUANTITY_EXCEEDED",
            vec!["order_id", "lines"],
        ),
        (ask(&mut shop, |request| orders::cancel(request, "held", &[(2, "", 1)])), "NOT_FOUND", vec![]),
        (
            ask(&mut shop, |request| orders::give_back(request, "sent", &[(1, "gone", 1)])),
            "NOT_FOUND",
            vec![],
        ),
        (
            place(&mut shop, "short", &[("sku-0", "", 99)]),
            "INSUFFICIENT_STOCK",
            vec!["shortages", "sku_id", "asked", "available", "next_expiry_time_us"],
        ),
    ];
    let history = written(shop);
    for (asked, reason, keys) in refused {
        finds_other_refusals(&history, &asked, reason, &keys);
    }
}

#[test]
fn lines_in_more_parts_than_may_be_are_refused_as_too_large() {
    let mut shop = shop();
    for location in ["main", "east", "spare"] {
        let units = set(&mut shop, location, 9_000, None);
        shop.alone(units);
    }
    let lines = vec![("sku-0", "", 3); 2_000];
    let order = ask(&mut shop, |request| {
        orders::place(request, "a", &lines, Sourcing::SplitProportional, ShortagePolicy::AllOrNothing)
    });
    let cart = ask(&mut shop, |request| {
        let Asked::CreateReservation(mut request) = carts::create(request, "cart", &lines, 60) else {
            unreachable!("it is one")
        };
        request.sourcing = Sourcing::SplitProportional.into();
        request.into()
    });
    let history = written(shop);
    finds_other_refusals(&history, &order, "TOO_LARGE", &["order_id"]);
    finds_other_refusals(&history, &cart, "TOO_LARGE", &["reservation_id"]);
}

//! What is done to reservations of a small shop: wrong answers, refusals and entries are found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{
    TOLD, ask, changes, end_of, finds, finds_other_content, finds_other_refusals, later, place, shop, written,
};
use stockade_checker::Ended;
use stockade_history::{Answer, Asked, Fate, Outcome};
use stockade_proto::v1;
use support::Cluster;
use support::carts::{self, Paid};

/// A reservation with a line of each kind: at the location that was named, not tracked, and where there is enough.
const LINES: [(&str, &str, i64); 3] = [("sku-0", "east", 2), ("service", "", 4), ("sku-1", "", 3)];

fn reserve(shop: &mut Cluster, id: &str, lines: &[(&str, &str, i64)], hold_s: i64) -> Asked {
    ask(shop, |request| carts::create(request, id, lines, hold_s))
}

fn commit(shop: &mut Cluster, id: &str, order: &str, lines: &[(i32, i64)], paid: Paid) -> Asked {
    ask(shop, |request| carts::commit(request, id, order, lines, paid))
}

fn release(shop: &mut Cluster, id: &str, lines: &[(i32, i64)]) -> Asked {
    ask(shop, |request| carts::release(request, id, lines))
}

fn relocate(shop: &mut Cluster, id: &str, lines: &[i32], location: &str) -> Asked {
    ask(shop, |request| carts::relocate(request, id, lines, location))
}

fn refused(outcome: &mut Outcome<Answer>, reason: &str) {
    *outcome = Outcome::Refused {
        reason: reason.to_owned(),
        message: String::new(),
        metadata: std::collections::BTreeMap::new(),
        logged: true,
        fate: Some(Fate::NotApplied),
    };
}

#[test]
fn a_wrong_answer_to_a_new_or_a_longer_reservation_is_found() {
    let mut shop = shop();
    let create = reserve(&mut shop, "cart", &LINES, 60);
    let extend = ask(&mut shop, |request| carts::extend(request, "cart", 90));
    let no_longer = ask(&mut shop, |request| carts::extend(request, "cart", 1));
    let history = written(shop);

    let id = changes!(CreateReservation, answer => answer.reservation_id.push('2'));
    finds(&history, &create, id, &["reservation_id: \"cart2\"", "reservation_id: \"cart\""]);
    let state = changes!(CreateReservation, answer => {
        assert_eq!(answer.state(), v1::ReservationState::Active);
        answer.state = v1::ReservationState::PartiallyCommitted.into();
    });
    finds(&history, &create, state, TOLD);
    finds(&history, &create, changes!(CreateReservation, answer => later(&mut answer.expire_time)), TOLD);
    let elsewhere = changes!(CreateReservation, answer => {
        let sources: Vec<_> = answer.sources.iter().map(|at| (at.line, at.location_id.as_str(), at.quantity)).collect();
        assert_eq!(sources, [(1, "east", 2), (2, "", 4), (3, "main", 3)]);
        "main".clone_into(&mut answer.sources[0].location_id);
    });
    finds(
        &history,
        &create,
        elsewhere,
        &["LineSource { line: 1, location_id: \"main\"", "LineSource { line: 1, location_id: \"east\""],
    );
    finds(&history, &create, changes!(CreateReservation, answer => answer.sources.pop()), TOLD);
    finds(&history, &create, changes!(CreateReservation, answer => answer.sources[2].line = 2), TOLD);
    finds(&history, &create, changes!(CreateReservation, answer => answer.sources[2].quantity = 2), TOLD);
    finds(&history, &create, |ended: &mut Ended| refused(&mut ended.outcome, "INSUFFICIENT_STOCK"), TOLD);

    finds(&history, &extend, changes!(ExtendReservation, answer => answer.reservation_id.clear()), TOLD);
    finds(&history, &extend, changes!(ExtendReservation, answer => later(&mut answer.expire_time)), TOLD);
    let shorter = changes!(ExtendReservation, answer => {
        answer.expire_time.as_mut().expect("it has an end").seconds -= 89;
    });
    finds(&history, &no_longer, shorter, TOLD);
}

#[test]
fn a_wrong_answer_to_what_takes_units_of_a_reservation_is_found() {
    let mut shop = shop();
    reserve(&mut shop, "cart", &LINES, 60);
    let unpaid = commit(&mut shop, "cart", "unpaid", &[(1, 1), (2, 1), (1, 1)], Paid::In(30));
    let give_back = release(&mut shop, "cart", &[(2, 2)]);
    let paid = commit(&mut shop, "cart", "paid", &[], Paid::By("card"));
    let history = written(shop);

    finds(&history, &unpaid, changes!(CommitReservation, answer => answer.reservation_id.clear()), TOLD);
    finds(&history, &unpaid, changes!(CommitReservation, answer => answer.order_id.clear()), TOLD);
    finds(&history, &unpaid, changes!(CommitReservation, answer => later(&mut answer.expire_time)), TOLD);
    let state = changes!(CommitReservation, answer => {
        assert_eq!(answer.state(), v1::ReservationState::PartiallyCommitted);
        answer.state = v1::ReservationState::Committed.into();
    });
    finds(&history, &unpaid, state, TOLD);
    let order_state = changes!(CommitReservation, answer => {
        assert_eq!(answer.order_state(), v1::OrderState::PendingPayment);
        answer.order_state = v1::OrderState::Confirmed.into();
    });
    finds(&history, &unpaid, order_state, TOLD);
    let more = changes!(CommitReservation, answer => {
        assert_eq!(answer.committed, 3);
        answer.committed += 1;
    });
    finds(&history, &unpaid, more, &["committed: 4", "committed: 3"]);

    finds(&history, &give_back, changes!(ReleaseReservation, answer => answer.reservation_id.clear()), TOLD);
    let state = changes!(ReleaseReservation, answer => {
        assert_eq!(answer.state(), v1::ReservationState::PartiallyCommitted);
        answer.state = v1::ReservationState::Released.into();
    });
    finds(&history, &give_back, state, TOLD);
    let more = changes!(ReleaseReservation, answer => answer.released += 1);
    finds(&history, &give_back, more, &["released: 3", "released: 2"]);

    // The rest: 1 of the second line and 3 of the third.
    let all = changes!(CommitReservation, answer => {
        let states = (answer.state(), answer.order_state(), answer.committed);
        assert_eq!(states, (v1::ReservationState::Committed, v1::OrderState::Confirmed, 4));
        answer.order_state = v1::OrderState::PendingPayment.into();
    });
    finds(&history, &paid, all, TOLD);
    finds(&history, &paid, changes!(CommitReservation, answer => answer.expire_time = None), TOLD);
}

#[test]
fn a_wrong_answer_to_a_move_of_a_reservation_is_found() {
    let mut shop = shop();
    reserve(&mut shop, "cart", &LINES, 60);
    let some = relocate(&mut shop, "cart", &[1, 2, 1], "main");
    let all = relocate(&mut shop, "cart", &[], "main");
    let history = written(shop);
    let more = changes!(MoveReservation, answer => {
        assert_eq!(answer.moved, 2, "what is not tracked is nowhere");
        answer.moved += 4;
    });
    finds(&history, &some, more, &["moved: 6", "moved: 2"]);
    finds(&history, &some, changes!(MoveReservation, answer => answer.reservation_id.clear()), TOLD);
    finds(&history, &all, changes!(MoveReservation, answer => answer.moved += 1), &["moved: 1", "moved: 0"]);
}

#[test]
fn other_content_in_the_log_than_was_asked_of_a_reservation_is_found() {
    let mut shop = shop();
    let create = reserve(&mut shop, "cart", &LINES, 60);
    let extend = ask(&mut shop, |request| carts::extend(request, "cart", 90));
    let unpaid = commit(&mut shop, "cart", "unpaid", &[(1, 1)], Paid::In(30));
    let paid = commit(&mut shop, "cart", "paid", &[(2, 1)], Paid::By("card"));
    let give_back = release(&mut shop, "cart", &[(2, 1)]);
    let elsewhere = relocate(&mut shop, "cart", &[1], "main");
    let history = written(shop);

    let id = |asked: &Asked| asked.request_id().to_owned();
    let other = |change: fn(&mut v1::CreateReservationRequest)| {
        let Asked::CreateReservation(mut request) = create.clone() else { panic!("{create:?}") };
        change(&mut request);
        Asked::from(request)
    };
    let others = [
        other(|request| request.reservation_id.push('2')),
        other(|request| request.customer_id.clear()),
        other(|request| "USD".clone_into(&mut request.currency_code)),
        other(|request| request.lines[0].quantity += 1),
        other(|request| request.lines[0].unit_price_minor += 1),
        other(|request| request.lines[0].location_id.clear()),
        other(|request| request.lines.swap(0, 1)),
        other(|request| request.hold_duration = None),
    ];
    finds_other_content(&history, &create, &others);
    let others = [carts::extend(id(&extend), "cart", 91), carts::extend(id(&extend), "cart2", 90)];
    finds_other_content(&history, &extend, &others);
    let of_unpaid = |reservation, order, lines: &[(i32, i64)], paid| {
        carts::commit(id(&unpaid), reservation, order, lines, paid)
    };
    let others = [
        of_unpaid("cart2", "unpaid", &[(1, 1)], Paid::In(30)),
        of_unpaid("cart", "paid", &[(1, 1)], Paid::In(30)),
        of_unpaid("cart", "unpaid", &[(1, 2)], Paid::In(30)),
        of_unpaid("cart", "unpaid", &[], Paid::In(30)),
        of_unpaid("cart", "unpaid", &[(1, 1)], Paid::In(31)),
        of_unpaid("cart", "unpaid", &[(1, 1)], Paid::By("")),
    ];
    finds_other_content(&history, &unpaid, &others);
    let others = [
        carts::commit(id(&paid), "cart", "paid", &[(2, 1)], Paid::By("cash")),
        carts::commit(id(&paid), "cart", "paid", &[(2, 1)], Paid::In(30)),
    ];
    finds_other_content(&history, &paid, &others);
    let others =
        [carts::release(id(&give_back), "cart", &[]), carts::release(id(&give_back), "cart", &[(1, 1)])];
    finds_other_content(&history, &give_back, &others);
    let others = [
        carts::relocate(id(&elsewhere), "cart", &[], "main"),
        carts::relocate(id(&elsewhere), "cart", &[1], "east"),
    ];
    finds_other_content(&history, &elsewhere, &others);
}

#[test]
fn refusals_of_what_is_asked_of_reservations_are_held_against_the_log() {
    let mut shop = shop();
    let sku = v1::Sku { sku_id: "sku-1".to_owned(), max_per_order: 2, ..v1::Sku::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["max_per_order".to_owned()] });
    ask(&mut shop, |request_id| {
        v1::UpdateSkuRequest { request_id, sku: Some(sku), update_mask, validate_only: false }.into()
    });
    // A limit per order binds no reservation, but the order that takes of it.
    reserve(&mut shop, "cart", &LINES, 60);
    reserve(&mut shop, "given-back", &LINES[1..], 60);
    release(&mut shop, "given-back", &[]);
    reserve(&mut shop, "taken", &LINES[1..2], 60);
    commit(&mut shop, "taken", "order", &[(1, 1)], Paid::By(""));
    release(&mut shop, "taken", &[]);
    let extend = |shop: &mut Cluster, id: &str| ask(shop, |request| carts::extend(request, id, 60));
    let nobody = [("sku-9", "", 1)];
    let refused = [
        (reserve(&mut shop, "cart", &LINES, 60), "ALREADY_EXISTS", vec![]),
        (reserve(&mut shop, "a", &nobody, 60), "NOT_FOUND", vec![]),
        (reserve(&mut shop, "a", &[("sku-0", "gone", 1)], 60), "NOT_FOUND", vec![]),
        (reserve(&mut shop, "a", &[("sku-0", "shut", 1)], 60), "LOCATION_DISABLED", vec!["location_id"]),
        (
            reserve(&mut shop, "a", &[("sku-0", "east", 4)], 60),
            "INSUFFICIENT_STOCK",
            vec!["shortages", "sku_id", "asked", "available", "next_expiry_time_us"],
        ),
        (extend(&mut shop, "a"), "NOT_FOUND", vec![]),
        (extend(&mut shop, "given-back"), "ILLEGAL_TRANSITION", vec!["reservation_id", "state"]),
        (commit(&mut shop, "a", "b", &[], Paid::In(9)), "NOT_FOUND", vec![]),
        (commit(&mut shop, "cart", "order", &[], Paid::In(9)), "ALREADY_EXISTS", vec![]),
        (commit(&mut shop, "cart", "b", &[(4, 1)], Paid::In(9)), "NOT_FOUND", vec![]),
        (
            commit(&mut shop, "cart", "b", &[(1, 2), (1, 1)], Paid::In(9)),
            "QUANTITY_EXCEEDED",
            vec!["reservation_id", "lines"],
        ),
        (commit(&mut shop, "cart", "b", &[], Paid::By("")), "PURCHASE_LIMIT", vec!["breaches", "asked"]),
        (commit(&mut shop, "taken", "b", &[], Paid::By("")), "ILLEGAL_TRANSITION", vec!["state"]),
        (release(&mut shop, "a", &[]), "NOT_FOUND", vec![]),
        (release(&mut shop, "cart", &[(0, 1)]), "NOT_FOUND", vec![]),
        (release(&mut shop, "cart", &[(3, 4)]), "QUANTITY_EXCEEDED", vec!["reservation_id", "lines"]),
        (release(&mut shop, "given-back", &[]), "ILLEGAL_TRANSITION", vec!["reservation_id", "state"]),
        (relocate(&mut shop, "a", &[], "main"), "NOT_FOUND", vec![]),
        (relocate(&mut shop, "cart", &[], "gone"), "NOT_FOUND", vec![]),
        (relocate(&mut shop, "cart", &[4], "main"), "NOT_FOUND", vec![]),
        (relocate(&mut shop, "cart", &[], "shut"), "LOCATION_DISABLED", vec!["location_id"]),
        (
            relocate(&mut shop, "cart", &[], "east"),
            "INSUFFICIENT_STOCK",
            vec!["shortages", "sku_id", "asked", "available", "next_expiry_time_us"],
        ),
        (relocate(&mut shop, "taken", &[], "main"), "ILLEGAL_TRANSITION", vec!["reservation_id"]),
    ];
    let history = written(shop);
    for (asked, reason, keys) in refused {
        finds_other_refusals(&history, &asked, reason, &keys);
    }
}

#[test]
fn a_hold_that_is_told_to_last_beyond_its_time_is_found() {
    let mut shop = shop();
    reserve(&mut shop, "cart", &[("sku-0", "east", 5)], 60);
    reserve(&mut shop, "part", &[("sku-1", "", 5)], 60);
    commit(&mut shop, "part", "order", &[(1, 2)], Paid::By(""));
    let short = place(&mut shop, "short", "east", 1);
    shop.alone(short.clone());
    shop.wait(60);
    let enough = place(&mut shop, "enough", "east", 1);
    shop.alone(enough.clone());
    let calls = [
        ask(&mut shop, |request| carts::extend(request, "cart", 60)),
        commit(&mut shop, "cart", "b", &[], Paid::By("")),
        release(&mut shop, "part", &[]),
        relocate(&mut shop, "part", &[9], "main"),
    ];
    let history = written(shop);

    for asked in &calls {
        finds_other_refusals(&history, asked, "RESERVATION_EXPIRED", &["reservation_id", "expire_time_us"]);
        let settled = |ended: &mut Ended| refused(&mut ended.outcome, "ILLEGAL_TRANSITION");
        finds(&history, asked, settled, &["ILLEGAL_TRANSITION", "RESERVATION_EXPIRED"]);
    }
    let taken = |ended: &mut Ended| {
        let committed = v1::CommitReservationResponse {
            reservation_id: "cart".to_owned(),
            order_id: "b".to_owned(),
            committed: 5,
            ..v1::CommitReservationResponse::default()
        };
        ended.outcome = Outcome::Ok(committed.into());
    };
    finds(&history, &calls[1], taken, &["committed: 5", "RESERVATION_EXPIRED"]);
    // Whoever wants the units waits for the end of the hold, and no longer.
    let placed = |ended: &mut Ended| {
        let order_id = "short".to_owned();
        ended.outcome = Outcome::Ok(v1::PlaceOrderResponse { order_id, ..Default::default() }.into());
    };
    finds(&history, &short, placed, &["INSUFFICIENT_STOCK"]);
    let still_short = |ended: &mut Ended| refused(&mut ended.outcome, "INSUFFICIENT_STOCK");
    finds(&history, &enough, still_short, &["INSUFFICIENT_STOCK", "\"enough\""]);
}

#[test]
fn a_repetition_is_answered_as_the_first_call_was() {
    let mut shop = shop();
    let create = reserve(&mut shop, "cart", &LINES, 60);
    release(&mut shop, "cart", &[]);
    shop.alone(create.clone());
    let mut history = written(shop);
    let ended = end_of(&mut history, &create);
    assert!(ended.header.as_ref().is_some_and(|header| header.replayed));
    let again = changes!(CreateReservation, answer => {
        answer.state = v1::ReservationState::Released.into();
    });
    finds(&history, &create, again, TOLD);
}

#[test]
fn what_became_of_a_commit_that_is_told_wrongly_is_found() {
    let mut shop = shop();
    reserve(&mut shop, "cart", &LINES, 60);
    let committed = commit(&mut shop, "cart", "order", &[(1, 1)], Paid::In(30));
    let settled = ask(&mut shop, |_| {
        v1::AbandonRequestRequest { request_id: committed.request_id().to_owned() }.into()
    });
    let history = written(shop);
    let more = changes!(AbandonRequest, answer => {
        let result = answer.result.as_mut().expect("it was decided");
        match &mut result.response {
            Some(v1::mutation_result::Response::CommitReservation(response)) => response.committed += 1,
            other => panic!("an answer of another kind: {other:?}"),
        }
    });
    finds(&history, &settled, more, &["committed: 2", "committed: 1"]);
}

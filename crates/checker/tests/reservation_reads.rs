//! Reservations that are read, and pages of them and of orders: each, answered wrongly in one way, is found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{STALE_ETAG, changes, end_of, finds, later_header, not_found, report, shop, token, written};
use stockade_checker::{Check, Ended, History};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use support::Cluster;
use support::carts::{self, Paid};

/// Five reservations, each in another state, and two orders of them.
fn carts() -> Cluster {
    let mut shop = shop();
    for (id, hold_s) in [("a", 60), ("b", 60), ("c", 60), ("d", 60), ("e", 5)] {
        let request = shop.request_id();
        shop.alone(carts::create(request, id, &[("sku-1", "main", 1), ("service", "", 2)], hold_s));
    }
    let request = shop.request_id();
    shop.alone(carts::commit(request, "b", "of-b", &[(2, 1)], Paid::In(60)));
    let request = shop.request_id();
    shop.alone(carts::commit(request, "c", "of-c", &[], Paid::By("card")));
    let request = shop.request_id();
    shop.alone(carts::release(request, "d", &[]));
    shop.wait(5);
    // Whoever names it finds that its time is over.
    let request = shop.request_id();
    shop.alone(carts::release(request, "e", &[]));
    shop
}

/// A history in which one thing is read last, and the read.
fn read(asked: impl Into<Asked>) -> (History, Asked) {
    let (mut shop, asked) = (carts(), asked.into());
    shop.read(asked.clone());
    (written(shop), asked)
}

fn get(id: &str) -> v1::GetReservationRequest {
    v1::GetReservationRequest { reservation_id: id.to_owned(), read: None }
}

/// Changes a field, a time by the function that it is given.
type Change = fn(&mut v1::Reservation, fn(&mut Option<prost_types::Timestamp>));

#[test]
fn a_reservation_that_is_read_wrongly_in_any_field_is_found() {
    let (history, asked) = read(get("b"));
    let nanos = |time: &mut Option<prost_types::Timestamp>| time.as_mut().expect("a time").nanos += 1_000;
    // What the checker says that the read saw, and how it came to see it.
    let changes: [(&str, Change); 19] = [
        ("reservation_id: \"b2\"", |found, _| found.reservation_id.push('2')),
        ("customer_id: \"\"", |found, _| found.customer_id.clear()),
        ("currency_code: \"USD\"", |found, _| "USD".clone_into(&mut found.currency_code)),
        ("state: Active", |found, _| found.state = v1::ReservationState::Active.into()),
        ("expired: 0, line: 1 }], create_time", |found, _| _ = found.lines.pop()),
        ("sku_id: \"sku-12\"", |found, _| found.lines[0].sku_id.push('2')),
        ("sku_id: \"service\", location_id: \"main\"", |found, _| {
            "main".clone_into(&mut found.lines[1].location_id);
        }),
        ("unit_price_minor: 251", |found, _| found.lines[0].unit_price_minor += 1),
        ("quantity: 3", |found, _| found.lines[1].quantity += 1),
        ("open: 2", |found, _| found.lines[1].open += 1),
        ("committed: 2", |found, _| found.lines[1].committed += 1),
        ("released: 1", |found, _| found.lines[1].released += 1),
        ("expired: 1", |found, _| found.lines[1].expired += 1),
        ("line: 7", |found, _| found.lines[1].line = 7),
        ("create_time: Some(", |found, later| later(&mut found.create_time)),
        ("update_time: Some(", |found, later| later(&mut found.update_time)),
        ("expire_time: Some(", |found, later| later(&mut found.expire_time)),
        ("get_reservation", |found, _| found.revision += 1),
        ("get_reservation", |found, _| STALE_ETAG.clone_into(&mut found.etag)),
    ];
    for (saw, change) in changes {
        let change = changes!(GetReservation, answer => {
            change(answer.reservation.as_mut().expect("it is there"), nanos);
        });
        finds(&history, &asked, change, &[saw, "it should have seen Reservation"]);
    }
    finds(&history, &asked, changes!(GetReservation, answer => answer.reservation = None), &["saw nothing"]);
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "\"owner-of-b\""]);
}

#[test]
fn a_reservation_tells_where_it_is_in_its_life() {
    use v1::ReservationState as State;
    // Open, committed, released and expired units of its two lines.
    let lives = [
        ("a", State::Active, [1, 2, 0, 0, 0]),
        ("b", State::PartiallyCommitted, [1, 1, 1, 0, 0]),
        ("c", State::Committed, [0, 0, 3, 0, 0]),
        ("d", State::Released, [0, 0, 0, 3, 0]),
        ("e", State::Expired, [0, 0, 0, 0, 3]),
    ];
    for (id, state, [first, second, committed, released, expired]) in lives {
        let (mut history, asked) = read(get(id));
        let report = report(&history);
        assert!(report.holds(), "{:#?}", report.violations);
        let ended = end_of(&mut history, &asked).clone();
        let Outcome::Ok(Answer::GetReservation(answer)) = ended.outcome else { panic!("{ended:?}") };
        let found = answer.reservation.expect("it is there");
        assert_eq!(found.state(), state);
        assert_eq!([found.lines[0].open, found.lines[1].open], [first, second], "open of {id}");
        let sum = |of: fn(&v1::ReservationLine) -> i64| found.lines.iter().map(of).sum::<i64>();
        let gone = [sum(|line| line.committed), sum(|line| line.released), sum(|line| line.expired)];
        assert_eq!(gone, [committed, released, expired], "what became of {id}");
        let before = changes!(GetReservation, answer => {
            let found = answer.reservation.as_mut().expect("it is there");
            found.lines[0].open += 1;
        });
        finds(&history, &asked, before, &["it should have seen Reservation"]);
    }
}

#[test]
fn a_reservation_that_is_not_there_is_rightly_not_found() {
    let (history, asked) = read(get("f"));
    let report = report(&history);
    assert!(report.holds(), "{:#?}", report.violations);
    let reservation = Some(v1::Reservation { reservation_id: "f".to_owned(), ..Default::default() });
    let answered = |ended: &mut Ended| {
        ended.outcome = Outcome::Ok(v1::GetReservationResponse { header: None, reservation }.into());
    };
    finds(&history, &asked, answered, &["it should have seen nothing (NOT_FOUND)"]);
}

#[test]
fn a_reservation_that_came_while_it_was_read_may_be_missing() {
    let (mut history, asked) = read(get("a"));
    not_found(end_of(&mut history, &asked));
    let violations = report(&history).violations;
    assert!(violations.iter().any(|found| found.text.contains("saw nothing (NOT_FOUND)")), "{violations:#?}");
    // It is called before anybody was told of the reservation.
    let operations = history.operations.iter_mut();
    let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
    operation.invoked_ns = 0;
    let report = report(&history);
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn a_stale_read_of_a_reservation_or_of_a_page_is_found() {
    for asked in [Asked::from(get("a")), v1::ListReservationsRequest::default().into()] {
        let (mut shop, before) = (carts(), asked.clone());
        shop.read(before);
        let request = shop.request_id();
        shop.alone(carts::extend(request, "a", 600));
        let mut history = written(shop);
        let last = history.operations.iter().map(|operation| operation.invoked_ns).max().expect("calls");
        let operations = history.operations.iter_mut();
        let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
        operation.invoked_ns = last + 1_000_000;
        operation.ended.as_mut().expect("it has ended").at_ns = last + 2_000_000;
        let report = report(&history);
        let stale = |text: &str| text.starts_with("stale read: ") && text.contains("_reservation");
        let found = report.violations.iter().any(|found| found.check == Check::C && stale(&found.text));
        assert!(found, "{:#?}", report.violations);
    }
}

/// The reservations of a page, as it was answered.
fn ids_of(history: &History, asked: &Asked) -> Vec<String> {
    let ended = end_of(&mut history.clone(), asked).clone();
    let Outcome::Ok(Answer::ListReservations(answer)) = ended.outcome else { panic!("{ended:?}") };
    answer.reservations.into_iter().map(|found| found.reservation_id).collect()
}

#[test]
fn a_page_of_reservations_that_is_wrong_is_found() {
    let (history, asked) = read(v1::ListReservationsRequest { page_size: 3, ..Default::default() });
    assert_eq!(ids_of(&history, &asked), ["a", "b", "c"]);
    let missing = changes!(ListReservations, answer => answer.reservations.remove(1));
    finds(&history, &asked, missing, &["2 rows, of which row 2 is", "owner-of-c", "owner-of-b"]);
    let swapped = changes!(ListReservations, answer => answer.reservations.swap(0, 1));
    finds(&history, &asked, swapped, &["row 1 is"]);
    let other = changes!(ListReservations, answer => answer.reservations[2].lines[1].committed -= 1);
    finds(&history, &asked, other, &["row 3 is", "committed: 1", "committed: 2"]);
    let ended = changes!(ListReservations, answer => answer.next_page_token.clear());
    finds(&history, &asked, ended, &["no more rows", "owner-of-d"]);
    let nowhere = changes!(ListReservations, answer => "00".clone_into(&mut answer.next_page_token));
    finds(&history, &asked, nowhere, &["a token for the next page that leads nowhere new"]);
    let longer = changes!(ListReservations, answer => {
        let again = answer.reservations[0].clone();
        answer.reservations.push(again);
    });
    finds(&history, &asked, longer, &["a page of 4 rows", "3 at most"]);
    let early = |ended: &mut Ended| {
        changes!(ListReservations, answer => {
            answer.reservations.pop();
            answer.next_page_token = token("b");
        })(ended);
    };
    let mut fewer = history.clone();
    early(end_of(&mut fewer, &asked));
    assert!(report(&fewer).holds(), "a page may hold fewer than were asked for");
}

#[test]
fn a_further_page_of_reservations_begins_behind_the_one_before() {
    let (mut history, first) = read(v1::ListReservationsRequest { page_size: 9, ..Default::default() });
    // As if the node had been asked for the page behind `c`.
    let operations = history.operations.iter_mut();
    let operation = operations.rev().find(|operation| operation.asked == first).expect("it was asked");
    let asked = v1::ListReservationsRequest { page_size: 9, page_token: token("c"), ..Default::default() };
    operation.asked = asked.into();
    let asked = operation.asked.clone();
    let again = report(&history).violations;
    assert!(again.iter().any(|found| found.text.contains("5 rows, of which row 1 is")), "{again:#?}");
    changes!(ListReservations, answer => {
        answer.reservations.drain(..3);
    })(end_of(&mut history, &asked));
    let report = report(&history);
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn reservations_that_a_filter_does_not_take_are_found_in_a_page() {
    let with = |state: v1::ReservationState, customer_id: &str| v1::ListReservationsRequest {
        page_size: 9,
        state: state.into(),
        customer_id: customer_id.to_owned(),
        ..v1::ListReservationsRequest::default()
    };
    let all = v1::ReservationState::Unspecified;
    let pages = [
        (with(v1::ReservationState::Active, ""), "a"),
        (with(v1::ReservationState::PartiallyCommitted, ""), "b"),
        (with(v1::ReservationState::Committed, ""), "c"),
        (with(v1::ReservationState::Released, ""), "d"),
        (with(v1::ReservationState::Expired, ""), "e"),
        (with(all, "owner-of-d"), "d"),
        (with(v1::ReservationState::Released, "owner-of-d"), "d"),
    ];
    for (asked, id) in pages {
        let (history, asked) = read(asked);
        assert_eq!(ids_of(&history, &asked), [id]);
        let missing = changes!(ListReservations, answer => answer.reservations.clear());
        finds(&history, &asked, missing, &["0 rows", "1 rows"]);
        let others = changes!(ListReservations, answer => {
            let other = v1::Reservation { reservation_id: "z".to_owned(), ..answer.reservations[0].clone() };
            answer.reservations.push(other);
        });
        finds(&history, &asked, others, &["2 rows, of which row 2 is", "no more rows"]);
    }
    let (history, asked) = read(with(v1::ReservationState::Active, "owner-of-d"));
    assert_eq!(ids_of(&history, &asked), Vec::<String>::new(), "both must be so");
    assert!(report(&history).holds());
}

#[test]
fn orders_that_a_filter_does_not_take_are_found_in_a_page() {
    let with = |state: v1::OrderState, customer_id: &str| v1::ListOrdersRequest {
        page_size: 9,
        state: state.into(),
        customer_id: customer_id.to_owned(),
        ..v1::ListOrdersRequest::default()
    };
    let all = v1::OrderState::Unspecified;
    // An order has the customer of the reservation that it comes from.
    for (asked, id) in [
        (with(v1::OrderState::PendingPayment, ""), "of-b"),
        (with(v1::OrderState::Confirmed, ""), "of-c"),
        (with(all, "owner-of-c"), "of-c"),
    ] {
        let (history, asked) = read(asked);
        let missing = changes!(ListOrders, answer => {
            assert_eq!(answer.orders.iter().map(|order| &order.order_id).collect::<Vec<_>>(), [id]);
            answer.orders.clear();
        });
        finds(&history, &asked, missing, &["0 rows", "1 rows"]);
        let other = changes!(ListOrders, answer => answer.orders[0].payment_reference.push('2'));
        finds(&history, &asked, other, &["row 1 is"]);
    }
    let (history, asked) = read(v1::ListOrdersRequest { page_size: 9, ..Default::default() });
    let held = changes!(ListOrders, answer => {
        let of_b = &mut answer.orders[0];
        let lines: Vec<_> = of_b.lines.iter().map(|line| (line.ordered, line.held, line.allocated)).collect();
        assert_eq!(lines, [(1, 1, 0)], "a line for each line that it takes units of");
        of_b.lines[0].allocated += 1;
    });
    finds(&history, &asked, held, &["2 rows, of which row 1 is"]);
}

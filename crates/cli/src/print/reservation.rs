//! Reservations.

use serde_json::{Value, json};
use stockade_proto::v1::{Reservation, ReservationLine};

use super::{location, reservation_state, time};
use crate::output::{record, table};

pub(crate) fn reservation_object(reservation: &Reservation) -> Value {
    let line = |line: &ReservationLine| {
        json!({
            "line": line.line,
            "sku_id": line.sku_id,
            "location_id": line.location_id,
            "unit_price_minor": line.unit_price_minor,
            "quantity": line.quantity,
            "open": line.open,
            "committed": line.committed,
            "released": line.released,
            "expired": line.expired,
        })
    };
    json!({
        "reservation_id": reservation.reservation_id,
        "customer_id": reservation.customer_id,
        "currency_code": reservation.currency_code,
        "state": reservation_state(reservation.state),
        "lines": reservation.lines.iter().map(line).collect::<Vec<_>>(),
        "create_time": time(reservation.create_time.as_ref()),
        "update_time": time(reservation.update_time.as_ref()),
        "expire_time": time(reservation.expire_time.as_ref()),
        "revision": reservation.revision,
        "etag": reservation.etag,
    })
}

/// A reservation with its lines, a row for each part of one.
pub(crate) fn reservation_text(reservation: &Reservation) -> String {
    let head = record(&[
        ("reservation", reservation.reservation_id.clone()),
        ("state", reservation_state(reservation.state).to_owned()),
        ("customer", reservation.customer_id.clone()),
        ("currency", reservation.currency_code.clone()),
        ("created", time(reservation.create_time.as_ref())),
        ("changed", time(reservation.update_time.as_ref())),
        ("held until", time(reservation.expire_time.as_ref())),
        ("etag", reservation.etag.clone()),
    ]);
    let header = ["LINE", "SKU", "LOCATION", "PRICE", "QUANTITY", "OPEN", "COMMITTED", "RELEASED", "EXPIRED"];
    let row = |line: &ReservationLine| {
        let units =
            [line.unit_price_minor, line.quantity, line.open, line.committed, line.released, line.expired];
        let names = [line.line.to_string(), line.sku_id.clone(), location(&line.location_id)];
        names.into_iter().chain(units.iter().map(ToString::to_string)).collect()
    };
    let rows: Vec<Vec<String>> = reservation.lines.iter().map(row).collect();
    format!("{head}\n{}", table(&header, &header[3..], &rows))
}

/// Reservations, a line each.
pub(crate) fn reservation_table(reservations: &[Reservation]) -> String {
    let row = |reservation: &Reservation| {
        let sum = |of: fn(&ReservationLine) -> i64| {
            reservation.lines.iter().map(of).fold(0, i64::saturating_add).to_string()
        };
        vec![
            reservation.reservation_id.clone(),
            reservation_state(reservation.state).to_owned(),
            reservation.customer_id.clone(),
            reservation.lines.last().map_or(0, |line| line.line).to_string(),
            sum(|line| line.quantity),
            sum(|line| line.open),
            time(reservation.expire_time.as_ref()),
        ]
    };
    let rows: Vec<_> = reservations.iter().map(row).collect();
    let header = ["RESERVATION", "STATE", "CUSTOMER", "LINES", "UNITS", "OPEN", "HELD UNTIL"];
    table(&header, &["LINES", "UNITS", "OPEN"], &rows)
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::ReservationState;

    use super::*;

    fn cells(line: Option<&str>) -> Vec<&str> {
        line.unwrap_or_default().split_whitespace().collect()
    }

    #[test]
    fn a_reservation_shows_what_became_of_its_units() {
        let line = |line, quantity, open, committed| ReservationLine {
            line,
            sku_id: "mug".to_owned(),
            location_id: "main".to_owned(),
            unit_price_minor: 1250,
            quantity,
            open,
            committed,
            released: 0,
            expired: 0,
        };
        let reservation = Reservation {
            reservation_id: "cart-1".to_owned(),
            customer_id: "c1".to_owned(),
            state: ReservationState::PartiallyCommitted.into(),
            lines: vec![line(1, 6, 2, 4), line(2, 1, 1, 0)],
            ..Reservation::default()
        };
        let object = reservation_object(&reservation);
        assert_eq!(object["state"], "PARTIALLY_COMMITTED");
        assert_eq!((&object["lines"][0]["open"], &object["lines"][0]["committed"]), (&json!(2), &json!(4)));
        let text = reservation_text(&reservation);
        assert_eq!(cells(text.lines().last()), ["2", "mug", "main", "1250", "1", "1", "0", "0", "0"]);
        let text = reservation_table(&[reservation]);
        assert_eq!(cells(text.lines().nth(1)), ["cart-1", "PARTIALLY_COMMITTED", "c1", "2", "7", "3"]);
    }
}

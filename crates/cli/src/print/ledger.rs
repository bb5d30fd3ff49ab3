//! The ledger: movements of units, and what in it is not as it was written.

use serde_json::{Value, json};
use stockade_proto::v1::{LedgerEntry, LedgerProblem};

use super::{bucket, or_dash, plain, reason, stock_object, time};
use crate::output::table;

pub(crate) fn ledger_object(entry: &LedgerEntry) -> Value {
    json!({
        "revision": entry.revision,
        "position": entry.position,
        "time": time(entry.time.as_ref()),
        "sku_id": entry.sku_id,
        "location_id": entry.location_id,
        "from_bucket": bucket(entry.from_bucket),
        "to_bucket": bucket(entry.to_bucket),
        "quantity": entry.quantity,
        "reason": reason(entry.reason),
        "actor": entry.actor,
        "request_id": entry.request_id,
        "order_id": entry.order_id,
        "reservation_id": entry.reservation_id,
        "document_id": entry.document_id,
        "reference": entry.reference,
        "balances": entry.balances.as_ref().map(stock_object),
    })
}

/// What a movement was for: an order, a reservation, or neither.
fn holder(entry: &LedgerEntry) -> String {
    match (entry.order_id.as_str(), entry.reservation_id.as_str()) {
        ("", "") => "-".to_owned(),
        ("", reservation) => format!("reservation {reservation}"),
        (order, _) => format!("order {order}"),
    }
}

/// Movements, a line each, with what was available and on hand right after.
pub(crate) fn ledger_table(entries: &[LedgerEntry]) -> String {
    let header = [
        "REVISION",
        "POSITION",
        "TIME",
        "SKU",
        "LOCATION",
        "QUANTITY",
        "FROM",
        "TO",
        "REASON",
        "FOR",
        "DOCUMENT",
        "REFERENCE",
        "AVAILABLE",
        "ON HAND",
    ];
    let row = |entry: &LedgerEntry| {
        let after = entry.balances.clone().unwrap_or_default();
        vec![
            entry.revision.to_string(),
            entry.position.to_string(),
            time(entry.time.as_ref()),
            entry.sku_id.clone(),
            entry.location_id.clone(),
            entry.quantity.to_string(),
            or_dash(bucket(entry.from_bucket)),
            or_dash(bucket(entry.to_bucket)),
            reason(entry.reason).to_owned(),
            holder(entry),
            or_dash(&entry.document_id),
            or_dash(&plain(&entry.reference)),
            after.available.to_string(),
            after.on_hand.to_string(),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    table(&header, &["REVISION", "POSITION", "QUANTITY", "AVAILABLE", "ON HAND"], &rows)
}

pub(crate) fn problem_object(problem: &LedgerProblem) -> Value {
    json!({ "revision": problem.revision, "position": problem.position, "what": problem.what })
}

/// What does not fit, a line each. A stock row and the end of the ledger have no place in it.
pub(crate) fn problem_table(problems: &[LedgerProblem]) -> String {
    let row = |problem: &LedgerProblem| {
        let place = |number: u64| if problem.revision == 0 { "-".to_owned() } else { number.to_string() };
        vec![place(problem.revision), place(problem.position.into()), plain(&problem.what)]
    };
    let rows: Vec<_> = problems.iter().map(row).collect();
    table(&["REVISION", "POSITION", "WHAT DOES NOT FIT"], &["REVISION", "POSITION"], &rows)
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::{Bucket, Reason, Stock};

    use super::*;

    fn cells(text: &str) -> Vec<String> {
        let row = text.lines().nth(1).unwrap_or_default();
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(ToOwned::to_owned).collect()
    }

    fn shipment() -> LedgerEntry {
        let balances = Stock { available: 4, on_hand: 6, ..Stock::default() };
        LedgerEntry {
            revision: 17,
            position: 2,
            time: Some(prost_types::Timestamp { seconds: 1_798_761_600, nanos: 0 }),
            sku_id: "mug".to_owned(),
            location_id: "main".to_owned(),
            from_bucket: Bucket::Committed.into(),
            quantity: 3,
            reason: Reason::Shipment.into(),
            order_id: "o1".to_owned(),
            reference: "T-1\n".to_owned(),
            balances: Some(balances),
            ..LedgerEntry::default()
        }
    }

    #[test]
    fn a_movement_says_what_moved_for_whom_and_what_was_left() {
        let entry = shipment();
        let object = ledger_object(&entry);
        assert_eq!((&object["from_bucket"], &object["to_bucket"]), (&json!("COMMITTED"), &json!("")));
        assert_eq!((&object["reason"], &object["balances"]["on_hand"]), (&json!("SHIPMENT"), &json!(6)));
        let expected = [
            "17",
            "2",
            "2027-01-01T00:00:00Z",
            "mug",
            "main",
            "3",
            "COMMITTED",
            "-",
            "SHIPMENT",
            "order o1",
            "-",
            "T-1",
            "4",
            "6",
        ];
        assert_eq!(cells(&ledger_table(&[entry])), expected);
    }

    #[test]
    fn a_movement_may_be_for_a_reservation_or_for_nobody() {
        let held = LedgerEntry { order_id: String::new(), reservation_id: "cart".to_owned(), ..shipment() };
        assert_eq!(holder(&held), "reservation cart");
        assert_eq!(holder(&LedgerEntry::default()), "-");
    }

    #[test]
    fn a_problem_that_is_no_entry_has_no_place() {
        let problem = |revision, what: &str| LedgerProblem { revision, position: 0, what: what.to_owned() };
        assert_eq!(cells(&problem_table(&[problem(9, "the hash differs")])), ["9", "0", "the hash differs"]);
        assert_eq!(cells(&problem_table(&[problem(0, "mug at main: 3")])), ["-", "-", "mug at main: 3"]);
    }
}

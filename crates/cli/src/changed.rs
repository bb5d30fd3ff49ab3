//! What a change came to, for people and for programs.

use std::collections::BTreeMap;

use anyhow::bail;
use serde_json::{Value, json};
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;
use stockade_proto::v1::{
    CommitReservationResponse, LineSource, Location, PlaceOrderRequest, PlaceOrderResponse, ResponseHeader,
    Sku, Stock,
};

use crate::output::{Output, record};
use crate::print;

/// The answer to a change.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) header: Option<ResponseHeader>,
    /// What else there is to say, under the names that programs read.
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// For people, where the fields are a thing that a table shows.
    pub(crate) table: Option<Table>,
    /// Nothing took effect.
    pub(crate) validate_only: bool,
}

/// A thing as it is after the change.
#[derive(Debug)]
pub(crate) struct Table {
    /// As lists show it.
    rows: String,
    /// In a few words.
    brief: String,
}

impl Changed {
    /// What an answer says. The request says what the answer leaves out: what was deleted, and what was ordered.
    pub(crate) fn of(asked: &Request, answer: Response) -> anyhow::Result<Self> {
        Ok(match answer {
            Response::CreateSku(answer) => sku(answer.header, answer.sku),
            Response::UpdateSku(answer) => sku(answer.header, answer.sku),
            Response::DeleteSku(answer) => deleted(answer.header, asked),
            Response::CreateLocation(answer) => location(answer.header, answer.location),
            Response::UpdateLocation(answer) => location(answer.header, answer.location),
            Response::DeleteLocation(answer) => deleted(answer.header, asked),
            Response::ReceiveStock(answer) => stock(answer.header, answer.stock),
            Response::AdjustStock(answer) => stock(answer.header, answer.stock),
            Response::SetStock(answer) => stock(answer.header, answer.stock),
            Response::MoveStock(answer) => stock(answer.header, answer.stock),
            Response::PlaceOrder(answer) => placed(asked, &answer),
            Response::ConfirmOrder(answer) => order(answer.header, &answer.order_id, answer.state, []),
            Response::ExtendOrder(answer) => {
                let until = print::time(answer.expire_time.as_ref());
                let fields = vec![("order_id", json!(answer.order_id)), ("expire_time", json!(until))];
                Self { header: answer.header, fields, ..Self::default() }
            }
            Response::ShipOrder(answer) => {
                let more = [("shipped", json!(answer.shipped)), ("parcel", json!(answer.parcel))];
                order(answer.header, &answer.order_id, answer.state, more)
            }
            Response::CancelOrder(answer) => {
                let more = [("cancelled", json!(answer.cancelled))];
                order(answer.header, &answer.order_id, answer.state, more)
            }
            Response::CloseOrder(answer) => order(answer.header, &answer.order_id, answer.state, []),
            Response::ReturnOrder(answer) => {
                let more = [("returned", json!(answer.returned))];
                order(answer.header, &answer.order_id, answer.state, more)
            }
            Response::CreateReservation(answer) => {
                let until = print::time(answer.expire_time.as_ref());
                let state = json!(print::reservation_state(answer.state));
                let more = [("state", state), ("expire_time", json!(until)), sources(&answer.sources)];
                reservation(answer.header, &answer.reservation_id, more)
            }
            Response::ExtendReservation(answer) => {
                let more = [("expire_time", json!(print::time(answer.expire_time.as_ref())))];
                reservation(answer.header, &answer.reservation_id, more)
            }
            Response::CommitReservation(answer) => committed(&answer),
            Response::ReleaseReservation(answer) => {
                let state = json!(print::reservation_state(answer.state));
                let more = [("state", state), ("released", json!(answer.released))];
                reservation(answer.header, &answer.reservation_id, more)
            }
            Response::MoveReservation(answer) => {
                let more = [("moved", json!(answer.moved))];
                reservation(answer.header, &answer.reservation_id, more)
            }
            Response::Transact(_) => bail!("a node answered with a transaction where none was asked for"),
        })
    }

    pub(crate) fn print(&self, output: Output) {
        output.print(&self.object(), || self.text());
    }

    fn object(&self) -> Value {
        let mut object = json!({ "header": print::header(self.header.as_ref()) });
        for (name, value) in &self.fields {
            object[*name] = value.clone();
        }
        if self.validate_only {
            object["validate_only"] = json!(true);
        }
        object
    }

    fn text(&self) -> String {
        let mut text = if let Some(table) = &self.table {
            table.rows.clone()
        } else {
            let mut pairs = self.words();
            pairs.extend(self.header.as_ref().filter(|_| !self.validate_only).map(revision));
            record(&pairs)
        };
        if self.validate_only {
            text.push_str(&no_effect(self.header.as_ref()));
        }
        text
    }

    /// In a line.
    pub(crate) fn brief(&self) -> String {
        if let Some(table) = &self.table {
            return table.brief.clone();
        }
        let words = self.words();
        words.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }

    /// The fields as people read them.
    fn words(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Array(items) if items.is_empty() => continue,
                Value::Array(items) => items.iter().map(units_of_line).collect::<Vec<_>>().join(", "),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
            };
            // A person reads `order o1`, not `order_id o1`.
            pairs.push((name.strip_suffix("_id").unwrap_or(name), value));
        }
        pairs
    }
}

/// When it took effect.
pub(crate) fn revision(header: &ResponseHeader) -> (&'static str, String) {
    let replayed = if header.replayed { " (an earlier call's outcome)" } else { "" };
    ("revision", format!("{}{replayed}", header.revision))
}

/// What people are told of a call that was only validated.
pub(crate) fn no_effect(header: Option<&ResponseHeader>) -> String {
    let revision = header.map_or(0, |header| header.served_revision);
    format!("\nnothing took effect: this is what it would have come to at revision {revision}\n")
}

/// `LINE:QTY[@LOCATION]`, as a command takes it.
fn units_of_line(item: &Value) -> String {
    let location = item["location_id"].as_str().filter(|id| !id.is_empty());
    let location = location.map(|id| format!("@{id}")).unwrap_or_default();
    format!("{}:{}{location}", item["line"], item["quantity"])
}

fn sku(header: Option<ResponseHeader>, sku: Option<Sku>) -> Changed {
    let sku = sku.unwrap_or_default();
    let table = Table {
        rows: print::sku_table(std::slice::from_ref(&sku)),
        brief: format!("sku {}, etag {}", sku.sku_id, sku.etag),
    };
    let fields = vec![("sku", print::sku_object(&sku))];
    Changed { header, fields, table: Some(table), ..Changed::default() }
}

fn location(header: Option<ResponseHeader>, location: Option<Location>) -> Changed {
    let location = location.unwrap_or_default();
    let table = Table {
        rows: print::location_table(std::slice::from_ref(&location)),
        brief: format!("location {}, etag {}", location.location_id, location.etag),
    };
    let fields = vec![("location", print::location_object(&location))];
    Changed { header, fields, table: Some(table), ..Changed::default() }
}

fn stock(header: Option<ResponseHeader>, stock: Option<Stock>) -> Changed {
    let stock = stock.unwrap_or_default();
    let Stock { sku_id, location_id, on_hand, available, .. } = &stock;
    let table = Table {
        brief: format!("stock {sku_id}@{location_id}, on hand {on_hand}, available {available}"),
        rows: print::stock_table(std::slice::from_ref(&stock)),
    };
    let fields = vec![("stock", print::stock_object(&stock))];
    Changed { header, fields, table: Some(table), ..Changed::default() }
}

fn deleted(header: Option<ResponseHeader>, asked: &Request) -> Changed {
    let id = match asked {
        Request::DeleteSku(request) => request.sku_id.as_str(),
        Request::DeleteLocation(request) => request.location_id.as_str(),
        _ => "",
    };
    Changed { header, fields: vec![("deleted", json!(id))], ..Changed::default() }
}

fn order<const N: usize>(
    header: Option<ResponseHeader>,
    order_id: &str,
    state: i32,
    more: [(&'static str, Value); N],
) -> Changed {
    let mut fields = vec![("order_id", json!(order_id)), ("state", json!(print::state(state)))];
    fields.extend(more);
    Changed { header, fields, ..Changed::default() }
}

fn reservation<const N: usize>(
    header: Option<ResponseHeader>,
    reservation_id: &str,
    more: [(&'static str, Value); N],
) -> Changed {
    let mut fields = vec![("reservation_id", json!(reservation_id))];
    fields.extend(more);
    Changed { header, fields, ..Changed::default() }
}

fn placed(asked: &Request, answer: &PlaceOrderResponse) -> Changed {
    let until = json!(print::time(answer.expire_time.as_ref()));
    let missing = match asked {
        Request::PlaceOrder(request) => missing(request, &answer.sources),
        _ => Vec::new(),
    };
    let more = [("expire_time", until), sources(&answer.sources), ("missing", json!(missing))];
    order(answer.header.clone(), &answer.order_id, answer.state, more)
}

fn committed(answer: &CommitReservationResponse) -> Changed {
    let more = [
        ("state", json!(print::reservation_state(answer.state))),
        ("order_id", json!(answer.order_id)),
        ("order_state", json!(print::state(answer.order_state))),
        ("expire_time", json!(print::time(answer.expire_time.as_ref()))),
        ("committed", json!(answer.committed)),
    ];
    reservation(answer.header.clone(), &answer.reservation_id, more)
}

fn sources(sources: &[LineSource]) -> (&'static str, Value) {
    let source = |source: &LineSource| json!({ "line": source.line, "location_id": source.location_id, "quantity": source.quantity });
    ("sources", sources.iter().map(source).collect())
}

/// What was ordered and not there, line by line.
fn missing(request: &PlaceOrderRequest, sources: &[LineSource]) -> Vec<Value> {
    let mut held: BTreeMap<i32, i64> = BTreeMap::new();
    for source in sources {
        let held = held.entry(source.line).or_default();
        *held = held.saturating_add(source.quantity);
    }
    let short = (1..).zip(&request.lines).filter_map(|(number, line)| {
        let missing = line.quantity.saturating_sub(held.get(&number).copied().unwrap_or(0));
        (missing > 0).then(|| json!({ "line": number, "sku_id": line.sku_id, "quantity": missing }))
    });
    short.collect()
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::{
        DeleteSkuRequest, DeleteSkuResponse, NewOrderLine, ReceiveStockRequest, ReceiveStockResponse,
        TransactResponse,
    };

    use super::*;

    fn header() -> ResponseHeader {
        ResponseHeader { revision: 7, served_revision: 9, replayed: true, ..ResponseHeader::default() }
    }

    fn lines_of(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// An order of 5 mugs and 2 teapots, of which 4 mugs were there, at two locations.
    fn placement() -> Changed {
        let line = |sku_id: &str, quantity| NewOrderLine {
            sku_id: sku_id.to_owned(),
            quantity,
            ..NewOrderLine::default()
        };
        let asked = Request::PlaceOrder(PlaceOrderRequest {
            lines: vec![line("mug", 5), line("teapot", 2)],
            ..PlaceOrderRequest::default()
        });
        let source = |location_id: &str, quantity| LineSource {
            line: 1,
            location_id: location_id.to_owned(),
            quantity,
        };
        let answer = PlaceOrderResponse {
            header: Some(header()),
            order_id: "o1".to_owned(),
            state: 1,
            sources: vec![source("east", 1), source("", 3)],
            ..PlaceOrderResponse::default()
        };
        Changed::of(&asked, Response::PlaceOrder(answer)).unwrap()
    }

    #[test]
    fn an_order_says_where_its_units_are_and_what_is_missing() {
        let placed = placement();
        let object = placed.object();
        assert_eq!(object["sources"][0], json!({ "line": 1, "location_id": "east", "quantity": 1 }));
        let missing = json!([
            { "line": 1, "sku_id": "mug", "quantity": 1 },
            { "line": 2, "sku_id": "teapot", "quantity": 2 },
        ]);
        assert_eq!(object["missing"], missing);
        assert_eq!((&object["header"]["revision"], object.get("validate_only")), (&json!(7), None));
        let expected = [
            "order o1",
            "state PENDING_PAYMENT",
            "expire_time",
            "sources 1:1@east, 1:3",
            "missing 1:1, 2:2",
            "revision 7 (an earlier call's outcome)",
        ];
        assert_eq!(lines_of(&placed.text()), expected);
        assert!(placed.brief().starts_with("order o1, state PENDING_PAYMENT, "), "{}", placed.brief());
    }

    #[test]
    fn what_was_only_validated_says_so() {
        let validated = Changed { validate_only: true, ..placement() };
        assert_eq!(validated.object()["validate_only"], true);
        let text = validated.text();
        assert!(text.contains("nothing took effect") && text.contains("revision 9"), "{text}");
        assert!(!text.contains("earlier call"), "{text}");
    }

    #[test]
    fn a_thing_that_lists_show_is_shown_as_they_do() {
        let stock = Stock { sku_id: "mug".to_owned(), location_id: "main".to_owned(), ..Stock::default() };
        let stock = Stock { on_hand: 12, available: 10, ..stock };
        let answer = ReceiveStockResponse { header: Some(header()), stock: Some(stock.clone()) };
        let asked = Request::ReceiveStock(ReceiveStockRequest::default());
        let changed = Changed::of(&asked, Response::ReceiveStock(answer)).unwrap();
        assert_eq!(changed.text(), print::stock_table(&[stock]));
        assert_eq!(changed.object()["stock"]["on_hand"], 12);
        assert_eq!(changed.brief(), "stock mug@main, on hand 12, available 10");
    }

    #[test]
    fn what_was_deleted_is_named() {
        let asked = Request::DeleteSku(DeleteSkuRequest { sku_id: "mug".to_owned(), ..Default::default() });
        let answer = Response::DeleteSku(DeleteSkuResponse { header: Some(header()) });
        assert_eq!(Changed::of(&asked, answer).unwrap().object()["deleted"], "mug");
        assert!(Changed::of(&asked, Response::Transact(TransactResponse::default())).is_err());
    }
}

//! What a request asks for, in a few words, for people who read a history.

use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;

/// Says it.
pub(crate) trait Words {
    /// In a few words, without the request id.
    fn words(&self) -> String;
}

macro_rules! words {
    ($($request:ident, $this:ident => $text:expr;)*) => {
        $(
            impl Words for v1::$request {
                fn words(&self) -> String {
                    let $this = self;
                    $text
                }
            }
        )*
    };
}

words! {
    CreateSkuRequest, r => format!("create SKU {}", sku(r.sku.as_ref()));
    UpdateSkuRequest, r => format!("update SKU {}", sku(r.sku.as_ref()));
    DeleteSkuRequest, r => format!("delete SKU {}", r.sku_id);
    CreateLocationRequest, r => format!("create location {}", location(r.location.as_ref()));
    UpdateLocationRequest, r => format!("update location {}", location(r.location.as_ref()));
    DeleteLocationRequest, r => format!("delete location {}", r.location_id);
    ReceiveStockRequest, r => format!("receive {} of {} at {}", r.quantity, r.sku_id, r.location_id);
    AdjustStockRequest, r => format!("adjust {} at {} by {}", r.sku_id, r.location_id, r.delta);
    SetStockRequest, r => format!("set {} at {} to {}", r.sku_id, r.location_id, r.quantity);
    MoveStockRequest, r => format!("move {} of {} at {}", r.quantity, r.sku_id, r.location_id);
    PlaceOrderRequest, r => {
        let part = if r.shortage_policy() == v1::ShortagePolicy::Partial { ", or what is there of it" } else { "" };
        format!("place order {} of {} lines{part}", r.order_id, r.lines.len())
    };
    ConfirmOrderRequest, r => {
        let anew = if r.reacquire { ", with units taken anew where they must be" } else { "" };
        format!("confirm order {}{anew}", r.order_id)
    };
    ExtendOrderRequest, r => format!("extend order {}", r.order_id);
    ShipOrderRequest, r => format!("ship {}order {}", some_of(r.lines.len()), r.order_id);
    CancelOrderRequest, r => format!("cancel {}order {}", some_of(r.lines.len()), r.order_id);
    CloseOrderRequest, r => format!("close order {}", r.order_id);
    ReturnOrderRequest, r => format!("return {} lines of order {}", r.lines.len(), r.order_id);
    CreateReservationRequest, r => format!("reserve {} lines as {}", r.lines.len(), r.reservation_id);
    ExtendReservationRequest, r => format!("extend reservation {}", r.reservation_id);
    CommitReservationRequest, r => format!("make order {} of reservation {}", r.order_id, r.reservation_id);
    ReleaseReservationRequest, r => format!("release reservation {}", r.reservation_id);
    MoveReservationRequest, r => format!("move reservation {} to {}", r.reservation_id, r.location_id);
    TransactRequest, r => {
        let (operations, conditions) = (r.operations.len(), r.preconditions.len());
        let only_if = if conditions > 0 { format!(" if {conditions} things hold") } else { String::new() };
        format!("do {operations} operations at once{only_if}")
    };
    AbandonRequestRequest, r => format!("abandon request {}", r.request_id);
    GetOutcomeRequest, r => format!("outcome of request {}", r.request_id);
    GetSkuRequest, r => format!("read SKU {}", r.sku_id);
    BatchGetSkusRequest, r => format!("read {} SKUs", r.sku_ids.len());
    GetLocationRequest, r => format!("read location {}", r.location_id);
    ListLocationsRequest, r => format!("list locations{}", page(&r.page_token));
    ListSkusRequest, r => format!("list SKUs{}", page(&r.page_token));
    GetStockRequest, r => format!("read stock of {} at {}", r.sku_id, r.location_id);
    BatchGetStockRequest, r => format!("read {} stock rows", r.names.len());
    GetAvailabilityRequest, r => format!("read what orders could take of {} SKUs", r.sku_ids.len());
    ListStockRequest, r => format!("list stock{}{}", of(&r.sku_id), page(&r.page_token));
    GetOrderRequest, r => format!("read order {}", r.order_id);
    BatchGetOrdersRequest, r => format!("read {} orders", r.order_ids.len());
    ListOrdersRequest, r => {
        let (of, with) = (of(&r.customer_id), named("with", &r.sku_id));
        format!("list orders{of}{with}{}{}", backwards(r.newest_first), page(&r.page_token))
    };
    GetReservationRequest, r => format!("read reservation {}", r.reservation_id);
    ListReservationsRequest, r => format!("list reservations{}{}", of(&r.customer_id), page(&r.page_token));
    ListLedgerEntriesRequest, r => {
        let (of, at) = (of(&r.sku_id), named("at", &r.location_id));
        let by = format!("{}{}", named("by order", &r.order_id), named("by reservation", &r.reservation_id));
        format!("list the ledger{of}{at}{by}{}{}", backwards(r.newest_first), page(&r.page_token))
    };
    GetStockAsOfRequest, r => {
        let at = named("at", &r.location_id);
        format!("read stock of {}{at} as of {}{}", r.sku_id, moment(r.as_of.as_ref()), page(&r.page_token))
    };
}

fn sku(sku: Option<&v1::Sku>) -> &str {
    sku.map_or("", |sku| sku.sku_id.as_str())
}

fn location(location: Option<&v1::Location>) -> &str {
    location.map_or("", |location| location.location_id.as_str())
}

/// "2 lines of"; nothing where all of them are meant.
fn some_of(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("{lines} lines of ") }
}

fn of(name: &str) -> String {
    named("of", name)
}

/// The name behind a word; nothing where there is none.
fn named(word: &str, name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" {word} {name}") }
}

fn backwards(newest_first: bool) -> &'static str {
    if newest_first { ", newest first" } else { "" }
}

fn moment(as_of: Option<&AsOf>) -> String {
    match as_of {
        Some(AsOf::Revision(revision)) => format!("revision {revision}"),
        Some(AsOf::Time(time)) => format!("{}.{:09} s", time.seconds, time.nanos),
        None => "no moment".to_owned(),
    }
}

fn page(token: &str) -> &'static str {
    if token.is_empty() { "" } else { ", a further page" }
}

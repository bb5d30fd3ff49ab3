//! `stockade order`.

use prost_types::Duration;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::{
    CancelOrderRequest, CloseOrderRequest, ConfirmOrderRequest, ExtendOrderRequest, GetOrderRequest,
    LineQuantity, ListOrdersRequest, NewOrderLine, OrderState, PlaceOrderRequest, ReturnLine,
    ReturnOrderRequest, ShipOrderRequest, ShortagePolicy, Sourcing,
};

use crate::connect::{ClusterArgs, EtagArgs, PageArgs, ReadArgs, RequestArgs, TimeArgs};
use crate::lines::{line_quantity, new_line, return_line};
use crate::mutation::{self, Asked};
use crate::output::Output;
use crate::print::{self, more};
use crate::words;

#[derive(Debug, clap::Args)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: OrderCommand,
}

#[derive(Debug, clap::Subcommand)]
enum OrderCommand {
    #[command(flatten)]
    Change(OrderChange),
    /// Show an order with its lines and parcels.
    #[command(after_help = "Example: stockade order get o1")]
    Get {
        /// The order's id.
        order: String,
        #[command(flatten)]
        reads: ReadArgs,
    },
    /// List orders in the order in which they were placed.
    #[command(after_help = "Example: stockade order list --state shipped --customer c-12 --since 2026-11-01")]
    List(List),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only orders in this state: pending-payment, confirmed, partially-shipped, shipped, partially-returned,
    /// returned, cancelled, expired or closed. With any filter a page may hold fewer rows than asked for, or none, and not be
    /// the last.
    #[arg(long, value_name = "STATE", value_parser = words::order_state)]
    state: Option<OrderState>,
    /// Only orders of this customer.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    /// Only orders that have a line of this SKU.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    sku: String,
    #[command(flatten)]
    placed: TimeArgs,
    #[command(flatten)]
    page: PageArgs,
}

/// What changes an order.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum OrderChange {
    /// Take an order and hold its units, all lines or none, or with --partial what is there.
    #[command(after_help = "Example: stockade order place --id o1 --line mug:2@main=1250 --line teapot:1")]
    Place(Place),
    /// Payment was taken: what is held becomes committed.
    #[command(after_help = "Example: stockade order confirm o1 --payment P-77")]
    Confirm(Confirm),
    /// Hold the units of an unpaid order for longer, from now on. Never for shorter than they were held before.
    #[command(after_help = "Example: stockade order extend o1 --hold 1h")]
    Extend(Extend),
    /// Units leave together, in a parcel: all that is committed, or what is named.
    #[command(
        after_help = "Example: stockade order ship o1 --line 1:2@main --tracking T-99 --document PARCEL-1"
    )]
    Ship(Ship),
    /// Give back what is not shipped: all of it, or what is named.
    #[command(after_help = "Example: stockade order cancel o1 --line 2:1")]
    Cancel(Cancel),
    /// A shipped order is done with, but for returns.
    #[command(after_help = "Example: stockade order close o1")]
    Close(Close),
    /// Shipped units come back.
    #[command(after_help = "Example: stockade order return o1 --line 1:1@main=damaged --document R-5")]
    Return(Return),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The order's id, chosen by you: 1 to 128 visible ASCII characters, taken for ever.
    #[arg(long, value_name = "ID")]
    id: String,
    /// What is ordered; repeat for more lines. Where the units of a line without @LOCATION come from is what --sourcing
    /// says; PRICE is of one unit in minor units (cents, pence).
    #[arg(long, value_name = "SKU:QTY[@LOCATION][=PRICE]", required = true, value_parser = new_line)]
    line: Vec<NewOrderLine>,
    /// Your id of the customer.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    /// ISO 4217 code of the prices.
    #[arg(long, value_name = "CODE", default_value = "EUR")]
    currency: String,
    /// How long the units are held for payment, up to 30 days: 90s, 15m, 2h or 3d; 15 minutes where absent.
    #[arg(long, alias = "hold-seconds", value_name = "TIME", value_parser = words::hold)]
    hold: Option<Duration>,
    #[command(flatten)]
    sourcing: SourcingArgs,
    /// Take what is there, unless that is nothing at all. What is missing counts as cancelled.
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    request: RequestArgs,
}

/// Where units come from.
#[derive(Debug, clap::Args)]
pub(crate) struct SourcingArgs {
    /// Where units of lines without @LOCATION come from: priority (usual; each line whole, of the locations that cover it from
    /// the one with the lowest priority number), most-stock (each line whole, from the one that has most), fewest-splits
    /// (all lines from few locations, split where that must be), split-proportional (each line from all that have some), or
    /// explicit (every line names its location).
    #[arg(long, value_name = "STRATEGY", value_parser = words::sourcing)]
    sourcing: Option<Sourcing>,
}

impl SourcingArgs {
    pub(crate) fn code(&self) -> i32 {
        self.sourcing.unwrap_or(Sourcing::Unspecified).into()
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Confirm {
    /// The order's id.
    order: String,
    /// Your reference of the payment.
    #[arg(long, value_name = "REFERENCE", default_value = "", hide_default_value = true)]
    payment: String,
    /// Where the hold has ended: take the units anew, if they are all there.
    #[arg(long)]
    reacquire: bool,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Extend {
    /// The order's id.
    order: String,
    /// How long the units are held from now on, up to 30 days: 90s, 15m, 2h or 3d; 15 minutes where absent.
    #[arg(long, value_name = "TIME", value_parser = words::hold)]
    hold: Option<Duration>,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ship {
    /// The order's id.
    order: String,
    /// Number of a line and its units that leave, with @LOCATION only those that are there; repeat for more. Everything
    /// where absent.
    #[arg(long, value_name = "LINE:QTY[@LOCATION]", value_parser = line_quantity)]
    line: Vec<LineQuantity>,
    /// The carrier's number.
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    tracking: String,
    /// Your number of the parcel. A second booking under the same number is refused for ever.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    document: String,
    /// The order closes by itself so long after this shipment, once all has shipped: up to 3660d, 12h or 30d for example.
    #[arg(long, value_name = "TIME", value_parser = words::close_after)]
    close_after: Option<Duration>,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The order's id.
    order: String,
    /// Number of a line and its units that are given back, with @LOCATION only those that are there; repeat for more. Everything
    /// that has not shipped where absent.
    #[arg(long, value_name = "LINE:QTY[@LOCATION]", value_parser = line_quantity)]
    line: Vec<LineQuantity>,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Close {
    /// The order's id.
    order: String,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Return {
    /// The order's id.
    order: String,
    /// Number of a line, units that come back, the location that they come to (usually where they came from), and what
    /// becomes of them: restock (usual), damaged or scrap.
    #[arg(long, value_name = "LINE:QTY[@LOCATION][=WHAT]", required = true, value_parser = return_line)]
    line: Vec<ReturnLine>,
    /// Your number of the return. A second booking under the same number is refused for ever.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    document: String,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

impl OrderChange {
    /// What is asked for.
    pub(crate) fn asked(self) -> Asked {
        match self {
            Self::Place(place) => place.asked(),
            Self::Confirm(confirm) => confirm.asked(),
            Self::Extend(extend) => extend.asked(),
            Self::Ship(ship) => ship.asked(),
            Self::Cancel(cancel) => cancel.asked(),
            Self::Close(close) => close.asked(),
            Self::Return(returned) => returned.asked(),
        }
    }
}

impl Place {
    fn asked(self) -> Asked {
        let shortages = if self.partial { ShortagePolicy::Partial } else { ShortagePolicy::Unspecified };
        let request = PlaceOrderRequest {
            order_id: self.id,
            customer_id: self.customer,
            currency_code: self.currency,
            lines: self.line,
            hold_duration: self.hold,
            sourcing: self.sourcing.code(),
            shortage_policy: shortages.into(),
            ..PlaceOrderRequest::default()
        };
        Asked::new(Request::PlaceOrder(request), self.request)
    }
}

impl Confirm {
    fn asked(self) -> Asked {
        let request = ConfirmOrderRequest {
            order_id: self.order,
            payment_reference: self.payment,
            etag: self.etag.etag,
            reacquire: self.reacquire,
            ..ConfirmOrderRequest::default()
        };
        Asked::new(Request::ConfirmOrder(request), self.request)
    }
}

impl Extend {
    fn asked(self) -> Asked {
        let request = ExtendOrderRequest {
            order_id: self.order,
            hold_duration: self.hold,
            etag: self.etag.etag,
            ..ExtendOrderRequest::default()
        };
        Asked::new(Request::ExtendOrder(request), self.request)
    }
}

impl Ship {
    fn asked(self) -> Asked {
        let request = ShipOrderRequest {
            order_id: self.order,
            lines: self.line,
            tracking_number: self.tracking,
            etag: self.etag.etag,
            document_id: self.document,
            close_after: self.close_after,
            ..ShipOrderRequest::default()
        };
        Asked::new(Request::ShipOrder(request), self.request)
    }
}

impl Cancel {
    fn asked(self) -> Asked {
        let request = CancelOrderRequest {
            order_id: self.order,
            lines: self.line,
            etag: self.etag.etag,
            ..CancelOrderRequest::default()
        };
        Asked::new(Request::CancelOrder(request), self.request)
    }
}

impl Close {
    fn asked(self) -> Asked {
        let request =
            CloseOrderRequest { order_id: self.order, etag: self.etag.etag, ..CloseOrderRequest::default() };
        Asked::new(Request::CloseOrder(request), self.request)
    }
}

impl Return {
    fn asked(self) -> Asked {
        let request = ReturnOrderRequest {
            order_id: self.order,
            lines: self.line,
            document_id: self.document,
            etag: self.etag.etag,
            ..ReturnOrderRequest::default()
        };
        Asked::new(Request::ReturnOrder(request), self.request)
    }
}

pub(crate) async fn run(args: OrderArgs, output: Output) -> anyhow::Result<()> {
    let OrderArgs { cluster, command } = args;
    match command {
        OrderCommand::Change(change) => mutation::run(&cluster, change.asked(), output).await,
        OrderCommand::Get { order, reads } => {
            get(&cluster.connect_to_read(&reads).await?, order, output).await
        }
        OrderCommand::List(wanted) => {
            list(&cluster.connect_to_read(&wanted.page.reads).await?, wanted, output).await
        }
    }
}

async fn get(client: &Client, order_id: String, output: Output) -> anyhow::Result<()> {
    let answer = client.get_order(GetOrderRequest { order_id, read: None }).await?;
    let order = answer.order.unwrap_or_default();
    let object =
        json!({ "header": print::header(answer.header.as_ref()), "order": print::order_object(&order) });
    output.print(&object, || print::order_text(&order));
    Ok(())
}

impl List {
    fn request(self) -> ListOrdersRequest {
        ListOrdersRequest {
            page_size: self.page.page_size,
            page_token: self.page.page_token,
            state: self.state.unwrap_or(OrderState::Unspecified).into(),
            customer_id: self.customer,
            sku_id: self.sku,
            start_time: self.placed.since,
            end_time: self.placed.until,
            newest_first: self.placed.newest_first,
            read: None,
        }
    }
}

async fn list(client: &Client, wanted: List, output: Output) -> anyhow::Result<()> {
    let page = client.list_orders(wanted.request()).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "orders": page.orders.iter().map(print::order_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || print::order_table(&page.orders) + &more(&page.next_page_token));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    fn asked(words: &str) -> Result<Asked, clap::Error> {
        let line = ["stockade", "order"].into_iter().chain(words.split(' '));
        let Command::Order(args) = Cli::try_parse_from(line)?.command else { panic!("no order command") };
        let OrderCommand::Change(change) = args.command else { panic!("{words} changes nothing") };
        Ok(change.asked())
    }

    #[test]
    fn an_order_says_where_its_units_come_from_and_what_becomes_of_it_where_they_are_short() {
        let placed = |flags: &str| match asked(&format!("place --id o1 --line mug:2{flags}"))?.request {
            Request::PlaceOrder(request) => Ok::<_, clap::Error>(request),
            other => panic!("no order is placed: {other:?}"),
        };
        let usual = placed("").unwrap();
        assert_eq!(usual.sourcing(), Sourcing::Unspecified);
        assert_eq!(usual.shortage_policy(), ShortagePolicy::Unspecified);
        let split = placed(" --sourcing fewest-splits --partial --hold 2h").unwrap();
        assert_eq!(split.sourcing(), Sourcing::FewestSplits);
        assert_eq!(split.shortage_policy(), ShortagePolicy::Partial);
        assert_eq!(split.hold_duration, Some(Duration { seconds: 7_200, nanos: 0 }));
        assert!(placed(" --sourcing cheapest").is_err());
    }

    #[test]
    fn a_shipment_names_lines_document_and_when_the_order_closes() {
        let Request::ShipOrder(request) =
            asked("ship o1 --line 1:2@main --line 2:1 --document P-1 --close-after 30d --etag e1")
                .unwrap()
                .request
        else {
            panic!("nothing ships")
        };
        let line = |line, quantity, location_id: &str| LineQuantity {
            line,
            quantity,
            location_id: location_id.to_owned(),
        };
        assert_eq!(request.lines, [line(1, 2, "main"), line(2, 1, "")]);
        assert_eq!((request.document_id.as_str(), request.etag.as_str()), ("P-1", "e1"));
        assert_eq!(request.close_after, Some(Duration { seconds: 30 * 24 * 60 * 60, nanos: 0 }));
    }

    #[test]
    fn an_order_is_extended_closed_cancelled_in_part_and_confirmed_late() {
        let Request::ExtendOrder(request) = asked("extend o1 --hold 1h --etag e").unwrap().request else {
            panic!("nothing is extended")
        };
        assert_eq!((request.hold_duration.unwrap().seconds, request.etag.as_str()), (3_600, "e"));
        let Request::CloseOrder(request) = asked("close o1 --etag e").unwrap().request else {
            panic!("nothing is closed")
        };
        assert_eq!((request.order_id.as_str(), request.etag.as_str()), ("o1", "e"));
        let Request::CancelOrder(request) = asked("cancel o1 --line 2:1@east").unwrap().request else {
            panic!("nothing is cancelled")
        };
        assert_eq!((request.lines[0].line, request.lines[0].location_id.as_str()), (2, "east"));
        let Request::ConfirmOrder(request) = asked("confirm o1 --reacquire").unwrap().request else {
            panic!("nothing is confirmed")
        };
        assert!(request.reacquire);
    }

    #[test]
    fn orders_are_listed_by_state_customer_sku_and_time() {
        let listed = |flags: &str| {
            let line = ["stockade", "order", "list"].into_iter().chain(flags.split_whitespace());
            let Command::Order(args) = Cli::try_parse_from(line)?.command else { panic!("no order command") };
            let OrderCommand::List(wanted) = args.command else { panic!("{flags} lists nothing") };
            Ok::<_, clap::Error>(wanted.request())
        };
        let all = ListOrdersRequest { page_size: 50, ..ListOrdersRequest::default() };
        assert_eq!(listed("").unwrap(), all);
        let flags = "--state closed --customer c1 --sku mug --since 2026-01-01 --until 2026-01-02 --newest-first \
                     --page-size 7 --page-token t";
        let day = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let some = ListOrdersRequest {
            page_size: 7,
            page_token: "t".to_owned(),
            state: OrderState::Closed.into(),
            customer_id: "c1".to_owned(),
            sku_id: "mug".to_owned(),
            start_time: day(1_767_225_600),
            end_time: day(1_767_312_000),
            newest_first: true,
            read: None,
        };
        assert_eq!(listed(flags).unwrap(), some);
        assert!(listed("--since yesterday").is_err());
    }

    #[test]
    fn what_names_a_call_is_no_part_of_what_it_asks_for() {
        let asked = asked("close o1 --request-id 0190 --validate-only").unwrap();
        assert!(asked.by.validate_only);
        assert_eq!(asked.by.request_id, "0190");
        let Request::CloseOrder(request) = asked.request else { panic!("nothing is closed") };
        assert_eq!((request.request_id.as_str(), request.validate_only), ("", false));
    }
}

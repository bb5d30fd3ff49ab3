//! `stockade order`.

use prost_types::Duration;
use serde_json::{Value, json};
use stockade_client::Client;
use stockade_proto::v1::{
    CancelOrderRequest, ConfirmOrderRequest, Disposition, GetOrderRequest, LineQuantity, ListOrdersRequest,
    NewOrderLine, OrderState, PlaceOrderRequest, ResponseHeader, ReturnLine, ReturnOrderRequest,
    ShipOrderRequest,
};

use crate::changed::Changed;
use crate::connect::{ClusterArgs, PageArgs, RequestArgs};
use crate::lines::{line_quantity, new_line};
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
    /// Take an order and hold its units, all lines or none.
    #[command(after_help = "Example: stockade order place --id o1 --line mug:2@main=1250 --line teapot:1")]
    Place(Place),
    /// Payment was taken: what is held becomes committed.
    #[command(after_help = "Example: stockade order confirm o1 --payment P-77")]
    Confirm {
        /// The order's id.
        order: String,
        /// Your reference of the payment.
        #[arg(long, value_name = "REFERENCE", default_value = "", hide_default_value = true)]
        payment: String,
        #[command(flatten)]
        request: RequestArgs,
    },
    /// Units leave: all that is committed, or what is named.
    #[command(after_help = "Example: stockade order ship o1 --line 1:2 --tracking T-99")]
    Ship {
        /// The order's id.
        order: String,
        /// Number of a line and its units that leave; repeat for more. Everything where absent.
        #[arg(long, value_name = "LINE:QTY", value_parser = line_quantity)]
        line: Vec<LineQuantity>,
        /// The carrier's number.
        #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
        tracking: String,
        #[command(flatten)]
        request: RequestArgs,
    },
    /// Give back what is not shipped.
    #[command(after_help = "Example: stockade order cancel o1")]
    Cancel {
        /// The order's id.
        order: String,
        #[command(flatten)]
        request: RequestArgs,
    },
    /// Shipped units come back.
    #[command(after_help = "Example: stockade order return o1 --line 1:1=damaged --document R-5")]
    Return {
        /// The order's id.
        order: String,
        /// Number of a line, units that come back, and what becomes of them: restock (usual), damaged or scrap.
        #[arg(long, value_name = "LINE:QTY[=WHAT]", required = true, value_parser = return_line)]
        line: Vec<ReturnLine>,
        /// Your number of the return. A second booking under the same number is refused for ever.
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        document: String,
        #[command(flatten)]
        request: RequestArgs,
    },
    /// Show an order with its lines.
    #[command(after_help = "Example: stockade order get o1")]
    Get {
        /// The order's id.
        order: String,
    },
    /// List orders in the order of their ids.
    #[command(after_help = "Example: stockade order list --state shipped --customer c-12")]
    List {
        /// Only orders in this state: pending-payment, confirmed, partially-shipped, shipped, partially-returned,
        /// returned, cancelled or expired.
        #[arg(long, value_name = "STATE", value_parser = order_state)]
        state: Option<OrderState>,
        /// Only orders of this customer.
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        customer: String,
        #[command(flatten)]
        page: PageArgs,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The order's id, chosen by you: 1 to 128 visible ASCII characters, taken for ever.
    #[arg(long, value_name = "ID")]
    id: String,
    /// What is ordered; repeat for more lines. Without @LOCATION the first location that covers the line; PRICE is of
    /// one unit in minor units (cents, pence).
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
    request: RequestArgs,
}

fn return_line(text: &str) -> Result<ReturnLine, String> {
    let (what, disposition) = match text.split_once('=') {
        None | Some((_, "restock")) => (text.split('=').next().unwrap_or(text), Disposition::Restock),
        Some((what, "damaged")) => (what, Disposition::Damaged),
        Some((what, "scrap")) => (what, Disposition::Scrap),
        Some((_, other)) => return Err(format!("`{other}` is none of restock, damaged, scrap")),
    };
    let LineQuantity { line, quantity } = line_quantity(what)?;
    Ok(ReturnLine { line, quantity, disposition: disposition.into() })
}

fn order_state(text: &str) -> Result<OrderState, String> {
    let name = format!("ORDER_STATE_{}", text.to_ascii_uppercase().replace('-', "_"));
    let state = OrderState::from_str_name(&name).filter(|state| *state != OrderState::Unspecified);
    state.ok_or_else(|| {
        "write pending-payment, confirmed, partially-shipped, shipped, partially-returned, returned, cancelled or \
         expired"
            .to_owned()
    })
}

/// What a change of an order came to, with what else there is to say.
fn changed(
    header: Option<ResponseHeader>,
    order_id: &str,
    state: i32,
    more: impl IntoIterator<Item = (&'static str, Value)>,
) -> Changed {
    let mut fields = vec![("order_id", json!(order_id)), ("state", json!(print::state(state)))];
    fields.extend(more);
    Changed { header, fields }
}

pub(crate) async fn run(args: OrderArgs, output: Output) -> anyhow::Result<()> {
    let client = args.cluster.connect().await?;
    let done = match args.command {
        OrderCommand::Place(place) => placed(&client, place).await?,
        OrderCommand::Confirm { order, payment, request } => {
            let request_id = request.request_id;
            let request = ConfirmOrderRequest { request_id, order_id: order, payment_reference: payment };
            let answer = client.confirm_order(request).await?;
            changed(answer.header, &answer.order_id, answer.state, [])
        }
        OrderCommand::Ship { order, line, tracking, request } => {
            let request = ShipOrderRequest {
                request_id: request.request_id,
                order_id: order,
                lines: line,
                tracking_number: tracking,
            };
            let answer = client.ship_order(request).await?;
            let more = [("shipped", json!(answer.shipped))];
            changed(answer.header, &answer.order_id, answer.state, more)
        }
        OrderCommand::Cancel { order, request } => {
            let request = CancelOrderRequest { request_id: request.request_id, order_id: order };
            let answer = client.cancel_order(request).await?;
            let more = [("cancelled", json!(answer.cancelled))];
            changed(answer.header, &answer.order_id, answer.state, more)
        }
        OrderCommand::Return { order, line, document, request } => {
            let request = ReturnOrderRequest {
                request_id: request.request_id,
                order_id: order,
                lines: line,
                document_id: document,
            };
            let answer = client.return_order(request).await?;
            let more = [("returned", json!(answer.returned))];
            changed(answer.header, &answer.order_id, answer.state, more)
        }
        OrderCommand::Get { order } => return get(&client, order, output).await,
        OrderCommand::List { state, customer, page } => {
            return list(&client, state, customer, page, output).await;
        }
    };
    done.print(output);
    Ok(())
}

async fn placed(client: &Client, place: Place) -> anyhow::Result<Changed> {
    let request = PlaceOrderRequest {
        request_id: place.request.request_id,
        order_id: place.id,
        customer_id: place.customer,
        currency_code: place.currency,
        lines: place.line,
        hold_duration: place.hold,
    };
    let answer = client.place_order(request).await?;
    let more = [
        ("location_ids", json!(answer.location_ids)),
        ("expire_time", json!(print::time(answer.expire_time.as_ref()))),
    ];
    Ok(changed(answer.header, &answer.order_id, answer.state, more))
}

async fn get(client: &Client, order_id: String, output: Output) -> anyhow::Result<()> {
    let answer = client.get_order(GetOrderRequest { order_id }).await?;
    let order = answer.order.unwrap_or_default();
    let object =
        json!({ "header": print::header(answer.header.as_ref()), "order": print::order_object(&order) });
    output.print(&object, || print::order_text(&order));
    Ok(())
}

async fn list(
    client: &Client,
    state: Option<OrderState>,
    customer_id: String,
    page: PageArgs,
    output: Output,
) -> anyhow::Result<()> {
    let request = ListOrdersRequest {
        page_size: page.page_size,
        page_token: page.page_token,
        state: state.unwrap_or(OrderState::Unspecified).into(),
        customer_id,
    };
    let page = client.list_orders(request).await?;
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
    use super::*;

    #[test]
    fn a_returned_line_is_restocked_unless_it_says_otherwise() {
        let parsed =
            |text: &str| return_line(text).map(|line| (line.line, line.quantity, line.disposition()));
        assert_eq!(parsed("1:2"), Ok((1, 2, Disposition::Restock)));
        assert_eq!(parsed("1:2=restock"), Ok((1, 2, Disposition::Restock)));
        assert_eq!(parsed("3:1=damaged"), Ok((3, 1, Disposition::Damaged)));
        assert!(parsed("0:1").is_err() && parsed("1:1=lost").is_err() && parsed("1").is_err());
    }

    #[test]
    fn states_are_written_with_dashes() {
        assert_eq!(order_state("pending-payment"), Ok(OrderState::PendingPayment));
        assert!(order_state("unspecified").is_err());
    }
}

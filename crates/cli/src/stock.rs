//! `stockade stock`.

use serde_json::json;
use stockade_proto::v1::{
    AdjustStockRequest, Bucket, GetStockRequest, ListStockRequest, Reason, ReceiveStockRequest,
};

use crate::connect::{ClusterArgs, PageArgs, RequestArgs};
use crate::output::Output;
use crate::print;
use crate::sku::more;

#[derive(Debug, clap::Args)]
pub(crate) struct StockArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: StockCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StockCommand {
    /// Book goods in.
    #[command(after_help = "Example: stockade stock receive mug 100 --document DN-4711")]
    Receive {
        #[command(flatten)]
        place: Place,
        /// Units.
        quantity: i64,
        #[command(flatten)]
        booking: Booking,
    },
    /// Correct a bucket by a delta, with a reason.
    #[command(after_help = "Example: stockade stock adjust mug -3 --reason damaged")]
    Adjust {
        #[command(flatten)]
        place: Place,
        /// Units, not 0; below 0 takes away.
        #[arg(allow_negative_numbers = true)]
        delta: i64,
        /// Why: restock, correction, cycle-count, damaged, shrinkage, theft-loss, promotion, quality-hold,
        /// safety-stock or other.
        #[arg(long, value_name = "REASON", value_parser = reason)]
        reason: Reason,
        /// Which bucket: available, safety-stock, damaged or quality-control.
        #[arg(long, value_name = "BUCKET", default_value = "available", value_parser = bucket)]
        bucket: Bucket,
        #[command(flatten)]
        booking: Booking,
    },
    /// Show the stock of a SKU at a location.
    #[command(after_help = "Example: stockade stock get mug")]
    Get(Place),
    /// List stock in the order of SKU and location.
    #[command(after_help = "Example: stockade stock list --sku mug")]
    List {
        /// Only this SKU.
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        sku: String,
        #[command(flatten)]
        page: PageArgs,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The SKU's id.
    sku: String,
    /// The location's id.
    #[arg(long, value_name = "ID", default_value = "main")]
    location: String,
}

#[derive(Debug, clap::Args)]
struct Booking {
    /// Your number of the document. A second booking under the same number is refused for ever.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    document: String,
    /// A URI kept in the ledger.
    #[arg(long, value_name = "URI", default_value = "", hide_default_value = true)]
    reference: String,
    #[command(flatten)]
    request: RequestArgs,
}

/// `CYCLE_COUNT` of `cycle-count`.
fn spelled(text: &str) -> String {
    text.to_ascii_uppercase().replace('-', "_")
}

fn reason(text: &str) -> Result<Reason, String> {
    let reason = Reason::from_str_name(&format!("REASON_{}", spelled(text)));
    // Those up to SHIPMENT are the system's own.
    let own = |reason: &Reason| i32::from(*reason) > i32::from(Reason::Shipment);
    reason.filter(own).ok_or_else(|| {
        "write restock, correction, cycle-count, damaged, shrinkage, theft-loss, promotion, quality-hold, \
         safety-stock or other"
            .to_owned()
    })
}

fn bucket(text: &str) -> Result<Bucket, String> {
    let open = [Bucket::Available, Bucket::SafetyStock, Bucket::Damaged, Bucket::QualityControl];
    let bucket = Bucket::from_str_name(&format!("BUCKET_{}", spelled(text)));
    bucket
        .filter(|bucket| open.contains(bucket))
        .ok_or_else(|| "write available, safety-stock, damaged or quality-control".to_owned())
}

pub(crate) async fn run(args: StockArgs, output: Output) -> anyhow::Result<()> {
    let client = args.cluster.connect().await?;
    let (header, stock) = match args.command {
        StockCommand::Receive { place, quantity, booking } => {
            let request = ReceiveStockRequest {
                request_id: booking.request.request_id,
                sku_id: place.sku,
                location_id: place.location,
                quantity,
                document_id: booking.document,
                reference: booking.reference,
            };
            let answer = client.receive_stock(request).await?;
            (answer.header, answer.stock)
        }
        StockCommand::Adjust { place, delta, reason, bucket, booking } => {
            let request = AdjustStockRequest {
                request_id: booking.request.request_id,
                sku_id: place.sku,
                location_id: place.location,
                bucket: bucket.into(),
                delta,
                reason: reason.into(),
                document_id: booking.document,
                reference: booking.reference,
            };
            let answer = client.adjust_stock(request).await?;
            (answer.header, answer.stock)
        }
        StockCommand::Get(place) => {
            let request = GetStockRequest { sku_id: place.sku, location_id: place.location };
            let answer = client.get_stock(request).await?;
            (answer.header, answer.stock)
        }
        StockCommand::List { sku, page: PageArgs { page_size, page_token } } => {
            let page = client.list_stock(ListStockRequest { sku_id: sku, page_size, page_token }).await?;
            let object = json!({
                "header": print::header(page.header.as_ref()),
                "stock": page.stock.iter().map(print::stock_object).collect::<Vec<_>>(),
                "next_page_token": page.next_page_token,
            });
            output.print(&object, || print::stock_table(&page.stock) + &more(&page.next_page_token));
            return Ok(());
        }
    };
    let stock = stock.unwrap_or_default();
    let object = json!({ "header": print::header(header.as_ref()), "stock": print::stock_object(&stock) });
    output.print(&object, || print::stock_table(std::slice::from_ref(&stock)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_the_system_are_not_for_callers() {
        assert_eq!(reason("cycle-count"), Ok(Reason::CycleCount));
        assert!(reason("shipment").is_err() && reason("unspecified").is_err() && reason("x").is_err());
    }

    #[test]
    fn buckets_of_orders_are_not_for_callers() {
        assert_eq!(bucket("safety-stock"), Ok(Bucket::SafetyStock));
        assert!(bucket("reserved").is_err() && bucket("committed").is_err());
    }
}

//! `stockade stock`.

use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::{
    AdjustStockRequest, Bucket, GetAvailabilityRequest, GetStockRequest, ListStockRequest, MoveStockRequest,
    Reason, ReceiveStockRequest, SetStockRequest,
};

use crate::connect::{ClusterArgs, PageArgs, ReadArgs, RequestArgs};
use crate::mutation::{self, Asked};
use crate::output::Output;
use crate::print::{self, more};
use crate::{sheet, words};

#[derive(Debug, clap::Args)]
pub(crate) struct StockArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: StockCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StockCommand {
    #[command(flatten)]
    Change(StockChange),
    /// Show the stock of a SKU at a location.
    #[command(after_help = "Example: stockade stock get mug")]
    Get(Get),
    /// List stock in the order of SKU and location.
    #[command(after_help = "Example: stockade stock list --location main --below 10")]
    List(List),
    /// What an order could take of SKUs now, over all locations that take orders.
    #[command(after_help = "Example: stockade stock availability mug teapot --zone eu")]
    Availability(Availability),
    /// Write all stock as CSV.
    #[command(after_help = "Example: stockade stock export --file stock.csv")]
    Export(sheet::ExportArgs),
    /// Set buckets to the quantities of a CSV file, as after a count.
    #[command(after_help = "Example: stockade stock import counted.csv --dry-run")]
    Import(sheet::ImportArgs),
}

/// What changes stock.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum StockChange {
    /// Book goods in.
    #[command(after_help = "Example: stockade stock receive mug 100 --document DN-4711")]
    Receive(Receive),
    /// Correct a bucket by a delta, with a reason.
    #[command(after_help = "Example: stockade stock adjust mug -3 --reason damaged")]
    Adjust(Adjust),
    /// Set a bucket to a quantity, with a reason.
    #[command(after_help = "Example: stockade stock set mug 97 --expect 100 --reason cycle-count")]
    Set(Set),
    /// Move units from one bucket to another, with a reason.
    #[command(after_help = "Example: stockade stock move mug 5 --to safety-stock --reason safety-stock")]
    Move(Move),
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
struct Get {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    reads: ReadArgs,
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

#[derive(Debug, clap::Args)]
struct Why {
    /// Why: restock, correction, cycle-count, damaged, shrinkage, theft-loss, promotion, quality-hold, safety-stock or
    /// other.
    #[arg(long, value_name = "REASON", value_parser = words::reason)]
    reason: Reason,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Which bucket: available, safety-stock, damaged or quality-control.
    #[arg(long, value_name = "BUCKET", default_value = "available", value_parser = words::bucket)]
    bucket: Bucket,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Receive {
    #[command(flatten)]
    place: Place,
    /// Units.
    quantity: i64,
    #[command(flatten)]
    booking: Booking,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Adjust {
    #[command(flatten)]
    place: Place,
    /// Units, not 0; below 0 takes away.
    #[arg(allow_negative_numbers = true)]
    delta: i64,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    booking: Booking,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    #[command(flatten)]
    place: Place,
    /// Units that are to be there.
    quantity: i64,
    /// Units that must be there before; else the call is refused.
    #[arg(long, value_name = "QUANTITY")]
    expect: Option<i64>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    booking: Booking,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Move {
    #[command(flatten)]
    place: Place,
    /// Units.
    quantity: i64,
    /// The bucket they leave: available, safety-stock, damaged or quality-control.
    #[arg(long, value_name = "BUCKET", default_value = "available", value_parser = words::bucket)]
    from: Bucket,
    /// The bucket they come to.
    #[arg(long, value_name = "BUCKET", value_parser = words::bucket)]
    to: Bucket,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    booking: Booking,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this SKU.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    sku: String,
    /// Only this location.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    location: String,
    /// Only where less than this is available. A page may then hold fewer rows than asked for, or none, and not be the last.
    #[arg(long, value_name = "N")]
    below: Option<i64>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
struct Availability {
    /// The SKUs' ids, at most 100.
    #[arg(required = true, value_name = "SKU")]
    skus: Vec<String>,
    /// Only this location; repeat for more.
    #[arg(long, value_name = "ID")]
    location: Vec<String>,
    /// Only locations of this zone.
    #[arg(long, value_name = "ZONE", default_value = "", hide_default_value = true)]
    zone: String,
    #[command(flatten)]
    reads: ReadArgs,
}

impl StockChange {
    /// What is asked for.
    pub(crate) fn asked(self) -> Asked {
        match self {
            Self::Receive(receive) => receive.asked(),
            Self::Adjust(adjust) => adjust.asked(),
            Self::Set(set) => set.asked(),
            Self::Move(moved) => moved.asked(),
        }
    }
}

impl Receive {
    fn asked(self) -> Asked {
        let request = ReceiveStockRequest {
            sku_id: self.place.sku,
            location_id: self.place.location,
            quantity: self.quantity,
            document_id: self.booking.document,
            reference: self.booking.reference,
            ..ReceiveStockRequest::default()
        };
        Asked::new(Request::ReceiveStock(request), self.booking.request)
    }
}

impl Adjust {
    fn asked(self) -> Asked {
        let request = AdjustStockRequest {
            sku_id: self.place.sku,
            location_id: self.place.location,
            bucket: self.which.bucket.into(),
            delta: self.delta,
            reason: self.why.reason.into(),
            document_id: self.booking.document,
            reference: self.booking.reference,
            ..AdjustStockRequest::default()
        };
        Asked::new(Request::AdjustStock(request), self.booking.request)
    }
}

impl Set {
    fn asked(self) -> Asked {
        let request = SetStockRequest {
            sku_id: self.place.sku,
            location_id: self.place.location,
            bucket: self.which.bucket.into(),
            quantity: self.quantity,
            expected_quantity: self.expect,
            reason: self.why.reason.into(),
            document_id: self.booking.document,
            reference: self.booking.reference,
            ..SetStockRequest::default()
        };
        Asked::new(Request::SetStock(request), self.booking.request)
    }
}

impl Move {
    fn asked(self) -> Asked {
        let request = MoveStockRequest {
            sku_id: self.place.sku,
            location_id: self.place.location,
            from_bucket: self.from.into(),
            to_bucket: self.to.into(),
            quantity: self.quantity,
            reason: self.why.reason.into(),
            document_id: self.booking.document,
            reference: self.booking.reference,
            ..MoveStockRequest::default()
        };
        Asked::new(Request::MoveStock(request), self.booking.request)
    }
}

pub(crate) async fn run(args: StockArgs, output: Output) -> anyhow::Result<()> {
    let StockArgs { cluster, command } = args;
    match command {
        StockCommand::Change(change) => mutation::run(&cluster, change.asked(), output).await,
        StockCommand::Get(Get { place, reads }) => {
            get(&cluster.connect_to_read(&reads).await?, place, output).await
        }
        StockCommand::List(wanted) => {
            list(&cluster.connect_to_read(&wanted.page.reads).await?, wanted, output).await
        }
        StockCommand::Availability(wanted) => {
            availability(&cluster.connect_to_read(&wanted.reads).await?, wanted, output).await
        }
        StockCommand::Export(args) => sheet::export_stock(&cluster, &args, output).await,
        StockCommand::Import(args) => sheet::import_stock(&cluster, &args, output).await,
    }
}

async fn get(client: &Client, place: Place, output: Output) -> anyhow::Result<()> {
    let request = GetStockRequest { sku_id: place.sku, location_id: place.location, read: None };
    let answer = client.get_stock(request).await?;
    let stock = answer.stock.unwrap_or_default();
    let object =
        json!({ "header": print::header(answer.header.as_ref()), "stock": print::stock_object(&stock) });
    output.print(&object, || print::stock_table(std::slice::from_ref(&stock)));
    Ok(())
}

async fn list(client: &Client, wanted: List, output: Output) -> anyhow::Result<()> {
    let request = ListStockRequest {
        sku_id: wanted.sku,
        location_id: wanted.location,
        available_below: wanted.below,
        page_size: wanted.page.page_size,
        page_token: wanted.page.page_token,
        read: None,
    };
    let page = client.list_stock(request).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "stock": page.stock.iter().map(print::stock_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || print::stock_table(&page.stock) + &more(&page.next_page_token));
    Ok(())
}

async fn availability(client: &Client, wanted: Availability, output: Output) -> anyhow::Result<()> {
    let Availability { skus, location, zone, reads: _ } = wanted;
    let request = GetAvailabilityRequest { sku_ids: skus, location_ids: location, zone, read: None };
    let answer = client.get_availability(request).await?;
    let object = json!({
        "header": print::header(answer.header.as_ref()),
        "availability": answer.availability.iter().map(print::availability_object).collect::<Vec<_>>(),
    });
    output.print(&object, || print::availability_table(&answer.availability));
    Ok(())
}

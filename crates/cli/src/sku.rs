//! `stockade sku`.

use prost_types::FieldMask;
use serde_json::json;
use stockade_proto::v1::{
    CreateSkuRequest, DeleteSkuRequest, GetSkuRequest, ListSkusRequest, Sku, UpdateSkuRequest,
};

use crate::connect::{ClusterArgs, PageArgs, RequestArgs};
use crate::output::Output;
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct SkuArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: SkuCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SkuCommand {
    /// Create a SKU.
    #[command(after_help = "Example: stockade sku create mug --name 'Blue mug'")]
    Create(Named),
    /// Show a SKU.
    #[command(after_help = "Example: stockade sku get mug")]
    Get {
        /// Its id.
        sku: String,
    },
    /// List SKUs in the order of their ids.
    #[command(after_help = "Example: stockade sku list --page-size 100")]
    List(PageArgs),
    /// Change a SKU's name.
    #[command(after_help = "Example: stockade sku update mug --name 'Dark blue mug'")]
    Update(Named),
    /// Delete a SKU that has no stock anywhere.
    #[command(after_help = "Example: stockade sku delete mug")]
    Delete {
        /// Its id.
        sku: String,
        #[command(flatten)]
        request: RequestArgs,
    },
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Its id: 1 to 128 visible ASCII characters.
    sku: String,
    /// Its name, for people; at most 256 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    request: RequestArgs,
}

pub(crate) async fn run(args: SkuArgs, output: Output) -> anyhow::Result<()> {
    let client = args.cluster.connect().await?;
    let (header, sku) = match args.command {
        SkuCommand::Create(Named { sku, name, request }) => {
            let sku = Some(Sku { sku_id: sku, display_name: name, ..Sku::default() });
            let answer = client.create_sku(CreateSkuRequest { request_id: request.request_id, sku }).await?;
            (answer.header, answer.sku)
        }
        SkuCommand::Get { sku } => {
            let answer = client.get_sku(GetSkuRequest { sku_id: sku }).await?;
            (answer.header, answer.sku)
        }
        SkuCommand::Update(Named { sku, name, request }) => {
            let sku = Some(Sku { sku_id: sku, display_name: name, ..Sku::default() });
            let update_mask = Some(FieldMask { paths: vec!["display_name".to_owned()] });
            let request = UpdateSkuRequest { request_id: request.request_id, sku, update_mask };
            let answer = client.update_sku(request).await?;
            (answer.header, answer.sku)
        }
        SkuCommand::List(PageArgs { page_size, page_token }) => {
            let page = client.list_skus(ListSkusRequest { page_size, page_token }).await?;
            let object = json!({
                "header": print::header(page.header.as_ref()),
                "skus": page.skus.iter().map(print::sku_object).collect::<Vec<_>>(),
                "next_page_token": page.next_page_token,
            });
            output.print(&object, || print::sku_table(&page.skus) + &more(&page.next_page_token));
            return Ok(());
        }
        SkuCommand::Delete { sku, request } => {
            let request = DeleteSkuRequest { request_id: request.request_id, sku_id: sku.clone() };
            let answer = client.delete_sku(request).await?;
            let object = json!({ "header": print::header(answer.header.as_ref()), "deleted": sku });
            output.print(&object, || format!("deleted {sku}"));
            return Ok(());
        }
    };
    let sku = sku.unwrap_or_default();
    let object = json!({ "header": print::header(header.as_ref()), "sku": print::sku_object(&sku) });
    output.print(&object, || print::sku_table(std::slice::from_ref(&sku)));
    Ok(())
}

/// How to see the next page; empty on the last.
pub(crate) fn more(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("\nmore: --page-token {token}") }
}

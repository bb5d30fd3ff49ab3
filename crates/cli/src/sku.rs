//! `stockade sku`.

use std::collections::BTreeMap;

use prost_types::FieldMask;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::{
    CreateSkuRequest, DeleteSkuRequest, GetSkuRequest, ListSkusRequest, Sku, UpdateSkuRequest,
};
use stockade_server::Exit;

use crate::connect::{ClusterArgs, EtagArgs, PageArgs, ReadArgs, RequestArgs};
use crate::failure::Failure;
use crate::mutation::{self, Asked};
use crate::output::Output;
use crate::print::{self, more};
use crate::sheet::{self, attributes};

#[derive(Debug, clap::Args)]
pub(crate) struct SkuArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: SkuCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SkuCommand {
    #[command(flatten)]
    Change(SkuChange),
    /// Show a SKU.
    #[command(after_help = "Example: stockade sku get mug")]
    Get {
        /// Its id.
        sku: String,
        #[command(flatten)]
        reads: ReadArgs,
    },
    /// List SKUs in the order of their ids.
    #[command(after_help = "Example: stockade sku list --page-size 100")]
    List(PageArgs),
    /// Write all SKUs as CSV.
    #[command(after_help = "Example: stockade sku export --file skus.csv")]
    Export(sheet::ExportArgs),
    /// Create the SKUs of a CSV file that are missing and update those that differ.
    #[command(after_help = "Example: stockade sku import skus.csv --dry-run")]
    Import(sheet::ImportArgs),
}

/// What changes a SKU.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SkuChange {
    /// Create a SKU.
    #[command(
        after_help = "Example: stockade sku create mug --name 'Blue mug' --max-per-order 10 --attribute colour=blue"
    )]
    Create(Create),
    /// Change what is named of a SKU; everything else stays as it is.
    #[command(after_help = "Example: stockade sku update mug --name 'Dark blue mug' --untracked=false")]
    Update(Update),
    /// Delete a SKU that has no stock anywhere.
    #[command(after_help = "Example: stockade sku delete mug")]
    Delete(Delete),
}

/// What callers decide of a SKU.
#[derive(Debug, Default, clap::Args)]
struct Fields {
    /// Its name, for people; at most 256 bytes.
    #[arg(long, visible_alias = "display-name", value_name = "TEXT")]
    name: Option<String>,
    /// Orders take units of it without a look at the stock, and no bucket counts them: a service, a download.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    untracked: Option<bool>,
    /// Units that an order takes at least if it takes any; 0 for no limit.
    #[arg(long, value_name = "N")]
    min_per_order: Option<i64>,
    /// Units that an order takes at most; 0 for no limit.
    #[arg(long, value_name = "N")]
    max_per_order: Option<i64>,
    /// Something of your own to know of it; repeat for more. Given with `update`, these are all that it has afterwards.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attributes::one)]
    attribute: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Its id: 1 to 128 visible ASCII characters.
    sku: String,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Its id.
    sku: String,
    #[command(flatten)]
    fields: Fields,
    /// Take all attributes away.
    #[arg(long, conflicts_with = "attribute")]
    clear_attributes: bool,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// Its id.
    sku: String,
    #[command(flatten)]
    etag: EtagArgs,
    #[command(flatten)]
    request: RequestArgs,
}

impl Fields {
    /// The SKU with these fields, and the names of those that were given.
    fn of(self, sku_id: String, clear_attributes: bool) -> anyhow::Result<(Sku, Vec<String>)> {
        let given = [
            ("display_name", self.name.is_some()),
            ("untracked", self.untracked.is_some()),
            ("min_per_order", self.min_per_order.is_some()),
            ("max_per_order", self.max_per_order.is_some()),
            ("attributes", clear_attributes || !self.attribute.is_empty()),
        ];
        let paths = given.iter().filter(|(_, given)| *given).map(|(path, _)| (*path).to_owned()).collect();
        let mut attributes = BTreeMap::new();
        for (name, value) in self.attribute {
            if let Some(before) = attributes.insert(name.clone(), value) {
                let text = format!("--attribute {name} is given twice, first as `{before}`");
                return Err(Failure::new(Exit::Usage, text).into());
            }
        }
        let sku = Sku {
            sku_id,
            display_name: self.name.unwrap_or_default(),
            untracked: self.untracked.unwrap_or_default(),
            min_per_order: self.min_per_order.unwrap_or_default(),
            max_per_order: self.max_per_order.unwrap_or_default(),
            attributes,
            ..Sku::default()
        };
        Ok((sku, paths))
    }
}

impl SkuChange {
    /// What is asked for.
    pub(crate) fn asked(self) -> anyhow::Result<Asked> {
        match self {
            Self::Create(create) => create.asked(),
            Self::Update(update) => update.asked(),
            Self::Delete(delete) => Ok(delete.asked()),
        }
    }
}

impl Create {
    fn asked(self) -> anyhow::Result<Asked> {
        let (sku, _) = self.fields.of(self.sku, false)?;
        let request = CreateSkuRequest { sku: Some(sku), ..CreateSkuRequest::default() };
        Ok(Asked::new(Request::CreateSku(request), self.request))
    }
}

impl Update {
    fn asked(self) -> anyhow::Result<Asked> {
        let (sku, paths) = self.fields.of(self.sku, self.clear_attributes)?;
        // An empty mask would mean every field.
        if paths.is_empty() {
            let text = "nothing to change: give --name, --untracked, --min-per-order, --max-per-order, --attribute or \
                        --clear-attributes";
            return Err(Failure::new(Exit::Usage, text).into());
        }
        let request = UpdateSkuRequest {
            sku: Some(Sku { etag: self.etag.etag, ..sku }),
            update_mask: Some(FieldMask { paths }),
            ..UpdateSkuRequest::default()
        };
        Ok(Asked::new(Request::UpdateSku(request), self.request))
    }
}

impl Delete {
    fn asked(self) -> Asked {
        let request =
            DeleteSkuRequest { sku_id: self.sku, etag: self.etag.etag, ..DeleteSkuRequest::default() };
        Asked::new(Request::DeleteSku(request), self.request)
    }
}

pub(crate) async fn run(args: SkuArgs, output: Output) -> anyhow::Result<()> {
    let SkuArgs { cluster, command } = args;
    match command {
        SkuCommand::Change(change) => mutation::run(&cluster, change.asked()?, output).await,
        SkuCommand::Get { sku, reads } => get(&cluster.connect_to_read(&reads).await?, sku, output).await,
        SkuCommand::List(page) => list(&cluster.connect_to_read(&page.reads).await?, page, output).await,
        SkuCommand::Export(args) => sheet::export_skus(&cluster, &args, output).await,
        SkuCommand::Import(args) => sheet::import_skus(&cluster, &args, output).await,
    }
}

async fn get(client: &Client, sku_id: String, output: Output) -> anyhow::Result<()> {
    let answer = client.get_sku(GetSkuRequest { sku_id, read: None }).await?;
    let sku = answer.sku.unwrap_or_default();
    let object = json!({ "header": print::header(answer.header.as_ref()), "sku": print::sku_object(&sku) });
    output.print(&object, || print::sku_table(std::slice::from_ref(&sku)));
    Ok(())
}

async fn list(client: &Client, page: PageArgs, output: Output) -> anyhow::Result<()> {
    let PageArgs { page_size, page_token, reads: _ } = page;
    let page = client.list_skus(ListSkusRequest { page_size, page_token, read: None }).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "skus": page.skus.iter().map(print::sku_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || print::sku_table(&page.skus) + &more(&page.next_page_token));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    fn update(flags: &[&str]) -> anyhow::Result<UpdateSkuRequest> {
        let words = ["stockade", "sku", "update", "mug"].iter().chain(flags);
        let Command::Sku(args) = Cli::try_parse_from(words)?.command else { panic!("no sku command") };
        let SkuCommand::Change(change) = args.command else { panic!("no change") };
        let Request::UpdateSku(request) = change.asked()?.request else { panic!("no update") };
        Ok(request)
    }

    fn mask(flags: &[&str]) -> Vec<String> {
        update(flags).unwrap().update_mask.unwrap().paths
    }

    #[test]
    fn an_update_names_exactly_the_fields_that_were_given() {
        assert_eq!(mask(&["--untracked=false"]), ["untracked"]);
        assert_eq!(mask(&["--name", ""]), ["display_name"]);
        assert_eq!(
            mask(&["--display-name", "Mug", "--max-per-order", "0"]),
            ["display_name", "max_per_order"]
        );
        assert_eq!(mask(&["--clear-attributes"]), ["attributes"]);
        let request = update(&["--untracked", "--attribute", "a=1", "--attribute", "b=x=y"]).unwrap();
        let sku = request.sku.unwrap();
        assert!(sku.untracked);
        assert_eq!(sku.attributes, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "x=y".into())]));
        assert!(!update(&["--untracked=false"]).unwrap().sku.unwrap().untracked);
    }

    #[test]
    fn an_update_of_nothing_is_refused_before_it_is_sent() {
        for flags in [&[][..], &["--etag", "e"]] {
            assert_eq!(crate::failure::exit_of(&update(flags).unwrap_err()), Exit::Usage);
        }
        assert!(update(&["--clear-attributes", "--attribute", "a=1"]).is_err());
        assert!(update(&["--attribute", "a=1", "--attribute", "a=2"]).is_err());
    }
}

//! `stockade ledger`.

mod verify;

use prost_types::Timestamp;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_proto::v1::{GetStockAsOfRequest, ListLedgerEntriesRequest};

use crate::connect::{ClusterArgs, PageArgs, TimeArgs};
use crate::one_node::OneNodeArgs;
use crate::output::Output;
use crate::print::{self, more};
use crate::words;

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LedgerCommand {
    /// List movements of units in the order in which they happened.
    #[command(after_help = "Example: stockade ledger list --sku mug --since 2026-11-01 --newest-first")]
    List(Box<List>),
    /// What was in stock of a SKU at a moment in the past, by location.
    #[command(after_help = "Example: stockade ledger as-of --sku mug --time 2026-12-31T23:59:59.999999Z")]
    AsOf(Past),
    /// Have a node verify its whole ledger: the chain of hashes, the sums of all movements, and the stock that they lead to.
    #[command(after_help = "Example: stockade ledger verify --node 2")]
    Verify(OneNodeArgs),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this SKU.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    sku: String,
    /// Only this location.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    location: String,
    /// Only what this order moved.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    order: String,
    /// Only what this reservation moved.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true, conflicts_with = "order")]
    reservation: String,
    /// Only from this revision on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    from_revision: Option<u64>,
    /// Only up to this revision, which is included. A page may hold fewer rows than asked for, or none, and not be the last.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    to_revision: Option<u64>,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
struct Past {
    /// The SKU's id.
    #[arg(long, value_name = "ID")]
    sku: String,
    /// Only this location.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    location: String,
    #[command(flatten)]
    moment: Moment,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Moment {
    /// After everything up to this revision; 0 is before everything.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// After everything up to this time: 2026-12-31T23:59:59Z for example, UTC where no offset is named; a date alone is its
    /// beginning. A time that has not come yet is now.
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    time: Option<Timestamp>,
}

impl List {
    fn request(self) -> ListLedgerEntriesRequest {
        ListLedgerEntriesRequest {
            page_size: self.page.page_size,
            page_token: self.page.page_token,
            sku_id: self.sku,
            location_id: self.location,
            order_id: self.order,
            reservation_id: self.reservation,
            from_revision: self.from_revision.unwrap_or(0),
            to_revision: self.to_revision.unwrap_or(0),
            start_time: self.time.since,
            end_time: self.time.until,
            newest_first: self.time.newest_first,
            read: None,
        }
    }
}

impl Past {
    fn request(self) -> GetStockAsOfRequest {
        GetStockAsOfRequest {
            sku_id: self.sku,
            location_id: self.location,
            page_size: self.page.page_size,
            page_token: self.page.page_token,
            as_of: self.moment.revision.map(AsOf::Revision).or(self.moment.time.map(AsOf::Time)),
            read: None,
        }
    }
}

pub(crate) async fn run(args: LedgerArgs, output: Output) -> anyhow::Result<()> {
    let LedgerArgs { cluster, command } = args;
    match command {
        LedgerCommand::List(wanted) => {
            list(&cluster.connect_to_read(&wanted.page.reads).await?, *wanted, output).await
        }
        LedgerCommand::AsOf(wanted) => {
            as_of(&cluster.connect_to_read(&wanted.page.reads).await?, wanted, output).await
        }
        LedgerCommand::Verify(node) => verify::run(&cluster.connect().await?, &node, output).await,
    }
}

async fn list(client: &Client, wanted: List, output: Output) -> anyhow::Result<()> {
    let page = client.list_ledger_entries(wanted.request()).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "entries": page.entries.iter().map(print::ledger_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || print::ledger_table(&page.entries) + &more(&page.next_page_token));
    Ok(())
}

async fn as_of(client: &Client, wanted: Past, output: Output) -> anyhow::Result<()> {
    let page = client.get_stock_as_of(wanted.request()).await?;
    let object = json!({
        "header": print::header(page.header.as_ref()),
        "as_of_revision": page.as_of_revision,
        "stock": page.stock.iter().map(print::stock_object).collect::<Vec<_>>(),
        "next_page_token": page.next_page_token,
    });
    output.print(&object, || {
        let stock = print::past_stock_table(&page.stock);
        format!("as of revision {}\n\n{stock}{}", page.as_of_revision, more(&page.next_page_token))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    fn parsed(words: &str) -> Result<LedgerCommand, clap::Error> {
        let line = ["stockade", "ledger"].into_iter().chain(words.split_whitespace());
        let Command::Ledger(args) = Cli::try_parse_from(line)?.command else { panic!("no ledger command") };
        Ok(args.command)
    }

    fn listed(flags: &str) -> Result<ListLedgerEntriesRequest, clap::Error> {
        let LedgerCommand::List(wanted) = parsed(&format!("list {flags}"))? else {
            panic!("{flags}: no list")
        };
        Ok(wanted.request())
    }

    fn past(flags: &str) -> Result<GetStockAsOfRequest, clap::Error> {
        let LedgerCommand::AsOf(wanted) = parsed(&format!("as-of {flags}"))? else {
            panic!("{flags}: no as-of")
        };
        Ok(wanted.request())
    }

    /// The first moment of 2027.
    const NEW_YEAR: Timestamp = Timestamp { seconds: 1_798_761_600, nanos: 0 };

    #[test]
    fn movements_are_listed_by_what_moved_for_whom_and_when() {
        let all = ListLedgerEntriesRequest { page_size: 50, ..ListLedgerEntriesRequest::default() };
        assert_eq!(listed("").unwrap(), all);
        let flags = "--sku mug --location main --order o1 --from-revision 3 --to-revision 9 --since 2027-01-01 \
                     --until 2027-01-01T00:00:01Z --newest-first --page-size 7 --page-token t";
        let some = ListLedgerEntriesRequest {
            page_size: 7,
            page_token: "t".to_owned(),
            sku_id: "mug".to_owned(),
            location_id: "main".to_owned(),
            order_id: "o1".to_owned(),
            reservation_id: String::new(),
            from_revision: 3,
            to_revision: 9,
            start_time: Some(NEW_YEAR),
            end_time: Some(Timestamp { seconds: NEW_YEAR.seconds + 1, nanos: 0 }),
            newest_first: true,
            read: None,
        };
        assert_eq!(listed(flags).unwrap(), some);
        assert_eq!(listed("--reservation cart").unwrap().reservation_id, "cart");
        for bad in ["--order o1 --reservation cart", "--from-revision 0", "--since noon"] {
            assert!(listed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_past_is_named_by_a_revision_or_a_time_and_not_by_both() {
        let by_revision = past("--sku mug --revision 0").unwrap();
        assert_eq!(by_revision.as_of, Some(AsOf::Revision(0)));
        assert_eq!((by_revision.sku_id.as_str(), by_revision.location_id.as_str()), ("mug", ""));
        let by_time = past("--sku mug --location main --time 2027-01-01").unwrap();
        assert_eq!(by_time.as_of, Some(AsOf::Time(NEW_YEAR)));
        assert_eq!(by_time.location_id, "main");
        for bad in ["--sku mug", "--revision 3", "--sku mug --revision 3 --time 2027-01-01"] {
            assert!(past(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_is_named_by_its_id() {
        assert!(parsed("verify").is_ok() && parsed("verify --node 2").is_ok());
        assert!(parsed("verify --node 0").is_err());
    }
}

//! What every command that calls a cluster has in common.

use std::time::Duration;

use prost_types::Timestamp;
use stockade_client::{Client, Config, Consistency, ReadFrom, ReadPolicy};
use stockade_env::Env;

use crate::access::AccessArgs;
use crate::recording::RecordArgs;
use crate::words;

/// Which cluster to call.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ClusterArgs {
    /// One or more nodes of the cluster; one that lives is enough.
    #[arg(
        long,
        global = true,
        value_name = "ADDR[,ADDR]",
        env = "STOCKADE_CLUSTER",
        value_delimiter = ',',
        default_value = "127.0.0.1:7001"
    )]
    pub(crate) cluster: Vec<String>,
    /// How long a call may take, retries included, in milliseconds.
    #[arg(
        long,
        global = true,
        value_name = "MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) timeout_ms: u64,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
}

impl ClusterArgs {
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let timeout = Duration::from_millis(self.timeout_ms);
        let env = Env::real();
        let record = self.record.open(&env)?;
        let config = Config { timeout, record, ..Config::new(self.cluster.iter().cloned()) };
        Ok(Client::connect(&env, self.access.apply(config)?).await?)
    }

    /// A client for a command that reads.
    pub(crate) async fn connect_to_read(&self, reads: &ReadArgs) -> anyhow::Result<Client> {
        let consistency = reads.consistency.unwrap_or_default();
        let from = match consistency {
            Consistency::Linearizable | Consistency::Lease => ReadFrom::Cheapest,
            // Whoever names a node wants to know what that one has.
            Consistency::Bounded(_) | Consistency::AtLeast(_) | Consistency::Session | Consistency::Local => {
                let first = self.cluster.first().map_or("", String::as_str).trim();
                ReadFrom::Node(first.trim_start_matches("http://").trim_end_matches('/').to_owned())
            }
        };
        Ok(self.connect().await?.with_reads(ReadPolicy { consistency, from }))
    }
}

/// What a read promises.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ReadArgs {
    /// What the answer promises: linearizable, lease, bounded:AGE (bounded:500ms), at-least:REVISION or local; linearizable where
    /// absent. The last three are asked of the first node that --cluster names.
    #[arg(long, value_name = "WHAT", value_parser = words::consistency)]
    consistency: Option<Consistency>,
}

/// Which request this is, and whether it is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RequestArgs {
    /// UUIDv7 of the request. The same id with the same content never takes effect twice; made up where absent.
    #[arg(long, value_name = "UUID", default_value = "", hide_default_value = true)]
    pub(crate) request_id: String,
    /// Change nothing: only say what the command would bring about now, or why it would be refused.
    #[arg(long)]
    pub(crate) validate_only: bool,
}

/// Which version is to be changed.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct EtagArgs {
    /// Only while it is as it was when this etag was shown; else the call is refused.
    #[arg(long, value_name = "ETAG", default_value = "", hide_default_value = true)]
    pub(crate) etag: String,
}

/// Which page of a list.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PageArgs {
    /// Rows on a page.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub(crate) page_size: i32,
    /// Go on where the last page ended.
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    pub(crate) page_token: String,
    #[command(flatten)]
    pub(crate) reads: ReadArgs,
}

/// Which time a list is of, and in which order.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TimeArgs {
    /// Only from this time on: 2026-01-31T09:00:00Z for example, UTC where no offset is named; a date alone is its beginning.
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    pub(crate) since: Option<Timestamp>,
    /// Only before this time.
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    pub(crate) until: Option<Timestamp>,
    /// The newest first.
    #[arg(long)]
    pub(crate) newest_first: bool,
}

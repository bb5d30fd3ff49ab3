//! PostgreSQL: a primary and two standbys that stream from it, and one call of a function for each operation.
//!
//! `cluster.rs` starts them, `pgbench.rs` runs the clients, `schema.sql` holds what they call.

mod cluster;
mod pgbench;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::cluster::Cluster;
use super::plan::{Books, Figures, Plan, Workload};

/// What is asked of the database at the end.
const BOOKS: &str = include_str!("books.sql");

/// PostgreSQL as it is installed here.
#[derive(Debug)]
pub(super) struct Postgres {
    /// Its programs.
    bin: PathBuf,
    pub(super) version: String,
}

impl Postgres {
    pub(super) fn find() -> anyhow::Result<Self> {
        let bin = super::programs::postgres()?;
        let version = super::programs::version(&bin.join("postgres"))?;
        Ok(Self { bin, version })
    }

    /// What it runs with, for who reads the figures.
    pub(super) fn settings(plan: &Plan) -> Vec<String> {
        cluster::settings(plan.most_clients())
            .into_iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect()
    }

    /// Runs a workload at each client count, on a cluster made for it.
    pub(super) async fn measure(
        &self,
        plan: &Plan,
        workload: Workload,
        dir: &Path,
    ) -> anyhow::Result<Vec<Figures>> {
        let cluster = Cluster::start(&self.bin, dir, plan).await?;
        let run =
            async |clients, invocation| pgbench::run(&cluster, plan, workload, clients, invocation).await;
        let (figures, acknowledged) = plan.at_each_count(run).await?;
        let books = cluster.query(BOOKS).await?;
        let books: Books = serde_json::from_str(&books).context("reading what PostgreSQL holds")?;
        books.verify(acknowledged)?;
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan { rounds: 1, seconds: 2, clients: vec![1], skus: 10, seed: 1 }
    }

    async fn ask(cluster: &Cluster, question: &str) -> String {
        cluster.query(question).await.unwrap()
    }

    #[tokio::test]
    async fn the_function_promises_what_stockade_promises() {
        let postgres = match Postgres::find() {
            Ok(postgres) => postgres,
            Err(missing) => {
                eprintln!("skipped: the_function_promises_what_stockade_promises: {missing:#}");
                return;
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::start_alone(&postgres.bin, dir.path(), &plan()).await.unwrap();
        let placed = "select place_order(2, 1, array[3, 1, 2], array[5, 6, 7]::bigint[])";
        assert_eq!(ask(&cluster, placed).await, "placed");
        assert_eq!(ask(&cluster, placed).await, "placed", "the answer is kept");
        let stock = "select string_agg(sku || ':' || initial - available || ':' || reserved || ':' || committed, ' ' order by sku)
             from stock where reserved + committed > 0";
        assert_eq!(ask(&cluster, stock).await, "1:6:6:0 2:7:7:0 3:5:5:0", "a repeated request books once");
        let ledger = "select count(*) || ' ' || sum(quantity) from ledger";
        assert_eq!(ask(&cluster, ledger).await, "3 18");

        let reused = "select place_order(2, 9, array[1], array[1]::bigint[])";
        let error = cluster.query(reused).await.unwrap_err().to_string();
        assert!(error.contains("another content"), "{error}");
        let twice = "select place_order(20, 20, array[1, 1], array[1, 1]::bigint[])";
        assert!(cluster.query(twice).await.is_err(), "a SKU on two lines");

        ask(&cluster, "update stock set initial = 4, available = 4 where sku = 5").await;
        let short = "select place_order(30, 30, array[1, 5], array[1, 5]::bigint[])";
        assert_eq!(ask(&cluster, short).await, "insufficient stock");
        ask(&cluster, "update stock set initial = 40, available = 40 where sku = 5").await;
        assert_eq!(ask(&cluster, short).await, "insufficient stock", "a refusal is kept as well");
        let unknown = "select place_order(31, 31, array[1, 99], array[1, 1]::bigint[])";
        assert_eq!(ask(&cluster, unknown).await, "insufficient stock");

        for _ in 0..2 {
            assert_eq!(ask(&cluster, "select confirm_order(3, 1)").await, "confirmed");
        }
        assert_eq!(ask(&cluster, "select confirm_order(5, 1)").await, "not pending");
        assert_eq!(ask(&cluster, stock).await, "1:6:0:6 2:7:0:7 3:5:0:5");
        assert_eq!(ask(&cluster, ledger).await, "6 36");
        let books: Books = serde_json::from_str(&ask(&cluster, BOOKS).await).unwrap();
        assert_eq!(books, Books { orders: 1, ordered: 18, taken: 18, gone: 18, booked: Some(18) });
    }
}

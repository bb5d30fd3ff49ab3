//! etcd: three members, and one transaction for each operation, made again where others came first.
//!
//! `cluster.rs` starts them; `client.rs` and `messages.rs` call them; `rows.rs` is what stands under a key, `shop.rs` how
//! orders are placed with it; `load.rs` runs the clients.

mod client;
mod cluster;
mod load;
mod messages;
mod rows;
mod shop;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::client::Client;
use self::cluster::Cluster;
use self::rows::{Order, Stock};
use super::plan::{Books, Figures, Plan, UNITS, Workload};

/// etcd as it is installed here.
#[derive(Debug)]
pub(super) struct Etcd {
    program: PathBuf,
    pub(super) version: String,
}

impl Etcd {
    pub(super) fn find(given: Option<&Path>) -> anyhow::Result<Self> {
        let program = super::programs::etcd(given)?;
        let version = super::programs::version(&program)?;
        Ok(Self { program, version })
    }

    /// Runs a workload at each client count, on a cluster made for it.
    pub(super) async fn measure(
        &self,
        plan: &Plan,
        workload: Workload,
        dir: &Path,
    ) -> anyhow::Result<Vec<Figures>> {
        let cluster = Cluster::start(&self.program, dir, plan).await?;
        let run = async |clients, invocation| load::run(&cluster, plan, workload, clients, invocation).await;
        let (figures, acknowledged) = plan.at_each_count(run).await?;
        let connection = cluster.connections(1)?;
        books(connection.first().context("a connection")?).await?.verify(acknowledged)?;
        Ok(figures)
    }
}

/// What etcd holds.
async fn books(client: &Client) -> anyhow::Result<Books> {
    let mut books = Books { orders: 0, ordered: 0, taken: 0, gone: 0, booked: None };
    let see_order = |row: messages::KeyValue| {
        let order = Order::decode(&row.value).context("an order can't be read")?;
        books.orders += 1;
        books.ordered += order.lines.iter().map(|line| line.quantity).sum::<u64>();
        Ok(())
    };
    client.each(rows::ORDER, see_order).await?;
    let see_stock = |row: messages::KeyValue| {
        let stock = Stock::decode(&row.value).context("a stock row can't be read")?;
        books.taken += stock.reserved + stock.committed;
        books.gone += UNITS.checked_sub(stock.available).context("more stock than at the beginning")?;
        Ok(())
    };
    client.each(rows::STOCK, see_stock).await?;
    Ok(books)
}

#[cfg(test)]
mod tests {
    use stockade_env::Random;

    use super::rows::{Answer, Line, stock_key};
    use super::shop::Shop;
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_transaction_promises_what_stockade_promises() {
        let etcd = match Etcd::find(None) {
            Ok(etcd) => etcd,
            Err(missing) => {
                eprintln!("skipped: a_transaction_promises_what_stockade_promises: {missing:#}");
                return;
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan { rounds: 1, seconds: 2, clients: vec![1], skus: 10, seed: 1 };
        let cluster = Cluster::start(&etcd.program, dir.path(), &plan).await.unwrap();
        let client = cluster.connections(1).unwrap().remove(0);
        let mut shop = Shop::new(client.clone(), Random::from_seed(1));
        let lines = [(3, 5), (1, 6), (2, 7)].map(|(sku, quantity)| Line { sku, quantity });
        for _ in 0..2 {
            assert_eq!(shop.place(2, 1, &lines).await.unwrap(), Answer::Placed);
        }
        let good = Books { orders: 1, ordered: 18, taken: 18, gone: 18, booked: None };
        assert_eq!(books(&client).await.unwrap(), good, "a repeated request books once");
        assert!(shop.place(2, 9, &lines).await.is_err(), "another content under the same request");

        let short = [Line { sku: 1, quantity: 1 }, Line { sku: 5, quantity: UNITS + 1 }];
        assert_eq!(shop.place(30, 30, &short).await.unwrap(), Answer::InsufficientStock);
        let more = Stock { available: UNITS * 2, reserved: 0, committed: 0 };
        let put = rows::put(stock_key(5), more.encode());
        let received = messages::TxnRequest { compare: Vec::new(), success: vec![put] };
        client.transact(received).await.unwrap();
        let again = shop.place(30, 30, &short).await.unwrap();
        assert_eq!(again, Answer::InsufficientStock, "a refusal is kept as well");

        for _ in 0..2 {
            assert_eq!(shop.confirm(3, 1).await.unwrap(), Answer::Confirmed);
        }
        assert_eq!(shop.confirm(5, 1).await.unwrap(), Answer::NotPending);
        let stock = Stock { available: UNITS - 6, reserved: 0, committed: 6 };
        assert_eq!(shop.stock(1).await.unwrap(), Some(stock));
        assert!(shop.order(1).await.unwrap().is_some_and(|order| order.confirmed));

        let meeting = (10..26).map(|order| {
            let mut shop = shop.clone();
            async move { shop.place(100 + order, order, &[Line { sku: 9, quantity: 1 }]).await }
        });
        for placed in futures_util::future::join_all(meeting).await {
            assert_eq!(placed.unwrap(), Answer::Placed, "who is overtaken begins again");
        }
        assert_eq!(shop.stock(9).await.unwrap().map(|stock| stock.reserved), Some(16));
    }
}

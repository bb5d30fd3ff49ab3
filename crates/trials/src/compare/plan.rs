//! What is asked of everybody alike: workloads, and how they are run.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Replicas that everybody has; each write is durable on a majority of them.
pub(super) const REPLICAS: usize = 3;
/// Seconds of load before anything is counted, the same for everybody: plans are made, caches are warm.
pub(super) const WARM_UP_S: u32 = 2;
/// Connections that clients share, at most, where calls of several can go over one: as `stockade bench` has them.
pub(super) const CONNECTIONS: usize = 16;
/// Lines of a checkout, but of one on the hot SKU.
pub(super) const LINES: usize = 3;
/// Units of each SKU at the beginning: more than all checkouts take.
pub(super) const UNITS: u64 = 1_000_000_000_000;
/// The hot SKU.
pub(super) const HOT_SKU: u64 = 1;
/// Of a hundred operations of `w3`, so many are checkouts; reads of an order; reads of a stock row. The others confirm.
pub(super) const CHECKOUTS_IN_100: u64 = 50;
pub(super) const ORDER_READS_IN_100: u64 = 20;
pub(super) const STOCK_READS_IN_100: u64 = 20;

/// A mix of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    /// Checkouts of three SKUs out of all, each equally likely.
    W1,
    /// Checkouts of one unit of one hot SKU.
    W2,
    /// Half checkouts as in `w1`, 40 % linearizable reads of an order or a stock row, 10 % confirmations of earlier orders.
    W3,
}

impl Workload {
    /// As it is named on a command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
        }
    }

    /// What it is, in a line.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::W1 => "checkouts of three lines, SKUs equally likely",
            Self::W2 => "checkouts of one line, all of one hot SKU",
            Self::W3 => "half checkouts as in w1, 40 % linearizable reads, 10 % confirmations",
        }
    }
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Contestant {
    Postgres,
    Etcd,
    /// Each operation a call of its own.
    StockadeUnary,
    /// The operations of all clients over few streams.
    StockadeStream,
}

impl Contestant {
    pub(super) fn is_stockade(self) -> bool {
        matches!(self, Self::StockadeUnary | Self::StockadeStream)
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Etcd => "etcd",
            Self::StockadeUnary => "Stockade, calls",
            Self::StockadeStream => "Stockade, streams",
        })
    }
}

/// How a workload is run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    /// Of each measurement, without the warm-up.
    pub(super) seconds: u32,
    /// Client counts, ascending; each is measured.
    pub(super) clients: Vec<u32>,
    pub(super) skus: u64,
    pub(super) seed: u64,
}

/// What a run of some clients came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) figures: Figures,
    /// Orders whose placement was answered.
    pub(super) placed: u64,
}

impl Plan {
    /// Runs at each client count, one after the other; gives what that came to, and how many orders were
    /// acknowledged in all. Of the two numbers that `run` is given, the first says how many clients, the second which
    /// run it is, from 1.
    pub(super) async fn at_each_count(
        &self,
        run: impl AsyncFn(u32, u32) -> anyhow::Result<Ran>,
    ) -> anyhow::Result<(Vec<Figures>, u64)> {
        let (mut figures, mut acknowledged) = (Vec::new(), 0);
        for (invocation, clients) in (1..).zip(&self.clients) {
            let ran = run(*clients, invocation).await?;
            acknowledged += ran.placed;
            figures.push(ran.figures);
        }
        Ok((figures, acknowledged))
    }

    /// How long it is counted.
    pub(super) fn span(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// How long there is load.
    pub(super) fn span_of_load(&self) -> Duration {
        self.span() + Duration::from_secs(WARM_UP_S.into())
    }

    pub(super) fn most_clients(&self) -> u32 {
        self.clients.iter().copied().max().unwrap_or(1)
    }
}

/// What one measurement came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    pub(super) clients: u32,
    pub(super) ops_per_s: u64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    /// Processor time of all replicas, user and system.
    pub(super) server_cpu_us_per_op: u64,
    /// Operations that ended with an error; none of them counts in the others.
    pub(super) failed: u64,
    /// Transactions that were made again because another had changed what they read.
    pub(super) conflicts: u64,
}

/// What a contestant holds at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Books {
    pub(super) orders: u64,
    /// Units in the lines of all orders.
    pub(super) ordered: u64,
    /// Units that stock rows say are reserved or committed.
    pub(super) taken: u64,
    /// Units that stock rows say are available no more.
    pub(super) gone: u64,
    /// Units that the ledger says were reserved; `None` where there is no ledger.
    pub(super) booked: Option<u64>,
}

impl Books {
    /// Fails where an acknowledged order is missing or a unit is not accounted for.
    pub(super) fn verify(&self, acknowledged: u64) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.orders >= acknowledged,
            "{acknowledged} orders were acknowledged and {} are there",
            self.orders
        );
        let alike = [Some(self.taken), Some(self.gone), self.booked].into_iter().flatten();
        anyhow::ensure!(
            alike.into_iter().all(|units| units == self.ordered),
            "stock and orders disagree: {self:?}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_in_order_are_believed_and_others_are_not() {
        let good = Books { orders: 10, ordered: 30, taken: 30, gone: 30, booked: Some(30) };
        good.verify(10).unwrap();
        good.verify(9).unwrap();
        Books { booked: None, ..good }.verify(10).unwrap();
        assert!(good.verify(11).is_err());
        let wrong = [
            Books { ordered: 31, ..good },
            Books { taken: 29, ..good },
            Books { gone: 29, ..good },
            Books { booked: Some(31), ..good },
        ];
        assert!(wrong.iter().all(|books| books.verify(10).is_err()));
    }
}

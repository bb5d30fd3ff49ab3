//! Clients of etcd: each does one operation after the other until the time is over.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use stockade_env::Random;

use super::super::figures::per_mille;
use super::super::plan::{
    CHECKOUTS_IN_100, Figures, HOT_SKU, LINES, ORDER_READS_IN_100, Plan, Ran, STOCK_READS_IN_100, WARM_UP_S,
    Workload,
};
use super::super::process::cpu_us;
use super::cluster::Cluster;
use super::rows::{Answer, Line};
use super::shop::Shop;
use crate::soak::orders::micros;

/// Clients of one invocation, at most; orders of one client, at most.
const MAX_CLIENTS: u64 = 1_000;
const MAX_ORDERS: u64 = 100_000_000;

/// One client.
struct Customer {
    shop: Shop,
    random: Random,
    workload: Workload,
    skus: u64,
    /// The number before that of its first order.
    base: u64,
    /// Orders that it has tried to place, the last of which may have failed.
    begun: u64,
    /// Orders that are there.
    orders: Vec<u64>,
    /// How many of these it has tried to confirm.
    confirmed: usize,
    took_us: Vec<u64>,
    failed: u64,
}

/// Runs so many clients. The number of the invocation keeps the ids of its orders apart from those of others.
pub(super) async fn run(
    cluster: &Cluster,
    plan: &Plan,
    workload: Workload,
    clients: u32,
    invocation: u32,
) -> anyhow::Result<Ran> {
    let random = Random::from_seed(plan.seed + u64::from(invocation));
    let connections = cluster.connections(clients)?;
    let customer = |(number, client): (u64, &super::client::Client)| Customer {
        shop: Shop::new(client.clone(), random.clone()),
        random: random.clone(),
        workload,
        skus: plan.skus,
        base: (u64::from(invocation) * MAX_CLIENTS + number) * MAX_ORDERS,
        begun: 0,
        orders: Vec::new(),
        confirmed: 0,
        took_us: Vec::new(),
        failed: 0,
    };
    let mut customers: Vec<Customer> =
        (0..u64::from(clients)).zip(connections.iter().cycle()).map(customer).collect();
    let servers = cluster.process_ids();
    let counted_from = Instant::now() + Duration::from_secs(WARM_UP_S.into());
    let end = counted_from + plan.span();
    let cpu_of_warm_up = async {
        tokio::time::sleep_until(counted_from.into()).await;
        cpu_us(&servers)
    };
    let shopping = join_all(customers.iter_mut().map(|customer| customer.shop(counted_from, end)));
    let (cpu_before, _) = tokio::join!(cpu_of_warm_up, shopping);
    let (elapsed_us, cpu_after) = (micros(counted_from.elapsed()), cpu_us(&servers));
    let mut took_us: Vec<u64> =
        customers.iter().flat_map(|customer| customer.took_us.iter().copied()).collect();
    let operations = u64::try_from(took_us.len())?;
    let sum = |of: fn(&Customer) -> u64| customers.iter().map(of).sum();
    let failed = sum(|customer| customer.failed);
    anyhow::ensure!(operations > 0, "none of etcd's operations succeeded, {failed} failed");
    let figures = Figures {
        clients,
        ops_per_s: operations * 1_000_000 / elapsed_us.max(1),
        p50_us: per_mille(&mut took_us, 500),
        p99_us: per_mille(&mut took_us, 990),
        server_cpu_us_per_op: cpu_after.saturating_sub(cpu_before) / operations,
        failed,
        conflicts: sum(|customer| customer.shop.conflicts),
    };
    let placed = customers.iter().map(|customer| customer.orders.len()).sum::<usize>();
    Ok(Ran { figures, placed: u64::try_from(placed)? })
}

impl Customer {
    /// Operations until the end. What is answered before they count has no time.
    async fn shop(&mut self, counted_from: Instant, end: Instant) {
        loop {
            let begun = Instant::now();
            if begun >= end {
                return;
            }
            match self.operation().await {
                Ok(()) if Instant::now() >= counted_from => self.took_us.push(micros(begun.elapsed())),
                Ok(()) => {}
                Err(_) => self.failed += 1,
            }
        }
    }

    async fn operation(&mut self) -> Result<(), tonic::Status> {
        let chance = match self.workload {
            Workload::W1 | Workload::W2 => 0,
            Workload::W3 => self.random.below(100),
        };
        let stock_reads = CHECKOUTS_IN_100 + ORDER_READS_IN_100;
        if chance < CHECKOUTS_IN_100 {
            return self.check_out().await;
        }
        if chance < stock_reads && !self.orders.is_empty() {
            return self.read_order().await;
        }
        if chance >= stock_reads + STOCK_READS_IN_100 && self.confirmed < self.orders.len() {
            return self.confirm().await;
        }
        let sku = 1 + self.random.below(self.skus);
        found(self.shop.stock(sku).await?)
    }

    async fn check_out(&mut self) -> Result<(), tonic::Status> {
        self.begun += 1;
        let order = self.base + self.begun;
        let skus = match self.workload {
            Workload::W2 => vec![HOT_SKU],
            Workload::W1 | Workload::W3 => distinct(&self.random, self.skus),
        };
        let lines: Vec<Line> = skus.into_iter().map(|sku| Line { sku, quantity: 1 }).collect();
        match self.shop.place(order * 2, order, &lines).await? {
            Answer::Placed => self.orders.push(order),
            answer => return Err(tonic::Status::internal(format!("an order came to {answer:?}"))),
        }
        Ok(())
    }

    async fn read_order(&self) -> Result<(), tonic::Status> {
        let number = self.random.below(self.orders.len() as u64);
        let order = usize::try_from(number).ok().and_then(|number| self.orders.get(number));
        found(self.shop.order(order.copied().unwrap_or_default()).await?)
    }

    async fn confirm(&mut self) -> Result<(), tonic::Status> {
        let order = self.orders[self.confirmed];
        self.confirmed += 1;
        match self.shop.confirm(order * 2 + 1, order).await? {
            Answer::Confirmed => Ok(()),
            answer => Err(tonic::Status::internal(format!("a confirmation came to {answer:?}"))),
        }
    }
}

fn found<T>(row: Option<T>) -> Result<(), tonic::Status> {
    row.map(drop).ok_or_else(|| tonic::Status::not_found("a row that must be there"))
}

/// SKUs of an order, each set of them equally likely.
fn distinct(random: &Random, skus: u64) -> Vec<u64> {
    let mut chosen: Vec<u64> = Vec::with_capacity(LINES);
    while chosen.len() < LINES {
        let sku = 1 + random.below(skus);
        if !chosen.contains(&sku) {
            chosen.push(sku);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_sku_once() {
        let random = Random::from_seed(1);
        for _ in 0..100 {
            let mut chosen = distinct(&random, 4);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), LINES);
            assert!(chosen.iter().all(|sku| (1..=4).contains(sku)));
        }
    }
}

//! Loses the leader, again and again, and measures how long no order is acknowledged.

use std::time::Duration;

use anyhow::{Context as _, bail};
use stockade_client::Client;
use stockade_proto::v1::DrainRequest;
use tokio::time::{Instant, sleep};

use crate::bench::latency::millis;
use crate::bench::load::Load;
use crate::bench::{Args, By};
use crate::links::Links;
use crate::local_cluster::LocalCluster;
use crate::output;
use crate::proof::failover::{Failover, gap_around};

/// How long a failover may take before the benchmark gives up.
const FAILOVER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long orders go on without the lost node.
const MISSING: Duration = Duration::from_millis(700);
/// How long orders go on with all nodes before the next leader is lost.
const WHOLE: Duration = Duration::from_secs(1);
/// Between two looks at the nodes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Entries that a node that came back may lack to count as being there, under load.
const NEARLY_THERE: u64 = 200;

pub(super) async fn lose_leaders(
    cluster: &mut LocalCluster,
    client: &Client,
    load: &Load,
    links: &Links,
    args: &Args,
) -> anyhow::Result<Vec<Failover>> {
    let mut failovers = Vec::new();
    for number in 1..=args.kills {
        let (id, term) = leader(cluster, args.nodes).await?;
        let (lost, acked) = (Instant::now(), load.acked());
        lose(cluster, client, links, args.by, id).await?;
        let deadline = lost + FAILOVER_TIMEOUT;
        let later = load.wait_for(acked, deadline, |ack| ack.term > term && ack.at >= lost).await;
        let Some(later) = later else {
            let logs = cluster.path().display();
            bail!(
                "no order was acknowledged for {FAILOVER_TIMEOUT:?} after the leader was lost; logs: {logs}"
            );
        };
        let first_ack = later.at.duration_since(lost);
        sleep(MISSING).await;
        let gap = gap_around(&load.acks_from(acked.saturating_sub(1)), lost, later.at);
        let (took, silence) = (millis(first_ack), millis(gap));
        output::note(&format!(
            "{number} of {}: node {id} lost, orders again after {took} ms, {silence} ms without any",
            args.kills
        ));
        failovers.push(Failover { first_ack, gap });
        bring_back(cluster, client, links, args.by, id).await?;
        wait_until_caught_up(cluster, id, args.nodes).await?;
        sleep(WHOLE).await;
    }
    Ok(failovers)
}

/// Who leads: of several that say so, the one of the highest term.
pub(super) async fn leader(cluster: &LocalCluster, nodes: u64) -> anyhow::Result<(u64, u64)> {
    let deadline = Instant::now() + FAILOVER_TIMEOUT;
    loop {
        let mut leading = Vec::new();
        for id in 1..=nodes {
            if let Some(seen) = cluster.observe(id).await.filter(|seen| seen.leads) {
                leading.push((seen.term, id));
            }
        }
        if let Some((term, id)) = leading.into_iter().max() {
            return Ok((id, term));
        }
        anyhow::ensure!(Instant::now() < deadline, "no node leads; logs: {}", cluster.path().display());
        sleep(LOOK_AGAIN).await;
    }
}

async fn lose(
    cluster: &mut LocalCluster,
    client: &Client,
    links: &Links,
    by: By,
    id: u64,
) -> anyhow::Result<()> {
    match by {
        By::Kill => cluster.kill(id),
        By::Stop => cluster.pause(id),
        By::Partition => {
            links.cut_off(id);
            Ok(())
        }
        By::Drain => {
            let answer =
                client.drain(&cluster.client_address(id)?, DrainRequest { node_id: id, undo: false }).await?;
            anyhow::ensure!(!answer.still_leads, "node {id} found nobody to take the lead over");
            Ok(())
        }
    }
}

async fn bring_back(
    cluster: &mut LocalCluster,
    client: &Client,
    links: &Links,
    by: By,
    id: u64,
) -> anyhow::Result<()> {
    match by {
        By::Kill => {
            cluster.restart(id)?;
            cluster.wait_ready(id).await.context("the killed node did not come back")
        }
        By::Stop => cluster.resume(id),
        By::Partition => {
            links.heal();
            Ok(())
        }
        By::Drain => {
            client.drain(&cluster.client_address(id)?, DrainRequest { node_id: id, undo: true }).await?;
            Ok(())
        }
    }
}

/// Waits until a node follows the leader and has nearly all that the others have.
pub(super) async fn wait_until_caught_up(cluster: &LocalCluster, id: u64, nodes: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + FAILOVER_TIMEOUT;
    loop {
        let (leader, term) = leader(cluster, nodes).await?;
        let there = cluster.observe(leader).await.map_or(u64::MAX, |seen| seen.applied);
        let own = cluster.observe(id).await;
        let caught_up = |applied: u64| applied.saturating_add(NEARLY_THERE) >= there;
        if own.is_some_and(|own| own.term == term && own.leader_id == leader && caught_up(own.applied)) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "node {id} did not catch up within {FAILOVER_TIMEOUT:?}");
        sleep(LOOK_AGAIN).await;
    }
}

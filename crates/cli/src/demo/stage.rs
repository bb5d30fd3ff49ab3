//! The play: orders run, the leader is killed and comes back, again and again.

use std::time::Duration;

use anyhow::{Context, bail};
use console::style;
use tokio::time::Instant;

use crate::demo::view::{Totals, View};
use crate::demo::workload::Workload;
use crate::local_cluster::{LocalCluster, Observation};
use crate::proof::Ack;
use crate::proof::failover::{Failover, first_ack_after, gap_around, millis};

/// Between two looks at the nodes while all is well.
const CALM_LOOK: Duration = Duration::from_millis(200);
/// Between two looks at the nodes during a failover.
const CLOSE_LOOK: Duration = Duration::from_millis(5);
/// How long a failover may take before the demo gives up.
const FAILOVER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long orders go on with a node missing before it is restarted.
const MISSING: Duration = Duration::from_millis(700);
/// Over how long the rate of orders is taken.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// What the play needs.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) cluster: &'a mut LocalCluster,
    pub(crate) workload: &'a Workload,
    pub(crate) view: &'a mut View,
    pub(crate) started: Instant,
}

/// A killed leader.
#[derive(Debug, Clone, Copy)]
struct Killed {
    id: u64,
    term: u64,
    at: Instant,
}

impl Stage<'_> {
    /// Takes orders for a time and kills the leader so many times, evenly spread.
    pub(crate) async fn act(
        &mut self,
        kills: u64,
        length: Duration,
        nodes: u64,
    ) -> anyhow::Result<Vec<Failover>> {
        let pieces = u32::try_from(kills)?.saturating_add(1);
        let mut failovers = Vec::new();
        for kill in 1..pieces {
            let due = self.started + (length / pieces).saturating_mul(kill);
            self.calm_until(due, nodes).await?;
            let killed = self.kill_leader(nodes, kill, kills).await?;
            failovers.push(self.watch(killed, nodes).await?);
            self.bring_back(killed, nodes).await?;
        }
        self.calm_until(self.started + length, nodes).await?;
        Ok(failovers)
    }

    async fn calm_until(&mut self, until: Instant, nodes: u64) -> anyhow::Result<()> {
        loop {
            self.look(nodes).await;
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            tokio::time::sleep(CALM_LOOK.min(until - now)).await;
        }
    }

    /// Draws the nodes and gives what was seen.
    async fn look(&mut self, nodes: u64) -> Vec<(u64, Option<Observation>)> {
        let mut seen = Vec::new();
        for id in 1..=nodes {
            seen.push((id, self.cluster.observe(id).await));
        }
        let since = Instant::now().checked_sub(RATE_WINDOW).unwrap_or(self.started);
        let totals = self.workload.look(|record| Totals {
            acked: u64::try_from(record.acks.len()).unwrap_or(u64::MAX),
            per_second: recent(&record.acks, since),
            rejected: record.rejected,
        });
        self.view.update(&seen, totals);
        seen
    }

    async fn kill_leader(&mut self, nodes: u64, kill: u32, kills: u64) -> anyhow::Result<Killed> {
        let deadline = Instant::now() + FAILOVER_TIMEOUT;
        loop {
            let seen = self.look(nodes).await;
            // A leader that was cut off may still believe that it leads: the highest term is the true one.
            let leading = seen
                .iter()
                .filter_map(|(id, seen)| seen.filter(|seen| seen.leads).map(|seen| (*id, seen.term)));
            if let Some((id, term)) = leading.max_by_key(|(_, term)| *term) {
                let killing = format!("kill {kill} of {kills}: node {id}, leader of term {term}");
                self.view.say(&format!("\n  {}", style(killing).bold()));
                let at = Instant::now();
                self.cluster.kill(id)?;
                self.view.step(Duration::ZERO, &style("killed with SIGKILL").red().to_string());
                return Ok(Killed { id, term, at });
            }
            if Instant::now() >= deadline {
                bail!("no node leads; look at the logs in {}", self.cluster.path().display());
            }
            tokio::time::sleep(CLOSE_LOOK).await;
        }
    }

    /// Follows a failover to the first order that the new leader acknowledged.
    async fn watch(&mut self, killed: Killed, nodes: u64) -> anyhow::Result<Failover> {
        let (mut election, mut leader) = (false, false);
        let deadline = killed.at + FAILOVER_TIMEOUT;
        loop {
            let seen = self.look(nodes).await;
            let newer = || {
                seen.iter().filter_map(|(id, seen)| {
                    seen.filter(|seen| seen.term > killed.term).map(|seen| (*id, seen))
                })
            };
            if let (false, Some((_, first))) = (election, newer().next()) {
                election = true;
                self.view.step(killed.at.elapsed(), &format!("election in term {}", first.term));
            }
            if let (false, Some((id, first))) = (leader, newer().find(|(_, seen)| seen.leads)) {
                leader = true;
                let text = format!("node {id} leads in term {}", first.term);
                self.view.step(killed.at.elapsed(), &style(text).green().to_string());
            }
            let ack = self.workload.look(|record| first_ack_after(&record.acks, killed.at, killed.term));
            if let Some(ack) = ack {
                let gap = self.workload.look(|record| gap_around(&record.acks, killed.at, ack.at));
                let first_ack = ack.at.duration_since(killed.at);
                if !leader {
                    self.view.step(first_ack, &format!("a new leader in term {}", ack.term));
                }
                self.view.step(first_ack, &style("first acknowledged order").green().bold().to_string());
                self.view.say(&format!("       gap  {} ms without an acknowledged order", millis(gap)));
                return Ok(Failover { first_ack, gap });
            }
            if Instant::now() >= deadline {
                let logs = self.cluster.path().display();
                bail!("no order was acknowledged for {FAILOVER_TIMEOUT:?} after the kill; logs: {logs}");
            }
            tokio::time::sleep(CLOSE_LOOK).await;
        }
    }

    /// Restarts a node and waits until it has applied what the others had applied when it came back.
    async fn bring_back(&mut self, killed: Killed, nodes: u64) -> anyhow::Result<()> {
        self.calm_until(Instant::now() + MISSING, nodes).await?;
        let restarted = Instant::now();
        self.cluster.restart(killed.id)?;
        self.cluster.wait_ready(killed.id).await.context("the killed node did not come back")?;
        let deadline = restarted + FAILOVER_TIMEOUT;
        let goal = applied_by_others(&self.look(nodes).await, killed.id);
        loop {
            let seen = self.look(nodes).await;
            let own = seen.iter().find(|(id, _)| *id == killed.id).and_then(|(_, seen)| *seen);
            if own.is_some_and(|own| own.applied >= goal) {
                let took = millis(restarted.elapsed());
                self.view.say(&format!(
                    "            node {} is back and has caught up after {took} ms",
                    killed.id
                ));
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("node {} did not catch up within {FAILOVER_TIMEOUT:?}", killed.id);
            }
            tokio::time::sleep(CALM_LOOK).await;
        }
    }
}

fn recent(acks: &[Ack], since: Instant) -> u64 {
    let count = acks.iter().rev().take_while(|ack| ack.at >= since).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn applied_by_others(seen: &[(u64, Option<Observation>)], but: u64) -> u64 {
    let others =
        seen.iter().filter(|(id, _)| *id != but).filter_map(|(_, seen)| seen.map(|seen| seen.applied));
    others.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_what_is_recent() {
        let start = Instant::now();
        let acks: Vec<Ack> =
            (0..10).map(|second| Ack { at: start + Duration::from_secs(second), term: 1 }).collect();
        assert_eq!(recent(&acks, start + Duration::from_secs(7)), 3);
    }

    #[test]
    fn a_node_has_caught_up_with_the_furthest_of_the_others() {
        let seen = |applied| Some(Observation { applied, ..Observation::default() });
        assert_eq!(applied_by_others(&[(1, seen(90)), (2, seen(7)), (3, seen(80)), (4, None)], 1), 80);
    }
}

//! `stockade cluster add`: a new node comes in beside the others, while the cluster serves.
//!
//! Each step is harmless to repeat, and where the cluster stands is asked of the cluster alone: so a run that was broken
//! off is gone on with by running the same command again.

use std::time::Duration;

use serde_json::json;
use stockade_client::{Client, Error as ClientError};
use stockade_proto::v1::{AddLearnerRequest, GetStatusResponse, NodeStatus, PromoteRequest};
use stockade_server::Exit;
use tokio::time::{Instant, sleep};

use super::catch_up::CatchUp;
use super::look::{LOOK_AGAIN, NEARLY_THERE, leader, listed, passing, remark, voters};
use crate::connect::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::start;

/// Flags of `cluster add`.
#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// Id and peer address of the new node: it runs, started with --join on an empty directory. The id is higher than any
    /// before.
    #[arg(value_name = "ID=HOST:PORT", value_parser = start::peer)]
    node: (u64, String),
    /// It stays a learner: it has all data and serves, and has no vote.
    #[arg(long)]
    learner: bool,
    /// How long it may take, in seconds. Run again after that, it goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What is to be brought about.
struct Addition {
    client: Client,
    new: u64,
    address: String,
    /// It gets no vote.
    learner: bool,
    deadline: Instant,
}

/// How far it is.
#[derive(Debug, PartialEq)]
enum Stage<'a> {
    /// The new node is no member yet.
    Absent,
    /// It gets the log.
    Learner(&'a NodeStatus),
    /// It votes.
    Voter,
}

pub(crate) async fn run(args: AddArgs, output: Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let (new, address) = args.node;
    let client = args.cluster.connect().await?;
    let deadline = started + Duration::from_secs(args.timeout);
    let addition = Addition { client, new, address, learner: args.learner, deadline };
    let status = addition.bring_about().await?;
    let voters = voters(&status.nodes);
    let applied = status.nodes.iter().find(|node| node.node_id == new).map_or(0, |node| node.applied_index);
    let role = if voters.contains(&new) { "voter" } else { "learner" };
    let object = json!({
        "node_id": new,
        "role": role,
        "seconds": started.elapsed().as_secs(),
        "voters": voters,
        "applied_index": applied,
    });
    output.print(&object, || {
        format!("node {new} is a {role}; voters: {}{}", listed(&voters), remark(voters.len()))
    });
    Ok(())
}

impl Addition {
    /// Goes on from wherever the cluster stands until the new node is what it is to be.
    async fn bring_about(&self) -> anyhow::Result<GetStatusResponse> {
        let mut catch_up = CatchUp::begin(self.new);
        let mut last = "the cluster has not answered".to_owned();
        while Instant::now() < self.deadline {
            let status = match self.client.cluster_status().await {
                Ok(status) => status,
                Err(error) => {
                    last = passing(error)?;
                    continue;
                }
            };
            let step = match stage(&status.nodes, self.new) {
                Stage::Voter => {
                    catch_up.finish("votes");
                    return Ok(status);
                }
                Stage::Absent => self.add().await,
                Stage::Learner(node) => {
                    let leader = leader(&status.nodes);
                    catch_up.show(node, leader);
                    let there = node.reachable && leader.is_some() && node.lag <= NEARLY_THERE;
                    if there && self.learner {
                        catch_up.finish("has caught up");
                        return Ok(status);
                    }
                    if there { self.promote().await } else { Ok(()) }
                }
            };
            if let Err(error) = step {
                last = passing(error)?;
            }
            sleep(LOOK_AGAIN).await;
        }
        let what = format!(
            "node {} has not come in within the time ({last}); run the same command again: it goes on from where it is",
            self.new
        );
        Err(Failure::new(Exit::Unavailable, what).into())
    }

    async fn add(&self) -> Result<(), ClientError> {
        let request = AddLearnerRequest { node_id: self.new, peer_address: self.address.clone() };
        self.client.add_learner(request).await.map(drop)
    }

    async fn promote(&self) -> Result<(), ClientError> {
        self.client.promote(PromoteRequest { node_id: self.new, replaces: 0 }).await.map(drop)
    }
}

fn stage(nodes: &[NodeStatus], new: u64) -> Stage<'_> {
    // A node that waits to be added names itself: only with a leader beside it does its word say anything.
    match nodes.iter().find(|node| node.node_id == new) {
        Some(node) if node.voter => Stage::Voter,
        Some(node) if leader(nodes).is_some() => Stage::Learner(node),
        Some(_) | None => Stage::Absent,
    }
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::NodeRole;

    use super::*;

    fn node(node_id: u64, voter: bool, role: NodeRole) -> NodeStatus {
        NodeStatus { node_id, voter, reachable: true, role: role.into(), ..NodeStatus::default() }
    }

    #[test]
    fn the_stage_is_read_off_the_cluster() {
        let leader = node(1, true, NodeRole::Leader);
        let learner = node(4, false, NodeRole::Learner);
        assert_eq!(stage(std::slice::from_ref(&leader), 4), Stage::Absent);
        assert_eq!(stage(std::slice::from_ref(&learner), 4), Stage::Absent, "it waits to be added");
        assert_eq!(stage(&[leader.clone(), learner.clone()], 4), Stage::Learner(&learner));
        assert_eq!(stage(&[leader, node(4, true, NodeRole::Follower)], 4), Stage::Voter);
    }
}

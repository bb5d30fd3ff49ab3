//! `stockade cluster replace`: a new node takes the place of one that is lost, while the cluster serves.
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
use super::look::{LOOK_AGAIN, NEARLY_THERE, leader, listed, passing, voters};
use crate::connect::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::start;

/// Flags of `cluster replace`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplaceArgs {
    /// Id of the node that is lost.
    #[arg(value_name = "OLD", value_parser = clap::value_parser!(u64).range(1..))]
    old: u64,
    /// Id and peer address of the node that takes its place: it runs, started with --join on an empty directory. The id
    /// is higher than any before, unless it is a learner already.
    #[arg(long, value_name = "ID=HOST:PORT", value_parser = start::peer)]
    with: (u64, String),
    /// How long it may take, in seconds. Run again after that, it goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What is to be brought about.
struct Replacement {
    client: Client,
    old: u64,
    new: u64,
    address: String,
    deadline: Instant,
}

/// How far it is.
#[derive(Debug, PartialEq)]
enum Stage<'a> {
    /// The new node is no member yet.
    Absent,
    /// It gets the log.
    Learner(&'a NodeStatus),
    /// It votes, and the old one is still there: the change is under way, or was left half done.
    Joint,
    /// It votes, and the old one is no member.
    Done,
}

pub(crate) async fn run(args: ReplaceArgs, output: Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let (new, address) = args.with;
    let client = args.cluster.connect().await?;
    let deadline = started + Duration::from_secs(args.timeout);
    let replacement = Replacement { client, old: args.old, new, address, deadline };
    let status = replacement.bring_about().await?;
    let seconds = started.elapsed().as_secs();
    let voters = voters(&status.nodes);
    let applied = status.nodes.iter().find(|node| node.node_id == new).map_or(0, |node| node.applied_index);
    let object = json!({
        "replaced": args.old,
        "node_id": new,
        "seconds": seconds,
        "voters": voters,
        "applied_index": applied,
    });
    output.print(&object, || {
        format!("node {new} has taken the place of node {}; voters: {}", args.old, listed(&voters))
    });
    Ok(())
}

impl Replacement {
    /// Goes on from wherever the cluster stands until the new node votes in the place of the old one.
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
            let step = match stage(&status.nodes, self.old, self.new) {
                Stage::Done => {
                    catch_up.finish("votes");
                    return Ok(status);
                }
                Stage::Absent => {
                    self.must_be_member(&status.nodes)?;
                    self.add().await
                }
                Stage::Joint => self.promote().await,
                Stage::Learner(node) => {
                    let leader = leader(&status.nodes);
                    catch_up.show(node, leader);
                    if node.reachable && leader.is_some() && node.lag <= NEARLY_THERE {
                        self.promote().await
                    } else {
                        Ok(())
                    }
                }
            };
            if let Err(error) = step {
                last = passing(error)?;
            }
            sleep(LOOK_AGAIN).await;
        }
        let what = format!(
            "node {} has not taken the place of node {} in time ({last}); run the same command again: it goes on from \
             where it is",
            self.new, self.old
        );
        Err(Failure::new(Exit::Unavailable, what).into())
    }

    async fn add(&self) -> Result<(), ClientError> {
        let request = AddLearnerRequest { node_id: self.new, peer_address: self.address.clone() };
        self.client.add_learner(request).await.map(drop)
    }

    async fn promote(&self) -> Result<(), ClientError> {
        let request = PromoteRequest { node_id: self.new, replaces: self.old };
        self.client.promote(request).await.map(drop)
    }

    /// A slip of the pen is found before anything is changed.
    fn must_be_member(&self, nodes: &[NodeStatus]) -> anyhow::Result<()> {
        if nodes.iter().any(|node| node.node_id == self.old && node.voter) {
            return Ok(());
        }
        let voters = listed(&voters(nodes));
        let what = format!(
            "node {} has no vote in this cluster (voters: {voters}); nothing was changed. --cluster must name a node \
             that is a member",
            self.old
        );
        Err(Failure::new(Exit::Refused, what).into())
    }
}

fn stage(nodes: &[NodeStatus], old: u64, new: u64) -> Stage<'_> {
    let old_is_member = nodes.iter().any(|node| node.node_id == old);
    // A node that isn't a member names itself, and so does one that waits to be added: only with an old one that is
    // gone or a leader beside it does its word say anything.
    match nodes.iter().find(|node| node.node_id == new) {
        Some(node) if node.voter && !old_is_member => Stage::Done,
        Some(node) if node.voter => Stage::Joint,
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
        let old = NodeStatus { voter: true, node_id: 2, ..NodeStatus::default() };
        let other = node(3, true, NodeRole::Follower);
        let learner = node(4, false, NodeRole::Learner);
        let voter = node(4, true, NodeRole::Follower);
        let three = [leader.clone(), old.clone(), other.clone()];
        assert_eq!(stage(&three, 2, 4), Stage::Absent);
        let added = [three.as_slice(), std::slice::from_ref(&learner)].concat();
        assert_eq!(stage(&added, 2, 4), Stage::Learner(&learner));
        let joint = [three.as_slice(), std::slice::from_ref(&voter)].concat();
        assert_eq!(stage(&joint, 2, 4), Stage::Joint);
        assert_eq!(stage(&[leader, other, voter], 2, 4), Stage::Done);
    }

    #[test]
    fn a_node_that_waits_to_be_added_is_not_taken_for_a_member() {
        assert_eq!(stage(&[node(4, false, NodeRole::Learner)], 2, 4), Stage::Absent);
    }
}

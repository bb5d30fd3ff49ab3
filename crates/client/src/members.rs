//! Who the members are: asked of any one of them, and kept fresh.

use std::sync::{Arc, Weak};

use stockade_proto::v1::cluster_service_client::ClusterServiceClient;
use stockade_proto::v1::{GetStatusRequest, GetStatusResponse, NodeRole};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Shared;
use crate::error::{self, Error, Refusal};
use crate::failover;
use crate::limits;

/// Asks one node for the state of all.
pub(crate) async fn status_from(shared: &Shared, address: &str) -> Result<GetStatusResponse, tonic::Status> {
    let channel =
        shared.channels.to(address).map_err(|error| tonic::Status::invalid_argument(error.to_string()))?;
    let mut client = ClusterServiceClient::new(channel).max_decoding_message_size(limits::MAX_ANSWER_BYTES);
    match timeout(limits::STATUS_ATTEMPT, client.get_status(GetStatusRequest {})).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(tonic::Status::unavailable(format!("{address} did not answer in time"))),
    }
}

/// Takes what an answer says of the members.
pub(crate) fn take(shared: &Arc<Shared>, status: &GetStatusResponse) {
    let addresses: Vec<String> = status
        .nodes
        .iter()
        .map(|node| &node.client_address)
        .filter(|address| !address.is_empty())
        .cloned()
        .collect();
    // Of two that call themselves leader, the one with the higher term is.
    let leads = |node: &&stockade_proto::v1::NodeStatus| node.reachable && node.role() == NodeRole::Leader;
    let leader = status.nodes.iter().filter(leads).max_by_key(|node| node.term);
    let leader = leader.map(|node| node.client_address.clone()).filter(|address| !address.is_empty());
    let known = shared.failover.learn(addresses, leader);
    shared.channels.keep_only(&known);
    shared.listening.to_all(shared);
}

/// Finds the members from the first address that answers.
pub(crate) async fn discover(shared: &Arc<Shared>, deadline: Instant) -> Result<(), Error> {
    let mut cause = "the time was over".to_owned();
    for attempt in 1.. {
        let address = shared.failover.pick();
        match timeout_at(deadline, status_from(shared, &address)).await {
            Ok(Ok(status)) => {
                take(shared, &status);
                return Ok(());
            }
            // Another node would say the same.
            Ok(Err(status)) if error::is_stranger(&status) => {
                return Err(Error::Rejected(Box::new(Refusal::of_call(&status))));
            }
            Ok(Err(status)) => {
                shared.failover.suspect(&address);
                cause = error::whole_cause(&status);
            }
            Err(_) => break,
        }
        let pause = failover::pause(&shared.env.random, attempt, false);
        if timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
            break;
        }
    }
    Err(Error::Unavailable { addresses: shared.failover.addresses().join(", "), cause })
}

/// Keeps the members fresh for as long as the client lives.
pub(crate) async fn keep_fresh(shared: Weak<Shared>) {
    loop {
        let Some(client) = shared.upgrade() else { return };
        let known = client.failover.leader().is_some();
        let wait = if known { limits::REFRESH } else { limits::REFRESH_WITHOUT_LEADER };
        let wake = Arc::clone(&client.wake_refresh);
        let tasks = client.env.tasks.clone();
        // The client may go away during the wait.
        drop(client);
        tokio::select! {
            () = tasks.stopping() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        let Some(client) = shared.upgrade() else { return };
        refresh(&client).await;
    }
}

/// One look at the members, by whichever node is picked.
async fn refresh(shared: &Arc<Shared>) {
    let address = shared.failover.pick();
    match status_from(shared, &address).await {
        Ok(status) => take(shared, &status),
        Err(status) => {
            tracing::debug!(%address, cause = status.message(), "node did not tell the members");
            shared.failover.suspect(&address);
        }
    }
}

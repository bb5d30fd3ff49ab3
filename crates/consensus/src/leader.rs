//! Who leads: told from openraft's metrics, with the address that callers use, which peers tell of themselves.

use std::sync::Arc;

use futures_util::future::join_all;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use stockade_env::FailureKind;
use stockade_proto::internal as wire;
use stockade_storage::TypeConfig;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::limits;
use crate::membership::Told;
use crate::node::Inner;
use crate::peer::link::Purpose;
use crate::read::Confirmed;
use crate::status::{NodeStatus, level_from_wire};

/// Who leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leader {
    /// `None` while nobody is known to lead.
    pub node_id: Option<u64>,
    /// The term this is known of.
    pub term: u64,
    /// Where callers reach the leader, where known.
    pub client_address: Option<String>,
}

impl Inner {
    fn publish_leader(&self) {
        let (node_id, term) = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        if node_id == Some(self.identity.node_id) {
            self.contact.leads();
        }
        let client_address = node_id.and_then(|node_id| self.client_address(node_id));
        let now = Leader { node_id, term, client_address };
        self.leader.send_if_modified(|leader| {
            let changed = *leader != now;
            if changed {
                tell(leader, &now);
                leader.clone_from(&now);
            }
            changed
        });
    }

    fn client_address(&self, node_id: u64) -> Option<String> {
        if node_id == self.identity.node_id {
            return Some(self.config.advertise_client.clone());
        }
        self.client_addresses.lock().get(&node_id).cloned()
    }

    /// What a peer says of itself; `None` where it doesn't answer in time.
    pub(crate) async fn ask_status(&self, node_id: u64) -> Option<NodeStatus> {
        self.ask(node_id).await.map(NodeStatus::from_wire)
    }

    /// The answer behind [`Inner::ask_status`].
    pub(crate) async fn ask(&self, node_id: u64) -> Option<wire::StatusResponse> {
        let address = self.peer_address(node_id)?;
        let mut client = self.links.client(node_id, &address, Purpose::Query).ok()?;
        let request = wire::StatusRequest { envelope: Some(self.links.envelope(node_id)) };
        let asked = Instant::now();
        let answer = timeout(limits::STATUS_TIMEOUT, client.status(request)).await.ok()?.ok()?.into_inner();
        let took = asked.elapsed();
        self.round_trips.note(node_id, took);
        self.answers.note(node_id, &answer, self.env.clock.now_us(), took);
        self.levels.lock().insert(node_id, level_from_wire(answer.disk_level));
        if answer.draining {
            self.drained_peers.lock().insert(node_id);
        } else {
            self.drained_peers.lock().remove(&node_id);
        }
        if !answer.client_address.is_empty() {
            self.client_addresses.lock().insert(node_id, answer.client_address.clone());
        }
        self.told.lock().insert(node_id, Told::of(&answer));
        self.hear_marks(node_id, &answer.chain_marks);
        Some(answer)
    }
}

fn tell(before: &Leader, now: &Leader) {
    if (before.node_id, before.term) == (now.node_id, now.term) {
        return;
    }
    match now.node_id {
        Some(leader) => tracing::info!(leader, term = now.term, "a node leads"),
        None if before.node_id.is_some() => tracing::info!(term = now.term, "nobody is known to lead"),
        // Votes are asked for, and nobody has a majority yet.
        None => {}
    }
}

/// Publishes who leads.
pub(crate) async fn follow(node: Arc<Inner>) {
    let mut metrics = node.raft.server_metrics();
    let mut health = interval(limits::HEALTH_POLL);
    loop {
        node.publish_leader();
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() {
                // Raft's own task is gone. Where it says no cause, it had no time to: it panicked.
                if !report_end(&node) && !node.is_stopping() {
                    node.env.tasks.fail_as(FailureKind::Bug, "raft", "panicked");
                }
                return;
            },
            _ = health.tick() => if report_end(&node) { return },
            () = node.stopping() => return,
        }
    }
}

/// A Raft that ended by itself takes the node with it.
fn report_end(node: &Inner) -> bool {
    let ended = node.metrics(|metrics| metrics.running_state.clone()).err();
    let Some(fatal) = ended else { return false };
    if !node.is_stopping() {
        node.env.tasks.fail_as(kind_of(&fatal), "raft", &fatal.to_string());
    }
    true
}

/// What kind of failure Raft's end is. Where storage failed, storage has said so first and knows better.
fn kind_of(fatal: &Fatal<TypeConfig>) -> FailureKind {
    match fatal {
        Fatal::StorageError(_) => FailureKind::Storage,
        Fatal::Panicked => FailureKind::Bug,
        Fatal::Stopped => FailureKind::Other,
    }
}

/// Learns where callers reach the peers: now and then, and at once when the lead changes to somebody unknown.
pub(crate) async fn learn_addresses(node: Arc<Inner>) {
    let mut leader = node.leader.subscribe();
    loop {
        let now = leader.borrow_and_update().clone();
        let me = node.identity.node_id;
        let peers = node.members().into_iter().filter(|(node_id, _)| *node_id != me);
        let asked = join_all(peers.map(|(node_id, _)| node.ask_status(node_id)));
        tokio::select! {
            _ = asked => {}
            () = node.stopping() => return,
        }
        node.publish_leader();
        node.judge_round_trips();
        let unknown = now.node_id.is_some() && node.leader.borrow().client_address.is_none();
        let pause = if unknown { limits::HEALTH_POLL } else { limits::POLL };
        let wake = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(wake) => break,
                changed = leader.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if leader.borrow_and_update().client_address.is_none() {
                        break;
                    }
                }
                () = node.stopping() => return,
            }
        }
    }
}

/// Finds out when this node has caught up: it has, once a read barrier has passed.
pub(crate) async fn become_ready(node: Arc<Inner>) {
    loop {
        let barrier = node.pass_barrier(Confirmed::ByQuorum, Instant::now() + limits::SYSTEM_COMMAND_TIMEOUT);
        let passed = tokio::select! {
            passed = barrier => passed,
            () = node.stopping() => return,
        };
        if passed.is_ok() {
            node.ready.store(true, std::sync::atomic::Ordering::Release);
            node.links.founding.store(false, std::sync::atomic::Ordering::Release);
            return;
        }
        sleep(limits::READ_RETRY_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use stockade_env::Env;
    use stockade_storage::file::MemoryFiles;
    use stockade_storage::{EngineKind, Identity, Options};

    use super::*;
    use crate::{Config, Node};

    #[tokio::test]
    async fn a_panic_of_raft_becomes_the_nodes_failure() {
        let env = Env::real();
        let identity = Identity { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), node_id: 1 };
        let options =
            Options { engine: EngineKind::Memory, ..Options::new(PathBuf::from("/data"), identity) };
        let storage = stockade_storage::open(Arc::new(MemoryFiles::default()), &env, options).await.unwrap();
        let config = Config::of(BTreeMap::from([(1, "127.0.0.1:1".to_owned())]));
        let node = Node::start(&env, storage, config).await.unwrap();
        node.raft().external_request(|_| panic!("on purpose")).await.unwrap();
        let failure = timeout(Duration::from_secs(10), env.tasks.failed()).await.unwrap();
        assert_eq!(failure.what, "raft");
        // The exit code is told by it.
        assert!(failure.cause.contains("panicked"), "{failure}");
    }
}

//! A node that begins with a backup, and what it may do before it has caught up.
//!
//! It is a node of a new cluster, in which all begin alike; or its disk was lost and the same backup was restored to it again,
//! since the flag was still there. It can't tell which, and the difference matters as it does for an empty node (see
//! `founding.rs`): what it acknowledged before may be missing at whoever asks for its vote. So it asks the others before
//! it asks for votes, and gives none to a log that goes on after the backup, until it has caught up with a leader.
//!
//! What it can't catch is the same as there: a node that is restarted half way through catching up, and several that were
//! lost at once while the ones with data are out of reach.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use stockade_proto::internal as wire;
use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::node::Inner;
use crate::peer::link::Purpose;
use crate::{StartError, limits};

/// Log index of the entry that opens the first term of a cluster: always blank, and after the backup where it began
/// with one.
pub(crate) fn first_term_index(backup: Option<u64>) -> u64 {
    backup.map_or(limits::FIRST_TERM_INDEX, |backup| backup.saturating_add(1))
}

impl Inner {
    /// Completes when this node, which has nothing but a backup, may ask for votes: nobody has gone on from the backup, or
    /// it has caught up.
    pub(crate) async fn until_it_may_lead(&self, backup: u64) {
        let first = first_term_index(Some(backup));
        let mut told = false;
        loop {
            let others = self.members().into_keys().filter(|node_id| *node_id != self.identity.node_id);
            let answers = join_all(others.map(|node_id| self.ask(node_id))).await;
            let begun = answers.into_iter().flatten().find(|answer| answer.last_index > first);
            let Some(begun) = begun.filter(|_| !self.ready.load(Ordering::Acquire)) else { return };
            if !told {
                let (node_id, last_index) = (begun.node_id, begun.last_index);
                tracing::info!(
                    node_id,
                    last_index,
                    "the cluster has gone on from the backup: this node catches up first"
                );
                told = true;
            }
            sleep(limits::POLL).await;
        }
    }

    /// An error where a peer belongs to another cluster: a node that founded one of its own beside it would stand alone.
    pub(crate) async fn expect_no_other_cluster(&self) -> Result<(), StartError> {
        let me = self.identity.node_id;
        let others = self.config.peers.iter().filter(|(node_id, _)| **node_id != me);
        let answers = join_all(others.map(|(node_id, address)| self.stranger(*node_id, address))).await;
        match answers.into_iter().flatten().next() {
            None => Ok(()),
            Some(what) => Err(StartError::Config(what)),
        }
    }

    /// What to say of a peer that belongs to another cluster; `None` where it belongs to this one, or doesn't answer.
    async fn stranger(&self, node_id: u64, address: &str) -> Option<String> {
        let mut client = self.links.client(node_id, address, Purpose::Query).ok()?;
        let request = wire::StatusRequest { envelope: Some(self.links.envelope(node_id)) };
        let refused = timeout(limits::STATUS_TIMEOUT, client.status(request)).await.ok()?.err()?;
        (refused.code() == Code::PermissionDenied).then(|| {
            format!(
                "node {node_id} at {address} is of another cluster ({}); give this node the same --cluster-name, and \
                 the same --restore where that cluster begins with a backup",
                refused.message()
            )
        })
    }
}

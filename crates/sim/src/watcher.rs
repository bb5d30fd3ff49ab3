//! What must hold at every moment, looked at again and again while faults go on: who leads in a term, what stands in the
//! log, and what nodes make of it.

use std::collections::BTreeMap;

use stockade_consensus::{ExportedEntry, ExportedPayload, Node, Role};
use stockade_proto::v1;
use stockade_state_machine::Entry;

use crate::machine::Machine;
use crate::trace::{Trace, note};

/// What was seen of the cluster so far.
///
/// Invariants that it holds the cluster to:
/// - The newest leader has every committed entry. Leaders are newer by their term, then by their id: with openraft's votes
///   a term can have several, one after the other.
/// - An index has one entry once it is committed, on all nodes and for ever.
/// - After the same index all nodes have the same chain hash.
/// - What a node has applied never goes back, but with its process.
pub(crate) struct Watcher {
    /// Term and id of the newest leader that was seen, or whose entry was.
    newest: (u64, u64),
    log: BTreeMap<u64, Seen>,
    chains: BTreeMap<u64, ([u8; 32], u64)>,
    violations: Vec<String>,
    trace: Trace,
}

/// A committed entry.
pub(crate) struct Seen {
    /// As callers see it.
    pub(crate) exported: v1::LogEntry,
    /// `None` where it holds no commands.
    pub(crate) entry: Option<Entry>,
    by: u64,
}

impl Watcher {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { newest: (0, 0), log: BTreeMap::new(), chains: BTreeMap::new(), violations: Vec::new(), trace }
    }

    /// What is wrong so far.
    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The committed log as far as it was seen.
    pub(crate) fn log(&self) -> &BTreeMap<u64, Seen> {
        &self.log
    }

    fn wrong(&mut self, what: String) {
        note!(self.trace, "VIOLATION: {what}");
        self.violations.push(what);
    }

    /// Looks at all nodes as they are at this moment.
    pub(crate) async fn look(&mut self, machines: &[Machine]) {
        for machine in machines {
            let Some(node) = machine.node() else { continue };
            self.look_at_role(&node);
            // A process that stands still answers nobody.
            if !machine.is_paused() {
                self.look_at_state(&node).await;
                self.look_at_log(&node).await;
            }
        }
    }

    fn look_at_role(&mut self, node: &Node) {
        let status = node.status();
        if status.role != Role::Leader {
            return;
        }
        let leader = (status.term, status.node_id);
        if leader < self.newest {
            return;
        }
        self.newest = leader;
        let committed = self.log.last_key_value().map_or(0, |(index, _)| *index);
        if status.last_index < committed {
            self.wrong(format!(
                "node {} leads in term {} with entries up to {}, and {committed} was committed before",
                status.node_id, status.term, status.last_index
            ));
        }
    }

    async fn look_at_state(&mut self, node: &Node) {
        // The short form asks no other task.
        let Ok(hash) = node.state().hash(false).await else { return };
        let (index, id) = (hash.applied.get(), node.id());
        let (chain, first) = *self.chains.entry(index).or_insert((hash.chain, id));
        if chain != hash.chain {
            self.wrong(format!("after entry {index} nodes {first} and {id} have different states"));
        }
    }

    async fn look_at_log(&mut self, node: &Node) {
        let next = self.log.last_key_value().map_or(1, |(index, _)| index + 1);
        self.take_in_from(node, next).await;
    }

    /// Compares all that a node still has of the committed log with what was seen of it.
    pub(crate) async fn compare_log(&mut self, node: &Node) {
        self.take_in_from(node, node.status().purged_index + 1).await;
    }

    async fn take_in_from(&mut self, node: &Node, mut from: u64) {
        while let Ok(entries) = node.export_log(from, u64::MAX).await {
            let Some(last) = entries.last() else { return };
            from = last.index + 1;
            for entry in entries {
                self.take_in(entry, node.id());
            }
        }
    }

    fn take_in(&mut self, exported: ExportedEntry, by: u64) {
        let log_entry = stockade_gateway::log_entry(&exported);
        let (index, term) = (exported.index, exported.term);
        self.newest = self.newest.max((term, exported.node_id));
        let entry = match exported.payload {
            ExportedPayload::Commands(entry) => Some(entry),
            ExportedPayload::Blank | ExportedPayload::Membership(_) => None,
        };
        match self.log.get(&index) {
            None => {
                let before = self.log.range(..index).next_back();
                if before.is_some_and(|(_, seen)| seen.exported.term > term) {
                    self.wrong(format!("entry {index} of term {term} stands behind one of a later term"));
                }
                self.log.insert(index, Seen { exported: log_entry, entry, by });
            }
            Some(seen) if seen.exported == log_entry && seen.entry == entry => {}
            Some(seen) => {
                let (first, first_term) = (seen.by, seen.exported.term);
                self.wrong(format!(
                    "entry {index} is of term {first_term} on node {first} and of term {term} on node {by}, or differs"
                ));
            }
        }
    }
}

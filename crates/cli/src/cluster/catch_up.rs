//! How far a new node has come: a bar where there is a terminal, a line now and then elsewhere. On standard error only.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use stockade_proto::v1::NodeStatus;
use tokio::time::Instant;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// A node that is catching up with its leader.
pub(super) struct CatchUp {
    node_id: u64,
    next_line: Instant,
    bar: Option<ProgressBar>,
}

impl CatchUp {
    /// Nothing is known of it yet.
    pub(super) fn begin(node_id: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent}%")
                .expect("the template is ours and sound");
            ProgressBar::new(0).with_style(style.progress_chars("=> "))
        });
        Self { node_id, next_line: Instant::now(), bar }
    }

    /// Where the node is now, and where its leader.
    pub(super) fn show(&mut self, node: &NodeStatus, leader: Option<&NodeStatus>) {
        let text = line(node, leader);
        if let Some(bar) = &self.bar {
            bar.set_length(leader.map_or(0, |leader| leader.last_index));
            bar.set_position(node.applied_index);
            bar.set_message(text);
        } else if Instant::now() >= self.next_line {
            self.next_line = Instant::now() + LINE_EVERY;
            eprintln!("{text}");
        }
    }

    /// It has caught up, and this is what it does now.
    pub(super) fn finish(&self, does: &str) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => eprintln!("node {} {does}", self.node_id),
        }
    }
}

fn line(node: &NodeStatus, leader: Option<&NodeStatus>) -> String {
    let id = node.node_id;
    if !node.reachable {
        return format!("node {id} does not answer: is it running?");
    }
    let Some(leader) = leader else { return format!("node {id} waits: nobody leads at the moment") };
    // The log that it would need is gone at the leader, so there is a snapshot on its way.
    if node.applied_index == 0 && leader.purged_index > 0 {
        return format!("node {id} receives a snapshot");
    }
    let percent = node.applied_index.saturating_mul(100).checked_div(leader.last_index).unwrap_or(0).min(100);
    format!("node {id} has applied {} of {} entries ({percent}%)", node.applied_index, leader.last_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node_id: u64, applied_index: u64, last_index: u64) -> NodeStatus {
        NodeStatus { node_id, reachable: true, applied_index, last_index, ..NodeStatus::default() }
    }

    #[test]
    fn the_line_says_how_far_it_is() {
        let leader = node(1, 200, 200);
        assert_eq!(line(&node(4, 50, 60), Some(&leader)), "node 4 has applied 50 of 200 entries (25%)");
        let purged = NodeStatus { purged_index: 100, ..leader };
        assert_eq!(line(&node(4, 0, 0), Some(&purged)), "node 4 receives a snapshot");
        assert!(line(&NodeStatus { reachable: false, ..node(4, 0, 0) }, None).contains("running"));
    }
}

//! What a history lacks, fetched from the cluster: its log, and the state hash of every node.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use stockade_checker::History;
use stockade_client::{Client, Config};
use stockade_env::Env;
use stockade_history::{NodeState, entry_line, state_line};
use stockade_proto::v1::{AbandonRequestRequest, ExportLogRequest, NodeStatus};
use stockade_server::Exit;

use crate::access::AccessArgs;
use crate::failure::Failure;
use crate::offline::hex;
use crate::recording;

/// How far every node's state was told, and no entry was asked for yet.
#[derive(Debug, Default)]
struct Told {
    lines: Vec<u8>,
    /// The furthest.
    applied: u64,
}

/// Appends log and hashes to the history at `path`. With `settle`, requests of unknown fate are given up before.
pub(crate) async fn append(
    path: &Path,
    history: &History,
    addresses: &[String],
    access: &AccessArgs,
    settle: bool,
) -> anyhow::Result<()> {
    let env = Env::real();
    let unknown = if settle { history.unknown_requests() } else { Vec::new() };
    // Giving up is a call like any other, and belongs into the history.
    let recorder = if unknown.is_empty() { None } else { Some(recording::open(path, &env)?) };
    let config = Config { record: recorder.clone(), ..Config::new(addresses.iter().cloned()) };
    let client = Client::connect(&env, access.apply(config)?).await?;
    for request_id in unknown {
        client.abandon_request(AbandonRequestRequest { request_id }).await?;
    }
    if let Some(recorder) = recorder {
        recorder.finish().with_context(|| format!("writing to {}", path.display()))?;
    }
    let status = client.cluster_status().await?;
    let Told { mut lines, applied } = hashes(&client, &status.nodes).await?;
    lines.extend(entries(&client, &status.nodes, history.last_entry().unwrap_or(0) + 1, applied).await?);
    let file = OpenOptions::new().append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(&lines));
    written.with_context(|| format!("writing to {}", path.display()))
}

/// The lines of what every node that answers says of its state.
async fn hashes(client: &Client, nodes: &[NodeStatus]) -> anyhow::Result<Told> {
    let mut told = Told::default();
    for node in nodes {
        if !node.reachable || node.client_address.is_empty() {
            eprintln!("node {} does not answer; its state is not checked", node.node_id);
            continue;
        }
        let hash = client.state_hash_of(&node.client_address, true).await;
        let hash = hash.with_context(|| format!("the state hash of node {}", node.node_id))?;
        told.applied = told.applied.max(hash.applied_index);
        told.lines.extend(state_line(&NodeState {
            node: node.node_id,
            applied: hash.applied_index,
            state_hash: hex(&hash.state_hash),
            chain_hash: hex(&hash.chain_hash),
            rows: hash.rows,
        }));
    }
    Ok(told)
}

/// The lines of the entries from an index on, from a node that knows at least those up to `reach` to be committed.
async fn entries(client: &Client, nodes: &[NodeStatus], from: u64, reach: u64) -> anyhow::Result<Vec<u8>> {
    let mut candidates: Vec<&NodeStatus> =
        nodes.iter().filter(|node| node.reachable && !node.client_address.is_empty()).collect();
    // Who knows most to be committed leads, as a rule; who has purged least can tell from further back.
    candidates.sort_by_key(|node| (node.purged_index >= from, std::cmp::Reverse(node.committed_index)));
    let mut short = None;
    for node in candidates {
        let request = ExportLogRequest { from_index: from, to_index: 0 };
        let mut messages = match client.export_log(&node.client_address, request).await {
            Ok(messages) => messages,
            Err(error) => {
                short = Some(anyhow::Error::new(error).context(format!("the log of node {}", node.node_id)));
                continue;
            }
        };
        let (mut lines, mut last) = (Vec::new(), from - 1);
        while let Some(message) = messages.message().await.context("the log broke off")? {
            for entry in &message.entries {
                last = entry.index;
                lines.extend(entry_line(entry));
            }
        }
        if last >= reach {
            return Ok(lines);
        }
        short = Some(anyhow::anyhow!("node {} gives its log up to entry {last} only", node.node_id));
    }
    Err(short.unwrap_or_else(|| Failure::new(Exit::Unavailable, "no node answers").into()))
}

//! Data directories that are filled once and used again: filling takes longer than what is then measured.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use super::nodes::Nodes;
use super::orders::Shop;
use super::sampler::Sampler;

/// Says how many orders the nodes of a directory hold.
const MARK: &str = "filled";
/// Orders at a time while a directory is filled.
const IN_FLIGHT: usize = 512;

/// Fills the nodes' directory with so many orders, unless an earlier run did. The nodes don't run before, nor after.
pub(crate) async fn prepared(dir: &Path, nodes: &mut Nodes, orders: u64) -> anyhow::Result<()> {
    let mark = dir.join(MARK);
    if let Ok(text) = fs::read_to_string(&mark) {
        let found: u64 = text.trim().parse().with_context(|| format!("reading {}", mark.display()))?;
        anyhow::ensure!(found == orders, "{} holds {found} orders, {orders} are asked for", dir.display());
        return Ok(());
    }
    let begun = Instant::now();
    nodes.launch()?;
    nodes.wait_ready().await?;
    let shop = Shop::open(nodes.addresses()).await?;
    let sampler = Sampler::start(&nodes.nodes, shop.progress(), orders);
    let ran = shop.run(orders, IN_FLIGHT).await;
    sampler.finish();
    ran?;
    nodes.wait_settled().await?;
    shop.close().await;
    nodes.stop()?;
    eprintln!("{orders} orders in {} s", begun.elapsed().as_secs());
    fs::write(&mark, orders.to_string()).with_context(|| format!("writing {}", mark.display()))
}

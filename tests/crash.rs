//! Real disks and real crashes: a node that is killed at random moments, and a machine that loses power.

use std::time::Duration;

use anyhow::{Context, ensure};
use stockade_tests::Cluster;
use stockade_tests::loop_mount::LoopMount;
use stockade_tests::orders::{Load, expect_orders, stock};

/// Windows go to sled about once a second: kills come within a few of them.
const LONGEST_LIFE_MS: u64 = 2_500;
const SMALL_FILES: [&str; 4] = ["--segment-bytes", "1048576", "--snapshot-log-bytes", "4194304"];

/// A number from the environment, to try longer than a test does.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn state_hash(cluster: &Cluster) -> anyhow::Result<Vec<u8>> {
    let client = cluster.client().await?;
    Ok(client.state_hash_of(&cluster.node(1).client, true).await?.state_hash)
}

/// What sled holds after all the crashes is what snapshot and log lead to.
async fn expect_equal_after_rebuild(cluster: &mut Cluster) -> anyhow::Result<()> {
    let from_sled = state_hash(cluster).await?;
    cluster.kill(1)?;
    std::fs::remove_dir_all(cluster.node(1).dir.join("engine"))?;
    cluster.launch(1)?;
    cluster.wait_until_led().await?;
    ensure!(state_hash(cluster).await? == from_sled, "the rebuilt state differs from the one sled held");
    Ok(())
}

/// More kills: `STOCKADE_TEST_KILLS=200 cargo test -p stockade-tests --test crash killed`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_at_random_under_load_loses_nothing() -> anyhow::Result<()> {
    let kills = setting("STOCKADE_TEST_KILLS", 5);
    let seed = setting("STOCKADE_TEST_SEED", stockade_env::Env::real().random.bits());
    eprintln!("seed {seed}");
    let random = stockade_env::Random::from_seed(seed);
    let mut cluster = Cluster::start_with(1, &SMALL_FILES).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000_000).await?;
    let mut all = Vec::new();
    for kill in 0..kills {
        let load = Load::start(&client, &format!("k{kill}"), 16, "mug");
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS))).await;
        cluster.kill(1)?;
        let acknowledged = load.acknowledged();
        cluster.launch(1)?;
        cluster.wait_until_led().await?;
        expect_orders(&client, &acknowledged).await.with_context(|| format!("kill {kill}, seed {seed}"))?;
        // Calls in flight come through: they are sent again under their request ids.
        all.extend(load.finish().await?);
        if kill % 25 == 24 || kill + 1 == kills {
            expect_equal_after_rebuild(&mut cluster)
                .await
                .with_context(|| format!("kill {kill}, seed {seed}"))?;
        }
    }
    eprintln!("{kills} kills, {} orders acknowledged", all.len());
    expect_orders(&client, &all).await
}

/// Stops a process, so that nothing is acknowledged meanwhile.
fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let status = std::process::Command::new("kill").args([name, &pid.to_string()]).status()?;
    ensure!(status.success(), "kill {name} {pid}");
    Ok(())
}

/// More cuts: `STOCKADE_TEST_POWER_CUTS=50 cargo test -p stockade-tests --test crash power`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_loses_power_under_load_loses_nothing() -> anyhow::Result<()> {
    if let Some(missing) = LoopMount::missing() {
        eprintln!("skipped: a_machine_that_loses_power_under_load_loses_nothing: {missing}");
        return Ok(());
    }
    let cuts = setting("STOCKADE_TEST_POWER_CUTS", 2);
    let seed = setting("STOCKADE_TEST_SEED", stockade_env::Env::real().random.bits());
    eprintln!("seed {seed}");
    let random = stockade_env::Random::from_seed(seed);
    let copies = tempfile::tempdir()?;
    let disk = LoopMount::new(1_024)?;
    let mut cluster = Cluster::start_under(Some(disk.path()), 1, &SMALL_FILES).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000_000).await?;
    let mut cut = Vec::new();
    let load = Load::start(&client, "p", 16, "mug");
    for number in 0..cuts {
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS))).await;
        let copy = copies.path().join(number.to_string());
        signal(cluster.pid(1)?, "-STOP")?;
        let acknowledged = load.acknowledged();
        let outcome = disk.copy_image(&copy);
        signal(cluster.pid(1)?, "-CONT")?;
        outcome?;
        cut.push((copy, acknowledged));
    }
    load.finish().await?;
    cluster.kill(1)?;
    for (number, (copy, acknowledged)) in cut.iter().enumerate() {
        let after = LoopMount::of_copy(copy)?;
        let mut cluster = Cluster::start_under(Some(after.path()), 1, &SMALL_FILES).await?;
        let client = cluster.client().await?;
        let found = expect_orders(&client, acknowledged).await;
        found.with_context(|| format!("cut {number}, seed {seed}"))?;
        eprintln!("cut {number}: {} acknowledged orders are there", acknowledged.len());
        expect_equal_after_rebuild(&mut cluster).await?;
    }
    Ok(())
}

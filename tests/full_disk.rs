//! Real nodes on real small disks: low, full, without any room, failing; and with room again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use stockade_client::Client;
use stockade_env::Env;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::{CancelOrderRequest, PlaceOrderRequest};
use stockade_tests::loop_mount::LoopMount;
use stockade_tests::orders::{Load, expect_orders, order, stock};
use stockade_tests::{Cluster, PATIENCE};
use tonic::transport::Channel;
use tonic::{Code, Status};

const MIB: u64 = 1 << 20;
const DISK_MIB: u64 = 320;
const LOW: u64 = 96 * MIB;
const RESERVE: u64 = 32 * MIB;
const SMALL_FILES: [&str; 4] = ["--segment-bytes", "1048576", "--snapshot-log-bytes", "4194304"];

/// True, with the reason printed, where a test can't run here.
fn skips(test: &str) -> bool {
    let missing = LoopMount::missing();
    if let Some(missing) = &missing {
        eprintln!("skipped: {test}: {missing}");
    }
    missing.is_some()
}

/// Flags of nodes that heed how much room there is.
fn heedful() -> Vec<String> {
    let marks = [("--disk-low-bytes", LOW), ("--disk-reserve-bytes", RESERVE)];
    let marks = marks.iter().flat_map(|(flag, bytes)| [(*flag).to_owned(), bytes.to_string()]);
    SMALL_FILES.iter().map(|&flag| flag.to_owned()).chain(marks).collect()
}

async fn start_under(parent: Option<&Path>, count: u64, flags: &[String]) -> anyhow::Result<Cluster> {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Cluster::start_under(parent, count, &flags).await
}

/// A file of somebody else's that takes the room of a disk.
struct Ballast {
    disk: PathBuf,
    file: PathBuf,
}

impl Ballast {
    fn on(disk: &Path) -> Self {
        Self { disk: disk.to_owned(), file: disk.join("ballast") }
    }

    /// Bytes free on the disk.
    fn free(&self) -> anyhow::Result<u64> {
        let output = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.disk).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let free = text.split_whitespace().last().context("df says how much is free")?;
        Ok(free.parse()?)
    }

    /// Leaves so much of the disk.
    fn leave(&self, bytes: u64) -> anyhow::Result<()> {
        let size = self.file.metadata().map_or(0, |file| file.len());
        let wanted = (size + self.free()?).checked_sub(bytes).context("the disk has less than that")?;
        if wanted < size {
            self.remove()?;
        }
        let done = Command::new("fallocate").args(["-l", &wanted.to_string()]).arg(&self.file).status()?;
        ensure!(done.success(), "fallocate");
        Ok(())
    }

    /// Takes everything, to the last block.
    fn take_all(&self) -> anyhow::Result<()> {
        let mut file = std::fs::File::options().create(true).append(true).open(&self.file)?;
        let mut zeros = vec![0_u8; 4 << 20];
        while zeros.len() >= 512 {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    zeros.truncate(zeros.len() / 2);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn remove(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(&self.file)?)
    }
}

/// What an HTTP endpoint of a node answers, head and body; an error where nobody does.
fn http(address: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

async fn until(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "in {PATIENCE:?} it was not so that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn until_ready(cluster: &Cluster, id: u64, answer: &str) -> anyhow::Result<()> {
    let address = cluster.node(id).http.clone();
    let said = || Ok(http(&address, "/readyz").is_ok_and(|said| said.ends_with(answer)));
    until(&format!("/readyz of node {id} says {answer:?}"), said).await
}

/// Calls one node and no other.
async fn orders_of(cluster: &Cluster, id: u64) -> anyhow::Result<OrderServiceClient<Channel>> {
    let channel = Channel::from_shared(format!("http://{}", cluster.node(id).client))?.connect().await?;
    Ok(OrderServiceClient::new(channel))
}

fn request_id() -> String {
    let env = Env::real();
    env.random.request_id(&env.clock).to_string()
}

fn place(id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest { request_id: request_id(), ..order(id, "mug", 1) }
}

fn cancel(id: &str) -> CancelOrderRequest {
    CancelOrderRequest { request_id: request_id(), order_id: id.to_owned(), ..Default::default() }
}

fn is_storage_full(status: &Status) -> bool {
    let fate = status.metadata().get("stockade-outcome").and_then(|fate| fate.to_str().ok());
    status.code() == Code::ResourceExhausted
        && fate == Some("not-applied")
        && String::from_utf8_lossy(status.details()).contains("STORAGE_FULL")
}

async fn alarms_of(cluster: &Cluster, asked: u64, id: u64) -> anyhow::Result<Vec<String>> {
    let client = cluster.client().await?;
    let status = client.cluster_status_of(&cluster.node(asked).client).await?;
    let status = status.nodes.into_iter().find(|status| status.node_id == id).context("a member")?;
    Ok(status.alarms.into_iter().map(|alarm| alarm.kind).collect())
}

/// Moves a node's directory to another disk. Its path stays.
fn move_to(cluster: &mut Cluster, id: u64, disk: &Path) -> anyhow::Result<()> {
    cluster.stop(id)?;
    let dir = cluster.node(id).dir.clone();
    let moved = disk.join("node");
    ensure!(Command::new("cp").arg("-a").arg(&dir).arg(&moved).status()?.success(), "cp");
    std::fs::remove_dir_all(&dir)?;
    std::os::unix::fs::symlink(&moved, &dir)?;
    cluster.launch(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_three_turns_read_only_at_its_mark_votes_when_full_and_comes_back_by_itself()
-> anyhow::Result<()> {
    if skips("a_node_of_three_turns_read_only_at_its_mark_votes_when_full_and_comes_back_by_itself") {
        return Ok(());
    }
    let disk = LoopMount::new(DISK_MIB)?;
    let mut cluster = start_under(None, 3, &heedful()).await?;
    move_to(&mut cluster, 1, disk.path())?;
    cluster.wait_until_led().await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 100_000).await?;
    let mut placed = Vec::new();
    let mut buy = async |client: &Client, count: usize| -> anyhow::Result<Vec<String>> {
        for _ in 0..count {
            let id = format!("o{}", placed.len());
            client.place_order(order(&id, "mug", 1)).await?;
            placed.push(id);
        }
        Ok(placed.clone())
    };
    buy(&client, 20).await?;
    until_ready(&cluster, 1, "ok\n").await?;

    // Low.
    let ballast = Ballast::on(disk.path());
    ballast.leave(u64::midpoint(LOW, RESERVE))?;
    until_ready(&cluster, 1, "the disk is low\n").await?;
    ensure!(http(&cluster.node(1).http, "/livez")?.starts_with("HTTP/1.1 200"));
    ensure!(alarms_of(&cluster, 2, 1).await? == ["disk_low"]);
    let mut small = orders_of(&cluster, 1).await?;
    let refused = small.place_order(place("refused")).await.err().context("a place is refused")?;
    ensure!(is_storage_full(&refused), "{refused:?}");
    // What was refused for want of room can be asked of another node at once; a client does so by itself.
    buy(&cluster.client_of(1).await?, 1).await?;
    ensure!(cluster.wait_until_led().await? != 1, "a node with room leads");
    small.cancel_order(cancel("o0")).await?;
    buy(&client, 20).await?;

    // Full.
    ballast.leave(RESERVE / 2)?;
    until_ready(&cluster, 1, "the disk is full\n").await?;
    let refused = small.cancel_order(cancel("o1")).await.err().context("a cancel is refused")?;
    ensure!(is_storage_full(&refused), "{refused:?}");
    buy(&client, 50).await?;
    let leader = cluster.wait_until_led().await?;
    let other = if leader == 2 { 3 } else { 2 };
    cluster.kill(leader)?;
    ensure!(cluster.wait_until_led().await? == other, "elected by the full node's vote");
    cluster.launch(leader)?;
    cluster.wait_until_led().await?;
    buy(&client, 20).await?;

    // Room.
    ballast.remove()?;
    until_ready(&cluster, 1, "ok\n").await?;
    let all = buy(&cluster.client_of(1).await?, 20).await?;
    small.cancel_order(cancel("o1")).await?;
    cluster.expect_equal_states().await?;
    expect_orders(&client, &all).await?;
    ensure!(alarms_of(&cluster, 2, 1).await?.is_empty());
    Ok(())
}

/// Places orders one after the other until one fails; gives those that were acknowledged.
async fn buy_until_refused(client: Client, name: &'static str) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("{name}-{number}");
        if client.place_order(order(&id, "mug", 1)).await.is_err() {
            break;
        }
        acknowledged.push(id);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_node_whose_disk_another_fills_under_load_serves_everything_acknowledged_afterwards()
-> anyhow::Result<()> {
    let test = "a_single_node_whose_disk_another_fills_under_load_serves_everything_acknowledged_afterwards";
    if skips(test) {
        return Ok(());
    }
    let disk = LoopMount::new(DISK_MIB)?;
    let mut cluster = start_under(Some(disk.path()), 1, &heedful()).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000).await?;
    let load = tokio::spawn(buy_until_refused(client.clone(), "a"));
    let ballast = Ballast::on(disk.path());
    ballast.take_all()?;
    let acknowledged = load.await?;
    // Read-only, or stopped with its code where the disk was full before it could see that.
    if http(&cluster.node(1).http, "/livez").is_ok() {
        until_ready(&cluster, 1, "the disk is full\n").await?;
        ballast.remove()?;
        until_ready(&cluster, 1, "ok\n").await?;
    } else {
        ensure!(cluster.stop(1)?.code() == Some(13), "{}", cluster.log_of(1));
        ballast.remove()?;
        cluster.launch(1)?;
        cluster.wait_until_led().await?;
    }
    expect_orders(&client, &acknowledged).await?;
    client.place_order(order("after", "mug", 1)).await?;
    // And what was held back in memory meanwhile is what snapshot and log lead to.
    let hash = client.state_hash_of(&cluster.node(1).client, true).await?.state_hash;
    cluster.kill(1)?;
    std::fs::remove_dir_all(cluster.node(1).dir.join("engine"))?;
    cluster.launch(1)?;
    cluster.wait_until_led().await?;
    ensure!(client.state_hash_of(&cluster.node(1).client, true).await?.state_hash == hash);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_no_room_for_a_write_ends_with_code_13_and_starts_again_with_room()
-> anyhow::Result<()> {
    if skips("a_node_that_finds_no_room_for_a_write_ends_with_code_13_and_starts_again_with_room") {
        return Ok(());
    }
    let disk = LoopMount::new(DISK_MIB)?;
    // Its marks are off, as if the room had gone between two looks.
    let flags = SMALL_FILES.map(str::to_owned);
    let mut cluster = start_under(Some(disk.path()), 1, &flags).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000).await?;
    let ballast = Ballast::on(disk.path());
    ballast.take_all()?;
    let load = Load::start(&client, "a", 16, "mug");
    until("the node has ended", || Ok(http(&cluster.node(1).http, "/livez").is_err())).await?;
    let acknowledged = load.acknowledged();
    let ended = cluster.stop(1)?;
    ensure!(ended.code() == Some(13), "{ended}: {}", cluster.log_of(1));
    // It doesn't start on such a disk either, and says why by the same code.
    if let Err(error) = cluster.launch(1) {
        ensure!(error.to_string().contains("exit status: 13"), "{error:#}");
    } else {
        cluster.kill(1)?;
    }
    ballast.remove()?;
    cluster.launch(1)?;
    cluster.wait_until_led().await?;
    expect_orders(&client, &acknowledged).await?;
    // What was under way when the node ended comes through: it is sent again under its request ids.
    let all = load.finish().await?;
    expect_orders(&client, &all).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_below_the_reserve_ends_with_code_13() -> anyhow::Result<()> {
    if skips("a_start_below_the_reserve_ends_with_code_13") {
        return Ok(());
    }
    let disk = LoopMount::new(DISK_MIB)?;
    let mut cluster = start_under(Some(disk.path()), 1, &heedful()).await?;
    cluster.stop(1)?;
    let ballast = Ballast::on(disk.path());
    ballast.leave(RESERVE / 2)?;
    let refused = cluster.launch(1).err().context("it doesn't start")?.to_string();
    ensure!(refused.contains("exit status: 13") && refused.contains("reserve"), "{refused}");
    ballast.remove()?;
    cluster.launch(1)?;
    cluster.wait_until_led().await?;
    Ok(())
}

/// Makes a file system answer every write with EIO, as when its disk is gone.
fn shut_down(disk: &Path) -> bool {
    // EXT4_IOC_SHUTDOWN, without flushing the journal.
    const SCRIPT: &str = "import fcntl, os, struct, sys\n\
        fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
    let done = Command::new("python3").args(["-c", SCRIPT]).arg(disk).output();
    done.is_ok_and(|done| done.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_fails_ends_with_code_14_and_loses_nothing() -> anyhow::Result<()> {
    let test = "a_node_whose_disk_fails_ends_with_code_14_and_loses_nothing";
    if skips(test) {
        return Ok(());
    }
    let disk = LoopMount::new(DISK_MIB)?;
    let mut cluster = start_under(Some(disk.path()), 1, &heedful()).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000).await?;
    let load = tokio::spawn(buy_until_refused(client.clone(), "a"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    if !shut_down(disk.path()) {
        eprintln!("skipped: {test}: it needs python3 and an ext4 that can be shut down");
        return Ok(());
    }
    let acknowledged = load.await?;
    until("the node has ended", || Ok(http(&cluster.node(1).http, "/livez").is_err())).await?;
    let ended = cluster.stop(1)?;
    ensure!(ended.code() == Some(14), "{ended}: {}", cluster.log_of(1));
    // What the device holds, on another disk.
    let copy = tempfile::tempdir()?;
    let image = copy.path().join("image");
    disk.copy_image(&image)?;
    drop(cluster);
    let healthy = LoopMount::of_copy(&image)?;
    let cluster = start_under(Some(healthy.path()), 1, &heedful()).await?;
    expect_orders(&cluster.client().await?, &acknowledged).await
}

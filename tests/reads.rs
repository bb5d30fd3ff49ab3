//! What reads promise, on real processes that are stopped and continued.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use stockade_client::{Client, ReadFrom, ReadPolicy};
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::{
    Consistency, CreateLocationRequest, CreateSkuRequest, GetStockRequest, Location, ReadOptions,
    ReceiveStockRequest, Sku,
};
use stockade_tests::shop::Shop;
use stockade_tests::{Cluster, PATIENCE};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

const ROUNDS: u32 = 4;
const HOUR: Duration = Duration::from_hours(1);
/// Long enough that a bound on the age is told from no bound.
const AGE: Duration = Duration::from_millis(50);
/// For what can't be answered.
const BRIEFLY: Duration = Duration::from_secs(1);

/// What a read is asked to promise.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Linearizable,
    Lease,
    Bounded(Duration),
    AtLeast(u64),
    Local,
}

impl Asked {
    fn options(self) -> ReadOptions {
        let named = |consistency: Consistency| ReadOptions {
            consistency: consistency.into(),
            ..ReadOptions::default()
        };
        match self {
            Self::Linearizable => named(Consistency::Linearizable),
            Self::Lease => named(Consistency::Lease),
            Self::Bounded(age) => {
                let max_staleness = Some(age.try_into().expect("it is short"));
                ReadOptions { max_staleness, ..named(Consistency::Bounded) }
            }
            Self::AtLeast(min_revision) => ReadOptions { min_revision, ..named(Consistency::AtLeast) },
            Self::Local => named(Consistency::Local),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable => f.pad("linearizable"),
            Self::Lease => f.pad("lease"),
            Self::Bounded(age) => f.pad(&format!("bounded {age:?}")),
            Self::AtLeast(revision) => f.pad(&format!("at least {revision}")),
            Self::Local => f.pad("local"),
        }
    }
}

/// What a read returned.
#[derive(Debug, Clone)]
struct Told {
    available: i64,
    served_revision: u64,
    served_as: Consistency,
}

type Answer = Result<Told, String>;

/// One node, asked directly.
#[derive(Debug, Clone)]
struct Desk(StockServiceClient<Channel>);

impl Desk {
    /// Connects now, so that what is asked later waits in the node's socket while the node stands still.
    async fn open(address: &str) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Self(StockServiceClient::new(channel)))
    }

    async fn read(&self, asked: Asked, patience: Duration) -> Answer {
        let mut request = Request::new(GetStockRequest {
            sku_id: "mug".to_owned(),
            location_id: "main".to_owned(),
            read: Some(asked.options()),
        });
        request.set_timeout(patience);
        let answer = self.0.clone().get_stock(request).await.map_err(|status| reason(&status))?.into_inner();
        let header = answer.header.ok_or("no header")?;
        Ok(Told {
            available: answer.stock.ok_or("no stock")?.available,
            served_revision: header.served_revision,
            served_as: header.served_consistency(),
        })
    }
}

fn reason(status: &Status) -> String {
    let info = status.get_error_details().error_info().map(|info| info.reason.clone());
    info.unwrap_or_else(|| format!("{:?}", status.code()))
}

/// A write that was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Written {
    revision: u64,
    available: i64,
    at: Instant,
}

/// What was asked of whom, what it was told, and what it had been promised.
#[derive(Debug, Default)]
struct Table {
    lines: Vec<String>,
    broken: usize,
}

impl Table {
    /// Judges an answer to what was asked after a write was acknowledged.
    fn judge(&mut self, node: &str, asked: Asked, invoked: Instant, answer: &Answer, written: Written) {
        let (least, promise) = match asked {
            Asked::Linearizable | Asked::Lease => {
                (written.revision, format!("the write at {}", written.revision))
            }
            Asked::Bounded(age) if written.at + age < invoked => {
                (written.revision, format!("the write at {}, which is older", written.revision))
            }
            Asked::Bounded(_) => (0, "nothing so old".to_owned()),
            Asked::AtLeast(revision) => (revision, format!("revision {revision}")),
            Asked::Local => (0, "nothing".to_owned()),
        };
        let sees_the_write = least >= written.revision;
        let echoes = match asked {
            Asked::Linearizable => &[Consistency::Linearizable][..],
            Asked::Lease => &[Consistency::Lease, Consistency::Linearizable],
            Asked::Bounded(_) => &[Consistency::Bounded, Consistency::Linearizable],
            Asked::AtLeast(_) => &[Consistency::AtLeast],
            Asked::Local => &[Consistency::Local],
        };
        let (told, holds) = match answer {
            Ok(told) => {
                let is_new = told.served_revision >= least;
                let is_right = !sees_the_write || told.available >= written.available;
                // An answer that says more than was asked for is held to it.
                let echo_holds =
                    told.served_as != Consistency::Linearizable || told.served_revision >= written.revision;
                let text = format!(
                    "{} at {} ({})",
                    told.available,
                    told.served_revision,
                    told.served_as.as_str_name().trim_start_matches("CONSISTENCY_")
                );
                (text, is_new && is_right && echo_holds && echoes.contains(&told.served_as))
            }
            // To say nothing breaks no promise; what has to be answered is asserted elsewhere.
            Err(reason) => (reason.clone(), true),
        };
        self.line(node, asked, &told, &promise, holds);
    }

    /// Notes an answer that must be of a kind.
    fn expect(&mut self, node: &str, asked: Asked, answer: &Answer, expected: Result<Consistency, &str>) {
        let told = match answer {
            Ok(told) => format!("{} at {} ({:?})", told.available, told.served_revision, told.served_as),
            Err(reason) => reason.clone(),
        };
        let holds = match (answer, expected) {
            (Ok(told), Ok(served_as)) => told.served_as == served_as,
            (Err(reason), Err(expected)) => reason == expected,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        self.line(node, asked, &told, &format!("{expected:?}"), holds);
    }

    fn line(&mut self, node: &str, asked: Asked, told: &str, promise: &str, holds: bool) {
        self.broken += usize::from(!holds);
        let verdict = if holds { "" } else { "BROKEN" };
        self.lines.push(format!("{node:<34} {asked:<16} {told:<34} {promise:<38} {verdict}"));
    }

    fn finish(self) -> anyhow::Result<()> {
        let head = ["node", "consistency", "returned", "promised to see"];
        eprintln!("{:<34} {:<16} {:<34} {}", head[0], head[1], head[2], head[3]);
        for line in &self.lines {
            eprintln!("{line}");
        }
        ensure!(self.broken == 0, "{} of {} reads broke their promise", self.broken, self.lines.len());
        Ok(())
    }
}

async fn furnish(client: &Client) -> anyhow::Result<()> {
    let location = Some(Location { location_id: "main".to_owned(), ..Location::default() });
    client.create_location(CreateLocationRequest { location, ..Default::default() }).await?;
    let sku = Some(Sku { sku_id: "mug".to_owned(), ..Sku::default() });
    client.create_sku(CreateSkuRequest { sku, ..Default::default() }).await?;
    Ok(())
}

async fn receive(client: &Client) -> anyhow::Result<Written> {
    let (sku_id, location_id) = ("mug".to_owned(), "main".to_owned());
    let request = ReceiveStockRequest { sku_id, location_id, quantity: 1, ..Default::default() };
    let answer = client.receive_stock(request).await?;
    let revision = answer.header.context("a header")?.revision;
    let available = answer.stock.context("the stock")?.available;
    Ok(Written { revision, available, at: Instant::now() })
}

async fn desks(cluster: &Cluster) -> anyhow::Result<Vec<(u64, Desk)>> {
    let mut desks = Vec::new();
    for node in &cluster.nodes {
        desks.push((node.id, Desk::open(&node.client).await?));
    }
    Ok(desks)
}

/// Everything that can be asked after a write.
fn questions(written: Written) -> [Asked; 6] {
    [
        Asked::Linearizable,
        Asked::Lease,
        Asked::Bounded(AGE),
        Asked::Bounded(HOUR),
        Asked::AtLeast(written.revision),
        Asked::Local,
    ]
}

/// Asks all of it at once, and holds the answers against the write, which was acknowledged before.
async fn ask(table: &mut Table, node: &str, desk: &Desk, written: Written) {
    let answers = questions(written).map(async |asked| {
        let invoked = Instant::now();
        (asked, invoked, desk.read(asked, PATIENCE).await)
    });
    for (asked, invoked, answer) in futures_util::future::join_all(answers).await {
        table.judge(node, asked, invoked, &answer, written);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stood_still_tells_nothing_that_it_should_not() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    furnish(&client).await?;
    let desks = desks(&cluster).await?;
    let mut table = Table::default();
    for round in 1..=ROUNDS {
        let leader = cluster.wait_until_led().await?;
        let before = receive(&client).await?;
        for (id, desk) in &desks {
            ask(&mut table, &format!("{round}: node {id}, all is well"), desk, before).await;
        }
        // Writes under way leave answers of the followers in the leader's sockets.
        let others: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let client = client.clone();
                    async move { receive(&client).await }
                })
            })
            .collect();
        cluster.pause(leader)?;
        // The followers elect another leader, which acknowledges this.
        let mut written = receive(&client).await?;
        for other in others {
            let other = other.await??;
            let newer = if other.revision > written.revision { other } else { written };
            // Both were acknowledged by the later instant.
            written = Written {
                at: other.at.max(written.at),
                available: other.available.max(written.available),
                ..newer
            };
        }
        // Whatever is older than that is too old for a bounded read.
        let deadline = Instant::now() + PATIENCE;
        while written.at.elapsed() <= AGE {
            ensure!(Instant::now() < deadline, "time stands still");
            tokio::task::yield_now().await;
        }
        for (id, desk) in desks.iter().filter(|(id, _)| *id != leader) {
            ask(&mut table, &format!("{round}: node {id}, the leader {leader} stands"), desk, written).await;
        }
        // These wait in the socket of the node that stands still. More are asked as soon as it goes on.
        let (_, desk) = desks.iter().find(|(id, _)| *id == leader).context("a desk for each node")?;
        let name = format!("{round}: node {leader} goes on");
        let mut waiting = Table::default();
        let mut after = Table::default();
        let (asked, went_on) = tokio::join!(ask(&mut waiting, &name, desk, written), async {
            // Polled after the questions, which have been handed to the connection by then.
            tokio::task::yield_now().await;
            cluster.resume(leader)?;
            ask(&mut after, &name, desk, written).await;
            anyhow::Ok(())
        });
        let () = asked;
        went_on?;
        for more in [waiting, after] {
            table.broken += more.broken;
            table.lines.extend(more.lines);
        }
    }
    cluster.wait_until_led().await?;
    table.finish()?;
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_cut_off_answers_what_it_can_answer_alone() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    furnish(&client).await?;
    let leader = cluster.wait_until_led().await?;
    let written = receive(&client).await?;
    let desks = desks(&cluster).await?;
    let (alone, desk) = desks.iter().find(|(id, _)| *id != leader).context("a follower")?;
    // It knows of the write, and leaves a mark of that.
    let known = desk.read(Asked::Linearizable, PATIENCE).await.map_err(anyhow::Error::msg)?;
    ensure!(known.served_revision >= written.revision, "{known:?}");
    for (id, _) in desks.iter().filter(|(id, _)| id != alone) {
        cluster.pause(*id)?;
    }
    let now = desk.read(Asked::Local, BRIEFLY).await.map_err(anyhow::Error::msg)?.served_revision;
    let mut table = Table::default();
    let node = format!("node {alone}, alone");
    for (asked, expected) in [
        (Asked::Local, Ok(Consistency::Local)),
        (Asked::Bounded(HOUR), Ok(Consistency::Bounded)),
        (Asked::AtLeast(now), Ok(Consistency::AtLeast)),
        (Asked::AtLeast(now + 1_000), Err("REVISION_AHEAD")),
        (Asked::Linearizable, Err("NO_LEADER")),
        (Asked::Lease, Err("NO_LEADER")),
        (Asked::Bounded(Duration::from_millis(1)), Err("NO_LEADER")),
    ] {
        let answer = desk.read(asked, BRIEFLY).await;
        table.expect(&node, asked, &answer, expected);
    }
    for (id, _) in desks.iter().filter(|(id, _)| id != alone) {
        cluster.resume(*id)?;
    }
    table.finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_reads_its_own_writes_on_every_node() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    furnish(&client).await?;
    let consistency = stockade_client::Consistency::Session;
    for _ in 0..20 {
        let written = receive(&client).await?;
        ensure!(client.seen_revision() >= written.revision, "{} of {written:?}", client.seen_revision());
        for node in &cluster.nodes {
            let from = ReadFrom::Node(node.client.clone());
            let (sku_id, location_id) = ("mug".to_owned(), "main".to_owned());
            let request = GetStockRequest { sku_id, location_id, read: None };
            let answer = client.with_reads(ReadPolicy { consistency, from }).get_stock(request).await?;
            let header = answer.header.context("a header")?;
            ensure!(
                header.node_id == node.id && header.served_consistency() == Consistency::AtLeast,
                "{header:?}"
            );
            let available = answer.stock.context("the stock")?.available;
            ensure!(available == written.available, "node {} tells {available} after {written:?}", node.id);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_reads_as_it_is_told() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let revision = shop.done("stock get mug")?["header"]["served_revision"].as_u64().context("a revision")?;
    for (consistency, served) in [
        ("linearizable".to_owned(), &["LINEARIZABLE"][..]),
        ("lease".to_owned(), &["LEASE", "LINEARIZABLE"]),
        ("bounded:1h".to_owned(), &["BOUNDED", "LINEARIZABLE"]),
        (format!("at-least:{revision}"), &["AT_LEAST"]),
        ("local".to_owned(), &["LOCAL"]),
    ] {
        for command in ["stock list", "stock get mug", "stock availability mug", "sku list", "ledger list"] {
            let answer = shop.done(&format!("{command} --consistency {consistency}"))?;
            let told = &answer["header"]["served_consistency"];
            ensure!(served.iter().any(|served| *told == json!(served)), "{command} {consistency}: {told}");
        }
    }
    let written = shop.done("stock receive mug 1")?;
    ensure!(written["header"]["served_consistency"].is_null(), "a write was read: {written:#}");
    Ok(())
}

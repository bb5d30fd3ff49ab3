//! What may not happen where nodes come, go, begin and begin again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stockade_consensus::{
    Config, Join, MembershipChange, MembershipError, Node, ProposeError, RefusalKind, Role, StartError,
};
use stockade_env::Env;
use stockade_proto::internal as wire;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{EngineKind, Identity, Options, SpaceLevel, SpaceMarks, backup_id, restore};
use support::{CLUSTER_ID, Cluster, Setup, assert_created, bring_about, create_sku_request, soon, until};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;

/// Several heartbeats: what a leader sends arrives in that time.
const BRIEFLY: Duration = Duration::from_millis(600);
const SEVERAL_ELECTIONS: Duration = Duration::from_secs(8);

async fn somebody_leads(nodes: &[Node]) -> Option<u64> {
    let elected = async {
        loop {
            if let Some(node) = nodes.iter().find(|node| node.status().role == Role::Leader) {
                return node.id();
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SEVERAL_ELECTIONS, elected).await.ok()
}

fn config(peers: BTreeMap<u64, String>, join: Option<Join>, overrides: BTreeMap<u64, String>) -> Config {
    Config {
        peers,
        join,
        peer_overrides: overrides,
        dialer: None,
        credentials: None,
        advertise_client: "client".to_owned(),
        version: "test".to_owned(),
        heartbeat: Duration::from_millis(60),
        election_timeout: (Duration::from_millis(250), Duration::from_millis(500)),
        max_in_flight_bytes: 16 << 20,
        kept_log_entries: 10_000,
        lease_reads: true,
        zone: String::new(),
        standby: false,
        replace_dead_after: None,
        data_dir: None,
    }
}

async fn serve(listener: TcpListener, id: u64, config: Config) -> Node {
    let env = Env::real();
    let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id: id };
    let options = Options {
        engine: EngineKind::Memory,
        segment_bytes: 1 << 20,
        ..Options::new(PathBuf::from("/data"), identity)
    };
    let storage = stockade_storage::open(Arc::new(MemoryFiles::default()), &env, options).await.unwrap();
    let node = Node::start(&env, storage, config).await.unwrap();
    let routes = node.peer_routes();
    env.tasks.spawn("peer-server", async move {
        let incoming = TcpListenerStream::new(listener);
        tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
    });
    node
}

/// A slip of the pen in `cluster replace 2 --with 3=...` takes a healthy voter away for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_does_not_take_the_place_of_another_voter() {
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let swap = MembershipChange::Promote { node_id: 3, replaces: Some(2) };
    let answer = cluster.node(leader).change_membership(&swap, "tester", soon()).await;
    let all = vec![BTreeSet::from([1, 2, 3])];
    assert_eq!(cluster.node(3).voters(), all, "three voters became two; the answer was {answer:?}");
}

/// The new node can be reached by the leader and can't reach it: it has the log, and is never ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_become_ready_gets_no_vote() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let mut others = (1..=3).filter(|id| *id != leader);
    let (lost, other) = (others.next().unwrap(), others.next().unwrap());
    cluster.kill(lost);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let join = Join { contacts: vec![cluster.peers[&other].clone()], own_address: address.clone() };
    let overrides = BTreeMap::from([(leader, "127.0.0.1:1".to_owned())]);
    let new = serve(listener, 4, config(BTreeMap::new(), Some(join), overrides)).await;
    new.initialize().await.unwrap();
    let node = cluster.node(leader).clone();
    bring_about(&node, &MembershipChange::AddLearner { node_id: 4, peer_address: address }).await;
    until("it has the log", async || (new.status().last_index == node.status().last_index).then_some(()))
        .await;
    let promote = MembershipChange::Promote { node_id: 4, replaces: Some(lost) };
    let answer = node.change_membership(&promote, "tester", soon()).await;
    assert!(
        matches!(&answer, Err(MembershipError::Refused(refusal)) if refusal.kind == RefusalKind::LearnerBehind),
        "with a vote that nobody can use, two of three would not do: {answer:?}"
    );
}

/// Lets bytes through to an address from when it is told to.
fn held_back(to: String) -> (TcpListener, impl Future<Output = ()>, oneshot::Sender<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (release, released) = oneshot::channel::<()>();
    let address = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let passing = async move {
        let (mut from, _) = listener.accept().await.unwrap();
        released.await.unwrap();
        let mut to = TcpStream::connect(to).await.unwrap();
        let _ended = copy_bidirectional(&mut from, &mut to).await;
    };
    (address, passing, release)
}

/// What it asks the cluster at its start travels so long that it is added meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_takes_part_in_nothing_before_it_has_heard_that_its_id_is_free() {
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let (contact, passing, release) = held_back(cluster.peers[&leader].clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let contacts = vec![contact.local_addr().unwrap().to_string()];
    let join = Join { contacts, own_address: address.clone() };
    let new = serve(listener, 4, config(BTreeMap::new(), Some(join), BTreeMap::new())).await;
    let passing = tokio::spawn(passing);
    let asking = tokio::spawn({
        let new = new.clone();
        async move { new.initialize().await }
    });
    let node = cluster.node(leader).clone();
    bring_about(&node, &MembershipChange::AddLearner { node_id: 4, peer_address: address.clone() }).await;
    let append = wire::AppendRequest {
        envelope: Some(wire::Envelope { cluster_id: CLUSTER_ID.to_owned(), from_node: leader, to_node: 4 }),
        vote: Some(vote(node.term(), leader, true)),
        ..wire::AppendRequest::default()
    };
    let mut client = PeerServiceClient::connect(format!("http://{address}")).await.unwrap();
    let refused = client.append_entries(tokio_stream::iter([append])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert_eq!((new.status().last_index, new.term()), (0, 0), "it has taken something");
    release.send(()).unwrap();
    asking.await.unwrap().unwrap();
    bring_about(&node, &MembershipChange::Promote { node_id: 4, replaces: None }).await;
    new.read_barrier(soon()).await.unwrap();
    passing.abort();
}

/// The leader goes on sending to an id that has a vote, whoever has come under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_voter_that_comes_back_as_a_new_node_is_refused_however_often_it_is_started() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("sku").await);
    let leader = cluster.leader().await;
    let wiped = (1..=3).find(|id| *id != leader).unwrap();
    cluster.wipe(wiped);
    for _ in 0..2 {
        cluster.restart_as_new(wiped).await;
        // It is there, and the leader finds it: whatever it would take from the leader it has by then.
        until("the leader has sent it something", async || {
            let answers = cluster.node(leader).cluster_status().await;
            answers.iter().any(|node| node.node_id == wiped && node.reachable).then_some(())
        })
        .await;
        assert!(timeout(BRIEFLY, cluster.node(wiped).read_barrier(soon())).await.is_err(), "it takes part");
        let error = cluster.node(wiped).initialize().await.unwrap_err();
        assert!(matches!(&error, StartError::Config(what) if what.contains("--node-id 4")), "{error}");
        assert_eq!(cluster.node(wiped).status().last_index, 0);
        cluster.kill(wiped);
    }
}

fn vote(term: u64, node_id: u64, committed: bool) -> wire::Vote {
    wire::Vote { leader: Some(wire::LeaderId { term, node_id }), committed }
}

fn log_id(term: u64, node_id: u64, index: u64) -> wire::LogId {
    wire::LogId { leader: Some(wire::LeaderId { term, node_id }), index }
}

/// Two leaders in a row that were lost before anybody was ready: every log has two blank entries and no command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founding_that_took_two_elections_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dead = "127.0.0.1:1".to_owned();
    let peers = BTreeMap::from([(1, dead.clone()), (2, dead), (3, address.clone())]);
    let node = serve(listener, 3, config(peers.clone(), None, BTreeMap::new())).await;
    let mut client = PeerServiceClient::connect(format!("http://{address}")).await.unwrap();
    let envelope =
        |from_node| Some(wire::Envelope { cluster_id: CLUSTER_ID.to_owned(), from_node, to_node: 3 });
    let ask = |from: u64, term: u64, last: wire::LogId, founding: bool| wire::VoteRequest {
        envelope: envelope(from),
        vote: Some(vote(term, from, false)),
        last_log_id: Some(last),
        founding,
        ..Default::default()
    };
    let members = wire::Membership {
        configs: vec![wire::membership::Config { voters: vec![1, 2, 3] }],
        nodes: peers.into_iter().map(|(node_id, address)| wire::PeerNode { node_id, address }).collect(),
    };
    let founding_entry = wire::Entry {
        log_id: Some(log_id(0, 0, 0)),
        payload: Some(wire::entry::Payload::Membership(members)),
    };
    let blank = |term, node_id, index| wire::Entry {
        log_id: Some(log_id(term, node_id, index)),
        payload: Some(wire::entry::Payload::Blank(true)),
    };
    // Node 1 founds and is lost; then node 2, which has node 1's blank entry, and is lost as well.
    assert!(client.vote(ask(1, 1, log_id(0, 0, 0), true)).await.unwrap().into_inner().granted);
    let append = |from, prev, term, entries| wire::AppendRequest {
        envelope: envelope(from),
        vote: Some(vote(term, from, true)),
        prev_log_id: prev,
        entries,
        leader_commit: None,
    };
    let first = append(1, None, 1, vec![founding_entry, blank(1, 1, 1)]);
    let mut answers = client.append_entries(tokio_stream::iter([first])).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    sleep(Duration::from_millis(1200)).await;
    assert!(client.vote(ask(2, 20, log_id(1, 1, 1), true)).await.unwrap().into_inner().granted);
    let second = append(2, Some(log_id(1, 1, 1)), 20, vec![blank(20, 2, 2)]);
    let mut answers = client.append_entries(tokio_stream::iter([second])).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(node.status().last_index, 2);
    // No node of three has a command. Whoever asks, restarted or not, must be able to get this vote.
    let alike = client.vote(ask(2, 40, log_id(20, 2, 2), true)).await;
    let restarted = client.vote(ask(2, 41, log_id(20, 2, 2), false)).await;
    let granted = |answer: &Result<tonic::Response<wire::VoteResponse>, tonic::Status>| {
        answer.as_ref().is_ok_and(|answer| answer.get_ref().granted)
    };
    assert!(granted(&alike) || granted(&restarted), "{alike:?} {restarted:?}");
}

/// Founds a cluster anew, kills its first leader and restarts it with its disk. Gives who of the others was ready by then.
async fn restart_the_first_leader(cluster: &mut Cluster, write: bool) -> Vec<u64> {
    for id in 1..=3 {
        cluster.wipe(id);
    }
    for id in 1..=3 {
        cluster.restart(id).await;
    }
    let nodes: Vec<Node> = cluster.members.values().map(|member| member.node.clone()).collect();
    for node in nodes.clone() {
        tokio::spawn(async move { node.initialize().await });
    }
    let leader = loop {
        if let Some(node) = nodes.iter().find(|node| node.status().role == Role::Leader) {
            break node.clone();
        }
        tokio::task::yield_now().await;
    };
    let env = Env::real();
    let tried = Instant::now() + Duration::from_secs(5);
    while write && Instant::now() < tried {
        let request = create_sku_request(&env, "first");
        if leader.propose(request, Instant::now() + Duration::from_secs(5)).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let id = leader.id();
    let ready = nodes.iter().filter(|node| node.id() != id && node.is_ready()).map(Node::id).collect();
    cluster.kill(id);
    drop((nodes, leader));
    cluster.restart(id).await;
    let node = cluster.node(id).clone();
    tokio::spawn(async move { node.initialize().await });
    ready
}

async fn expect_a_leader(cluster: &Cluster) {
    let all: Vec<Node> = cluster.members.values().map(|member| member.node.clone()).collect();
    let led = somebody_leads(&all).await;
    let told: Vec<_> =
        all.iter().map(|node| (node.id(), node.is_ready(), node.status().last_index)).collect();
    assert!(led.is_some(), "all three run with their disks and elect nobody: {told:?}");
}

/// The leader of a founding is elected, dies before anybody has its log, and comes back with its disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founding_leader_that_is_restarted_at_once_stops_nobody() {
    let mut cluster = Cluster::start(Setup::default()).await;
    for attempt in 0..20 {
        let ready = restart_the_first_leader(&mut cluster, false).await;
        println!("attempt {attempt}: ready {ready:?}");
        expect_a_leader(&cluster).await;
    }
}

/// The leader of a founding acknowledges a write, dies before the others have caught up, and comes back with its disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founding_leader_that_is_restarted_after_its_first_write_stops_nobody() {
    let mut cluster = Cluster::start(Setup::default()).await;
    for attempt in 0..20 {
        let ready = restart_the_first_leader(&mut cluster, true).await;
        println!("attempt {attempt}: ready {ready:?}");
        expect_a_leader(&cluster).await;
    }
}

/// docs/operating/backup.md: a node that was given another backup ends where it reaches a node of the other cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_given_another_backup_is_told_so_at_its_start() {
    let cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("first").await);
    let leader = cluster.node(cluster.leader().await);
    let snapshot = leader.state().make_snapshot().await.unwrap();
    let backup = snapshot.read_chunk(0, usize::try_from(snapshot.len()).unwrap()).unwrap().to_vec();
    let (disk, env) = (MemoryFiles::default(), Env::real());
    let path = Path::new("/backup/shop.snapshot");
    disk.create_dir(path.parent().unwrap()).unwrap();
    disk.create(path).unwrap().write_at(0, &backup).unwrap();
    let mut peers = cluster.peers.clone();
    peers.insert(4, "127.0.0.1:1".to_owned());
    let identity = Identity { cluster_id: "f".repeat(32), node_id: 4 };
    let options = Options {
        engine: EngineKind::Memory,
        segment_bytes: 1 << 20,
        restored_from: Some(backup_id(&disk, path).unwrap()),
        ..Options::new(PathBuf::from("/data"), identity)
    };
    let disk = Arc::new(disk);
    restore(disk.clone(), &env, &options, path, &peers).await.unwrap();
    let storage = stockade_storage::open(disk, &env, options).await.unwrap();
    let node = Node::start(&env, storage, config(peers, None, BTreeMap::new())).await.unwrap();
    let answer = node.initialize().await;
    node.stop().await;
    assert!(matches!(&answer, Err(StartError::Config(_))), "{answer:?}");
}

/// The leader has room, both followers have none: nothing can be committed, and the caller should be told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_most_disks_are_full_a_write_is_refused_and_not_left_unknown() {
    let space = SpaceMarks { low_bytes: 32 << 20, reserve_bytes: 16 << 20 };
    let cluster = Cluster::start(Setup { space, ..Setup::default() }).await;
    assert_created(&cluster.create_sku("before").await);
    let leader = cluster.leader().await;
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.leave_free(id, 8 << 20);
        let full = async || (cluster.node(id).space().level() == SpaceLevel::Full).then_some(());
        until("it knows that its disk is full", full).await;
    }
    let member = &cluster.members[&leader];
    // It asks the others once a second.
    until("the leader knows that they are full", async || {
        let request = create_sku_request(&member.env, "probe");
        let answer = member.node.propose(request, Instant::now() + Duration::from_millis(200)).await;
        (answer == Err(ProposeError::StorageFull)).then_some(())
    })
    .await;
    let before = member.node.status().last_index;
    let mut answers = Vec::new();
    for number in 0..3 {
        let request = create_sku_request(&member.env, &format!("no-{number}"));
        answers.push(member.node.propose(request, Instant::now() + Duration::from_secs(2)).await.err());
    }
    let grown = member.node.status().last_index - before;
    assert_eq!(answers, vec![Some(ProposeError::StorageFull); 3], "the leader's log grew by {grown}");
}

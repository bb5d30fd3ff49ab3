//! Certificates that end, are renewed or revoked while the cluster runs, and what is written down of who was refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{Stream, stream};
use serde_json::Value;
use stockade_client::{CallerTls, Client};
use stockade_credentials::issue::Issued;
use stockade_credentials::{Certificate, names};
use stockade_proto::internal::forward_service_client::ForwardServiceClient;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_proto::internal::{
    AppendRequest, Envelope, ForwardRequest, LeaderId, SnapshotChunk, SnapshotHeader, TransferLeaderRequest,
    Vote, VoteRequest,
};
use stockade_proto::v1;
use stockade_proto::v1::cluster_service_client::ClusterServiceClient;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_tests::orders::{self, Load};
use stockade_tests::secure::Authority;
use stockade_tests::{Cluster, PATIENCE, binary};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// A channel that connects in this way.
fn channel(address: &str, tls: &CallerTls) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint
        .origin(format!("https://{address}").parse().unwrap())
        .connect_with_connector_lazy(tls.connector())
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never was so that {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until a node has logged something so many times.
async fn logged(cluster: &Cluster, id: u64, what: &str, times: usize) {
    until(&format!("node {id} logs `{what}`"), || cluster.log_of(id).matches(what).count() >= times).await;
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// Leader, its term and the cluster's id.
async fn lead(cluster: &Cluster) -> (u64, u64, String) {
    let leader = cluster.wait_until_led().await.unwrap();
    let status = cluster.client().await.unwrap().cluster_status().await.unwrap();
    let term = status.nodes.iter().map(|node| node.term).max().unwrap();
    (leader, term, status.header.unwrap().cluster_id)
}

fn followers(cluster: &Cluster, leader: u64) -> Vec<u64> {
    cluster.nodes.iter().map(|node| node.id).filter(|id| *id != leader).collect()
}

/// Shows a node's certificate.
fn shows(authority: &Authority, issued: &Issued) -> CallerTls {
    let ca = std::fs::read(authority.dir().join(names::CA_CERT)).unwrap();
    CallerTls::with_ca(ca).with_certificate(issued.certificate.clone(), issued.key.clone())
}

fn read(issued: &Issued) -> Certificate {
    Certificate::parse_pem(Path::new("issued"), issued.certificate.as_bytes()).unwrap().remove(0)
}

/// What is sent, as a stream.
fn messages<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|next| (next, receiver)) })
}

/// The three kinds of long streams between nodes, held by somebody who has a certificate of the leader.
struct Streams {
    vote: Option<Vote>,
    appends: mpsc::Sender<AppendRequest>,
    appended: tonic::Streaming<stockade_proto::internal::AppendResponse>,
    chunks: mpsc::Sender<SnapshotChunk>,
    installed: tokio::task::JoinHandle<Result<(), Status>>,
    commands: mpsc::Sender<ForwardRequest>,
    replies: tonic::Streaming<stockade_proto::internal::ForwardResponse>,
}

impl Streams {
    async fn open(channel: Channel, envelope: Envelope, term: u64) -> Result<Self, Status> {
        let vote =
            Some(Vote { leader: Some(LeaderId { term, node_id: envelope.from_node }), committed: true });
        let (appends, receiver) = mpsc::channel(4);
        let heartbeat = AppendRequest { envelope: Some(envelope.clone()), vote, ..Default::default() };
        appends.send(heartbeat).await.unwrap();
        let opened = PeerServiceClient::new(channel.clone()).append_entries(messages(receiver)).await;
        let mut appended = opened?.into_inner();
        appended.message().await?.expect("a heartbeat is answered");
        let (chunks, receiver) = mpsc::channel(4);
        let header =
            SnapshotHeader { envelope: Some(envelope.clone()), vote, length: 1 << 20, ..Default::default() };
        chunks.send(SnapshotChunk { header: Some(header), data: Vec::new().into() }).await.unwrap();
        let mut client = PeerServiceClient::new(channel.clone());
        let install = async move { client.install_snapshot(messages(receiver)).await.map(|_| ()) };
        let installed = tokio::spawn(install);
        let (commands, receiver) = mpsc::channel(4);
        let first = ForwardRequest { envelope: Some(envelope), commands: Vec::new() };
        commands.send(first).await.unwrap();
        let opened = ForwardServiceClient::new(channel).forward(messages(receiver)).await;
        let replies = opened?.into_inner();
        Ok(Self { vote, appends, appended, chunks, installed, commands, replies })
    }

    /// Sends messages until each stream is refused; an answer that is none of that kind fails the test.
    async fn expect_refused(mut self, why: &str) {
        let deadline = Instant::now() + PATIENCE;
        let refused = |status: &Status| {
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
            assert!(status.message().contains(why), "{status}");
        };
        loop {
            assert!(Instant::now() < deadline, "the appends are taken for ever");
            let vote = self.vote;
            // Its end may be on the way.
            drop(self.appends.send(AppendRequest { vote, ..Default::default() }).await);
            match self.appended.message().await {
                Ok(answer) => assert!(answer.is_some(), "the stream ends and nothing says why"),
                Err(status) => break refused(&status),
            }
            tokio::time::sleep(LOOK).await;
        }
        drop(self.chunks.send(SnapshotChunk { header: None, data: vec![0].into() }).await);
        refused(&self.installed.await.unwrap().unwrap_err());
        drop(self.commands.send(ForwardRequest::default()).await);
        let ended = tokio::time::timeout(PATIENCE, self.replies.message()).await;
        refused(&ended.expect("forwarded commands are cut off").unwrap_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_believed_no_more_is_cut_off_at_its_next_message() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    let authority = cluster.authority();
    let (leader, term, cluster_id) = lead(&cluster).await;
    let to_node = followers(&cluster, leader)[0];
    let envelope = Envelope { cluster_id, from_node: leader, to_node };
    let peer = cluster.node(to_node).peer_address();
    // Certificates of the leader beside its own, so that the cluster itself goes on.
    let stolen = authority.short_lived(leader, 3_600).unwrap();
    let through = channel(&peer, &shows(authority, &stolen));
    let streams = Streams::open(through, envelope.clone(), term).await.unwrap();
    let list = authority.node_dir(to_node).join(names::REVOKED_CERTS);
    std::fs::write(list, format!("{} # stolen\n", read(&stolen).serial)).unwrap();
    cluster.hang_up(to_node).unwrap();
    logged(&cluster, to_node, "new token keys and revocations are in use", 1).await;
    streams.expect_refused("was revoked").await;
    // As short as the machine has time to open the streams in.
    let (short, streams) = async {
        for seconds in [4, 8, 16, 32] {
            let short = authority.short_lived(leader, seconds).unwrap();
            let through = channel(&peer, &shows(authority, &short));
            if let Ok(streams) = Streams::open(through, envelope.clone(), term).await {
                return (short, streams);
            }
        }
        panic!("streams are not opened in any time");
    }
    .await;
    streams.expect_refused("has expired").await;
    assert!(now_s() >= read(&short).not_after_s, "not before its time");
    assert_eq!(lead(&cluster).await.1, term, "the cluster has noticed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_speaks_for_itself_only() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    let authority = cluster.authority();
    let (leader, term, cluster_id) = lead(&cluster).await;
    let [to_node, from_node] = followers(&cluster, leader)[..] else { panic!("two followers") };
    let own = authority.short_lived(from_node, 3_600).unwrap();
    let channel = channel(&cluster.node(to_node).peer_address(), &shows(authority, &own));
    let mut peer = PeerServiceClient::new(channel);
    let envelope = Some(Envelope { cluster_id, from_node, to_node });
    let vote = |committed| Some(Vote { leader: Some(LeaderId { term, node_id: leader }), committed });
    let refused = |status: Status| {
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        assert!(status.message().contains(&format!("only node {leader} may send")), "{status}");
    };
    for pre_vote in [true, false] {
        let asked =
            VoteRequest { envelope: envelope.clone(), vote: vote(false), pre_vote, ..Default::default() };
        refused(peer.vote(asked).await.unwrap_err());
    }
    let append = AppendRequest { envelope: envelope.clone(), vote: vote(true), ..Default::default() };
    let mut answers = peer.append_entries(stream::iter([append])).await.unwrap().into_inner();
    refused(answers.message().await.unwrap_err());
    let header = SnapshotHeader { envelope: envelope.clone(), vote: vote(true), ..Default::default() };
    let chunk = SnapshotChunk { header: Some(header), data: Vec::new().into() };
    refused(peer.install_snapshot(stream::iter([chunk])).await.unwrap_err());
    let from_leader = vote(true);
    let transfer = TransferLeaderRequest { envelope, from_leader, to_node, last_log_id: None };
    refused(peer.transfer_leader(transfer).await.unwrap_err());
    logged(&cluster, to_node, "a message from a peer is refused", 1).await;
}

/// Long enough to start a cluster with, and to put others in their place.
const SHORT_S: i64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_were_renewed_end_and_nobody_notices() {
    let authority = Authority::new().unwrap();
    authority.caller("admin").unwrap();
    for id in 1..=3 {
        authority.node(id).unwrap();
    }
    let mut ends: Vec<i64> = (1..=3).map(|id| authority.node_for_seconds(id, SHORT_S).unwrap()).collect();
    let cluster = Cluster::start_with_authority(authority, 3, &[]).await.unwrap();
    let authority = cluster.authority();
    let admin = cluster.client().await.unwrap();
    orders::stock(&admin, "mug", 1_000_000).await.unwrap();
    // A caller whose certificate ends too, and is renewed.
    ends.push(authority.caller_for_seconds("order", SHORT_S / 2).unwrap());
    let order = CallerTls::in_dir(authority.caller("order").unwrap());
    let buyer = cluster.client_as(order, None).await.unwrap();
    let load = Load::start(&buyer, "renewed", 4, "mug");
    let (leader, term, _) = lead(&cluster).await;
    let follower = cluster.node(followers(&cluster, leader)[0]);
    let through = channel(&follower.client, &CallerTls::in_dir(authority.caller("admin").unwrap()));
    place(&admin, &through, 0).await;
    for node in &cluster.nodes {
        authority.node(node.id).unwrap();
        cluster.hang_up(node.id).unwrap();
        logged(&cluster, node.id, "SIGHUP: certificates, tokens and revocations are looked at", 1).await;
        logged(&cluster, node.id, "new certificates are in use", 1).await;
    }
    authority.caller_for_seconds("order", 3_600).unwrap();
    let over = ends.into_iter().max().unwrap() + 2;
    assert!(now_s() < over - 2, "there was time to renew them");
    for number in 1.. {
        place(&admin, &through, number).await;
        if now_s() > over {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let before = load.count();
    until("orders are placed afterwards", || load.count() >= before + 100).await;
    let placed = load.finish().await.unwrap();
    orders::expect_orders(&admin, &placed).await.unwrap();
    assert_eq!(lead(&cluster).await.1, term, "there was no election");
    for node in &cluster.nodes {
        let log = cluster.log_of(node.id);
        for cut in ["a message from a peer is refused", "a stream of forwarded commands is cut off"] {
            assert!(!log.contains(cut), "node {}: {log}", node.id);
        }
    }
    cluster.expect_equal_states().await.unwrap();
}

/// Places an order through the node that a channel goes to, without another attempt.
async fn place(client: &Client, through: &Channel, number: u64) {
    let request_id = client.new_request_id();
    let order = orders::order(&format!("through-{number}"), "mug", 1);
    let placed = OrderServiceClient::new(through.clone())
        .place_order(v1::PlaceOrderRequest { request_id, ..order })
        .await;
    placed.unwrap_or_else(|status| panic!("order {number} through a follower: {status}"));
}

/// The lines of an audit log.
fn audited(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// Makes a call that lasts, and gives it up while it does: a node is to be added that takes connections and says nothing. Gives
/// that one's end of the connection, without which the call would be answered.
async fn give_up_a_call(address: &str, tls: &CallerTls) -> TcpStream {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer_address = silent.local_addr().unwrap().to_string();
    let mut client = ClusterServiceClient::new(channel(address, tls));
    tokio::select! {
        ended = client.add_learner(v1::AddLearnerRequest { node_id: 9, peer_address }) => {
            panic!("it ends before anybody was asked: {ended:?}");
        }
        asked = silent.accept() => asked.unwrap().0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_has_refusals_and_administrative_calls_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.log");
    let cluster = Cluster::start_secure(1, &["--audit-log", file.to_str().unwrap()]).await.unwrap();
    let authority = cluster.authority();
    let address = cluster.node(1).client.clone();
    let stranger = channel(&address, &authority.stranger().unwrap());
    let status = ClusterServiceClient::new(stranger).get_status(v1::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let (token, token_id) = authority.token("night-watch", "read", "1h").unwrap();
    let reader = cluster.client_as(authority.stranger().unwrap(), Some(token.clone())).await.unwrap();
    assert_eq!(reader.state_hash_of(&address, false).await.unwrap_err().reason(), "PERMISSION_DENIED");
    cluster.client().await.unwrap().state_hash_of(&address, false).await.unwrap();
    let lines = |principal: Option<&str>, method: &str| -> Vec<String> {
        let all = audited(&file).into_iter().filter(|line| {
            line["principal"].as_str() == principal
                && line["method"].as_str().unwrap_or_default().ends_with(method)
        });
        all.map(|line| line["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let has = |principal: Option<&str>, method: &str, outcome: &str| {
        lines(principal, method).iter().any(|written| written == outcome)
    };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let _silent = give_up_a_call(&address, &CallerTls::in_dir(authority.caller("admin").unwrap())).await;
        let written = || lines(Some("admin"), "ClusterService/AddLearner");
        until("the call that was given up has a line", || written().len() == attempts).await;
        if written().contains(&"CANCELLED".to_owned()) {
            break;
        }
        // On a busy machine it may have its answer before it is known that nobody waits for it.
        assert!(attempts < 5, "{:?}", written());
    }
    // Another line for one of them would stand before that of a later call.
    cluster.client().await.unwrap().state_hash_of(&address, false).await.unwrap();
    until("the later call has its line", || lines(Some("admin"), "MaintenanceService/StateHash").len() == 2)
        .await;
    assert_eq!(lines(Some("admin"), "ClusterService/AddLearner").len(), attempts);
    assert!(has(None, "ClusterService/GetStatus", "UNAUTHENTICATED"));
    assert!(has(Some("night-watch"), "MaintenanceService/StateHash", "PERMISSION_DENIED"));
    assert!(has(Some("admin"), "MaintenanceService/StateHash", "OK"));
    // Who was a caller once goes by its name, and not as a stranger.
    let order = authority.caller("order").unwrap();
    let former = channel(&address, &CallerTls::in_dir(&order));
    let mut former = ClusterServiceClient::new(former);
    former.get_status(v1::GetStatusRequest {}).await.unwrap();
    let certificate = std::fs::read(order.join(names::CLIENT_CERT)).unwrap();
    let serial = Certificate::parse_pem(&order, &certificate).unwrap().remove(0).serial;
    std::fs::write(authority.node_dir(1).join(names::REVOKED_CERTS), &serial).unwrap();
    cluster.hang_up(1).unwrap();
    logged(&cluster, 1, "new token keys and revocations are in use", 1).await;
    let status = former.get_status(v1::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(has(Some("order"), "ClusterService/GetStatus", "UNAUTHENTICATED"), "{:?}", audited(&file));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&token_id), "a token goes by its id");
    let mut secrets = vec![token.header().to_str().unwrap().trim_start_matches("Bearer ").to_owned()];
    for key in ["ca.key", "tokens.key", "client-admin/client.key", "node-1/node.key"] {
        let pem = std::fs::read_to_string(authority.dir().join(key)).unwrap();
        secrets.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    }
    for secret in secrets {
        assert!(!secret.is_empty() && !text.contains(&secret), "a secret is written down");
    }
    assert!(!cluster.log_of(1).contains(" audit: "), "the lines are in the file alone");
}

/// What is answered to a request for the metrics.
async fn metrics(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    // Who ends a connection without a word of TLS is heard out all the same.
    let ended = stream.read_to_end(&mut answer).await;
    if answer.is_empty() {
        ended?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_had_over_tls_and_not_in_plain_text() {
    let cluster = Cluster::start_secure(1, &[]).await.unwrap();
    let http = cluster.node(1).http.clone();
    let believes = cluster.authority().stranger().unwrap();
    let over_tls = async || {
        let stream = TcpStream::connect(&http).await.unwrap();
        metrics(believes.over("localhost", stream).await.unwrap()).await.unwrap()
    };
    let answer = over_tls().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("stockade_raft_term"), "{answer}");
    assert!(answer.contains("stockade_certificate_days_left"), "{answer}");
    let plain = metrics(TcpStream::connect(&http).await.unwrap()).await;
    assert!(!plain.is_ok_and(|answer| answer.contains("HTTP/1.1")), "plain text gets no answer in HTTP");
    assert!(over_tls().await.contains("stockade_handshakes_refused_total{port=\"http\"} 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_node_is_replaced_by_one_that_joins_over_tls() {
    let mut cluster = Cluster::start_secure(3, &[]).await.unwrap();
    let admin = cluster.client().await.unwrap();
    orders::stock(&admin, "mug", 1_000_000).await.unwrap();
    let load = Load::start(&admin, "replaced", 2, "mug");
    let lost = followers(&cluster, cluster.wait_until_led().await.unwrap())[0];
    cluster.kill(lost).unwrap();
    cluster.authority().node(4).unwrap();
    let new = cluster.launch_joining().unwrap();
    let with = format!("{new}={}", cluster.node(new).peer_address());
    let others: Vec<&str> = cluster
        .nodes
        .iter()
        .filter(|node| node.id != lost && node.id != new)
        .map(|node| &*node.client)
        .collect();
    let mut command = Command::new(binary());
    command.args(["cluster", "replace", &lost.to_string(), "--with", &with, "--cluster", &others.join(",")]);
    command.arg("--certs-dir").arg(cluster.authority().caller("operator").unwrap());
    command.args(["--output", "json", "--timeout", "60"]);
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let report: Value =
        serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap();
    assert!(report["replaced"] == lost && report["node_id"] == new, "{report}");
    let placed = load.finish().await.unwrap();
    cluster.forget(lost);
    cluster.wait_until_led().await.unwrap();
    orders::expect_orders(&admin, &placed).await.unwrap();
    cluster.expect_equal_states().await.unwrap();
}

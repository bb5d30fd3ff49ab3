//! Three nodes over TLS: who may connect, who may call what, and what happens when certificates change.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use stockade_client::{Bearer, CallerTls, Client, Config};
use stockade_credentials::issue::Authority;
use stockade_credentials::{NodeName, names};
use stockade_env::Env;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_proto::internal::{Envelope, StatusRequest};
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Asked;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_tests::orders::{self, Load};
use stockade_tests::{Cluster, PATIENCE, binary};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

const ROLES: [&str; 5] = ["read", "order", "stock", "operator", "admin"];
const PAGE: &str = include_str!("../docs/reference/permissions.md");

/// A channel that connects in this way.
fn channel(address: &str, tls: &CallerTls) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint
        .origin(format!("https://{address}").parse().unwrap())
        .connect_with_connector_lazy(tls.connector())
}

async fn follower(cluster: &Cluster) -> u64 {
    let leader = cluster.wait_until_led().await.unwrap();
    cluster.nodes.iter().map(|node| node.id).find(|id| *id != leader).unwrap()
}

fn in_dir(cluster: &Cluster, role: &str) -> CallerTls {
    CallerTls::in_dir(cluster.authority().caller(role).unwrap())
}

async fn caller(cluster: &Cluster, role: &str) -> Client {
    cluster.client_as(in_dir(cluster, role), None).await.unwrap()
}

fn sku(id: &str) -> v1::CreateSkuRequest {
    let sku = v1::Sku { sku_id: id.to_owned(), ..v1::Sku::default() };
    v1::CreateSkuRequest { sku: Some(sku), ..Default::default() }
}

/// Waits until a node has logged something.
async fn logged(cluster: &Cluster, id: u64, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !cluster.log_of(id).contains(what) {
        assert!(Instant::now() < deadline, "`{what}` in {}", cluster.log_of(id));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_taken_on_every_node_by_certificate_and_by_token_and_strangers_on_none() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    orders::stock(&caller(&cluster, "stock").await, "mug", 100).await.unwrap();
    let authority = cluster.authority();
    let (token, id) = authority.token("checkout", "order", "1h").unwrap();
    for node in &cluster.nodes {
        let connect = async |tls: CallerTls, token: Option<Bearer>| {
            let config = Config { tls: Some(tls), token, ..Config::new([node.client.clone()]) };
            Client::connect(&Env::real(), config).await
        };
        let by_certificate = connect(in_dir(&cluster, "order"), None).await.unwrap();
        by_certificate.place_order(orders::order(&format!("c{}", node.id), "mug", 1)).await.unwrap();
        let by_token = connect(authority.stranger().unwrap(), Some(token.clone())).await.unwrap();
        by_token.place_order(orders::order(&format!("t{}", node.id), "mug", 1)).await.unwrap();
        let began = Instant::now();
        let error = connect(authority.stranger().unwrap(), None).await.unwrap_err();
        assert_eq!(error.reason(), "UNAUTHENTICATED", "{error}");
        assert!(began.elapsed() < Duration::from_secs(5), "a stranger is told at once");
        let plain = Config { timeout: Duration::from_secs(1), ..Config::new([node.client.clone()]) };
        Client::connect(&Env::real(), plain).await.unwrap_err();
    }
    // A token that is revoked is believed no more, on connections that are open already too.
    let by_token = cluster.client_as(authority.stranger().unwrap(), Some(token)).await.unwrap();
    by_token.place_order(orders::order("before", "mug", 1)).await.unwrap();
    for node in &cluster.nodes {
        std::fs::write(authority.node_dir(node.id).join("tokens.revoked"), format!("{id} # lost\n")).unwrap();
    }
    for node in &cluster.nodes {
        logged(&cluster, node.id, "new token keys and revocations are in use").await;
    }
    let error = by_token.place_order(orders::order("after", "mug", 1)).await.unwrap_err();
    assert!(error.to_string().contains("revoked"), "{error}");
    let error = by_token
        .get_order(v1::GetOrderRequest { order_id: "before".to_owned(), read: None })
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "UNAUTHENTICATED", "{error}");
    let (short, _) = authority.token("checkout", "order", "1s").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let error = cluster.client_as(authority.stranger().unwrap(), Some(short)).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    cluster.expect_equal_states().await.unwrap();
}

/// The page's table: each method with what it says of each role.
fn table() -> BTreeMap<String, Vec<bool>> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.map(|row| {
        let mut cells = row.split('|').map(str::trim);
        let method = cells.next().unwrap().trim_end_matches('`').to_owned();
        (method, cells.take(ROLES.len()).map(|cell| cell == "yes").collect())
    });
    rows.collect()
}

/// Calls a method with an empty message; the code and the reason of what came.
async fn call(channel: Channel, method: &str) -> (Code, String) {
    let path: PathAndQuery = format!("/{method}").parse().unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    // A response that is one message looks like a stream of one.
    let mut request = Request::new(());
    request.set_timeout(Duration::from_secs(20));
    let first = match grpc.server_streaming(request, path, codec).await {
        Ok(answers) => answers.into_inner().message().await,
        Err(status) => Err(status),
    };
    match first {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => {
            (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_has_the_methods_of_the_table_on_a_follower_and_no_others() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    let address = cluster.node(follower(&cluster).await).client.clone();
    let channels = ROLES.map(|role| channel(&address, &in_dir(&cluster, role)));
    let stranger = channel(&address, &cluster.authority().stranger().unwrap());
    let table = table();
    assert!(table.len() > 40, "the page is read");
    let mut wrong = Vec::new();
    for (method, may) in &table {
        let mut row = String::new();
        for ((role, channel), may) in ROLES.iter().zip(&channels).zip(may) {
            let (code, reason) = call(channel.clone(), method).await;
            let denied = code == Code::PermissionDenied;
            assert_eq!(denied, reason == "PERMISSION_DENIED", "{method} as {role}");
            if denied == *may || code == Code::Unauthenticated {
                wrong.push(format!("{method} as {role}: {code:?}"));
            }
            row.extend(["  ", role, if denied { ": -" } else { ": yes" }]);
        }
        println!("{method:55}{row}");
        assert_eq!(call(stranger.clone(), method).await.1, "UNAUTHENTICATED", "{method}");
    }
    assert_eq!(wrong, Vec::<String>::new());
    let health = "grpc.health.v1.Health/Check";
    assert_eq!(call(stranger, health).await.0, Code::Ok, "health is open");
}

fn place(id: &str) -> v1::Mutation {
    v1::Mutation { request: Some(Asked::PlaceOrder(orders::order(id, "mug", 1))), ..v1::Mutation::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_and_requests_are_those_of_who_calls() {
    let cluster = Cluster::start_secure(3, &["--log", "trace"]).await.unwrap();
    orders::stock(&caller(&cluster, "stock").await, "mug", 100).await.unwrap();
    let address = cluster.node(follower(&cluster).await).client.clone();
    let order = caller(&cluster, "order").await;
    let transact = async |operations: Vec<v1::Mutation>, validate_only: bool| {
        let request_id = order.new_request_id();
        let request = v1::TransactRequest { request_id, operations, validate_only, ..Default::default() };
        let mut client = TransactionServiceClient::new(channel(&address, &in_dir(&cluster, "order")));
        client.transact(request).await.map_err(|status| status.get_details_error_info().unwrap().reason)
    };
    let create = v1::Mutation { request: Some(Asked::CreateSku(sku("cup"))), ..v1::Mutation::default() };
    transact(vec![place("o1")], false).await.unwrap();
    let mixed = transact(vec![place("o2"), create.clone()], false).await.map(|_| ());
    assert_eq!(mixed, Err("PERMISSION_DENIED".to_owned()), "one operation refuses all");
    assert_eq!(
        transact(vec![create], true).await.map(|_| ()),
        Err("PERMISSION_DENIED".to_owned()),
        "a trial too"
    );
    let missing =
        order.get_order(v1::GetOrderRequest { order_id: "o2".to_owned(), read: None }).await.unwrap_err();
    assert_eq!(missing.reason(), "NOT_FOUND", "nothing of it took effect");
    // Over a stream each mutation is looked at by itself, and who may change nothing gets no stream.
    assert_eq!(order.create_sku(sku("cup")).await.unwrap_err().reason(), "PERMISSION_DENIED");
    let read = caller(&cluster, "read").await;
    let refused = read.place_order(orders::order("o3", "mug", 1)).await.unwrap_err();
    assert_eq!(refused.reason(), "PERMISSION_DENIED");
    // A request belongs to who made it.
    let request_id = order.new_request_id();
    let placed = v1::PlaceOrderRequest { request_id: request_id.clone(), ..orders::order("o4", "mug", 1) };
    order.place_order(placed).await.unwrap();
    let outcome = async |client: &Client| {
        let request = v1::GetOutcomeRequest { request_id: request_id.clone() };
        client.get_outcome(request).await.unwrap().state()
    };
    assert_eq!(outcome(&order).await, v1::OutcomeState::Decided);
    assert_eq!(outcome(&caller(&cluster, "stock").await).await, v1::OutcomeState::NotSeen);
    no_secret_is_logged(&cluster).await;
}

/// Everything of a run at the finest level holds neither keys nor tokens, and the audit log has its lines.
async fn no_secret_is_logged(cluster: &Cluster) {
    let authority = cluster.authority();
    let made = authority.cert(&["token", "--name", "night-watch", "--role", "operator"]).unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    let stranger = authority.stranger().unwrap();
    let operator = cluster.client_as(stranger, Some(Bearer::new(&token).unwrap())).await.unwrap();
    let address = cluster.nodes[0].client.clone();
    operator.state_hash_of(&address, false).await.unwrap();
    logged(cluster, 1, "MaintenanceService/StateHash").await;
    let audited: Vec<serde_json::Value> = (1..=3)
        .flat_map(|id| cluster.log_of(id).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    let has = |principal: &str, method: &str, outcome: &str| {
        audited.iter().any(|line| {
            line["target"] == "audit"
                && line["principal"] == principal
                && line["method"].as_str().unwrap_or_default().ends_with(method)
                && line["outcome"] == outcome
        })
    };
    assert!(has("night-watch", "MaintenanceService/StateHash", "OK"), "{audited:?}");
    assert!(has("order", "CatalogService/CreateSku", "PERMISSION_DENIED"), "{audited:?}");
    let logs: String = (1..=3).map(|id| cluster.log_of(id)).collect();
    assert!(logs.len() > 100_000, "everything is logged");
    let mut secrets = vec![token.clone(), token.rsplit('.').next().unwrap().to_owned()];
    for file in ["ca.key", "tokens.key", "client-admin/client.key", "node-1/node.key", "node-2/node.key"] {
        let pem = std::fs::read_to_string(authority.dir().join(file)).unwrap();
        secrets.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    }
    for secret in secrets {
        assert!(!logs.contains(&secret), "a secret is logged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_believed_under_its_own_id_only() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    let authority = cluster.authority();
    let peer = cluster.node(1).peer_address();
    let read = |dir: &Path, name: &str| std::fs::read(dir.join(name)).unwrap();
    let shows = |certificate: &Path, key: &str, chain: &str| {
        let ca = read(authority.dir(), names::CA_CERT);
        CallerTls::with_ca(ca).with_certificate(read(certificate, chain), read(certificate, key))
    };
    let ask = async |tls: &CallerTls, from_node: u64| {
        let cluster_id = stockade_cluster_id(&cluster).await;
        let envelope = Some(Envelope { cluster_id, from_node, to_node: 1 });
        let mut client = PeerServiceClient::new(channel(&peer, tls));
        client.status(StatusRequest { envelope }).await.map(|_| ()).map_err(|status| status.code())
    };
    let two = shows(&authority.node_dir(2), names::NODE_KEY, names::NODE_CERT);
    assert_eq!(ask(&two, 2).await, Ok(()));
    assert_eq!(ask(&two, 3).await, Err(Code::Unauthenticated));
    logged(&cluster, 1, "node 3 was named").await;
    // A caller is no node, however high its role; nor is a node of another authority, nor who shows nothing.
    let admin = shows(&authority.caller("admin").unwrap(), names::CLIENT_KEY, names::CLIENT_CERT);
    let foreign = Authority::new("another", 30).unwrap().0;
    let name = NodeName { cluster: "stockade".to_owned(), node_id: 2 };
    let foreign = foreign.node(&name, &["127.0.0.1".to_owned()], 30).unwrap();
    let foreign = CallerTls::with_ca(read(authority.dir(), names::CA_CERT))
        .with_certificate(foreign.certificate, foreign.key);
    for tls in [admin, foreign, authority.stranger().unwrap()] {
        let refused = ask(&tls, 2).await.unwrap_err();
        // The connection breaks: no service has said anything.
        assert!(
            matches!(refused, Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal),
            "{refused:?}"
        );
    }
    let plain = Endpoint::from_shared(format!("http://{peer}")).unwrap().connect_lazy();
    PeerServiceClient::new(plain).status(StatusRequest { envelope: None }).await.unwrap_err();
    logged(&cluster, 1, "a connection from a peer is refused").await;
}

/// The cluster's id, as any answer has it.
async fn stockade_cluster_id(cluster: &Cluster) -> String {
    cluster.client().await.unwrap().cluster_status().await.unwrap().header.unwrap().cluster_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_certificate_is_not_its_own_or_is_over_does_not_start() {
    let (authority, _) = Authority::new("an authority", 30).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let start = |node_id: u64, days: i64| {
        let name = NodeName { cluster: "stockade".to_owned(), node_id };
        let issued = authority.node(&name, &["127.0.0.1".to_owned()], days).unwrap();
        std::fs::write(dir.path().join(names::CA_CERT), &authority.certificates).unwrap();
        std::fs::write(dir.path().join(names::NODE_CERT), issued.certificate).unwrap();
        let key = dir.path().join(names::NODE_KEY);
        std::fs::write(&key, issued.key).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = Command::new(binary());
        command.args(["start", "--node-id", "1", "--certs-dir"]).arg(dir.path());
        command.arg("--data-dir").arg(dir.path().join("data"));
        for port in ["--listen-client", "--listen-peer", "--listen-http"] {
            command.args([port, "127.0.0.1:0"]);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = start(2, 30);
    assert!(code == Some(16) && told.contains("this node is stockade://stockade/node/1"), "{code:?}: {told}");
    let (code, told) = start(1, -1);
    assert!(code == Some(16) && told.contains("would not be believed"), "{code:?}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_under_load_without_a_failed_call() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    let authority = cluster.authority();
    orders::stock(&caller(&cluster, "stock").await, "mug", 1_000_000).await.unwrap();
    let load = Load::start(&caller(&cluster, "order").await, "renewed", 8, "mug");
    // Another authority takes over: first all believe both, then each gets a certificate of the new one.
    authority.cert(&["ca", "--rotate"]).unwrap();
    let renewed = "new certificates are in use";
    let callers = ["admin", "order", "stock"].map(|role| authority.caller(role).unwrap());
    for dir in cluster.nodes.iter().map(|node| authority.node_dir(node.id)).chain(callers) {
        std::fs::copy(authority.dir().join("ca.crt"), dir.join("ca.crt")).unwrap();
    }
    for node in &cluster.nodes {
        logged(&cluster, node.id, renewed).await;
    }
    for node in &cluster.nodes {
        let seen = cluster.log_of(node.id).matches(renewed).count();
        authority.node(node.id).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // A pair that is looked at between its two files is taken at the next look.
        while cluster.log_of(node.id).matches(renewed).count() <= seen {
            assert!(Instant::now() < deadline, "node {} looks at its files", node.id);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // Who believes the new authority alone reaches the nodes, and a node that is started anew reaches the others.
    let both = std::fs::read_to_string(authority.dir().join("ca.crt")).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let newest = &both[..both.find(end).unwrap() + end.len()];
    let (token, _) = authority.token("late", "read", "1h").unwrap();
    let late = cluster.client_as(CallerTls::with_ca(newest), Some(token)).await.unwrap();
    late.get_sku(v1::GetSkuRequest { sku_id: "mug".to_owned(), read: None }).await.unwrap();
    let placed = load.finish().await.unwrap();
    orders::expect_orders(&cluster.client().await.unwrap(), &placed).await.unwrap();
    assert!(placed.len() > 100, "orders went on: {}", placed.len());
    cluster.expect_equal_states().await.unwrap();
}

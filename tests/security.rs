//! Three nodes over TLS: who may connect, who may call what, and what happens when certificates change.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use stockade_proto::v1;
use stockade_tests::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_taken_on_every_node() {
    let cluster = Cluster::start_secure(3, &[]).await.unwrap();
    for id in 1..=3 {
        let client = cluster.client_of(id).await.unwrap();
        let sku = v1::Sku { sku_id: format!("mug-{id}"), ..v1::Sku::default() };
        client.create_sku(v1::CreateSkuRequest { sku: Some(sku), ..Default::default() }).await.unwrap();
    }
    cluster.expect_equal_states().await.unwrap();
}

//! Changes of the membership, as callers see them refused.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]
#![allow(dead_code, reason = "each test binary uses its part of the support")]

mod support;

use stockade_proto::v1::cluster_service_client::ClusterServiceClient;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::{
    AddLearnerRequest, GetOrderRequest, PlaceOrderRequest, PromoteRequest, RemoveRequest,
    TransferLeadershipRequest,
};
use support::{Cluster, until};
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn add(node_id: u64, peer_address: &str) -> AddLearnerRequest {
    AddLearnerRequest { node_id, peer_address: peer_address.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_change_has_its_reason_whichever_node_was_asked() {
    let cluster = Cluster::start().await;
    for channel in [cluster.leader_channel().await, cluster.follower_channel().await] {
        let mut nodes = ClusterServiceClient::new(channel);
        let additions = [
            (add(0, "nowhere"), Code::InvalidArgument, "INVALID_ARGUMENT"),
            (add(3, "127.0.0.1:1"), Code::FailedPrecondition, "MEMBERSHIP_ID_USED"),
            (add(4, "127.0.0.1:1"), Code::FailedPrecondition, "MEMBERSHIP_NODE_UNFIT"),
        ];
        for (request, code, expected) in additions {
            let status = nodes.add_learner(request).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
            assert_eq!(status.metadata().get("stockade-outcome").unwrap(), "not-applied");
        }
        let promotion = PromoteRequest { node_id: 9, replaces: 1 };
        let status = nodes.promote(promotion).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MEMBERSHIP_NODE_UNKNOWN"));
        let removals = [
            (vec![], Code::InvalidArgument, "INVALID_ARGUMENT"),
            (vec![9], Code::NotFound, "MEMBERSHIP_NODE_UNKNOWN"),
            (vec![1, 2, 3], Code::FailedPrecondition, "MEMBERSHIP_QUORUM_AT_RISK"),
        ];
        for (node_ids, code, expected) in removals {
            let status = nodes.remove(RemoveRequest { node_ids }).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{status:?}");
        }
        for (node_id, expected) in [(9, "MEMBERSHIP_NODE_UNKNOWN"), (0, "INVALID_ARGUMENT")] {
            let request = TransferLeadershipRequest { node_id, away_from: 0 };
            let status = nodes.transfer_leadership(request).await.unwrap_err();
            assert_eq!(reason(&status), expected);
        }
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_removed_serves_nobody_and_sends_callers_to_the_new_one() {
    let cluster = Cluster::start().await;
    let old = cluster.leader().await;
    let channel = cluster.members[&old].channel.clone();
    ClusterServiceClient::new(channel.clone()).remove(RemoveRequest { node_ids: vec![old] }).await.unwrap();
    let member = &cluster.members[&old];
    until("the node notices", async || member.node.is_removed().then_some(())).await;
    let mut orders = OrderServiceClient::new(channel);
    let read = orders.get_order(GetOrderRequest { order_id: "o1".to_owned(), read: None }).await.unwrap_err();
    let line = stockade_proto::v1::NewOrderLine {
        sku_id: "mug".to_owned(),
        location_id: "main".to_owned(),
        quantity: 1,
        ..Default::default()
    };
    let order = PlaceOrderRequest {
        request_id: cluster.request_id(),
        order_id: "o1".to_owned(),
        currency_code: "EUR".to_owned(),
        lines: vec![line],
        ..PlaceOrderRequest::default()
    };
    let write = orders.place_order(order).await.unwrap_err();
    for refused in [&read, &write] {
        assert_eq!(
            (refused.code(), reason(refused).as_str()),
            (Code::Unavailable, "NODE_REMOVED"),
            "{refused:?}"
        );
    }
    assert_eq!(write.metadata().get("stockade-outcome").unwrap(), "not-applied");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_is_given_away_from_any_node_and_who_has_it_is_told() {
    let cluster = Cluster::start().await;
    let follower = cluster.follower_channel().await;
    let old = cluster.leader().await;
    let request = TransferLeadershipRequest { node_id: 0, away_from: old };
    let mut nodes = ClusterServiceClient::new(follower);
    let moved = nodes.transfer_leadership(request).await.unwrap().into_inner();
    assert_ne!(moved.leader_id, old);
    assert_eq!(cluster.leader().await, moved.leader_id);
    // As by a caller who has not heard the answer.
    let again = nodes.transfer_leadership(request).await.unwrap().into_inner();
    assert_eq!((again.leader_id, cluster.leader().await), (moved.leader_id, moved.leader_id));
    cluster.stop().await;
}

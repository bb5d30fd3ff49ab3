//! Changes of the membership, as callers see them refused.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]
#![allow(dead_code, reason = "each test binary uses its part of the support")]

mod support;

use stockade_proto::v1::cluster_service_client::ClusterServiceClient;
use stockade_proto::v1::{AddLearnerRequest, PromoteRequest};
use support::Cluster;
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
    }
    cluster.stop().await;
}

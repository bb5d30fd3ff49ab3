//! Where reads go that need not see everything.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use stockade_client::{Client, Consistency, Error, ReadFrom, ReadPolicy};
use stockade_env::Env;
use stockade_proto::v1::{GetStockRequest, ReadOptions};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fake::{cluster, refusal};
use crate::{LONG, connect};

/// The node that answers.
async fn read(client: &Client) -> Result<u64, Error> {
    let answer = client.get_stock(GetStockRequest::default()).await?;
    Ok(answer.header.expect("has one").node_id)
}

/// A node says how far it is.
fn ahead(applied: u64) -> Status {
    let metadata = HashMap::from([("applied_revision".to_owned(), applied.to_string())]);
    let mut details = ErrorDetails::new();
    details.set_error_info("REVISION_AHEAD", "stockade", metadata);
    Status::with_error_details(Code::OutOfRange, "", details)
}

#[tokio::test]
async fn reads_that_need_no_leader_go_to_all_nodes_and_the_others_to_the_leader() {
    let env = Env::real();
    let nodes = cluster(&env, 3).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    for consistency in [Consistency::Linearizable, Consistency::Lease] {
        for _ in 0..6 {
            assert_eq!(read(&client.with_reads(consistency)).await.expect("read"), 1, "{consistency:?}");
        }
    }
    let age = Duration::from_secs(1);
    for consistency in
        [Consistency::Local, Consistency::Bounded(age), Consistency::AtLeast(1), Consistency::Session]
    {
        let client = client.with_reads(consistency);
        let mut answered = BTreeSet::new();
        for _ in 0..6 {
            answered.insert(read(&client).await.expect("read"));
        }
        assert_eq!(answered, BTreeSet::from([1, 2, 3]), "{consistency:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_preferred_is_asked_first_and_left_when_it_fails() {
    let env = Env::real();
    let nodes = cluster(&env, 3).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let from = ReadFrom::Node(nodes[1].address());
    let client = client.with_reads(ReadPolicy { consistency: Consistency::Local, from });
    for _ in 0..3 {
        assert_eq!(read(&client).await.expect("read"), 2);
    }
    nodes[1].refuse_reads([refusal(Code::Unavailable, "SHUTTING_DOWN")]);
    assert_ne!(read(&client).await.expect("read"), 2);
    assert_eq!(read(&client).await.expect("read"), 2);
}

#[tokio::test]
async fn a_node_that_has_not_got_there_is_left_for_another() {
    let env = Env::real();
    let nodes = cluster(&env, 3).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let client = client.with_reads(Consistency::AtLeast(10));
    for node in &nodes[..2] {
        node.refuse_reads([ahead(9)]);
    }
    assert_eq!(read(&client).await.expect("the third has got there"), 3);
    // What has yet to come of itself, a moment that a read of the past names for example, is nothing that another node has.
    nodes[0].refuse_reads([ahead(10)]);
    nodes[1].refuse_reads([ahead(10)]);
    nodes[2].refuse_reads([ahead(10)]);
    let refused = read(&client).await.expect_err("refused");
    assert_eq!((refused.reason(), refused.code()), ("REVISION_AHEAD", Code::OutOfRange));
}

#[tokio::test]
async fn where_no_node_has_got_there_the_last_one_says_how_far_it_is() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    let client = connect(&env, vec![nodes[0].address()], Duration::from_millis(200)).await;
    nodes[0].refuse_reads((0..1_000).map(|_| ahead(9)));
    let refused = read(&client.with_reads(Consistency::AtLeast(10))).await.expect_err("refused");
    assert_eq!((refused.reason(), refused.code()), ("REVISION_AHEAD", Code::OutOfRange));
}

#[tokio::test]
async fn what_a_request_says_comes_before_what_the_client_says() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await.with_reads(Consistency::AtLeast(10));
    // Linearizable: the leader is asked, and one that is behind is believed.
    let read = Some(ReadOptions::default());
    nodes[0].refuse_reads([ahead(9)]);
    let refused =
        client.get_stock(GetStockRequest { read, ..Default::default() }).await.expect_err("refused");
    assert_eq!(refused.reason(), "REVISION_AHEAD");
}

//! The ledger, read of any node and verified by one.

use stockade_client::Error;
use stockade_env::Env;
use stockade_proto::v1::{
    GetStockAsOfRequest, LedgerVerification, ListLedgerEntriesRequest, ResponseHeader, VerifyLedgerResponse,
};
use tonic::{Code, Status};

use crate::fake::{cluster, refusal};
use crate::{LONG, connect};

fn so_far(entries_read: u64) -> VerifyLedgerResponse {
    VerifyLedgerResponse { entries_read, entries_total: 900, ..VerifyLedgerResponse::default() }
}

fn result(entries_read: u64) -> VerifyLedgerResponse {
    let header = Some(ResponseHeader { node_id: 2, ..ResponseHeader::default() });
    let result = Some(LedgerVerification { chain_hash: vec![7], ..LedgerVerification::default() });
    VerifyLedgerResponse { header, result, ..so_far(entries_read) }
}

#[tokio::test]
async fn the_ledger_is_read_of_another_node_where_one_can_not_answer() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    nodes[0].refuse_reads([Status::unavailable("gone"), refusal(Code::Unavailable, "NO_LEADER")]);
    let page_token = "t".to_owned();
    let asked = ListLedgerEntriesRequest { page_token: page_token.clone(), ..Default::default() };
    assert_eq!(client.list_ledger_entries(asked).await.expect("listed").next_page_token, page_token);
    let asked = GetStockAsOfRequest { page_token: page_token.clone(), ..Default::default() };
    assert_eq!(client.get_stock_as_of(asked).await.expect("read").next_page_token, page_token);
    for node in &nodes {
        node.refuse_reads([refusal(Code::OutOfRange, "REVISION_AHEAD")]);
    }
    let error = client.get_stock_as_of(GetStockAsOfRequest::default()).await.expect_err("refused");
    assert_eq!((error.reason(), error.code()), ("REVISION_AHEAD", Code::OutOfRange));
}

#[tokio::test]
async fn the_node_that_is_asked_says_how_far_it_is_and_what_it_found() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    nodes[1].say_of_ledger([Ok(so_far(0)), Ok(so_far(400)), Ok(result(900)), Ok(so_far(901))]);
    let mut progress = Vec::new();
    let verified =
        client.verify_ledger_of(&nodes[1].address(), |read, total| progress.push((read, total))).await;
    let verified = verified.expect("verified");
    assert_eq!(progress, [(0, 900), (400, 900), (900, 900)]);
    assert_eq!((verified.entries, verified.found.chain_hash), (900, vec![7]));
    assert_eq!(verified.header.map(|header| header.node_id), Some(2));
}

#[tokio::test]
async fn a_verification_that_breaks_off_finds_nothing() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let address = nodes[0].address();
    nodes[0].say_of_ledger([Ok(so_far(0)), Ok(so_far(900))]);
    let error = client.verify_ledger_of(&address, |_, _| {}).await.expect_err("there was no result");
    assert!(matches!(&error, Error::Transport(what) if what.contains("stopped before")), "{error}");
    nodes[0].say_of_ledger([Ok(so_far(0)), Err(Status::unavailable("the node stops"))]);
    let error = client.verify_ledger_of(&address, |_, _| {}).await.expect_err("it broke off");
    assert!(matches!(&error, Error::Transport(what) if what.contains("the node stops")), "{error}");
    nodes[0].say_of_ledger([Err(refusal(Code::ResourceExhausted, "OVERLOADED"))]);
    let error = client.verify_ledger_of(&address, |_, _| {}).await.expect_err("refused");
    assert_eq!(error.reason(), "OVERLOADED");
}

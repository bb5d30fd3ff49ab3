//! Calls of etcd.

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::messages::{
    KeyValue, RangeRequest, RangeResponse, StatusRequest, StatusResponse, TxnRequest, TxnResponse,
};

/// What a call may take; etcd itself gives up sooner.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Rows of a page.
const PAGE_ROWS: i64 = 5_000;

/// A connection to a member.
#[derive(Debug, Clone)]
pub(super) struct Client(Channel);

impl Client {
    /// To this member; a connection is made at the first call.
    pub(super) fn to(address: SocketAddr) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        Ok(Self(endpoint.tcp_nodelay(true).timeout(CALL_TIMEOUT).connect_lazy()))
    }

    /// One key, as new as can be.
    pub(super) async fn get(&self, key: String) -> Result<Option<KeyValue>, tonic::Status> {
        let request = RangeRequest { key: key.into_bytes(), ..RangeRequest::default() };
        let answer: RangeResponse = self.call("/etcdserverpb.KV/Range", request).await?;
        Ok(answer.kvs.into_iter().next())
    }

    /// Runs a transaction.
    pub(super) async fn transact(&self, request: TxnRequest) -> Result<TxnResponse, tonic::Status> {
        self.call("/etcdserverpb.KV/Txn", request).await
    }

    /// Gives every key that begins so to somebody.
    pub(super) async fn each(
        &self,
        prefix: &str,
        mut see: impl FnMut(KeyValue) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut key = prefix.as_bytes().to_vec();
        let mut range_end = key.clone();
        if let Some(last) = range_end.last_mut() {
            *last += 1;
        }
        loop {
            let request = RangeRequest { key, range_end: range_end.clone(), limit: PAGE_ROWS };
            let page: RangeResponse = self.call("/etcdserverpb.KV/Range", request).await?;
            let Some(last) = page.kvs.last() else { return Ok(()) };
            // The least key after it.
            key = [&last.key[..], &[0]].concat();
            page.kvs.into_iter().try_for_each(&mut see)?;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// True where this member leads.
    pub(super) async fn leads(&self) -> Result<bool, tonic::Status> {
        let status: StatusResponse = self.call("/etcdserverpb.Maintenance/Status", StatusRequest {}).await?;
        let member = status.header.map_or(0, |header| header.member_id);
        Ok(member != 0 && status.leader == member)
    }

    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, tonic::Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        let unready = |error| tonic::Status::unavailable(format!("etcd can't be reached: {error}"));
        grpc.ready().await.map_err(unready)?;
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        let answer = grpc.unary(tonic::Request::new(request), PathAndQuery::from_static(path), codec);
        Ok(answer.await?.into_inner())
    }
}

//! The reads, and the calls about requests and nodes.

use std::time::Duration;

use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::cluster_service_client::ClusterServiceClient;
use stockade_proto::v1::ledger_service_client::LedgerServiceClient;
use stockade_proto::v1::maintenance_service_client::MaintenanceServiceClient;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::reservation_service_client::ReservationServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_proto::v1::{
    AbandonRequestRequest, AbandonRequestResponse, AddLearnerRequest, AddLearnerResponse,
    BatchGetOrdersRequest, BatchGetOrdersResponse, BatchGetSkusRequest, BatchGetSkusResponse,
    BatchGetStockRequest, BatchGetStockResponse, DrainRequest, DrainResponse, ExportLogRequest,
    ExportLogResponse, GetAvailabilityRequest, GetAvailabilityResponse, GetLocationRequest,
    GetLocationResponse, GetOrderRequest, GetOrderResponse, GetOutcomeRequest, GetOutcomeResponse,
    GetReservationRequest, GetReservationResponse, GetSkuRequest, GetSkuResponse, GetStatusResponse,
    GetStockAsOfRequest, GetStockAsOfResponse, GetStockRequest, GetStockResponse, ListLedgerEntriesRequest,
    ListLedgerEntriesResponse, ListLocationsRequest, ListLocationsResponse, ListOrdersRequest,
    ListOrdersResponse, ListReservationsRequest, ListReservationsResponse, ListSkusRequest, ListSkusResponse,
    ListStockRequest, ListStockResponse, PromoteRequest, PromoteResponse, RemoveRequest, RemoveResponse,
    StateHashRequest, StateHashResponse, TransferLeadershipRequest, TransferLeadershipResponse,
};
use tokio::time::{Instant, timeout};
use tonic::{Status, Streaming};

use crate::error::{Error, Refusal};
use crate::failover::{self, Advice};
use crate::policy::Plan;
use crate::{Client, Result, call, limits, members, record};

macro_rules! reads {
    ($($(#[$doc:meta])* $method:ident: $client:ident($request:ty) -> $response:ty;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// Errors: `Rejected`, with `REVISION_AHEAD` where no node had what it was to see at least; `NoLeader`, `Overloaded`
                /// or `Unavailable` when the time is over.
                pub async fn $method(&self, mut request: $request) -> Result<$response> {
                    let plan = self.1.apply(&mut request.read, &self.0.seen);
                    let answered = call::repeat(&self.0, &request, plan, None, |channel, request| async move {
                        let client = $client::new(channel);
                        client.max_decoding_message_size(limits::MAX_ANSWER_BYTES).$method(request).await
                    });
                    record::call(&self.0, &request, false, answered).await
                }
            )*
        }
    };
}

reads! {
    /// Returns a SKU.
    get_sku: CatalogServiceClient(GetSkuRequest) -> GetSkuResponse;
    /// Several SKUs at one revision.
    batch_get_skus: CatalogServiceClient(BatchGetSkusRequest) -> BatchGetSkusResponse;
    /// Returns a location.
    get_location: CatalogServiceClient(GetLocationRequest) -> GetLocationResponse;
    /// A page of locations.
    list_locations: CatalogServiceClient(ListLocationsRequest) -> ListLocationsResponse;
    /// A page of SKUs.
    list_skus: CatalogServiceClient(ListSkusRequest) -> ListSkusResponse;
    /// The stock of a SKU at a location.
    get_stock: StockServiceClient(GetStockRequest) -> GetStockResponse;
    /// The stock of several SKUs at locations, at one revision.
    batch_get_stock: StockServiceClient(BatchGetStockRequest) -> BatchGetStockResponse;
    /// What orders could take of SKUs.
    get_availability: StockServiceClient(GetAvailabilityRequest) -> GetAvailabilityResponse;
    /// A page of stock.
    list_stock: StockServiceClient(ListStockRequest) -> ListStockResponse;
    /// Returns an order.
    get_order: OrderServiceClient(GetOrderRequest) -> GetOrderResponse;
    /// Several orders at one revision.
    batch_get_orders: OrderServiceClient(BatchGetOrdersRequest) -> BatchGetOrdersResponse;
    /// A page of orders.
    list_orders: OrderServiceClient(ListOrdersRequest) -> ListOrdersResponse;
    /// Returns a reservation.
    get_reservation: ReservationServiceClient(GetReservationRequest) -> GetReservationResponse;
    /// A page of reservations.
    list_reservations: ReservationServiceClient(ListReservationsRequest) -> ListReservationsResponse;
    /// A page of the ledger.
    list_ledger_entries: LedgerServiceClient(ListLedgerEntriesRequest) -> ListLedgerEntriesResponse;
    /// What was in stock of a SKU at a moment in the past.
    get_stock_as_of: LedgerServiceClient(GetStockAsOfRequest) -> GetStockAsOfResponse;
}

impl Client {
    /// What became of a request. Linearizable, whatever the client's policy.
    ///
    /// Errors: `Rejected`; `NoLeader`, `Overloaded` or `Unavailable` when the time is over.
    pub async fn get_outcome(&self, request: GetOutcomeRequest) -> Result<GetOutcomeResponse> {
        let plan = Plan::of_leader();
        let answered = call::repeat(&self.0, &request, plan, None, |channel, request| async move {
            let client = TransactionServiceClient::new(channel);
            client.max_decoding_message_size(limits::MAX_ANSWER_BYTES).get_outcome(request).await
        });
        record::call(&self.0, &request, false, answered).await
    }

    /// Makes sure that a request that was not seen never takes effect.
    ///
    /// Errors: `Rejected`; `OutcomeUnknown` where the time is over and it may have been abandoned or may yet be; `NoLeader`,
    /// `Overloaded` or `Unavailable` when the time is over and nothing was sent.
    pub async fn abandon_request(&self, request: AbandonRequestRequest) -> Result<AbandonRequestResponse> {
        let request_id = request.request_id.clone();
        let answered = call::repeat(
            &self.0,
            &request,
            Plan::of_leader(),
            Some(&request_id),
            |channel, request| async move {
                TransactionServiceClient::new(channel).abandon_request(request).await
            },
        );
        record::call(&self.0, &request, true, answered).await
    }

    /// Adds a node that runs, started to join, as one that gets the log and has no vote. To call it again is harmless.
    ///
    /// Errors: `Rejected`; `NoLeader`, `Overloaded` or `Unavailable` when the time is over: it may have been added all
    /// the same.
    pub async fn add_learner(&self, request: AddLearnerRequest) -> Result<AddLearnerResponse> {
        call::repeat(&self.0, &request, Plan::of_leader(), None, |channel, request| async move {
            ClusterServiceClient::new(channel).add_learner(request).await
        })
        .await
    }

    /// Gives a learner a vote, alone or in the place of another node. To call it again is harmless.
    ///
    /// Errors: `Rejected`; `NoLeader`, `Overloaded` or `Unavailable` when the time is over: it may have been promoted all
    /// the same.
    pub async fn promote(&self, request: PromoteRequest) -> Result<PromoteResponse> {
        call::repeat(&self.0, &request, Plan::of_leader(), None, |channel, request| async move {
            ClusterServiceClient::new(channel).promote(request).await
        })
        .await
    }

    /// Prepares the node at `address` for being stopped, or takes that back where `undo` says so; no retry. Harmless to repeat.
    pub async fn drain(&self, address: &str, request: DrainRequest) -> Result<DrainResponse> {
        let mut client = ClusterServiceClient::new(self.0.channels.to(address)?);
        let mut asked = tonic::Request::new(request);
        asked.set_timeout(self.0.config.timeout);
        let answer = timeout(self.0.config.timeout, client.drain(asked)).await;
        let answer = answer.unwrap_or_else(|_| Err(too_late(address)));
        answer.map(tonic::Response::into_inner).map_err(|status| refused(&status))
    }

    /// Removes nodes, in one change. To call it again is harmless.
    ///
    /// Errors: `Rejected`; `NoLeader`, `Overloaded` or `Unavailable` when the time is over: they may have been removed all
    /// the same.
    pub async fn remove_nodes(&self, request: RemoveRequest) -> Result<RemoveResponse> {
        call::repeat(&self.0, &request, Plan::of_leader(), None, |channel, request| async move {
            ClusterServiceClient::new(channel).remove(request).await
        })
        .await
    }

    /// Gives the lead to another voter. Where the leader is to choose it the request names who leads now, so that a call that
    /// is sent again doesn't move the lead on.
    ///
    /// Errors: `Rejected`; `NoLeader`, `Overloaded` or `Unavailable` when the time is over: it may have been given away all
    /// the same.
    pub async fn transfer_leadership(
        &self,
        request: TransferLeadershipRequest,
    ) -> Result<TransferLeadershipResponse> {
        call::repeat(&self.0, &request, Plan::of_leader(), None, |channel, request| async move {
            ClusterServiceClient::new(channel).transfer_leadership(request).await
        })
        .await
    }

    /// What every node says of itself, from any node that answers.
    pub async fn cluster_status(&self) -> Result<GetStatusResponse> {
        let deadline = Instant::now() + self.0.config.timeout;
        for attempt in 1.. {
            let address = self.0.failover.pick();
            let status = match members::status_from(&self.0, &address).await {
                Ok(status) => {
                    members::take(&self.0, &status);
                    return Ok(status);
                }
                Err(status) => Refusal::of_call(&status),
            };
            if failover::advice(&status) == Advice::Final {
                return Err(Error::Rejected(Box::new(status)));
            }
            self.0.lost(&address);
            let pause = failover::pause(&self.0.env.random, attempt, false);
            if Instant::now() + pause >= deadline {
                return Err(self.0.out_of_time(Some(&status)));
            }
            tokio::time::sleep(pause).await;
        }
        unreachable!("the loop has no end of its own")
    }

    /// What every node says of itself, asked of this node; no retry.
    pub async fn cluster_status_of(&self, address: &str) -> Result<GetStatusResponse> {
        members::status_from(&self.0, address).await.map_err(|status| refused(&status))
    }

    /// The state hash of the node at `address`; no retry. `full` reads every row and may take as long as that does.
    pub async fn state_hash_of(&self, address: &str, full: bool) -> Result<StateHashResponse> {
        let client = MaintenanceServiceClient::new(self.0.channels.to(address)?);
        let mut client = client.max_decoding_message_size(limits::MAX_ANSWER_BYTES);
        let asked = client.state_hash(StateHashRequest { full });
        let limit = if full { Duration::MAX } else { self.0.config.timeout };
        let answer = timeout(limit, asked).await.unwrap_or_else(|_| Err(too_late(address)));
        answer.map(tonic::Response::into_inner).map_err(|status| refused(&status))
    }

    /// The committed entries of the log of the node at `address`, oldest first; no retry.
    pub async fn export_log(
        &self,
        address: &str,
        request: ExportLogRequest,
    ) -> Result<Streaming<ExportLogResponse>> {
        let client = MaintenanceServiceClient::new(self.0.channels.to(address)?);
        let mut client = client.max_decoding_message_size(limits::MAX_ANSWER_BYTES);
        let asked = client.export_log(request);
        let answer = timeout(self.0.config.timeout, asked).await.unwrap_or_else(|_| Err(too_late(address)));
        answer.map(tonic::Response::into_inner).map_err(|status| refused(&status))
    }
}

pub(crate) fn too_late(address: &str) -> Status {
    Status::deadline_exceeded(format!("{address} did not answer in time"))
}

pub(crate) fn refused(status: &Status) -> Error {
    let refusal = Refusal::of_call(status);
    if refusal.reason.is_empty() {
        return Error::Transport(format!("{:?}: {}", refusal.code, refusal.message));
    }
    Error::Rejected(Box::new(refusal))
}

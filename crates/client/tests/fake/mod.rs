//! A node that plays a part: it answers as it is told and writes down what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_env::Env;
use stockade_proto::v1::cluster_service_server::{ClusterService, ClusterServiceServer};
use stockade_proto::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use stockade_proto::v1::mutation::Request as Asked;
use stockade_proto::v1::mutation_result::Response as Answered;
use stockade_proto::v1::stock_service_server::{StockService, StockServiceServer};
use stockade_proto::v1::transaction_service_server::{TransactionService, TransactionServiceServer};
use stockade_proto::v1::{
    AbandonRequestRequest, AbandonRequestResponse, AddLearnerRequest, AddLearnerResponse, AdjustStockRequest,
    AdjustStockResponse, BatchGetStockRequest, BatchGetStockResponse, DrainRequest, DrainResponse, Fate,
    GetAvailabilityRequest, GetAvailabilityResponse, GetOutcomeRequest, GetOutcomeResponse, GetStatusRequest,
    GetStatusResponse, GetStockAsOfRequest, GetStockAsOfResponse, GetStockRequest, GetStockResponse,
    ListLedgerEntriesRequest, ListLedgerEntriesResponse, ListStockRequest, ListStockResponse,
    MoveStockRequest, MoveStockResponse, Mutation, MutationResult, NodeRole, NodeStatus, PlaceOrderResponse,
    PromoteRequest, PromoteResponse, ReceiveStockRequest, ReceiveStockResponse, RemoveRequest,
    RemoveResponse, ResponseHeader, SetStockRequest, SetStockResponse, Stock, SubmitRequest, SubmitResponse,
    TransactRequest, TransactResponse, TransferLeadershipRequest, TransferLeadershipResponse,
    VerifyLedgerRequest, VerifyLedgerResponse,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_types::{ErrorDetails, StatusExt};

/// What a node calls its lead in its health.
const LEADER: &str = "stockade.leader";

/// What a node does with one mutation.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Applies it.
    Apply,
    /// Applies it and answers twice.
    ApplyTwice,
    /// Breaks the stream without an answer.
    Break,
    /// Never answers.
    Ignore,
    /// Refuses with a reason.
    Refuse(Code, &'static str, Fate),
    /// Answers after a while.
    Slow(Duration),
    /// Refuses with a reason after a while, without effect.
    SlowRefuse(Duration, Code, &'static str),
}

/// A node.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    node_id: u64,
    script: Mutex<VecDeque<Act>>,
    otherwise: Mutex<Act>,
    asked: Mutex<Vec<String>>,
    messages: Mutex<usize>,
    status: Mutex<Vec<NodeStatus>>,
    reads_refused: Mutex<VecDeque<Status>>,
    verification: Mutex<Vec<Result<VerifyLedgerResponse, Status>>>,
    stop: watch::Sender<bool>,
    health: HealthReporter,
}

impl Fake {
    /// Starts a node on a port of the system's choice.
    pub(crate) async fn start(env: &Env, node_id: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (health, health_service) = health_reporter();
        let fake = Self(Arc::new(Inner {
            address,
            node_id,
            script: Mutex::default(),
            otherwise: Mutex::new(Act::Apply),
            asked: Mutex::default(),
            messages: Mutex::default(),
            status: Mutex::default(),
            reads_refused: Mutex::default(),
            verification: Mutex::default(),
            stop: watch::Sender::new(false),
            health,
        }));
        let node = fake.clone();
        env.tasks.spawn("fake node", async move {
            let mut stop = node.0.stop.subscribe();
            let serving = tonic::transport::Server::builder()
                .add_service(TransactionServiceServer::new(node.clone()))
                .add_service(ClusterServiceServer::new(node.clone()))
                .add_service(StockServiceServer::new(node.clone()))
                .add_service(LedgerServiceServer::new(node.clone()))
                .add_service(health_service)
                .serve_with_incoming(TcpListenerStream::new(listener));
            tokio::select! {
                served = serving => served.expect("the fake node serves"),
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
        fake
    }

    pub(crate) fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// It says of itself whether it leads; until then it says nothing.
    pub(crate) async fn says_that_it_leads(&self, leads: bool) {
        let status = if leads { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.0.health.set_service_status(LEADER, status).await;
    }

    /// What it does next, one act a mutation; after that it applies.
    pub(crate) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.0.script.lock().extend(acts);
    }

    /// What it does where the script is over.
    pub(crate) fn always(&self, act: Act) {
        *self.0.otherwise.lock() = act;
    }

    /// The next reads fail so.
    pub(crate) fn refuse_reads(&self, statuses: impl IntoIterator<Item = Status>) {
        self.0.reads_refused.lock().extend(statuses);
    }

    /// What it says of its ledger when it is to verify it; the stream ends after that.
    pub(crate) fn say_of_ledger(
        &self,
        messages: impl IntoIterator<Item = Result<VerifyLedgerResponse, Status>>,
    ) {
        *self.0.verification.lock() = messages.into_iter().collect();
    }

    /// The request ids it was asked to run, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().clone()
    }

    /// How many messages brought them.
    pub(crate) fn messages(&self) -> usize {
        *self.0.messages.lock()
    }

    fn act(&self) -> Act {
        let scripted = self.0.script.lock().pop_front();
        scripted.unwrap_or_else(|| self.0.otherwise.lock().clone())
    }

    /// Plays one mutation; false where the stream is to break.
    async fn play(&self, mutation: Mutation, answers: &mpsc::Sender<Result<SubmitResponse, Status>>) -> bool {
        let Some(Asked::PlaceOrder(order)) = mutation.request else { panic!("the tests place orders only") };
        self.0.asked.lock().push(order.request_id.clone());
        let applied = || {
            let header = ResponseHeader { node_id: self.0.node_id, ..ResponseHeader::default() };
            let response = PlaceOrderResponse {
                header: Some(header),
                order_id: order.order_id.clone(),
                ..Default::default()
            };
            MutationResult {
                request_id: order.request_id.clone(),
                fate: Fate::Applied.into(),
                response: Some(Answered::PlaceOrder(response)),
                ..MutationResult::default()
            }
        };
        let refused = |code: Code, reason, fate: Fate| {
            let status = refusal(code, reason);
            MutationResult {
                request_id: order.request_id.clone(),
                fate: fate.into(),
                status: Some(tonic_types::pb::Status {
                    code: code.into(),
                    message: status.message().to_owned(),
                    details: decode_details(&status),
                }),
                ..MutationResult::default()
            }
        };
        let results = match self.act() {
            Act::Apply => vec![applied()],
            Act::ApplyTwice => vec![applied(), applied()],
            Act::Break => return false,
            Act::Ignore => return true,
            Act::Refuse(code, reason, fate) => vec![refused(code, reason, fate)],
            Act::SlowRefuse(time, code, reason) => {
                tokio::time::sleep(time).await;
                vec![refused(code, reason, Fate::NotApplied)]
            }
            Act::Slow(time) => {
                tokio::time::sleep(time).await;
                vec![applied()]
            }
        };
        answers.send(Ok(SubmitResponse { results })).await.is_ok()
    }
}

/// Nodes 1, 2, ... that know each other; the first leads.
pub(crate) async fn cluster(env: &Env, count: u64) -> Vec<Fake> {
    let mut nodes = Vec::new();
    for node_id in 1..=count {
        nodes.push(Fake::start(env, node_id).await);
    }
    lead(&nodes, Some(0));
    nodes
}

/// Makes all nodes say that this one leads.
pub(crate) fn lead(nodes: &[Fake], leader: Option<usize>) {
    let status: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| NodeStatus {
            node_id: node.0.node_id,
            reachable: true,
            client_address: node.address(),
            role: if Some(index) == leader { NodeRole::Leader.into() } else { NodeRole::Follower.into() },
            term: 1,
            ..NodeStatus::default()
        })
        .collect();
    for node in nodes {
        node.0.status.lock().clone_from(&status);
    }
}

/// A status as a node gives it.
pub(crate) fn refusal(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "stockade", std::collections::HashMap::new());
    Status::with_error_details(code, format!("refused: {reason}"), details)
}

fn decode_details(status: &Status) -> Vec<prost_types::Any> {
    let decoded: tonic_types::pb::Status = prost::Message::decode(status.details()).expect("just encoded");
    decoded.details
}

#[tonic::async_trait]
impl TransactionService for Fake {
    type SubmitStream = Pin<Box<dyn Stream<Item = Result<SubmitResponse, Status>> + Send>>;

    async fn submit(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let (answers, outgoing) = mpsc::channel(1_024);
        let node = self.clone();
        let mut incoming = request.into_inner();
        // Scripted plays share the life of the stream: where it ends, so do they.
        let playing = async move {
            while let Some(Ok(message)) = incoming.next().await {
                *node.0.messages.lock() += 1;
                for mutation in message.mutations {
                    if !node.play(mutation, &answers).await {
                        drop(answers.send(Err(Status::unavailable("broken on purpose"))).await);
                        return;
                    }
                }
            }
        };
        let env = Env::real();
        env.tasks.spawn("fake stream", playing);
        // The tasks live as long as the stream that owns them.
        let stream = ReceiverStream::new(outgoing).map(move |answer| {
            let _owner = &env;
            answer
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn transact(&self, _: Request<TransactRequest>) -> Result<Response<TransactResponse>, Status> {
        Err(Status::unimplemented("transactions come over the stream"))
    }

    async fn get_outcome(
        &self,
        _: Request<GetOutcomeRequest>,
    ) -> Result<Response<GetOutcomeResponse>, Status> {
        Ok(Response::new(GetOutcomeResponse::default()))
    }

    async fn abandon_request(
        &self,
        _: Request<AbandonRequestRequest>,
    ) -> Result<Response<AbandonRequestResponse>, Status> {
        Ok(Response::new(AbandonRequestResponse::default()))
    }
}

#[tonic::async_trait]
impl ClusterService for Fake {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let nodes = self.0.status.lock().clone();
        Ok(Response::new(GetStatusResponse { header: None, nodes }))
    }

    async fn add_learner(
        &self,
        _: Request<AddLearnerRequest>,
    ) -> Result<Response<AddLearnerResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn promote(&self, _: Request<PromoteRequest>) -> Result<Response<PromoteResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn drain(&self, _: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn remove(&self, _: Request<RemoveRequest>) -> Result<Response<RemoveResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn transfer_leadership(
        &self,
        _: Request<TransferLeadershipRequest>,
    ) -> Result<Response<TransferLeadershipResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }
}

#[tonic::async_trait]
impl StockService for Fake {
    async fn get_stock(
        &self,
        request: Request<GetStockRequest>,
    ) -> Result<Response<GetStockResponse>, Status> {
        if let Some(status) = self.0.reads_refused.lock().pop_front() {
            return Err(status);
        }
        let GetStockRequest { sku_id, location_id, .. } = request.into_inner();
        let header = ResponseHeader { node_id: self.0.node_id, ..ResponseHeader::default() };
        let stock = Stock { sku_id, location_id, ..Stock::default() };
        Ok(Response::new(GetStockResponse { header: Some(header), stock: Some(stock) }))
    }

    async fn list_stock(&self, _: Request<ListStockRequest>) -> Result<Response<ListStockResponse>, Status> {
        Ok(Response::new(ListStockResponse::default()))
    }

    async fn receive_stock(
        &self,
        _: Request<ReceiveStockRequest>,
    ) -> Result<Response<ReceiveStockResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn adjust_stock(
        &self,
        _: Request<AdjustStockRequest>,
    ) -> Result<Response<AdjustStockResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn set_stock(&self, _: Request<SetStockRequest>) -> Result<Response<SetStockResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn move_stock(&self, _: Request<MoveStockRequest>) -> Result<Response<MoveStockResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn batch_get_stock(
        &self,
        _: Request<BatchGetStockRequest>,
    ) -> Result<Response<BatchGetStockResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }

    async fn get_availability(
        &self,
        _: Request<GetAvailabilityRequest>,
    ) -> Result<Response<GetAvailabilityResponse>, Status> {
        Err(Status::unimplemented("the tests place orders only"))
    }
}

#[tonic::async_trait]
impl LedgerService for Fake {
    type VerifyLedgerStream = Pin<Box<dyn Stream<Item = Result<VerifyLedgerResponse, Status>> + Send>>;

    async fn list_ledger_entries(
        &self,
        request: Request<ListLedgerEntriesRequest>,
    ) -> Result<Response<ListLedgerEntriesResponse>, Status> {
        if let Some(status) = self.0.reads_refused.lock().pop_front() {
            return Err(status);
        }
        // Nothing but the token, so that a test sees which request was answered.
        let next_page_token = request.into_inner().page_token;
        Ok(Response::new(ListLedgerEntriesResponse { next_page_token, ..Default::default() }))
    }

    async fn get_stock_as_of(
        &self,
        request: Request<GetStockAsOfRequest>,
    ) -> Result<Response<GetStockAsOfResponse>, Status> {
        if let Some(status) = self.0.reads_refused.lock().pop_front() {
            return Err(status);
        }
        let next_page_token = request.into_inner().page_token;
        Ok(Response::new(GetStockAsOfResponse { next_page_token, ..Default::default() }))
    }

    async fn verify_ledger(
        &self,
        _: Request<VerifyLedgerRequest>,
    ) -> Result<Response<Self::VerifyLedgerStream>, Status> {
        let messages = std::mem::take(&mut *self.0.verification.lock());
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }
}

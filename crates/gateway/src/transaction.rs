//! Many mutations on one stream, and what became of a request. The stream itself is in `submit`.

use stockade_consensus::Consistency;
use stockade_proto::v1;
use stockade_proto::v1::transaction_service_server::TransactionService;
use stockade_state_machine::ids::RequestId;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::request::RequestStatus;
use stockade_state_machine::{Command, Origin, Outcome};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::access::Caller;
use crate::core::Core;
use crate::failure::{Decided, Failure};
use crate::status::Call;
use crate::validate::{Valid, Violations};
use crate::{deadline, reply, submit};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Transactions(pub(crate) Core);

impl Transactions {
    async fn outcome_of(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        id: &str,
    ) -> Result<v1::GetOutcomeResponse, Failure> {
        let request = parse(id)?;
        let origin = Origin { request, principal: caller.principal().clone() };
        let (status, answering) =
            self.0.read(metadata, Consistency::Linearizable, |view| view.request_status(&origin)).await?;
        let undecided = |state: v1::OutcomeState, revision| v1::GetOutcomeResponse {
            header: Some(answering.read(revision)),
            state: state.into(),
            result: None,
        };
        Ok(match status {
            RequestStatus::Decided(record) => {
                let header = Some(answering.read(record.revision));
                let result = reply::result(request.to_string(), Ok(reply::replayed(record)), &answering);
                v1::GetOutcomeResponse {
                    header,
                    state: v1::OutcomeState::Decided.into(),
                    result: Some(result),
                }
            }
            RequestStatus::Abandoned(record) => undecided(v1::OutcomeState::Abandoned, record.revision),
            RequestStatus::NotSeen => undecided(v1::OutcomeState::NotSeen, answering.served),
            RequestStatus::Expired { .. } => undecided(v1::OutcomeState::Expired, answering.served),
        })
    }

    async fn abandon(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        id: &str,
    ) -> Result<v1::AbandonRequestResponse, Failure> {
        let request = parse(id)?;
        let valid = Valid { request, command: Command::AbandonRequest };
        let decided = self.0.decide(caller, &valid, deadline::of_call(metadata)).await?;
        let answering = self.0.answering();
        let header = Some(answering.write(Decided::of(&decided)));
        let undecided = |state: v1::OutcomeState| v1::AbandonRequestResponse {
            header: header.clone(),
            state: state.into(),
            result: None,
        };
        Ok(match &decided.outcome {
            Outcome::RequestAbandoned => undecided(v1::OutcomeState::Abandoned),
            // Neither is ever kept, so they are about this call and not about the request it names.
            Outcome::Rejected(Rejection::RequestIdExpired { .. }) => undecided(v1::OutcomeState::Expired),
            Outcome::Rejected(rejection @ Rejection::RequestIdInFuture { .. }) => {
                return Err(Failure::Rejected(rejection.clone(), Decided::of(&decided)));
            }
            _ => {
                let result = Some(reply::result(request.to_string(), Ok(decided), &answering));
                v1::AbandonRequestResponse { header, state: v1::OutcomeState::Decided.into(), result }
            }
        })
    }
}

fn parse(id: &str) -> Result<RequestId, Failure> {
    let mut violations = Violations::default();
    violations.request_id("request_id", id).ok_or(Failure::Invalid(violations))
}

#[tonic::async_trait]
impl TransactionService for Transactions {
    type SubmitStream = ReceiverStream<Result<v1::SubmitResponse, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        if self.0.is_draining() {
            return Err(self.0.fail(&Failure::ShuttingDown, Call::Write));
        }
        let caller = Caller::of(request.extensions());
        Ok(Response::new(submit::start(&self.0, caller, request.into_inner())))
    }

    async fn transact(
        &self,
        request: Request<v1::TransactRequest>,
    ) -> Result<Response<v1::TransactResponse>, Status> {
        mutate!(self.0, request, Transact)
    }

    async fn get_outcome(
        &self,
        request: Request<v1::GetOutcomeRequest>,
    ) -> Result<Response<v1::GetOutcomeResponse>, Status> {
        let caller = Caller::of(request.extensions());
        self.0.answer(self.outcome_of(&caller, request.metadata(), &request.get_ref().request_id).await)
    }

    async fn abandon_request(
        &self,
        request: Request<v1::AbandonRequestRequest>,
    ) -> Result<Response<v1::AbandonRequestResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let abandoned = self.abandon(&caller, request.metadata(), &request.get_ref().request_id).await;
        abandoned.map(Response::new).map_err(|failure| self.0.fail(&failure, Call::Write))
    }
}

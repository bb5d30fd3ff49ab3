//! A stream of independent mutations, each answered when it is decided.
//!
//! Invariants:
//! - Every mutation that was read has exactly one result, unless the caller stops listening.
//! - What was read and has no result yet is bounded; beyond that nothing is read, and HTTP/2 holds the caller.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use prost::Message;
use stockade_proto::v1;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::access::Caller;
use crate::core::Core;
use crate::failure::Failure;
use crate::status::Call;
use crate::validate::{self, Violations};
use crate::{limits, reply, status};

/// As it is written down.
const METHOD: &str = "/stockade.v1.TransactionService/Submit";

type Responses = mpsc::Sender<Result<v1::SubmitResponse, Status>>;

/// Starts the task of a stream.
pub(crate) fn start(
    core: &Core,
    caller: Caller,
    inbound: Streaming<v1::SubmitRequest>,
) -> ReceiverStream<Result<v1::SubmitResponse, Status>> {
    let (responses, receiver) = mpsc::channel(limits::STREAM_QUEUE);
    let session = Session {
        core: core.clone(),
        caller,
        waiting: VecDeque::new(),
        running: FuturesUnordered::new(),
        responses,
    };
    core.env().tasks.spawn("submitted mutations", session.run(inbound));
    ReceiverStream::new(receiver)
}

/// One stream.
struct Session {
    core: Core,
    caller: Caller,
    /// Read, not begun: no more than one message of them.
    waiting: VecDeque<(v1::Mutation, Instant)>,
    running: FuturesUnordered<BoxFuture<'static, v1::MutationResult>>,
    responses: Responses,
}

/// The caller stopped listening, or doesn't read.
struct Gone;

impl Session {
    async fn run(mut self, mut inbound: Streaming<v1::SubmitRequest>) {
        match self.serve(&mut inbound).await {
            Ok(Ok(())) => {}
            Ok(Err(end)) => {
                let status = self.core.fail(&end, Call::Write);
                // Nobody listens, or everybody has been told.
                drop(self.responses.send(Err(status)).await);
            }
            Err(Gone) => tracing::debug!("a stream of mutations was given up by its caller"),
        }
    }

    /// Serves until the caller is done, or until something ends the stream early: then everything that was read is
    /// answered first.
    async fn serve(
        &mut self,
        inbound: &mut Streaming<v1::SubmitRequest>,
    ) -> Result<Result<(), Failure>, Gone> {
        let core = self.core.clone();
        let draining = core.draining();
        tokio::pin!(draining);
        // `None` while the caller may send more.
        let mut end = None;
        loop {
            self.begin_waiting();
            if end.is_some() && self.running.is_empty() {
                return Ok(end.unwrap_or(Ok(())));
            }
            let reading = end.is_none() && self.waiting.is_empty() && self.has_room();
            tokio::select! {
                Some(result) = self.running.next(), if !self.running.is_empty() => self.answer(result).await?,
                message = inbound.message(), if reading => match message {
                    Ok(Some(message)) => end = self.take_in(message).err().map(Err),
                    Ok(None) => end = Some(Ok(())),
                    // The transport's own errors mean that nobody is left to be told.
                    Err(error) => match status::of_transport(&error) {
                        Some(failure) => end = Some(Err(failure)),
                        None => return Err(Gone),
                    },
                },
                () = &mut draining, if end.is_none() => end = Some(Err(Failure::ShuttingDown)),
                () = self.responses.closed() => return Err(Gone),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.core.limits().max_submit_in_flight
    }

    fn take_in(&mut self, message: v1::SubmitRequest) -> Result<(), Failure> {
        // A stream may be older than what its caller has shown is good for.
        self.core.access().still_holds(&self.caller, METHOD)?;
        let count = message.mutations.len();
        if !(1..=limits::MAX_SUBMIT_MUTATIONS).contains(&count) {
            let mut violations = Violations::default();
            let max = limits::MAX_SUBMIT_MUTATIONS;
            violations.add("mutations", format!("must have 1 to {max} mutations, has {count}"));
            return Err(violations.into());
        }
        let arrived = Instant::now();
        self.waiting.extend(message.mutations.into_iter().map(|mutation| (mutation, arrived)));
        Ok(())
    }

    fn begin_waiting(&mut self) {
        while self.has_room() {
            let Some((mutation, arrived)) = self.waiting.pop_front() else { return };
            self.running.push(run(self.core.clone(), self.caller.clone(), mutation, arrived).boxed());
        }
    }

    /// Sends a result and all others that are ready with it.
    async fn answer(&mut self, result: v1::MutationResult) -> Result<(), Gone> {
        let mut bytes = result.encoded_len();
        let mut results = vec![result];
        while bytes < limits::MAX_SUBMIT_RESPONSE_BYTES && results.len() < limits::MAX_SUBMIT_MUTATIONS {
            let Some(Some(result)) = self.running.next().now_or_never() else { break };
            bytes += result.encoded_len();
            results.push(result);
        }
        let sent = self.responses.send(Ok(v1::SubmitResponse { results }));
        // Who doesn't read is cut off: results would pile up here otherwise, or keep the stream open for ever.
        match tokio::time::timeout(self.core.limits().unread_timeout, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

async fn run(core: Core, caller: Caller, mutation: v1::Mutation, arrived: Instant) -> v1::MutationResult {
    let request_id = mutation.request.as_ref().map(validate::request_id_of).unwrap_or_default().to_owned();
    let may = match &mutation.request {
        Some(request) => core.access().check_mutation(&caller, request),
        None => Ok(()),
    };
    let outcome = match may.and_then(|()| validate::mutation(&mutation).map_err(Failure::from)) {
        // The larger form of the request is done with; thousands may be waiting.
        Ok((valid, timeout)) => {
            drop(mutation);
            core.decide(&caller, &valid, arrived + timeout).await
        }
        Err(failure) => Err(failure),
    };
    reply::result(request_id, outcome, &core.answering())
}

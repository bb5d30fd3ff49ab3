//! Calls of their own: reads, and what settles the fate of a request. Retried on any node until they are answered.

use std::future::Future;

use stockade_proto::Connection;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use crate::Shared;
use crate::error::{Error, Refusal, UNAUTHENTICATED};
use crate::failover::{self, Advice, superseded};
use crate::limits;
use crate::policy::{Plan, Route};

/// Makes a call that can be repeated without harm, with retries until its deadline. A node that it is to go to first is left once it
/// has failed. One that settles the fate of a
/// request names it: then not to know what became of the call is an outcome of its own.
pub(crate) async fn repeat<Asked, Answer, Call, Answered>(
    shared: &Shared,
    request: &Asked,
    mut plan: Plan,
    settles: Option<&str>,
    call: Call,
) -> Result<Answer, Error>
where
    Asked: Clone,
    Call: Fn(Connection, Request<Asked>) -> Answered,
    Answered: Future<Output = Result<Response<Answer>, Status>>,
{
    let deadline = Instant::now() + shared.config.timeout;
    let Ok(permit) = timeout_at(deadline, shared.reads.acquire()).await else {
        return Err(shared.out_of_time(None));
    };
    let _permit = permit.expect("the semaphore is never closed");
    let mut last = None;
    let mut unknown = false;
    for attempt in 1.. {
        let address = shared.failover.pick_by(&plan.route);
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        let attempt_end = deadline.min(now + limits::READ_ATTEMPT);
        let mut asked = Request::new(request.clone());
        asked.set_timeout(attempt_end - now);
        let channel = shared.channels.to(&address)?;
        let renewed = shared.channels.renewed();
        let answered = tokio::select! {
            answered = timeout_at(attempt_end, call(channel, asked)) => answered.ok(),
            () = superseded(shared.failover.watch(), &address), if plan.route == Route::Leader => None,
        };
        let refusal = match answered {
            Some(Ok(answer)) => return Ok(answer.into_inner()),
            Some(Err(status)) => Refusal::of_call(&status),
            None => Refusal::of_call(&Status::deadline_exceeded(format!("{address} did not answer in time"))),
        };
        if refusal.reason == UNAUTHENTICATED && shared.channels.renewed() != renewed {
            continue;
        }
        let advice = advice(&refusal, &plan);
        if advice == Advice::Final {
            // What is said at the door says nothing of an earlier attempt, which may have been let in.
            return Err(match settles.filter(|_| unknown && refusal.is_at_the_door()) {
                Some(request_id) => {
                    Error::OutcomeUnknown { request_id: request_id.to_owned(), cause: refusal.message }
                }
                None => Error::Rejected(Box::new(refusal)),
            });
        }
        if let Route::Node(_) = plan.route {
            plan.route = Route::InTurn;
        }
        unknown |= refusal.reason.is_empty() || advice == Advice::SameAgain;
        if refusal.reason.is_empty() {
            shared.lost(&address);
        } else if matches!(advice, Advice::ElsewhereSoon | Advice::ElsewhereLater) {
            shared.redirected(&address, &refusal);
        }
        // A broken connection says nothing about the other nodes: the first retry goes there at once.
        let at_once = refusal.reason.is_empty() && attempt == 1;
        last = Some(refusal);
        if !at_once {
            let pause = failover::pause(&shared.env.random, attempt, advice.is_patient());
            if timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
                break;
            }
        }
    }
    match settles.filter(|_| unknown) {
        Some(request_id) => {
            let cause = last.map_or_else(String::new, |refusal| refusal.message);
            Err(Error::OutcomeUnknown { request_id: request_id.to_owned(), cause })
        }
        None => Err(match last {
            Some(refusal) if refusal.reason == "REVISION_AHEAD" => Error::Rejected(Box::new(refusal)),
            last => shared.out_of_time(last.as_ref()),
        }),
    }
}

/// As [`failover::advice`]; and what one node has not got to yet, another may have.
fn advice(refusal: &Refusal, plan: &Plan) -> Advice {
    if refusal.applied_revision().is_some_and(|applied| applied < plan.min_revision) {
        return Advice::ElsewhereSoon;
    }
    failover::advice(refusal)
}

impl Shared {
    /// A node did not answer as it should: others come first, and the members are looked at anew.
    pub(crate) fn lost(&self, address: &str) {
        self.failover.suspect(address);
        self.wake_refresh.notify_one();
    }

    /// A node has no leader to offer, or takes nothing on.
    pub(crate) fn redirected(&self, address: &str, refusal: &Refusal) {
        self.failover.redirected(address, refusal);
        if matches!(refusal.reason.as_str(), "SHUTTING_DOWN" | "NODE_REMOVED" | "STORAGE_FULL") {
            self.failover.suspect(address);
        }
        self.wake_refresh.notify_one();
    }

    /// The error of a call that had no effect and whose time is over.
    pub(crate) fn out_of_time(&self, last: Option<&Refusal>) -> Error {
        let cause = last.map_or_else(|| "the time was over".to_owned(), |refusal| refusal.message.clone());
        match last.map(|refusal| refusal.reason.as_str()) {
            Some("NO_LEADER" | "NOT_LEADER") => Error::NoLeader { cause },
            Some(reason @ ("OVERLOADED" | "STORAGE_FULL")) => {
                Error::Overloaded { reason: reason.to_owned(), cause }
            }
            _ => Error::Unavailable { addresses: self.failover.addresses().join(", "), cause },
        }
    }
}

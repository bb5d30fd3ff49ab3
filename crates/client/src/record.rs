//! What is written down of each call, where the configuration has a recorder.
//!
//! A call of the client is one operation of the history, however often it was sent: it begins before the first attempt and
//! ends with the answer that its caller gets.

use std::collections::BTreeMap;
use std::future::Future;

use stockade_history::{Asked, Call, Fate, Headed, Op};
use stockade_proto::v1::ResponseHeader;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;
use tonic::metadata::MetadataMap;

use crate::error::{Error, Refusal};
use crate::{Result, Shared, submit};

/// [`submit::mutate`], written down.
pub(crate) async fn mutate(shared: &Shared, request_id: String, request: Request) -> Result<Response> {
    let Some(recorder) = &shared.config.record else {
        return submit::mutate(shared, request_id, request).await;
    };
    let op = recorder.invoke_any(&Asked::from(request.clone()));
    let answered = submit::mutate(shared, request_id, request).await;
    match &answered {
        Ok(response) => {
            let answer = stockade_history::Answer::from(response.clone());
            op.answered_with(answer.header(), &answer.encode());
        }
        Err(error) => failed(op, error, true),
    }
    answered
}

/// Any other call, written down. `writes` where it can change something.
pub(crate) async fn call<Asked: Call, Answered: Headed>(
    shared: &Shared,
    asked: &Asked,
    writes: bool,
    call: impl Future<Output = Result<Answered>>,
) -> Result<Answered> {
    let op = shared.config.record.as_ref().map(|recorder| recorder.invoke(asked));
    let answered = call.await;
    let seen = match &answered {
        Ok(response) => response.header(),
        // That there is nothing was seen as well.
        Err(Error::Rejected(refusal)) if refusal.reason == "NOT_FOUND" => refusal.header.as_ref(),
        Err(_) => None,
    };
    if let Some(header) = seen {
        shared.seen.note(header);
    }
    let Some(op) = op else { return answered };
    match &answered {
        Ok(response) => op.answered(response),
        Err(error) => failed(op, error, writes),
    }
    answered
}

fn failed(op: Op, error: &Error, writes: bool) {
    match error {
        Error::Rejected(refusal) => {
            let info = refusal.details.error_info();
            let metadata: BTreeMap<String, String> =
                info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default();
            let fate = writes.then(|| fate(refusal));
            op.refused(refusal.header.as_ref(), &refusal.reason, &refusal.message, metadata, fate);
        }
        Error::OutcomeUnknown { .. } => op.unknown(&error.to_string()),
        // The node answered nonsense, which says nothing of what it did.
        Error::Transport(_) if writes => op.unknown(&error.to_string()),
        Error::Transport(_)
        | Error::Invalid(_)
        | Error::NoLeader { .. }
        | Error::Overloaded { .. }
        | Error::Unavailable { .. } => op.failed(&error.to_string()),
    }
}

/// What a refusal means for the effect of a write, as docs/reference/errors.md has it.
fn fate(refusal: &Refusal) -> Fate {
    match refusal.reason.as_str() {
        "OUTCOME_UNKNOWN" | "INTERNAL" | "REQUEST_ID_EXPIRED" | "" => Fate::Unknown,
        _ => Fate::NotApplied,
    }
}

/// The header of a call that failed, from its trailers; `None` where no node of Stockade answered.
pub(crate) fn of_trailers(trailers: &MetadataMap) -> Option<ResponseHeader> {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
    Some(ResponseHeader {
        cluster_id: text("stockade-cluster-id")?.to_owned(),
        node_id: number("stockade-node-id")?,
        term: number("stockade-term")?,
        revision: number("stockade-revision")?,
        served_revision: number("stockade-served-revision")?,
        position: number("stockade-position").and_then(|position| u32::try_from(position).ok()).unwrap_or(0),
        replayed: text("stockade-replayed") == Some("true"),
        log_time: text("stockade-log-time").and_then(|time| time.parse().ok()),
        // There is no trailer of it.
        served_consistency: 0,
    })
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataValue;

    use super::*;

    #[test]
    fn trailers_become_the_header_they_stand_for() {
        let mut trailers = MetadataMap::new();
        assert_eq!(of_trailers(&trailers), None, "the transport's own failures have none");
        for (name, value) in [
            ("stockade-cluster-id", "c"),
            ("stockade-node-id", "2"),
            ("stockade-term", "3"),
            ("stockade-revision", "17"),
            ("stockade-served-revision", "18"),
            ("stockade-position", "4"),
            ("stockade-replayed", "true"),
            ("stockade-log-time", "2026-01-02T03:04:05Z"),
        ] {
            trailers.insert(name, MetadataValue::from_static(value));
        }
        let header = of_trailers(&trailers).expect("all is there");
        assert_eq!((header.node_id, header.term, header.revision, header.served_revision), (2, 3, 17, 18));
        assert_eq!((header.position, header.replayed), (4, true));
        assert!(header.log_time.is_some());
    }
}

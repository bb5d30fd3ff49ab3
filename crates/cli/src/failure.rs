//! How a command that failed ends: its exit code and what to do next.

use std::fmt::Write as _;

use stockade_client::{Error as ClientError, Refusal};
use stockade_server::{Exit, RunError, StartError};

/// An end with a code of its own.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// Ends with this code and message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.exit;
        }
        if let Some(error) = cause.downcast_ref::<StartError>() {
            return error.exit();
        }
        if let Some(error) = cause.downcast_ref::<RunError>() {
            return error.exit();
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            return of_client(error);
        }
    }
    Exit::Error
}

fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Invalid(_) => Exit::Usage,
        // A node that was asked by name says for itself what other calls are tried again for.
        ClientError::Rejected(refusal)
            if matches!(
                refusal.reason.as_str(),
                "NO_LEADER" | "OVERLOADED" | "SHUTTING_DOWN" | "NODE_REMOVED"
            ) =>
        {
            Exit::Unavailable
        }
        ClientError::Rejected(_) => Exit::Refused,
        ClientError::OutcomeUnknown { .. }
        | ClientError::NoLeader { .. }
        | ClientError::Overloaded { .. }
        | ClientError::Unavailable { .. } => Exit::Unavailable,
        ClientError::Transport(_) => Exit::Error,
    }
}

/// What standard error gets: what happened, each field that is wrong, and what to do next where that is known.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut text = String::from("error: ");
    for (depth, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        // Some errors quote their cause; it need not stand there twice.
        if depth == 0 {
            text.push_str(&cause);
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text.push('\n');
    let client = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>());
    let refusal = client.and_then(ClientError::refusal);
    let fields = refusal.and_then(|refusal| refusal.details.bad_request());
    for field in fields.iter().flat_map(|fields| &fields.field_violations) {
        writeln!(text, "  {}: {}", field.field, field.description).expect("a String takes everything");
    }
    for (subject, description) in broken_rules(refusal) {
        writeln!(text, "  {subject}: {description}").expect("a String takes everything");
    }
    if let Some(advice) = after_entry(error).or_else(|| advice(error).map(ToOwned::to_owned)) {
        writeln!(text, "  next: {advice}").expect("a String takes everything");
    }
    text
}

/// What broke a rule and how: every line that is short, every SKU of which an order takes too much.
fn broken_rules(refusal: Option<&Refusal>) -> Vec<(&str, &str)> {
    let Some(refusal) = refusal else { return Vec::new() };
    let details = &refusal.details;
    // One alone is told by the message.
    let preconditions = details.precondition_failure().filter(|failure| failure.violations.len() > 1);
    let preconditions = preconditions.into_iter().flat_map(|failure| &failure.violations);
    let quotas = details.quota_failure().into_iter().flat_map(|failure| &failure.violations);
    preconditions
        .map(|broken| (broken.subject.as_str(), broken.description.as_str()))
        .chain(quotas.map(|broken| (broken.subject.as_str(), broken.description.as_str())))
        // The last one of a long list only says how many more there are.
        .map(|(subject, description)| (if subject.is_empty() { "..." } else { subject }, description))
        .collect()
}

/// What to do about it, where that is known.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    if says_damaged(error) {
        return Some(AFTER_DAMAGE);
    }
    let client = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>())?;
    match client {
        ClientError::OutcomeUnknown { .. } => {
            Some("run the command again with the same --request-id: it can't take effect twice")
        }
        ClientError::NoLeader { .. } => {
            Some("see `stockade cluster status`; more than half of the nodes must be up")
        }
        ClientError::Overloaded { .. } => Some("try again in a moment; nothing was applied"),
        ClientError::Unavailable { .. } => Some(
            "is a node running there? name one with --cluster HOST:PORT, or start one with `stockade start`",
        ),
        ClientError::Rejected(refusal) => after_refusal(refusal),
        ClientError::Invalid(_) | ClientError::Transport(_) => None,
    }
}

fn after_refusal(refusal: &Refusal) -> Option<&'static str> {
    match refusal.reason.as_str() {
        "INSUFFICIENT_STOCK" => {
            Some("see `stockade stock list`; book goods in with `stockade stock receive`")
        }
        "RESERVATION_EXPIRED" => Some(
            "its units can be sold again: order or reserve them once more, under a new id; for an order that was paid all the \
                 same, `stockade order confirm ORDER --reacquire` takes them anew if they are still there",
        ),
        "REQUEST_ID_REUSED" => Some("leave --request-id out, or repeat the command exactly as it was"),
        "ETAG_MISMATCH" => Some(
            "somebody changed it since: look at it again, and repeat the command with the etag it has now",
        ),
        "PRECONDITION_FAILED" => {
            Some("look at it again, and decide anew whether and how the transaction should be done")
        }
        "TOO_LARGE" => Some(
            "ask for less at once, or for an order use a strategy that splits less, such as `--sourcing priority`",
        ),
        "QUANTITY_STALE" => Some(
            "the quantity changed since it was counted: see `stockade stock get`, and decide again what it should be",
        ),
        "SKU_IN_USE" => Some("see `stockade stock list --sku SKU`; a SKU can be deleted once all of it is 0"),
        "LOCATION_IN_USE" => Some(
            "see `stockade stock list --location LOCATION`; a location can be deleted once all of it is 0. To only stop orders: \
             `stockade location update LOCATION --disabled`",
        ),
        "LOCATION_DISABLED" => Some(
            "take the units from another location, or let it take orders again: `stockade location update LOCATION --disabled=false`",
        ),
        "PURCHASE_LIMIT" => Some("order as much as is allowed; `stockade sku get` shows the limits"),
        "REVISION_AHEAD" => Some(
            "ask for a revision that has happened, or with --time for what there is now; of --consistency at-least ask another node. \
             `stockade cluster status` shows how far each is",
        ),
        "NOT_FOUND" => {
            let missing = refusal.details.resource_info()?;
            match missing.resource_type.as_str() {
                "location" => Some("see `stockade location list`; make one with `stockade location create`"),
                "sku" => Some("see `stockade sku list`; make one with `stockade sku create`"),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What to do where an entry of the log can't be executed: each start ends there again, on every node alike.
fn after_entry(error: &anyhow::Error) -> Option<String> {
    let failure = error.chain().find_map(|cause| {
        // Entries are applied while the node is still starting.
        if let Some(StartError::Failed(failure)) = cause.downcast_ref() {
            return Some(failure);
        }
        cause.downcast_ref().map(|RunError(failure)| failure)
    })?;
    // A failure crosses threads as text; these are storage's words.
    let (_, named) = failure.cause.split_once("log entry ")?;
    let index: u64 = named.split(' ').next()?.parse().ok()?;
    if failure.what != "apply" {
        return None;
    }
    Some(format!(
        "if every node stops at entry {index}, look at it with `stockade inspect wal --data-dir DIR --from {index} --to {index} \
         --entries`, then skip it on all of them with `stockade recover skip-entry`; first read \
         docs/operating/skip-entry.md. If only this node stops there, replace it: `stockade cluster replace`"
    ))
}

/// What to do with a node whose data is damaged. For somebody who was woken up: exact, and in order.
const AFTER_DAMAGE: &str = "\
this node can't go on with this data; the other nodes have everything that was acknowledged. In this order:
        1. keep the data directory for examination: mv DIR DIR.damaged
        2. start a new node with an id higher than any before and an empty directory:
           stockade start --node-id NEW --data-dir NEWDIR --join PEER[,PEER] (peer addresses of the nodes that run)
        3. give it this node's place, while the cluster serves:
           stockade cluster replace OLD --with NEW=HOST:PORT --cluster NODE[,NODE] (HOST:PORT is its peer address)
        Never start the old id again, nor on an empty directory. More in docs/operating/replace-a-node.md";

/// True where the node stands before damaged data, at its start or later.
fn says_damaged(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<StartError>() {
        Some(error) => error.is_damage(),
        None => cause.downcast_ref::<RunError>().is_some_and(|error| error.exit() == Exit::DataDirectory),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_under_added_context() {
        let error = anyhow::Error::new(Failure::new(Exit::ProofFailed, "lost")).context("the demo");
        assert_eq!(exit_of(&error), Exit::ProofFailed);
        assert_eq!(exit_of(&anyhow::anyhow!("anything")), Exit::Error);
    }

    #[test]
    fn a_cause_that_the_message_quotes_is_not_repeated() {
        let cause = std::io::Error::other("no space");
        let error = anyhow::Error::new(cause).context("wal: no space").context("the node stopped");
        assert_eq!(describe(&error), "error: the node stopped: wal: no space\n");
    }

    #[test]
    fn a_node_that_stopped_at_an_entry_names_it_in_the_advice() {
        let stopped = |what: &str, cause: &str| {
            let (what, cause) = (what.to_owned(), cause.to_owned());
            anyhow::Error::new(RunError(stockade_env::Failure {
                kind: stockade_env::FailureKind::Bug,
                what,
                cause,
            }))
        };
        for cause in [
            "panicked at log entry 4711 of term 3",
            "log entry 4711 of term 3 can't be executed: no commands",
        ] {
            let text = describe(&stopped("apply", cause));
            assert!(text.contains("--from 4711 --to 4711") && text.contains("skip-entry"), "{text}");
        }
        assert!(!describe(&stopped("apply", "panicked")).contains("skip-entry"));
        assert!(!describe(&stopped("raft", "log entry 4711 is missing")).contains("skip-entry"));
    }

    #[test]
    fn a_node_that_stopped_for_damage_says_how_its_place_is_filled() {
        let stopped = |kind| {
            let (what, cause) = ("wal".to_owned(), "a segment".to_owned());
            anyhow::Error::new(RunError(stockade_env::Failure { kind, what, cause }))
        };
        let text = describe(&stopped(stockade_env::FailureKind::Damaged));
        assert!(text.contains("--join") && text.contains("stockade cluster replace"), "{text}");
        assert_eq!(advice(&stopped(stockade_env::FailureKind::Storage)), None);
    }

    #[test]
    fn an_unknown_fate_is_no_refusal_and_says_how_to_go_on() {
        let error = anyhow::Error::new(ClientError::OutcomeUnknown {
            request_id: "r".to_owned(),
            cause: "time".to_owned(),
        });
        assert_eq!(exit_of(&error), Exit::Unavailable);
        assert!(advice(&error).unwrap().contains("--request-id"));
    }

    fn refused(reason: &str, details: tonic_types::ErrorDetails) -> anyhow::Error {
        let (reason, message) = (reason.to_owned(), "no".to_owned());
        let code = tonic::Code::FailedPrecondition;
        let refusal = Refusal { code, reason, message, details, header: None };
        anyhow::Error::new(ClientError::Rejected(Box::new(refusal)))
    }

    #[test]
    fn a_node_that_can_not_answer_now_has_not_said_no() {
        let no_details = tonic_types::ErrorDetails::new;
        for reason in ["OVERLOADED", "NO_LEADER", "SHUTTING_DOWN", "NODE_REMOVED"] {
            assert_eq!(exit_of(&refused(reason, no_details())), Exit::Unavailable, "{reason}");
        }
        assert_eq!(exit_of(&refused("REVISION_AHEAD", no_details())), Exit::Refused);
    }

    #[test]
    fn a_missing_location_says_how_one_is_made() {
        let mut details = tonic_types::ErrorDetails::new();
        details.set_resource_info("location", "main", "", "does not exist");
        assert!(describe(&refused("NOT_FOUND", details)).contains("stockade location create"));
        let mut details = tonic_types::ErrorDetails::new();
        details.set_resource_info("order", "o1", "", "does not exist");
        assert!(!describe(&refused("NOT_FOUND", details)).contains("next:"));
    }

    #[test]
    fn every_sku_beyond_its_limit_is_named() {
        let mut details = tonic_types::ErrorDetails::new();
        details.add_quota_failure_violation("skus/mug", "asked 9, at least 0, at most 5");
        details.add_quota_failure_violation("", "and 3 more");
        let text = describe(&refused("PURCHASE_LIMIT", details));
        assert!(text.contains("skus/mug: asked 9") && text.contains("...: and 3 more"), "{text}");
    }

    #[test]
    fn what_callers_can_do_about_a_refusal_is_said() {
        for reason in [
            "ETAG_MISMATCH",
            "QUANTITY_STALE",
            "SKU_IN_USE",
            "LOCATION_IN_USE",
            "LOCATION_DISABLED",
            "PURCHASE_LIMIT",
            "RESERVATION_EXPIRED",
            "PRECONDITION_FAILED",
            "TOO_LARGE",
            "REVISION_AHEAD",
        ] {
            let text = describe(&refused(reason, tonic_types::ErrorDetails::new()));
            assert!(text.contains("next: "), "{reason}: {text}");
        }
    }
}

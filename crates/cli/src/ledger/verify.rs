//! `stockade ledger verify`: a node reads its whole ledger and says whether it is as it was written.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use stockade_client::{Client, Error as ClientError, VerifiedLedger};
use stockade_proto::v1::LedgerProblem;
use stockade_server::Exit;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::offline::hex;
use crate::one_node::OneNodeArgs;
use crate::output::{self, Output};
use crate::print;
use crate::progress::Progress;

/// Has a node verify its ledger; an error where something does not fit.
pub(super) async fn run(client: &Client, node: &OneNodeArgs, output: Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let address = node.address(client).await?;
    let mut shown = Shown::default();
    let verified = client.verify_ledger_of(&address, |read, total| shown.advance(read, total)).await;
    shown.finish();
    let verified = verified.map_err(found_nothing)?;
    let took = started.elapsed();
    output.print(&object(&verified, took), || text(&verified));
    match wrong(&verified) {
        None => Ok(()),
        Some(wrong) => Err(Failure::new(Exit::ProofFailed, wrong).into()),
    }
}

/// How far the node is, once it has said how far it goes.
#[derive(Default)]
struct Shown {
    progress: Option<Progress>,
    read: u64,
}

impl Shown {
    fn advance(&mut self, read: u64, total: u64) {
        // A node that has just begun does not know yet.
        if total == 0 {
            return;
        }
        let progress = self.progress.get_or_insert_with(|| Progress::begin("ledger", "entries", total));
        progress.advance(read.saturating_sub(self.read));
        self.read = self.read.max(read);
    }

    fn finish(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }
}

/// A verification that did not come to its end says nothing of the ledger.
fn found_nothing(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Transport(what) => {
            let what = format!("{what}; nothing was found out, ask again");
            Failure::new(Exit::Unavailable, what).into()
        }
        error => error.into(),
    }
}

fn node_id(verified: &VerifiedLedger) -> u64 {
    verified.header.as_ref().map_or(0, |header| header.node_id)
}

fn is_sound(verified: &VerifiedLedger) -> bool {
    verified.found.problem_count == 0 && verified.found.problems.is_empty()
}

/// What is wrong, in one sentence; `None` where all is as it was written.
fn wrong(verified: &VerifiedLedger) -> Option<String> {
    if is_sound(verified) {
        return None;
    }
    let first = verified.found.problems.first().map_or_else(|| "it does not say where".to_owned(), place);
    let more = match verified.found.problem_count {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    Some(format!(
        "the ledger of node {} is not as it was written: {first}{more}; see docs/operating/audit.md",
        node_id(verified)
    ))
}

fn place(problem: &LedgerProblem) -> String {
    match problem.revision {
        0 => problem.what.clone(),
        revision => format!("entry {} of revision {revision}: {}", problem.position, problem.what),
    }
}

#[allow(clippy::float_arithmetic, reason = "seconds, for people and reports")]
fn object(verified: &VerifiedLedger, took: Duration) -> Value {
    let found = &verified.found;
    json!({
        "header": print::header(verified.header.as_ref()),
        "node_id": node_id(verified),
        "ok": is_sound(verified),
        "revision": found.revision,
        "entries": verified.entries,
        "chain_hash": hex(&found.chain_hash),
        "stock_rows": found.stock_rows,
        "problem_count": found.problem_count,
        "problems": found.problems.iter().map(print::problem_object).collect::<Vec<_>>(),
        "seconds": took.as_secs_f64(),
    })
}

fn text(verified: &VerifiedLedger) -> String {
    let found = &verified.found;
    let mut text = output::record(&[
        ("node", node_id(verified).to_string()),
        ("revision", found.revision.to_string()),
        ("entries", verified.entries.to_string()),
        ("stock rows", found.stock_rows.to_string()),
        ("chain hash", hex(&found.chain_hash)),
        ("problems", if is_sound(verified) { "none".to_owned() } else { found.problem_count.to_string() }),
    ]);
    if !found.problems.is_empty() {
        let _ = write!(text, "\n{}", print::problem_table(&found.problems));
    }
    let named = u64::try_from(found.problems.len()).unwrap_or(u64::MAX);
    if found.problem_count > named {
        let _ = write!(text, "... and {} more", found.problem_count - named);
    }
    text
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::{LedgerVerification, ResponseHeader};

    use super::*;
    use crate::failure::exit_of;

    fn verified(problems: &[(u64, u32, &str)], problem_count: u64) -> VerifiedLedger {
        let problem = |(revision, position, what): &(u64, u32, &str)| LedgerProblem {
            revision: *revision,
            position: *position,
            what: (*what).to_owned(),
        };
        VerifiedLedger {
            header: Some(ResponseHeader { node_id: 2, ..ResponseHeader::default() }),
            entries: 12,
            found: LedgerVerification {
                revision: 40,
                chain_hash: vec![0xab, 1],
                stock_rows: 3,
                problems: problems.iter().map(problem).collect(),
                problem_count,
            },
        }
    }

    #[test]
    fn a_ledger_that_is_sound_has_a_hash_to_note() {
        let sound = verified(&[], 0);
        assert_eq!(wrong(&sound), None);
        let object = object(&sound, Duration::from_millis(1_500));
        assert_eq!((&object["ok"], &object["chain_hash"]), (&json!(true), &json!("ab01")));
        assert_eq!(
            (&object["node_id"], &object["revision"], &object["entries"]),
            (&json!(2), &json!(40), &json!(12))
        );
        assert_eq!(object["seconds"], json!(1.5));
        assert!(text(&sound).contains("problems    none"), "{}", text(&sound));
    }

    #[test]
    fn every_problem_is_named_and_the_rest_counted() {
        let broken =
            verified(&[(9, 1, "the hash differs"), (0, 0, "mug at main: 3 by the ledger, 4 in stock")], 7);
        let said = wrong(&broken).unwrap();
        assert!(
            said.contains("node 2") && said.contains("entry 1 of revision 9: the hash differs (and 6 more)"),
            "{said}"
        );
        let object = object(&broken, Duration::ZERO);
        assert_eq!((&object["ok"], &object["problem_count"]), (&json!(false), &json!(7)));
        assert_eq!(
            object["problems"][0],
            json!({ "revision": 9, "position": 1, "what": "the hash differs" })
        );
        let text = text(&broken);
        assert!(text.contains("the hash differs") && text.contains("mug at main"), "{text}");
        assert!(text.ends_with("... and 5 more"), "{text}");
    }

    #[test]
    fn problems_that_are_not_named_are_problems() {
        assert!(wrong(&verified(&[], 1)).is_some_and(|said| said.contains("does not say where")));
    }

    #[test]
    fn a_node_that_breaks_off_has_found_nothing_wrong() {
        let error = found_nothing(ClientError::Transport("shop-1:7001 stopped".to_owned()));
        assert_eq!(exit_of(&error), Exit::Unavailable);
        assert!(error.to_string().contains("nothing was found out"), "{error}");
        assert_eq!(exit_of(&found_nothing(ClientError::Invalid(String::new()))), Exit::Usage);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_begins_once_the_length_is_known_and_never_goes_back() {
        let mut shown = Shown::default();
        shown.advance(0, 0);
        assert!(shown.progress.is_none());
        for read in [0, 500, 400, 900] {
            shown.advance(read, 1_000);
        }
        assert!(shown.progress.is_some());
        assert_eq!(shown.read, 900);
    }
}

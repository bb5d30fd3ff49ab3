//! `stockade transact`: the lines of a file as one transaction.
//!
//! Read `script.rs` for how a file becomes preconditions and operations, `require.rs` for how a precondition is written.

mod require;
mod script;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use stockade_client::{Error, Refusal};
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;
use stockade_proto::v1::{Mutation, MutationResult, ResponseHeader, TransactRequest, TransactResponse};
use stockade_server::Exit;

use self::script::{Bad, Script};
use crate::changed::{self, Changed};
use crate::connect::{ClusterArgs, RequestArgs};
use crate::failure::Failure;
use crate::mutation::{self, Asked};
use crate::output::{Output, record, table};
use crate::print;

/// Bytes of a file: as many as a node takes in a message.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Stands for standard input.
const STANDARD: &str = "-";

#[derive(Debug, clap::Args)]
pub(crate) struct TransactArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The file; `-` for standard input. Each line is a command that changes something, without `stockade`, as it would be
    /// given to a shell (`order ship o1 --line 1:2`), or says what must be so before the first of them: `require order o1
    /// state confirmed`. Empty lines and what follows a # don't count.
    file: PathBuf,
    #[command(flatten)]
    request: RequestArgs,
}

pub(crate) async fn run(args: TransactArgs, output: Output) -> anyhow::Result<()> {
    let TransactArgs { cluster, file, request: by } = args;
    let script = Script::parse(&read(&file).await?).map_err(|bad| refuse(&bad))?;
    if script.operations.is_empty() {
        let text = format!("{} has no command in any line", file.display());
        return Err(Failure::new(Exit::Usage, text).into());
    }
    let validate_only = by.validate_only;
    let client = cluster.connect().await?;
    match mutation::send(&client, Asked::new(Request::Transact(request(&script)), by)).await {
        Ok(Response::Transact(answer)) => Report::of(&script, answer, validate_only)?.print(output),
        Ok(_) => bail!("a node answered a transaction with something else"),
        Err(error) => return Err(at_lines(error, &script)),
    }
    Ok(())
}

/// The whole text of a file.
async fn read(file: &Path) -> anyhow::Result<String> {
    let path = file.to_owned();
    let read = move || -> std::io::Result<String> {
        use std::io::Read as _;
        let mut text = String::new();
        if path.as_os_str() == STANDARD {
            std::io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
        } else {
            std::fs::File::open(&path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
        }
        Ok(text)
    };
    let text = tokio::task::spawn_blocking(read).await?;
    let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    ensure!(bytes <= MAX_FILE_BYTES, "{} is larger than {MAX_FILE_BYTES} bytes", file.display());
    Ok(text)
}

/// Names every line that is wrong.
fn refuse(bad: &[Bad]) -> anyhow::Error {
    for Bad { line, why } in bad {
        eprintln!("line {line}: {why}");
    }
    let lines = if bad.len() == 1 { "1 line is".to_owned() } else { format!("{} lines are", bad.len()) };
    Failure::new(Exit::Usage, format!("{lines} wrong; nothing was changed")).into()
}

fn request(script: &Script) -> TransactRequest {
    let operations = script.operations.iter();
    TransactRequest {
        preconditions: script.preconditions.iter().map(|precondition| precondition.what.clone()).collect(),
        operations: operations
            .map(|operation| Mutation { timeout: None, request: Some(operation.request.clone()) })
            .collect(),
        ..TransactRequest::default()
    }
}

/// What every operation came to.
#[derive(Debug)]
struct Report<'a> {
    header: Option<ResponseHeader>,
    script: &'a Script,
    /// One for each operation.
    results: Vec<Changed>,
    validate_only: bool,
}

impl<'a> Report<'a> {
    fn of(script: &'a Script, answer: TransactResponse, validate_only: bool) -> anyhow::Result<Self> {
        let (asked, answered) = (script.operations.len(), answer.results.len());
        ensure!(asked == answered, "a node answered {asked} operations with {answered} results");
        let mut results = Vec::new();
        for (operation, MutationResult { response, .. }) in script.operations.iter().zip(answer.results) {
            let line = || format!("line {}: `{}`", operation.line, operation.command);
            let response =
                response.context("a node answered with a result that is empty").with_context(line)?;
            results.push(Changed::of(&operation.request, response).with_context(line)?);
        }
        Ok(Self { header: answer.header, script, results, validate_only })
    }

    fn print(&self, output: Output) {
        output.print(&self.object(), || self.text());
    }

    fn object(&self) -> Value {
        let numbered = (1_usize..).zip(self.script.operations.iter().zip(&self.results));
        let result = |(number, (operation, changed)): (usize, (&script::Operation, &Changed))| {
            let mut object =
                json!({ "operation": number, "line": operation.line, "command": operation.command });
            for (name, value) in &changed.fields {
                object[*name] = value.clone();
            }
            object
        };
        let results: Vec<Value> = numbered.map(result).collect();
        let mut object = json!({ "header": print::header(self.header.as_ref()), "results": results });
        if self.validate_only {
            object["validate_only"] = json!(true);
        }
        object
    }

    /// A row for each operation.
    fn text(&self) -> String {
        let row = |(operation, changed): (&script::Operation, &Changed)| {
            vec![operation.line.to_string(), operation.command.clone(), changed.brief()]
        };
        let rows: Vec<_> = self.script.operations.iter().zip(&self.results).map(row).collect();
        let rows = table(&["LINE", "COMMAND", "RESULT"], &["LINE"], &rows);
        if self.validate_only {
            return rows + &changed::no_effect(self.header.as_ref());
        }
        let pairs: Vec<_> = self.header.as_ref().map(changed::revision).into_iter().collect();
        format!("{rows}\n{}", record(&pairs))
    }
}

/// An error that names lines of the file, where a node names operations and preconditions by number.
fn at_lines(error: Error, script: &Script) -> anyhow::Error {
    let Error::Rejected(mut refusal) = error else { return error.into() };
    let line = line_of(&refusal, script);
    if let Some(mut wrong) = refusal.details.bad_request().cloned() {
        for violation in &mut wrong.field_violations {
            violation.field = script.line_of_field(&violation.field);
        }
        refusal.details.set_bad_request(wrong.field_violations);
    }
    if let Some(mut broken) = refusal.details.precondition_failure().cloned() {
        for violation in &mut broken.violations {
            violation.subject = script.line_of_subject(&violation.subject);
        }
        refusal.details.set_precondition_failure(broken.violations);
    }
    let error = anyhow::Error::new(Error::Rejected(refusal));
    match line {
        Some(line) => error.context(line),
        None => error,
    }
}

/// The one line that a refusal is about.
fn line_of(refusal: &Refusal, script: &Script) -> Option<String> {
    let metadata = &refusal.details.error_info()?.metadata;
    let number = |key: &str| metadata.get(key)?.parse::<usize>().ok()?.checked_sub(1);
    if let Some(operation) = number("operation_number").and_then(|index| script.operations.get(index)) {
        return Some(format!("line {}: `{}`", operation.line, operation.command));
    }
    let precondition = number("precondition").and_then(|index| script.preconditions.get(index))?;
    Some(format!("line {}: `{}`", precondition.line, precondition.text))
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::{DeleteSkuResponse, OrderState, PlaceOrderResponse};
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::failure::{describe, exit_of};

    const FILE: &str = "\
# Paid at the till.
require order o1 missing
require stock mug@main available 1..

order place --id o1 --line mug:2@main
sku delete teapot
";

    fn script() -> Script {
        Script::parse(FILE).unwrap()
    }

    fn results() -> TransactResponse {
        let placed = PlaceOrderResponse {
            order_id: "o1".to_owned(),
            state: OrderState::PendingPayment.into(),
            ..PlaceOrderResponse::default()
        };
        let result = |response| MutationResult { response: Some(response), ..MutationResult::default() };
        TransactResponse {
            header: Some(ResponseHeader { revision: 7, served_revision: 6, ..ResponseHeader::default() }),
            results: vec![
                result(Response::PlaceOrder(placed)),
                result(Response::DeleteSku(DeleteSkuResponse::default())),
            ],
        }
    }

    #[test]
    fn a_file_becomes_one_request_whose_operations_have_no_ids_of_their_own() {
        let request = request(&script());
        assert_eq!((request.preconditions.len(), request.operations.len()), (2, 2));
        let Some(Request::PlaceOrder(place)) = &request.operations[0].request else { panic!("no order") };
        assert_eq!(
            (place.request_id.as_str(), place.order_id.as_str(), place.validate_only),
            ("", "o1", false)
        );
    }

    #[test]
    fn every_operation_says_what_it_came_to() {
        let script = script();
        let report = Report::of(&script, results(), false).unwrap();
        let object = report.object();
        let first = &object["results"][0];
        assert_eq!((&first["operation"], &first["line"]), (&json!(1), &json!(5)));
        assert_eq!((&first["command"], &first["state"]), (&json!("order place"), &json!("PENDING_PAYMENT")));
        assert_eq!(object["results"][1]["deleted"], "teapot");
        assert_eq!((&object["header"]["revision"], object.get("validate_only")), (&json!(7), None));
        let text = report.text();
        let rows: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(rows[1].starts_with("5  order place  order o1, state PENDING_PAYMENT"), "{text}");
        assert!(rows[2].starts_with("6  sku delete   deleted teapot"), "{text}");
        assert_eq!(rows.last(), Some(&"revision  7"));
    }

    #[test]
    fn a_transaction_that_was_only_validated_says_so() {
        let script = script();
        let report = Report::of(&script, results(), true).unwrap();
        assert_eq!(report.object()["validate_only"], true);
        assert!(report.text().contains("nothing took effect"), "{}", report.text());
    }

    #[test]
    fn an_answer_with_other_results_is_no_answer() {
        let script = script();
        let mut answer = results();
        answer.results.truncate(1);
        assert!(Report::of(&script, answer, false).is_err());
        let mut answer = results();
        answer.results[1].response = None;
        let error = Report::of(&script, answer, false).unwrap_err();
        assert!(describe(&error).contains("line 6: `sku delete`"), "{}", describe(&error));
    }

    /// Details of a refusal for this reason, with metadata.
    fn details<const N: usize>(reason: &str, metadata: [(&str, &str); N]) -> ErrorDetails {
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, "stockade", metadata);
        details
    }

    fn refused(reason: &str, details: ErrorDetails) -> String {
        let (reason, message) = (reason.to_owned(), "no".to_owned());
        let code = tonic::Code::Aborted;
        let refusal = Refusal { code, reason, message, details, header: None };
        let error = at_lines(Error::Rejected(Box::new(refusal)), &script());
        assert_eq!(exit_of(&error), Exit::Refused);
        describe(&error)
    }

    #[test]
    fn a_refused_operation_is_named_by_its_line() {
        let text = refused("NOT_FOUND", details("NOT_FOUND", [("operation_number", "2")]));
        assert!(text.starts_with("error: line 6: `sku delete`: NOT_FOUND: no\n"), "{text}");
        let whole = details("ILLEGAL_TRANSITION", [("operation", "SHIP")]);
        assert!(refused("ILLEGAL_TRANSITION", whole).starts_with("error: ILLEGAL_TRANSITION: no\n"));
    }

    #[test]
    fn preconditions_that_do_not_hold_are_named_by_their_lines() {
        let one = details("PRECONDITION_FAILED", [("failed", "1"), ("precondition", "2")]);
        let text = refused("PRECONDITION_FAILED", one);
        assert!(text.contains("line 3: `require stock mug@main available 1..`"), "{text}");
        let mut two = details("PRECONDITION_FAILED", [("failed", "2")]);
        two.add_precondition_failure_violation("PRECONDITION_FAILED", "preconditions/1", "has etag e");
        two.add_precondition_failure_violation("PRECONDITION_FAILED", "preconditions/2", "has 0 units");
        let text = refused("PRECONDITION_FAILED", two);
        assert!(text.contains("  line 2: has etag e\n  line 3: has 0 units\n"), "{text}");
    }

    #[test]
    fn a_field_that_is_wrong_is_named_by_its_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("operations[0].lines[0].quantity", "must be less");
        details.add_bad_request_violation("preconditions[1].etag", "must be an etag");
        details.add_bad_request_violation("request_id", "must be a UUID");
        let text = refused("INVALID_ARGUMENT", details);
        let expected =
            "  line 5, lines[0].quantity: must be less\n  line 3, etag: must be an etag\n  request_id: ";
        assert!(text.contains(expected), "{text}");
    }
}

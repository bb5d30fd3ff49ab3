//! What an import came to.

use std::path::Path;

use serde_json::{Map, Value, json};
use stockade_client::Error;
use stockade_server::Exit;

use super::limits;
use crate::failure::Failure;
use crate::output::{Output, record};

/// Counts of an import, and its refusals.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    dry_run: bool,
    rows: u64,
    counts: Vec<(&'static str, u64)>,
    listed: Vec<Value>,
}

impl Report {
    /// Begins to count, each of `counts` from 0.
    pub(super) fn new(file: &Path, dry_run: bool, rows: usize, counts: &[&'static str]) -> Self {
        Self {
            file: file.display().to_string(),
            dry_run,
            rows: u64::try_from(rows).unwrap_or(u64::MAX),
            counts: counts.iter().map(|name| (*name, 0)).collect(),
            listed: Vec::new(),
        }
    }

    /// So many more.
    pub(super) fn add(&mut self, name: &str, by: u64) {
        let count = self.counts.iter_mut().find(|(known, _)| *known == name);
        count.expect("an import counts under the names that it began with").1 += by;
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }

    /// Counts what became of a line. What the cluster could not decide ends the import.
    pub(super) fn done(
        &mut self,
        line: u64,
        about: &[(&str, Value)],
        counter: &str,
        answer: Result<(), Error>,
    ) -> anyhow::Result<()> {
        match answer {
            Ok(()) => self.add(counter, 1),
            Err(Error::Rejected(refusal)) => {
                let under = if refusal.reason == "QUANTITY_STALE" { "stale" } else { "failed" };
                self.refused(line, about, under, &refusal.reason, &refusal.message);
            }
            Err(
                error @ (Error::Invalid(_)
                | Error::OutcomeUnknown { .. }
                | Error::NoLeader { .. }
                | Error::Overloaded { .. }
                | Error::Unavailable { .. }
                | Error::Transport(_)),
            ) => {
                let text = format!("line {line}: the import stopped; run it again and it goes on from here");
                return Err(anyhow::Error::new(error).context(text));
            }
        }
        Ok(())
    }

    /// Names a line that is refused, on standard error too.
    pub(super) fn refused(
        &mut self,
        line: u64,
        about: &[(&str, Value)],
        under: &str,
        reason: &str,
        why: &str,
    ) {
        eprintln!("line {line}: {reason}: {why}");
        self.add(under, 1);
        if self.listed.len() < limits::MAX_LISTED {
            let mut object: Map<String, Value> =
                about.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            object.insert("line".to_owned(), json!(line));
            object.insert("reason".to_owned(), json!(reason));
            object.insert("message".to_owned(), json!(why));
            self.listed.push(Value::Object(object));
        }
    }

    /// Prints the counts.
    pub(super) fn print(&self, output: Output) {
        output.print(&self.object(), || {
            let mut pairs = vec![("rows", self.rows.to_string())];
            pairs.extend(self.counts.iter().map(|(name, count)| (*name, count.to_string())));
            let note = if self.dry_run { "\nnothing was changed: this was a dry run" } else { "" };
            record(&pairs).trim_end().to_owned() + note
        });
    }

    fn object(&self) -> Value {
        let mut object = json!({ "file": self.file, "dry_run": self.dry_run, "rows": self.rows });
        for (name, count) in &self.counts {
            object[*name] = json!(count);
        }
        object["refused"] = json!(self.listed);
        object
    }

    /// An error where a line was refused.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let refused = self.count("failed") + self.count("stale");
        if refused == 0 {
            return Ok(());
        }
        let (lines, rest) = if refused == 1 { ("line", "it") } else { ("lines", "them") };
        let text = if self.dry_run {
            format!("{refused} {lines} would be refused; standard error names {rest}")
        } else {
            format!("{refused} {lines} refused, every other is done; standard error names {rest}")
        };
        Err(Failure::new(Exit::Refused, text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_and_the_first_are_listed() {
        let mut report = Report::new(Path::new("-"), false, 300, &["set", "stale", "failed"]);
        report.done(2, &[], "set", Ok(())).unwrap();
        for line in 3..=limits::MAX_LISTED as u64 + 10 {
            report.refused(line, &[("sku_id", json!("mug"))], "failed", "NOT_FOUND", "there is no sku mug");
        }
        let object = report.object();
        assert_eq!((&object["set"], &object["failed"]), (&json!(1), &json!(108)));
        assert_eq!(object["refused"].as_array().map(Vec::len), Some(limits::MAX_LISTED));
        assert_eq!(object["refused"][0]["line"], 3);
        assert_eq!(crate::failure::exit_of(&report.verdict().unwrap_err()), Exit::Refused);
    }

    #[test]
    fn what_the_cluster_could_not_decide_ends_the_import() {
        let mut report = Report::new(Path::new("-"), false, 1, &["set", "stale", "failed"]);
        let error = Error::NoLeader { cause: "none".to_owned() };
        let error = report.done(2, &[], "set", Err(error)).unwrap_err();
        assert_eq!(crate::failure::exit_of(&error), Exit::Unavailable);
        assert!(report.verdict().is_ok());
    }
}

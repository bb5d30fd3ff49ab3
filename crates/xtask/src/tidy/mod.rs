//! `cargo xtask tidy`: the rules of the project that neither the compiler nor clippy knows. One file a check.

mod confinement;
mod crate_docs;
mod directions;
mod layout;
mod length;
mod links;
mod provoked;
mod seeded_bugs;
mod source;
mod tree;
mod versions;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use tree::Tree;

/// Whether a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Fails the run.
    Error,
    /// Is only reported.
    Warning,
}

/// A rule that is broken somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// Path from the top level, with slashes.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// Name of the check.
    pub(crate) check: &'static str,
    /// Whether it fails the run.
    pub(crate) severity: Severity,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl Finding {
    fn error(check: &'static str, file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, check, severity: Severity::Error, message: message.into() }
    }
}

/// What all checks found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Files looked at.
    files: usize,
    /// Findings that fail the run.
    errors: usize,
    /// Findings that are only reported.
    warnings: usize,
    /// In the order of files and lines.
    findings: Vec<Finding>,
}

impl Report {
    fn new(files: usize, mut findings: Vec<Finding>) -> Self {
        findings.sort();
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        Self { files, errors, warnings: findings.len() - errors, findings }
    }

    /// True where nothing fails the run.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { file, line, check, severity, message } in &self.findings {
            let severity = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            writeln!(f, "{file}:{line}: {severity}[{check}]: {message}")?;
        }
        writeln!(f, "tidy: {} files, {} errors, {} warnings", self.files, self.errors, self.warnings)
    }
}

/// Runs every check over a workspace.
pub(crate) fn run(root: &Path) -> anyhow::Result<Report> {
    let root = root.canonicalize().with_context(|| format!("finding {}", root.display()))?;
    let tree = Tree::load(&root)?;
    let metadata = directions::metadata(&root)?;
    let mut findings = directions::check(&tree, &metadata);
    for check in [
        confinement::check,
        crate_docs::check,
        layout::check,
        length::check,
        links::check,
        provoked::check,
        seeded_bugs::check,
        versions::check,
        words::check,
    ] {
        findings.extend(check(&tree));
    }
    Ok(Report::new(tree.files.len(), findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_alone_leaves_the_report_clean() {
        let mut finding = Finding::error("length", "a.rs", 7, "long");
        assert!(!Report::new(1, vec![finding.clone()]).is_clean());
        finding.severity = Severity::Warning;
        let report = Report::new(1, vec![finding]);
        assert!(report.is_clean());
        assert_eq!(
            report.to_string(),
            "a.rs:7: warning[length]: long\ntidy: 1 files, 0 errors, 1 warnings\n"
        );
    }
}

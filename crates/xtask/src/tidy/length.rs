//! Files that grew past one subject.

use super::source::is_test_file;
use super::tree::Tree;
use super::{Finding, Severity};

const CHECK: &str = "length";

/// Lines of code that ships, from which a file is reported.
const REPORTED: usize = 500;
/// Lines of code that ships, from which a file fails the run.
const REFUSED: usize = 600;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs").filter(|(path, _)| !is_test_file(path)) {
        let lines = lines_that_ship(text);
        if lines > REPORTED {
            let severity = if lines > REFUSED { Severity::Error } else { Severity::Warning };
            let message = format!(
                "{lines} lines besides tests, comfortable are up to 350: move the second subject to a file of its own"
            );
            findings.push(Finding { file: path.to_owned(), line: REPORTED, check: CHECK, severity, message });
        }
    }
    findings
}

/// All lines before the test module, which stands last; comments and blank ones count.
fn lines_that_ship(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    #[test]
    fn a_long_file_is_reported_and_a_longer_one_refused() {
        let of = |lines| "// a\n".repeat(lines);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", of(300), of(900));
        let (_directory, tree) = fixture::tree(&[
            ("crates/a/src/comfortable.rs", &of(500)),
            ("crates/a/src/long.rs", &of(501)),
            ("crates/a/src/longer.rs", &of(601)),
            ("crates/a/src/tested.rs", &tested),
            ("crates/a/tests/suite.rs", &of(900)),
        ]);
        let found: Vec<_> =
            check(&tree).into_iter().map(|finding| (finding.file, finding.severity)).collect();
        let expected =
            [("crates/a/src/long.rs", Severity::Warning), ("crates/a/src/longer.rs", Severity::Error)];
        assert_eq!(found, expected.map(|(file, severity)| (file.to_owned(), severity)));
    }
}

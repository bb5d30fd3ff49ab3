//! Words that have no place in the repository: paths of one machine, and marks of what is unfinished.

use super::Finding;
use super::source::code_lines;
use super::tree::{Tree, has_extension};

const CHECK: &str = "words";

/// Directories of one machine. Put together here, so that this file doesn't hold them.
const MACHINE_PATHS: &[&str] = &[concat!("/", "work"), concat!("/", "root"), concat!("/tmp/", "bash_jobs")];

/// Macros that stand for code that isn't there.
const UNFINISHED_MACROS: &[&str] = &["todo!", "unimplemented!"];

/// Comments that stand for it.
const UNFINISHED_MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("SKEL", "ETON")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(found) = MACHINE_PATHS.iter().find(|found| has_absolute(line, found)) {
                let message =
                    format!("{found} is a path of one machine: take it as an argument or make it relative");
                findings.push(Finding::error(CHECK, path, number, message));
            }
            if let Some(found) = UNFINISHED_MARKS.iter().find(|found| has_whole(line, found)) {
                let message =
                    format!("{found} marks unfinished work: finish it or say plainly what is not there");
                findings.push(Finding::error(CHECK, path, number, message));
            }
        }
        if has_extension(path, "rs") {
            for (number, line) in code_lines(text) {
                if let Some(found) = UNFINISHED_MACROS.iter().find(|found| line.contains(*found)) {
                    findings.push(Finding::error(
                        CHECK,
                        path,
                        number,
                        format!("{found} stands for code that isn't there: write it"),
                    ));
                }
            }
        }
    }
    findings
}

/// True where the path stands in a line from the file system's root, and not inside a longer name.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let inside = |character: char| character.is_alphanumeric() || "._-}/)*~".contains(character);
        let goes_on = |character: char| character.is_alphanumeric() || "._-".contains(character);
        !line[..at].ends_with(inside) && !line[at + path.len()..].starts_with(goes_on)
    })
}

fn has_whole(line: &str, word: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word))
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let (_directory, tree) = fixture::tree(&[(path, text)]);
        check(&tree).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let work = MACHINE_PATHS[0];
        let text = format!(
            "cd {work}/main\nhttps://example.org{work}/\n${{DIR}}{work}/a\n{work}er\ncat \"{work}\"\n"
        );
        assert_eq!(lines_found("docs/a.md", &text), [1, 5]);
    }

    #[test]
    fn unfinished_code_is_found_but_not_in_a_string() {
        let text = format!("fn f() {{ todo!() }}\nlet a = \"todo!\";\n// {}: b\n", UNFINISHED_MARKS[0]);
        assert_eq!(lines_found("crates/a/src/lib.rs", &text), [3, 1]);
    }
}

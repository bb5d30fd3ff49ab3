//! The docs hang together: every relative link leads somewhere, and every page can be reached from the start.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{Tree, has_extension};

const CHECK: &str = "links";

/// Where a reader starts.
const STARTS: &[&str] = &["README.md", "docs/README.md"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (line, target) in links(text) {
            if let Some(wrong) = broken(tree, path, &target) {
                findings.push(Finding::error(CHECK, path, line, format!("link {target}: {wrong}")));
            }
        }
    }
    let reached = reached(tree);
    for (path, _) in
        tree.ending(".md").filter(|(path, _)| path.starts_with("docs/") && !reached.contains(*path))
    {
        findings.push(Finding::error(
            CHECK,
            path,
            1,
            "no page that a reader reaches links here: link it or remove it",
        ));
    }
    findings
}

/// The pages that links lead to from the start.
fn reached(tree: &Tree) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut ahead: Vec<String> = STARTS.iter().map(|start| (*start).to_owned()).collect();
    while let Some(path) = ahead.pop() {
        let Some(text) = tree.files.get(&path) else { continue };
        if reached.insert(path.clone()) && has_extension(&path, "md") {
            let targets = links(text).into_iter().map(|(_, target)| target);
            ahead.extend(targets.filter_map(|target| resolve(&path, split_anchor(&target).0)));
        }
    }
    reached
}

/// What is wrong with a link; links to the web are not followed.
fn broken(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    if target.starts_with('/') {
        return Some("write it relative to this page".to_owned());
    }
    let (file, anchor) = split_anchor(target);
    let path = if file.is_empty() { Some(from.to_owned()) } else { resolve(from, file) };
    let Some(path) = path.filter(|path| tree.has(path)) else {
        return Some("leads nowhere: correct it".to_owned());
    };
    let text = tree.files.get(&path).filter(|_| has_extension(&path, "md"))?;
    let known = anchor.is_empty() || headings(text).contains(anchor);
    (!known).then(|| format!("{path} has no heading #{anchor}: correct it"))
}

fn split_anchor(target: &str) -> (&str, &str) {
    target.split_once('#').unwrap_or((target, ""))
}

/// The path from the top level; `None` where it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The inline links of a page, `[text](target)`, outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second part stands between backticks.
        for part in line.split('`').step_by(2) {
            for (at, _) in part.match_indices("](") {
                let target = &part[at + 2..];
                let target = target.split([')', ' ']).next().unwrap_or(target);
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// The lines outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        if fence {
            fenced = !fenced;
        }
        !fenced && !fence
    })
}

/// The anchors that headings make: lower case, spaces to dashes, punctuation dropped.
fn headings(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title
                .chars()
                .filter(|character| character.is_alphanumeric() || "-_".contains(*character))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let (_directory, tree) = fixture::tree(&[
            (
                "README.md",
                "[a](docs/a.md) [`b`](docs/b.md)\n```\n[c](c.md)\n```\n`[d](d.md)` [w](https://example.org)\n[crates](crates)\n",
            ),
            (
                "docs/a.md",
                "# A title\n[up](../README.md) [out](../../x.md)\n[here](#a-title) [gone](#no-title)\n",
            ),
            ("crates/x/src/lib.rs", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| (finding.file, finding.line)).collect();
        let expected = [("README.md", 1), ("docs/a.md", 2), ("docs/a.md", 3)];
        assert_eq!(found, expected.map(|(file, line)| (file.to_owned(), line)));
    }

    #[test]
    fn a_page_that_nothing_leads_to_is_found() {
        let (_directory, tree) = fixture::tree(&[
            ("README.md", "[docs](docs/README.md)\n"),
            ("docs/README.md", "[a](internals/a.md#b)\n"),
            ("docs/internals/a.md", "# B\n"),
            ("docs/internals/lost.md", "[a](a.md)\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| finding.file).collect();
        assert_eq!(found, ["docs/internals/lost.md"]);
    }
}

//! Versions stand in the workspace's table and nowhere else.

use super::Finding;
use super::tree::Tree;

const CHECK: &str = "versions";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        findings.extend(dependencies(text).into_iter().filter(|dependency| !dependency.inherited).map(|dependency| {
            let message = format!(
                "{} names its own source: put it into [workspace.dependencies] at the top level and write `{}.workspace = true`",
                dependency.name, dependency.name
            );
            Finding::error(CHECK, path, dependency.line, message)
        }));
    }
    findings
}

struct Dependency {
    name: String,
    line: usize,
    /// Taken from the workspace's table.
    inherited: bool,
}

/// The dependencies of a manifest: `name = ...` lines of a table, and tables `[dependencies.name]`.
fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut section = String::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or("").trim();
        if let Some(header) = content.strip_prefix('[') {
            header.trim_matches(['[', ']']).clone_into(&mut section);
            if let Some(name) = own_table(&section) {
                found.push(Dependency { name: name.to_owned(), line, inherited: false });
            }
            continue;
        }
        let Some((key, value)) = content.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if own_table(&section).is_some() {
            if let (Some(last), "workspace", "true") = (found.last_mut(), key, value) {
                last.inherited = true;
            }
        } else if is_dependencies(&section) {
            let (name, inherited) = match key.strip_suffix(".workspace") {
                Some(name) => (name, value == "true"),
                None => (key, value.replace(' ', "").contains("workspace=true")),
            };
            found.push(Dependency { name: name.to_owned(), line, inherited });
        }
    }
    found
}

/// `dependencies`, its dev and build kin, and those of a target.
fn is_dependencies(section: &str) -> bool {
    section.rsplit('.').next().is_some_and(|last| last.ends_with("dependencies"))
}

/// The name in `dependencies.name`.
fn own_table(section: &str) -> Option<&str> {
    let (parent, name) = section.rsplit_once('.')?;
    (is_dependencies(parent) && !is_dependencies(section)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    #[test]
    fn a_version_in_a_member_is_found() {
        let member = "[package]\nversion.workspace = true\n\n[dependencies]\na.workspace = true\nb = \"1\"\n\
            c = { workspace = true, features = [\"x\"] }\nd = { path = \"../d\" }\n\n[dev-dependencies]\ne = \"2\" # why\n\n\
            [target.'cfg(unix)'.dependencies]\nf = \"3\"\n\n[dependencies.g]\nworkspace = true\n\n[dependencies.h]\nversion = \"4\"\n";
        let (_directory, tree) = fixture::tree(&[
            ("Cargo.toml", "[workspace.dependencies]\na = \"1\"\n"),
            ("crates/x/Cargo.toml", member),
        ]);
        let lines: Vec<_> = check(&tree).into_iter().map(|finding| (finding.file, finding.line)).collect();
        assert_eq!(lines, [6, 8, 11, 14, 19].map(|line| ("crates/x/Cargo.toml".to_owned(), line)));
    }
}

//! Which crate may depend on which, and which crates from outside are confined to which of ours.
//!
//! Tests may depend on more: only normal and build dependencies are held to the table.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use super::tree::Tree;
use super::{Finding, Severity};

const CHECK: &str = "directions";

/// Our crates and what each may depend on. `ANY` for what is no part of the product.
const ALLOWED: &[(&str, &[&str])] = &[
    ("stockade-env", &[]),
    ("stockade-credentials", &["env"]),
    ("stockade-state-machine", &[]),
    ("stockade-proto", &[]),
    // The second state machine is written from the interface's description: it takes the types of the first, no rule.
    ("stockade-model", &["state-machine"]),
    ("stockade-storage", &["state-machine", "env"]),
    ("stockade-consensus", &["storage", "state-machine", "proto", "credentials", "env"]),
    ("stockade-history", &["proto"]),
    ("stockade-client", &["history", "proto", "credentials", "env"]),
    // The judge sees what a cluster said, not how it came to it: of storage it takes the hash of a state alone.
    ("stockade-checker", &["history", "model", "storage", "state-machine", "proto"]),
    ("stockade-gateway", &["consensus", "storage", "state-machine", "proto", "client", "credentials", "env"]),
    ("stockade-recovery", &["storage", "client", "proto", "env"]),
    (
        "stockade-server",
        &["gateway", "consensus", "storage", "recovery", "proto", "client", "credentials", "env"],
    ),
    // The offline commands look at a data directory that no node uses: there is nobody to ask but the disk.
    ("stockade-cli", &["server", "storage", "client", "checker", "history", "proto", "credentials", "env"]),
    ("stockade-sim", ANY),
    ("stockade-trials", ANY),
    ("stockade-xtask", ANY),
    ("stockade-tests", ANY),
];
const ANY: &[&str] = &["*"];

/// Crates from outside that only some of ours may name, tests included.
const CONFINED: &[(&str, &[&str])] = &[
    ("openraft", &["stockade-storage", "stockade-consensus", "stockade-trials"]),
    ("sled", &["stockade-storage"]),
    ("bincode", &["stockade-storage"]),
    ("rustls", &["stockade-credentials"]),
    ("tokio-rustls", &["stockade-credentials"]),
    ("rcgen", &["stockade-credentials"]),
];

/// Our crates that stand on the standard library alone.
const STANDARD_LIBRARY_ONLY: &[&str] = &["stockade-state-machine"];

/// What `cargo metadata` says of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for normal ones.
    kind: Option<String>,
}

impl Dependency {
    fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Asks cargo; needs no network.
pub(super) fn metadata(root: &Path) -> anyhow::Result<Metadata> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()
        .context("running cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")
}

pub(super) fn check(tree: &Tree, metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = relative(tree, &package.manifest_path);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            let message = format!(
                "crate {} has no row in ALLOWED of directions.rs: say there what it may depend on",
                package.name
            );
            findings.push(finding(&manifest, 1, message));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(message) = broken_rule(&package.name, allowed, dependency) {
                let line = line_of(tree, &manifest, &dependency.name);
                findings.push(finding(&manifest, line, message));
            }
        }
    }
    findings
}

fn broken_rule(package: &str, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    if let Some((_, homes)) = CONFINED.iter().find(|(confined, _)| *confined == name)
        && !homes.contains(&package)
    {
        return Some(format!(
            "{package} may not depend on {name}, which is confined to {}: ask that crate",
            homes.join(" and ")
        ));
    }
    if allowed == ANY || dependency.is_dev() {
        return None;
    }
    if STANDARD_LIBRARY_ONLY.contains(&package) {
        return Some(format!("{package} stands on the standard library alone: remove {name}"));
    }
    let ours = name.strip_prefix("stockade-")?;
    if allowed.contains(&ours) {
        return None;
    }
    let may = if allowed.is_empty() { "none of our crates".to_owned() } else { allowed.join(", ") };
    Some(format!(
        "{package} may not depend on {name} (it may on: {may}): move the code to where the direction is right"
    ))
}

fn finding(file: &str, line: usize, message: String) -> Finding {
    Finding { file: file.to_owned(), line, check: CHECK, severity: Severity::Error, message }
}

fn relative(tree: &Tree, path: &str) -> String {
    let path = Path::new(path);
    path.strip_prefix(&tree.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Where a manifest names a dependency; 1 where it can't be seen.
fn line_of(tree: &Tree, manifest: &str, dependency: &str) -> usize {
    let names = |line: &str| {
        let rest = line.trim_start_matches('[').trim();
        rest.strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '=', ']']))
    };
    let text = tree.files.get(manifest).map_or("", String::as_str);
    text.lines().position(names).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    /// What cargo would say of one crate with one dependency.
    fn found(package: &str, dependency: &str, kind: &str) -> Vec<Finding> {
        let manifest =
            format!("[package]\nname = \"{package}\"\n\n[dependencies]\n{dependency}.workspace = true\n");
        let (directory, tree) = fixture::tree(&[("crates/x/Cargo.toml", &manifest)]);
        let kind = if kind.is_empty() { "null".to_owned() } else { format!("{kind:?}") };
        let json = format!(
            r#"{{"packages": [{{"name": "{package}", "manifest_path": "{}/crates/x/Cargo.toml",
                "dependencies": [{{"name": "{dependency}", "kind": {kind}, "path": null}}]}}]}}"#,
            directory.path().display()
        );
        check(&tree, &serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn the_state_machine_on_tokio_is_found_at_its_line() {
        let findings = found("stockade-state-machine", "tokio", "");
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].file.as_str(), findings[0].line), ("crates/x/Cargo.toml", 5));
        assert!(findings[0].message.contains("standard library alone"), "{}", findings[0].message);
    }

    #[test]
    fn the_client_on_storage_is_found() {
        let findings = found("stockade-client", "stockade-storage", "");
        assert!(
            findings[0].message.contains("may not depend on stockade-storage"),
            "{}",
            findings[0].message
        );
    }

    #[test]
    fn the_gateway_on_openraft_is_found_even_for_tests() {
        assert_eq!(found("stockade-gateway", "openraft", "").len(), 1);
        assert_eq!(found("stockade-gateway", "openraft", "dev").len(), 1);
        assert_eq!(found("stockade-consensus", "openraft", ""), []);
    }

    #[test]
    fn a_build_dependency_counts_and_a_test_dependency_does_not() {
        assert_eq!(found("stockade-client", "stockade-server", "build").len(), 1);
        assert_eq!(found("stockade-client", "stockade-server", "dev"), []);
        assert_eq!(found("stockade-state-machine", "goldenscript", "dev"), []);
    }

    #[test]
    fn an_allowed_direction_is_no_finding() {
        assert_eq!(found("stockade-storage", "stockade-state-machine", ""), []);
        assert_eq!(found("stockade-tests", "stockade-storage", ""), []);
        assert_eq!(found("stockade-cli", "anyhow", ""), []);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert!(found("stockade-surprise", "tokio", "")[0].message.contains("no row"));
    }
}

//! Which programs are on this machine. What isn't is named and left out.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// What a comparison with PostgreSQL runs; all of one version, so from one directory.
const POSTGRES: [&str; 5] = ["initdb", "postgres", "pg_basebackup", "pgbench", "psql"];
/// Where Debian keeps them, below a directory for each version.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// The directory that holds all of PostgreSQL; an error that says what to install.
pub(super) fn postgres() -> anyhow::Result<PathBuf> {
    let holds_all = |dir: &PathBuf| POSTGRES.iter().all(|program| dir.join(program).is_file());
    let found = search_path().into_iter().chain(debian_versions(Path::new(DEBIAN_POSTGRES))).find(holds_all);
    found.with_context(|| {
        format!(
            "no directory of PATH or {DEBIAN_POSTGRES}/*/bin has {} (Debian: postgresql)",
            POSTGRES.join(", ")
        )
    })
}

/// etcd's program; an error that says what to install.
pub(super) fn etcd(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        anyhow::ensure!(given.is_file(), "there is no file {}", given.display());
        return Ok(given.to_owned());
    }
    let found = search_path().into_iter().map(|dir| dir.join("etcd")).find(|path| path.is_file());
    found.context("no directory of PATH has etcd (Debian: etcd-server), and --etcd names none")
}

/// What a program says of its version, in one line.
pub(super) fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("running {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    anyhow::ensure!(!line.is_empty(), "{} doesn't say its version", program.display());
    Ok(line)
}

/// What must be said of a version of etcd beside its figures.
pub(super) fn etcd_warning(version: &str) -> Option<&'static str> {
    let number = version.rsplit(' ').next().unwrap_or_default();
    ["3.5.0", "3.5.1", "3.5.2"].contains(&number).then_some(
        "etcd 3.5.0 to 3.5.2 can lose data when a member crashes (corrected in 3.5.3): its figures are good for comparing speed, not safety",
    )
}

fn search_path() -> Vec<PathBuf> {
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect()
}

/// The directories of programs, the newest version first.
fn debian_versions(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<(Option<u32>, PathBuf)> =
        entries.map(|entry| (number(&entry.path()), entry.path().join("bin"))).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["9", "15", "13"] {
            fs::create_dir(dir.path().join(version)).unwrap();
        }
        let found = debian_versions(dir.path());
        assert_eq!(found, ["15", "13", "9"].map(|version| dir.path().join(version).join("bin")));
        assert!(debian_versions(&dir.path().join("none")).is_empty());
    }

    #[test]
    fn the_versions_of_etcd_that_lose_data_are_told() {
        assert!(etcd_warning("etcd Version: 3.5.1").is_some_and(|warning| warning.contains("lose data")));
        assert_eq!(etcd_warning("etcd Version: 3.5.16"), None);
        assert_eq!(etcd_warning("etcd Version: 3.4.23"), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = etcd(Some(Path::new("/nowhere/etcd"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/etcd"), "{error}");
        assert!(version(Path::new("/nowhere/etcd")).is_err());
    }
}

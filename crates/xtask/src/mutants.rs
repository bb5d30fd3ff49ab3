//! Are the tests any good? Each patch under `tests/mutants/` puts one bug into the product, and names the command that
//! must fail over it. A bug that survives is a hole in the tests.
//!
//! Patches are applied to a copy of the sources under `target/mutants`, never to the sources themselves. A patch begins
//! with lines of its own: `bug:` says what it does to users, `caught-by:` is the command.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;

/// Lines of a command's output that a report keeps.
const KEPT_LINES: usize = 15;
/// A command that takes longer hangs, and that is a find as well.
const LONGEST: Duration = Duration::from_mins(15);
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(50);

/// A seeded bug.
#[derive(Debug)]
struct Mutant {
    name: String,
    bug: String,
    caught_by: String,
    patch: PathBuf,
}

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    /// The command failed, as it should.
    Caught,
    /// The command passed.
    Survived,
    /// The patch doesn't fit the sources, or what it makes doesn't compile.
    Unfit,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    bug: String,
    caught_by: String,
    fate: Fate,
    seconds: u64,
    /// The end of what the command printed, unless it did as it should.
    said: Vec<String>,
}

/// The table.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    mutants: usize,
    caught: usize,
    survived: usize,
    unfit: usize,
    /// Commands that fail without any bug put in: they prove nothing.
    failing_commands: Vec<String>,
    rows: Vec<Row>,
}

impl Report {
    /// True where every bug was caught by a command that passes without it.
    pub(crate) fn holds(&self) -> bool {
        self.caught == self.mutants && self.failing_commands.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{:?}  {}: {} ({}, {} s)", row.fate, row.name, row.bug, row.caught_by, row.seconds)?;
            for line in &row.said {
                writeln!(f, "    {line}")?;
            }
        }
        for command in &self.failing_commands {
            writeln!(f, "fails without any bug: {command}")?;
        }
        writeln!(
            f,
            "{} mutants: {} caught, {} survived, {} unfit",
            self.mutants, self.caught, self.survived, self.unfit
        )
    }
}

/// Runs all mutants whose name, or command, contains `only`.
pub(crate) fn run(root: &Path, only: &str) -> anyhow::Result<Report> {
    let wanted = |mutant: &Mutant| mutant.name.contains(only) || mutant.caught_by.contains(only);
    let mutants: Vec<Mutant> = read_all(root)?.into_iter().filter(wanted).collect();
    let tree = root.join("target/mutants/tree");
    let mut report = Report {
        mutants: mutants.len(),
        caught: 0,
        survived: 0,
        unfit: 0,
        failing_commands: Vec::new(),
        rows: Vec::new(),
    };
    copy_sources(root, &tree)?;
    for command in mutants.iter().map(|mutant| mutant.caught_by.as_str()).collect::<BTreeSet<_>>() {
        eprintln!("without a bug: {command}");
        if !run_command(&tree, command)?.status.success() {
            report.failing_commands.push(command.to_owned());
        }
    }
    for mutant in mutants {
        eprintln!("{}: {}", mutant.name, mutant.bug);
        let begun = Instant::now();
        let (fate, said) = try_mutant(&tree, &mutant)?;
        // What the patch changed is put back; what it didn't is not written again, so that little is compiled anew.
        copy_sources(root, &tree)?;
        eprintln!("{}: {fate:?}", mutant.name);
        match fate {
            Fate::Caught => report.caught += 1,
            Fate::Survived => report.survived += 1,
            Fate::Unfit => report.unfit += 1,
        }
        let Mutant { name, bug, caught_by, patch: _ } = mutant;
        report.rows.push(Row { name, bug, caught_by, fate, seconds: begun.elapsed().as_secs(), said });
    }
    Ok(report)
}

fn read_all(root: &Path) -> anyhow::Result<Vec<Mutant>> {
    let dir = root.join("tests/mutants");
    let mut mutants = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let patch = entry?.path();
        if patch.extension().is_some_and(|extension| extension == "patch") {
            let text = fs::read_to_string(&patch)?;
            mutants.push(parse(&patch, &text)?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

fn parse(patch: &Path, text: &str) -> anyhow::Result<Mutant> {
    let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let head: BTreeMap<&str, &str> = text
        .lines()
        .take_while(|line| !line.starts_with("diff --git"))
        .filter_map(|line| line.split_once(": "))
        .collect();
    let line = |key: &str| {
        let value = head.get(key).with_context(|| format!("{name} has no line `{key}:`"))?;
        Ok::<_, anyhow::Error>((*value).to_owned())
    };
    let (bug, caught_by) = (line("bug")?, line("caught-by")?);
    ensure!(caught_by.starts_with("cargo "), "{name}: `caught-by` is no cargo command");
    Ok(Mutant { name, bug, caught_by, patch: patch.to_owned() })
}

fn try_mutant(tree: &Path, mutant: &Mutant) -> anyhow::Result<(Fate, Vec<String>)> {
    let mut apply = Command::new("git");
    // The copy lies within a repository, of which it is no part.
    apply.env("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(tree));
    let applied = apply.arg("apply").arg(&mutant.patch).current_dir(tree).output().context("running git")?;
    if !applied.status.success() {
        return Ok((Fate::Unfit, last_lines(&applied)));
    }
    let output = run_command(tree, &mutant.caught_by)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("could not compile") {
        return Ok((Fate::Unfit, last_lines(&output)));
    }
    if output.status.success() {
        return Ok((Fate::Survived, last_lines(&output)));
    }
    Ok((Fate::Caught, Vec::new()))
}

fn run_command(tree: &Path, command: &str) -> anyhow::Result<Output> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = Command::new(cargo);
    run.args(command.split_whitespace().skip(1)).current_dir(tree);
    // A directory of its own, and the environment of this build kept out of it.
    run.env("CARGO_TARGET_DIR", tree.with_file_name("build")).env_remove("CARGO_MANIFEST_DIR");
    let (stdout, stderr) = (tree.with_file_name("stdout"), tree.with_file_name("stderr"));
    run.stdout(fs::File::create(&stdout)?).stderr(fs::File::create(&stderr)?);
    // With all that it starts: a test that hangs is no child of ours.
    let mut child = run.process_group(0).spawn().with_context(|| format!("running {command}"))?;
    let deadline = Instant::now() + LONGEST;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            Command::new("kill").args(["-KILL", &format!("-{}", child.id())]).status()?;
            break child.wait()?;
        }
        std::thread::sleep(LOOK);
    };
    Ok(Output { status, stdout: fs::read(stdout)?, stderr: fs::read(stderr)? })
}

fn last_lines(output: &Output) -> Vec<String> {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&all);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(KEPT_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Brings the copy up to date with the sources: what git tracks, and what it would.
fn copy_sources(root: &Path, tree: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .context("running git")?;
    ensure!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).context("a file's name is not UTF-8")?;
    let names: BTreeSet<&str> = names.split('\0').filter(|name| root.join(name).is_file()).collect();
    remove_others(tree, "", &names)?;
    for name in names {
        let (from, to) = (root.join(name), tree.join(name));
        let content = fs::read(&from).with_context(|| format!("reading {name}"))?;
        if fs::read(&to).is_ok_and(|known| known == content) {
            continue;
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&from, &to).with_context(|| format!("copying {name}"))?;
    }
    Ok(())
}

/// Removes from the copy what is no source any more: a module that has moved would be there twice.
fn remove_others(tree: &Path, prefix: &str, names: &BTreeSet<&str>) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(tree.join(prefix)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            remove_others(tree, &format!("{name}/"), names)?;
        } else if !names.contains(name.as_str()) {
            fs::remove_file(entry.path()).with_context(|| format!("removing {name}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_what_it_breaks_and_what_must_find_it() {
        let text = "bug: a refusal is forgotten\ncaught-by: cargo test -p x\n\ndiff --git a/f b/f\nbug: no\n";
        let mutant = parse(Path::new("tests/mutants/forgets.patch"), text).unwrap();
        assert_eq!((mutant.name.as_str(), mutant.bug.as_str()), ("forgets", "a refusal is forgotten"));
        assert_eq!(mutant.caught_by, "cargo test -p x");
        assert!(parse(Path::new("x.patch"), "bug: y\n").is_err());
        assert!(parse(Path::new("x.patch"), "bug: y\ncaught-by: rm\n").is_err());
    }

    #[test]
    fn sources_are_copied_once_and_put_back_when_changed() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("target/mutants/tree");
        let git = |args: &[&str]| Command::new("git").args(args).current_dir(root.path()).output().unwrap();
        git(&["init", "--quiet"]);
        fs::write(root.path().join(".gitignore"), "target\n").unwrap();
        fs::write(root.path().join("a.txt"), "one").unwrap();
        copy_sources(root.path(), &tree).unwrap();
        fs::write(tree.join("a.txt"), "two").unwrap();
        copy_sources(root.path(), &tree).unwrap();
        assert_eq!(fs::read_to_string(tree.join("a.txt")).unwrap(), "one");
    }

    #[test]
    fn what_is_no_source_any_more_leaves_the_copy() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("target/mutants/tree");
        let git = |args: &[&str]| Command::new("git").args(args).current_dir(root.path()).output().unwrap();
        git(&["init", "--quiet"]);
        fs::write(root.path().join(".gitignore"), "target\n").unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/b.txt"), "one").unwrap();
        copy_sources(root.path(), &tree).unwrap();
        fs::rename(root.path().join("a/b.txt"), root.path().join("a/c.txt")).unwrap();
        copy_sources(root.path(), &tree).unwrap();
        assert!(!tree.join("a/b.txt").exists() && tree.join("a/c.txt").exists());
    }
}

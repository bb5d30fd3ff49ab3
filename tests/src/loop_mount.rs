//! A small file system of a test's own: ext4 in a file, mounted through a loop device. Needs root.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A mounted file system; unmounted and removed when this is dropped.
#[derive(Debug)]
pub struct LoopMount {
    image: PathBuf,
    mount: PathBuf,
    _dir: TempDir,
}

impl LoopMount {
    /// Why there can be none here: not root, or a tool or device is missing. `None` where there can.
    pub fn missing() -> Option<String> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if !root {
            return Some("it needs root, for a loop device".to_owned());
        }
        for tool in ["mkfs.ext4", "mount", "umount", "fsfreeze"] {
            let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
            if !found.is_ok_and(|output| output.status.success()) {
                return Some(format!("it needs {tool}"));
            }
        }
        // A container may have the tools and yet no loop devices.
        Self::new(16).err().map(|error| format!("no file system can be mounted: {error:#}"))
    }

    /// Makes and mounts an empty one.
    pub fn new(mebibytes: u64) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let image = dir.path().join("image");
        std::fs::File::create(&image)?.set_len(mebibytes << 20)?;
        run("mkfs.ext4", &["-q", "-F", &text(&image)?])?;
        Self::mount(dir, image)
    }

    /// Mounts a copy of an image, as a machine finds it that lost power when it was copied.
    pub fn of_copy(copy: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let image = dir.path().join("image");
        std::fs::rename(copy, &image).or_else(|_| copy_sparse(copy, &image))?;
        Self::mount(dir, image)
    }

    fn mount(dir: TempDir, image: PathBuf) -> anyhow::Result<Self> {
        let mount = dir.path().join("mount");
        std::fs::create_dir(&mount)?;
        run("mount", &["-o", "loop", &text(&image)?, &text(&mount)?])?;
        Ok(Self { image, mount, _dir: dir })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// A directory for the nodes of a cluster, of which these have theirs on this file system.
    pub fn home_of(&self, nodes: &[u64]) -> anyhow::Result<TempDir> {
        let parent = tempfile::tempdir()?;
        for id in nodes {
            let name = format!("node-{id}");
            std::fs::create_dir(self.mount.join(&name))?;
            symlink(self.mount.join(&name), parent.path().join(&name))?;
        }
        Ok(parent)
    }

    /// Holds up every write and sync until what this gives is dropped, as a disk does that doesn't answer. Reads go on. A
    /// process that writes there can't even be killed meanwhile.
    pub fn freeze(&self) -> anyhow::Result<Frozen> {
        run("fsfreeze", &["--freeze", &text(&self.mount)?])?;
        Ok(Frozen(self.mount.clone()))
    }

    /// Copies what the device holds at this moment: what was synced, and whatever else got there.
    pub fn copy_image(&self, to: &Path) -> anyhow::Result<()> {
        copy_sparse(&self.image, to).context("copying the image")
    }
}

/// A file system whose writes are held up as long as this lives.
#[derive(Debug)]
pub struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = run("fsfreeze", &["--unfreeze", &self.0.to_string_lossy()]) {
            eprintln!("{error:#}");
        }
    }
}

impl Drop for LoopMount {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind must not keep it for ever.
        if let Err(error) = run("umount", &["-l", &self.mount.to_string_lossy()]) {
            eprintln!("{error:#}");
        }
    }
}

fn copy_sparse(from: &Path, to: &Path) -> std::io::Result<()> {
    let copied = Command::new("cp").arg("--sparse=always").arg(from).arg(to).status()?;
    if copied.success() { Ok(()) } else { Err(std::io::Error::other("cp failed")) }
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("a path of text")?.to_owned())
}

fn run(tool: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(tool).args(arguments).output().with_context(|| format!("running {tool}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{tool}: {}", stderr.trim());
    Ok(())
}

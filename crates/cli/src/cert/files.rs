//! Writes files of certificates and keys: all or none where one is in the way, each whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Everybody.
    Public,
    /// Its owner.
    Secret,
}

/// A file to be written.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) secrecy: Secrecy,
}

/// Writes files into a directory, which is made where it is missing.
pub(super) fn write(dir: &Path, wanted: &[Wanted<'_>], force: bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    if !force {
        // Keys are first of all: a new one for an old certificate would help nobody.
        for Wanted { name, .. } in wanted {
            let path = dir.join(name);
            if path.try_exists().with_context(|| format!("looking for {}", path.display()))? {
                bail!(
                    "{} is there already; give --force to overwrite it, or write elsewhere",
                    path.display()
                );
            }
        }
    }
    for Wanted { name, text, secrecy } in wanted {
        let path = dir.join(name);
        replace(&path, text, *secrecy).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Puts a file in the place of another in one step: a node that looks at it meanwhile sees either.
fn replace(path: &Path, text: &str, secrecy: Secrecy) -> std::io::Result<()> {
    let mode = match secrecy {
        Secrecy::Public => 0o644,
        Secrecy::Secret => 0o600,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // One that was left behind may have another mode.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    // Without it a power cut could leave an empty key under the name.
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // Without it the old file could be back after a power cut.
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

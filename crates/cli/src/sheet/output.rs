//! Where an export goes: standard output, or a file that gets its name once it is whole.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::STANDARD;

/// What a new file allows, less what the process's mask takes away.
const PERMISSIONS: u32 = 0o666;

/// Takes the bytes of an export.
#[derive(Debug)]
pub(super) enum Sink {
    Standard,
    /// A pipe or a device, which has no second name.
    Special(File, PathBuf),
    /// A file beside the one that it becomes.
    Beside(NamedTempFile, PathBuf),
}

impl Sink {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new(STANDARD) {
            return Ok(Self::Standard);
        }
        let failed = || format!("cannot write {}", path.display());
        // A link keeps pointing at what is replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if std::fs::metadata(&target).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            let file = OpenOptions::new().write(true).open(&target).with_context(failed)?;
            return Ok(Self::Special(file, target));
        }
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".stockade-export-").permissions(Permissions::from_mode(PERMISSIONS));
        let file = builder.tempfile_in(directory.unwrap_or(Path::new("."))).with_context(failed)?;
        Ok(Self::Beside(file, target))
    }

    /// False where nobody reads on.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        let written = match self {
            Self::Standard => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Self::Special(file, _) => file.write_all(bytes),
            Self::Beside(file, _) => file.write_all(bytes),
        };
        match written {
            Ok(()) => Ok(true),
            // A reader that has gone away (`| head`) is no error.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).with_context(|| match self {
                Self::Standard => "cannot write standard output".to_owned(),
                Self::Special(_, path) | Self::Beside(_, path) => format!("cannot write {}", path.display()),
            }),
        }
    }

    /// Ends the export and tells where it went; none for standard output.
    pub(super) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Standard => Ok(None),
            Self::Special(_, path) => Ok(Some(path)),
            Self::Beside(file, path) => {
                let failed = || format!("cannot write {}", path.display());
                // Without it the name could stand for an empty file after a crash of the machine.
                file.as_file().sync_all().with_context(failed)?;
                file.persist(&path).map_err(|error| error.error).with_context(failed)?;
                Ok(Some(path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_its_name_once_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("skus.csv");
        std::fs::write(&path, "before").unwrap();
        let mut sink = Sink::create(&path).unwrap();
        assert!(sink.write(b"after").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        sink.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_export_that_breaks_off_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("skus.csv");
        let mut sink = Sink::create(&path).unwrap();
        sink.write(b"half").unwrap();
        drop(sink);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("a.csv"), directory.path().join("b.csv"));
        std::fs::write(&path, "before").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut sink = Sink::create(&link).unwrap();
        sink.write(b"after").unwrap();
        sink.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
        assert!(link.is_symlink());
    }
}

//! The lock on a data directory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::file::Files;
use crate::{Error, layout};

/// Keeps other processes out of the data directory until the last clone is dropped. The threads that write hold one each.
#[derive(Clone)]
pub struct DirLock(#[allow(dead_code, reason = "held for its drop")] Arc<dyn Send + Sync>);

impl DirLock {
    pub(crate) fn take(files: &dyn Files, dir: &Path) -> Result<Self, Error> {
        let path = dir.join(layout::LOCK_FILE);
        match files.lock(&path) {
            Ok(lock) => Ok(Self(Arc::from(lock))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::InUse(dir.to_owned())),
            Err(error) => Err(Error::io(&path, error)),
        }
    }
}

impl std::fmt::Debug for DirLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirLock")
    }
}

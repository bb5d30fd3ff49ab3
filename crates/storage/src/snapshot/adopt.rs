//! Adopting a snapshot file from elsewhere under another position: how a backup becomes a new cluster's first snapshot.

use std::path::Path;

use super::format::{self, SnapshotWriter};
use super::{SnapshotFile, SnapshotStore};
use crate::applied_row::{self, Position};
use crate::engine::MemoryEngine;
use crate::{Error, keys};

impl SnapshotStore {
    /// Writes the rows of a file under another position, verifies and publishes what came of it. The file must still be
    /// the one with this content.
    pub(crate) fn adopt(
        &self,
        source: &Path,
        position: &Position,
        content_hash: [u8; 32],
    ) -> Result<SnapshotFile, Error> {
        let from = self.0.files.open_to_read(source).map_err(|error| Error::io(source, error))?;
        let digest = format::digest(from.as_ref(), source)?;
        let applied = applied_row::encode(position, digest);
        // Nothing was there before, so none of its parts is left over.
        let applied_rows = applied_row::rows(&MemoryEngine::default(), &applied)?;
        let (unpublished, file) = self.create().map_err(|error| Error::io(&self.0.dir, error))?;
        let path = unpublished.path.clone();
        let mut writer = SnapshotWriter::begin(file.as_ref(), &path, &applied)?;
        for (key, value) in &applied_rows {
            writer.row(key, value.as_ref().expect("a value was put"))?;
        }
        let contents = format::read(from.as_ref(), source, |key, value| {
            if keys::is_applied(key) { Ok(()) } else { writer.row(key, value) }
        })?;
        if contents.content_hash != content_hash {
            return Err(Error::corrupt(source, 0, "it was changed while it was read"));
        }
        writer.finish(contents.state_hash)?;
        // What is verified must come from the disk, not from the memory that was written from.
        file.drop_cache().map_err(|error| Error::io(&path, error))?;
        let verified = SnapshotFile::verify(self.0.files.as_ref(), &path)?;
        self.publish(SnapshotFile { unpublished: Some(unpublished), ..verified })
    }
}

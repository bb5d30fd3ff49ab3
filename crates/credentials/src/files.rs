//! Reads files of certificates and keys: small ones, whole.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::error::Error;
use crate::limits;

/// Permission bits of those who are neither the owner nor of the group.
const OTHERS: u32 = 0o007;

/// The bytes of a file that must be there.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    read_if_there(path)?.ok_or_else(|| {
        let source = std::io::Error::from(ErrorKind::NotFound);
        Error::Io { file: path.to_owned(), source }
    })
}

/// The bytes of a file; `None` where there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let failed = |source| Error::Io { file: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(limits::MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::MAX_FILE_BYTES {
        return Err(Error::file(path, format!("has more than {} bytes", limits::MAX_FILE_BYTES)));
    }
    Ok(Some(bytes))
}

/// The bytes of a key: a file that not everybody on this machine may read or write.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, Error> {
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|source| Error::Io { file: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let what =
            format!("has mode {mode:o}: everybody on this machine can use the key; chmod it to 600 or 640");
        return Err(Error::file(path, what));
    }
    read(path)
}

//! The files of token keys and revocations, each looked at by itself: what is wrong with one holds up none of the others.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::material::Trust;
use crate::node::Looked;
use crate::revoked::{self, Revoked};
use crate::token::VerifyingKeys;
use crate::{files, names};

/// A file that holds a list, as it is in use.
///
/// Invariants:
/// - What is refused changes nothing: the list before it stays in use.
/// - An id stays revoked until it was seen to be missing at two looks running: a file that is just being written is short for a
///   moment.
/// - From a file that was gone nobody is believed again by what it lacks, unless it says that there are none.
#[derive(Default)]
struct ListFile {
    /// `None` where it never was there, which says the same as an empty one.
    in_use: Option<Vec<u8>>,
    /// It was there, and then it was not.
    gone: bool,
    /// Lacks what is revoked, at the last look.
    shorter: Option<Vec<u8>>,
}

impl ListFile {
    /// What the file says now, where that is to be used from now on. `lacking` counts what is revoked and not in it.
    fn look<L>(
        &mut self,
        path: &Path,
        parse: impl FnOnce(&Path, &[u8]) -> Result<L, Error>,
        lacking: impl FnOnce(&L) -> usize,
    ) -> Result<Option<L>, Error> {
        let Some(bytes) = files::read_if_there(path)? else {
            if self.in_use.is_none() {
                return Ok(None);
            }
            self.gone = true;
            return Err(Error::file(path, "was there and is gone; an empty file says that there are none"));
        };
        if self.in_use.as_ref() == Some(&bytes) {
            (self.gone, self.shorter) = (false, None);
            return Ok(None);
        }
        let list = parse(path, &bytes)?;
        let missing = lacking(&list);
        if missing > 0 {
            let says_none = bytes.iter().all(u8::is_ascii_whitespace);
            if self.gone && !says_none {
                let what = format!(
                    "was gone, and lacks {missing} that were revoked; put them back, or empty it first"
                );
                return Err(Error::file(path, what));
            }
            if self.shorter.as_ref() != Some(&bytes) {
                self.shorter = Some(bytes);
                return Ok(None);
            }
        }
        *self = Self { in_use: Some(bytes), gone: false, shorter: None };
        Ok(Some(list))
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Lists {
    keys: ListFile,
    revoked_tokens: ListFile,
    revoked_certificates: ListFile,
}

impl Lists {
    /// What they say at a start: all must be sound.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Trust), Error> {
        let (mut lists, mut trust) = (Self::default(), Trust::default());
        for looked in lists.look_at_each(dir, &mut trust) {
            looked?;
        }
        Ok((lists, trust))
    }

    /// Takes into `trust` what they say now: keys, revoked tokens, revoked certificates.
    pub(crate) fn look(&mut self, dir: &Path, trust: &mut Trust) -> [Looked; 3] {
        self.look_at_each(dir, trust).map(|looked| match looked {
            Ok(false) => Looked::Same,
            Ok(true) => Looked::Changed,
            Err(error) => Looked::Refused(error.to_string()),
        })
    }

    fn look_at_each(&mut self, dir: &Path, trust: &mut Trust) -> [Result<bool, Error>; 3] {
        // A key that is taken out is believed no more at once: nobody is believed by what a list of keys lacks.
        let keys = self.keys.look(&dir.join(names::TOKEN_KEYS), VerifyingKeys::parse, |_| 0);
        [
            keys.map(|keys| put(keys, &mut trust.keys)),
            revocations(
                &mut self.revoked_tokens,
                &dir.join(names::REVOKED_TOKENS),
                revoked::token_id,
                &mut trust.revoked_tokens,
            ),
            revocations(
                &mut self.revoked_certificates,
                &dir.join(names::REVOKED_CERTS),
                revoked::serial,
                &mut trust.revoked_certificates,
            ),
        ]
    }
}

fn revocations(
    file: &mut ListFile,
    path: &Path,
    normal: impl Fn(&str) -> Option<String>,
    revoked: &mut Arc<Revoked>,
) -> Result<bool, Error> {
    let list =
        file.look(path, |path, bytes| Revoked::parse(path, bytes, normal), |list| revoked.not_in(list))?;
    Ok(put(list, revoked))
}

fn put<L>(list: Option<L>, place: &mut Arc<L>) -> bool {
    let changed = list.is_some();
    if let Some(list) = list {
        *place = Arc::new(list);
    }
    changed
}

//! Postings on their way into a run, one behind the other in one piece of memory.

use crate::sort_key::SortKey;
use crate::{Error, limits};

/// Postings that are gathered: in any order, and any of them more than once.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Gathered {
    /// Adds the posting that `write` appends.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each once, in order.
    pub(crate) fn sorted(&self) -> Result<Vec<SortKey<'_>>, Error> {
        let mut postings = Vec::with_capacity(self.ends.len());
        let mut start = 0;
        for end in &self.ends {
            let length = end - start;
            if length > limits::MAX_POSTING_BYTES {
                return Err(Error::Engine(format!("a posting of {length} bytes is too long")));
            }
            postings.push(SortKey::of(&self.bytes[start..*end]));
            start = *end;
        }
        postings.sort_unstable();
        postings.dedup();
        Ok(postings)
    }
}

#[cfg(test)]
impl<'a> FromIterator<&'a Vec<u8>> for Gathered {
    fn from_iter<I: IntoIterator<Item = &'a Vec<u8>>>(postings: I) -> Self {
        let mut gathered = Self::default();
        for posting in postings {
            gathered.add(|bytes| bytes.extend_from_slice(posting));
        }
        gathered
    }
}

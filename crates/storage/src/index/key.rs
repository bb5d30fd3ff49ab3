//! Keys of the index's rows.

use crate::keys;

/// The manifest's: the kind alone.
pub(crate) const MANIFEST: &[u8] = &[keys::INDEX];
/// Before the number of a run: behind the zeros of the rows that the manifest continues in, so that these stand before all blocks.
const RUN: u8 = b'r';
/// Bytes before the first posting in the key of a block.
const RUN_BYTES: usize = 10;

/// What the keys of the blocks of a run begin with.
pub(super) fn of_run(run: u64) -> Vec<u8> {
    of_block(run, &[])
}

/// A block is named by its run and its first posting.
pub(super) fn of_block(run: u64, first: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(RUN_BYTES + first.len());
    key.extend_from_slice(&[keys::INDEX, RUN]);
    key.extend_from_slice(&run.to_be_bytes());
    key.extend_from_slice(first);
    key
}

/// Run and first posting in the key of a block; `None` for a row of the manifest.
pub(super) fn split(key: &[u8]) -> Option<(u64, &[u8])> {
    let (run, first) = key.strip_prefix(&[keys::INDEX, RUN])?.split_first_chunk()?;
    Some((u64::from_be_bytes(*run), first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_sort_by_run_then_posting_behind_all_rows_of_the_manifest() {
        let last_part = [MANIFEST, &[keys::SEPARATOR, keys::SEPARATOR], &u16::MAX.to_be_bytes()].concat();
        let sorted = [MANIFEST.to_vec(), last_part, of_block(0, b""), of_block(0, b"b"), of_block(256, b"a")];
        assert!(sorted.is_sorted());
        assert_eq!(split(&sorted[4]), Some((256, &b"a"[..])));
        assert_eq!(split(&sorted[0]), None);
        assert_eq!(split(&sorted[1]), None);
        assert!(sorted[4].starts_with(&of_run(256)));
    }
}

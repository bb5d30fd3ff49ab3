//! Keys that are to be sorted. Most of what sorting costs is comparing bytes that stand elsewhere, so the beginning of a key is
//! compared as numbers.

use std::cmp::Ordering;

/// Bytes of a key that are in the numbers.
const HEAD_BYTES: usize = 23;

/// A key, sorted as its bytes are.
///
/// Invariant: of two keys the one with the smaller `head` is smaller, and two with the same are the same up to the end of the shorter, or
/// up to [`HEAD_BYTES`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct SortKey<'a> {
    /// The beginning of the bytes, filled up with zeros. The last byte is how many they are, one more than fit where they are more.
    head: [u64; 3],
    bytes: &'a [u8],
}

impl<'a> SortKey<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let mut head = [0; HEAD_BYTES + 1];
        if let Some(beginning) = bytes.first_chunk() {
            head = *beginning;
        } else {
            head[..bytes.len()].copy_from_slice(bytes);
        }
        head[HEAD_BYTES] = u8::try_from(bytes.len().min(HEAD_BYTES + 1)).expect("a small number");
        let (words, _) = head.as_chunks::<8>();
        Self { head: [0, 1, 2].map(|at| u64::from_be_bytes(words[at])), bytes }
    }

    /// The key's bytes.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What is not in the head.
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(HEAD_BYTES..).unwrap_or_default()
    }
}

impl Ord for SortKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let ([one, two, three], [first, second, third]) = (self.head, other.head);
        if one != first {
            return one.cmp(&first);
        }
        if two != second {
            return two.cmp(&second);
        }
        if three != third {
            return three.cmp(&third);
        }
        self.rest().cmp(other.rest())
    }
}

impl PartialOrd for SortKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.rest() == other.rest()
    }
}

impl Eq for SortKey<'_> {}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Of few different bytes, so that many begin alike, and of lengths on both sides of a head's.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(u8::MAX)], 0..HEAD_BYTES + 4)
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_bytes_do(one in key(), other in key()) {
            let (first, second) = (SortKey::of(&one), SortKey::of(&other));
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(first.bytes(), &one[..]);
        }
    }

    #[test]
    fn keys_that_differ_in_zeros_at_their_ends_are_told_apart() {
        let keys: Vec<Vec<u8>> = (0..2 * HEAD_BYTES).map(|zeros| vec![0; zeros]).collect();
        let sorted: Vec<SortKey<'_>> = keys.iter().map(|key| SortKey::of(key)).collect();
        assert!(sorted.is_sorted_by(|one, other| one < other));
    }
}

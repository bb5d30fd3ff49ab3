//! Text of an identifier: short, visible, and compared all the time.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Characters that stand in the place itself.
const HEAD_BYTES: usize = 24;

/// Text without zero bytes, cheap to clone.
///
/// Most of what looking something up costs is comparing. The beginning of a text stands in the place itself, so that two are
/// told apart as three numbers, without a look elsewhere: a longer text is looked at only where the other begins alike.
///
/// Invariants:
/// - `head` is the beginning of the text, filled up with zeros. So it sorts as the text does.
/// - `whole` is the text, where it is longer than `head`, and only there.
#[derive(Clone)]
pub(crate) struct Text {
    head: [u8; HEAD_BYTES],
    whole: Option<Arc<Box<str>>>,
}

impl Text {
    /// The characters of a text, ASCII without zeros; the caller has seen to that.
    pub(crate) fn new(characters: &[u8]) -> Self {
        let mut head = [0; HEAD_BYTES];
        let beginning = characters.len().min(HEAD_BYTES);
        head[..beginning].copy_from_slice(&characters[..beginning]);
        let whole = (characters.len() > HEAD_BYTES).then(|| Arc::new(Box::from(text_of(characters))));
        Self { head, whole }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.whole {
            Some(whole) => whole,
            None => text_of(&self.head[..self.head_len()]),
        }
    }

    /// The characters: whoever only copies them needs no look at whether they are a text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.whole {
            Some(whole) => whole.as_bytes(),
            None => &self.head[..self.head_len()],
        }
    }

    /// How long the text is that stands in the head.
    fn head_len(&self) -> usize {
        let [first, second, third] = self.words();
        let zeros = |word: u64| usize::try_from(word.trailing_zeros() / u8::BITS).unwrap_or(0);
        match (second, third) {
            (0, 0) => 8 - zeros(first),
            (_, 0) => 16 - zeros(second),
            _ => HEAD_BYTES - zeros(third),
        }
    }

    /// The head as three numbers that sort as it does.
    fn words(&self) -> [u64; 3] {
        let (words, _) = self.head.as_chunks::<8>();
        [u64::from_be_bytes(words[0]), u64::from_be_bytes(words[1]), u64::from_be_bytes(words[2])]
    }
}

fn text_of(characters: &[u8]) -> &str {
    std::str::from_utf8(characters).expect("ASCII is UTF-8")
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Text {}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        let ([one, two, three], [first, second, third]) = (self.words(), other.words());
        if one != first {
            return one.cmp(&first);
        }
        if two != second {
            return two.cmp(&second);
        }
        if three != third {
            return three.cmp(&third);
        }
        // Where there is none, the text ends with its head.
        self.whole.cmp(&other.whole)
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_come_back_and_sort_as_they_are(one in "[!-~]{0,40}", other in "[!-~]{0,40}", shared in "[a-c]{0,30}") {
            for (one, other) in [(one.clone(), other.clone()), (format!("{shared}{one}"), format!("{shared}{other}"))] {
                let (first, second) = (Text::new(one.as_bytes()), Text::new(other.as_bytes()));
                prop_assert_eq!((first.as_str(), second.as_str()), (one.as_str(), other.as_str()));
                prop_assert_eq!((first.as_bytes(), second.as_bytes()), (one.as_bytes(), other.as_bytes()));
                prop_assert_eq!(first.cmp(&second), one.cmp(&other));
                prop_assert_eq!(first == second, one == other);
            }
        }
    }

    #[test]
    fn a_text_ends_where_it_ended() {
        for len in 0..=2 * HEAD_BYTES {
            let text: String = ('a'..='z').cycle().take(len).collect();
            let kept = Text::new(text.as_bytes());
            assert_eq!((kept.as_str(), kept.as_bytes()), (text.as_str(), text.as_bytes()));
        }
    }

    #[test]
    fn a_text_that_goes_on_comes_after_one_that_ends() {
        let head = "x".repeat(HEAD_BYTES);
        let text = |text: &str| Text::new(text.as_bytes());
        assert!(text(&head) < text(&format!("{head}!")));
        assert!(text(&head[1..]) < text(&head));
    }
}

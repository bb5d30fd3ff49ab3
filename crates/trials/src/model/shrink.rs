//! Makes a failing sequence short: whatever can go while it still fails goes.

use super::pair::Sequence;

/// Attempts before what is left is short enough.
const ATTEMPTS: u32 = 4_000;

/// A sequence that still fails, and how.
pub(super) struct Shrunk {
    pub(super) sequence: Sequence,
    pub(super) what: String,
}

/// Drops entries, then requests, while it still fails. `fails` gives the index of the entry at which it does and what is wrong.
pub(super) fn shrink(
    sequence: Sequence,
    fails: impl Fn(&Sequence) -> Option<(usize, String)>,
) -> Option<Shrunk> {
    let (at, what) = fails(&sequence)?;
    let mut shrunk = Shrunk { sequence, what };
    shrunk.sequence.entries.truncate(at + 1);
    let mut attempts = ATTEMPTS;
    let mut attempt = |shrunk: &mut Shrunk, shorter: Sequence| {
        attempts = attempts.saturating_sub(1);
        let Some((at, what)) = (attempts > 0).then(|| fails(&shorter)).flatten() else { return false };
        *shrunk = Shrunk { sequence: shorter, what };
        shrunk.sequence.entries.truncate(at + 1);
        true
    };
    let mut size = shrunk.sequence.entries.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < shrunk.sequence.entries.len() {
            let mut shorter = shrunk.sequence.clone();
            shorter.entries.drain(from..shorter.entries.len().min(from + size));
            if !attempt(&mut shrunk, shorter) {
                from += size;
            }
        }
        size /= 2;
    }
    let mut at = 0;
    while at < shrunk.sequence.entries.len() {
        let mut number = 0;
        while shrunk.sequence.entries.get(at).is_some_and(|entry| number < entry.requests.len()) {
            let mut shorter = shrunk.sequence.clone();
            shorter.entries[at].requests.remove(number);
            if !attempt(&mut shrunk, shorter) {
                number += 1;
            }
        }
        at += 1;
    }
    Some(shrunk)
}

//! Why units were written off: the file has only a clerk's note, if that.

use stockade_proto::v1::Reason;

/// Words of the notes, and what they mean; the first that fits counts.
const WORDS: &[(Reason, &[&str])] = &[
    (
        Reason::Damaged,
        &[
            "damag", "dagam", "wet", "rust", "crush", "broken", "crack", "smash", "faulty", "mould",
            "smudge", "throw", "unsale",
        ],
    ),
    (Reason::Promotion, &["given away", "sample", "display", "showroom", "mailout"]),
    (Reason::CycleCount, &["count", "check", "found"]),
    (
        Reason::Correction,
        &[
            "sold",
            "wrong",
            "barcode",
            "code",
            "mix up",
            "adjust",
            "revers",
            "incorrect",
            "credit",
            "marked",
            "sales",
            "dotcom",
            "ebay",
            "amazon",
            "test",
            "rcvd",
        ],
    ),
];

/// The reason; what no word explains has shrunk.
pub(super) fn reason_of(note: &str) -> Reason {
    let note = note.to_lowercase();
    let named = WORDS.iter().find(|(_, words)| words.iter().any(|word| note.contains(word)));
    named.map_or(Reason::Shrinkage, |(reason, _)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_become_reasons() {
        for (note, reason) in [
            ("", Reason::Shrinkage),
            ("?", Reason::Shrinkage),
            ("?missing", Reason::Shrinkage),
            ("Water damaged", Reason::Damaged),
            ("thrown away-can't sell.", Reason::Damaged),
            ("Show Samples", Reason::Promotion),
            ("counted", Reason::CycleCount),
            ("sold as set on dotcom", Reason::Correction),
        ] {
            assert_eq!(reason_of(note), reason, "{note}");
        }
    }
}

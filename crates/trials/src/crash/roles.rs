//! The scripts: a life as a node of one, as a leader, as a follower, each with everything that storage is asked for.

use std::ops::Range;

use crate::drive::{Script, Step};

/// The three roles.
pub(super) fn all() -> Vec<Script> {
    vec![single(), leader(), follower()]
}

/// Steps, as they are written down.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn then(&mut self, step: Step) -> &mut Self {
        self.0.push(step);
        self
    }

    /// It is elected.
    fn lead(&mut self, term: u64) -> &mut Self {
        self.then(Step::Vote { term, node: 1, committed: false });
        self.then(Step::Vote { term, node: 1, committed: true })
    }

    /// It votes for another, who is elected.
    fn follow(&mut self, term: u64, node: u64) -> &mut Self {
        self.then(Step::Vote { term, node, committed: false });
        self.then(Step::Vote { term, node, committed: true })
    }

    fn append(&mut self, term: u64, indexes: Range<u64>) -> &mut Self {
        self.then(Step::Append { term, indexes })
    }

    fn commit_and_apply(&mut self, index: u64) -> &mut Self {
        self.then(Step::Commit(index)).then(Step::Apply(index))
    }

    /// Each entry appended, committed and applied before the next one.
    fn write_each(&mut self, term: u64, indexes: Range<u64>) -> &mut Self {
        for index in indexes {
            self.append(term, index..index + 1).commit_and_apply(index);
        }
        self
    }
}

/// The term of each entry: `(term, how many entries)`.
fn terms(spans: &[(u64, u64)]) -> Vec<u64> {
    spans.iter().flat_map(|(term, count)| (0..*count).map(|_| *term)).collect()
}

/// A cluster of one: each entry is committed as soon as it is durable, and every restart is an election.
fn single() -> Script {
    let mut steps = Steps::default();
    steps.lead(1).then(Step::Idle).write_each(1, 0..7).then(Step::Idle).then(Step::Snapshot);
    steps.append(1, 7..12).commit_and_apply(11).then(Step::Purge(4)).write_each(1, 12..14);
    steps.then(Step::Kill).lead(2).append(2, 14..18).commit_and_apply(16).then(Step::Snapshot);
    steps.then(Step::Purge(16)).write_each(2, 18..20).then(Step::PowerCut);
    steps
        .lead(3)
        .then(Step::Idle)
        .write_each(3, 20..23)
        .then(Step::Snapshot)
        .then(Step::Purge(20))
        .append(3, 23..26);
    steps.commit_and_apply(24).then(Step::Stop).lead(4).write_each(4, 26..30);
    steps.then(Step::Snapshot).then(Step::Purge(29)).write_each(4, 30..32);
    Script {
        name: "single".to_owned(),
        steps: steps.0,
        terms: terms(&[(1, 14), (2, 6), (3, 6), (4, 6)]),
        large: true,
    }
}

/// A leader: entries are appended ahead of what is committed, it loses and wins elections, keeps its tail.
fn leader() -> Script {
    let mut steps = Steps::default();
    steps.lead(1).append(1, 0..1).commit_and_apply(0).append(1, 1..4).append(1, 4..6).commit_and_apply(3);
    steps.append(1, 6..10).then(Step::Commit(7)).append(1, 10..11).then(Step::Apply(7)).then(Step::Snapshot);
    steps.append(1, 11..15).then(Step::Idle).commit_and_apply(12).then(Step::Purge(5)).append(1, 15..16);
    // Another asks for its vote and is not elected; it leads again, and what it had is committed with what it adds.
    steps.then(Step::Vote { term: 2, node: 3, committed: false }).lead(3).append(3, 16..17);
    steps.append(3, 17..20).commit_and_apply(17).then(Step::Snapshot).then(Step::Purge(15));
    steps.append(3, 20..24).append(3, 24..26).then(Step::Commit(22)).then(Step::Apply(22));
    steps.then(Step::Kill).then(Step::Vote { term: 4, node: 1, committed: false }).lead(5);
    steps.then(Step::Idle).append(5, 26..27).commit_and_apply(26).append(5, 27..31).then(Step::Commit(29));
    steps.then(Step::Purge(17)).append(5, 31..34).then(Step::Apply(29)).then(Step::Snapshot);
    steps.commit_and_apply(33).then(Step::Purge(29)).append(5, 34..36).then(Step::PowerCut);
    steps.lead(6).append(6, 36..37).commit_and_apply(36).then(Step::Snapshot).then(Step::Purge(36));
    steps.append(6, 37..40).commit_and_apply(39);
    let terms = terms(&[(1, 16), (3, 10), (5, 10), (6, 4)]);
    Script { name: "leader".to_owned(), steps: steps.0, terms, large: false }
}

/// A follower: tails of leaders who lost are cut off, and snapshots of others come where its log is too old.
fn follower() -> Script {
    let mut steps = Steps::default();
    steps.follow(1, 2).append(1, 0..5).commit_and_apply(2).append(1, 5..9).commit_and_apply(6);
    // A tail that no majority had.
    steps.follow(2, 3).append(2, 9..14).follow(3, 2).then(Step::TruncateAfter(8)).append(3, 9..12);
    steps
        .commit_and_apply(10)
        .then(Step::Snapshot)
        .append(3, 12..15)
        .then(Step::Purge(7))
        .commit_and_apply(13);
    steps.then(Step::Idle).follow(4, 3).append(4, 15..22).then(Step::Kill);
    // A snapshot that reaches into a tail that contradicts it: the tail goes first.
    steps.follow(5, 2).then(Step::TruncateAfter(13)).then(Step::Install(20)).then(Step::Purge(20));
    steps.append(5, 21..25).then(Step::Idle).commit_and_apply(23).then(Step::Snapshot).then(Step::Purge(23));
    // A snapshot beyond the log.
    steps.append(5, 25..27).follow(6, 3).then(Step::Install(32)).then(Step::Purge(32)).append(6, 33..36);
    steps.commit_and_apply(34).then(Step::PowerCut);
    steps.follow(7, 2).then(Step::TruncateAfter(34)).append(7, 35..39).then(Step::TruncateAfter(36));
    steps.append(7, 37..40).commit_and_apply(38).then(Step::Stop).append(7, 40..42).commit_and_apply(41);
    steps.then(Step::Snapshot).then(Step::Purge(41)).append(7, 42..44);
    let terms = terms(&[(1, 9), (3, 6), (5, 12), (6, 8), (7, 9)]);
    Script { name: "follower".to_owned(), steps: steps.0, terms, large: false }
}

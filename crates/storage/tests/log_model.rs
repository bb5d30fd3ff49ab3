//! Random lives of a log, with power cuts, against a model.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use log_common::{Held, LogEntry, Operation, Vote, Witness, entry, id, open, try_open};
use proptest::collection::vec;
use proptest::prelude::*;
use stockade_storage::file::MemoryFiles;

/// What happens; the numbers are made to fit the log when it does.
#[derive(Debug, Clone)]
enum Step {
    Append { count: u64, bytes: usize },
    Vote { committed: bool },
    Truncate { back: u64 },
    Purge { ahead: u64 },
    Committed { back: u64 },
    Barrier,
    Reopen,
    Kill,
    PowerCut,
    KeptPowerCut,
    TornPowerCut { seed: u64 },
    StopAt { operations: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6_u64, 0..200_usize).prop_map(|(count, bytes)| Step::Append { count, bytes }),
        2 => any::<bool>().prop_map(|committed| Step::Vote { committed }),
        2 => (0..8_u64).prop_map(|back| Step::Truncate { back }),
        3 => (0..12_u64).prop_map(|ahead| Step::Purge { ahead }),
        2 => (0..4_u64).prop_map(|back| Step::Committed { back }),
        1 => Just(Step::Barrier),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
        1 => Just(Step::KeptPowerCut),
        2 => any::<u64>().prop_map(|seed| Step::TornPowerCut { seed }),
        2 => (1..12_u64).prop_map(|operations| Step::StopAt { operations }),
    ]
}

/// The operation that a step means for a log that holds this, in this term.
fn operation(step: &Step, held: &Held, term: u64) -> Option<Operation> {
    let last = held.last();
    let next = last.map_or(0, |last| last.index + 1);
    let purged = held.purged.map(|purged| purged.index);
    let at = |index: u64| held.entries.get(&index).map(|entry: &LogEntry| entry.log_id).or(held.purged);
    Some(match step {
        Step::Append { count, bytes } => {
            Operation::Append((next..next + count).map(|index| entry(term, index, *bytes)).collect())
        }
        Step::Vote { committed: true } => Operation::Vote(Vote::new_committed(term, 1)),
        Step::Vote { committed: false } => Operation::Vote(Vote::new(term, 2)),
        Step::Truncate { back } => Operation::Truncate(match next.checked_sub(back + 1) {
            Some(index) => at(index.max(purged.unwrap_or(0))),
            None => held.purged,
        }),
        Step::Purge { ahead } => {
            let index = purged.map_or(0, |purged| purged + 1) + ahead;
            Operation::Purge(held.entries.get(&index).map_or(id(term, index), |entry| entry.log_id))
        }
        Step::Committed { back } => Operation::Committed(at(next.saturating_sub(back + 1))?),
        Step::Barrier => Operation::Barrier,
        Step::Reopen
        | Step::Kill
        | Step::PowerCut
        | Step::KeptPowerCut
        | Step::TornPowerCut { .. }
        | Step::StopAt { .. } => return None,
    })
}

async fn live(steps: Vec<Step>, segment_bytes: u64) {
    let files = MemoryFiles::default();
    let mut log = open(&files, segment_bytes);
    let mut witness = Witness::new(Held::default());
    for (at, step) in steps.iter().enumerate() {
        let term = at as u64 + 1;
        let what = format!("step {at}: {step:?}");
        if let Some(operation) = operation(step, witness.now(), term)
            && witness.perform(&log, &operation).await
        {
            assert_eq!(&Held::of(&log).await, witness.now(), "{what}");
            continue;
        }
        match step {
            Step::StopAt { operations } => {
                // The failure comes with one of the steps that follow; then the power goes.
                files.stop_after(*operations);
                continue;
            }
            Step::Reopen => {
                files.heal();
                log.shutdown().await;
            }
            Step::Kill => files.kill(),
            Step::KeptPowerCut => files.power_cut_kept(),
            Step::TornPowerCut { seed } => files.power_cut_torn(*seed),
            _ if at.is_multiple_of(3) => files.kill(),
            _ if at % 3 == 1 => files.power_cut_torn(term),
            _ => files.power_cut(),
        }
        drop(log);
        log = try_open(&files, segment_bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        witness.check(&log, &what).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_life_with_power_cuts_loses_nothing_acknowledged(
        steps in vec(step(), 1..60),
        segment_bytes in prop_oneof![Just(400_u64), Just(1_000), Just(1 << 20)],
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(live(steps, segment_bytes));
    }
}

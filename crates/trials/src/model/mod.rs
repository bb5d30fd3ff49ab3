//! The state machine beside the model: a naive second one, written from the texts alone. Random entries go through both;
//! each reply and each row must be the same, and all invariants must hold after each entry.
//!
//! What is done is done again: by a second state machine that forgets what storage would, with other bounds between the
//! entries, and from the rows at an index on, which is what a snapshot holds. [`pair`] has the machines, [`author`] and
//! [`commands`] write the entries, [`again`] does them again.

mod again;
mod author;
mod catalog;
mod commands;
mod episode;
mod holds;
mod orders;
mod pair;
mod report;
mod rows;
mod shrink;
mod spoil;
mod tally;
mod transactions;

use stockade_model::RequestLimits;

pub(crate) use self::author::Author;
use self::episode::{Broken, Plan};
use self::report::{Failure, Report};
use self::tally::Tally;
use crate::print;

/// Failures that are made short and printed; all are counted.
const PRINTED_FAILURES: usize = 3;

/// Arguments of `model`.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// At least how many commands to try.
    #[arg(long, default_value_t = 100_000)]
    commands: u64,
    /// Chooses the commands.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One episode alone, as a failure names it.
    #[arg(long)]
    episode: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &ModelArgs, output: crate::Output) -> anyhow::Result<std::process::ExitCode> {
    let report = compare(args, RequestLimits::default());
    print(&report, report.is_clean(), output)
}

fn compare(args: &ModelArgs, limits: RequestLimits) -> Report {
    let started = std::time::Instant::now();
    let mut report = Report { seed: args.seed, ..Report::default() };
    let mut tally = Tally::default();
    let first = args.episode.unwrap_or_default();
    for number in first.. {
        let plan = Plan { seed: args.seed, number, limits };
        let episode = plan.run();
        episode.replies.iter().for_each(|reply| tally.count(reply));
        let commands: usize = episode.sequence.entries.iter().map(|entry| entry.requests.len()).sum();
        report.commands += u64::try_from(commands).expect("an episode is short");
        report.entries += u64::try_from(episode.sequence.entries.len()).expect("an episode is short");
        report.episodes += 1;
        report.restores += episode.restores;
        report.restored_everywhere += u64::from(episode.everywhere);
        if let Some(broken) = &episode.broken {
            report.violations += 1;
            if report.failures.len() < PRINTED_FAILURES {
                report.failures.push(failure(&plan, broken, &episode.sequence));
            }
        }
        if args.episode.is_some() || report.commands >= args.commands {
            break;
        }
    }
    report.never = tally.never();
    (report.replayed, report.outcomes) = (tally.replayed, tally.answers);
    report.seconds = started.elapsed().as_secs();
    report
}

fn failure(plan: &Plan, broken: &Broken, sequence: &pair::Sequence) -> Failure {
    let Plan { seed, number, limits: _ } = plan;
    let mut failure = Failure {
        episode: *number,
        entry: broken.entry,
        what: broken.what.clone(),
        script: Vec::new(),
        shown: "the sequence alone shows nothing".to_owned(),
        replay: format!("cargo xtask model --seed {seed} --episode {number}"),
    };
    if let Some(shrunk) = plan.shorten(sequence) {
        let lines = shrunk.sequence.entries.iter().enumerate();
        failure.script = lines.map(|(at, entry)| format!("{}: {entry:?}", pair::revision_at(at))).collect();
        failure.shown = shrunk.what;
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(commands: u64, seed: u64) -> ModelArgs {
        ModelArgs { commands, seed, episode: None }
    }

    #[test]
    fn both_machines_say_the_same_and_every_answer_is_given() {
        let report = compare(&args(40_000, 7), RequestLimits::default());
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.never, Vec::<String>::new(), "{report}");
        assert!(report.replayed > 0 && report.restored_everywhere > 0, "{report}");
    }

    #[test]
    fn a_model_that_keeps_records_shorter_is_noticed_and_shown_in_few_entries() {
        let limits = RequestLimits { retention_ms: 60_000, ..RequestLimits::default() };
        let report = compare(&args(500, 1), limits);
        assert!(report.violations > 0, "{report}");
        let failure = &report.failures[0];
        assert!((1..=3).contains(&failure.script.len()), "{failure:#?}");
    }
}

//! `stockade inspect`: what stands in the log, the snapshot and the applied state, record by record.

mod rows;
mod wal;

use crate::offline::DataDir;
use crate::output::Output;

/// Flags of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    #[command(subcommand)]
    command: InspectCommand,
}

#[derive(Debug, clap::Subcommand)]
enum InspectCommand {
    /// The log: every record, and the entries in it.
    #[command(after_help = "Example: stockade inspect wal --data-dir ./node-1 --from 100 --to 100 --entries")]
    Wal(wal::WalArgs),
    /// The newest snapshot: its header and its rows.
    #[command(after_help = "Example: stockade inspect snapshot --data-dir ./node-1 --kind order --limit 10")]
    Snapshot(rows::RowArgs),
    /// The applied state, where it can be trusted: its rows.
    #[command(after_help = "Example: stockade inspect state --data-dir ./node-1 --kind stock")]
    State(rows::RowArgs),
}

/// Which log indexes are wanted, and of how much.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Wanted {
    /// From this log index on.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Up to this log index.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Wanted {
    /// True where only some log indexes are wanted.
    fn is_some(self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// True where something that goes from one log index to another has one that is wanted.
    fn overlaps(self, first: u64, last: u64) -> bool {
        self.from.is_none_or(|from| from <= last) && self.to.is_none_or(|to| first <= to)
    }

    /// True where so many are enough.
    fn is_reached(self, count: u64) -> bool {
        self.limit.is_some_and(|limit| count >= limit)
    }
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    data: DataDir,
    #[command(flatten)]
    wanted: Wanted,
}

pub(crate) fn run(args: &InspectArgs, output: Output) -> anyhow::Result<()> {
    match &args.command {
        InspectCommand::Wal(args) => wal::run(args, output),
        InspectCommand::Snapshot(args) => rows::snapshot(args, output),
        InspectCommand::State(args) => rows::state(args, output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_takes_what_overlaps_it() {
        let wanted = Wanted { from: Some(5), to: Some(7), limit: Some(2) };
        assert!(wanted.overlaps(1, 5) && wanted.overlaps(7, 9) && wanted.overlaps(1, 9));
        assert!(!wanted.overlaps(1, 4) && !wanted.overlaps(8, 9));
        assert!(!wanted.is_reached(1) && wanted.is_reached(2));
        let all = Wanted { from: None, to: None, limit: None };
        assert!(all.overlaps(0, 0) && !all.is_reached(u64::MAX) && !all.is_some());
    }
}

//! `stockade inspect snapshot` and `stockade inspect state`.

use serde_json::{Value, json};
use stockade_server::Exit;
use stockade_storage::{InspectedRow, InspectedSnapshot, InspectedState, RowKind};

use super::Common;
use crate::failure::Failure;
use crate::offline::{self, hex};
use crate::output::{Output, line};
use crate::verify::{nodes, snapshot_object, snapshot_text};

/// Of sled's page cache.
const CACHE_BYTES: u64 = 64 << 20;

/// Flags of `inspect snapshot` and `inspect state`.
#[derive(Debug, clap::Args)]
pub(super) struct RowArgs {
    #[command(flatten)]
    common: Common,
    /// Only rows of this kind.
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Up to where everything was applied.
    Applied,
    /// Booked documents.
    Document,
    /// What lists are found by.
    Index,
    /// Pages of ledger entries.
    Ledger,
    /// Locations.
    Location,
    /// Orders.
    Order,
    /// Pages of request records.
    Request,
    /// Reservations.
    Reservation,
    /// SKUs.
    Sku,
    /// Stock at a location.
    Stock,
}

impl Kind {
    fn matches(self, kind: RowKind) -> bool {
        let wanted = match self {
            Self::Applied => RowKind::Applied,
            Self::Document => RowKind::Document,
            Self::Index => RowKind::Index,
            Self::Ledger => RowKind::Ledger,
            Self::Location => RowKind::Location,
            Self::Order => RowKind::Order,
            Self::Request => RowKind::Request,
            Self::Reservation => RowKind::Reservation,
            Self::Sku => RowKind::Sku,
            Self::Stock => RowKind::Stock,
        };
        kind == wanted
    }
}

/// Shows rows as they come.
struct Show<'a> {
    args: &'a RowArgs,
    output: Output,
    rows: u64,
}

impl Show<'_> {
    fn row(&mut self, row: &InspectedRow) {
        let wanted = self.args.common.wanted;
        // A row that doesn't say which entries changed it is in no range.
        let in_range = match row.revisions {
            Some((first, last)) => wanted.overlaps(first, last),
            None => !wanted.is_some(),
        };
        let of_kind = self.args.kind.is_none_or(|kind| kind.matches(row.kind));
        if !in_range || !of_kind || wanted.is_reached(self.rows) {
            return;
        }
        self.rows += 1;
        let InspectedRow { kind, key, value, bytes, revisions } = row;
        match self.output {
            Output::Json => line(
                &json!({
                    "kind": kind.name(),
                    "key": key,
                    "bytes": bytes,
                    "first_revision": revisions.map(|(first, _)| first),
                    "last_revision": revisions.map(|(_, last)| last),
                    "value": value,
                })
                .to_string(),
            ),
            Output::Table => line(&format!("{} {key} {bytes} bytes: {value}", kind.name())),
        }
    }
}

pub(super) fn snapshot(args: &RowArgs, output: Output) -> anyhow::Result<()> {
    let dir = args.common.data.data_dir.as_path();
    let snapshot = InspectedSnapshot::open(&offline::files(), dir).map_err(offline::storage)?;
    let Some(snapshot) = snapshot else {
        output.print(&json!({ "rows": 0, "snapshot": Value::Null }), || "there is no snapshot".to_owned());
        return Ok(());
    };
    if output == Output::Table {
        line(&format!("{}: {}", snapshot.summary.file.display(), snapshot_text(&snapshot.summary)));
    }
    let mut show = Show { args, output, rows: 0 };
    snapshot.rows(|row| show.row(&row)).map_err(offline::storage)?;
    let rows = show.rows;
    let object = json!({ "rows": rows, "snapshot": snapshot_object(&snapshot.summary) });
    output.print(&object, || format!("{rows} shown"));
    Ok(())
}

pub(super) fn state(args: &RowArgs, output: Output) -> anyhow::Result<()> {
    let dir = args.common.data.data_dir.as_path();
    let state = InspectedState::open(&offline::files(), dir, CACHE_BYTES).map_err(offline::storage)?;
    let Some(state) = state else {
        let message = "the applied state is not there or can't be trusted: the next start rebuilds it from snapshot and \
                       log; look at those with `stockade inspect snapshot` and `stockade inspect wal`, or start the \
                       node once and stop it";
        return Err(Failure::new(Exit::Error, message).into());
    };
    let applied = state.applied;
    if output == Output::Table {
        let last = applied.map_or_else(|| "none".to_owned(), |applied| applied.to_string());
        let (voters, chain) = (&state.members.voters, hex(&state.chain));
        line(&format!(
            "applied up to entry {last}; {} rows; voters {voters:?}; chain hash {chain}",
            state.rows
        ));
    }
    let mut show = Show { args, output, rows: 0 };
    let visited = state.rows(|row| show.row(&row));
    let rows = show.rows;
    let object = json!({
        "rows": rows,
        "state": {
            "index": applied.map(|applied| applied.index),
            "term": applied.map(|applied| applied.term),
            "rows": state.rows,
            "voters": state.members.voters,
            "nodes": nodes(&state.members.nodes),
            "chain_hash": hex(&state.chain),
        },
    });
    // Closed in any case: else what was left in order would count as in use.
    let closed = state.close();
    visited.and(closed).map_err(offline::storage)?;
    output.print(&object, || format!("{rows} shown"));
    Ok(())
}

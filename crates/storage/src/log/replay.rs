//! What a log's records lead to, put together record by record.

use bytes::Bytes;

use super::chain::Opening;
use super::frozen::{self, BoundV1, CheckpointV1};
use super::index::{EntryIndex, Location};
use super::record::RecordType;
use super::segment::SegmentUses;
use super::summary::{self, Summary};
use super::{LogId, entries, vote};
use crate::Error;

/// What the records read so far lead to.
///
/// Invariants:
/// - `summary` is what the next segment's checkpoint must say.
/// - Every entry in `index` has a place in a segment that `uses` names.
pub(crate) struct Replay {
    pub(crate) index: EntryIndex,
    pub(crate) summary: Summary,
    pub(crate) uses: SegmentUses,
    /// The last entry that stood in segments which are gone. It must have been purged.
    absent: Option<u64>,
}

impl Replay {
    /// Before a segment with this checkpoint; `None` before a new log.
    pub(crate) fn new(cache_limit: u64, first: Option<&CheckpointV1>) -> Self {
        let summary = first.map(Summary::of_checkpoint).unwrap_or_default();
        Self {
            index: EntryIndex::new(cache_limit),
            summary,
            uses: SegmentUses::default(),
            absent: summary::index(summary.last),
        }
    }

    /// A segment begins: its checkpoint must say what the records before it lead to.
    pub(crate) fn begin(&mut self, segment: &Opening) -> Result<(), Error> {
        self.uses.begin(segment.number);
        if Summary::of_checkpoint(&segment.checkpoint) != self.summary {
            let what = "the segment's checkpoint is not what the segments before it lead to";
            return Err(Error::corrupt(&segment.reader.path, 0, what));
        }
        Ok(())
    }

    /// The next record of a segment; an error says what doesn't fit.
    pub(crate) fn apply(
        &mut self,
        record_type: RecordType,
        payload: &Bytes,
        segment: u64,
        payload_start: u64,
    ) -> Result<(), String> {
        match record_type {
            RecordType::Checkpoint => return Err("a checkpoint within a segment".to_owned()),
            RecordType::Entries => return self.append(payload, segment, payload_start),
            RecordType::Vote => self.summary.vote = Some(vote::from_payload(payload)?),
            RecordType::Truncate => {
                let after = bound(payload)?;
                self.summary.truncate(after);
                self.index.truncate(summary::index(after));
                self.uses.truncate(summary::index(after));
                self.absent = self.absent.min(summary::index(after));
            }
            RecordType::Purge => {
                let upto = bound(payload)?.ok_or("a purge of nothing")?;
                self.summary.purge(upto);
                self.index.purge(upto.index);
            }
            RecordType::Committed => self.summary.committed = bound(payload)?,
        }
        Ok(())
    }

    fn append(&mut self, payload: &Bytes, segment: u64, payload_start: u64) -> Result<(), String> {
        let mut at = 0;
        while at < payload.len() {
            let (entry, end) = entries::entry_at(payload, at)?;
            let follows = self.summary.last.is_none_or(|last| last.index + 1 == entry.log_id.index);
            if !follows {
                return Err(format!("entry {} doesn't follow the one before it", entry.log_id));
            }
            self.summary.last = Some(entry.log_id);
            self.uses.wrote(entry.log_id.index);
            let bytes = (end - at - entries::FRAME_BYTES) as u64;
            let location = Location { segment, offset: payload_start + at as u64 };
            self.index.push(entry, bytes, Some(location));
            at = end;
        }
        Ok(())
    }

    /// True where all that stood in segments which are gone has been purged.
    pub(crate) fn is_complete(&self) -> bool {
        self.absent <= summary::index(self.summary.purged)
    }
}

/// The log id in the payload of a truncate, purge or committed record.
pub(crate) fn bound(payload: &[u8]) -> Result<Option<LogId>, String> {
    frozen::decode::<BoundV1>(payload).map(|bound| bound.0.map(LogId::from))
}

//! What an examination tells of a log: plain values, for showing and for checking.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use openraft::EntryPayload;
use sha2::{Digest, Sha256};

use super::record::{HEADER_BYTES, RecordType};
use super::summary::Summary;
use super::{Entry, LogId, entries, frozen, replay, vote};
use crate::{Error, Proposal};

/// Which entry: term and node of the leader that made it, and its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryId {
    /// The leader's term.
    pub term: u64,
    /// The leader.
    pub node_id: u64,
    /// Where the entry stands in the log.
    pub index: u64,
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteReport {
    /// In which term.
    pub term: u64,
    /// For whom.
    pub node_id: u64,
    /// True where a majority has granted it.
    pub committed: bool,
}

/// What an entry carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Nothing: a new leader's first entry.
    Blank,
    /// Commands.
    Commands,
    /// Who the cluster's members are.
    Membership,
}

/// How something that is wrong is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The log has lost something that it had: the node doesn't start with it.
    Damage,
    /// A crash interrupted a write that nobody was told of. The log ends before it, and the node starts.
    TornTail,
    /// Written by a version that this one can't read.
    Newer,
    /// The file system failed.
    Unreadable,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In which file; the log's directory where it is in none.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// How it is to be taken.
    pub kind: ProblemKind,
}

/// What a segment's file holds, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its file.
    pub path: PathBuf,
    /// Its number, from the file's name.
    pub number: u64,
    /// The stamp of this use of the file; `None` where its checkpoint is unreadable.
    pub stamp: Option<u64>,
    /// The sequence of its checkpoint.
    pub first_sequence: Option<u64>,
    /// The sequence of the last record that was read.
    pub last_sequence: Option<u64>,
    /// How many records were read.
    pub records: u64,
    /// The first entry that was read, truncated or not.
    pub first_entry: Option<EntryId>,
    /// The last entry that was read, truncated or not.
    pub last_entry: Option<EntryId>,
    /// Bytes of the records that were read.
    pub used_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// What ended the reading before its time.
    pub problem: Option<Problem>,
}

/// What the watermark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatermarkReport {
    /// The last record that was synced; the log must not end before it.
    pub durable: u64,
    /// The last segment that had begun; it must be there.
    pub segment: u64,
    /// How often it was written.
    pub counter: u64,
    /// How many of its two slots are sound.
    pub sound_slots: usize,
}

/// What an examination found. Where something is damaged, vote and log ids are those up to the last damage that nothing
/// sound follows, so they may be older than the true ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The log's directory.
    pub dir: PathBuf,
    /// The segments, in order.
    pub segments: Vec<SegmentReport>,
    /// `None` where there is no sound watermark.
    pub watermark: Option<WatermarkReport>,
    /// The last vote.
    pub vote: Option<VoteReport>,
    /// The last entry that was purged.
    pub purged: Option<EntryId>,
    /// The last entry known to be committed.
    pub committed: Option<EntryId>,
    /// The last entry, or what was purged where there is none.
    pub last: Option<EntryId>,
    /// What is wrong beside the segments: with the watermark, with what is missing.
    pub problems: Vec<Problem>,
    /// False where the visitor ended the examination before its time.
    pub complete: bool,
}

/// A record, as an examination passes it. Its checksums hold.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// The segment's file.
    pub path: &'a Path,
    /// Where in it the record's header begins.
    pub offset: u64,
    /// Which kind of record: "checkpoint", "entries", "vote", "truncate", "purge" or "committed".
    pub type_name: &'static str,
    /// The record's number, counted through all segments.
    pub sequence: u64,
    /// The last record that was known to be on the disk when this one was written.
    pub durable: u64,
    /// The payload.
    pub payload: &'a Bytes,
    pub(crate) record_type: RecordType,
}

/// An entry in an entries record.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryView {
    /// Which.
    pub id: EntryId,
    /// What it carries.
    pub kind: EntryKind,
    /// Where in the segment's file its frame begins.
    pub offset: u64,
    /// All of the entry as it stands in the log: kind, id, and what it carries.
    pub body: Bytes,
    entry: Entry,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (term {}, node {})", self.index, self.term, self.node_id)
    }
}

impl From<LogId> for EntryId {
    fn from(id: LogId) -> Self {
        Self { term: id.leader_id.term, node_id: id.leader_id.node_id, index: id.index }
    }
}

impl From<super::Vote> for VoteReport {
    fn from(vote: super::Vote) -> Self {
        Self { term: vote.leader_id.term, node_id: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl EntryKind {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Commands => "commands",
            Self::Membership => "membership",
        }
    }
}

impl Problem {
    /// False for what an honest crash leaves behind.
    pub fn is_damage(&self) -> bool {
        match self.kind {
            ProblemKind::Damage | ProblemKind::Newer | ProblemKind::Unreadable => true,
            ProblemKind::TornTail => false,
        }
    }

    /// What an error says; `dir` stands for a file that it doesn't name.
    pub(crate) fn of(error: &Error, dir: &Path) -> Self {
        let named =
            |file: &Path, offset, what: String, kind| Self { file: file.to_owned(), offset, what, kind };
        match error {
            Error::Corrupt { file, offset, what } => named(file, *offset, what.clone(), ProblemKind::Damage),
            Error::Format { file, found, supported } => {
                let what = format!("format {found}, this version reads up to {supported}");
                named(file, 0, what, ProblemKind::Newer)
            }
            Error::Io { file, source } => named(file, 0, source.to_string(), ProblemKind::Unreadable),
            other => named(dir, 0, other.to_string(), ProblemKind::Damage),
        }
    }
}

impl Examination {
    /// Everything that is wrong, torn tails included.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.segments.iter().filter_map(|segment| segment.problem.as_ref()))
    }

    /// True where a node starts with this log.
    pub fn is_sound(&self) -> bool {
        !self.all_problems().any(Problem::is_damage)
    }

    pub(crate) fn summarise(&mut self, summary: &Summary) {
        self.vote = summary.vote.map(VoteReport::from);
        self.purged = summary.purged.map(EntryId::from);
        self.committed = summary.committed.map(EntryId::from);
        self.last = summary.last.map(EntryId::from);
    }
}

impl RecordView<'_> {
    /// Bytes of the whole record.
    pub fn bytes(&self) -> u64 {
        (HEADER_BYTES + self.payload.len() + super::record::TRAILER_BYTES) as u64
    }

    /// The entries of an entries record; none of another. An error says what doesn't fit.
    pub fn entries(&self) -> Result<Vec<EntryView>, String> {
        let mut views = Vec::new();
        if self.record_type != RecordType::Entries {
            return Ok(views);
        }
        let mut at = 0;
        while at < self.payload.len() {
            let (body, end) = entries::body_at(self.payload, at)?;
            let entry = frozen::decode_entry(&body)?;
            let kind = match entry.payload {
                EntryPayload::Blank => EntryKind::Blank,
                EntryPayload::Normal(_) => EntryKind::Commands,
                EntryPayload::Membership(_) => EntryKind::Membership,
            };
            let offset = self.offset + (HEADER_BYTES + at) as u64;
            views.push(EntryView { id: entry.log_id.into(), kind, offset, body, entry });
            at = end;
        }
        Ok(views)
    }

    /// What the record says, for a person.
    pub fn detail(&self) -> String {
        self.describe().unwrap_or_else(|what| what)
    }

    fn describe(&self) -> Result<String, String> {
        let bound = || replay::bound(self.payload).map(|id| named(id.map(EntryId::from)));
        Ok(match self.record_type {
            RecordType::Checkpoint => {
                let checkpoint: frozen::CheckpointV1 = frozen::decode(self.payload)?;
                let Summary { vote, purged, committed, last } = Summary::of_checkpoint(&checkpoint);
                format!(
                    "segment {} behind {} bytes of stamp {:016x}; {}; purged {}; committed {}; last {}",
                    checkpoint.segment,
                    checkpoint.previous_end,
                    checkpoint.previous_stamp,
                    vote.map_or_else(|| "no vote".to_owned(), |vote| VoteReport::from(vote).to_string()),
                    named(purged.map(EntryId::from)),
                    named(committed.map(EntryId::from)),
                    named(last.map(EntryId::from)),
                )
            }
            RecordType::Entries => match &self.entries()?[..] {
                [] => "no entry".to_owned(),
                [only] => format!("entry {}", only.id),
                [first, .., last] => format!("entries {} to {}", first.id, last.id),
            },
            RecordType::Vote => VoteReport::from(vote::from_payload(self.payload)?).to_string(),
            RecordType::Truncate => format!("the entries after {} are no more", bound()?),
            RecordType::Purge => format!("the entries up to {} are no more", bound()?),
            RecordType::Committed => format!("committed up to {}", bound()?),
        })
    }
}

impl fmt::Display for VoteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = if self.committed { ", granted by a majority" } else { "" };
        write!(f, "vote for node {} in term {}{granted}", self.node_id, self.term)
    }
}

fn named(id: Option<EntryId>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

impl EntryView {
    /// SHA-256 of the body, in hexadecimal digits: equal on two nodes where the entry is.
    pub fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(&self.body))
    }

    /// The CRC32C that stands before the body.
    pub fn crc(&self) -> u32 {
        crc32c::crc32c(&self.body)
    }

    /// The commands, as proposed; `None` where the entry carries none. [`crate::codec::decode_proposal`] reads them.
    pub fn proposal(&self) -> Option<&Proposal> {
        match &self.entry.payload {
            EntryPayload::Normal(proposal) => Some(proposal),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        }
    }

    /// What the entry carries, for a person.
    pub fn detail(&self) -> String {
        match &self.entry.payload {
            EntryPayload::Blank => "nothing".to_owned(),
            EntryPayload::Normal(proposal) => format!("{} bytes of commands", proposal.0.len()),
            EntryPayload::Membership(membership) => {
                let nodes: Vec<_> =
                    membership.nodes().map(|(id, node)| format!("{id} at {}", node.addr)).collect();
                format!("voters {:?}; nodes {}", membership.get_joint_config(), nodes.join(", "))
            }
        }
    }
}

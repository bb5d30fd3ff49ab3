//! Entries that an operator has decided to skip: for the day a committed entry makes `execute` panic, or can't be decoded,
//! on every node, and so every start ends in the same place.
//!
//! The file `SKIP` lists them by index, term and digest. Where apply comes to one of them it gives up each of the entry's
//! requests instead, as if their callers had abandoned them: a retry is refused for good, nothing else changes. All nodes
//! must list the same entries, or their states differ from there on.
//!
//! Layout, little-endian: magic (8 bytes), format version (u16), number of entries (u32); each as index (u64), term (u64),
//! SHA-256 of the entry's body in the log (32 bytes); last a CRC32C over all before it.

mod plan;

use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use stockade_state_machine::{Command, Entry, Outcome, Rejection, Reply, Request};

pub use self::plan::{SkipError, SkipPlan, plan_skip};
use crate::codec::{self, DecodeError};
use crate::file::{Files, read_whole, write_whole};
use crate::{Error, Proposal, layout, limits, log};

const MAGIC: &[u8; 8] = b"STKSKIP1";
const FORMAT: u16 = 1;
/// Index, term and digest.
const ENTRY_BYTES: usize = 8 + 8 + 32;

/// One entry of the log, named so that no other can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedEntry {
    /// Where it stands in the log.
    pub index: u64,
    /// The term it was proposed in.
    pub term: u64,
    /// SHA-256 over the entry's body as the log has it.
    pub digest: [u8; 32],
}

impl fmt::Display for SkippedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of term {}, digest {}", self.index, self.term, hex(&self.digest))
    }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("below 16");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What names an entry's content: the same on every node, whatever segment it stands in.
pub(crate) fn digest_of(entry: &log::Entry) -> [u8; 32] {
    let mut body = Vec::new();
    log::encode_entry(&mut body, entry);
    Sha256::digest(&body).into()
}

/// The entries to skip, in the order of their indexes.
///
/// Invariant: no index stands twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SkipList(Vec<SkippedEntry>);

impl SkipList {
    /// What the data directory lists. Damage is an error: to go on without the list would panic again at best.
    pub(crate) fn read(files: &dyn Files, dir: &Path) -> Result<Self, Error> {
        let path = dir.join(layout::SKIP_FILE);
        let io = |source| Error::io(&path, source);
        if !files.exists(&path).map_err(io)? {
            return Ok(Self::default());
        }
        decode(&path, &read_whole(files, &path, limits::MAX_SKIP_FILE_BYTES).map_err(io)?)
    }

    /// The list at a start: what a snapshot covers is taken off, and a person is told of what is left.
    pub(crate) fn open(files: &dyn Files, dir: &Path, snapshot_index: u64) -> Result<Self, Error> {
        let listed = Self::read(files, dir)?;
        let left: Vec<_> = listed.0.iter().filter(|entry| entry.index > snapshot_index).copied().collect();
        let left = Self(left);
        if left != listed {
            left.write(files, dir)?;
        }
        for entry in &left.0 {
            tracing::warn!(%entry, "this entry of the log is skipped, as an operator has decided; all nodes must skip it");
        }
        Ok(left)
    }

    /// Writes the list, or removes it where it is empty.
    pub(crate) fn write(&self, files: &dyn Files, dir: &Path) -> Result<(), Error> {
        let path = dir.join(layout::SKIP_FILE);
        let io = |source| Error::io(&path, source);
        if self.0.is_empty() {
            files.remove(&path).map_err(io)?;
            // Without this a power cut could bring back what a snapshot has made needless; harmless, but not true.
            return files.sync_dir(dir).map_err(io);
        }
        write_whole(files, &path, &encode(&self.0)).map_err(io)
    }

    /// The entries listed.
    pub(crate) fn entries(&self) -> &[SkippedEntry] {
        &self.0
    }

    /// The list with one more entry; what stood under its index goes.
    pub(crate) fn with(mut self, entry: SkippedEntry) -> Self {
        self.0.retain(|listed| listed.index != entry.index);
        self.0.push(entry);
        self.0.sort_unstable_by_key(|entry| entry.index);
        self
    }

    /// True where this very entry is to be skipped.
    pub(crate) fn covers(&self, entry: &log::Entry) -> bool {
        let Some(listed) = self.0.iter().find(|listed| listed.index == entry.log_id.index) else {
            return false;
        };
        let same = listed.term == entry.log_id.leader_id.term && listed.digest == digest_of(entry);
        if same {
            tracing::warn!(entry = %listed, "skipping this entry of the log, as an operator has decided");
        } else {
            tracing::warn!(listed = %listed, found = %entry.log_id, "the entry at an index to be skipped is another one: it is executed");
        }
        same
    }
}

/// What is executed in place of a skipped entry: each request is given up by its own caller. Its time stays, for a
/// tombstone of a request much newer than log time would be refused.
pub(crate) fn stand_in(proposal: &Proposal) -> Result<(Entry, Vec<Command>), DecodeError> {
    let entry = codec::decode_proposal(proposal)?;
    let mut commands = Vec::with_capacity(entry.requests.len());
    let mut requests = Vec::with_capacity(entry.requests.len());
    for request in entry.requests {
        commands.push(request.command);
        requests.push(Request { command: Command::AbandonRequest, ..request });
    }
    Ok((Entry { time: entry.time, requests }, commands))
}

/// The replies as those who asked for the commands understand them: abandoned is a refusal, but to who asked for just that.
pub(crate) fn refuse(commands: &[Command], replies: &mut [Reply]) {
    for (command, reply) in commands.iter().zip(replies) {
        if *command != Command::AbandonRequest && reply.outcome == Outcome::RequestAbandoned {
            reply.outcome = Outcome::Rejected(Rejection::RequestAbandoned);
        }
    }
}

fn encode(entries: &[SkippedEntry]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    let count = u32::try_from(entries.len()).expect("the list is bounded");
    bytes.extend_from_slice(&count.to_le_bytes());
    for entry in entries {
        bytes.extend_from_slice(&entry.index.to_le_bytes());
        bytes.extend_from_slice(&entry.term.to_le_bytes());
        bytes.extend_from_slice(&entry.digest);
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(path: &Path, bytes: &[u8]) -> Result<SkipList, Error> {
    let corrupt = |what: &str| Error::corrupt(path, 0, what);
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("too short"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the checksum does not hold"));
    }
    let rest = body.strip_prefix(MAGIC).ok_or_else(|| corrupt("no list of skipped entries"))?;
    let (format, rest) = rest.split_first_chunk::<2>().ok_or_else(|| corrupt("too short"))?;
    let found = u16::from_le_bytes(*format);
    if found != FORMAT {
        return Err(Error::Format { file: path.to_owned(), found, supported: FORMAT });
    }
    let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(|| corrupt("too short"))?;
    let (entries, []) = rest.as_chunks::<ENTRY_BYTES>() else {
        return Err(corrupt("an entry is cut short"));
    };
    if u32::try_from(entries.len()) != Ok(u32::from_le_bytes(*count)) {
        return Err(corrupt("the number of entries does not hold"));
    }
    let number = |entry: &[u8], at: usize| u64::from_le_bytes(*entry[at..].first_chunk().expect("48 bytes"));
    let entries = entries.iter().map(|entry| SkippedEntry {
        index: number(entry, 0),
        term: number(entry, 8),
        digest: *entry[16..].first_chunk().expect("48 bytes"),
    });
    Ok(SkipList(entries.collect()))
}

#[cfg(test)]
mod tests {
    use stockade_state_machine::command::{CreateSku, ExpireDue};
    use stockade_state_machine::ids::{Principal, RequestId, SkuId};
    use stockade_state_machine::sku::SkuDetails;
    use stockade_state_machine::{Change, LogTime, Origin, Revision, State};

    use super::*;
    use crate::file::MemoryFiles;

    fn entry(index: u64) -> SkippedEntry {
        SkippedEntry { index, term: 3, digest: [7; 32] }
    }

    #[test]
    fn the_bytes_of_the_list_stay_as_released() {
        let mut expected = b"STKSKIP1\x01\0\x01\0\0\0\x05\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0".to_vec();
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(&crc32c::crc32c(&expected).to_le_bytes());
        let bytes = encode(&[entry(5)]);
        assert_eq!(bytes, expected);
        assert_eq!(decode(Path::new("SKIP"), &bytes).unwrap().entries(), [entry(5)]);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Path::new("SKIP"), &damaged).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|len| decode(Path::new("SKIP"), &bytes[..len]).is_err()));
    }

    #[test]
    fn what_a_snapshot_covers_leaves_the_list() {
        let files = MemoryFiles::default();
        let dir = Path::new("/data");
        files.create_dir(dir).unwrap();
        SkipList::default().with(entry(9)).with(entry(5)).write(&files, dir).unwrap();
        assert_eq!(SkipList::open(&files, dir, 4).unwrap().entries(), [entry(5), entry(9)]);
        assert_eq!(SkipList::open(&files, dir, 5).unwrap().entries(), [entry(9)]);
        assert_eq!(SkipList::read(&files, dir).unwrap().entries(), [entry(9)]);
        assert_eq!(SkipList::open(&files, dir, 9).unwrap().entries(), []);
        assert!(!files.exists(&dir.join(layout::SKIP_FILE)).unwrap());
    }

    #[test]
    fn who_asked_for_a_skipped_command_is_refused_and_who_gave_it_up_is_told_so() {
        let bits = |number: u128| (1_700_000_000_000 << 80) | (7 << 76) | (2 << 62) | number;
        let origin = |number| Origin {
            request: RequestId::new(bits(number)).unwrap(),
            principal: Principal::new("tester").unwrap(),
        };
        let create = CreateSku { sku: SkuId::new("a").unwrap(), details: SkuDetails::default() };
        let commands = [
            (Some(origin(1)), Command::CreateSku(create)),
            (Some(origin(2)), Command::AbandonRequest),
            (None, Command::ExpireDue(ExpireDue { limit: 10 })),
        ];
        let requests: Vec<_> = commands
            .iter()
            .map(|(origin, command)| codec::encode_request(origin.as_ref(), command))
            .collect();
        let time = LogTime::from_micros(1_700_000_000_000_000);
        let (stand_in, asked) = stand_in(&codec::assemble_proposal(time, &requests)).unwrap();
        let mut applied = State::new().execute(Revision::new(5), &stand_in);
        refuse(&asked, &mut applied.replies);
        let outcomes: Vec<_> = applied.replies.into_iter().map(|reply| reply.outcome).collect();
        let refused = Outcome::Rejected(Rejection::RequestAbandoned);
        assert_eq!(outcomes, [refused.clone(), Outcome::RequestAbandoned, refused]);
        let records = applied.changes.iter().filter(|change| matches!(change, Change::Request(..))).count();
        assert_eq!(
            (records, applied.changes.len()),
            (2, 3),
            "two tombstones and the clock: {:?}",
            applied.changes
        );
    }
}

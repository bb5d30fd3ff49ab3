//! A record: how anything stands in a segment. Byte by byte in `docs/internals/data_format_wal.md`.

use std::fmt;

/// Opens every record.
const MAGIC: [u8; 4] = *b"SKWL";
/// The format that is written.
const VERSION: u8 = 1;
/// Of a record's header.
pub(crate) const HEADER_BYTES: usize = 44;
/// Of the checksum behind a record's payload.
pub(crate) const TRAILER_BYTES: usize = 4;

/// Counts the records of a log, through all its segments, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Drawn at random for each use of a segment's file, so that what an earlier use left behind is never taken for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u64);

/// What a record holds. The numbers are on disk: never change one, never use one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordType {
    /// Opens a segment: what the segments before it led to.
    Checkpoint,
    /// A batch of log entries.
    Entries,
    /// A vote.
    Vote,
    /// The entries after a log id are no more.
    Truncate,
    /// The entries up to a log id are no more.
    Purge,
    /// How far the log is committed.
    Committed,
}

impl RecordType {
    fn number(self) -> u8 {
        match self {
            Self::Checkpoint => 1,
            Self::Entries => 2,
            Self::Vote => 3,
            Self::Truncate => 4,
            Self::Purge => 5,
            Self::Committed => 6,
        }
    }

    /// As it is called in the docs and in what is shown to a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Entries => "entries",
            Self::Vote => "vote",
            Self::Truncate => "truncate",
            Self::Purge => "purge",
            Self::Committed => "committed",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Checkpoint,
            2 => Self::Entries,
            3 => Self::Vote,
            4 => Self::Truncate,
            5 => Self::Purge,
            6 => Self::Committed,
            _ => return None,
        })
    }
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) record_type: RecordType,
    pub(crate) payload_bytes: u32,
    pub(crate) stamp: Stamp,
    pub(crate) sequence: Sequence,
    /// The last record that was known to be on the disk when this one was written.
    pub(crate) durable: Sequence,
}

impl Header {
    /// Bytes of the whole record.
    pub(crate) fn record_bytes(&self) -> u64 {
        u64::from(self.payload_bytes) + (HEADER_BYTES + TRAILER_BYTES) as u64
    }
}

/// Why there is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoRecord {
    /// The file ends, or only zeros stand here.
    Nothing,
    /// A sound header of another use of the file.
    Stale,
    /// Anything else.
    Bad(&'static str),
    /// A sound header of a format that this version doesn't read.
    Newer(u8),
}

impl fmt::Display for NoRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing stands where a record should"),
            Self::Stale => f.write_str("an earlier use of the file stands where a record should"),
            Self::Bad(what) => f.write_str(what),
            Self::Newer(version) => write!(f, "record format {version}"),
        }
    }
}

/// Appends a record to a buffer.
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    record_type: RecordType,
    stamp: Stamp,
    sequence: Sequence,
    durable: Sequence,
    payload: &[u8],
) {
    let payload_bytes = u32::try_from(payload.len()).expect("records are filled far below 4 GiB");
    let start = buffer.len();
    buffer.extend_from_slice(&MAGIC);
    buffer.extend_from_slice(&[VERSION, record_type.number(), 0, 0]);
    buffer.extend_from_slice(&payload_bytes.to_le_bytes());
    // The key id of an encrypted payload; 0 says plain.
    buffer.extend_from_slice(&0_u32.to_le_bytes());
    buffer.extend_from_slice(&stamp.0.to_le_bytes());
    buffer.extend_from_slice(&sequence.0.to_le_bytes());
    buffer.extend_from_slice(&durable.0.to_le_bytes());
    let header_crc = crc32c::crc32c(&buffer[start..]);
    buffer.extend_from_slice(&header_crc.to_le_bytes());
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(&payload_crc(header_crc, payload).to_le_bytes());
}

/// Continues the header's checksum: a payload that an earlier record of the same length left behind in a recycled
/// segment doesn't fit a new header, though its own record was sound.
fn payload_crc(header_crc: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(header_crc, payload)
}

/// The header at the beginning of `bytes`. Its length is to be believed, for its checksum holds.
pub(crate) fn decode_header(bytes: &[u8], stamp: Option<Stamp>) -> Result<Header, NoRecord> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        let nothing = bytes.iter().all(|byte| *byte == 0);
        return Err(if nothing { NoRecord::Nothing } else { NoRecord::Bad("a record's header is cut off") });
    };
    if header.iter().all(|byte| *byte == 0) {
        return Err(NoRecord::Nothing);
    }
    if header[..4] != MAGIC {
        return Err(NoRecord::Bad("a record's magic bytes are wrong"));
    }
    if crc32c::crc32c(&header[..40]) != u32_at(header, 40) {
        return Err(NoRecord::Bad("a record's header doesn't match its checksum"));
    }
    let found = Stamp(u64_at(header, 16));
    if stamp.is_some_and(|stamp| stamp != found) {
        return Err(NoRecord::Stale);
    }
    if header[4] != VERSION {
        return Err(NoRecord::Newer(header[4]));
    }
    if u32_at(header, 12) != 0 || header[6..8] != [0, 0] {
        return Err(NoRecord::Bad("a record has flags that this version doesn't know"));
    }
    let Some(record_type) = RecordType::from_number(header[5]) else {
        return Err(NoRecord::Bad("a record is of a type that this version doesn't know"));
    };
    Ok(Header {
        record_type,
        payload_bytes: u32_at(header, 8),
        stamp: found,
        sequence: Sequence(u64_at(header, 24)),
        durable: Sequence(u64_at(header, 32)),
    })
}

/// True where a payload, with the checksum behind it, is the one that the header was written with.
pub(crate) fn payload_is_sound(header: &[u8], payload_and_crc: &[u8]) -> bool {
    let Some((payload, crc)) = payload_and_crc.split_last_chunk::<TRAILER_BYTES>() else { return false };
    payload_crc(u32_at(header, 40), payload) == u32::from_le_bytes(*crc)
}

/// Where, at or after `from`, a sound header of this stamp begins.
pub(crate) fn find_header(bytes: &[u8], from: usize, stamp: Stamp) -> Option<(usize, Header)> {
    let mut at = from;
    while let Some(rest) = bytes.get(at..) {
        at += rest.iter().position(|byte| *byte == MAGIC[0])?;
        if let Ok(header) = decode_header(&bytes[at..], Some(stamp)) {
            return Some((at, header));
        }
        at += 1;
    }
    None
}

fn u32_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*header[at..].first_chunk().expect("within the header"))
}

fn u64_at(header: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*header[at..].first_chunk().expect("within the header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, RecordType::Vote, Stamp(0x0102), Sequence(7), Sequence(6), b"abc");
        bytes
    }

    #[test]
    fn the_bytes_of_a_record_stay_as_released() {
        let mut expected = Vec::new();
        expected.extend_from_slice(b"SKWL\x01\x03\0\0\x03\0\0\0\0\0\0\0");
        expected.extend_from_slice(&[2, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
        let header_crc = crc32c::crc32c(&expected);
        expected.extend_from_slice(&header_crc.to_le_bytes());
        expected.extend_from_slice(b"abc");
        expected.extend_from_slice(&crc32c::crc32c_append(header_crc, b"abc").to_le_bytes());
        assert_eq!(sample(), expected);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let sound = sample();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let noticed = match decode_header(&bytes, Some(Stamp(0x0102))) {
                Err(_) => true,
                Ok(_) => !payload_is_sound(&bytes, &bytes[HEADER_BYTES..]),
            };
            assert!(noticed, "bit {bit}");
        }
    }

    #[test]
    fn the_payload_of_another_record_is_noticed_though_it_is_sound_there() {
        let (old, mut torn) = (sample(), Vec::new());
        encode(&mut torn, RecordType::Vote, Stamp(0x0103), Sequence(9), Sequence(6), b"xyz");
        torn.splice(HEADER_BYTES.., old[HEADER_BYTES..].iter().copied());
        assert!(!payload_is_sound(&torn, &torn[HEADER_BYTES..]));
    }

    #[test]
    fn a_header_of_another_stamp_is_stale() {
        assert_eq!(decode_header(&sample(), Some(Stamp(1))), Err(NoRecord::Stale));
        assert_eq!(decode_header(&[0; 60], Some(Stamp(1))), Err(NoRecord::Nothing));
    }
}

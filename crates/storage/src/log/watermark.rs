//! The watermark: how much of the log was synced, noted outside the log.
//!
//! The log alone can't tell a write that the power cut short from one that was synced and damaged later, nor that its last
//! segment was deleted or replaced by an older copy. This file can: it is a lower bound of what the disk has been made to
//! keep. Where the log ends below it, the log has lost something.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::Sequence;
use crate::Error;
use crate::file::{self, File, Files};

/// Its name in the log's directory.
const NAME: &str = "watermark";
/// Opens a slot.
const MAGIC: [u8; 4] = *b"SKWM";
/// The format that is written.
const VERSION: u8 = 1;
/// Of a slot: far below a sector, which a disk writes whole or not at all.
const SLOT_BYTES: usize = 36;
/// Between the slots: the file system writes a block of this size back at once, so one write never touches both.
const BLOCK_BYTES: u64 = 4_096;
/// Of the file.
const FILE_BYTES: usize = 8_192;

/// What a slot says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Counts the writes of the file; the slot with the larger one is the newer.
    pub(crate) counter: u64,
    /// The last record that was synced: the log must not end before it. 0 in a new log.
    pub(crate) durable: u64,
    /// The last segment that had begun: it must be there. 0 in a new log.
    pub(crate) segment: u64,
}

impl Mark {
    /// True once a segment has begun.
    pub(crate) fn is_raised(&self) -> bool {
        self.durable > 0 || self.segment > 0
    }
}

/// What was read of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) mark: Mark,
    /// How many of the two slots are sound.
    pub(crate) sound_slots: usize,
}

/// The file, open for raising it.
///
/// Invariants:
/// - A slot is written only after the sync of the log that covers what it says has succeeded. So whatever a power cut leaves
///   of the two slots, neither says more than the disk was made to keep; after a sync that failed it isn't raised.
/// - Both numbers only rise.
/// - The two slots are written in turn: the slot that holds the newer mark is never the one that is being written.
/// - The file is whole and its name durable before the log's first segment has a name; it is synced with the number of a
///   segment before anything in that segment is acknowledged. So a segment that holds anything acknowledged can't go
///   unnoticed, whatever else of the file a power cut takes.
#[derive(Debug)]
pub(crate) struct Watermark {
    path: PathBuf,
    file: Arc<dyn File>,
    mark: Mark,
}

/// What stands in a slot.
enum Slot {
    Sound(Mark),
    Bad,
    Newer(u8),
}

/// The path of the file.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// What the file says; `None` where there is none. Changes nothing.
pub(crate) fn read(files: &dyn Files, dir: &Path) -> Result<Option<Noted>, Error> {
    let path = path(dir);
    let io = |source| Error::io(&path, source);
    if !files.exists(&path).map_err(io)? {
        return Ok(None);
    }
    let file = files.open_to_read(&path).map_err(io)?;
    let mut sound: Vec<Mark> = Vec::new();
    for number in 0..2 {
        let mut bytes = [0; SLOT_BYTES];
        let len = file.read_at(number * BLOCK_BYTES, &mut bytes).map_err(io)?;
        match decode(&bytes[..len], number) {
            Slot::Sound(mark) => sound.push(mark),
            Slot::Bad => {}
            Slot::Newer(found) => {
                return Err(Error::Format { file: path, found: found.into(), supported: VERSION.into() });
            }
        }
    }
    let newest = sound.iter().max_by_key(|mark| mark.counter);
    let mark = *newest.ok_or_else(|| {
        Error::corrupt(
            &path,
            0,
            "neither slot of the watermark is sound: how much of the log was synced is not known",
        )
    })?;
    Ok(Some(Noted { mark, sound_slots: sound.len() }))
}

impl Watermark {
    /// Makes the file for a new log.
    pub(crate) fn make(files: &dyn Files, dir: &Path) -> Result<Self, Error> {
        let path = path(dir);
        let mut bytes = vec![0; FILE_BYTES];
        let second = usize::try_from(BLOCK_BYTES).expect("a block is small");
        bytes[..SLOT_BYTES].copy_from_slice(&encode(Mark::default()));
        bytes[second..second + SLOT_BYTES].copy_from_slice(&encode(Mark { counter: 1, ..Mark::default() }));
        // All of it is on the disk before it is relied on: a log that stands beside no watermark has lost it.
        file::write_whole(files, &path, &bytes).map_err(|source| Error::io(&path, source))?;
        Self::open(files, dir, Mark { counter: 1, ..Mark::default() })
    }

    /// Opens the file that said this.
    pub(crate) fn open(files: &dyn Files, dir: &Path, mark: Mark) -> Result<Self, Error> {
        let path = path(dir);
        let file = files.open(&path).map_err(|source| Error::io(&path, source))?;
        Ok(Self { path, file, mark })
    }

    /// Notes that a record and all before it are on the disk, in segments up to this one. It is not synced: a power cut
    /// may take it, and then the older slot, which says less, counts.
    pub(crate) fn raise(&mut self, durable: Sequence, segment: u64) -> Result<(), Error> {
        if (durable.0, segment) == (self.mark.durable, self.mark.segment) {
            return Ok(());
        }
        self.write(durable, segment)
    }

    /// Like [`Watermark::raise`], but it is on the disk when this returns, and a slot that was damaged is sound again
    /// after at most two times.
    pub(crate) fn raise_durably(&mut self, durable: Sequence, segment: u64) -> Result<(), Error> {
        self.write(durable, segment)?;
        // Without this a power cut could take the only note that a segment exists, and its loss would look like a shorter
        // log.
        self.file.sync().map_err(|source| Error::io(&self.path, source))
    }

    fn write(&mut self, durable: Sequence, segment: u64) -> Result<(), Error> {
        let Mark { counter, durable: before, segment: segment_before } = self.mark;
        assert!(durable.0 >= before, "the watermark falls from record {before} to {}", durable.0);
        assert!(segment >= segment_before, "the watermark falls from segment {segment_before} to {segment}");
        let mark = Mark { counter: counter + 1, durable: durable.0, segment };
        let offset = mark.counter % 2 * BLOCK_BYTES;
        self.file.write_at(offset, &encode(mark)).map_err(|source| Error::io(&self.path, source))?;
        self.mark = mark;
        Ok(())
    }
}

fn encode(mark: Mark) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[8..16].copy_from_slice(&mark.counter.to_le_bytes());
    bytes[16..24].copy_from_slice(&mark.durable.to_le_bytes());
    bytes[24..32].copy_from_slice(&mark.segment.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..32]);
    bytes[32..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8], slot: u64) -> Slot {
    let Some(bytes) = bytes.first_chunk::<SLOT_BYTES>() else { return Slot::Bad };
    let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("within the slot"));
    let crc = u32::from_le_bytes(*bytes[32..].first_chunk().expect("within the slot"));
    if bytes[..4] != MAGIC || crc32c::crc32c(&bytes[..32]) != crc {
        return Slot::Bad;
    }
    if bytes[4] != VERSION {
        return Slot::Newer(bytes[4]);
    }
    let mark = Mark { counter: number(8), durable: number(16), segment: number(24) };
    // A slot in the other's place was written where it doesn't belong.
    if bytes[5..8] == [0; 3] && mark.counter % 2 == slot { Slot::Sound(mark) } else { Slot::Bad }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::file::MemoryFiles;

    const DIR: &str = "/log";

    fn made() -> (MemoryFiles, Watermark) {
        let files = MemoryFiles::default();
        files.create_dir(Path::new(DIR)).unwrap();
        let watermark = Watermark::make(&files, Path::new(DIR)).unwrap();
        (files, watermark)
    }

    fn noted(files: &MemoryFiles) -> Noted {
        read(files, Path::new(DIR)).unwrap().unwrap()
    }

    #[test]
    fn the_bytes_of_a_slot_stay_as_released() {
        let mut expected = b"SKWM\x01\0\0\0\x05\0\0\0\0\0\0\0\x03\x02\0\0\0\0\0\0\x09\0\0\0\0\0\0\0".to_vec();
        expected.extend_from_slice(&crc32c::crc32c(&expected).to_le_bytes());
        assert_eq!(encode(Mark { counter: 5, durable: 0x0203, segment: 9 }).to_vec(), expected);
    }

    #[test]
    fn a_new_watermark_is_not_raised_and_survives_a_power_cut() {
        let (files, _) = made();
        files.power_cut();
        let Noted { mark, sound_slots } = noted(&files);
        assert!(!mark.is_raised());
        assert_eq!(sound_slots, 2);
    }

    #[test]
    fn any_bit_flipped_in_one_slot_leaves_the_other_and_in_both_is_damage() {
        let (files, mut watermark) = made();
        watermark.raise(Sequence(7), 1).unwrap();
        watermark.raise(Sequence(9), 1).unwrap();
        for offset in 0..SLOT_BYTES as u64 {
            for bit in 0..8 {
                for (slot, left) in [(0, 9), (1, 7)] {
                    // The counter is 3 after two raises: the newer mark is in the second slot.
                    files.flip_bit(&path(Path::new(DIR)), slot * BLOCK_BYTES + offset, bit).unwrap();
                    let expected =
                        Noted { mark: Mark { counter: 3 - slot, durable: left, segment: 1 }, sound_slots: 1 };
                    assert_eq!(noted(&files), expected, "slot {slot}, byte {offset}, bit {bit}");
                    files.flip_bit(&path(Path::new(DIR)), slot * BLOCK_BYTES + offset, bit).unwrap();
                }
            }
        }
        for offset in [0, BLOCK_BYTES] {
            files.flip_bit(&path(Path::new(DIR)), offset, 0).unwrap();
        }
        assert!(matches!(read(&files, Path::new(DIR)), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn whatever_a_power_cut_leaves_is_something_that_was_noted() {
        for seed in 0..64 {
            let (files, mut watermark) = made();
            watermark.raise_durably(Sequence(3), 1).unwrap();
            for durable in 4..10 {
                watermark.raise(Sequence(durable), 1).unwrap();
            }
            files.power_cut_torn(seed);
            let Noted { mark, sound_slots } = noted(&files);
            assert!((3..10).contains(&mark.durable), "seed {seed}: {mark:?}");
            assert_eq!(sound_slots, 2);
        }
    }

    #[test]
    fn a_slot_of_a_newer_format_is_refused_as_such() {
        let (files, _) = made();
        let mut bytes = encode(Mark { counter: 2, durable: 1, segment: 1 });
        bytes[4] = 2;
        let crc = crc32c::crc32c(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        files.open(&path(Path::new(DIR))).unwrap().write_at(0, &bytes).unwrap();
        assert!(matches!(read(&files, Path::new(DIR)), Err(Error::Format { found: 2, supported: 1, .. })));
    }
}

//! Everything that can be done to a data directory, one thing at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use stockade_env::Random;
use stockade_storage::file::Image;

use super::build::Directory;

/// What a disk writes whole.
const SECTOR_BYTES: usize = 512;
/// How much of a file's end is cut off byte by byte.
const TRUNCATED_BYTES: usize = 64 << 10;
/// Seeded ranges of each file that are filled with zeros.
const ZERO_RANGES: usize = 100;
/// Seeded pairs of swaps of each file's sectors.
const DOUBLE_SWAPS: usize = 50;

/// A change of a data directory.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    Flip {
        path: PathBuf,
        offset: usize,
        bit: u8,
    },
    Truncate {
        path: PathBuf,
        len: usize,
    },
    Zero {
        path: PathBuf,
        from: usize,
        to: usize,
    },
    /// Sectors of one file exchanged, pair by pair.
    SwapSectors {
        path: PathBuf,
        pairs: Vec<(usize, usize)>,
    },
    /// Two files exchanged.
    SwapFiles(PathBuf, PathBuf),
    /// A file as it, or another one, was after a step of the directory's life.
    Stale {
        path: PathBuf,
        step: usize,
        was: PathBuf,
    },
    Delete(PathBuf),
    DeleteDir(PathBuf),
}

impl Damage {
    /// Its kind, for counting.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Flip { .. } => "flipped bits",
            Self::Truncate { .. } => "truncations",
            Self::Zero { .. } => "zeros",
            Self::SwapSectors { .. } => "swapped sectors",
            Self::SwapFiles(..) => "swapped files",
            Self::Stale { path, was, .. } if path == was => "stale files",
            Self::Stale { .. } => "stale files under other names",
            Self::Delete(_) => "deleted files",
            Self::DeleteDir(_) => "deleted directories",
        }
    }

    /// The file or directory that it is done to; of two the first.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Flip { path, .. }
            | Self::Truncate { path, .. }
            | Self::Zero { path, .. }
            | Self::SwapSectors { path, .. }
            | Self::SwapFiles(path, _)
            | Self::Stale { path, .. }
            | Self::Delete(path)
            | Self::DeleteDir(path) => path,
        }
    }

    /// Does it to a copy; `None` where it changes nothing.
    pub(super) fn done_to(&self, directory: &Directory) -> Option<Image> {
        let mut image = directory.image.clone();
        match self {
            Self::Flip { path, offset, bit } => {
                *image.bytes_mut(path)?.get_mut(*offset)? ^= 1 << bit;
            }
            Self::Truncate { path, len } => {
                image.truncate(path, *len);
            }
            Self::Zero { path, from, to } => image.bytes_mut(path)?.get_mut(*from..*to)?.fill(0),
            Self::SwapSectors { path, pairs } => {
                let bytes = image.bytes_mut(path)?;
                for (one, other) in pairs {
                    swap_sectors(bytes, *one, *other);
                }
            }
            Self::SwapFiles(one, other) => {
                image.swap(one, other);
            }
            Self::Stale { path, step, was } => {
                let bytes = directory.older.get(*step)?.bytes(was)?.to_vec();
                image.insert(path, bytes);
            }
            Self::Delete(path) => {
                image.remove(path);
            }
            Self::DeleteDir(path) => {
                image.remove_dir(path);
            }
        }
        (image != directory.image).then_some(image)
    }
}

fn swap_sectors(bytes: &mut [u8], one: usize, other: usize) {
    let (low, high) = (one.min(other) * SECTOR_BYTES, one.max(other) * SECTOR_BYTES);
    if low == high || high >= bytes.len() {
        return;
    }
    let (before, behind) = bytes.split_at_mut(high);
    let len = behind.len().min(SECTOR_BYTES);
    before[low..low + len].swap_with_slice(&mut behind[..len]);
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flip { path, offset, bit } => {
                write!(f, "bit {bit} of byte {offset} of {} flipped", path.display())
            }
            Self::Truncate { path, len } => write!(f, "{} cut to {len} bytes", path.display()),
            Self::Zero { path, from, to } => write!(f, "{} zeroed from {from} to {to}", path.display()),
            Self::SwapSectors { path, pairs } => write!(f, "sectors {pairs:?} of {} swapped", path.display()),
            Self::SwapFiles(one, other) => write!(f, "{} and {} swapped", one.display(), other.display()),
            Self::Stale { path, step, was } => {
                write!(f, "{} as {} was after step {step}", path.display(), was.display())
            }
            Self::Delete(path) => write!(f, "{} deleted", path.display()),
            Self::DeleteDir(path) => write!(f, "{} deleted with all in it", path.display()),
        }
    }
}

/// Everything that is done to a directory, in an order that a seed repeats.
pub(super) fn all(directory: &Directory, seed: u64, all_bits: bool) -> Vec<Damage> {
    let random = Random::from_seed(seed);
    let mut damages = Vec::new();
    for (path, bytes) in directory.image.files() {
        within_file(path, bytes, &random, all_bits, &mut damages);
        damages.push(Damage::Delete(path.to_owned()));
    }
    // The whole data directory gone is a node that never was.
    let dirs = directory
        .image
        .dirs()
        .filter(|dir| dir.starts_with(&directory.setup.dir) && **dir != directory.setup.dir);
    damages.extend(dirs.map(|dir| Damage::DeleteDir(dir.to_owned())));
    let paths: Vec<&Path> = directory.image.files().map(|(path, _)| path).collect();
    for (at, one) in paths.iter().enumerate() {
        for other in &paths[at + 1..] {
            if one.parent() == other.parent() {
                damages.push(Damage::SwapFiles((*one).to_owned(), (*other).to_owned()));
            }
        }
    }
    stale(directory, &mut damages);
    damages
}

fn within_file(path: &Path, bytes: &[u8], random: &Random, all_bits: bool, damages: &mut Vec<Damage>) {
    let path = || path.to_owned();
    let below = |bound: usize| {
        let drawn = random.below(u64::try_from(bound.max(1)).unwrap_or(u64::MAX));
        usize::try_from(drawn).expect("below a number that fits")
    };
    for offset in 0..bytes.len() {
        let seeded = u8::try_from(random.below(8)).expect("below eight");
        let bits = if all_bits { 0..8 } else { seeded..seeded + 1 };
        damages.extend(bits.map(|bit| Damage::Flip { path: path(), offset, bit }));
    }
    let shortest = bytes.len().saturating_sub(TRUNCATED_BYTES);
    damages.extend((shortest..bytes.len()).map(|len| Damage::Truncate { path: path(), len }));
    let sectors = bytes.len().div_ceil(SECTOR_BYTES);
    for sector in 0..sectors {
        let from = sector * SECTOR_BYTES;
        let end = bytes.len().min(from + SECTOR_BYTES);
        damages.push(Damage::Zero { path: path(), from, to: end });
        damages.push(Damage::Zero { path: path(), from, to: bytes.len() });
        for other in sector + 1..sectors {
            damages.push(Damage::SwapSectors { path: path(), pairs: vec![(sector, other)] });
        }
    }
    for _ in 0..ZERO_RANGES {
        let from = below(bytes.len());
        let to = from + 1 + below(bytes.len().saturating_sub(from));
        damages.push(Damage::Zero { path: path(), from, to: to.min(bytes.len()) });
    }
    if sectors > 2 {
        for _ in 0..DOUBLE_SWAPS {
            let pairs = vec![(below(sectors), below(sectors)), (below(sectors), below(sectors))];
            damages.push(Damage::SwapSectors { path: path(), pairs });
        }
    }
}

/// Files as they were before: under their own names, and log segments under those of others.
fn stale(directory: &Directory, damages: &mut Vec<Damage>) {
    let mut seen: BTreeSet<(&Path, &[u8])> = BTreeSet::new();
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == "wal");
    let segments: Vec<&Path> =
        directory.image.files().map(|(path, _)| path).filter(|path| is_segment(path)).collect();
    let next = segments.last().and_then(|last| {
        let number = u64::from_str_radix(last.file_stem()?.to_str()?, 16).ok()?;
        Some(last.with_file_name(format!("{:016x}.wal", number + 1)))
    });
    for (step, image) in directory.older.iter().enumerate() {
        for (was, bytes) in image.files() {
            if !seen.insert((was, bytes)) {
                continue;
            }
            let stale = |path: &Path| Damage::Stale { path: path.to_owned(), step, was: was.to_owned() };
            damages.push(stale(was));
            if is_segment(was) {
                let others = segments.iter().copied().chain(next.as_deref()).filter(|path| *path != was);
                damages.extend(others.map(stale));
            }
        }
    }
}

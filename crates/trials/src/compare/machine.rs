//! What it all runs on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;

use super::figures::median;
use crate::soak::orders::micros;

/// Bytes of a write whose sync is measured.
const WRITE_BYTES: usize = 4_096;
/// How many of them are measured.
const WRITES: usize = 200;

/// The machine, and what a sync of its disk takes while nothing else is measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    memory_mib: u64,
    kernel: String,
    /// Of the directory in which everybody keeps their data.
    file_system: String,
    /// Median of an fdatasync of 4,096 bytes, in microseconds, in a file whose room was written before.
    fdatasync_preallocated_us: u64,
    /// The same, where each write makes the file longer.
    fdatasync_growing_us: u64,
}

impl Machine {
    /// Looks, and measures in this directory.
    pub(super) fn look(dir: &Path) -> anyhow::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            memory_mib: kib / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), &dir),
            fdatasync_preallocated_us: sync_us(&dir.join("preallocated"), true)?,
            fdatasync_growing_us: sync_us(&dir.join("growing"), false)?,
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, processor, memory_mib, kernel, file_system, .. } = self;
        writeln!(
            f,
            "{cores} cores ({processor}), {memory_mib} MiB of memory, Linux {kernel}, {file_system}"
        )?;
        writeln!(
            f,
            "fdatasync of 4 KiB: {} us where there is room already, {} us where the file grows",
            self.fdatasync_preallocated_us, self.fdatasync_growing_us
        )
    }
}

/// The type of the file system that holds a directory, by the longest mount point above it.
fn file_system(mounts: &str, dir: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    // Of several mounts at one place the last is seen.
    let above = mounts.filter(|(point, _)| dir.starts_with(point)).max_by_key(|(point, _)| point.len());
    above.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// What a write with its fdatasync takes, in the middle.
fn sync_us(path: &Path, preallocated: bool) -> anyhow::Result<u64> {
    let measure = || {
        let file = File::create(path)?;
        let block = [1_u8; WRITE_BYTES];
        if preallocated {
            file.write_all_at(&vec![0; WRITE_BYTES * WRITES], 0)?;
            file.sync_all()?;
        }
        let mut took = Vec::with_capacity(WRITES);
        let mut offset = 0;
        for _ in 0..WRITES {
            let begun = Instant::now();
            file.write_all_at(&block, offset)?;
            file.sync_data()?;
            took.push(micros(begun.elapsed()));
            offset += WRITE_BYTES as u64;
        }
        fs::remove_file(path)?;
        Ok::<u64, std::io::Error>(median(took))
    };
    measure().with_context(|| format!("measuring syncs in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_counts_and_the_last_of_equal_ones() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/fast xfs rw 0 0\n/dev/c /tmp/fast btrfs rw 0 0\n";
        let of = |dir: &str| file_system(mounts, Path::new(dir));
        assert_eq!(of("/home/x"), "ext4");
        assert_eq!(of("/tmp/y"), "tmpfs");
        assert_eq!(of("/tmp/faster"), "tmpfs");
        assert_eq!(of("/tmp/fast/z"), "btrfs");
        assert_eq!(file_system("", Path::new("/")), "unknown");
    }

    #[test]
    fn this_machine_is_looked_at_and_nothing_stays_behind() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::look(dir.path()).unwrap();
        assert!(machine.cores > 0 && machine.memory_mib > 0 && !machine.kernel.is_empty());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

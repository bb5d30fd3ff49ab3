//! What processes have used, from `/proc`.

use std::path::Path;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Processor time, in microseconds.
    pub(super) cpu_us: u64,
    /// Resident memory at its most, in bytes.
    pub(super) peak_bytes: u64,
}

/// What a process has used; nothing where it is gone.
pub(super) fn of(process: u32) -> Used {
    let read = |name: &str| std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join(name));
    let cpu_us = read("stat").ok().and_then(|stat| cpu_us(&stat)).unwrap_or_default();
    let peak_bytes = read("status").ok().and_then(|status| peak_bytes(&status)).unwrap_or_default();
    Used { cpu_us, peak_bytes }
}

/// User and system time of a process with its threads.
fn cpu_us(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let ticks: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((ticks + system).saturating_mul(1_000_000) / rustix::param::clock_ticks_per_second().max(1))
}

fn peak_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let before = of(std::process::id());
        assert!(before.peak_bytes > 1 << 20, "{before:?}");
        let started = std::time::Instant::now();
        let mut after = before;
        let mut sum = 0_u64;
        while after.cpu_us <= before.cpu_us && started.elapsed().as_secs() < 10 {
            sum = std::hint::black_box(sum.wrapping_add(1));
            after = of(std::process::id());
        }
        assert!(after.cpu_us > before.cpu_us, "{sum} steps cost nothing");
    }

    #[test]
    fn a_name_with_parentheses_hides_nothing() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_us(stat), Some(200 * 1_000_000 / rustix::param::clock_ticks_per_second()));
    }
}

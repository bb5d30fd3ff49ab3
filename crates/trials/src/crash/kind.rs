//! The ways in which a node is stopped, and their names, by which one of them can be asked for.

use std::fmt;
use std::str::FromStr;

use stockade_storage::file::{Counted, Fault, FaultKind, MemoryFiles};

/// What happens at the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// The node stops before it.
    Before,
    /// The node stops within it: of a write half is done.
    Within,
    /// It fails with EIO, once.
    Eio,
    /// It fails with ENOSPC, once.
    Enospc,
    /// It and all that follow fail with EIO.
    EioLasting,
    /// It and all that follow fail with ENOSPC.
    EnospcLasting,
    /// The file system goes down within it.
    Down,
}

/// How the node's life ends then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// The process alone.
    Kill,
    /// A power cut; nothing that was not synced is there.
    Cut,
    /// A power cut; some of it is.
    Torn,
    /// The same, with other choices.
    Retorn,
    /// A power cut; all of it is.
    Kept,
}

/// What happens while it recovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Again {
    /// Nothing.
    Nothing,
    /// It stops before an operation of the recovery.
    Stops(u64, Ending),
    /// Something that it reads fails with EIO, once.
    FailsToRead(u64),
}

/// A way in which a node is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) how: How,
    pub(super) ending: Ending,
    pub(super) again: Again,
}

impl How {
    pub(super) const ALL: [Self; 7] = [
        Self::Before,
        Self::Within,
        Self::Eio,
        Self::Enospc,
        Self::EioLasting,
        Self::EnospcLasting,
        Self::Down,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Within => "within",
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::EioLasting => "eio-lasting",
            Self::EnospcLasting => "enospc-lasting",
            Self::Down => "down",
        }
    }

    /// The same for the disk.
    pub(super) fn fault(self, after: u64) -> Fault {
        let (kind, lasting) = match self {
            Self::Before => (FaultKind::Crash, true),
            Self::Within => (FaultKind::CrashWithin, true),
            Self::Eio => (FaultKind::Io, false),
            Self::Enospc => (FaultKind::NoSpace, false),
            Self::EioLasting => (FaultKind::Io, true),
            Self::EnospcLasting => (FaultKind::NoSpace, true),
            Self::Down => (FaultKind::Down, true),
        };
        Fault { after, on: Counted::Changes, kind, lasting }
    }

    /// The endings that are tried after it.
    pub(super) fn endings(self) -> &'static [Ending] {
        match self {
            Self::Before => &[Ending::Kill, Ending::Cut, Ending::Torn, Ending::Retorn, Ending::Kept],
            Self::Within => &[Ending::Kill, Ending::Torn],
            Self::Down => &[Ending::Cut, Ending::Torn],
            Self::Eio | Self::Enospc | Self::EioLasting | Self::EnospcLasting => {
                &[Ending::Kill, Ending::Cut, Ending::Torn]
            }
        }
    }
}

impl Ending {
    pub(super) const ALL: [Self; 5] = [Self::Kill, Self::Cut, Self::Torn, Self::Retorn, Self::Kept];

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Cut => "cut",
            Self::Torn => "torn",
            Self::Retorn => "retorn",
            Self::Kept => "kept",
        }
    }

    /// Does it to a disk.
    pub(super) fn befall(self, files: &MemoryFiles, seed: u64) {
        match self {
            Self::Kill => files.kill(),
            Self::Cut => files.power_cut(),
            Self::Torn => files.power_cut_torn(seed.wrapping_mul(2)),
            Self::Retorn => files.power_cut_torn(seed.wrapping_mul(2).wrapping_add(1)),
            Self::Kept => files.power_cut_kept(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.how.name(), self.ending.name())?;
        match self.again {
            Again::Nothing => Ok(()),
            Again::Stops(at, ending) => write!(f, "/{at}/{}", ending.name()),
            Again::FailsToRead(at) => write!(f, "/read/{at}"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let how = |name: &str| How::ALL.into_iter().find(|how| how.name() == name);
        let ending = |name: &str| Ending::ALL.into_iter().find(|ending| ending.name() == name);
        let unknown = || {
            format!(
                "{text:?} is no kind, such as before/kill, eio/cut, before/torn/7/cut or before/kill/read/3"
            )
        };
        let (first, second, again) = match parts.as_slice() {
            [first, second] => (first, second, Again::Nothing),
            [first, second, "read", at] => {
                (first, second, Again::FailsToRead(at.parse().map_err(|_| unknown())?))
            }
            [first, second, at, last] => {
                let at = at.parse().map_err(|_| unknown())?;
                (first, second, Again::Stops(at, ending(last).ok_or_else(unknown)?))
            }
            _ => return Err(unknown()),
        };
        Ok(Self { how: how(first).ok_or_else(unknown)?, ending: ending(second).ok_or_else(unknown)?, again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for how in How::ALL {
            for ending in Ending::ALL {
                for again in [Again::Nothing, Again::Stops(7, Ending::Torn), Again::FailsToRead(3)] {
                    let kind = Kind { how, ending, again };
                    assert_eq!(kind.to_string().parse(), Ok(kind));
                }
            }
        }
    }
}

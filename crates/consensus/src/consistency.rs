//! What a read promises, and what a node does for it before it reads its state.

use std::time::Duration;

use stockade_state_machine::Revision;
use tokio::time::{Instant, timeout_at};

use crate::ReadError;
use crate::node::Inner;
use crate::read::Confirmed;

/// What a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// It sees everything that was acknowledged anywhere before it came. The leader asks a quorum.
    #[default]
    Linearizable,
    /// The same, and the leader may rely on its lease: the clocks of the nodes are trusted to run at about the same rate.
    Lease,
    /// It sees everything that was acknowledged anywhere so long before it came.
    Bounded(Duration),
    /// It sees what had happened by this revision.
    AtLeast(Revision),
    /// It sees what the node has applied.
    Local,
}

/// What a read was served as: what it asked for, or something stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// As [`Consistency::Linearizable`].
    Linearizable,
    /// As [`Consistency::Lease`].
    Lease,
    /// As [`Consistency::Bounded`].
    Bounded,
    /// As [`Consistency::AtLeast`].
    AtLeast,
    /// As [`Consistency::Local`].
    Local,
}

impl From<Confirmed> for Served {
    fn from(confirmed: Confirmed) -> Self {
        match confirmed {
            Confirmed::ByQuorum => Self::Linearizable,
            Confirmed::ByLease => Self::Lease,
        }
    }
}

impl Inner {
    /// See [`crate::Node::prepare_read`].
    pub(crate) async fn prepare_read(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Served, ReadError> {
        match consistency {
            Consistency::Linearizable => {
                self.pass_barrier(Confirmed::ByQuorum, deadline).await.map(Served::from)
            }
            Consistency::Lease => self.pass_barrier(Confirmed::ByLease, deadline).await.map(Served::from),
            Consistency::Bounded(age) => {
                self.believes_its_state()?;
                // Looked at after the read has come: what is new enough now is new enough for it, however late the answer.
                if self.mark.is_within(age) {
                    return Ok(Served::Bounded);
                }
                self.pass_barrier(Confirmed::ByQuorum, deadline).await.map(Served::from)
            }
            Consistency::AtLeast(revision) => {
                self.believes_its_state()?;
                let applied = timeout_at(deadline, self.state.wait_applied(revision));
                tokio::select! {
                    applied = applied => {
                        applied.map_err(|_| ReadError::Behind { applied: self.state.applied() })?;
                    }
                    () = self.stopping() => return Err(ReadError::ShuttingDown),
                }
                self.believes_its_state()?;
                Ok(Served::AtLeast)
            }
            Consistency::Local => {
                self.believes_its_state()?;
                Ok(Served::Local)
            }
        }
    }

    /// What a node must not tell from its state alone: that of a node that stops, for its state may be wrong, and that of one that is
    /// no member, for it may be as old as can be.
    fn believes_its_state(&self) -> Result<(), ReadError> {
        if self.is_stopping() {
            return Err(ReadError::ShuttingDown);
        }
        if self.membership.is_removed() {
            return Err(ReadError::Removed);
        }
        Ok(())
    }
}

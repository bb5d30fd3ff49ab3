//! A verification of the ledger, and what its caller hears of it.

use stockade_proto::v1;
use stockade_storage::LedgerVerification;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tonic::Status;

use crate::convert;
use crate::core::Core;
use crate::failure::Failure;
use crate::limits;
use crate::status::Call;

/// A verification for one caller.
///
/// Invariants:
/// - The permit is kept until it has ended: who calls and hangs up can't have many running at once.
/// - It ends early where nobody listens any more, and where the node stops.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(crate) core: Core,
    pub(crate) messages: mpsc::Sender<Result<v1::VerifyLedgerResponse, Status>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Verification {
    /// Verifies the ledger and tells how far it is meanwhile.
    pub(crate) async fn run(self) {
        tokio::select! {
            // A verification must not hold up the node's stop, and none begins then.
            biased;
            () = self.core.draining() => self.cut_off(),
            () = self.messages.closed() => tracing::info!("a verification was given up by its caller"),
            () = self.verify() => {}
        }
        drop(self.permit);
    }

    /// Ends the stream with a status. Where the caller has left no room for it, it sees the stream end without a result.
    fn cut_off(&self) {
        drop(self.messages.try_send(Err(self.status(&Failure::ShuttingDown))));
    }

    async fn verify(&self) {
        let (progress, read) = watch::channel((0, 0));
        let mut note = |read: u64, total: u64| {
            progress.send_replace((read, total));
        };
        let verified = self.core.node().state().verify_ledger(&mut note);
        tokio::pin!(verified);
        let every = limits::LEDGER_PROGRESS_INTERVAL;
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let verified = loop {
            tokio::select! {
                verified = &mut verified => break verified,
                // Who reads slowly misses some, and loses nothing by it.
                _ = ticks.tick() => drop(self.messages.try_send(Ok(so_far(*read.borrow())))),
            }
        };
        let last = match verified {
            Ok(verified) => Ok(self.result(&verified)),
            Err(error) => Err(self.status(&Failure::storage(&error))),
        };
        // Who doesn't read is cut off: its place is another's.
        drop(timeout(self.core.limits().unread_timeout, self.messages.send(last)).await);
    }

    fn result(&self, verified: &LedgerVerification) -> v1::VerifyLedgerResponse {
        v1::VerifyLedgerResponse {
            header: Some(self.core.answering_from(verified.revision).read(verified.revision)),
            entries_read: verified.entries,
            entries_total: verified.entries,
            result: Some(convert::ledger_verification(verified)),
        }
    }

    fn status(&self, failure: &Failure) -> Status {
        self.core.fail(failure, Call::Read)
    }
}

/// How far a verification is.
fn so_far((entries_read, entries_total): (u64, u64)) -> v1::VerifyLedgerResponse {
    v1::VerifyLedgerResponse { entries_read, entries_total, ..v1::VerifyLedgerResponse::default() }
}

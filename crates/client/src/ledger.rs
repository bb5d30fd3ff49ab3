//! A node's ledger, verified by the node itself.

use stockade_proto::v1::ledger_service_client::LedgerServiceClient;
use stockade_proto::v1::{LedgerVerification, ResponseHeader, VerifyLedgerRequest};
use tokio::time::timeout;

use crate::reads::{refused, too_late};
use crate::{Client, Error, Result, limits};

/// What a node found in its ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedLedger {
    /// Who found it, and when.
    pub header: Option<ResponseHeader>,
    /// How many entries were read.
    pub entries: u64,
    /// What became of the verification.
    pub found: LedgerVerification,
}

impl Client {
    /// Has the node at `address` verify its whole ledger, which takes as long as the ledger is long; no retry. `progress` is told
    /// how many entries were read, and how many there are.
    ///
    /// Errors: `Rejected`, with `OVERLOADED` where the node verifies as much as it can already; `Transport` where the node could not be
    /// reached, broke off or fell silent.
    pub async fn verify_ledger_of(
        &self,
        address: &str,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<VerifiedLedger> {
        let mut client = LedgerServiceClient::new(self.0.channels.to(address)?)
            .max_decoding_message_size(limits::MAX_ANSWER_BYTES);
        let asked = client.verify_ledger(VerifyLedgerRequest {});
        let answer = timeout(self.0.config.timeout, asked).await.unwrap_or_else(|_| Err(too_late(address)));
        let mut messages = answer.map_err(|status| refused(&status))?.into_inner();
        loop {
            let message = timeout(limits::MAX_LEDGER_SILENCE, messages.message()).await;
            let message =
                message.unwrap_or_else(|_| Err(too_late(address))).map_err(|status| refused(&status))?;
            let Some(message) = message else {
                return Err(Error::Transport(format!("{address} stopped before its ledger was verified")));
            };
            progress(message.entries_read, message.entries_total);
            if let Some(found) = message.result {
                return Ok(VerifiedLedger { header: message.header, entries: message.entries_read, found });
            }
        }
    }
}

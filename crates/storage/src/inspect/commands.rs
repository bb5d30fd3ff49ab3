//! The commands of an entry in words.

use crate::Proposal;
use crate::codec::{self, DecodeError};

/// The commands of an entry in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandsInWords {
    /// When, by the clock of the leader that proposed them, in microseconds since 1970.
    pub log_time_us: u64,
    /// One for each command, in order.
    pub requests: Vec<RequestInWords>,
}

/// A command in words, and on whose behalf it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInWords {
    /// `None` for what the system proposed itself.
    pub request_id: Option<String>,
    /// Who asked; `None` for what the system proposed itself.
    pub principal: Option<String>,
    /// What is to be done.
    pub command: String,
}

/// What stands in a proposal.
pub fn commands_in_words(proposal: &Proposal) -> Result<CommandsInWords, DecodeError> {
    let entry = codec::decode_proposal(proposal)?;
    let requests = entry.requests.iter().map(|request| RequestInWords {
        request_id: request.origin.as_ref().map(|origin| origin.request.to_string()),
        principal: request.origin.as_ref().map(|origin| origin.principal.to_string()),
        command: format!("{:?}", request.command),
    });
    Ok(CommandsInWords { log_time_us: entry.time.micros(), requests: requests.collect() })
}

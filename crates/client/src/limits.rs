//! Every bound of the client, in one place.

use std::time::Duration;

/// Mutations in flight, those that wait to be sent included. The server takes 4,096 a stream; some are left for
/// copies of calls whose caller has given up.
pub const MAX_IN_FLIGHT: usize = 3_072;
/// Mutations in one message: what the server takes.
pub const MAX_BATCH: usize = 1_000;
/// Bytes of one message, unless a single mutation is larger: well under what servers take.
pub const MAX_BATCH_BYTES: usize = 512 * 1024;
/// Messages that wait for the transport. Few, so that mutations gather into large messages while it is busy.
pub const MAX_QUEUED_MESSAGES: usize = 2;
/// Bytes of an answer. A page of 1,000 large orders fits.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Until a connection stands: longer means that the node is down, and there are others.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Until a stream is accepted on a connection.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between HTTP/2 pings, and how long an answer may take: finds nodes that went without a word.
pub const KEEPALIVE: Duration = Duration::from_secs(1);
/// How long a node may be silent while it owes an answer; then another is asked.
pub const MAX_SILENCE: Duration = Duration::from_secs(2);
/// How long a node may be silent while it owes an answer and another one leads.
pub const MAX_SILENCE_OF_OTHERS: Duration = Duration::from_millis(50);
/// Before a node that doesn't tell whether it leads is asked again.
pub const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// Reads in flight; further ones wait, their time for an attempt not running yet. A node takes a few hundred streams.
pub const MAX_READS: usize = 128;
/// How long one attempt to read may take; then another node is asked.
pub const READ_ATTEMPT: Duration = Duration::from_secs(3);
/// How long a `GetStatus` may take: a node waits a second for those that do not answer.
pub const STATUS_ATTEMPT: Duration = Duration::from_millis(1_500);
/// How long the next word of a node that verifies its ledger may take: it says how far it is at least once a second.
pub const MAX_LEDGER_SILENCE: Duration = Duration::from_secs(30);
/// How long a node that failed is passed over where there is another.
pub const SUSPICION: Duration = Duration::from_millis(500);
/// Pause between two looks at the members while all is well.
pub const REFRESH: Duration = Duration::from_secs(2);
/// Pause between two looks at the members while no leader is known.
pub const REFRESH_WITHOUT_LEADER: Duration = Duration::from_millis(100);
/// First pause before a retry.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(4);
/// Longest pause before a retry.
pub const MAX_BACKOFF: Duration = Duration::from_millis(100);
/// First pause where the server said that it has too much to do.
pub const OVERLOAD_BACKOFF: Duration = Duration::from_millis(50);
/// Longest pause where the server said that it has too much to do.
pub const MAX_OVERLOAD_BACKOFF: Duration = Duration::from_secs(1);
/// Shortest and longest time that a mutation may be given at the server.
pub const SERVER_TIMEOUT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(1));
/// Addresses that are remembered.
pub const MAX_ADDRESSES: usize = 64;
/// Bytes of one mutation: what a node takes in a message by default, less what stands around it.
pub const MAX_MUTATION_BYTES: usize = 4 * 1024 * 1024 - 64;

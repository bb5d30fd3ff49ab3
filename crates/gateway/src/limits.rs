//! Every bound of the gateway, in one place. The bounds of fields are the state machine's.

use std::time::Duration;

/// Where a caller gives no deadline.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
/// A caller's deadline is cut to this.
pub(crate) const MAX_DEADLINE: Duration = Duration::from_mins(1);
/// The shortest time a mutation of a stream may ask for.
pub(crate) const MIN_MUTATION_TIMEOUT: Duration = Duration::from_millis(10);
/// An answer is due this much before the caller's deadline, or a tenth of its time where that is less: the transport
/// cuts the call off at the deadline itself, and the fate of a write would be lost with it.
pub(crate) const ANSWER_MARGIN: Duration = Duration::from_millis(25);

/// How long a node that is drained waits for another to take the lead over.
pub(crate) const MAX_HANDOVER: Duration = Duration::from_secs(5);
/// The shortest `max_staleness` of a bounded read: less is a linearizable read.
pub(crate) const MIN_STALENESS: Duration = Duration::from_millis(1);
/// The longest.
pub(crate) const MAX_STALENESS: Duration = Duration::from_hours(1);

/// Items of a page where the caller names no size.
pub(crate) const DEFAULT_PAGE_SIZE: usize = 50;
/// Items of a page at most, and rows read at one revision: nothing is applied meanwhile.
pub(crate) const MAX_PAGE_SIZE: usize = 1_000;
/// SKUs that one call of `GetAvailability` names: it looks at all of their locations, and nothing is applied meanwhile.
pub(crate) const MAX_AVAILABILITY_BATCH: usize = 100;
/// Locations that an answer of `GetAvailability` lists of a SKU: with the longest ids all of them stay below [`MAX_PAGE_BYTES`].
pub(crate) const MAX_AVAILABILITY_LOCATIONS: usize = 100;
/// Things that one call of `BatchGetStock` names.
pub(crate) const MAX_BATCH: usize = 1_000;
/// SKUs that one call of `BatchGetSkus` names: each may have 4 `KiB` of attributes.
pub(crate) const MAX_SKU_BATCH: usize = 250;
/// Orders that one call of `BatchGetOrders` names: real ones have some twenty lines, some a thousand.
pub(crate) const MAX_ORDER_BATCH: usize = 250;
/// Bytes of a page: orders are large, and callers refuse messages of more than 4 `MiB` by default.
pub(crate) const MAX_PAGE_BYTES: usize = 2 << 20;

/// Mutations in a message of `Submit`.
pub(crate) const MAX_SUBMIT_MUTATIONS: usize = 1_000;
/// Bytes of results that are gathered into one message of `Submit`; the last one may go beyond it.
pub(crate) const MAX_SUBMIT_RESPONSE_BYTES: usize = 1 << 20;
/// Messages that wait for a caller who reads slowly.
pub(crate) const STREAM_QUEUE: usize = 4;

/// Bytes of log entries gathered into one message of `ExportLog`; the last one may go beyond it.
pub(crate) const MAX_EXPORT_RESPONSE_BYTES: usize = 1 << 20;

/// Verifications of the ledger at once: each reads the whole of it.
pub(crate) const MAX_LEDGER_VERIFICATIONS: usize = 1;
/// How often a verification of the ledger tells how far it is.
pub(crate) const LEDGER_PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Snapshots that are made for callers or sent to them at once: each holds a file, and reads the disk as fast as its caller.
pub(crate) const MAX_SNAPSHOT_STREAMS: usize = 2;
/// Bytes of a piece of a snapshot.
pub(crate) const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;
/// Pieces of a snapshot that are read ahead of the network.
pub(crate) const SNAPSHOT_CHUNKS_AHEAD: usize = 1;
/// Bytes of a snapshot that its caller has to take in a second: who is slower is cut off in the end.
pub(crate) const SNAPSHOT_MIN_BYTES_A_SECOND: u64 = 1 << 20;
/// How often a snapshot is made before it must hold what was applied when it was asked for.
pub(crate) const SNAPSHOT_ATTEMPTS: u32 = 3;

/// Commands that wait for the stream to the leader.
pub(crate) const FORWARD_QUEUE: usize = 4_096;
/// Commands on one stream between nodes that have no answer yet, at either end.
pub(crate) const MAX_FORWARD_IN_FLIGHT: usize = 16_384;
/// Commands in one message between nodes.
pub(crate) const MAX_FORWARD_COMMANDS: usize = 128;
/// Bytes of commands gathered into one message between nodes; the last one may go beyond it.
pub(crate) const MAX_FORWARD_BYTES: usize = 256 << 10;
/// Bytes of a message between nodes: the largest command fits several times.
pub(crate) const MAX_FORWARD_MESSAGE_BYTES: usize = 16 << 20;
/// For the leader to accept a stream.
pub(crate) const FORWARD_OPEN_TIMEOUT: Duration = Duration::from_secs(1);
/// How far the clocks of two nodes may be apart before commands from one to the other lose some of their time.
pub(crate) const FORWARD_CLOCK_SKEW: Duration = Duration::from_secs(1);
/// How often commands whose callers have gone are forgotten.
pub(crate) const FORWARD_SWEEP: Duration = Duration::from_secs(1);

/// The first pause before a write is tried again where nothing says that the leader changed; doubles.
pub(crate) const RETRY_PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause between attempts.
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long after the deadline the proposer may still say that it never proposed: that is better news than silence.
pub(crate) const PROPOSER_GRACE: Duration = Duration::from_millis(5);
/// What callers are told to wait before they try again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How often readiness is looked at for the health service.
pub(crate) const HEALTH_INTERVAL: Duration = Duration::from_millis(100);

/// Bytes of a node's address: a host's name has 253 at most.
pub(crate) const MAX_ADDRESS_BYTES: usize = 260;

/// Violations that an error lists: trailers must stay below the 8 `KiB` that callers accept by default.
pub(crate) const MAX_VIOLATIONS: usize = 20;
/// Bytes of the violations that an error lists; encoded as trailers they grow by a third.
pub(crate) const MAX_VIOLATION_BYTES: usize = 3 << 10;
/// Bytes of an error's message.
pub(crate) const MAX_MESSAGE_BYTES: usize = 512;
/// Refused calls that the audit log names in [`AUDITED_REFUSALS_EVERY`]; others are counted.
pub(crate) const AUDITED_REFUSALS: u32 = 20;
/// See [`AUDITED_REFUSALS`].
pub(crate) const AUDITED_REFUSALS_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a text that an error quotes.
pub(crate) const MAX_QUOTE_BYTES: usize = 128;

/// What the operator may set.
#[derive(Debug, Clone)]
pub struct GatewayLimits {
    /// Bytes of a request, of each message of a stream.
    pub max_request_bytes: usize,
    /// Mutations of one `Submit` stream that are not answered yet.
    pub max_submit_in_flight: usize,
    /// How long a `Submit` caller may leave its answers unread before it is cut off.
    pub unread_timeout: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 4 << 20,
            max_submit_in_flight: 4_096,
            unread_timeout: Duration::from_secs(30),
        }
    }
}

/// Nodes that one change of the membership removes: of more at once somebody made a mistake.
pub(crate) const MAX_REMOVED_NODES: usize = 16;

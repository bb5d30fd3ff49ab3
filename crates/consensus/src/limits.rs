//! Every bound of this crate, in one place.

use std::time::Duration;

/// Commands that one log entry carries at most.
pub(crate) const MAX_ENTRY_COMMANDS: usize = 128;
/// Bytes of commands after which an entry is cut; the command that crosses the line is still in it.
pub(crate) const MAX_ENTRY_BYTES: usize = 256 << 10;
/// Entries in flight at most.
pub(crate) const MAX_ENTRIES_IN_FLIGHT: usize = 4;
/// Entries in flight, up to which an entry that isn't full waits for company. An entry costs three nodes some fifteen changes of
/// threads each, whatever it carries: with one in flight instead of two, a machine whose cores were busy for 97 % of the time
/// is busy for 89 to 93 %.
pub(crate) const MAX_PARTIAL_ENTRIES_IN_FLIGHT: usize = 1;
/// How long an entry without an answer keeps its place among those in flight. Its waiters have given up long before.
pub(crate) const ENTRY_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Commands that wait to be proposed.
pub(crate) const PROPOSAL_QUEUE: usize = 65_536;

/// Reads that wait for the next barrier.
pub(crate) const READ_QUEUE: usize = 65_536;
/// How long one attempt to get a read index may take, before the leader is looked up again.
pub(crate) const READ_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);
/// The part of a lease, in hundredths, for which the leader relies on it. The rest is for clocks that don't run alike: a
/// clock disciplined by NTP is off by a two-thousandth at most.
pub(crate) const LEASE_RELIED_ON_PERCENT: u32 = 90;
/// Between attempts to get a read index, where nothing tells of a new leader.
pub(crate) const READ_RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Bytes of a message among nodes, both ways: an append as large as the log store makes it and the largest command fit.
pub const MAX_PEER_MESSAGE_BYTES: usize = 16 << 20;
/// HTTP/2 window of a stream among nodes.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// HTTP/2 window of a connection among nodes.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// How long a connection to a peer may take to come up.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
/// Between pings on a connection, and how long an answer may take: who is silent for both is disconnected.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(1);
/// Append requests on a stream without an answer.
pub(crate) const MAX_APPENDS_IN_FLIGHT: usize = 16;
/// The least time that the answer to an append may take. The time openraft names is the heartbeat's interval: an append
/// waits for an fsync behind others, and a stream that is given up has to be sent again.
pub(crate) const MIN_APPEND_TIMEOUT: Duration = Duration::from_millis(500);
/// Pauses before an unreachable peer is tried again: doubled from the first to the second.
pub(crate) const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How often the address of a leader whose connection broke is asked whether anybody listens there, and the pause between.
pub(crate) const GONE_PROBES: u32 = 3;
/// See [`GONE_PROBES`].
pub(crate) const GONE_PROBE_PAUSE: Duration = Duration::from_millis(5);
/// Raft hears of a message a moment after it came: so much later its lease ends.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_millis(2);
/// The least time between two early questions for votes: the answers to the first must have come by then. Half a
/// heartbeat where that is more.
pub(crate) const EARLY_VOTE_PAUSE: Duration = Duration::from_millis(10);
/// The least time for which no quorum answers a leader until it falls silent by turns; four leases where that is more. A disk that
/// others share may take half a second to sync, and answers wait for it.
pub(crate) const UNANSWERED_PATIENCE: Duration = Duration::from_secs(1);
/// Early questions for votes; afterwards the election timeout decides.
pub(crate) const EARLY_VOTES: u32 = 20;

/// Bytes of a chunk of a snapshot on its way.
pub(crate) const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;
/// Chunks read ahead of the network.
pub(crate) const SNAPSHOT_CHUNKS_AHEAD: usize = 2;
/// How long a chunk may take.
pub(crate) const SNAPSHOT_CHUNK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the receiver may take to verify and install what it has received. That it lives is the keepalive's matter.
pub(crate) const SNAPSHOT_INSTALL_TIMEOUT: Duration = Duration::from_mins(10);

/// Log index of the entry that makes a cluster.
pub(crate) const FOUNDING_INDEX: u64 = 0;
/// Log index of the entry that opens a cluster's first term: always blank.
pub(crate) const FIRST_TERM_INDEX: u64 = FOUNDING_INDEX + 1;

/// Peers who are not who they say they are, that the log names in [`STRANGERS_EVERY`]; others are counted.
pub(crate) const STRANGERS_TOLD: u32 = 3;
/// See [`STRANGERS_TOLD`].
pub(crate) const STRANGERS_EVERY: Duration = Duration::from_secs(30);

/// How long a node may take to tell its status.
pub(crate) const STATUS_TIMEOUT: Duration = Duration::from_secs(1);
/// Between looks at things that nothing tells of: peers' addresses, due holds, a log that wants a snapshot.
pub(crate) const POLL: Duration = Duration::from_secs(1);
/// Answers of a peer of which the shortest counts as the round trip, and how many there must be.
pub(crate) const ROUND_TRIPS_KEPT: usize = 10;
/// See [`ROUND_TRIPS_KEPT`].
pub(crate) const ROUND_TRIPS_NEEDED: usize = 3;
/// Between looks at whether this node does what it should.
pub(crate) const DETECT_POLL: Duration = Duration::from_millis(100);
/// How long one write and sync of the log may take before the disk counts as slow.
pub(crate) const DISK_STALL: Duration = Duration::from_millis(500);
/// After how long of that a leader gives the lead away: a disk that hesitates is waited for, a hand-over costs calls too.
pub(crate) const DISK_HANDOVER: Duration = Duration::from_secs(1);
/// How long committed entries may wait to be applied, where nothing is applied meanwhile.
pub(crate) const APPLY_STALL: Duration = Duration::from_secs(2);
/// How long what waits may be near its limit.
pub(crate) const QUEUE_PATIENCE: Duration = Duration::from_secs(5);
/// Of a limit, in hundredths: so much of it is near it.
pub(crate) const QUEUE_NEAR_LIMIT: usize = 80;
/// How long all must be well before an alarm about it ends: what comes and goes is one alarm.
pub(crate) const DETECT_CALM: Duration = Duration::from_secs(10);
/// How long a member may be silent before its link counts as lost.
pub(crate) const LINK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a lost link or a wrong clock must show before it is an alarm.
pub(crate) const LINK_DOUBT: Duration = Duration::from_secs(2);
/// Difference of two nodes' clocks, beyond what the round trip explains, that is an alarm.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_millis(500);
/// Between looks at whether Raft still runs.
pub(crate) const HEALTH_POLL: Duration = Duration::from_millis(200);
/// The least time between two attempts to expire what is due.
pub(crate) const EXPIRY_PAUSE: Duration = Duration::from_millis(20);
/// Orders and reservations that one command of the leader expires: so many that whoever waits behind it hardly notices.
pub(crate) const EXPIRE_BATCH: u32 = 250;
/// How long a command of the system may wait for its reply.
pub(crate) const SYSTEM_COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Between looks of a node that is about to be stopped at whether anybody leads.
pub(crate) const DRAINED_POLL: Duration = Duration::from_millis(200);
/// Leases that such a node lets pass without a leader before it asks for votes itself: it may be the only one that has
/// the whole log.
pub(crate) const DRAINED_PATIENCE_LEASES: u32 = 6;
/// Between attempts of a leader without room to hand over: doubled from the first to the second.
pub(crate) const ROOM_HANDOVER_PAUSE: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(30));
/// After a snapshot that could not be made: doubled from the first to the second.
pub(crate) const SNAPSHOT_RETRY_PAUSE: (Duration, Duration) =
    (Duration::from_secs(5), Duration::from_mins(5));
/// Entries that who takes the lead over may have to apply first: nothing is answered meanwhile.
pub(crate) const HANDOVER_LAG: u64 = 100;
/// How long a hand-over waits to hear how far a follower has applied.
pub(crate) const HANDOVER_LOOK: Duration = Duration::from_millis(100);
/// How long a hand-over waits for the answers to writes that were taken before it. A follower that is asked before the last
/// of them is in its log refuses the lead, and where something stalls they may never come.
pub(crate) const HANDOVER_SETTLING: Duration = Duration::from_millis(200);
/// A hand-over waits for a change of the membership to end for its patience, divided by this.
pub(crate) const HANDOVER_CHANGE_SHARE: u32 = 2;
/// Between looks at the followers while the lead is handed over.
pub(crate) const RESIGN_POLL: Duration = Duration::from_millis(5);

/// Chain marks that a node tells with its status.
pub(crate) const MARKS_TOLD: usize = 16;
/// Before damage on the disk that could not be healed is tried again.
pub(crate) const HEAL_RETRY_PAUSE: Duration = Duration::from_secs(30);
/// Entries purged at once.
pub(crate) const PURGE_BATCH: u64 = 256;
/// Entries of one append request. The log store bounds its bytes.
pub(crate) const MAX_APPEND_ENTRIES: u64 = 64;
/// Calls that wait for Raft's own task.
pub(crate) const RAFT_QUEUE: u64 = 4_096;
/// Ranges of committed entries that wait to be applied. They hold no entries, so many cost little; Raft's task, which votes and answers
/// heartbeats, stands still where there are more.
pub(crate) const APPLY_QUEUE: u64 = 8_192;

/// Entries of the log that a learner may lack when it is given a vote: what comes in a moment, not what takes minutes.
pub(crate) const MAX_PROMOTION_LAG: u64 = 1_000;
/// The least time in which a node that answers nothing is still taken for being there, where voters are chosen.
pub(crate) const HEARD_LATELY: Duration = Duration::from_secs(1);
/// How long a change of the voters waits for those to answer who are missing.
pub(crate) const QUORUM_PATIENCE: Duration = Duration::from_secs(2);
/// How long a leader that is to give the lead away waits for who takes it: no write is taken meanwhile. So many heartbeats where
/// that is more, for the followers are asked how far they are, twice, and then to lead.
pub(crate) const HANDOVER_PATIENCE: Duration = Duration::from_secs(1);
/// See [`HANDOVER_PATIENCE`].
pub(crate) const HANDOVER_HEARTBEATS: u32 = 8;
/// Between attempts to get a change of the membership decided, where nothing tells of a new leader.
pub(crate) const MEMBERSHIP_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a change of the membership is waited for, whatever the caller says.
pub(crate) const MAX_MEMBERSHIP_TIMEOUT: Duration = Duration::from_mins(1);

/// Between two looks of a leader at who is silent: after a longer pause it begins anew, for it may have stood still, and
/// heard nobody.
pub(crate) const LONGEST_LOOK_PAUSE: Duration = Duration::from_secs(5);
/// How long what a standby told of itself is believed.
pub(crate) const TOLD_LATELY: Duration = Duration::from_secs(3);
/// How long an automatic replacement may take before it is looked at anew.
pub(crate) const REPLACEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a leader tells of a voter that it has replaced.
pub(crate) const REPLACED_TOLD: Duration = Duration::from_hours(1);

//! Every bound of the ports and of the shutdown, in one place. The services' own bounds stand in their crates.

use std::time::Duration;

/// Connections open at once on the client port.
pub(crate) const MAX_CLIENT_CONNECTIONS: usize = 4_096;
/// Connections open at once on the peer port: a few for each of at most a handful of nodes, and room for reconnects.
pub(crate) const MAX_PEER_CONNECTIONS: usize = 256;
/// Connections open at once on the HTTP port.
pub(crate) const MAX_HTTP_CONNECTIONS: usize = 64;
/// Streams open at once on one connection of the client port.
pub(crate) const MAX_CLIENT_STREAMS: u32 = 1_024;
/// Streams open at once on one connection of the peer port.
pub(crate) const MAX_PEER_STREAMS: u32 = 256;
/// Bytes of the headers of one call.
pub(crate) const MAX_HEADER_LIST_BYTES: u32 = 16 * 1_024;
/// Bytes of an HTTP/2 frame.
pub(crate) const MAX_FRAME_BYTES: u32 = 64 * 1_024;
/// Flow control window of one stream of the client port, in bytes.
pub(crate) const CLIENT_STREAM_WINDOW: u32 = 1 << 20;
/// Flow control window of one connection of the client port, in bytes.
pub(crate) const CLIENT_CONNECTION_WINDOW: u32 = 4 << 20;
/// Flow control windows of the peer port, in bytes: snapshots and appends are large.
pub(crate) const PEER_WINDOW: u32 = 8 << 20;
/// Streams that a caller opened and reset before they were accepted; beyond it the connection is closed (rapid reset).
pub(crate) const MAX_PENDING_RESET_STREAMS: usize = 32;
/// Streams that were reset for a caller's own errors; beyond it the connection is closed.
pub(crate) const MAX_ERROR_RESET_STREAMS: usize = 256;
/// How long a new connection may take for its part of the HTTP/2 handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of that part: the preface (24) and the header of the settings frame (9), RFC 9113, sections 3.4 and 4.1. With
/// them the connection is HTTP/2's, and its pings find out who is silent.
pub(crate) const HANDSHAKE_BYTES: usize = 24 + 9;
/// Of the connections that a port takes, one in so many may be in its TLS handshake; of more the oldest is given up.
pub(crate) const HANDSHAKE_SHARE: usize = 4;
/// Of the connections that a port takes, one address may hold one in so many: nobody alone can keep all others out.
pub(crate) const ADDRESS_SHARE: usize = 4;
/// Refused connections that the log names in [`REFUSED_HANDSHAKES_EVERY`]; others are counted.
pub(crate) const REFUSED_HANDSHAKES_TOLD: u32 = 3;
/// See [`REFUSED_HANDSHAKES_TOLD`].
pub(crate) const REFUSED_HANDSHAKES_EVERY: Duration = Duration::from_secs(30);
/// Between two looks at the files of certificates, tokens and revocations.
pub(crate) const CREDENTIALS_INTERVAL: Duration = Duration::from_secs(3);
/// How long a connection of the HTTP port lives; scrapers connect again.
pub(crate) const HTTP_CONNECTION_LIFETIME: Duration = Duration::from_mins(1);
/// Between pings on a quiet connection of the client port.
pub(crate) const CLIENT_KEEPALIVE: Duration = Duration::from_secs(20);
/// Between pings on a quiet connection of the peer port.
pub(crate) const PEER_KEEPALIVE: Duration = Duration::from_secs(2);
/// How long a ping may stay without an answer.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// After this age a connection of the client port is asked to go, so that callers spread over the nodes again.
pub(crate) const CLIENT_CONNECTION_AGE: Duration = Duration::from_hours(1);
/// What a connection that was asked to go has left for its open calls.
pub(crate) const CLIENT_CONNECTION_AGE_GRACE: Duration = Duration::from_secs(90);
/// Longest wait for the first byte of an answer on the client port: above the longest deadline that the services grant.
pub(crate) const CLIENT_CALL_TIMEOUT: Duration = Duration::from_secs(75);
/// Connections that the system keeps until they are accepted.
pub(crate) const BACKLOG: u32 = 1_024;
/// Pause after a connection could not be accepted, for want of file descriptors for example.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What the transfer of leadership may take at shutdown.
pub(crate) const RESIGN_TIMEOUT: Duration = Duration::from_secs(2);
/// What open calls may take at shutdown.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// What Raft and the log may take to come to rest at shutdown.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// What remaining tasks may take at shutdown before they are aborted.
pub(crate) const TASK_GRACE: Duration = Duration::from_secs(1);
/// How long a thread beside Raft's runtime stays that has nothing to do.
pub(crate) const EXECUTOR_KEEP_ALIVE: Duration = Duration::from_hours(1);
/// Threads of the runtime that Raft has for itself.
pub(crate) const RAFT_THREADS: usize = 2;
/// Bytes of a cluster's name.
pub(crate) const MAX_CLUSTER_NAME_LEN: usize = 128;
/// Shortest heartbeat interval, in milliseconds.
pub(crate) const MIN_HEARTBEAT_MS: u64 = 1;
/// Longest election timeout, in milliseconds: ten minutes.
pub(crate) const MAX_ELECTION_MS: u64 = 600_000;

/// Bytes of a zone's name.
pub(crate) const MAX_ZONE_LEN: usize = 64;
/// The shortest silence after which a voter may be replaced by itself: less would take a busy node for a dead one.
pub(crate) const MIN_REPLACE_DEAD_AFTER: Duration = Duration::from_secs(2);

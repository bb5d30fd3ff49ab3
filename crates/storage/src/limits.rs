//! Every bound of storage, in one place. Sizes in bytes unless their name says otherwise.

use std::time::Duration;

/// Of a row in the engine: sled makes larger values into files of their own.
pub(crate) const MAX_ROW_BYTES: usize = 4_096;
/// Rows that go into the engine in one batch: sled holds a lock of the whole process meanwhile.
pub(crate) const ENGINE_BATCH_ROWS: usize = 200;
/// How long the writer gathers what was applied.
pub(crate) const WINDOW_TIME: Duration = Duration::from_secs(1);
/// What was applied and makes the writer begin before its time.
pub(crate) const WINDOW_BYTES: usize = 64 << 20;
/// Of a redo file; a window ends well before it.
pub(crate) const MAX_REDO_BYTES: u64 = 4 << 30;
/// Orders or documents that leave memory while readers wait.
pub(crate) const EVICT_BATCH: usize = 256;
/// Of a snapshot's block before it is packed; the row that fills it may go beyond.
pub(crate) const SNAPSHOT_BLOCK_BYTES: usize = 256 << 10;
/// Of a snapshot's block that is believed when it is read.
pub(crate) const MAX_SNAPSHOT_BLOCK_BYTES: usize = 16 << 20;
/// Of the applied row.
pub(crate) const MAX_APPLIED_ROW_BYTES: usize = 1 << 20;
/// Of the small files that say whose a directory is and what is in force in it.
pub(crate) const MAX_IDENTITY_BYTES: u64 = 4_096;
/// Commands that wait for the writer.
pub(crate) const WRITER_QUEUE: usize = 16;

/// Of a log record's payload that is believed when it is read.
pub(crate) const MAX_RECORD_BYTES: usize = 64 << 20;
/// Of entries that go into one log record; the entry that fills it may go beyond.
pub(crate) const RECORD_FILL_BYTES: usize = 1 << 20;
/// Of records that the log's thread gathers before it writes them.
pub(crate) const LOG_WRITE_BYTES: usize = 4 << 20;
/// Requests that the log's thread takes at once.
pub(crate) const LOG_STEP_REQUESTS: usize = 4_096;
/// Of what waits for the log's thread, in units of 1,024 bytes; beyond it the caller waits.
pub(crate) const LOG_QUEUE_KIB: usize = 64 << 10;
/// Of entries that one read for replication returns; the entry that fills it may go beyond.
pub(crate) const LOG_READ_BYTES: u64 = 2 << 20;
/// Of bytes between two entries wanted that are read along rather than skipped.
pub(crate) const LOG_READ_GAP_BYTES: u64 = 4 << 10;
/// Of the pieces in which a log segment is read at the start and zeroed ahead of its use.
pub(crate) const LOG_CHUNK_BYTES: usize = 1 << 20;
/// Of a bincode structure in the log: a membership of thousands of nodes fits.
pub(crate) const MAX_LOG_STRUCT_BYTES: u64 = 1 << 20;
/// How long the log's queue is empty before the log's thread marks what is durable.
pub(crate) const LOG_IDLE_TIME: Duration = Duration::from_millis(5);

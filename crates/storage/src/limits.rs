//! Every bound of storage, in one place. Sizes in bytes unless their name says otherwise.

use std::time::Duration;

/// Of a value that goes into one row of the engine: sled makes large values into files of their own. With what is around it in memory it
/// fits 4,096 bytes, which allocators have a size for.
pub(crate) const MAX_ROW_BYTES: usize = 4_032;
/// Of a page of ledger entries or request records before it is packed; an item that is larger has a page for itself.
pub(crate) const PAGE_BYTES: usize = 16 << 10;
/// Of a page before it was packed that is believed when it is read: twice what one encoded value may have.
pub(crate) const MAX_PAGE_BYTES: usize = 32 << 20;
/// Of request records that a start looks at together: so many that nearly all of those before are older.
pub(crate) const LOAD_REQUESTS_BYTES: usize = 4 << 20;
/// Of what is gathered before it is hashed.
pub(crate) const HASH_BYTES: usize = 64 << 10;
/// Of a posting of the index.
pub(crate) const MAX_POSTING_BYTES: usize = 300;
/// Runs of the index that are merged into one: a posting is written again once for each power of it.
pub(crate) const INDEX_FANOUT: usize = 8;
/// Blocks by which a window carries each merge of the index on, at least; more where it adds many.
pub(crate) const INDEX_MERGE_BLOCKS: usize = 32;
/// Rows of merged runs that a window removes, at least.
pub(crate) const INDEX_REMOVED_ROWS: usize = 128;
/// Postings that are gathered while the index is made anew: some tens of megabytes.
pub(crate) const REINDEX_POSTINGS: usize = 400_000;
/// How long readers of the ledger wait for the writer before they ask it to hurry.
pub(crate) const LEDGER_GATHER_TIME: Duration = Duration::from_millis(20);
/// Entries of the ledger that one page of a list looks at, but for those that share a row.
pub(crate) const LEDGER_LIST_ENTRIES: usize = 10_000;
/// Locations of a SKU that one call looks at.
pub(crate) const LEDGER_LIST_LOCATIONS: usize = 100;
/// Between two windows that readers of the ledger ask for: many small ones would stay small rows for ever.
pub(crate) const LEDGER_WINDOW_PAUSE: Duration = Duration::from_millis(100);
/// Orders that one call reads from the engine, while nothing is applied.
pub(crate) const LIST_STORED_ORDERS: usize = 250;
/// Rows of the ledger that a verification reads in one go.
pub(crate) const LEDGER_CHECK_ROWS: usize = 64;
/// Rows of stock that a verification reads in one go.
pub(crate) const LEDGER_CHECK_STOCK: usize = 1_000;
/// Problems that a verification names.
pub(crate) const LEDGER_PROBLEMS: usize = 100;
/// Rows that go into the engine in one batch: sled holds a lock of the whole process meanwhile.
pub(crate) const ENGINE_BATCH_ROWS: usize = 200;
/// Rows that go into a new engine in one batch: nobody reads it yet.
pub(crate) const REBUILD_BATCH_ROWS: usize = 1_000;
/// How far the thread that makes snapshots stands back behind the others, from 0 to 19.
pub(crate) const SNAPSHOT_NICENESS: i32 = 10;
/// Of a snapshot that is written before the disk is told to begin with it.
pub(crate) const SNAPSHOT_WRITE_BYTES: u64 = 1 << 20;
/// Rows that a pass over a frozen engine takes while the writer waits.
pub(crate) const FROZEN_ROWS: usize = 512;
/// Rows between two looks at the clock while progress is told.
pub(crate) const PROGRESS_ROWS: u64 = 1_024;
/// Between two words on how far a start is.
pub(crate) const PROGRESS_TIME: Duration = Duration::from_secs(1);
/// How long the writer gathers what was applied.
pub(crate) const WINDOW_TIME: Duration = Duration::from_secs(1);
/// What was applied and makes the writer begin before its time.
pub(crate) const WINDOW_BYTES: usize = 64 << 20;
/// Of a redo file; a window ends well before it.
pub(crate) const MAX_REDO_BYTES: u64 = 4 << 30;
/// Orders, reservations or documents that leave memory while readers wait.
pub(crate) const EVICT_BATCH: usize = 256;
/// Of a snapshot that is checked whole at a start: it takes no time to speak of.
pub(crate) const SNAPSHOT_CHECK_BYTES: u64 = 8 << 20;
/// Of rows that a snapshot in the making keeps as they were; beyond it the writer waits for it.
pub(crate) const MAX_ASIDE_BYTES: usize = 256 << 20;
/// What a row or request record of a window takes beside its bytes, and a ledger entry twice, in lists that grow by doubling.
pub(crate) const WINDOW_PART_BYTES: usize = 256;
/// Room that is taken for what an entry changes before that is known, at most.
pub(crate) const USUAL_FRAME_BYTES: usize = 1 << 20;
/// Rough size of a map entry and its allocations, so that many tiny rows count for what they take.
pub(crate) const MAP_ENTRY_BYTES: usize = 96;
/// Of a snapshot's block before it is packed; the row that fills it may go beyond.
pub(crate) const SNAPSHOT_BLOCK_BYTES: usize = 256 << 10;
/// Of a snapshot's block that is believed when it is read.
pub(crate) const MAX_SNAPSHOT_BLOCK_BYTES: usize = 16 << 20;
/// Of the applied row.
pub(crate) const MAX_APPLIED_ROW_BYTES: usize = 1 << 20;
/// Of the small files that say whose a directory is and what is in force in it.
pub(crate) const MAX_IDENTITY_BYTES: u64 = 4_096;
/// Entries of the log that may be skipped between two snapshots.
pub(crate) const MAX_SKIPPED_ENTRIES: usize = 64;
/// Of the file that lists them.
pub(crate) const MAX_SKIP_FILE_BYTES: u64 = 4_096;
/// Between two looks at how much room the disk has.
pub(crate) const SPACE_POLL: Duration = Duration::from_millis(200);
/// Free bytes below which a panic while writing is taken for a full disk's.
pub(crate) const EXHAUSTED_BYTES: u64 = 1 << 20;
/// What the installation of a snapshot is taken to need, in times the snapshot's size: the file itself, and its rows in a
/// new engine, unpacked, beside the old one.
pub(crate) const SNAPSHOT_INSTALL_FACTOR: u64 = 4;
/// Of log entries kept in memory while a log is begun: it has none.
pub(crate) const RESTORE_CACHE_BYTES: usize = 1 << 20;
/// Of the file that says why a node is in quarantine.
pub(crate) const MAX_QUARANTINE_BYTES: u64 = 64 << 10;
/// Between two passes of the scrubber, and before the first.
pub(crate) const SCRUB_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks of the scrubber whether what it found damaged is gone.
pub(crate) const SCRUB_LOOK: Duration = Duration::from_secs(1);
/// Changes for which there is room between entries: what a full entry of orders of three lines makes, a few times over.
pub(crate) const SPARE_CHANGES: usize = 8_192;
/// Entries that are executed before Raft's task is heard again.
pub(crate) const APPLY_BATCH_ENTRIES: usize = 64;
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
/// How long the log's queue is empty before the log's thread makes the next segment's file ahead.
pub(crate) const LOG_IDLE_TIME: Duration = Duration::from_millis(5);
/// How long the log's thread leaves that be after the disk was full.
pub(crate) const LOG_SPARE_PAUSE: Duration = Duration::from_secs(10);

//! What an append of an entry of 128 commands takes: on a real disk with its sync, and in files in memory, which leaves what the
//! log itself does.
//!
//! `cargo bench -p stockade-storage --bench log`; `TMPDIR` says on which disk.

mod common;

use std::path::Path;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use stockade_env::Env;
use stockade_storage::file::{DiskFiles, MemoryFiles};
use stockade_storage::log::LogOptions;
use stockade_storage::{LogStore, TypeConfig};

use common::{Author, FULL, LogEntry, NOW, entry};

/// Samples, and appends of each: some ten segments.
const SAMPLES: u32 = 100;
const APPENDS: u32 = 10;

fn main() {
    divan::main();
}

/// Until it is safe from a power cut, by a thread of its own.
#[divan::bench(sample_count = SAMPLES, sample_size = APPENDS)]
fn append_on_disk(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let files = Arc::new(DiskFiles);
    let log = LogStore::open(files, &env(), options(dir.path())).expect("an empty directory can be opened");
    measure(bencher, &log);
    runtime().block_on(log.shutdown());
}

/// On the thread that asks.
#[divan::bench(sample_count = SAMPLES, sample_size = APPENDS)]
fn append_in_memory(bencher: Bencher) {
    let files = Arc::new(MemoryFiles::default());
    let log = LogStore::open_inline(files, &env(), options(Path::new("/log"))).expect("there is nothing yet");
    measure(bencher, &log);
}

fn measure(bencher: Bencher, log: &LogStore) {
    let (runtime, mut author, mut index) = (runtime(), Author::default(), 0);
    let next = || {
        let next = entry(index, &author.orders(FULL));
        index += 1;
        next
    };
    bencher
        .counter(ItemsCount::new(FULL))
        .with_inputs(next)
        .bench_local_values(|entry| runtime.block_on(append(log.clone(), entry)));
}

async fn append(mut log: LogStore, entry: LogEntry) {
    let (sender, flushed) = TypeConfig::oneshot();
    log.append([entry], IOFlushed::signal(sender)).await.expect("the log takes it");
    flushed.await.expect("the log answers").expect("the disk takes it");
}

fn options(dir: &Path) -> LogOptions {
    LogOptions { dir: dir.to_owned(), segment_bytes: 64 << 20, cache_bytes: 64 << 20 }
}

fn env() -> Env {
    Env::simulated(NOW.micros(), 1)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("it needs no resources that could be missing")
}

//! What applying an entry of 128 orders takes: up to the state in memory, from where it is answered, and up to its rows in
//! sled.
//!
//! `cargo bench -p stockade-storage --bench apply`; `TMPDIR` says on which disk.

mod common;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::stream;
use openraft::storage::RaftStateMachine;
use stockade_env::Env;
use stockade_storage::file::DiskFiles;
use stockade_storage::{EngineKind, Identity, Options, Storage};
use tokio::runtime::Runtime;

use common::{Author, FULL, LogEntry, entry};

/// Samples, and entries of each. Together they place some 25,000 orders.
const SAMPLES: u32 = 50;
const ENTRIES: u32 = 4;

fn main() {
    divan::main();
}

/// Decoded and executed; its rows wait for the writer, which goes on beside it once a second.
#[divan::bench(sample_count = SAMPLES, sample_size = ENTRIES)]
fn apply_to_the_state(bencher: Bencher) {
    measure(bencher, 256 << 20);
}

/// The same, and its window is in sled, flushed: apply waits for the writer as long as anything waits to be written.
#[divan::bench(sample_count = SAMPLES, sample_size = ENTRIES)]
fn apply_and_write_the_window(bencher: Bencher) {
    measure(bencher, 0);
}

fn measure(bencher: Bencher, overlay_bytes: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("it needs no resources that could be missing");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let env = Env::real();
    let identity = Identity { cluster_id: "0123456789abcdef".repeat(2), node_id: 1 };
    let options = Options {
        engine: EngineKind::Sled,
        overlay_bytes,
        scrub_bytes_per_second: 0,
        ..Options::new(dir.path().to_owned(), identity)
    };
    let opening = stockade_storage::open(std::sync::Arc::new(DiskFiles), &env, options);
    let mut storage = runtime.block_on(opening).expect("an empty directory can be opened");
    let (mut author, mut index) = (Author::default(), 1);
    apply(&runtime, &mut storage, entry(index, &author.shop()));
    let next = || {
        index += 1;
        entry(index, &author.orders(FULL))
    };
    bencher
        .counter(ItemsCount::new(FULL))
        .with_inputs(next)
        .bench_local_values(|entry| apply(&runtime, &mut storage, entry));
    runtime.block_on(storage.state.stop()).expect("the engine takes what is left");
}

fn apply(runtime: &Runtime, storage: &mut Storage, entry: LogEntry) {
    let applying = storage.state_machine.apply(stream::iter([Ok((entry, None))]));
    runtime.block_on(applying).expect("the entry is sound");
}

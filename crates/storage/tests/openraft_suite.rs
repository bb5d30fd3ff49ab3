//! openraft's own suite of what it expects from a log and a state machine.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use stockade_env::Env;
use stockade_storage::file::{DiskFiles, Files, MemoryFiles};
use stockade_storage::{DirLock, EngineKind, Identity, LogStore, Options, StateMachine, TypeConfig};

#[derive(Default)]
struct Builder {
    on_disk: bool,
    built: AtomicU64,
}

/// What must outlive a store of the suite.
struct Guard {
    _dir: tempfile::TempDir,
    _lock: DirLock,
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, Guard> for Builder {
    async fn build(&self) -> Result<(Guard, LogStore, StateMachine), StorageError<TypeConfig>> {
        let number = self.built.fetch_add(1, Ordering::Relaxed);
        let env = Env::simulated(1_700_000_000_000_000, number);
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity { cluster_id: "c".repeat(32), node_id: 1 };
        let (files, engine): (Arc<dyn Files>, _) = if self.on_disk {
            (Arc::new(DiskFiles), EngineKind::Sled)
        } else {
            (Arc::new(MemoryFiles::default()), EngineKind::Memory)
        };
        let options =
            Options { engine, segment_bytes: 1 << 20, ..Options::new(dir.path().join("node"), identity) };
        let storage = stockade_storage::open(files, &env, options).await.unwrap();
        Ok((Guard { _dir: dir, _lock: storage.lock }, storage.log, storage.state_machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_passes_openrafts_suite() {
    Suite::test_all(Builder::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_disk_passes_openrafts_suite() {
    Suite::test_all(Builder { on_disk: true, ..Builder::default() }).await.unwrap();
}

//! A node's storage from one start to the next.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::stream;
use openraft::RaftLogReader;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use stockade_env::Env;
use stockade_storage::file::Files;
use stockade_storage::{EngineKind, Error, Identity, Options, SnapshotFile, Storage, TypeConfig};

use super::content::{LogEntry, START_US};
use super::held::Held;
use super::record::{Asked, Record};

/// The pieces in which a snapshot arrives from another node.
const SNAPSHOT_PIECE_BYTES: usize = 1_000;

/// Chain hash and hash over all rows.
pub(crate) type StateHashes = ([u8; 32], [u8; 32]);

/// Where and how a node keeps its data.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) dir: PathBuf,
    pub(crate) engine: EngineKind,
    pub(crate) segment_bytes: u64,
    /// Every life has its own, as it has its own randomness from the system.
    pub(crate) seed: u64,
}

impl Setup {
    /// In memory, on one thread.
    pub(crate) fn in_memory(segment_bytes: u64, seed: u64) -> Self {
        Self { dir: PathBuf::from("/node"), engine: EngineKind::Memory, segment_bytes, seed }
    }

    fn options(&self) -> Options {
        let identity = Identity { cluster_id: "0123456789abcdef".repeat(2), node_id: 1 };
        Options {
            engine: self.engine,
            segment_bytes: self.segment_bytes,
            // Next to nothing: what is compared is to come from the disk.
            log_cache_bytes: 256,
            sled_cache_bytes: 16 << 20,
            ..Options::new(self.dir.clone(), identity)
        }
    }
}

/// A node's storage from one start to the next.
pub(crate) struct Life {
    pub(crate) storage: Storage,
    env: Env,
}

impl Life {
    /// Opens a data directory.
    pub(crate) async fn open(files: Arc<dyn Files>, setup: &Setup) -> Result<Self, Error> {
        let env = Env::simulated(START_US, setup.seed);
        let storage = stockade_storage::open(files, &env, setup.options()).await?;
        Ok(Self { storage, env })
    }

    /// Does what openraft does at its start: applies what is known to be committed, and drops a log that a snapshot has
    /// overtaken.
    pub(crate) async fn begin(&mut self, record: &mut Record) -> anyhow::Result<()> {
        let applied = self.storage.state_machine.applied_state().await?.0;
        let committed = self.storage.log.committed();
        if let Some(committed) = committed
            && applied.is_none_or(|applied| applied.index < committed.index)
        {
            self.apply(committed.index).await?;
        }
        let Some(applied) = self.storage.state_machine.applied_state().await?.0 else { return Ok(()) };
        let last = self.storage.log.last_log_id();
        if last.is_none_or(|last| last < applied) {
            ensure!(
                last.is_none_or(|last| last.index < applied.index),
                "the log contradicts the applied state"
            );
            self.ask(&Asked::Purge(applied), record).await?;
        }
        Ok(())
    }

    /// Asks something of the log, and waits for what it promises.
    pub(crate) async fn ask(&mut self, asked: &Asked, record: &mut Record) -> anyhow::Result<()> {
        record.ask(asked);
        let log = &mut self.storage.log;
        match asked {
            Asked::Append(entries) => {
                let (sender, flushed) = TypeConfig::oneshot();
                log.append(entries.clone(), IOFlushed::signal(sender)).await?;
                flushed.await.context("the log dropped its answer")??;
            }
            Asked::Vote(vote) => log.save_vote(vote).await?,
            // These are promised with the next that is.
            Asked::Truncate(after) => return Ok(log.truncate_after(*after).await?),
            Asked::Purge(upto) => return Ok(log.purge(*upto).await?),
            Asked::Committed(committed) => return Ok(log.save_committed(Some(*committed)).await?),
        }
        record.promised();
        Ok(())
    }

    /// Applies what the log has up to an index.
    pub(crate) async fn apply(&mut self, to: u64) -> anyhow::Result<()> {
        let applied = self.storage.state_machine.applied_state().await?.0;
        let from = applied.map_or(0, |applied| applied.index + 1);
        if to < from {
            return Ok(());
        }
        let entries: Vec<LogEntry> = self.storage.log.try_get_log_entries(from..=to).await?;
        let first = entries.first().map(|entry| entry.log_id.index);
        if first != Some(from) || entries.len() as u64 != to - from + 1 {
            bail!("entries {from} to {to} should be in the log, {} are, from {first:?}", entries.len());
        }
        let entries: Vec<_> = entries.into_iter().map(|entry| Ok((entry, None))).collect();
        Ok(self.storage.state_machine.apply(stream::iter(entries)).await?)
    }

    /// Makes a snapshot of what is applied; gives its index.
    pub(crate) async fn snapshot(&mut self, record: &mut Record) -> anyhow::Result<SnapshotFile> {
        record.snapshot_asked = Some(self.storage.state.applied().get());
        let mut builder = self.storage.state_machine.get_snapshot_builder().await;
        let snapshot = builder.build_snapshot().await?.snapshot;
        record.snapshot = record.snapshot_asked;
        Ok(snapshot)
    }

    /// Receives and installs another node's snapshot.
    pub(crate) async fn install(
        &mut self,
        index: u64,
        bytes: &[u8],
        record: &mut Record,
    ) -> anyhow::Result<()> {
        record.snapshot_asked = Some(index);
        let mut receiver = self.storage.snapshots.begin()?;
        for piece in bytes.chunks(SNAPSHOT_PIECE_BYTES) {
            receiver.write(piece)?;
        }
        let snapshot = receiver.finish()?;
        let meta = snapshot.meta();
        self.storage.state_machine.install_snapshot(&meta, snapshot).await?;
        record.snapshot = Some(index);
        Ok(())
    }

    /// The hashes of the applied state.
    pub(crate) async fn hashes(&self) -> anyhow::Result<StateHashes> {
        let hash = self.storage.state.hash(true).await?;
        ensure!(hash.applied == self.storage.state.applied(), "the hash is not of what is applied");
        Ok((hash.chain, hash.full.context("no hash over all rows, though it was asked for")?.0))
    }

    /// What the log holds.
    pub(crate) async fn held(&self) -> anyhow::Result<Held> {
        Ok(Held::of(&self.storage.log).await?)
    }

    /// The index of the snapshot in force.
    pub(crate) fn snapshot_index(&self) -> Option<u64> {
        let snapshot = self.storage.snapshots.current()?;
        Some(snapshot.meta().last_log_id.map_or(0, |log_id| log_id.index))
    }

    /// As SIGTERM does.
    pub(crate) async fn stop(self, record: &mut Record) -> anyhow::Result<()> {
        self.storage.state.stop().await?;
        self.storage.log.barrier().await?;
        record.promised();
        self.storage.log.shutdown().await;
        self.end().await;
        Ok(())
    }

    /// Ends it without a word. What it does on its way must not matter: its disk is gone.
    pub(crate) async fn end(self) {
        drop(self.storage);
        self.env.tasks.stop(Duration::ZERO).await;
    }
}

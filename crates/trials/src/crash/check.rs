//! What a node comes back with, held against what it had acknowledged; and whether it can go on.

use std::sync::Arc;

use serde::Serialize;
use stockade_storage::file::{Fault, MemoryFiles};

use crate::drive::{Asked, Difference, Life, Record, Reference, Script, Setup, Vote, entry};

/// A term after all those of the scripts.
const LATER_TERM: u64 = 90;

/// What is wrong with a node that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Something acknowledged is not there.
    Lost,
    /// It answers wrongly, without an error.
    Silent,
    /// It took an honest crash for damage, or can't go on after it.
    Refused,
    /// It panicked.
    Panicked,
    /// It waits for ever.
    Hung,
}

/// What is wrong, and how it showed.
pub(crate) type Wrong = (Verdict, String);

/// A script, and what holds for its node.
pub(super) struct Trial<'a> {
    pub(super) script: &'a Script,
    pub(super) reference: &'a Reference,
    pub(super) setup: Setup,
}

impl Trial<'_> {
    /// Lets a node recover and compares it with the record; then lets it go on and come back once more.
    pub(super) async fn check(&self, files: &MemoryFiles, record: &Record) -> Result<(), Wrong> {
        let mut record = record.clone();
        let mut life = self.recover(files, &mut record).await?;
        let going_on = self.go_on(&mut life, &mut record).await;
        let files = files.fork();
        life.end().await;
        going_on.map_err(|error| refused("it can't go on", &error))?;
        files.power_cut();
        let life = self
            .recover(&files, &mut record)
            .await
            .map_err(|(verdict, what)| (verdict, format!("after it went on: {what}")))?;
        life.end().await;
        Ok(())
    }

    /// Opens a node and compares what it holds.
    async fn recover(&self, files: &MemoryFiles, record: &mut Record) -> Result<Life, Wrong> {
        let opened = Life::open(Arc::new(files.clone()), &self.setup).await;
        let mut life = opened.map_err(|error| (Verdict::Refused, format!("it does not open: {error}")))?;
        let compared = self.compare(&mut life, record).await;
        match compared {
            Ok(()) => Ok(life),
            Err(wrong) => {
                life.end().await;
                Err(wrong)
            }
        }
    }

    async fn compare(&self, life: &mut Life, record: &mut Record) -> Result<(), Wrong> {
        let held = life.held().await.map_err(|error| refused("its log can't be read", &error))?;
        if let Some(difference) = held.differs_from(&record.states) {
            let allowed = record.states.iter().map(ToString::to_string).collect::<Vec<_>>().join("; or ");
            return Err((verdict(difference), format!("it came back with {held}; it should be {allowed}")));
        }
        let purged = held.purged.map(|purged| purged.index);
        let snapshot = life.snapshot_index();
        if snapshot < record.snapshot || snapshot < purged {
            let acknowledged = record.snapshot;
            let what = format!(
                "its snapshot is of {snapshot:?}; {acknowledged:?} was acknowledged, the log is purged to {purged:?}"
            );
            return Err((Verdict::Lost, what));
        }
        let meta = life.storage.snapshots.current().map(|snapshot| snapshot.meta().last_log_id);
        let known =
            snapshot.and_then(|index| self.script.committed_entry(index)).map(|entry| Some(entry.log_id));
        if snapshot > record.snapshot_asked || meta != known {
            return Err((Verdict::Silent, format!("its snapshot is of {meta:?}, which nobody asked for")));
        }
        record.came_back(held);
        // The state as the snapshot has it, as the node knows it to be committed, and as the cluster has committed it.
        self.compare_state(life).await?;
        life.begin(record).await.map_err(|error| refused("it can't begin", &error))?;
        self.compare_state(life).await?;
        if let Some(committed) = record.committed.min(record.now().last().map(|last| last.index)) {
            life.apply(committed)
                .await
                .map_err(|error| refused("it can't apply what is committed", &error))?;
            self.compare_state(life).await?;
        }
        Ok(())
    }

    async fn compare_state(&self, life: &Life) -> Result<(), Wrong> {
        let applied = life.storage.state.applied().get();
        let hashes = life.hashes().await.map_err(|error| refused("its state can't be read", &error))?;
        let expected = usize::try_from(applied).ok().and_then(|index| self.reference.hashes.get(index));
        // An index of 0 may mean that nothing was applied: there is no state in either case.
        if applied > 0 && expected != Some(&hashes) {
            let what = format!("the state applied to {applied} is another than that of the log up to there");
            return Err((Verdict::Silent, what));
        }
        Ok(())
    }

    /// Asks of it what Raft could ask next. What it drops of its log now must be in a snapshot that lasts.
    async fn go_on(&self, life: &mut Life, record: &mut Record) -> anyhow::Result<()> {
        life.ask(&Asked::Vote(Vote::new(LATER_TERM, 1)), record).await?;
        if let Some(index) = life.snapshot_index()
            && let Some(covered) = self.script.committed_entry(index)
        {
            life.ask(&Asked::Purge(covered.log_id), record).await?;
            record.snapshot = Some(index);
        }
        let next = record.now().next_index();
        life.ask(&Asked::Append(vec![entry(LATER_TERM, next, false)]), record).await?;
        let before = next.checked_sub(1).and_then(|index| record.now().entries.get(&index));
        let before = before.map(|entry| entry.log_id).or(record.now().purged);
        life.ask(&Asked::Truncate(before), record).await?;
        life.ask(&Asked::Append(vec![entry(LATER_TERM + 1, next, false)]), record).await?;
        Ok(())
    }

    /// Lets a node recover while something goes wrong. It may fail, but may not answer wrongly; gives the disk that it
    /// leaves behind, and how many operations changed and how many only looked at it.
    pub(super) async fn recover_with(
        &self,
        files: &MemoryFiles,
        fault: Option<Fault>,
        record: &mut Record,
    ) -> Result<(MemoryFiles, u64, u64), Wrong> {
        let (changes, reads) = (files.operations(), files.reads());
        if let Some(fault) = fault {
            files.inject(fault);
        }
        let opened = Life::open(Arc::new(files.clone()), &self.setup).await;
        let mut wrong = Ok(());
        let mut lives = None;
        if let Ok(mut life) = opened {
            if let Ok(held) = life.held().await {
                match held.differs_from(&record.states) {
                    None => {
                        record.came_back(held);
                        // It may fail here too; the disk is looked at afterwards.
                        drop(life.begin(record).await);
                    }
                    Some(difference) => {
                        let what = format!("it came back with {held}, though something failed");
                        wrong = Err((verdict(difference), what));
                    }
                }
            }
            lives = Some(life);
        }
        let left = files.fork();
        if let Some(life) = lives {
            life.end().await;
        }
        wrong?;
        Ok((left, files.operations() - changes, files.reads() - reads))
    }
}

fn verdict(difference: Difference) -> Verdict {
    match difference {
        Difference::Missing => Verdict::Lost,
        Difference::Wrong => Verdict::Silent,
    }
}

fn refused(what: &str, error: &anyhow::Error) -> Wrong {
    (Verdict::Refused, format!("{what}: {error:#}"))
}
